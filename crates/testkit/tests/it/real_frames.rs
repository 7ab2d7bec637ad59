//! What rules do to frames over real sockets.

use std::time::Duration;

use babelwire_testkit::{
    DialState, End, FakeGateway, Frame, Stage,
    rules::{Action, Match, Rule},
};

use crate::client::{ABNORMAL, Client, dial};

/// A gateway with one rule and one client.
async fn one(on: Match, then: Action) -> (FakeGateway, Stage, Client) {
    let gateway = FakeGateway::start().await.unwrap();
    let stage = gateway.stage("live");
    stage.add_rule(Rule::new(on, then)).unwrap();
    let client = dial(&stage).await;
    (gateway, stage, client)
}

#[tokio::test]
async fn a_dropped_frame_is_seen_and_goes_no_further() {
    for on in [
        Match::to_client().text("b"),
        Match::from_client().field("data", "b"),
    ] {
        let (_gateway, stage, mut client) = one(on, Action::Drop).await;
        for text in ["a", "b", "c"] {
            client.echo(text).await;
        }
        assert_eq!(client.texts(2).await, ["a", "c"]);
        let seen = stage.seen();
        assert_eq!(seen.frames_from_clients(), 3);
        assert_eq!(
            seen.frames()
                .filter(|frame| frame.action == Some(Action::Drop))
                .count(),
            1
        );
    }
}

#[tokio::test]
async fn a_doubled_frame_comes_twice() {
    for on in [
        Match::to_client().text("b"),
        Match::from_client().field("data", "b"),
    ] {
        let (_gateway, _stage, mut client) = one(on, Action::Double).await;
        for text in ["a", "b", "c"] {
            client.echo(text).await;
        }
        assert_eq!(client.texts(4).await, ["a", "b", "b", "c"]);
    }
}

#[tokio::test]
async fn a_reordered_frame_comes_behind_the_next() {
    for on in [
        Match::to_client().text("b"),
        Match::from_client().field("data", "b"),
    ] {
        let (_gateway, _stage, mut client) = one(on, Action::Reorder).await;
        for text in ["a", "b", "c", "d"] {
            client.echo(text).await;
        }
        assert_eq!(client.texts(4).await, ["a", "c", "b", "d"]);
    }
}

#[tokio::test]
async fn when_every_frame_is_reordered_they_swap_in_pairs() {
    let (_gateway, stage, mut client) = one(Match::to_client(), Action::Reorder).await;
    for text in ["a", "b", "c", "d"] {
        stage.broadcast(text);
    }
    assert_eq!(client.texts(4).await, ["b", "a", "d", "c"]);
}

#[tokio::test]
async fn a_delayed_frame_is_overtaken() {
    let delay = Action::Delay(Duration::from_millis(50));
    let (_gateway, stage, mut client) = one(Match::to_client().text("slow"), delay).await;
    // Nothing else runs between these two.
    stage.broadcast("slow");
    stage.broadcast("quick");
    assert_eq!(client.texts(2).await, ["quick", "slow"]);
}

#[tokio::test]
async fn frames_that_are_all_delayed_keep_their_order() {
    let delay = Action::Delay(Duration::from_millis(20));
    let (_gateway, stage, mut client) = one(Match::to_client(), delay).await;
    let texts: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    for text in &texts {
        stage.broadcast(text.as_str());
    }
    assert_eq!(client.texts(50).await, texts);
}

#[tokio::test]
async fn a_frame_is_answered_by_the_rule_instead_of_the_backend() {
    let answer = Frame::from(r#"{"message": "Internal server error"}"#);
    let on = Match::from_client().field("action", "ping");
    let (_gateway, _stage, mut client) = one(on, Action::Answer(answer.clone())).await;
    client.send(r#"{"action":"ping","data":"1"}"#).await;
    client.echo("after it").await;
    assert_eq!(client.texts(2).await, [answer.text().unwrap(), "after it"]);
}

#[tokio::test]
async fn a_frame_makes_the_gateway_close() {
    let close = Action::Close(4001, "token expired".to_owned());
    let (_gateway, stage, mut client) = one(Match::from_client().text("bye"), close).await;
    client.echo("hello").await;
    assert_eq!(client.text().await, "hello");
    client.echo("bye").await;
    assert_eq!(client.end().await, (4001, "token expired".to_owned()));
    stage.until(|seen| seen.open() == 0).await.unwrap();
}

#[tokio::test]
async fn a_frame_makes_the_gateway_hang_up() {
    let (_gateway, stage, mut client) = one(Match::from_client().nth(2), Action::Cut).await;
    client.echo("hello").await;
    assert_eq!(client.text().await, "hello");
    client.echo("bye").await;
    assert_eq!(client.end().await, (ABNORMAL, String::new()));
    assert_eq!(stage.seen().dials()[0].end, Some(End::Cut));
}

#[tokio::test]
async fn a_silent_connection_stays_open_and_lets_nothing_through_either_way() {
    let on = Match::from_client().text("last words");
    let (_gateway, stage, mut client) = one(on, Action::GoSilent).await;
    client.echo("last words").await;
    stage
        .until(|seen| seen.dials()[0].state == DialState::Silent)
        .await
        .unwrap();
    assert_eq!(stage.seen().open(), 1);

    let mut other = dial(&stage).await;
    client.echo("unheard").await;
    assert_eq!(stage.broadcast("to whoever listens"), 1);
    assert_eq!(other.text().await, "to whoever listens");
    // Not even a close is answered.
    client.socket.close(None).await.unwrap();
    stage.cut_all();
    assert_eq!(client.end().await, (ABNORMAL, String::new()));
    assert_eq!(stage.seen().frames_from_clients(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_a_silent_connection_is_noticed() {
    let (_gateway, stage, client) = one(Match::dial(), Action::GoSilent).await;
    drop(client);
    stage
        .until(|seen| seen.dials()[0].end == Some(End::Lost))
        .await
        .unwrap();
}

#[tokio::test]
async fn every_third_frame_is_lost() {
    let (_gateway, stage, mut client) = one(Match::to_client().every(3), Action::Drop).await;
    for text in ["1", "2", "3", "4", "5", "6", "7"] {
        stage.broadcast(text);
    }
    assert_eq!(client.texts(5).await, ["1", "2", "4", "5", "7"]);
}

#[tokio::test]
async fn one_frame_in_ten_is_lost_and_the_same_ones_in_every_run() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let lossy = Match::to_client().probability(0.1);
        let (_gateway, stage, mut client) = one(lossy, Action::Drop).await;
        for n in 0..1000 {
            stage.broadcast(n.to_string());
        }
        stage.clear_rules();
        stage.broadcast("end");
        let mut texts = Vec::new();
        while texts.last().is_none_or(|last| last != "end") {
            texts.push(client.text().await);
        }
        assert!((870..=930).contains(&texts.len()), "{}", texts.len());
        runs.push(texts);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn a_rule_can_be_for_one_connection_alone() {
    let (_gateway, stage, mut first) = one(Match::to_client().connection(2), Action::Drop).await;
    let mut second = dial(&stage).await;
    stage.broadcast("for all");
    stage.clear_rules();
    stage.broadcast("and again");
    assert_eq!(first.texts(2).await, ["for all", "and again"]);
    assert_eq!(second.text().await, "and again");
}

#[tokio::test]
async fn a_frame_inside_is_matched_by_a_json_pointer() {
    let done = Match::to_client().field("/translation/status", "done");
    let (_gateway, stage, mut client) = one(done, Action::Drop).await;
    stage.broadcast(r#"{"type":"translation","translation":{"status":"done"}}"#);
    stage.broadcast(r#"{"type":"translation","translation":{"status":"queued"}}"#);
    assert!(client.text().await.contains("queued"));
}

#[tokio::test]
async fn the_first_rule_that_matches_wins_until_it_is_used_up() {
    let (_gateway, stage, mut client) = one(
        Match::to_client().text("absent"),
        Action::Close(1011, String::new()),
    )
    .await;
    let first = Rule::new(Match::to_client(), Action::Answer("first".into())).once();
    let second = Rule::new(Match::to_client(), Action::Answer("second".into()));
    stage.add_rule(first).unwrap();
    let second = stage.add_rule(second).unwrap();
    stage.broadcast("a");
    stage.broadcast("b");
    assert!(stage.remove_rule(second));
    assert!(!stage.remove_rule(second));
    stage.broadcast("c");
    assert_eq!(client.texts(3).await, ["first", "second", "c"]);
}
