//! One connection for all tabs of a browser.

use std::time::Duration;

use crate::close::Closed;
use crate::event::{Cause, Continuity, DialFailure, Event, Generation, State};
use crate::outbox::{
    Discard, Outbox, OutboxLimits, Payload, Rejection, SendOutcome, Ticket, Waiting,
};
use crate::time::{Backoff, Instant, Jitter, Timers};

/// How often a follower that is looked at asks the leader for a sign of life.
const ASK_EVERY: Duration = Duration::from_millis(700);

/// How long the leader has for an answer, which a tab in good health gives within milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_millis(700);

/// What is added to [`ANSWER_WITHIN`] by lot at most, so that of several followers one robs the
/// leader, and the others hear of it in time. With it a dead leader is replaced within 1.7 s.
const SPREAD: Duration = Duration::from_millis(300);

/// A verdict that is later than this is none: this very page stood still, and the answer may be
/// waiting to be read.
const LATE: Duration = Duration::from_millis(250);

/// How long after its last question a follower counts as looked at.
const WATCHED_FOR: Duration = Duration::from_millis(2_500);

/// The name of a tab among all tabs that share a connection: random, drawn by the driver for each
/// [`Tabs`], and one more whenever that joins the others anew, so that nobody takes it for what was
/// there before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TabId(u64);

impl TabId {
    /// The tab of that number; below 2⁵³, if JavaScript is to carry it.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// The time in which one tab leads. A later term has a greater number; of two tabs that began
/// with the same number, the one with the greater name wins.
///
/// Every message carries the term that its sender lives in, so that a leader which was replaced
/// and does not know it yet is passed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// Its number: one more than that of the term before, and two more if its leader took the
    /// lock, so that a tab to which the lock was given while it was frozen, and taken from it
    /// again, comes second. A leader that has heard of no term before takes the wall clock's
    /// milliseconds.
    pub number: u64,
    /// Who leads.
    pub leader: TabId,
}

/// The number of a request for the lock. A report on any but the last one is passed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Claim(u64);

/// A frame that begins something on the backend which lasts as long as the socket, and the frame
/// that ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// What it is to. Tabs with the same key have the same subscription.
    pub key: String,
    /// The frame that ends it.
    pub ending: Payload,
}

/// What one tab posts to the others.
///
/// It is flat, as it crosses from one tab to another: numbers, and a frame or two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TabMessage {
    /// Who posts it.
    pub from: TabId,
    /// The term that the sender lives in: its own, if it leads.
    pub term: Term,
    /// Whom it is for; `None` if for all.
    pub to: Option<TabId>,
    /// What it says.
    pub news: TabNews,
    /// What belongs to that; see [`TabNews`].
    pub details: Details,
    /// A frame that is to be sent or that arrived, the key of a subscription, or words.
    pub payload: Option<Payload>,
    /// What a frame that is to be sent begins.
    pub begins: Option<Subscription>,
}

/// The numbers that belong to a message between tabs.
pub type Details = [u64; 5];

impl TabMessage {
    /// How many numbers [`TabMessage::numbers`] gives.
    pub const NUMBERS: usize = 10;

    /// All that is not a frame, for a driver that carries the message to other tabs.
    pub fn numbers(&self) -> [u64; Self::NUMBERS] {
        let [one, two, three, four, five] = self.details;
        let (from, leader) = (self.from.0, self.term.leader.0);
        // No tab is called 0.
        let to = self.to.unwrap_or_default().0;
        let (term, news) = (self.term.number, self.news as u64);
        [from, term, leader, to, news, one, two, three, four, five]
    }

    /// The message of these numbers, unless they are those of none.
    pub fn from_numbers(
        numbers: [u64; Self::NUMBERS],
        payload: Option<Payload>,
        begins: Option<Subscription>,
    ) -> Option<Self> {
        let [from, number, leader, to, news, details @ ..] = numbers;
        Some(Self {
            from: TabId(from),
            term: Term {
                number,
                leader: TabId(leader),
            },
            to: Some(TabId(to)).filter(|to| *to != TabId::default()),
            news: *TabNews::ALL.get(usize::try_from(news).ok()?)?,
            details,
            payload,
            begins,
        })
    }
}

/// What a message between tabs says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TabNews {
    /// A follower is there, and asks how things stand.
    Hello,
    /// A follower that somebody looks at asks for a sign of life.
    AreYouThere,
    /// A follower asks for a frame to be sent: the number of its ticket, the frame, and what it
    /// begins.
    Submit,
    /// A follower does not want the subscription to this key any more.
    Leave,
    /// Somebody at a follower asks for a dial now.
    RetryNow,
    /// A follower goes.
    Bye,
    /// A term begins.
    Leading,
    /// The leader gives a sign of life.
    Here,
    /// Where the connection stands: four numbers of the state, in the leader's generations and
    /// counted from now, since each tab has a clock of its own; the number of the cause, and its
    /// words.
    State,
    /// A socket is open: its generation, and 1 if it took over from another without a gap.
    Opened,
    /// A frame arrived: the generation of its socket, and the frame.
    Frame,
    /// The follower's frame went out: its ticket, and the generation of the socket.
    Sent,
}

impl TabNews {
    const ALL: [Self; 12] = [
        Self::Hello,
        Self::AreYouThere,
        Self::Submit,
        Self::Leave,
        Self::RetryNow,
        Self::Bye,
        Self::Leading,
        Self::Here,
        Self::State,
        Self::Opened,
        Self::Frame,
        Self::Sent,
    ];

    fn is_of_leader(self) -> bool {
        self >= Self::Leading
    }
}

/// What the driver must do, in the order in which [`Tabs::poll_output`] gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TabsOutput {
    /// Join the other tabs: listen to their messages, and ask for a lock of this tab's own, to
    /// hold for as long as it is there, so that the leader learns when it is gone. Report with
    /// [`Tabs::handle_attached`] once it is held.
    Attach {
        /// What this tab is called from now on.
        tab: TabId,
    },
    /// Undo [`TabsOutput::Attach`].
    Detach,
    /// Ask for the lock that all tabs compete for, and drop the request before, with the lock that
    /// it may have brought. Report with [`Tabs::handle_granted`] and [`Tabs::handle_lost`].
    RequestLock {
        /// The number to report with.
        claim: Claim,
        /// Whether to take the lock from whoever holds it.
        steal: bool,
    },
    /// Drop the last request, with the lock that it may have brought.
    ReleaseLock,
    /// Post to the other tabs.
    Post(TabMessage),
    /// Ask for the lock that this tab holds as its own, and report with [`Tabs::handle_gone`] once
    /// it is granted. Whoever stops leading drops all these requests.
    Watch {
        /// The tab.
        tab: TabId,
    },
    /// Make a new connection, connect it, and report its events with [`Tabs::handle_event`]. Its
    /// outbox must take any number of frames: each tab has limits of its own.
    Start,
    /// Close the connection, drop it, and report nothing more of it.
    Stop,
    /// Call `send` of the connection, and report with [`Tabs::handle_outcome`] before anything
    /// else.
    Send {
        /// Whose frame it is, to report with.
        submission: Submission,
        /// What the frame carries.
        payload: Payload,
    },
    /// Call `connect` of the connection.
    Retry,
    /// Call `handle_timeout` of the connection: this page is hidden, so its timers are slow, but
    /// somebody looks at another tab.
    Tick,
    /// Whether somebody looks at one of the other tabs, which is as good as looking at this one.
    Watched(bool),
    /// Tell the application.
    Event(Event),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Nobody in this tab wants a connection.
    Closed,
    /// The page is frozen, or in the browser's back/forward cache.
    Suspended,
    Following,
    Leading,
    /// Without other tabs, since the browser lacks what it takes.
    Alone,
}

#[derive(Clone, Copy)]
enum Timer {
    /// The next question to the leader is due.
    Ask,
    /// The answer is overdue.
    Verdict,
    /// The last question of a follower is long ago.
    Watched,
}

impl Timer {
    const COUNT: usize = 3;
}

impl From<Timer> for usize {
    fn from(timer: Timer) -> Self {
        timer as Self
    }
}

/// A frame that a tab has given to the leader. What the leader sends of its own accord has a
/// ticket that nobody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submission {
    tab: TabId,
    ticket: Ticket,
}

/// What only a leader knows.
#[derive(Debug, Default)]
struct Leadership {
    followers: Vec<TabId>,
    /// Who is subscribed to what, over the present socket.
    subscriptions: Vec<(TabId, Subscription)>,
    /// Frames that wait in the connection, oldest first, which is how they leave it.
    queued: Vec<Submission>,
    /// The connection's state, and the number and the words of why it was entered.
    state: Option<(State, u64, Option<String>)>,
}

/// The machine by which the tabs of a browser share one connection.
///
/// Exactly one tab, the leader, holds a lock and has a [`Connection`](crate::Connection); the
/// others follow: they are told all that happens, and send by way of the leader. A leader that is
/// closed or crashes loses its lock, and the browser gives it to another tab. One that hangs, or
/// was frozen without being told, is found out by the followers that somebody looks at: they ask,
/// get no answer, and take the lock. Timers of hidden pages are slow, so a leader never has to do
/// anything by the clock: it answers.
///
/// What holds:
/// - A frame that [`Tabs::send`] takes is told as sent or discarded once. It goes out at least
///   once if it is told as sent; when the leader dies between sending it and telling, it goes out
///   twice.
/// - After a change of leader the tabs hear [`Event::Opened`] with [`Continuity::MayBeLost`].
/// - [`Generation`]s grow in each tab, across leaders; those of one tab mean nothing to another.
///
/// It starts [`State::Closed`]; [`Tabs::connect`] sets it going. After every call, take all of
/// [`Tabs::poll_output`], then set one timer to [`Tabs::poll_timeout`].
#[derive(Debug)]
pub struct Tabs {
    me: TabId,
    role: Role,
    visible: bool,
    /// The latest term heard of.
    term: Term,
    claim: Claim,
    /// Whether the last claim is to take the lock.
    steals: bool,
    state: State,
    /// The greatest generation told to the application.
    generation: u64,
    /// What makes the present leader's generations this tab's, once it is known.
    offset: Option<u64>,
    /// The last socket told as open, and its term.
    opened: Option<(Term, Generation)>,
    /// Whether the next dial is on account of a leader that is gone.
    succeeds: bool,
    /// Frames of this tab that are not known to be sent.
    outbox: Outbox,
    /// The last of them that the present leader has.
    given: Ticket,
    /// What some of them begin.
    begins: Vec<(Ticket, Subscription)>,
    leadership: Leadership,
    timers: Timers<{ Timer::COUNT }>,
    outputs: Vec<TabsOutput>,
}

impl Tabs {
    /// A tab of this name, in which nobody has asked for a connection yet. The limits should be
    /// those of the connection.
    pub fn new(me: TabId, limits: OutboxLimits) -> Self {
        Self {
            me,
            role: Role::Closed,
            visible: true,
            term: Term::default(),
            claim: Claim::default(),
            steals: false,
            state: State::Closed,
            generation: 0,
            offset: None,
            opened: None,
            succeeds: false,
            outbox: Outbox::new(limits),
            given: Ticket::default(),
            begins: Vec::new(),
            leadership: Leadership::default(),
            timers: Timers::new(),
            outputs: Vec::new(),
        }
    }

    /// Where the connection stands, as this tab knows.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether this tab has the connection.
    pub const fn is_leading(&self) -> bool {
        matches!(self.role, Role::Leading | Role::Alone)
    }

    /// How many frames of this tab are not known to be sent.
    pub fn queued(&self) -> usize {
        self.outbox.len()
    }

    /// Joins the other tabs; if this one has joined already, asks for a dial now, unless there is
    /// a socket.
    pub fn connect(&mut self, now: Instant, jitter: Jitter) {
        match self.role {
            Role::Closed => self.join_others(now, Cause::Requested, jitter),
            Role::Suspended => {}
            Role::Following => self.say(TabNews::RetryNow),
            Role::Leading | Role::Alone => self.outputs.push(TabsOutput::Retry),
        }
    }

    /// As [`Tabs::connect`], for a browser in which tabs cannot share a connection: this one gets
    /// one of its own.
    pub fn connect_alone(&mut self) {
        if !self.is_leading() {
            self.role = Role::Alone;
            self.timers.stop_all();
            self.begin_term(self.term);
            self.enter(self.dialling(), Cause::Requested);
            self.outputs.push(TabsOutput::Start);
        }
    }

    /// Closes the connection as far as this tab is concerned: what it has queued is discarded. The
    /// other tabs keep theirs.
    pub fn close(&mut self) {
        if self.role == Role::Closed {
            return;
        }
        self.leave_others();
        self.role = Role::Closed;
        self.enter(State::Closed, Cause::ClosedByUser);
        self.discard_all();
    }

    /// Takes a frame for the connection. It is queued even if the connection is open: that it went
    /// out is told by [`Event::Sent`], if this tab leads, as soon as the outputs are taken.
    pub fn send(&mut self, now: Instant, payload: Payload) -> SendOutcome {
        self.take(now, payload, None)
    }

    /// Takes a frame that begins a subscription, which is over once all tabs that began it have
    /// [left](Tabs::leave) it or are gone: then the leader sends its ending. It does not outlive
    /// the socket, so begin it anew with every [`Event::Opened`].
    pub fn join(&mut self, now: Instant, payload: Payload, begins: Subscription) -> SendOutcome {
        self.take(now, payload, Some(begins))
    }

    /// Leaves a subscription. A beginning that is not known to be sent is discarded.
    pub fn leave(&mut self, key: &str) {
        let is_it = |(_, begins): &(Ticket, Subscription)| begins.key == key;
        while let Some(at) = self.begins.iter().position(is_it) {
            let (ticket, _) = self.begins.swap_remove(at);
            if let Some(left) = self.outbox.remove(ticket) {
                self.discard(left, Discard::Left);
            }
        }
        if self.is_leading() {
            self.end_subscriptions(self.me, Some(key));
        } else if self.role == Role::Following {
            let key = Payload::Text(key.to_owned());
            self.post(None, TabNews::Leave, Details::default(), Some(key), None);
        }
    }

    /// The lock of this name is held as this tab's own.
    pub fn handle_attached(&mut self, tab: TabId) {
        if tab == self.me {
            self.say(TabNews::Hello);
        }
    }

    /// The lock is granted. The wall clock is in milliseconds since 1970.
    pub fn handle_granted(&mut self, claim: Claim, wall: u64) {
        if claim != self.claim || self.role != Role::Following {
            return;
        }
        self.role = Role::Leading;
        self.succeeds = self.opened.is_some();
        self.timers.stop_all();
        let number = match self.term.number {
            0 => wall,
            last => last.saturating_add(1 + u64::from(self.steals)),
        };
        let leader = self.me;
        self.begin_term(Term { number, leader });
        self.say(TabNews::Leading);
        self.outputs.push(TabsOutput::Start);
    }

    /// Another tab took the lock, or the browser cancelled the request.
    pub fn handle_lost(&mut self, now: Instant, claim: Claim) {
        if claim != self.claim {
            return;
        }
        match self.role {
            Role::Leading => {
                self.step_down(now);
                self.say(TabNews::Hello);
            }
            Role::Following => self.request_lock(false),
            Role::Closed | Role::Suspended | Role::Alone => {}
        }
    }

    /// A message from another tab.
    pub fn handle_message(&mut self, now: Instant, message: TabMessage) {
        if !matches!(self.role, Role::Following | Role::Leading) || message.from == self.me {
            return;
        }
        if !message.news.is_of_leader() {
            if self.role == Role::Leading {
                self.serve(now, message);
            }
            return;
        }
        if message.term < self.term {
            return;
        }
        if message.term > self.term {
            if self.role == Role::Leading {
                self.step_down(now);
            }
            self.begin_term(message.term);
            if message.to != Some(self.me) {
                self.say(TabNews::Hello);
            }
        }
        self.note_life(now, message.news);
        if message.to.is_none_or(|to| to == self.me) {
            self.follow(now, message);
        }
    }

    /// An event of the connection that [`TabsOutput::Start`] asked for.
    pub fn handle_event(&mut self, now: Instant, mut event: Event) {
        if !self.is_leading() {
            return;
        }
        match &mut event {
            Event::Changed { from, to, cause } => {
                if from.is_open() {
                    // They ended with their socket.
                    self.leadership.subscriptions.clear();
                }
                if matches!(cause, Cause::Requested) && std::mem::take(&mut self.succeeds) {
                    *cause = Cause::TabTookOver;
                }
                let (to, (number, words)) = (*to, cause_to_parts(cause));
                self.leadership.state = Some((to, number, words));
                if self.has_followers() {
                    self.describe_to(now, None);
                }
                if let Event::Changed { cause, .. } = event {
                    self.note_state(to, cause);
                }
            }
            Event::Opened {
                generation,
                continuity,
            } => {
                let (generation, kept) = (*generation, *continuity == Continuity::Kept);
                if self.has_followers() {
                    self.tell_opened(None, generation, kept);
                }
                self.note_opened(generation, kept);
            }
            Event::Sent {
                ticket: Some(_),
                generation,
                ..
            } => {
                if let Some(submission) = self.unqueue() {
                    self.sent(submission, *generation);
                }
            }
            // That it went out is known by the outcome.
            Event::Sent { .. } => {}
            // Each tab sees to its own.
            Event::Discarded { .. } => drop(self.unqueue()),
            Event::Frame { generation, .. }
            | Event::Pinged { generation }
            | Event::Ponged { generation, .. }
            | Event::Mute { generation }
            | Event::Standby { generation, .. }
            | Event::Retired { generation }
            | Event::SocketError { generation } => {
                let number = generation.number();
                *generation = self.own(*generation);
                if let Event::Frame { payload, .. } = &event
                    && self.has_followers()
                {
                    let payload = Some(payload.clone());
                    let details = [number, 0, 0, 0, 0];
                    self.post(None, TabNews::Frame, details, payload, None);
                }
                self.tell(event);
            }
        }
    }

    /// What became of the frame of a [`TabsOutput::Send`].
    pub fn handle_outcome(&mut self, submission: Submission, outcome: &SendOutcome) {
        match outcome {
            SendOutcome::Sent => {
                let state = self.leadership.state.as_ref();
                let generation = state.and_then(|(state, ..)| state.generation());
                self.sent(submission, generation.unwrap_or_default());
            }
            SendOutcome::Queued(_) => self.leadership.queued.push(submission),
            // The connection is closed, and its tab will hear of that.
            SendOutcome::Rejected(_) => {}
        }
    }

    /// The lock of a tab's own is granted: that tab is gone.
    pub fn handle_gone(&mut self, tab: TabId) {
        self.leadership
            .followers
            .retain(|follower| *follower != tab);
        self.end_subscriptions(tab, None);
    }

    /// Whether anybody can see the page.
    pub fn handle_visibility(&mut self, now: Instant, visible: bool, jitter: Jitter) {
        self.visible = visible;
        if self.role == Role::Following {
            self.timers.stop_all();
            if visible {
                self.ask(now, jitter);
            }
        }
    }

    /// The page is about to stand still (`freeze`), or to go (`pagehide`): the other tabs go on
    /// without it. What is queued is kept.
    pub fn handle_suspend(&mut self) {
        if matches!(self.role, Role::Following | Role::Leading) {
            self.leave_others();
            self.role = Role::Suspended;
        }
    }

    /// The page is back (`resume`, `pageshow`).
    pub fn handle_resume(&mut self, now: Instant, jitter: Jitter) {
        if self.role == Role::Suspended {
            self.join_others(now, Cause::Woke, jitter);
        }
    }

    /// Does what is due. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant, jitter: Jitter) {
        while let Some(expired) = self.outbox.pop_expired(now) {
            self.discard(expired, Discard::Expired);
        }
        if self.timers.fired(Timer::Watched, now) {
            self.outputs.push(TabsOutput::Watched(false));
        }
        if let Some(deadline) = self.timers.take_due(Timer::Verdict, now) {
            if now - deadline <= LATE {
                self.request_lock(true);
            }
            // Should even that come to nothing, it is tried again.
            self.ask(now, jitter);
        } else if self.timers.fired(Timer::Ask, now) {
            self.ask(now, jitter);
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<TabsOutput> {
        if self.outputs.is_empty() {
            return None;
        }
        Some(self.outputs.remove(0))
    }

    /// When to call [`Tabs::handle_timeout`] next, if at all.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let expiry = self.outbox.next_expiry();
        match (self.timers.next(), expiry) {
            (Some(timer), Some(expiry)) => Some(timer.min(expiry)),
            (timer, expiry) => timer.or(expiry),
        }
    }

    fn join_others(&mut self, now: Instant, cause: Cause, jitter: Jitter) {
        self.role = Role::Following;
        self.me.0 += 1;
        self.outputs.push(TabsOutput::Attach { tab: self.me });
        self.request_lock(false);
        self.await_answer(now, jitter);
        self.enter(self.dialling(), cause);
    }

    fn leave_others(&mut self) {
        match self.role {
            Role::Leading | Role::Alone => self.stop_leading(),
            Role::Following => self.say(TabNews::Bye),
            Role::Closed | Role::Suspended => {}
        }
        if self.role != Role::Alone {
            self.outputs.push(TabsOutput::ReleaseLock);
            self.outputs.push(TabsOutput::Detach);
        }
        self.timers.stop_all();
        self.claim.0 += 1;
        // Terms may begin and end that this tab does not hear of, and frames be missed.
        self.begin_term(Term::default());
        self.opened = self.opened.map(|(_, generation)| (self.term, generation));
    }

    /// Becomes a follower, and stands in line for the lock again.
    fn step_down(&mut self, now: Instant) {
        self.stop_leading();
        self.role = Role::Following;
        self.request_lock(false);
        self.begin_term(self.term);
        self.enter(self.dialling(), Cause::TabTookOver);
        if self.visible {
            self.timers.set(Timer::Ask, now + ASK_EVERY);
        }
    }

    fn stop_leading(&mut self) {
        self.leadership = Leadership::default();
        self.timers.stop_all();
        self.outputs.push(TabsOutput::Stop);
    }

    /// Whatever the leader of another term had is to be given again, and its generations are not
    /// those of this one.
    fn begin_term(&mut self, term: Term) {
        self.term = term;
        self.offset = None;
        self.given = Ticket::default();
    }

    fn request_lock(&mut self, steal: bool) {
        self.claim.0 += 1;
        self.steals = steal;
        let claim = self.claim;
        self.outputs.push(TabsOutput::RequestLock { claim, steal });
    }

    fn ask(&mut self, now: Instant, jitter: Jitter) {
        self.say(TabNews::AreYouThere);
        self.await_answer(now, jitter);
    }

    fn await_answer(&mut self, now: Instant, jitter: Jitter) {
        self.timers.stop_all();
        if self.visible {
            let spread = Backoff {
                base: SPREAD,
                cap: SPREAD,
            };
            let deadline = now + ANSWER_WITHIN + spread.delay(1, jitter);
            self.timers.set(Timer::Verdict, deadline);
        }
    }

    /// The leader lives: its next examination is due in a while, and no sooner if another tab
    /// asked it just now.
    fn note_life(&mut self, now: Instant, news: TabNews) {
        if !self.visible {
            return;
        }
        self.timers.stop(Timer::Verdict);
        if news == TabNews::Here || self.timers.deadline(Timer::Ask).is_none() {
            self.timers.set(Timer::Ask, now + ASK_EVERY);
        }
    }

    /// Does what a follower asks for.
    fn serve(&mut self, now: Instant, message: TabMessage) {
        let (from, news) = (message.from, message.news);
        if news == TabNews::Bye {
            self.handle_gone(from);
            return;
        }
        let is_new = !self.leadership.followers.contains(&from);
        if is_new {
            self.leadership.followers.push(from);
            self.outputs.push(TabsOutput::Watch { tab: from });
        }
        if is_new || news == TabNews::Hello {
            self.describe_to(now, Some(from));
        }
        // One that lives in another term asks a leader that is no more, and will ask this one when
        // it hears of it.
        let is_mine = message.term == self.term;
        match news {
            TabNews::AreYouThere => {
                self.say(TabNews::Here);
                if self.timers.deadline(Timer::Watched).is_none() {
                    self.outputs.push(TabsOutput::Watched(true));
                }
                self.timers.set(Timer::Watched, now + WATCHED_FOR);
                if !self.visible {
                    self.outputs.push(TabsOutput::Tick);
                }
            }
            // Somebody wants a connection anew.
            TabNews::Hello if self.state == State::Closed => self.outputs.push(TabsOutput::Retry),
            TabNews::RetryNow if is_mine => self.outputs.push(TabsOutput::Retry),
            TabNews::Submit if is_mine => {
                if let Some(payload) = message.payload {
                    let ticket = Ticket::from_number(message.details[0]);
                    self.hand(from, ticket, payload, message.begins);
                }
            }
            TabNews::Leave if is_mine => {
                if let Some(key) = message.payload.as_ref().and_then(Payload::text) {
                    self.end_subscriptions(from, Some(key));
                }
            }
            _ => {}
        }
    }

    fn has_followers(&self) -> bool {
        // A page alone need not copy every frame.
        !self.leadership.followers.is_empty()
    }

    fn describe_to(&mut self, now: Instant, to: Option<TabId>) {
        let Some((state, cause, words)) = &self.leadership.state else {
            return;
        };
        let (state, words) = (*state, words.clone().map(Payload::Text));
        let [one, two, three, four] = state_to_numbers(state, now);
        let details = [one, two, three, four, *cause];
        self.post(to, TabNews::State, details, words, None);
        // Who hears of a change hears of what is open in its own time.
        if let State::Open { generation } = state
            && to.is_some()
        {
            self.tell_opened(to, generation, false);
        }
    }

    fn tell_opened(&mut self, to: Option<TabId>, generation: Generation, kept: bool) {
        let details = [generation.number(), u64::from(kept), 0, 0, 0];
        self.post(to, TabNews::Opened, details, None, None);
    }

    /// Takes what the leader says.
    fn follow(&mut self, now: Instant, message: TabMessage) {
        let [one, two, three, four, five] = message.details;
        let ticket = Ticket::from_number(one);
        match message.news {
            TabNews::State => {
                let words = match message.payload {
                    Some(Payload::Text(words)) => words,
                    _ => String::new(),
                };
                let state = state_from_numbers([one, two, three, four], now);
                self.note_state(state, cause_from_parts(five, words));
            }
            TabNews::Opened => self.note_opened(Generation::from_number(one), two == 1),
            TabNews::Frame => {
                let generation = self.own(Generation::from_number(one));
                // A tab that has just come may hear a frame before it hears what is open. Later
                // than that, a frame may come over a socket that is about to take over.
                if self
                    .opened
                    .is_some_and(|(term, opened)| term == self.term || generation <= opened)
                    && let Some(payload) = message.payload
                {
                    self.tell(Event::Frame {
                        generation,
                        payload,
                    });
                }
            }
            TabNews::Sent => {
                let tab = self.me;
                self.sent(Submission { tab, ticket }, Generation::from_number(two));
            }
            _ => {}
        }
    }

    fn note_state(&mut self, mut state: State, cause: Cause) {
        if let State::Connecting { generation, .. } | State::Open { generation } = &mut state {
            *generation = self.own(*generation);
        }
        self.enter(state, cause);
        if state == State::Closed {
            self.discard_all();
        }
    }

    fn note_opened(&mut self, generation: Generation, kept: bool) {
        let generation = self.own(generation);
        let opened = (self.term, generation);
        // A leader's answer may tell what it has told to all.
        if self.state != (State::Open { generation }) || self.opened == Some(opened) {
            return;
        }
        let before = self.opened.replace(opened);
        let continuity = match before {
            None => Continuity::First,
            Some((term, _)) if kept && term == self.term => Continuity::Kept,
            Some(_) => Continuity::MayBeLost,
        };
        self.tell(Event::Opened {
            generation,
            continuity,
        });
        self.give();
    }

    /// The leader's generation as one of this tab's: they grow, whoever leads.
    fn own(&mut self, generation: Generation) -> Generation {
        let number = generation.number();
        let next = self.generation.saturating_add(1);
        let offset = *self.offset.get_or_insert(next.wrapping_sub(number));
        let own = number.wrapping_add(offset);
        self.generation = self.generation.max(own);
        Generation::from_number(own)
    }

    /// A dial of which nothing is known yet.
    const fn dialling(&self) -> State {
        State::Connecting {
            generation: Generation::from_number(self.generation.saturating_add(1)),
            attempt: 0,
        }
    }

    fn take(
        &mut self,
        now: Instant,
        payload: Payload,
        begins: Option<Subscription>,
    ) -> SendOutcome {
        if self.state == State::Closed {
            return SendOutcome::Rejected(Rejection::Closed);
        }
        match self.outbox.push(now, payload) {
            Ok(ticket) => {
                self.begins.extend(begins.map(|begins| (ticket, begins)));
                self.give();
                SendOutcome::Queued(ticket)
            }
            Err(rejection) => SendOutcome::Rejected(rejection),
        }
    }

    /// Gives the leader all that it has not got, once its socket is open: until then a frame is
    /// safer here.
    fn give(&mut self) {
        let open = self.opened.is_some_and(|(term, generation)| {
            term == self.term && self.state == State::Open { generation }
        });
        while open && let Some(waiting) = self.outbox.first_after(self.given) {
            let (ticket, payload) = (waiting.ticket, waiting.payload.clone());
            self.given = ticket;
            let begins = self.begins.iter().find(|(of, _)| *of == ticket);
            let begins = begins.map(|(_, begins)| begins.clone());
            if self.is_leading() {
                self.hand(self.me, ticket, payload, begins);
            } else {
                let details = [ticket.number(), 0, 0, 0, 0];
                self.post(None, TabNews::Submit, details, Some(payload), begins);
            }
        }
    }

    /// Hands a tab's frame to the connection.
    fn hand(&mut self, tab: TabId, ticket: Ticket, payload: Payload, begins: Option<Subscription>) {
        if let Some(begins) = begins {
            let all = &mut self.leadership.subscriptions;
            if !all
                .iter()
                .any(|(of, held)| *of == tab && held.key == begins.key)
            {
                all.push((tab, begins));
            }
        }
        let submission = Submission { tab, ticket };
        self.outputs.push(TabsOutput::Send {
            submission,
            payload,
        });
    }

    fn unqueue(&mut self) -> Option<Submission> {
        let queued = &mut self.leadership.queued;
        (!queued.is_empty()).then(|| queued.remove(0))
    }

    /// The tab does not want the subscription to this key, or any, any more. What no other tab
    /// wants is ended.
    fn end_subscriptions(&mut self, tab: TabId, key: Option<&str>) {
        let all = &mut self.leadership.subscriptions;
        let mut at = 0;
        let mut endings = Vec::new();
        while let Some((of, held)) = all.get(at) {
            if *of != tab || key.is_some_and(|key| held.key != key) {
                at += 1;
                continue;
            }
            let (_, ended) = all.swap_remove(at);
            if all.iter().all(|(_, held)| held.key != ended.key) {
                endings.push(ended.ending);
            }
        }
        for ending in endings {
            self.hand(self.me, Ticket::default(), ending, None);
        }
    }

    fn sent(&mut self, Submission { tab, ticket }: Submission, generation: Generation) {
        if tab != self.me {
            let details = [ticket.number(), generation.number(), 0, 0, 0];
            self.post(Some(tab), TabNews::Sent, details, None, None);
        } else if let Some(sent) = self.outbox.remove(ticket) {
            self.begins.retain(|(of, _)| *of != ticket);
            let generation = self.own(generation);
            self.tell(Event::Sent {
                generation,
                ticket: Some(ticket),
                payload: sent.payload,
            });
        }
    }

    fn discard_all(&mut self) {
        while let Some(waiting) = self.outbox.pop() {
            self.discard(waiting, Discard::Closed);
        }
    }

    fn discard(&mut self, waiting: Waiting, why: Discard) {
        self.begins.retain(|(of, _)| *of != waiting.ticket);
        self.tell(Event::Discarded {
            ticket: waiting.ticket,
            payload: waiting.payload,
            why,
        });
    }

    fn enter(&mut self, to: State, cause: Cause) {
        let from = std::mem::replace(&mut self.state, to);
        if from != to {
            self.tell(Event::Changed { from, to, cause });
        }
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push(TabsOutput::Event(event));
    }

    fn say(&mut self, news: TabNews) {
        self.post(None, news, Details::default(), None, None);
    }

    fn post(
        &mut self,
        to: Option<TabId>,
        news: TabNews,
        details: Details,
        payload: Option<Payload>,
        begins: Option<Subscription>,
    ) {
        self.outputs.push(TabsOutput::Post(TabMessage {
            from: self.me,
            term: self.term,
            to,
            news,
            details,
            payload,
            begins,
        }));
    }
}

/// The state, with its moment counted from now.
fn state_to_numbers(state: State, now: Instant) -> [u64; 4] {
    let millis = |duration| (Instant::default() + duration).as_millis();
    match state {
        State::Connecting {
            generation,
            attempt,
        } => [0, generation.number(), attempt.into(), 0],
        State::Open { generation } => [1, generation.number(), 0, 0],
        State::Waiting {
            attempt,
            delay,
            until,
        } => [2, millis(delay), attempt.into(), millis(until - now)],
        State::Offline => [3, 0, 0, 0],
        State::Closed => [4, 0, 0, 0],
    }
}

/// The opposite of [`state_to_numbers`].
fn state_from_numbers([kind, two, three, four]: [u64; 4], now: Instant) -> State {
    let generation = Generation::from_number(two);
    let attempt = u32::try_from(three).unwrap_or(u32::MAX);
    match kind {
        0 => State::Connecting {
            generation,
            attempt,
        },
        1 => State::Open { generation },
        2 => State::Waiting {
            attempt,
            delay: Duration::from_millis(two),
            until: now + Duration::from_millis(four),
        },
        3 => State::Offline,
        _ => State::Closed,
    }
}

/// Causes that have a close code are numbered by it, from here.
const CLOSED: u64 = 100;

/// The number of a cause, and its words.
fn cause_to_parts(cause: &Cause) -> (u64, Option<String>) {
    let mut words = None;
    let number = match cause {
        Cause::SocketClosed(closed) => {
            words = Some(&closed.reason);
            CLOSED + u64::from(closed.code)
        }
        Cause::DialFailed(failure) => {
            words = Some(&failure.why);
            1
        }
        Cause::DialImpossible(why) => {
            words = Some(why);
            2
        }
        Cause::Requested => 3,
        Cause::Opened => 4,
        Cause::DialTimedOut => 5,
        Cause::Unresponsive => 6,
        Cause::RolledOver => 7,
        Cause::WaitOver => 8,
        Cause::WentOffline => 9,
        Cause::CameOnline => 10,
        Cause::Woke => 11,
        Cause::TabTookOver => 12,
        Cause::ClosedByUser => 13,
    };
    (number, words.cloned())
}

/// The opposite of [`cause_to_parts`].
fn cause_from_parts(number: u64, words: String) -> Cause {
    match number {
        1 => Cause::DialFailed(DialFailure {
            why: words,
            retry_after: None,
        }),
        2 => Cause::DialImpossible(words),
        3 => Cause::Requested,
        4 => Cause::Opened,
        5 => Cause::DialTimedOut,
        6 => Cause::Unresponsive,
        7 => Cause::RolledOver,
        8 => Cause::WaitOver,
        9 => Cause::WentOffline,
        10 => Cause::CameOnline,
        11 => Cause::Woke,
        13 => Cause::ClosedByUser,
        _ => match u16::try_from(number.wrapping_sub(CLOSED)) {
            Ok(code) => Cause::SocketClosed(Closed {
                code,
                reason: words,
                // 1006 stands for all that was no closing handshake (RFC 6455, section 7.1.5).
                was_clean: code != 1006,
            }),
            Err(_) => Cause::TabTookOver,
        },
    }
}
