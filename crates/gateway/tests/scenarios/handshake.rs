use std::{sync::Arc, time::Duration};

use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use babelwire_gateway::{BuildError, Gateway, Limits};
use serde_json::Value;
use tokio::{sync::Notify, time::Instant};

use crate::harness::{Host, answer, hang, mirror, ok, request, request_with, seconds_since};

#[tokio::test(start_paused = true)]
async fn connect_is_asked_before_the_client_is_answered() {
    let (asked, consent) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (asked.clone(), consent.clone());
    let host = Host::new(Gateway::builder().route("$connect", move |_| {
        let (tell, wait) = (tell.clone(), wait.clone());
        async move {
            tell.notify_one();
            wait.notified().await;
            ok("")
        }
    }));
    let handshake = async { host.dial(request("/live"), 4096).await.unwrap() };
    tokio::pin!(handshake);
    tokio::select! {
        _ = &mut handshake => panic!("answered before the handler was done"),
        () = asked.notified() => {}
    }
    assert!(
        host.connections.is_empty(),
        "a connection that does not exist yet"
    );
    let early = tokio::time::timeout(Duration::from_secs(10), &mut handshake).await;
    assert!(early.is_err(), "answered before the handler was done");
    consent.notify_one();
    handshake.await;
    assert_eq!(host.connections.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_connect_route_everyone_is_let_in() {
    let host = Host::new(Gateway::builder());
    let client = host.client().await;
    assert_eq!(client.response.status(), 101);
    assert_eq!(
        client.response.headers()["sec-websocket-accept"],
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    assert!(host.dial(request("/live/"), 4096).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_connect_refuses_with_is_what_the_client_gets() {
    let host = Host::new(Gateway::builder().route("$connect", |_| async {
        let mut refusal = answer(401, r#"{"why":"no token"}"#)?;
        refusal
            .headers
            .insert("WWW-Authenticate", "Bearer".parse().unwrap());
        Ok::<_, String>(refusal)
    }));
    let refused = host.dial(request("/live"), 4096).await.err().unwrap();
    assert_eq!(
        (refused.status, &*refused.body),
        (401, r#"{"why":"no token"}"#)
    );
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    assert!(host.connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_fails_is_a_bad_gateway() {
    let fails = Gateway::builder().route("$connect", |_| async {
        Err::<ApiGatewayProxyResponse, _>("broken")
    });
    let panics = Gateway::builder().route("$connect", |event: crate::harness::Event| async move {
        assert!(event.resource.is_some(), "on purpose");
        ok("")
    });
    let panics_at_once = Gateway::builder().route("$connect", |event: crate::harness::Event| {
        assert!(event.resource.is_some(), "on purpose");
        async { ok("") }
    });
    let answers_nonsense = Gateway::builder().route("$connect", |_| async { answer(7, "") });
    for builder in [fails, panics, panics_at_once, answers_nonsense] {
        let host = Host::new(builder);
        let refused = host.dial(request("/live"), 4096).await.err().unwrap();
        assert_eq!(refused.status, 502);
        assert!(
            refused
                .body
                .contains(r#""message": "Internal server error""#),
            "{refused:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_takes_29_seconds_is_a_gateway_timeout() {
    let host = Host::new(Gateway::builder().route("$connect", hang));
    let began = Instant::now();
    let refused = host.dial(request("/live"), 4096).await.err().unwrap();
    assert_eq!((refused.status, seconds_since(began)), (504, 29));
    assert!(
        refused
            .body
            .contains(r#""message": "Endpoint request timed out""#),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_connect_event_carries_the_handshake() {
    let events = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = events.clone();
    let host = Host::new(Gateway::builder().stage("prod").api_id("abcdef1234").route(
        "$connect",
        move |event| {
            keep.lock().unwrap().push(event);
            async { ok("") }
        },
    ));
    let headers = [
        ("User-Agent", "peer/1"),
        ("X-Many", "one"),
        ("X-Many", "two"),
        ("Cookie", "a=b"),
    ];
    let dialed = host
        .dial(request_with("/prod?token=a%20b&x=1&x=2", &headers), 4096)
        .await;
    assert!(dialed.is_ok());

    let event = events.lock().unwrap().pop().unwrap();
    let context = &event.request_context;
    assert_eq!(context.route_key.as_deref(), Some("$connect"));
    assert_eq!(context.event_type.as_deref(), Some("CONNECT"));
    assert_eq!(context.message_direction.as_deref(), Some("IN"));
    assert_eq!(context.stage.as_deref(), Some("prod"));
    assert_eq!(context.apiid.as_deref(), Some("abcdef1234"));
    assert_eq!(context.domain_name.as_deref(), Some("localhost:8080"));
    assert_eq!(context.connection_id.as_deref(), Some(&*host.only_id()));
    assert_eq!(context.identity.source_ip.as_deref(), Some("10.9.8.7"));
    assert_eq!(context.identity.user_agent.as_deref(), Some("peer/1"));
    assert_eq!(context.request_id.as_ref().map(String::len), Some(16));
    assert!(
        context.request_time.as_ref().unwrap().ends_with(" +0000"),
        "{context:?}"
    );
    assert!(context.request_time_epoch >= context.connected_at && context.connected_at > 0);
    assert_eq!(event.headers["x-many"], "two");
    let many: Vec<_> = event.multi_value_headers.get_all("x-many").iter().collect();
    assert_eq!(many, ["one", "two"]);
    assert_eq!(event.headers["cookie"], "a=b");
    assert_eq!(event.query_string_parameters.first("token"), Some("a b"));
    assert_eq!(
        event.multi_value_query_string_parameters.all("x"),
        Some(vec!["1", "2"])
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_event_has_the_body_and_not_the_headers() {
    let host = Host::new(Gateway::builder().route_with_response("who", mirror));
    let mut client = host.client().await;
    client.send(r#"{"action":"who"}"#).await;
    let event: Value = serde_json::from_str(&client.text().await).unwrap();
    let context = &event["requestContext"];
    assert_eq!(event["body"], r#"{"action":"who"}"#);
    assert_eq!(event["headers"], serde_json::json!({}));
    assert_eq!(context["eventType"], "MESSAGE");
    assert_eq!(context["routeKey"], "who");
    assert_eq!(context["connectionId"], *host.only_id());
    assert_eq!(context["messageId"].as_str().map(str::len), Some(16));
    assert_ne!(context["messageId"], context["requestId"]);
    assert_eq!(context["identity"]["sourceIp"], "10.9.8.7");
    assert!(context["requestTimeEpoch"].as_i64() >= context["connectedAt"].as_i64());
}

#[tokio::test(start_paused = true)]
async fn a_subprotocol_is_agreed_on_only_if_connect_says_so() {
    let silent = Host::new(Gateway::builder().route("$connect", |_| async { ok("") }));
    let offer = [("Sec-WebSocket-Protocol", "chat, v2")];
    let plain = request_with("/live", &offer);
    // The client library takes a missing subprotocol for an error, as browsers do.
    let refused = std::panic::AssertUnwindSafe(silent.dial(plain, 4096));
    let outcome = futures::FutureExt::catch_unwind(refused).await;
    assert!(outcome.is_err(), "a subprotocol that nobody chose");

    let chooses = Host::new(Gateway::builder().route("$connect", |_| async {
        let mut accepted = ok("")?;
        accepted
            .headers
            .insert("Sec-WebSocket-Protocol", "v2".parse().unwrap());
        Ok::<_, String>(accepted)
    }));
    let client = chooses
        .dial(request_with("/live", &offer), 4096)
        .await
        .unwrap();
    assert_eq!(client.response.headers()["sec-websocket-protocol"], "v2");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_connect_consents_is_reported_as_gone() {
    let (asked, consent) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (asked.clone(), consent.clone());
    let host = Host::new(Gateway::builder().route("$connect", move |_| {
        let (tell, wait) = (tell.clone(), wait.clone());
        async move {
            tell.notify_one();
            wait.notified().await;
            ok("")
        }
    }));
    tokio::select! {
        _ = host.dial(request("/live"), 4096) => panic!("answered too soon"),
        () = asked.notified() => {}
    }
    // The client has hung up; the handler, which knows nothing of it, consents.
    consent.notify_one();
    assert_eq!(host.left().await.0, 1006);
    assert!(host.connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_handshake_is_told_so() {
    let host = Host::new(Gateway::builder());
    let get = |path: &str| http::Request::get(path).header("Host", "localhost");
    let plain = host
        .http(get("/live").body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!(
        (plain.status, &plain.headers["upgrade"]),
        (426, &"websocket".parse().unwrap())
    );

    let mut old = request("/live");
    old.headers_mut()
        .insert("Sec-WebSocket-Version", "8".parse().unwrap());
    let refused = host.dial(old, 4096).await.err().unwrap();
    assert_eq!(
        (refused.status, &refused.headers["sec-websocket-version"]),
        (400, &"13".parse().unwrap())
    );

    let mut keyless = request("/live");
    keyless
        .headers_mut()
        .insert("Sec-WebSocket-Key", "c2hvcnQ=".parse().unwrap());
    let refused = host.http(keyless.map(|()| axum::body::Body::empty())).await;
    assert_eq!(refused.status, 400);
}

#[tokio::test(start_paused = true)]
async fn another_path_is_forbidden() {
    let host = Host::new(Gateway::builder());
    for path in [
        "/",
        "/prod",
        "/live2",
        "/live/x",
        "/LIVE",
        "/live/@connections",
        "/x/live",
    ] {
        let refused = host.dial(request(path), 4096).await.err().unwrap();
        assert_eq!(
            (refused.status, &*refused.body),
            (403, r#"{"message":"Forbidden"}"#),
            "{path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn beside_other_paths_a_stray_handshake_is_forbidden_and_a_page_is_served() {
    use axum::{Router, body::Body, routing::get};
    use tower::ServiceExt as _;
    let gateway = Gateway::builder().build().unwrap();
    let pages = Router::new().route("/page", get(|| async { "a page" }));
    let app = gateway.refuse_stray_handshakes(gateway.router().merge(pages));

    let stray = request("/page").map(|()| Body::empty());
    assert_eq!(app.clone().oneshot(stray).await.unwrap().status(), 403);
    let page = http::Request::get("/page").body(Body::empty()).unwrap();
    assert_eq!(app.clone().oneshot(page).await.unwrap().status(), 200);
    // It is let through to the stage, whose server here cannot upgrade.
    let own = request("/live").map(|()| Body::empty());
    assert_eq!(app.oneshot(own).await.unwrap().status(), 500);
}

#[tokio::test]
async fn what_is_below_the_stage_and_nothing_of_the_gateways_is_forbidden() {
    use axum::{Router, body::Body, http::StatusCode};
    use tower::ServiceExt as _;
    let gateway = Gateway::builder().build().unwrap();
    let pages = Router::new().fallback(|| async { StatusCode::NOT_FOUND });
    let app = gateway.router().merge(pages);
    for path in [
        "/live/x",
        "/live/x/y",
        "/live/@connections",
        "/live/@connections/",
        "/live/@connections/a/b",
        "/live/%40connections/a/b",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let stray = http::Request::builder()
                .method(method)
                .uri(path)
                .header("host", "localhost")
                .body(Body::empty())
                .unwrap();
            let forbidden = app.clone().oneshot(stray).await.unwrap();
            assert_eq!(forbidden.status(), 403, "{method} {path}");
            let body = axum::body::to_bytes(forbidden.into_body(), 1024).await;
            assert_eq!(
                body.unwrap(),
                r#"{"message":"Forbidden"}"#,
                "{method} {path}"
            );
        }
    }
    let elsewhere = http::Request::get("/x").body(Body::empty()).unwrap();
    assert_eq!(app.oneshot(elsewhere).await.unwrap().status(), 404);
}

#[test]
fn what_cannot_be_a_gateway_is_refused_in_words() {
    let build = |builder: babelwire_gateway::GatewayBuilder| builder.build().unwrap_err();
    let stage = build(Gateway::builder().stage("a/b"));
    assert!(
        matches!(&stage, BuildError::Stage(stage) if stage == "a/b"),
        "{stage}"
    );
    let twice = build(Gateway::builder().route("a", mirror).route("a", mirror));
    assert!(matches!(twice, BuildError::DuplicateRoute(_)), "{twice}");
    let key = build(Gateway::builder().route("$conect", mirror));
    assert!(matches!(key, BuildError::RouteKey(_)), "{key}");
    let expression = build(Gateway::builder().route_selection_expression("action"));
    assert!(
        matches!(expression, BuildError::RouteSelectionExpression(_)),
        "{expression}"
    );
    let limits = Limits {
        handlers_in_flight: 0,
        ..Limits::default()
    };
    let limit = build(Gateway::builder().limits(limits));
    assert!(
        matches!(limit, BuildError::Limit("handlers_in_flight")),
        "{limit}"
    );
}
