//! A small chat behind a gateway: every message to `echomessage` reaches everyone.
//!
//! ```sh
//! cargo run -p babelwire-gateway --example chat -- --listen 127.0.0.1:8080
//! wscat -c ws://127.0.0.1:8080/live
//! > {"action":"echomessage","data":"hello"}
//! ```
//!
//! It has a route for each way in which a handler can behave, and every limit as an option, so
//! that the tests in `tests/peers` can see them all from outside.

use std::{
    io::Write as _,
    net::SocketAddr,
    time::{Duration, Instant},
};

use aws_lambda_events::{
    apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest},
    encodings::Body,
};
use axum::serve::ListenerExt as _;
use babelwire_gateway::{Connections, Gateway, Guard, Limits};
use bytes::Bytes;
use clap::Parser;
use futures::future::join_all;
use serde_json::{Value, json};

type HandlerError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(about = "A small chat behind the WebSocket gateway")]
struct Options {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Stage: the path of the WebSocket.
    #[arg(long, default_value = "live")]
    stage: String,
    /// Close connections without traffic after so many milliseconds.
    #[arg(long, value_parser = milliseconds, default_value = "600000")]
    idle_ms: Duration,
    /// Close every connection after so many milliseconds.
    #[arg(long, value_parser = milliseconds, default_value = "7200000")]
    max_duration_ms: Duration,
    /// Give up on a handler after so many milliseconds.
    #[arg(long, value_parser = milliseconds, default_value = "29000")]
    integration_timeout_ms: Duration,
    /// Wait so many milliseconds for a client that does not read.
    #[arg(long, value_parser = milliseconds, default_value = "1000")]
    post_timeout_ms: Duration,
    /// Another name under which this server may be called.
    #[arg(long)]
    allow_host: Vec<String>,
    /// Another origin whose pages may call this server.
    #[arg(long)]
    allow_origin: Vec<String>,
    /// Have a `$default` route, which answers with what it got.
    #[arg(long)]
    default_route: bool,
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    let mut guard = Guard::new().listening(address);
    for host in &options.allow_host {
        guard = guard.allow_host(host)?;
    }
    for origin in &options.allow_origin {
        guard = guard.allow_origin(origin)?;
    }

    let mut builder = Gateway::builder()
        .stage(&options.stage)
        .guard(guard)
        .limits(Limits {
            idle_timeout: options.idle_ms,
            max_duration: options.max_duration_ms,
            integration_timeout: options.integration_timeout_ms,
            post_timeout: options.post_timeout_ms,
            ..Limits::default()
        });
    let connections = builder.connections();
    let everyone = connections.clone();
    builder = builder
        .route("$connect", connect)
        .route("$disconnect", move |event| {
            farewell(everyone.clone(), event)
        });
    let everyone = connections.clone();
    builder = builder
        .route("echomessage", move |event| echo(everyone.clone(), event))
        .route_with_response("ping", ping)
        .route_with_response("whoami", whoami)
        .route_with_response("7", whoami)
        .route("silent", whoami)
        .route("fail", |_| async {
            Err::<ApiGatewayProxyResponse, _>("it does that")
        })
        .route("panic", panics)
        .route("slow", slow);
    if options.default_route {
        builder = builder.route_with_response("$default", whoami);
    }
    let gateway = builder.build()?;

    let service = gateway
        .standalone_router()
        .into_make_service_with_connect_info::<SocketAddr>();
    // Small messages are not to wait for each other's acknowledgement.
    let listener = listener.tap_io(|tcp| {
        if let Err(error) = tcp.set_nodelay(true) {
            eprintln!("TCP_NODELAY: {error}");
        }
    });
    println!("listening on http://{address}");
    std::io::stdout().flush()?;
    tokio::select! {
        served = axum::serve(listener, service).into_future() => served?,
        () = asked_to_stop() => {
            connections.shutdown(Duration::from_secs(5)).await;
        }
    }
    Ok(())
}

async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            let _ = interrupt.await;
            return;
        };
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    {
        let _ = interrupt.await;
    }
}

fn response(status: i64, body: impl Into<String>) -> ApiGatewayProxyResponse {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = status;
    response.body = Some(Body::Text(body.into()));
    response
}

/// Does what the query asks: `?refuse=401`, `?fail`, `?panic`, `?slow`, `?protocol=chat`.
async fn connect(
    event: ApiGatewayWebsocketProxyRequest,
) -> Result<ApiGatewayProxyResponse, HandlerError> {
    let query = &event.query_string_parameters;
    if let Some(status) = query.first("refuse") {
        return Ok(response(
            status.parse()?,
            json!({ "reason": "you asked for it" }).to_string(),
        ));
    }
    if query.first("fail").is_some() {
        return Err("you asked for it".into());
    }
    if query.first("panic").is_some() {
        return panics(event).await;
    }
    if query.first("slow").is_some() {
        return slow(event).await;
    }
    let mut accepted = response(200, "");
    if let Some(protocol) = query.first("protocol") {
        accepted
            .headers
            .insert("Sec-WebSocket-Protocol", protocol.parse()?);
    }
    Ok(accepted)
}

/// Tells everyone who left and how.
async fn farewell(
    connections: Connections,
    event: ApiGatewayWebsocketProxyRequest,
) -> Result<ApiGatewayProxyResponse, HandlerError> {
    let context = event.request_context;
    let news = json!({
        "left": context.connection_id,
        "code": context.disconnect_status_code,
        "reason": context.disconnect_reason,
    });
    send_to_all(&connections, news.to_string()).await;
    Ok(response(200, ""))
}

/// Sends `data` to everyone, as it is.
async fn echo(
    connections: Connections,
    event: ApiGatewayWebsocketProxyRequest,
) -> Result<ApiGatewayProxyResponse, HandlerError> {
    let body: Value = serde_json::from_str(event.body.as_deref().unwrap_or_default())?;
    let data = body["data"].as_str().ok_or("data must be a string")?;
    send_to_all(&connections, data.to_owned()).await;
    Ok(response(200, ""))
}

async fn send_to_all(connections: &Connections, text: String) {
    let text = Bytes::from(text);
    let ids = connections.ids();
    let sends = ids
        .iter()
        .map(|id| connections.post_to_connection(id, text.clone()));
    // One that is gone or does not read is no reason not to tell the others.
    join_all(sends).await;
}

async fn ping(
    event: ApiGatewayWebsocketProxyRequest,
) -> Result<ApiGatewayProxyResponse, HandlerError> {
    let body: Value = serde_json::from_str(event.body.as_deref().unwrap_or_default())?;
    Ok(response(
        200,
        json!({ "type": "pong", "data": body["data"] }).to_string(),
    ))
}

/// Answers with the event itself.
async fn whoami(
    event: ApiGatewayWebsocketProxyRequest,
) -> Result<ApiGatewayProxyResponse, HandlerError> {
    Ok(response(200, serde_json::to_string(&event)?))
}

async fn panics(
    event: ApiGatewayWebsocketProxyRequest,
) -> Result<ApiGatewayProxyResponse, HandlerError> {
    assert!(
        event.resource.is_some(),
        "this handler panics on every event"
    );
    Ok(response(200, ""))
}

/// Takes longer than any handler may.
async fn slow(
    _event: ApiGatewayWebsocketProxyRequest,
) -> Result<ApiGatewayProxyResponse, HandlerError> {
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(60 * 60)).await;
    Ok(response(200, format!("{:?}", began.elapsed())))
}
