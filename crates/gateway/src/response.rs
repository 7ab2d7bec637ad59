//! Answers in the forms of API Gateway.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};

/// The header from which AWS's SDKs learn which exception to raise.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// A JSON body with one `message`, as API Gateway answers errors.
pub(crate) fn json_error(
    status: StatusCode,
    error_type: Option<&'static str>,
    message: &str,
) -> Response {
    let body = serde_json::json!({ "message": message }).to_string();
    json(status, error_type, body)
}

/// As [`json_error`], with a body that is JSON already.
pub(crate) fn json(
    status: StatusCode,
    error_type: Option<&'static str>,
    body: impl Into<Body>,
) -> Response {
    let mut response = (
        status,
        [
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            ),
            (
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            ),
        ],
        body.into(),
    )
        .into_response();
    if let Some(error_type) = error_type {
        response
            .headers_mut()
            .insert(ERROR_TYPE, HeaderValue::from_static(error_type));
    }
    response
}

/// What API Gateway answers on a path that has no route.
pub(crate) fn forbidden() -> Response {
    json(
        StatusCode::FORBIDDEN,
        Some("ForbiddenException"),
        r#"{"message":"Forbidden"}"#,
    )
}

/// An empty body with the type of the error in the header alone.
pub(crate) fn bare_error(status: StatusCode, error_type: &'static str) -> Response {
    (status, [(ERROR_TYPE, HeaderValue::from_static(error_type))]).into_response()
}

/// The gateway's own frame, to the very spaces.
pub(crate) fn error_frame(message: &str, connection_id: &str, request_id: &str) -> String {
    // None of the three needs escaping: fixed words and base64.
    format!(
        r#"{{"message": "{message}", "connectionId":"{connection_id}", "requestId":"{request_id}"}}"#
    )
}
