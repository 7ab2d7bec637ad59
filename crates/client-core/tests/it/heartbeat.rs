//! Half-open sockets, sleeping machines and frozen pages.

use std::time::Duration;

use babelwire_client_core::{Cause, Config, Continuity, Event, Heartbeat, State};
use babelwire_testkit::rules::Action;

use crate::world::{FORBIDDEN, LATENCY, World};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

fn heartbeat() -> Heartbeat {
    Heartbeat::default()
}

/// Lets time pass until another socket than that of now is open, and says how long it took.
fn until_replaced(world: &mut World) -> Duration {
    let start = world.now();
    let dead = world.state().generation();
    while !world.state().is_open() || world.state().generation() == dead {
        assert!(world.step(start + MINUTE), "{:?}", world.state());
    }
    world.now() - start
}

fn causes(world: &World) -> Vec<&Cause> {
    world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Changed { cause, .. } => Some(cause),
            _ => None,
        })
        .collect()
}

#[test]
fn a_path_that_goes_silent_is_left_and_a_new_socket_is_open_within_10_s() {
    let mut times: Vec<Duration> = (0..1000_u64)
        .map(|seed| {
            let mut world = World::connected_by_chance(seed);
            world.set_latency(Duration::from_millis(5 + seed % 60));
            // Silence begins at any moment of a ping's interval.
            world.run(Duration::from_millis(20_000 + seed * 7));
            world.goes_silent();
            until_replaced(&mut world)
        })
        .collect();
    times.sort_unstable();
    let p95 = times[times.len() * 95 / 100];
    assert!(p95 <= 10 * SECOND, "{p95:?}");
    assert!(times[0] >= SECOND, "not before a deadline is over");
}

#[test]
fn a_backend_without_a_route_for_pings_proves_its_life_by_refusing_them() {
    let mut world = World::new(Config::default());
    world.pings_meet(Action::Answer(FORBIDDEN.into()));
    world.connect();
    world.run(MINUTE);
    assert!(world.pings() > 5);
    assert!(
        world.frames().is_empty(),
        "a refusal of ours is nobody's news"
    );
    assert_eq!(world.dials().len(), 1);
    assert!(matches!(world.beats[1], Event::Ponged { .. }));

    world.goes_silent();
    until_replaced(&mut world);
    assert!(causes(&world).contains(&&Cause::Unresponsive));
}

#[test]
fn a_backend_that_never_answers_is_called_mute_once_and_never_judged() {
    let mut world = World::new(Config::default());
    world.pings_meet(Action::Drop);
    world.connect();
    world.run(HOUR);
    assert_eq!(world.dials().len(), 1);
    let mutes = world
        .beats
        .iter()
        .filter(|event| matches!(event, Event::Mute { .. }))
        .count();
    assert_eq!(mutes, 1);
    assert!(world.pings() <= 62, "{} pings in an hour", world.pings());

    // It learns to answer, and from then on its silence speaks.
    world.is_well();
    world.run(2 * MINUTE);
    world.goes_silent();
    assert!(until_replaced(&mut world) <= 10 * SECOND);
}

#[test]
fn a_connection_with_news_is_never_asked() {
    let mut world = World::connected();
    let asked = world.pings();
    for number in 0..1000 {
        world.broadcast(&number.to_string());
        world.run(SECOND);
    }
    assert_eq!(world.pings(), asked);
    assert_eq!(world.frames().len(), 1000);
}

#[test]
fn news_that_comes_while_an_answer_is_awaited_proves_life_as_well() {
    let mut world = World::connected();
    world.pings_meet(Action::Drop);
    for _ in 0..20 {
        world.run(heartbeat().interval + SECOND);
        world.broadcast("news");
        world.run(LATENCY);
    }
    assert_eq!(world.dials().len(), 1);
    assert!(world.pings() > 10);
}

#[test]
fn a_page_that_nobody_sees_pings_once_a_minute() {
    let mut world = World::connected();
    world.is_seen(false);
    world.run(10 * SECOND);
    let asked = world.pings();
    world.run(10 * MINUTE);
    let pings = world.pings() - asked;
    assert!((9..=11).contains(&pings), "{pings}");
}

#[test]
fn a_hundred_tab_switches_on_a_healthy_socket_give_no_reconnect_and_few_pings() {
    let mut world = World::connected();
    let asked = world.pings();
    for _ in 0..100 {
        world.is_seen(false);
        world.run(5 * LATENCY);
        world.is_seen(true);
        world.comes_online();
        world.run(3 * SECOND);
    }
    assert_eq!(world.dials().len(), 1);
    assert!(world.events.is_empty(), "{:?}", world.events);
    assert!(world.pings() - asked <= 300);
}

/// What a driver does when the platform says that a frozen page runs again.
fn thaws(world: &mut World, frozen: Duration) {
    world.thaws_after(frozen, |world| {
        world.is_seen(true);
        world.wakes();
    });
}

#[test]
fn after_a_freeze_a_dead_socket_is_replaced_within_2_s_plus_the_dial() {
    let dial = 2 * LATENCY;
    // An answer that came just before the silence may wait in the frozen page: it proves nothing.
    for silent_before in [LATENCY, Duration::ZERO] {
        for seed in 0..200 {
            for frozen in [10 * SECOND, 10 * MINUTE, 24 * HOUR] {
                let mut world = World::connected_by_chance(seed);
                world.run(Duration::from_millis(1000 + 37 * seed));
                world.goes_silent();
                world.run(silent_before);
                thaws(&mut world, frozen);
                let took = until_replaced(&mut world);
                assert!(took <= 2 * SECOND + dial, "{took:?} after {frozen:?}");
            }
        }
    }
}

#[test]
fn a_healthy_socket_survives_any_freeze_although_timers_fire_before_the_answer_is_read() {
    for frozen in [2 * SECOND, 6 * SECOND, 9 * SECOND, HOUR] {
        for phase in 0..60_u32 {
            let mut world = World::connected();
            world.run(Duration::from_millis(100) * phase);
            thaws(&mut world, frozen);
            world.run(MINUTE);
            assert_eq!(world.dials().len(), 1, "{frozen:?} at {phase}");
        }
    }
}

#[test]
fn a_machine_that_slept_while_its_own_clock_stood_still_is_found_out_by_the_wall_clock() {
    let mut world = World::connected();
    world.run(SECOND / 2);
    let wall = 1_700_000_000_000;
    world.looks_at_the_clock(wall);
    world.goes_silent();
    // Eight hours on the wall, none on the machine.
    world.looks_at_the_clock(wall + 8 * 3_600_000);
    let took = until_replaced(&mut world);
    assert!(took <= 2 * SECOND + 2 * LATENCY, "{took:?}");
}

#[test]
fn a_wall_clock_that_is_set_back_or_a_little_forward_frightens_nobody() {
    let mut world = World::connected();
    let asked = world.pings();
    for wall in [1_000_000, 5_000, 0, 4_000, 8_000, u64::MAX] {
        world.looks_at_the_clock(wall);
    }
    world.run(LATENCY);
    assert_eq!(world.pings() - asked, 1, "the jump to the end of time");
    world.run(MINUTE);
    assert_eq!(world.dials().len(), 1);
}

#[test]
fn a_hidden_page_whose_timers_run_once_a_minute_still_finds_a_dead_socket() {
    let mut world = World::connected();
    world.is_seen(false);
    world.goes_silent();
    let mut minutes = 0;
    while world.state().is_open() {
        world.freezes_for(MINUTE);
        minutes += 1;
        assert!(minutes <= 5);
    }
}

#[test]
fn what_is_dead_by_a_ping_is_lost_continuity_and_its_late_frames_reach_nobody() {
    let mut world = World::connected();
    let dead = world.present();
    world.goes_silent();
    until_replaced(&mut world);
    assert!(world.events.iter().any(|event| matches!(
        event,
        Event::Opened {
            continuity: Continuity::MayBeLost,
            ..
        }
    )));
    let output = world.act(|connection, now, _| {
        connection.handle_frame(now, dead, "a ghost".into());
        connection.poll_output()
    });
    assert_eq!(output, None);
}

#[test]
fn somebody_elses_pong_is_news_and_a_late_one_of_ours_is_not() {
    let mut world = World::connected();
    world.set_latency(Duration::from_secs(4));
    world.broadcast(r#"{"type":"pong","data":"mine"}"#);
    world.run(5 * SECOND);
    assert_eq!(world.frames(), [r#"{"type":"pong","data":"mine"}"#]);

    let generation = world.present();
    let frames: Vec<_> = world.act(|connection, now, _| {
        for number in [1, 77777] {
            let pong = format!(r#"{{"type":"pong","data":"hb-{number}"}}"#);
            connection.handle_frame(now, generation, pong.into());
        }
        std::iter::from_fn(|| connection.poll_output()).collect()
    });
    assert_eq!(frames.len(), 1, "no ping had that number: {frames:?}");
}

#[test]
fn without_a_heartbeat_nothing_is_asked_and_nothing_is_due() {
    let mut world = World::new(Config {
        heartbeat: None,
        rollover: None,
        ..Config::default()
    });
    world.connect();
    world.run(24 * HOUR);
    world.wakes();
    world.looks_at_the_clock(0);
    world.looks_at_the_clock(u64::MAX);
    assert!(world.pings() == 0);
    assert_eq!(world.connection().poll_timeout(), None);
}

#[test]
fn an_explicit_close_stays_closed_through_sleep_and_wake() {
    let mut world = World::connected();
    world.close();
    world.looks_at_the_clock(0);
    world.freezes_for(HOUR);
    world.looks_at_the_clock(u64::MAX);
    world.is_seen(true);
    world.wakes();
    world.comes_online();
    world.run(HOUR);
    assert_eq!(world.state(), State::Closed);
    assert_eq!(world.dials().len(), 1);
}

#[test]
fn a_probe_that_fails_waits_half_a_second_at_most_and_grows_if_the_server_is_gone() {
    let mut world = World::connected();
    world.run(MINUTE);
    world.dials_meet(Action::Refuse(503));
    world.goes_silent();
    world.run(2 * SECOND);
    world.wakes();
    world.run_until("waiting", 2 * SECOND);
    let State::Waiting { delay, attempt, .. } = world.state() else {
        unreachable!();
    };
    assert!(delay <= SECOND / 2 && attempt == 1, "{delay:?}");
    world.run(10 * MINUTE);
    assert!(world.dials().len() < 30, "{}", world.dials().len());
}

const ERROR: &str = r#"{"message":"Internal server error","connectionId":"a=","requestId":"b="}"#;

#[test]
fn an_error_of_the_applications_own_makes_no_mute_backend_speak() {
    // At any moment: while nothing is known of it, and when it is known to be mute.
    for at in [SECOND, 20 * SECOND, 65 * SECOND, 130 * SECOND] {
        let mut world = World::new(Config::default());
        world.pings_meet(Action::Drop);
        world.connect();
        world.run(at);
        world.broadcast(ERROR);
        world.run(30 * MINUTE);
        let dials = world.dials().len();
        // An error that is taken for an answer costs two sockets, and no more.
        assert!(dials <= 3, "{dials} dials after an error at {at:?}");
        if at > 10 * SECOND {
            assert_eq!(world.frames(), [ERROR]);
        }
    }
}

#[test]
fn a_backend_that_answers_pongs_has_no_error_taken_for_one() {
    let mut world = World::connected();
    world.set_latency(SECOND);
    world.run(heartbeat().interval);
    world.broadcast(ERROR);
    world.run(MINUTE);
    assert_eq!(world.frames(), [ERROR]);
    assert_eq!(world.dials().len(), 1);
}

#[test]
fn a_page_that_is_seen_again_pings_as_often_as_a_page_that_is_seen() {
    let mut world = World::connected();
    world.is_seen(false);
    world.run(9 * SECOND);
    world.broadcast("news");
    world.run(LATENCY * 2);
    world.is_seen(true);
    world.goes_silent();
    assert!(until_replaced(&mut world) <= 10 * SECOND);
}
