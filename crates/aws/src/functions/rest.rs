//! The REST interface: the router of `babelwire-rest` behind an HTTP API.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use babelwire_service::ports::{Bucket, Clock, Objects, Owner, Random};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use jiff::Timestamp;
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use percent_encoding::percent_decode_str;

use crate::config::Settings;
use crate::service::Backend;

/// Where answers are put, in the bucket of results, that are too long for a function. The bucket
/// deletes them after a day.
pub const DOWNLOADS: &str = "downloads/";

/// The longest answer that is given as it is, in bytes of the JSON that it becomes a text of. A
/// function's answer has 6 MB at most ("Lambda quotas"), headers and all.
const MOST_ANSWER_BYTES: usize = 4 << 20;

/// How long the URL of such an answer works. It is followed at once; a long one takes its time.
const DOWNLOAD_EXPIRY: Duration = Duration::from_secs(15 * 60);

/// How much is written to an object at once.
const WRITE_BYTES: usize = 64 * 1024;

/// The interface, under `/api`, for `lambda_http`.
pub fn router(backend: &Backend, settings: &Settings) -> Router {
    let rest = babelwire_rest::router(
        Arc::clone(&backend.service),
        babelwire_rest::Options {
            public_url: settings.public_url.clone(),
        },
    );
    let spill = Spill {
        objects: Arc::clone(&backend.ports.objects),
        random: Arc::clone(&backend.ports.random),
        clock: Arc::clone(&backend.ports.clock),
        most: MOST_ANSWER_BYTES,
    };
    Router::new()
        .nest("/api", rest)
        .layer(middleware::from_fn_with_state(spill, fitting))
        .layer(middleware::from_fn(owned))
}

/// Says whose call it is: the subject of the token that the HTTP API has verified; everyone's,
/// where it verifies none.
async fn owned(mut request: Request, next: Next) -> Response {
    let context = request.extensions().request_context_ref();
    let authorizer = match context {
        Some(RequestContext::ApiGatewayV2(context)) => context.authorizer.as_ref(),
        _ => None,
    };
    let jwt = authorizer.and_then(|authorizer| authorizer.jwt.as_ref());
    if let Some(jwt) = jwt {
        // An empty subject would be everyone.
        let subject = jwt.claims.get("sub").filter(|subject| !subject.is_empty());
        let Some(subject) = subject else {
            return babelwire_rest::problem(
                StatusCode::UNAUTHORIZED,
                "The token does not say whose it is (it has no `sub`): sign in again.",
            );
        };
        let owner = Owner::new(subject);
        request.extensions_mut().insert(owner);
    }
    next.run(request).await
}

#[derive(Clone)]
struct Spill {
    objects: Arc<dyn Objects>,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    most: usize,
}

/// Gives an answer as it is if it fits, and else the way to where it is.
async fn fitting(State(spill): State<Spill>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path().to_owned();
    let (parts, body) = next.run(request).await.into_parts();
    let mut stream = body.into_data_stream();
    let mut start = BytesMut::new();
    let mut cost = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => return broke_off(&path, &error),
        };
        cost += cost_in_json(&chunk);
        start.extend_from_slice(&chunk);
        if cost > spill.most && is_read && parts.status == StatusCode::OK {
            return match spill.put(&parts.headers, start.freeze(), stream).await {
                Ok(url) => elsewhere(&url),
                Err(error) => broke_off(&path, &error),
            };
        }
    }
    Response::from_parts(parts, Body::from(start.freeze()))
}

/// How long a part of a text is in JSON, in bytes. What is no text takes a third more, in base64;
/// nothing of that kind comes from here.
fn cost_in_json(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
            // `\u001f`.
            0..0x20 => 6,
            _ => 1,
        })
        .sum()
}

fn broke_off(path: &str, error: &dyn std::fmt::Display) -> Response {
    tracing::error!(path, %error, "an answer broke off");
    babelwire_rest::problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        "The answer broke off while it was put together: try again.",
    )
}

fn elsewhere(url: &str) -> Response {
    match HeaderValue::from_str(url) {
        Ok(url) => (
            StatusCode::TEMPORARY_REDIRECT,
            [
                (header::LOCATION, url),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ],
        )
            .into_response(),
        Err(_) => babelwire_rest::problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The store gave an address that is none.",
        ),
    }
}

impl Spill {
    /// Puts an answer into the store, and says where it can be had.
    async fn put(
        &self,
        headers: &HeaderMap,
        start: Bytes,
        mut rest: axum::body::BodyDataStream,
    ) -> Result<String, String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let name = file_name(headers);
        let random = u128::from_be_bytes(self.random.bytes());
        // The name goes with the URL: a key needs none, and could not hold every one.
        let key = format!("{DOWNLOADS}{random:032x}");
        let bucket = Bucket::Results;
        let mut object = self
            .objects
            .put(bucket, &key)
            .await
            .map_err(|error| words(&error))?;
        let mut whole = start;
        while !whole.is_empty() {
            let piece = whole.split_to(whole.len().min(WRITE_BYTES));
            object.write(piece).await.map_err(|error| words(&error))?;
        }
        while let Some(chunk) = rest.next().await {
            let chunk = chunk.map_err(|error| words(&error))?;
            object.write(chunk).await.map_err(|error| words(&error))?;
        }
        object.finish().await.map_err(|error| words(&error))?;
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("application/octet-stream");
        let expires = self.clock.now().checked_add(DOWNLOAD_EXPIRY);
        let expires = expires.unwrap_or(Timestamp::MAX);
        self.objects
            .sign_download(bucket, &key, &name, content_type, expires)
            .await
            .map_err(|error| words(&error))?
            .ok_or_else(|| "the store gives out no URLs".to_owned())
    }
}

/// What an answer is called when it is saved: what its `Content-Disposition` says (RFC 6266, as
/// `babelwire-rest` writes it).
fn file_name(headers: &HeaderMap) -> String {
    let disposition = headers
        .get(header::CONTENT_DISPOSITION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    disposition
        .split_once("filename*=UTF-8''")
        .map(|(_, name)| name.split(';').next().unwrap_or_default())
        .filter(|name| !name.is_empty())
        .map_or_else(
            || "answer".to_owned(),
            |name| percent_decode_str(name).decode_utf8_lossy().into_owned(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_its_text_in_json() {
        for text in ["", "plain", "a\"b\\c\n\r\t", "\u{1}\u{1f}", "été 漢字"] {
            let json = serde_json::to_string(text).unwrap();
            let cost = cost_in_json(text.as_bytes());
            // Without the quotes.
            assert!(cost >= json.len() - 2, "{text:?}");
            assert!(cost <= json.len() - 2 + text.len() * 5, "{text:?}");
        }
        assert_eq!(cost_in_json(b"\n\n"), 4);
    }

    #[test]
    fn a_file_keeps_its_name() {
        let named = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::CONTENT_DISPOSITION,
                HeaderValue::from_str(value).unwrap(),
            );
            file_name(&headers)
        };
        let value = "attachment; filename=\"_t_.txt\"; filename*=UTF-8''%C3%A9t%C3%A9.txt";
        assert_eq!(named(value), "été.txt");
        assert_eq!(named("attachment"), "answer");
        assert_eq!(file_name(&HeaderMap::new()), "answer");
    }
}
