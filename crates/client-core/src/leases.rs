//! Who uses a shared connection, and when the last one has left.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Instant;

/// What whoever owns the connection must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseOutput {
    /// Somebody wants the connection: [`Connection::connect`](crate::Connection::connect).
    Connect,
    /// Nobody has wanted it for the grace time:
    /// [`Connection::close`](crate::Connection::close).
    Disconnect,
}

/// The state machine that counts who uses a connection.
///
/// The first who comes has it connected. When the last has left, a grace time passes before it is
/// closed: a page that swaps one view for another, or a component that is mounted anew, keeps its
/// socket, and whatever the socket would have missed.
///
/// Each [`Leases::acquire`] is answered by one [`Leases::release`], which a driver leaves to the
/// `Drop` of a handle.
///
/// ```
/// use babelwire_client_core::{Instant, LeaseOutput, Leases};
///
/// let mut leases = Leases::default();
/// leases.acquire();
/// assert_eq!(leases.poll_output(), Some(LeaseOutput::Connect));
///
/// // Mounted anew: nothing happens.
/// leases.release(Instant::from_millis(100));
/// leases.acquire();
/// assert_eq!(leases.poll_output(), None);
/// assert_eq!(leases.poll_timeout(), None);
///
/// leases.release(Instant::from_millis(200));
/// assert_eq!(leases.poll_timeout(), Some(Instant::from_millis(3_200)));
/// leases.handle_timeout(Instant::from_millis(3_200));
/// assert_eq!(leases.poll_output(), Some(LeaseOutput::Disconnect));
/// ```
#[derive(Debug)]
pub struct Leases {
    grace: Duration,
    users: usize,
    connected: bool,
    /// When the grace time of the last who left is over.
    over: Option<Instant>,
    outputs: VecDeque<LeaseOutput>,
}

impl Default for Leases {
    /// With a grace time of 3 s: longer than a page takes to show another view, and shorter than
    /// anybody would notice a socket that nobody uses.
    fn default() -> Self {
        Self::new(Duration::from_secs(3))
    }
}

impl Leases {
    /// Nobody uses the connection yet, and it is closed. `grace` is how long it is kept for
    /// nobody; with zero it is closed as soon as the driver's timer rings, so a remount in one
    /// tick keeps it even then.
    pub const fn new(grace: Duration) -> Self {
        Self {
            grace,
            users: 0,
            connected: false,
            over: None,
            outputs: VecDeque::new(),
        }
    }

    /// How many use the connection.
    pub const fn users(&self) -> usize {
        self.users
    }

    /// Somebody uses the connection from here on.
    pub fn acquire(&mut self) {
        self.users += 1;
        self.over = None;
        if !self.connected {
            self.connected = true;
            self.outputs.push_back(LeaseOutput::Connect);
        }
    }

    /// Somebody uses it no more. Passed over when nobody did.
    pub fn release(&mut self, now: Instant) {
        if self.users == 0 {
            return;
        }
        self.users -= 1;
        if self.users == 0 {
            self.over = Some(now + self.grace);
        }
    }

    /// Does what is due. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.over.take_if(|over| *over <= now).is_some() {
            self.connected = false;
            self.outputs.push_back(LeaseOutput::Disconnect);
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<LeaseOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`Leases::handle_timeout`] next, if at all.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.over
    }
}
