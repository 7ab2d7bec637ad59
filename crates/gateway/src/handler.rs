use std::{error::Error as StdError, panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use futures::FutureExt as _;

type BoxError = Box<dyn StdError + Send + Sync>;
type HandlerFuture<A> = Pin<Box<dyn Future<Output = Result<A, BoxError>> + Send>>;

/// A handler of events `V` with answers `A`, whose types are forgotten.
pub(crate) struct Handler<V, A>(Arc<dyn Fn(V) -> HandlerFuture<A> + Send + Sync>);

impl<V, A> Handler<V, A> {
    pub(crate) fn new<F, Fut, E>(handler: F) -> Self
    where
        F: Fn(V) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<A, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self(Arc::new(move |event| {
            let answer = handler(event);
            Box::pin(async move { answer.await.map_err(Into::into) })
        }))
    }

    /// Runs the handler to its end, its error, its panic or its time limit, whichever is first.
    pub(crate) async fn invoke(&self, event: V, limit: Duration) -> Result<A, Failure> {
        let outcome = self.invoke_or_error(event, limit).await;
        outcome.map_err(|(failure, error)| {
            if let Some(error) = error {
                tracing::warn!(%error, "a handler failed");
            }
            failure
        })
    }

    /// As [`Self::invoke`], but what the handler itself said when it failed is not logged: it comes
    /// back.
    pub(crate) async fn invoke_or_error(
        &self,
        event: V,
        limit: Duration,
    ) -> Result<A, (Failure, Option<BoxError>)> {
        // The call itself is inside too: a closure can panic before it has a future.
        let run = AssertUnwindSafe(async { (self.0)(event).await }).catch_unwind();
        match tokio::time::timeout(limit, run).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(error))) => Err((Failure::Failed, Some(error))),
            Ok(Err(_panic)) => {
                tracing::error!("a handler panicked");
                Err((Failure::Failed, None))
            }
            Err(_elapsed) => {
                tracing::warn!(?limit, "a handler took too long");
                Err((Failure::TimedOut, None))
            }
        }
    }
}

impl<V, A> Clone for Handler<V, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V, A> std::fmt::Debug for Handler<V, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handler")
    }
}

/// Why there is no answer from a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Failed,
    TimedOut,
}

impl Failure {
    /// What the client is told.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Failed => "Internal server error",
            Self::TimedOut => "Endpoint request timed out",
        }
    }
}
