//! Time and chance, both passed in by whoever drives the machines.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment of a clock that never goes back, in milliseconds since an origin of the driver's
/// choice.
///
/// `std::time::Instant` cannot be made by hand, so it cannot be a test's clock, and on
/// `wasm32-unknown-unknown` asking for it panics. A driver for a browser counts
/// `performance.now()`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    millis: u64,
}

impl Instant {
    /// The moment this many milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }

    /// Milliseconds since the origin.
    pub const fn as_millis(self) -> u64 {
        self.millis
    }

    /// The time from `earlier` to this moment; zero when `earlier` is the later one.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.millis.saturating_sub(earlier.millis))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Rounds up to a whole millisecond, so that a deadline is never early; saturates at the end
    /// of time.
    fn add(self, duration: Duration) -> Self {
        let millis = duration
            .as_secs()
            .saturating_mul(1000)
            .saturating_add(u64::from(duration.subsec_nanos().div_ceil(1_000_000)));
        Self {
            millis: self.millis.saturating_add(millis),
        }
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// As [`Instant::saturating_since`].
    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, &[&self.millis.to_string(), " ms"])
    }
}

/// Writes texts one after the other. `write!` brings the whole of `core::fmt` with it, which is a
/// kilobyte of a page that formats nothing else.
pub(crate) fn write_all(f: &mut fmt::Formatter<'_>, texts: &[&str]) -> fmt::Result {
    texts.iter().try_for_each(|text| f.write_str(text))
}

/// A random number in `[0, 1)`, drawn afresh by the driver for every input that takes one.
///
/// A browser's driver gives `Math.random()`. A test gives what it wants to see.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Jitter(f64);

/// A duration in whole milliseconds, without the 128 bits that `Duration::as_millis` has.
pub(crate) const fn whole_millis(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_mul(1000)
        .saturating_add(duration.subsec_millis() as u64)
}

impl Jitter {
    /// This part of a duration, in whole milliseconds.
    pub(crate) fn of(self, duration: Duration) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "not negative, a cast of a float stops at the largest integer, and nobody \
                      draws from a span of which a float cannot tell the milliseconds"
        )]
        Duration::from_millis((whole_millis(duration) as f64 * self.0) as u64)
    }

    /// The number, brought into `[0, 1)`; what is not a number counts as 0.
    pub const fn new(number: f64) -> Self {
        /// The largest `f64` below 1.
        const LARGEST: f64 = 1.0 - f64::EPSILON / 2.0;
        if number.is_nan() {
            Self(0.0)
        } else {
            Self(number.clamp(0.0, LARGEST))
        }
    }

    /// The number, in `[0, 1)`.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// How long to wait before trying again: full jitter over a capped exponential.
///
/// The delay is drawn evenly from zero up to the ceiling, and the cap is applied to the ceiling
/// before the draw: with the cap applied afterwards, a fleet that lost its server would soon wait
/// exactly the cap, all of it, and come back in the same instant. See "Exponential Backoff And
/// Jitter" in the AWS Architecture Blog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The ceiling before the first retry; it doubles with every further one.
    pub base: Duration,
    /// What the ceiling never exceeds.
    pub cap: Duration,
}

impl Default for Backoff {
    /// From 1 s up to 60 s.
    ///
    /// Waits at the cap are 30 s on average, so 10,000 clients that lost one server come back at
    /// some 330 a second: fewer than the 500 new connections a second that API Gateway grants an
    /// account by default ("Quotas for configuring and running a WebSocket API in API Gateway").
    /// With a cap of 30 s they would be 670.
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// The longest delay before retry number `retry`, the first being 1.
    #[must_use]
    pub fn ceiling(&self, retry: u32) -> Duration {
        let factor = 2_u32
            .checked_pow(retry.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }

    /// The delay before retry number `retry`, the first being 1, in whole milliseconds: less than
    /// its ceiling, except that a ceiling of zero gives zero.
    #[must_use]
    pub fn delay(&self, retry: u32, jitter: Jitter) -> Duration {
        jitter.of(self.ceiling(retry))
    }
}

/// The deadlines of a machine, one for each of its timers.
#[derive(Debug, Clone)]
pub(crate) struct Timers<const N: usize> {
    deadlines: [Option<Instant>; N],
}

impl<const N: usize> Timers<N> {
    pub(crate) const fn new() -> Self {
        Self {
            deadlines: [None; N],
        }
    }

    pub(crate) fn set(&mut self, timer: impl Into<usize>, deadline: Instant) {
        self.deadlines[timer.into()] = Some(deadline);
    }

    pub(crate) fn stop(&mut self, timer: impl Into<usize>) {
        self.deadlines[timer.into()] = None;
    }

    pub(crate) fn stop_all(&mut self) {
        self.deadlines = [None; N];
    }

    pub(crate) fn deadline(&self, timer: impl Into<usize>) -> Option<Instant> {
        self.deadlines[timer.into()]
    }

    /// Stops the timer if its deadline has passed, and gives that deadline.
    pub(crate) fn take_due(&mut self, timer: impl Into<usize>, now: Instant) -> Option<Instant> {
        self.deadlines[timer.into()].take_if(|deadline| *deadline <= now)
    }

    /// Whether the timer's deadline has passed; if so, the timer is stopped.
    pub(crate) fn fired(&mut self, timer: impl Into<usize>, now: Instant) -> bool {
        self.take_due(timer, now).is_some()
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.deadlines.iter().flatten().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_until_the_cap() {
        let backoff = Backoff::default();
        let seconds: Vec<u64> = (1..=8)
            .map(|retry| backoff.ceiling(retry).as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.ceiling(u32::MAX), Duration::from_secs(60));
    }

    #[test]
    fn jitter_reaches_from_zero_to_just_below_the_ceiling_at_every_retry() {
        let backoff = Backoff::default();
        for retry in [1, 2, 6, 1000] {
            assert_eq!(backoff.delay(retry, Jitter::new(0.0)), Duration::ZERO);
            let longest = backoff.delay(retry, Jitter::new(1.0));
            assert!(longest <= backoff.ceiling(retry));
            assert!(longest + Duration::from_millis(1) >= backoff.ceiling(retry));
        }
    }

    #[test]
    fn a_jitter_that_is_no_fraction_is_brought_into_range() {
        assert!(Jitter::new(7.0).get() < 1.0);
        for number in [f64::NAN, -1.0, f64::NEG_INFINITY] {
            assert!(Jitter::new(number).get().abs() < f64::EPSILON);
        }
    }

    #[test]
    fn a_deadline_is_never_early() {
        let start = Instant::from_millis(5);
        assert_eq!(start + Duration::from_micros(1001), Instant::from_millis(7));
        assert_eq!(start + Duration::MAX, Instant::from_millis(u64::MAX));
        assert_eq!(start - Instant::from_millis(9), Duration::ZERO);
    }
}
