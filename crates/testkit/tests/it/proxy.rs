//! The fake gateway before another one.

use babelwire_testkit::{
    End, FakeGateway, Options, Stage,
    rules::{Action, Match, Rule},
};
use futures::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::client::{ABNORMAL, dial, try_dial};

/// A gateway, and one before it.
async fn pair() -> (FakeGateway, Stage, FakeGateway, Stage) {
    let behind = FakeGateway::start().await.unwrap();
    let real = behind.stage("live");
    let options = Options::new().upstream(real.url());
    let before = FakeGateway::start_with(options).await.unwrap();
    let stage = before.stage("t-1");
    (behind, real, before, stage)
}

#[tokio::test]
async fn frames_pass_both_ways_and_rules_apply_both_ways() {
    let (_behind, real, _before, stage) = pair().await;
    let mut client = dial(&stage).await;
    client.echo("through both").await;
    assert_eq!(client.text().await, "through both");
    assert_eq!(real.seen().frames_from_clients(), 1);

    stage
        .add_rule(Rule::new(Match::from_client().text("lost"), Action::Drop))
        .unwrap();
    stage
        .add_rule(Rule::new(Match::to_client().text("twice"), Action::Double))
        .unwrap();
    client.echo("lost").await;
    client.echo("twice").await;
    assert_eq!(client.texts(2).await, ["twice", "twice"]);
    assert_eq!(real.seen().frames_from_clients(), 2);
    real.broadcast("pushed");
    assert_eq!(client.text().await, "pushed");
}

#[tokio::test]
async fn binary_frames_pass_too() {
    let (_behind, real, _before, stage) = pair().await;
    let mut client = dial(&stage).await;
    real.broadcast(vec![1, 2, 3]);
    let frame = client.socket.next().await.unwrap().unwrap();
    assert_eq!(frame, Message::binary(vec![1, 2, 3]));
    // What that one thinks of binary frames from clients comes back as well.
    client.socket.send(Message::binary(vec![4])).await.unwrap();
    assert_eq!(client.end().await.0, 1003);
}

#[tokio::test]
async fn the_request_is_passed_on_but_for_what_belongs_to_one_leg() {
    let behind = FakeGateway::start().await.unwrap();
    let options = Options::new().upstream(format!("ws://{}", behind.address()));
    let before = FakeGateway::start_with(options).await.unwrap();
    let url = format!("{}/live?token=a%20b", before.stage("t-1").url());
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", "Bearer x".parse().unwrap());
    headers.insert("origin", "http://page.example".parse().unwrap());
    headers.insert("sec-websocket-protocol", "babelwire".parse().unwrap());
    let client = try_dial(request).await.unwrap();
    assert_eq!(client.protocol.as_deref(), Some("babelwire"));
    let seen = behind.stage("live").seen();
    let request = &seen.dials()[0].request;
    assert_eq!(
        (request.path.as_str(), request.query.as_str()),
        ("/live", "token=a%20b")
    );
    assert_eq!(request.header("authorization"), Some("Bearer x"));
    assert_eq!(request.header("origin"), None);
    let host = behind.address().to_string();
    assert_eq!(request.header("host"), Some(host.as_str()));
}

#[tokio::test]
async fn a_refusal_behind_comes_through_and_a_gateway_that_is_away_is_502() {
    let (behind, real, _before, stage) = pair().await;
    real.add_rule(Rule::new(Match::dial(), Action::Refuse(401)).once())
        .unwrap();
    assert_eq!(try_dial(stage.url()).await.err(), Some(401));
    let mut client = dial(&stage).await;
    drop(behind);
    // Its connection is lost behind, so it is lost here.
    assert_eq!(client.end().await.0, ABNORMAL);
    while try_dial(stage.url()).await.err() != Some(502) {}
    assert_eq!(
        stage.seen().dials().last().unwrap().end,
        Some(End::Refused { status: 502 })
    );
}

#[tokio::test]
async fn closes_pass_both_ways_with_their_codes() {
    let (_behind, real, _before, stage) = pair().await;
    let mut client = dial(&stage).await;
    real.close_all(4003).unwrap();
    assert_eq!(client.end().await.0, 4003);

    dial(&stage).await.close(4004, "done").await;
    let by_client = End::ByClient {
        code: 4004,
        reason: "done".to_owned(),
    };
    real.until(|seen| seen.dials()[1].end.as_ref() == Some(&by_client))
        .await
        .unwrap();
}

#[tokio::test]
async fn silence_before_the_gateway_is_not_noticed_behind_it() {
    let (_behind, real, _before, stage) = pair().await;
    let mut client = dial(&stage).await;
    stage.go_silent();
    client.echo("unheard").await;
    let mut other = dial(&stage).await;
    other.echo("heard").await;
    assert_eq!(other.text().await, "heard");
    assert_eq!(real.seen().frames_from_clients(), 1);
    assert_eq!(real.seen().open(), 2);
    stage.cut_all();
    assert_eq!(client.end().await.0, ABNORMAL);
    real.until(|seen| seen.open() == 0).await.unwrap();
}

#[tokio::test]
async fn the_last_words_of_a_client_that_vanishes_are_passed_on() {
    let (_behind, real, _before, stage) = pair().await;
    for round in 1..=20 {
        let mut client = dial(&stage).await;
        client.echo("last words").await;
        drop(client);
        real.until(|seen| seen.frames_from_clients() == round)
            .await
            .unwrap();
    }
    real.until(|seen| seen.open() == 0).await.unwrap();
}
