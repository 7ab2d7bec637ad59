//! The way to connected clients: `@connections` of API Gateway.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::Builder;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use babelwire_service::ports::{Clock, Notifier, PortError, PostError, Random};
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::failure::{Kind, Patience, in_words, kind, status};

/// The way to connected clients by API Gateway's `@connections`.
///
/// Its role needs `execute-api:ManageConnections` on `…/STAGE/POST/@connections/*` and
/// `…/STAGE/DELETE/@connections/*`.
pub struct ConnectionsNotifier {
    client: Client,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// One for each post that is under way at once, whoever asked for it.
    posts: Semaphore,
    patience: Patience,
}

impl ConnectionsNotifier {
    /// How often a post is tried when the gateway itself fails, which is rare and short.
    pub const PATIENCE: Patience = Patience {
        tries: 3,
        first: Duration::from_millis(100),
        most: Duration::from_secs(1),
    };

    /// The way to the connections of one stage, `posts` at a time:
    /// [`crate::config::Settings::POSTS`] says why a bound, and which.
    pub fn new(
        client: Client,
        posts: usize,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            client,
            clock,
            random,
            posts: Semaphore::new(posts.max(1)),
            patience: Self::PATIENCE,
        }
    }
}

/// A client for the stage of this URL, which tries everything once: a client that reads slowly is
/// the service's to wait for, and the rest is [`ConnectionsNotifier`]'s.
pub fn client(sdk: &SdkConfig, stage_url: &str) -> Client {
    let config = Builder::from(sdk)
        .endpoint_url(stage_url)
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

#[async_trait]
impl Notifier for ConnectionsNotifier {
    async fn post(&self, connection: &str, text: Bytes) -> Result<(), PostError> {
        let mut tried = 0;
        loop {
            let posted = {
                // The semaphore is never closed, so there always is a permit.
                let _permit = self.posts.acquire().await;
                let post = self.client.post_to_connection();
                let post = post.connection_id(connection);
                post.data(Blob::new(text.as_ref())).send().await
            };
            let Err(error) = posted else {
                return Ok(());
            };
            tried += 1;
            match (status(&error), kind(&error)) {
                (Some(410), _) => return Err(PostError::Gone),
                (_, Kind::Throttled) => return Err(PostError::Busy),
                (_, Kind::Passing)
                    if self.patience.wait(tried, &*self.clock, &*self.random).await => {}
                _ => {
                    let words = format!("@connections: {}", in_words(&error));
                    return Err(PostError::Other(PortError(words)));
                }
            }
        }
    }

    async fn close(&self, connection: &str) -> Result<(), PortError> {
        let mut tried = 0;
        loop {
            let closed = {
                let _permit = self.posts.acquire().await;
                let delete = self.client.delete_connection().connection_id(connection);
                delete.send().await
            };
            let Err(error) = closed else {
                return Ok(());
            };
            tried += 1;
            match (status(&error), kind(&error)) {
                (Some(410), _) => return Ok(()),
                (_, Kind::Passing | Kind::Throttled)
                    if self.patience.wait(tried, &*self.clock, &*self.random).await => {}
                _ => return Err(PortError(format!("@connections: {}", in_words(&error)))),
            }
        }
    }
}
