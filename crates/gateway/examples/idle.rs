//! How much memory idle connections hold, and how long an echo takes to reach them all.
//!
//! ```sh
//! cargo run --release -p babelwire-gateway --example idle -- --connections 1000
//! ```
//!
//! The gateway runs in a process of its own, started by this one, so that its memory is its own.
//! The last line is for programs: `idle connections=1000 kib_per_connection=… echo_ms=…`.
//! Linux only: memory is read from `/proc`.

use std::{
    net::SocketAddr,
    process::Stdio,
    time::{Duration, Instant},
};

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use axum::serve::ListenerExt as _;
use babelwire_gateway::{Connections, Gateway};
use bytes::Bytes;
use clap::Parser;
use futures::{SinkExt as _, StreamExt as _, future::join_all};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::WebSocketConfig},
};

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
type Client = WebSocketStream<TcpStream>;

#[derive(Parser)]
#[command(about = "Measures the memory of idle connections")]
struct Options {
    /// How many connections to open.
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Bytes of data in the echoed message.
    #[arg(long, default_value_t = 64)]
    echo_bytes: usize,
    /// Fail if a connection holds more KiB than this.
    #[arg(long)]
    budget_kib: Option<f64>,
    /// Be the gateway, not the measurement.
    #[arg(long, hide = true)]
    serve: bool,
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let options = Options::parse();
    if options.serve {
        serve().await
    } else {
        measure(&options).await
    }
}

async fn serve() -> Fallible<()> {
    let builder = Gateway::builder();
    let connections = builder.connections();
    let gateway = builder
        .route("echomessage", move |event| echo(connections.clone(), event))
        .build()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let service = gateway
        .standalone_router()
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = listener.tap_io(|tcp| {
        if let Err(error) = tcp.set_nodelay(true) {
            eprintln!("TCP_NODELAY: {error}");
        }
    });
    Ok(axum::serve(listener, service).await?)
}

async fn echo(
    connections: Connections,
    event: ApiGatewayWebsocketProxyRequest,
) -> Fallible<ApiGatewayProxyResponse> {
    let body: Value = serde_json::from_str(event.body.as_deref().unwrap_or_default())?;
    let text = Bytes::from(
        body["data"]
            .as_str()
            .ok_or("data must be a string")?
            .to_owned(),
    );
    let ids = connections.ids();
    join_all(
        ids.iter()
            .map(|id| connections.post_to_connection(id, text.clone())),
    )
    .await;
    Ok(ApiGatewayProxyResponse::default())
}

async fn measure(options: &Options) -> Fallible<()> {
    let mut server = Command::new(std::env::current_exe()?)
        .arg("--serve")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let address = address_of(&mut server).await?;
    let pid = server.id().ok_or("the gateway has ended")?;

    // One connection first: what the process needs to serve at all is not the connections'.
    let mut clients = vec![open(address).await?];
    echo_to_all(&mut clients, options.echo_bytes).await?;
    let before = resident_kib(pid)?;

    let began = Instant::now();
    for _ in 0..options.connections {
        clients.push(open(address).await?);
    }
    let opening = began.elapsed();
    let idle = resident_kib(pid)?;
    let echo = echo_to_all(&mut clients, options.echo_bytes).await?;
    let after_echo = resident_kib(pid)?;

    #[expect(clippy::cast_precision_loss, reason = "kibibytes of one process")]
    let each = |kib: u64| kib.saturating_sub(before) as f64 / options.connections as f64;
    println!(
        "{} connections, opened one after the other in {opening:.1?}; resident {before} KiB \
         before, {idle} KiB when all were open, {after_echo} KiB after an echo of {} bytes to all",
        options.connections, options.echo_bytes
    );
    let worst = each(idle).max(each(after_echo));
    println!(
        "idle connections={} kib_per_connection={:.2} kib_per_connection_after_echo={:.2} \
         echo_ms={:.1} echo_bytes={}",
        options.connections,
        each(idle),
        each(after_echo),
        echo.as_secs_f64() * 1e3,
        options.echo_bytes,
    );
    server.kill().await?;
    match options.budget_kib {
        Some(budget) if worst > budget => {
            Err(format!("{worst:.2} KiB a connection is above the budget of {budget} KiB").into())
        }
        _ => Ok(()),
    }
}

async fn address_of(server: &mut Child) -> Fallible<SocketAddr> {
    let stdout = server.stdout.take().ok_or("the gateway has no output")?;
    let line = BufReader::new(stdout).lines().next_line().await?;
    Ok(line
        .ok_or("the gateway ended before it listened")?
        .parse()?)
}

async fn open(address: SocketAddr) -> Fallible<Client> {
    let tcp = TcpStream::connect(address).await?;
    let config = WebSocketConfig::default().read_buffer_size(4096);
    let request = format!("ws://{address}/live");
    Ok(
        tokio_tungstenite::client_async_with_config(request, tcp, Some(config))
            .await?
            .0,
    )
}

/// Has the first client send a message to everyone, and waits until everyone has it.
async fn echo_to_all(clients: &mut [Client], bytes: usize) -> Fallible<Duration> {
    let data = "x".repeat(bytes);
    let began = Instant::now();
    let frame = serde_json::json!({ "action": "echomessage", "data": data }).to_string();
    clients[0].send(Message::text(frame)).await?;
    let everyone = clients.iter_mut().map(|client| async {
        let message = client.next().await.ok_or("a connection ended")??;
        if *message.to_text()? == *data {
            Ok(())
        } else {
            Err(format!("{message:?}").into())
        }
    });
    let all = join_all(everyone);
    let arrived = tokio::time::timeout(Duration::from_secs(60), all).await?;
    arrived.into_iter().collect::<Fallible<()>>()?;
    Ok(began.elapsed())
}

/// Resident memory of a process.
fn resident_kib(pid: u32) -> Fallible<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .ok_or("no VmRSS")?;
    Ok(line
        .split_whitespace()
        .nth(1)
        .ok_or("no number in VmRSS")?
        .parse()?)
}
