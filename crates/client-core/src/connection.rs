//! The connection: one socket at a time, dialled again for as long as somebody wants it.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::close::{AfterClose, Closed, after_close};
use crate::outbox::{Outbox, OutboxLimits, Rejection, SendOutcome};
use crate::time::{Backoff, Instant, Jitter, Timers};

/// The number of a socket: 1 for the first one dialled, one more for each after it.
///
/// A socket that was left behind can still report: an open that came too late, a close minutes
/// after the network died. Every report carries the generation of its socket, and reports of any
/// but the present one are passed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u64);

impl Generation {
    /// The number, from 1.
    pub const fn number(self) -> u64 {
        self.0
    }

    const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What to be patient about.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// The delays before dialling again.
    pub backoff: Backoff,
    /// How long a dial may take. By default 15 s: a function that starts cold answers within a
    /// few seconds, and a browser left to itself waits minutes for a host that is silent.
    pub dial_timeout: Duration,
    /// How long a socket must stay open before the backoff starts from its beginning again. By
    /// default 5 s: a server that accepts and closes at once is no server that is up.
    pub stable_after: Duration,
    /// How much may wait for an open socket, and how large a frame may be.
    pub outbox: OutboxLimits,
    /// What to do after a close; by default [`after_close`].
    pub after_close: fn(&Closed) -> AfterClose,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            dial_timeout: Duration::from_secs(15),
            stable_after: Duration::from_secs(5),
            outbox: OutboxLimits::default(),
            after_close,
        }
    }
}

/// Where the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A socket is being dialled.
    Connecting {
        /// The socket.
        generation: Generation,
        /// 0 for the first dial, else the number of the retry since a connection was last stable.
        attempt: u32,
    },
    /// The socket is open.
    Open {
        /// The socket.
        generation: Generation,
    },
    /// The last socket ended and the next dial has a time.
    Waiting {
        /// The number of the retry that is waited for, from 1.
        attempt: u32,
        /// How long the whole wait is.
        delay: Duration,
        /// When the next dial is due.
        until: Instant,
    },
    /// The machine has no network; the next dial comes when it has one.
    Offline,
    /// Nobody wants a connection, or none can be had: nothing is dialled until
    /// [`Connection::connect`].
    Closed,
}

impl State {
    /// The state in a word: `connecting`, `open`, `waiting`, `offline` or `closed`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Connecting { .. } => "connecting",
            Self::Open { .. } => "open",
            Self::Waiting { .. } => "waiting",
            Self::Offline => "offline",
            Self::Closed => "closed",
        }
    }

    /// Whether a socket is open.
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// The present socket, if there is one.
    pub const fn generation(&self) -> Option<Generation> {
        match self {
            Self::Connecting { generation, .. } | Self::Open { generation } => Some(*generation),
            Self::Waiting { .. } | Self::Offline | Self::Closed => None,
        }
    }
}

/// What moved the connection from one state to another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// [`Connection::connect`] was called.
    Requested,
    /// The dial succeeded.
    Opened,
    /// The socket ended: refused, lost, or closed by the other side.
    SocketClosed(Closed),
    /// The dial took longer than [`Config::dial_timeout`].
    DialTimedOut,
    /// There was nothing to dial; the text says why.
    DialImpossible(String),
    /// The wait was over.
    WaitOver,
    /// The machine lost its network.
    WentOffline,
    /// The machine has a network again.
    CameOnline,
    /// Somebody looks at the page again.
    Woke,
    /// [`Connection::close`] was called.
    ClosedByUser,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => write!(f, "a connection was asked for"),
            Self::Opened => write!(f, "the server accepted"),
            Self::SocketClosed(closed) => write!(f, "the socket closed with {closed}"),
            Self::DialTimedOut => write!(f, "the server did not answer in time"),
            Self::DialImpossible(why) => write!(f, "the address cannot be dialled: {why}"),
            Self::WaitOver => write!(f, "it is time to try again"),
            Self::WentOffline => write!(f, "the network is gone"),
            Self::CameOnline => write!(f, "the network is back"),
            Self::Woke => write!(f, "the page is looked at again"),
            Self::ClosedByUser => write!(f, "the connection was closed here"),
        }
    }
}

/// Whether an open socket carries on from the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Continuity {
    /// There was no socket before.
    First,
    /// Messages may have been missed since the last socket: ask for what changed.
    MayBeLost,
}

/// What the application hears of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The connection went from one state to another.
    Changed {
        /// The state that was left.
        from: State,
        /// The state that was entered.
        to: State,
        /// Why.
        cause: Cause,
    },
    /// A socket is open. Follows its [`Event::Changed`]; what was queued goes out right after.
    Opened {
        /// The socket.
        generation: Generation,
        /// Whether messages may have been missed.
        continuity: Continuity,
    },
    /// A text frame arrived.
    Frame {
        /// The socket that it came over.
        generation: Generation,
        /// The text.
        text: String,
    },
    /// A text frame went out.
    Sent {
        /// The socket that it went over.
        generation: Generation,
        /// The text.
        text: String,
    },
    /// A frame that was queued will never be sent: the connection was closed for good before a
    /// socket opened.
    Discarded {
        /// The text.
        text: String,
    },
    /// The socket reported an error. Browsers say no more than that; its close follows.
    SocketError {
        /// The socket.
        generation: Generation,
    },
}

/// What the driver must do, in the order in which [`Connection::poll_output`] gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Dial a new socket. Report back with [`Connection::handle_opened`],
    /// [`Connection::handle_closed`] or [`Connection::handle_dial_impossible`].
    Dial {
        /// The number to report with.
        generation: Generation,
    },
    /// Leave this socket behind: detach from it, close it, and don't wait for its close.
    Abandon {
        /// The socket.
        generation: Generation,
    },
    /// Send a text frame over this socket.
    Transmit {
        /// The socket.
        generation: Generation,
        /// The text.
        text: String,
    },
    /// Tell the application.
    Event(Event),
}

#[derive(Clone, Copy)]
enum Timer {
    Dial,
    Retry,
    Stable,
}

impl Timer {
    const COUNT: usize = 3;
}

impl From<Timer> for usize {
    fn from(timer: Timer) -> Self {
        timer as Self
    }
}

/// The state machine of a connection.
///
/// It starts [`State::Closed`]; [`Connection::connect`] sets it going. After every call, take all
/// of [`Connection::poll_output`], then set one timer to [`Connection::poll_timeout`].
#[derive(Debug)]
pub struct Connection {
    config: Config,
    state: State,
    /// The last socket dialled.
    generation: Generation,
    /// Retries since a connection was last stable.
    attempt: u32,
    online: bool,
    /// Whether the open socket still takes frames.
    writable: bool,
    opened_before: bool,
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
            online: true,
            writable: false,
            opened_before: false,
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

    /// How many frames wait for an open socket.
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

    /// Sends a text frame, or queues it until a socket is open.
    pub fn send(&mut self, text: String) -> SendOutcome {
        let outcome = match self.state {
            State::Open { generation } if self.writable => {
                self.outbox.check_size(&text).map(|()| {
                    self.transmit(generation, text);
                    SendOutcome::Sent
                })
            }
            State::Closed => Err(Rejection::Closed),
            State::Open { .. }
            | State::Connecting { .. }
            | State::Waiting { .. }
            | State::Offline => self.outbox.push(text).map(|()| SendOutcome::Queued),
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

    /// The dialled socket is open.
    pub fn handle_opened(&mut self, now: Instant, generation: Generation) {
        let is_dialling = matches!(self.state, State::Connecting { .. });
        if !is_dialling || self.state.generation() != Some(generation) {
            return;
        }
        self.online = true;
        self.writable = true;
        self.timers.stop_all();
        self.timers
            .set(Timer::Stable, now + self.config.stable_after);
        let continuity = if self.opened_before {
            Continuity::MayBeLost
        } else {
            Continuity::First
        };
        self.opened_before = true;
        self.enter(State::Open { generation }, Cause::Opened);
        self.tell(Event::Opened {
            generation,
            continuity,
        });
        for text in self.outbox.drain() {
            self.transmit(generation, text);
        }
    }

    /// There is nothing to dial, and there will not be: an address that is none, or one that the
    /// platform forbids. Closes for good.
    pub fn handle_dial_impossible(&mut self, generation: Generation, why: String) {
        if self.state.generation() == Some(generation) {
            self.stop(Cause::DialImpossible(why));
        }
    }

    /// A text frame arrived.
    pub fn handle_frame(&mut self, generation: Generation, text: String) {
        if self.is_open(generation) {
            self.tell(Event::Frame { generation, text });
        }
    }

    /// The socket reported an error.
    pub fn handle_error(&mut self, generation: Generation) {
        if self.state.generation() == Some(generation) {
            self.tell(Event::SocketError { generation });
        }
    }

    /// The socket has begun to close and takes no more frames; its close follows. Until then,
    /// frames are queued for the next socket instead of being lost in this one.
    pub fn handle_closing(&mut self, generation: Generation) {
        if self.is_open(generation) {
            self.writable = false;
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
        if self.state.generation() != Some(generation) {
            return;
        }
        self.note_stability(now);
        match (self.config.after_close)(&closed) {
            AfterClose::Stop => self.stop(Cause::SocketClosed(closed)),
            AfterClose::Backoff => self.back_off(now, Cause::SocketClosed(closed), jitter),
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
        self.abandon();
        self.timers.stop_all();
        self.enter(State::Offline, Cause::WentOffline);
    }

    /// The machine has a network again. The dial comes within [`Backoff::base`], at a moment
    /// drawn by lot, since a whole house may have come back with it.
    pub fn handle_online(&mut self, now: Instant, jitter: Jitter) {
        self.online = true;
        match self.state {
            State::Offline => {
                self.attempt = 0;
                self.back_off(now, Cause::CameOnline, jitter);
            }
            State::Waiting { .. } => self.hasten(now, Cause::CameOnline, jitter),
            State::Connecting { .. } | State::Open { .. } | State::Closed => {}
        }
    }

    /// Somebody looks at the page again: a dial that is waited for comes within
    /// [`Backoff::base`].
    pub fn handle_wake(&mut self, now: Instant, jitter: Jitter) {
        if matches!(self.state, State::Waiting { .. }) {
            self.hasten(now, Cause::Woke, jitter);
        }
    }

    /// Does what is due. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant, jitter: Jitter) {
        self.note_stability(now);
        if self.timers.fired(Timer::Dial, now) {
            self.abandon();
            self.back_off(now, Cause::DialTimedOut, jitter);
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
        self.timers.next()
    }

    fn is_open(&self, generation: Generation) -> bool {
        self.state == State::Open { generation }
    }

    /// A timer can be late by minutes in a hidden tab, so whoever needs to know whether the
    /// connection was stable looks at the clock as well.
    fn note_stability(&mut self, now: Instant) {
        if self.timers.fired(Timer::Stable, now) {
            self.attempt = 0;
        }
    }

    fn dial(&mut self, now: Instant, cause: Cause) {
        self.generation = self.generation.next();
        let generation = self.generation;
        self.timers.stop_all();
        self.timers.set(Timer::Dial, now + self.config.dial_timeout);
        self.outputs.push_back(Output::Dial { generation });
        self.enter(
            State::Connecting {
                generation,
                attempt: self.attempt,
            },
            cause,
        );
    }

    /// The present socket is gone, or there is none: waits for the next dial.
    fn back_off(&mut self, now: Instant, cause: Cause, jitter: Jitter) {
        self.attempt = self.attempt.saturating_add(1);
        self.timers.stop_all();
        if !self.online {
            self.enter(State::Offline, cause);
            return;
        }
        let delay = self.config.backoff.delay(self.attempt, jitter);
        self.wait(now, delay, cause);
    }

    /// Brings the awaited dial forward, unless it is due soon anyway.
    fn hasten(&mut self, now: Instant, cause: Cause, jitter: Jitter) {
        let delay = self.config.backoff.delay(1, jitter);
        if self
            .timers
            .next()
            .is_some_and(|deadline| now + delay < deadline)
        {
            self.wait(now, delay, cause);
        }
    }

    fn wait(&mut self, now: Instant, delay: Duration, cause: Cause) {
        let until = now + delay;
        self.timers.set(Timer::Retry, until);
        self.enter(
            State::Waiting {
                attempt: self.attempt,
                delay,
                until,
            },
            cause,
        );
    }

    fn stop(&mut self, cause: Cause) {
        if self.state == State::Closed {
            return;
        }
        self.abandon();
        self.timers.stop_all();
        self.enter(State::Closed, cause);
        for text in self.outbox.drain() {
            self.tell(Event::Discarded { text });
        }
    }

    fn abandon(&mut self) {
        if let Some(generation) = self.state.generation() {
            self.outputs.push_back(Output::Abandon { generation });
        }
    }

    fn transmit(&mut self, generation: Generation, text: String) {
        self.outputs.push_back(Output::Transmit {
            generation,
            text: text.clone(),
        });
        self.tell(Event::Sent { generation, text });
    }

    fn enter(&mut self, to: State, cause: Cause) {
        let from = std::mem::replace(&mut self.state, to);
        self.tell(Event::Changed { from, to, cause });
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
