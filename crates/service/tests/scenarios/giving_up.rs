use babelwire_service::ServiceError;
use babelwire_wire::{Frame, Status};

use crate::world::{Client, Delivery, Process, World, is};

/// Paragraphs, every tenth of which is odd.
fn many(paragraphs: usize) -> String {
    (0..paragraphs).fold(String::new(), |text, n| {
        let kind = if n % 10 == 7 { "odd" } else { "even" };
        text + &format!("{kind} number {n}.\n\n")
    })
}

/// The same with all translated that is not odd.
fn but_for_the_odd(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        if line.starts_with("odd") {
            line.to_owned()
        } else {
            line.to_uppercase()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn refuse(world: &World, part: Option<&str>) {
    let mut translator = world.translator.lock().unwrap();
    translator.fails_on = part.map(str::to_owned);
    translator.calls.clear();
}

fn calls(world: &World) -> usize {
    world.translator.lock().unwrap().calls.len()
}

#[test]
fn what_the_engine_refuses_stands_in_the_sources_words_and_the_rest_is_translated() {
    let world = World::new();
    refuse(&world, Some("odd"));
    world.connect("reader", Client::Reads);
    let mut process = Process::start(&world);
    let id = process.announce(&many(500));
    let subscribe = serde_json::json!({"action": "subscribe", "translationId": id}).to_string();
    process.action("reader", &subscribe);
    let key = world.object_key(&id);
    world.put(babelwire_service::ports::Bucket::Sources, &key, many(500));
    assert_eq!(process.finish(&id), but_for_the_odd(&many(500)));
    process.settle();
    let done = world.translation(&id).unwrap();
    assert_eq!((done.done, done.failed, done.total), (450, 50, 500));
    assert_eq!(done.error, None);
    let received = world.segments_received("reader");
    assert_eq!(received.len(), 500);
    for (index, segment) in received {
        assert_eq!(segment.failed, index % 10 == 7);
        assert_eq!(segment.text.is_empty(), segment.failed);
    }
    let progress = world.understood("reader").into_iter();
    let told = progress.filter_map(|frame| match frame {
        Frame::Translation(translation) => Some(translation.failed),
        _ => None,
    });
    assert!(told.clone().any(|failed| failed > 0 && failed < 50));
}

#[test]
fn a_retry_of_a_file_that_is_done_tries_only_what_was_given_up() {
    let world = World::new();
    refuse(&world, Some("odd"));
    let mut process = Process::start(&world);
    let id = process.upload(&many(500));
    process.finish(&id);
    refuse(&world, Some("odd number 4"));
    process.retry(&id);
    let queued = world.translation(&id).unwrap();
    assert_eq!((queued.done, queued.failed), (450, 0));
    assert_eq!(queued.finished_at, None);
    let result = process.finish(&id);
    assert_eq!(calls(&world), 50);
    // 47 and 407, 417 … 497 are refused again.
    let done = world.translation(&id).unwrap();
    assert_eq!((done.done, done.failed), (489, 11));
    assert_eq!(result.matches("(anew)").count(), 39);
    assert!(result.contains("ODD NUMBER 7. (anew)\n"));
    assert!(result.contains("odd number 47.\n"));

    refuse(&world, None);
    process.retry(&id);
    assert!(!process.finish(&id).contains("odd"));
    assert_eq!(world.translation(&id).unwrap().failed, 0);
    assert_eq!(calls(&world), 11);
}

#[test]
fn the_process_dies_at_every_call_while_something_is_tried_again_and_nothing_is_lost() {
    let mut deaths = 0;
    for after in 0.. {
        let world = World::new();
        refuse(&world, Some("odd"));
        let mut process = Process::start(&world);
        let id = process.upload(&many(20));
        process.finish(&id);
        refuse(&world, Some("odd number 17"));
        process.retry(&id);
        world.die_after(after);
        let is_done = process.run(Delivery::Once, |world| is(world, &id, Status::Done));
        let mut process = process.restart();
        let result = process.finish(&id);
        assert!(result.contains("ODD NUMBER 7."), "after {after} calls");
        assert!(result.contains("odd number 17."), "after {after} calls");
        let done = world.translation(&id).unwrap();
        assert_eq!((done.done, done.failed), (19, 1), "after {after} calls");
        if is_done {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 15, "only {deaths} calls");
}

#[test]
fn an_engine_that_refuses_everything_fails_the_file_in_words_and_soon() {
    let world = World::new();
    refuse(&world, Some("number"));
    let mut process = Process::start(&world);
    let id = process.upload(&many(500));
    process.settle();
    let failed = world.translation(&id).unwrap();
    assert_eq!(failed.status, Status::Failed);
    let error = failed.error.unwrap();
    assert_eq!(error.title, "The translation engine failed");
    assert!(error.detail.contains("it coughed"), "{}", error.detail);
    assert!(calls(&world) < 40);

    refuse(&world, None);
    process.retry(&id);
    assert_eq!(world.translation(&id).unwrap().failed, 0);
    assert_eq!(process.finish(&id), many(500).to_uppercase());
}

#[test]
fn a_file_of_one_segment_that_is_refused_fails() {
    let world = World::new();
    refuse(&world, Some("odd"));
    let mut process = Process::start(&world);
    let id = process.upload("An odd one.");
    process.settle();
    assert!(is(&world, &id, Status::Failed));
}

#[test]
fn a_stretch_that_is_no_language_at_the_beginning_does_not_keep_the_rest_from_being_translated() {
    let world = World::new();
    refuse(&world, Some("odd"));
    let mut process = Process::start(&world);
    let text = format!("{}{}", "An odd one.\n\n".repeat(30), many(100));
    let id = process.upload(&text);
    process.settle();
    assert!(is(&world, &id, Status::Failed));
    process.retry(&id);
    // The others come before them now, and show that the engine is well.
    assert_eq!(process.finish(&id), {
        let rest = but_for_the_odd(&many(100));
        format!("{}{rest}", "An odd one.\n\n".repeat(30))
    });
    assert_eq!(world.translation(&id).unwrap().failed, 40);
}

#[test]
fn an_engine_that_goes_away_in_the_middle_fails_the_file_and_what_is_done_is_kept() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.upload(&many(500));
    process.run(Delivery::Once, |world| world.stores().segments.len() >= 100);
    world.translator.lock().unwrap().is_gone = true;
    process.settle();
    let failed = world.translation(&id).unwrap();
    assert_eq!(failed.status, Status::Failed);
    assert!(failed.error.unwrap().detail.contains("carried away"));
    let kept = world.stores().segments.len();
    assert!((100..500).contains(&kept), "{kept}");
    assert_eq!((failed.done, failed.failed), (kept as u64, 0));

    world.translator.lock().unwrap().is_gone = false;
    world.translator.lock().unwrap().calls.clear();
    process.retry(&id);
    assert_eq!(process.finish(&id), many(500).to_uppercase());
    assert_eq!(world.translation(&id).unwrap().error, None);
    assert_eq!(calls(&world), 500 - kept);
}

#[test]
fn one_segment_is_translated_again_with_nothing_remembered_and_everybody_sees_it() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.upload(&many(300));
    process.finish(&id);
    world.connect("reader", Client::Reads);
    let subscribe =
        serde_json::json!({"action": "subscribe", "translationId": id, "from": 300}).to_string();
    process.action("reader", &subscribe);
    let look = serde_json::json!({"action": "look", "translationId": id, "from": 200, "to": 220});
    process.action("reader", &look.to_string());
    process.settle();
    assert_eq!(world.segments_received("reader").len(), 20);
    refuse(&world, None);
    process.retry_segment(&id, 210).unwrap();
    assert!(matches!(
        process.retry_segment(&id, 5),
        Err(ServiceError::Conflict(_))
    ));
    let result = process.finish(&id);
    process.settle();
    assert_eq!(calls(&world), 1);
    assert_eq!(world.translator.lock().unwrap().anew, ["even number 210."]);
    assert!(result.contains("EVEN NUMBER 210. (anew)\n"));
    assert_eq!(result.matches("(anew)").count(), 1);
    let received = world.segments_received("reader");
    assert_eq!(received[&210].text, "EVEN NUMBER 210. (anew)");
    let done = world.translation(&id).unwrap();
    assert_eq!((done.done, done.failed), (300, 0));

    assert!(matches!(
        process.retry_segment(&id, 300),
        Err(ServiceError::NoSuchSegment { total: 300, .. })
    ));
}

#[test]
fn a_translation_that_there_is_stays_when_the_engine_refuses_another_or_is_gone() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.upload(&many(50));
    let result = process.finish(&id);
    world.connect("reader", Client::Reads);
    let look = serde_json::json!({"action": "look", "translationId": id, "from": 7, "to": 8});
    process.action("reader", &look.to_string());
    for is_gone in [false, true] {
        refuse(&world, Some("odd"));
        world.translator.lock().unwrap().is_gone = is_gone;
        process.retry_segment(&id, 7).unwrap();
        assert_eq!(process.finish(&id), result);
        process.settle();
        let done = world.translation(&id).unwrap();
        assert_eq!((done.done, done.failed), (50, 0));
        assert_eq!(world.segments_received("reader")[&7].text, "ODD NUMBER 7.");
    }
}

#[test]
fn a_segment_of_a_cancelled_file_is_translated_again_and_the_file_stays_cancelled() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.upload(&many(500));
    process.run(Delivery::Once, |world| world.stores().segments.len() >= 100);
    process.cancel(&id);
    process.settle();
    let before = world.translation(&id).unwrap();
    let kept = world.stores().segments.len();
    refuse(&world, None);
    process.retry_segment(&id, 3).unwrap();
    process.settle();
    let after = world.translation(&id).unwrap();
    assert_eq!(after.status, Status::Cancelled);
    assert_eq!((after.done, calls(&world)), (kept as u64, 1));
    assert!(after.done >= before.done);
    assert!(matches!(
        process.retry_segment(&id, 499),
        Err(ServiceError::Conflict(_))
    ));
    process.retry(&id);
    assert_eq!(
        process.finish(&id).replace(" (anew)", ""),
        many(500).to_uppercase()
    );
}

#[test]
fn who_stops_a_repetition_has_the_file_as_it_was() {
    let world = World::new();
    refuse(&world, Some("odd"));
    let mut process = Process::start(&world);
    let id = process.upload(&many(500));
    process.finish(&id);
    refuse(&world, None);
    process.retry(&id);
    process.run(Delivery::Once, |world| calls(world) > 3);
    process.cancel(&id);
    let result = process.finish(&id);
    process.settle();
    assert!(calls(&world) < 50);
    let done = world.translation(&id).unwrap();
    assert!(is(&world, &id, Status::Done));
    assert_eq!(done.failed, result.matches("odd").count() as u64);
    assert_eq!(done.done + done.failed, 500);
}
