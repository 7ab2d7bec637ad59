//! The connection: one socket, replaced by another for as long as somebody wants it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::close::{AfterClose, Closed, after_close};
use crate::event::{Cause, Continuity, DialFailure, Event, Generation, Output, StandbyNews, State};
use crate::heartbeat::{Answers, Heartbeat, LONGEST_REPLY, Ping, Pulse, Reply};
use crate::outbox::{Discard, Outbox, OutboxLimits, Payload, Rejection, SendOutcome, Ticket};
use crate::rollover::{Rollover, Twins};
use crate::time::{Backoff, Instant, Jitter, Timers};

/// What to be patient about.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// The delays before dialling again.
    pub backoff: Backoff,
    /// The most dials in a minute that nobody asked for, at least 1. By default 10, which bounds
    /// what unlucky draws can do to a server that accepts and closes at once.
    pub dials_per_minute: usize,
    /// How long a dial may take. By default 15 s: a function that starts cold answers within a
    /// few seconds, and a browser left to itself waits minutes for a host that is silent.
    pub dial_timeout: Duration,
    /// How long a socket must stay open before the backoff starts from its beginning again. By
    /// default 5 s: a server that accepts and closes at once is no server that is up.
    pub stable_after: Duration,
    /// The longest delay of a dial that a person may be waiting for: the page is looked at again,
    /// or the machine woke up. By default 500 ms, drawn by lot.
    pub wake_spread: Duration,
    /// How a half-open socket is found; `None` leaves it to the browser, which takes minutes.
    pub heartbeat: Option<Heartbeat>,
    /// When a socket is replaced before its time is over; `None` waits for the gateway to close it.
    pub rollover: Option<Rollover>,
    /// How much may wait for an open socket, and how large a frame may be.
    pub outbox: OutboxLimits,
    /// What to do after a close; by default [`after_close`].
    pub after_close: fn(&Closed) -> AfterClose,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            dials_per_minute: 10,
            dial_timeout: Duration::from_secs(15),
            stable_after: Duration::from_secs(5),
            wake_spread: Duration::from_millis(500),
            heartbeat: Some(Heartbeat::default()),
            rollover: Some(Rollover::default()),
            outbox: OutboxLimits::default(),
            after_close,
        }
    }
}

/// A timer that fires later than this did not run when it should have: the page was frozen or the
/// machine asleep, and an answer may be waiting to be read. Hidden pages get timers once a second.
const LATE: Duration = Duration::from_millis(1500);

/// How far a wall clock must have run ahead of one that stops in sleep to say that there was one.
const SLEPT: Duration = Duration::from_secs(5);

/// A socket that was heard within this time is not doubted because somebody looks at the page.
const FRESH: Duration = Duration::from_secs(1);

/// How long after a page runs again a frame may have come before it stood still: such a frame proves
/// nothing, and only the answer to the probe does.
const BACKLOG: Duration = Duration::from_millis(250);

/// How often a socket that holds too much is asked whether it has sent it.
const MEASURE_EVERY: Duration = Duration::from_millis(50);

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
enum Timer {
    /// The dial takes too long.
    Dial,
    /// The next dial is due.
    Retry,
    /// The open socket counts as stable.
    Stable,
    /// The next ping is due, or the answer to the last one.
    Beat,
    /// A second socket is due.
    Rollover,
    /// The second socket takes too long to open, or to prove itself.
    Standby,
    /// The socket that was taken over from is let go.
    Retire,
    /// The socket may have sent what it held.
    Measure,
}

impl Timer {
    const COUNT: usize = 8;
}

impl From<Timer> for usize {
    fn from(timer: Timer) -> Self {
        timer as Self
    }
}

/// Whether the open socket takes frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    /// It may hold too much: nobody knows before [`Connection::handle_buffered`].
    Measuring,
    /// It holds too much, or has begun to close.
    Shut,
}

/// A second socket.
#[derive(Debug)]
struct Standby {
    generation: Generation,
    open: Option<OpenStandby>,
}

/// A second socket that is open.
#[derive(Debug, Clone, Copy)]
struct OpenStandby {
    since: Instant,
    pulse: Pulse,
    /// Whether anything came over it.
    proven: bool,
    /// When it is to be replaced in turn.
    replace_at: Option<Instant>,
}

/// A socket that another took over from, and that is still listened to.
#[derive(Debug)]
struct Retiring {
    generation: Generation,
    pulse: Pulse,
}

/// The state machine of a connection.
///
/// It starts [`State::Closed`]; [`Connection::connect`] sets it going. After every call, take all
/// of [`Connection::poll_output`], then set one timer to [`Connection::poll_timeout`].
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four answers to four questions that have nothing to do with each other"
)]
pub struct Connection {
    config: Config,
    state: State,
    /// The last socket dialled.
    generation: Generation,
    /// Retries since a connection was last stable.
    attempt: u32,
    /// When the last dials were made, as many as a minute may have.
    dials: Vec<Instant>,
    /// Until when the server asked to be left alone.
    not_before: Instant,
    online: bool,
    visible: bool,
    reauthenticate: bool,
    opened_before: bool,
    gate: Gate,
    /// Bytes that the open socket may hold.
    buffered: usize,
    /// What the backend's silence says.
    answers: Answers,
    pings: u64,
    /// The life of the open socket.
    pulse: Pulse,
    standby: Option<Standby>,
    /// Second sockets that failed since one took over.
    standby_failures: u32,
    retiring: Option<Retiring>,
    twins: Twins,
    /// The last look at the clock that never goes back, and at the one on the wall.
    clocks: Option<(Instant, u64)>,
    timers: Timers<{ Timer::COUNT }>,
    outbox: Outbox,
    outputs: VecDeque<Output>,
}

impl Connection {
    /// A connection that nobody has asked for yet.
    pub fn new(config: Config) -> Self {
        Self {
            state: State::Closed,
            generation: Generation::default(),
            attempt: 0,
            dials: Vec::new(),
            not_before: Instant::default(),
            online: true,
            visible: true,
            reauthenticate: false,
            opened_before: false,
            gate: Gate::Shut,
            buffered: 0,
            answers: Answers::Unknown,
            pings: 0,
            pulse: Pulse::new(Instant::default()),
            standby: None,
            standby_failures: 0,
            retiring: None,
            twins: Twins::default(),
            clocks: None,
            timers: Timers::new(),
            outbox: Outbox::new(config.outbox),
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Where the connection stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// How many frames wait for a socket that takes them.
    pub fn queued(&self) -> usize {
        self.outbox.len()
    }

    /// Dials now, unless there is a socket already: the first time, again after
    /// [`Connection::close`], or before a wait is over.
    pub fn connect(&mut self, now: Instant) {
        match self.state {
            State::Connecting { .. } | State::Open { .. } => {}
            State::Closed => {
                self.attempt = 0;
                self.dial(now, Cause::Requested);
            }
            State::Waiting { .. } | State::Offline => self.dial(now, Cause::Requested),
        }
    }

    /// Closes for good: the socket is left behind, what is queued is discarded, and nothing is
    /// dialled until [`Connection::connect`].
    pub fn close(&mut self) {
        self.stop(Cause::ClosedByUser);
    }

    /// Sends a frame, or queues it until a socket takes it.
    pub fn send(&mut self, now: Instant, payload: Payload) -> SendOutcome {
        let outcome = match self.state {
            State::Open { generation } if self.gate == Gate::Open => {
                self.outbox.check_size(&payload).map(|()| {
                    self.transmit(generation, None, payload);
                    SendOutcome::Sent
                })
            }
            State::Closed => Err(Rejection::Closed),
            State::Open { .. }
            | State::Connecting { .. }
            | State::Waiting { .. }
            | State::Offline => self.outbox.push(now, payload).map(SendOutcome::Queued),
        };
        outcome.unwrap_or_else(SendOutcome::Rejected)
    }

    /// Takes what the platform says of the network before anything was dialled.
    ///
    /// `false` keeps nobody from dialling: a machine whose only network is loopback is "offline"
    /// to a browser, and a server on it can be reached all the same. It is believed once a dial
    /// fails, and forgotten once one succeeds.
    pub const fn hint_online(&mut self, online: bool) {
        self.online = online;
    }

    /// The dialled socket is open. The jitter draws the moment at which it is to be replaced.
    pub fn handle_opened(&mut self, now: Instant, generation: Generation, jitter: Jitter) {
        let replace_at = self
            .config
            .rollover
            .map(|rollover| now + rollover.age(jitter));
        if let Some(standby) = &mut self.standby
            && standby.generation == generation
        {
            if standby.open.is_none() {
                standby.open = Some(OpenStandby {
                    since: now,
                    pulse: Pulse::new(now),
                    proven: false,
                    replace_at,
                });
                self.online = true;
                self.reauthenticate = false;
                self.prove(now);
            }
            return;
        }
        let is_dialling = matches!(self.state, State::Connecting { .. });
        if !is_dialling || self.state.generation() != Some(generation) {
            return;
        }
        self.online = true;
        self.reauthenticate = false;
        let continuity = if self.opened_before {
            Continuity::MayBeLost
        } else {
            Continuity::First
        };
        self.opened_before = true;
        let pulse = Pulse::new(now);
        self.begin(
            now,
            generation,
            pulse,
            replace_at,
            continuity,
            Cause::Opened,
        );
    }

    /// There is nothing to dial yet; another attempt may have more luck.
    pub fn handle_dial_failed(
        &mut self,
        now: Instant,
        generation: Generation,
        failure: DialFailure,
        jitter: Jitter,
    ) {
        let at_least = failure.retry_after.unwrap_or_default();
        let cause = Cause::DialFailed(failure);
        if self.is_standby(generation) {
            self.standby_failed(now, cause, Some(at_least), jitter);
        } else if self.state.generation() == Some(generation) {
            self.back_off(now, cause, at_least, jitter);
        }
    }

    /// There is nothing to dial, and there will not be: an address that is none, or one that the
    /// platform forbids. Closes for good.
    pub fn handle_dial_impossible(&mut self, generation: Generation, why: String) {
        if self.is_standby(generation) {
            let cause = Cause::DialImpossible(why);
            self.standby_failed(Instant::default(), cause, None, Jitter::new(0.0));
        } else if self.state.generation() == Some(generation) {
            self.stop(Cause::DialImpossible(why));
        }
    }

    /// A frame arrived.
    pub fn handle_frame(&mut self, now: Instant, generation: Generation, payload: Payload) {
        let is_answer = self.note_answer(now, generation, &payload);
        if self.is_open(generation) {
            let backlog = self.pulse.probing
                && self
                    .pulse
                    .awaited
                    .is_some_and(|ping| now - ping.sent < BACKLOG);
            if !backlog {
                self.pulse.heard = now;
                self.pulse.excused = false;
                if std::mem::take(&mut self.pulse.judging) {
                    self.await_silence(now);
                }
            }
        } else if let Some(Standby {
            generation: standby,
            open: Some(open),
        }) = &mut self.standby
            && *standby == generation
        {
            open.proven = true;
            self.timers.stop(Timer::Standby);
        } else if !self.is_retiring(generation) {
            return;
        }
        self.roll_over_if_both_live(now);
        let window = self.config.rollover.map(|rollover| rollover.window());
        if is_answer
            || self
                .twins
                .is_copy(now, window.unwrap_or_default(), generation, &payload)
        {
            return;
        }
        self.tell(Event::Frame {
            generation,
            payload,
        });
    }

    /// The socket reported an error.
    pub fn handle_error(&mut self, generation: Generation) {
        if self.state.generation() == Some(generation) || self.is_standby(generation) {
            self.tell(Event::SocketError { generation });
        }
    }

    /// The socket has begun to close and takes no more frames; its close follows. Until then,
    /// frames are queued for the next socket instead of being lost in this one.
    pub fn handle_closing(&mut self, generation: Generation) {
        if self.is_open(generation) {
            self.gate = Gate::Shut;
            self.timers.stop(Timer::Measure);
        }
    }

    /// The socket is closed: the dial failed, or the connection ended.
    pub fn handle_closed(
        &mut self,
        now: Instant,
        generation: Generation,
        closed: Closed,
        jitter: Jitter,
    ) {
        if self.is_retiring(generation) {
            self.retire(now);
            return;
        }
        let verdict = (self.config.after_close)(&closed);
        let cause = Cause::SocketClosed(closed);
        if self.is_standby(generation) {
            let at_least = match verdict {
                AfterClose::Stop => None,
                AfterClose::Backoff { at_least } => Some(at_least),
                AfterClose::RetryNow => Some(Duration::ZERO),
                AfterClose::Reauthenticate => {
                    self.reauthenticate = true;
                    Some(Duration::ZERO)
                }
            };
            self.standby = None;
            self.standby_failed_at(now, generation, cause, at_least, jitter);
            return;
        }
        if self.state.generation() != Some(generation) {
            return;
        }
        self.note_stability(now);
        let was_stable = self.state.is_open() && self.attempt == 0;
        match verdict {
            AfterClose::Stop => self.stop(cause),
            _ if self.take_over(now, &cause) => {}
            AfterClose::RetryNow if was_stable && self.online && self.may_dial_at(now) <= now => {
                self.leave();
                self.attempt = 1;
                self.dial(now, cause);
            }
            AfterClose::RetryNow => self.back_off(now, cause, Duration::ZERO, jitter),
            AfterClose::Reauthenticate => {
                self.reauthenticate = true;
                self.back_off(now, cause, Duration::ZERO, jitter);
            }
            AfterClose::Backoff { at_least } => self.back_off(now, cause, at_least, jitter),
        }
    }

    /// The machine lost its network. The socket is left behind: whatever becomes of it, nobody
    /// here would hear of it in time.
    pub fn handle_offline(&mut self, now: Instant) {
        self.online = false;
        self.note_stability(now);
        if matches!(self.state, State::Closed | State::Offline) {
            return;
        }
        self.leave();
        self.enter(State::Offline, Cause::WentOffline);
    }

    /// The machine has a network again, or another one. A dial comes within [`Backoff::base`], at
    /// a moment drawn by lot, since a whole house may have come back with it; an open socket is
    /// asked whether it lives.
    pub fn handle_online(&mut self, now: Instant, jitter: Jitter) {
        self.online = true;
        match self.state {
            State::Offline => {
                self.attempt = 0;
                self.back_off(now, Cause::CameOnline, Duration::ZERO, jitter);
            }
            State::Waiting { .. } => {
                let delay = self.config.backoff.delay(1, jitter);
                self.hasten(now, delay, Cause::CameOnline);
            }
            State::Open { .. } => self.probe(now, true),
            State::Connecting { .. } | State::Closed => {}
        }
    }

    /// Somebody looks at the page again, or it runs again after it was frozen: a dial that is
    /// waited for comes within [`Config::wake_spread`], and an open socket is asked whether it
    /// lives. A healthy one stays.
    pub fn handle_wake(&mut self, now: Instant, jitter: Jitter) {
        self.wake(now, jitter, false);
    }

    /// What the clock on the wall says, in milliseconds since any moment: a machine that slept is
    /// found out by it, where the driver's own clock stood still meanwhile. Call it with every
    /// timeout and whenever the platform tells of a change.
    pub fn handle_clock(&mut self, now: Instant, wall: u64, jitter: Jitter) {
        let Some((then, wall_then)) = self.clocks.replace((now, wall)) else {
            return;
        };
        let passed = Duration::from_millis(wall.saturating_sub(wall_then));
        let slept = passed.saturating_sub(now - then);
        if slept > SLEPT {
            self.outbox.age(slept);
            self.wake(now, jitter, true);
        }
    }

    /// Whether anybody can see the page. A hidden one pings at
    /// [`Heartbeat::idle_interval`]; becoming visible is a [wake](Connection::handle_wake).
    pub fn handle_visibility(&mut self, now: Instant, visible: bool, jitter: Jitter) {
        self.visible = visible;
        if visible {
            if self.state.is_open() && !self.pulse.judging {
                // The silence of a hidden page is a longer one.
                self.await_silence(self.pulse.heard);
            }
            self.wake(now, jitter, false);
        }
    }

    /// How many bytes the socket has not sent yet: the answer to [`Output::MeasureBuffer`].
    pub fn handle_buffered(&mut self, now: Instant, generation: Generation, bytes: usize) {
        if !self.is_open(generation) || self.gate == Gate::Open {
            return;
        }
        let limit = self.config.outbox.buffered_bytes;
        self.buffered = bytes;
        let was_measuring = self.gate == Gate::Measuring;
        if bytes <= limit / 2 || (was_measuring && bytes < limit) {
            self.gate = Gate::Open;
            self.timers.stop(Timer::Measure);
            self.flush(generation);
        } else {
            self.gate = Gate::Shut;
            self.timers.set(Timer::Measure, now + MEASURE_EVERY);
        }
    }

    /// Does what is due. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant, jitter: Jitter) {
        self.note_stability(now);
        while let Some(waiting) = self.outbox.pop_expired(now) {
            self.discard(waiting.ticket, waiting.payload, Discard::Expired);
        }
        if self.timers.fired(Timer::Retire, now) {
            self.retire_now(now);
        }
        if self.timers.fired(Timer::Measure, now)
            && let State::Open { generation } = self.state
        {
            self.outputs.push_back(Output::MeasureBuffer { generation });
            self.timers.set(Timer::Measure, now + MEASURE_EVERY);
        }
        if let Some(due) = self.timers.take_due(Timer::Standby, now) {
            self.standby_overdue(now, now - due > LATE, jitter);
        }
        if let Some(due) = self.timers.take_due(Timer::Beat, now) {
            self.beat(now, now - due > LATE, jitter);
        }
        if self.timers.fired(Timer::Rollover, now) {
            self.dial_standby(now);
        }
        if self.timers.fired(Timer::Dial, now) {
            self.back_off(now, Cause::DialTimedOut, Duration::ZERO, jitter);
        } else if self.timers.fired(Timer::Retry, now) {
            self.dial(now, Cause::WaitOver);
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Connection::handle_timeout`] next, if at all.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timers = self.timers.next();
        timers.into_iter().chain(self.outbox.next_expiry()).min()
    }

    /// Whether a socket of that number is wanted and not open yet.
    pub fn is_dialling(&self, generation: Generation) -> bool {
        match (&self.standby, self.state) {
            (Some(standby), _) if standby.generation == generation => standby.open.is_none(),
            (
                _,
                State::Connecting {
                    generation: now, ..
                },
            ) => now == generation,
            _ => false,
        }
    }

    fn is_open(&self, generation: Generation) -> bool {
        self.state == State::Open { generation }
    }

    fn is_standby(&self, generation: Generation) -> bool {
        self.standby
            .as_ref()
            .is_some_and(|standby| standby.generation == generation)
    }

    fn is_retiring(&self, generation: Generation) -> bool {
        self.retiring
            .as_ref()
            .is_some_and(|retiring| retiring.generation == generation)
    }

    /// A timer can be late by minutes in a hidden tab, so whoever needs to know whether the
    /// connection was stable looks at the clock as well.
    fn note_stability(&mut self, now: Instant) {
        if self.timers.fired(Timer::Stable, now) {
            self.attempt = 0;
        }
    }

    // Dialling.

    fn dial(&mut self, now: Instant, cause: Cause) {
        self.timers.stop_all();
        self.timers.set(Timer::Dial, now + self.config.dial_timeout);
        let generation = self.ask_for_a_socket(now);
        self.enter(
            State::Connecting {
                generation,
                attempt: self.attempt,
            },
            cause,
        );
    }

    fn ask_for_a_socket(&mut self, now: Instant) -> Generation {
        self.generation = self.generation.next();
        if self.dials.len() >= self.config.dials_per_minute && !self.dials.is_empty() {
            self.dials.remove(0);
        }
        self.dials.push(now);
        self.outputs.push_back(Output::Dial {
            generation: self.generation,
            reauthenticate: self.reauthenticate,
        });
        self.generation
    }

    /// The first moment from `wanted` on at which a dial is not one too many for its minute.
    fn may_dial_at(&self, wanted: Instant) -> Instant {
        match self.dials.first() {
            Some(first) if self.dials.len() >= self.config.dials_per_minute => {
                wanted.max(*first + MINUTE)
            }
            _ => wanted,
        }
    }

    /// The present socket is given up, or there is none: waits for the next dial.
    fn back_off(&mut self, now: Instant, cause: Cause, at_least: Duration, jitter: Jitter) {
        self.attempt = self.attempt.saturating_add(1);
        self.not_before = now + at_least;
        let delay = at_least + self.config.backoff.delay(self.attempt, jitter);
        self.wait(now, delay, cause);
    }

    /// Brings the awaited dial forward, unless it is due soon anyway, or the server named a time.
    fn hasten(&mut self, now: Instant, delay: Duration, cause: Cause) {
        if now < self.not_before {
            return;
        }
        let due = self.timers.deadline(Timer::Retry);
        if due.is_some_and(|due| self.may_dial_at(now + delay) < due) {
            self.wait(now, delay, cause);
        }
    }

    fn wait(&mut self, now: Instant, delay: Duration, cause: Cause) {
        self.leave();
        if !self.online {
            self.enter(State::Offline, cause);
            return;
        }
        let until = self.may_dial_at(now + delay);
        self.timers.set(Timer::Retry, until);
        self.enter(
            State::Waiting {
                attempt: self.attempt,
                delay: until - now,
                until,
            },
            cause,
        );
    }

    fn stop(&mut self, cause: Cause) {
        if self.state == State::Closed {
            return;
        }
        self.leave();
        self.enter(State::Closed, cause);
        while let Some(waiting) = self.outbox.pop() {
            self.discard(waiting.ticket, waiting.payload, Discard::Closed);
        }
    }

    /// Leaves all sockets behind, and with them all that was to be done with them.
    fn leave(&mut self) {
        self.timers.stop_all();
        self.twins.forget();
        let standby = self.standby.take().map(|standby| standby.generation);
        let retiring = self.retiring.take().map(|retiring| retiring.generation);
        let sockets = [self.state.generation(), standby, retiring];
        for generation in sockets.into_iter().flatten() {
            self.outputs.push_back(Output::Abandon { generation });
        }
    }

    // An open socket.

    fn begin(
        &mut self,
        now: Instant,
        generation: Generation,
        pulse: Pulse,
        replace_at: Option<Instant>,
        continuity: Continuity,
        cause: Cause,
    ) {
        self.gate = Gate::Open;
        self.buffered = 0;
        self.pulse = pulse;
        for timer in [Timer::Dial, Timer::Measure, Timer::Rollover] {
            self.timers.stop(timer);
        }
        self.timers
            .set(Timer::Stable, now + self.config.stable_after);
        if let Some(replace_at) = replace_at {
            self.timers.set(Timer::Rollover, replace_at);
        }
        self.await_silence(now);
        self.enter(State::Open { generation }, cause);
        self.tell(Event::Opened {
            generation,
            continuity,
        });
        self.flush(generation);
        if self.answers == Answers::Unknown {
            self.ping(now);
        }
    }

    fn flush(&mut self, generation: Generation) {
        while self.gate == Gate::Open
            && let Some(waiting) = self.outbox.pop()
        {
            self.transmit(generation, Some(waiting.ticket), waiting.payload);
        }
    }

    fn transmit(&mut self, generation: Generation, ticket: Option<Ticket>, payload: Payload) {
        self.buffered = self.buffered.saturating_add(payload.bytes());
        self.outputs.push_back(Output::Transmit {
            generation,
            payload: payload.clone(),
        });
        self.tell(Event::Sent {
            generation,
            ticket,
            payload,
        });
        if self.buffered >= self.config.outbox.buffered_bytes {
            self.gate = Gate::Measuring;
            self.outputs.push_back(Output::MeasureBuffer { generation });
        }
    }

    // Heartbeats.

    /// Nothing is asked before it has been silent for an interval.
    fn await_silence(&mut self, now: Instant) {
        if let Some(interval) = self.ping_interval() {
            self.timers.set(Timer::Beat, now + interval);
        }
    }

    fn ping_interval(&self) -> Option<Duration> {
        let heartbeat = self.config.heartbeat?;
        Some(if self.visible && self.answers != Answers::No {
            heartbeat.interval
        } else {
            heartbeat.idle_interval
        })
    }

    fn ping(&mut self, now: Instant) {
        let deadline = |heartbeat: Heartbeat| heartbeat.deadline;
        self.ping_within(now, deadline, false);
    }

    fn ping_within(&mut self, now: Instant, deadline: fn(Heartbeat) -> Duration, probing: bool) {
        let State::Open { generation } = self.state else {
            return;
        };
        let Some((ping, deadline)) = self.ask(now, generation, deadline) else {
            return;
        };
        self.pulse.awaited = Some(ping);
        self.pulse.judging = self.answers != Answers::No;
        self.pulse.probing = probing;
        if self.pulse.judging {
            self.timers.set(Timer::Beat, deadline);
        } else {
            self.await_silence(now);
        }
    }

    /// Sends a ping over a socket.
    fn ask(
        &mut self,
        now: Instant,
        generation: Generation,
        deadline: fn(Heartbeat) -> Duration,
    ) -> Option<(Ping, Instant)> {
        /// See [`Heartbeat::deadline`].
        const PATIENCE_WITH_STRANGERS: u32 = 3;
        let heartbeat = self.config.heartbeat?;
        self.pings += 1;
        let number = self.pings;
        let payload = Payload::Text((heartbeat.ping)(number));
        self.outputs.push_back(Output::Transmit {
            generation,
            payload,
        });
        self.tell(Event::Pinged { generation });
        let deadline = if self.answers == Answers::Unknown {
            heartbeat.deadline * PATIENCE_WITH_STRANGERS
        } else {
            deadline(heartbeat)
        };
        Some((Ping { number, sent: now }, now + deadline))
    }

    /// The next ping is due, or the answer to the last one.
    fn beat(&mut self, now: Instant, late: bool, jitter: Jitter) {
        let State::Open { generation } = self.state else {
            return;
        };
        let probe_deadline = |heartbeat: Heartbeat| heartbeat.probe_deadline;
        if !self.pulse.judging {
            let interval = self.ping_interval().unwrap_or_default();
            if now - self.pulse.heard < interval {
                self.await_silence(self.pulse.heard);
            } else if late {
                self.ping_within(now, probe_deadline, true);
            } else {
                self.ping(now);
            }
        } else if late && !std::mem::replace(&mut self.pulse.excused, true) {
            // Whether the answer came is not known before the platform has told what it has; the
            // second time it had the chance.
            self.ping_within(now, probe_deadline, true);
        } else if self.answers_pings() {
            self.note_stability(now);
            if !self.pulse.answered {
                // Perhaps it was never an answer that was taken for one.
                self.answers = Answers::Unknown;
            }
            if self.take_over(now, &Cause::Unresponsive) {
                return;
            }
            if self.pulse.probing {
                self.attempt = self.attempt.saturating_add(1);
                let delay = jitter.of(self.config.wake_spread);
                self.wait(now, delay, Cause::Unresponsive);
            } else {
                self.back_off(now, Cause::Unresponsive, Duration::ZERO, jitter);
            }
        } else {
            self.answers = Answers::No;
            self.pulse.judging = false;
            self.tell(Event::Mute { generation });
            self.await_silence(now);
            self.promote(now, Cause::RolledOver, Continuity::MayBeLost);
        }
    }

    /// Whether the silence of this backend says something.
    fn answers_pings(&self) -> bool {
        matches!(self.answers, Answers::Pong | Answers::Refusal)
    }

    fn wake(&mut self, now: Instant, jitter: Jitter, slept: bool) {
        match self.state {
            State::Waiting { .. } => {
                let delay = jitter.of(self.config.wake_spread);
                self.hasten(now, delay, Cause::Woke);
            }
            State::Open { .. } => self.probe(now, slept),
            State::Connecting { .. } | State::Offline | State::Closed => {}
        }
    }

    /// There is reason to doubt the open socket: it has to answer soon.
    fn probe(&mut self, now: Instant, even_if_fresh: bool) {
        let Some(heartbeat) = self.config.heartbeat else {
            return;
        };
        if !self.answers_pings() || (!even_if_fresh && now - self.pulse.heard < FRESH) {
            return;
        }
        if self.pulse.judging {
            let deadline = now + heartbeat.probe_deadline;
            let due = self.timers.deadline(Timer::Beat);
            self.timers
                .set(Timer::Beat, due.map_or(deadline, |due| due.min(deadline)));
            self.pulse.probing = true;
        } else {
            self.ping_within(now, |heartbeat| heartbeat.probe_deadline, true);
        }
    }

    /// Whether this frame answers a ping of ours, and is nothing for the application.
    fn note_answer(&mut self, now: Instant, generation: Generation, payload: &Payload) -> bool {
        /// An answer that comes after its deadline is still ours; it is as short as its ping.
        const LONGEST_PONG: usize = 64;
        let pulse = if self.state == (State::Open { generation }) {
            Some(&mut self.pulse)
        } else if let Some(standby) = &mut self.standby
            && standby.generation == generation
        {
            standby.open.as_mut().map(|open| &mut open.pulse)
        } else {
            let retiring = self.retiring.as_mut();
            retiring
                .filter(|retiring| retiring.generation == generation)
                .map(|retiring| &mut retiring.pulse)
        };
        let Some(pulse) = pulse else { return false };
        let (Some(heartbeat), Some(text)) = (self.config.heartbeat, payload.text()) else {
            return false;
        };
        let longest = if pulse.awaited.is_some() {
            LONGEST_REPLY
        } else {
            LONGEST_PONG
        };
        if text.len() > longest {
            return false;
        }
        let (answered, answers) = match (heartbeat.recognise)(text) {
            None => return false,
            Some(Reply::Pong(number)) => {
                if number == 0 || number > self.pings {
                    return false;
                }
                let answered = pulse.awaited.take_if(|ping| ping.number == number);
                (answered, Answers::Pong)
            }
            // An error of the application's own looks the same: it is none of a backend that
            // answers otherwise, or not at all.
            Some(Reply::Refusal) => match self.answers {
                Answers::Pong | Answers::No => return false,
                Answers::Unknown | Answers::Refusal => match pulse.awaited.take() {
                    None => return false,
                    answered => (answered, Answers::Refusal),
                },
            },
        };
        if let Some(ping) = answered {
            pulse.answered = true;
            self.answers = answers;
            self.tell(Event::Ponged {
                generation,
                round_trip: now - ping.sent,
            });
        }
        true
    }

    // A second socket.

    fn dial_standby(&mut self, now: Instant) {
        let slot = self.may_dial_at(now);
        if slot > now {
            self.timers.set(Timer::Rollover, slot);
            return;
        }
        self.twins.watch();
        self.timers
            .set(Timer::Standby, now + self.config.dial_timeout);
        let generation = self.ask_for_a_socket(now);
        self.standby = Some(Standby {
            generation,
            open: None,
        });
        self.tell(Event::Standby {
            generation,
            news: StandbyNews::Dialling,
        });
    }

    /// The second socket is open, and is asked to prove that it leads somewhere; so is the first,
    /// since nothing was missed only if both were alive at the same time.
    fn prove(&mut self, now: Instant) {
        let Some(generation) = self.standby.as_ref().map(|standby| standby.generation) else {
            return;
        };
        let asked = if self.answers == Answers::No {
            None
        } else {
            self.ask(now, generation, |heartbeat| heartbeat.deadline)
        };
        let Some((ping, deadline)) = asked else {
            // Nobody can tell.
            self.promote(now, Cause::RolledOver, Continuity::MayBeLost);
            return;
        };
        if let Some(Standby {
            open: Some(open), ..
        }) = &mut self.standby
        {
            open.pulse.awaited = Some(ping);
        }
        self.timers.set(Timer::Standby, deadline);
        self.tell(Event::Standby {
            generation,
            news: StandbyNews::Proving,
        });
        if !self.pulse.judging {
            self.ping(now);
        }
    }

    fn roll_over_if_both_live(&mut self, now: Instant) {
        if let Some(Standby {
            open: Some(open), ..
        }) = &self.standby
            && open.proven
            && self.pulse.heard >= open.since
        {
            self.promote(now, Cause::RolledOver, Continuity::Kept);
        }
    }

    fn standby_overdue(&mut self, now: Instant, late: bool, jitter: Jitter) {
        let Some(standby) = &self.standby else { return };
        if standby.open.is_none() {
            self.standby_failed(now, Cause::DialTimedOut, Some(Duration::ZERO), jitter);
        } else if late {
            self.prove(now);
        } else if self.answers_pings() {
            self.standby_failed(now, Cause::Unresponsive, Some(Duration::ZERO), jitter);
        } else {
            self.answers = Answers::No;
            self.promote(now, Cause::RolledOver, Continuity::MayBeLost);
        }
    }

    /// The second socket takes over, if it is open.
    fn promote(&mut self, now: Instant, cause: Cause, continuity: Continuity) {
        let Some((standby, open)) = self
            .standby
            .take_if(|standby| standby.open.is_some())
            .and_then(|standby| Some((standby.generation, standby.open?)))
        else {
            return;
        };
        self.timers.stop(Timer::Standby);
        self.standby_failures = 0;
        let first = self.state.generation().map(|generation| Retiring {
            generation,
            pulse: self.pulse,
        });
        self.retire_now(now);
        self.twins.watch();
        let overlap = match (&cause, self.config.rollover) {
            (Cause::RolledOver, Some(rollover)) => Some(rollover.overlap),
            _ => None,
        };
        if let Some(overlap) = overlap {
            self.retiring = first;
            self.timers.set(Timer::Retire, now + overlap);
        }
        self.begin(now, standby, open.pulse, open.replace_at, continuity, cause);
        if overlap.is_none() {
            self.end_overlap(now);
        }
    }

    /// The first socket is gone: the second one stands in for it, if there is one.
    fn take_over(&mut self, now: Instant, cause: &Cause) -> bool {
        let Some(standby) = &self.standby else {
            return false;
        };
        let (generation, is_open) = (standby.generation, standby.open.is_some());
        if let Some(first) = self.state.generation()
            && matches!(cause, Cause::Unresponsive)
        {
            self.outputs
                .push_back(Output::Abandon { generation: first });
        }
        if is_open {
            self.promote(now, cause.clone(), Continuity::MayBeLost);
            return true;
        }
        let due = self.timers.deadline(Timer::Standby);
        self.standby = None;
        self.retire_now(now);
        self.twins.forget();
        self.timers.stop_all();
        self.timers
            .set(Timer::Dial, due.unwrap_or(now + self.config.dial_timeout));
        self.attempt = self.attempt.saturating_add(1);
        self.enter(
            State::Connecting {
                generation,
                attempt: self.attempt,
            },
            cause.clone(),
        );
        true
    }

    /// Gives the second socket up.
    fn standby_failed(
        &mut self,
        now: Instant,
        cause: Cause,
        at_least: Option<Duration>,
        jitter: Jitter,
    ) {
        if let Some(standby) = self.standby.take() {
            let generation = standby.generation;
            self.outputs.push_back(Output::Abandon { generation });
            self.standby_failed_at(now, generation, cause, at_least, jitter);
        }
    }

    fn standby_failed_at(
        &mut self,
        now: Instant,
        generation: Generation,
        cause: Cause,
        at_least: Option<Duration>,
        jitter: Jitter,
    ) {
        self.timers.stop(Timer::Standby);
        self.twins.forget();
        self.standby_failures = self.standby_failures.saturating_add(1);
        let retry_in = at_least.map(|at_least| {
            let delay = at_least + self.config.backoff.delay(self.standby_failures, jitter);
            let due = self.may_dial_at(now + delay);
            self.timers.set(Timer::Rollover, due);
            due - now
        });
        self.tell(Event::Standby {
            generation,
            news: StandbyNews::Failed { cause, retry_in },
        });
    }

    /// The socket that was taken over from is let go.
    fn retire_now(&mut self, now: Instant) {
        if let Some(Retiring { generation, .. }) = self.retiring {
            self.outputs.push_back(Output::Abandon { generation });
            self.retire(now);
        }
    }

    /// The socket that was taken over from is gone.
    fn retire(&mut self, now: Instant) {
        self.timers.stop(Timer::Retire);
        if let Some(Retiring { generation, .. }) = self.retiring.take() {
            self.tell(Event::Retired { generation });
            if self.standby.is_none() {
                self.end_overlap(now);
            }
        }
    }

    /// There is one socket again; copies of what came over the other may be on their way.
    fn end_overlap(&mut self, now: Instant) {
        match self.config.rollover {
            Some(rollover) => self.twins.watch_until(now + rollover.window()),
            None => self.twins.forget(),
        }
    }

    fn discard(&mut self, ticket: Ticket, payload: Payload, why: Discard) {
        self.tell(Event::Discarded {
            ticket,
            payload,
            why,
        });
    }

    fn enter(&mut self, to: State, cause: Cause) {
        let from = std::mem::replace(&mut self.state, to);
        self.tell(Event::Changed { from, to, cause });
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
