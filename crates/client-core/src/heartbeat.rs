//! Whether a socket that looks open still leads anywhere.

use std::time::Duration;

use babelwire_wire::{Frame, Inbound};

use crate::time::Instant;

/// How a half-open socket is found: a frame that asks for an answer, sent when nothing was heard
/// for a while.
///
/// A browser shows a page no protocol pings, and reports a connection whose network went away
/// after minutes; `send` succeeds until then. So the question is an ordinary frame. Any frame from
/// the backend proves life, whether or not it is the answer, and a busy connection is never
/// asked. The verdict is spoken only over a backend that has answered a ping before: one that
/// never did is [mute](crate::Event::Mute), and its silence says nothing.
#[derive(Debug, Clone, Copy)]
pub struct Heartbeat {
    /// The silence after which a ping goes out. By default 5 s, so that with the defaults of the
    /// rest a dead socket is replaced within 10 s. On API Gateway every ping and every answer is a
    /// billed message.
    pub interval: Duration,
    /// The same while nobody looks at the page, or when the backend is mute. By default 60 s: less
    /// than API Gateway's idle timeout of 10 minutes, and no more often than browsers run timers
    /// in a page that has been hidden for long.
    pub idle_interval: Duration,
    /// How long the answer may take. By default 3 s. The first ping of all is given three times
    /// that: nothing is known of the backend yet, and a function may have to start first.
    pub deadline: Duration,
    /// How long the answer may take when there is reason to doubt: the page was frozen, the
    /// machine slept, the network changed. By default 1.5 s.
    pub probe_deadline: Duration,
    /// Writes the ping of that number. By default the text of
    /// `{"action":"ping","data":"hb-7"}`.
    pub ping: fn(u64) -> String,
    /// Whether a text frame is an answer to a ping. By default [`recognise`].
    pub recognise: fn(&str) -> Option<Reply>,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            idle_interval: Duration::from_secs(60),
            deadline: Duration::from_secs(3),
            probe_deadline: Duration::from_millis(1500),
            ping,
            recognise,
        }
    }
}

/// How a backend answers a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The answer to the ping of that number.
    Pong(u64),
    /// API Gateway's own error frame: the backend has no route for pings, and is alive.
    Refusal,
}

/// What tells a heartbeat's ping from an application's.
const MARK: &str = "hb-";

fn ping(number: u64) -> String {
    let mut text = String::from(r#"{"action":"ping","data":""#);
    text.push_str(MARK);
    text.push_str(&number.to_string());
    text.push_str(r#""}"#);
    text
}

/// The longest frame that [`recognise`] takes for an answer, in bytes. API Gateway's error frames
/// have some 120.
pub(crate) const LONGEST_REPLY: usize = 512;

/// Recognises a [pong](Frame::Pong) that gives back a default ping's data, and
/// [API Gateway's error frame](Frame::GatewayError).
pub fn recognise(text: &str) -> Option<Reply> {
    if text.len() > LONGEST_REPLY {
        return None;
    }
    match Inbound::parse(text.to_owned()).frame {
        Frame::Pong { data } => {
            let number = data.strip_prefix(MARK)?;
            Some(Reply::Pong(number.parse().ok()?))
        }
        Frame::GatewayError(_) => Some(Reply::Refusal),
        _ => None,
    }
}

/// What is known of the backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Answers {
    #[default]
    Unknown,
    /// It has answered with a pong.
    Pong,
    /// It has answered with an error frame, for want of a route.
    Refusal,
    No,
}

/// A ping whose answer has not come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ping {
    pub(crate) number: u64,
    pub(crate) sent: Instant,
}

/// The life of one socket.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four answers to four questions"
)]
pub(crate) struct Pulse {
    /// When the last frame came.
    pub(crate) heard: Instant,
    pub(crate) awaited: Option<Ping>,
    /// Whether a ping over this very socket was answered.
    pub(crate) answered: bool,
    /// Whether nothing was heard since the ping that is awaited, and its deadline counts.
    pub(crate) judging: bool,
    /// Whether that ping went out because there was reason to doubt.
    pub(crate) probing: bool,
    /// Whether one late timer was passed over already since the last frame.
    pub(crate) excused: bool,
}

impl Pulse {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            heard: now,
            awaited: None,
            answered: false,
            judging: false,
            probing: false,
            excused: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_what_the_contract_says() {
        assert_eq!(ping(7), r#"{"action":"ping","data":"hb-7"}"#);
    }

    #[test]
    fn answers_are_told_from_news() {
        let pong = recognise(r#"{"type":"pong","data":"hb-7"}"#);
        assert_eq!(pong, Some(Reply::Pong(7)));
        let refusal = r#"{"message": "Forbidden", "connectionId":"a=", "requestId":"b="}"#;
        assert_eq!(recognise(refusal), Some(Reply::Refusal));
        for news in [
            r#"{"type":"pong","data":"somebody else's"}"#,
            r#"{"type":"pong","data":"hb-"}"#,
            r#"{"message":"Forbidden"}"#,
            "pong",
            "",
        ] {
            assert_eq!(recognise(news), None, "{news}");
        }
        let long = format!(
            r#"{{"type":"pong","data":"hb-7","more":"{}"}}"#,
            "x".repeat(512)
        );
        assert_eq!(recognise(&long), None);
    }
}
