//! What a connection is, what happens to it, and what its driver has to do.

use std::fmt;
use std::time::Duration;

use crate::close::Closed;
use crate::outbox::{Discard, Payload, Ticket};
use crate::time::{Instant, whole_millis};

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

    /// The generation of that number, for drivers that hand generations on.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    fn describe(self) -> String {
        ["#", &self.0.to_string()].concat()
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
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
    /// [`Connection::connect`](crate::Connection::connect).
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

impl State {
    /// The state and its particulars, for a log: `waiting 800 ms for retry 1`.
    pub fn describe(&self) -> String {
        let name = self.as_str();
        match self {
            Self::Connecting {
                generation,
                attempt: 0,
            }
            | Self::Open { generation } => [name, " ", &generation.describe()].concat(),
            Self::Connecting {
                generation,
                attempt,
            } => {
                let retry = attempt.to_string();
                [name, " ", &generation.describe(), ", retry ", &retry].concat()
            }
            Self::Waiting { attempt, delay, .. } => {
                let (millis, retry) = (whole_millis(*delay).to_string(), attempt.to_string());
                [name, " ", &millis, " ms for retry ", &retry].concat()
            }
            Self::Offline | Self::Closed => name.to_owned(),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

/// What moved the connection from one state to another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// [`Connection::connect`](crate::Connection::connect) was called.
    Requested,
    /// The dial succeeded.
    Opened,
    /// The socket ended: refused, lost, or closed by the other side.
    SocketClosed(Closed),
    /// The dial took longer than [`Config::dial_timeout`](crate::Config::dial_timeout).
    DialTimedOut,
    /// There was nothing to dial yet; another attempt may have more luck.
    DialFailed(DialFailure),
    /// There was nothing to dial; the text says why.
    DialImpossible(String),
    /// The socket looked open, and a ping over it was not answered.
    Unresponsive,
    /// A second socket took over before the first one's time was over.
    RolledOver,
    /// The wait was over.
    WaitOver,
    /// The machine lost its network.
    WentOffline,
    /// The machine has a network again.
    CameOnline,
    /// Somebody looks at the page again.
    Woke,
    /// The tab that held the socket for all others is gone, or does not answer: another one takes
    /// over.
    TabTookOver,
    /// [`Connection::close`](crate::Connection::close) was called.
    ClosedByUser,
}

/// Why there was nothing to dial.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DialFailure {
    /// What went wrong, in words.
    pub why: String,
    /// How long to wait at least, if somebody said so (HTTP's `Retry-After`, for one).
    pub retry_after: Option<Duration>,
}

impl Cause {
    /// The cause as a part of a sentence, for a log.
    ///
    /// As `Display`, without the machinery of formatting: it is half a kilobyte of a page that
    /// formats nothing else.
    pub fn describe(&self) -> String {
        let texts: &[&str] = match self {
            Self::Requested => &["a connection was asked for"],
            Self::Opened => &["the server accepted"],
            Self::SocketClosed(closed) if closed.reason.is_empty() => {
                &["the socket closed with ", &closed.code.to_string()]
            }
            Self::SocketClosed(closed) => &[
                "the socket closed with ",
                &closed.code.to_string(),
                ": ",
                &closed.reason,
            ],
            Self::DialTimedOut => &["the server did not answer in time"],
            Self::DialFailed(failure) => &["there was nothing to dial: ", &failure.why],
            Self::DialImpossible(why) => &["the address cannot be dialled: ", why],
            Self::Unresponsive => &["the server went silent"],
            Self::RolledOver => &["a fresh socket took over"],
            Self::WaitOver => &["it is time to try again"],
            Self::WentOffline => &["the network is gone"],
            Self::CameOnline => &["the network is back"],
            Self::Woke => &["the page is looked at again"],
            Self::TabTookOver => &["another tab takes over"],
            Self::ClosedByUser => &["the connection was closed here"],
        };
        texts.concat()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

/// Whether an open socket carries on from the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Continuity {
    /// There was no socket before.
    First,
    /// Nothing was missed: the socket took over from another that was alive.
    Kept,
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
    /// A frame arrived.
    Frame {
        /// The socket that it came over.
        generation: Generation,
        /// What it carries.
        payload: Payload,
    },
    /// A frame went out.
    Sent {
        /// The socket that it went over.
        generation: Generation,
        /// Its ticket, if it was queued.
        ticket: Option<Ticket>,
        /// What it carries.
        payload: Payload,
    },
    /// A frame that was queued will never be sent.
    Discarded {
        /// Its ticket.
        ticket: Ticket,
        /// What it carries.
        payload: Payload,
        /// Why.
        why: Discard,
    },
    /// The connection asks whether it is alive. Its pings and their answers are told as these
    /// events, never as [`Event::Sent`] and [`Event::Frame`].
    Pinged {
        /// The socket.
        generation: Generation,
    },
    /// A ping was answered.
    Ponged {
        /// The socket.
        generation: Generation,
        /// The time between the ping and its answer.
        round_trip: Duration,
    },
    /// The backend has never answered a ping: from now on its silence says nothing, until it
    /// answers one.
    Mute {
        /// The socket.
        generation: Generation,
    },
    /// News of a second socket that is to take over.
    Standby {
        /// The second socket.
        generation: Generation,
        /// What happened.
        news: StandbyNews,
    },
    /// The socket that another took over from is not listened to any more.
    Retired {
        /// The socket.
        generation: Generation,
    },
    /// The socket reported an error. Browsers say no more than that; its close follows.
    SocketError {
        /// The socket.
        generation: Generation,
    },
}

/// What happened to a second socket. That it took over is told by [`Event::Changed`], with
/// [`Cause::RolledOver`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StandbyNews {
    /// It is being dialled.
    Dialling,
    /// It is open, and asked for a proof.
    Proving,
    /// It was given up. The first socket stays.
    Failed {
        /// Why.
        cause: Cause,
        /// When the next one is dialled; `None` if the verdict was to try no more.
        retry_in: Option<Duration>,
    },
}

/// What the driver must do, in the order in which [`Connection::poll_output`](crate::Connection::poll_output) gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Dial a new socket. Report back with [`Connection::handle_opened`](crate::Connection::handle_opened),
    /// [`Connection::handle_closed`](crate::Connection::handle_closed), [`Connection::handle_dial_failed`](crate::Connection::handle_dial_failed) or
    /// [`Connection::handle_dial_impossible`](crate::Connection::handle_dial_impossible).
    Dial {
        /// The number to report with.
        generation: Generation,
        /// Whether the backend would not take what was authenticated with last time.
        reauthenticate: bool,
    },
    /// Leave this socket behind: detach from it, close it, and don't wait for its close.
    Abandon {
        /// The socket.
        generation: Generation,
    },
    /// Send a frame over this socket.
    Transmit {
        /// The socket.
        generation: Generation,
        /// What it carries.
        payload: Payload,
    },
    /// Say with [`Connection::handle_buffered`](crate::Connection::handle_buffered) how much the socket has not sent yet.
    MeasureBuffer {
        /// The socket.
        generation: Generation,
    },
    /// Tell the application.
    Event(Event),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_reads_well_in_a_log() {
        let generation = Generation::default().next();
        let connecting = |attempt| State::Connecting {
            generation,
            attempt,
        };
        let waiting = State::Waiting {
            attempt: 2,
            delay: Duration::from_millis(800),
            until: Instant::from_millis(1),
        };
        for (state, text) in [
            (connecting(0), "connecting #1"),
            (connecting(3), "connecting #1, retry 3"),
            (State::Open { generation }, "open #1"),
            (waiting, "waiting 800 ms for retry 2"),
            (State::Offline, "offline"),
        ] {
            assert_eq!(state.to_string(), text);
        }
    }
}
