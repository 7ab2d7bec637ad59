use std::time::Duration;

use babelwire_client_core::{
    AfterClose, Cause, Closed, Config, Continuity, Discard, Event, OutboxLimits, Rejection,
    SendOutcome, State,
};
use babelwire_testkit::rules::Action;
use babelwire_wire::limits::MAX_FRAME_BYTES;

use crate::world::{LATENCY, World};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn lost() -> Closed {
    Closed {
        code: 1006,
        reason: String::new(),
        was_clean: false,
    }
}

#[test]
fn a_page_connects_and_hears_of_each_step() {
    let mut world = World::new(Config::default());
    assert_eq!(world.state(), State::Closed);
    world.connect();
    world.run(MINUTE);
    let generation = world.present();
    let connecting = State::Connecting {
        generation,
        attempt: 0,
    };
    assert_eq!(
        world.events,
        [
            Event::Changed {
                from: State::Closed,
                to: connecting,
                cause: Cause::Requested
            },
            Event::Changed {
                from: connecting,
                to: State::Open { generation },
                cause: Cause::Opened
            },
            Event::Opened {
                generation,
                continuity: Continuity::First
            },
        ]
    );
}

#[test]
fn a_healthy_connection_is_left_alone_whoever_looks_at_the_page() {
    let mut world = World::connected();
    for _ in 0..100 {
        world.run(MINUTE / 2);
        world.wakes();
        world.comes_online();
        world.connect();
    }
    assert_eq!(world.events, []);
    assert_eq!(world.dials().len(), 1);
}

#[test]
fn the_server_dies_and_the_connection_comes_back_by_itself() {
    let mut world = World::connected();
    let first = world.present();
    world.run(MINUTE);
    world.server_dies();
    world.run(10 * SECOND);
    assert!(!world.state().is_open());
    world.is_well();
    world.run_until("open", MINUTE);

    assert_ne!(world.present(), first);
    assert!(matches!(
        &world.events[0],
        Event::Changed {
            from: State::Open { .. },
            to: State::Waiting { attempt: 1, delay, .. },
            cause: Cause::SocketClosed(Closed { code: 1006, .. }),
        } if *delay <= SECOND
    ));
    assert!(matches!(
        world.events.last(),
        Some(Event::Opened {
            continuity: Continuity::MayBeLost,
            ..
        })
    ));
}

#[test]
fn frames_sent_while_the_server_is_away_arrive_once_and_in_order_when_it_is_back() {
    let mut world = World::connected();
    assert_eq!(world.send("0"), SendOutcome::Sent);
    world.run(MINUTE);
    world.server_dies();
    world.run_until("waiting", SECOND);
    for number in 1..=50 {
        assert!(matches!(
            world.send(&number.to_string()),
            SendOutcome::Queued(_)
        ));
        world.run(SECOND);
    }
    assert_eq!(world.received(), ["0"]);
    assert_eq!(world.connection().queued(), 50);

    world.is_well();
    world.run_until("open", MINUTE);
    assert_eq!(world.send("51"), SendOutcome::Sent);
    world.run(LATENCY);
    let all: Vec<String> = (0..=51).map(|number: u32| number.to_string()).collect();
    assert_eq!(world.received(), all);
    let sent = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::Sent { .. }))
        .count();
    assert_eq!(sent, 52, "the console sees each frame go, once");
}

#[test]
fn a_frame_that_the_gateway_would_refuse_is_rejected_before_it_is_sent_or_queued() {
    let too_large = "é".repeat(MAX_FRAME_BYTES / 2) + "!";
    let rejected = SendOutcome::Rejected(Rejection::TooLarge {
        bytes: MAX_FRAME_BYTES + 1,
        limit: MAX_FRAME_BYTES,
    });
    let mut world = World::new(Config::default());
    world.connect();
    assert_eq!(world.send(&too_large), rejected, "while connecting");
    world.run(MINUTE);
    assert_eq!(world.send(&too_large), rejected, "while open");
    world.run(MINUTE);
    assert!(world.received().is_empty());
}

#[test]
fn a_full_outbox_says_so_and_what_it_holds_still_arrives() {
    let mut world = World::new(Config {
        outbox: OutboxLimits {
            queued_frames: 2,
            ..OutboxLimits::default()
        },
        ..Config::default()
    });
    world.connect();
    assert!(matches!(world.send("a"), SendOutcome::Queued(_)));
    assert!(matches!(world.send("b"), SendOutcome::Queued(_)));
    assert_eq!(
        world.send("c"),
        SendOutcome::Rejected(Rejection::QueueFull {
            frames: 2,
            bytes: 2
        })
    );
    world.run(SECOND);
    assert_eq!(world.received(), ["a", "b"]);
}

#[test]
fn an_explicit_close_stays_closed_whatever_happens() {
    let mut world = World::connected();
    let generation = world.present();
    world.run(MINUTE);
    world.close();
    assert_eq!(world.state(), State::Closed);
    assert_eq!(
        world.send("too late"),
        SendOutcome::Rejected(Rejection::Closed)
    );
    world.act(|connection, now, jitter| {
        connection.handle_closed(now, generation, lost(), jitter);
    });
    for _ in 0..10 {
        world.wakes();
        world.goes_offline();
        world.comes_online();
        world.run(DAY);
    }
    assert_eq!(world.states(), ["closed"]);
    assert_eq!(world.connection().poll_timeout(), None);

    world.connect();
    world.run_until("open", SECOND);
}

#[test]
fn what_was_queued_when_somebody_closed_is_told_to_be_discarded_frame_by_frame() {
    let mut world = World::new(Config::default());
    world.dials_meet(Action::Drop);
    world.connect();
    let _ = world.send("a");
    let _ = world.send("b");
    world.close();
    let discarded: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Discarded {
                payload,
                why: Discard::Closed,
                ..
            } => payload.text(),
            _ => None,
        })
        .collect();
    assert_eq!(discarded, ["a", "b"]);
    world.is_well();
    world.connect();
    world.run(MINUTE);
    assert!(world.received().is_empty());
}

#[test]
fn a_host_that_never_answers_is_given_up_and_an_open_that_comes_too_late_is_passed_over() {
    let mut world = World::new(Config::default());
    world.dials_meet(Action::Drop);
    world.connect();
    let first = world.present();
    let dialling = world.run_until("waiting", MINUTE);
    assert_eq!(dialling, Config::default().dial_timeout);
    assert!(matches!(
        world.events.last(),
        Some(Event::Changed {
            cause: Cause::DialTimedOut,
            ..
        })
    ));

    world.act(|connection, now, jitter| connection.handle_opened(now, first, jitter));
    assert_eq!(world.state().as_str(), "waiting");
    world.run_until("connecting", MINUTE);
    world.act(|connection, now, jitter| {
        connection.handle_opened(now, first, jitter);
        connection.handle_frame(now, first, "ghost".into());
        connection.handle_error(first);
        connection.handle_closed(now, first, lost(), jitter);
    });
    assert_eq!(world.state().as_str(), "connecting");
    assert!(world.frames().is_empty());
}

#[test]
fn frames_of_a_socket_that_was_left_behind_reach_nobody() {
    let mut world = World::connected();
    world.broadcast("in time");
    world.run(LATENCY);
    world.broadcast("on its way when the network went");
    world.goes_offline();
    world.comes_online();
    world.run_until("open", 2 * SECOND);
    world.broadcast("over the new socket");
    world.run(LATENCY);
    assert_eq!(world.frames(), ["in time", "over the new socket"]);
}

#[test]
fn a_server_that_accepts_and_closes_at_once_is_dialled_ever_more_rarely() {
    let mut world = World::new(Config::default());
    world.dials_meet(Action::Close(1011, String::new()));
    world.connect();
    world.run(10 * MINUTE);
    let before = world.dials().len();
    world.run(100 * MINUTE);
    let dials = world.dials().len() - before;
    assert!(
        (150..=250).contains(&dials),
        "{dials} dials in 100 minutes: two a minute were expected"
    );
}

#[test]
fn the_backoff_begins_anew_only_after_a_connection_that_was_stable() {
    let attempt_after = |uptime: Duration| {
        let mut world = World::new(Config::default());
        world.dials_meet(Action::Refuse(503));
        world.connect();
        world.run(20 * SECOND);
        world.is_well();
        world.run_until("open", MINUTE);
        world.run(uptime);
        world.server_closes(1001);
        world.run_until("waiting", SECOND);
        match world.state() {
            State::Waiting { attempt, .. } => attempt,
            other => panic!("{other:?}"),
        }
    };
    assert!(attempt_after(4 * SECOND) > 3);
    assert_eq!(attempt_after(5 * SECOND), 1);
}

#[test]
fn a_stable_connection_counts_as_stable_even_if_the_tab_was_frozen_and_no_timer_ran() {
    let mut world = World::new(Config::default());
    world.dials_meet(Action::Refuse(503));
    world.connect();
    world.run(20 * SECOND);
    world.is_well();
    world.run_until("open", MINUTE);
    let generation = world.present();
    world.act(|connection, now, jitter| {
        connection.handle_closed(now + DAY, generation, lost(), jitter);
    });
    assert!(matches!(world.state(), State::Waiting { attempt: 1, .. }));
}

#[test]
fn nothing_is_dialled_while_the_machine_is_offline_and_all_is_well_soon_after() {
    let mut world = World::connected();
    world.run(MINUTE);
    world.goes_offline();
    assert_eq!(world.state(), State::Offline);
    assert!(matches!(
        world.send("from a tunnel"),
        SendOutcome::Queued(_)
    ));
    world.run(10 * MINUTE);
    world.wakes();
    assert_eq!(world.dials().len(), 1);

    world.comes_online();
    let took = world.run_until("open", MINUTE);
    assert!(took <= SECOND + LATENCY * 2, "{took:?}");
    world.run(LATENCY);
    assert_eq!(world.received(), ["from a tunnel"]);
    assert_eq!(world.states(), ["offline", "waiting", "connecting", "open"]);
}

#[test]
fn a_network_that_comes_back_and_a_person_who_connects_again_both_begin_without_old_failures() {
    let mut world = World::new(Config::default());
    world.dials_meet(Action::Refuse(503));
    world.connect();
    world.run(10 * MINUTE);
    world.goes_offline();
    world.comes_online();
    assert!(
        matches!(world.state(), State::Waiting { attempt: 1, delay, .. } if delay <= SECOND),
        "{:?}",
        world.state()
    );
    world.run(10 * MINUTE);
    world.close();
    world.connect();
    assert!(matches!(
        world.state(),
        State::Connecting { attempt: 0, .. }
    ));
}

#[test]
fn going_offline_ends_a_dial_and_a_wait_as_well() {
    for dials_meet in [Action::Drop, Action::Refuse(503)] {
        let mut world = World::new(Config::default());
        world.dials_meet(dials_meet);
        world.connect();
        world.run(8 * SECOND);
        world.goes_offline();
        assert_eq!(world.state(), State::Offline);
        let dials = world.dials().len();
        world.run(DAY);
        assert_eq!(world.dials().len(), dials);
    }
}

#[test]
fn a_server_on_a_machine_without_a_network_is_reached_and_reached_again_after_a_restart() {
    let mut world = World::new(Config::default());
    world.act(|connection, _, _| connection.hint_online(false));
    world.connect();
    world.run_until("open", SECOND);
    world.run(MINUTE);
    world.server_dies();
    world.run(5 * SECOND);
    world.is_well();
    world.run_until("open", MINUTE);
    assert!(!world.states().contains(&"offline"));
}

#[test]
fn a_page_that_starts_offline_finds_out_by_one_dial_and_waits() {
    let mut world = World::new(Config::default());
    world.dials_meet(Action::Refuse(503));
    world.act(|connection, _, _| connection.hint_online(false));
    world.connect();
    world.run(DAY);
    assert_eq!(world.states(), ["connecting", "offline"]);
    assert_eq!(world.dials().len(), 1);

    world.is_well();
    world.comes_online();
    world.run_until("open", 2 * SECOND);
}

#[test]
fn looking_at_the_page_brings_a_far_dial_near_and_never_puts_a_near_one_off() {
    let mut world = World::connected();
    world.server_dies();
    world.run(10 * MINUTE);
    world.run_until("waiting", MINUTE);
    let far = loop {
        let State::Waiting { until, .. } = world.state() else {
            world.run_until("waiting", MINUTE);
            continue;
        };
        if until - world.now() > 5 * SECOND {
            break until;
        }
        world.run(SECOND);
    };
    world.wakes();
    let State::Waiting { until: near, .. } = world.state() else {
        panic!("{:?}", world.state());
    };
    assert!(near < far && near - world.now() <= SECOND);
    for _ in 0..100 {
        world.wakes();
        let State::Waiting { until, .. } = world.state() else {
            panic!("{:?}", world.state());
        };
        assert!(until <= near);
    }
}

#[test]
fn somebody_who_asks_for_a_retry_gets_one_dial_at_once_however_often_they_ask() {
    let mut world = World::connected();
    world.server_dies();
    world.run_until("waiting", MINUTE);
    world.dials_meet(Action::Drop);
    let before = world.dials().len();
    for _ in 0..10 {
        world.connect();
    }
    assert_eq!(world.dials().len(), before + 1);
    assert_eq!(world.dials().last().map(|dial| dial.at), Some(world.now()));
}

#[test]
fn a_retry_asked_for_while_offline_is_made_and_proves_the_browser_wrong() {
    let mut world = World::connected();
    world.goes_offline();
    world.connect();
    world.run_until("open", SECOND);
    world.run(MINUTE);
    world.server_closes(1001);
    world.run_until("connecting", MINUTE);
}

#[test]
fn an_address_that_cannot_be_dialled_closes_with_the_reason() {
    let mut world = World::new(Config::default());
    world.dials_meet(Action::Drop);
    world.connect();
    let generation = world.present();
    world.act(|connection, _, _| {
        connection.handle_dial_impossible(generation, "\"::\" is not a URL".to_owned());
    });
    world.run(DAY);
    assert_eq!(world.state(), State::Closed);
    assert_eq!(world.dials().len(), 1);
    let Some(Event::Changed { cause, .. }) = world.events.last() else {
        panic!("the reason is told");
    };
    assert_eq!(
        cause.to_string(),
        "the address cannot be dialled: \"::\" is not a URL"
    );
}

#[test]
fn a_frame_given_to_a_socket_that_is_closing_waits_for_the_next_one() {
    let mut world = World::connected();
    world.run(MINUTE);
    let generation = world.present();
    world.act(|connection, _, _| connection.handle_closing(generation));
    assert!(matches!(
        world.send("not into the void"),
        SendOutcome::Queued(_)
    ));
    world.server_closes(1001);
    world.run_until("waiting", SECOND);
    world.run_until("open", MINUTE);
    world.run(LATENCY);
    assert_eq!(world.received(), ["not into the void"]);
}

#[test]
fn an_application_can_make_a_close_code_final() {
    let mut world = World::new(Config {
        after_close: |closed| {
            if closed.code == 4001 {
                AfterClose::Stop
            } else {
                AfterClose::Backoff {
                    at_least: Duration::ZERO,
                }
            }
        },
        ..Config::default()
    });
    world.connect();
    world.run(MINUTE);
    world.server_closes(4000);
    world.run_until("waiting", SECOND);
    world.run_until("open", MINUTE);
    world.server_closes(4001);
    world.run(DAY);
    assert_eq!(world.state(), State::Closed);
    assert!(world.events.iter().any(|event| matches!(
        event,
        Event::Changed {
            to: State::Closed,
            cause: Cause::SocketClosed(Closed { code: 4001, .. }),
            ..
        }
    )));
}
