//! The time, random bytes and threads of a function.

use std::time::Duration;

use async_trait::async_trait;
use babelwire_service::ports::{Clock, Compute, Random};
use futures::future::BoxFuture;
use jiff::Timestamp;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The machine's random source.
#[derive(Debug)]
pub struct SystemRandom(());

impl SystemRandom {
    /// Makes sure that there is one.
    pub fn new() -> Result<Self, getrandom::Error> {
        getrandom::fill(&mut [0; 16])?;
        Ok(Self(()))
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

/// Threads that may be busy for long.
#[derive(Debug, Clone, Copy, Default)]
pub struct BlockingThreads;

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
