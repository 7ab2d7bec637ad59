//! What a close code, a provider and a socket that is too slow lead to.

use std::time::Duration;

use babelwire_client_core::{
    Cause, Config, DialFailure, Discard, Event, OutboxLimits, SendOutcome, State, Ticket,
};
use babelwire_testkit::rules::Action;

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_token_that_is_no_longer_good_is_asked_for_anew_until_a_socket_opens() {
    for code in [1008, 3000, 4401] {
        let mut world = World::connected();
        world.run(MINUTE);
        world.dials_meet(Action::Close(code, String::new()));
        world.server_closes(code);
        world.run(2 * MINUTE);
        let (first, later) = world.dials().split_at(1);
        assert!(!first[0].reauthenticate);
        assert!(
            later.len() > 3 && later.iter().all(|dial| dial.reauthenticate),
            "{later:?}"
        );

        world.is_well();
        world.run(5 * MINUTE);
        world.server_closes(1001);
        world.run(MINUTE);
        let last = world.dials().last().expect("there was a dial");
        assert!(!last.reauthenticate, "{code}");
    }
}

#[test]
fn a_code_that_forbids_is_final_until_somebody_asks() {
    for code in [1010, 3003, 4403] {
        let mut world = World::connected();
        world.run(MINUTE);
        world.server_closes(code);
        world.run(10 * MINUTE);
        assert_eq!((world.state(), world.dials().len()), (State::Closed, 1));
        world.connect();
        world.run(SECOND);
        assert!(world.state().is_open(), "{code}");
    }
}

#[test]
fn a_timed_out_connection_that_was_stable_is_dialled_at_once_and_one_that_was_not_later() {
    let mut world = World::connected();
    world.run(MINUTE);
    world.server_closes(3008);
    world.run(SECOND);
    assert_eq!(world.states(), ["connecting", "open"]);

    world.events.clear();
    world.server_closes(3008);
    world.run(SECOND);
    assert_eq!(world.states()[0], "waiting");
}

#[test]
fn a_server_that_names_a_time_is_left_alone_until_then() {
    let mut world = World::connected();
    world.run(MINUTE);
    world.closes_the_first(1013, "retry-after=40");
    world.run(SECOND);
    world.wakes();
    world.comes_online();
    let State::Waiting { delay, .. } = world.state() else {
        panic!("{:?}", world.state());
    };
    assert!((40 * SECOND..=41 * SECOND).contains(&delay), "{delay:?}");
    world.run(38 * SECOND);
    assert_eq!(world.dials().len(), 1);
    world.run(4 * SECOND);
    assert!(world.state().is_open());
}

#[test]
fn a_provider_that_has_nothing_to_dial_is_asked_again_and_its_wishes_are_respected() {
    let mut world = World::new(Config::default());
    world.dials_meet(Action::Drop);
    world.connect();
    let failure = DialFailure {
        why: "the token service answered 503".to_owned(),
        retry_after: Some(20 * SECOND),
    };
    let generation = world.present();
    world.act(|connection, now, jitter| {
        connection.handle_dial_failed(now, generation, failure.clone(), jitter);
    });
    assert!(matches!(
        world.events.last(),
        Some(Event::Changed { to: State::Waiting { delay, .. }, cause: Cause::DialFailed(told), .. })
            if *delay >= 20 * SECOND && *told == failure
    ));
    assert_eq!(
        Cause::DialFailed(failure).to_string(),
        "there was nothing to dial: the token service answered 503"
    );
    world.is_well();
    world.run_until("open", MINUTE);
    assert_eq!(world.dials().len(), 2);
}

#[test]
fn a_server_that_accepts_and_closes_at_once_sees_ten_dials_a_minute_whatever_the_draws() {
    for seed in 0..300 {
        let mut world = World::by_chance(seed, Config::default());
        world.dials_meet(Action::Close(1011, String::new()));
        world.connect();
        for second in 0..240 {
            // Somebody who keeps switching tabs changes nothing about it.
            if seed % 2 == 0 && second % 3 == 0 {
                world.wakes();
            }
            world.run(SECOND);
        }
        for (index, first) in world.dials().iter().enumerate() {
            let within = world.dials()[index..]
                .iter()
                .take_while(|dial| dial.at - first.at < MINUTE)
                .count();
            assert!(within <= 10, "{within} dials in a minute, seed {seed}");
        }
    }
}

#[test]
fn what_waited_too_long_is_told_to_be_given_up_and_the_rest_is_sent() {
    let mut world = World::new(Config {
        outbox: OutboxLimits {
            max_age: 30 * SECOND,
            ..OutboxLimits::default()
        },
        ..Config::default()
    });
    world.dials_meet(Action::Refuse(503));
    world.connect();
    assert_eq!(
        world.send("old"),
        SendOutcome::Queued(Ticket::from_number(1))
    );
    world.run(20 * SECOND);
    assert_eq!(
        world.send("new"),
        SendOutcome::Queued(Ticket::from_number(2))
    );
    world.run(11 * SECOND);
    assert!(world.events.iter().any(|event| matches!(
        event,
        Event::Discarded { ticket, why: Discard::Expired, .. } if ticket.number() == 1
    )));
    world.is_well();
    world.connect();
    world.run(15 * SECOND);
    assert_eq!(world.received(), ["new"]);
    assert!(world.events.iter().any(|event| matches!(
        event,
        Event::Sent { ticket: Some(ticket), .. } if ticket.number() == 2
    )));
    let resolved = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::Sent { .. } | Event::Discarded { .. }))
        .count();
    assert_eq!(resolved, 2, "each once");
}

#[test]
fn while_a_tunnel_lasts_the_clock_of_what_waits_goes_on() {
    let mut world = World::connected();
    world.goes_offline();
    let _queued = world.send("goodbye");
    let age = OutboxLimits::default().max_age;
    assert_eq!(world.connection().poll_timeout(), Some(world.now() + age));
    world.run(age);
    assert_eq!(world.connection().queued(), 0);
    assert_eq!(world.connection().poll_timeout(), None);
}

#[test]
fn a_socket_that_cannot_keep_up_is_given_no_more_and_the_order_is_kept() {
    let mut world = World::new(Config {
        outbox: OutboxLimits {
            buffered_bytes: 1000,
            queued_frames: 10_000,
            ..OutboxLimits::default()
        },
        ..Config::default()
    });
    world.connect();
    world.run(SECOND);
    // The socket sends nothing.
    world.drains_to(5000);
    let outcomes: Vec<_> = (0..100)
        .map(|number| world.send(&format!("{number:0100}")))
        .collect();
    let sent = outcomes
        .iter()
        .filter(|outcome| **outcome == SendOutcome::Sent)
        .count();
    assert_eq!(sent, 10, "ten frames of 100 bytes reach the limit");
    world.run(3 * SECOND);
    assert_eq!(world.received().len(), 10);
    assert_eq!(world.connection().queued(), 90);

    world.drains_to(0);
    world.run(2 * SECOND);
    let all: Vec<String> = (0..100).map(|number| format!("{number:0100}")).collect();
    assert_eq!(world.received(), all);
    assert_eq!(world.send("free again"), SendOutcome::Sent);
}

#[test]
fn what_a_slow_socket_was_not_given_goes_over_the_next_one() {
    let mut world = World::new(Config {
        outbox: OutboxLimits {
            buffered_bytes: 10,
            ..OutboxLimits::default()
        },
        ..Config::default()
    });
    world.connect();
    world.run(MINUTE);
    world.drains_to(5000);
    for text in ["0123456789", "waits", "as well"] {
        let _outcome = world.send(text);
    }
    world.run(SECOND);
    world.drains_to(0);
    world.goes_offline();
    world.comes_online();
    world.run(2 * SECOND);
    assert_eq!(world.received(), ["0123456789", "waits", "as well"]);
}
