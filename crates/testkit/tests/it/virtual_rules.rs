//! The same rules, on virtual time.

use std::time::Duration;

use babelwire_client_core::{Cause, Config, Event, SendOutcome, State};
use babelwire_testkit::{
    ClientId, DialState, End, LATENCY, World,
    rules::{Action, Match, Rule},
};

const SECOND: Duration = Duration::from_secs(1);

/// A world with one rule and a client that has just begun to dial.
fn dialling(on: Match, then: Action) -> (World, ClientId) {
    let mut world = World::new();
    let page = world.add_client(Config::default());
    world.add_rule(Rule::new(on, then).once()).unwrap();
    world.connect(page);
    (world, page)
}

/// A world with one rule, whose client is connected and has said nothing yet.
fn connected(on: Match, then: Action) -> (World, ClientId) {
    let mut world = World::new();
    let page = world.add_client(Config {
        heartbeat: None,
        ..Config::default()
    });
    world.connect(page);
    world.run_until_state(page, "open", SECOND);
    world.add_rule(Rule::new(on, then)).unwrap();
    world.take_events(page);
    (world, page)
}

fn says(world: &mut World, page: ClientId, text: &str) {
    assert_eq!(world.send(page, text), SendOutcome::Sent);
}

/// How the client's first socket ended.
fn first_close(world: &World, page: ClientId) -> Option<(u16, String, bool)> {
    world.events(page).iter().find_map(|event| match event {
        Event::Changed {
            cause: Cause::SocketClosed(closed),
            ..
        } => Some((closed.code, closed.reason.clone(), closed.was_clean)),
        _ => None,
    })
}

#[test]
fn a_dial_that_nobody_touches_is_open_after_a_round_trip() {
    let mut world = World::new();
    let page = world.add_client(Config::default());
    world.set_latency(Duration::from_millis(70));
    world.connect(page);
    let took = world.run_until_state(page, "open", SECOND);
    assert_eq!(took, Duration::from_millis(140));
}

#[test]
fn a_refused_dial_looks_as_it_does_to_a_browser() {
    let (mut world, page) = dialling(Match::dial(), Action::Refuse(503));
    world.run_until_state(page, "waiting", SECOND);
    assert_eq!(
        first_close(&world, page),
        Some((1006, String::new(), false))
    );
    assert_eq!(
        world.seen().dials()[0].end,
        Some(End::Refused { status: 503 })
    );
    world.run_until_state(page, "open", 60 * SECOND);
}

#[test]
fn a_door_that_is_slammed_opens_first() {
    let close = Action::Close(1013, "later".to_owned());
    let (mut world, page) = dialling(Match::dial(), close);
    world.run_until_state(page, "waiting", SECOND);
    assert_eq!(world.states(page), ["connecting", "open", "waiting"]);
    assert_eq!(
        first_close(&world, page),
        Some((1013, "later".to_owned(), true))
    );
}

#[test]
fn a_cut_dial_is_over_after_a_round_trip() {
    let (mut world, page) = dialling(Match::dial(), Action::Cut);
    let took = world.run_until_state(page, "waiting", SECOND);
    assert_eq!(took, 2 * LATENCY);
    assert_eq!(world.seen().dials()[0].end, Some(End::Cut));
}

#[test]
fn a_delayed_dial_opens_later_by_just_that() {
    let delay = Duration::from_secs(3);
    let (mut world, page) = dialling(Match::dial(), Action::Delay(delay));
    let took = world.run_until_state(page, "open", 10 * SECOND);
    assert_eq!(took, delay + 2 * LATENCY);
}

#[test]
fn a_dropped_dial_is_given_up_by_the_client() {
    let (mut world, page) = dialling(Match::dial(), Action::Drop);
    let took = world.run_until_state(page, "waiting", 60 * SECOND);
    assert_eq!(took, Config::default().dial_timeout);
    world.run(SECOND);
    assert_eq!(world.seen().dials()[0].end, Some(End::Lost));
}

#[test]
fn a_connection_lives_as_long_as_its_age_allows() {
    let age = Duration::from_secs(2 * 3600);
    let mut world = World::new();
    let page = world.add_client(Config {
        rollover: None,
        ..Config::default()
    });
    world
        .add_rule(Rule::new(Match::dial(), Action::LimitAge(age)))
        .unwrap();
    world.connect(page);
    world.run_until_state(page, "open", SECOND);
    let took = world.run_until(3 * age, |world| !world.state(page).is_open());
    // What left the gateway at its opening has travelled once; so has the close.
    assert_eq!(took, age);
    assert_eq!(
        first_close(&world, page),
        Some((1001, "Going away".to_owned(), true))
    );
}

#[test]
fn a_dial_is_greeted_before_anything_else() {
    let (mut world, page) = dialling(Match::dial(), Action::Answer("welcome".into()));
    world.run(LATENCY);
    world.broadcast("news");
    world.run(SECOND);
    assert_eq!(world.frames(page), ["welcome", "news"]);
}

#[test]
fn dropped_doubled_and_reordered_frames_arrive_as_rules_say() {
    for (then, arrive) in [
        (Action::Drop, &["a", "c", "d"][..]),
        (Action::Double, &["a", "b", "b", "c", "d"]),
        (Action::Reorder, &["a", "c", "b", "d"]),
        (Action::Answer("x".into()), &["a", "x", "c", "d"]),
        (Action::Delay(SECOND), &["a", "c", "d", "b"]),
    ] {
        for on in [
            Match::to_client().text("b"),
            Match::from_client().field("data", "b"),
        ] {
            let (mut world, page) = connected(on, then.clone());
            for text in ["a", "b", "c", "d"] {
                let frame = serde_json::json!({"action": "echomessage", "data": text});
                says(&mut world, page, &frame.to_string());
            }
            world.run(2 * SECOND);
            assert_eq!(world.frames(page), arrive, "{then}");
        }
    }
}

#[test]
fn a_frame_closes_or_cuts_its_connection() {
    let close = Action::Close(4001, "expired".to_owned());
    for (then, end) in [
        (close, (4001, "expired".to_owned(), true)),
        (Action::Cut, (1006, String::new(), false)),
    ] {
        let (mut world, page) = connected(Match::from_client(), then);
        says(&mut world, page, "anything");
        world.run_until(SECOND, |world| !world.state(page).is_open());
        assert_eq!(first_close(&world, page), Some(end));
    }
}

#[test]
fn a_silent_connection_is_open_for_both_and_carries_nothing() {
    let (mut world, page) = connected(Match::from_client().text("last"), Action::GoSilent);
    says(&mut world, page, "last");
    world.run(SECOND);
    assert_eq!(world.seen().dials()[0].state, DialState::Silent);
    assert!(world.state(page).is_open());

    says(&mut world, page, "unheard");
    assert_eq!(world.broadcast("to nobody"), 0);
    world.run(600 * SECOND);
    assert!(world.state(page).is_open());
    assert!(world.frames(page).is_empty());
    assert_eq!(world.seen().frames_from_clients(), 1);

    world.close(page);
    world.run(SECOND);
    assert_eq!(world.seen().dials()[0].end, Some(End::Lost));
}

#[test]
fn a_dial_is_known_by_its_query() {
    let mut world = World::new();
    let old = world.add_client_at(Config::default(), "/live?token=old");
    let new = world.add_client_at(Config::default(), "/live?token=new");
    world
        .add_rule(Rule::new(
            Match::dial().query("token=old"),
            Action::Refuse(401),
        ))
        .unwrap();
    world.connect(old);
    world.connect(new);
    world.run(SECOND);
    assert!(!world.state(old).is_open());
    assert!(matches!(world.state(new), State::Open { .. }));
}

#[test]
fn a_frame_that_limits_the_age_of_its_connection_arrives_itself() {
    let (mut world, page) = connected(
        Match::to_client().text("token expires soon"),
        Action::LimitAge(60 * SECOND),
    );
    world.broadcast("token expires soon");
    world.run(59 * SECOND);
    assert_eq!(world.frames(page), ["token expires soon"]);
    assert!(world.state(page).is_open());
    world.run_until(2 * SECOND, |world| !world.state(page).is_open());
    assert_eq!(
        first_close(&world, page),
        Some((1001, "Going away".to_owned(), true))
    );
}
