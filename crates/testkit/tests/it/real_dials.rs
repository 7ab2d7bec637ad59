//! What rules do to dials over real sockets.

use std::time::{Duration, Instant};

use babelwire_testkit::{
    DialState, End, FakeGateway,
    rules::{Action, Match, Rule},
};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::client::{ABNORMAL, dial, try_dial};

#[tokio::test]
async fn a_dial_is_refused_with_the_status_of_the_rule_as_often_as_it_says() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let rule = stage
        .add_rule(Rule::new(Match::dial(), Action::Refuse(503)).times(2))
        .unwrap();
    for _ in 0..2 {
        assert_eq!(try_dial(stage.url()).await.err(), Some(503));
    }
    dial(&stage).await.echo("accepted").await;
    assert_eq!(stage.seen().applied(rule), 2);
    assert_eq!(
        stage.seen().dials()[0].end,
        Some(End::Refused { status: 503 })
    );
}

#[tokio::test]
async fn a_dial_is_accepted_and_closed_at_once_with_code_and_reason() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let close = Action::Close(1013, "come back later".to_owned());
    stage.add_rule(Rule::new(Match::dial(), close)).unwrap();
    let mut client = try_dial(stage.url()).await.unwrap();
    assert_eq!(client.end().await, (1013, "come back later".to_owned()));
    let code_seen = End::ByGateway {
        code: 1013,
        reason: "come back later".to_owned(),
    };
    stage
        .until(|seen| seen.dials()[0].state == DialState::Ended)
        .await
        .unwrap();
    assert_eq!(stage.seen().dials()[0].end, Some(code_seen));
}

#[tokio::test]
async fn a_cut_dial_gets_no_answer_at_all() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    stage
        .add_rule(Rule::new(Match::dial(), Action::Cut).once())
        .unwrap();
    assert_eq!(try_dial(stage.url()).await.err(), Some(0));
    assert_eq!(stage.seen().dials()[0].end, Some(End::Cut));
    dial(&stage).await;
}

#[tokio::test]
async fn a_delayed_dial_is_answered_later() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let delay = Duration::from_millis(60);
    stage
        .add_rule(Rule::new(Match::dial(), Action::Delay(delay)).once())
        .unwrap();
    let start = Instant::now();
    dial(&stage).await;
    assert!(start.elapsed() >= delay);
}

#[tokio::test]
async fn a_dropped_dial_is_never_answered_and_its_client_giving_up_is_seen() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    stage
        .add_rule(Rule::new(Match::dial(), Action::Drop).once())
        .unwrap();
    let hopeless = tokio::spawn(try_dial(stage.url()));
    stage.until(|seen| seen.dials().len() == 1).await.unwrap();
    // Meanwhile others are answered.
    dial(&stage).await;
    assert!(!hopeless.is_finished());
    assert_eq!(stage.seen().dials()[0].state, DialState::Dialling);

    hopeless.abort();
    stage
        .until(|seen| seen.dials()[0].end == Some(End::Lost))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_dial_is_accepted_into_silence() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    stage
        .add_rule(Rule::new(Match::dial(), Action::GoSilent).once())
        .unwrap();
    let mut unheard = try_dial(stage.url()).await.unwrap();
    stage
        .until(|seen| seen.dials()[0].state == DialState::Silent)
        .await
        .unwrap();
    unheard.echo("is anybody there?").await;
    let mut other = dial(&stage).await;
    other.echo("here").await;
    assert_eq!(other.text().await, "here");
    stage.cut_all();
    assert_eq!(unheard.end().await, (ABNORMAL, String::new()));
}

#[tokio::test]
async fn a_connection_is_closed_when_its_age_is_over() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let age = Duration::from_millis(60);
    stage
        .add_rule(Rule::new(Match::dial(), Action::LimitAge(age)))
        .unwrap();
    let start = Instant::now();
    let mut client = dial(&stage).await;
    client.echo("still open").await;
    assert_eq!(client.text().await, "still open");
    assert_eq!(client.end().await, (1001, "Going away".to_owned()));
    assert!(start.elapsed() >= age);
}

#[tokio::test]
async fn a_dial_is_greeted() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let greeting = Action::Answer("welcome".into());
    stage.add_rule(Rule::new(Match::dial(), greeting)).unwrap();
    assert_eq!(dial(&stage).await.text().await, "welcome");
}

#[tokio::test]
async fn dials_are_told_apart_by_their_query_headers_and_number() {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    let rules = [
        Rule::new(Match::dial().query("token=old"), Action::Refuse(401)),
        Rule::new(
            Match::dial().header("X-Client", "robot"),
            Action::Refuse(403),
        ),
        Rule::new(Match::dial().path("live").nth(4), Action::Refuse(429)),
    ];
    for rule in rules {
        stage.add_rule(rule).unwrap();
    }
    let with_token = |token| try_dial(format!("{}?token={token}", stage.url()));
    assert_eq!(with_token("old").await.err(), Some(401));
    assert!(with_token("new").await.is_ok());

    let mut request = stage.url().into_client_request().unwrap();
    request
        .headers_mut()
        .insert("x-client", "a robot".parse().unwrap());
    assert_eq!(try_dial(request).await.err(), Some(403));

    assert_eq!(try_dial(stage.url()).await.err(), Some(429));
    assert!(try_dial(stage.url()).await.is_ok());
}
