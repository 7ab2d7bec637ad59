//! The WebSocket: the gateway's events become the service's actions.

use std::sync::Arc;

use babelwire_gateway::aws_lambda_events::apigw::{
    ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest,
};
use babelwire_gateway::aws_lambda_events::encodings::Body;
use babelwire_gateway::{BuildError, Gateway, GatewayBuilder};
use babelwire_service::ports::Owner;
use babelwire_service::{Service, ServiceError};

/// The route keys of `babelwire_wire::Action`. There is no `$default`.
const ACTIONS: [&str; 5] = ["echomessage", "ping", "subscribe", "look", "unsubscribe"];

/// Gives a gateway the service's routes.
pub(crate) fn routes(
    builder: GatewayBuilder,
    service: &Arc<Service>,
) -> Result<Gateway, BuildError> {
    let connect = Arc::clone(service);
    let disconnect = Arc::clone(service);
    let builder = builder
        .route("$connect", move |event| {
            let service = Arc::clone(&connect);
            async move {
                let owner = Owner::everyone();
                service.connected(&connection_of(&event), &owner).await?;
                Ok::<_, ServiceError>(response(None))
            }
        })
        .route("$disconnect", move |event| {
            let service = Arc::clone(&disconnect);
            async move {
                service.disconnected(&connection_of(&event)).await?;
                Ok::<_, ServiceError>(response(None))
            }
        });
    ACTIONS
        .into_iter()
        .fold(builder, |builder, action| {
            let service = Arc::clone(service);
            builder.route_with_response(action, move |event| {
                let service = Arc::clone(&service);
                async move {
                    let body = event.body.as_deref().unwrap_or_default();
                    let answer = service.action(&connection_of(&event), body).await?;
                    Ok::<_, ServiceError>(response(answer))
                }
            })
        })
        .build()
}

fn connection_of(event: &ApiGatewayWebsocketProxyRequest) -> String {
    event
        .request_context
        .connection_id
        .clone()
        .unwrap_or_default()
}

fn response(body: Option<String>) -> ApiGatewayProxyResponse {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = 200;
    response.body = body.map(Body::Text);
    response
}
