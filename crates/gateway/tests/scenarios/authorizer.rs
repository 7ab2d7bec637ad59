use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayCustomAuthorizerResponse,
};
use babelwire_gateway::{BuildError, Gateway, GatewayBuilder};
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};

use crate::harness::{Host, Refused, mirror, ok, request, request_with, seconds_since};

type Request = ApiGatewayCustomAuthorizerRequestTypeRequest;

const ARN: &str = "arn:aws:execute-api:local:000000000000:local/live/$connect";

/// An answer as an authorizer in any language writes it.
fn parsed(answer: Value) -> Result<ApiGatewayCustomAuthorizerResponse, String> {
    serde_json::from_value(answer).map_err(|error| error.to_string())
}

fn says(effect: &str, resource: &str) -> Value {
    json!({
        "principalId": "ada",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource},
            ],
        },
    })
}

/// The answer `says`, with another part.
fn with(mut answer: Value, pointer: &str, value: Value) -> Value {
    *answer.pointer_mut(pointer).unwrap() = value;
    answer
}

fn authorized_by(answer: Value) -> GatewayBuilder {
    Gateway::builder().authorizer(move |_| {
        let answer = answer.clone();
        async move { parsed(answer) }
    })
}

async fn refusal(builder: GatewayBuilder) -> Refused {
    let host = Host::new(builder.route("$connect", |_| async {
        panic!("who was not authorized must not get to $connect");
        #[expect(unreachable_code, reason = "it names the type")]
        ok("")
    }));
    let refused = host.dial(request("/live"), 4096).await.err().unwrap();
    assert!(host.connections.is_empty());
    refused
}

#[tokio::test(start_paused = true)]
async fn what_the_authorizer_says_of_a_client_comes_with_every_event_of_its_connection() {
    let connects = Arc::new(Mutex::new(Vec::new()));
    let keep = connects.clone();
    let mut answer = says("Allow", ARN);
    answer["context"] = json!({"owner": "ada", "level": 7, "share": 0.5, "admin": true});
    let host = Host::new(
        authorized_by(answer)
            .route("$connect", move |event| {
                keep.lock().unwrap().push(event);
                async { ok("") }
            })
            .route_with_response("$default", mirror),
    );
    let mut client = host.client().await;
    client.send("hello").await;
    let message: Value = serde_json::from_str(&client.text().await).unwrap();
    client.close(None).await;
    let left = serde_json::to_value(host.left_event().await).unwrap();
    let connect = serde_json::to_value(connects.lock().unwrap().pop().unwrap()).unwrap();

    for event in [&connect, &message, &left] {
        let authorizer = &event["requestContext"]["authorizer"];
        assert_eq!(authorizer["principalId"], "ada", "{event}");
        assert_eq!(authorizer["owner"], "ada");
        assert_eq!(authorizer["level"], "7");
        assert_eq!(authorizer["share"], "0.5");
        assert_eq!(authorizer["admin"], "true");
        assert!(authorizer["integrationLatency"].is_u64(), "{authorizer}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_authorizer_events_have_none() {
    let host = Host::new(Gateway::builder().route_with_response("$default", mirror));
    let mut client = host.client().await;
    client.send("hello").await;
    let message: Value = serde_json::from_str(&client.text().await).unwrap();
    assert!(
        message["requestContext"].get("authorizer").is_none(),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_authorizer_sees_the_handshake_as_a_lambda_authorizer_does() {
    let requests = Arc::new(Mutex::new(Vec::<Request>::new()));
    let keep = requests.clone();
    let connects = Arc::new(Mutex::new(Vec::new()));
    let keep_connect = connects.clone();
    let builder = Gateway::builder()
        .stage("prod")
        .api_id("abcdef123")
        .authorizer(move |request| {
            keep.lock().unwrap().push(request);
            async { parsed(says("Allow", "*")) }
        })
        .route("$connect", move |event| {
            keep_connect.lock().unwrap().push(event);
            async { ok("") }
        });
    let host = Host::new(builder);
    let headers = [
        ("X-Token", "a.b.c"),
        ("X-Twice", "one"),
        ("X-Twice", "two"),
        ("User-Agent", "test"),
    ];
    let client = host
        .dial(request_with("/prod?q=1&q=2", &headers), 4096)
        .await
        .unwrap();
    let request = serde_json::to_value(requests.lock().unwrap().pop().unwrap()).unwrap();
    let connect = serde_json::to_value(connects.lock().unwrap().pop().unwrap()).unwrap();
    drop(client);

    assert_eq!(request["type"], "REQUEST");
    assert_eq!(
        request["methodArn"],
        "arn:aws:execute-api:local:000000000000:abcdef123/prod/$connect"
    );
    assert_eq!(request["headers"]["x-token"], "a.b.c");
    assert_eq!(
        request["multiValueHeaders"]["x-twice"],
        json!(["one", "two"])
    );
    assert_eq!(
        request["queryStringParameters"],
        connect["queryStringParameters"]
    );
    let context = &request["requestContext"];
    assert_eq!(context["routeKey"], "$connect");
    assert_eq!(context["eventType"], "CONNECT");
    assert_eq!(context["stage"], "prod");
    assert_eq!(context["apiId"], "abcdef123");
    assert_eq!(context["domainName"], "localhost:8080");
    assert_eq!(context["identity"]["sourceIp"], "10.9.8.7");
    assert_eq!(context["identity"]["userAgent"], "test");
    for name in [
        "connectionId",
        "requestId",
        "connectedAt",
        "requestTimeEpoch",
    ] {
        assert_eq!(context[name], connect["requestContext"][name], "{name}");
        assert!(!context[name].is_null(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_a_403_that_says_whether_it_was_explicit() {
    let explicit =
        r#"{"Message":"User is not authorized to access this resource with an explicit deny"}"#;
    let implicit = r#"{"Message":"User is not authorized to access this resource"}"#;
    let elsewhere = "arn:aws:execute-api:local:000000000000:local/test/$connect";
    let both = with(
        says("Allow", ARN),
        "/policyDocument/Statement",
        json!([
            {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"},
            {"Action": "execute-api:*", "Effect": "Deny", "Resource": ["x", "*/live/*"]},
        ]),
    );
    let other_action = with(
        says("Allow", ARN),
        "/policyDocument/Statement/0/Action",
        json!(["execute-api:ManageConnections", "s3:*"]),
    );
    let nothing = with(says("Allow", ARN), "/policyDocument/Statement", json!([]));
    for (answer, body) in [
        (says("Deny", ARN), explicit),
        (says("Deny", "*"), explicit),
        (both, explicit),
        (says("Deny", elsewhere), implicit),
        (says("Allow", elsewhere), implicit),
        (other_action, implicit),
        (nothing, implicit),
    ] {
        let refused = refusal(authorized_by(answer)).await;
        assert_eq!((refused.status, &*refused.body), (403, body));
        assert_eq!(refused.headers["x-amzn-errortype"], "AccessDeniedException");
        assert_eq!(refused.headers["content-type"], "application/json");
    }
}

#[tokio::test(start_paused = true)]
async fn an_allowance_may_be_wider_than_the_one_connection() {
    for resource in [
        "*",
        "arn:aws:execute-api:*:*:*",
        "arn:aws:execute-api:local:*:local/live/*",
    ] {
        let host = Host::new(authorized_by(says("Allow", resource)));
        host.client().await;
    }
    for action in ["*", "execute-api:*", "EXECUTE-API:invoke"] {
        let pointer = "/policyDocument/Statement/0/Action";
        let host = Host::new(authorized_by(with(
            says("Allow", ARN),
            pointer,
            json!(action),
        )));
        host.client().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_none_is_a_500() {
    let statement = "/policyDocument/Statement/0";
    let conditional = with(
        says("Allow", ARN),
        statement,
        json!({
            "Action": "execute-api:Invoke", "Effect": "Allow", "Resource": ARN,
            "Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}},
        }),
    );
    let mut with_context = says("Allow", ARN);
    with_context["context"] = Value::Null;
    let context = |context: Value| with(with_context.clone(), "/context", context);
    for answer in [
        with(says("Allow", ARN), "/principalId", Value::Null),
        with(says("Allow", ARN), "/principalId", json!("")),
        conditional,
        context(json!({"groups": ["a"]})),
        context(json!({"user": {"name": "ada"}})),
        context(json!({"nothing": null})),
        context(json!(["ada"])),
        context(json!("ada")),
        context(json!({"much": "m".repeat(8 * 1024)})),
    ] {
        let refused = refusal(authorized_by(answer.clone())).await;
        assert_eq!(refused.status, 500, "{answer}");
        assert!(
            refused
                .body
                .contains(r#""message": "Internal server error""#)
        );
        assert_eq!(
            refused.headers["x-amzn-errortype"],
            "AuthorizerConfigurationException"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_authorizer_that_fails_or_panics_or_is_late_is_a_500() {
    let fails = Gateway::builder().authorizer(|_| async { parsed(json!({"statusCode": 401})) });
    let panics = Gateway::builder().authorizer(|request: Request| async move {
        assert!(request.path.is_some(), "on purpose");
        parsed(says("Allow", ARN))
    });
    for builder in [fails, panics] {
        let refused = refusal(builder).await;
        assert_eq!(refused.status, 500);
        assert_eq!(
            refused.headers["x-amzn-errortype"],
            "AuthorizerFailureException"
        );
    }
    let began = Instant::now();
    let hangs = Gateway::builder().authorizer(|_| async {
        std::future::pending::<()>().await;
        parsed(says("Allow", ARN))
    });
    assert_eq!(
        (refusal(hangs).await.status, seconds_since(began)),
        (500, 29)
    );
}

#[tokio::test(start_paused = true)]
async fn the_error_unauthorized_is_a_401_as_from_a_lambda_authorizer() {
    let refused =
        refusal(Gateway::builder().authorizer(|_| async {
            Err::<ApiGatewayCustomAuthorizerResponse, _>("Unauthorized")
        }))
        .await;
    assert_eq!(
        (refused.status, &*refused.body),
        (401, r#"{"message":"Unauthorized"}"#)
    );
    assert_eq!(refused.headers["x-amzn-errortype"], "UnauthorizedException");
    // Only to the letter.
    let refused =
        refusal(Gateway::builder().authorizer(|_| async {
            Err::<ApiGatewayCustomAuthorizerResponse, _>("unauthorized")
        }))
        .await;
    assert_eq!(refused.status, 500);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_without_its_identity_sources_is_a_401_and_the_authorizer_is_not_asked() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let host = Host::new(
        Gateway::builder()
            .authorizer(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                async { parsed(says("Allow", ARN)) }
            })
            .identity_sources([
                "route.request.header.X-Token",
                "route.request.querystring.tenant",
            ]),
    );
    let token = [("x-token", "a.b.c")];
    for lacking in [
        request("/live"),
        request("/live?tenant=1"),
        request_with("/live", &token),
        request_with("/live?tenant=", &token),
        request_with("/live?tenant=1", &[("X-Token", "")]),
    ] {
        let refused = host.dial(lacking, 4096).await.err().unwrap();
        assert_eq!(
            (refused.status, &*refused.body),
            (401, r#"{"message":"Unauthorized"}"#)
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);

    host.dial(request_with("/live?tenant=1", &token), 4096)
        .await
        .unwrap_or_else(|refused| panic!("{refused:?}"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn an_identity_source_that_is_none_is_said_at_the_start() {
    for source in ["Authorization", "method.request.header.Auth"] {
        let built = authorized_by(says("Allow", ARN))
            .identity_sources([source])
            .build();
        assert!(
            matches!(&built, Err(BuildError::IdentitySource(named)) if named == source),
            "{built:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_does_not_cut_the_authorizer_short_and_gets_no_further() {
    let (asked, consent) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let ended = Arc::new(Notify::new());
    let (tell, wait, done) = (asked.clone(), consent.clone(), ended.clone());
    let host = Host::new(
        Gateway::builder()
            .authorizer(move |_| {
                let (tell, wait, done) = (tell.clone(), wait.clone(), done.clone());
                async move {
                    tell.notify_one();
                    wait.notified().await;
                    done.notify_one();
                    parsed(says("Allow", ARN))
                }
            })
            .route("$connect", |_| async {
                panic!("nobody waits for this");
                #[expect(unreachable_code, reason = "it names the type")]
                ok("")
            }),
    );
    let handshake = host.dial(request("/live"), 4096);
    tokio::select! {
        _ = handshake => panic!("answered before the authorizer was done"),
        () = asked.notified() => {}
    }
    consent.notify_one();
    ended.notified().await;
    assert!(host.connections.shutdown(Duration::from_secs(1)).await);
    assert!(host.connections.is_empty());
}
