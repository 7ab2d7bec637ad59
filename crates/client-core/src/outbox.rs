//! Frames that wait for a socket that takes them.

use std::fmt;
use std::time::Duration;

use babelwire_wire::limits::MAX_FRAME_BYTES;

use crate::time::{Instant, write_all};

/// What a frame carries.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// Text: all that API Gateway knows.
    Text(String),
    /// Bytes, for other backends: API Gateway closes with 1003.
    Binary(Vec<u8>),
}

impl Payload {
    /// Its size on the wire, in bytes: of UTF-8, if it is text.
    pub const fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// The text, if it is text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Binary(bytes) => write_all(f, &[&bytes.len().to_string(), " bytes"]),
        }
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

/// The number of a frame that was queued: from 1, one more for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

impl Ticket {
    /// The ticket of that number, for drivers that hand tickets on.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What became of a frame given to `send`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a rejected frame is lost unless somebody looks"]
pub enum SendOutcome {
    /// Handed to the open socket. Whether it arrives is for the backend to say.
    Sent,
    /// Kept, in order, until a socket takes it. The ticket comes back once, with
    /// [`Event::Sent`](crate::Event::Sent) or [`Event::Discarded`](crate::Event::Discarded).
    Queued(Ticket),
    /// Not sent, and never will be.
    Rejected(Rejection),
}

/// Why a frame was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The frame is larger than the gateway takes.
    TooLarge {
        /// Its size in bytes of UTF-8.
        bytes: usize,
        /// The most that is taken, in bytes.
        limit: usize,
    },
    /// Too many frames wait already for a socket that takes them.
    QueueFull {
        /// How many frames wait.
        frames: usize,
        /// Their size together, in bytes.
        bytes: usize,
    },
    /// The connection was closed for good; nothing will be sent until somebody connects again.
    Closed,
    /// The message could not be written as JSON.
    Unserializable(String),
}

impl Rejection {
    /// What is wrong and what to do, in whole sentences: as `Display`, without the machinery of
    /// formatting.
    pub fn describe(&self) -> String {
        match self {
            Self::TooLarge { bytes, limit } => [
                "The message is ",
                &bytes.to_string(),
                " bytes long and the gateway takes ",
                &limit.to_string(),
                " at most. Send it in smaller parts.",
            ]
            .concat(),
            Self::QueueFull { frames, bytes } => [
                &frames.to_string(),
                " messages (",
                &bytes.to_string(),
                " bytes) wait already for a connection that takes them. Try again once \
                     connected.",
            ]
            .concat(),
            Self::Closed => "The connection is closed. Connect before sending.".to_owned(),
            Self::Unserializable(why) => {
                ["The message cannot be written as JSON: ", why, "."].concat()
            }
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl std::error::Error for Rejection {}

/// Why a frame that was queued will never be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discard {
    /// The connection was closed for good before a socket took it.
    Closed,
    /// It waited longer than [`OutboxLimits::max_age`].
    Expired,
    /// The subscription that it was to begin was left before.
    Left,
}

impl Discard {
    /// Why, in a sentence.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Closed => "The connection was closed before it could be sent.",
            Self::Expired => "There was no connection for too long.",
            Self::Left => "It is not wanted any more.",
        }
    }
}

impl fmt::Display for Discard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much may wait and for how long, and how large a frame may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// The largest frame, in bytes of UTF-8. By default
    /// [`MAX_FRAME_BYTES`](babelwire_wire::limits::MAX_FRAME_BYTES).
    pub frame_bytes: usize,
    /// Frames that may wait. By default 256.
    pub queued_frames: usize,
    /// Bytes of UTF-8 that may wait, together. By default 1 MiB.
    pub queued_bytes: usize,
    /// How long a frame may wait. By default an hour: what somebody said in a tunnel is still
    /// meant after it, and no longer after a night.
    pub max_age: Duration,
    /// How many bytes the socket may hold that it could not send yet (a browser's
    /// `bufferedAmount`) before further frames wait here, where they are counted, keep their order
    /// and outlive the socket. By default 256 KiB. They go on once half of it is sent.
    pub buffered_bytes: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            frame_bytes: MAX_FRAME_BYTES,
            queued_frames: 256,
            queued_bytes: 1024 * 1024,
            max_age: Duration::from_secs(3600),
            buffered_bytes: 256 * 1024,
        }
    }
}

/// A frame that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) ticket: Ticket,
    pub(crate) payload: Payload,
    expires: Instant,
}

/// The queue of frames that wait for a socket that takes them. It is short, so it need not be a
/// ring, which is a lot of code for a page.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    limits: OutboxLimits,
    queue: Vec<Waiting>,
    bytes: usize,
    last: Ticket,
}

impl Outbox {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Whether a frame of this size may be sent at all.
    pub(crate) fn check_size(&self, payload: &Payload) -> Result<(), Rejection> {
        let (bytes, limit) = (payload.bytes(), self.limits.frame_bytes);
        if bytes > limit {
            return Err(Rejection::TooLarge { bytes, limit });
        }
        Ok(())
    }

    /// Puts a frame at the end of the queue.
    pub(crate) fn push(&mut self, now: Instant, payload: Payload) -> Result<Ticket, Rejection> {
        self.check_size(&payload)?;
        let bytes = self.bytes.saturating_add(payload.bytes());
        if self.queue.len() >= self.limits.queued_frames || bytes > self.limits.queued_bytes {
            return Err(Rejection::QueueFull {
                frames: self.queue.len(),
                bytes: self.bytes,
            });
        }
        self.bytes = bytes;
        self.last = Ticket(self.last.0 + 1);
        self.queue.push(Waiting {
            ticket: self.last,
            payload,
            expires: now + self.limits.max_age,
        });
        Ok(self.last)
    }

    /// Takes the oldest.
    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        self.remove(self.queue.first()?.ticket)
    }

    /// Takes the one with that ticket.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Waiting> {
        let at = self
            .queue
            .iter()
            .position(|waiting| waiting.ticket == ticket)?;
        let waiting = self.queue.remove(at);
        self.bytes -= waiting.payload.bytes();
        Some(waiting)
    }

    /// The oldest of those that came after the one with that ticket.
    pub(crate) fn first_after(&self, ticket: Ticket) -> Option<&Waiting> {
        self.queue.iter().find(|waiting| waiting.ticket > ticket)
    }

    /// Takes the oldest if its time is over.
    pub(crate) fn pop_expired(&mut self, now: Instant) -> Option<Waiting> {
        if self.next_expiry()? > now {
            return None;
        }
        self.pop()
    }

    /// The clock stood still for so long.
    pub(crate) fn age(&mut self, by: Duration) {
        for waiting in &mut self.queue {
            let left = waiting.expires - (Instant::default() + by);
            waiting.expires = Instant::default() + left;
        }
    }

    /// When the time of the oldest is over: frames expire in the order in which they came.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.queue.first().map(|waiting| waiting.expires)
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(0);

    #[test]
    fn a_frame_is_measured_in_bytes_of_utf8_and_not_in_characters() {
        let mut outbox = Outbox::default();
        let largest = "ä".repeat(MAX_FRAME_BYTES / 2);
        assert!(outbox.push(NOW, largest.clone().into()).is_ok());
        assert_eq!(
            outbox.push(NOW, (largest + "b").into()),
            Err(Rejection::TooLarge {
                bytes: MAX_FRAME_BYTES + 1,
                limit: MAX_FRAME_BYTES
            })
        );
    }

    #[test]
    fn a_full_queue_takes_no_more_and_keeps_what_it_has_in_order() {
        let mut outbox = Outbox::new(OutboxLimits {
            frame_bytes: 10,
            queued_frames: 3,
            queued_bytes: 12,
            ..OutboxLimits::default()
        });
        assert!(outbox.push(NOW, "0123456789".into()).is_ok());
        assert_eq!(
            outbox.push(NOW, "too much".into()),
            Err(Rejection::QueueFull {
                frames: 1,
                bytes: 10
            })
        );
        assert!(outbox.push(NOW, "a".into()).is_ok());
        assert!(outbox.push(NOW, "".into()).is_ok());
        assert!(outbox.push(NOW, "".into()).is_err(), "three frames wait");
        let taken: Vec<_> = std::iter::from_fn(|| outbox.pop())
            .map(|waiting| (waiting.ticket.number(), waiting.payload))
            .collect();
        let frame = Payload::from;
        assert_eq!(
            taken,
            [(1, frame("0123456789")), (2, frame("a")), (3, frame(""))]
        );
        assert_eq!((outbox.len(), outbox.bytes), (0, 0));
    }

    #[test]
    fn what_waits_too_long_is_given_up_oldest_first_and_makes_room() {
        let mut outbox = Outbox::new(OutboxLimits {
            queued_frames: 2,
            max_age: Duration::from_millis(100),
            ..OutboxLimits::default()
        });
        let at = Instant::from_millis;
        assert!(outbox.push(at(0), "a".into()).is_ok());
        assert!(outbox.push(at(60), "b".into()).is_ok());
        assert!(outbox.pop_expired(at(99)).is_none());
        assert_eq!(outbox.next_expiry(), Some(at(100)));
        let expired = outbox.pop_expired(at(100)).expect("the first one");
        assert_eq!(expired.payload, "a".into());
        assert!(outbox.pop_expired(at(100)).is_none());
        assert!(outbox.push(at(100), "c".into()).is_ok());
        assert_eq!(outbox.next_expiry(), Some(at(160)));
    }

    #[test]
    fn a_rejection_says_what_is_wrong_and_what_to_do() {
        let rejection = Rejection::TooLarge {
            bytes: 40_000,
            limit: MAX_FRAME_BYTES,
        };
        assert_eq!(
            rejection.to_string(),
            "The message is 40000 bytes long and the gateway takes 32768 at most. Send it in \
             smaller parts."
        );
    }
}
