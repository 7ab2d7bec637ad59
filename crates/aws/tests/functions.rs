//! The functions' programs answer recorded events through Lambda's runtime API, with moto behind
//! them; the same event twice, and events in the wrong order.

#![allow(clippy::unwrap_used, reason = "a test ends with a panic")]

mod peers;
mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use babelwire_auth::testing::{Signer, key_set};
use babelwire_cloud::cloud::Auth;
use babelwire_cloud::runtime::{Function, InvokeError, Options};
use serde_json::{Value, json};
use stage::{Setup, Socket, Stage, event};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// What `http-post.json` announces: 29 bytes.
const NOTES: &str = "Good morning.\n\nGood evening.\n";

/// An uploaded file whose event has not been told yet.
struct Uploaded {
    id: String,
    bucket: String,
    key: String,
}

impl Uploaded {
    fn event(&self, name: &str) -> Value {
        let named = [
            ("BUCKET", self.bucket.as_str()),
            ("KEY", self.key.as_str()),
            ("ID", &self.id),
        ];
        event(name, &named)
    }
}

async fn uploaded(stage: &Stage) -> Uploaded {
    let answer = stage
        .invoke("Rest", &event("http-post.json", &[]))
        .await
        .unwrap();
    assert_eq!(answer["statusCode"], 201, "{answer}");
    let made: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    stage.put(&made["upload"], NOTES).await;
    let url: http::Uri = made["upload"]["url"].as_str().unwrap().parse().unwrap();
    let (bucket, key) = url.path()[1..].split_once('/').unwrap();
    Uploaded {
        id: made["translation"]["id"].as_str().unwrap().to_owned(),
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    }
}

fn failures(answer: &Value) -> Vec<&str> {
    let failures = answer["batchItemFailures"].as_array().unwrap();
    failures
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_websocket_function_answers_connects_messages_and_disconnects_any_number_of_times() {
    let stage = Stage::set(Setup::default()).await;
    for _ in 0..2 {
        let connected = stage
            .invoke("Websocket", &event("websocket-connect.json", &[]))
            .await;
        assert_eq!(connected.unwrap()["statusCode"], 200);
        let pong = stage
            .invoke("Websocket", &event("websocket-ping.json", &[]))
            .await
            .unwrap();
        assert_eq!(pong["statusCode"], 200);
        assert_eq!(pong["body"], r#"{"type":"pong","data":"7"}"#);
        let refused = stage
            .invoke("Websocket", &event("websocket-subscribe.json", &[]))
            .await;
        let refused: Value =
            serde_json::from_str(refused.unwrap()["body"].as_str().unwrap()).unwrap();
        assert_eq!(refused["type"], "error");
    }
    for _ in 0..2 {
        let gone = stage
            .invoke("Websocket", &event("websocket-disconnect.json", &[]))
            .await;
        assert_eq!(gone.unwrap()["statusCode"], 200);
    }
    assert_eq!(
        stage.function("Websocket").processes().len(),
        1,
        "one instance did it all"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_with_a_token_is_answered_with_our_subprotocol() {
    let stage = Stage::set(Setup::default()).await;
    let connect = event(
        "websocket-connect-signed-in.json",
        &[("TOKEN", "aaa.bbb.ccc")],
    );
    let answer = stage.invoke("Websocket", &connect).await.unwrap();
    let headers = &answer["headers"];
    assert_eq!(headers["sec-websocket-protocol"], "babelwire", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_leads_to_the_wrong_function_is_an_error_in_words() {
    let stage = Stage::set(Setup::default()).await;
    let mut stray = event("websocket-ping.json", &[]);
    stray["requestContext"]["routeKey"] = "$default".into();
    let error = stage.invoke("Websocket", &stray).await.unwrap_err();
    assert!(error.to_string().contains("there is no route"), "{error}");
    // And the instance lives on.
    let pong = stage
        .invoke("Websocket", &event("websocket-ping.json", &[]))
        .await;
    assert_eq!(pong.unwrap()["statusCode"], 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_function_answers_the_http_api_each_owner_apart() {
    let stage = Stage::set(Setup::default()).await;
    let list = |answer: Value| -> usize {
        assert_eq!(answer["statusCode"], 200, "{answer}");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        body["translations"].as_array().unwrap().len()
    };
    let post = event("http-post-signed-in.json", &[]);
    let made = stage.invoke("Rest", &post).await.unwrap();
    assert_eq!(made["statusCode"], 201, "{made}");
    let get = event("http-get-signed-in.json", &[]);
    assert_eq!(list(stage.invoke("Rest", &get).await.unwrap()), 1, "ada's");
    let nobody = event("http-get.json", &[]);
    assert_eq!(
        list(stage.invoke("Rest", &nobody).await.unwrap()),
        0,
        "everyone's"
    );
    let another = event("http-get-signed-in.json", &[("\"ada\"", "\"bob\"")]);
    assert_eq!(
        list(stage.invoke("Rest", &another).await.unwrap()),
        0,
        "bob's"
    );

    let mut nameless = get;
    let claims = &mut nameless["requestContext"]["authorizer"]["jwt"]["claims"];
    claims["sub"] = "".into();
    let refused = stage.invoke("Rest", &nameless).await.unwrap();
    assert_eq!(
        refused["statusCode"], 401,
        "an empty subject is not everyone"
    );

    let mut stray = event("http-get.json", &[]);
    stray["rawPath"] = "/api/nothing".into();
    stray["requestContext"]["http"]["path"] = "/api/nothing".into();
    let absent = stage.invoke("Rest", &stray).await.unwrap();
    assert_eq!(absent["statusCode"], 404);
    assert_eq!(
        absent["headers"]["content-type"],
        "application/problem+json"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_starts_its_translation_once_however_often_s3_says_so() {
    let stage = Stage::set(Setup::default()).await;
    let file = uploaded(&stage).await;
    for name in [
        "s3-put.json",
        "s3-two-records.json",
        "s3-put.json",
        "s3-stale.json",
    ] {
        let answer = stage.invoke("Notifier", &file.event(name)).await.unwrap();
        assert_eq!(answer, Value::Null);
        let translation = stage.translation(&file.id).await;
        assert_eq!(
            translation["status"], "queued",
            "after {name}: {translation}"
        );
    }
    let work = stage.drain("WorkQueue").await;
    let wanted = json!({"work": "translate", "id": file.id});
    assert!(
        !work.is_empty() && work.iter().all(|work| *work == wanted),
        "{work:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn news_older_than_what_was_told_is_not_told() {
    let stage = Stage::set(Setup::default()).await;
    let file = uploaded(&stage).await;
    let mut page = stage.connect().await;
    // The deletion comes first, and what it deleted afterwards; then something new.
    for name in ["s3-delete.json", "s3-put.json", "s3-stale.json"] {
        stage.invoke("Notifier", &file.event(name)).await.unwrap();
    }
    let echo = json!({"Records": [{
        "messageId": "1", "eventSource": "aws:sqs", "body":
        json!({"work": "broadcast", "owner": "", "shard": 0, "text": "\"the last\"", "fleeting": false})
            .to_string(),
    }]});
    stage.invoke("Notifier", &echo).await.unwrap();
    let told = page
        .next(|frame| frame["type"] == "object" || frame == "the last")
        .await;
    assert_eq!(told["event"], "ObjectRemoved:Delete", "{told}");
    let told = page
        .next(|frame| frame["type"] == "object" || frame == "the last")
        .await;
    assert_eq!(told, "the last", "the creation was older than the deletion");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_only_the_message_that_is_no_news_comes_again() {
    let stage = Stage::set(Setup::default()).await;
    let file = uploaded(&stage).await;
    let mut page = stage.connect().await;
    let answer = stage
        .invoke("Notifier", &file.event("sqs-batch.json"))
        .await
        .unwrap();
    assert_eq!(
        failures(&answer),
        ["059f36b4-87a3-44ab-83d2-661975550002"],
        "{answer}"
    );
    // Both records of the notification were handled, and the frame after the bad message was sent.
    assert_eq!(stage.translation(&file.id).await["status"], "queued");
    let frame = page.next(|frame| frame["type"] == "pong").await;
    assert_eq!(frame["data"], "to everyone");
    assert_eq!(
        stage
            .invoke("Notifier", &event("s3-test-event.json", &[]))
            .await
            .unwrap(),
        Value::Null
    );
    let error = stage
        .invoke("Notifier", &json!({"detail": 7}))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("neither a batch of SQS"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_comes_twice_is_done_once() {
    let stage = Stage::set(Setup::default()).await;
    let file = uploaded(&stage).await;
    stage
        .invoke("Notifier", &file.event("s3-put.json"))
        .await
        .unwrap();
    let work = file.event("sqs-work.json");
    let answer = stage.invoke("Translator", &work).await.unwrap();
    assert!(failures(&answer).is_empty(), "{answer}");
    let done = stage.translation(&file.id).await;
    assert_eq!(
        (&done["status"], &done["done"]),
        (&json!("done"), &json!(2)),
        "{done}"
    );
    let calls = stage.fake.counts.translate_text.load(Ordering::SeqCst);
    let revision = done["revision"].as_u64();

    let answer = stage.invoke("Translator", &work).await.unwrap();
    assert!(failures(&answer).is_empty(), "{answer}");
    assert_eq!(
        stage.fake.counts.translate_text.load(Ordering::SeqCst),
        calls
    );
    assert_eq!(
        stage.translation(&file.id).await["revision"].as_u64(),
        revision
    );
    let result = stage.result(&file.id).await;
    assert_eq!(result.matches('\n').count(), 3, "{result}");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_broke_off_again_and_again_is_given_up_in_words() {
    let stage = Stage::set(Setup::default()).await;
    let file = uploaded(&stage).await;
    stage
        .invoke("Notifier", &file.event("s3-put.json"))
        .await
        .unwrap();
    let last = file.event("sqs-work-last-time.json");
    let answer = stage.invoke("Translator", &last).await.unwrap();
    assert!(failures(&answer).is_empty(), "{answer}");
    let failed = stage.translation(&file.id).await;
    assert_eq!(failed["status"], "failed");
    let detail = failed["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("tried 4 times"), "{detail}");
    assert_eq!(stage.fake.counts.translate_text.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_finds_work_that_was_lost_and_a_source_whose_event_was_lost() {
    let stage = Stage::set(Setup::default()).await;
    let told = uploaded(&stage).await;
    let untold = uploaded(&stage).await;
    stage
        .invoke("Notifier", &told.event("s3-put.json"))
        .await
        .unwrap();
    stage.drain("WorkQueue").await;
    stage
        .invoke("Translator", &event("schedule.json", &[]))
        .await
        .unwrap();
    let work = stage.drain("WorkQueue").await;
    for id in [&told.id, &untold.id] {
        let wanted = json!({"work": "translate", "id": id});
        assert!(work.contains(&wanted), "{work:?}");
    }
    let error = stage
        .invoke("Translator", &json!({"task": "dance"}))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("recover"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_too_long_for_a_function_is_given_by_the_store() {
    let stage = Stage::set(Setup {
        sources: true,
        ..Setup::default()
    })
    .await;
    // Accents take two bytes, and both texts side by side are more than 4 MiB.
    let sentence = "What is read here is long, and nothing in it is new. ".repeat(30);
    let text = format!("{sentence}\n\n").repeat(1_000_000 / sentence.len() * 2);
    let made = stage.announce("long.txt", text.len()).await;
    stage.put(&made["upload"], text).await;
    let id = made["translation"]["id"].as_str().unwrap();
    stage
        .until(id, |translation| translation["status"] == "done")
        .await;

    let url = format!(
        "{}/api/translations/{id}/side-by-side",
        stage.cloud.origin()
    );
    let answer = stage.http.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let there = answer.url().clone();
    assert!(there.path().contains("/downloads/"), "{there}");
    let disposition = answer.headers()["content-disposition"].to_str().unwrap();
    assert!(disposition.contains("long"), "{disposition}");
    let length = answer.bytes().await.unwrap().len();
    assert!(length > 4 << 20, "{length} bytes");

    // What S3 says of it is no translation's news, and deletes nothing.
    let (bucket, key) = there.path()[1..].split_once('/').unwrap();
    let told = event("s3-put.json", &[("BUCKET", bucket), ("KEY", key)]);
    stage.invoke("Notifier", &told).await.unwrap();
    let again = stage.http.get(there).send().await.unwrap();
    assert_eq!(again.bytes().await.unwrap().len(), length);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_lacks_a_variable_says_which() {
    let program = env!("CARGO_BIN_EXE_babelwire-websocket");
    let mut options = Options::new("websocket", program);
    options.environment = vec![("AWS_REGION".to_owned(), "eu-central-1".to_owned())];
    let function = Function::new(options);
    let error = function.invoke("{}").await.unwrap_err();
    assert!(matches!(&error, InvokeError::Function { kind, .. } if kind == "Runtime.ExitError"));
    let log = function.log().join("\n");
    assert!(
        log.contains("BABELWIRE_TABLE_TRANSLATIONS is not set"),
        "{log}"
    );
}

/// What a handshake that offers these subprotocols is answered with: the status, and the socket if
/// it was let in.
async fn handshake(stage: &Stage, offered: Option<&str>) -> Result<Socket, u16> {
    let mut request = stage.cloud.socket_url().into_client_request().unwrap();
    if let Some(offered) = offered {
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", offered.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, answer)) => {
            assert_eq!(answer.headers()["sec-websocket-protocol"], "babelwire");
            Ok(Socket(socket))
        }
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_sign_in_a_token_opens_both_apis_to_its_owner_alone() {
    let signer = Signer::new("key-1", "RS256").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let jwks = folder.path().join("jwks.json");
    std::fs::write(&jwks, key_set(&[&signer]).unwrap()).unwrap();
    let stage = Stage::set(Setup {
        sources: true,
        auth: Some(Auth {
            jwks,
            issuer: Some("https://issuer.example".to_owned()),
            audience: None,
            sign_in: None,
        }),
        ..Setup::default()
    })
    .await;
    let exp = jiff::Timestamp::now().as_second() + 600;
    let token = |subject: &str| {
        let claims = json!({"sub": subject, "iss": "https://issuer.example", "exp": exp});
        signer.token(&claims).unwrap()
    };
    let list = async |token: Option<&str>| {
        let url = format!("{}/api/translations", stage.cloud.origin());
        let mut request = stage.http.get(url);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.send().await.unwrap()
    };
    let refused = list(None).await;
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().contains_key("www-authenticate"));
    assert_eq!(list(Some("no.token.atall")).await.status(), 401);
    assert_eq!(
        stage.get("health").await["status"],
        "ok",
        "open to everybody"
    );

    assert_eq!(handshake(&stage, None).await.err(), Some(401));
    assert_eq!(
        handshake(&stage, Some("babelwire, a.b.c")).await.err(),
        Some(403)
    );
    let offered = |subject: &str| format!("babelwire, {}", token(subject));
    let mut ada = handshake(&stage, Some(&offered("ada"))).await.unwrap();
    let mut bob = handshake(&stage, Some(&offered("bob"))).await.unwrap();

    let body = json!({"name": "a.txt", "size": 1, "source": "en", "target": "es"});
    let made = stage
        .http
        .post(format!("{}/api/translations", stage.cloud.origin()))
        .header("authorization", format!("Bearer {}", token("ada")))
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    ada.next(|frame| frame["type"] == "translation").await;
    bob.send(&json!({"action": "ping", "data": "still here"}))
        .await;
    let first = bob.next(|_| true).await;
    assert_eq!(
        first["type"], "pong",
        "bob heard nothing of ada's file: {first}"
    );
    for (subject, count) in [("ada", 1), ("bob", 0)] {
        let answer = list(Some(&token(subject))).await.text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            answer["translations"].as_array().unwrap().len(),
            count,
            "{subject}'s"
        );
    }
}

/// An issuer whose key set is at a URL, and how often it was asked for.
async fn issuer(signers: &[&Signer]) -> (String, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let (keys, counted) = (key_set(signers).unwrap(), Arc::clone(&asked));
    let answer = axum::routing::get(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(keys.clone())
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let app = axum::Router::new().route("/jwks.json", answer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authorizer_lets_in_who_has_a_token_and_asks_for_the_keys_once() {
    let signer = Signer::new("key-1", "RS256").unwrap();
    let stranger = Signer::new("key-2", "RS256").unwrap();
    let (url, asked) = issuer(&[&signer]).await;
    let mut options = Options::new("authorizer", env!("CARGO_BIN_EXE_babelwire-authorizer"));
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    // One instance, which remembers.
    options.concurrency = 1;
    options.environment = vec![
        variable("BABELWIRE_AUTH_JWKS_URL", &url),
        variable("BABELWIRE_AUTH_ISSUER", "https://issuer.example"),
        variable("BABELWIRE_AUTH_AUDIENCE", "page"),
    ];
    let function = Function::new(options);
    let ask = async |token: &str| -> Result<Value, InvokeError> {
        let request = event("authorizer-request.json", &[("TOKEN", token)]);
        let answer = function.invoke(request.to_string()).await?;
        Ok(serde_json::from_slice(&answer.payload).unwrap())
    };
    let exp = jiff::Timestamp::now().as_second() + 600;
    let claims = json!({"sub": "ada", "iss": "https://issuer.example", "aud": "page", "exp": exp});
    let mut foreign = claims.clone();
    foreign["aud"] = "another page".into();

    for _ in 0..2 {
        let answer = ask(&signer.token(&claims).unwrap()).await.unwrap();
        assert_eq!(answer["principalId"], "ada");
        assert_eq!(answer["context"]["owner"], "ada");
        let statement = &answer["policyDocument"]["Statement"][0];
        assert_eq!(statement["Effect"], "Allow");
        let resource = statement["Resource"].as_str().unwrap();
        assert!(resource.ends_with("/live/$connect"), "{resource}");
    }
    for token in [
        signer.token(&foreign).unwrap(),
        stranger.token(&claims).unwrap(),
    ] {
        let answer = ask(&token).await.unwrap();
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny");
        assert!(answer.get("context").is_none_or(Value::is_null));
    }
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "unknown keys do not fetch again at once"
    );
    let error = ask("no-token").await.unwrap_err();
    assert!(
        matches!(&error, InvokeError::Function { message, .. } if message == "Unauthorized"),
        "{error}"
    );
}
