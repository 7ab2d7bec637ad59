//! Where files are uploaded: the signed URLs of the object store.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use babelwire_rest::problem;
use babelwire_service::Service;
use babelwire_service::ports::{Bucket, Objects};
use futures::StreamExt;
use serde::Deserialize;

use crate::objects::FolderObjects;

#[derive(Clone)]
struct Uploads {
    objects: Arc<FolderObjects>,
    service: Arc<Service>,
}

#[derive(Deserialize)]
struct Signed {
    expires: i64,
    size: u64,
    signature: String,
}

/// `PUT /objects/{bucket}/{key}`, to be nested beside REST.
pub(crate) fn router(objects: Arc<FolderObjects>, service: Arc<Service>) -> Router {
    let uploads = Uploads { objects, service };
    Router::new()
        .route("/objects/{bucket}/{*key}", put(upload))
        .method_not_allowed_fallback(babelwire_rest::no_such_method)
        .with_state(uploads)
}

async fn upload(
    State(uploads): State<Uploads>,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Result<Query<Signed>, QueryRejection>,
    request: Request,
) -> Response {
    match try_upload(&uploads, path, query, request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err((status, detail)) => problem(status, &detail),
    }
}

type Refused = (StatusCode, String);

async fn try_upload(
    uploads: &Uploads,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Result<Query<Signed>, QueryRejection>,
    request: Request,
) -> Result<(), Refused> {
    let unsigned = || {
        let detail = "This is not an upload URL: announce the file with POST translations first, \
                      and use the URL of its answer as it is.";
        (StatusCode::FORBIDDEN, detail.to_owned())
    };
    let (Ok(Path((bucket, key))), Ok(Query(signed))) = (path, query) else {
        return Err(unsigned());
    };
    let bucket = Bucket::parse(&bucket).ok_or_else(unsigned)?;
    let size = signed.size;
    uploads
        .objects
        .check_upload(bucket, &key, size, signed.expires, &signed.signature)
        .map_err(|refusal| (StatusCode::FORBIDDEN, refusal.to_string()))?;
    if let Some(length) = content_length(request.headers()) {
        check_length(length, size)?;
    }
    let is_expected = uploads
        .service
        .expects_upload(&key)
        .await
        .map_err(|error| broken(&error))?;
    if !is_expected {
        let detail = "The translation that this file belongs to was deleted.";
        return Err((StatusCode::NOT_FOUND, detail.to_owned()));
    }

    let mut writer = uploads
        .objects
        .put(bucket, &key)
        .await
        .map_err(|error| broken(&error))?;
    let mut body = request.into_body().into_data_stream();
    let mut received = 0;
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(|error| {
            let detail = format!("The upload broke off after {received} bytes: {error}.");
            (StatusCode::BAD_REQUEST, detail)
        })?;
        received += bytes.len() as u64;
        if received > size {
            check_length(received, size)?;
        }
        writer.write(bytes).await.map_err(|error| broken(&error))?;
    }
    check_length(received, size)?;
    writer.finish().await.map_err(|error| broken(&error))
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn check_length(length: u64, size: u64) -> Result<(), Refused> {
    let status = match length.cmp(&size) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Less => StatusCode::BAD_REQUEST,
        std::cmp::Ordering::Greater => StatusCode::PAYLOAD_TOO_LARGE,
    };
    let detail = format!(
        "The file was announced with {size} bytes, and the upload has {length}: send exactly the \
         file that was announced."
    );
    Err((status, detail))
}

fn broken(error: &dyn std::fmt::Display) -> Refused {
    tracing::error!(%error, "an upload failed");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("The file could not be stored: {error}."),
    )
}
