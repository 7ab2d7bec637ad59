use std::sync::atomic::Ordering;
use std::time::Duration;

use babelwire_service::Limits;
use babelwire_service::ports::Bucket;
use babelwire_wire::{Frame, Status};
use proptest::prelude::*;

use crate::world::{Client, Delivery, Process, World, is};

const TEXT: &str = "First paragraph, ünïcödé.\r\n\r\n   Second one,\nof two lines.\n\n\n\
                    Third.\n\n* * *\n\nFourth\u{2028}line. 😀 Fifth!\n\nSixth";

fn many(paragraphs: usize) -> String {
    (0..paragraphs).fold(String::new(), |text, n| text + &format!("number {n}.\n\n"))
}

#[test]
fn every_piece_of_a_text_comes_back_in_its_place() {
    let mut process = Process::start(&World::new());
    let id = process.upload(TEXT);
    assert_eq!(process.finish(&id), TEXT.to_uppercase());
    let translation = process.world.translation(&id).unwrap();
    assert_eq!(translation.done, translation.total);
    assert!(translation.total >= 5);
}

#[test]
fn a_language_is_found_out_once_for_a_whole_text() {
    let mut process = Process::start(&World::new());
    process.world.translator.lock().unwrap().detects = Some("en".to_owned());
    // Long enough that the sample of it ends within a character.
    let text = format!("{}\n\nEnd.", "ü".repeat(2047) + "x" + &"ü".repeat(100));
    let id = process.upload_in_any_language(&text);
    assert_eq!(process.finish(&id), text.to_uppercase());
    let state = process.world.translator.lock().unwrap();
    assert_eq!(state.sources, ["en".to_owned()].into());
    let translation = process.world.translation(&id).unwrap();
    assert_eq!(translation.source, "auto");
}

#[test]
fn the_process_dies_at_every_call_and_the_next_one_ends_with_the_same_bytes() {
    let mut deaths = 0;
    for calls in 0.. {
        let world = World::new();
        let mut process = Process::start(&world);
        let id = process.upload(TEXT);
        world.die_after(calls);
        let is_done = process.run(Delivery::Once, |world| is(world, &id, Status::Done));
        let before = world.translation(&id).unwrap();
        let mut process = process.restart();
        assert_eq!(
            process.finish(&id),
            TEXT.to_uppercase(),
            "after {calls} calls"
        );
        let after = world.translation(&id).unwrap();
        assert!(after.revision >= before.revision);
        assert_eq!(after.done, after.total);
        if is_done {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 40, "only {deaths} calls");
}

#[test]
fn the_process_dies_at_every_call_of_a_deletion_and_it_is_done_wholly_or_not_at_all() {
    let mut halves = 0;
    for calls in 0.. {
        let world = World::new();
        let mut process = Process::start(&world);
        let id = process.upload(TEXT);
        process.finish(&id);
        process.settle();
        let left = |world: &World| {
            let stores = world.stores();
            (stores.objects.len(), stores.segments.len())
        };
        let whole = left(&world);
        world.die_after(calls);
        process.begin_to_delete(&id);
        process.run(Delivery::Never, |_| false);
        let is_removed = world.translation(&id).is_none();
        let at_death = left(&world);
        let mut process = process.restart();
        process.settle();
        if is_removed {
            assert_eq!(left(&world), (0, 0), "after {calls} calls");
        } else {
            assert_eq!(left(&world), whole, "after {calls} calls");
        }
        if is_removed && at_death == (0, 0) {
            break;
        }
        halves += usize::from(is_removed);
    }
    assert!(halves >= 4, "only {halves} deaths in the middle");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn however_often_the_process_dies_the_bytes_are_the_same(
        lines in proptest::collection::vec("[a-z .\u{e9}\t]{0,30}", 1..30),
        deaths in proptest::collection::vec(0_usize..300, 0..8),
        twice in any::<bool>(),
    ) {
        let delivery = if twice { Delivery::TwiceAndBackwards } else { Delivery::Once };
        let text = lines.join("\n");
        let world = World::new();
        let mut process = Process::start(&world);
        let id = process.upload(&text);
        for calls in deaths {
            world.die_after(calls);
            process.run(delivery, |world| is(world, &id, Status::Done));
            process = process.restart();
        }
        prop_assert_eq!(process.finish(&id), text.to_uppercase());
    }
}

#[test]
fn what_was_kept_before_a_crash_is_not_translated_again() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.upload(&many(500));
    assert!(process.run(Delivery::Once, |world| world.stores().segments.len() >= 200));
    let kept = world.stores().segments.len();
    world.translator.lock().unwrap().calls.clear();
    let mut process = process.restart();
    assert_eq!(process.finish(&id), many(500).to_uppercase());
    assert_eq!(world.translator.lock().unwrap().calls.len(), 500 - kept);
}

#[test]
fn cancelled_in_the_middle_it_stops_at_once_and_goes_on_when_asked() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.upload(&many(500));
    process.run(Delivery::Once, |world| world.stores().segments.len() >= 100);
    process.cancel(&id);
    process.run(Delivery::Once, |_| true);
    let calls = world.translator.lock().unwrap().calls.len();
    process.settle();
    assert_eq!(world.translator.lock().unwrap().calls.len(), calls);
    assert!(is(&world, &id, Status::Cancelled));
    let kept = world.stores().segments.len();
    assert!((100..500).contains(&kept));

    process.retry(&id);
    assert_eq!(process.finish(&id), many(500).to_uppercase());
    assert!(world.translator.lock().unwrap().calls.len() <= calls + 500 - kept);
}

#[test]
fn cancelled_and_asked_for_in_one_breath_it_is_done() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.upload(&many(50));
    process.run(Delivery::Once, |world| !world.stores().segments.is_empty());
    for _ in 0..5 {
        process.cancel(&id);
        process.retry(&id);
    }
    assert_eq!(process.finish(&id), many(50).to_uppercase());
}

#[test]
fn a_bug_in_one_file_is_that_files_alone() {
    let world = World::new();
    world.translator.lock().unwrap().panics_on = Some("poison".to_owned());
    let mut process = Process::start(&world);
    let good = process.upload(&many(100));
    let bad = process.upload("poison");
    std::panic::set_hook(Box::new(|_| {}));
    assert_eq!(process.finish(&good), many(100).to_uppercase());
    process.settle();
    let _ = std::panic::take_hook();
    let failed = world.translation(&bad).unwrap();
    assert_eq!(failed.status, Status::Failed);
    assert!(failed.error.unwrap().detail.contains("bug"));
}

#[test]
fn a_full_disk_fails_the_file_in_words_and_a_retry_goes_on() {
    let world = World::new();
    world.keeping_fails.store(1, Ordering::SeqCst);
    let mut process = Process::start(&world);
    let id = process.upload(&many(20));
    process.settle();
    let failed = world.translation(&id).unwrap();
    assert_eq!(failed.status, Status::Failed);
    assert!(failed.error.unwrap().detail.contains("the disk is full"));
    process.retry(&id);
    assert_eq!(process.finish(&id), many(20).to_uppercase());
}

#[test]
fn languages_that_are_gone_fail_the_file_in_words() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.upload(&many(20));
    world.translator.lock().unwrap().pairs.clear();
    process.settle();
    let error = world.translation(&id).unwrap().error.unwrap();
    assert_eq!(error.title, "The languages are not installed");
    assert!(error.detail.contains("from en into es"), "{}", error.detail);
}

#[test]
fn a_small_file_overtakes_a_large_one() {
    let world = World::new();
    world.translator.lock().unwrap().concurrency = 1;
    let mut process = Process::start(&world);
    let large = process.upload(&many(1000));
    process.run(Delivery::Once, |world| world.stores().segments.len() >= 10);
    let small = process.upload(&many(20));
    process.finish(&small);
    // They took turns: for each segment of the small one about one of the large one.
    let done = world.translator.lock().unwrap().calls.len();
    assert!(done < 110, "{done}");
    assert_eq!(process.finish(&large), many(1000).to_uppercase());
}

#[test]
fn beyond_the_limit_files_wait_and_can_be_cancelled_while_they_wait() {
    let world = World::new();
    let limits = Limits {
        jobs: 2,
        ..Limits::default()
    };
    let mut process = Process::start_with(&world, limits);
    let ids: Vec<_> = (0..5).map(|_| process.upload(&many(30))).collect();
    process.run(Delivery::Once, |world| !world.stores().segments.is_empty());
    let count = |status| ids.iter().filter(|id| is(&world, id, status)).count();
    assert_eq!((count(Status::Translating), count(Status::Queued)), (2, 3));
    let waiting = ids
        .iter()
        .find(|id| is(&world, id, Status::Queued))
        .unwrap();
    process.cancel(waiting);
    process.settle();
    assert_eq!((count(Status::Done), count(Status::Cancelled)), (4, 1));
}

#[test]
fn deleted_in_the_middle_it_leaves_nothing() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.upload(&many(500));
    process.run(Delivery::Once, |world| world.stores().segments.len() >= 100);
    process.delete(&id);
    process.settle();
    assert!(world.stores().objects.is_empty());
    assert!(world.stores().segments.is_empty());
}

#[test]
fn bytes_that_come_after_the_deletion_are_deleted_too() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.announce("Hello.");
    let key = world.object_key(&id);
    process.delete(&id);
    world.put(Bucket::Sources, &key, "Hello.");
    process.settle();
    assert!(world.stores().objects.is_empty());
}

#[test]
fn progress_is_told_three_times_a_second_and_only_goes_up() {
    let world = World::new();
    world.translator.lock().unwrap().delay = Duration::from_millis(100);
    let mut process = Process::start(&world);
    world.connect("a", Client::Reads);
    // 400 segments, 4 at a time, 100 ms each: 10 seconds.
    let id = process.upload(&many(400));
    process.finish(&id);
    process.settle();
    let mut snapshots: Vec<_> = world
        .understood("a")
        .into_iter()
        .filter_map(|frame| match frame {
            Frame::Translation(translation) => Some(translation),
            _ => None,
        })
        .collect();
    snapshots.sort_by_key(|snapshot| snapshot.revision);
    assert!(
        snapshots
            .windows(2)
            .all(|two| two[0].revision < two[1].revision)
    );
    assert!(snapshots.windows(2).all(|two| two[0].done <= two[1].done));
    let progress = snapshots
        .iter()
        .filter(|snapshot| snapshot.status == Status::Translating)
        .count();
    assert!((20..=35).contains(&progress), "{progress}");
    // And segments flow all the time, in batches.
    let last = snapshots.last().unwrap();
    assert_eq!((last.status, last.done), (Status::Done, 400));
}

#[test]
fn an_empty_file_is_done_and_empty() {
    let mut process = Process::start(&World::new());
    let id = process.upload("");
    assert_eq!(process.finish(&id), "");
}
