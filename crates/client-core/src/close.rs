//! Why a socket ended, and what to do about it.

use std::fmt;

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
        write!(f, "{}", self.code)?;
        if let Some(meaning) = meaning(self.code) {
            write!(f, " ({meaning})")?;
        }
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        Ok(())
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
        _ => return None,
    })
}

/// What to do after a socket that the other side, or the network, has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterClose {
    /// Dial again after a delay.
    Backoff,
    /// Stay closed until somebody connects again.
    Stop,
}

/// The verdict on each close code unless [`Config::after_close`](crate::Config::after_close) has
/// another: dial again. A code tells of one socket, not of the next one, and a page that has
/// nobody to ask must not give up for good over a passing fault.
pub fn after_close(closed: &Closed) -> AfterClose {
    match closed.code {
        // The client did not offer an extension that the server insists on: neither will change.
        1010 => AfterClose::Stop,
        _ => AfterClose::Backoff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_reads_as_a_sentence_part() {
        let closed = |code, reason: &str| Closed {
            code,
            reason: reason.to_owned(),
            was_clean: true,
        };
        assert_eq!(
            closed(1001, "Going away").to_string(),
            "1001 (the server is going away or the connection was idle or old): Going away"
        );
        assert_eq!(closed(4000, "").to_string(), "4000");
    }

    #[test]
    fn every_code_leads_back_to_a_dial_but_the_one_that_no_dial_can_mend() {
        for code in (0..=u16::MAX).filter(|code| *code != 1010) {
            let closed = Closed {
                code,
                reason: String::new(),
                was_clean: code != 1006,
            };
            assert_eq!(after_close(&closed), AfterClose::Backoff, "{code}");
        }
    }
}
