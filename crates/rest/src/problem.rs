//! Errors as RFC 9457 has them.

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use babelwire_service::ServiceError;
use babelwire_wire::rest::Problem;

/// A problem document: the status, and in words what is wrong and what to do.
pub fn problem(status: StatusCode, detail: &str) -> Response {
    let problem = Problem {
        kind: "about:blank".to_owned(),
        title: in_words(status).to_owned(),
        status: status.as_u16(),
        detail: detail.to_owned(),
    };
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, content_type, body).into_response()
}

/// A status for people, who do not know them by their names.
fn in_words(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE => "Not understood",
        StatusCode::UNAUTHORIZED => "Not signed in",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::NOT_FOUND => "Not there",
        StatusCode::METHOD_NOT_ALLOWED => "Not possible here",
        StatusCode::CONFLICT => "Not possible now",
        StatusCode::PAYLOAD_TOO_LARGE => "Too large",
        status if status.is_client_error() => "Not possible",
        _ => "Something went wrong here",
    }
}

/// An error on its way to the caller.
pub(crate) struct Failed(ServiceError);

impl From<ServiceError> for Failed {
    fn from(error: ServiceError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            ServiceError::NotFound { .. } | ServiceError::NoSuchSegment { .. } => {
                StatusCode::NOT_FOUND
            }
            ServiceError::Invalid(_) => StatusCode::BAD_REQUEST,
            ServiceError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            ServiceError::Conflict(_) => StatusCode::CONFLICT,
            ServiceError::Port(_) | ServiceError::Internal(_) => {
                tracing::error!(error = %self.0, "a call failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        problem(status, &self.0.to_string())
    }
}

/// A body that is not what the call takes.
pub(crate) fn bad_body(rejection: &JsonRejection) -> Response {
    let status = rejection.status();
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        return problem(
            status,
            "The body must be JSON: send it with Content-Type: application/json.",
        );
    }
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return problem(status, "The body is too large for this call.");
    }
    let words = rejection.body_text();
    problem(
        StatusCode::BAD_REQUEST,
        &format!("The body does not fit this call. {words}."),
    )
}

/// A query that is not what the call takes.
pub(crate) fn bad_query(rejection: &QueryRejection) -> Response {
    problem(
        StatusCode::BAD_REQUEST,
        &format!(
            "The query does not fit this call. {}.",
            rejection.body_text()
        ),
    )
}
