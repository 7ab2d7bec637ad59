//! Two owners, one gateway: what is one's does not exist for the other, whatever is asked, sent or
//! listened to; and nobody is anybody without a token that is good.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "it/support.rs"]
#[allow(dead_code, reason = "the other tests of the server use the rest of it")]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use babelwire_auth::testing::{Signer, key_set, part};
use babelwire_server::{Options, Server};
use babelwire_wire::config::Config;
use babelwire_wire::rest::Listing;
use babelwire_wire::{Action, Frame, Status};
use clap::Parser;
use futures::{SinkExt, StreamExt};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::{Api, Backend, LIMIT, options, problem, within};

const ISSUER: &str = "https://issuer.example/pool";
const AUDIENCE: &str = "babelwire-page";

/// An id that no translation has.
const NOBODYS: &str = "0123456789abcdef0123456789abcdef";

/// A text that is only ever in Ada's files.
const SECRET: &str = "Rosebud";

/// The issuer, and where its keys are.
struct Issuer {
    signer: Signer,
    folder: TempDir,
}

impl Issuer {
    fn new() -> Self {
        let signer = Signer::new("key", "ES256").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let issuer = Self { signer, folder };
        issuer.publish(&key_set(&[&issuer.signer]).unwrap());
        issuer
    }

    fn publish(&self, key_set: &str) {
        // In one step, so that no half is ever read.
        let new = self.folder.path().join("new.json");
        std::fs::write(&new, key_set).unwrap();
        std::fs::rename(new, self.folder.path().join("jwks.json")).unwrap();
    }

    fn arguments(&self) -> Vec<String> {
        vec![
            format!("--auth={}", self.folder.path().join("jwks.json").display()),
            format!("--auth-issuer={ISSUER}"),
            format!("--auth-audience={AUDIENCE}"),
        ]
    }

    fn claims(subject: &str) -> Value {
        let expires = jiff::Timestamp::now().as_second() + 3600;
        json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": expires})
    }

    fn token(&self, subject: &str) -> String {
        self.signer.token(&Self::claims(subject)).unwrap()
    }

    /// A token as it should be, but for one claim.
    fn token_but(&self, claim: &str, value: &Value) -> String {
        let mut claims = Self::claims("ada");
        claims[claim] = value.clone();
        self.signer.token(&claims).unwrap()
    }

    /// Tokens that must open nothing, by what is wrong with them.
    fn bad_tokens(&self) -> BTreeMap<&'static str, String> {
        let good = self.token("ada");
        let stranger = Signer::new("key", "ES256").unwrap();
        let (message, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = message.split_once('.').unwrap();
        let eve = part(&Self::claims("eve"));
        let none = part(&json!({"alg": "none", "kid": "key"}));
        let long_ago = jiff::Timestamp::now().as_second() - 3600;
        BTreeMap::from([
            ("expired", self.token_but("exp", &json!(long_ago))),
            (
                "of another issuer",
                self.token_but("iss", &json!("https://else.example")),
            ),
            (
                "for another page",
                self.token_but("aud", &json!("another-page")),
            ),
            ("of nobody", self.token_but("sub", &json!(""))),
            ("of everyone", self.token_but("sub", &json!("*"))),
            (
                "signed by a stranger",
                stranger.token(&Self::claims("ada")).unwrap(),
            ),
            ("tampered with", format!("{header}.{eve}.{signature}")),
            ("unsigned", format!("{none}.{eve}.AAAA")),
            ("of another kind", "aaaa.bbbb.cccc".to_owned()),
        ])
    }
}

/// A backend where people sign in, with Ada and Eve.
struct World {
    issuer: Issuer,
    backend: Backend,
    ada: Api,
    eve: Api,
}

impl World {
    async fn new(more: &[&str]) -> Self {
        let issuer = Issuer::new();
        let data = tempfile::tempdir().unwrap();
        let backend = start(data, &issuer.arguments(), more).await;
        let person = |name| person(&backend, &issuer.token(name));
        Self {
            ada: person("ada"),
            eve: person("eve"),
            backend,
            issuer,
        }
    }

    async fn socket(&self, name: &str) -> Socket {
        Socket::of(&self.backend.api, &self.issuer.token(name)).await
    }
}

async fn start(data: TempDir, arguments: &[String], more: &[&str]) -> Backend {
    let arguments: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    Backend::start_on(data, &arguments).await
}

/// A client of REST that brings a token.
fn person(backend: &Backend, token: &str) -> Api {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    headers.insert("Authorization", value);
    Api {
        origin: backend.api.origin.clone(),
        client: Client::builder()
            .no_proxy()
            .default_headers(headers)
            .build()
            .unwrap(),
    }
}

/// A client of the WebSocket that keeps what it hears as it is.
struct Socket {
    stream: tokio_tungstenite::WebSocketStream<
        tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>,
    >,
    /// The subprotocol that the handshake was answered with.
    protocol: Option<String>,
}

impl Socket {
    async fn of(api: &Api, token: &str) -> Self {
        Self::offering(api, Some(&format!("babelwire, {token}")))
            .await
            .unwrap()
    }

    async fn offering(api: &Api, protocols: Option<&str>) -> Result<Self, tungstenite::Error> {
        let url = format!("{}/live", api.origin.replace("http:", "ws:"));
        let mut request = url.into_client_request()?;
        if let Some(protocols) = protocols {
            let value = HeaderValue::try_from(protocols).unwrap();
            request
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", value);
        }
        let (stream, response) = within(tokio_tungstenite::connect_async(request)).await?;
        let protocol = response.headers().get("sec-websocket-protocol");
        let protocol = protocol.map(|value| value.to_str().unwrap().to_owned());
        Ok(Self { stream, protocol })
    }

    async fn send(&mut self, action: &Action) {
        let text = serde_json::to_string(action).unwrap();
        self.stream.send(Message::text(text)).await.unwrap();
    }

    async fn text(&mut self) -> String {
        match within(self.stream.next()).await.unwrap().unwrap() {
            Message::Text(text) => text.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// All texts until `last` says that this was the last, with it.
    async fn until(&mut self, last: impl Fn(&str) -> bool) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            texts.push(self.text().await);
            if last(&texts[texts.len() - 1]) {
                return texts;
            }
        }
    }

    /// Everything that was sent to this client so far, by way of a ping.
    async fn so_far(&mut self) -> Vec<String> {
        self.send(&ping("so far")).await;
        let mut texts = self
            .until(|text| text == r#"{"type":"pong","data":"so far"}"#)
            .await;
        texts.pop();
        texts
    }

    /// Everything that still comes before the other side closes.
    async fn rest(mut self) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(Ok(message)) = within(self.stream.next()).await {
            if let Message::Text(text) = message {
                texts.push(text.to_string());
            }
        }
        texts
    }
}

fn ping(data: &str) -> Action {
    Action::Ping {
        data: data.to_owned(),
    }
}

fn echo(data: &str) -> Action {
    Action::EchoMessage {
        data: data.to_owned(),
    }
}

fn subscribe(id: &str) -> Action {
    Action::Subscribe {
        translation_id: id.to_owned(),
        from: 0,
    }
}

fn frame(text: &str) -> Frame {
    babelwire_wire::Inbound::parse(text.to_owned()).frame
}

/// One call of REST, as the OpenAPI document has it.
#[derive(Debug, Clone)]
struct Call {
    method: Method,
    /// With `{id}` where it is of a translation.
    path: String,
    /// The parameters of the path and the query, with sensible values: those that must be, then
    /// all.
    queries: [String; 2],
    has_body: bool,
    is_open: bool,
}

impl Call {
    /// Every call that the document describes, and so every route that there is: a test of the
    /// REST interface compares the two.
    fn all() -> Vec<Self> {
        let document: Value = serde_json::from_str(babelwire_rest::OPENAPI).unwrap();
        let mut all = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if method == "parameters" {
                    continue;
                }
                let parameters: Vec<&Value> = [&item["parameters"], &operation["parameters"]]
                    .into_iter()
                    .filter_map(Value::as_array)
                    .flatten()
                    .collect();
                all.push(Self {
                    method: method.to_uppercase().parse().unwrap(),
                    path: filled(path, &parameters),
                    queries: [query(&parameters, true), query(&parameters, false)],
                    has_body: operation.get("requestBody").is_some(),
                    is_open: operation.get("security") == Some(&json!([])),
                });
            }
        }
        assert!(all.len() > 10, "{all:?}");
        all
    }

    fn is_of_a_translation(&self) -> bool {
        self.path.contains("{id}")
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    async fn send(&self, api: &Api, id: &str, query: &str) -> Response {
        let path = format!("/api{}{query}", self.path.replace("{id}", id));
        let mut request = api.request(self.method.clone(), &path);
        if self.has_body {
            let body = json!({"name": "n.txt", "size": 3, "source": "en", "target": "es"});
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }
}

/// A path with a value for every parameter but the translation's id.
fn filled(path: &str, parameters: &[&Value]) -> String {
    parameters
        .iter()
        .filter(|parameter| parameter["in"] == "path" && parameter["name"] != "id")
        .fold(path.to_owned(), |path, parameter| {
            let name = parameter["name"].as_str().unwrap();
            path.replace(&format!("{{{name}}}"), &sample(&parameter["schema"]))
        })
}

fn query(parameters: &[&Value], only_required: bool) -> String {
    let wanted = parameters.iter().filter(|parameter| {
        // A cursor is only ever one that was given out; lists have tests of their own.
        let is_cursor = parameter["name"] == "after" || parameter["name"] == "changedSince";
        parameter["in"] == "query"
            && !is_cursor
            && (!only_required || parameter["required"] == true)
    });
    let pairs: Vec<String> = wanted
        .map(|parameter| {
            let name = parameter["name"].as_str().unwrap();
            format!("{name}={}", sample(&parameter["schema"]))
        })
        .collect();
    if pairs.is_empty() {
        String::new()
    } else {
        format!("?{}", pairs.join("&"))
    }
}

/// A value that a schema allows.
fn sample(schema: &Value) -> String {
    if let Some(choices) = schema["enum"].as_array() {
        return choices[choices.len() - 1].as_str().unwrap().to_owned();
    }
    match schema["type"].as_str().unwrap() {
        "integer" => schema["minimum"].to_string(),
        "boolean" => "true".to_owned(),
        "string" => "a".to_owned(),
        other => panic!("a sample of {other} is missing here"),
    }
}

/// An answer, with what names the translation taken out.
async fn seen(response: Response, id: &str) -> (u16, BTreeMap<String, String>, String) {
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().replace(id, "ID")))
        .collect();
    (
        status,
        headers,
        response.text().await.unwrap().replace(id, "ID"),
    )
}

/// Translations of Ada's, one in each state that a translation can be in.
async fn one_of_each(ada: &Api) -> BTreeMap<&'static str, String> {
    let text = format!("{SECRET} was a sledge.\nAnd this line is refused.\n");
    let done = ada.upload("done.txt", text.as_bytes()).await.id;
    ada.done(&done).await;
    let failed = ada.upload("failed.txt", b"\x00\x01\x02\x00").await.id;
    ada.wait(&failed, |t| t.status == Status::Failed).await;
    let awaiting = ada
        .announce(&format!("{SECRET}.txt"), 10)
        .await
        .translation
        .id;
    let cancelled = ada.announce("cancelled.txt", 10).await.translation.id;
    let path = format!("/api/translations/{cancelled}/cancel");
    assert_eq!(ada.send(Method::POST, &path).await.status(), 202);
    let deleted = ada.upload("deleted.txt", b"Gone.\n").await.id;
    ada.done(&deleted).await;
    let path = format!("/api/translations/{deleted}");
    assert_eq!(ada.send(Method::DELETE, &path).await.status(), 204);
    BTreeMap::from([
        ("done", done),
        ("failed", failed),
        ("awaiting", awaiting),
        ("cancelled", cancelled),
        ("deleted", deleted),
    ])
}

const REFUSES: &str = "--pseudo-refuses=is refused";

#[tokio::test]
async fn every_call_about_anothers_translation_is_answered_as_if_it_had_never_been() {
    let World {
        backend, ada, eve, ..
    } = World::new(&[REFUSES]).await;
    let calls = Call::all();
    let of_a_translation: Vec<&Call> = calls
        .iter()
        .filter(|call| call.is_of_a_translation())
        .collect();
    assert!(of_a_translation.len() >= 12, "{of_a_translation:?}");
    let theirs = one_of_each(&ada).await;
    let before = ada.json("/api/translations").await;

    for (state, id) in &theirs {
        for call in &of_a_translation {
            for query in &call.queries {
                let anothers = seen(call.send(&eve, id, query).await, id).await;
                let nobodys = seen(call.send(&eve, NOBODYS, query).await, NOBODYS).await;
                let name = call.name();
                assert_eq!(anothers, nobodys, "{state}: {name}{query}");
                assert_eq!(anothers.0, 404, "{state}: {name}{query}");
                assert!(!anothers.2.contains(SECRET), "{name}: {}", anothers.2);
            }
        }
    }
    assert_eq!(
        ada.json("/api/translations").await,
        before,
        "nothing has changed"
    );

    // Had the calls been wrong ones, they would have been refused to Ada as well.
    let is_delete = |call: &&&Call| call.method == Method::DELETE;
    for call in of_a_translation.iter().filter(|call| !is_delete(call)) {
        for query in &call.queries {
            let response = call.send(&ada, &theirs["done"], query).await;
            let status = response.status().as_u16();
            assert!(
                [200, 202, 409].contains(&status),
                "{}{query}: {status}",
                call.name()
            );
            ada.done(&theirs["done"]).await;
        }
    }
    for call in of_a_translation.iter().filter(is_delete) {
        assert_eq!(call.send(&ada, &theirs["done"], "").await.status(), 204);
    }
    backend.stop().await;
}

#[tokio::test]
async fn lists_and_changes_show_ones_own_alone_whosever_cursor_is_brought() {
    // A route without an id that is not known here may show anything: say here what.
    let known: BTreeSet<String> = [
        "GET /health",
        "GET /languages",
        "GET /openapi.json",
        "GET /translations",
        "POST /translations",
    ]
    .map(str::to_owned)
    .into();
    let without_an_id: BTreeSet<String> = Call::all()
        .iter()
        .filter(|call| !call.is_of_a_translation())
        .map(Call::name)
        .collect();
    assert_eq!(without_an_id, known);

    let World {
        backend, ada, eve, ..
    } = World::new(&[REFUSES]).await;
    let list = async |api: &Api, query: &str| -> Listing {
        let listed = api.json(&format!("/api/translations{query}")).await;
        serde_json::from_value(listed).unwrap()
    };
    let ids = |listing: &Listing| -> BTreeSet<String> {
        listing.translations.iter().map(|t| t.id.clone()).collect()
    };
    let eves_first = list(&eve, "").await;
    let theirs = one_of_each(&ada).await;
    assert_eq!(
        list(&eve, "").await,
        eves_first,
        "nothing has happened to Eve"
    );
    let changes = list(&eve, &format!("?changedSince={}", eves_first.cursor)).await;
    assert_eq!((changes.translations.len(), changes.removed.len()), (0, 0));

    let own = eve.upload("own.txt", b"Mine.\n").await.id;
    eve.done(&own).await;
    let page = list(&ada, "?limit=1").await;
    let adas = list(&ada, "").await;
    let mut queries = vec![
        String::new(),
        "?limit=1000".to_owned(),
        format!("?changedSince={}", eves_first.cursor),
        format!("?changedSince={}", adas.cursor),
        format!("?after={}", page.next.unwrap()),
    ];
    queries.extend(
        theirs
            .values()
            .flat_map(|id| [format!("?after={id}"), format!("?changedSince={id}")]),
    );
    for query in &queries {
        let response = eve.get(&format!("/api/translations{query}")).await;
        let text = response.text().await.unwrap();
        for id in theirs.values() {
            assert!(query.contains(id) || !text.contains(id), "{query}: {text}");
        }
        assert!(!text.contains(SECRET), "{query}: {text}");
    }
    assert_eq!(ids(&list(&eve, "").await), BTreeSet::from([own.clone()]));
    assert!(!ids(&list(&ada, "").await).contains(&own));
    let changes = list(&ada, &format!("?changedSince={}", adas.cursor)).await;
    assert!(!ids(&changes).contains(&own));
    backend.stop().await;
}

#[tokio::test]
async fn how_many_translations_one_keeps_is_not_felt_by_the_other() {
    let World {
        backend, ada, eve, ..
    } = World::new(&["--max-translations=2"]).await;
    for name in ["one", "two"] {
        ada.announce(name, 1).await;
    }
    let body = json!({"name": "three", "size": 1, "source": "en", "target": "es"});
    problem(ada.create(&body).await, 409).await;
    for name in ["one", "two"] {
        eve.announce(name, 1).await;
    }
    problem(eve.create(&body).await, 409).await;
    backend.stop().await;
}

/// Every action, about a translation where it is about one. With an action that is not here this
/// does not compile.
fn actions_about(id: &str) -> Vec<Action> {
    let name = |action: &Action| match action {
        Action::EchoMessage { .. } => "echomessage",
        Action::Ping { .. } => "ping",
        Action::Subscribe { .. } => "subscribe",
        Action::Look { .. } => "look",
        Action::Unsubscribe { .. } => "unsubscribe",
    };
    let id = || id.to_owned();
    let look = |view: &str| Action::Look {
        translation_id: id(),
        from: 0,
        to: 10,
        view: view.to_owned(),
    };
    let unsubscribe = |view: Option<&str>| Action::Unsubscribe {
        translation_id: id(),
        view: view.map(str::to_owned),
    };
    let all = vec![
        ping(&id()),
        subscribe(&id()),
        look(""),
        look("view"),
        unsubscribe(Some("view")),
        unsubscribe(None),
        echo(&id()),
    ];
    let named: BTreeSet<&str> = all.iter().map(name).collect();
    assert_eq!(named, babelwire_live::ACTIONS.into());
    all
}

#[tokio::test]
async fn every_action_about_anothers_translation_is_answered_as_if_it_had_never_been() {
    let world = World::new(&[REFUSES]).await;
    let theirs = one_of_each(&world.ada).await;
    let mut adas = world.socket("ada").await;
    let mut eves = world.socket("eve").await;
    for (state, id) in &theirs {
        for (anothers, nobodys) in actions_about(id).iter().zip(&actions_about(NOBODYS)) {
            let mut answers = Vec::new();
            for (action, id) in [(anothers, id.as_str()), (nobodys, NOBODYS)] {
                eves.send(action).await;
                // Answers may overtake each other, so each is waited for. One too many is found
                // in the place of the next.
                if !matches!(action, Action::Unsubscribe { .. }) {
                    answers.push(eves.text().await.replace(id, "ID"));
                }
            }
            if let [anothers, nobodys] = &answers[..] {
                assert_eq!(anothers, nobodys, "{state}");
            }
        }
    }
    assert_eq!(eves.so_far().await, Vec::<String>::new());
    // Ada hears of what she did herself, late perhaps, and of nothing else.
    let mut heard = adas.so_far().await;
    world.backend.stop().await;
    assert_eq!(eves.rest().await, Vec::<String>::new());
    heard.extend(adas.rest().await);
    for text in heard {
        let (_, id) = news(&text).unwrap_or_else(|| panic!("{text}"));
        assert!(theirs.values().any(|own| *own == id), "{text}");
    }
}

#[tokio::test]
async fn segments_come_to_their_owner_while_another_asks_for_them_in_vain() {
    let world = World::new(&["--pseudo-delay-ms=5"]).await;
    let mut adas = world.socket("ada").await;
    let mut eves = world.socket("eve").await;
    let text = format!("A line with {SECRET}.\n").repeat(100);
    let id = world.ada.upload("long.txt", text.as_bytes()).await.id;
    adas.send(&subscribe(&id)).await;
    // As often as Eve may like, while it is being translated; and she ends nothing of Ada's.
    for action in actions_about(&id) {
        if !matches!(action, Action::EchoMessage { .. } | Action::Ping { .. }) {
            eves.send(&action).await;
        }
    }
    let mut segments = BTreeSet::new();
    while segments.len() < 100 {
        if let Frame::Segments { segments: some, .. } = frame(&adas.text().await) {
            segments.extend(some.iter().map(|segment| segment.index));
        }
    }
    world.ada.done(&id).await;
    world.backend.stop().await;
    for text in eves.rest().await {
        assert!(text.starts_with(r#"{"type":"error","#), "{text}");
        assert!(
            !text.contains(SECRET) && !text.contains("\"segments\""),
            "{text}"
        );
    }
}

/// What kind of news of which translation a text is; `None` for anything else.
fn news(text: &str) -> Option<(String, String)> {
    Some(match frame(text) {
        Frame::Object(object) => {
            let kind = format!("{} in {}", object.event?, object.bucket_name);
            (kind, object.translation_id?)
        }
        Frame::Translation(translation) => ("translation".to_owned(), translation.id),
        Frame::Removed { translation_id, .. } => ("removed".to_owned(), translation_id),
        Frame::Segments { translation_id, .. } => ("segments".to_owned(), translation_id),
        _ => return None,
    })
}

/// Listens until something of every wanted kind was heard, and to nothing but news of `id`, echoes
/// aside.
async fn hear(socket: &mut Socket, id: &str, kinds: &mut BTreeSet<String>, wanted: &[&str]) {
    while !wanted.iter().all(|kind| kinds.contains(*kind)) {
        let text = socket.text().await;
        kinds.insert(match news(&text) {
            Some((kind, of)) => {
                assert_eq!(of, id, "{text}");
                kind
            }
            None => text,
        });
    }
}

#[tokio::test]
async fn all_news_go_to_every_connection_of_their_owner_and_to_no_other() {
    let world = World::new(&[]).await;
    let mut adas = [world.socket("ada").await, world.socket("ada").await];
    let eves = [world.socket("eve").await, world.socket("eve").await];

    let id = world.ada.upload("secret.txt", b"Rosebud.\n").await.id;
    world.ada.done(&id).await;
    let mut kinds = [BTreeSet::new(), BTreeSet::new()];
    for (socket, kinds) in adas.iter_mut().zip(&mut kinds) {
        socket.send(&subscribe(&id)).await;
        // What was translated before comes by itself.
        hear(socket, &id, kinds, &["segments", "translation"]).await;
    }
    adas[0].send(&echo("for Ada's ears")).await;
    let path = format!("/api/translations/{id}");
    assert_eq!(world.ada.send(Method::DELETE, &path).await.status(), 204);
    let all = [
        "ObjectCreated:Put in results",
        "ObjectCreated:Put in sources",
        "ObjectRemoved:Delete in results",
        "ObjectRemoved:Delete in sources",
        "for Ada's ears",
        "removed",
    ];
    for (socket, kinds) in adas.iter_mut().zip(&mut kinds) {
        hear(socket, &id, kinds, &all).await;
    }

    // And the other way round, to a fresh pair of ears.
    let mut fresh = world.socket("ada").await;
    let own = world.eve.upload("own.txt", b"Mine.\n").await.id;
    world.eve.done(&own).await;
    let mut heard = fresh.so_far().await;

    world.backend.stop().await;
    for socket in eves {
        let heard = socket.rest().await;
        assert!(!heard.is_empty(), "Eve hears of her own");
        for text in heard {
            assert!(text.contains(&own), "{text}");
        }
    }
    heard.extend(fresh.rest().await);
    assert!(!heard.concat().contains(&own), "{heard:?}");
}

#[tokio::test]
async fn without_a_good_token_no_call_is_answered_but_the_open_ones() {
    let world = World::new(&[]).await;
    let anybody = &world.backend.api;
    let id = world.ada.announce("a.txt", 3).await.translation.id;
    let before = world.ada.json("/api/translations").await;
    let open: BTreeSet<String> = Call::all()
        .iter()
        .filter(|call| call.is_open)
        .map(Call::name)
        .collect();
    assert_eq!(
        open,
        ["GET /health", "GET /openapi.json"]
            .map(str::to_owned)
            .into()
    );

    for call in Call::all() {
        let name = call.name();
        let query = &call.queries[0];
        let response = call.send(anybody, &id, query).await;
        if call.is_open {
            assert_eq!(response.status(), 200, "{name}");
            continue;
        }
        assert_eq!(response.headers()["www-authenticate"], "Bearer", "{name}");
        problem(response, 401).await;
        for (fault, token) in world.issuer.bad_tokens() {
            let response = call.send(&person(&world.backend, &token), &id, query).await;
            let challenge = response.headers()["www-authenticate"]
                .to_str()
                .unwrap()
                .to_owned();
            assert!(
                challenge.starts_with("Bearer error=\"invalid_token\", error_description=\""),
                "{name} {fault}: {challenge}"
            );
            let advice = problem(response, 401).await;
            assert!(challenge.contains(&advice), "{challenge}: {advice}");
        }
    }
    // Nor by a scheme or a place that is none.
    let good = world.issuer.token("ada");
    for (name, value) in [
        ("Authorization", format!("Basic {good}")),
        ("Authorization", good.clone()),
        ("Cookie", format!("token={good}")),
        ("Sec-WebSocket-Protocol", good.clone()),
    ] {
        let request = anybody
            .request(Method::GET, "/api/translations")
            .header(name, value);
        problem(request.send().await.unwrap(), 401).await;
    }
    let path = format!("/api/translations?access_token={good}");
    problem(anybody.get(&path).await, 401).await;
    problem(anybody.get("/api/nowhere").await, 401).await;
    assert_eq!(anybody.get("/config.json").await.status(), 200);
    assert_eq!(world.ada.json("/api/translations").await, before);
    world.backend.stop().await;
}

#[tokio::test]
async fn without_a_good_token_no_handshake_is_let_in() {
    let world = World::new(&[]).await;
    let mut offers: BTreeMap<&str, Option<String>> = world
        .issuer
        .bad_tokens()
        .into_iter()
        .map(|(fault, token)| (fault, Some(format!("babelwire, {token}"))))
        .collect();
    offers.insert("huge", Some(format!("babelwire, {}.b.c", "a".repeat(9000))));
    offers.insert("none", None);
    offers.insert("none but our name", Some("babelwire".to_owned()));
    for (fault, offer) in offers {
        let expected = if fault.starts_with("none") {
            (401, r#"{"message":"Unauthorized"}"#)
        } else {
            (
                403,
                r#"{"Message":"User is not authorized to access this resource with an explicit deny"}"#,
            )
        };
        match Socket::offering(&world.backend.api, offer.as_deref()).await {
            Err(tungstenite::Error::Http(response)) => {
                let status = response.status().as_u16();
                let body = String::from_utf8(response.into_body().unwrap()).unwrap();
                assert_eq!((status, body.as_str()), expected, "{fault}");
            }
            Err(error) => panic!("{fault}: {error}"),
            Ok(_) => panic!("{fault}: let in"),
        }
    }
    world.backend.stop().await;
}

#[tokio::test]
async fn a_handshake_is_answered_with_a_subprotocol_that_it_offered() {
    let world = World::new(&[]).await;
    let token = world.issuer.token("ada");
    for (offer, answer) in [
        (format!("babelwire, {token}"), "babelwire"),
        (format!("{token},babelwire"), "babelwire"),
        (token.clone(), token.as_str()),
    ] {
        let socket = Socket::offering(&world.backend.api, Some(&offer))
            .await
            .unwrap();
        assert_eq!(socket.protocol.as_deref(), Some(answer));
    }
    world.backend.stop().await;
}

#[tokio::test]
async fn an_upload_url_is_a_key_to_one_object_for_whoever_holds_it_and_to_no_other() {
    let World {
        backend, ada, eve, ..
    } = World::new(&[]).await;
    let created = ada.announce("a.txt", 6).await;
    let url = created.upload.url;
    // Eve's own signature does not fit Ada's object, which she can only tell by its being wrong.
    let own = eve.announce("b.txt", 6).await;
    let (_, signed) = own.upload.url.split_once('?').unwrap();
    let (address, _) = url.split_once('?').unwrap();
    let nobodys = address.replace(&created.translation.id, NOBODYS);
    assert_ne!(address, nobodys);
    let mut answers = Vec::new();
    for address in [address, &nobodys] {
        let response = eve.put(&format!("{address}?{signed}"), "Forged").await;
        assert_eq!(response.status(), 403);
        answers.push(response.text().await.unwrap());
    }
    assert_eq!(answers[0], answers[1]);
    // Nor is the object to be read there.
    assert_eq!(
        eve.get(url.strip_prefix(&eve.origin).unwrap())
            .await
            .status(),
        405
    );

    // Without any token: whoever was given the URL may send the bytes, and nothing else.
    assert_eq!(backend.api.put(&url, "Hello.").await.status(), 200);
    ada.done(&created.translation.id).await;
    let path = format!("/api/translations/{}", created.translation.id);
    problem(eve.get(&path).await, 404).await;
    problem(backend.api.get(&path).await, 401).await;
    backend.stop().await;
}

#[tokio::test]
async fn nobody_reaches_a_connection_from_outside_by_its_id() {
    let world = World::new(&[]).await;
    let mut adas = world.socket("ada").await;
    adas.stream.send(Message::text("no action")).await.unwrap();
    let refusal: Value = serde_json::from_str(&adas.text().await).unwrap();
    let id = refusal["connectionId"]
        .as_str()
        .unwrap()
        .replace('=', "%3D");
    for place in ["@connections", "%40connections", "%40Connections"] {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let path = format!("/live/{place}/{id}");
            for api in [&world.eve, &world.ada, &world.backend.api] {
                let request = api.request(method.clone(), &path).body("Boo");
                let status = request.send().await.unwrap().status();
                assert_eq!(status, 403, "{method} {path}");
            }
        }
    }
    assert_eq!(adas.so_far().await, Vec::<String>::new());
    world.backend.stop().await;
}

#[tokio::test]
async fn new_keys_of_the_issuer_are_taken_and_old_ones_dropped_without_a_new_start() {
    let world = World::new(&[]).await;
    let next = Signer::new("next", "EdDSA").unwrap();
    let token = next.token(&Issuer::claims("ada")).unwrap();
    let with_next = person(&world.backend, &token);
    problem(with_next.get("/api/translations").await, 401).await;

    let wait = async |api: &Api, status: u16| {
        for _ in 0..LIMIT.as_millis() / 10 {
            if api.get("/api/translations").await.status() == status {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("it never answers {status}");
    };
    world
        .issuer
        .publish(&key_set(&[&world.issuer.signer, &next]).unwrap());
    wait(&with_next, 200).await;
    assert_eq!(world.ada.get("/api/translations").await.status(), 200);

    world.issuer.publish(&key_set(&[&next]).unwrap());
    wait(&world.ada, 401).await;
    // A file that is no key set locks nobody out.
    world.issuer.publish("{");
    let third = Signer::new("third", "ES256").unwrap();
    let third_token = third.token(&Issuer::claims("ada")).unwrap();
    world.issuer.publish(&key_set(&[&next, &third]).unwrap());
    wait(&person(&world.backend, &third_token), 200).await;
    assert_eq!(with_next.get("/api/translations").await.status(), 200);
    world.backend.stop().await;
}

#[tokio::test]
async fn what_was_everyones_before_people_signed_in_is_no_ones_now_and_back_when_they_need_not() {
    let backend = Backend::start(&[]).await;
    let old = backend.api.upload("old.txt", b"Old.\n").await.id;
    backend.api.done(&old).await;
    let data = backend.stop().await;

    let issuer = Issuer::new();
    let backend = start(data, &issuer.arguments(), &[]).await;
    let ada = person(&backend, &issuer.token("ada"));
    problem(ada.get(&format!("/api/translations/{old}")).await, 404).await;
    let own = ada.upload("own.txt", b"Mine.\n").await.id;
    ada.done(&own).await;
    let data = backend.stop().await;

    let backend = start(data, &[], &[]).await;
    backend.api.done(&old).await;
    problem(
        backend.api.get(&format!("/api/translations/{own}")).await,
        404,
    )
    .await;
    backend.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_may_send_tokens_only_where_people_sign_in() {
    let origin = "http://localhost:3000";
    let allow = format!("--allow-origin={origin}");
    let allowed = async |backend: &Backend| -> String {
        let request = backend
            .api
            .request(Method::OPTIONS, "/api/translations")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "GET")
            .header("Access-Control-Request-Headers", "authorization");
        let response = request.send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["access-control-allow-origin"], origin);
        headers["access-control-allow-headers"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    let world = World::new(&[&allow]).await;
    assert_eq!(allowed(&world.backend).await, "content-type,authorization");
    // A refusal can be read there too, or a page could not tell it from a lost network.
    let request = world
        .backend
        .api
        .request(Method::GET, "/api/translations")
        .header("Origin", origin);
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["access-control-allow-origin"], origin);
    world.backend.stop().await;

    let open = Backend::start(&[&allow]).await;
    assert_eq!(allowed(&open).await, "content-type");
    open.stop().await;
}

#[tokio::test]
async fn the_page_is_told_where_people_sign_in_and_may_fetch_tokens_there() {
    let page = tempfile::tempdir().unwrap();
    std::fs::write(page.path().join("index.html"), "<!doctype html>").unwrap();
    let ui = format!("--ui={}", page.path().display());
    let json = r#"{"authorizeUrl":"https://id.example/authorize","tokenUrl":"https://id.example:8443/token","clientId":"page","scope":"openid"}"#;
    let file = page.path().join("sign-in.json");
    std::fs::write(&file, json).unwrap();
    for said in [json, file.to_str().unwrap()] {
        let backend = Backend::start(&[&ui, &format!("--sign-in={said}")]).await;
        let config: Config = backend.api.get("/config.json").await.json().await.unwrap();
        let sign_in = config.sign_in.unwrap();
        assert_eq!(sign_in.client_id, "page");
        assert_eq!(sign_in.scope.as_deref(), Some("openid"));
        let response = backend.api.get("/").await;
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(
            policy.contains("connect-src 'self' https://id.example:8443;"),
            "{policy}"
        );
        backend.stop().await;
    }
    let backend = Backend::start(&[&ui]).await;
    let config = backend.api.json("/config.json").await;
    assert_eq!(config, json!({"websocketUrl": "live", "apiUrl": "api"}));
    backend.stop().await;
}

#[tokio::test]
async fn a_server_that_cannot_know_anybody_does_not_start_and_says_why() {
    let issuer = Issuer::new();
    let file = issuer.folder.path().join("jwks.json");
    let auth = format!("--auth={}", file.display());
    let fails = async |arguments: &[&str], words: &[&str]| {
        let data = tempfile::tempdir().unwrap();
        let error = match Server::start(options(data.path(), arguments)).await {
            Ok(_) => panic!("started with {arguments:?}"),
            Err(error) => error.to_string(),
        };
        for word in words {
            assert!(error.contains(word), "{word} in: {error}");
        }
    };
    fails(
        &["--auth=/nowhere/jwks.json"],
        &["--auth", "/nowhere/jwks.json", "No such file"],
    )
    .await;
    std::fs::write(&file, "not JSON").unwrap();
    fails(&[&auth], &["--auth", "jwks.json", "JSON Web Key Set"]).await;
    std::fs::write(&file, r#"{"keys":[{"kty":"oct","kid":"s","k":"AAAA"}]}"#).unwrap();
    fails(&[&auth], &["--auth", "no public key", "\"s\" is symmetric"]).await;
    std::fs::write(&file, " ".repeat((1 << 20) + 1)).unwrap();
    fails(&[&auth], &["--auth", "1048577 bytes"]).await;
    // Half of it said is nobody signed in, which must not pass for signing in.
    for half in ["--auth-issuer=x", "--auth-audience=x", "--auth="] {
        let said = Options::try_parse_from(["babelwire-server", half]);
        assert!(said.unwrap_err().to_string().contains("--auth"), "{half}");
    }
    fails(&["--sign-in={}"], &["--sign-in", "authorizeUrl"]).await;
    fails(
        &["--sign-in=/nowhere/x.json"],
        &["--sign-in", "/nowhere/x.json"],
    )
    .await;
}
