//! Dials: the handshake, and the rules for it.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, client::IntoClientRequest as _, handshake::derive_accept_key},
};

use super::{
    Hangup, Shared, is_stage,
    socket::{self, Client},
    stage::World,
};
use crate::{gateway::Order, rules};

pub(crate) type Upstream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Answers whatever is no control call: dials, and what is wrongly none.
pub(crate) async fn answer(
    Extension(shared): Extension<Arc<Shared>>,
    request: Request,
) -> Response {
    let (mut request, _body) = request.into_parts();
    let path = request.uri.path().trim_start_matches('/');
    let (stage, rest) = path.split_once('/').unwrap_or((path, ""));
    if !is_stage(stage) || (!rest.is_empty() && shared.upstream.is_none()) {
        return refusal(StatusCode::FORBIDDEN);
    }
    let (stage, rest) = (stage.to_owned(), rest.to_owned());
    let key = request
        .headers
        .get(header::SEC_WEBSOCKET_KEY)
        .map(|key| derive_accept_key(key.as_bytes()));
    let accept = key.and_then(|key| HeaderValue::from_str(&key).ok());
    let (Some(accept), Some(on_upgrade)) = (accept, request.extensions.remove::<OnUpgrade>())
    else {
        return refusal(StatusCode::UPGRADE_REQUIRED);
    };

    let world = shared.world(&stage);
    let (number, mut orders) = world.dial(described(&request));
    // From here on the client can leave at any moment, which drops this future.
    let mut dialling = Dialling {
        world: world.clone(),
        number,
        is_answered: false,
    };
    let status = loop {
        match orders.recv().await {
            Some(Order::Accept) => break None,
            Some(Order::Refuse { status }) => break StatusCode::from_u16(status).ok(),
            Some(Order::Cut) | None => return (Extension(Hangup), ()).into_response(),
            Some(_) => {}
        }
    };
    if let Some(status) = status {
        return refusal(status);
    }
    let offered = request.headers.get(header::SEC_WEBSOCKET_PROTOCOL);
    let (upstream, protocol) = match &shared.upstream {
        None => (None, offered.and_then(first_of)),
        Some(base) => match dial_upstream(base, &rest, &request).await {
            Ok((upstream, protocol)) => (Some(upstream), protocol),
            Err(status) => {
                world.act(|core, _| core.refused_behind(number, status.as_u16()));
                return refusal(status);
            }
        },
    };

    dialling.is_answered = true;
    let client = Client {
        world,
        number,
        orders,
    };
    tokio::spawn(socket::live(
        client,
        on_upgrade,
        upstream,
        shared.ended.clone(),
    ));
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
}

/// A dial under way; dropped before its answer, the client is gone.
struct Dialling {
    world: Arc<World>,
    number: u64,
    is_answered: bool,
}

impl Drop for Dialling {
    fn drop(&mut self) {
        if !self.is_answered {
            self.world.gone(self.number, None);
        }
    }
}

fn refusal(status: StatusCode) -> Response {
    let message = status.canonical_reason().unwrap_or("Refused");
    (status, Json(json!({"message": message}))).into_response()
}

fn described(request: &Parts) -> rules::Request {
    let headers = request.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    rules::Request {
        path: request.uri.path().to_owned(),
        query: request.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
    }
}

/// A browser gives up unless one of the subprotocols that it offers is chosen.
fn first_of(offered: &HeaderValue) -> Option<HeaderValue> {
    let first = offered.to_str().ok()?.split(',').next()?.trim();
    HeaderValue::from_str(first).ok()
}

/// Headers of one leg, which the other one makes for itself; and `Origin`, which would name a
/// page of another host than the upstream's and be refused for it.
const NOT_PASSED_ON: [HeaderName; 8] = [
    header::CONNECTION,
    header::HOST,
    header::ORIGIN,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::UPGRADE,
];

/// Dials the gateway behind this one, with the client's query and headers. Its refusal comes back
/// as a status; 502 if it cannot be reached.
async fn dial_upstream(
    base: &Uri,
    rest: &str,
    request: &Parts,
) -> Result<(Upstream, Option<HeaderValue>), StatusCode> {
    let mut url = base.to_string();
    if !rest.is_empty() {
        url = format!("{}/{rest}", url.trim_end_matches('/'));
    }
    if let Some(query) = request.uri.query() {
        url.push(if base.query().is_some() { '&' } else { '?' });
        url.push_str(query);
    }
    let mut dial = url
        .into_client_request()
        .map_err(|_| StatusCode::BAD_GATEWAY)?;
    pass_on(&request.headers, dial.headers_mut());
    match connect_async(dial).await {
        Ok((upstream, response)) => {
            let protocol = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
            Ok((upstream, protocol.cloned()))
        }
        Err(tungstenite::Error::Http(response)) => Err(response.status()),
        Err(_unreachable) => Err(StatusCode::BAD_GATEWAY),
    }
}

fn pass_on(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        if !NOT_PASSED_ON.contains(name) {
            to.append(name, value.clone());
        }
    }
}
