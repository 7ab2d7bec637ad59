//! The WebSocket: the gateway's events become the service's actions.

use std::sync::Arc;

use babelwire_gateway::{BuildError, Gateway, GatewayBuilder};
use babelwire_live::ACTIONS;
use babelwire_service::Service;

/// Gives a gateway the service's routes.
pub(crate) fn routes(
    builder: GatewayBuilder,
    service: &Arc<Service>,
) -> Result<Gateway, BuildError> {
    let handler = || {
        let service = Arc::clone(service);
        move |event| {
            let service = Arc::clone(&service);
            async move { babelwire_live::handle(&service, &event).await }
        }
    };
    let builder = ["$connect", "$disconnect"]
        .into_iter()
        .fold(builder, |builder, key| builder.route(key, handler()));
    ACTIONS
        .into_iter()
        .fold(builder, |builder, key| {
            builder.route_with_response(key, handler())
        })
        .build()
}
