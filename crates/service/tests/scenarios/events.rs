use babelwire_service::ports::Bucket;
use babelwire_wire::{Frame, ObjectEvent, Status};

use crate::world::{Client, Delivery, Process, World, is};

const TEXT: &str = "One.\n\nTwo.\n\nThree.\n";

fn objects(world: &World, connection: &str) -> Vec<ObjectEvent> {
    world
        .understood(connection)
        .into_iter()
        .filter_map(|frame| match frame {
            Frame::Object(event) => Some(event),
            _ => None,
        })
        .collect()
}

#[test]
fn events_that_come_twice_and_backwards_do_what_they_do_once() {
    let world = World::new();
    let mut process = Process::start(&world);
    world.connect("a", Client::Reads);
    let id = process.upload(TEXT);
    let delivery = Delivery::TwiceAndBackwards;
    assert!(process.run(delivery, |world| is(world, &id, Status::Done)));
    process.run(delivery, |_| false);
    assert_eq!(world.result(&id), TEXT.to_uppercase());
    assert_eq!(world.translator.lock().unwrap().calls.len(), 3);
    assert_eq!(world.translation(&id).unwrap().status, Status::Done);
}

#[test]
fn an_event_that_comes_late_again_is_not_told_again() {
    let world = World::new();
    let mut process = Process::start(&world);
    world.connect("a", Client::Reads);
    let id = process.upload(TEXT);
    let created = world.events.lock().unwrap().clone();
    process.finish(&id);
    process.settle();
    let told = objects(&world, "a").len();
    // The source and the result; the text in between is nobody's news.
    assert_eq!(told, 2);
    world.events.lock().unwrap().extend(created.clone());
    process.settle();
    assert_eq!(objects(&world, "a").len(), told);

    // Nor is a birth told after the death.
    process.delete(&id);
    process.settle();
    let all = objects(&world, "a");
    let deaths = all
        .iter()
        .filter(|o| o.event.as_deref() == Some("ObjectRemoved:Delete"));
    assert_eq!(deaths.count(), 2);
    world.events.lock().unwrap().extend(created);
    process.settle();
    assert_eq!(objects(&world, "a"), all);
}

#[test]
fn other_bytes_in_the_middle_begin_anew_and_an_old_event_does_not_undo_it() {
    let world = World::new();
    let mut process = Process::start(&world);
    let first = "aaaa.\n\n".repeat(100);
    let second = "bbbb.\n\n".repeat(100);
    let id = process.upload(&first);
    let old = world.events.lock().unwrap().clone();
    process.run(Delivery::Once, |world| world.stores().segments.len() >= 20);
    let key = world.object_key(&id);
    world.put(Bucket::Sources, &key, second.clone());
    process.run(Delivery::Once, |world| {
        world.events.lock().unwrap().is_empty()
    });
    world.events.lock().unwrap().extend(old.clone());
    assert_eq!(process.finish(&id), second.to_uppercase());
    world.events.lock().unwrap().extend(old);
    process.settle();
    assert_eq!(world.result(&id), second.to_uppercase());
    assert_eq!(world.stores().segments.len(), 100);
}

#[test]
fn bytes_of_another_size_fail_in_words_and_the_right_ones_mend_it() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.announce("Hello.");
    let key = world.object_key(&id);
    world.put(Bucket::Sources, &key, "Hello, everybody.");
    process.settle();
    let failed = world.translation(&id).unwrap();
    assert_eq!(failed.status, Status::Failed);
    let detail = failed.error.unwrap().detail;
    assert!(
        detail.contains("6 bytes") && detail.contains("17"),
        "{detail}"
    );
    world.put(Bucket::Sources, &key, "Hello.");
    assert_eq!(process.finish(&id), "HELLO.");
}

#[test]
fn an_upload_whose_event_was_lost_with_the_process_is_found_at_the_next_start() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.upload(TEXT);
    let unfinished = process.announce(TEXT);
    process.run(Delivery::Never, |_| false);
    assert!(is(&world, &id, Status::AwaitingUpload));
    let mut process = process.restart();
    assert_eq!(process.finish(&id), TEXT.to_uppercase());
    assert!(is(&world, &unfinished, Status::AwaitingUpload));
}

#[test]
fn foreign_objects_are_told_and_start_nothing() {
    let world = World::new();
    let mut process = Process::start(&world);
    world.connect("a", Client::Reads);
    let notification = r#"{"Records":[
        {"eventName":"s3:ObjectCreated:Copy","s3":{"bucket":{"name":"elsewhere"},
         "object":{"key":"some+thing%21","size":1,"eTag":"x","sequencer":"01"}}},
        {"eventName":"nonsense"},
        {"eventName":"ObjectRemoved:DeleteMarkerCreated","s3":{"bucket":{"name":"elsewhere"},
         "object":{"key":"gone","sequencer":"01"}}}]}"#;
    world.events.lock().unwrap().push(notification.to_owned());
    process.settle();
    let told = objects(&world, "a");
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].event.as_deref(), Some("ObjectCreated:Copy"));
    assert_eq!(
        (told[0].bucket_name.as_str(), told[0].bucket_key.as_str()),
        ("elsewhere", "some thing!")
    );
    assert_eq!(told[1].bucket_key, "gone");
}
