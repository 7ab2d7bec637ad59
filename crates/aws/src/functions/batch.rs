//! Batches of SQS messages.

use std::future::Future;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures::{StreamExt, stream};

/// How many messages of a batch are handled side by side: SQS puts 10 at most into one.
const SIDE_BY_SIDE: usize = 10;

/// Handles every message, and names those that failed: they come again, the others do not.
pub(super) async fn each<E, F, Fut>(event: SqsEvent, handle: F) -> SqsBatchResponse
where
    E: std::fmt::Display,
    F: Fn(SqsMessage) -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    let handle = &handle;
    let failed: Vec<BatchItemFailure> = stream::iter(event.records)
        .map(|message| async move {
            let id = message.message_id.clone().unwrap_or_default();
            let receives = receives(&message);
            match handle(message).await {
                Ok(()) => None,
                Err(error) => {
                    tracing::error!(message = id, receives, %error, "a message was not handled");
                    let mut failure = BatchItemFailure::default();
                    failure.item_identifier = id;
                    Some(failure)
                }
            }
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failed;
    response
}

/// How often a message was given out, this time included.
pub(super) fn receives(message: &SqsMessage) -> u64 {
    message
        .attributes
        .get("ApproximateReceiveCount")
        .and_then(|count| count.parse().ok())
        .unwrap_or(1)
}
