//! `@connections` by AWS's own SDK, against our own gateway with real clients.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, and this is what they call"
)]

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use babelwire_aws::notifier::{ConnectionsNotifier, client};
use babelwire_gateway::{Gateway, Limits};
use babelwire_service::ports::{Clock, Notifier as _, PostError, Random};
use bytes::Bytes;
use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

mod sdk;

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What stands between the SDK and the gateway.
#[derive(Default)]
struct Between {
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    /// So many calls end in an error of the gateway.
    failures: AtomicUsize,
}

async fn between(State(between): State<Arc<Between>>, request: Request, next: Next) -> Response {
    if request.method() == Method::GET {
        return next.run(request).await;
    }
    let under_way = between.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    between
        .most_under_way
        .fetch_max(under_way, Ordering::SeqCst);
    let fails = between
        .failures
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok();
    let response = if fails {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    } else {
        // Long enough for others to come meanwhile, if they may.
        tokio::time::sleep(Duration::from_millis(2)).await;
        next.run(request).await
    };
    between.under_way.fetch_sub(1, Ordering::SeqCst);
    response
}

/// A clock on which waiting takes no time, and which remembers the waits.
#[derive(Default)]
struct Waits(Mutex<Vec<Duration>>);

#[async_trait]
impl Clock for Waits {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    async fn sleep(&self, duration: Duration) {
        self.0.lock().unwrap().push(duration);
    }
}

struct Most;

impl Random for Most {
    fn bytes(&self) -> [u8; 16] {
        [255; 16]
    }
}

struct World {
    notifier: ConnectionsNotifier,
    between: Arc<Between>,
    waits: Arc<Waits>,
    address: SocketAddr,
    connected: mpsc::UnboundedReceiver<String>,
}

impl World {
    async fn new() -> Self {
        Self::with(64, Limits::default()).await
    }

    async fn with(posts: usize, limits: Limits) -> Self {
        let (connects, connected) = mpsc::unbounded_channel();
        let gateway = Gateway::builder()
            .limits(limits)
            .route("$connect", move |event: ApiGatewayWebsocketProxyRequest| {
                let id = event.request_context.connection_id;
                connects.send(id.unwrap()).unwrap();
                async {
                    let mut accepted = ApiGatewayProxyResponse::default();
                    accepted.status_code = 200;
                    Ok::<_, Infallible>(accepted)
                }
            })
            .build()
            .unwrap();
        let stands_between = Arc::new(Between::default());
        let router = gateway
            .standalone_router()
            .layer(middleware::from_fn_with_state(
                Arc::clone(&stands_between),
                between,
            ))
            .into_make_service_with_connect_info::<SocketAddr>();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });

        let sdk = sdk::sdk("http://127.0.0.1:1").await;
        let client = client(&sdk, &format!("http://{address}/live"));
        let waits = Arc::new(Waits::default());
        let clock: Arc<Waits> = Arc::clone(&waits);
        Self {
            notifier: ConnectionsNotifier::new(client, posts, clock, Arc::new(Most)),
            between: stands_between,
            waits,
            address,
            connected,
        }
    }

    /// A client and its connection's id.
    async fn client(&mut self) -> (Client, String) {
        let url = format!("ws://{}/live", self.address);
        let (client, _) = connect_async(url).await.unwrap();
        let id = self.connected.recv().await.unwrap();
        (client, id)
    }

    async fn post(&self, id: &str, text: impl Into<Bytes>) -> Result<(), PostError> {
        self.notifier.post(id, text.into()).await
    }

    fn waits(&self) -> Vec<Duration> {
        self.waits.0.lock().unwrap().clone()
    }
}

async fn text(client: &mut Client) -> String {
    match client.next().await.unwrap().unwrap() {
        Message::Text(text) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn many_clients_each_get_their_own_frames_in_order() {
    let mut world = World::with(4, Limits::default()).await;
    let mut clients = Vec::new();
    let mut ids = HashSet::new();
    for _ in 0..40 {
        let (client, id) = world.client().await;
        assert!(ids.insert(id.clone()));
        clients.push((client, id));
    }
    for round in 0..2 {
        let posts = clients
            .iter()
            .map(|(_, id)| world.post(id, format!("{round} “{id}” 😀")));
        for posted in futures::future::join_all(posts).await {
            posted.unwrap();
        }
    }
    for (client, id) in &mut clients {
        for round in 0..2 {
            assert_eq!(text(client).await, format!("{round} “{id}” 😀"));
        }
    }
    // However many were asked for at once.
    assert_eq!(world.between.most_under_way.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_client_that_left_is_gone_and_closing_it_is_no_error() {
    let mut world = World::new().await;
    let (mut client, id) = world.client().await;
    client.close(None).await.unwrap();
    // The close handshake ends with the gateway's own close.
    while client.next().await.is_some_and(|message| message.is_ok()) {}
    assert_eq!(world.post(&id, "too late").await, Err(PostError::Gone));
    world.notifier.close(&id).await.unwrap();
    assert!(world.waits().is_empty());
}

#[tokio::test]
async fn an_id_that_is_none_is_told_in_the_gateways_words() {
    let world = World::new().await;
    let Err(PostError::Other(error)) = world.post("no such id", "?").await else {
        panic!("it was taken");
    };
    assert!(error.0.contains("BadRequestException"), "{error}");
    assert!(world.notifier.close("no such id").await.is_err());
    assert!(world.waits().is_empty());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_busy_and_hears_all_that_was_taken() {
    let limits = Limits {
        queue_messages: 4,
        post_timeout: Duration::from_millis(10),
        ..Limits::default()
    };
    let mut world = World::with(64, limits).await;
    let (mut client, id) = world.client().await;
    // What the network holds comes on top of what the gateway does.
    let frame = |number: usize| format!("{number} {}", "x".repeat(100_000));
    let mut taken = 0;
    let refused = loop {
        match world.post(&id, frame(taken)).await {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken < 1_000, "the client reads");
    };
    assert_eq!(refused, PostError::Busy);
    assert!(taken >= 4);
    // How long to wait for it is the service's to decide.
    assert!(world.waits().is_empty());
    for number in 0..taken {
        assert_eq!(text(&mut client).await, frame(number));
    }
    world.post(&id, "and again").await.unwrap();
    assert_eq!(text(&mut client).await, "and again");
}

#[tokio::test]
async fn a_frame_above_the_gateways_limit_is_refused_in_words() {
    let mut world = World::new().await;
    let (mut client, id) = world.client().await;
    let Err(PostError::Other(error)) = world.post(&id, "x".repeat(131_073)).await else {
        panic!("it was taken");
    };
    assert!(error.0.contains("PayloadTooLargeException"), "{error}");
    world.post(&id, "x".repeat(131_072)).await.unwrap();
    assert_eq!(text(&mut client).await.len(), 131_072);
}

#[tokio::test]
async fn closing_a_connection_closes_it() {
    let mut world = World::new().await;
    let (mut client, id) = world.client().await;
    world.notifier.close(&id).await.unwrap();
    let Some(Ok(Message::Close(Some(close)))) = client.next().await else {
        panic!("it is open");
    };
    assert_eq!(close.code, CloseCode::Normal);
}

#[tokio::test]
async fn a_gateway_that_fails_is_tried_again_and_then_named() {
    let mut world = World::new().await;
    let (mut client, id) = world.client().await;
    world.between.failures.store(2, Ordering::SeqCst);
    world.post(&id, "third time lucky").await.unwrap();
    assert_eq!(text(&mut client).await, "third time lucky");
    let most = [100, 200].map(Duration::from_millis);
    assert_eq!(world.waits(), most);

    world.between.failures.store(3, Ordering::SeqCst);
    let refused = world.post(&id, "never").await;
    assert!(matches!(refused, Err(PostError::Other(_))), "{refused:?}");
    assert_eq!(world.between.failures.load(Ordering::SeqCst), 0);
    world.between.failures.store(1, Ordering::SeqCst);
    world.notifier.close(&id).await.unwrap();
}
