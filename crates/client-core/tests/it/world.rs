//! The testkit's virtual world with one page in it, and a gateway that answers pings alone.

use std::time::Duration;

use babelwire_client_core::{
    Config, Connection, Event, Generation, Instant, Jitter, SendOutcome, State,
};
use babelwire_testkit::{
    self as testkit, ClientId, DialState, Dialled, Reply,
    rules::{Action, Match, Rule},
};

pub(crate) use babelwire_testkit::{Dice, LATENCY};

/// What API Gateway says where there is no route for a ping.
pub(crate) const FORBIDDEN: &str =
    r#"{"message": "Forbidden", "connectionId":"a=", "requestId":"b="}"#;

/// What a ping says, if this is one.
fn ping(text: &str) -> Option<&str> {
    text.strip_prefix(r#"{"action":"ping","data":""#)?
        .strip_suffix(r#""}"#)
}

pub(crate) struct World {
    inner: testkit::World,
    page: ClientId,
    /// All events but those of the heartbeat.
    pub(crate) events: Vec<Event>,
    /// The events of the heartbeat.
    pub(crate) beats: Vec<Event>,
    /// While this is set, the page has to hold an open socket.
    pub(crate) must_stay_open: bool,
}

#[expect(
    clippy::large_types_passed_by_value,
    reason = "a test writes the configuration where it makes the world"
)]
impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self::by_chance(7, config)
    }

    /// As [`World::new`], with other draws.
    pub(crate) fn by_chance(seed: u64, config: Config) -> Self {
        let mut inner = testkit::World::with_seed(seed);
        inner.set_backend(|_, frame| {
            let data = frame.text().and_then(ping);
            let pong = data.map(|data| format!(r#"{{"type":"pong","data":"{data}"}}"#));
            pong.map(|pong| Reply::ToSender(pong.into()))
                .into_iter()
                .collect()
        });
        Self {
            page: inner.add_client(config),
            inner,
            events: Vec::new(),
            beats: Vec::new(),
            must_stay_open: false,
        }
    }

    /// A world in which the page is connected.
    pub(crate) fn connected() -> Self {
        Self::connected_by_chance(7)
    }

    /// As [`World::connected`], with other draws.
    pub(crate) fn connected_by_chance(seed: u64) -> Self {
        let mut world = Self::by_chance(seed, Config::default());
        world.connect();
        world.run(LATENCY * 4);
        assert!(world.state().is_open());
        world.events.clear();
        world.beats.clear();
        world
    }

    fn does<T>(&mut self, what: impl FnOnce(&mut testkit::World, ClientId) -> T) -> T {
        let answer = what(&mut self.inner, self.page);
        for event in self.inner.take_events(self.page) {
            match event {
                Event::Pinged { .. } | Event::Ponged { .. } | Event::Mute { .. } => {
                    self.beats.push(event);
                }
                _ => self.events.push(event),
            }
        }
        answer
    }

    // The page.

    /// Calls the connection as a driver would.
    pub(crate) fn act<T>(&mut self, call: impl FnOnce(&mut Connection, Instant, Jitter) -> T) -> T {
        self.does(|world, page| world.act(page, call))
    }

    pub(crate) fn connect(&mut self) {
        self.does(testkit::World::connect);
    }

    pub(crate) fn close(&mut self) {
        self.does(testkit::World::close);
    }

    pub(crate) fn send(&mut self, text: &str) -> SendOutcome {
        self.does(|world, page| world.send(page, text))
    }

    pub(crate) fn goes_offline(&mut self) {
        self.does(testkit::World::goes_offline);
    }

    pub(crate) fn comes_online(&mut self) {
        self.does(testkit::World::comes_online);
    }

    pub(crate) fn wakes(&mut self) {
        self.does(testkit::World::wakes);
    }

    pub(crate) fn is_seen(&mut self, visible: bool) {
        self.does(|world, page| world.is_seen(page, visible));
    }

    /// The clock on the wall is looked at.
    pub(crate) fn looks_at_the_clock(&mut self, wall: u64) {
        self.act(|connection, now, jitter| connection.handle_clock(now, wall, jitter));
    }

    /// The page does not run for so long; then what came meanwhile is heard, timers first.
    pub(crate) fn freezes_for(&mut self, time: Duration) {
        self.thaws_after(time, |_| {});
    }

    /// As [`World::freezes_for`], and this comes after the timers and before the rest.
    pub(crate) fn thaws_after(&mut self, time: Duration, resumed: impl FnOnce(&mut Self)) {
        self.does(testkit::World::freezes);
        self.run(time);
        self.act(Connection::handle_timeout);
        resumed(self);
        self.does(testkit::World::thaws);
    }

    /// The socket has sent all but so much of what it was given.
    pub(crate) fn drains_to(&mut self, bytes: usize) {
        self.does(|world, page| world.buffers(page, bytes));
    }

    pub(crate) fn connection(&self) -> &Connection {
        self.inner.connection(self.page)
    }

    pub(crate) fn state(&self) -> State {
        self.connection().state()
    }

    /// The number of the socket of now, for reports that come out of turn.
    pub(crate) fn present(&self) -> Generation {
        self.state().generation().expect("there is a socket")
    }

    pub(crate) fn open_sockets(&self) -> usize {
        self.inner.open_sockets(self.page)
    }

    pub(crate) fn dials(&self) -> &[Dialled] {
        self.inner.dials(self.page)
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

    // The gateway and the network.

    /// From now on this becomes of that, too.
    pub(crate) fn add_rule(&mut self, on: Match, then: Action) {
        self.inner.add_rule(Rule::new(on, then)).unwrap();
    }

    /// From now on this becomes of dials, and everything else is as usual.
    pub(crate) fn dials_meet(&mut self, then: Action) {
        self.is_well();
        self.add_rule(Match::dial(), then);
    }

    /// From now on this becomes of pings, and everything else is as usual.
    pub(crate) fn pings_meet(&mut self, then: Action) {
        self.is_well();
        self.add_rule(Match::from_client().field("action", "ping"), then);
    }

    /// From now on everything is as usual.
    pub(crate) fn is_well(&mut self) {
        self.inner.clear_rules();
    }

    /// The server's process ends: the system closes its sockets, and dials are refused.
    pub(crate) fn server_dies(&mut self) {
        self.dials_meet(Action::Refuse(503));
        self.inner.cut_all();
    }

    /// The server closes all its sockets with this code.
    pub(crate) fn server_closes(&mut self, code: u16) {
        self.inner.close_all(code).unwrap();
    }

    /// The server closes the oldest of its sockets with this code, for this reason.
    pub(crate) fn closes_the_first(&mut self, code: u16, reason: &str) {
        let mut dials = self.inner.seen().dials().iter();
        let first = dials.find(|dial| dial.state == DialState::Open).unwrap();
        let number = first.number;
        self.inner.close_one(number, code, reason).unwrap();
    }

    /// The server closes the youngest of its sockets with this code.
    pub(crate) fn closes_the_last(&mut self, code: u16) {
        let mut dials = self.inner.seen().dials().iter().rev();
        let last = dials.find(|dial| dial.state == DialState::Open).unwrap();
        let number = last.number;
        self.inner.close_one(number, code, "").unwrap();
    }

    /// Packets of the sockets of now vanish, both ways; those of later ones don't.
    pub(crate) fn goes_silent(&mut self) {
        self.inner.go_silent();
    }

    /// How long a packet travels, one way.
    pub(crate) fn set_latency(&mut self, latency: Duration) {
        self.inner.set_latency(latency);
    }

    /// The server sends a frame to every socket that it holds.
    pub(crate) fn broadcast(&mut self, text: &str) {
        self.inner.broadcast(text);
    }

    /// What the server has received but pings, in the order of arrival.
    pub(crate) fn received(&self) -> Vec<&str> {
        let texts = self.inner.seen().texts_from_clients();
        texts.filter(|text| ping(text).is_none()).collect()
    }

    /// How many pings the server has received.
    pub(crate) fn pings(&self) -> usize {
        let texts = self.inner.seen().texts_from_clients();
        texts.filter(|text| ping(text).is_some()).count()
    }

    // Time.

    pub(crate) fn now(&self) -> Instant {
        self.inner.now()
    }

    /// Lets this much time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now() + time;
        while self.step(end) {}
    }

    /// Lets time pass until the client is in a state of this name, and says how long it took.
    pub(crate) fn run_until(&mut self, state: &str, at_most: Duration) -> Duration {
        self.does(|world, page| world.run_until_state(page, state, at_most))
    }

    /// Lets the next thing happen, unless there is none until `end`.
    pub(crate) fn step(&mut self, end: Instant) -> bool {
        let is_left = self.does(|world, _| world.step(end));
        assert!(
            !self.must_stay_open || self.open_sockets() > 0,
            "no socket is open"
        );
        is_left
    }
}
