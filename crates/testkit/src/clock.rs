//! A clock that moves when it is told to.

use std::{collections::BTreeMap, time::Duration};

use babelwire_client_core::Instant;

/// A clock that stands still until it is told to go on, with an agenda of what will happen.
///
/// It drives the state machines of `babelwire-client-core`, or your own: what a machine wants done
/// later goes on the agenda, and each thing that comes off it brings the clock to its moment.
///
/// ```
/// use std::time::Duration;
/// use babelwire_testkit::VirtualClock;
///
/// let mut clock = VirtualClock::new();
/// clock.after(Duration::from_secs(3600), "lunch");
/// clock.after(Duration::from_secs(60), "coffee");
/// let start = clock.now();
///
/// let end = start + Duration::from_secs(1800);
/// assert_eq!(clock.next_until(end), Some("coffee"));
/// assert_eq!(clock.now() - start, Duration::from_secs(60));
/// assert_eq!(clock.next_until(end), None);
/// assert_eq!(clock.now(), end);
/// ```
#[derive(Debug, Clone)]
pub struct VirtualClock<T> {
    now: Instant,
    /// By time, and in the order of scheduling within the same moment.
    agenda: BTreeMap<(Instant, u64), T>,
    scheduled: u64,
}

impl<T> Default for VirtualClock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> VirtualClock<T> {
    /// A clock with nothing to happen. It does not start at zero, so that a zero that was meant
    /// to be a time shows.
    pub const fn new() -> Self {
        Self {
            now: Instant::from_millis(1_000_000),
            agenda: BTreeMap::new(),
            scheduled: 0,
        }
    }

    /// What time it is.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Puts something on the agenda. What is put there for the same moment happens in the order
    /// in which it was put there.
    pub fn after(&mut self, delay: Duration, what: T) {
        self.scheduled += 1;
        self.agenda.insert((self.now + delay, self.scheduled), what);
    }

    /// When the next thing happens, if there is one.
    pub fn next_at(&self) -> Option<Instant> {
        self.agenda.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next thing that happens, to whose moment the clock goes; or `None` if there is none
    /// until `end`, to which the clock goes then.
    pub fn next_until(&mut self, end: Instant) -> Option<T> {
        let next = self
            .agenda
            .first_entry()
            .filter(|entry| entry.key().0 <= end)
            .map(|entry| (entry.key().0, entry.remove()));
        let (at, what) = match next {
            Some((at, what)) => (at, Some(what)),
            None => (end, None),
        };
        self.go_to(at);
        what
    }

    /// Goes on to this moment, whatever was to happen before; never back.
    pub fn go_to(&mut self, moment: Instant) {
        self.now = self.now.max(moment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_at_the_same_moment_happens_in_the_order_of_its_scheduling() {
        let mut clock = VirtualClock::new();
        for what in ["first", "second", "third"] {
            clock.after(Duration::from_secs(1), what);
        }
        clock.after(Duration::ZERO, "at once");
        let end = clock.now() + Duration::from_secs(1);
        let order: Vec<_> = std::iter::from_fn(|| clock.next_until(end)).collect();
        assert_eq!(order, ["at once", "first", "second", "third"]);
    }

    #[test]
    fn the_clock_never_goes_back() {
        let mut clock = VirtualClock::<()>::new();
        let later = clock.now() + Duration::from_secs(5);
        clock.go_to(later);
        clock.go_to(Instant::from_millis(0));
        assert_eq!(clock.now(), later);
        assert_eq!(clock.next_until(Instant::from_millis(0)), None);
        assert_eq!(clock.now(), later);
    }
}
