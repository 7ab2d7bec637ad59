//! Connections and what they send: events of the WebSocket API.

use babelwire_live::aws_lambda_events::apigw::{
    ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest,
};
use babelwire_service::Service;
use lambda_runtime::LambdaEvent;

/// Why an event could not be handled.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] babelwire_live::Error);

/// Handles a connect, a disconnect or a message. What it answers goes to the sender, where the
/// route has a response.
///
/// # Errors
/// The gateway tells the sender `Internal server error`, and refuses a handshake with 502.
pub async fn handle(
    service: &Service,
    event: LambdaEvent<ApiGatewayWebsocketProxyRequest>,
) -> Result<ApiGatewayProxyResponse, Error> {
    let handled = babelwire_live::handle(service, &event.payload).await;
    Ok(handled.inspect_err(|error| {
        let context = &event.payload.request_context;
        tracing::error!(
            route = context.route_key,
            connection = context.connection_id,
            %error,
            "an event of the WebSocket could not be handled"
        );
    })?)
}
