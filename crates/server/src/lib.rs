//! Babelwire in one process: gateway, REST, SQLite, files and Apertium.
//!
//! The binary is [`run`]; [`Server`] is the same for tests and for programs that bring their own
//! runtime.

mod auth;
#[cfg(test)]
mod conformance;
mod live;
mod objects;
mod options;
mod pseudo;
mod records;
mod ui;
mod uploads;
mod world;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::serve::ListenerExt;
use babelwire_apertium::Apertium;
use babelwire_gateway::{Connections, Gateway, Guard};
use babelwire_service::ports::Translator;
use babelwire_service::{Limits, MemoryLooks, Ports, Service, Worker, work_queue};
use futures::StreamExt;
use futures::channel::mpsc;
use tokio::net::TcpListener;
use tower_http::cors::{AllowOrigin, CorsLayer};

pub use options::{Options, TranslatorChoice};

use crate::auth::Auth;
use crate::objects::FolderObjects;
use crate::pseudo::Pseudo;
use crate::records::SqliteRecords;
use crate::world::{BlockingThreads, GatewayNotifier, SystemClock, SystemRandom};

/// How long clients and handlers have to end when the server stops.
const SHUTDOWN: Duration = Duration::from_secs(3);
/// Object events handled side by side.
const EVENTS_SIDE_BY_SIDE: usize = 64;
/// How often the delivery of an object event is tried, and the wait before the second time.
const EVENT_ATTEMPTS: u32 = 6;
const EVENT_FIRST_WAIT: Duration = Duration::from_millis(100);

/// Why the server does not start or cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

fn context<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> Error {
    move |error| Error(format!("{what}: {error}"))
}

/// Runs the server until SIGTERM or Ctrl-C.
///
/// # Errors
/// In words, when it cannot start.
pub fn run(options: Options) -> Result<(), Error> {
    let filter = tracing_subscriber::EnvFilter::try_new(&options.log)
        .map_err(context("--log is no filter"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(context("could not start the runtime"))?;
    let ended = runtime.block_on(async {
        let server = Server::start(options).await?;
        let address = server.address();
        tracing::info!(%address, "listening");
        let mut stdout = std::io::stdout();
        // Whoever started the server may not want to read it.
        let _ = writeln!(stdout, "babelwire-server listening on http://{address}");
        let _ = stdout.flush();
        let signal = wait_for_signal()?;
        server.run(signal).await
    });
    // A thread may still wait for a disk or a process; nothing that was kept depends on it.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

/// Ends with SIGTERM or Ctrl-C.
fn wait_for_signal() -> Result<impl Future<Output = ()>, Error> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(context("could not listen for SIGTERM"))?;
    Ok(async move {
        let interrupt = tokio::signal::ctrl_c();
        #[cfg(unix)]
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = interrupt.await;
        tracing::info!("stopping");
    })
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: Router,
    connections: Connections,
    service: Arc<Service>,
    worker: Worker,
    events: mpsc::UnboundedReceiver<String>,
    /// Held as long as the server lives.
    _lock: File,
}

impl Server {
    /// Opens the data and listens. Nothing is answered before [`Server::run`].
    ///
    /// # Errors
    /// In words: what cannot be used, and why.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let data = &options.data;
        std::fs::create_dir_all(data).map_err(context(format!(
            "cannot make the folder {}",
            data.display()
        )))?;
        let lock = lock(data)?;
        let auth = Auth::new(&options).await?;
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(|error| listen_error(options.listen, &error))?;
        let address = listener
            .local_addr()
            .map_err(context("the listening address is unknown"))?;

        let database = data.join("babelwire.db");
        let records = SqliteRecords::open(&database)
            .map_err(context(format!("cannot open {}", database.display())))?;
        let newest = records
            .newest_sequencer()
            .await
            .map_err(context(format!("cannot read {}", database.display())))?;
        let folder = data.join("objects");
        let (objects, events) = FolderObjects::open(&folder, upload_key(data)?, newest.as_deref())
            .map_err(context(format!("cannot use {}", folder.display())))?;
        let objects = Arc::new(objects);

        let guard = guard(&options, address)?;
        let gateway = Gateway::builder()
            .guard(guard.clone())
            .limits(babelwire_gateway::Limits {
                idle_timeout: Duration::from_millis(options.socket_idle_ms),
                max_duration: Duration::from_millis(options.socket_max_ms),
                ..babelwire_gateway::Limits::default()
            });
        let gateway = match &auth {
            Some(auth) => auth.guard_gateway(gateway),
            None => gateway,
        };
        let connections = gateway.connections();
        let (queue, worker) = work_queue();
        let ports = Ports {
            translator: translator(&options)?,
            objects: Arc::<FolderObjects>::clone(&objects),
            records: Arc::new(records),
            looks: Arc::new(MemoryLooks::default()),
            notifier: Arc::new(GatewayNotifier(connections.clone())),
            clock: Arc::new(SystemClock),
            random: Arc::new(
                SystemRandom::new().map_err(context("the system gives no random bytes"))?,
            ),
            queue: Arc::new(queue),
            compute: Arc::new(BlockingThreads),
        };
        let limits = Limits {
            file_bytes: options.max_file_bytes,
            translations: options.max_translations,
            name_chars: options.max_name_chars,
            upload_expiry: Duration::from_secs(options.upload_expiry_s),
            jobs: options.max_jobs,
            ..Limits::default()
        };
        let service = Arc::new(Service::new(ports, limits));
        let gateway =
            live::routes(gateway, &service).map_err(context("the WebSocket's limits are wrong"))?;
        service
            .recover()
            .await
            .map_err(context("cannot take up what was under way"))?;
        let app = app(&options, auth.as_ref(), &service, objects, &gateway, guard)?;
        Ok(Self {
            listener,
            address,
            app,
            connections,
            service,
            worker,
            events,
            _lock: lock,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` ends. Then it accepts nothing new, closes every WebSocket with 1001,
    /// and lets go of the work in hand, which the next start takes up.
    ///
    /// # Errors
    /// When the listening socket fails.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        let worker = tokio::spawn(self.worker.run(Arc::clone(&self.service)));
        let events = tokio::spawn(deliver(self.events, Arc::clone(&self.service)));
        let listener = self.listener.tap_io(|socket| {
            // Small frames should not wait for each other.
            if let Err(error) = socket.set_nodelay(true) {
                tracing::debug!(%error, "no TCP_NODELAY");
            }
        });
        let (stopping, stopped) = tokio::sync::oneshot::channel();
        let serve = axum::serve(
            listener,
            self.app.into_make_service_with_connect_info::<SocketAddr>(),
        )
        .with_graceful_shutdown(async move {
            stop.await;
            // Without a receiver the server has ended by itself.
            let _ = stopping.send(());
        });
        let serve = async { serve.await };
        tokio::pin!(serve);
        // Without open requests both are ready at once.
        let ended = tokio::select! {
            ended = &mut serve => Some(ended),
            _ = stopped => None,
        };
        let last_requests = async {
            match ended {
                Some(ended) => ended,
                // Requests that are slower than that are cut.
                None => tokio::time::timeout(SHUTDOWN, &mut serve)
                    .await
                    .unwrap_or(Ok(())),
            }
        };
        let (_, ended) = tokio::join!(self.connections.shutdown(SHUTDOWN), last_requests);
        events.abort();
        worker.abort();
        ended.map_err(context("the listening socket failed"))
    }
}

/// Brings object events to the service, again when it fails.
async fn deliver(events: mpsc::UnboundedReceiver<String>, service: Arc<Service>) {
    events
        .for_each_concurrent(EVENTS_SIDE_BY_SIDE, |notification| {
            let service = Arc::clone(&service);
            async move {
                let mut wait = EVENT_FIRST_WAIT;
                for attempt in 1..=EVENT_ATTEMPTS {
                    match service.object_events(&notification).await {
                        Ok(()) => return,
                        Err(error) => {
                            tracing::warn!(attempt, %error, "an object event was not handled");
                        }
                    }
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
            }
        })
        .await;
}

fn translator(options: &Options) -> Result<Arc<dyn Translator>, Error> {
    let pseudo = || {
        let delay = Duration::from_millis(options.pseudo_delay_ms);
        Arc::new(Pseudo::new(delay, options.pseudo_refuses.clone())) as Arc<dyn Translator>
    };
    if options.translator == TranslatorChoice::Pseudo {
        return Ok(pseudo());
    }
    let mut settings = babelwire_apertium::Options::default();
    if let Some(modes) = &options.apertium_modes {
        settings.modes_dir.clone_from(modes);
    }
    let apertium = Apertium::discover(settings);
    if !apertium.languages().pairs.is_empty() {
        return Ok(Arc::new(apertium));
    }
    if options.translator == TranslatorChoice::Apertium {
        return Err(Error(
            "no Apertium language pair is installed: install one (on Debian, for example, \
             apt install apertium apertium-eng-spa), or use --translator pseudo"
                .to_owned(),
        ));
    }
    tracing::warn!("no Apertium language pair is installed: the pseudo translator stands in");
    Ok(pseudo())
}

fn listen_error(address: SocketAddr, error: &std::io::Error) -> Error {
    let hint = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            ". Another program listens there: stop it, or choose another port with --listen"
        }
        std::io::ErrorKind::PermissionDenied => ". Choose a port above 1023 with --listen",
        _ => "",
    };
    Error(format!("cannot listen on {address}: {error}{hint}"))
}

/// Makes sure that no other server uses the folder.
fn lock(data: &Path) -> Result<File, Error> {
    let path = data.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(context(format!("cannot write {}", path.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error(format!(
            "another babelwire-server uses the folder {}: stop it, or choose another with --data",
            data.display()
        ))),
        Err(TryLockError::Error(error)) => {
            Err(context(format!("cannot lock {}", path.display()))(error))
        }
    }
}

/// The key that upload URLs are signed with, made once.
fn upload_key(data: &Path) -> Result<[u8; 32], Error> {
    let path = data.join("upload.key");
    let unusable = || context(format!("cannot use {}", path.display()));
    let mut key = [0; 32];
    match File::open(&path) {
        Ok(mut file) => {
            file.read_exact(&mut key).map_err(unusable())?;
            return Ok(key);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable()(error)),
    }
    getrandom::fill(&mut key).map_err(context("the system gives no random bytes"))?;
    // Under another name first: a key that was written by half would never work again.
    let unfinished = data.join("upload.key.new");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(&unfinished)
        .and_then(|mut file| file.write_all(&key))
        .and_then(|()| std::fs::rename(&unfinished, &path))
        .map_err(unusable())?;
    Ok(key)
}

fn guard(options: &Options, address: SocketAddr) -> Result<Guard, Error> {
    let mut guard = Guard::new().listening(address);
    for host in &options.allow_hosts {
        guard = guard.allow_host(host).map_err(context("--allow-host"))?;
    }
    for origin in &options.allow_origins {
        guard = guard
            .allow_origin(origin)
            .map_err(context("--allow-origin"))?;
    }
    if let Some(url) = &options.public_url {
        let url: http::Uri = url.parse().map_err(context("--public-url is no URL"))?;
        let authority = url.authority().filter(|_| url.scheme().is_some());
        let authority = authority.ok_or_else(|| {
            Error("--public-url is no absolute URL: write https://host".to_owned())
        })?;
        guard = guard
            .allow_host(authority.as_str())
            .map_err(context("--public-url"))?;
    }
    Ok(guard)
}

fn app(
    options: &Options,
    auth: Option<&Arc<Auth>>,
    service: &Arc<Service>,
    objects: Arc<FolderObjects>,
    gateway: &Gateway,
    guard: Guard,
) -> Result<Router, Error> {
    let public_url = options
        .public_url
        .as_deref()
        .map(|url| url.trim_end_matches('/').to_owned());
    let rest = babelwire_rest::router(
        Arc::clone(service),
        babelwire_rest::Options {
            public_url: public_url.clone(),
        },
    );
    let rest = match auth {
        Some(auth) => auth.guard_rest(rest),
        None => rest,
    };
    let cors = cors(&options.allow_origins, auth.is_some())?;
    // Uploads bring no token: their signed URLs were given to somebody who did.
    let api = uploads::router(objects, Arc::clone(service))
        .merge(rest)
        .layer(cors.clone());
    // The guard comes first once more: a preflight must not be answered to whom it keeps out.
    let live = gateway.router().layer(cors).layer(guard.clone());
    let live = match auth {
        Some(_) => live.layer(middleware::from_fn(auth::no_management)),
        None => live,
    };
    if let Some(ui) = &options.ui
        && !ui.join("index.html").is_file()
    {
        return Err(Error(format!(
            "--ui: there is no index.html in {}: build the page first, or leave --ui out",
            ui.display()
        )));
    }
    let sign_in = options.sign_in.as_deref().map(auth::sign_in).transpose()?;
    if sign_in.is_some() && auth.is_none() {
        tracing::warn!(
            "--sign-in without --auth: the page asks people to sign in, and the backend takes anybody"
        );
    }
    let own = Router::new()
        .nest("/api", api)
        .merge(ui::router(
            options.ui.clone().map(absolute),
            public_url,
            sign_in,
        ))
        .layer(middleware::from_fn_with_state(guard, guarded));
    Ok(gateway
        .refuse_stray_handshakes(live.merge(own))
        .layer(middleware::from_fn(safe_headers)))
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// Pages of other origins that may read what this one answers.
fn cors(origins: &[String], with_tokens: bool) -> Result<CorsLayer, Error> {
    let origins = origins
        .iter()
        .map(|origin| HeaderValue::from_str(origin.trim_end_matches('/')))
        .collect::<Result<Vec<_>, _>>()
        .map_err(context("--allow-origin"))?;
    Ok(CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(
            [
                Some(header::CONTENT_TYPE),
                with_tokens.then_some(header::AUTHORIZATION),
            ]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>(),
        )
        .expose_headers(
            [
                Some(header::CONTENT_DISPOSITION),
                with_tokens.then_some(header::WWW_AUTHENTICATE),
            ]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>(),
        )
        .max_age(Duration::from_secs(600)))
}

/// Keeps foreign hosts and foreign pages out.
async fn guarded(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            tracing::warn!(
                host = ?request.headers().get(header::HOST),
                origin = ?request.headers().get(header::ORIGIN),
                "refused: {refusal}"
            );
            babelwire_rest::problem(StatusCode::FORBIDDEN, &refusal.to_string())
        }
    }
}

/// Headers that narrow what a browser does with an answer, whatever it is.
async fn safe_headers(request: Request, next: Next) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // The page brings its own.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ));
    response
}
