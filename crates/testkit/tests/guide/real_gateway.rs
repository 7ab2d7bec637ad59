use babelwire_testkit::{
    End, FakeGateway, Reply,
    rules::{Action, Match, Rule},
};
use futures::{SinkExt, StreamExt};
use tokio_tungstenite::{connect_async, tungstenite::Message};

/// The app under test: asks what time it is, as often as it takes.
async fn ask_the_time(url: &str) -> String {
    loop {
        let Ok((mut socket, _)) = connect_async(url).await else {
            continue;
        };
        if socket
            .send(Message::text(r#"{"action":"time"}"#))
            .await
            .is_err()
        {
            continue;
        }
        if let Some(Ok(Message::Text(time))) = socket.next().await {
            let _ = socket.close(None).await;
            return time.to_string();
        }
    }
}

#[tokio::test]
async fn the_time_is_asked_for_again_when_the_gateway_refuses_or_hangs_up() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    stage.set_backend(|_, frame| match frame.text() {
        Some(r#"{"action":"time"}"#) => vec![Reply::ToSender("12:00".into())],
        _ => Vec::new(),
    });
    let refuse = stage
        .add_rule(Rule::new(Match::dial(), Action::Refuse(503)).once())
        .unwrap();
    let hang_up = stage
        .add_rule(Rule::new(Match::from_client().field("action", "time"), Action::Cut).times(2))
        .unwrap();

    assert_eq!(ask_the_time(&stage.url()).await, "12:00");

    stage
        .until(|seen| matches!(seen.ends().last(), Some(End::ByClient { .. })))
        .await
        .unwrap();
    let seen = stage.seen();
    assert_eq!((seen.applied(refuse), seen.applied(hang_up)), (1, 2));
    assert_eq!(seen.dials().len(), 4);
}
