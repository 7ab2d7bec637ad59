//! Why a socket ended, and what to do about it.

use std::fmt;
use std::time::Duration;

use crate::time::write_all;

/// How a socket ended, as a WebSocket's close event tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The close code (RFC 6455, section 7.4). A browser gives 1006 for everything that was not
    /// a closing handshake: a refused dial, a lost network, a killed server.
    pub code: u16,
    /// What the other side had to say; often empty.
    pub reason: String,
    /// Whether both sides went through the closing handshake.
    pub was_clean: bool,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code.to_string())?;
        if let Some(meaning) = meaning(self.code) {
            write_all(f, &[" (", meaning, ")"])?;
        }
        if !self.reason.is_empty() {
            write_all(f, &[": ", &self.reason])?;
        }
        Ok(())
    }
}

impl Closed {
    /// The longest wait that a closing server is granted: an hour. A page that waits longer looks
    /// dead, whatever the server meant.
    pub const LONGEST_HINT: Duration = Duration::from_secs(3600);

    /// How long the server asks to be left alone, if its reason says so the way HTTP's
    /// `Retry-After` does (RFC 9110, section 10.2.3): `retry-after` in any case, then the seconds,
    /// as in `busy; retry-after=30`. At most [`Closed::LONGEST_HINT`].
    pub fn retry_after(&self) -> Option<Duration> {
        const NAME: &str = "retry-after";
        let at = self
            .reason
            .as_bytes()
            .windows(NAME.len())
            .position(|window| window.eq_ignore_ascii_case(NAME.as_bytes()))?;
        // The name is ASCII, so its end is the border of a character.
        let rest = self.reason.get(at + NAME.len()..)?;
        let number = rest.trim_start_matches([':', '=', ' ', '"']);
        let end = number
            .find(|character: char| !character.is_ascii_digit())
            .unwrap_or(number.len());
        // Digits that are no `u64` ask for more than the longest wait.
        let seconds = match number.get(..end)? {
            "" => return None,
            digits => digits.parse().unwrap_or(u64::MAX),
        };
        Some(Duration::from_secs(seconds).min(Self::LONGEST_HINT))
    }
}

/// What a close code means, in words; `None` for codes that only the application knows.
///
/// Sources: RFC 6455, section 7.4.1, and IANA's "WebSocket Close Code Number Registry".
pub const fn meaning(code: u16) -> Option<&'static str> {
    Some(match code {
        1000 => "closed normally",
        1001 => "the server is going away or the connection was idle or old",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "closed without a code",
        1006 => "connection lost or refused",
        1007 => "invalid text",
        1008 => "refused by policy",
        1009 => "message too big",
        1010 => "a required extension is missing",
        1011 => "server error",
        1012 => "the server restarts",
        1013 => "try again later",
        1014 => "bad gateway",
        1015 => "TLS failed",
        3000 | 4401 => "not signed in",
        3003 | 4403 => "not allowed",
        3008 => "timed out",
        4429 => "too many requests",
        _ => return None,
    })
}

/// What to do after a socket that the other side, or the network, has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterClose {
    /// Dial again after a delay drawn from [`Config::backoff`](crate::Config::backoff).
    Backoff {
        /// What the delay is added to: zero, or what the server asked for.
        at_least: Duration,
    },
    /// Dial again at once if the connection was stable, else after a delay.
    RetryNow,
    /// Dial again after a delay, and tell the driver that what it authenticated with is no longer
    /// good.
    Reauthenticate,
    /// Stay closed until somebody connects again.
    Stop,
}

/// The verdict on each close code, unless [`Config::after_close`](crate::Config::after_close) has
/// another.
///
/// | code | meaning | verdict |
/// |---|---|---|
/// | 1008 | refused by policy: most often a token that has expired | `Reauthenticate` |
/// | 1010 | the server insists on an extension that the client does not offer | `Stop` |
/// | 3000, 4401 | not signed in (IANA; by convention from HTTP's 401) | `Reauthenticate` |
/// | 3003, 4403 | not allowed (IANA; by convention from HTTP's 403) | `Stop` |
/// | 3008 | timed out (IANA): this connection alone | `RetryNow` |
/// | all others | a fault of the moment | `Backoff`, after what [`Closed::retry_after`] asks for |
///
/// 1001 is among the others although API Gateway closes single idle and old connections with it:
/// a server that shuts down closes all of its connections with the same code, and they must not
/// come back in the same instant.
pub fn after_close(closed: &Closed) -> AfterClose {
    match closed.code {
        1010 | 3003 | 4403 => AfterClose::Stop,
        1008 | 3000 | 4401 => AfterClose::Reauthenticate,
        3008 => AfterClose::RetryNow,
        _ => AfterClose::Backoff {
            at_least: closed.retry_after().unwrap_or_default(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(code: u16, reason: &str) -> Closed {
        Closed {
            code,
            reason: reason.to_owned(),
            was_clean: true,
        }
    }

    #[test]
    fn a_close_reads_as_a_sentence_part() {
        assert_eq!(
            closed(1001, "Going away").to_string(),
            "1001 (the server is going away or the connection was idle or old): Going away"
        );
        assert_eq!(closed(4000, "").to_string(), "4000");
    }

    #[test]
    fn each_code_has_its_verdict() {
        for code in 0..=u16::MAX {
            let verdict = match code {
                1008 | 3000 | 4401 => AfterClose::Reauthenticate,
                1010 | 3003 | 4403 => AfterClose::Stop,
                3008 => AfterClose::RetryNow,
                _ => AfterClose::Backoff {
                    at_least: Duration::ZERO,
                },
            };
            assert_eq!(after_close(&closed(code, "")), verdict, "{code}");
        }
    }

    #[test]
    fn a_server_may_say_when_to_come_back_and_is_believed_up_to_an_hour() {
        for (reason, seconds) in [
            ("retry-after=30", Some(30)),
            ("Deploying. Retry-After: 7.", Some(7)),
            (r#"{"retry-after": 12}"#, Some(12)),
            ("RETRY-AFTER 0", Some(0)),
            ("retry-after=99999999999999999999999", Some(3600)),
            ("retry-after", None),
            ("retry-after=soon", None),
            ("später, retry-after=5 Sekunden", Some(5)),
            ("Going away", None),
            ("", None),
        ] {
            let hint = closed(1013, reason).retry_after();
            assert_eq!(hint, seconds.map(Duration::from_secs), "{reason}");
            assert_eq!(
                after_close(&closed(1013, reason)),
                AfterClose::Backoff {
                    at_least: hint.unwrap_or_default()
                }
            );
        }
    }
}
