//! A second socket takes over before the first one's time is over.

use std::collections::BTreeMap;
use std::time::Duration;

use babelwire_client_core::{Cause, Config, Continuity, Event, Rollover, StandbyNews, State};
use babelwire_testkit::rules::{Action, Match};

use crate::world::{LATENCY, World};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// For a gateway that closes after 10 s.
fn hurried() -> Config {
    Config {
        rollover: Some(Rollover {
            earliest: 6 * SECOND,
            latest: 8 * SECOND,
            overlap: SECOND,
        }),
        dials_per_minute: 100,
        ..Config::default()
    }
}

fn rollovers(world: &World) -> usize {
    world
        .events
        .iter()
        .filter(|event| {
            matches!(
                event,
                Event::Changed {
                    cause: Cause::RolledOver,
                    ..
                }
            )
        })
        .count()
}

#[test]
fn a_hundred_rollovers_of_a_gateway_with_a_10_s_limit_lose_and_double_nothing() {
    for seed in 0..5 {
        let mut world = World::by_chance(seed, hurried());
        world.dials_meet(Action::LimitAge(10 * SECOND));
        // Neither path is as fast as the other, and each frame takes as long as it takes: 0 to
        // 200 ms more, one as likely as the other.
        for step in 0..5 {
            let one_of_the_left = Match::to_client().probability(1.0 / f64::from(5 - step));
            world.add_rule(one_of_the_left, Action::Delay(SECOND / 20 * step));
        }
        world.connect();
        world.run_until("open", SECOND);
        world.must_stay_open = true;
        let mut said = Vec::new();
        while world.dials().len() <= 100 {
            // 50 a second, now and then in the same words.
            let text = if said.len() % 40 == 39 {
                "tick".to_owned()
            } else {
                said.len().to_string()
            };
            world.broadcast(&text);
            said.push(text);
            world.run(SECOND / 50);
        }
        world.run(2 * SECOND);
        let mut counts = BTreeMap::<&str, i32>::new();
        for text in &said {
            *counts.entry(text).or_default() += 1;
        }
        for text in world.frames() {
            *counts.entry(text).or_default() -= 1;
        }
        counts.retain(|_, count| *count != 0);
        let few: Vec<_> = counts.iter().take(5).collect();
        assert!(
            few.is_empty(),
            "seed {seed}: said more often than heard {few:?}"
        );
        assert!(
            world.events.iter().all(|event| !matches!(
                event,
                Event::Opened {
                    continuity: Continuity::MayBeLost,
                    ..
                }
            )),
            "continuity is kept"
        );
        assert_eq!((world.dials().len(), rollovers(&world)), (101, 100));
    }
}

#[test]
fn by_default_a_socket_is_replaced_between_100_and_115_minutes_and_each_page_at_its_own_time() {
    let mut times: Vec<Duration> = (0..200)
        .map(|seed| {
            let mut world = World::connected_by_chance(seed);
            let start = world.now();
            while rollovers(&world) == 0 {
                assert!(world.step(start + 2 * HOUR), "before the gateway's end");
            }
            world.now() - start
        })
        .collect();
    times.sort_unstable();
    assert!(times[0] >= 99 * MINUTE && times[199] <= 116 * MINUTE);
    assert!(times[180] >= times[20] + 10 * MINUTE, "spread out");
}

#[test]
fn every_step_of_a_rollover_is_told() {
    let mut world = World::new(hurried());
    world.connect();
    world.run_until("open", SECOND);
    world.run(SECOND);
    world.events.clear();
    world.run(10 * SECOND);
    let first = world.dials().len();
    assert_eq!(first, 2);
    let told: Vec<String> = world
        .events
        .iter()
        .map(|event| match event {
            Event::Standby { generation, news } => format!("{news:?} {generation}"),
            Event::Changed { from, to, cause } => {
                format!("{} {} {cause}", from.as_str(), to.as_str())
            }
            Event::Opened {
                generation,
                continuity,
            } => format!("{continuity:?} {generation}"),
            Event::Retired { generation } => format!("retired {generation}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "Dialling #2",
            "Proving #2",
            "open open a fresh socket took over",
            "Kept #2",
            "retired #1",
        ]
    );
}

#[test]
fn what_is_sent_during_rollovers_arrives_once_and_in_order() {
    let mut world = World::new(hurried());
    world.dials_meet(Action::LimitAge(10 * SECOND));
    world.connect();
    world.run_until("open", SECOND);
    for number in 0..5000 {
        let _ = world.send(&number.to_string());
        world.run(SECOND / 100);
    }
    world.run(SECOND);
    let all: Vec<String> = (0..5000).map(|number: u32| number.to_string()).collect();
    assert_eq!(world.received(), all);
}

#[test]
fn a_gateway_that_takes_no_second_socket_leaves_the_first_in_peace_and_is_asked_again() {
    let slams_the_door = Action::Close(1013, String::new());
    for dials_meet in [Action::Refuse(503), Action::Drop, slams_the_door] {
        let mut world = World::connected();
        world.must_stay_open = true;
        world.dials_meet(dials_meet.clone());
        world.run(115 * MINUTE);
        assert_eq!(rollovers(&world), 0);
        let failures = world
            .events
            .iter()
            .filter(|event| {
                matches!(
                    event,
                    Event::Standby {
                        news: StandbyNews::Failed {
                            retry_in: Some(_),
                            ..
                        },
                        ..
                    }
                )
            })
            .count();
        assert!(failures > 0);
        world.broadcast("still here");
        world.run(SECOND);
        assert_eq!(world.frames(), ["still here"]);

        world.is_well();
        world.run(3 * MINUTE);
        assert_eq!(rollovers(&world), 1, "{dials_meet}");
    }
}

#[test]
fn a_second_socket_that_opens_into_a_void_is_not_believed() {
    let mut world = World::connected();
    world.dials_meet(Action::GoSilent);
    world.run(116 * MINUTE);
    assert_eq!(rollovers(&world), 0);
    assert!(world.events.iter().any(|event| matches!(
        event,
        Event::Standby {
            news: StandbyNews::Failed {
                cause: Cause::Unresponsive,
                ..
            },
            ..
        }
    )));
    assert!(world.state().is_open());
}

#[test]
fn a_first_socket_that_was_dead_already_is_no_continuity() {
    let mut world = World::connected();
    world.is_seen(false);
    world.run(90 * MINUTE);
    world.events.clear();
    // It dies unnoticed, shortly before the second one comes.
    while !world.events.iter().any(|event| {
        matches!(
            event,
            Event::Standby {
                news: StandbyNews::Dialling,
                ..
            }
        )
    }) {
        assert!(world.step(world.now() + HOUR));
    }
    world.goes_silent();
    world.run(MINUTE);
    assert!(world.state().is_open());
    let continuity = world.events.iter().find_map(|event| match event {
        Event::Opened { continuity, .. } => Some(*continuity),
        _ => None,
    });
    assert_eq!(continuity, Some(Continuity::MayBeLost));
}

#[test]
fn a_first_socket_that_ends_during_a_rollover_is_stood_in_for() {
    for (when, states) in [
        (Duration::ZERO, vec!["connecting", "open"]),
        (LATENCY * 5 / 2, vec!["open"]),
    ] {
        let mut world = World::new(hurried());
        world.connect();
        world.run_until("open", SECOND);
        while world.dials().len() < 2 {
            assert!(world.step(world.now() + MINUTE));
        }
        world.events.clear();
        world.run(when);
        world.closes_the_first(1001, "");
        world.run(5 * LATENCY);
        assert_eq!(world.states(), states);
        assert_eq!(world.dials().len(), 2, "the second socket, and no third");
        assert!(matches!(
            world
                .events
                .iter()
                .find(|event| matches!(event, Event::Opened { .. })),
            Some(Event::Opened {
                continuity: Continuity::MayBeLost,
                ..
            })
        ));
        assert_eq!(world.open_sockets(), 1);
    }
}

#[test]
fn going_offline_or_closing_in_the_middle_of_a_rollover_leaves_no_socket_behind() {
    for step in 0..40 {
        for close in [true, false] {
            let mut world = World::new(hurried());
            world.connect();
            world.run_until("open", SECOND);
            while world.dials().len() < 2 {
                assert!(world.step(world.now() + MINUTE));
            }
            world.run(LATENCY / 2 * step);
            if close {
                world.close();
                assert_eq!(world.state(), State::Closed);
            } else {
                world.goes_offline();
                assert_eq!(world.state(), State::Offline);
            }
            assert!(world.open_sockets() == 0);
            assert_eq!(world.connection().poll_timeout(), None);
            world.run(HOUR);
            assert_eq!(world.dials().len(), 2);
            world.connect();
            world.run(SECOND);
            assert!(world.state().is_open());
        }
    }
}

#[test]
fn a_mute_backend_is_rolled_over_all_the_same_and_the_truth_is_asked_for() {
    let mut world = World::new(Config::default());
    world.pings_meet(Action::Drop);
    world.connect();
    world.run(116 * MINUTE);
    assert_eq!(rollovers(&world), 1);
    assert!(matches!(
        world
            .events
            .iter()
            .rfind(|event| matches!(event, Event::Opened { .. })),
        Some(Event::Opened {
            continuity: Continuity::MayBeLost,
            ..
        })
    ));
}

#[test]
fn without_a_rollover_the_gateway_ends_the_connection_and_it_comes_back() {
    let mut world = World::new(Config {
        rollover: None,
        ..Config::default()
    });
    world.dials_meet(Action::LimitAge(2 * HOUR));
    world.connect();
    world.run(2 * HOUR + MINUTE);
    assert_eq!(
        world.states(),
        ["connecting", "open", "waiting", "connecting", "open"]
    );
}

#[test]
fn a_second_socket_that_times_out_at_once_leaves_no_first_one_behind() {
    let mut config = hurried();
    config.stable_after = SECOND / 4;
    if let Some(rollover) = &mut config.rollover {
        rollover.overlap = 3 * SECOND;
    }
    let mut world = World::new(config);
    world.connect();
    world.run_until("open", SECOND);
    while rollovers(&world) == 0 {
        assert!(world.step(world.now() + MINUTE));
    }
    world.run(SECOND);
    // The second of the two.
    world.closes_the_last(3008);
    world.run(SECOND);
    assert!(world.state().is_open());
    assert_eq!(world.open_sockets(), 1);
}
