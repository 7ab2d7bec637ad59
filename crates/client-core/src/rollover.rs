//! A second socket before the first one's time is over.

use std::time::Duration;

use crate::event::Generation;
use crate::outbox::Payload;
use crate::time::{Instant, Jitter};

/// When a socket is replaced, while it still works, by one that has proven itself.
///
/// API Gateway ends every WebSocket after 2 hours ("Quotas for configuring and running a WebSocket
/// API in API Gateway"). Before that, a second socket is dialled; once it has answered a ping, the
/// two overlap, so that whatever the backend was sending to the first still arrives, and what
/// arrives over both is heard once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollover {
    /// The age at which a socket is replaced at the earliest. By default 100 minutes.
    pub earliest: Duration,
    /// The age at which it is replaced at the latest; the moment between is drawn by lot, since
    /// pages that were opened together must not all dial together. By default 115 minutes.
    pub latest: Duration,
    /// How long the first socket is listened to after the second has taken over. By default 10 s.
    ///
    /// Half of it is how far apart the two copies of one frame may arrive and still count as one.
    /// Copies are told by what they say: a backend that says the very same thing again sooner than
    /// that may have one of the two taken for the copy of the other.
    pub overlap: Duration,
}

impl Default for Rollover {
    fn default() -> Self {
        Self {
            earliest: Duration::from_secs(100 * 60),
            latest: Duration::from_secs(115 * 60),
            overlap: Duration::from_secs(10),
        }
    }
}

impl Rollover {
    /// The age at which to replace a socket.
    pub(crate) fn age(&self, jitter: Jitter) -> Duration {
        let spread = self.latest.saturating_sub(self.earliest);
        self.earliest + jitter.of(spread)
    }

    pub(crate) fn window(&self) -> Duration {
        self.overlap / 2
    }
}

/// Frames that came over one of two sockets and perhaps will come over the other: each by its
/// digest, for a while.
///
/// A copy is a frame of the same content from the other socket. One and the same socket never
/// gives copies: a backend that says the same thing twice means it.
#[derive(Debug, Default)]
pub(crate) struct Twins {
    seen: Vec<Seen>,
    /// While there are two sockets, and for a window after.
    watching: bool,
    until: Option<Instant>,
}

#[derive(Debug)]
struct Seen {
    at: Instant,
    over: Generation,
    digest: u64,
}

/// The most that is remembered, some 100 KiB: twins that are 800 ms apart at 5,000 frames a second.
/// Beyond it a frame may be heard twice.
const MOST: usize = 4096;

impl Twins {
    pub(crate) fn watch(&mut self) {
        self.watching = true;
        self.until = None;
    }

    /// There is one socket again; what is on its way may still be a copy until then.
    pub(crate) fn watch_until(&mut self, end: Instant) {
        self.until = Some(end);
    }

    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether this frame has come over another socket within the window, and is to be passed
    /// over.
    pub(crate) fn is_copy(
        &mut self,
        now: Instant,
        window: Duration,
        over: Generation,
        payload: &Payload,
    ) -> bool {
        if self.until.is_some_and(|until| until < now) {
            self.forget();
        }
        if !self.watching {
            return false;
        }
        let digest = digest(payload);
        if self.seen.len() > MOST {
            self.seen.remove(0);
        }
        self.seen.retain(|seen| seen.at + window >= now);
        // What is left over here waits for its twin, so the search is short.
        let twin = self
            .seen
            .iter()
            .position(|seen| seen.digest == digest && seen.over != over);
        if let Some(twin) = twin {
            self.seen.remove(twin);
            return true;
        }
        self.seen.push(Seen {
            at: now,
            over,
            digest,
        });
        false
    }
}

/// FNV-1a with 64 bits over the content: nobody gains by a collision, and two different frames of
/// one window collide by chance less often than a machine fails.
fn digest(payload: &Payload) -> u64 {
    let (bytes, kind) = match payload {
        Payload::Text(text) => (text.as_bytes(), 0),
        Payload::Binary(bytes) => (&**bytes, 1),
    };
    bytes
        .iter()
        .chain(std::iter::once(&kind))
        .fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
            (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(100);

    fn generations() -> (Generation, Generation) {
        let first = Generation::default().next();
        (first, first.next())
    }

    #[test]
    fn a_frame_over_both_sockets_is_heard_once_and_a_repeated_one_as_often_as_it_was_said() {
        let (first, second) = generations();
        let mut twins = Twins::default();
        twins.watch();
        let at = Instant::from_millis;
        let mut hear = |millis, over, text: &str| {
            !twins.is_copy(at(millis), WINDOW, over, &Payload::from(text))
        };
        assert!(hear(0, first, "a"));
        assert!(hear(1, first, "a"), "said twice");
        assert!(!hear(2, second, "a"));
        assert!(!hear(3, second, "a"));
        assert!(hear(4, second, "a"), "a third time, the second one first");
        assert!(!hear(5, first, "a"));
        assert!(hear(6, second, "b"));
        assert!(hear(200, first, "b"), "too late to be the same");
    }

    #[test]
    fn nothing_is_remembered_with_one_socket_and_not_much_with_two() {
        let (first, second) = generations();
        let mut twins = Twins::default();
        let now = Instant::from_millis(0);
        assert!(!twins.is_copy(now, WINDOW, first, &"a".into()));
        assert!(!twins.is_copy(now, WINDOW, second, &"a".into()));
        assert!(twins.seen.is_empty());
        twins.watch();
        for number in 0..2 * MOST {
            let payload = Payload::from(number.to_string());
            assert!(!twins.is_copy(now, WINDOW, first, &payload));
        }
        assert!(twins.seen.len() <= MOST + 1);
        twins.watch_until(now);
        assert!(!twins.is_copy(Instant::from_millis(1), WINDOW, second, &"1".into()));
        assert!(twins.seen.is_empty());
    }

    #[test]
    fn text_and_bytes_of_the_same_content_are_not_the_same() {
        assert_ne!(digest(&"a".into()), digest(&Payload::Binary(b"a".to_vec())));
    }
}
