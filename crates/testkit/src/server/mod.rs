//! The fake gateway over real sockets.

mod control;
mod handshake;
mod muzzle;
mod socket;
mod stage;

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{Extension, Router, body::Body};
use http::Uri;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime::Handle, sync::watch};
use tower::ServiceExt as _;
use tower_http::cors::CorsLayer;

pub use stage::{Stage, TimedOut};

use crate::DialState;
use stage::World;

/// The stage of control calls that name none.
const DEFAULT_STAGE: &str = "live";

/// How a [`FakeGateway`] is started.
///
/// ```
/// # use babelwire_testkit::Options;
/// let options = Options::new().upstream("ws://127.0.0.1:8080/live").seed(7);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Where to listen; by default a free port of 127.0.0.1. Only loopback addresses are taken:
    /// the gateway lets everybody steer it.
    pub listen: SocketAddr,
    /// The gateway to stand before, such as `ws://127.0.0.1:8080/live`. Without one the gateway
    /// answers by itself.
    pub upstream: Option<String>,
    /// Where the dice start that decide on probabilities; by default 1. The same seed and the
    /// same order of frames give the same run.
    pub seed: u64,
    /// The stage of control calls over HTTP that name none; by default `live`.
    pub default_stage: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            upstream: None,
            seed: 1,
            default_stage: DEFAULT_STAGE.to_owned(),
        }
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`Options::listen`].
    #[must_use]
    pub const fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Sets [`Options::upstream`].
    #[must_use]
    pub fn upstream(mut self, url: impl Into<String>) -> Self {
        self.upstream = Some(url.into());
        self
    }

    /// Sets [`Options::seed`].
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets [`Options::default_stage`].
    #[must_use]
    pub fn default_stage(mut self, name: impl Into<String>) -> Self {
        self.default_stage = name.into();
        self
    }
}

/// Why a [`FakeGateway`] did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is not of this machine alone.
    #[error(
        "{0} is no loopback address: the fake gateway lets everybody steer it, so it listens on \
         127.0.0.1 or [::1] only"
    )]
    NotLoopback(SocketAddr),
    /// The address could not be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The upstream is none.
    #[error("{0} is no upstream: give a URL such as ws://127.0.0.1:8080/live")]
    Upstream(String),
    /// The stage's name is none.
    #[error("{0:?} is no name of a stage: take letters, digits, `-`, `_`, `.` and `~`")]
    Stage(String),
}

/// A WebSocket gateway on a port of its own, which misbehaves by [rules](crate::rules).
///
/// It answers as a small backend of API Gateway's kind: `{"action":"echomessage","data":"…"}` is
/// sent to every client as the text `…`, `{"action":"ping","data":"…"}` is answered with
/// `{"type":"pong","data":"…"}`, anything else with the gateway's `Forbidden` frame, a binary
/// frame with a close with 1003, a frame above 32 KiB with a close with 1009. Or it stands before
/// a real gateway ([`Options::upstream`]) and passes on what comes either way; protocol pings
/// are answered on each side and not passed on.
///
/// The first segment of the URL's path is the *stage*. Every stage is a little world of its own,
/// with its own clients, rules and records, made when it is first used: tests that use a stage
/// each do not disturb one another. With an upstream, the rest of the path follows the upstream's
/// own; without one there must be none.
///
/// It ends, and all its connections with it, when it is dropped.
///
/// ```
/// use babelwire_testkit::{FakeGateway, rules::{Action, Match, Rule}};
/// # use futures::{SinkExt as _, StreamExt as _};
/// # use tokio_tungstenite::{connect_async, tungstenite::Message};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gateway = FakeGateway::start().await?;
/// let stage = gateway.stage("live");
/// stage.add_rule(Rule::new(Match::dial(), Action::Refuse(503)).once())?;
///
/// assert!(connect_async(stage.url()).await.is_err());
/// let (mut socket, _) = connect_async(stage.url()).await?;
/// stage.until(|seen| seen.open() == 1).await?;
///
/// socket.send(Message::text(r#"{"action":"ping","data":"1"}"#)).await?;
/// let pong = socket.next().await.ok_or("closed")??;
/// assert_eq!(pong.to_text()?, r#"{"type":"pong","data":"1"}"#);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FakeGateway {
    shared: Arc<Shared>,
    /// Dropped with the gateway, which ends every task.
    _alive: watch::Sender<()>,
}

impl FakeGateway {
    /// Starts a gateway on a free port of 127.0.0.1 that answers by itself.
    pub async fn start() -> Result<Self, StartError> {
        Self::start_with(Options::default()).await
    }

    /// Starts a gateway.
    pub async fn start_with(options: Options) -> Result<Self, StartError> {
        if !options.listen.ip().is_loopback() {
            return Err(StartError::NotLoopback(options.listen));
        }
        if !is_stage(&options.default_stage) {
            return Err(StartError::Stage(options.default_stage));
        }
        let upstream = options
            .upstream
            .map(|url| parse_upstream(&url))
            .transpose()?;
        let listening = |error| StartError::Listen(options.listen, error);
        let listener = TcpListener::bind(options.listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let (alive, ended) = watch::channel(());
        let shared = Arc::new(Shared {
            address,
            upstream,
            seed: options.seed,
            default_stage: options.default_stage,
            worlds: Mutex::default(),
            runtime: Handle::current(),
            ended,
        });
        tokio::spawn(accept(listener, shared.clone()));
        Ok(Self {
            shared,
            _alive: alive,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// A stage, which is made if there is none of this name.
    ///
    /// # Panics
    ///
    /// If this is no name of a stage: it takes letters, digits, `-`, `_`, `.` and `~`, and does
    /// not begin with `_`.
    pub fn stage(&self, name: &str) -> Stage {
        assert!(
            is_stage(name),
            "{name:?} is no name of a stage: take letters, digits, `-`, `_`, `.` and `~`"
        );
        Stage::new(self.shared.world(name))
    }
}

/// What all tasks of a gateway share.
#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    upstream: Option<Uri>,
    seed: u64,
    default_stage: String,
    worlds: Mutex<HashMap<String, Arc<World>>>,
    runtime: Handle,
    /// Changes, by ending, when the gateway is dropped.
    ended: watch::Receiver<()>,
}

impl Shared {
    fn worlds(&self) -> MutexGuard<'_, HashMap<String, Arc<World>>> {
        self.worlds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn world(&self, name: &str) -> Arc<World> {
        self.worlds()
            .entry(name.to_owned())
            .or_insert_with(|| {
                World::start(
                    name,
                    self.address,
                    self.upstream.is_some(),
                    self.seed,
                    &self.runtime,
                    self.ended.clone(),
                )
            })
            .clone()
    }

    /// Forgets a stage, whose connections are cut.
    fn forget(&self, name: &str) -> bool {
        let world = self.worlds().remove(name);
        if let Some(world) = &world {
            world.act(|core, _| {
                for number in core.in_state(&DialState::PRESENT) {
                    core.cut(number);
                }
            });
        }
        world.is_some()
    }
}

/// Whether a segment of a path can be a stage. What begins with `_` is kept for control calls.
fn is_stage(name: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
    !name.is_empty() && !name.starts_with('_') && name.chars().all(is_fine)
}

fn parse_upstream(url: &str) -> Result<Uri, StartError> {
    url.parse::<Uri>()
        .ok()
        .filter(|uri| uri.scheme_str() == Some("ws") && uri.host().is_some_and(|h| !h.is_empty()))
        .ok_or_else(|| StartError::Upstream(url.to_owned()))
}

/// In a response: end the TCP connection instead of sending this.
#[derive(Debug, Clone, Copy)]
struct Hangup;

#[derive(Debug, thiserror::Error)]
#[error("cut by a rule")]
struct HungUp;

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut ended = shared.ended.clone();
    let app = Router::new()
        .merge(control::routes())
        .layer(CorsLayer::permissive().allow_private_network(true))
        .fallback(handshake::answer)
        .layer(Extension(shared));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = ended.changed() => return,
        };
        let Ok((stream, _)) = accepted else {
            // About the one connection, or there are too many: not to be asked again at once.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _best_effort = stream.set_nodelay(true);
        tokio::spawn(serve(stream, app.clone(), ended.clone()));
    }
}

async fn serve(stream: tokio::net::TcpStream, app: Router, mut ended: watch::Receiver<()>) {
    let service = service_fn(|request: http::Request<Incoming>| {
        let app = app.clone();
        async move {
            let Ok(response) = app.oneshot(request.map(Body::new)).await;
            match response.extensions().get::<Hangup>() {
                Some(Hangup) => Err(HungUp),
                None => Ok(response),
            }
        }
    });
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        // It ends with an error when it was cut, or the client left: nothing to do about either.
        _ = connection => {}
        _ = ended.changed() => {}
    }
}
