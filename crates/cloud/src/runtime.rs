//! Lambda's runtime API (2018-06-01), and the processes that ask it for work.
//!
//! A [`Function`] is a program that speaks the runtime API. As on Lambda, an instance does one
//! invocation at a time, more instances are started when all are busy, an instance is frozen
//! between invocations, and one that is late is killed.
//!
//! Source of paths, headers and limits: AWS Lambda developer guide, "Using the Lambda runtime API
//! for custom runtimes", "Lambda execution environment lifecycle", "Lambda quotas".

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, Semaphore, oneshot, watch};

use crate::ids;

/// The largest event of a synchronous invocation, and the largest answer, in bytes ("Lambda
/// quotas": 6 MB each).
pub const PAYLOAD_BYTES: usize = 6 * 1024 * 1024;

/// How long is waited for an instance that has answered to be of use again, before another one is
/// started.
const RETURN: Duration = Duration::from_millis(100);

/// How many lines of what its instances write a function remembers.
const LOG_LINES: usize = 2000;

/// What a function is.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its environment, beside what Lambda itself sets. Nothing is inherited.
    pub environment: Vec<(String, String)>,
    /// How much memory it is said to have, in MiB. Nothing enforces it here.
    pub memory_mib: u32,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// How long an instance may take until it first asks for work. Lambda gives it 10 s; a busy
    /// machine may need more.
    pub init_timeout: Duration,
    /// How many instances there are at most. Lambda turns away what comes beyond that; here it
    /// waits in line.
    pub concurrency: usize,
    /// Whether instances are stopped between invocations, as on Lambda: what a function does in
    /// the background after its answer does not go on.
    pub freeze: bool,
}

impl Options {
    /// A function with Lambda's defaults, but one minute instead of three seconds.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            environment: Vec::new(),
            memory_mib: 128,
            timeout: Duration::from_secs(60),
            init_timeout: Duration::from_secs(30),
            concurrency: 10,
            freeze: true,
        }
    }
}

/// Why an invocation has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The event is larger than [`PAYLOAD_BYTES`].
    #[error("the event has {0} bytes, and {PAYLOAD_BYTES} is the most")]
    RequestTooLarge(usize),
    /// No instance could be started.
    #[error("cannot start the function: {0}")]
    Start(String),
    /// The function answered with an error, ended, or was late.
    #[error("{kind}: {message}")]
    Function {
        /// What kind of error, such as `Runtime.ExitError`.
        kind: String,
        /// The error in words.
        message: String,
    },
}

impl InvokeError {
    fn function(kind: &str, message: impl Into<String>) -> Self {
        Self::Function {
            kind: kind.to_owned(),
            message: message.into(),
        }
    }
}

/// What came of an invocation, and how long it took.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What the function answered.
    pub payload: Bytes,
    /// From the start of the process to its first asking for work, where this invocation had one
    /// started.
    pub init: Option<Duration>,
    /// From the moment the event was handed out to the answer.
    pub duration: Duration,
    /// The process that answered.
    pub process: u32,
}

/// A function and its instances. Clones are the same function; its instances end with the last
/// one.
#[derive(Clone)]
pub struct Function {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    instances: Mutex<HashMap<u64, Arc<Instance>>>,
    idle: Mutex<Vec<Arc<Instance>>>,
    next_instance: AtomicU64,
    /// How many instances have answered and not asked for work again yet.
    returning: AtomicUsize,
    /// Rung when one does.
    returned: Notify,
    room: Arc<Semaphore>,
    log: Mutex<VecDeque<String>>,
}

/// One process.
struct Instance {
    process: u32,
    freeze: bool,
    work: Mutex<Work>,
    /// Rung when there is an invocation.
    given: Notify,
    /// Whether it waits for work.
    waits: watch::Sender<bool>,
    /// Why it ended, once it has.
    ended: watch::Sender<Option<String>>,
    kill: Arc<Notify>,
    started: Instant,
}

#[derive(Default)]
struct Work {
    /// Given, and not asked for yet.
    next: Option<Invocation>,
    /// Asked for, and not answered yet.
    current: Option<Current>,
    /// Why it could not start, in the words of `init/error`.
    init_error: Option<InvokeError>,
}

struct Invocation {
    request_id: String,
    payload: Bytes,
    timeout: Duration,
    arn: String,
    taken: oneshot::Sender<Instant>,
    answer: oneshot::Sender<Result<Bytes, InvokeError>>,
}

struct Current {
    request_id: String,
    answer: oneshot::Sender<Result<Bytes, InvokeError>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        for instance in lock(&self.instances).values() {
            instance.kill.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Function {
    /// A function without instances: the first invocation starts one.
    pub fn new(options: Options) -> Self {
        Self {
            shared: Arc::new(Shared {
                instances: Mutex::default(),
                idle: Mutex::default(),
                next_instance: AtomicU64::new(1),
                returning: AtomicUsize::new(0),
                returned: Notify::new(),
                room: Arc::new(Semaphore::new(options.concurrency.max(1))),
                log: Mutex::default(),
                options,
            }),
        }
    }

    /// What the function is.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Invokes the function with an event, and waits for its answer.
    ///
    /// # Errors
    /// When there is no answer, or the answer is an error.
    pub async fn invoke(&self, payload: impl Into<Bytes>) -> Result<Answer, InvokeError> {
        let payload = payload.into();
        if payload.len() > PAYLOAD_BYTES {
            return Err(InvokeError::RequestTooLarge(payload.len()));
        }
        let shared = Arc::clone(&self.shared);
        let (tell, told) = oneshot::channel();
        // Who invoked it may go; the invocation goes on to its end.
        tokio::spawn(async move { shared.run(payload, tell).await });
        told.await.unwrap_or_else(|_| {
            Err(InvokeError::Start(
                "the invocation was cut short".to_owned(),
            ))
        })
    }

    /// The processes of all instances.
    pub fn processes(&self) -> Vec<u32> {
        let instances = lock(&self.shared.instances);
        instances
            .values()
            .map(|instance| instance.process)
            .collect()
    }

    /// Kills every instance (`kill -9`), whatever it does, as a machine that breaks would.
    pub fn kill_instances(&self) -> usize {
        let instances: Vec<_> = lock(&self.shared.instances).values().cloned().collect();
        for instance in &instances {
            instance.signal(Signal::KILL);
        }
        instances.len()
    }

    /// The most memory that a process ever had resident, in bytes, where the system tells.
    pub fn peak_memory(process: u32) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    }

    /// The newest lines that instances wrote, oldest first.
    pub fn log(&self) -> Vec<String> {
        lock(&self.shared.log).iter().cloned().collect()
    }
}

impl Shared {
    async fn run(
        self: Arc<Self>,
        payload: Bytes,
        tell: oneshot::Sender<Result<Answer, InvokeError>>,
    ) {
        let Ok(_room) = Arc::clone(&self.room).acquire_owned().await else {
            return;
        };
        let (instance, is_new) = match self.instance().await {
            Ok(found) => found,
            Err(error) => {
                let _nobody = tell.send(Err(error));
                return;
            }
        };
        let outcome = self.invoke(&instance, payload, is_new).await;
        if let Err(error) = &outcome {
            tracing::warn!(function = self.options.name, %error, "an invocation failed");
        }
        let answered = outcome.is_ok();
        self.returning.fetch_add(1, Ordering::SeqCst);
        let _nobody = tell.send(outcome);
        // The instance is of use again when it asks for work.
        let mut waits = instance.waits.subscribe();
        let again = tokio::select! {
            waits = waits.wait_for(|waits| *waits) => waits.is_ok(),
            () = instance.ended() => false,
            () = tokio::time::sleep(self.options.timeout) => false,
        };
        if again {
            lock(&self.idle).push(instance);
        } else {
            if answered {
                tracing::warn!(
                    function = self.options.name,
                    "an instance answered and did not come back"
                );
            }
            instance.kill.notify_one();
        }
        self.returning.fetch_sub(1, Ordering::SeqCst);
        self.returned.notify_waiters();
    }

    /// An instance that waits, or is about to; or a new one.
    async fn instance(self: &Arc<Self>) -> Result<(Arc<Instance>, bool), InvokeError> {
        let patience = tokio::time::sleep(RETURN);
        tokio::pin!(patience);
        loop {
            let returned = self.returned.notified();
            if let Some(instance) = self.idle() {
                return Ok((instance, false));
            }
            if self.returning.load(Ordering::SeqCst) == 0 {
                return Ok((self.start()?, true));
            }
            tokio::select! {
                () = returned => {}
                () = &mut patience => return Ok((self.start()?, true)),
            }
        }
    }

    fn idle(&self) -> Option<Arc<Instance>> {
        let mut idle = lock(&self.idle);
        while let Some(instance) = idle.pop() {
            // It may have been killed while it waited.
            if instance.ended.borrow().is_none() {
                return Some(instance);
            }
        }
        None
    }

    async fn invoke(
        &self,
        instance: &Arc<Instance>,
        payload: Bytes,
        is_new: bool,
    ) -> Result<Answer, InvokeError> {
        let request_id = ids::uuid();
        let (taken, was_taken) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let name = &self.options.name;
        instance.give(Invocation {
            request_id: request_id.clone(),
            payload,
            timeout: self.options.timeout,
            arn: format!("arn:aws:lambda:us-east-1:123456789012:function:{name}"),
            taken,
            answer,
        });
        let begun = tokio::select! {
            begun = was_taken => begun.ok(),
            () = instance.ended() => None,
            () = tokio::time::sleep(self.options.init_timeout) => {
                instance.kill.notify_one();
                return Err(InvokeError::function(
                    "Sandbox.Timedout",
                    format!("the function did not ask for work within {:?}", self.options.init_timeout),
                ));
            }
        };
        let Some(begun) = begun else {
            return Err(instance.exit_error(&request_id));
        };
        let outcome = tokio::select! {
            biased;
            answer = answered => match answer {
                Ok(answer) => answer,
                Err(_) => Err(InvokeError::Start("nobody answers".to_owned())),
            },
            () = instance.ended() => Err(instance.exit_error(&request_id)),
            () = tokio::time::sleep_until((begun + self.options.timeout).into()) => {
                instance.kill.notify_one();
                let seconds = self.options.timeout.as_secs_f64();
                Err(InvokeError::function(
                    "Sandbox.Timedout",
                    format!("RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds"),
                ))
            }
        };
        let duration = begun.elapsed();
        tracing::debug!(
            function = name,
            request_id,
            ?duration,
            ok = outcome.is_ok(),
            "invoked"
        );
        Ok(Answer {
            payload: outcome?,
            init: is_new.then(|| begun.duration_since(instance.started)),
            duration,
            process: instance.process,
        })
    }

    fn start(self: &Arc<Self>) -> Result<Arc<Instance>, InvokeError> {
        let id = self.next_instance.fetch_add(1, Ordering::Relaxed);
        let options = &self.options;
        // A runtime API of its own, as on Lambda: the variable has no room for more than host and
        // port.
        let (listener, api) = listen().map_err(|error| InvokeError::Start(error.to_string()))?;
        let started = Instant::now();
        let mut command = Command::new(&options.program);
        command
            .env_clear()
            .envs(
                options
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", api),
                ("AWS_LAMBDA_FUNCTION_NAME", options.name.clone()),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
                (
                    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                    options.memory_mib.to_string(),
                ),
                (
                    "AWS_LAMBDA_LOG_GROUP_NAME",
                    format!("/aws/lambda/{}", options.name),
                ),
                ("AWS_LAMBDA_LOG_STREAM_NAME", id.to_string()),
                ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
                ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
                ("_HANDLER", "bootstrap".to_owned()),
                ("LANG", "en_US.UTF-8".to_owned()),
                ("TZ", ":UTC".to_owned()),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| {
            InvokeError::Start(format!("{}: {error}", options.program.display()))
        })?;
        let process = child.id().unwrap_or_default();
        let instance = Arc::new(Instance {
            process,
            freeze: options.freeze,
            work: Mutex::default(),
            given: Notify::new(),
            waits: watch::Sender::new(false),
            ended: watch::Sender::new(None),
            kill: Arc::new(Notify::new()),
            started,
        });
        lock(&self.instances).insert(id, Arc::clone(&instance));
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(keep_lines(Arc::downgrade(self), stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(keep_lines(Arc::downgrade(self), stderr));
        }
        let server = tokio::spawn(serve(listener, Arc::downgrade(&instance)));
        let (kill, ended) = (Arc::clone(&instance.kill), instance.ended.clone());
        let shared = Arc::downgrade(self);
        tokio::spawn(async move {
            let words = end_of(child, &kill).await;
            server.abort();
            if let Some(shared) = shared.upgrade() {
                lock(&shared.instances).remove(&id);
            }
            ended.send_replace(Some(words));
        });
        Ok(instance)
    }
}

/// A place for a runtime API, and its address without a scheme.
fn listen() -> std::io::Result<(TcpListener, String)> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, address.to_string()))
}

/// Waits for the end of a process, or brings it about. Says how it ended.
async fn end_of(mut child: Child, kill: &Notify) -> String {
    let status = tokio::select! {
        status = child.wait() => status,
        () = kill.notified() => {
            let _ended_already = child.start_kill();
            child.wait().await
        }
    };
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

/// Remembers what an instance writes, and passes it on.
async fn keep_lines(shared: Weak<Shared>, output: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        tracing::info!(target: "function", "{}: {line}", shared.options.name);
        let mut log = lock(&shared.log);
        if log.len() == LOG_LINES {
            log.pop_front();
        }
        log.push_back(line);
    }
}

impl Instance {
    fn signal(&self, signal: Signal) {
        // Between its end and the note of it no other process gets its number: numbers go round.
        if self.ended.borrow().is_some() {
            return;
        }
        if let Some(process) = i32::try_from(self.process).ok().and_then(Pid::from_raw) {
            let _gone = kill_process(process, signal);
        }
    }

    fn give(&self, invocation: Invocation) {
        {
            let mut work = lock(&self.work);
            work.next = Some(invocation);
            self.waits.send_replace(false);
        }
        if self.freeze {
            self.signal(Signal::CONT);
        }
        self.given.notify_one();
    }

    /// Ends with the process.
    async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // Without a sender there is no process either.
        let _ended = ended.wait_for(Option::is_some).await;
    }

    /// What Lambda says of an instance that ended without an answer.
    fn exit_error(&self, request_id: &str) -> InvokeError {
        if let Some(error) = lock(&self.work).init_error.take() {
            return error;
        }
        let words = self.ended.borrow().clone().unwrap_or_default();
        InvokeError::function(
            "Runtime.ExitError",
            format!("RequestId: {request_id} Error: Runtime exited ({words})"),
        )
    }
}

// ── The HTTP side ───────────────────────────────────────────────────────────────────────────────

async fn serve(listener: TcpListener, instance: Weak<Instance>) {
    let base = "/2018-06-01/runtime";
    let router = Router::new()
        .route(&format!("{base}/invocation/next"), get(next))
        .route(
            &format!("{base}/invocation/{{id}}/response"),
            post(response),
        )
        .route(&format!("{base}/invocation/{{id}}/error"), post(error))
        .route(&format!("{base}/init/error"), post(init_error))
        .with_state(instance);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "a runtime API ended");
    }
}

fn found(instance: &Weak<Instance>) -> Result<Arc<Instance>, Box<Response>> {
    instance.upgrade().ok_or_else(|| {
        let refusal = refused(
            StatusCode::FORBIDDEN,
            "InvalidInstance",
            "the instance is gone",
        );
        Box::new(refusal)
    })
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = serde_json::json!({"errorType": kind, "errorMessage": message});
    (status, body.to_string()).into_response()
}

async fn next(State(instance): State<Weak<Instance>>) -> Response {
    let instance = match found(&instance) {
        Ok(instance) => instance,
        Err(refusal) => return *refusal,
    };
    let invocation = loop {
        let given = instance.given.notified();
        {
            let mut work = lock(&instance.work);
            if let Some(invocation) = work.next.take() {
                break invocation;
            }
            // Under the lock, so that no invocation is given to an instance about to be frozen.
            if instance.freeze && !*instance.waits.borrow() {
                instance.signal(Signal::STOP);
            }
            instance.waits.send_replace(true);
        }
        given.await;
    };
    let Invocation {
        request_id,
        payload,
        timeout,
        arn,
        taken,
        answer,
    } = invocation;
    let now = jiff::Timestamp::now().as_millisecond();
    let deadline = now.saturating_add(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX));
    lock(&instance.work).current = Some(Current {
        request_id: request_id.clone(),
        answer,
    });
    let _left = taken.send(Instant::now());
    let mut response = Response::new(Body::from(payload));
    let headers = response.headers_mut();
    headers.insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let values = [
        ("lambda-runtime-aws-request-id", request_id),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", arn),
        (
            "lambda-runtime-trace-id",
            format!("Root={};Sampled=0", ids::trace()),
        ),
    ];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

async fn response(
    State(instance): State<Weak<Instance>>,
    Path(id): Path<String>,
    body: Body,
) -> Response {
    let Ok(bytes) = axum::body::to_bytes(body, PAYLOAD_BYTES).await else {
        let message = format!(
            "Response payload size exceeded maximum allowed payload size ({PAYLOAD_BYTES} bytes)."
        );
        let error = InvokeError::function("Function.ResponseSizeTooLarge", &*message);
        answer(&instance, &id, Err(error));
        return refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            &message,
        );
    };
    answer(&instance, &id, Ok(bytes))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody {
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error_message: String,
}

async fn error_of(body: Body) -> InvokeError {
    let bytes = axum::body::to_bytes(body, PAYLOAD_BYTES)
        .await
        .unwrap_or_default();
    match serde_json::from_slice::<ErrorBody>(&bytes) {
        Ok(body) => InvokeError::function(&body.error_type, body.error_message),
        Err(_) => InvokeError::function("Unknown", String::from_utf8_lossy(&bytes)),
    }
}

async fn error(
    State(instance): State<Weak<Instance>>,
    Path(id): Path<String>,
    body: Body,
) -> Response {
    let error = error_of(body).await;
    answer(&instance, &id, Err(error))
}

async fn init_error(State(instance): State<Weak<Instance>>, body: Body) -> Response {
    let error = error_of(body).await;
    match found(&instance) {
        Ok(instance) => {
            lock(&instance.work).init_error = Some(error);
            accepted()
        }
        Err(refusal) => *refusal,
    }
}

fn answer(instance: &Weak<Instance>, id: &str, outcome: Result<Bytes, InvokeError>) -> Response {
    let instance = match found(instance) {
        Ok(instance) => instance,
        Err(refusal) => return *refusal,
    };
    let mut work = lock(&instance.work);
    match work.current.take_if(|current| current.request_id == id) {
        Some(current) => {
            let _late = current.answer.send(outcome);
            accepted()
        }
        None => refused(
            StatusCode::BAD_REQUEST,
            "InvalidRequestID",
            "there is no such invocation under way",
        ),
    }
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, r#"{"status":"OK"}"#).into_response()
}
