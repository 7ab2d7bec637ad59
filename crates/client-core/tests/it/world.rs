//! A world of one client, one server and the network between them, in which a day takes a
//! millisecond.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use babelwire_client_core::{
    Closed, Config, Connection, Event, Generation, Instant, Jitter, Output, State,
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

#[derive(Debug)]
enum Happening {
    DialReachesServer(Generation),
    OpenReachesClient(Generation),
    FrameReachesServer(Generation, String),
    FrameReachesClient(Generation, String),
    CloseReachesClient(Generation, u16),
}

/// One way, client to server or back.
pub(crate) const LATENCY: Duration = Duration::from_millis(20);

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) connection: Connection,
    pub(crate) server: Server,
    /// What the server has received, in the order of arrival.
    pub(crate) received: Vec<String>,
    pub(crate) events: Vec<Event>,
    /// When each socket was dialled.
    pub(crate) dials: Vec<Instant>,
    /// Sockets that the server holds open.
    accepted: BTreeSet<Generation>,
    /// The socket that the client holds, if any.
    held: Option<Generation>,
    agenda: BTreeMap<(Instant, u64), Happening>,
    scheduled: u64,
    dice: Dice,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            now: Instant::from_millis(1_000_000),
            connection: Connection::new(config),
            server: Server::Accepts,
            received: Vec::new(),
            events: Vec::new(),
            dials: Vec::new(),
            accepted: BTreeSet::new(),
            held: None,
            agenda: BTreeMap::new(),
            scheduled: 0,
            dice: Dice::new(7),
        }
    }

    /// A world in which the client is connected.
    pub(crate) fn connected() -> Self {
        let mut world = Self::new(Config::default());
        world.connect();
        world.run(LATENCY * 2);
        assert!(world.connection.state().is_open());
        world.events.clear();
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
        let outcome = self.connection.send(text.to_owned());
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

    /// The platform refuses the dial that is under way.
    pub(crate) fn dial_is_impossible(&mut self, why: &str) {
        if let Some(generation) = self.held {
            self.connection
                .handle_dial_impossible(generation, why.to_owned());
        }
        self.obey();
    }

    /// The server sends a frame to every socket that it holds.
    pub(crate) fn broadcast(&mut self, text: &str) {
        for generation in self.accepted.clone() {
            self.after(
                LATENCY,
                Happening::FrameReachesClient(generation, text.to_owned()),
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
        for generation in std::mem::take(&mut self.accepted) {
            self.after(LATENCY, Happening::CloseReachesClient(generation, code));
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
    fn step(&mut self, end: Instant) -> bool {
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
                Event::Frame { text, .. } => Some(text.as_str()),
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
                    self.after(LATENCY, Happening::CloseReachesClient(generation, 1006));
                }
                Server::Accepts => {
                    self.accepted.insert(generation);
                    self.after(LATENCY, Happening::OpenReachesClient(generation));
                }
                Server::SlamsTheDoor(code) => {
                    self.after(LATENCY, Happening::OpenReachesClient(generation));
                    self.after(LATENCY, Happening::CloseReachesClient(generation, code));
                }
            },
            Happening::OpenReachesClient(generation) => {
                self.connection.handle_opened(self.now, generation);
            }
            Happening::FrameReachesServer(generation, text) => {
                if self.accepted.contains(&generation) {
                    self.received.push(text);
                }
            }
            Happening::FrameReachesClient(generation, text) => {
                self.connection.handle_frame(generation, text);
            }
            Happening::CloseReachesClient(generation, code) => {
                if self.held == Some(generation) {
                    self.held = None;
                }
                let jitter = self.dice.roll();
                let closed = Closed {
                    code,
                    reason: String::new(),
                    was_clean: code != 1006,
                };
                self.connection
                    .handle_closed(self.now, generation, closed, jitter);
            }
        }
        self.obey();
    }

    fn obey(&mut self) {
        while let Some(output) = self.connection.poll_output() {
            match output {
                Output::Dial { generation } => {
                    assert_eq!(self.held, None, "one socket at a time");
                    self.held = Some(generation);
                    self.dials.push(self.now);
                    self.after(LATENCY, Happening::DialReachesServer(generation));
                }
                Output::Abandon { generation } => {
                    if self.held == Some(generation) {
                        self.held = None;
                    }
                    self.accepted.remove(&generation);
                }
                Output::Transmit { generation, text } => {
                    assert_eq!(self.held, Some(generation), "sent to a socket that is held");
                    self.after(LATENCY, Happening::FrameReachesServer(generation, text));
                }
                Output::Event(event) => self.events.push(event),
            }
        }
    }
}
