//! The WebSocket's routes over the service, as handlers of API Gateway's proxy events.
//!
//! What `babelwire-rest` is for REST, this is for the WebSocket: [`handle`] knows routes, owners
//! and subprotocols; what happens is [`Service`]'s affair. A gateway in one process and a function
//! of a cloud call it with the same events.

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::encodings::Body;
use babelwire_auth::accepted_subprotocol;
use babelwire_service::ports::Owner;
use babelwire_service::{Service, ServiceError};
use http::{HeaderMap, HeaderValue, header};

pub use aws_lambda_events;

/// The keys of the routes that answer the sender: those of `babelwire_wire::Action`. Beside them
/// there are `$connect` and `$disconnect`, and no `$default`.
pub const ACTIONS: [&str; 5] = ["echomessage", "ping", "subscribe", "look", "unsubscribe"];

/// Why an event could not be handled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The event is of no connection.
    #[error("the event has no connectionId: is this behind a WebSocket API?")]
    NoConnection,
    /// A route that is none of ours leads here.
    #[error("there is no route {0:?} here: remove it from the API")]
    Route(String),
}

/// Handles an event of the WebSocket API.
pub async fn handle(
    service: &Service,
    event: &ApiGatewayWebsocketProxyRequest,
) -> Result<ApiGatewayProxyResponse, Error> {
    let context = &event.request_context;
    let connection = context.connection_id.as_deref().unwrap_or_default();
    if connection.is_empty() {
        return Err(Error::NoConnection);
    }
    match context.route_key.as_deref().unwrap_or_default() {
        "$connect" => {
            service.connected(connection, &owner_of(event)).await?;
            Ok(connected(event))
        }
        "$disconnect" => {
            service.disconnected(connection).await?;
            Ok(response(None))
        }
        key if ACTIONS.contains(&key) => {
            let body = event.body.as_deref().unwrap_or_default();
            Ok(response(service.action(connection, body).await?))
        }
        other => Err(Error::Route(other.to_owned())),
    }
}

/// Whose connection this is, as an authorizer said; everyone's without one.
///
/// An authorizer of ours puts `owner` into its context; any other's principal is the owner.
fn owner_of(event: &ApiGatewayWebsocketProxyRequest) -> Owner {
    let fields = &event.request_context.authorizer.fields;
    let text = |name: &str| fields.get(name).and_then(|value| value.as_str());
    text("owner")
        .or_else(|| text("principalId"))
        .map_or_else(Owner::everyone, Owner::new)
}

/// Consent to a handshake, with the subprotocol to speak if one of ours was offered. Without an
/// authorizer nobody has looked at what was offered, and none is spoken.
fn connected(event: &ApiGatewayWebsocketProxyRequest) -> ApiGatewayProxyResponse {
    let mut answer = response(None);
    if event.request_context.authorizer.fields.is_empty() {
        return answer;
    }
    if let Some(protocol) = subprotocol(&event.multi_value_headers)
        .or_else(|| subprotocol(&event.headers))
        .and_then(|protocol| HeaderValue::from_str(&protocol).ok())
    {
        answer
            .headers
            .insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    answer
}

fn subprotocol(headers: &HeaderMap) -> Option<String> {
    let offered: Vec<&str> = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    accepted_subprotocol(&offered.join(",")).map(str::to_owned)
}

fn response(body: Option<String>) -> ApiGatewayProxyResponse {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = 200;
    response.body = body.map(Body::Text);
    response
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(authorizer: &Value, headers: &Value) -> ApiGatewayWebsocketProxyRequest {
        serde_json::from_value(json!({
            "headers": headers,
            "requestContext": {
                "routeKey": "$connect", "eventType": "CONNECT", "connectionId": "c=",
                "connectedAt": 1, "requestTimeEpoch": 1, "identity": {},
                "authorizer": authorizer,
            },
            "isBase64Encoded": false,
        }))
        .unwrap()
    }

    #[test]
    fn the_owner_is_who_the_authorizer_says_and_everyone_without_one() {
        let owner = |authorizer| owner_of(&event(&authorizer, &json!({})));
        assert_eq!(owner(Value::Null), Owner::everyone());
        assert_eq!(owner(json!({})), Owner::everyone());
        assert_eq!(owner(json!({"principalId": "ada"})), Owner::new("ada"));
        assert_eq!(
            owner(json!({"principalId": "p", "owner": "ada", "integrationLatency": 7})),
            Owner::new("ada")
        );
    }

    #[test]
    fn a_handshake_is_answered_with_what_it_offered_and_nothing_else() {
        let ada = json!({"principalId": "ada"});
        let answered_to = |authorizer: &Value, offered: &str| {
            let headers = json!({"Sec-WebSocket-Protocol": offered});
            let answer = connected(&event(authorizer, &headers));
            let header = answer.headers.get(header::SEC_WEBSOCKET_PROTOCOL);
            header.map(|value| value.to_str().unwrap().to_owned())
        };
        let answered = |offered: &str| answered_to(&ada, offered);
        assert_eq!(answered("babelwire, a.b.c").as_deref(), Some("babelwire"));
        assert_eq!(answered("a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(answered("chat"), None);
        // Without an authorizer nobody has looked at it; `x.y.z` may be anything.
        assert_eq!(answered_to(&Value::Null, "ocpp2.0.1"), None);
        let none = connected(&event(&ada, &json!({})));
        assert!(none.headers.is_empty());
    }
}
