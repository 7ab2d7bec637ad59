//! The time, random bytes, and the way to this process's own connections.

use std::time::Duration;

use async_trait::async_trait;
use babelwire_gateway::{Connections, Error};
use babelwire_service::ports::{Clock, Compute, Notifier, PortError, PostError, Random};
use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;

/// The machine's clock.
pub(crate) struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Threads that may be busy for long.
pub(crate) struct BlockingThreads;

#[async_trait]
impl Compute for BlockingThreads {
    async fn apart(&self, work: BoxFuture<'static, ()>) {
        let runtime = tokio::runtime::Handle::current();
        let ended = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
        if let Err(error) = ended {
            tracing::error!(%error, "a computation broke off");
        }
    }
}

/// The machine's random source.
pub(crate) struct SystemRandom;

impl SystemRandom {
    /// Makes sure that there is one.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        getrandom::fill(&mut [0; 16])?;
        Ok(Self)
    }
}

impl Random for SystemRandom {
    #[expect(
        clippy::expect_used,
        reason = "the source worked at the start, and Linux's does not stop"
    )]
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        bytes
    }
}

/// The way to the connections of the gateway.
pub(crate) struct GatewayNotifier(pub(crate) Connections);

#[async_trait]
impl Notifier for GatewayNotifier {
    async fn post(&self, connection: &str, text: Bytes) -> Result<(), PostError> {
        self.0
            .post_to_connection(connection, text)
            .await
            .map_err(|error| match error {
                Error::Gone => PostError::Gone,
                Error::LimitExceeded => PostError::Busy,
                error => PostError::Other(PortError::new(error)),
            })
    }

    async fn close(&self, connection: &str) -> Result<(), PortError> {
        match self.0.delete_connection(connection) {
            Ok(()) | Err(Error::Gone) => Ok(()),
            Err(error) => Err(PortError::new(error)),
        }
    }
}
