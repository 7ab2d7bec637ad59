//! The REST interface of the service as an axum router.
//!
//! [`router`] knows paths, methods and status codes; what happens is [`Service`]'s affair. It
//! needs no tokio feature of axum, so it runs in a server and in a function of a cloud alike.

mod caller;
mod download;
mod problem;
mod translations;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, OriginalUri, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{self, MethodRouter};
use axum::{Json, Router};
use babelwire_service::Service;

pub use download::attachment;
pub use problem::problem;

/// The OpenAPI 3.1 document, as it is served at `openapi.json`.
pub const OPENAPI: &str = include_str!("../openapi.json");

/// The largest body of a call, in bytes. The longest name fits several times over.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What the interface needs to know beside the service.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The URL under which the outside reaches this origin, such as `https://example.org`,
    /// without a slash at its end. Without it, the `Host` of a request is taken, over `http`: keep
    /// foreign hosts out before they get here.
    pub public_url: Option<String>,
}

#[derive(Clone)]
struct App {
    service: Arc<Service>,
    options: Arc<Options>,
}

/// Every route: its method, its path, what serves it.
fn routes() -> Vec<(&'static str, &'static str, MethodRouter<App>)> {
    use routing::{delete, get, post};
    vec![
        ("get", "/health", get(health)),
        ("get", "/languages", get(languages)),
        ("get", "/openapi.json", get(openapi)),
        ("get", "/translations", get(translations::list)),
        ("post", "/translations", post(translations::create)),
        ("get", "/translations/{id}", get(translations::get)),
        ("delete", "/translations/{id}", delete(translations::delete)),
        (
            "get",
            "/translations/{id}/source",
            get(translations::source),
        ),
        (
            "get",
            "/translations/{id}/result",
            get(translations::result),
        ),
        (
            "get",
            "/translations/{id}/segments",
            get(translations::segments),
        ),
        ("get", "/translations/{id}/rows", get(translations::rows)),
        ("get", "/translations/{id}/find", get(translations::find)),
        ("get", "/translations/{id}/proof", get(translations::proof)),
        (
            "get",
            "/translations/{id}/side-by-side",
            get(translations::side_by_side),
        ),
        (
            "post",
            "/translations/{id}/cancel",
            post(translations::cancel),
        ),
        (
            "post",
            "/translations/{id}/retry",
            post(translations::retry),
        ),
        (
            "post",
            "/translations/{id}/segments/{index}/retry",
            post(translations::retry_segment),
        ),
    ]
}

/// The interface, to be nested under `apiUrl`'s path. Whose translations a call sees is said by the
/// [`babelwire_service::ports::Owner`] among the request's extensions; without one, everyone's.
pub fn router(service: Arc<Service>, options: Options) -> Router {
    let app = App {
        service,
        options: Arc::new(options),
    };
    routes()
        .into_iter()
        .fold(Router::new(), |router, (_, path, served)| {
            router.route(path, served)
        })
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(never_stored))
        .with_state(app)
}

/// What a call answers is true for a moment and belongs to nobody else.
async fn never_stored(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

async fn no_such_path(OriginalUri(uri): OriginalUri) -> Response {
    problem(
        StatusCode::NOT_FOUND,
        &format!(
            "There is nothing at {}: openapi.json lists what there is.",
            uri.path()
        ),
    )
}

/// What answers a method that a path does not have.
pub async fn no_such_method(OriginalUri(uri): OriginalUri, method: Method) -> Response {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        &format!(
            "{} is not possible at {}: openapi.json lists what is.",
            method,
            uri.path()
        ),
    )
}

async fn health(State(app): State<App>) -> Response {
    Json(app.service.health()).into_response()
}

async fn languages(State(app): State<App>) -> Response {
    Json(app.service.languages()).into_response()
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_has_every_route_and_no_other() {
        let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        let documented: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                methods
                    .as_object()
                    .unwrap()
                    .keys()
                    .filter(|key| *key != "parameters")
                    .map(|method| (method.clone(), path.clone()))
            })
            .collect();
        let served: BTreeSet<(String, String)> = routes()
            .into_iter()
            .map(|(method, path, _)| (method.to_owned(), path.to_owned()))
            .collect();
        assert_eq!(documented, served);
    }
}
