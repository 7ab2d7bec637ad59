//! Catching up: a push is a hint, and the truth is asked for.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::time::{Backoff, Instant, Jitter, Timers};

/// What to be patient about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconcileConfig {
    /// The delays before asking again after a failure.
    pub backoff: Backoff,
    /// How long an answer may take before the question is asked again. By default 30 s.
    pub timeout: Duration,
    /// How long there may be no news while some are expected ([`Reconcile::set_expecting`]) before
    /// the backend is asked. By default 20 s.
    pub silence: Duration,
    /// How old the last answer may get while news are expected, even if there are some: the news
    /// of one job must not hide that those of another were lost. By default 60 s.
    pub expecting_every: Duration,
    /// How old the last answer may get while nothing is expected. A push can be lost on a socket
    /// that stays open, and what nobody expects (a removal, something new) is then missed until
    /// the next question. By default `None`: until the next socket opens, or somebody asks.
    pub idle_every: Option<Duration>,
}

impl Default for ReconcileConfig {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            timeout: Duration::from_secs(30),
            silence: Duration::from_secs(20),
            expecting_every: Duration::from_secs(60),
            idle_every: None,
        }
    }
}

/// The number of a question. Answers to any but the last one are passed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchId(u64);

/// A question to put to the backend: what changed after `cursor`?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The number to answer with.
    pub id: FetchId,
    /// Where the last answer ended; `None` asks for everything.
    pub cursor: Option<String>,
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchError {
    /// The backend could not be asked now; asking again may help. The text says what went wrong.
    Unavailable(String),
    /// The backend does not know the cursor (any more): everything must be asked for.
    CursorUnknown,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "the backend could not be asked: {why}"),
            Self::CursorUnknown => write!(f, "the backend does not know where we left off"),
        }
    }
}

impl std::error::Error for FetchError {}

/// Where the catching up stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReconcileState {
    /// All that was asked for has been answered.
    Idle,
    /// A question is under way.
    Asking {
        /// Whether something happened meanwhile that its answer may not know of.
        dirty: bool,
    },
    /// The last question failed; it is asked again at `until`.
    Waiting {
        /// The number of the retry that is waited for, from 1.
        attempt: u32,
        /// When it is due.
        until: Instant,
        /// What went wrong.
        error: FetchError,
    },
}

#[derive(Clone, Copy)]
enum Timer {
    Answer,
    Retry,
    /// Runs while nothing is under way: it is time to ask, although nobody did.
    Watch,
}

impl Timer {
    const COUNT: usize = 3;
}

impl From<Timer> for usize {
    fn from(timer: Timer) -> Self {
        timer as Self
    }
}

/// The state machine that catches up with the backend: on every open socket, whenever else
/// [`Reconcile::request`] is called, and when news that are expected do not come.
///
/// One question is under way at a time. A request that comes meanwhile is answered by a second
/// question after it, because the answer under way may have been written before whatever the
/// request is about.
///
/// # Everything
///
/// The answer to a question without a cursor names all that exists and nothing that was removed,
/// so whoever takes it in has more to do than to add what it names:
///
/// - what was known when the question was asked, and is not in the answer, was removed;
/// - a push, while the question is under way, of something unknown may be of something that was
///   created after the answer was written, or removed before: leave it, and call
///   [`Reconcile::request`]. The next answer, from the cursor of this one on, tells.
#[derive(Debug)]
pub struct Reconcile {
    config: ReconcileConfig,
    state: ReconcileState,
    cursor: Option<String>,
    last: FetchId,
    /// Failures since the last answer.
    failures: u32,
    expecting: bool,
    /// When there was news last, or reason to wait for some.
    heard: Instant,
    /// When there was an answer last, or reason to wait for one; `None` before.
    checked: Option<Instant>,
    timers: Timers<{ Timer::COUNT }>,
    fetches: VecDeque<Fetch>,
}

impl Reconcile {
    /// Nothing is asked before the first [`Reconcile::request`]. Without a cursor, the first
    /// question is for everything.
    pub fn new(config: ReconcileConfig, cursor: Option<String>) -> Self {
        Self {
            config,
            state: ReconcileState::Idle,
            cursor,
            last: FetchId::default(),
            failures: 0,
            expecting: false,
            heard: Instant::default(),
            checked: None,
            timers: Timers::new(),
            fetches: VecDeque::new(),
        }
    }

    /// Where the catching up stands.
    pub const fn state(&self) -> &ReconcileState {
        &self.state
    }

    /// Where the last answer ended.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Something may have changed: a socket opened, a push was missed, somebody wants to know.
    /// Asks at once unless a question is under way, and then once more after it.
    pub fn request(&mut self, now: Instant) {
        match &mut self.state {
            ReconcileState::Asking { dirty } => *dirty = true,
            ReconcileState::Idle | ReconcileState::Waiting { .. } => self.ask(now),
        }
    }

    /// Whether news are expected from here on: a job is running somewhere. While they are, the
    /// backend is asked after every [`ReconcileConfig::silence`] without any, and every
    /// [`ReconcileConfig::expecting_every`] in any case.
    pub fn set_expecting(&mut self, now: Instant, expecting: bool) {
        if expecting && !self.expecting {
            self.heard = now;
            self.checked = Some(now);
        }
        self.expecting = expecting;
        self.watch();
    }

    /// There was news, so there is no silence: a push that said what was not known before.
    pub fn handle_news(&mut self, now: Instant) {
        self.heard = now;
        self.watch();
    }

    /// The answer has been read and taken in, up to `cursor`.
    pub fn handle_answer(&mut self, now: Instant, id: FetchId, cursor: String) {
        let ReconcileState::Asking { dirty } = self.state else {
            return;
        };
        if id != self.last {
            return;
        }
        self.cursor = Some(cursor);
        self.failures = 0;
        self.heard = now;
        self.checked = Some(now);
        self.timers.stop_all();
        if dirty {
            self.ask(now);
        } else {
            self.state = ReconcileState::Idle;
            self.watch();
        }
    }

    /// There was no answer.
    pub fn handle_failure(&mut self, now: Instant, id: FetchId, error: FetchError, jitter: Jitter) {
        if id == self.last && matches!(self.state, ReconcileState::Asking { .. }) {
            self.fail(now, error, jitter);
        }
    }

    /// Does what is due. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant, jitter: Jitter) {
        if self.timers.fired(Timer::Answer, now) {
            let why = format!("no answer within {} s", self.config.timeout.as_secs());
            self.fail(now, FetchError::Unavailable(why), jitter);
        } else if self.timers.fired(Timer::Retry, now) || self.timers.fired(Timer::Watch, now) {
            self.ask(now);
        }
    }

    /// The next question to put to the backend, if any.
    pub fn poll_fetch(&mut self) -> Option<Fetch> {
        self.fetches.pop_front()
    }

    /// When to call [`Reconcile::handle_timeout`] next, if at all.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Sets the time to ask although nobody did. A question that is under way, or waited for, has
    /// its own timers.
    fn watch(&mut self) {
        if self.state != ReconcileState::Idle {
            return;
        }
        let checked = |every| self.checked.map(|checked| checked + every);
        let until = if self.expecting {
            checked(self.config.expecting_every).min(Some(self.heard + self.config.silence))
        } else {
            self.config.idle_every.and_then(checked)
        };
        self.timers.stop_all();
        if let Some(until) = until {
            self.timers.set(Timer::Watch, until);
        }
    }

    fn ask(&mut self, now: Instant) {
        self.last = FetchId(self.last.0 + 1);
        self.state = ReconcileState::Asking { dirty: false };
        self.timers.stop_all();
        self.timers.set(Timer::Answer, now + self.config.timeout);
        self.fetches.push_back(Fetch {
            id: self.last,
            cursor: self.cursor.clone(),
        });
    }

    fn fail(&mut self, now: Instant, error: FetchError, jitter: Jitter) {
        self.failures = self.failures.saturating_add(1);
        self.timers.stop_all();
        // Asking for everything helps at once; a backend that refuses even that is given time.
        if error == FetchError::CursorUnknown && self.cursor.take().is_some() {
            self.ask(now);
            return;
        }
        let until = now + self.config.backoff.delay(self.failures, jitter);
        self.timers.set(Timer::Retry, until);
        self.state = ReconcileState::Waiting {
            attempt: self.failures,
            until,
            error,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EVEN: Jitter = Jitter::new(0.5);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn reconcile() -> Reconcile {
        Reconcile::new(ReconcileConfig::default(), None)
    }

    fn asked(reconcile: &mut Reconcile) -> Fetch {
        let fetch = reconcile.poll_fetch().expect("a question is asked");
        assert_eq!(reconcile.poll_fetch(), None, "one question at a time");
        fetch
    }

    fn unavailable() -> FetchError {
        FetchError::Unavailable("502".to_owned())
    }

    #[test]
    fn a_job_that_falls_silent_is_asked_about_after_every_silence() {
        let mut reconcile = reconcile();
        reconcile.set_expecting(at(1_000), true);
        for silence in 1..=3 {
            let due = at(1_000 + silence * 20_000);
            assert_eq!(reconcile.poll_timeout(), Some(due));
            reconcile.handle_timeout(due, EVEN);
            let fetch = asked(&mut reconcile);
            reconcile.handle_answer(due, fetch.id, "c".to_owned());
        }
        reconcile.set_expecting(at(62_000), false);
        assert_eq!(reconcile.poll_timeout(), None);
    }

    #[test]
    fn news_put_the_question_off_but_not_for_ever() {
        let mut reconcile = reconcile();
        reconcile.set_expecting(at(0), true);
        for second in 1..60 {
            reconcile.handle_news(at(second * 1_000));
            reconcile.handle_timeout(at(second * 1_000), EVEN);
            assert_eq!(reconcile.poll_fetch(), None);
        }
        assert_eq!(reconcile.poll_timeout(), Some(at(60_000)));
        reconcile.handle_timeout(at(60_000), EVEN);
        let fetch = asked(&mut reconcile);
        reconcile.handle_answer(at(60_100), fetch.id, "c".to_owned());
        assert_eq!(reconcile.poll_timeout(), Some(at(80_100)));
    }

    #[test]
    fn to_expect_what_was_expected_already_does_not_put_the_question_off() {
        let mut reconcile = reconcile();
        for second in 0..20 {
            reconcile.set_expecting(at(second * 1_000), true);
        }
        assert_eq!(reconcile.poll_timeout(), Some(at(20_000)));
    }

    #[test]
    fn a_silence_while_a_question_is_under_way_or_waited_for_asks_no_second_one() {
        let mut reconcile = reconcile();
        reconcile.set_expecting(at(0), true);
        reconcile.request(at(19_000));
        let first = asked(&mut reconcile);
        reconcile.handle_news(at(19_500));
        reconcile.set_expecting(at(19_500), true);
        reconcile.handle_timeout(at(40_000), EVEN);
        assert_eq!(reconcile.poll_fetch(), None);
        assert_eq!(reconcile.poll_timeout(), Some(at(49_000)), "the answer's");
        reconcile.handle_failure(at(41_000), first.id, unavailable(), EVEN);
        reconcile.handle_news(at(41_100));
        assert_eq!(reconcile.poll_timeout(), Some(at(41_500)), "the retry's");
    }

    #[test]
    fn a_page_that_expects_nothing_asks_now_and_then_if_it_is_told_to() {
        let mut reconcile = Reconcile::new(
            ReconcileConfig {
                idle_every: Some(Duration::from_secs(300)),
                ..ReconcileConfig::default()
            },
            None,
        );
        reconcile.handle_news(at(0));
        assert_eq!(reconcile.poll_timeout(), None, "nobody has asked yet");
        reconcile.request(at(1_000));
        let fetch = asked(&mut reconcile);
        reconcile.handle_answer(at(2_000), fetch.id, "c".to_owned());
        reconcile.handle_news(at(200_000));
        assert_eq!(reconcile.poll_timeout(), Some(at(302_000)));
        reconcile.handle_timeout(at(302_000), EVEN);
        asked(&mut reconcile);
    }

    #[test]
    fn nothing_is_asked_before_it_is_wanted() {
        let mut reconcile = reconcile();
        reconcile.handle_timeout(at(1_000_000), EVEN);
        assert_eq!(reconcile.poll_fetch(), None);
        assert_eq!(reconcile.poll_timeout(), None);
    }

    #[test]
    fn the_first_question_is_for_everything_and_the_next_goes_on_from_there() {
        let mut reconcile = reconcile();
        reconcile.request(at(0));
        let first = asked(&mut reconcile);
        assert_eq!(first.cursor, None);
        reconcile.handle_answer(at(50), first.id, "c1".to_owned());
        assert_eq!(*reconcile.state(), ReconcileState::Idle);
        assert_eq!(reconcile.poll_timeout(), None);

        reconcile.request(at(60));
        assert_eq!(asked(&mut reconcile).cursor.as_deref(), Some("c1"));
    }

    #[test]
    fn a_socket_that_opens_while_a_question_is_under_way_is_asked_about_once_more() {
        let mut reconcile = reconcile();
        reconcile.request(at(0));
        let first = asked(&mut reconcile);
        for _ in 0..5 {
            reconcile.request(at(10));
        }
        assert_eq!(reconcile.poll_fetch(), None);
        reconcile.handle_answer(at(50), first.id, "c1".to_owned());
        let second = asked(&mut reconcile);
        assert_eq!(second.cursor.as_deref(), Some("c1"));
        reconcile.handle_answer(at(60), second.id, "c2".to_owned());
        assert_eq!(*reconcile.state(), ReconcileState::Idle);
        assert_eq!(reconcile.poll_fetch(), None);
    }

    #[test]
    fn a_failure_is_asked_again_from_the_same_cursor_until_it_is_answered() {
        let mut reconcile = Reconcile::new(ReconcileConfig::default(), Some("c7".to_owned()));
        reconcile.request(at(0));
        let mut now = at(0);
        for attempt in 1..=4 {
            let fetch = asked(&mut reconcile);
            assert_eq!(fetch.cursor.as_deref(), Some("c7"));
            reconcile.handle_failure(now, fetch.id, unavailable(), EVEN);
            let until = now + Backoff::default().delay(attempt, EVEN);
            assert_eq!(
                *reconcile.state(),
                ReconcileState::Waiting {
                    attempt,
                    until,
                    error: unavailable()
                }
            );
            assert_eq!(reconcile.poll_timeout(), Some(until));
            now = until;
            reconcile.handle_timeout(now, EVEN);
        }
        let fetch = asked(&mut reconcile);
        reconcile.handle_answer(now, fetch.id, "c8".to_owned());
        assert_eq!(reconcile.cursor(), Some("c8"));
        assert_eq!(*reconcile.state(), ReconcileState::Idle);

        reconcile.request(now);
        let fetch = asked(&mut reconcile);
        reconcile.handle_failure(now, fetch.id, unavailable(), EVEN);
        assert!(
            matches!(
                reconcile.state(),
                ReconcileState::Waiting { attempt: 1, .. }
            ),
            "an answer ends a row of failures"
        );
    }

    #[test]
    fn a_socket_that_opens_ends_the_wait_for_a_retry() {
        let mut reconcile = reconcile();
        reconcile.request(at(0));
        let first = asked(&mut reconcile);
        reconcile.handle_failure(at(5), first.id, unavailable(), Jitter::new(1.0));
        reconcile.request(at(6));
        let second = asked(&mut reconcile);
        reconcile.handle_answer(at(7), second.id, "c1".to_owned());
        assert_eq!(reconcile.poll_timeout(), None);
    }

    #[test]
    fn a_backend_that_never_answers_is_asked_again_and_its_late_answer_is_passed_over() {
        let mut reconcile = reconcile();
        reconcile.request(at(0));
        let first = asked(&mut reconcile);
        reconcile.handle_timeout(at(30_000), EVEN);
        reconcile.handle_timeout(at(30_500), EVEN);
        let second = asked(&mut reconcile);
        reconcile.handle_answer(at(30_600), first.id, "old".to_owned());
        assert_eq!(reconcile.cursor(), None);
        reconcile.handle_answer(at(30_700), second.id, "new".to_owned());
        assert_eq!(reconcile.cursor(), Some("new"));
        reconcile.handle_failure(at(30_800), second.id, unavailable(), EVEN);
        assert_eq!(*reconcile.state(), ReconcileState::Idle);
    }

    #[test]
    fn a_server_that_lost_its_memory_is_asked_for_everything_but_never_in_a_tight_loop() {
        let mut reconcile = Reconcile::new(ReconcileConfig::default(), Some("c9".to_owned()));
        reconcile.request(at(0));
        let first = asked(&mut reconcile);
        reconcile.handle_failure(at(5), first.id, FetchError::CursorUnknown, EVEN);
        let second = asked(&mut reconcile);
        assert_eq!(second.cursor, None);
        reconcile.handle_failure(at(9), second.id, FetchError::CursorUnknown, EVEN);
        assert_eq!(reconcile.poll_fetch(), None);
        assert!(reconcile.poll_timeout().is_some_and(|until| until > at(9)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn while_news_are_expected_the_next_question_is_never_far_and_never_a_second_one(
            inputs in prop::collection::vec((0_u8..8, 0_u64..40_000, 0.0..1.0_f64), 0..100)
        ) {
            let config = ReconcileConfig {
                idle_every: Some(Duration::from_secs(300)),
                ..ReconcileConfig::default()
            };
            let mut reconcile = Reconcile::new(config, None);
            let (mut now, mut expecting, mut asked) = (at(0), false, false);
            let mut latest = None;
            let mut heard = at(0);
            for (input, millis, number) in inputs {
                let jitter = Jitter::new(number);
                match (input, latest) {
                    (0, _) => {
                        if !expecting {
                            heard = now;
                        }
                        expecting = true;
                        reconcile.set_expecting(now, true);
                    }
                    (1, _) => {
                        expecting = false;
                        reconcile.set_expecting(now, false);
                    }
                    (2, _) => {
                        heard = now;
                        reconcile.handle_news(now);
                    }
                    (3, _) if millis < 5_000 => reconcile.request(now),
                    (4, Some(id)) if asked => {
                        reconcile.handle_answer(now, id, String::new());
                        heard = now;
                        asked = false;
                    }
                    (5, Some(id)) if asked => {
                        reconcile.handle_failure(now, id, unavailable(), jitter);
                        asked = false;
                    }
                    _ => {
                        now = now + Duration::from_millis(millis);
                        let due = reconcile.poll_timeout().is_some_and(|until| until <= now);
                        reconcile.handle_timeout(now, jitter);
                        asked &= !due;
                    }
                }
                while let Some(fetch) = reconcile.poll_fetch() {
                    prop_assert!(!asked, "one question at a time");
                    asked = true;
                    latest = Some(fetch.id);
                }
                let until = reconcile.poll_timeout();
                match reconcile.state() {
                    ReconcileState::Asking { .. } => prop_assert!(asked),
                    ReconcileState::Waiting { until: retry, .. } => {
                        prop_assert_eq!(until, Some(*retry));
                    }
                    ReconcileState::Idle if expecting => {
                        prop_assert!(until.is_some_and(|until| until <= heard + config.silence));
                    }
                    ReconcileState::Idle => {
                        prop_assert!(latest.is_none() || until.is_some());
                    }
                }
            }
        }
    }
}
