use std::{error::Error as StdError, panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use futures::FutureExt as _;

type HandlerResult = Result<ApiGatewayProxyResponse, Box<dyn StdError + Send + Sync>>;
type HandlerFuture = Pin<Box<dyn Future<Output = HandlerResult> + Send>>;

/// A handler whose types are forgotten.
#[derive(Clone)]
pub(crate) struct Handler(
    Arc<dyn Fn(ApiGatewayWebsocketProxyRequest) -> HandlerFuture + Send + Sync>,
);

impl Handler {
    pub(crate) fn new<F, Fut, E>(handler: F) -> Self
    where
        F: Fn(ApiGatewayWebsocketProxyRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ApiGatewayProxyResponse, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self(Arc::new(move |event| {
            let answer = handler(event);
            Box::pin(async move { answer.await.map_err(Into::into) })
        }))
    }

    /// Runs the handler to its end, its error, its panic or its time limit, whichever is first.
    pub(crate) async fn invoke(
        &self,
        event: ApiGatewayWebsocketProxyRequest,
        limit: Duration,
    ) -> Result<ApiGatewayProxyResponse, Failure> {
        // The call itself is inside too: a closure can panic before it has a future.
        let run = AssertUnwindSafe(async { (self.0)(event).await }).catch_unwind();
        match tokio::time::timeout(limit, run).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(error))) => {
                tracing::warn!(%error, "a handler failed");
                Err(Failure::Failed)
            }
            Ok(Err(_panic)) => {
                tracing::error!("a handler panicked");
                Err(Failure::Failed)
            }
            Err(_elapsed) => {
                tracing::warn!(?limit, "a handler took too long");
                Err(Failure::TimedOut)
            }
        }
    }
}

impl std::fmt::Debug for Handler {
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
