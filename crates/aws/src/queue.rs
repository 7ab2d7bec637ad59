//! Work for other functions: SQS.

use std::ops::Range;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use babelwire_service::ports::{PortError, Queue, Work};

use crate::config::Queues;
use crate::failure::in_words;

/// The largest message: 1 MiB ("Amazon SQS message quotas").
pub const MOST_MESSAGE_BYTES: usize = 1 << 20;

/// Work as messages, for whichever function comes for it.
///
/// Its role needs `sqs:SendMessage` on the queues that it pushes to. SQS delivers at least once and
/// in any order, and no function knows what another one does at the moment; so nothing here
/// prevents that work is done twice, and nothing has to: segments are recognised by their index,
/// translations by their revision, and a lease lets one translator work on a text at a time.
pub struct SqsQueue {
    client: Client,
    queues: Queues,
}

impl SqsQueue {
    /// Work goes to these queues. Pushing work for one that is not there is an error.
    pub fn new(client: Client, queues: Queues) -> Self {
        Self { client, queues }
    }

    fn url(&self, work: &Work) -> Result<&str, PortError> {
        let (url, name) = match work {
            Work::Translate { .. } | Work::Sweep(_) => (&self.queues.work, "BABELWIRE_QUEUE_WORK"),
            Work::CatchUp { .. } | Work::Show { .. } | Work::Broadcast { .. } => {
                (&self.queues.news, "BABELWIRE_QUEUE_NEWS")
            }
        };
        url.as_deref().ok_or_else(|| {
            PortError(format!(
                "{name} is not set: this function was not meant to push such work"
            ))
        })
    }
}

/// Work as the body of a message.
pub fn to_body(work: &Work) -> Result<String, PortError> {
    let body = serde_json::to_string(work).map_err(PortError::new)?;
    // JSON may hold them, and a message may not (`SendMessage`, "MessageBody"). Outside of strings
    // there are none.
    let body = if body.contains(['\u{fffe}', '\u{ffff}']) {
        body.replace('\u{fffe}', "\\ufffe")
            .replace('\u{ffff}', "\\uffff")
    } else {
        body
    };
    if body.len() > MOST_MESSAGE_BYTES {
        return Err(PortError(format!(
            "work of {} bytes does not fit a message of SQS, which has {MOST_MESSAGE_BYTES} at most",
            body.len()
        )));
    }
    Ok(body)
}

/// The work in the body of a message.
pub fn from_body(body: &str) -> Result<Work, PortError> {
    serde_json::from_str(body)
        .map_err(|error| PortError(format!("a message is no work that is known: {error}")))
}

#[async_trait]
impl Queue for SqsQueue {
    async fn push(&self, work: Work) -> Result<(), PortError> {
        let url = self.url(&work)?;
        self.client
            .send_message()
            .queue_url(url)
            .message_body(to_body(&work)?)
            .send()
            .await
            .map_err(|error| PortError(format!("SQS: {}", in_words(&error))))?;
        Ok(())
    }

    /// Does nothing: whoever translates finds out with its next write, whose condition fails.
    fn stop(&self, _id: &str) {}

    /// Never, as far as is known here. A segment that comes twice is one segment.
    fn is_catching_up(&self, _id: &str, _connection: &str, _from: u64) -> bool {
        false
    }

    /// Never, as far as is known here. A segment that comes twice is one segment.
    fn is_showing(&self, _id: &str, _connection: &str, _range: Range<u64>) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use babelwire_service::ports::{Owner, Remains};
    use bytes::Bytes;

    use super::*;

    fn broadcast(text: impl Into<Bytes>) -> Work {
        Work::Broadcast {
            owner: Owner::new("ada"),
            shard: Some(3),
            text: text.into(),
            fleeting: true,
        }
    }

    #[test]
    fn all_work_comes_out_of_a_message_as_it_went_in() {
        let (id, connection) = ("a".to_owned(), "c=".to_owned());
        for work in [
            Work::Translate { id: id.clone() },
            Work::Sweep(Remains {
                id: id.clone(),
                object_key: "a/b c.txt".to_owned(),
            }),
            Work::CatchUp {
                id: id.clone(),
                connection: connection.clone(),
                from: 7,
            },
            Work::Show {
                id,
                connection,
                range: 3..9,
            },
            broadcast("tab\t nul\0 \u{fffe}\u{ffff} \"\\uffff\" 😀"),
        ] {
            let body = to_body(&work).unwrap();
            // The characters that `SendMessage` takes.
            assert!(
                body.chars().all(|char| matches!(
                    char,
                    '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..
                )),
                "{body:?}"
            );
            assert_eq!(from_body(&body).unwrap(), work);
        }
    }

    #[test]
    fn work_that_fits_no_message_is_refused_in_words() {
        assert!(to_body(&broadcast("x".repeat(MOST_MESSAGE_BYTES - 200))).is_ok());
        let error = to_body(&broadcast("x".repeat(MOST_MESSAGE_BYTES))).unwrap_err();
        assert!(error.0.contains("1048576"), "{error}");
    }

    #[test]
    fn a_message_that_is_no_work_says_what_is_wrong() {
        let error = from_body(r#"{"work":"dance"}"#).unwrap_err();
        assert!(error.0.contains("dance"), "{error}");
    }
}
