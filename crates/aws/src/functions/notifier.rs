//! News: what S3 says of objects, and frames for connections.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use babelwire_service::ServiceError;
use babelwire_service::events::Event as ObjectEvent;
use babelwire_service::ports::{Bucket, Objects, PortError, Work};
use lambda_runtime::LambdaEvent;
use serde_json::Value;

use super::batch;
use super::rest::DOWNLOADS;
use crate::queue;
use crate::service::Backend;

/// Why an event could not be handled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A message that is neither a notification of S3 nor work.
    #[error(transparent)]
    Message(#[from] PortError),
    /// An event that is neither of SQS nor of S3.
    #[error("this event is neither a batch of SQS nor a notification of S3: {0}")]
    Event(String),
}

/// Handles a batch of SQS messages (S3's notifications, or work for this function), or a
/// notification of S3 without a queue between. For a batch it answers which messages failed.
pub async fn handle(backend: &Backend, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let event = event.payload;
    let is_of = |source: &str| {
        let records = event.get("Records").and_then(Value::as_array);
        records.is_some_and(|records| records.iter().any(|record| source_of(record) == source))
    };
    if is_of("aws:sqs") {
        let batch: SqsEvent = serde_json::from_value(event).map_err(unreadable)?;
        let response: SqsBatchResponse = batch::each(batch, |message| one(backend, message)).await;
        return serde_json::to_value(response).map_err(unreadable);
    }
    if is_of("aws:s3") || is_test(&event) {
        objects(backend, event).await?;
        return Ok(Value::Null);
    }
    Err(Error::Event(event.to_string().chars().take(200).collect()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn unreadable(error: serde_json::Error) -> Error {
    Error::Event(error.to_string())
}

fn source_of(record: &Value) -> &str {
    record
        .get("eventSource")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// S3 sends one when notifications are set up.
fn is_test(event: &Value) -> bool {
    event.get("Event").and_then(Value::as_str) == Some("s3:TestEvent")
}

async fn one(backend: &Backend, message: SqsMessage) -> Result<(), Error> {
    let body = message.body.unwrap_or_default();
    match serde_json::from_str::<Value>(&body) {
        Ok(value) if value.get("Records").is_some() || is_test(&value) => {
            objects(backend, value).await
        }
        _ => match queue::from_body(&body)? {
            work @ (Work::Broadcast { .. } | Work::CatchUp { .. } | Work::Show { .. }) => {
                Ok(backend.service.perform(work).await?)
            }
            work @ (Work::Translate { .. } | Work::Sweep(_)) => Err(Error::Message(PortError(
                format!("this is work for the translator, in the wrong queue: {work:?}"),
            ))),
        },
    }
}

async fn objects(backend: &Backend, notification: Value) -> Result<(), Error> {
    let notification = without_downloads(&*backend.ports.objects, notification);
    Ok(backend
        .service
        .object_events(&notification.to_string())
        .await?)
}

/// Leaves out the answers that were too long for the REST function: they are no one's translation,
/// and a bucket's notifications cannot be told to leave a prefix out.
fn without_downloads(store: &dyn Objects, mut notification: Value) -> Value {
    let events = ObjectEvent::parse_all(&notification.to_string());
    if let Some(Value::Array(records)) = notification.get_mut("Records") {
        let mut events = events.into_iter();
        records.retain(|_| {
            !events.next().and_then(Result::ok).is_some_and(|event| {
                event.key.starts_with(DOWNLOADS)
                    && store.bucket(&event.bucket) == Some(Bucket::Results)
            })
        });
    }
    notification
}
