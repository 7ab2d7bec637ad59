//! A queue of work within one process, and the worker that does it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use babelwire_wire::Failure;
use futures::channel::mpsc;
use futures::future::{AbortHandle, BoxFuture, abortable};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use crate::broadcast::{PATIENCE, segment_frames};
use crate::line::Line;
use crate::looks::intersect;
use crate::ports::{PortError, Queue, Work};
use crate::service::{Service, ServiceError};

/// Kept segments read at once to catch a subscriber up: about one frame's worth.
const CATCH_UP_SEGMENTS: usize = 200;
/// How long [`Service::perform`] catches a subscriber up at once. A page may take twice [`PATIENCE`]
/// more, and both together are less than the time of a function that brings news.
const CATCH_UP_AT_ONCE: Duration = Duration::from_secs(20);
/// How often work is tried again when a port fails, and the wait before the first time.
const ATTEMPTS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// How long nothing is told to those who wait after something was.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// A queue of work within one process, and the worker that does it.
pub fn work_queue() -> (WorkQueue, Worker) {
    let (sender, commands) = mpsc::unbounded();
    let catching_up = CatchingUp::default();
    let showing = Showing::default();
    let queue = WorkQueue {
        sender,
        catching_up: catching_up.clone(),
        showing: showing.clone(),
    };
    let worker = Worker {
        commands,
        catching_up,
        showing,
        tasks: FuturesUnordered::new(),
        running: HashMap::new(),
        line: Line::default(),
        is_telling: false,
    };
    (queue, worker)
}

impl Service {
    /// Does one piece of work here and now, for a backend without a [`Worker`]: one whose queue
    /// brings work to functions. What it does can be done again. After an error, try it again later.
    ///
    /// Dropped before its end, a translation keeps what is translated, and goes on from there.
    pub async fn perform(self: &Arc<Self>, work: Work) -> Result<(), ServiceError> {
        match work {
            Work::Translate { id } => self.carry_on(&id).await,
            Work::CatchUp {
                id,
                connection,
                from,
            } => {
                let key = (id, connection);
                let position = Position {
                    next: from,
                    asked: None,
                };
                let catching_up = Arc::new(Mutex::new(BTreeMap::from([(key.clone(), position)])));
                let service = Arc::clone(self);
                let catch_up = CatchUp {
                    service,
                    catching_up,
                    key,
                    time: Some(CATCH_UP_AT_ONCE),
                };
                catch_up.run().await
            }
            Work::Show {
                id,
                connection,
                range,
            } => {
                let key = (id, connection);
                let ranges = VecDeque::from([range]);
                let showing = Arc::new(Mutex::new(BTreeMap::from([(key.clone(), ranges)])));
                let service = Arc::clone(self);
                let show = Show {
                    service,
                    showing,
                    key,
                };
                show.run().await
            }
            Work::Sweep(remains) => self.sweep(&remains).await,
            Work::Broadcast {
                owner,
                shard: None,
                text,
                fleeting,
            } if self.ports.records.shards(&owner) > 1 => self.split(&owner, &text, fleeting).await,
            Work::Broadcast {
                owner,
                shard,
                text,
                fleeting,
            } => {
                let patience = (!fleeting).then_some(PATIENCE);
                self.broadcast(&owner, shard.unwrap_or_default(), text, patience)
                    .await
            }
        }
    }
}

/// Where work is handed in. It lives as long as the process: what a crash loses,
/// [`Service::recover`] finds again.
#[derive(Debug, Clone)]
pub struct WorkQueue {
    sender: mpsc::UnboundedSender<Command>,
    catching_up: CatchingUp,
    showing: Showing,
}

#[derive(Debug)]
enum Command {
    Push(Work),
    Stop(String),
}

/// By translation and connection: how far its catching up is.
type CatchingUp = Arc<Mutex<BTreeMap<(String, String), Position>>>;

/// By translation and connection: what is still to be shown, next first.
type Showing = Arc<Mutex<BTreeMap<(String, String), VecDeque<Range<u64>>>>>;

/// Adds a range to those that are to be shown, together with those that it touches.
fn add(ranges: &mut VecDeque<Range<u64>>, mut range: Range<u64>) {
    ranges.retain(|other| {
        let touches = other.start <= range.end && range.start <= other.end;
        if touches {
            range = range.start.min(other.start)..range.end.max(other.end);
        }
        !touches
    });
    ranges.push_back(range);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    /// The next index to send.
    next: u64,
    /// The lowest index asked for since the page under way was begun.
    asked: Option<u64>,
}

impl Position {
    fn ask(&mut self, from: u64) {
        self.asked = Some(self.asked.map_or(from, |asked| asked.min(from)));
    }
}

impl WorkQueue {
    fn send(&self, command: Command) -> Result<(), PortError> {
        self.sender
            .unbounded_send(command)
            .map_err(|_| PortError("the backend is shutting down".to_owned()))
    }
}

#[async_trait]
impl Queue for WorkQueue {
    async fn push(&self, work: Work) -> Result<(), PortError> {
        self.send(Command::Push(work))
    }

    fn stop(&self, id: &str) {
        // Without a worker nothing is under way.
        let _ = self.send(Command::Stop(id.to_owned()));
    }

    fn is_catching_up(&self, id: &str, connection: &str, from: u64) -> bool {
        let mut catching_up = self
            .catching_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match catching_up.get_mut(&(id.to_owned(), connection.to_owned())) {
            Some(position) => {
                position.ask(from);
                true
            }
            None => false,
        }
    }

    fn is_showing(&self, id: &str, connection: &str, range: Range<u64>) -> bool {
        let mut showing = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
        match showing.get_mut(&(id.to_owned(), connection.to_owned())) {
            Some(ranges) => {
                add(ranges, range);
                true
            }
            None => false,
        }
    }
}

/// Does the work of a [`WorkQueue`], side by side.
pub struct Worker {
    commands: mpsc::UnboundedReceiver<Command>,
    catching_up: CatchingUp,
    showing: Showing,
    tasks: FuturesUnordered<BoxFuture<'static, Finished>>,
    running: HashMap<String, Running>,
    /// Translations that wait for one of [`crate::Limits::jobs`] to end.
    line: Line,
    /// Whether those who wait are being told how many are before them.
    is_telling: bool,
}

struct Running {
    abort: AbortHandle,
    /// It was asked for again meanwhile: what it read at its start may be old.
    again: bool,
}

enum Finished {
    Translation(String),
    Telling,
    Other,
}

impl Worker {
    /// Works until the last [`WorkQueue`] is gone. Dropped, it stops where it is, and nothing
    /// that was kept is lost.
    pub async fn run(mut self, service: Arc<Service>) {
        loop {
            futures::select! {
                command = self.commands.next() => match command {
                    Some(Command::Push(work)) => self.begin(&service, work),
                    Some(Command::Stop(id)) => self.stop(&id),
                    None => break,
                },
                finished = self.tasks.select_next_some() => match finished {
                    Finished::Translation(id) => self.ended(&service, id),
                    Finished::Telling => self.is_telling = false,
                    Finished::Other => {}
                }
            }
            self.tell_who_waits(&service);
        }
    }

    fn begin(&mut self, service: &Arc<Service>, work: Work) {
        match work {
            Work::Translate { id } => self.begin_translation(service, id),
            Work::CatchUp {
                id,
                connection,
                from,
            } => self.begin_catching_up(service, id, connection, from),
            Work::Show {
                id,
                connection,
                range,
            } => self.begin_showing(service, (id, connection), range),
            Work::Sweep(remains) => {
                self.spawn_persistent(service, "sweep", move |service| {
                    let remains = remains.clone();
                    async move { service.sweep(&remains).await }.boxed()
                });
            }
            work @ Work::Broadcast { .. } => {
                self.spawn_persistent(service, "broadcast", move |service| {
                    let work = work.clone();
                    async move { service.perform(work).await }.boxed()
                });
            }
        }
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        let task = AssertUnwindSafe(task).catch_unwind().map(|ended| {
            if ended.is_err() {
                tracing::error!("a piece of background work panicked");
            }
            Finished::Other
        });
        self.tasks.push(task.boxed());
    }

    /// Spawns work that is tried again when a port fails, a few times.
    fn spawn_persistent(
        &mut self,
        service: &Arc<Service>,
        what: &'static str,
        work: impl Fn(Arc<Service>) -> BoxFuture<'static, Result<(), ServiceError>> + Send + 'static,
    ) {
        let service = Arc::clone(service);
        self.spawn(async move {
            let mut wait = FIRST_WAIT;
            for attempt in 1..=ATTEMPTS {
                match work(Arc::clone(&service)).await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(what, attempt, %error, "background work failed"),
                }
                service.ports.clock.sleep(wait).await;
                wait *= 2;
            }
        });
    }

    fn begin_translation(&mut self, service: &Arc<Service>, id: String) {
        if let Some(running) = self.running.get_mut(&id) {
            running.again = true;
            return;
        }
        if self.running.len() >= service.limits().jobs.max(1) {
            self.line.push(id);
            return;
        }
        let (task, abort) = abortable({
            let (service, id) = (Arc::clone(service), id.clone());
            async move {
                let job = AssertUnwindSafe(service.translate(&id)).catch_unwind();
                if job.await.is_err() {
                    let failure = Failure {
                        title: "The backend failed".to_owned(),
                        detail: "This file ran into a bug; the log has more. What is translated \
                                 is kept."
                            .to_owned(),
                    };
                    service.fail(&id, failure).await;
                }
            }
        });
        let again = false;
        self.running.insert(id.clone(), Running { abort, again });
        self.tasks
            .push(task.map(|_| Finished::Translation(id)).boxed());
    }

    /// Tells those who wait how many are before them, as far as it is worth telling, and not too
    /// often.
    fn tell_who_waits(&mut self, service: &Arc<Service>) {
        if self.is_telling || !self.line.is_changed() {
            return;
        }
        let news = self.line.news(&service.ports.looks.translations());
        if news.is_empty() {
            return;
        }
        self.is_telling = true;
        let service = Arc::clone(service);
        let task = async move {
            for (id, ahead) in news {
                if let Err(error) = service.tell_ahead(&id, ahead).await {
                    tracing::warn!(id, %error, "could not tell who waits of its place");
                }
            }
            service.ports.clock.sleep(TELL_EVERY).await;
        };
        let task = AssertUnwindSafe(task).catch_unwind();
        self.tasks.push(task.map(|_| Finished::Telling).boxed());
    }

    fn stop(&mut self, id: &str) {
        self.line.remove(id);
        if let Some(running) = self.running.get_mut(id) {
            running.abort.abort();
            // Whatever asks for it from here on comes after this.
            running.again = false;
        }
    }

    fn ended(&mut self, service: &Arc<Service>, id: String) {
        let again = self.running.remove(&id).is_some_and(|ended| ended.again);
        if again {
            self.line.push(id);
        }
        if let Some(next) = self.line.next(&service.ports.looks.translations()) {
            self.begin_translation(service, next);
        }
    }

    fn begin_showing(&mut self, service: &Arc<Service>, key: (String, String), range: Range<u64>) {
        self.line.look();
        {
            let mut showing = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(ranges) = showing.get_mut(&key) {
                add(ranges, range);
                return;
            }
            showing.insert(key.clone(), VecDeque::from([range]));
        }
        let work = Show {
            service: Arc::clone(service),
            showing: Arc::clone(&self.showing),
            key,
        };
        self.spawn(async move {
            if let Err(error) = work.run().await {
                tracing::warn!(%error, "could not show what is looked at");
            }
        });
    }

    fn begin_catching_up(
        &mut self,
        service: &Arc<Service>,
        id: String,
        connection: String,
        from: u64,
    ) {
        {
            let mut catching_up = self
                .catching_up
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let key = (id.clone(), connection.clone());
            if let Some(position) = catching_up.get_mut(&key) {
                position.ask(from);
                return;
            }
            catching_up.insert(
                key,
                Position {
                    next: from,
                    asked: None,
                },
            );
        }
        let work = CatchUp {
            service: Arc::clone(service),
            catching_up: Arc::clone(&self.catching_up),
            key: (id, connection),
            time: None,
        };
        self.spawn(async move {
            if let Err(error) = work.run().await {
                tracing::warn!(%error, "could not catch a subscriber up");
            }
        });
    }
}

/// Shows one connection what it looks at, at the speed at which it reads.
struct Show {
    service: Arc<Service>,
    showing: Showing,
    key: (String, String),
}

impl Show {
    async fn run(&self) -> Result<(), ServiceError> {
        let (id, connection) = &self.key;
        while let Some(range) = self.next().await? {
            let Some(record) = self.service.ports.records.get(id).await? else {
                return Ok(());
            };
            let most = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let most = most.min(CATCH_UP_SEGMENTS);
            let mut segments = self
                .service
                .ports
                .records
                .segments(id, record.generation, range.start, most)
                .await?;
            let is_page_full = segments.len() == most;
            segments.retain(|segment| segment.index < range.end);
            for frame in segment_frames(id, record.translation.total, &segments)? {
                if !self.service.post(connection, None, frame, PATIENCE).await {
                    return Ok(());
                }
            }
            let next = segments.last().map(|segment| segment.index + 1);
            if let Some(next) = next.filter(|next| is_page_full && *next < range.end) {
                self.put_back(next..range.end);
            }
        }
        Ok(())
    }

    /// What to show next: of what is to be shown, what is looked at still.
    async fn next(&self) -> Result<Option<Range<u64>>, ServiceError> {
        let (id, connection) = &self.key;
        let looks = self.service.ports.looks.of(id, connection).await?;
        let mut showing = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ranges) = showing.get_mut(&self.key) else {
            return Ok(None);
        };
        while let Some(range) = ranges.pop_front() {
            let mut parts = intersect(&range, &looks).into_iter();
            if let Some(first) = parts.next() {
                for part in parts.rev() {
                    ranges.push_front(part);
                }
                return Ok(Some(first));
            }
        }
        showing.remove(&self.key);
        Ok(None)
    }

    fn put_back(&self, range: Range<u64>) {
        let mut showing = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ranges) = showing.get_mut(&self.key) {
            ranges.push_front(range);
        }
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.showing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

/// Catches one subscriber up, at the speed at which it reads.
struct CatchUp {
    service: Arc<Service>,
    catching_up: CatchingUp,
    key: (String, String),
    /// How long it may take, until the rest is work of its own.
    time: Option<Duration>,
}

impl CatchUp {
    async fn run(&self) -> Result<(), ServiceError> {
        let (id, connection) = &self.key;
        let clock = &self.service.ports.clock;
        let began = clock.now();
        while let Some(next) = self.next() {
            let took = clock.now().duration_since(began).unsigned_abs();
            if self.time.is_some_and(|time| took >= time) {
                let work = Work::CatchUp {
                    id: id.clone(),
                    connection: connection.clone(),
                    from: next,
                };
                return Ok(self.service.ports.queue.push(work).await?);
            }
            let Some(record) = self.service.ports.records.get(id).await? else {
                return Ok(());
            };
            let segments = self
                .service
                .ports
                .records
                .segments(id, record.generation, next, CATCH_UP_SEGMENTS)
                .await?;
            for frame in segment_frames(id, record.translation.total, &segments)? {
                if !self.service.post(connection, None, frame, PATIENCE).await {
                    return Ok(());
                }
            }
            if !self.is_subscribed().await? {
                return Ok(());
            }
            let last = segments.last().map(|segment| segment.index);
            self.advance(last);
        }
        Ok(())
    }

    /// Where the next page begins.
    fn next(&self) -> Option<u64> {
        let mut catching_up = self
            .catching_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let position = catching_up.get_mut(&self.key)?;
        // This page is read after whatever was asked for so far was kept.
        if let Some(asked) = position.asked.take() {
            position.next = position.next.min(asked);
        }
        Some(position.next)
    }

    /// After a page that ended with index `last`: goes on after it, or ends where there was none,
    /// unless more was asked for meanwhile.
    fn advance(&self, last: Option<u64>) {
        let mut catching_up = self
            .catching_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(position) = catching_up.get_mut(&self.key) else {
            return;
        };
        match last {
            Some(last) => position.next = last + 1,
            None if position.asked.is_some() => {}
            None => {
                catching_up.remove(&self.key);
            }
        }
    }

    async fn is_subscribed(&self) -> Result<bool, ServiceError> {
        let (id, connection) = &self.key;
        let subscription = self
            .service
            .ports
            .records
            .subscription(id, connection)
            .await?;
        Ok(subscription.is_some())
    }
}

impl Drop for CatchUp {
    fn drop(&mut self) {
        self.catching_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}
