//! SQS over its JSON protocol, and the pollers that Lambda has between a queue and a function.
//!
//! Source: Amazon SQS API reference ("Making requests with the AWS JSON protocol"), Lambda
//! developer guide, "Using Lambda with Amazon SQS" and "Handling errors for an SQS event source".

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::peers::{Peer, PeerError};
use crate::runtime::Function;

/// How long a poll waits for messages, in seconds: SQS's longest.
const WAIT_SECONDS: u64 = 20;
/// How long nothing is asked of a queue that failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// What makes a queue a function's source of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The queue's URL.
    pub queue_url: String,
    /// The queue's ARN, which records carry.
    pub queue_arn: String,
    /// The most messages of one event, 10 at most.
    pub batch_size: u64,
    /// Whether the function says which messages of a batch failed (`ReportBatchItemFailures`).
    pub reports_failures: bool,
    /// How many batches are with the function at once.
    pub concurrency: usize,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(rename = "MessageId")]
    id: String,
    receipt_handle: String,
    body: String,
    #[serde(default, rename = "MD5OfBody")]
    md5_of_body: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default, rename = "MessageAttributes")]
    own_attributes: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    #[serde(default)]
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

/// Gives a function the messages of a queue, for as long as the future lives.
pub async fn poll(peer: Peer, mapping: Mapping, function: Function, sequencers: Arc<Sequencers>) {
    let room = Arc::new(tokio::sync::Semaphore::new(mapping.concurrency.max(1)));
    let mapping = Arc::new(mapping);
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let messages = match receive(&peer, &mapping).await {
            Ok(messages) => messages,
            Err(error) => {
                tracing::warn!(%error, queue = mapping.queue_url, "cannot receive");
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        if messages.is_empty() {
            continue;
        }
        let (peer, mapping, function) = (peer.clone(), Arc::clone(&mapping), function.clone());
        // Here and not in the task: arrival decides.
        let event = event(&mapping, &messages, &sequencers);
        tokio::spawn(async move {
            hand_over(&peer, &mapping, &function, &messages, event).await;
            drop(permit);
        });
    }
}

async fn receive(peer: &Peer, mapping: &Mapping) -> Result<Vec<Message>, PeerError> {
    let request = json!({
        "QueueUrl": mapping.queue_url,
        "MaxNumberOfMessages": mapping.batch_size.clamp(1, 10),
        "WaitTimeSeconds": WAIT_SECONDS,
        "MessageSystemAttributeNames": ["All"],
        "AttributeNames": ["All"],
        "MessageAttributeNames": ["All"],
    });
    let answer = peer.sqs("ReceiveMessage", &request).await?;
    let received: Received = serde_json::from_value(answer).map_err(PeerError::new)?;
    Ok(received.messages)
}

async fn hand_over(
    peer: &Peer,
    mapping: &Mapping,
    function: &Function,
    messages: &[Message],
    event: Value,
) {
    let done: Vec<&Message> = match function.invoke(event.to_string()).await {
        // All become visible again when their time is over.
        Err(_logged) => return,
        Ok(answer) if mapping.reports_failures => {
            let Some(failed) = failures(&answer.payload, messages) else {
                tracing::warn!(
                    queue = mapping.queue_url,
                    answer = %String::from_utf8_lossy(&answer.payload),
                    "the answer names no batch item failures: the whole batch counts as failed"
                );
                return;
            };
            let is_done = |message: &&Message| !failed.contains(&message.id);
            messages.iter().filter(is_done).collect()
        }
        Ok(_) => messages.iter().collect(),
    };
    if done.is_empty() {
        return;
    }
    let entries: Vec<_> = done
        .iter()
        .enumerate()
        .map(|(index, message)| {
            json!({"Id": index.to_string(), "ReceiptHandle": message.receipt_handle})
        })
        .collect();
    let request = json!({"QueueUrl": mapping.queue_url, "Entries": entries});
    if let Err(error) = peer.sqs("DeleteMessageBatch", &request).await {
        tracing::warn!(%error, "cannot delete messages that are done: they come again");
    }
}

/// The messages that failed; `None` where Lambda would take the whole batch as failed: an answer
/// that cannot be read, or that names a message which was not in the batch.
fn failures(payload: &[u8], messages: &[Message]) -> Option<HashSet<String>> {
    let Some(outcome) = serde_json::from_slice::<Option<Outcome>>(payload).ok()? else {
        // `null` is a success.
        return Some(HashSet::new());
    };
    let failed: HashSet<String> = outcome
        .batch_item_failures
        .into_iter()
        .map(|failure| failure.item_identifier)
        .collect();
    failed
        .iter()
        .all(|id| messages.iter().any(|message| message.id == *id))
        .then_some(failed)
}

fn event(mapping: &Mapping, messages: &[Message], sequencers: &Sequencers) -> Value {
    let records: Vec<_> = messages
        .iter()
        .map(|message| {
            json!({
                "messageId": message.id,
                "receiptHandle": message.receipt_handle,
                "body": sequencers.complete(&message.id, &message.body),
                "attributes": message.attributes,
                "messageAttributes": if message.own_attributes.is_object() {
                    message.own_attributes.clone()
                } else {
                    json!({})
                },
                "md5OfBody": message.md5_of_body,
                "eventSource": "aws:sqs",
                "eventSourceARN": mapping.queue_arn,
                "awsRegion": "us-east-1",
            })
        })
        .collect();
    json!({ "Records": records })
}

/// The most messages whose sequencers are remembered.
const MOST_REMEMBERED: usize = 10_000;

/// Gives S3's events the `sequencer` that moto leaves out.
///
/// S3 gives every event of an object a sequencer that grows; moto gives none. The order in which
/// events arrive here is taken for their order: moto puts them into the queue as they happen, and
/// gives them out in that order. A message that comes again keeps what it had. So the order of
/// events is not what these local runs can prove; the tests of recorded events do.
#[derive(Debug, Default)]
pub struct Sequencers(Mutex<Given>);

#[derive(Debug, Default)]
struct Given {
    last: u64,
    by_message: HashMap<String, u64>,
    order: VecDeque<String>,
}

impl Sequencers {
    /// The body of a message, with sequencers for those of S3's records that have none.
    fn complete(&self, message: &str, body: &str) -> String {
        let Ok(mut notification) = serde_json::from_str::<Value>(body) else {
            return body.to_owned();
        };
        let Some(Value::Array(records)) = notification.get_mut("Records") else {
            return body.to_owned();
        };
        let mut completed = false;
        for (index, record) in records.iter_mut().enumerate() {
            let Some(Value::Object(object)) = record.pointer_mut("/s3/object") else {
                continue;
            };
            if !object.contains_key("sequencer") {
                let sequencer = self.of(&format!("{message}/{index}"));
                object.insert("sequencer".to_owned(), format!("{sequencer:016X}").into());
                completed = true;
            }
        }
        if completed {
            notification.to_string()
        } else {
            body.to_owned()
        }
    }

    fn of(&self, message: &str) -> u64 {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sequencer) = given.by_message.get(message) {
            return *sequencer;
        }
        // From the clock, so that they go on growing after a restart.
        let now = u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default();
        given.last = now.max(given.last + 1);
        if given.order.len() == MOST_REMEMBERED
            && let Some(oldest) = given.order.pop_front()
        {
            given.by_message.remove(&oldest);
        }
        let sequencer = given.last;
        given.order.push_back(message.to_owned());
        given.by_message.insert(message.to_owned(), sequencer);
        sequencer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOTO: &str = r#"{"Records":[{"eventName":"ObjectCreated:Put","s3":{"object":{"key":"a"}}},
                           {"eventName":"ObjectRemoved:Delete","s3":{"object":{"key":"a"}}}]}"#;

    fn sequencers(body: &str) -> Vec<String> {
        let value: Value = serde_json::from_str(body).unwrap();
        let records = value["Records"].as_array().unwrap();
        let text = |record: &Value| {
            record["s3"]["object"]["sequencer"]
                .as_str()
                .map(str::to_owned)
        };
        records.iter().filter_map(text).collect()
    }

    #[test]
    fn events_without_sequencers_get_some_that_grow() {
        let given = Sequencers::default();
        let first = sequencers(&given.complete("m1", MOTO));
        let second = sequencers(&given.complete("m2", MOTO));
        assert_eq!(first.len(), 2);
        assert!(first[0] < first[1] && first[1] < second[0]);
    }

    #[test]
    fn a_message_that_comes_again_has_the_sequencers_that_it_had() {
        let given = Sequencers::default();
        let first = given.complete("m1", MOTO);
        given.complete("m2", MOTO);
        assert_eq!(given.complete("m1", MOTO), first);
    }

    #[test]
    fn what_has_a_sequencer_or_is_no_event_stays_as_it_is() {
        let given = Sequencers::default();
        for body in [
            r#"{"Records":[{"s3":{"object":{"key":"a","sequencer":"01"}}}]}"#,
            r#"{"work":"translate","id":"a"}"#,
            r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#,
            "no JSON",
        ] {
            assert_eq!(given.complete("m", body), body);
        }
    }

    fn message(id: &str) -> Message {
        Message {
            id: id.to_owned(),
            receipt_handle: String::new(),
            body: String::new(),
            md5_of_body: String::new(),
            attributes: BTreeMap::new(),
            own_attributes: Value::Null,
        }
    }

    #[test]
    fn only_what_the_function_names_counts_as_failed() {
        let messages = [message("a"), message("b")];
        let failed = |payload: &[u8]| failures(payload, &messages).map(|failed| failed.len());
        assert_eq!(failed(b"null"), Some(0));
        assert_eq!(failed(b"{}"), Some(0));
        assert_eq!(failed(br#"{"batchItemFailures":[]}"#), Some(0));
        assert_eq!(
            failed(br#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#),
            Some(1)
        );
        // Lambda takes these for a failure of all.
        assert_eq!(
            failed(br#"{"batchItemFailures":[{"itemIdentifier":"x"}]}"#),
            None
        );
        assert_eq!(
            failed(br#"{"batchItemFailures":[{"itemIdentifier":""}]}"#),
            None
        );
        assert_eq!(failed(b"7"), None);
    }
}
