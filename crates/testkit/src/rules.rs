//! Rules: what the fake gateway does instead of the usual, when, and how often.
//!
//! A [`Rule`] says `on` what ([`Match`]), what happens `then` ([`Action`]), and how many `times`
//! ([`Times`]). The first rule that matches is applied, in the order in which they were added; a
//! rule that is used up matches no more. What no rule matches goes its usual way.
//!
//! Rules are plain data. They can be written in Rust:
//!
//! ```
//! use std::time::Duration;
//! use babelwire_testkit::rules::{Action, Match, Rule};
//!
//! // The first dial is refused, as when a deployment is under way.
//! let refuse = Rule::new(Match::dial(), Action::Refuse(503)).once();
//! // Every third pong is lost.
//! let lose = Rule::new(Match::to_client().field("type", "pong").every(3), Action::Drop);
//! // One in ten frames comes a second late, and is overtaken.
//! let late = Rule::new(
//!     Match::to_client().probability(0.1),
//!     Action::Delay(Duration::from_secs(1)),
//! );
//! # for rule in [refuse, lose, late] { rule.check().unwrap(); }
//! ```
//!
//! or in JSON, as the program `babelwire-fake-gateway` takes them:
//!
//! ```
//! # use babelwire_testkit::rules::{Action, Match, Rule};
//! # let rules = r#"
//! [
//!   {"on": {"event": "dial"}, "then": {"refuse": 503}, "times": 1},
//!   {"on": {"event": "toClient", "fields": {"type": "pong"}, "every": 3}, "then": "drop"},
//!   {"on": {"event": "toClient", "probability": 0.1}, "then": {"delayMs": 1000}}
//! ]
//! # "#;
//! # let rules: Vec<Rule> = serde_json::from_str(rules).unwrap();
//! # assert_eq!(rules[0], Rule::new(Match::dial(), Action::Refuse(503)).once());
//! # let third = Match::to_client().field("type", "pong").every(3);
//! # assert_eq!(rules[1], Rule::new(third, Action::Drop));
//! # let second = std::time::Duration::from_secs(1);
//! # let late = Match::to_client().probability(0.1);
//! # assert_eq!(rules[2], Rule::new(late, Action::Delay(second)));
//! ```

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Dice, Frame};

/// What happens, when, and how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rule {
    /// What the rule is for.
    pub on: Match,
    /// What happens to it.
    pub then: Action,
    /// How often the rule is applied before it is used up.
    #[serde(default, skip_serializing_if = "Times::is_always")]
    pub times: Times,
}

impl Rule {
    /// A rule that is applied whenever it matches.
    pub const fn new(on: Match, then: Action) -> Self {
        Self {
            on,
            then,
            times: Times::Always,
        }
    }

    /// The rule is applied this many times, then no more.
    #[must_use]
    pub const fn times(mut self, times: u64) -> Self {
        self.times = Times::AtMost(times);
        self
    }

    /// The rule is applied once.
    #[must_use]
    pub const fn once(self) -> Self {
        self.times(1)
    }

    /// Whether the rule makes sense: the error says what in it does not.
    pub fn check(&self) -> Result<(), RuleError> {
        self.on.check()?;
        let on_dial = self.on.event == On::Dial;
        match &self.then {
            Action::Refuse(_) if !on_dial => Err(RuleError::OnlyForDials("refuse")),
            Action::Refuse(status) if !(200..=599).contains(status) => {
                Err(RuleError::Status(*status))
            }
            Action::Double if on_dial => Err(RuleError::OnlyForFrames("double")),
            Action::Reorder if on_dial => Err(RuleError::OnlyForFrames("reorder")),
            Action::Close(code, reason) => check_close(*code, reason),
            _ => Ok(()),
        }
    }
}

/// Whether a close frame may carry this (RFC 6455, sections 5.5 and 7.4).
pub(crate) fn check_close(code: u16, reason: &str) -> Result<(), RuleError> {
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(RuleError::CloseCode(code));
    }
    // A control frame carries 125 bytes, two of them the code.
    if reason.len() > 123 {
        return Err(RuleError::CloseReason(reason.len()));
    }
    Ok(())
}

/// Why a rule makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The action is none for a frame.
    #[error("`{0}` is only for dials: give the rule the event `dial`, or another action")]
    OnlyForDials(&'static str),
    /// The action or condition is none for a dial.
    #[error("`{0}` is only for frames: give the rule the event `fromClient` or `toClient`")]
    OnlyForFrames(&'static str),
    /// A condition on the dial's request, on a frame.
    #[error("a frame has no `{0}`: only a dial has; give the rule the event `dial`")]
    FrameHasNo(&'static str),
    /// A status that refuses nothing.
    #[error("{0} is no status to refuse a handshake with: take one from 200 to 599")]
    Status(u16),
    /// A code that no close frame may carry.
    #[error(
        "{0} is no code that a close frame may carry: take one of 1000-1003, 1007-1014 or \
         3000-4999, or `cut` for a connection that ends without one (1006 in a browser)"
    )]
    CloseCode(u16),
    /// A reason that no close frame can hold.
    #[error("a close frame holds a reason of 123 bytes at most, and this one has {0}")]
    CloseReason(usize),
    /// A probability that is none.
    #[error("{0} is no probability: take a number from 0 to 1")]
    Probability(String),
    /// Counting starts at 1.
    #[error("`{0}` counts from 1")]
    Zero(&'static str),
}

/// How often a rule is applied. In JSON a number, or `"always"`, which is also the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "TimesJson", into = "TimesJson")]
pub enum Times {
    /// Whenever it matches.
    #[default]
    Always,
    /// This many times.
    AtMost(u64),
}

impl Times {
    const fn is_always(&self) -> bool {
        matches!(self, Self::Always)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "`times` is a whole number or \"always\"")]
enum TimesJson {
    Number(u64),
    Word(Always),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Always {
    Always,
}

impl From<TimesJson> for Times {
    fn from(json: TimesJson) -> Self {
        match json {
            TimesJson::Number(times) => Self::AtMost(times),
            TimesJson::Word(Always::Always) => Self::Always,
        }
    }
}

impl From<Times> for TimesJson {
    fn from(times: Times) -> Self {
        match times {
            Times::Always => Self::Word(Always::Always),
            Times::AtMost(times) => Self::Number(times),
        }
    }
}

/// What can happen between a client and the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum On {
    /// A client opens a connection: the request of the WebSocket handshake.
    Dial,
    /// A frame from a client.
    FromClient,
    /// A frame to a client.
    ToClient,
}

/// What a rule is for: an event, and conditions that must all hold.
///
/// [`nth`](Match::nth) and [`every`](Match::every) count what meets the conditions before them,
/// over all connections, from when the rule was added. [`probability`](Match::probability) is
/// asked last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    event: On,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connection: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nth: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    every: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
}

impl Match {
    const fn on(event: On) -> Self {
        Self {
            event,
            connection: None,
            path: None,
            query: None,
            headers: BTreeMap::new(),
            text: None,
            fields: BTreeMap::new(),
            nth: None,
            every: None,
            probability: None,
        }
    }

    /// Any dial.
    pub const fn dial() -> Self {
        Self::on(On::Dial)
    }

    /// Any frame from a client.
    pub const fn from_client() -> Self {
        Self::on(On::FromClient)
    }

    /// Any frame to a client. A frame to several clients counts once for each.
    pub const fn to_client() -> Self {
        Self::on(On::ToClient)
    }

    /// Only on the connection with this number: 1 is the first that was ever dialled.
    #[must_use]
    pub const fn connection(mut self, number: u64) -> Self {
        self.connection = Some(number);
        self
    }

    /// Only a dial whose path contains this.
    #[must_use]
    pub fn path(mut self, part: impl Into<String>) -> Self {
        self.path = Some(part.into());
        self
    }

    /// Only a dial whose query contains this, as it stands in the URL, percent-encoding and all.
    #[must_use]
    pub fn query(mut self, part: impl Into<String>) -> Self {
        self.query = Some(part.into());
        self
    }

    /// Only a dial with a header of this name (in any case) whose value contains this.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, part: impl Into<String>) -> Self {
        self.headers.insert(name.into(), part.into());
        self
    }

    /// Only a text frame that contains this.
    #[must_use]
    pub fn text(mut self, part: impl Into<String>) -> Self {
        self.text = Some(part.into());
        self
    }

    /// Only a text frame of JSON that has this field with this value. The name is a field of the
    /// outermost object, or a JSON pointer (RFC 6901) such as `/translation/status`.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// Only the nth, counted from 1.
    #[must_use]
    pub const fn nth(mut self, number: u64) -> Self {
        self.nth = Some(number);
        self
    }

    /// Only every nth: with 3, the third, the sixth and so on.
    #[must_use]
    pub const fn every(mut self, number: u64) -> Self {
        self.every = Some(number);
        self
    }

    /// Only with this probability, from 0 to 1.
    #[must_use]
    pub const fn probability(mut self, probability: f64) -> Self {
        self.probability = Some(probability);
        self
    }

    fn check(&self) -> Result<(), RuleError> {
        if self.event == On::Dial {
            if self.text.is_some() {
                return Err(RuleError::OnlyForFrames("text"));
            }
            if !self.fields.is_empty() {
                return Err(RuleError::OnlyForFrames("fields"));
            }
        } else {
            let for_dials = [
                ("path", self.path.is_some()),
                ("query", self.query.is_some()),
                ("headers", !self.headers.is_empty()),
            ];
            if let Some((name, _)) = for_dials.into_iter().find(|(_, is_set)| *is_set) {
                return Err(RuleError::FrameHasNo(name));
            }
        }
        let counts = [
            ("connection", self.connection),
            ("nth", self.nth),
            ("every", self.every),
        ];
        if let Some((name, _)) = counts.into_iter().find(|(_, count)| *count == Some(0)) {
            return Err(RuleError::Zero(name));
        }
        match self.probability {
            Some(number) if !(0.0..=1.0).contains(&number) => {
                Err(RuleError::Probability(number.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Whether this is what the rule is for, counting and chance aside.
    fn fits(&self, subject: &Subject<'_>) -> bool {
        if self.event != subject.event()
            || self
                .connection
                .is_some_and(|number| number != subject.connection())
        {
            return false;
        }
        match subject {
            Subject::Dial { request, .. } => {
                let contains = |part: &Option<String>, whole: &str| {
                    part.as_ref()
                        .is_none_or(|part| whole.contains(part.as_str()))
                };
                contains(&self.path, &request.path)
                    && contains(&self.query, &request.query)
                    && self.headers.iter().all(|(name, part)| {
                        request.headers.iter().any(|(other, value)| {
                            other.eq_ignore_ascii_case(name) && value.contains(part.as_str())
                        })
                    })
            }
            Subject::Frame { frame, .. } => {
                let text = frame.text();
                let has_text = self
                    .text
                    .as_ref()
                    .is_none_or(|part| text.is_some_and(|text| text.contains(part.as_str())));
                has_text
                    && (self.fields.is_empty() || text.is_some_and(|text| self.has_fields(text)))
            }
        }
    }

    fn has_fields(&self, text: &str) -> bool {
        let Ok(json) = serde_json::from_str::<Value>(text) else {
            return false;
        };
        self.fields.iter().all(|(name, value)| {
            let found = if name.starts_with('/') {
                json.pointer(name)
            } else {
                json.get(name)
            };
            found == Some(value)
        })
    }
}

/// What happens to what a rule matches.
///
/// | action | to a dial | to a frame |
/// |---|---|---|
/// | [`Refuse`](Action::Refuse) | answered with this status instead of 101 | – |
/// | [`Close`](Action::Close) | accepted, and closed at once | goes no further; the connection is closed |
/// | [`Cut`](Action::Cut) | the TCP connection ends without an answer | goes no further; the TCP connection ends |
/// | [`Delay`](Action::Delay) | answered later | arrives later; those behind it overtake it |
/// | [`Drop`](Action::Drop) | never answered | goes no further |
/// | [`GoSilent`](Action::GoSilent) | accepted, then silence | goes no further; then silence |
/// | [`LimitAge`](Action::LimitAge) | accepted, and closed that long after it opened | arrives; the connection is closed that long after |
/// | [`Answer`](Action::Answer) | accepted, and the client gets this frame first | goes no further; the client gets this frame instead |
/// | [`Double`](Action::Double) | – | arrives twice |
/// | [`Reorder`](Action::Reorder) | – | arrives behind the next of its direction |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Action {
    /// The handshake is refused with this HTTP status. A browser does not tell a page which: it
    /// sees a close with 1006.
    Refuse(u16),
    /// The gateway closes the connection with a close frame of this code and reason.
    Close(u16, String),
    /// The TCP connection ends without a closing handshake: 1006 at the client.
    Cut,
    /// It happens later by this much. Frames behind it overtake it, as messages that a backend
    /// posts side by side do; delay all frames by the same time for a slow network. In JSON
    /// `{"delayMs": 500}`, in milliseconds.
    #[serde(rename = "delayMs", with = "millis")]
    Delay(Duration),
    /// It is lost.
    Drop,
    /// The frame arrives twice.
    Double,
    /// The frame is held back until the next of its direction on its connection has arrived. Of
    /// two in a row that would be held back, the second lets the first go. If none comes, it is
    /// lost.
    Reorder,
    /// From now on nothing arrives either way, not even a close, while the TCP connection stays
    /// open: a half-open socket, as a laptop's that was carried into another network.
    GoSilent,
    /// The client gets this frame, which no rule touches.
    Answer(Frame),
    /// The gateway closes the connection with 1001 after this long, as API Gateway does after
    /// 2 hours ([its quotas](https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html)).
    /// In JSON `{"limitAgeMs": 7200000}`, in milliseconds.
    #[serde(rename = "limitAgeMs", with = "millis")]
    LimitAge(Duration),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse(status) => write!(f, "refuse with {status}"),
            Self::Close(code, reason) => write!(f, "close with {code} {reason:?}"),
            Self::Cut => f.write_str("cut"),
            Self::Delay(delay) => write!(f, "delay by {delay:?}"),
            Self::Drop => f.write_str("drop"),
            Self::Double => f.write_str("double"),
            Self::Reorder => f.write_str("reorder"),
            Self::GoSilent => f.write_str("go silent"),
            Self::Answer(frame) => write!(f, "answer {frame}"),
            Self::LimitAge(age) => write!(f, "limit the age to {age:?}"),
        }
    }
}

/// Durations in JSON: whole milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        u64::try_from(duration.as_millis())
            .unwrap_or(u64::MAX)
            .serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// The request of a dial.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Request {
    /// The path, such as `/live`.
    pub path: String,
    /// What follows the question mark in the URL; empty if nothing does.
    pub query: String,
    /// The headers, their names in lower case. A header that came twice is here twice.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// A request for this path and query, such as `/live?token=t`, without headers.
    pub fn new(path_and_query: &str) -> Self {
        let (path, query) = path_and_query
            .split_once('?')
            .unwrap_or((path_and_query, ""));
        Self {
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
        }
    }

    /// The value of the first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Names a rule that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(pub(crate) u64);

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}", self.0)
    }
}

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// From the client to the gateway.
    FromClient,
    /// From the gateway to the client.
    ToClient,
}

/// What a rule is asked about.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A dial.
    Dial {
        /// The connection's number.
        connection: u64,
        /// What the client asked for.
        request: &'a Request,
    },
    /// A frame.
    Frame {
        /// The connection's number.
        connection: u64,
        /// Which way it goes.
        direction: Direction,
        /// The frame.
        frame: &'a Frame,
    },
}

impl Subject<'_> {
    const fn event(&self) -> On {
        match self {
            Self::Dial { .. } => On::Dial,
            Self::Frame {
                direction: Direction::FromClient,
                ..
            } => On::FromClient,
            Self::Frame {
                direction: Direction::ToClient,
                ..
            } => On::ToClient,
        }
    }

    const fn connection(&self) -> u64 {
        match self {
            Self::Dial { connection, .. } | Self::Frame { connection, .. } => *connection,
        }
    }
}

/// Rules at work: they count, and are used up.
///
/// This is what the fake gateways judge by, and can serve a double of your own.
///
/// ```
/// use babelwire_testkit::{Dice, rules::{Action, Match, Request, Rule, Rules, Subject}};
///
/// let mut rules = Rules::new();
/// let id = rules.add(Rule::new(Match::dial().query("token=old"), Action::Refuse(401)))?;
/// let request = Request::new("/live?token=old");
/// let dial = Subject::Dial { connection: 1, request: &request };
/// assert_eq!(rules.judge(&dial, &mut Dice::new(1)), Some(Action::Refuse(401)));
/// assert_eq!(rules.applied(id), 1);
/// # Ok::<(), babelwire_testkit::rules::RuleError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Rules {
    present: Vec<Present>,
    last: u64,
}

#[derive(Debug, Clone)]
struct Present {
    id: RuleId,
    rule: Rule,
    /// How many subjects met the conditions that `nth` and `every` count.
    met: u64,
    applied: u64,
}

impl Rules {
    /// No rules: everything goes its usual way.
    pub const fn new() -> Self {
        Self {
            present: Vec::new(),
            last: 0,
        }
    }

    /// Adds a rule behind those that are there.
    pub fn add(&mut self, rule: Rule) -> Result<RuleId, RuleError> {
        rule.check()?;
        self.last += 1;
        let id = RuleId(self.last);
        self.present.push(Present {
            id,
            rule,
            met: 0,
            applied: 0,
        });
        Ok(id)
    }

    /// Removes a rule; `false` if it was gone already.
    pub fn remove(&mut self, id: RuleId) -> bool {
        let before = self.present.len();
        self.present.retain(|present| present.id != id);
        self.present.len() < before
    }

    /// Removes all rules.
    pub fn clear(&mut self) {
        self.present.clear();
    }

    /// How often a rule was applied; 0 for one that was removed.
    pub fn applied(&self, id: RuleId) -> u64 {
        self.iter()
            .find(|(present, ..)| *present == id)
            .map_or(0, |(_, _, applied)| applied)
    }

    /// The rules in their order, with how often each was applied.
    pub fn iter(&self) -> impl Iterator<Item = (RuleId, &Rule, u64)> {
        self.present
            .iter()
            .map(|present| (present.id, &present.rule, present.applied))
    }

    /// What the first rule that matches wants done, which counts as applied.
    pub fn judge(&mut self, subject: &Subject<'_>, dice: &mut Dice) -> Option<Action> {
        self.judge_by(subject, dice).map(|(_, action)| action)
    }

    /// As [`Rules::judge`], and which rule it was.
    pub(crate) fn judge_by(
        &mut self,
        subject: &Subject<'_>,
        dice: &mut Dice,
    ) -> Option<(RuleId, Action)> {
        let mut verdict = None;
        for present in &mut self.present {
            if !present.rule.on.fits(subject) {
                continue;
            }
            // Counted even behind a rule that was applied: "the third" means the same whatever
            // other rules there are.
            present.met += 1;
            if verdict.is_none() && present.is_due(dice) {
                present.applied += 1;
                verdict = Some((present.id, present.rule.then.clone()));
            }
        }
        verdict
    }
}

impl Present {
    fn is_due(&self, dice: &mut Dice) -> bool {
        let on = &self.rule.on;
        let is_left = match self.rule.times {
            Times::Always => true,
            Times::AtMost(times) => self.applied < times,
        };
        is_left
            && on.nth.is_none_or(|nth| self.met == nth)
            && on.every.is_none_or(|every| self.met.is_multiple_of(every))
            && on
                .probability
                .is_none_or(|probability| dice.number() < probability)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How often a rule is applied to each of these frames to clients.
    fn applied(rule: Rule, texts: &[&str]) -> Vec<bool> {
        let mut rules = Rules::new();
        rules.add(rule).unwrap();
        let mut dice = Dice::new(1);
        let mut judge = |text: &&str| {
            let subject = Subject::Frame {
                connection: 1,
                direction: Direction::ToClient,
                frame: &Frame::from(*text),
            };
            rules.judge(&subject, &mut dice).is_some()
        };
        texts.iter().map(&mut judge).collect()
    }

    #[test]
    fn every_rule_is_the_same_after_a_journey_as_json() {
        let every_condition = Match::on(On::Dial)
            .connection(2)
            .path("/live")
            .query("a=b")
            .header("x-a", "b")
            .text("part")
            .field("type", 1)
            .nth(2)
            .every(3)
            .probability(0.25);
        let actions = [
            (Action::Refuse(503), json!({"refuse": 503})),
            (
                Action::Close(4000, "why".to_owned()),
                json!({"close": [4000, "why"]}),
            ),
            (Action::Cut, json!("cut")),
            (Action::Delay(SECOND), json!({"delayMs": 1000})),
            (Action::Drop, json!("drop")),
            (Action::Double, json!("double")),
            (Action::Reorder, json!("reorder")),
            (Action::GoSilent, json!("goSilent")),
            (Action::Answer("text".into()), json!({"answer": "text"})),
            (Action::Answer(vec![1, 2].into()), json!({"answer": [1, 2]})),
            (Action::LimitAge(SECOND), json!({"limitAgeMs": 1000})),
        ];
        for (action, json) in actions {
            assert_eq!(serde_json::to_value(&action).unwrap(), json);
            let rule = Rule::new(every_condition.clone(), action).times(3);
            let there = serde_json::to_string(&rule).unwrap();
            assert_eq!(serde_json::from_str::<Rule>(&there).unwrap(), rule);
        }
    }

    #[test]
    fn times_are_a_number_or_always_or_left_out() {
        for (times, meant) in [
            (json!(2), Times::AtMost(2)),
            (json!("always"), Times::Always),
        ] {
            assert_eq!(
                serde_json::from_value::<Times>(times.clone()).unwrap(),
                meant
            );
            assert_eq!(serde_json::to_value(meant).unwrap(), times);
        }
        let rule: Rule =
            serde_json::from_value(json!({"on": {"event": "dial"}, "then": "cut"})).unwrap();
        assert_eq!(rule.times, Times::Always);
        assert!(serde_json::from_value::<Times>(json!("never")).is_err());
    }

    #[test]
    fn a_misspelt_condition_is_an_error_instead_of_a_rule_for_everything() {
        let rule = json!({"on": {"event": "toClient", "feilds": {}}, "then": "drop"});
        let error = serde_json::from_value::<Rule>(rule).unwrap_err();
        assert!(error.to_string().contains("feilds"), "{error}");
    }

    #[test]
    fn a_rule_that_makes_no_sense_says_what_in_it_does_not() {
        let frame = Match::to_client;
        for (rule, error) in [
            (
                Rule::new(frame(), Action::Refuse(503)),
                RuleError::OnlyForDials("refuse"),
            ),
            (
                Rule::new(Match::dial(), Action::Refuse(101)),
                RuleError::Status(101),
            ),
            (
                Rule::new(Match::dial(), Action::Double),
                RuleError::OnlyForFrames("double"),
            ),
            (
                Rule::new(Match::dial(), Action::Reorder),
                RuleError::OnlyForFrames("reorder"),
            ),
            (
                Rule::new(Match::dial().text("x"), Action::Cut),
                RuleError::OnlyForFrames("text"),
            ),
            (
                Rule::new(Match::dial().field("x", 1), Action::Cut),
                RuleError::OnlyForFrames("fields"),
            ),
            (
                Rule::new(frame().path("x"), Action::Drop),
                RuleError::FrameHasNo("path"),
            ),
            (
                Rule::new(frame().query("x"), Action::Drop),
                RuleError::FrameHasNo("query"),
            ),
            (
                Rule::new(frame().header("x", "y"), Action::Drop),
                RuleError::FrameHasNo("headers"),
            ),
            (
                Rule::new(frame().nth(0), Action::Drop),
                RuleError::Zero("nth"),
            ),
            (
                Rule::new(frame().every(0), Action::Drop),
                RuleError::Zero("every"),
            ),
            (
                Rule::new(frame().connection(0), Action::Drop),
                RuleError::Zero("connection"),
            ),
            (
                Rule::new(frame().probability(-0.5), Action::Drop),
                RuleError::Probability("-0.5".to_owned()),
            ),
            (
                Rule::new(frame().probability(f64::NAN), Action::Drop),
                RuleError::Probability("NaN".to_owned()),
            ),
            (
                Rule::new(frame(), Action::Close(1005, String::new())),
                RuleError::CloseCode(1005),
            ),
            (
                Rule::new(frame(), Action::Close(4000, "x".repeat(124))),
                RuleError::CloseReason(124),
            ),
        ] {
            assert_eq!(Rules::new().add(rule), Err(error));
        }
    }

    #[test]
    fn the_nth_and_every_nth_are_counted_among_those_that_meet_the_conditions() {
        let texts = ["a", "x", "a", "x", "a", "x", "a"];
        let second = Rule::new(Match::to_client().text("a").nth(2), Action::Drop);
        assert_eq!(
            applied(second, &texts),
            [false, false, true, false, false, false, false]
        );
        let every_second = Rule::new(Match::to_client().text("a").every(2), Action::Drop);
        assert_eq!(
            applied(every_second, &texts),
            [false, false, true, false, false, false, true]
        );
    }

    #[test]
    fn a_used_up_rule_lets_everything_pass() {
        let twice = Rule::new(Match::to_client().text("a"), Action::Drop).times(2);
        assert_eq!(
            applied(twice, &["a", "b", "a", "a"]),
            [true, false, true, false]
        );
        let never = Rule::new(Match::to_client(), Action::Drop).times(0);
        assert_eq!(applied(never, &["a"]), [false]);
    }

    #[test]
    fn certainty_and_impossibility_are_probabilities() {
        for (probability, expected) in [(0.0, false), (1.0, true)] {
            let rule = Rule::new(Match::to_client().probability(probability), Action::Drop);
            assert_eq!(applied(rule, &["a"; 100]), [expected; 100]);
        }
    }

    #[test]
    fn two_rules_of_one_in_ten_are_independent() {
        let mut rules = Rules::new();
        let first = Match::to_client().probability(0.1);
        let first = rules.add(Rule::new(first, Action::Drop)).unwrap();
        let second = Match::to_client().probability(0.1);
        let second = rules.add(Rule::new(second, Action::Double)).unwrap();
        let mut dice = Dice::new(1);
        let frame = Frame::from("x");
        for _ in 0..10_000 {
            let subject = Subject::Frame {
                connection: 1,
                direction: Direction::ToClient,
                frame: &frame,
            };
            rules.judge(&subject, &mut dice);
        }
        assert!((900..1100).contains(&rules.applied(first)));
        // One in ten of the nine in ten that are left.
        assert!((800..1000).contains(&rules.applied(second)));
    }

    #[test]
    fn fields_are_asked_for_by_name_or_by_pointer() {
        let text = r#"{"type":"translation","translation":{"status":"done","done":3}}"#;
        let hits = |on: Match| applied(Rule::new(on, Action::Drop), &[text])[0];
        let frame = Match::to_client;
        assert!(hits(frame().field("type", "translation")));
        assert!(hits(frame().field("/translation/done", 3)));
        assert!(hits(
            frame()
                .field("type", "translation")
                .field("/translation/status", "done")
        ));
        assert!(!hits(
            frame()
                .field("type", "translation")
                .field("/translation/status", "queued")
        ));
        assert!(!hits(frame().field("/translation/done", "3")));
        assert!(!hits(frame().field("absent", Value::Null)));
        assert!(!hits(Match::from_client().field("type", "translation")));
    }

    #[test]
    fn binary_frames_match_rules_for_any_frame_alone() {
        let binary = Frame::from(vec![1, 2]);
        let subject = Subject::Frame {
            connection: 1,
            direction: Direction::FromClient,
            frame: &binary,
        };
        assert!(Match::from_client().fits(&subject));
        assert!(!Match::from_client().text("").fits(&subject));
        assert!(!Match::from_client().field("a", 1).fits(&subject));
        assert!(!Match::from_client().connection(2).fits(&subject));
    }
}
