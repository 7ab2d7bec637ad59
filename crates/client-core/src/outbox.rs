//! Frames that wait for an open socket.

use std::collections::VecDeque;
use std::fmt;

use babelwire_wire::limits::MAX_FRAME_BYTES;

/// What became of a frame given to `send`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a rejected frame is lost unless somebody looks"]
pub enum SendOutcome {
    /// Handed to the open socket. Whether it arrives is for the backend to say.
    Sent,
    /// Kept, in order, until a socket is open.
    Queued,
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
    /// No socket is open, and too many frames wait for one already.
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

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, limit } => write!(
                f,
                "The message is {bytes} bytes long and the gateway takes {limit} at most. Send \
                 it in smaller parts."
            ),
            Self::QueueFull { frames, bytes } => write!(
                f,
                "There is no connection, and {frames} messages ({bytes} bytes) wait for one \
                 already. Try again once connected."
            ),
            Self::Closed => write!(f, "The connection is closed. Connect before sending."),
            Self::Unserializable(why) => {
                write!(f, "The message cannot be written as JSON: {why}.")
            }
        }
    }
}

impl std::error::Error for Rejection {}

/// How much may wait, and how large a frame may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// The largest frame, in bytes of UTF-8. By default
    /// [`MAX_FRAME_BYTES`](babelwire_wire::limits::MAX_FRAME_BYTES).
    pub frame_bytes: usize,
    /// Frames that may wait. By default 256.
    pub queued_frames: usize,
    /// Bytes of UTF-8 that may wait, together. By default 1 MiB.
    pub queued_bytes: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            frame_bytes: MAX_FRAME_BYTES,
            queued_frames: 256,
            queued_bytes: 1024 * 1024,
        }
    }
}

/// The queue of frames that wait for an open socket.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    limits: OutboxLimits,
    queue: VecDeque<String>,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            queue: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Whether a frame of this text may be sent at all.
    pub(crate) fn check_size(&self, text: &str) -> Result<(), Rejection> {
        let (bytes, limit) = (text.len(), self.limits.frame_bytes);
        if bytes > limit {
            return Err(Rejection::TooLarge { bytes, limit });
        }
        Ok(())
    }

    /// Puts a frame at the end of the queue.
    pub(crate) fn push(&mut self, text: String) -> Result<(), Rejection> {
        self.check_size(&text)?;
        if self.queue.len() >= self.limits.queued_frames
            || self.bytes.saturating_add(text.len()) > self.limits.queued_bytes
        {
            return Err(Rejection::QueueFull {
                frames: self.queue.len(),
                bytes: self.bytes,
            });
        }
        self.bytes += text.len();
        self.queue.push_back(text);
        Ok(())
    }

    /// Takes all that waits, oldest first.
    pub(crate) fn drain(&mut self) -> VecDeque<String> {
        self.bytes = 0;
        std::mem::take(&mut self.queue)
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_measured_in_bytes_of_utf8_and_not_in_characters() {
        let mut outbox = Outbox::default();
        let largest = "ä".repeat(MAX_FRAME_BYTES / 2);
        assert_eq!(outbox.push(largest.clone()), Ok(()));
        assert_eq!(
            outbox.push(largest + "b"),
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
        });
        assert_eq!(outbox.push("0123456789".into()), Ok(()));
        assert_eq!(
            outbox.push("too much".into()),
            Err(Rejection::QueueFull {
                frames: 1,
                bytes: 10
            })
        );
        assert_eq!(outbox.push("a".into()), Ok(()));
        assert_eq!(outbox.push(String::new()), Ok(()));
        assert!(outbox.push(String::new()).is_err(), "three frames wait");
        assert_eq!(outbox.drain(), ["0123456789", "a", ""]);
        assert_eq!((outbox.len(), outbox.bytes), (0, 0));
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
