//! One connection for all tabs of a browser.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::{Cause, Continuity, Event, Generation, State};
use crate::outbox::{Discard, OutboxLimits, Payload, Rejection, SendOutcome, Ticket};
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

/// The name of a tab among all tabs that share a connection: random, drawn by the driver afresh
/// for each [`Tabs`].
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
}

/// What a message between tabs says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TabNews {
    /// A follower is there, and asks how things stand.
    Hello,
    /// A follower that somebody looks at asks for a sign of life.
    AreYouThere,
    /// A follower asks for a frame to be sent.
    Submit {
        /// The follower's ticket.
        ticket: Ticket,
        /// What it carries.
        payload: Payload,
        /// What it begins, if anything.
        begins: Option<Subscription>,
    },
    /// A follower does not want the subscription any more.
    Leave {
        /// What it is to.
        key: String,
    },
    /// Somebody at a follower asks for a dial now.
    RetryNow,
    /// A follower goes.
    Bye,
    /// A term begins.
    Leading,
    /// The leader gives a sign of life.
    Here,
    /// Where the connection stands.
    State {
        /// The state, in the leader's generations. A moment in it is counted from the posting of
        /// the message, since each tab has a clock of its own.
        state: State,
        /// Why it was entered.
        cause: Cause,
    },
    /// A socket is open.
    Opened {
        /// The socket.
        generation: Generation,
        /// Whether it took over from another without a gap.
        kept: bool,
    },
    /// A frame arrived.
    Frame {
        /// The socket that it came over.
        generation: Generation,
        /// What it carries.
        payload: Payload,
    },
    /// The follower's frame went out.
    Sent {
        /// The socket that it went over.
        generation: Generation,
        /// The follower's ticket.
        ticket: Ticket,
    },
    /// The follower's frame will never be sent.
    Discarded {
        /// The follower's ticket.
        ticket: Ticket,
        /// Why.
        why: Discard,
    },
}

impl TabNews {
    const fn is_of_leader(&self) -> bool {
        matches!(
            self,
            Self::Leading
                | Self::Here
                | Self::State { .. }
                | Self::Opened { .. }
                | Self::Frame { .. }
                | Self::Sent { .. }
                | Self::Discarded { .. }
        )
    }
}

/// What the driver must do, in the order in which [`Tabs::poll_output`] gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TabsOutput {
    /// Join the other tabs: listen to their messages, and hold a lock of this tab's own for as
    /// long as it is there, so that the leader learns when it is gone. What is to be posted waits
    /// for that lock.
    Attach,
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
    /// Make a new connection, connect it, and report its events with [`Tabs::handle_event`].
    Start,
    /// Close the connection, drop it, and report nothing more of it.
    Stop,
    /// Call `send` of the connection, and report with [`Tabs::handle_outcome`] before anything
    /// else.
    Send {
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

/// A frame of this tab that is not known to be sent.
#[derive(Debug)]
struct Entry {
    ticket: Ticket,
    payload: Payload,
    begins: Option<Subscription>,
    expires: Instant,
    /// Whether the present leader has it.
    given: bool,
    /// Whether the subscription that it begins was left since.
    left: bool,
}

/// Whose frame it is; `None` if the leader sends it of its own accord.
type Owner = Option<(TabId, Ticket)>;

/// What only a leader knows.
#[derive(Debug, Default)]
struct Leadership {
    followers: Vec<TabId>,
    /// Who is subscribed to what, over the present socket.
    subscriptions: Vec<(TabId, Ticket, Subscription)>,
    /// Frames that the connection has not got yet.
    backlog: VecDeque<(Owner, Payload)>,
    /// Whether the first of the backlog is with the driver.
    handing: bool,
    /// Frames that wait in the connection.
    queued: Vec<(Ticket, Owner)>,
    /// The connection's state, and why it was entered.
    state: Option<(State, Cause)>,
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
    limits: OutboxLimits,
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
    outbox: VecDeque<Entry>,
    outbox_bytes: usize,
    tickets: u64,
    leadership: Leadership,
    timers: Timers<{ Timer::COUNT }>,
    outputs: VecDeque<TabsOutput>,
}

impl Tabs {
    /// A tab of this name, in which nobody has asked for a connection yet. The limits should be
    /// those of the connection.
    pub fn new(me: TabId, limits: OutboxLimits) -> Self {
        Self {
            me,
            limits,
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
            outbox: VecDeque::new(),
            outbox_bytes: 0,
            tickets: 0,
            leadership: Leadership::default(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
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
            Role::Following => self.post(None, TabNews::RetryNow),
            Role::Leading | Role::Alone => self.outputs.push_back(TabsOutput::Retry),
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
            self.outputs.push_back(TabsOutput::Start);
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

    /// Leaves a subscription. If its beginning is not sent yet, it will not be.
    pub fn leave(&mut self, key: &str) {
        for entry in &mut self.outbox {
            entry.left |= entry
                .begins
                .as_ref()
                .is_some_and(|begins| begins.key == key);
        }
        self.discard_left();
        if self.is_leading() {
            self.end_subscription(self.me, key);
        } else if self.role == Role::Following {
            let key = key.to_owned();
            self.post(None, TabNews::Leave { key });
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
        self.post(None, TabNews::Leading);
        self.outputs.push_back(TabsOutput::Start);
    }

    /// Another tab took the lock, or the browser cancelled the request.
    pub fn handle_lost(&mut self, now: Instant, claim: Claim) {
        if claim != self.claim {
            return;
        }
        match self.role {
            Role::Leading => {
                self.step_down(now);
                self.post(None, TabNews::Hello);
            }
            Role::Following => self.request_lock(false),
            Role::Closed | Role::Suspended | Role::Alone => {}
        }
    }

    /// A message from another tab.
    pub fn handle_message(&mut self, now: Instant, message: TabMessage) {
        let TabMessage {
            from,
            term,
            to,
            news,
        } = message;
        if !matches!(self.role, Role::Following | Role::Leading) || from == self.me {
            return;
        }
        if !news.is_of_leader() {
            if self.role == Role::Leading {
                self.serve(now, from, term, news);
            }
            return;
        }
        if term < self.term {
            return;
        }
        if term > self.term {
            if self.role == Role::Leading {
                self.step_down(now);
            }
            self.begin_term(term);
            if to != Some(self.me) {
                self.post(None, TabNews::Hello);
            }
        }
        self.note_life(now, news == TabNews::Here);
        if to.is_none_or(|to| to == self.me) {
            self.follow(now, news);
        }
    }

    /// An event of the connection that [`TabsOutput::Start`] asked for.
    pub fn handle_event(&mut self, now: Instant, mut event: Event) {
        if !self.is_leading() {
            return;
        }
        match &mut event {
            Event::Changed { to, cause, .. } => {
                if *cause == Cause::Requested && std::mem::take(&mut self.succeeds) {
                    *cause = Cause::TabTookOver;
                }
                let (to, cause) = (*to, cause.clone());
                self.leadership.state = Some((to, cause.clone()));
                self.tell_followers(|| TabNews::State {
                    state: relative(to, now),
                    cause: cause.clone(),
                });
                self.note_state(to, cause);
                return;
            }
            Event::Opened {
                generation,
                continuity,
            } => {
                let (generation, kept) = (*generation, *continuity == Continuity::Kept);
                self.forget_subscriptions();
                self.tell_followers(|| TabNews::Opened { generation, kept });
                self.note_opened(generation, kept);
                self.hand_on();
                return;
            }
            Event::Sent {
                ticket, generation, ..
            } => {
                if let Some(owner) = ticket.and_then(|ticket| self.unqueue(ticket)) {
                    self.sent(owner, *generation);
                }
                self.hand_on();
                return;
            }
            Event::Discarded { ticket, why, .. } => {
                // After a close, each tab discards its own.
                if let Some(owner) = self.unqueue(*ticket)
                    && *why != Discard::Closed
                {
                    self.discarded(owner, *why);
                }
                self.hand_on();
                return;
            }
            Event::Frame {
                generation,
                payload,
            } => {
                let generation = *generation;
                self.tell_followers(|| TabNews::Frame {
                    generation,
                    payload: payload.clone(),
                });
            }
            Event::Pinged { .. }
            | Event::Ponged { .. }
            | Event::Mute { .. }
            | Event::Standby { .. }
            | Event::Retired { .. }
            | Event::SocketError { .. } => {}
        }
        if let Event::Frame { generation, .. }
        | Event::Pinged { generation }
        | Event::Ponged { generation, .. }
        | Event::Mute { generation }
        | Event::Standby { generation, .. }
        | Event::Retired { generation }
        | Event::SocketError { generation } = &mut event
        {
            *generation = self.own(*generation);
        }
        self.tell(event);
    }

    /// What became of the frame of the last [`TabsOutput::Send`].
    pub fn handle_outcome(&mut self, outcome: &SendOutcome) {
        if !std::mem::take(&mut self.leadership.handing) {
            return;
        }
        if matches!(outcome, SendOutcome::Rejected(Rejection::QueueFull { .. })) {
            // It stays the first of the backlog until the connection has told of one that it sent.
            return;
        }
        let Some((owner, _)) = self.leadership.backlog.pop_front() else {
            return;
        };
        match outcome {
            SendOutcome::Sent => {
                let state = self.leadership.state.as_ref();
                let generation = state.and_then(|(state, _)| state.generation());
                self.sent(owner, generation.unwrap_or_default());
            }
            SendOutcome::Queued(ticket) => self.leadership.queued.push((*ticket, owner)),
            SendOutcome::Rejected(_) => self.discarded(owner, Discard::Closed),
        }
        self.hand_on();
    }

    /// The lock of a tab's own is granted: that tab is gone.
    pub fn handle_gone(&mut self, tab: TabId) {
        let leadership = &mut self.leadership;
        leadership.followers.retain(|follower| *follower != tab);
        let first = usize::from(leadership.handing);
        let mut at = 0;
        leadership.backlog.retain(|(owner, _)| {
            at += 1;
            at <= first || owner.is_none_or(|(of, _)| of != tab)
        });
        while let Some((_, _, subscription)) = self
            .leadership
            .subscriptions
            .iter()
            .find(|(of, ..)| *of == tab)
        {
            let key = subscription.key.clone();
            self.end_subscription(tab, &key);
        }
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
        while let Some(at) = self.next_to_expire()
            && self.outbox[at].expires <= now
        {
            self.discard_at(at, Discard::Expired);
        }
        if self.timers.fired(Timer::Watched, now) {
            self.outputs.push_back(TabsOutput::Watched(false));
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
        self.outputs.pop_front()
    }

    /// When to call [`Tabs::handle_timeout`] next, if at all.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let expiry = self.next_to_expire().map(|at| self.outbox[at].expires);
        self.timers.next().into_iter().chain(expiry).min()
    }

    fn join_others(&mut self, now: Instant, cause: Cause, jitter: Jitter) {
        self.role = Role::Following;
        self.outputs.push_back(TabsOutput::Attach);
        self.request_lock(false);
        self.post(None, TabNews::Hello);
        self.await_answer(now, jitter);
        self.enter(self.dialling(), cause);
    }

    fn leave_others(&mut self) {
        match self.role {
            Role::Leading | Role::Alone => self.stop_leading(),
            Role::Following => self.post(None, TabNews::Bye),
            Role::Closed | Role::Suspended => {}
        }
        if self.role != Role::Alone {
            self.outputs.push_back(TabsOutput::ReleaseLock);
            self.outputs.push_back(TabsOutput::Detach);
        }
        self.timers.stop_all();
        self.claim.0 += 1;
        self.begin_term(self.term);
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
        self.outputs.push_back(TabsOutput::Stop);
    }

    /// Whatever the leader of another term had is to be given again, and its generations are not
    /// those of this one.
    fn begin_term(&mut self, term: Term) {
        self.term = term;
        self.offset = None;
        for entry in &mut self.outbox {
            entry.given = false;
        }
        self.discard_left();
    }

    fn request_lock(&mut self, steal: bool) {
        self.claim.0 += 1;
        self.steals = steal;
        let claim = self.claim;
        self.outputs
            .push_back(TabsOutput::RequestLock { claim, steal });
    }

    fn ask(&mut self, now: Instant, jitter: Jitter) {
        self.post(None, TabNews::AreYouThere);
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
    fn note_life(&mut self, now: Instant, answered: bool) {
        if !self.visible {
            return;
        }
        self.timers.stop(Timer::Verdict);
        if answered || self.timers.deadline(Timer::Ask).is_none() {
            self.timers.set(Timer::Ask, now + ASK_EVERY);
        }
    }

    /// Does what a follower asks for.
    fn serve(&mut self, now: Instant, from: TabId, term: Term, news: TabNews) {
        if news == TabNews::Bye {
            self.handle_gone(from);
            return;
        }
        let is_new = !self.leadership.followers.contains(&from);
        if is_new {
            self.leadership.followers.push(from);
            self.outputs.push_back(TabsOutput::Watch { tab: from });
        }
        if is_new || news == TabNews::Hello {
            self.describe_to(now, from);
        }
        match news {
            TabNews::AreYouThere => {
                self.post(None, TabNews::Here);
                if self.timers.deadline(Timer::Watched).is_none() {
                    self.outputs.push_back(TabsOutput::Watched(true));
                }
                self.timers.set(Timer::Watched, now + WATCHED_FOR);
                if !self.visible {
                    self.outputs.push_back(TabsOutput::Tick);
                }
            }
            // Somebody wants a connection anew.
            TabNews::Hello if self.state == State::Closed => {
                self.outputs.push_back(TabsOutput::Retry);
            }
            // It asks a leader that is no more, and will ask this one when it hears of it.
            _ if term != self.term => {}
            TabNews::Submit {
                ticket,
                payload,
                begins,
            } => self.hand(from, ticket, payload, begins),
            TabNews::Leave { key } => self.end_subscription(from, &key),
            TabNews::RetryNow => self.outputs.push_back(TabsOutput::Retry),
            _ => {}
        }
    }

    fn describe_to(&mut self, now: Instant, tab: TabId) {
        let Some((state, cause)) = self.leadership.state.clone() else {
            return;
        };
        let relative = relative(state, now);
        self.post(
            Some(tab),
            TabNews::State {
                state: relative,
                cause,
            },
        );
        if let State::Open { generation } = state {
            let kept = false;
            self.post(Some(tab), TabNews::Opened { generation, kept });
        }
    }

    /// Takes what the leader says.
    fn follow(&mut self, now: Instant, news: TabNews) {
        match news {
            TabNews::State { state, cause } => self.note_state(absolute(state, now), cause),
            TabNews::Opened { generation, kept } => self.note_opened(generation, kept),
            TabNews::Frame {
                generation,
                payload,
            } => {
                let generation = self.own(generation);
                // Nothing is heard before the first open.
                if self.opened.is_some_and(|(term, _)| term == self.term) {
                    self.tell(Event::Frame {
                        generation,
                        payload,
                    });
                }
            }
            TabNews::Sent { generation, ticket } => {
                self.sent(Some((self.me, ticket)), generation);
            }
            TabNews::Discarded { ticket, why } => self.discarded(Some((self.me, ticket)), why),
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
        let next = self.generation + 1;
        let offset = *self.offset.get_or_insert(next.wrapping_sub(number));
        let own = number.wrapping_add(offset);
        self.generation = self.generation.max(own);
        Generation::from_number(own)
    }

    /// A dial of which nothing is known yet.
    const fn dialling(&self) -> State {
        State::Connecting {
            generation: Generation::from_number(self.generation + 1),
            attempt: 0,
        }
    }

    fn take(
        &mut self,
        now: Instant,
        payload: Payload,
        begins: Option<Subscription>,
    ) -> SendOutcome {
        let bytes = payload.bytes();
        let limit = self.limits.frame_bytes;
        let total = self.outbox_bytes.saturating_add(bytes);
        let frames = self.outbox.len();
        SendOutcome::Rejected(if bytes > limit {
            Rejection::TooLarge { bytes, limit }
        } else if self.state == State::Closed {
            Rejection::Closed
        } else if frames >= self.limits.queued_frames || total > self.limits.queued_bytes {
            let bytes = self.outbox_bytes;
            Rejection::QueueFull { frames, bytes }
        } else {
            self.outbox_bytes = total;
            self.tickets += 1;
            let ticket = Ticket::from_number(self.tickets);
            self.outbox.push_back(Entry {
                ticket,
                payload,
                begins,
                expires: now + self.limits.max_age,
                given: false,
                left: false,
            });
            self.give();
            return SendOutcome::Queued(ticket);
        })
    }

    /// Gives the leader all that it has not got, once its socket is open: until then a frame is
    /// safer here.
    fn give(&mut self) {
        let open = self.opened.is_some_and(|(term, generation)| {
            term == self.term && self.state == State::Open { generation }
        });
        if !open {
            return;
        }
        let me = self.me;
        let mut at = self.outbox.iter().position(|entry| !entry.given);
        while let Some(entry) = at.and_then(|at| self.outbox.get_mut(at)) {
            entry.given = true;
            let ticket = entry.ticket;
            let (payload, begins) = (entry.payload.clone(), entry.begins.clone());
            if self.is_leading() {
                self.hand(me, ticket, payload, begins);
            } else {
                self.post(
                    None,
                    TabNews::Submit {
                        ticket,
                        payload,
                        begins,
                    },
                );
            }
            at = at.map(|at| at + 1);
        }
    }

    /// Hands a tab's frame to the connection, after all that came before it.
    fn hand(&mut self, tab: TabId, ticket: Ticket, payload: Payload, begins: Option<Subscription>) {
        if let Some(begins) = begins {
            let all = &mut self.leadership.subscriptions;
            all.retain(|(of, _, held)| *of != tab || held.key != begins.key);
            all.push((tab, ticket, begins));
        }
        let backlog = &mut self.leadership.backlog;
        backlog.push_back((Some((tab, ticket)), payload));
        self.hand_on();
    }

    fn hand_on(&mut self) {
        let leadership = &mut self.leadership;
        if !leadership.handing
            && let Some((_, payload)) = leadership.backlog.front()
        {
            leadership.handing = true;
            let payload = payload.clone();
            self.outputs.push_back(TabsOutput::Send { payload });
        }
    }

    fn unqueue(&mut self, ticket: Ticket) -> Option<Owner> {
        let queued = &mut self.leadership.queued;
        let at = queued.iter().position(|(of, _)| *of == ticket)?;
        Some(queued.remove(at).1)
    }

    /// The subscriptions of the socket before are over, unless their beginnings wait for the next.
    fn forget_subscriptions(&mut self) {
        let Leadership {
            subscriptions,
            backlog,
            queued,
            ..
        } = &mut self.leadership;
        subscriptions.retain(|(tab, ticket, _)| {
            let owner = Some((*tab, *ticket));
            backlog.iter().any(|(of, _)| *of == owner) || queued.iter().any(|(_, of)| *of == owner)
        });
    }

    /// The tab does not want it any more; if no other does, it is ended.
    fn end_subscription(&mut self, tab: TabId, key: &str) {
        let all = &mut self.leadership.subscriptions;
        let Some(at) = all
            .iter()
            .position(|(of, _, held)| *of == tab && held.key == key)
        else {
            return;
        };
        let (_, _, ended) = all.swap_remove(at);
        if all.iter().all(|(_, _, held)| held.key != key) {
            self.leadership.backlog.push_back((None, ended.ending));
            self.hand_on();
        }
    }

    fn sent(&mut self, owner: Owner, generation: Generation) {
        match owner {
            Some((tab, ticket)) if tab == self.me => {
                if let Some(at) = self.position(ticket)
                    && let Some(entry) = self.remove(at)
                {
                    let generation = self.own(generation);
                    self.tell(Event::Sent {
                        generation,
                        ticket: Some(ticket),
                        payload: entry.payload,
                    });
                }
            }
            Some((tab, ticket)) => self.post(Some(tab), TabNews::Sent { generation, ticket }),
            None => {}
        }
    }

    fn discarded(&mut self, owner: Owner, why: Discard) {
        match owner {
            Some((tab, ticket)) if tab == self.me => {
                if let Some(at) = self.position(ticket) {
                    self.discard_at(at, why);
                }
            }
            Some((tab, ticket)) => self.post(Some(tab), TabNews::Discarded { ticket, why }),
            None => {}
        }
    }

    /// What the leader has already is for the leader to end.
    fn discard_left(&mut self) {
        let is_left = |entry: &Entry| entry.left && !entry.given;
        while let Some(at) = self.outbox.iter().position(is_left) {
            self.discard_at(at, Discard::Left);
        }
    }

    fn discard_all(&mut self) {
        while !self.outbox.is_empty() {
            self.discard_at(0, Discard::Closed);
        }
    }

    fn discard_at(&mut self, at: usize, why: Discard) {
        if let Some(entry) = self.remove(at) {
            self.tell(Event::Discarded {
                ticket: entry.ticket,
                payload: entry.payload,
                why,
            });
        }
    }

    fn position(&self, ticket: Ticket) -> Option<usize> {
        self.outbox.iter().position(|entry| entry.ticket == ticket)
    }

    fn remove(&mut self, at: usize) -> Option<Entry> {
        let entry = self.outbox.remove(at)?;
        self.outbox_bytes -= entry.payload.bytes();
        Some(entry)
    }

    /// The oldest of the frames that no leader has; of the others, the leader sees to it.
    fn next_to_expire(&self) -> Option<usize> {
        self.outbox.iter().position(|entry| !entry.given)
    }

    fn enter(&mut self, to: State, cause: Cause) {
        let from = std::mem::replace(&mut self.state, to);
        if from != to {
            self.tell(Event::Changed { from, to, cause });
        }
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(TabsOutput::Event(event));
    }

    /// Posts to all, unless nobody is there: a page alone need not copy every frame.
    fn tell_followers(&mut self, news: impl FnOnce() -> TabNews) {
        if !self.leadership.followers.is_empty() {
            self.post(None, news());
        }
    }

    fn post(&mut self, to: Option<TabId>, news: TabNews) {
        self.outputs.push_back(TabsOutput::Post(TabMessage {
            from: self.me,
            term: self.term,
            to,
            news,
        }));
    }
}

/// The state with its moment counted from now.
fn relative(state: State, now: Instant) -> State {
    match state {
        State::Waiting {
            attempt,
            delay,
            until,
        } => State::Waiting {
            attempt,
            delay,
            until: Instant::default() + (until - now),
        },
        other => other,
    }
}

/// The opposite of [`relative`].
fn absolute(state: State, now: Instant) -> State {
    match state {
        State::Waiting {
            attempt,
            delay,
            until,
        } => State::Waiting {
            attempt,
            delay,
            until: now + (until - Instant::default()),
        },
        other => other,
    }
}
