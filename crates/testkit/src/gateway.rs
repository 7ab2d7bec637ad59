//! The fake gateway as a state machine, without sockets and without a clock: one set of rules for
//! real connections and for those on virtual time.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    fmt,
    time::Duration,
};

use serde_json::Value;

use crate::{
    Dice, Frame,
    rules::{Action, Direction, Request, Rule, RuleError, RuleId, Rules, Subject, check_close},
    seen::{Dial, DialState, End, FRAMES_KEPT, Seen, SeenFrame},
};

/// Largest frame that API Gateway takes from a client, in bytes of its payload
/// ([quota](https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html):
/// "WebSocket frame size", 32 KB).
pub(crate) const FRAME_LIMIT: usize = 32 * 1024;

#[cfg(feature = "server")]
/// No code: what [RFC 6455](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.5) calls a close
/// frame without one.
pub(crate) const NO_CODE: u16 = 1005;

/// What a backend of your own has to say to a frame, in the order in which it says it.
///
/// Rules for frames to clients apply to what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// To the client that sent the frame.
    ToSender(Frame),
    /// To every client of the stage, the sender included.
    ToAll(Frame),
    /// To the connection with this number.
    To(u64, Frame),
    /// Closes the sender's connection with this code and reason; one that no close frame may carry
    /// cuts it.
    Close(u16, String),
}

/// Answers a frame of the connection with this number.
pub(crate) type Answerer = Box<dyn FnMut(u64, &Frame) -> Vec<Reply> + Send>;

/// Who answers the clients' frames.
pub(crate) enum Backend {
    /// The gateway itself, as a small backend of the contract.
    Own,
    /// A function of the test's.
    Custom(Answerer),
    /// Another gateway, to which frames are passed on.
    #[cfg(feature = "server")]
    Upstream,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "Own",
            Self::Custom(_) => "Custom",
            #[cfg(feature = "server")]
            Self::Upstream => "Upstream",
        })
    }
}

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// Answer the dial with 101, and report [`FakeCore::opened`].
    Accept,
    /// Answer the dial with this status.
    Refuse { status: u16 },
    /// Send a frame to the client.
    Send(Frame),
    /// Pass a frame on to the backend behind the gateway.
    #[cfg(feature = "server")]
    PassOn(Frame),
    /// Begin the closing handshake; code 1005 stands for a close frame without one.
    Close { code: u16, reason: String },
    /// End the TCP connection, whatever its state.
    Cut,
    /// Let nothing through any more.
    Silence,
}

#[derive(Debug)]
struct Link {
    /// What a rule for its dial wants once it is open.
    when_open: Option<Action>,
    /// The frame that is held back, by direction.
    held: BTreeMap<Direction, Frame>,
}

#[derive(Debug)]
enum Due {
    Accept,
    Arrive(Direction, Frame),
    AgeOver,
}

/// The state machine: dials and frames in, orders out.
#[derive(Debug)]
pub(crate) struct FakeCore {
    backend: Backend,
    rules: Rules,
    dice: Dice,
    seen: Seen,
    links: BTreeMap<u64, Link>,
    /// By time, and in the order of scheduling within the same moment.
    agenda: BTreeMap<(Duration, u64), (u64, Due)>,
    scheduled: u64,
    orders: VecDeque<(u64, Order)>,
}

impl FakeCore {
    pub(crate) const fn new(backend: Backend, seed: u64) -> Self {
        Self {
            backend,
            rules: Rules::new(),
            dice: Dice::new(seed),
            seen: Seen {
                dials: Vec::new(),
                open: 0,
                frames: VecDeque::new(),
                from_client: 0,
                to_client: 0,
                applied: BTreeMap::new(),
            },
            links: BTreeMap::new(),
            agenda: BTreeMap::new(),
            scheduled: 0,
            orders: VecDeque::new(),
        }
    }

    /// From now on this answers clients' frames.
    pub(crate) fn set_backend(&mut self, answer: Answerer) {
        self.backend = Backend::Custom(answer);
    }

    pub(crate) const fn seen(&self) -> &Seen {
        &self.seen
    }

    #[cfg(feature = "server")]
    pub(crate) const fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn add_rule(&mut self, rule: Rule) -> Result<RuleId, RuleError> {
        self.rules.add(rule)
    }

    pub(crate) fn remove_rule(&mut self, id: RuleId) -> bool {
        self.rules.remove(id)
    }

    pub(crate) fn clear_rules(&mut self) {
        self.rules.clear();
    }

    /// The next thing to do, and for which connection.
    pub(crate) fn poll_order(&mut self) -> Option<(u64, Order)> {
        self.orders.pop_front()
    }

    /// When to call [`FakeCore::timeout`] next.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.agenda.first_key_value().map(|((at, _), _)| *at)
    }

    /// A client dials; the answer is the connection's number.
    pub(crate) fn dial(&mut self, now: Duration, request: Request) -> u64 {
        let number = self.seen.dials.len() as u64 + 1;
        let subject = Subject::Dial {
            connection: number,
            request: &request,
        };
        let action = self.apply_rules(&subject);
        let connection_id = self.new_id();
        self.seen.dials.push(Dial {
            number,
            connection_id,
            at: now,
            request,
            action: action.clone(),
            state: DialState::Dialling,
            end: None,
        });
        self.links.insert(
            number,
            Link {
                when_open: None,
                held: BTreeMap::new(),
            },
        );
        match action {
            Some(Action::Refuse(status)) => {
                self.order(number, Order::Refuse { status });
                self.end(number, End::Refused { status });
            }
            Some(Action::Delay(delay)) => self.schedule(now, delay, number, Due::Accept),
            Some(Action::Drop) => {}
            Some(Action::Cut) => {
                self.cut(number);
            }
            when_open => {
                if let Some(link) = self.links.get_mut(&number) {
                    link.when_open = when_open;
                }
                self.order(number, Order::Accept);
            }
        }
        number
    }

    #[cfg(feature = "server")]
    /// What stands behind the gateway refused the dial, or could not be reached.
    pub(crate) fn refused_behind(&mut self, number: u64, status: u16) {
        self.end(number, End::Refused { status });
    }

    /// The dial was answered with 101.
    pub(crate) fn opened(&mut self, now: Duration, number: u64) {
        if self.state(number) != Some(DialState::Dialling) {
            return;
        }
        self.set_state(number, DialState::Open);
        let when_open = self
            .links
            .get_mut(&number)
            .and_then(|link| link.when_open.take());
        if let Some(action) = when_open {
            self.act(now, number, &action);
        }
    }

    /// A frame came from a client.
    pub(crate) fn frame_from_client(&mut self, now: Duration, number: u64, frame: Frame) {
        self.judge(now, number, Direction::FromClient, frame);
    }

    /// A frame is to go to a client.
    pub(crate) fn frame_to_client(&mut self, now: Duration, number: u64, frame: Frame) {
        self.judge(now, number, Direction::ToClient, frame);
    }

    /// A frame is to go to every client; the answer is to how many.
    pub(crate) fn broadcast(&mut self, now: Duration, frame: &Frame) -> usize {
        let open = self.in_state(&[DialState::Open]);
        for number in &open {
            self.frame_to_client(now, *number, frame.clone());
        }
        open.len()
    }

    /// The client's end is gone: after its close frame, or without one.
    pub(crate) fn gone(&mut self, number: u64, close: Option<(u16, String)>) {
        let end = match close {
            Some((code, reason)) => End::ByClient { code, reason },
            None => End::Lost,
        };
        self.end(number, end);
    }

    #[cfg(feature = "server")]
    /// What stands behind the gateway closed the connection, or is gone.
    pub(crate) fn closed_behind(&mut self, number: u64, close: Option<(u16, String)>) {
        if self.state(number) != Some(DialState::Open) {
            return;
        }
        match close {
            Some((code, reason)) if code == NO_CODE || check_close(code, &reason).is_ok() => {
                self.close(number, code, &reason);
            }
            _ => {
                self.cut(number);
            }
        }
    }

    /// Closes an open connection; `false` if it is not open.
    pub(crate) fn close(&mut self, number: u64, code: u16, reason: &str) -> bool {
        if self.state(number) != Some(DialState::Open) {
            return false;
        }
        let reason = reason.to_owned();
        self.order(
            number,
            Order::Close {
                code,
                reason: reason.clone(),
            },
        );
        self.set_state(number, DialState::Closing);
        if let Some(dial) = self.dial_mut(number) {
            dial.end = Some(End::ByGateway { code, reason });
        }
        true
    }

    /// Ends a connection without a closing handshake, or a dial without an answer.
    pub(crate) fn cut(&mut self, number: u64) -> bool {
        if matches!(self.state(number), None | Some(DialState::Ended)) {
            return false;
        }
        self.order(number, Order::Cut);
        self.end(number, End::Cut);
        true
    }

    /// From now on nothing gets through.
    pub(crate) fn silence(&mut self, number: u64) -> bool {
        if self.state(number) != Some(DialState::Open) {
            return false;
        }
        self.order(number, Order::Silence);
        self.set_state(number, DialState::Silent);
        true
    }

    /// The connections that are in one of these states.
    pub(crate) fn in_state(&self, states: &[DialState]) -> Vec<u64> {
        self.links
            .keys()
            .copied()
            .filter(|number| {
                self.state(*number)
                    .is_some_and(|state| states.contains(&state))
            })
            .collect()
    }

    /// Does what is due.
    pub(crate) fn timeout(&mut self, now: Duration) {
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let (number, due) = entry.remove();
            match due {
                Due::Accept => {
                    if self.state(number) == Some(DialState::Dialling) {
                        self.order(number, Order::Accept);
                    }
                }
                Due::Arrive(direction, frame) => self.arrive(now, number, direction, frame),
                Due::AgeOver => {
                    self.close(number, 1001, "Going away");
                }
            }
        }
    }

    fn judge(&mut self, now: Duration, number: u64, direction: Direction, frame: Frame) {
        if self.state(number) != Some(DialState::Open) {
            return;
        }
        let subject = Subject::Frame {
            connection: number,
            direction,
            frame: &frame,
        };
        let action = self.apply_rules(&subject);
        match direction {
            Direction::FromClient => self.seen.from_client += 1,
            Direction::ToClient => self.seen.to_client += 1,
        }
        if self.seen.frames.len() == FRAMES_KEPT {
            self.seen.frames.pop_front();
        }
        self.seen.frames.push_back(SeenFrame {
            at: now,
            connection: number,
            direction,
            frame: frame.clone(),
            action: action.clone(),
        });
        match action {
            None => self.arrive(now, number, direction, frame),
            Some(Action::Delay(delay)) => {
                self.schedule(now, delay, number, Due::Arrive(direction, frame));
            }
            Some(Action::Double) => {
                self.arrive(now, number, direction, frame.clone());
                self.arrive(now, number, direction, frame);
            }
            Some(Action::Reorder) => self.hold(now, number, direction, frame),
            Some(action @ Action::LimitAge(_)) => {
                self.act(now, number, &action);
                self.arrive(now, number, direction, frame);
            }
            Some(action) => self.act(now, number, &action),
        }
    }

    /// Does to a connection what has nothing to do with the frame or dial that it began with.
    fn act(&mut self, now: Duration, number: u64, action: &Action) {
        match action {
            Action::Close(code, reason) => {
                self.close(number, *code, reason);
            }
            Action::Cut => {
                self.cut(number);
            }
            Action::GoSilent => {
                self.silence(number);
            }
            Action::Answer(frame) => self.order(number, Order::Send(frame.clone())),
            Action::LimitAge(age) => self.schedule(now, *age, number, Due::AgeOver),
            Action::Refuse(_)
            | Action::Delay(_)
            | Action::Drop
            | Action::Double
            | Action::Reorder => {}
        }
    }

    fn hold(&mut self, now: Duration, number: u64, direction: Direction, frame: Frame) {
        let Some(link) = self.links.get_mut(&number) else {
            return;
        };
        match link.held.entry(direction) {
            Entry::Vacant(place) => {
                place.insert(frame);
            }
            Entry::Occupied(_) => self.arrive(now, number, direction, frame),
        }
    }

    /// A frame is where it was going, and lets go the one that was held back behind it.
    fn arrive(&mut self, now: Duration, number: u64, direction: Direction, frame: Frame) {
        if self.state(number) != Some(DialState::Open) {
            return;
        }
        let held = self
            .links
            .get_mut(&number)
            .and_then(|link| link.held.remove(&direction));
        self.hand_over(now, number, direction, frame);
        if let Some(held) = held {
            self.hand_over(now, number, direction, held);
        }
    }

    fn hand_over(&mut self, now: Duration, number: u64, direction: Direction, frame: Frame) {
        if self.state(number) != Some(DialState::Open) {
            return;
        }
        match (direction, &mut self.backend) {
            (Direction::ToClient, _) => self.order(number, Order::Send(frame)),
            #[cfg(feature = "server")]
            (Direction::FromClient, Backend::Upstream) => self.order(number, Order::PassOn(frame)),
            (Direction::FromClient, Backend::Own) => self.answer(now, number, &frame),
            (Direction::FromClient, Backend::Custom(answer)) => {
                let replies = answer(number, &frame);
                self.say(now, number, replies);
            }
        }
    }

    /// Says what a backend of the test's wants said.
    fn say(&mut self, now: Duration, sender: u64, replies: Vec<Reply>) {
        for reply in replies {
            match reply {
                Reply::ToSender(frame) => self.frame_to_client(now, sender, frame),
                Reply::To(number, frame) => self.frame_to_client(now, number, frame),
                Reply::ToAll(frame) => {
                    self.broadcast(now, &frame);
                }
                Reply::Close(code, reason) if check_close(code, &reason).is_ok() => {
                    self.close(sender, code, &reason);
                }
                Reply::Close(..) => {
                    self.cut(sender);
                }
            }
        }
    }

    /// The small backend of the contract: `echomessage` and `ping`, and the gateway's own answers
    /// to everything else.
    fn answer(&mut self, now: Duration, number: u64, frame: &Frame) {
        let Some(text) = frame.text() else {
            self.close(number, 1003, "Binary frames are not supported");
            return;
        };
        if text.len() > FRAME_LIMIT {
            self.close(number, 1009, "Message too big");
            return;
        }
        let json: Value = serde_json::from_str(text).unwrap_or_default();
        let field = |name| json.get(name).and_then(Value::as_str);
        match (field("action"), field("data")) {
            (Some("echomessage"), Some(data)) => {
                self.broadcast(now, &Frame::from(data));
            }
            (Some("ping"), data) => {
                let data = Value::from(data.unwrap_or_default());
                let pong = format!(r#"{{"type":"pong","data":{data}}}"#);
                self.frame_to_client(now, number, pong.into());
            }
            _ => {
                let request_id = self.new_id();
                let connection_id = self
                    .seen
                    .connection(number)
                    .map_or("", |dial| dial.connection_id.as_str());
                // Neither id has a character that JSON would escape.
                let forbidden = format!(
                    r#"{{"message": "Forbidden", "connectionId":"{connection_id}", "requestId":"{request_id}"}}"#
                );
                self.frame_to_client(now, number, forbidden.into());
            }
        }
    }

    /// An id in the form of API Gateway's, such as `TXzPWdnOjoECGjA=`: 11 bytes in base64.
    fn new_id(&mut self) -> String {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (mut high, mut low) = (self.dice.bits(), self.dice.bits());
        let mut id = String::with_capacity(16);
        for place in 0..15 {
            let bits = if place < 10 { &mut high } else { &mut low };
            // The last of the 15 has 4 bits of the 88, and 2 that are zero.
            let mask = if place == 14 { 0b11_1100 } else { 0b11_1111 };
            let [byte, ..] = bits.to_le_bytes();
            id.push(char::from(ALPHABET[usize::from(byte & mask)]));
            *bits >>= 6;
        }
        id.push('=');
        id
    }

    /// What a rule wants done, if one applies.
    fn apply_rules(&mut self, subject: &Subject<'_>) -> Option<Action> {
        let (rule, action) = self.rules.judge_by(subject, &mut self.dice)?;
        *self.seen.applied.entry(rule).or_default() += 1;
        Some(action)
    }

    fn schedule(&mut self, now: Duration, delay: Duration, number: u64, due: Due) {
        self.scheduled += 1;
        let at = now.saturating_add(delay);
        self.agenda.insert((at, self.scheduled), (number, due));
    }

    fn order(&mut self, number: u64, order: Order) {
        self.orders.push_back((number, order));
    }

    fn dial_mut(&mut self, number: u64) -> Option<&mut Dial> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.seen.dials.get_mut(index)
    }

    /// How a connection stands.
    pub(crate) fn state(&self, number: u64) -> Option<DialState> {
        self.seen.connection(number).map(|dial| dial.state)
    }

    fn set_state(&mut self, number: u64, state: DialState) {
        let Some(dial) = self.dial_mut(number) else {
            return;
        };
        let was_open = std::mem::replace(&mut dial.state, state).is_open();
        match (was_open, state.is_open()) {
            (false, true) => self.seen.open += 1,
            (true, false) => self.seen.open -= 1,
            (true, true) | (false, false) => {}
        }
    }

    /// A connection is over. What was said before of its end stands.
    fn end(&mut self, number: u64, end: End) {
        self.set_state(number, DialState::Ended);
        if let Some(dial) = self.dial_mut(number) {
            dial.end.get_or_insert(end);
        }
        // What the agenda still has for it finds it ended, and does nothing.
        self.links.remove(&number);
    }
}
