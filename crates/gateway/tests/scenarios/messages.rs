use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use babelwire_gateway::{Gateway, Limits};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{sync::Semaphore, time::Instant};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Event, Host, answer, hang, mirror, ok, seconds_since};

#[tokio::test(start_paused = true)]
async fn a_message_goes_to_the_route_it_names() {
    let host = Host::new(
        Gateway::builder()
            .route_with_response("a", |_| async { ok("from a") })
            .route_with_response("7", |_| async { ok("from 7") })
            .route_with_response("true", |_| async { ok("from true") })
            .route_with_response("$default", |_| async { ok("from $default") }),
    );
    let mut client = host.client().await;
    for (message, from) in [
        (r#"{"action":"a"}"#, "from a"),
        (r#"{"action":7}"#, "from 7"),
        (r#"{"action":"7"}"#, "from 7"),
        (r#"{"action":true}"#, "from true"),
        (r#"{"action":"A"}"#, "from $default"),
        (r#"{"action":"a "}"#, "from $default"),
        (r#"{"action":{"action":"a"}}"#, "from $default"),
        (r#"{"action":"$disconnect"}"#, "from $default"),
        ("{}", "from $default"),
        ("a", "from $default"),
        ("", "from $default"),
    ] {
        client.send(message).await;
        assert_eq!(client.text().await, from, "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_default_route_the_client_is_told_forbidden_and_stays() {
    let host = Host::new(Gateway::builder().route_with_response("a", |_| async { ok("a") }));
    let mut client = host.client().await;
    for message in [
        "no json",
        "{}",
        r#"{"action":"b"}"#,
        r#"{"action":"$connect"}"#,
    ] {
        client.send(message).await;
        let frame = client.text().await;
        let parsed: Value = serde_json::from_str(&frame).unwrap();
        let request_id = parsed["requestId"].as_str().unwrap();
        assert_eq!(
            frame,
            format!(
                r#"{{"message": "Forbidden", "connectionId":"{}", "requestId":"{request_id}"}}"#,
                host.only_id()
            )
        );
    }
    client.send(r#"{"action":"a"}"#).await;
    assert_eq!(client.text().await, "a");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_or_panics_costs_one_error_frame() {
    let host = Host::new(
        Gateway::builder()
            .route("fail", |_| async {
                Err::<ApiGatewayProxyResponse, _>("broken")
            })
            .route("panic", |event: Event| async move {
                assert!(event.resource.is_some(), "on purpose");
                ok("")
            })
            .route("panic at once", |event: Event| {
                assert!(event.resource.is_some(), "on purpose");
                async { ok("") }
            })
            .route_with_response("well", |_| async { ok("well") }),
    );
    let mut client = host.client().await;
    for action in ["fail", "panic", "panic at once"] {
        client.send(&format!(r#"{{"action":"{action}"}}"#)).await;
        let frame = client.text().await;
        let start = format!(
            r#"{{"message": "Internal server error", "connectionId":"{}", "requestId":""#,
            host.only_id()
        );
        assert!(frame.starts_with(&start), "{action}: {frame}");
    }
    client.send(r#"{"action":"well"}"#).await;
    assert_eq!(client.text().await, "well");
}

/// Counts its end.
struct Drops(Arc<AtomicUsize>);
impl Drop for Drops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_given_up_after_29_seconds() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = dropped.clone();
    let host = Host::new(Gateway::builder().route("hang", move |event| {
        let held = Drops(count.clone());
        async move {
            let _held = held;
            hang(event).await
        }
    }));
    let mut client = host.client().await;
    let began = Instant::now();
    client.send(r#"{"action":"hang"}"#).await;
    let frame = client.text().await;
    assert!(frame.starts_with(r#"{"message": "Endpoint request timed out", "connectionId":""#));
    assert_eq!(seconds_since(began), 29);
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "the handler still runs");
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_answers_is_sent_only_on_routes_with_a_response() {
    let host = Host::new(
        Gateway::builder()
            .route("without", |_| async { ok("never seen") })
            .route_with_response("empty", |_| async { ok("") })
            .route_with_response("base64", |_| async {
                let mut response = ok("aGVsbG8=")?;
                response.is_base64_encoded = true;
                Ok::<_, String>(response)
            })
            .route_with_response("error status", |_| async { answer(500, "still sent") })
            .route_with_response("too large", |_| async { ok(&"x".repeat(128 * 1024 + 1)) }),
    );
    let mut client = host.client().await;
    for action in ["without", "empty"] {
        client.send(&format!(r#"{{"action":"{action}"}}"#)).await;
        client.hears_nothing_for(Duration::from_secs(60)).await;
    }
    client.send(r#"{"action":"base64"}"#).await;
    assert_eq!(client.text().await, "hello");
    client.send(r#"{"action":"error status"}"#).await;
    assert_eq!(client.text().await, "still sent");
    client.send(r#"{"action":"too large"}"#).await;
    assert!(client.text().await.contains("Internal server error"));
}

#[tokio::test(start_paused = true)]
async fn handlers_of_one_connection_run_side_by_side_but_not_without_bound() {
    let (running, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (count, wait) = (running.clone(), gate.clone());
    let limits = Limits {
        handlers_in_flight: 3,
        ..Limits::default()
    };
    let host = Host::new(Gateway::builder().limits(limits).route_with_response(
        "work",
        move |_| {
            let (count, wait) = (count.clone(), wait.clone());
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                wait.acquire().await.unwrap().forget();
                ok("done")
            }
        },
    ));
    let mut client = host.client().await;
    for _ in 0..10 {
        client.send(r#"{"action":"work"}"#).await;
    }
    // On the virtual clock a second has passed when everybody has done what they can.
    client.hears_nothing_for(Duration::from_secs(1)).await;
    assert_eq!(running.load(Ordering::SeqCst), 3);

    gate.add_permits(1);
    assert_eq!(client.text().await, "done");
    client.hears_nothing_for(Duration::from_secs(1)).await;
    assert_eq!(running.load(Ordering::SeqCst), 4);

    gate.add_permits(9);
    for _ in 0..9 {
        assert_eq!(client.text().await, "done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_still_gets_what_is_posted_to_it() {
    let limits = Limits {
        handlers_in_flight: 1,
        ..Limits::default()
    };
    let host = Host::new(Gateway::builder().limits(limits).route("hang", hang));
    let mut client = host.client().await;
    client.send(r#"{"action":"hang"}"#).await;
    client.send(r#"{"action":"hang"}"#).await;
    client.hears_nothing_for(Duration::from_secs(1)).await;
    host.connections
        .post_to_connection(&host.only_id(), "news")
        .await
        .unwrap();
    assert_eq!(client.text().await, "news");
}

#[tokio::test(start_paused = true)]
async fn a_handler_can_write_to_its_own_connection_and_to_others() {
    let builder = Gateway::builder();
    let connections = builder.connections();
    let host = Host::new(builder.route("all", move |event: Event| {
        let connections = connections.clone();
        async move {
            for id in connections.ids() {
                connections
                    .post_to_connection(&id, event.body.clone().unwrap())
                    .await
                    .map_err(|error| error.to_string())?;
            }
            ok("")
        }
    }));
    let (mut one, mut two) = (host.client().await, host.client().await);
    one.send(r#"{"action":"all"}"#).await;
    assert_eq!(one.text().await, r#"{"action":"all"}"#);
    assert_eq!(two.text().await, r#"{"action":"all"}"#);
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_also_in_the_middle_of_a_large_message() {
    let host = Host::new(Gateway::builder());
    let mut client = host
        .dial(crate::harness::request("/live"), 512)
        .await
        .unwrap();
    let large = "x".repeat(100_000);
    host.connections
        .post_to_connection(&host.only_id(), large.clone())
        .await
        .unwrap();
    client.stream.send(Message::Ping("a".into())).await.unwrap();
    client.stream.send(Message::Ping("b".into())).await.unwrap();
    assert_eq!(client.text().await, large);
    // RFC 6455 section 5.5.3: the pongs to earlier pings may be left out.
    loop {
        match client.stream.next().await.unwrap().unwrap() {
            Message::Pong(data) if data == "b" => break,
            Message::Pong(data) => assert_eq!(data, "a"),
            other => panic!("{other:?}"),
        }
    }
    host.connections
        .post_to_connection(&host.only_id(), "after")
        .await
        .unwrap();
    assert_eq!(client.text().await, "after");
}

#[tokio::test(start_paused = true)]
async fn messages_arrive_in_the_order_in_which_they_were_posted() {
    let host = Host::new(Gateway::builder());
    let mut client = host
        .dial(crate::harness::request("/live"), 64)
        .await
        .unwrap();
    let (connections, id) = (host.connections.clone(), host.only_id());
    tokio::spawn(async move {
        for number in 0..2000 {
            connections
                .post_to_connection(&id, number.to_string())
                .await
                .unwrap();
        }
    });
    for number in 0..2000 {
        assert_eq!(client.text().await, number.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_from_connect_finds_nobody_yet() {
    let builder = Gateway::builder();
    let connections = builder.connections();
    let host = Host::new(builder.route("$connect", move |event: Event| {
        let connections = connections.clone();
        async move {
            let id = event.request_context.connection_id.unwrap();
            match connections.post_to_connection(&id, "early").await {
                Err(babelwire_gateway::Error::Gone) => ok(""),
                other => answer(400, &format!("{other:?}")),
            }
        }
    }));
    host.client()
        .await
        .hears_nothing_for(Duration::from_secs(1))
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_default_route_sees_its_own_key() {
    let host = Host::new(Gateway::builder().route_with_response("$default", mirror));
    let mut client = host.client().await;
    client.send("anything").await;
    let event: Value = serde_json::from_str(&client.text().await).unwrap();
    assert_eq!(event["requestContext"]["routeKey"], "$default");
    assert_eq!(event["body"], "anything");
}
