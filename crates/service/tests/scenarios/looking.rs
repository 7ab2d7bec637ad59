use std::sync::Arc;
use std::time::Duration;

use babelwire_service::Limits;
use babelwire_wire::{Frame, Status, look_frame};
use serde_json::json;

use crate::world::{Client, Delivery, Process, World, is};

fn many(paragraphs: usize) -> String {
    (0..paragraphs).fold(String::new(), |text, n| text + &format!("number {n}.\n\n"))
}

/// The indexes in the order in which the engine got them.
fn order(world: &World) -> Vec<u64> {
    let translator = world.translator.lock().unwrap();
    let calls = translator.calls.iter();
    calls
        .map(|text| {
            let digits = text.chars().filter(char::is_ascii_digit);
            digits.collect::<String>().parse().unwrap()
        })
        .collect()
}

/// A world in which a file of many paragraphs has begun to be translated, two at a time.
fn begun(paragraphs: usize) -> (Arc<World>, Process, String) {
    let world = World::new();
    world.translator.lock().unwrap().concurrency = 1;
    world.connect("reader", Client::Reads);
    let mut process = Process::start(&world);
    let id = process.upload(&many(paragraphs));
    process.run(Delivery::Once, |world| world.stores().segments.len() >= 10);
    (world, process, id)
}

#[test]
fn what_is_looked_at_far_down_is_translated_next_and_shown_to_who_looks() {
    let (world, mut process, id) = begun(5000);
    let before = order(&world).len();
    let began = world.now();
    process.action("reader", &look_frame(&id, 4000, 4040, ""));
    process.run(Delivery::Once, |world| {
        !world.segments_received("reader").is_empty()
    });
    let first = world.now().duration_since(began);
    assert!(first.as_millis() < 100, "{first}");
    process.run(Delivery::Once, |world| {
        world.segments_received("reader").len() == 40
    });
    let next: Vec<_> = order(&world)[before..].to_vec();
    let looked_at: Vec<_> = (4000..4040).collect();
    // What was on its way already may come between.
    let place = next.iter().position(|index| *index == 4000).unwrap();
    assert!(place <= 8, "{next:?}");
    assert_eq!(next[place..place + 40], looked_at);
    for (index, segment) in world.segments_received("reader") {
        assert_eq!(segment.text, format!("NUMBER {index}."));
    }
    assert_eq!(process.finish(&id), many(5000).to_uppercase());
    assert_eq!(order(&world).len(), 5000, "nothing is translated twice");
    process.settle();
    assert_eq!(
        world.segments_received("reader").len(),
        40,
        "and nothing is sent that nobody looks at"
    );
}

#[test]
fn who_scrolls_on_is_followed() {
    let (world, mut process, id) = begun(5000);
    for from in [4000, 1000, 20, 3000] {
        let before = order(&world).len();
        process.action("reader", &look_frame(&id, from, from + 500, "tab"));
        process.run(Delivery::Once, |world| {
            let received = world.segments_received("reader");
            received.range(from..from + 500).count() >= 10
        });
        let next = order(&world)[before..].to_vec();
        let of_others = next
            .iter()
            .filter(|index| !(from..from + 500).contains(index));
        // Some of the last view's may have been on their way.
        assert!(of_others.count() <= 8, "{from}: {next:?}");
    }
    assert_eq!(process.finish(&id), many(5000).to_uppercase());
    assert_eq!(order(&world).len(), 5000);
}

#[test]
fn two_views_take_turns_and_each_is_told_its_own() {
    let (world, mut process, id) = begun(5000);
    world.connect("other", Client::Reads);
    process.action("reader", &look_frame(&id, 4000, 4600, "a"));
    process.action("reader", &look_frame(&id, 2000, 2600, "b"));
    process.action("other", &look_frame(&id, 1000, 1600, ""));
    process.run(Delivery::Once, |world| {
        let received = world.segments_received("reader");
        received.range(4000..4600).count() >= 100
    });
    let received = world.segments_received("reader");
    assert!(received.range(2000..2600).count() >= 50, "b has its share");
    let other = world.segments_received("other");
    assert!(other.len() >= 50, "and so has the other connection");
    assert!(other.keys().all(|index| (1000..1600).contains(index)));
    assert!(
        received
            .keys()
            .all(|index| (4000..4600).contains(index) || (2000..2600).contains(index))
    );
}

#[test]
fn what_exists_is_shown_at_once_whether_or_not_anything_is_under_way() {
    let (world, mut process, id) = begun(700);
    process.finish(&id);
    process.settle();
    assert!(world.segments_received("reader").is_empty());
    process.action("reader", &look_frame(&id, 100, 650, ""));
    process.settle();
    let received: Vec<_> = world.segments_received("reader").into_keys().collect();
    assert_eq!(received, (100..650).collect::<Vec<_>>());
}

#[test]
fn a_reader_that_is_slow_gets_every_segment_it_looks_at() {
    let (world, mut process, id) = begun(3000);
    world.set_client("reader", Client::BusyFor(6));
    process.action("reader", &look_frame(&id, 1000, 2000, ""));
    assert_eq!(process.finish(&id), many(3000).to_uppercase());
    process.settle();
    let received: Vec<_> = world.segments_received("reader").into_keys().collect();
    assert_eq!(received, (1000..2000).collect::<Vec<_>>());
}

#[test]
fn who_follows_a_translation_and_looks_at_it_is_told_nothing_twice() {
    let (world, mut process, id) = begun(1000);
    let subscribe = json!({"action": "subscribe", "translationId": id}).to_string();
    process.action("reader", &subscribe);
    process.settle_but_for_the_clock();
    let before = world.segments_received("reader").len();
    process.action("reader", &look_frame(&id, 900, 950, ""));
    process.finish(&id);
    process.settle();
    let frames = world.understood("reader").into_iter();
    let sent: usize = frames
        .map(|frame| match frame {
            Frame::Segments { segments, .. } => segments.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(world.segments_received("reader").len(), 1000);
    assert!(sent <= 1000 + before, "{sent}");
}

#[test]
fn looks_end_when_they_are_taken_back_and_with_their_connection() {
    let unsubscribe = |id: &str| json!({"action": "unsubscribe", "translationId": id});
    let with_view = |id: &str| {
        let mut frame = unsubscribe(id);
        frame["view"] = json!("a");
        frame
    };
    for (end, left) in [("all", 0), ("view", 1), ("connection", 0)] {
        let (world, mut process, id) = begun(5000);
        process.action("reader", &look_frame(&id, 4000, 4300, "a"));
        process.action("reader", &look_frame(&id, 3000, 3300, "b"));
        process.run(Delivery::Once, |world| {
            let received = world.segments_received("reader");
            received.range(4000..).count() > 0 && received.range(3000..4000).count() > 0
        });
        match end {
            "all" => {
                process.action("reader", &unsubscribe(&id).to_string());
            }
            "view" => {
                process.action("reader", &with_view(&id).to_string());
            }
            _ => {
                let service = Arc::clone(&process.service);
                process
                    .call(async move { service.disconnected("reader").await })
                    .unwrap();
            }
        }
        let before = order(&world).len();
        process.run(Delivery::Once, |world| order(world).len() >= before + 100);
        let next = order(&world)[before..].to_vec();
        let of = |range: std::ops::Range<u64>| {
            let found = next.iter().filter(|index| range.contains(index));
            found.count()
        };
        assert!(of(4000..4300) <= 8, "{end}: {next:?}");
        if left == 0 {
            assert!(of(3000..3300) <= 8, "{end}: {next:?}");
        } else {
            assert!(of(3000..3300) >= 80, "{end}: {next:?}");
        }
    }
}

#[test]
fn a_look_that_comes_after_its_connection_went_leaves_nothing_behind() {
    let (world, mut process, id) = begun(3000);
    assert_eq!(
        process.action("stranger", &look_frame(&id, 2000, 2100, "")),
        None
    );
    let before = order(&world).len();
    process.run(Delivery::Once, |world| order(world).len() >= before + 50);
    let next = order(&world)[before..].to_vec();
    assert!(next.iter().all(|index| *index < 2000), "{next:?}");
}

#[test]
fn looks_that_make_no_sense_are_answered_in_words() {
    let (_, mut process, id) = begun(20);
    let long = "x".repeat(65);
    for (frame, words) in [
        (look_frame(&id, 5, 5, ""), "must be above"),
        (look_frame(&id, 6, 5, ""), "must be above"),
        (look_frame(&id, 0, 5, &long), "65 bytes"),
        (look_frame("nobody", 0, 5, ""), "no translation"),
        (
            json!({"action": "look", "translationId": id, "from": 0}).to_string(),
            "missing field `to`",
        ),
    ] {
        let answer = process.action("reader", &frame).unwrap();
        assert!(answer.contains(words), "{answer}");
    }
    // Beyond the end there is nothing, and beyond a thousand nothing is looked at.
    for (from, to) in [(20, 30), (u64::MAX - 1, u64::MAX), (0, u64::MAX)] {
        assert_eq!(
            process.action("reader", &look_frame(&id, from, to, "")),
            None
        );
    }
    process.finish(&id);
}

#[test]
fn a_range_is_cut_to_a_thousand() {
    let (world, mut process, id) = begun(1500);
    process.finish(&id);
    process.action("reader", &look_frame(&id, 100, 1500, ""));
    process.settle();
    let received: Vec<_> = world.segments_received("reader").into_keys().collect();
    assert_eq!(received, (100..1100).collect::<Vec<_>>());
}

#[test]
fn a_file_that_is_looked_at_comes_before_the_others_and_they_go_on() {
    let world = World::new();
    world.translator.lock().unwrap().concurrency = 1;
    world.connect("reader", Client::Reads);
    let mut process = Process::start(&world);
    let ids: Vec<_> = (0..8).map(|_| process.upload(&many(400))).collect();
    process.run(Delivery::Once, |world| world.stores().segments.len() >= 80);
    process.action("reader", &look_frame(&ids[5], 300, 400, ""));
    let done = |world: &World, id: &str| {
        let stores = world.stores();
        stores.segments.keys().filter(|key| key.0 == id).count()
    };
    let before: Vec<_> = ids.iter().map(|id| done(&world, id)).collect();
    process.run(Delivery::Once, |world| {
        world.segments_received("reader").len() == 100
    });
    let after: Vec<_> = ids.iter().map(|id| done(&world, id)).collect();
    let gained: Vec<_> = before.iter().zip(&after).map(|(b, a)| a - b).collect();
    let of_others = gained.iter().sum::<usize>() - gained[5];
    // Every fourth turn is another's.
    assert!((20..=60).contains(&of_others), "{gained:?}");
    for id in &ids {
        assert_eq!(process.finish(id), many(400).to_uppercase());
    }
}

#[test]
fn a_waiting_file_that_is_looked_at_is_next_and_everybody_is_told_who_is_before_whom() {
    let world = World::new();
    world.connect("reader", Client::Reads);
    let limits = Limits {
        jobs: 1,
        ..Limits::default()
    };
    let mut process = Process::start_with(&world, limits);
    let ids: Vec<_> = (0..6).map(|_| process.upload(&many(1500))).collect();
    let ahead = |world: &World, id: &str| world.translation(id).unwrap().ahead;
    let running = |world: &World| {
        let translating = |id: &&String| is(world, id, Status::Translating);
        ids.iter().find(translating).cloned()
    };
    process.run(Delivery::Once, |world| {
        ids.iter().filter(|id| ahead(world, id).is_some()).count() == 5
    });
    let mut line: Vec<_> = ids
        .iter()
        .filter_map(|id| Some((ahead(&world, id)?, id.clone())))
        .collect();
    line.sort();
    let places: Vec<_> = line.iter().map(|(ahead, _)| *ahead).collect();
    assert_eq!(places, [0, 1, 2, 3, 4]);
    let first = running(&world).unwrap();
    assert_eq!(ahead(&world, &first), None);

    let (_, last) = line[4].clone();
    process.action("reader", &look_frame(&last, 0, 10, ""));
    process.run(Delivery::Once, |world| ahead(world, &last) == Some(0));
    process.run(Delivery::Once, |world| ahead(world, &line[3].1) == Some(4));
    process.finish(&first);
    process.run(Delivery::Once, |world| running(world).is_some());
    assert_eq!(running(&world), Some(last.clone()));
    assert_eq!(ahead(&world, &last), None);
    let told = world.understood("reader").into_iter();
    let told = told.filter_map(|frame| match frame {
        Frame::Translation(translation) if translation.id == last => translation.ahead,
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [4, 0]);
    process.settle();
    for id in &ids {
        let done = world.translation(id).unwrap();
        assert_eq!((done.status, done.ahead), (Status::Done, None));
    }
}

#[test]
fn a_thousand_files_in_line_are_no_storm_of_writes() {
    let world = World::new();
    world.connect("reader", Client::Reads);
    world.translator.lock().unwrap().delay = Duration::from_millis(50);
    let limits = Limits {
        jobs: 1,
        ..Limits::default()
    };
    let mut process = Process::start_with(&world, limits);
    let ids: Vec<_> = (0..300)
        .map(|n| process.upload(&format!("File {n}.")))
        .collect();
    process.settle();
    assert!(ids.iter().all(|id| is(&world, id, Status::Done)));
    let frames = world.understood("reader").into_iter();
    let told = frames.filter(
        |frame| matches!(frame, Frame::Translation(translation) if translation.ahead.is_some()),
    );
    // Each file some thirty times at most, where 300 would be each time that one of them ends.
    let told = told.count();
    assert!((300..300 * 30).contains(&told), "{told}");
}
