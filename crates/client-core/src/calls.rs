//! Request and answer over a socket that knows only frames.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use babelwire_wire::{Fields, GatewayError};

use crate::event::{Cause, Event, Generation};
use crate::outbox::{Discard, Rejection, SendOutcome, Ticket};
use crate::time::Instant;

/// The longest that API Gateway waits for a handler: 29 s for every type of integration. Source:
/// "Integration timeout" in "Quotas for configuring and running a WebSocket API in API Gateway".
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

/// How long after a frame the gateway may say that it found no route for it: the longest that both
/// are taken to be on their way. A socket with a longer round trip is as good as dead, and a
/// heartbeat has it left behind.
const ROUTING: Duration = Duration::from_secs(10);

/// How long after a frame the gateway may say that its handler failed.
const HANDLING: Duration = Duration::from_secs(29 + 10);

/// What to be patient about, and how answers are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallsConfig {
    /// How long an answer may take, from the moment the request is handed to the socket. By
    /// default 29 s: API Gateway gives a handler no more ("Integration timeout" in "Quotas for
    /// configuring and running a WebSocket API in API Gateway").
    pub timeout: Duration,
    /// The field, at the top level of the JSON object that is the answer, that says which request
    /// it answers. By default `correlationId`.
    pub field: &'static str,
    /// How many calls may be unanswered at a time. By default 256.
    pub pending: usize,
}

impl Default for CallsConfig {
    fn default() -> Self {
        Self {
            timeout: INTEGRATION_TIMEOUT,
            field: "correlationId",
            pending: 256,
        }
    }
}

/// How one call differs from the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// The field of the answer to look into, if not [`CallsConfig::field`].
    pub field: Option<&'static str>,
    /// The text to look for, if the application has one of its own that tells this call from
    /// every other, in every tab. Of two calls with one text the older one takes the answer.
    pub correlation: Option<String>,
    /// How long the answer may take, if not [`CallsConfig::timeout`].
    pub timeout: Option<Duration>,
}

/// The number of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

/// A call that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub id: CallId,
    /// The text that its answer will have in its correlation field. The request must carry it to
    /// the backend: see [`with_correlation`].
    pub correlation: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The request went out, and no answer came in time. Whether the backend did what was asked
    /// is not known.
    TimedOut,
    /// The request went out over a socket that has ended since. Whether the backend did what was
    /// asked is not known.
    SocketGone,
    /// The request waited for an open socket for too long and was never sent.
    Expired,
    /// The connection was closed for good before the request was sent.
    Closed,
    /// The request was refused before it was sent.
    Rejected(Rejection),
    /// The gateway answered in place of the backend.
    Gateway(GatewayError),
    /// [`CallsConfig::pending`] calls are unanswered already; the request was never sent.
    TooMany,
    /// The request has no place for its correlation; it was never sent.
    Uncorrelated(CorrelationError),
    /// The answer came and is not of the type that was asked for.
    Unreadable {
        /// The text of the answer.
        answer: String,
        /// What does not fit.
        why: String,
    },
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::TimedOut => {
                "The backend did not answer in time. It may have done what was asked."
            }
            Self::SocketGone => {
                "The connection was lost before the answer came. The backend may have done what \
                 was asked."
            }
            Self::Expired => "There was no connection for too long. Nothing was sent; try again.",
            Self::Closed => "The connection was closed before anything was sent.",
            Self::Rejected(rejection) => return fmt::Display::fmt(rejection, f),
            Self::TooMany => {
                "Too many calls are waiting for their answers. Nothing was sent; try again later."
            }
            Self::Uncorrelated(error) => return fmt::Display::fmt(error, f),
            Self::Unreadable { why, .. } => {
                f.write_str("The backend answered with something else than was asked for: ")?;
                f.write_str(why)?;
                "."
            }
            Self::Gateway(error) => {
                f.write_str("The gateway answered \"")?;
                f.write_str(&error.message)?;
                match &*error.message {
                    "Forbidden" => "\": the backend has no route for this action.",
                    "Endpoint request timed out" => "\": the backend took too long.",
                    "Internal server error" => "\": the backend failed on this request.",
                    _ => "\".",
                }
            }
        };
        f.write_str(words)
    }
}

impl std::error::Error for CallError {}

impl From<Discard> for CallError {
    fn from(why: Discard) -> Self {
        match why {
            Discard::Closed | Discard::Left => Self::Closed,
            Discard::Expired => Self::Expired,
        }
    }
}

/// How a call ended. Each call ends once, unless it is cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The call.
    pub call: CallId,
    /// The text of the answer's frame.
    pub result: Result<String, CallError>,
}

/// The way of a call's request over a socket.
#[derive(Debug, Clone, Copy)]
struct Sent {
    generation: Generation,
    at: Instant,
    deadline: Instant,
}

#[derive(Debug)]
struct Pending {
    call: CallId,
    field: &'static str,
    correlation: String,
    timeout: Duration,
    /// The request's place in the outbox, if it has one.
    ticket: Option<Ticket>,
    /// `None` while the request waits for an open socket.
    sent: Option<Sent>,
}

impl Pending {
    fn is_on(&self, generation: Generation) -> bool {
        self.sent.is_some_and(|sent| sent.generation == generation)
    }
}

/// What else went over a socket that a gateway's error may be about.
#[derive(Debug)]
struct Traffic {
    generation: Generation,
    /// Until when the gateway may say of another frame that it found no route.
    unrouted: Instant,
    /// Until when it may say of another frame that its handler failed.
    unhandled: Instant,
    /// Heartbeats that are unanswered, and when the last one went out.
    pings: u32,
    pinged: Instant,
}

impl Traffic {
    fn note(&mut self, sent: Instant) {
        self.unrouted = self.unrouted.max(sent + ROUTING);
        self.note_handled(sent);
    }

    fn note_handled(&mut self, sent: Instant) {
        self.unhandled = self.unhandled.max(sent + HANDLING);
    }
}

/// How many sockets' traffic is kept: the present one, the one that a rollover replaces, and one
/// each whose end was not reported yet.
const SOCKETS: usize = 4;

/// The state machine of calls: requests that are sent as frames, and the frames that answer them.
///
/// It sends nothing. A driver
///
/// 1. begins a call ([`Calls::start`]), puts its correlation into the request's text
///    ([`with_correlation`]), and hands that to [`Connection::send`](crate::Connection::send);
/// 2. reports what came of that ([`Calls::handle_outcome`]);
/// 3. shows every event of the connection to [`Calls::handle_event`] as it comes, and keeps back
///    from the application those that ended a call.
///
/// A call's deadline starts when its request goes out over a socket. Until then the outbox has its
/// own limits, so no call is pending for ever.
///
/// # A call belongs to its socket
///
/// Its answer counts only when it comes over the socket that the request went out over, and when
/// that socket ends ([`Calls::handle_socket_gone`]) its calls fail, and no others. During a
/// rollover two sockets live, and calls are answered over either.
///
/// A frame that answers no call (too late, over another socket, somebody else's) is none of this
/// machine's business: [`Calls::handle_frame`] says so, and the application gets it like any
/// other.
///
/// # The gateway's errors
///
/// API Gateway answers a frame that it cannot route, or whose handler fails, with an error that
/// names the connection but not the frame. Such an error fails a call only when no other frame can
/// have caused it: the call is the only one unanswered on its socket, and nothing else went out
/// over that socket within the time in which the gateway may still complain about it. That is 10 s
/// for `Forbidden`, which is said before any handler runs, and 39 s for the others: a handler may
/// take 29 s. What counts is every frame that is no call's, heartbeats that are unanswered, calls
/// that were given up, and, for errors of handlers, calls that were answered: a handler can answer
/// and fail afterwards. In doubt, the error is left to the application and the call to its
/// deadline.
#[derive(Debug)]
pub struct Calls {
    config: CallsConfig,
    /// What sets the correlations of this tab apart from those of all others.
    session: String,
    last: u64,
    /// In the order in which they were begun.
    pending: Vec<Pending>,
    traffic: Vec<Traffic>,
    /// The call whose request is about to go out, not having been queued.
    direct: Option<CallId>,
    outcomes: VecDeque<Outcome>,
}

impl Calls {
    /// No calls yet. `session` is drawn at random by the driver, afresh for each page and tab:
    /// 64 bits or more, as text (of letters and digits, best). A backend that answers everybody,
    /// or a page that was loaded again, would mix up calls without it.
    pub const fn new(config: CallsConfig, session: String) -> Self {
        Self {
            config,
            session,
            last: 0,
            pending: Vec::new(),
            traffic: Vec::new(),
            direct: None,
            outcomes: VecDeque::new(),
        }
    }

    /// How many calls are unanswered.
    pub const fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Begins a call, for a frame that is about to be sent.
    pub fn start(&mut self, options: CallOptions) -> Result<Call, CallError> {
        if self.pending.len() >= self.config.pending {
            return Err(CallError::TooMany);
        }
        self.last += 1;
        let call = Call {
            id: CallId(self.last),
            correlation: match options.correlation {
                Some(correlation) => correlation,
                None => self.correlation(),
            },
        };
        self.pending.push(Pending {
            call: call.id,
            field: options.field.unwrap_or(self.config.field),
            correlation: call.correlation.clone(),
            timeout: options.timeout.unwrap_or(self.config.timeout),
            ticket: None,
            sent: None,
        });
        Ok(call)
    }

    /// What [`Connection::send`](crate::Connection::send) said of the call's request. To be told
    /// at once, before the connection's next events.
    pub fn handle_outcome(&mut self, call: CallId, outcome: SendOutcome) {
        match outcome {
            SendOutcome::Sent => self.direct = Some(call),
            SendOutcome::Queued(ticket) => {
                if let Some(pending) = self.pending.iter_mut().find(|other| other.call == call) {
                    pending.ticket = Some(ticket);
                }
            }
            SendOutcome::Rejected(rejection) => self.fail(call, CallError::Rejected(rejection)),
        }
    }

    /// Something happened to the connection. Returns whether it was a frame that ended a call; all
    /// else is for the application to hear.
    pub fn handle_event(&mut self, now: Instant, event: &Event) -> bool {
        match event {
            Event::Sent {
                generation, ticket, ..
            } => {
                let call = match *ticket {
                    None => self.direct.take(),
                    Some(ticket) => self.holder(ticket),
                };
                match call {
                    Some(call) => self.handle_sent(now, call, *generation),
                    None => self.handle_other_sent(now, *generation),
                }
            }
            Event::Discarded { ticket, why, .. } => {
                if let Some(call) = self.holder(*ticket) {
                    self.fail(call, (*why).into());
                }
            }
            Event::Frame {
                generation,
                payload,
            } => {
                return payload
                    .text()
                    .is_some_and(|text| self.handle_frame(now, *generation, text));
            }
            Event::Pinged { generation } => self.handle_pinged(now, *generation),
            Event::Ponged { generation, .. } => self.handle_ponged(*generation),
            Event::Changed { from, to, cause } => match from.generation() {
                Some(_) if !to.is_open() => self.sockets_gone(None),
                // The first socket lives on until it is retired.
                Some(generation) if from.is_open() && !matches!(cause, Cause::RolledOver) => {
                    self.handle_socket_gone(generation);
                }
                _ => {}
            },
            Event::Retired { generation } => self.handle_socket_gone(*generation),
            Event::Opened { .. }
            | Event::Mute { .. }
            | Event::Standby { .. }
            | Event::SocketError { .. } => {}
        }
        false
    }

    fn holder(&self, ticket: Ticket) -> Option<CallId> {
        self.pending
            .iter()
            .find(|pending| pending.ticket == Some(ticket))
            .map(|pending| pending.call)
    }

    /// The call's request was handed to this socket: its deadline starts.
    ///
    /// A call that was cancelled before counts as any other frame.
    pub fn handle_sent(&mut self, now: Instant, call: CallId, generation: Generation) {
        let pending = self.pending.iter_mut().find(|other| other.call == call);
        let Some(pending) = pending else {
            self.handle_other_sent(now, generation);
            return;
        };
        if pending.sent.is_none() {
            pending.sent = Some(Sent {
                generation,
                at: now,
                deadline: now + pending.timeout,
            });
        }
    }

    /// A frame that is no call's went out over this socket: a gateway's error may be about it.
    pub fn handle_other_sent(&mut self, now: Instant, generation: Generation) {
        self.traffic(generation).note(now);
    }

    /// A heartbeat's ping went out over this socket. API Gateway answers it with an error where
    /// the backend has no route for it.
    pub fn handle_pinged(&mut self, now: Instant, generation: Generation) {
        let traffic = self.traffic(generation);
        traffic.pings = traffic.pings.saturating_add(1);
        traffic.pinged = now;
    }

    /// A heartbeat's ping was answered: the gateway has no more to say about it, unless there was
    /// another.
    pub fn handle_ponged(&mut self, generation: Generation) {
        let traffic = self.traffic(generation);
        if std::mem::take(&mut traffic.pings) > 1 {
            traffic.note(traffic.pinged);
        }
    }

    /// The call's request will never be sent, for this reason. Passed over once it was sent.
    pub fn fail(&mut self, call: CallId, why: CallError) {
        let place = self
            .pending
            .iter()
            .position(|pending| pending.call == call && pending.sent.is_none());
        if let Some(place) = place {
            self.end(place, Err(why));
        }
    }

    /// Nobody wants the answer any more: there is no [`Outcome`], and a late answer is a frame
    /// like any other.
    pub fn cancel(&mut self, call: CallId) {
        let place = self.pending.iter().position(|other| other.call == call);
        if let Some(place) = place {
            self.give_up(place);
        }
    }

    /// A text frame arrived. Returns whether it ended a call; if not, it is the application's.
    ///
    /// An answer that comes after its deadline but before anybody was told so counts.
    pub fn handle_frame(&mut self, now: Instant, generation: Generation, text: &str) -> bool {
        if !self.pending.iter().any(|call| call.is_on(generation)) {
            return false;
        }
        let Ok(fields) = Fields::parse(text) else {
            return false;
        };
        let answered = self.pending.iter().position(|call| {
            call.is_on(generation) && fields.get_text(call.field) == Some(&*call.correlation)
        });
        if let Some(place) = answered {
            if let Some(pending) = self.end(place, Ok(text.to_owned()))
                && let Some(sent) = pending.sent
            {
                self.traffic(generation).note_handled(sent.at);
            }
            return true;
        }
        if fields.has("type") {
            return false;
        }
        let Ok(error) = GatewayError::try_from(fields) else {
            return false;
        };
        let Some(place) = self.culprit(now, generation, &error) else {
            return false;
        };
        self.end(place, Err(CallError::Gateway(error)));
        true
    }

    /// The socket has ended, or was left behind. Its calls fail, and no others.
    pub fn handle_socket_gone(&mut self, generation: Generation) {
        self.sockets_gone(Some(generation));
    }

    /// This socket is gone, or all are.
    fn sockets_gone(&mut self, only: Option<Generation>) {
        let is_gone = |generation| only.is_none_or(|only| only == generation);
        self.traffic.retain(|other| !is_gone(other.generation));
        let is_lost = |call: &Pending| call.sent.is_some_and(|sent| is_gone(sent.generation));
        while let Some(place) = self.pending.iter().position(is_lost) {
            self.end(place, Err(CallError::SocketGone));
        }
    }

    /// Does what is due. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_over = |call: &Pending| call.sent.is_some_and(|sent| sent.deadline <= now);
        while let Some(place) = self.pending.iter().position(is_over) {
            if let Some(call) = self.give_up(place) {
                self.outcomes.push_back(Outcome {
                    call,
                    result: Err(CallError::TimedOut),
                });
            }
        }
    }

    /// The next call that has ended, until there is none.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// When to call [`Calls::handle_timeout`] next, if at all.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sent = self.pending.iter().filter_map(|call| call.sent);
        sent.map(|sent| sent.deadline).min()
    }

    /// The call that this error is about, where no other frame can have caused it.
    fn culprit(&self, now: Instant, generation: Generation, error: &GatewayError) -> Option<usize> {
        let is_unrouted = error.message == "Forbidden";
        let within = if is_unrouted { ROUTING } else { HANDLING };
        let traffic = self
            .traffic
            .iter()
            .find(|traffic| traffic.generation == generation);
        if let Some(traffic) = traffic {
            let until = if is_unrouted {
                traffic.unrouted
            } else {
                traffic.unhandled
            };
            if now < until || (traffic.pings > 0 && now < traffic.pinged + within) {
                return None;
            }
        }
        let mut suspects = self
            .pending
            .iter()
            .enumerate()
            .filter(|(_, call)| call.is_on(generation));
        match (suspects.next(), suspects.next()) {
            (Some((place, call)), None) if call.sent.is_some_and(|sent| now < sent.at + within) => {
                Some(place)
            }
            _ => None,
        }
    }

    /// Takes a call out that may still be answered, or complained about.
    fn give_up(&mut self, place: usize) -> Option<CallId> {
        let pending = self.take(place)?;
        if let Some(sent) = pending.sent {
            self.handle_other_sent(sent.at, sent.generation);
        }
        Some(pending.call)
    }

    fn end(&mut self, place: usize, result: Result<String, CallError>) -> Option<Pending> {
        let pending = self.take(place)?;
        self.outcomes.push_back(Outcome {
            call: pending.call,
            result,
        });
        Some(pending)
    }

    fn take(&mut self, place: usize) -> Option<Pending> {
        (place < self.pending.len()).then(|| self.pending.remove(place))
    }

    fn traffic(&mut self, generation: Generation) -> &mut Traffic {
        let known = self
            .traffic
            .iter()
            .position(|traffic| traffic.generation == generation);
        let place = known.unwrap_or_else(|| {
            if self.traffic.len() >= SOCKETS {
                self.traffic.remove(0);
            }
            self.traffic.push(Traffic {
                generation,
                unrouted: Instant::default(),
                unhandled: Instant::default(),
                pings: 0,
                pinged: Instant::default(),
            });
            self.traffic.len() - 1
        });
        &mut self.traffic[place]
    }

    fn correlation(&self) -> String {
        let mut correlation = self.session.clone();
        correlation.push('-');
        correlation.push_str(&self.last.to_string());
        correlation
    }
}

/// Why a text cannot carry a correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CorrelationError {
    /// The text is not a JSON object.
    NoObject,
    /// The object has a field of that name already.
    FieldTaken,
}

impl fmt::Display for CorrelationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoObject => {
                "A call's request must be a JSON object, such as {\"action\":\"…\"}: there is no \
                 place for its correlation id in anything else."
            }
            Self::FieldTaken => {
                "The request has a field of the correlation id's name already. Leave it out, or \
                 choose another name for the correlation id."
            }
        })
    }
}

impl std::error::Error for CorrelationError {}

/// Puts a call's correlation into its request: adds a field to the text of a JSON object, which is
/// left as it is otherwise.
///
/// ```
/// use babelwire_client_core::with_correlation;
///
/// let request = with_correlation(r#"{"action":"ask"}"#, "correlationId", "k3-1").unwrap();
/// assert_eq!(request, r#"{"action":"ask","correlationId":"k3-1"}"#);
/// ```
pub fn with_correlation(
    object: &str,
    field: &str,
    correlation: &str,
) -> Result<String, CorrelationError> {
    let Ok(fields) = Fields::parse(object) else {
        return Err(CorrelationError::NoObject);
    };
    if fields.has(field) {
        return Err(CorrelationError::FieldTaken);
    }
    let object = object.trim_ascii_end();
    let Some(inside) = object.strip_suffix('}') else {
        return Err(CorrelationError::NoObject);
    };
    let mut text = String::with_capacity(object.len() + field.len() + correlation.len() + 8);
    text.push_str(inside);
    if !inside.trim_ascii_end().ends_with('{') {
        text.push(',');
    }
    push_quoted(&mut text, field);
    text.push(':');
    push_quoted(&mut text, correlation);
    text.push('}');
    Ok(text)
}

/// A JSON string (RFC 8259, section 7).
fn push_quoted(json: &mut String, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                json.push('\\');
                json.push(character);
            }
            '\0'..='\x1f' => {
                let code = character as usize;
                json.push_str("\\u00");
                json.push(char::from(DIGITS[code >> 4]));
                json.push(char::from(DIGITS[code & 15]));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}
