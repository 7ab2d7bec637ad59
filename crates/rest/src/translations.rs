//! The calls on translations.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use babelwire_service::{FileName, Find, Listed, ServiceError, Side};
use babelwire_wire::Translation;
use babelwire_wire::rest::{CreateTranslation, Created, OneTranslation, Upload};
use serde::{Deserialize, Serialize};

use crate::App;
use crate::caller::Caller;
use crate::download::{download, download_text, result_name};
use crate::problem::{Failed, bad_body, bad_query};

type Id = Result<Path<String>, PathRejection>;

/// The id in a path. One that is not even UTF-8 is nobody's.
fn id(path: Id) -> Result<String, Failed> {
    path.map(|Path(id)| id).map_err(|_| {
        ServiceError::NotFound {
            id: "�".to_owned()
        }
        .into()
    })
}

pub(crate) async fn create(
    State(app): State<App>,
    Caller(owner): Caller,
    headers: HeaderMap,
    body: Result<Json<CreateTranslation>, JsonRejection>,
) -> Result<Response, Failed> {
    let request = match body {
        Ok(Json(request)) => request,
        Err(rejection) => return Ok(bad_body(&rejection)),
    };
    let (translation, upload) = app.service.create(&owner, request).await?;
    let upload = absolute(&app, &headers, upload);
    Ok((
        StatusCode::CREATED,
        Json(Created {
            translation,
            upload,
        }),
    )
        .into_response())
}

/// An upload of the same origin gets the origin that the caller knows it by.
fn absolute(app: &App, headers: &HeaderMap, mut upload: Upload) -> Upload {
    if upload.url.starts_with('/') {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let origin = match (&app.options.public_url, host) {
            (Some(url), _) => url.clone(),
            (None, Some(host)) => format!("http://{host}"),
            (None, None) => String::new(),
        };
        upload.url.insert_str(0, &origin);
    }
    upload
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListQuery {
    limit: Option<u64>,
    after: Option<String>,
    changed_since: Option<String>,
}

pub(crate) async fn list(
    State(app): State<App>,
    Caller(owner): Caller,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, Failed> {
    let Query(query) = match query {
        Ok(query) => query,
        Err(rejection) => return Ok(bad_query(&rejection)),
    };
    let listed = Listed {
        limit: query.limit,
        after: query.after,
        changed_since: query.changed_since,
    };
    Ok(Json(app.service.list(&owner, &listed).await?).into_response())
}

pub(crate) async fn get(
    State(app): State<App>,
    Caller(owner): Caller,
    path: Id,
) -> Result<Response, Failed> {
    Ok(Json(app.service.get(&owner, &id(path)?).await?).into_response())
}

pub(crate) async fn source(
    State(app): State<App>,
    Caller(owner): Caller,
    path: Id,
) -> Result<Response, Failed> {
    let named = |translation: &Translation| FileName {
        name: translation.name.clone(),
        content_type: "application/octet-stream",
    };
    let file = app.service.source(&owner, &id(path)?, named).await?;
    Ok(download(file))
}

#[derive(Deserialize)]
pub(crate) struct ResultQuery {
    #[serde(default)]
    partial: bool,
}

pub(crate) async fn result(
    State(app): State<App>,
    Caller(owner): Caller,
    path: Id,
    query: Result<Query<ResultQuery>, QueryRejection>,
) -> Result<Response, Failed> {
    const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
    let Query(query) = match query {
        Ok(query) => query,
        Err(rejection) => return Ok(bad_query(&rejection)),
    };
    let id = id(path)?;
    if query.partial {
        let (translation, text) = app.service.partial_result(&owner, &id).await?;
        let name = result_name(&translation.name, &translation.target);
        return Ok(download_text(&name, PLAIN_TEXT, text));
    }
    let named = |translation: &Translation| FileName {
        name: result_name(&translation.name, &translation.target),
        content_type: PLAIN_TEXT,
    };
    Ok(download(app.service.result(&owner, &id, named).await?))
}

pub(crate) async fn side_by_side(
    State(app): State<App>,
    Caller(owner): Caller,
    path: Id,
) -> Result<Response, Failed> {
    let (translation, page) = app.service.side_by_side(&owner, &id(path)?).await?;
    let Translation {
        name,
        source,
        target,
        ..
    } = translation;
    let name = format!("{name}.{source}-{target}.html");
    let mut response = download_text(&name, "text/html; charset=utf-8", page);
    // It loads nothing and runs nothing, wherever it is opened.
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'; sandbox",
        ),
    );
    Ok(response)
}

pub(crate) async fn rows(
    State(app): State<App>,
    Caller(owner): Caller,
    path: Id,
    query: Result<Query<SegmentsQuery>, QueryRejection>,
) -> Result<Response, Failed> {
    let Query(SegmentsQuery { from, limit }) = match query {
        Ok(query) => query,
        Err(rejection) => return Ok(bad_query(&rejection)),
    };
    let rows = app.service.rows(&owner, &id(path)?, from, limit).await?;
    Ok(Json(rows).into_response())
}

#[derive(Deserialize)]
pub(crate) struct SegmentsQuery {
    #[serde(default)]
    from: u64,
    limit: Option<u64>,
}

pub(crate) async fn segments(
    State(app): State<App>,
    Caller(owner): Caller,
    path: Id,
    query: Result<Query<SegmentsQuery>, QueryRejection>,
) -> Result<Response, Failed> {
    let Query(SegmentsQuery { from, limit }) = match query {
        Ok(query) => query,
        Err(rejection) => return Ok(bad_query(&rejection)),
    };
    let segments = app
        .service
        .segments(&owner, &id(path)?, from, limit)
        .await?;
    Ok(Json(segments).into_response())
}

#[derive(Deserialize)]
pub(crate) struct FindQuery {
    #[serde(default)]
    q: String,
    #[serde(rename = "in", default)]
    side: SideQuery,
    #[serde(default)]
    from: u64,
    limit: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SideQuery {
    #[default]
    Both,
    Source,
    Translation,
}

pub(crate) async fn find(
    State(app): State<App>,
    Caller(owner): Caller,
    path: Id,
    query: Result<Query<FindQuery>, QueryRejection>,
) -> Result<Response, Failed> {
    let Query(query) = match query {
        Ok(query) => query,
        Err(rejection) => return Ok(bad_query(&rejection)),
    };
    let find = Find {
        text: query.q,
        side: match query.side {
            SideQuery::Both => Side::Both,
            SideQuery::Source => Side::Source,
            SideQuery::Translation => Side::Translation,
        },
        from: query.from,
        limit: query.limit,
    };
    let found = app.service.find(&owner, &id(path)?, &find).await?;
    Ok(Json(found).into_response())
}

pub(crate) async fn proof(
    State(app): State<App>,
    Caller(owner): Caller,
    path: Id,
) -> Result<Response, Failed> {
    Ok(Json(app.service.proof(&owner, &id(path)?).await?).into_response())
}

pub(crate) async fn cancel(
    State(app): State<App>,
    Caller(owner): Caller,
    path: Id,
) -> Result<Response, Failed> {
    let translation = app.service.cancel(&owner, &id(path)?).await?;
    Ok((StatusCode::ACCEPTED, Json(OneTranslation { translation })).into_response())
}

/// [`OneTranslation`], and how to send the bytes where they never came.
#[derive(Serialize)]
struct Retried {
    translation: Translation,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<Upload>,
}

pub(crate) async fn retry(
    State(app): State<App>,
    Caller(owner): Caller,
    headers: HeaderMap,
    path: Id,
) -> Result<Response, Failed> {
    let retried = app.service.retry(&owner, &id(path)?).await?;
    Ok(Json(Retried {
        translation: retried.translation,
        upload: retried
            .upload
            .map(|upload| absolute(&app, &headers, upload)),
    })
    .into_response())
}

pub(crate) async fn retry_segment(
    State(app): State<App>,
    Caller(owner): Caller,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Failed> {
    let (id, index) = match path {
        Ok(Path((id, index))) => (Ok(Path(id)), index),
        Err(rejection) => (Err(rejection), String::new()),
    };
    let id = self::id(id)?;
    let Ok(index) = index.parse() else {
        let detail = format!("“{index}” is no index of a segment: give a number from 0 on.");
        return Err(ServiceError::Invalid(detail).into());
    };
    let translation = app.service.retry_segment(&owner, &id, index).await?;
    Ok((StatusCode::ACCEPTED, Json(OneTranslation { translation })).into_response())
}

pub(crate) async fn delete(
    State(app): State<App>,
    Caller(owner): Caller,
    path: Id,
) -> Result<Response, Failed> {
    app.service.delete(&owner, &id(path)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
