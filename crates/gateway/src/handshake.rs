//! The handshake: `$connect` decides, before the client is answered.

use std::{net::SocketAddr, sync::Arc};

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts,
};
use hyper::upgrade::OnUpgrade;
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tracing::Instrument as _;

use crate::{
    connections::{Busy, Connection},
    event,
    gateway::Shared,
    handler::Failure,
    id,
    response::{error_frame, json, json_error},
    socket::{self, End},
};

/// Answers a request to the stage.
pub(crate) async fn handshake(State(gateway): State<Arc<Shared>>, request: Request) -> Response {
    let (mut request, _body) = request.into_parts();
    let accept = match accept_key(&request) {
        Ok(accept) => accept,
        Err(answer) => return *answer,
    };
    if gateway.connections.is_shut_down() {
        return json_error(
            StatusCode::SERVICE_UNAVAILABLE,
            None,
            "The server is shutting down",
        );
    }
    let Some(on_upgrade) = request.extensions.remove::<OnUpgrade>() else {
        tracing::error!("the server under this router cannot upgrade a connection");
        return json_error(
            StatusCode::INTERNAL_SERVER_ERROR,
            None,
            "Internal server error",
        );
    };
    let id = match id::connection_id() {
        Ok(id) => id,
        Err(error) => {
            tracing::error!(%error, "no random bytes for a connection id");
            return json_error(
                StatusCode::INTERNAL_SERVER_ERROR,
                None,
                "Internal server error",
            );
        }
    };
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
    let text = |name| {
        request
            .headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let connection = Arc::new(Connection::new(
        id.into(),
        Timestamp::now(),
        peer.map(|ConnectInfo(address)| address.ip().to_canonical()),
        text(header::USER_AGENT).map(str::to_owned),
        text(header::HOST).unwrap_or_default().to_owned(),
        &gateway.limits,
    ));
    let span = tracing::debug_span!("connection", id = %connection.id);

    let asked = async {
        let mut event = event::connect(&gateway, &connection, &request.uri, &request.headers);
        if let Some(authorizer) = &gateway.authorizer {
            let fields = authorizer.ask(&gateway, &event).await?;
            event.request_context.authorizer.fields.clone_from(&fields);
            // The connection is new: nobody else has set them.
            let _ = connection.authorizer.set(fields);
        }
        connect(&gateway, &connection, event).await
    };
    let answer = match asked.instrument(span.clone()).await {
        Ok(answer) => answer,
        Err(refused) => return refused,
    };
    gateway.connections.insert(&connection);
    // Counted from here on, so that a shutdown that comes now waits for it.
    let counted = gateway.connections.busy();
    tokio::spawn(live(gateway, connection, on_upgrade, counted).instrument(span));

    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = answer.and_then(subprotocol) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
}

/// Checks that this is the opening handshake of RFC 6455 section 4.2.1, and derives the answer
/// to its key.
fn accept_key(request: &Parts) -> Result<HeaderValue, Box<Response>> {
    let headers = &request.headers;
    if request.method != Method::GET
        || request.version != Version::HTTP_11
        || !has_token(headers, &header::CONNECTION, "upgrade")
        || !has_token(headers, &header::UPGRADE, "websocket")
    {
        let mut answer = json_error(
            StatusCode::UPGRADE_REQUIRED,
            None,
            "Upgrade Required: this is a WebSocket endpoint, and this was no WebSocket handshake",
        );
        answer
            .headers_mut()
            .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        answer
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        return Err(answer.into());
    }
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        let mut answer = json_error(
            StatusCode::BAD_REQUEST,
            None,
            "Bad Request: Sec-WebSocket-Version must be 13",
        );
        answer.headers_mut().insert(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        );
        return Err(answer.into());
    }
    headers
        .get(header::SEC_WEBSOCKET_KEY)
        .map(HeaderValue::as_bytes)
        .filter(|key| {
            BASE64_STANDARD
                .decode(key)
                .is_ok_and(|bytes| bytes.len() == 16)
        })
        .and_then(|key| HeaderValue::from_str(&derive_accept_key(key)).ok())
        .ok_or_else(|| {
            Box::new(json_error(
                StatusCode::BAD_REQUEST,
                None,
                "Bad Request: Sec-WebSocket-Key must be 16 bytes in base64",
            ))
        })
}

pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// Asks `$connect`. Its consent comes back, or what to answer instead of 101.
async fn connect(
    gateway: &Arc<Shared>,
    connection: &Arc<Connection>,
    event: ApiGatewayWebsocketProxyRequest,
) -> Result<Option<ApiGatewayProxyResponse>, Response> {
    let Some(route) = gateway.routes.get("$connect") else {
        return Ok(None);
    };
    let request_id = event.request_context.request_id.clone().unwrap_or_default();
    let (outcome_to, outcome) = oneshot::channel();
    let handler = route.handler.clone();
    let busy = gateway.connections.busy();
    let (gateway, its_connection) = (gateway.clone(), connection.clone());
    // A task of its own: a client that gives up in the middle must not cut the handler short,
    // and if the handler has then consented, it has to hear of the end.
    let ask = async move {
        let _counted = busy;
        let outcome = handler
            .invoke(event, gateway.limits.integration_timeout)
            .await;
        if let Err(Ok(answer)) = outcome_to.send(outcome)
            && consents(&answer)
        {
            disconnect(&gateway, &its_connection, &End::abnormal()).await;
        }
    };
    tokio::spawn(ask.in_current_span());

    let failure = match outcome.await {
        Ok(Ok(answer)) if consents(&answer) => return Ok(Some(answer)),
        Ok(Ok(answer)) => match passed_through(answer) {
            Some(answer) => return Err(answer),
            None => Failure::Failed,
        },
        Ok(Err(failure)) => failure,
        Err(_runtime_is_ending) => Failure::Failed,
    };
    let status = match failure {
        Failure::Failed => StatusCode::BAD_GATEWAY,
        Failure::TimedOut => StatusCode::GATEWAY_TIMEOUT,
    };
    Err(json(
        status,
        None,
        error_frame(failure.message(), &connection.id, &request_id),
    ))
}

fn consents(answer: &ApiGatewayProxyResponse) -> bool {
    (200..300).contains(&answer.status_code)
}

/// A refusal of `$connect` as an HTTP answer, or `None` if it cannot be one.
fn passed_through(mut answer: ApiGatewayProxyResponse) -> Option<Response> {
    let status = u16::try_from(answer.status_code).ok()?;
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|status| !status.is_informational())?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let mut headers = std::mem::take(&mut answer.headers);
    headers.extend(std::mem::take(&mut answer.multi_value_headers));
    // The server below decides on these.
    for name in [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ] {
        headers.remove(name);
    }
    *response.headers_mut() = headers;
    *response.body_mut() = Body::from(socket::body_of(answer)?);
    Some(response)
}

fn subprotocol(mut answer: ApiGatewayProxyResponse) -> Option<HeaderValue> {
    let name = header::SEC_WEBSOCKET_PROTOCOL;
    answer
        .headers
        .remove(&name)
        .or_else(|| answer.multi_value_headers.remove(&name))
}

/// A connection's life after consent.
async fn live(
    gateway: Arc<Shared>,
    connection: Arc<Connection>,
    on_upgrade: OnUpgrade,
    _counted: Busy,
) {
    let end = match on_upgrade.await {
        Ok(upgraded) => {
            tracing::debug!("open");
            // Boxed, so that its place is free again while `$disconnect` runs.
            Box::pin(socket::serve(&gateway, &connection, upgraded)).await
        }
        Err(error) => {
            tracing::debug!(%error, "the client left before the handshake ended");
            gateway.connections.remove(&connection.id);
            connection.close(crate::connections::Closing::GOING_AWAY);
            End::abnormal()
        }
    };
    tracing::debug!(code = end.code, reason = end.reason, "closed");
    disconnect(&gateway, &connection, &end).await;
}

/// Tells `$disconnect`, as well as may be: a failure is logged and nothing more.
async fn disconnect(gateway: &Shared, connection: &Connection, end: &End) {
    if let Some(route) = gateway.routes.get("$disconnect") {
        let event = event::disconnect(gateway, connection, end);
        let _logged = route
            .handler
            .invoke(event, gateway.limits.integration_timeout)
            .await;
    }
}
