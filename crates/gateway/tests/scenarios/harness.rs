//! A gateway and its clients, joined by pipes.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lambda_events::{
    apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest},
    encodings::Body as EventBody,
};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    response::Response,
};
use babelwire_gateway::{Connections, Gateway, GatewayBuilder};
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Request};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::DuplexStream,
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, protocol::CloseFrame},
};
use tower::{Layer as _, ServiceExt as _};

pub(crate) type Event = ApiGatewayWebsocketProxyRequest;

/// What a handshake that was not accepted got.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

pub(crate) struct Host {
    pub(crate) connections: Connections,
    router: Router,
    left: Arc<Mutex<mpsc::UnboundedReceiver<Event>>>,
}

impl Host {
    /// A gateway with the routes of `builder` and a `$disconnect` that [`Host::left`] hears.
    pub(crate) fn new(builder: GatewayBuilder) -> Self {
        let (leaving, left) = mpsc::unbounded_channel();
        let gateway = builder
            .route("$disconnect", move |event| {
                leaving.send(event).unwrap();
                async { ok("") }
            })
            .build()
            .unwrap();
        Self::of(&gateway, gateway.standalone_router(), left)
    }

    fn of(gateway: &Gateway, router: Router, left: mpsc::UnboundedReceiver<Event>) -> Self {
        let router = axum::Extension(ConnectInfo(SocketAddr::from(([10, 9, 8, 7], 4321))))
            .layer(router)
            .into_service_router();
        Self {
            connections: gateway.connections().clone(),
            router,
            left: Arc::new(Mutex::new(left)),
        }
    }

    /// Opens a connection that must be accepted.
    pub(crate) async fn client(&self) -> Client {
        self.dial(request("/live"), 64 * 1024).await.unwrap()
    }

    /// Opens a connection over a pipe that holds `pipe` bytes in each direction.
    pub(crate) async fn dial(&self, request: Request<()>, pipe: usize) -> Result<Client, Refused> {
        let (near, far) = tokio::io::duplex(pipe);
        let service = TowerToHyperService::new(self.router.clone());
        tokio::spawn(async move {
            let http = hyper::server::conn::http1::Builder::new();
            // A client that hangs up is part of some stories.
            let _ = http
                .serve_connection(TokioIo::new(far), service)
                .with_upgrades()
                .await;
        });
        match tokio_tungstenite::client_async(request, near).await {
            Ok((stream, response)) => Ok(Client {
                stream,
                response: response.map(drop),
            }),
            Err(tungstenite::Error::Http(response)) => Err(Refused {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                body: String::from_utf8(response.into_body().unwrap_or_default()).unwrap(),
            }),
            Err(error) => panic!("no HTTP answer: {error}"),
        }
    }

    /// One plain HTTP request.
    pub(crate) async fn http(&self, request: Request<Body>) -> Refused {
        let response: Response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Refused {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(body.into()).unwrap(),
        }
    }

    /// The status code and reason that `$disconnect` was told next.
    pub(crate) async fn left(&self) -> (i64, String) {
        let event = self.left_event().await;
        let context = event.request_context;
        (
            context.disconnect_status_code.unwrap(),
            context.disconnect_reason.unwrap(),
        )
    }

    pub(crate) async fn left_event(&self) -> Event {
        std::future::poll_fn(|cx| self.left.lock().unwrap().poll_recv(cx))
            .await
            .unwrap()
    }

    /// The id of the only connection.
    pub(crate) fn only_id(&self) -> String {
        let ids = self.connections.ids();
        assert_eq!(ids.len(), 1, "{ids:?}");
        ids[0].to_string()
    }
}

trait IntoServiceRouter {
    fn into_service_router(self) -> Router;
}

impl<S> IntoServiceRouter for S
where
    S: tower::Service<Request<Body>, Response = Response, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    fn into_service_router(self) -> Router {
        Router::new().fallback_service(self)
    }
}

pub(crate) struct Client {
    pub(crate) stream: WebSocketStream<DuplexStream>,
    pub(crate) response: http::Response<()>,
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// The next text frame.
    pub(crate) async fn text(&mut self) -> String {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("no text frame but {other:?}"),
        }
    }

    /// The close frame, which must be the very next thing, and then the end of the stream.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let frame = match self.stream.next().await {
            Some(Ok(Message::Close(Some(frame)))) => frame,
            other => panic!("no close frame but {other:?}"),
        };
        let end = self.stream.next().await;
        assert!(
            end.is_none(),
            "the server has to end the connection, not {end:?}"
        );
        (frame.code.into(), frame.reason.to_string())
    }

    /// Closes from this side and waits for the answer.
    pub(crate) async fn close(&mut self, frame: Option<CloseFrame>) -> Option<CloseFrame> {
        self.stream.close(frame).await.unwrap();
        match self.stream.next().await {
            Some(Ok(Message::Close(answer))) => {
                assert!(self.stream.next().await.is_none());
                answer
            }
            other => panic!("no close frame but {other:?}"),
        }
    }

    /// Asserts that nothing comes for so long.
    pub(crate) async fn hears_nothing_for(&mut self, time: Duration) {
        if let Ok(frame) = timeout(time, self.stream.next()).await {
            panic!("{frame:?}");
        }
    }
}

/// A handshake to `localhost`.
pub(crate) fn request(path: &str) -> Request<()> {
    request_with(path, &[])
}

pub(crate) fn request_with(path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get(format!("ws://localhost:8080{path}"))
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        request = request.header("Host", "localhost:8080");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

pub(crate) fn ok(body: &str) -> Result<ApiGatewayProxyResponse, String> {
    answer(200, body)
}

#[expect(clippy::unnecessary_wraps, reason = "it is what handlers return")]
pub(crate) fn answer(status: i64, body: &str) -> Result<ApiGatewayProxyResponse, String> {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = status;
    response.body = Some(EventBody::Text(body.to_owned()));
    Ok(response)
}

/// A handler that answers with its event.
pub(crate) async fn mirror(event: Event) -> Result<ApiGatewayProxyResponse, String> {
    ok(&serde_json::to_string(&event).unwrap())
}

/// A handler that never ends.
pub(crate) async fn hang(_event: Event) -> Result<ApiGatewayProxyResponse, String> {
    std::future::pending().await
}

/// The time since `began`, on the virtual clock, to the second.
pub(crate) fn seconds_since(began: Instant) -> u64 {
    began.elapsed().as_secs()
}
