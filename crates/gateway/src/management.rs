//! `@connections`: the management API over HTTP, as AWS's SDKs speak it.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse as _, Response},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    connections::{ConnectionInfo, Error},
    gateway::Shared,
    response::{bare_error, json, json_error},
};

type Id = Result<Path<String>, PathRejection>;

/// How much of a message that is too large is read and thrown away, in bytes, so that a client
/// that writes all before it reads gets to read the answer. API Gateway's own payload limit.
const READ_PAST_LIMIT: usize = 10 * 1024 * 1024;

/// `PostToConnection`.
pub(crate) async fn post(
    State(gateway): State<Arc<Shared>>,
    id: Id,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome = async {
        let id = id_of(id)?;
        let data = read(body, &headers, gateway.limits.message_size).await?;
        gateway.connections.post_to_connection(&id, data).await
    };
    match outcome.await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => error.into_response(),
    }
}

/// `GetConnection`.
pub(crate) async fn get(State(gateway): State<Arc<Shared>>, id: Id) -> Response {
    match id_of(id).and_then(|id| gateway.connections.get_connection(&id)) {
        Ok(info) => match serde_json::to_vec(&GetConnection::from(&info)) {
            Ok(body) => json(StatusCode::OK, None, body),
            Err(error) => {
                tracing::error!(%error, "a connection cannot be written as JSON");
                json_error(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    None,
                    "Internal server error",
                )
            }
        },
        Err(error) => error.into_response(),
    }
}

/// `DeleteConnection`.
pub(crate) async fn delete(State(gateway): State<Arc<Shared>>, id: Id) -> Response {
    match id_of(id).and_then(|id| gateway.connections.delete_connection(&id)) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => error.into_response(),
    }
}

fn id_of(id: Id) -> Result<String, Error> {
    id.map(|Path(id)| id)
        .map_err(|_| Error::BadRequest("Invalid connectionId: it is not UTF-8".to_owned()))
}

/// Reads a body of at most `limit` bytes.
async fn read(mut body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, Error> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let announced = announced
        .and_then(|value| value.parse::<usize>().ok())
        .unwrap_or_default();
    let mut data = BytesMut::with_capacity(announced.min(limit));
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Error::BadRequest(format!("the body broke off: {error}")))?;
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        size += chunk.len();
        if size <= limit {
            data.extend_from_slice(&chunk);
        } else if size > READ_PAST_LIMIT.max(limit) {
            break;
        }
    }
    if size > limit {
        return Err(Error::PayloadTooLarge {
            size: size.max(announced),
            limit,
        });
    }
    Ok(data.freeze())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GetConnection<'a> {
    connected_at: String,
    identity: Identity<'a>,
    last_active_at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    source_ip: String,
    user_agent: &'a str,
}

impl<'a> From<&'a ConnectionInfo> for GetConnection<'a> {
    fn from(info: &'a ConnectionInfo) -> Self {
        Self {
            connected_at: iso_8601(info.connected_at),
            identity: Identity {
                source_ip: info.source_ip.map(|ip| ip.to_string()).unwrap_or_default(),
                user_agent: info.user_agent.as_deref().unwrap_or_default(),
            },
            last_active_at: iso_8601(info.last_active_at),
        }
    }
}

fn iso_8601(time: Timestamp) -> String {
    format!("{time:.3}")
}

impl axum::response::IntoResponse for Error {
    /// The answer from which AWS's SDKs raise the exception of the same name.
    fn into_response(self) -> Response {
        let message = self.to_string();
        match self {
            Self::Gone => bare_error(StatusCode::GONE, "GoneException"),
            Self::PayloadTooLarge { .. } => json_error(
                StatusCode::PAYLOAD_TOO_LARGE,
                Some("PayloadTooLargeException"),
                &message,
            ),
            Self::LimitExceeded => json_error(
                StatusCode::TOO_MANY_REQUESTS,
                Some("LimitExceededException"),
                &message,
            ),
            Self::BadRequest(_) => json_error(
                StatusCode::BAD_REQUEST,
                Some("BadRequestException"),
                &message,
            ),
        }
    }
}
