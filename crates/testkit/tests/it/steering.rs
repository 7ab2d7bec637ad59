//! The handle that a test steers a stage with.

use std::time::Duration;

use babelwire_testkit::{
    DialState, End, FakeGateway, Options, StartError,
    rules::{Action, Match, Rule, RuleError},
};

use crate::client::{ABNORMAL, dial, try_dial};

#[tokio::test]
async fn all_are_told_closed_or_cut() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let (mut one, mut two) = (dial(&stage).await, dial(&stage).await);
    assert_eq!(stage.broadcast("news"), 2);
    assert_eq!(one.text().await, "news");
    assert_eq!(two.text().await, "news");
    let numbers: Vec<u64> = stage.connections().iter().map(|dial| dial.number).collect();
    assert_eq!(numbers, [1, 2]);
    stage.send_to(2, "for the second");
    assert_eq!(two.text().await, "for the second");

    assert_eq!(stage.close_all(1012).unwrap(), 2);
    assert_eq!(one.end().await.0, 1012);
    assert_eq!(two.end().await.0, 1012);

    let (mut three, mut four) = (dial(&stage).await, dial(&stage).await);
    assert_eq!(stage.close_one(3, 4001, "only you"), Ok(true));
    assert_eq!(three.end().await, (4001, "only you".to_owned()));
    assert_eq!(stage.close_one(3, 4001, "again"), Ok(false));
    assert_eq!(stage.close_one(9, 4001, "nobody"), Ok(false));
    assert_eq!(stage.cut_all(), 1);
    assert_eq!(four.end().await.0, ABNORMAL);
    stage.until(|seen| seen.open() == 0).await.unwrap();
    assert_eq!(stage.broadcast("to nobody"), 0);
    stage
        .until(|seen| {
            seen.dials()
                .iter()
                .all(|dial| dial.state == DialState::Ended)
        })
        .await
        .unwrap();
    assert!(stage.connections().is_empty());
}

#[tokio::test]
async fn present_connections_fall_silent_and_new_ones_do_not() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let mut deaf = dial(&stage).await;
    assert_eq!(stage.go_silent(), 1);
    let mut fresh = dial(&stage).await;
    fresh.echo("hello").await;
    assert_eq!(fresh.text().await, "hello");
    assert_eq!(stage.seen().dials()[0].state, DialState::Silent);
    assert_eq!(stage.seen().open(), 2);
    stage.cut_all();
    assert_eq!(deaf.end().await.0, ABNORMAL);
}

#[tokio::test]
async fn stages_do_not_disturb_one_another() {
    let gateway = FakeGateway::start().await.unwrap();
    let (one, two) = (gateway.stage("t-1"), gateway.stage("t-2"));
    one.add_rule(Rule::new(Match::dial(), Action::Refuse(500)))
        .unwrap();
    let mut client = dial(&two).await;
    assert_eq!(try_dial(one.url()).await.err(), Some(500));
    assert_eq!(one.cut_all(), 0);
    client.echo("still here").await;
    assert_eq!(client.text().await, "still here");
    assert_eq!(one.seen().dials().len(), 1);
    assert_eq!(two.seen().dials().len(), 1);
}

#[tokio::test]
async fn a_gateway_that_is_dropped_takes_its_connections_with_it() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let url = stage.url();
    let mut client = dial(&stage).await;
    drop(gateway);
    assert_eq!(client.end().await.0, ABNORMAL);
    // The port is let go by a task that ends in its own time.
    while try_dial(url.clone()).await.is_ok() {}
}

#[tokio::test]
async fn a_wait_in_vain_says_what_was_seen() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let mut client = dial(&stage).await;
    client.echo("hello").await;
    client.text().await;
    let error = stage
        .until_within(Duration::from_millis(1), |seen| seen.open() == 2)
        .await
        .unwrap_err()
        .to_string();
    for part in ["live", "1 dials", "1 connections open", "hello"] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_words() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    assert_eq!(stage.close_all(1006), Err(RuleError::CloseCode(1006)));
    assert_eq!(
        stage.close_one(1, 1001, &"x".repeat(124)),
        Err(RuleError::CloseReason(124))
    );
    let rule = Rule::new(Match::dial(), Action::Double);
    assert_eq!(
        stage.add_rule(rule),
        Err(RuleError::OnlyForFrames("double"))
    );

    let everybody = Options::new().listen("0.0.0.0:0".parse().unwrap());
    let error = FakeGateway::start_with(everybody).await.unwrap_err();
    assert!(matches!(error, StartError::NotLoopback(_)));
    let no_url = Options::new().upstream("http://127.0.0.1:1/");
    let error = FakeGateway::start_with(no_url).await.unwrap_err();
    assert!(error.to_string().contains("ws://"), "{error}");
}

#[tokio::test]
async fn two_hundred_clients_hear_the_same_news() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(try_dial(stage.url()).await.unwrap());
    }
    stage.until(|seen| seen.open() == 200).await.unwrap();
    assert_eq!(stage.broadcast("news"), 200);
    for client in &mut clients {
        assert_eq!(client.text().await, "news");
    }
    drop(clients);
    stage
        .until(|seen| seen.dials().iter().all(|dial| dial.end == Some(End::Lost)))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_was_sent_before_a_silence_or_a_cut_arrives() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let all: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    // Several times, because which of a connection's two ends runs first is drawn by lot.
    for _ in 0..20 {
        let mut silenced = dial(&stage).await;
        for text in &all {
            stage.broadcast(text.as_str());
        }
        stage.go_silent();
        stage.broadcast("unheard");
        assert_eq!(silenced.texts(10).await, all);

        let mut cut = dial(&stage).await;
        for text in &all {
            stage.broadcast(text.as_str());
        }
        stage.cut_all();
        assert_eq!(silenced.end().await.0, ABNORMAL);
        assert_eq!(cut.rest().await, (all.clone(), ABNORMAL, String::new()));
    }
}
