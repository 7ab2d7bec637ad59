//! A stage: one little world of clients, rules and records.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    Frame, Reply, Seen,
    gateway::{Backend, FakeCore, Order},
    rules::{Request, Rule, RuleError, RuleId, check_close},
    seen::{Dial, DialState},
};

/// How long [`Stage::until`] waits: long enough for a machine under load, short enough to find
/// out before the test runner does.
const PATIENCE: Duration = Duration::from_secs(30);

/// Orders for a connection's task. Not bounded: a client that does not read is one of the faults
/// that tests are about, and must not hold up the others.
pub(crate) type Orders = mpsc::UnboundedReceiver<Order>;

/// The state machine of a stage, and the tasks that obey it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) name: String,
    address: SocketAddr,
    start: Instant,
    inner: Mutex<Inner>,
    /// Counts changes, for those who wait for one.
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    core: FakeCore,
    tasks: HashMap<u64, mpsc::UnboundedSender<Order>>,
}

impl World {
    pub(crate) fn start(
        name: &str,
        address: SocketAddr,
        has_upstream: bool,
        seed: u64,
        runtime: &Handle,
        mut ended: watch::Receiver<()>,
    ) -> Arc<Self> {
        let backend = if has_upstream {
            Backend::Upstream
        } else {
            Backend::Own
        };
        let world = Arc::new(Self {
            name: name.to_owned(),
            address,
            start: Instant::now(),
            inner: Mutex::new(Inner {
                core: FakeCore::new(backend, seed),
                tasks: HashMap::new(),
            }),
            changes: watch::Sender::new(0),
        });
        let timed = world.clone();
        runtime.spawn(async move {
            tokio::select! {
                () = timed.keep_time() => {}
                _ = ended.changed() => {}
            }
        });
        world
    }

    async fn keep_time(&self) {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let next = self.lock().core.poll_timeout();
            let due = async {
                match next {
                    Some(at) => sleep_until(self.start + at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.act(FakeCore::timeout),
                // The sender is this world's own.
                _ = changes.changed() => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the state machine, and hands out its orders.
    pub(crate) fn act<T>(&self, call: impl FnOnce(&mut FakeCore, Duration) -> T) -> T {
        let mut inner = self.lock();
        let answer = call(&mut inner.core, self.start.elapsed());
        inner.hand_out();
        drop(inner);
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
        answer
    }

    /// A client dials: its number, and what to do about it.
    pub(crate) fn dial(&self, request: Request) -> (u64, Orders) {
        let (sender, orders) = mpsc::unbounded_channel();
        let mut inner = self.lock();
        let number = inner.core.dial(self.start.elapsed(), request);
        inner.tasks.insert(number, sender);
        inner.hand_out();
        drop(inner);
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
        (number, orders)
    }

    /// A connection is over, for the client or for its task.
    pub(crate) fn gone(&self, number: u64, close: Option<(u16, String)>) {
        self.act(|core, _| core.gone(number, close));
        self.lock().tasks.remove(&number);
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&FakeCore) -> T) -> T {
        look(&self.lock().core)
    }
}

impl Inner {
    fn hand_out(&mut self) {
        while let Some((number, order)) = self.core.poll_order() {
            if let Some(task) = self.tasks.get(&number) {
                // A task that has ended needs no orders.
                let _ended = task.send(order);
            }
        }
    }
}

/// A condition did not come true in time.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "what the test waits for did not happen within {patience:?}; stage {stage:?} has seen: {seen}"
)]
#[non_exhaustive]
pub struct TimedOut {
    /// How long it was waited for.
    pub patience: Duration,
    /// The stage's name.
    pub stage: String,
    /// What was seen until then, in a line.
    pub seen: String,
}

/// A stage of a [`FakeGateway`](crate::FakeGateway): the handle that a test steers it with.
#[derive(Debug, Clone)]
pub struct Stage {
    world: Arc<World>,
}

impl Stage {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    /// The URL to dial, such as `ws://127.0.0.1:40123/live`.
    pub fn url(&self) -> String {
        format!("ws://{}/{}", self.world.address, self.world.name)
    }

    /// From now on this function answers the frames of the stage's clients, in place of the
    /// gateway itself or the upstream: it takes the connection's number and the frame.
    ///
    /// It is called while the stage is busy, so it must not call the stage: what it returns is
    /// all that it can do.
    ///
    /// ```
    /// # use babelwire_testkit::{FakeGateway, Frame, Reply};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let gateway = FakeGateway::start().await?;
    /// let stage = gateway.stage("live");
    /// stage.set_backend(|_, frame| match frame.text() {
    ///     Some(r#"{"action":"time"}"#) => vec![Reply::ToSender(r#"{"time":"12:00"}"#.into())],
    ///     Some(_) => vec![Reply::ToAll(frame.clone())],
    ///     None => vec![Reply::Close(1003, "text only, please".to_owned())],
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_backend(&self, answer: impl FnMut(u64, &Frame) -> Vec<Reply> + Send + 'static) {
        self.world.act(|core, _| core.set_backend(Box::new(answer)));
    }

    /// Adds a rule behind those that are there.
    pub fn add_rule(&self, rule: Rule) -> Result<RuleId, RuleError> {
        self.world.act(|core, _| core.add_rule(rule))
    }

    /// Removes a rule; `false` if it was gone already.
    pub fn remove_rule(&self, rule: RuleId) -> bool {
        self.world.act(|core, _| core.remove_rule(rule))
    }

    /// Removes all rules. What they did stays done: a silent connection stays silent.
    pub fn clear_rules(&self) {
        self.world.act(|core, _| core.clear_rules());
    }

    /// Sends a frame to every open connection, rules permitting; the answer is to how many.
    pub fn broadcast(&self, frame: impl Into<Frame>) -> usize {
        let frame = frame.into();
        self.world.act(|core, now| core.broadcast(now, &frame))
    }

    /// Sends a frame to one connection, rules permitting.
    pub fn send_to(&self, connection: u64, frame: impl Into<Frame>) {
        let frame = frame.into();
        self.world
            .act(|core, now| core.frame_to_client(now, connection, frame));
    }

    /// Closes every open connection with a close frame of this code; the answer is how many.
    pub fn close_all(&self, code: u16) -> Result<usize, RuleError> {
        check_close(code, "")?;
        Ok(self.each(&[DialState::Open], |core, number| {
            core.close(number, code, "")
        }))
    }

    /// Closes the connection with this number with a close frame of this code and reason; `false`
    /// if it is not open.
    pub fn close_one(&self, connection: u64, code: u16, reason: &str) -> Result<bool, RuleError> {
        check_close(code, reason)?;
        Ok(self
            .world
            .act(|core, _| core.close(connection, code, reason)))
    }

    /// Ends every connection without a closing handshake, and every dial without an answer, as
    /// when the gateway's machine dies; the answer is how many.
    pub fn cut_all(&self) -> usize {
        self.each(&DialState::PRESENT, FakeCore::cut)
    }

    /// From now on nothing gets through on the connections that are open now, while their TCP
    /// connections stay open; the answer is how many. New connections are as usual.
    pub fn go_silent(&self) -> usize {
        self.each(&[DialState::Open], FakeCore::silence)
    }

    fn each(&self, states: &[DialState], act: impl Fn(&mut FakeCore, u64) -> bool) -> usize {
        self.world.act(|core, _| {
            core.in_state(states)
                .into_iter()
                .filter(|number| act(core, *number))
                .count()
        })
    }

    /// The connections that are not over, dials under way included.
    pub fn connections(&self) -> Vec<Dial> {
        self.world.look(|core| {
            core.in_state(&DialState::PRESENT)
                .into_iter()
                .filter_map(|number| core.seen().connection(number).cloned())
                .collect()
        })
    }

    /// What the stage has seen until now.
    pub fn seen(&self) -> Seen {
        self.world.look(|core| core.seen().clone())
    }

    /// Waits until this is true of what the stage has seen, for 30 s at most.
    pub async fn until(&self, condition: impl Fn(&Seen) -> bool + Send) -> Result<(), TimedOut> {
        self.until_within(PATIENCE, condition).await
    }

    /// Waits until this is true of what the stage has seen, for this long at most.
    pub async fn until_within(
        &self,
        patience: Duration,
        condition: impl Fn(&Seen) -> bool + Send,
    ) -> Result<(), TimedOut> {
        let deadline = Instant::now() + patience;
        let mut changes = self.world.changes.subscribe();
        loop {
            changes.mark_unchanged();
            if self.world.look(|core| condition(core.seen())) {
                return Ok(());
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                return Err(TimedOut {
                    patience,
                    stage: self.world.name.clone(),
                    seen: self.world.look(|core| core.seen().to_string()),
                });
            }
        }
    }
}
