//! What a fake gateway has seen.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    time::Duration,
};

use serde::Serialize;

use crate::{
    Frame,
    rules::{Action, Direction, Request, RuleId, millis},
};

/// How many frames are remembered; of more, the latest. They are counted all the same.
pub const FRAMES_KEPT: usize = 100_000;

/// What a fake gateway has seen so far: dials, frames, and how connections ended.
///
/// Times are since the gateway's start.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub(crate) dials: Vec<Dial>,
    pub(crate) open: usize,
    pub(crate) frames: VecDeque<SeenFrame>,
    pub(crate) from_client: u64,
    pub(crate) to_client: u64,
    pub(crate) applied: BTreeMap<RuleId, u64>,
}

impl Seen {
    /// Every dial, in order. The connection with number n is at index n - 1.
    pub fn dials(&self) -> &[Dial] {
        &self.dials
    }

    /// The connection with this number, from 1.
    pub fn connection(&self, number: u64) -> Option<&Dial> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.dials.get(index)
    }

    /// How many connections are open now, silent ones included: on neither side has anybody said
    /// otherwise.
    pub const fn open(&self) -> usize {
        self.open
    }

    /// The latest frames, oldest first; [`FRAMES_KEPT`] at most.
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &SeenFrame> {
        self.frames.iter()
    }

    /// The texts that came from clients, oldest first, lost ones included.
    pub fn texts_from_clients(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.texts(Direction::FromClient)
    }

    /// The texts that were on their way to clients, oldest first, lost ones included; once for
    /// each client.
    pub fn texts_to_clients(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.texts(Direction::ToClient)
    }

    fn texts(&self, direction: Direction) -> impl DoubleEndedIterator<Item = &str> {
        self.frames
            .iter()
            .filter(move |seen| seen.direction == direction)
            .filter_map(|seen| seen.frame.text())
    }

    /// How many frames came from clients in all.
    pub const fn frames_from_clients(&self) -> u64 {
        self.from_client
    }

    /// How many frames were on their way to clients in all, once for each client.
    pub const fn frames_to_clients(&self) -> u64 {
        self.to_client
    }

    /// How connections ended, in the order in which they were dialled; those that have not ended
    /// are left out.
    pub fn ends(&self) -> impl Iterator<Item = &End> {
        self.dials.iter().filter_map(|dial| dial.end.as_ref())
    }

    /// How often a rule was applied, one that has been removed since included.
    pub fn applied(&self, rule: RuleId) -> u64 {
        self.applied.get(&rule).copied().unwrap_or(0)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} dials, {} connections open, {} frames from clients, {} to clients",
            self.dials.len(),
            self.open(),
            self.from_client,
            self.to_client
        )?;
        for dial in self.dials.iter().rev().take(3) {
            write!(
                f,
                "; #{} {} {:?}",
                dial.number, dial.request.path, dial.state
            )?;
            if let Some(end) = &dial.end {
                write!(f, ", {end}")?;
            }
        }
        if let Some(last) = self.frames.back() {
            write!(f, "; last frame: {:?} {}", last.direction, last.frame)?;
        }
        Ok(())
    }
}

/// A dial, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Dial {
    /// The connection's number: 1 for the first that was dialled.
    pub number: u64,
    /// The connection's id, as frames of the gateway name it.
    pub connection_id: String,
    /// When, in milliseconds since the gateway's start in JSON.
    #[serde(rename = "atMs", with = "millis")]
    pub at: Duration,
    /// What the client asked for.
    #[serde(flatten)]
    pub request: Request,
    /// What applied to the dial itself, if a rule did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// How the connection stands.
    pub state: DialState,
    /// How it ended, if it has.
    pub end: Option<End>,
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum DialState {
    /// The dial has not been answered.
    Dialling,
    /// The connection is open.
    Open,
    /// The connection is open, and nothing gets through.
    Silent,
    /// The gateway has sent its close frame and waits for the client's.
    Closing,
    /// Over: refused, closed or lost.
    Ended,
}

impl DialState {
    /// Whether neither side has said otherwise.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Silent)
    }

    /// States of connections that are not over.
    pub(crate) const PRESENT: [Self; 4] = [Self::Dialling, Self::Open, Self::Silent, Self::Closing];
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "how")]
#[non_exhaustive]
pub enum End {
    /// The dial was refused.
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The client closed it.
    ByClient {
        /// The code of its close frame; 1005 if it gave none.
        code: u16,
        /// The reason of its close frame.
        reason: String,
    },
    /// The gateway closed it.
    ByGateway {
        /// The code of its close frame; 1005 if it gave none.
        code: u16,
        /// The reason of its close frame.
        reason: String,
    },
    /// The gateway cut the TCP connection.
    Cut,
    /// The client's end of the TCP connection went away without a close frame, as when a page is
    /// killed.
    Lost,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status } => write!(f, "refused with {status}"),
            Self::ByClient { code, reason } => write!(f, "closed by the client: {code} {reason}"),
            Self::ByGateway { code, reason } => write!(f, "closed by the gateway: {code} {reason}"),
            Self::Cut => f.write_str("cut by the gateway"),
            Self::Lost => f.write_str("lost"),
        }
    }
}

/// A frame that came, or was on its way to a client.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SeenFrame {
    /// When, in milliseconds since the gateway's start in JSON.
    #[serde(rename = "atMs", with = "millis")]
    pub at: Duration,
    /// The connection's number.
    pub connection: u64,
    /// Which way it went.
    pub direction: Direction,
    /// The frame.
    pub frame: Frame,
    /// What a rule did to it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
}
