//! The proxy events that handlers receive.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use http::{HeaderMap, Uri};
use jiff::{Timestamp, tz::TimeZone};

use crate::{connections::Connection, gateway::Shared, socket::End};

/// The event of a handshake.
pub(crate) fn connect(
    gateway: &Shared,
    connection: &Connection,
    uri: &Uri,
    headers: &HeaderMap,
) -> ApiGatewayWebsocketProxyRequest {
    let mut event = base(gateway, connection, "$connect", "CONNECT");
    // `headers` has one value of each, the last, and `multiValueHeaders` has them all.
    for (name, value) in headers {
        event.headers.insert(name.clone(), value.clone());
    }
    event.multi_value_headers = headers.clone();
    let query = uri.query().unwrap_or_default();
    event.query_string_parameters = query.parse().unwrap_or_default();
    event.multi_value_query_string_parameters = event.query_string_parameters.clone();
    event
}

/// The event of a message from the client.
pub(crate) fn message(
    gateway: &Shared,
    connection: &Connection,
    route_key: &str,
    body: &str,
) -> ApiGatewayWebsocketProxyRequest {
    let mut event = base(gateway, connection, route_key, "MESSAGE");
    event.request_context.message_id = Some(gateway.request_ids.next());
    event.body = Some(body.to_owned());
    event
}

/// The event of an end.
pub(crate) fn disconnect(
    gateway: &Shared,
    connection: &Connection,
    end: &End,
) -> ApiGatewayWebsocketProxyRequest {
    let mut event = base(gateway, connection, "$disconnect", "DISCONNECT");
    event.request_context.disconnect_status_code = Some(end.code.into());
    event.request_context.disconnect_reason = Some(end.reason.clone());
    event
}

fn base(
    gateway: &Shared,
    connection: &Connection,
    route_key: &str,
    event_type: &str,
) -> ApiGatewayWebsocketProxyRequest {
    let now = Timestamp::now();
    let request_id = gateway.request_ids.next();
    let mut event = ApiGatewayWebsocketProxyRequest::default();
    let context = &mut event.request_context;
    context.route_key = Some(route_key.to_owned());
    context.event_type = Some(event_type.to_owned());
    context.message_direction = Some("IN".to_owned());
    context.stage = Some(gateway.stage.clone());
    context.apiid = Some(gateway.api_id.clone());
    context.domain_name = Some(connection.domain_name.clone());
    context.connection_id = Some(connection.id.to_string());
    context.connected_at = connection.connected_at.as_millisecond();
    context.request_time_epoch = now.as_millisecond();
    context.request_time = Some(
        now.to_zoned(TimeZone::UTC)
            .strftime("%d/%b/%Y:%H:%M:%S +0000")
            .to_string(),
    );
    context.extended_request_id = Some(request_id.clone());
    context.request_id = Some(request_id);
    if let Some(fields) = connection.authorizer.get() {
        context.authorizer.fields.clone_from(fields);
    }
    context.identity.source_ip = connection.source_ip.map(|ip| ip.to_string());
    context
        .identity
        .user_agent
        .clone_from(&connection.user_agent);
    event
}
