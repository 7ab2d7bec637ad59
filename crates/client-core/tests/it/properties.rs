//! Whatever happens, in whatever order.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use babelwire_client_core::{
    Closed, Config, Connection, DialFailure, Event, FetchError, Generation, Instant, Jitter,
    OutboxLimits, Output, Reconcile, ReconcileConfig, ReconcileState, Rollover, SendOutcome, State,
    Upload, UploadConfig, UploadError, UploadOutput, UploadState,
};
use proptest::prelude::*;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
enum Input {
    Connect,
    Close,
    Send(usize),
    Hint(bool),
    Offline,
    Online,
    Wake,
    See(bool),
    /// The clock on the wall is so many milliseconds ahead of the machine's.
    Clock(u64),
    Buffered(usize),
    DialFails(Which),
    /// Time passes, and the timer may be late: it rings now, or not at all.
    Pass(u64, bool),
    Opened(Which),
    Frame(Which),
    Error(Which),
    Closing(Which),
    SocketClosed(Which, u16),
    Impossible(Which),
}

/// A report of the present socket, or of one that was left behind this many dials ago.
#[derive(Debug, Clone, Copy)]
struct Which(usize);

/// One draw for an input, since a strategy of strategies takes most of the time of a test.
fn input() -> impl Strategy<Value = Input> {
    (0_u8..44, any::<u16>(), any::<u16>()).prop_map(|(kind, number, other)| {
        let which = Which(usize::from(other.saturating_sub(50_000) / 5_000));
        match kind {
            0..=1 => Input::Connect,
            2 => Input::Close,
            3..=6 => Input::Send(usize::from(number % 40)),
            7 => Input::Hint(number % 2 == 0),
            8 => Input::Offline,
            9..=10 => Input::Online,
            11 => Input::Wake,
            12..=20 => Input::Pass(u64::from(number) * 2, other % 2 == 0),
            21..=25 => Input::Opened(which),
            26..=27 => Input::Frame(which),
            28 => Input::Error(which),
            29 => Input::Closing(which),
            30..=34 => Input::SocketClosed(which, number),
            35 => Input::Impossible(which),
            36..=37 => Input::See(number % 2 == 0),
            38 => Input::Clock(u64::from(number)),
            39..=40 => Input::Buffered(usize::from(number % 100)),
            41..=42 => Input::DialFails(which),
            _ => Input::Pass(u64::from(number) * 100, true),
        }
    })
}

/// The machine, and what must be true of it.
struct Watched {
    connection: Connection,
    config: Config,
    now: Instant,
    /// Sockets dialled, oldest first.
    dialled: Vec<Generation>,
    /// The sockets that the driver holds, and whether each has reported to be open.
    held: BTreeMap<Generation, bool>,
    /// Frames accepted by `send` and not resolved yet.
    unresolved: VecDeque<String>,
    sent: usize,
    frames: usize,
    pings: usize,
    /// What a socket says that it has not sent.
    buffered: usize,
}

impl Watched {
    fn new() -> Self {
        let config = Config {
            outbox: OutboxLimits {
                frame_bytes: 30,
                queued_frames: 5,
                queued_bytes: 60,
                max_age: Duration::from_secs(600),
                buffered_bytes: 50,
            },
            rollover: Some(Rollover {
                earliest: Duration::from_secs(100),
                latest: Duration::from_secs(200),
                overlap: Duration::from_secs(20),
            }),
            ..Config::default()
        };
        Self {
            connection: Connection::new(config),
            config,
            now: Instant::from_millis(0),
            dialled: Vec::new(),
            held: BTreeMap::new(),
            unresolved: VecDeque::new(),
            sent: 0,
            frames: 0,
            pings: 0,
            buffered: 0,
        }
    }

    fn generation(&self, which: Which) -> Option<Generation> {
        self.dialled.iter().rev().nth(which.0).copied()
    }

    fn feed(&mut self, input: &Input, jitter: Jitter) {
        let was = self.connection.state();
        let dials = self.dialled.len();
        match input {
            Input::Connect => self.connection.connect(self.now),
            Input::Close => self.connection.close(),
            Input::Send(bytes) => self.send(*bytes),
            Input::See(visible) => {
                self.connection
                    .handle_visibility(self.now, *visible, jitter);
            }
            Input::Clock(ahead) => {
                let wall = self.now.as_millis() + ahead;
                self.connection.handle_clock(self.now, wall, jitter);
            }
            Input::Buffered(bytes) => {
                self.buffered = *bytes;
                if let Some(generation) = was.generation() {
                    self.connection
                        .handle_buffered(self.now, generation, *bytes);
                }
            }
            Input::DialFails(which) => {
                let generation = self.generation(*which);
                if let Some(generation) =
                    generation.filter(|generation| self.connection.is_dialling(*generation))
                {
                    self.held.remove(&generation);
                    self.connection.handle_dial_failed(
                        self.now,
                        generation,
                        DialFailure::default(),
                        jitter,
                    );
                }
            }
            Input::Hint(online) => self.connection.hint_online(*online),
            Input::Offline => self.connection.handle_offline(self.now),
            Input::Online => self.connection.handle_online(self.now, jitter),
            Input::Wake => self.connection.handle_wake(self.now, jitter),
            Input::Pass(millis, rings) => {
                self.now = self.now + Duration::from_millis(*millis);
                if *rings {
                    self.connection.handle_timeout(self.now, jitter);
                }
            }
            Input::Opened(which)
            | Input::Frame(which)
            | Input::Error(which)
            | Input::Closing(which) => {
                if let Some(generation) = self.generation(*which) {
                    self.report(input, generation, jitter);
                }
            }
            Input::SocketClosed(which, code) => {
                if let Some(generation) = self.generation(*which) {
                    self.held.remove(&generation);
                    let closed = Closed {
                        code: *code,
                        reason: String::new(),
                        was_clean: true,
                    };
                    self.connection
                        .handle_closed(self.now, generation, closed, jitter);
                }
            }
            Input::Impossible(which) => {
                if let Some(generation) = self.generation(*which) {
                    self.connection
                        .handle_dial_impossible(generation, "why".to_owned());
                }
            }
        }
        self.obey();
        if self.dialled.len() > dials {
            assert!(
                matches!(input, Input::Connect)
                    // A close that asks for it is answered by a dial at once, if all was well.
                    || matches!((input, was), (Input::SocketClosed(_, 3008), State::Open { .. }))
                    || matches!(
                        (input, was),
                        (
                            Input::Pass(_, true),
                            State::Waiting { .. } | State::Open { .. }
                        )
                    ),
                "{input:?} in {was:?} must not dial"
            );
        }
        self.check(was);
    }

    /// A socket that is open, or thinks so, says something.
    fn report(&mut self, input: &Input, generation: Generation, jitter: Jitter) {
        match input {
            Input::Opened(_) => {
                if let Some(open) = self.held.get_mut(&generation) {
                    *open = true;
                }
                self.connection.handle_opened(self.now, generation, jitter);
            }
            Input::Frame(_) => {
                self.frames += 1;
                let text = match self.frames % 3 {
                    0 => format!(r#"{{"type":"pong","data":"hb-{}"}}"#, self.pings),
                    _ => format!("frame {}", self.frames),
                };
                self.connection
                    .handle_frame(self.now, generation, text.into());
            }
            Input::Error(_) => self.connection.handle_error(generation),
            _ => self.connection.handle_closing(generation),
        }
    }

    fn send(&mut self, bytes: usize) {
        self.sent += 1;
        let text = format!("{:0bytes$}", self.sent);
        let fits = text.len() <= self.config.outbox.frame_bytes;
        match self.connection.send(self.now, text.clone().into()) {
            SendOutcome::Sent => {
                assert!(fits && self.connection.state().is_open());
                assert_eq!(self.connection.queued(), 0, "nothing is overtaken");
                self.unresolved.push_back(text);
            }
            SendOutcome::Queued(_) => {
                assert!(fits);
                self.unresolved.push_back(text);
            }
            SendOutcome::Rejected(_) => {}
        }
    }

    fn resolve(&mut self, text: &str) {
        assert_eq!(
            self.unresolved.pop_front().as_deref(),
            Some(text),
            "each frame is resolved once, in order"
        );
    }

    fn obey(&mut self) {
        while let Some(output) = self.connection.poll_output() {
            match output {
                Output::Dial { generation, .. } => {
                    assert!(self.held.len() <= 2, "two sockets, or three for an overlap");
                    assert!(self.dialled.last().is_none_or(|last| *last < generation));
                    self.dialled.push(generation);
                    self.held.insert(generation, false);
                }
                Output::Abandon { generation } | Output::Event(Event::Retired { generation }) => {
                    self.held.remove(&generation);
                }
                Output::Transmit { generation, .. } => {
                    assert_eq!(
                        self.held.get(&generation),
                        Some(&true),
                        "sent to an open socket"
                    );
                }
                Output::MeasureBuffer { generation } => {
                    self.connection
                        .handle_buffered(self.now, generation, self.buffered);
                }
                Output::Event(Event::Sent { payload, .. } | Event::Discarded { payload, .. }) => {
                    self.resolve(payload.text().unwrap());
                }
                Output::Event(Event::Frame { generation, .. }) => {
                    assert_eq!(self.held.get(&generation), Some(&true));
                }
                Output::Event(Event::Pinged { .. }) => self.pings += 1,
                Output::Event(_) => {}
            }
        }
    }

    fn check(&self, was: State) {
        let state = self.connection.state();
        match state.generation() {
            Some(generation) => assert!(self.held.contains_key(&generation)),
            None => assert!(self.held.is_empty(), "{state:?} with {:?}", self.held),
        }
        if !state.is_open() {
            assert!(self.held.len() <= 1, "one socket but in a rollover");
        }
        match state {
            State::Connecting { .. } => assert!(self.connection.poll_timeout().is_some()),
            State::Open { .. } => {
                assert!(self.connection.poll_timeout().is_some(), "a ping is due");
            }
            State::Waiting {
                attempt,
                delay,
                until,
            } => {
                assert!(attempt >= 1);
                // A server that was dialled too often in a minute is given a minute.
                assert!(delay <= self.config.backoff.ceiling(attempt).max(MINUTE));
                assert!(self.connection.poll_timeout().is_some_and(|at| at <= until));
                if was != state {
                    assert_eq!(until, self.now + delay);
                }
            }
            State::Offline => {
                assert_eq!(
                    self.connection.poll_timeout().is_some(),
                    self.connection.queued() > 0,
                    "only what waits grows old"
                );
            }
            State::Closed => assert_eq!(self.connection.poll_timeout(), None),
        }
        assert!(self.connection.queued() <= self.config.outbox.queued_frames);
        assert_eq!(self.connection.queued(), self.unresolved.len());
        if state == State::Closed {
            assert_eq!(self.connection.queued(), 0);
        }
    }

    /// A server that accepts, a network, time, and somebody who wants a connection.
    fn all_is_well(&mut self) {
        if self.connection.state() == State::Closed {
            self.feed(&Input::Connect, Jitter::new(0.9));
        }
        self.feed(&Input::Online, Jitter::new(0.9));
        for _ in 0..6 {
            match self.connection.state() {
                State::Open { .. } => return,
                State::Connecting { .. } => self.feed(&Input::Opened(Which(0)), Jitter::new(0.9)),
                _ => {
                    let until = self.connection.poll_timeout().expect("a dial is due");
                    let millis = u64::try_from((until - self.now).as_millis()).unwrap();
                    self.feed(&Input::Pass(millis, true), Jitter::new(0.9));
                }
            }
        }
        panic!("{:?}", self.connection.state());
    }
}

proptest! {
    // More than a million steps: cases have 60 on average.
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_connection_keeps_its_promises_whatever_happens_and_opens_once_all_is_well(
        inputs in prop::collection::vec((input(), 0.0..1.0_f64), 0..120)
    ) {
        let mut watched = Watched::new();
        for (input, number) in &inputs {
            watched.feed(input, Jitter::new(*number));
        }
        watched.all_is_well();
        prop_assert!(watched.connection.state().is_open());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_reconciliation_asks_one_question_at_a_time_and_settles_once_it_is_answered(
        inputs in prop::collection::vec((0_u8..6, 0_u64..50_000, 0.0..1.0_f64), 0..100)
    ) {
        let mut reconcile = Reconcile::new(ReconcileConfig::default(), None);
        let mut now = Instant::from_millis(0);
        let mut fetches = Vec::new();
        for (input, millis, number) in inputs {
            let jitter = Jitter::new(number);
            // An answer to the last question, or to the one before.
            let latest = fetches.last().copied();
            let stale = fetches.iter().rev().nth(1).copied();
            match (input, latest, stale) {
                (0, ..) => reconcile.request(now),
                (1, Some(id), _) | (2, _, Some(id)) => {
                    reconcile.handle_answer(now, id, format!("c{}", fetches.len()));
                }
                (3, Some(id), _) => {
                    let error = FetchError::Unavailable(String::new());
                    reconcile.handle_failure(now, id, error, jitter);
                }
                (4, Some(id), _) => {
                    reconcile.handle_failure(now, id, FetchError::CursorUnknown, jitter);
                }
                _ => {
                    now = now + Duration::from_millis(millis);
                    reconcile.handle_timeout(now, jitter);
                }
            }
            let asked = std::iter::from_fn(|| reconcile.poll_fetch()).map(|fetch| fetch.id);
            let before = fetches.len();
            fetches.extend(asked);
            prop_assert!(fetches.len() - before <= 1);
            prop_assert_eq!(
                reconcile.poll_timeout().is_none(),
                *reconcile.state() == ReconcileState::Idle
            );
        }
        reconcile.request(now);
        for _ in 0..3 {
            fetches.extend(std::iter::from_fn(|| reconcile.poll_fetch()).map(|fetch| fetch.id));
            if let (ReconcileState::Asking { .. }, Some(id)) = (reconcile.state(), fetches.last()) {
                reconcile.handle_answer(now, *id, "end".to_owned());
            }
        }
        prop_assert_eq!(reconcile.state(), &ReconcileState::Idle);
        prop_assert_eq!(reconcile.cursor(), Some("end"));
    }

    #[test]
    fn an_upload_sends_one_attempt_at_a_time_and_ends(
        inputs in prop::collection::vec((0_u8..8, 0_u64..200_000, 0.0..1.0_f64), 0..100)
    ) {
        let config = UploadConfig::default();
        let mut upload = Upload::new(config);
        let mut now = Instant::from_millis(0);
        let mut under_way = None;
        let mut attempts = Vec::new();
        let mut ended = false;
        let mut obey = |upload: &mut Upload, attempts: &mut Vec<_>, finished: Option<_>| {
            if under_way == finished {
                under_way = None;
            }
            while let Some(output) = upload.poll_output() {
                assert!(!ended, "nothing follows the end");
                match output {
                    UploadOutput::Send(attempt) => {
                        assert_eq!(under_way, None, "one attempt at a time");
                        under_way = Some(attempt);
                        attempts.push(attempt);
                    }
                    UploadOutput::Abort(attempt) => {
                        assert_eq!(under_way.take(), Some(attempt));
                    }
                    UploadOutput::Event(state) => ended = state.is_final(),
                }
            }
        };
        for (input, millis, number) in inputs {
            let jitter = Jitter::new(number);
            let any = attempts.get(usize::try_from(millis).unwrap() % (attempts.len() + 1)).copied();
            let mut finished = None;
            match (input, any) {
                (0, _) => upload.start(now),
                (1, Some(attempt)) => upload.handle_progress(now, attempt, millis, 200_000),
                (2, Some(attempt)) => {
                    finished = Some(attempt);
                    upload.handle_response(now, attempt, 500, "", jitter);
                }
                (3, Some(attempt)) => {
                    finished = Some(attempt);
                    upload.handle_error(now, attempt, UploadError::Network, jitter);
                }
                (4, _) => upload.handle_offline(),
                (5, _) => upload.handle_online(now, jitter),
                (6, _) if millis < 2_000 => upload.cancel(),
                _ => {
                    now = now + Duration::from_millis(millis);
                    upload.handle_timeout(now, jitter);
                }
            }
            obey(&mut upload, &mut attempts, finished);
            let idle = matches!(upload.state(), UploadState::Idle | UploadState::Offline)
                || upload.state().is_final();
            prop_assert_eq!(upload.poll_timeout().is_none(), idle);
        }
        upload.start(now);
        upload.handle_online(now, Jitter::new(0.5));
        obey(&mut upload, &mut attempts, None);
        for _ in 0..=2 * config.max_failures {
            if let Some(at) = upload.poll_timeout() {
                upload.handle_timeout(at, Jitter::new(0.5));
                obey(&mut upload, &mut attempts, None);
            }
        }
        prop_assert!(upload.state().is_final());
    }
}
