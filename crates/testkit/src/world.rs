//! Connections and a fake gateway, on virtual time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use babelwire_client_core::{
    Closed, Config, Connection, Event, Generation, Instant, Jitter, Output, Payload, SendOutcome,
    State,
};

use crate::{
    Dice, Frame, Reply, Seen, VirtualClock,
    gateway::{Backend, FakeCore, Order},
    rules::{Request, Rule, RuleError, RuleId, check_close},
    seen::DialState,
};

/// How long a packet travels in a [`World`], one way, unless it is told otherwise.
pub const LATENCY: Duration = Duration::from_millis(20);

/// The stage of the clients that name none.
const STAGE: &str = "/live";

/// What a browser says of a socket that ended without a close frame.
const ABNORMAL: u16 = 1006;

impl From<Payload> for Frame {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Text(text) => Self::Text(text),
            Payload::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl From<Frame> for Payload {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Text(text) => Self::Text(text),
            Frame::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

/// Names a client of a [`World`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(usize);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.0)
    }
}

/// A world of clients, a fake gateway and the network between them, in which a day with its
/// 17,000 pings passes in half a second.
///
/// Each client is a [`Connection`] with a driver as it should be: it dials when it is told to,
/// reports what happens, and wakes the connection when it asked to be woken. The gateway is that of
/// `FakeGateway`, by the same [rules](crate::rules), in one stage. Time passes only in
/// [`run`](World::run) and its like, and chance comes from [`Dice`]: every run is the same.
///
/// ```
/// use std::time::Duration;
/// use babelwire_client_core::Config;
/// use babelwire_testkit::{World, rules::{Action, Match, Rule}};
///
/// let mut world = World::new();
/// let page = world.add_client(Config::default());
/// // For the first hour of its life the gateway is being deployed.
/// let refused = world.add_rule(Rule::new(Match::dial(), Action::Refuse(503)))?;
/// world.connect(page);
/// world.run(Duration::from_secs(3600));
/// assert!(!world.state(page).is_open());
///
/// world.remove_rule(refused);
/// world.run_until_state(page, "open", Duration::from_secs(120));
/// world.broadcast("hello");
/// world.run(Duration::from_secs(1));
/// assert_eq!(world.frames(page), ["hello"]);
/// # Ok::<(), babelwire_testkit::rules::RuleError>(())
/// ```
///
/// # Panics
///
/// Where a connection does not keep its own promises: it has more than two sockets, sends over
/// one that is not open, or asks to be woken at a moment that has passed.
#[derive(Debug)]
pub struct World {
    clock: VirtualClock<Happening>,
    start: Instant,
    gateway: FakeCore,
    clients: Vec<Client>,
    /// Which client is woken when.
    alarms: BTreeSet<(Instant, usize)>,
    /// Whose socket it is, by the gateway's number of the connection.
    sockets: BTreeMap<u64, (usize, Generation)>,
    latency: Duration,
    dice: Dice,
}

#[derive(Debug)]
struct Client {
    connection: Connection,
    request: Request,
    events: Vec<Event>,
    dials: Vec<Dialled>,
    /// The sockets that it holds.
    held: BTreeMap<Generation, Socket>,
    alarm: Option<Instant>,
    buffered: usize,
    /// What came while it was frozen.
    frozen: Option<Vec<(Generation, News)>>,
}

/// A dial of a client, as its driver was told to make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dialled {
    /// When.
    pub at: Instant,
    /// The socket's generation.
    pub generation: Generation,
    /// Whether the client had to authenticate anew.
    pub reauthenticate: bool,
}

#[derive(Debug, Default)]
struct Socket {
    /// The gateway's number, once the dial has reached it.
    number: Option<u64>,
    is_open: bool,
}

/// What reaches a client.
#[derive(Debug)]
enum News {
    Opened,
    Frame(Frame),
    Closed(Closed),
}

#[derive(Debug)]
enum Happening {
    DialReachesGateway(usize, Generation),
    FrameReachesGateway(u64, Frame),
    /// The client's end of the socket is gone, with a close frame or without.
    LeaveReachesGateway(u64, Option<(u16, String)>),
    ReachesClient(usize, Generation, News),
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A world without clients, with a gateway that answers as a small backend of API Gateway's
    /// kind (`echomessage`, `ping`).
    pub const fn new() -> Self {
        Self::with_seed(7)
    }

    /// As [`World::new`], with other dice.
    pub const fn with_seed(seed: u64) -> Self {
        let clock = VirtualClock::new();
        Self {
            start: clock.now(),
            clock,
            gateway: FakeCore::new(Backend::Own, seed),
            clients: Vec::new(),
            alarms: BTreeSet::new(),
            sockets: BTreeMap::new(),
            latency: LATENCY,
            dice: Dice::new(seed),
        }
    }

    /// Sets how long a packet travels, one way.
    pub const fn set_latency(&mut self, latency: Duration) {
        self.latency = latency;
    }

    /// Adds a client that is not connected yet, and dials `/live`.
    pub fn add_client(&mut self, config: Config) -> ClientId {
        self.add_client_at(config, STAGE)
    }

    /// Adds a client that dials this path and query, such as `/live?token=t`.
    pub fn add_client_at(&mut self, config: Config, path_and_query: &str) -> ClientId {
        self.clients.push(Client {
            connection: Connection::new(config),
            request: Request::new(path_and_query),
            events: Vec::new(),
            dials: Vec::new(),
            held: BTreeMap::new(),
            alarm: None,
            buffered: 0,
            frozen: None,
        });
        ClientId(self.clients.len() - 1)
    }

    // The clients.

    /// Calls a client's connection as its driver would, with the time and a random number, and
    /// does what the connection wants done. For calls that have no method here.
    pub fn act<T>(
        &mut self,
        client: ClientId,
        call: impl FnOnce(&mut Connection, Instant, Jitter) -> T,
    ) -> T {
        let now = self.now();
        let jitter = self.dice.roll();
        let answer = call(&mut self.clients[client.0].connection, now, jitter);
        self.obey(client.0);
        answer
    }

    /// The client wants a connection.
    pub fn connect(&mut self, client: ClientId) {
        self.act(client, |connection, now, _| connection.connect(now));
    }

    /// The client wants none any more.
    pub fn close(&mut self, client: ClientId) {
        self.act(client, |connection, _, _| connection.close());
    }

    /// The client sends a frame.
    pub fn send(&mut self, client: ClientId, frame: impl Into<Frame>) -> SendOutcome {
        let payload = frame.into().into();
        self.act(client, |connection, now, _| connection.send(now, payload))
    }

    /// The client's machine loses its network.
    pub fn goes_offline(&mut self, client: ClientId) {
        self.act(client, |connection, now, _| connection.handle_offline(now));
    }

    /// The client's machine has a network again.
    pub fn comes_online(&mut self, client: ClientId) {
        self.act(client, Connection::handle_online);
    }

    /// The client's page is resumed.
    pub fn wakes(&mut self, client: ClientId) {
        self.act(client, Connection::handle_wake);
    }

    /// The client's page is looked at, or no more.
    pub fn is_seen(&mut self, client: ClientId, visible: bool) {
        self.act(client, |connection, now, jitter| {
            connection.handle_visibility(now, visible, jitter);
        });
    }

    /// The client does not run any more: its timers do not fire, and what reaches it waits.
    pub fn freezes(&mut self, client: ClientId) {
        self.clients[client.0].frozen.get_or_insert_default();
        self.set_alarm(client.0);
    }

    /// The client runs again: first its timer fires, then it hears what came meanwhile.
    pub fn thaws(&mut self, client: ClientId) {
        let Some(backlog) = self.clients[client.0].frozen.take() else {
            return;
        };
        self.act(client, Connection::handle_timeout);
        for (generation, news) in backlog {
            self.tell(client.0, generation, news);
        }
    }

    /// From now on the client's sockets say that they have not sent this many bytes.
    pub fn buffers(&mut self, client: ClientId, bytes: usize) {
        self.clients[client.0].buffered = bytes;
    }

    /// The client's connection.
    pub fn connection(&self, client: ClientId) -> &Connection {
        &self.clients[client.0].connection
    }

    /// Where the client's connection stands.
    pub fn state(&self, client: ClientId) -> State {
        self.connection(client).state()
    }

    /// What the client was told, since the beginning or [`World::take_events`].
    pub fn events(&self, client: ClientId) -> &[Event] {
        &self.clients[client.0].events
    }

    /// Takes what the client was told.
    pub fn take_events(&mut self, client: ClientId) -> Vec<Event> {
        std::mem::take(&mut self.clients[client.0].events)
    }

    /// The texts that reached the client's application, among its events.
    pub fn frames(&self, client: ClientId) -> Vec<&str> {
        let events = self.events(client).iter();
        events
            .filter_map(|event| match event {
                Event::Frame { payload, .. } => payload.text(),
                _ => None,
            })
            .collect()
    }

    /// The states that the client entered, by name, among its events.
    pub fn states(&self, client: ClientId) -> Vec<&'static str> {
        let events = self.events(client).iter();
        events
            .filter_map(|event| match event {
                Event::Changed { to, .. } => Some(to.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The client's dials, in order.
    pub fn dials(&self, client: ClientId) -> &[Dialled] {
        &self.clients[client.0].dials
    }

    /// How many open sockets the client holds: two while one replaces the other.
    pub fn open_sockets(&self, client: ClientId) -> usize {
        let held = self.clients[client.0].held.values();
        held.filter(|socket| socket.is_open).count()
    }

    // The gateway.

    /// From now on this function answers the clients' frames, in place of the gateway itself: it
    /// takes the connection's number and the frame.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use babelwire_client_core::{Config, SendOutcome};
    /// # use babelwire_testkit::{Reply, World};
    /// let mut world = World::new();
    /// let page = world.add_client(Config::default());
    /// world.set_backend(|_, frame| match frame.text() {
    ///     Some("knock knock") => vec![Reply::ToSender("who's there?".into())],
    ///     _ => Vec::new(),
    /// });
    /// world.connect(page);
    /// world.run(Duration::from_secs(1));
    /// assert_eq!(world.send(page, "knock knock"), SendOutcome::Sent);
    /// world.run(Duration::from_secs(1));
    /// assert_eq!(world.frames(page), ["who's there?"]);
    /// ```
    pub fn set_backend(&mut self, answer: impl FnMut(u64, &Frame) -> Vec<Reply> + Send + 'static) {
        self.gateway.set_backend(Box::new(answer));
    }

    /// Adds a rule behind those that are there.
    pub fn add_rule(&mut self, rule: Rule) -> Result<RuleId, RuleError> {
        self.gateway.add_rule(rule)
    }

    /// Removes a rule; `false` if it was gone already.
    pub fn remove_rule(&mut self, rule: RuleId) -> bool {
        self.gateway.remove_rule(rule)
    }

    /// Removes all rules. What they did stays done: a silent connection stays silent.
    pub fn clear_rules(&mut self) {
        self.gateway.clear_rules();
    }

    /// The gateway sends a frame to every open connection, rules permitting; the answer is to how
    /// many.
    pub fn broadcast(&mut self, frame: impl Into<Frame>) -> usize {
        let frame = frame.into();
        self.steer(|gateway, now| gateway.broadcast(now, &frame))
    }

    /// The gateway sends a frame to the connection with this number, rules permitting.
    pub fn send_to(&mut self, connection: u64, frame: impl Into<Frame>) {
        let frame = frame.into();
        self.steer(|gateway, now| gateway.frame_to_client(now, connection, frame));
    }

    /// The gateway closes every open connection with this code; the answer is how many.
    pub fn close_all(&mut self, code: u16) -> Result<usize, RuleError> {
        check_close(code, "")?;
        Ok(self.each(&[DialState::Open], |gateway, number| {
            gateway.close(number, code, "")
        }))
    }

    /// The gateway closes the connection with this number, with this code and reason; `false` if
    /// it is not open.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use babelwire_client_core::Config;
    /// # use babelwire_testkit::World;
    /// # let mut world = World::new();
    /// # let page = world.add_client(Config::default());
    /// # world.connect(page);
    /// # world.run(Duration::from_secs(60));
    /// // A server that is about to restart says when to come back.
    /// assert!(world.close_one(1, 1012, "retry-after=40")?);
    /// world.run(Duration::from_secs(39));
    /// assert_eq!(world.dials(page).len(), 1);
    /// # world.run_until_state(page, "open", Duration::from_secs(3));
    /// # Ok::<(), babelwire_testkit::rules::RuleError>(())
    /// ```
    pub fn close_one(
        &mut self,
        connection: u64,
        code: u16,
        reason: &str,
    ) -> Result<bool, RuleError> {
        check_close(code, reason)?;
        Ok(self.steer(|gateway, _| gateway.close(connection, code, reason)))
    }

    /// Every connection ends without a closing handshake, as when the gateway's machine dies; the
    /// answer is how many.
    pub fn cut_all(&mut self) -> usize {
        self.each(&DialState::PRESENT, FakeCore::cut)
    }

    /// From now on nothing gets through on the connections that are open now; the answer is how
    /// many. New connections are as usual.
    pub fn go_silent(&mut self) -> usize {
        self.each(&[DialState::Open], FakeCore::silence)
    }

    /// What the gateway has seen until now.
    pub const fn seen(&self) -> &Seen {
        self.gateway.seen()
    }

    // Time.

    /// What time it is.
    pub const fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Lets this much time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now() + time;
        while self.step(end) {}
    }

    /// Lets time pass until this is true, and says how long it took.
    ///
    /// # Panics
    ///
    /// If it is not true within this time.
    pub fn run_until(&mut self, at_most: Duration, condition: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now();
        let end = start + at_most;
        while !condition(self) {
            assert!(
                self.step(end),
                "what the test waits for did not happen within {at_most:?}; the gateway has \
                 seen: {}",
                self.seen()
            );
        }
        self.now() - start
    }

    /// Lets time pass until the client is in the state of this name ([`State::as_str`]), and says
    /// how long it took.
    ///
    /// # Panics
    ///
    /// If it is not within this time.
    pub fn run_until_state(
        &mut self,
        client: ClientId,
        state: &str,
        at_most: Duration,
    ) -> Duration {
        self.run_until(at_most, |world| world.state(client).as_str() == state)
    }

    /// Lets the next thing happen; `false` if there is none until `end`, to which the clock has
    /// gone then.
    ///
    /// # Panics
    ///
    /// If a connection asks to be woken at a moment at which it just was.
    pub fn step(&mut self, end: Instant) -> bool {
        let arrival = self.clock.next_at();
        let gateway = self.gateway.poll_timeout().map(|at| self.start + at);
        let alarm = self.alarms.first().map(|(at, _)| *at);
        let next = [arrival, gateway, alarm].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= end) else {
            self.clock.go_to(end);
            return false;
        };
        if arrival == Some(next) {
            if let Some(happening) = self.clock.next_until(next) {
                self.happen(happening);
            }
        } else if gateway == Some(next) {
            self.clock.go_to(next);
            self.steer(FakeCore::timeout);
        } else if let Some((_, client)) = self.alarms.pop_first() {
            self.clock.go_to(next);
            self.clients[client].alarm = None;
            self.act(ClientId(client), Connection::handle_timeout);
            assert!(
                self.clients[client].alarm.is_none_or(|at| at > next),
                "a timer that has fired must not be due still"
            );
        }
        true
    }

    // The network.

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::DialReachesGateway(client, generation) => {
                let Client { held, request, .. } = &mut self.clients[client];
                let Some(socket) = held.get_mut(&generation) else {
                    return;
                };
                let request = request.clone();
                let number = self.gateway.dial(self.clock.now() - self.start, request);
                socket.number = Some(number);
                self.sockets.insert(number, (client, generation));
                self.deliver_orders();
            }
            Happening::FrameReachesGateway(number, frame) => {
                self.steer(|gateway, now| gateway.frame_from_client(now, number, frame));
            }
            Happening::LeaveReachesGateway(number, close) => {
                // A close frame into silence is not heard, and the TCP connection's end is.
                let is_silent = self.gateway.state(number) == Some(DialState::Silent);
                let close = close.filter(|_| !is_silent);
                self.steer(|gateway, _| gateway.gone(number, close));
                self.sockets.remove(&number);
            }
            Happening::ReachesClient(client, generation, news) => {
                match &mut self.clients[client].frozen {
                    Some(backlog) => backlog.push((generation, news)),
                    None => self.tell(client, generation, news),
                }
            }
        }
    }

    /// What becomes of sockets that were left behind is reported all the same, as no good driver
    /// would: the connection must not care.
    fn tell(&mut self, client: usize, generation: Generation, news: News) {
        let held = &mut self.clients[client].held;
        match news {
            News::Opened => {
                if let Some(socket) = held.get_mut(&generation) {
                    socket.is_open = true;
                }
                self.act(ClientId(client), |connection, now, jitter| {
                    connection.handle_opened(now, generation, jitter);
                });
            }
            News::Frame(frame) => self.act(ClientId(client), |connection, now, _| {
                connection.handle_frame(now, generation, frame.into());
            }),
            News::Closed(closed) => {
                if let Some(Socket {
                    number: Some(number),
                    ..
                }) = held.remove(&generation)
                {
                    let leave = Happening::LeaveReachesGateway(number, None);
                    self.clock.after(self.latency, leave);
                }
                self.act(ClientId(client), |connection, now, jitter| {
                    connection.handle_closed(now, generation, closed, jitter);
                });
            }
        }
    }

    fn steer<T>(&mut self, call: impl FnOnce(&mut FakeCore, Duration) -> T) -> T {
        let now = self.clock.now() - self.start;
        let answer = call(&mut self.gateway, now);
        self.deliver_orders();
        answer
    }

    fn each(&mut self, states: &[DialState], act: impl Fn(&mut FakeCore, u64) -> bool) -> usize {
        self.steer(|gateway, _| {
            let present = gateway.in_state(states).into_iter();
            present.filter(|number| act(gateway, *number)).count()
        })
    }

    fn deliver_orders(&mut self) {
        while let Some((number, order)) = self.gateway.poll_order() {
            let Some((client, generation)) = self.sockets.get(&number).copied() else {
                continue;
            };
            let news = match order {
                Order::Accept => {
                    let now = self.clock.now() - self.start;
                    self.reaches_client(client, generation, News::Opened);
                    self.gateway.opened(now, number);
                    continue;
                }
                Order::Send(frame) => News::Frame(frame),
                // A browser does not tell a page the status.
                Order::Refuse { .. } | Order::Cut => News::Closed(Closed {
                    code: ABNORMAL,
                    reason: String::new(),
                    was_clean: false,
                }),
                Order::Close { code, reason } => News::Closed(Closed {
                    code,
                    reason,
                    was_clean: true,
                }),
                Order::Silence => continue,
                #[cfg(feature = "server")]
                Order::PassOn(_) => continue,
            };
            self.reaches_client(client, generation, news);
        }
    }

    fn reaches_client(&mut self, client: usize, generation: Generation, news: News) {
        let happening = Happening::ReachesClient(client, generation, news);
        self.clock.after(self.latency, happening);
    }

    /// Does what a client's connection wants done.
    fn obey(&mut self, index: usize) {
        let now = self.clock.now();
        while let Some(output) = self.clients[index].connection.poll_output() {
            let client = &mut self.clients[index];
            match output {
                Output::Dial {
                    generation,
                    reauthenticate,
                } => {
                    assert!(client.held.len() < 2, "two sockets at most");
                    client.held.insert(generation, Socket::default());
                    client.dials.push(Dialled {
                        at: now,
                        generation,
                        reauthenticate,
                    });
                    let dial = Happening::DialReachesGateway(index, generation);
                    self.clock.after(self.latency, dial);
                }
                Output::Abandon { generation } => {
                    if let Some(Socket {
                        number: Some(number),
                        is_open,
                    }) = client.held.remove(&generation)
                    {
                        // As `babelwire-client` closes.
                        let close = is_open.then(|| (1000, String::new()));
                        let leave = Happening::LeaveReachesGateway(number, close);
                        self.clock.after(self.latency, leave);
                    }
                }
                Output::Transmit {
                    generation,
                    payload,
                } => {
                    let socket = client.held.get(&generation).filter(|socket| socket.is_open);
                    let number = socket.and_then(|socket| socket.number);
                    assert!(number.is_some(), "sent over a socket that is open");
                    if let Some(number) = number {
                        let arrival = Happening::FrameReachesGateway(number, payload.into());
                        self.clock.after(self.latency, arrival);
                    }
                }
                Output::MeasureBuffer { generation } => {
                    let buffered = client.buffered;
                    client.connection.handle_buffered(now, generation, buffered);
                }
                Output::Event(event) => client.events.push(event),
            }
        }
        self.set_alarm(index);
    }

    fn set_alarm(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let is_frozen = client.frozen.is_some();
        let due = client.connection.poll_timeout().filter(|_| !is_frozen);
        let before = std::mem::replace(&mut client.alarm, due);
        if before != due {
            self.alarms.extend(due.map(|at| (at, index)));
            if let Some(at) = before {
                self.alarms.remove(&(at, index));
            }
        }
    }
}
