//! Tabs of one browser that share a connection: real machines, joined to models of the browser's
//! locks and channel and of a server, on virtual time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use babelwire_client_core::{
    Cause, Claim, Closed, Config, Connection, Continuity, Discard, Event, Generation, Instant,
    OutboxLimits, Output, Payload, Rejection, Rollover, SendOutcome, State, Subscription, TabId,
    TabMessage, Tabs, TabsOutput, Ticket,
};
use proptest::prelude::*;

use crate::world::Dice;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// One way between a tab and the server.
const LATENCY: Duration = Duration::from_millis(20);

/// Within this time from its death, a leader is replaced.
const REPLACED: Duration = Duration::from_secs(2);

/// How long a dial takes that succeeds, with time for the tabs to hear of it.
const DIAL: Duration = Duration::from_millis(60);

type Who = usize;

/// A socket: of which tab, of which of its connections, and which one of that.
type Socket = (Who, u32, Generation);

#[derive(Debug)]
enum Happening {
    DialReachesServer(Socket),
    OpenReachesClient(Socket),
    FrameReachesServer(Socket, Payload),
    FrameReachesClient(Socket, Payload),
    CloseReachesClient(Socket, u16),
    /// To the tab, as it was called when this was posted.
    Message(Who, TabId, TabMessage),
    Attached(Who, TabId),
    Granted(Who, Claim),
    Lost(Who, Claim),
    Gone(Who, TabId),
}

impl Happening {
    /// The tab that it happens to, if any.
    fn to(&self) -> Option<Who> {
        match self {
            Self::DialReachesServer(_) | Self::FrameReachesServer(..) => None,
            Self::OpenReachesClient((who, ..))
            | Self::FrameReachesClient((who, ..), _)
            | Self::CloseReachesClient((who, ..), _)
            | Self::Message(who, ..)
            | Self::Attached(who, _)
            | Self::Granted(who, _)
            | Self::Lost(who, _)
            | Self::Gone(who, _) => Some(*who),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    /// Nothing runs in it; what happens to it waits.
    Frozen,
    /// Its process is gone.
    Gone,
}

struct Tab {
    id: TabId,
    tabs: Tabs,
    connection: Option<Connection>,
    connections: u32,
    held: BTreeSet<Generation>,
    life: Life,
    attached: bool,
    hidden_since: Option<Instant>,
    /// Whether somebody looks at another tab that shares its connection.
    watched: bool,
    waiting: VecDeque<Happening>,
    events: Vec<Event>,
    /// The last socket that was told as open.
    opened: Option<Generation>,
    /// Frames taken and not resolved yet, in order.
    unresolved: VecDeque<(Ticket, Payload)>,
}

/// What the browser knows of the one lock that all compete for: who holds it, and who stands in
/// line.
#[derive(Default)]
struct Lock {
    holder: Option<(Who, Claim)>,
    queue: VecDeque<(Who, Claim)>,
}

struct Browser {
    now: Instant,
    tabs: Vec<Tab>,
    lock: Lock,
    /// Who waits for whose own lock.
    watches: BTreeSet<(Who, TabId)>,
    /// Messages of one tab to another arrive in order.
    last_delivery: BTreeMap<(Who, Who), Instant>,
    posts: u64,
    /// How many timers have fired in this very moment.
    rings: (Instant, u32),
    steals: u32,
    agenda: BTreeMap<(Instant, u64), Happening>,
    scheduled: u64,
    dice: Dice,
    config: Config,
    server_accepts: bool,
    /// With what it closes a dial that it does not accept.
    refusal: u16,
    /// Sockets that the server holds open.
    accepted: BTreeSet<Socket>,
    /// Those, and those that it held.
    known: BTreeSet<Socket>,
    most_accepted: usize,
    dials: u32,
    /// What the server has received, heartbeats aside.
    received: Vec<String>,
    /// Since when more than one running tab has led.
    doubled_since: Option<Instant>,
    longest_doubled: Duration,
}

impl Browser {
    fn new() -> Self {
        Self::with(&Config {
            rollover: None,
            ..Config::default()
        })
    }

    fn with(config: &Config) -> Self {
        Self {
            now: Instant::from_millis(1_000_000),
            tabs: Vec::new(),
            lock: Lock::default(),
            watches: BTreeSet::new(),
            last_delivery: BTreeMap::new(),
            posts: 0,
            rings: (Instant::default(), 0),
            steals: 0,
            agenda: BTreeMap::new(),
            scheduled: 0,
            dice: Dice::new(11),
            config: *config,
            server_accepts: true,
            refusal: 1006,
            accepted: BTreeSet::new(),
            known: BTreeSet::new(),
            most_accepted: 0,
            dials: 0,
            received: Vec::new(),
            doubled_since: None,
            longest_doubled: Duration::ZERO,
        }
    }

    /// A browser with this many tabs, all of them connected, of which the last is looked at. The
    /// first one leads.
    fn with_tabs(count: usize) -> Self {
        let mut browser = Self::new();
        for _ in 0..count {
            for who in 0..browser.tabs.len() {
                browser.hide(who);
            }
            browser.open_tab();
            browser.run(DIAL);
        }
        assert_eq!(browser.leaders(), [0]);
        for who in 0..count {
            assert!(browser.is_open(who), "{who}");
            browser.tabs[who].events.clear();
        }
        browser
    }

    fn open_tab(&mut self) -> Who {
        self.open(None)
    }

    /// Opens a tab that nobody looks at.
    fn open_tab_behind(&mut self) -> Who {
        self.open(Some(self.now))
    }

    fn open(&mut self, hidden_since: Option<Instant>) -> Who {
        let who = self.tabs.len();
        // Names have no order in time.
        let id = TabId::from_number((who as u64 + 1) * 70_001 % 104_729);
        self.tabs.push(Tab {
            id,
            tabs: Tabs::new(id, self.config.outbox),
            connection: None,
            connections: 0,
            held: BTreeSet::new(),
            life: Life::Running,
            attached: false,
            hidden_since,
            watched: false,
            waiting: VecDeque::new(),
            events: Vec::new(),
            opened: None,
            unresolved: VecDeque::new(),
        });
        let jitter = self.dice.roll();
        let tabs = &mut self.tabs[who].tabs;
        tabs.handle_visibility(self.now, hidden_since.is_none(), jitter);
        tabs.connect(self.now, jitter);
        self.obey(who);
        who
    }

    fn retry_now(&mut self, who: Who) {
        let jitter = self.dice.roll();
        self.tabs[who].tabs.connect(self.now, jitter);
        self.obey(who);
    }

    fn drop_client(&mut self, who: Who) {
        self.tabs[who].tabs.close();
        self.obey(who);
    }

    /// Somebody closes the tab: the page is told, and then it is gone.
    fn close_tab(&mut self, who: Who) {
        self.tabs[who].tabs.handle_suspend();
        self.obey(who);
        self.crash(who);
    }

    /// The browser takes back what the process had.
    fn crash(&mut self, who: Who) {
        self.tabs[who].life = Life::Gone;
        self.tabs[who].waiting.clear();
        self.tabs[who].held.clear();
        self.accepted.retain(|(of, ..)| *of != who);
        self.drop_lock(who);
        self.watches.retain(|(watcher, _)| *watcher != who);
        self.detach(who);
    }

    /// The page stands still without a word: a debugger, a dialog, an endless loop.
    fn freeze(&mut self, who: Who) {
        self.tabs[who].life = Life::Frozen;
    }

    /// The browser freezes the page, and says so.
    fn freeze_politely(&mut self, who: Who) {
        self.tabs[who].tabs.handle_suspend();
        self.obey(who);
        self.freeze(who);
    }

    fn thaw(&mut self, who: Who) {
        if self.tabs[who].life != Life::Frozen {
            return;
        }
        self.tabs[who].life = Life::Running;
        let jitter = self.dice.roll();
        self.tabs[who].tabs.handle_resume(self.now, jitter);
        self.obey(who);
        // As in a browser, timers that are overdue may run before messages that wait.
        self.ring(who);
        for happening in std::mem::take(&mut self.tabs[who].waiting) {
            self.happen(happening);
        }
    }

    fn hide(&mut self, who: Who) {
        if self.tabs[who].hidden_since.is_none() && self.tabs[who].life == Life::Running {
            self.tabs[who].hidden_since = Some(self.now);
            self.tell_visibility(who);
        }
    }

    fn show(&mut self, who: Who) {
        if self.tabs[who].hidden_since.is_some() && self.tabs[who].life == Life::Running {
            self.tabs[who].hidden_since = None;
            self.tell_visibility(who);
        }
    }

    fn tell_visibility(&mut self, who: Who) {
        let (now, jitter) = (self.now, self.dice.roll());
        let tab = &mut self.tabs[who];
        let visible = tab.hidden_since.is_none();
        tab.tabs.handle_visibility(now, visible, jitter);
        if let Some(connection) = &mut tab.connection {
            connection.handle_visibility(now, visible || tab.watched, jitter);
        }
        self.obey(who);
    }

    fn send(&mut self, who: Who, text: &str) -> SendOutcome {
        let outcome = self.tabs[who].tabs.send(self.now, text.into());
        self.took(who, &outcome, text);
        outcome
    }

    fn join(&mut self, who: Who, key: &str) -> SendOutcome {
        let begin = format!("join {key}");
        let begins = Subscription {
            key: key.to_owned(),
            ending: format!("leave {key}").into(),
        };
        let outcome = self.tabs[who]
            .tabs
            .join(self.now, begin.as_str().into(), begins);
        self.took(who, &outcome, &begin);
        outcome
    }

    fn leave(&mut self, who: Who, key: &str) {
        self.tabs[who].tabs.leave(key);
        self.obey(who);
    }

    fn took(&mut self, who: Who, outcome: &SendOutcome, text: &str) {
        if let SendOutcome::Queued(ticket) = outcome {
            self.tabs[who].unresolved.push_back((*ticket, text.into()));
        }
        self.obey(who);
    }

    /// The backend sends a frame to every connection.
    fn broadcast(&mut self, text: &str) {
        for socket in self.accepted.clone() {
            self.after(LATENCY, Happening::FrameReachesClient(socket, text.into()));
        }
    }

    fn server_goes_down(&mut self) {
        self.server_accepts = false;
        for socket in std::mem::take(&mut self.accepted) {
            self.after(LATENCY, Happening::CloseReachesClient(socket, 1006));
        }
    }

    fn is_open(&self, who: Who) -> bool {
        self.tabs[who].tabs.state().is_open()
    }

    /// The running tabs that lead.
    fn leaders(&self) -> Vec<Who> {
        let leads = |who: &Who| {
            let tab = &self.tabs[*who];
            tab.life == Life::Running && tab.tabs.is_leading()
        };
        (0..self.tabs.len()).filter(leads).collect()
    }

    fn frames(&self, who: Who) -> Vec<&str> {
        let events = self.tabs[who].events.iter();
        events
            .filter_map(|event| match event {
                Event::Frame { payload, .. } => payload.text(),
                _ => None,
            })
            .collect()
    }

    fn openings(&self, who: Who) -> Vec<Continuity> {
        let continuity = |event: &Event| match event {
            Event::Opened { continuity, .. } => Some(*continuity),
            _ => None,
        };
        self.tabs[who]
            .events
            .iter()
            .filter_map(continuity)
            .collect()
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    fn run_until(&mut self, what: &str, at_most: Duration, so: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now;
        while !so(self) {
            assert!(self.step(start + at_most), "not within {at_most:?}: {what}");
        }
        self.now - start
    }

    /// Lets the next thing happen, unless there is none until `end`.
    fn step(&mut self, end: Instant) -> bool {
        let happening = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let timer = (0..self.tabs.len())
            .filter_map(|who| Some((self.timer(who)?, who)))
            .min();
        let next = happening.into_iter().chain(timer.map(|(at, _)| at)).min();
        let Some(next) = next.filter(|next| *next <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        if happening == Some(next) {
            let (_, happening) = self.agenda.pop_first().unwrap();
            match happening.to().map(|who| (who, self.tabs[who].life)) {
                Some((_, Life::Gone)) => {}
                Some((who, Life::Frozen)) => self.tabs[who].waiting.push_back(happening),
                Some((_, Life::Running)) | None => self.happen(happening),
            }
        } else if let Some((_, who)) = timer {
            self.ring(who);
            // A delay may be drawn as none at all, but not again and again.
            self.rings = match self.rings {
                (at, count) if at == self.now => (at, count + 1),
                _ => (self.now, 1),
            };
            let most = 3 * u32::try_from(self.tabs.len()).unwrap();
            assert!(self.rings.1 <= most, "a timer that has fired is done");
        }
        self.note_leaders();
        true
    }

    /// When the tab's timers run: in a hidden page once a second, and once a minute after five
    /// minutes.
    fn timer(&self, who: Who) -> Option<Instant> {
        let tab = &self.tabs[who];
        if tab.life != Life::Running {
            return None;
        }
        let connection = tab.connection.as_ref().and_then(Connection::poll_timeout);
        let due = tab
            .tabs
            .poll_timeout()
            .into_iter()
            .chain(connection)
            .min()?;
        let due = due.max(self.now);
        let every = match tab.hidden_since {
            None => 1,
            Some(since) if due - since < 5 * MINUTE => 1_000,
            Some(_) => 60_000,
        };
        Some(Instant::from_millis(
            due.as_millis().div_ceil(every) * every,
        ))
    }

    fn ring(&mut self, who: Who) {
        let jitter = self.dice.roll();
        let tab = &mut self.tabs[who];
        tab.tabs.handle_timeout(self.now, jitter);
        if let Some(connection) = &mut tab.connection {
            connection.handle_timeout(self.now, jitter);
        }
        self.obey(who);
    }

    fn note_leaders(&mut self) {
        let leaders = self.leaders().len();
        let since = (leaders > 1).then(|| self.doubled_since.unwrap_or(self.now));
        self.doubled_since = since;
        if let Some(since) = since {
            self.longest_doubled = self.longest_doubled.max(self.now - since);
        }
        self.most_accepted = self.most_accepted.max(self.accepted.len());
    }

    fn after(&mut self, delay: Duration, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    fn at(&mut self, at: Instant, happening: Happening) {
        self.scheduled += 1;
        self.agenda.insert((at, self.scheduled), happening);
    }

    fn happen(&mut self, happening: Happening) {
        let jitter = self.dice.roll();
        let now = self.now;
        let to = happening.to();
        match happening {
            Happening::DialReachesServer(socket) => {
                let (who, number, generation) = socket;
                let tab = &self.tabs[who];
                if tab.connections != number || !tab.held.contains(&generation) {
                    // Left behind already.
                } else if self.server_accepts {
                    self.known.insert(socket);
                    self.accepted.insert(socket);
                    self.after(LATENCY, Happening::OpenReachesClient(socket));
                } else {
                    let refusal = self.refusal;
                    self.after(LATENCY, Happening::CloseReachesClient(socket, refusal));
                }
            }
            Happening::OpenReachesClient(socket) => {
                self.with_connection(socket, |connection, generation| {
                    connection.handle_opened(now, generation, jitter);
                });
            }
            Happening::FrameReachesServer(socket, payload) => {
                // The end of a connection comes after all that was sent over it.
                if self.known.contains(&socket) {
                    let text = payload.text().unwrap();
                    if let Some(ping) = text.strip_prefix(r#"{"action":"ping","#) {
                        let pong = format!(r#"{{"type":"pong",{ping}"#);
                        let pong = Payload::from(pong);
                        self.after(LATENCY, Happening::FrameReachesClient(socket, pong));
                    } else {
                        self.received.push(text.to_owned());
                    }
                }
            }
            Happening::FrameReachesClient(socket, payload) => {
                self.with_connection(socket, |connection, generation| {
                    connection.handle_frame(now, generation, payload);
                });
            }
            Happening::CloseReachesClient(socket, code) => {
                self.tabs[socket.0].held.remove(&socket.2);
                let closed = Closed {
                    code,
                    reason: String::new(),
                    was_clean: code != 1006,
                };
                self.with_connection(socket, |connection, generation| {
                    connection.handle_closed(now, generation, closed, jitter);
                });
            }
            Happening::Message(who, id, message) => {
                // A channel that was closed delivers nothing more.
                if self.tabs[who].attached && self.tabs[who].id == id {
                    self.tabs[who].tabs.handle_message(now, message);
                }
            }
            Happening::Attached(who, id) => {
                let tab = &mut self.tabs[who];
                if tab.attached {
                    tab.tabs.handle_attached(id);
                }
            }
            Happening::Granted(who, claim) => {
                self.tabs[who].tabs.handle_granted(claim, now.as_millis());
            }
            Happening::Lost(who, claim) => self.tabs[who].tabs.handle_lost(now, claim),
            Happening::Gone(who, id) => self.tabs[who].tabs.handle_gone(id),
        }
        if let Some(who) = to {
            self.obey(who);
        }
    }

    /// A connection that was stopped reports nothing more.
    fn with_connection(
        &mut self,
        (who, number, generation): Socket,
        then: impl FnOnce(&mut Connection, Generation),
    ) {
        let tab = &mut self.tabs[who];
        if let Some(connection) = &mut tab.connection
            && tab.connections == number
        {
            then(connection, generation);
        }
    }

    fn obey(&mut self, who: Who) {
        loop {
            let connection = self.tabs[who].connection.as_mut();
            if let Some(output) = connection.and_then(Connection::poll_output) {
                self.obey_connection(who, output);
            } else if let Some(output) = self.tabs[who].tabs.poll_output() {
                self.obey_tabs(who, output);
            } else {
                break;
            }
        }
    }

    fn obey_connection(&mut self, who: Who, output: Output) {
        let tab = &mut self.tabs[who];
        let socket = |generation| (who, tab.connections, generation);
        match output {
            Output::Dial { generation, .. } => {
                let socket = socket(generation);
                tab.held.insert(generation);
                self.dials += 1;
                self.after(LATENCY, Happening::DialReachesServer(socket));
            }
            Output::Abandon { generation } => {
                let socket = socket(generation);
                tab.held.remove(&generation);
                self.accepted.remove(&socket);
            }
            Output::Transmit {
                generation,
                payload,
            } => {
                let socket = socket(generation);
                assert!(tab.held.contains(&generation));
                self.after(LATENCY, Happening::FrameReachesServer(socket, payload));
            }
            Output::MeasureBuffer { generation } => {
                if let Some(connection) = &mut tab.connection {
                    connection.handle_buffered(self.now, generation, 0);
                }
            }
            Output::Event(event) => tab.tabs.handle_event(self.now, event),
        }
    }

    fn obey_tabs(&mut self, who: Who, output: TabsOutput) {
        match output {
            TabsOutput::Attach { tab: id } => {
                let tab = &mut self.tabs[who];
                tab.attached = true;
                tab.id = id;
                self.after(MILLISECOND, Happening::Attached(who, id));
            }
            TabsOutput::Detach => self.detach(who),
            TabsOutput::RequestLock { claim, steal } => self.request_lock(who, claim, steal),
            TabsOutput::ReleaseLock => self.drop_lock(who),
            TabsOutput::Post(message) => self.post(who, &message),
            TabsOutput::Watch { tab } => {
                let is_there = |other: &Tab| other.id == tab && other.attached;
                if self.tabs.iter().any(is_there) {
                    self.watches.insert((who, tab));
                } else {
                    self.after(MILLISECOND, Happening::Gone(who, tab));
                }
            }
            TabsOutput::Start => {
                let tab = &mut self.tabs[who];
                assert!(tab.connection.is_none(), "one connection at a time");
                let mut config = self.config;
                config.outbox.queued_frames = usize::MAX;
                config.outbox.queued_bytes = usize::MAX;
                let mut connection = Connection::new(config);
                connection.connect(self.now);
                tab.connection = Some(connection);
                tab.connections += 1;
            }
            TabsOutput::Stop => {
                let tab = &mut self.tabs[who];
                assert!(tab.connection.take().is_some());
                tab.held.clear();
                self.accepted.retain(|(of, ..)| *of != who);
                self.watches.retain(|(watcher, _)| *watcher != who);
            }
            TabsOutput::Send {
                submission,
                payload,
            } => {
                let now = self.now;
                let connection = self.tabs[who].connection.as_mut();
                let outcome = connection.expect("it is started").send(now, payload);
                self.tabs[who].tabs.handle_outcome(submission, &outcome);
            }
            TabsOutput::Retry => {
                let now = self.now;
                let connection = self.tabs[who].connection.as_mut();
                connection.expect("it is started").connect(now);
            }
            TabsOutput::Tick => {
                let (now, jitter) = (self.now, self.dice.roll());
                let connection = self.tabs[who].connection.as_mut();
                connection
                    .expect("it is started")
                    .handle_timeout(now, jitter);
            }
            TabsOutput::Watched(watched) => {
                let (now, jitter) = (self.now, self.dice.roll());
                let tab = &mut self.tabs[who];
                tab.watched = watched;
                let visible = watched || tab.hidden_since.is_none();
                if let Some(connection) = &mut tab.connection {
                    connection.handle_visibility(now, visible, jitter);
                }
            }
            TabsOutput::Event(event) => self.hear(who, event),
        }
    }

    fn hear(&mut self, who: Who, event: Event) {
        let tab = &mut self.tabs[who];
        if let Event::Sent {
            ticket: Some(ticket),
            payload,
            ..
        }
        | Event::Discarded {
            ticket, payload, ..
        } = &event
        {
            let resolved = (*ticket, payload.clone());
            let at = tab.unresolved.iter().position(|open| *open == resolved);
            assert!(
                at.is_some_and(|at| tab.unresolved.remove(at).is_some()),
                "a frame is resolved once: {event:?}"
            );
        }
        if let Event::Opened { generation, .. } = &event {
            let generation = *generation;
            assert_eq!(tab.tabs.state(), State::Open { generation });
            let before = tab.opened.replace(generation);
            assert!(before < Some(generation), "generations grow");
        }
        if let Event::Frame { generation, .. } = &event {
            assert!(tab.opened >= Some(*generation), "what is open is heard");
        }
        tab.events.push(event);
    }

    fn post(&mut self, who: Who, message: &TabMessage) {
        assert!(self.tabs[who].attached, "only who is there posts");
        self.posts += 1;
        for to in 0..self.tabs.len() {
            if to == who || self.tabs[to].life == Life::Gone || !self.tabs[to].attached {
                continue;
            }
            let delay = MILLISECOND + (4 * MILLISECOND).mul_f64(self.dice.roll().get());
            let last = self.last_delivery.entry((who, to)).or_default();
            *last = (*last).max(self.now + delay);
            let at = *last;
            let id = self.tabs[to].id;
            self.at(at, Happening::Message(to, id, message.clone()));
        }
    }

    fn detach(&mut self, who: Who) {
        self.tabs[who].attached = false;
        let id = self.tabs[who].id;
        for (watcher, of) in self.watches.clone() {
            if of == id {
                self.watches.remove(&(watcher, of));
                self.after(MILLISECOND, Happening::Gone(watcher, of));
            }
        }
    }

    fn request_lock(&mut self, who: Who, claim: Claim, steal: bool) {
        self.drop_lock(who);
        if steal {
            self.steals += 1;
            if let Some((robbed, claim)) = self.lock.holder.take() {
                self.after(MILLISECOND, Happening::Lost(robbed, claim));
            }
            self.lock.queue.push_front((who, claim));
        } else {
            self.lock.queue.push_back((who, claim));
        }
        self.grant_lock();
    }

    fn drop_lock(&mut self, who: Who) {
        self.lock.queue.retain(|(of, _)| *of != who);
        if self.lock.holder.is_some_and(|(of, _)| of == who) {
            self.lock.holder = None;
            self.grant_lock();
        }
    }

    fn grant_lock(&mut self) {
        if self.lock.holder.is_none() {
            self.lock.holder = self.lock.queue.pop_front();
            if let Some((who, claim)) = self.lock.holder {
                self.after(MILLISECOND, Happening::Granted(who, claim));
            }
        }
    }
}

/// Runs until somebody else leads and has a socket, and says how long it took until it led.
fn replaced(browser: &mut Browser, dead: Who) -> Duration {
    let took = browser.run_until("another tab leads", MINUTE, |browser| {
        browser.leaders().iter().any(|who| *who != dead)
    });
    browser.run(DIAL);
    took
}

#[test]
fn ten_tabs_hold_one_connection() {
    let mut browser = Browser::with_tabs(10);
    browser.broadcast("news");
    browser.run(10 * MINUTE);
    assert_eq!(browser.accepted.len(), 1);
    assert_eq!(browser.most_accepted, 1);
    assert_eq!(browser.dials, 1);
    for who in 0..10 {
        assert_eq!(browser.frames(who), ["news"], "{who}");
    }
}

#[test]
fn a_tab_that_comes_later_hears_how_things_stand() {
    let mut browser = Browser::new();
    browser.open_tab();
    browser.run(HOUR);
    let late = browser.open_tab();
    browser.run(DIAL);
    let generation = Generation::from_number(1);
    let connecting = State::Connecting {
        generation,
        attempt: 0,
    };
    assert_eq!(
        browser.tabs[late].events,
        [
            Event::Changed {
                from: State::Closed,
                to: connecting,
                cause: Cause::Requested
            },
            Event::Changed {
                from: connecting,
                to: State::Open { generation },
                cause: Cause::Opened
            },
            Event::Opened {
                generation,
                continuity: Continuity::First
            },
        ]
    );
}

#[test]
fn a_page_alone_posts_nothing_but_that_it_is_there() {
    let mut browser = Browser::new();
    let only = browser.open_tab();
    browser.run(DIAL);
    let posts = browser.posts;
    for _ in 0..100 {
        browser.broadcast("news");
        let _queued = browser.send(only, "mine");
        browser.run(MINUTE);
    }
    assert_eq!(browser.frames(only).len(), 100);
    assert_eq!(browser.posts, posts);
    assert_eq!(browser.posts, 2);
}

#[test]
fn leader_is_closed_and_another_takes_over_within_2_s() {
    let mut browser = Browser::with_tabs(10);
    browser.close_tab(0);
    let took = replaced(&mut browser, 0);
    assert!(took < 10 * MILLISECOND, "{took:?}");
    assert_eq!(browser.steals, 0, "the browser hands the lock on");
    assert_eq!(browser.accepted.len(), 1);
    for who in 1..10 {
        assert!(browser.is_open(who), "{who}");
        assert_eq!(browser.openings(who), [Continuity::MayBeLost], "{who}");
    }
}

#[test]
fn leader_drops_its_client_and_another_takes_over() {
    let mut browser = Browser::with_tabs(3);
    browser.drop_client(0);
    assert_eq!(browser.tabs[0].tabs.state(), State::Closed);
    replaced(&mut browser, 0);
    browser.broadcast("news");
    browser.run(SECOND);
    assert!(browser.frames(0).is_empty());
    assert_eq!(browser.frames(1), ["news"]);
    assert_eq!(browser.frames(2), ["news"]);
    assert_eq!(browser.accepted.len(), 1);
    assert_eq!(browser.tabs[0].tabs.poll_timeout(), None);
}

#[test]
fn leader_crashes_and_another_takes_over_within_2_s() {
    let mut browser = Browser::with_tabs(10);
    browser.crash(0);
    let took = replaced(&mut browser, 0);
    assert!(took < REPLACED, "{took:?}");
    for who in 1..10 {
        assert!(browser.is_open(who), "{who}");
    }
}

#[test]
fn leader_is_frozen_politely_and_another_takes_over_within_2_s() {
    let mut browser = Browser::with_tabs(10);
    browser.freeze_politely(0);
    let took = replaced(&mut browser, 0);
    assert!(took < REPLACED, "{took:?}");
    assert_eq!(browser.steals, 0);
    browser.run(HOUR);
    browser.thaw(0);
    browser.run(DIAL);
    assert!(browser.is_open(0));
    assert_eq!(browser.openings(0), [Continuity::MayBeLost]);
    assert_eq!(browser.leaders().len(), 1);
    assert_eq!(browser.accepted.len(), 1);
}

#[test]
fn leader_freezes_without_a_word_and_another_takes_over_within_2_s() {
    // At whatever moment between two questions.
    for phase in 0..30 {
        let mut browser = Browser::with_tabs(10);
        browser.run(MINUTE + phase * 50 * MILLISECOND);
        browser.freeze(0);
        let took = replaced(&mut browser, 0);
        assert!(took < REPLACED, "{took:?}");
        for who in 1..10 {
            assert!(browser.is_open(who), "{who}");
            assert_eq!(browser.openings(who), [Continuity::MayBeLost], "{who}");
        }
    }
}

#[test]
fn a_lock_that_goes_to_a_frozen_tab_is_taken_from_it_within_2_s() {
    // By a tab with a greater name, and by one with a lesser.
    for looker in [3, 2] {
        let mut browser = Browser::with_tabs(4);
        browser.hide(3);
        browser.show(looker);
        browser.freeze(1);
        browser.run(MINUTE);
        browser.crash(0);
        assert_eq!(browser.lock.holder.map(|(who, _)| who), Some(1));
        let took = replaced(&mut browser, 0);
        assert!(took < REPLACED, "{took:?}");
        assert_eq!(browser.leaders(), [looker]);
        browser.run(MINUTE);
        browser.thaw(1);
        browser.run(SECOND);
        assert_eq!(browser.leaders(), [looker], "it was given the lock first");
        assert!((1..4).all(|who| browser.is_open(who)));
    }
}

#[test]
fn a_leader_whose_lock_was_taken_steps_down_though_nobody_says_that_it_leads() {
    let mut browser = Browser::with_tabs(3);
    // A claim that the tab does not remember.
    browser.request_lock(1, Claim::default(), true);
    browser.run(2 * MILLISECOND);
    assert!(browser.leaders().is_empty());
    browser.run(REPLACED);
    assert_eq!(browser.leaders(), [2], "the one that is looked at takes it");
    assert!((0..3).all(|who| browser.is_open(who)));
    assert_eq!(browser.accepted.len(), 1);
}

#[test]
fn a_frozen_leader_that_thaws_steps_down() {
    let mut browser = Browser::with_tabs(3);
    browser.freeze(0);
    replaced(&mut browser, 0);
    assert_eq!(browser.accepted.len(), 2, "its socket is still there");
    browser.broadcast("to both");
    browser.run(MINUTE);

    browser.thaw(0);
    browser.run(SECOND);
    assert_eq!(browser.leaders(), [2]);
    assert_eq!(browser.accepted.len(), 1);
    assert!(browser.is_open(0));
    assert!(
        browser.tabs[0].events.iter().any(|event| matches!(
            event,
            Event::Changed {
                from: State::Open { .. },
                cause: Cause::TabTookOver,
                ..
            }
        )),
        "{:?}",
        browser.tabs[0].events
    );
    for who in 1..3 {
        assert_eq!(browser.frames(who), ["to both"], "the old one is not heard");
    }
    browser.broadcast("to the new one");
    browser.run(SECOND);
    for who in 0..3 {
        assert_eq!(browser.frames(who).last(), Some(&"to the new one"), "{who}");
    }
}

#[test]
fn nobody_is_robbed_for_being_in_the_background() {
    let mut browser = Browser::with_tabs(10);
    browser.show(8);
    browser.run(2 * HOUR);
    assert_eq!(browser.steals, 0);
    assert_eq!(browser.leaders(), [0]);
    assert_eq!(browser.dials, 1);
}

#[test]
fn nobody_is_robbed_after_the_machine_slept_or_the_asker_stood_still() {
    let mut browser = Browser::with_tabs(3);
    for _ in 0..200 {
        // The asker stands still before it has read an answer.
        let posts = browser.posts;
        browser.run_until("it asks", SECOND, |browser| browser.posts > posts);
        browser.freeze(2);
        browser.run(MINUTE);
        browser.thaw(2);
        browser.run(SECOND);
        // All stand still.
        for who in 0..3 {
            browser.freeze(who);
        }
        browser.run(HOUR);
        for who in (0..3).rev() {
            browser.thaw(who);
        }
    }
    assert_eq!(browser.steals, 0);
    assert_eq!(browser.leaders(), [0]);
}

#[test]
fn hidden_tabs_ask_nothing() {
    let mut browser = Browser::with_tabs(10);
    browser.hide(9);
    browser.open_tab_behind();
    browser.run(SECOND);
    let posts = browser.posts;
    browser.run(24 * HOUR);
    assert_eq!(browser.posts, posts);
}

#[test]
fn a_hidden_leader_keeps_time_by_the_questions_of_a_tab_that_is_looked_at() {
    let mut browser = Browser::with_tabs(2);
    browser.run(HOUR);
    browser.server_goes_down();
    browser.run(10 * SECOND);
    browser.server_accepts = true;
    let waiting = |browser: &Browser| match browser.tabs[1].tabs.state() {
        State::Waiting { until, .. } => Some(until),
        _ => None,
    };
    browser.run_until("it waits", MINUTE, |browser| waiting(browser).is_some());
    let until = waiting(&browser).unwrap();
    browser.run_until("it is open", HOUR, |browser| browser.is_open(1));
    assert!(browser.now - until < SECOND, "{:?}", browser.now - until);
}

#[test]
fn a_connection_counts_as_looked_at_while_any_of_its_tabs_is() {
    let mut browser = Browser::with_tabs(2);
    let pings = |browser: &mut Browser, time: Duration| {
        browser.tabs[0].events.clear();
        browser.run(time);
        let is_ping = |event: &&Event| matches!(event, Event::Pinged { .. });
        browser.tabs[0].events.iter().filter(is_ping).count()
    };
    browser.run(10 * MINUTE);
    let looked_at = pings(&mut browser, 10 * MINUTE);
    assert!(looked_at > 60, "{looked_at} in 10 minutes");
    browser.hide(1);
    browser.run(10 * MINUTE);
    let hidden = pings(&mut browser, 10 * MINUTE);
    assert!((5..=10).contains(&hidden), "{hidden} in 10 minutes");
    browser.show(1);
    browser.run(SECOND);
    assert!(pings(&mut browser, 10 * MINUTE) > 60);
}

#[test]
fn two_visible_followers_and_one_dead_leader_end_with_one_leader() {
    let mut stood_back = 0;
    for seed in 0..200 {
        let mut browser = Browser::with_tabs(3);
        browser.dice = Dice::new(seed);
        browser.show(1);
        browser.run(MINUTE);
        browser.freeze(0);
        let took = replaced(&mut browser, 0);
        assert!(took < REPLACED, "{took:?}");
        browser.run(REPLACED);
        assert_eq!(browser.leaders().len(), 1);
        assert!((1..3).all(|who| browser.is_open(who)));
        assert_eq!(browser.accepted.len(), 2, "the frozen one's, and one");
        assert!(browser.longest_doubled < 20 * MILLISECOND);
        stood_back += u32::from(browser.steals == 1);
    }
    assert!(stood_back > 180, "{stood_back} of 200");
}

#[test]
fn a_follower_sends_by_way_of_the_leader_and_is_told() {
    let mut browser = Browser::with_tabs(2);
    let SendOutcome::Queued(ticket) = browser.send(1, "hello") else {
        panic!("a follower cannot send by itself");
    };
    assert_eq!(browser.tabs[1].tabs.queued(), 1);
    browser.run(SECOND);
    assert_eq!(browser.received, ["hello"]);
    assert_eq!(browser.tabs[1].tabs.queued(), 0);
    assert_eq!(
        browser.tabs[1].events,
        [Event::Sent {
            generation: Generation::from_number(1),
            ticket: Some(ticket),
            payload: "hello".into()
        }]
    );
    assert!(browser.tabs[0].events.is_empty(), "it was not the leader's");
}

#[test]
fn sends_of_a_follower_survive_the_leaders_death() {
    for patience in 0..60 {
        let mut browser = Browser::with_tabs(4);
        for number in 0..5 {
            let _queued = browser.send(2, &number.to_string());
            browser.run(MILLISECOND);
        }
        browser.run(patience * MILLISECOND / 4);
        browser.crash(0);
        let _queued = browser.send(2, "5");
        replaced(&mut browser, 0);
        browser.run(SECOND);
        assert!(browser.tabs[2].unresolved.is_empty());
        // What the dead one had sent and not told goes out again: two runs, each in order, that
        // leave no gap.
        let received: Vec<usize> = browser
            .received
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let runs: Vec<&[usize]> = received.chunk_by(|one, next| one + 1 == *next).collect();
        match runs[..] {
            [all] => assert_eq!(all, [0, 1, 2, 3, 4, 5]),
            [before, after] => {
                assert_eq!(before.first(), Some(&0), "{received:?}");
                assert_eq!(after.last(), Some(&5), "{received:?}");
                assert!(after[0] <= before.len(), "{received:?}");
            }
            _ => panic!("{received:?}"),
        }
    }
}

#[test]
fn what_a_robbed_leader_had_not_sent_goes_out_by_the_new_one() {
    let mut browser = Browser::with_tabs(2);
    browser.server_goes_down();
    browser.run(SECOND);
    let _queued = browser.send(0, "from the leader");
    let _queued = browser.send(1, "from the follower");
    browser.freeze(0);
    browser.server_accepts = true;
    replaced(&mut browser, 0);
    browser.thaw(0);
    browser.run(MINUTE);
    browser.received.sort();
    assert_eq!(browser.received, ["from the follower", "from the leader"]);
    assert!((0..2).all(|who| browser.tabs[who].unresolved.is_empty()));
}

#[test]
fn limits_apply_at_a_follower_at_once() {
    let mut browser = Browser::with_tabs(2);
    browser.server_goes_down();
    browser.run(SECOND);
    let limits = OutboxLimits::default();
    let large = "ä".repeat(limits.frame_bytes / 2 + 1);
    assert!(matches!(
        browser.send(1, &large),
        SendOutcome::Rejected(Rejection::TooLarge { .. })
    ));
    for number in 0..limits.queued_frames {
        let outcome = browser.send(1, &number.to_string());
        assert!(matches!(outcome, SendOutcome::Queued(_)), "{outcome:?}");
    }
    assert!(matches!(
        browser.send(1, "one too many"),
        SendOutcome::Rejected(Rejection::QueueFull { frames: 256, .. })
    ));
    assert!(matches!(browser.send(0, "mine"), SendOutcome::Queued(_)));

    browser.run(limits.max_age);
    assert_eq!(browser.tabs[1].tabs.queued(), 0);
    let expired = |event: &&Event| {
        matches!(
            event,
            Event::Discarded {
                why: Discard::Expired,
                ..
            }
        )
    };
    let count = browser.tabs[1].events.iter().filter(expired).count();
    assert_eq!(count, limits.queued_frames);
    assert!(browser.received.is_empty());
}

#[test]
fn more_than_the_connection_takes_at_once_waits_at_the_leader_and_is_sent_in_order() {
    let mut browser = Browser::with(&Config {
        rollover: None,
        outbox: OutboxLimits {
            // The gate is measured after every byte, so frames wait in the connection.
            buffered_bytes: 1,
            queued_frames: 3,
            ..OutboxLimits::default()
        },
        ..Config::default()
    });
    for _ in 0..10 {
        browser.open_tab();
    }
    browser.run(SECOND);
    let mut sent = Vec::new();
    for number in 0..3 {
        for who in 0..10 {
            let text = format!("{who} {number}");
            let outcome = browser.send(who, &text);
            assert!(matches!(outcome, SendOutcome::Queued(_)), "{outcome:?}");
            sent.push(text);
        }
    }
    browser.run(SECOND);
    assert!(browser.tabs.iter().all(|tab| tab.unresolved.is_empty()));
    for who in 0..10 {
        let of = |texts: &[String]| -> Vec<String> {
            let of_tab = texts
                .iter()
                .filter(|text| text.starts_with(&who.to_string()));
            of_tab.cloned().collect()
        };
        assert_eq!(of(&browser.received), of(&sent));
    }
}

#[test]
fn close_in_one_tab_leaves_the_others_alone() {
    let mut browser = Browser::with_tabs(3);
    browser.server_goes_down();
    browser.run(SECOND);
    let SendOutcome::Queued(ticket) = browser.send(1, "never mind") else {
        panic!("it waits");
    };
    browser.drop_client(1);
    assert!(matches!(
        &browser.tabs[1].events[..],
        [.., Event::Discarded { ticket: of, why: Discard::Closed, .. }] if *of == ticket
    ));
    assert_eq!(
        browser.send(1, "too late"),
        SendOutcome::Rejected(Rejection::Closed)
    );
    browser.server_accepts = true;
    browser.run(2 * MINUTE);
    assert!(browser.is_open(0) && browser.is_open(2));
    assert_eq!(browser.tabs[1].tabs.state(), State::Closed);
    browser.retry_now(1);
    browser.run(DIAL);
    assert!(browser.is_open(1));
    assert_eq!(browser.accepted.len(), 1);
}

#[test]
fn retry_now_in_a_follower_dials_at_the_leader() {
    let mut browser = Browser::with_tabs(2);
    browser.server_goes_down();
    browser.run(10 * MINUTE);
    browser.run_until("it waits", MINUTE, |browser| {
        matches!(browser.tabs[1].tabs.state(), State::Waiting { until, .. } if until - browser.now > 5 * SECOND)
    });
    browser.server_accepts = true;
    browser.retry_now(1);
    browser.run(SECOND);
    assert!(browser.is_open(0) && browser.is_open(1));
}

#[test]
fn a_connection_that_the_server_ended_for_good_is_closed_in_every_tab_until_somebody_wants_it() {
    let mut browser = Browser::with_tabs(3);
    browser.server_goes_down();
    browser.run(SECOND);
    for who in 0..3 {
        let _queued = browser.send(who, "too late");
    }
    browser.refusal = 4403;
    browser.run(HOUR);
    for who in 0..3 {
        assert_eq!(browser.tabs[who].tabs.state(), State::Closed, "{who}");
        assert!(matches!(
            browser.tabs[who].events.last(),
            Some(Event::Discarded {
                why: Discard::Closed,
                ..
            })
        ));
        let outcome = browser.send(who, "hello?");
        assert_eq!(outcome, SendOutcome::Rejected(Rejection::Closed));
    }
    browser.server_accepts = true;
    browser.retry_now(2);
    browser.run(SECOND);
    assert!((0..3).all(|who| browser.is_open(who)));
    assert_eq!(browser.leaders(), [0]);
}

#[test]
fn unsubscribing_in_one_tab_leaves_the_others_alone() {
    let mut browser = Browser::with_tabs(4);
    for who in 0..4 {
        let _queued = browser.join(who, "T1");
    }
    let _queued = browser.join(2, "T2");
    browser.run(SECOND);
    assert_eq!(browser.received.len(), 5, "each beginning is sent");
    browser.received.clear();

    browser.leave(1, "T1");
    browser.leave(0, "T1");
    browser.leave(0, "T1");
    browser.leave(0, "T2");
    browser.run(SECOND);
    assert!(browser.received.is_empty(), "{:?}", browser.received);
    browser.leave(2, "T2");
    browser.run(SECOND);
    assert_eq!(browser.received, ["leave T2"]);
    browser.leave(2, "T1");
    browser.crash(3);
    browser.run(SECOND);
    assert_eq!(
        browser.received,
        ["leave T2", "leave T1"],
        "a tab that is gone has left"
    );
}

#[test]
fn a_tab_that_is_closed_leaves_its_subscriptions() {
    let mut browser = Browser::with_tabs(3);
    let _queued = browser.join(1, "T1");
    let _queued = browser.join(2, "T2");
    browser.run(SECOND);
    browser.close_tab(1);
    browser.drop_client(2);
    browser.run(SECOND);
    browser.received.sort();
    assert_eq!(
        browser.received,
        ["join T1", "join T2", "leave T1", "leave T2"]
    );
}

#[test]
fn a_subscription_that_was_left_before_it_was_sent_is_not_begun() {
    let mut browser = Browser::with_tabs(2);
    browser.server_goes_down();
    browser.run(SECOND);
    let _queued = browser.join(1, "T1");
    let _queued = browser.join(1, "T2");
    browser.leave(1, "T1");
    assert!(matches!(
        browser.tabs[1].events.last(),
        Some(Event::Discarded {
            why: Discard::Left,
            ..
        })
    ));
    browser.server_accepts = true;
    browser.run(2 * MINUTE);
    assert_eq!(browser.received, ["join T2"]);
}

#[test]
fn a_subscription_left_while_its_beginning_was_with_a_leader_that_died_is_not_begun_again() {
    let mut browser = Browser::with_tabs(3);
    browser.freeze(0);
    let _queued = browser.join(2, "T1");
    browser.run(10 * MILLISECOND);
    browser.leave(2, "T1");
    replaced(&mut browser, 0);
    browser.run(SECOND);
    assert!(browser.received.is_empty());
    assert!(browser.tabs[2].unresolved.is_empty());
}

#[test]
fn subscriptions_end_with_the_socket_and_are_counted_anew() {
    let mut browser = Browser::with_tabs(3);
    for who in 0..3 {
        let _queued = browser.join(who, "T1");
    }
    browser.run(SECOND);
    browser.server_goes_down();
    browser.run(SECOND);
    browser.server_accepts = true;
    browser.run(2 * MINUTE);
    // Two of the three begin it anew, and the third does not care any more.
    browser.received.clear();
    let _queued = browser.join(0, "T1");
    let _queued = browser.join(1, "T1");
    browser.run(SECOND);
    browser.leave(0, "T1");
    browser.leave(1, "T1");
    browser.run(SECOND);
    assert_eq!(browser.received, ["join T1", "join T1", "leave T1"]);
}

#[test]
fn a_rollover_at_the_leader_keeps_continuity_in_every_tab() {
    let mut browser = Browser::with(&Config {
        rollover: Some(Rollover::default()),
        ..Config::default()
    });
    for _ in 0..3 {
        browser.open_tab();
    }
    browser.run(SECOND);
    let mut sent = Vec::new();
    for number in 0..(4 * 60) {
        sent.push(number.to_string());
        browser.broadcast(&sent[number]);
        browser.run(MINUTE);
    }
    for who in 0..3 {
        let openings = browser.openings(who);
        assert!(openings.len() >= 3, "{openings:?}");
        assert_eq!(openings[0], Continuity::First);
        assert!(openings[1..].iter().all(|kept| *kept == Continuity::Kept));
        assert_eq!(browser.frames(who), sent, "each frame once");
    }
    assert_eq!(browser.most_accepted, 2);
    assert_eq!(browser.accepted.len(), 1);
}

#[test]
fn a_browser_without_locks_gives_each_tab_a_connection_of_its_own() {
    let mut browser = Browser::new();
    let only = browser.open_tab();
    // The request for the lock was refused.
    browser.tabs[only].tabs.connect_alone();
    browser.obey(only);
    browser.run(DIAL);
    let _queued = browser.send(only, "hello");
    let _queued = browser.join(only, "T1");
    browser.leave(only, "T1");
    browser.run(MINUTE);
    assert_eq!(browser.received, ["hello", "join T1", "leave T1"]);
    assert_eq!(browser.openings(only), [Continuity::First]);
    browser.freeze_politely(only);
    browser.thaw(only);
    browser.drop_client(only);
    browser.run(SECOND);
    assert!(browser.accepted.is_empty());
}

#[derive(Debug, Clone)]
enum Input {
    OpenTab,
    CloseTab(Who),
    Crash(Who),
    Freeze(Who),
    FreezePolitely(Who),
    Thaw(Who),
    Hide(Who),
    Show(Who),
    DropClient(Who),
    RetryNow(Who),
    Send(Who),
    Join(Who, u8),
    Leave(Who, u8),
    Broadcast,
    ServerDown,
    ServerUp,
    Pass(u16),
}

fn input() -> impl Strategy<Value = Input> {
    (0_u8..40, 0_usize..8, any::<u16>()).prop_map(|(kind, who, number)| {
        let key = u8::try_from(number % 3).unwrap();
        match kind {
            0..=3 => Input::OpenTab,
            4 => Input::CloseTab(who),
            5 => Input::Crash(who),
            6..=7 => Input::Freeze(who),
            8 => Input::FreezePolitely(who),
            9..=11 => Input::Thaw(who),
            12..=13 => Input::Hide(who),
            14..=15 => Input::Show(who),
            16 => Input::DropClient(who),
            17 => Input::RetryNow(who),
            18..=21 => Input::Send(who),
            22..=23 => Input::Join(who, key),
            24..=25 => Input::Leave(who, key),
            26 => Input::Broadcast,
            27 => Input::ServerDown,
            28 => Input::ServerUp,
            29..=36 => Input::Pass(number % 16),
            _ => Input::Pass(number % 4_000),
        }
    })
}

impl Browser {
    fn feed(&mut self, input: &Input, sent: &mut u32) {
        let mut text = || {
            *sent += 1;
            sent.to_string()
        };
        // A page that stands still does nothing.
        let acts = |browser: &Self, who: &Who| {
            let tab = browser.tabs.get(*who);
            tab.is_some_and(|tab| tab.life == Life::Running)
        };
        match input {
            Input::OpenTab if self.tabs.len() < 8 => drop(self.open_tab()),
            Input::CloseTab(who) if acts(self, who) => self.close_tab(*who),
            Input::Crash(who) if acts(self, who) => self.crash(*who),
            Input::Freeze(who) if acts(self, who) => self.freeze(*who),
            Input::FreezePolitely(who) if acts(self, who) => self.freeze_politely(*who),
            Input::Thaw(who) if *who < self.tabs.len() => self.thaw(*who),
            Input::Hide(who) if acts(self, who) => self.hide(*who),
            Input::Show(who) if acts(self, who) => self.show(*who),
            Input::DropClient(who) if acts(self, who) => self.drop_client(*who),
            Input::RetryNow(who) if acts(self, who) => self.retry_now(*who),
            Input::Send(who) if acts(self, who) => drop(self.send(*who, &text())),
            Input::Join(who, key) if acts(self, who) => drop(self.join(*who, &key.to_string())),
            Input::Leave(who, key) if acts(self, who) => self.leave(*who, &key.to_string()),
            Input::Broadcast => self.broadcast(&text()),
            Input::ServerDown => self.server_goes_down(),
            Input::ServerUp => self.server_accepts = true,
            Input::Pass(millis) => self.run(Duration::from_millis(u64::from(*millis))),
            _ => {}
        }
        self.note_leaders();
    }

    fn check(&self) {
        for tab in &self.tabs {
            assert!(tab.unresolved.len() <= self.config.outbox.queued_frames);
            if tab.life != Life::Gone {
                assert_eq!(tab.tabs.queued(), tab.unresolved.len());
            }
            assert_eq!(
                tab.tabs.is_leading(),
                tab.connection.is_some(),
                "who leads has the connection"
            );
            assert!(tab.tabs.is_leading() || tab.held.is_empty());
        }
        let watching = self.watches.iter().map(|(who, _)| *who);
        assert!(
            watching
                .into_iter()
                .all(|who| self.tabs[who].tabs.is_leading())
        );
    }

    /// Everybody can run, the server is up, and somebody looks.
    fn all_is_well(&mut self) {
        self.server_accepts = true;
        for who in 0..self.tabs.len() {
            self.thaw(who);
        }
        if let Some(who) = (0..self.tabs.len()).find(|who| self.tabs[*who].life == Life::Running) {
            self.show(who);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_to_the_tabs_one_leads_and_every_frame_is_resolved(
        inputs in prop::collection::vec(input(), 0..120),
        seed in any::<u64>(),
    ) {
        let mut browser = Browser::new();
        browser.dice = Dice::new(seed);
        let mut sent = 0;
        browser.open_tab();
        for input in &inputs {
            browser.feed(input, &mut sent);
            browser.check();
        }
        browser.all_is_well();
        // Until everybody knows what has become of the others.
        browser.run(2 * REPLACED);
        browser.run_until("all is well", 5 * MINUTE, |browser| {
            browser.tabs.iter().all(|tab| {
                let wants = tab.life == Life::Running && tab.attached;
                !wants || (tab.tabs.state().is_open() && tab.unresolved.is_empty())
            })
        });
        browser.check();
        let wanted: Vec<Who> = (0..browser.tabs.len())
            .filter(|who| {
                let tab = &browser.tabs[*who];
                tab.life == Life::Running && tab.attached
            })
            .collect();
        prop_assert_eq!(browser.leaders().len(), usize::from(!wanted.is_empty()));
        prop_assert_eq!(browser.accepted.len(), usize::from(!wanted.is_empty()));
        for who in &wanted {
            prop_assert!(browser.is_open(*who), "{}", who);
            prop_assert!(browser.tabs[*who].unresolved.is_empty());
            browser.tabs[*who].events.clear();
        }
        prop_assert!(
            browser.longest_doubled < 50 * MILLISECOND,
            "two led for {:?}", browser.longest_doubled
        );
        browser.broadcast("all is well");
        browser.run(SECOND);
        for who in wanted {
            prop_assert_eq!(browser.frames(who), ["all is well"]);
        }
    }
}
