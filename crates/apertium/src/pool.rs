//! As many pipelines of one mode as there is work for, and the segments on their way through them.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use babelwire_service::translator::TranslateError;

use crate::memo::Memo;
use crate::mode::Stage;
use crate::pipeline::{Exit, Pipeline, seal};

/// How many segments may be on their way through one pipeline: so many that each of its dozen
/// processes has one in hand and one to come.
pub(crate) const WINDOW: usize = 64;

/// How often a segment may bring down a pipeline that it has for itself.
const MAX_KILLS: u8 = 2;

/// How often a segment is tried in all, where pipelines are brought down by something else.
const MAX_TRIES: u8 = 6;

/// How much longer an answer may be than its question before it counts as nonsense.
const MAX_GROWTH: usize = 64;

/// Limits, and what all pools share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: crate::Options,
    /// One permit for each pipeline that may be alive.
    permits: Arc<Semaphore>,
    /// How many workers wait for a permit.
    waiting: AtomicUsize,
    /// Idle workers are told when another one waits.
    wanted: Notify,
    /// The workers. Owned by the engine, whose end ends them.
    tasks: Weak<Mutex<JoinSet<()>>>,
}

impl Shared {
    pub(crate) fn new(options: crate::Options, tasks: Weak<Mutex<JoinSet<()>>>) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(options.max_pipelines.max(1))),
            options,
            waiting: AtomicUsize::new(0),
            wanted: Notify::new(),
            tasks,
        }
    }

    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Some(permit);
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&self.waiting);
        self.wanted.notify_waiters();
        self.permits.clone().acquire_owned().await.ok()
    }
}

/// Counts a worker that waits, for as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The pipelines of one mode.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) stages: Vec<(Stage, Option<Arc<Memo>>)>,
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// There is something in the queue.
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Request>,
    workers: usize,
    in_flight: usize,
}

/// A segment that waits for its translation.
#[derive(Debug)]
struct Request {
    record: String,
    reply: oneshot::Sender<Result<String, TranslateError>>,
    /// It was under way when a pipeline ended, so it gets the next one for itself.
    is_suspect: bool,
    kills: u8,
    tries: u8,
}

impl Pool {
    pub(crate) fn new(stages: Vec<Stage>, remembers: bool, shared: Arc<Shared>) -> Self {
        let stages = stages
            .into_iter()
            .map(|stage| {
                let memo = remembers.then(|| Memo::for_stage(&stage)).flatten();
                (stage, memo.map(Arc::new))
            })
            .collect();
        Self {
            stages,
            shared,
            state: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Sends a record through a pipeline.
    ///
    /// Dropping the future is safe at any time: a record that has not been sent is not sent any
    /// more; the answer to one that has is read and dropped.
    pub(crate) async fn ask(self: &Arc<Self>, record: String) -> Result<String, TranslateError> {
        let (reply, answer) = oneshot::channel();
        {
            let mut state = self.lock();
            state.queue.push_back(Request {
                record,
                reply,
                is_suspect: false,
                kills: 0,
                tries: 0,
            });
            self.start_worker_if_needed(&mut state);
        }
        self.wake.notify_one();
        answer.await.unwrap_or_else(|_| {
            let reason = "it was shut down".to_owned();
            Err(TranslateError::Unavailable(reason))
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_worker_if_needed(self: &Arc<Self>, state: &mut State) {
        let work = state.queue.len() + state.in_flight;
        let wanted = work.min(self.shared.options.pipelines.max(1));
        let Some(tasks) = self.shared.tasks.upgrade() else {
            return;
        };
        if state.workers >= wanted {
            return;
        }
        state.workers += 1;
        let worker = Employed {
            pool: self.clone(),
            in_flight: 0,
        };
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(Worker::run(worker));
    }
}

/// A worker's share in its pool's counts, given back when the worker ends, however it does.
struct Employed {
    pool: Arc<Pool>,
    in_flight: usize,
}

impl Drop for Employed {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.workers -= 1;
        state.in_flight -= self.in_flight;
    }
}

/// Keeps one pipeline busy.
struct Worker {
    employed: Employed,
    pipeline: Pipeline,
    /// What was sent, oldest first, each with its number.
    flight: VecDeque<(u64, Request)>,
    /// The number of the next request.
    next: u64,
    /// What is to be written, and how much of it was.
    outgoing: Vec<u8>,
    written: usize,
    /// The beginning of the next answer.
    incoming: Vec<u8>,
    /// When the pipeline last gave an answer, or got something to do.
    progress: Instant,
    /// How many answers it gave.
    served: usize,
}

/// Why a pipeline came to its end.
enum End {
    /// There is nothing to do, or another mode needs the room.
    Retired,
    Died(Exit),
    Hung,
    /// It answered what nobody asked, or far too much.
    Nonsense,
}

impl Worker {
    async fn run(employed: Employed) {
        let pool = employed.pool.clone();
        Self::work(employed).await;
        // Whatever came after this one's last look at the queue saw a worker and started none.
        let mut state = pool.lock();
        if !state.queue.is_empty() {
            pool.start_worker_if_needed(&mut state);
        }
    }

    /// Serves with one pipeline after another, until there is nothing to do.
    async fn work(mut employed: Employed) {
        let pool = employed.pool.clone();
        let Some(_permit) = pool.shared.permit().await else {
            return;
        };
        loop {
            let pipeline = match Pipeline::spawn(&pool.stages) {
                Ok(pipeline) => pipeline,
                Err(error) => {
                    fail_all(&pool, &error);
                    return;
                }
            };
            let mut worker = Self {
                employed,
                pipeline,
                flight: VecDeque::new(),
                next: 0,
                outgoing: Vec::new(),
                written: 0,
                incoming: Vec::new(),
                progress: Instant::now(),
                served: 0,
            };
            let end = worker.serve().await;
            if matches!(end, End::Retired) {
                return;
            }
            worker.give_back(&end);
            employed = worker.employed;
            if pool.lock().queue.is_empty() {
                return;
            }
        }
    }

    /// Serves until the pipeline comes to its end.
    async fn serve(&mut self) -> End {
        let pool = self.employed.pool.clone();
        let mut chunk = vec![0; 16 * 1024];
        loop {
            let wake = pool.wake.notified();
            let can_take_more = self.fill();
            if self.flight.is_empty() {
                if self.should_make_room() || !self.wait_for_work(wake).await {
                    return End::Retired;
                }
                continue;
            }
            let deadline = self.deadline();
            tokio::select! {
                read = self.pipeline.stdout.read(&mut chunk) => match read {
                    Ok(0) | Err(_) => return self.cause().await,
                    Ok(length) => {
                        self.incoming.extend_from_slice(&chunk[..length]);
                        if !self.answer() {
                            return self.cause().await;
                        }
                    }
                },
                written = self.pipeline.stdin.write(&self.outgoing[self.written..]),
                    if self.written < self.outgoing.len() => match written {
                    Ok(0) | Err(_) => return self.cause().await,
                    Ok(length) => {
                        self.written += length;
                        if self.written == self.outgoing.len() {
                            self.outgoing.clear();
                            self.written = 0;
                        }
                    }
                },
                exit = self.pipeline.exits.next() => return End::Died(exit),
                () = wake, if can_take_more => {}
                () = sleep_until(deadline) => return End::Hung,
            }
        }
    }

    /// Why the pipeline does not work any more: a program has ended, if it shows presently.
    async fn cause(&mut self) -> End {
        const PRESENTLY: Duration = Duration::from_secs(1);
        match timeout(PRESENTLY, self.pipeline.exits.next()).await {
            Ok(exit) => End::Died(exit),
            Err(_) => End::Nonsense,
        }
    }

    fn can_take_more(&self) -> bool {
        self.flight.len() < WINDOW && !self.has_suspect()
    }

    fn has_suspect(&self) -> bool {
        self.flight.iter().any(|(_, request)| request.is_suspect)
    }

    /// Takes requests from the queue as long as there is room for them. Says whether more may be
    /// taken when more come.
    fn fill(&mut self) -> bool {
        if self.should_make_room() {
            return false;
        }
        let mut can_take_more = true;
        let pool = self.employed.pool.clone();
        let mut state = pool.lock();
        loop {
            if !self.can_take_more() {
                can_take_more = false;
                break;
            }
            let must_wait = state.queue.front().is_some_and(|next| {
                next.is_suspect && !next.reply.is_closed() && !self.flight.is_empty()
            });
            if must_wait {
                can_take_more = false;
                break;
            }
            let Some(request) = state.queue.pop_front() else {
                break;
            };
            if request.reply.is_closed() {
                continue;
            }
            if self.flight.is_empty() {
                self.progress = Instant::now();
            }
            self.outgoing.extend_from_slice(request.record.as_bytes());
            self.outgoing.extend_from_slice(seal(self.next).as_bytes());
            self.outgoing.push(0);
            self.flight.push_back((self.next, request));
            self.next += 1;
            self.employed.in_flight += 1;
            state.in_flight += 1;
        }
        // Wake-ups can be merged into one: pass it on while there is work for others.
        if !state.queue.is_empty() {
            pool.wake.notify_one();
        }
        can_take_more
    }

    /// Whether this pipeline has had its turn while another one waits for room.
    fn should_make_room(&self) -> bool {
        const TURN: usize = 256;
        self.employed.pool.shared.waiting.load(Ordering::SeqCst) > 0 && self.served >= TURN
    }

    /// Waits until there is something to do; false if the pipeline is to end instead.
    async fn wait_for_work(&mut self, wake: impl Future<Output = ()>) -> bool {
        let pool = &self.employed.pool;
        let idle_until = Instant::now() + pool.shared.options.idle;
        let wanted = pool.shared.wanted.notified();
        tokio::pin!(wanted);
        wanted.as_mut().enable();
        if pool.shared.waiting.load(Ordering::SeqCst) == 0 {
            tokio::select! {
                () = wake => return true,
                () = wanted => {}
                () = sleep_until(idle_until) => {}
            }
        }
        !pool.lock().queue.is_empty()
    }

    fn deadline(&self) -> Instant {
        let base = self.employed.pool.shared.options.deadline;
        self.progress + deadline_for(base, self.asked())
    }

    /// The size of what is to be answered next.
    fn asked(&self) -> usize {
        self.flight
            .front()
            .map_or(0, |(_, request)| request.record.len())
    }

    /// Hands out the answers that have arrived whole. False if they make no sense.
    fn answer(&mut self) -> bool {
        while let Some(end) = self.incoming.iter().position(|&byte| byte == 0) {
            let is_alone = self.flight.len() == 1 && self.has_suspect();
            let Some((number, _)) = self.flight.front() else {
                return false;
            };
            let answer = String::from_utf8_lossy(&self.incoming[..end]);
            let answer = match answer.trim_end().strip_suffix(&seal(*number)) {
                Some(answer) => answer.to_owned(),
                // A rule that eats superblanks. Alone, there is nothing it could be mixed up with;
                // the answer's own superblanks tell whether it is whole.
                None if is_alone => answer.into_owned(),
                None => return false,
            };
            self.incoming.drain(..=end);
            let Some((_, request)) = self.flight.pop_front() else {
                return false;
            };
            self.employed.in_flight -= 1;
            self.employed.pool.lock().in_flight -= 1;
            self.progress = Instant::now();
            self.served += 1;
            // Whoever asked may have gone.
            let _ = request.reply.send(Ok(answer));
        }
        self.incoming.len() <= self.asked() * MAX_GROWTH + 64 * 1024
    }

    /// Gives back what was under way, for another try, or with an error if it had enough of them.
    fn give_back(&mut self, end: &End) {
        let reason = end.in_words();
        let is_alone = self.flight.len() == 1;
        let is_from_outside = matches!(end, End::Died(exit) if exit.is_from_outside());
        tracing::warn!(
            reason,
            under_way = self.flight.len(),
            "an Apertium pipeline ended; its segments get another one"
        );
        let pool = self.employed.pool.clone();
        let mut state = pool.lock();
        state.in_flight -= self.employed.in_flight;
        self.employed.in_flight = 0;
        for (_, mut request) in self.flight.drain(..).rev() {
            request.is_suspect = true;
            request.tries += 1;
            if is_alone && !is_from_outside {
                request.kills += 1;
            }
            if request.kills >= MAX_KILLS || request.tries >= MAX_TRIES {
                let error = TranslateError::Engine(reason.clone());
                let _ = request.reply.send(Err(error));
            } else {
                state.queue.push_front(request);
            }
        }
    }
}

/// How long a pipeline may take for a segment of this many bytes.
fn deadline_for(base: Duration, bytes: usize) -> Duration {
    const UNIT: usize = babelwire_service::text::Segmenter::MAX_BYTES;
    let units = u32::try_from(bytes / UNIT + 1).unwrap_or(u32::MAX);
    base.saturating_mul(units)
}

/// The engine cannot start: nobody gets an answer.
fn fail_all(pool: &Pool, error: &io::Error) {
    tracing::error!(%error, "an Apertium pipeline cannot start");
    let mut state = pool.lock();
    for request in state.queue.drain(..) {
        let error = TranslateError::Unavailable(error.to_string());
        let _ = request.reply.send(Err(error));
    }
}

impl End {
    fn in_words(&self) -> String {
        match self {
            Self::Retired => "it was not needed any more".to_owned(),
            Self::Died(Exit {
                program,
                status: Some(status),
            }) => format!("{program} ended ({status})"),
            Self::Died(Exit { program, .. }) => format!("{program} ended"),
            Self::Hung => "it gave no answer in time".to_owned(),
            Self::Nonsense => "it gave an answer that makes no sense".to_owned(),
        }
    }
}
