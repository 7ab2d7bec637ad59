//! The control calls: how tests that cannot call Rust steer the gateway.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{FromRequestParts, Path, Query, rejection::QueryRejection},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header, request::Parts};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Shared, is_stage, stage::World};
use crate::{
    Frame, Seen,
    gateway::FakeCore,
    rules::{Rule, RuleError, RuleId, check_close},
    seen::{DialState, SeenFrame},
};

/// All of them: for a stage, and for the default one.
pub(crate) fn routes() -> Router {
    let one = || {
        Router::new()
            .route("/rules", post(add_rules).get(rules).delete(clear_rules))
            .route("/broadcast", post(broadcast))
            .route("/close", post(close))
            .route("/cut", post(cut))
            .route("/silence", post(silence))
            .route("/connections", get(connections))
            .route("/frames", get(frames))
    };
    Router::new()
        .nest("/_control", one())
        .nest("/_control/{stage}", one())
        .route("/_control/{stage}", delete(forget))
}

/// The stage of a call: named in its path, or the default one.
struct Target(Arc<World>);

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Named {
            stage: Option<String>,
        }
        let wrong = |_| Fault::new("the path of a control call is /_control/{stage}/{call}");
        let Path(Named { stage }) = Path::from_request_parts(parts, state)
            .await
            .map_err(wrong)?;
        let Some(shared) = parts.extensions.get::<Arc<Shared>>().cloned() else {
            return Err(Fault::new("this gateway has no stages"));
        };
        let name = stage.unwrap_or_else(|| shared.default_stage.clone());
        if !is_stage(&name) {
            return Err(Fault::new(format!(
                "{name:?} is no name of a stage: take letters, digits, `-`, `_`, `.` and `~`"
            )));
        }
        Ok(Self(shared.world(&name)))
    }
}

/// A call that makes no sense: 400, with the reason in words.
struct Fault(String);

impl Fault {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl From<RuleError> for Fault {
    fn from(error: RuleError) -> Self {
        Self(error.to_string())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({"error": self.0}))).into_response()
    }
}

/// A body of JSON, whatever the call says of its type: a browser then asks for no preflight.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::new(error.to_string()))
}

fn parse_or_default<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Fault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        Ok(T::default())
    } else {
        parse(body)
    }
}

/// `POST rules`: a rule, or an array of rules, all or none of which are added. Answers with their
/// ids.
async fn add_rules(Target(world): Target, body: Bytes) -> Result<Json<Value>, Fault> {
    // An untagged enum of one and many would not say what is wrong with either.
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let rules: Vec<Rule> = if is_array {
        parse(&body)?
    } else {
        vec![parse(&body)?]
    };
    for rule in &rules {
        rule.check()?;
    }
    let add = |core: &mut FakeCore, _| -> Result<Vec<RuleId>, RuleError> {
        rules.into_iter().map(|rule| core.add_rule(rule)).collect()
    };
    let ids = world.act(add)?;
    Ok(Json(json!({"rules": ids})))
}

/// `GET rules`: the rules, and how often each was applied.
async fn rules(Target(world): Target) -> Json<Value> {
    let rules = world.look(|core| {
        core.rules()
            .iter()
            .map(|(id, rule, applied)| json!({"id": id, "rule": rule, "applied": applied}))
            .collect::<Vec<_>>()
    });
    Json(json!({"rules": rules}))
}

/// `DELETE rules`: all of them.
async fn clear_rules(Target(world): Target) -> StatusCode {
    world.act(|core, _| core.clear_rules());
    StatusCode::NO_CONTENT
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct One {
    /// The connection's number; without it, all.
    connection: Option<u64>,
}

/// `POST broadcast`: the body is the frame, binary if it is `application/octet-stream`. Answers
/// with the number of connections. `?connection=1` sends to that one alone.
async fn broadcast(
    Target(world): Target,
    one: Result<Query<One>, QueryRejection>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Fault> {
    let Query(One { connection }) = one.map_err(|error| Fault::new(error.body_text()))?;
    let is_binary = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/octet-stream"));
    let frame = if is_binary {
        Frame::Binary(body.to_vec())
    } else {
        let text = String::from_utf8(body.to_vec()).map_err(|_| {
            Fault::new(
                "a text frame is UTF-8: for others set Content-Type to application/octet-stream",
            )
        })?;
        Frame::Text(text)
    };
    let count = world.act(|core, now| match connection {
        None => core.broadcast(now, &frame),
        Some(number) => {
            let is_open = core.in_state(&[DialState::Open]).contains(&number);
            core.frame_to_client(now, number, frame);
            usize::from(is_open)
        }
    });
    Ok(count_of(count))
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Closing {
    code: u16,
    reason: String,
    connection: Option<u64>,
}

impl Default for Closing {
    fn default() -> Self {
        Self {
            code: 1001,
            reason: String::new(),
            connection: None,
        }
    }
}

/// `POST close`: `{"code": 1001, "reason": "", "connection": 1}`, each of which may be left out.
async fn close(Target(world): Target, body: Bytes) -> Result<Json<Value>, Fault> {
    let closing: Closing = parse_or_default(&body)?;
    check_close(closing.code, &closing.reason)?;
    let count = each(
        &world,
        closing.connection,
        &[DialState::Open],
        |core, number| core.close(number, closing.code, &closing.reason),
    );
    Ok(count_of(count))
}

/// `POST cut`: `{"connection": 1}`, or nothing for all.
async fn cut(Target(world): Target, body: Bytes) -> Result<Json<Value>, Fault> {
    let One { connection } = parse_or_default(&body)?;
    Ok(count_of(each(
        &world,
        connection,
        &DialState::PRESENT,
        FakeCore::cut,
    )))
}

/// `POST silence`: `{"connection": 1}`, or nothing for all.
async fn silence(Target(world): Target, body: Bytes) -> Result<Json<Value>, Fault> {
    let One { connection } = parse_or_default(&body)?;
    let open = [DialState::Open];
    Ok(count_of(each(&world, connection, &open, FakeCore::silence)))
}

fn each(
    world: &World,
    one: Option<u64>,
    states: &[DialState],
    act: impl Fn(&mut FakeCore, u64) -> bool,
) -> usize {
    world.act(|core, _| {
        core.in_state(states)
            .into_iter()
            .filter(|number| one.is_none_or(|one| one == *number))
            .filter(|number| act(core, *number))
            .count()
    })
}

fn count_of(connections: usize) -> Json<Value> {
    Json(json!({"connections": connections}))
}

/// `GET connections`: how many are open, how many were dialled, how many frames came and went,
/// and each connection's story.
async fn connections(Target(world): Target) -> Json<Value> {
    Json(world.look(|core| {
        let seen: &Seen = core.seen();
        json!({
            "open": seen.open(),
            "dials": seen.dials().len(),
            "framesFromClients": seen.frames_from_clients(),
            "framesToClients": seen.frames_to_clients(),
            "connections": seen.dials(),
        })
    }))
}

/// `GET frames`: the latest frames, oldest first.
async fn frames(Target(world): Target) -> Json<Value> {
    Json(world.look(|core| {
        let frames: Vec<&SeenFrame> = core.seen().frames().collect();
        json!({"frames": frames})
    }))
}

/// `DELETE /_control/{stage}`: cuts its connections and forgets all about it.
async fn forget(
    Extension(shared): Extension<Arc<Shared>>,
    Path(stage): Path<String>,
) -> StatusCode {
    if shared.forget(&stage) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}
