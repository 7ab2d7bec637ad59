use std::sync::Arc;

use babelwire_wire::{Frame, Status};
use serde_json::json;

use crate::world::{Client, Delivery, EVERYONE, Process, World, is};

fn echo(text: &str) -> String {
    json!({"action": "echomessage", "data": text}).to_string()
}

fn many(paragraphs: usize) -> String {
    (0..paragraphs).fold(String::new(), |text, n| text + &format!("number {n}.\n\n"))
}

#[test]
fn a_frame_reaches_everybody_page_after_page_whatever_happens_to_some() {
    let world = World::new();
    let mut process = Process::start(&world);
    let names: Vec<_> = (0..1300).map(|n| format!("c{n:04}")).collect();
    for (n, name) in names.iter().enumerate() {
        world.connect(
            name,
            match n % 100 {
                3 => Client::Gone,
                5 => Client::Broken,
                _ => Client::Reads,
            },
        );
    }
    process.action("c0000", &echo("hello"));
    for (n, name) in names.iter().enumerate() {
        let expected: &[&str] = if matches!(n % 100, 3 | 5) {
            &[]
        } else {
            &["hello"]
        };
        assert_eq!(world.frames(name), expected, "{name}");
    }
    let left = world.stores().connections.len();
    assert_eq!(
        left,
        1300 - 13,
        "those that are gone are forgotten, and no others"
    );
}

#[test]
fn a_connection_whose_handshake_has_not_ended_is_not_taken_for_gone() {
    let world = World::new();
    let mut process = Process::start(&world);
    world.connect("sender", Client::Reads);
    let service = Arc::clone(&process.service);
    process
        .call(async move { service.connected("new", &EVERYONE).await })
        .unwrap();
    process.action("sender", &echo("too early"));
    assert!(world.stores().connections.contains_key("new"));
    world.connect("new", Client::Reads);
    process.action("sender", &echo("hello"));
    assert_eq!(world.frames("new"), ["hello"]);
}

#[test]
fn a_client_that_is_slow_holds_up_nobody_and_gets_its_frame() {
    let world = World::new();
    let mut process = Process::start(&world);
    world.connect("slow", Client::BusyFor(4));
    world.connect("quick", Client::Reads);
    let id = process.announce("Hello.");
    process.run(Delivery::Once, |world| !world.frames("quick").is_empty());
    assert!(world.frames("slow").is_empty());
    process.settle();
    assert_eq!(world.understood("slow").len(), 1);
    assert!(matches!(
        &world.understood("slow")[0],
        Frame::Translation(translation) if translation.id == id
    ));
}

#[test]
fn a_client_that_never_reads_is_closed_so_that_it_comes_back_and_asks() {
    let world = World::new();
    let mut process = Process::start(&world);
    world.connect("stuck", Client::BusyFor(usize::MAX));
    world.connect("quick", Client::Reads);
    let id = process.upload(&many(300));
    assert_eq!(process.finish(&id), many(300).to_uppercase());
    process.settle();
    assert!(world.closed.lock().unwrap().contains("stuck"));
    assert!(!world.closed.lock().unwrap().contains("quick"));
}

#[test]
fn a_client_that_never_reads_holds_up_who_echoes_for_a_few_seconds_once() {
    let world = World::new();
    let mut process = Process::start(&world);
    world.connect("stuck", Client::BusyFor(usize::MAX));
    world.connect("sender", Client::Reads);
    let begin = world.now();
    process.action("sender", &echo("one"));
    let held_up = world.now().duration_since(begin);
    // A handler has 29 s, and its answer must come well before.
    assert!(held_up.as_secs() < 10, "{held_up}");
    assert!(world.closed.lock().unwrap().contains("stuck"));

    let begin = world.now();
    process.action("sender", &echo("two"));
    assert!(world.now().duration_since(begin).as_secs() < 1);
    assert_eq!(world.frames("sender"), ["one", "two"]);
}

#[test]
fn a_subscriber_that_falls_behind_is_caught_up_with_every_segment() {
    let world = World::new();
    let mut process = Process::start(&world);
    world.connect("slow", Client::Reads);
    world.connect("quick", Client::Reads);
    let id = process.announce(&many(600));
    for connection in ["slow", "quick"] {
        let subscribe = json!({"action": "subscribe", "translationId": id});
        assert_eq!(process.action(connection, &subscribe.to_string()), None);
    }
    let key = world.object_key(&id);
    world.put(babelwire_service::ports::Bucket::Sources, &key, many(600));
    process.run(Delivery::Once, |world| world.stores().segments.len() >= 100);
    for _ in 0..3 {
        world.set_client("slow", Client::BusyFor(7));
        let kept = world.stores().segments.len();
        process.run(Delivery::Once, |world| {
            world.stores().segments.len() >= kept + 50
        });
    }
    process.finish(&id);
    process.settle();
    for connection in ["slow", "quick"] {
        let received = world.segments_received(connection);
        assert_eq!(received.len(), 600, "{connection}");
        assert!(
            received
                .values()
                .all(|s| s.text == format!("NUMBER {}.", s.index))
        );
    }
    assert!(world.closed.lock().unwrap().is_empty());
}

#[test]
fn who_subscribes_at_any_moment_gets_every_segment_from_there_on() {
    for kept in [0, 1, 50, 199, 200, 201, 299, 300] {
        for from in [0_u64, 150, 299, 1000] {
            let world = World::new();
            let mut process = Process::start(&world);
            world.connect("a", Client::Reads);
            let id = process.upload(&many(300));
            process.run(Delivery::Once, |world| {
                world.stores().segments.len() >= kept
            });
            let subscribe =
                json!({"action": "subscribe", "translationId": id, "from": from}).to_string();
            assert_eq!(process.action("a", &subscribe), None);
            process.finish(&id);
            process.settle();
            let received: Vec<_> = world.segments_received("a").into_keys().collect();
            let expected: Vec<_> = (from..300).collect();
            assert_eq!(received, expected, "{kept} kept, from {from}");
        }
    }
}

#[test]
fn a_connection_follows_only_so_many_translations() {
    let world = World::new();
    let mut process = Process::start_with(
        &world,
        babelwire_service::Limits {
            subscriptions: 2,
            ..babelwire_service::Limits::default()
        },
    );
    world.connect("a", Client::Reads);
    let ids: Vec<_> = (0..3).map(|_| process.announce("Hello.")).collect();
    let mut send = |action: &str, id: &str| {
        let body = json!({"action": action, "translationId": id});
        process.action("a", &body.to_string())
    };
    assert_eq!(send("subscribe", &ids[0]), None);
    assert_eq!(send("subscribe", &ids[1]), None);
    // Again is no third.
    assert_eq!(send("subscribe", &ids[1]), None);
    let refused = send("subscribe", &ids[2]).unwrap();
    assert!(refused.contains("can follow 2"), "{refused}");
    assert_eq!(send("unsubscribe", &ids[0]), None);
    assert_eq!(send("subscribe", &ids[2]), None);
}

#[test]
fn the_news_of_the_end_is_never_left_out() {
    let world = World::new();
    let mut process = Process::start(&world);
    world.connect("slow", Client::Reads);
    let id = process.upload(&many(50));
    process.run(Delivery::Once, |world| world.stores().segments.len() >= 40);
    world.set_client("slow", Client::BusyFor(9));
    process.finish(&id);
    process.settle();
    assert!(is(&world, &id, Status::Done));
    let end = world.understood("slow").into_iter().any(|frame| {
        matches!(frame, Frame::Translation(translation) if translation.status == Status::Done)
    });
    assert!(end);
}
