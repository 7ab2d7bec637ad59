//! The small backend that the fake gateway is.

use babelwire_testkit::{End, FakeGateway, Reply};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::client::{dial, try_dial};

#[tokio::test]
async fn an_echo_goes_to_every_client_of_the_stage_as_it_is() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let (mut one, mut two) = (dial(&stage).await, dial(&stage).await);
    let mut stranger = dial(&gateway.stage("elsewhere")).await;
    one.echo("¡hola! \"quoted\"").await;
    assert_eq!(one.text().await, "¡hola! \"quoted\"");
    assert_eq!(two.text().await, "¡hola! \"quoted\"");
    stranger.echo("here").await;
    assert_eq!(stranger.text().await, "here");
}

#[tokio::test]
async fn a_ping_is_answered_to_its_sender_alone() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let (mut one, mut two) = (dial(&stage).await, dial(&stage).await);
    one.send(r#"{"action":"ping","data":"beat 1"}"#).await;
    assert_eq!(one.text().await, r#"{"type":"pong","data":"beat 1"}"#);
    one.send(r#"{"action":"ping","data":"\"quoted\""}"#).await;
    assert_eq!(one.text().await, r#"{"type":"pong","data":"\"quoted\""}"#);
    one.echo("next").await;
    assert_eq!(two.text().await, "next");
}

#[tokio::test]
async fn anything_else_is_forbidden_in_the_gateways_words() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let mut client = dial(&stage).await;
    let mut requests = Vec::new();
    for frame in [
        "no json",
        "[]",
        r#"{"action":"unknown"}"#,
        r#"{"action":"echomessage"}"#,
    ] {
        client.send(frame).await;
        let answer: Value = serde_json::from_str(&client.text().await).unwrap();
        assert_eq!(answer["message"], "Forbidden", "{frame}");
        assert_eq!(
            answer["connectionId"],
            stage.seen().dials()[0].connection_id.as_str()
        );
        requests.push(answer["requestId"].as_str().unwrap().to_owned());
    }
    assert!(
        requests
            .iter()
            .all(|id| id.len() == 16 && id.ends_with('='))
    );
    requests.dedup();
    assert_eq!(requests.len(), 4);
}

#[tokio::test]
async fn binary_frames_and_oversized_ones_are_closed_as_the_gateway_does() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let mut client = dial(&stage).await;
    client
        .socket
        .send(Message::binary(vec![1, 2]))
        .await
        .unwrap();
    assert_eq!(client.end().await.0, 1003);

    let mut client = dial(&stage).await;
    client.send(&"x".repeat(32 * 1024)).await;
    assert!(client.text().await.contains("Forbidden"));
    client.send(&"x".repeat(32 * 1024 + 1)).await;
    assert_eq!(client.end().await.0, 1009);
}

#[tokio::test]
async fn the_first_subprotocol_that_is_offered_is_chosen() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let mut request = stage.url().into_client_request().unwrap();
    request.headers_mut().insert(
        "sec-websocket-protocol",
        "babelwire, token.abc".parse().unwrap(),
    );
    let client = try_dial(request).await.unwrap();
    assert_eq!(client.protocol.as_deref(), Some("babelwire"));
    assert_eq!(
        stage.seen().dials()[0]
            .request
            .header("Sec-WebSocket-Protocol"),
        Some("babelwire, token.abc")
    );
}

#[tokio::test]
async fn what_is_no_stage_or_no_handshake_is_turned_away() {
    let gateway = FakeGateway::start().await.unwrap();
    let base = format!("ws://{}", gateway.address());
    for path in ["/", "/live/more", "/_hidden"] {
        assert_eq!(
            try_dial(format!("{base}{path}")).await.err(),
            Some(403),
            "{path}"
        );
    }
    let plain = reqwest::get(format!("http://{}/live", gateway.address()))
        .await
        .unwrap();
    assert_eq!(plain.status(), 426);
}

#[tokio::test]
async fn it_is_recorded_how_clients_leave() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    dial(&stage).await.close(4002, "page left").await;
    drop(dial(&stage).await);
    stage.until(|seen| seen.ends().count() == 2).await.unwrap();
    let seen = stage.seen();
    let ends: Vec<&End> = seen.ends().collect();
    let by_client = End::ByClient {
        code: 4002,
        reason: "page left".to_owned(),
    };
    assert_eq!(ends, [&by_client, &End::Lost]);
    assert_eq!(seen.open(), 0);
}

#[tokio::test]
async fn a_backend_of_the_tests_own_speaks_its_own_protocol() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    stage.set_backend(|sender, frame| {
        vec![
            Reply::ToSender(frame.clone()),
            Reply::ToAll(format!("{sender} spoke").into()),
        ]
    });
    let (mut one, mut two) = (dial(&stage).await, dial(&stage).await);
    two.socket.send(Message::binary(vec![1, 2])).await.unwrap();
    let echo = two.socket.next().await.unwrap().unwrap();
    assert_eq!(echo, Message::binary(vec![1, 2]));
    assert_eq!(two.text().await, "2 spoke");
    assert_eq!(one.text().await, "2 spoke");
}
