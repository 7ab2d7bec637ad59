//! A world of one client, one server and the network between them, in which a day takes a
//! millisecond.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use babelwire_client_core::{
    Closed, Config, Connection, DialFailure, Event, Generation, Instant, Jitter, Output, Payload,
    State,
};

/// Random numbers that are the same in every run: `SplitMix64`.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> Jitter {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let high = u32::try_from((z ^ (z >> 31)) >> 32).unwrap();
        Jitter::new(f64::from(high) / 2_f64.powi(32))
    }
}

/// How the server treats a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Accepts,
    Refuses,
    /// Packets vanish.
    Silent,
    /// Accepts, and closes at once with this code.
    SlamsTheDoor(u16),
}

/// How the server answers a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// As the contract says.
    Pong,
    /// As API Gateway does where there is no such route.
    Forbidden,
    /// Not at all.
    Nothing,
}

const FORBIDDEN: &str = r#"{"message": "Forbidden", "connectionId":"a=", "requestId":"b="}"#;

#[derive(Debug)]
enum Happening {
    DialReachesServer(Generation),
    OpenReachesClient(Generation),
    FrameReachesServer(Generation, String),
    FrameReachesClient(Generation, String),
    CloseReachesClient(Generation, u16, String),
    TimeIsOver(Generation),
}

/// One way, client to server or back.
pub(crate) const LATENCY: Duration = Duration::from_millis(20);

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) connection: Connection,
    pub(crate) server: Server,
    pub(crate) answer: Answer,
    /// One way, client to server or back.
    pub(crate) latency: Duration,
    /// How long the server lets a socket live.
    pub(crate) lifetime: Option<Duration>,
    /// How much longer than [`World::latency`] a frame to the client may take, by chance.
    pub(crate) skew: Duration,
    /// Sockets that open now lead nowhere.
    pub(crate) void_after_open: bool,
    /// What a test has broadcast, for it to compare.
    pub(crate) broadcasts: Vec<String>,
    /// What the server has received but pings, in the order of arrival.
    pub(crate) received: Vec<String>,
    /// The pings that the server has received.
    pub(crate) pings: Vec<Instant>,
    /// All events but those of the heartbeat.
    pub(crate) events: Vec<Event>,
    /// The events of the heartbeat.
    pub(crate) beats: Vec<Event>,
    /// Whether each dial had to authenticate anew.
    pub(crate) reauthenticated: Vec<bool>,
    /// What a socket says that it has not sent, if it says anything but zero.
    pub(crate) buffered: usize,
    /// When each socket was dialled.
    pub(crate) dials: Vec<Instant>,
    /// Sockets that the server holds open.
    accepted: BTreeSet<Generation>,
    /// Sockets whose packets vanish, both ways.
    silent: BTreeSet<Generation>,
    /// Sockets that the client holds.
    held: BTreeSet<Generation>,
    /// Sockets that the client holds and that are open.
    pub(crate) open: BTreeSet<Generation>,
    /// While this is set, the client has to hold an open socket.
    pub(crate) must_stay_open: bool,
    agenda: BTreeMap<(Instant, u64), Happening>,
    scheduled: u64,
    dice: Dice,
}

impl World {
    #[expect(
        clippy::large_types_passed_by_value,
        reason = "a test writes the configuration where it makes the world"
    )]
    pub(crate) fn new(config: Config) -> Self {
        Self {
            now: Instant::from_millis(1_000_000),
            connection: Connection::new(config),
            server: Server::Accepts,
            answer: Answer::Pong,
            latency: LATENCY,
            lifetime: None,
            skew: Duration::ZERO,
            void_after_open: false,
            broadcasts: Vec::new(),
            received: Vec::new(),
            pings: Vec::new(),
            events: Vec::new(),
            beats: Vec::new(),
            reauthenticated: Vec::new(),
            buffered: 0,
            dials: Vec::new(),
            accepted: BTreeSet::new(),
            silent: BTreeSet::new(),
            held: BTreeSet::new(),
            open: BTreeSet::new(),
            must_stay_open: false,
            agenda: BTreeMap::new(),
            scheduled: 0,
            dice: Dice::new(7),
        }
    }

    /// A world in which the client is connected.
    pub(crate) fn connected() -> Self {
        Self::connected_by_chance(7)
    }

    /// As [`World::connected`], with other draws.
    pub(crate) fn connected_by_chance(seed: u64) -> Self {
        let mut world = Self::new(Config::default());
        world.dice = Dice::new(seed);
        world.connect();
        world.run(LATENCY * 4);
        assert!(world.connection.state().is_open());
        world.events.clear();
        world.beats.clear();
        world
    }

    pub(crate) fn state(&self) -> State {
        self.connection.state()
    }

    pub(crate) fn connect(&mut self) {
        self.connection.connect(self.now);
        self.obey();
    }

    pub(crate) fn close(&mut self) {
        self.connection.close();
        self.obey();
    }

    pub(crate) fn send(&mut self, text: &str) -> babelwire_client_core::SendOutcome {
        let outcome = self.connection.send(self.now, text.into());
        self.obey();
        outcome
    }

    pub(crate) fn goes_offline(&mut self) {
        self.connection.handle_offline(self.now);
        self.obey();
    }

    pub(crate) fn comes_online(&mut self) {
        let jitter = self.dice.roll();
        self.connection.handle_online(self.now, jitter);
        self.obey();
    }

    pub(crate) fn wakes(&mut self) {
        let jitter = self.dice.roll();
        self.connection.handle_wake(self.now, jitter);
        self.obey();
    }

    pub(crate) fn is_seen(&mut self, visible: bool) {
        let jitter = self.dice.roll();
        self.connection.handle_visibility(self.now, visible, jitter);
        self.obey();
    }

    /// The clock on the wall is looked at.
    pub(crate) fn looks_at_the_clock(&mut self, wall: u64) {
        let jitter = self.dice.roll();
        self.connection.handle_clock(self.now, wall, jitter);
        self.obey();
    }

    /// The page does not run for so long; then what came meanwhile is heard, timers first.
    pub(crate) fn freezes_for(&mut self, time: Duration) {
        self.now = self.now + time;
        let jitter = self.dice.roll();
        self.connection.handle_timeout(self.now, jitter);
        self.obey();
    }

    /// Packets of the sockets of now vanish, both ways; those of later ones don't.
    pub(crate) fn goes_silent(&mut self) {
        self.silent.extend(self.accepted.iter().copied());
    }

    /// The socket has sent all but so much of what it was given.
    pub(crate) fn drains_to(&mut self, bytes: usize) {
        self.buffered = bytes;
    }

    /// The driver finds nothing to dial.
    pub(crate) fn dial_fails(&mut self, failure: DialFailure) {
        let jitter = self.dice.roll();
        if let Some(generation) = self.held.pop_last() {
            self.connection
                .handle_dial_failed(self.now, generation, failure, jitter);
        }
        self.obey();
    }

    /// The platform refuses the dial that is under way.
    pub(crate) fn dial_is_impossible(&mut self, why: &str) {
        if let Some(generation) = self.held.last().copied() {
            self.connection
                .handle_dial_impossible(generation, why.to_owned());
        }
        self.obey();
    }

    /// The server sends a frame to every socket that it holds.
    pub(crate) fn broadcast(&mut self, text: &str) {
        for generation in self.accepted.clone() {
            let latency = self.latency + self.skew.mul_f64(self.dice.roll().get());
            self.after(
                latency,
                Happening::FrameReachesClient(generation, text.to_owned()),
            );
        }
    }

    /// Notes what was broadcast.
    pub(crate) fn said(&mut self, text: String) {
        self.broadcasts.push(text);
    }

    /// Chance as this number has it.
    pub(crate) fn seed(&mut self, seed: u64) {
        self.dice = Dice::new(seed);
    }

    /// The server closes the oldest of its sockets with this code.
    pub(crate) fn closes_the_first(&mut self, code: u16) {
        if let Some(generation) = self.accepted.pop_first() {
            self.after(
                self.latency,
                Happening::CloseReachesClient(generation, code, String::new()),
            );
        }
    }

    /// The server's process ends: the system closes its sockets, and dials are refused.
    pub(crate) fn server_dies(&mut self) {
        self.server = Server::Refuses;
        self.server_closes(1006);
    }

    /// The server closes all its sockets with this code.
    pub(crate) fn server_closes(&mut self, code: u16) {
        self.server_closes_with(code, "");
    }

    /// The server closes all its sockets with this code, for this reason.
    pub(crate) fn server_closes_with(&mut self, code: u16, reason: &str) {
        for generation in std::mem::take(&mut self.accepted) {
            if self.silent.contains(&generation) {
                continue;
            }
            self.after(
                self.latency,
                Happening::CloseReachesClient(generation, code, reason.to_owned()),
            );
        }
    }

    /// Lets this much time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until the client is in a state of this name, and says how long it took.
    pub(crate) fn run_until(&mut self, state: &str, at_most: Duration) -> Duration {
        let start = self.now;
        let end = start + at_most;
        while self.state().as_str() != state {
            assert!(
                self.step(end),
                "not {state} within {at_most:?} but {:?}",
                self.state()
            );
        }
        self.now - start
    }

    /// Lets the next thing happen, unless there is none until `end`.
    pub(crate) fn step(&mut self, end: Instant) -> bool {
        let happening = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let timeout = self.connection.poll_timeout();
        let next = happening.into_iter().chain(timeout).min();
        let Some(next) = next.filter(|next| *next <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        if happening == Some(next) {
            let (_, happening) = self.agenda.pop_first().unwrap();
            self.happen(happening);
        } else {
            let jitter = self.dice.roll();
            self.connection.handle_timeout(self.now, jitter);
            self.obey();
            assert!(
                self.connection.poll_timeout().is_none_or(|at| at > next),
                "a timer that has fired must not be due still"
            );
        }
        true
    }

    /// The states that were entered, by name.
    pub(crate) fn states(&self) -> Vec<&'static str> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Changed { to, .. } => Some(to.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The text frames that reached the application.
    pub(crate) fn frames(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Frame { payload, .. } => payload.text(),
                _ => None,
            })
            .collect()
    }

    fn after(&mut self, delay: Duration, happening: Happening) {
        self.scheduled += 1;
        self.agenda
            .insert((self.now + delay, self.scheduled), happening);
    }

    /// What becomes of sockets that were left behind is reported all the same, as no good driver
    /// would: the machine must not care.
    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::DialReachesServer(generation) => match self.server {
                Server::Silent => {}
                Server::Refuses => {
                    self.after(
                        self.latency,
                        Happening::CloseReachesClient(generation, 1006, String::new()),
                    );
                }
                Server::Accepts => {
                    self.accepted.insert(generation);
                    if self.void_after_open {
                        self.silent.insert(generation);
                    }
                    if let Some(lifetime) = self.lifetime {
                        self.after(lifetime, Happening::TimeIsOver(generation));
                    }
                    self.after(self.latency, Happening::OpenReachesClient(generation));
                }
                Server::SlamsTheDoor(code) => {
                    self.after(self.latency, Happening::OpenReachesClient(generation));
                    self.after(
                        self.latency,
                        Happening::CloseReachesClient(generation, code, String::new()),
                    );
                }
            },
            Happening::OpenReachesClient(generation) => {
                if self.held.contains(&generation) {
                    self.open.insert(generation);
                }
                let jitter = self.dice.roll();
                self.connection.handle_opened(self.now, generation, jitter);
            }
            Happening::FrameReachesServer(generation, text) => {
                if self.accepted.contains(&generation) && !self.silent.contains(&generation) {
                    self.serve(generation, text);
                }
            }
            Happening::FrameReachesClient(generation, text) => {
                if !self.silent.contains(&generation) {
                    self.connection
                        .handle_frame(self.now, generation, text.into());
                }
            }
            Happening::TimeIsOver(generation) => {
                if self.accepted.remove(&generation) {
                    self.after(
                        self.latency,
                        Happening::CloseReachesClient(generation, 1001, String::new()),
                    );
                }
            }
            Happening::CloseReachesClient(generation, code, reason) => {
                self.held.remove(&generation);
                self.open.remove(&generation);
                let jitter = self.dice.roll();
                let closed = Closed {
                    code,
                    reason,
                    was_clean: code != 1006,
                };
                self.connection
                    .handle_closed(self.now, generation, closed, jitter);
            }
        }
        self.obey();
        if self.must_stay_open {
            assert!(!self.open.is_empty(), "no socket is open");
        }
    }

    /// The server has a frame.
    fn serve(&mut self, generation: Generation, text: String) {
        let data = text
            .strip_prefix(r#"{"action":"ping","data":""#)
            .and_then(|rest| rest.strip_suffix(r#""}"#));
        let Some(data) = data else {
            return self.received.push(text);
        };
        self.pings.push(self.now);
        let answer = match self.answer {
            Answer::Pong => format!(r#"{{"type":"pong","data":"{data}"}}"#),
            Answer::Forbidden => FORBIDDEN.to_owned(),
            Answer::Nothing => return,
        };
        self.after(
            self.latency,
            Happening::FrameReachesClient(generation, answer),
        );
    }

    fn obey(&mut self) {
        while let Some(output) = self.connection.poll_output() {
            match output {
                Output::Dial {
                    generation,
                    reauthenticate,
                } => {
                    assert!(self.held.len() < 2, "two sockets at most");
                    self.held.insert(generation);
                    self.dials.push(self.now);
                    self.reauthenticated.push(reauthenticate);
                    self.after(self.latency, Happening::DialReachesServer(generation));
                }
                Output::Abandon { generation } => {
                    self.held.remove(&generation);
                    self.open.remove(&generation);
                    self.accepted.remove(&generation);
                }
                Output::Transmit {
                    generation,
                    payload: Payload::Text(text),
                } => {
                    assert!(self.open.contains(&generation), "sent to an open socket");
                    self.after(
                        self.latency,
                        Happening::FrameReachesServer(generation, text),
                    );
                }
                Output::Transmit { .. } => panic!("this world speaks text"),
                Output::MeasureBuffer { generation } => {
                    self.connection
                        .handle_buffered(self.now, generation, self.buffered);
                }
                Output::Event(
                    event @ (Event::Pinged { .. } | Event::Ponged { .. } | Event::Mute { .. }),
                ) => self.beats.push(event),
                Output::Event(event) => self.events.push(event),
            }
        }
    }
}
