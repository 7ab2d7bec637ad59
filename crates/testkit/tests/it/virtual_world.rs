//! Clients, time and the network in the virtual world.

use std::time::Duration;

use babelwire_client_core::{
    Cause, Config, Connection, DialFailure, Event, Heartbeat, Rollover, SendOutcome,
};
use babelwire_testkit::{
    Dial, DialState, Dice, End, LATENCY, Reply, World,
    rules::{Action, Match, Rule, RuleError},
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn several_clients_hear_one_another_and_leave_on_their_own() {
    let mut world = World::new();
    let one = world.add_client(Config::default());
    let two = world.add_client(Config::default());
    world.connect(one);
    world.connect(two);
    world.run_until(SECOND, |world| world.seen().open() == 2);
    world.run(LATENCY);
    let echo = r#"{"action":"echomessage","data":"hello"}"#;
    assert_eq!(world.send(one, echo), SendOutcome::Sent);
    world.run(SECOND);
    assert_eq!(world.frames(one), ["hello"]);
    assert_eq!(world.frames(two), ["hello"]);

    world.close(one);
    world.run(SECOND);
    assert_eq!(world.seen().open(), 1);
    let left = End::ByClient {
        code: 1000,
        reason: String::new(),
    };
    assert_eq!(world.seen().connection(1).unwrap().end, Some(left));
    assert!(world.state(two).is_open());
}

#[test]
fn what_is_sent_before_the_socket_is_open_arrives_in_order() {
    let mut world = World::new();
    let page = world.add_client(Config::default());
    world.connect(page);
    for n in 0..3 {
        let outcome = world.send(page, format!("frame {n}"));
        assert!(matches!(outcome, SendOutcome::Queued(_)));
    }
    world.run(SECOND);
    let texts: Vec<&str> = world
        .seen()
        .texts_from_clients()
        .filter(|text| text.starts_with("frame"))
        .collect();
    assert_eq!(texts, ["frame 0", "frame 1", "frame 2"]);
}

#[test]
fn a_gateway_that_dies_and_comes_back_is_found_again() {
    let mut world = World::new();
    let page = world.add_client(Config::default());
    world.connect(page);
    world.run_until_state(page, "open", SECOND);
    world.run(60 * SECOND);

    assert_eq!(world.cut_all(), 1);
    world
        .add_rule(Rule::new(Match::dial(), Action::Cut))
        .unwrap();
    world.run(600 * SECOND);
    assert!(!world.state(page).is_open());
    assert!(world.dials(page).len() > 5);
    world.clear_rules();
    world.run_until_state(page, "open", 120 * SECOND);
    assert_eq!(world.open_sockets(page), 1);
}

#[test]
fn one_connection_of_two_is_closed_and_hears_why() {
    let mut world = World::new();
    let (one, two) = (
        world.add_client(Config::default()),
        world.add_client(Config::default()),
    );
    world.connect(one);
    world.run_until_state(one, "open", SECOND);
    world.connect(two);
    world.run_until_state(two, "open", SECOND);
    let too_long = world.close_one(1, 4001, &"x".repeat(124));
    assert_eq!(too_long, Err(RuleError::CloseReason(124)));
    assert_eq!(world.close_one(1, 4001, "only you"), Ok(true));
    assert_eq!(world.close_one(1, 4001, "again"), Ok(false));
    assert_eq!(world.close_one(9, 4001, "nobody"), Ok(false));
    world.run(LATENCY);
    let told = world.events(one).iter().any(|event| {
        matches!(event, Event::Changed { cause: Cause::SocketClosed(closed), .. }
            if closed.code == 4001 && closed.reason == "only you")
    });
    assert!(told, "{:?}", world.events(one));
    assert!(world.state(two).is_open());
}

#[test]
fn a_half_open_socket_is_found_by_the_heartbeat() {
    let mut world = World::new();
    let page = world.add_client(Config::default());
    world.connect(page);
    world.run(120 * SECOND);
    assert_eq!(world.go_silent(), 1);
    let took = world.run_until(60 * SECOND, |world| {
        world.seen().dials().len() == 2 && world.state(page).is_open()
    });
    assert!(took < 60 * SECOND, "{took:?}");
    assert_eq!(world.broadcast("found"), 1);
    world.run(SECOND);
    assert_eq!(world.frames(page), ["found"]);
}

#[test]
fn a_day_of_two_hour_limits_passes_without_a_gap_in_no_time() {
    let mut world = World::new();
    let page = world.add_client(Config::default());
    world
        .add_rule(Rule::new(Match::dial(), Action::LimitAge(2 * HOUR)))
        .unwrap();
    world.connect(page);
    world.run_until_state(page, "open", SECOND);
    let end = world.now() + 24 * HOUR;
    while world.step(end) {
        assert!(world.open_sockets(page) > 0, "a gap at {}", world.now());
    }
    let dials = world.dials(page).len();
    assert!((13..=16).contains(&dials), "{dials} sockets in a day");
}

#[test]
fn a_frozen_page_hears_what_came_when_it_thaws() {
    let mut world = World::new();
    let page = world.add_client(Config {
        heartbeat: None::<Heartbeat>,
        rollover: None::<Rollover>,
        ..Config::default()
    });
    world.connect(page);
    world.run_until_state(page, "open", SECOND);
    world.freezes(page);
    world.broadcast("while it slept");
    world.run(HOUR);
    assert!(world.frames(page).is_empty());
    world.thaws(page);
    assert_eq!(world.frames(page), ["while it slept"]);
    world.thaws(page);
    assert_eq!(world.frames(page).len(), 1);
}

#[test]
fn a_timer_that_a_frozen_page_missed_fires_when_it_thaws() {
    let mut world = World::new();
    let page = world.add_client(Config::default());
    world
        .add_rule(Rule::new(Match::dial(), Action::Refuse(503)).once())
        .unwrap();
    world.connect(page);
    world.run_until_state(page, "waiting", SECOND);
    world.freezes(page);
    world.run(HOUR);
    assert_eq!(world.state(page).as_str(), "waiting");
    world.thaws(page);
    assert_eq!(world.state(page).as_str(), "connecting");
    world.run_until_state(page, "open", SECOND);
}

#[test]
fn a_page_without_network_waits_for_it() {
    let mut world = World::new();
    let page = world.add_client(Config::default());
    world.connect(page);
    world.run_until_state(page, "open", SECOND);
    world.goes_offline(page);
    world.run(HOUR);
    assert_eq!(world.state(page).as_str(), "offline");
    assert_eq!(world.dials(page).len(), 1);
    world.comes_online(page);
    world.run_until_state(page, "open", 10 * SECOND);
}

#[test]
fn a_full_socket_holds_frames_back_until_it_has_sent() {
    let mut world = World::new();
    let page = world.add_client(Config::default());
    world.connect(page);
    world.run_until_state(page, "open", SECOND);
    let limit = Config::default().outbox.buffered_bytes;
    world.buffers(page, limit);
    let frame = "x".repeat(1000);
    let mut sent = 0;
    while matches!(world.send(page, frame.as_str()), SendOutcome::Sent) {
        sent += frame.len();
        assert!(sent <= limit + frame.len(), "the gate never closes");
    }
    assert!(world.connection(page).queued() > 0);
    world.buffers(page, 0);
    world.run(SECOND);
    assert_eq!(world.connection(page).queued(), 0);
}

#[test]
fn any_call_of_a_driver_can_be_made() {
    let mut world = World::new();
    let page = world.add_client(Config::default());
    world.connect(page);
    let generation = world.dials(page)[0].generation;
    let failure = DialFailure {
        why: "no token".to_owned(),
        retry_after: Some(30 * SECOND),
    };
    world.act(page, |connection: &mut Connection, now, jitter| {
        connection.handle_dial_failed(now, generation, failure, jitter);
    });
    assert!(world.events(page).iter().any(|event| matches!(
        event,
        Event::Changed {
            cause: Cause::DialFailed(_),
            ..
        }
    )));
}

#[test]
fn every_run_is_the_same_and_another_seed_is_another_run() {
    let run = |seed| {
        let mut world = World::with_seed(seed);
        for _ in 0..20 {
            let page = world.add_client(Config::default());
            world.connect(page);
        }
        let lossy = Rule::new(Match::dial().probability(0.5), Action::Refuse(503));
        world.add_rule(lossy).unwrap();
        world.run(600 * SECOND);
        world
            .seen()
            .dials()
            .iter()
            .map(|dial| (dial.at, dial.end.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn two_thousand_clients_fit_into_one_world() {
    let mut world = World::new();
    let mut dice = Dice::new(3);
    let clients: Vec<_> = (0..2000)
        .map(|_| world.add_client(Config::default()))
        .collect();
    for client in &clients {
        world.connect(*client);
        world.run(Duration::from_millis(dice.bits() % 3));
    }
    world.run_until(60 * SECOND, |world| world.seen().open() == clients.len());
    world.cut_all();
    world.run(60 * SECOND);
    assert_eq!(world.seen().open(), clients.len());
}

#[test]
#[should_panic(expected = "1 dials, 0 connections open")]
fn a_wait_in_vain_says_what_was_seen() {
    let mut world = World::new();
    let page = world.add_client(Config::default());
    world
        .add_rule(Rule::new(Match::dial(), Action::Drop))
        .unwrap();
    world.connect(page);
    world.run_until_state(page, "open", SECOND);
}

#[test]
fn a_backend_of_the_tests_own_answers_and_rules_apply_to_its_answers() {
    let mut world = World::new();
    let one = world.add_client(Config::default());
    let two = world.add_client(Config::default());
    world.set_backend(|sender, frame| match frame.text() {
        Some("to me") => vec![Reply::ToSender("mine".into())],
        Some("to all") => vec![Reply::ToAll(format!("{sender} says").into())],
        Some("to two") => vec![Reply::To(2, "yours".into())],
        Some("bye") => vec![Reply::Close(4000, "bye".to_owned())],
        Some("die") => vec![Reply::Close(1006, String::new())],
        _ => Vec::new(),
    });
    world
        .add_rule(Rule::new(Match::to_client().text("yours"), Action::Double))
        .unwrap();
    world.connect(one);
    world.run(SECOND);
    world.connect(two);
    world.run(SECOND);
    for text in ["to me", "to all", "to two", "bye"] {
        assert_eq!(world.send(one, text), SendOutcome::Sent);
    }
    assert_eq!(world.send(two, "die"), SendOutcome::Sent);
    world.run(LATENCY * 2);
    assert_eq!(world.frames(one), ["mine", "1 says"]);
    assert_eq!(world.frames(two), ["1 says", "yours", "yours"]);
    let by_gateway = End::ByGateway {
        code: 4000,
        reason: "bye".to_owned(),
    };
    assert_eq!(world.seen().dials()[0].end, Some(by_gateway));
    assert_eq!(world.seen().dials()[1].end, Some(End::Cut));
}

#[test]
fn whatever_rules_did_all_are_connected_again_once_the_rules_are_gone() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let mut pick = |below: u64| dice.bits() % below;
        let mut world = World::with_seed(seed);
        let clients: Vec<_> = (0..5)
            .map(|_| world.add_client(Config::default()))
            .collect();
        for _ in 0..10 {
            let on = match pick(3) {
                0 => Match::dial(),
                1 => Match::from_client(),
                _ => Match::to_client(),
            };
            let then = match pick(10) {
                0 => Action::Refuse(503),
                1 => Action::Close(1001, String::new()),
                2 => Action::Cut,
                3 => Action::Delay(Duration::from_millis(pick(20_000))),
                4 => Action::Drop,
                5 => Action::GoSilent,
                6 => Action::Answer("no JSON".into()),
                7 => Action::LimitAge(Duration::from_millis(pick(60_000))),
                8 => Action::Double,
                _ => Action::Reorder,
            };
            // Some make no sense, and are refused.
            let _ = world.add_rule(Rule::new(on.every(1 + pick(3)), then).times(pick(50)));
        }
        for client in &clients {
            world.connect(*client);
        }
        for _ in 0..50 {
            let client = clients[usize::try_from(pick(5)).unwrap()];
            match pick(9) {
                0 => world.goes_offline(client),
                1 => world.comes_online(client),
                2 => world.freezes(client),
                3 => world.thaws(client),
                4 => drop(world.send(client, r#"{"action":"echomessage","data":"x"}"#)),
                5 => drop(world.go_silent()),
                6 => drop(world.broadcast("y")),
                7 => drop(world.cut_all()),
                _ => world.wakes(client),
            }
            world.run(Duration::from_millis(pick(30_000)));
            let seen = world.seen();
            let is_open = |dial: &&Dial| matches!(dial.state, DialState::Open | DialState::Silent);
            assert_eq!(seen.open(), seen.dials().iter().filter(is_open).count());
        }
        world.clear_rules();
        for client in &clients {
            world.thaws(*client);
            world.comes_online(*client);
        }
        world.run_until(Duration::from_secs(600), |world| {
            clients.iter().all(|client| world.state(*client).is_open())
        });
    }
}
