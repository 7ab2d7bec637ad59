//! The service where nothing lives longer than a call: work is written down, and brought to a
//! function, perhaps twice, in any order.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use babelwire_service::ports::{PortError, Queue, Work};
use babelwire_wire::{Frame, Status};
use serde_json::json;

use crate::world::{Client, EVERYONE, Process, World, is};

/// A queue that keeps work as it is written.
#[derive(Default)]
struct Letters(Mutex<Vec<String>>);

impl Letters {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl Queue for Letters {
    async fn push(&self, work: Work) -> Result<(), PortError> {
        let letter = serde_json::to_string(&work).map_err(PortError::new)?;
        self.0.lock().unwrap().push(letter);
        Ok(())
    }

    fn stop(&self, _id: &str) {}

    fn is_catching_up(&self, _id: &str, _connection: &str, _from: u64) -> bool {
        false
    }

    fn is_showing(&self, _id: &str, _connection: &str, _range: Range<u64>) -> bool {
        false
    }
}

fn start(world: &Arc<World>) -> (Process, Arc<Letters>) {
    let letters = Arc::new(Letters::default());
    let queue: Arc<dyn Queue> = Arc::<Letters>::clone(&letters);
    (Process::of_functions(world, queue), letters)
}

fn read(letter: &str) -> Work {
    serde_json::from_str(letter).unwrap()
}

/// Brings events and letters twice and backwards, until there are none.
fn deliver(process: &mut Process, letters: &Letters) {
    loop {
        let events = std::mem::take(&mut *process.world.events.lock().unwrap());
        for event in events.iter().chain(&events).rev() {
            let (service, event) = (Arc::clone(&process.service), event.clone());
            process
                .call(async move { service.object_events(&event).await })
                .unwrap();
        }
        let work = letters.take();
        if events.is_empty() && work.is_empty() {
            return;
        }
        for letter in work.iter().chain(&work).rev() {
            let (service, work) = (Arc::clone(&process.service), read(letter));
            process
                .call(async move { service.perform(work).await })
                .unwrap();
        }
    }
}

fn many(paragraphs: usize) -> String {
    (0..paragraphs).fold(String::new(), |text, n| text + &format!("number {n}.\n\n"))
}

#[test]
fn work_that_comes_twice_and_backwards_is_done_once() {
    let world = World::new();
    let (mut process, letters) = start(&world);
    world.connect("a", Client::Reads);
    let text = many(40);
    let id = process.upload(&text);
    let subscribe = json!({"action": "subscribe", "translationId": id, "from": 0}).to_string();
    assert_eq!(process.action("a", &subscribe), None);
    deliver(&mut process, &letters);
    assert_eq!(world.result(&id), text.to_uppercase());
    assert_eq!(world.translator.lock().unwrap().calls.len(), 40);
    let seen: BTreeSet<u64> = world.segments_received("a").into_keys().collect();
    assert_eq!(seen, (0..40).collect());
    let states = world.understood("a").into_iter();
    let newest = states
        .filter_map(|frame| match frame {
            Frame::Translation(translation) => Some(translation),
            _ => None,
        })
        .max_by_key(|translation| translation.revision);
    assert_eq!(newest, world.translation(&id));

    process.delete(&id);
    deliver(&mut process, &letters);
    assert!(world.stores().objects.is_empty());
    assert!(world.stores().segments.is_empty());
}

#[test]
fn a_function_whose_time_is_over_leaves_the_rest_to_the_next() {
    let world = World::new();
    let (mut process, letters) = start(&world);
    let text = many(200);
    let id = process.upload(&text);
    let event = world.events.lock().unwrap().pop().unwrap();
    let service = Arc::clone(&process.service);
    process
        .call(async move { service.object_events(&event).await })
        .unwrap();
    letters.take();
    let mut functions = 0;
    for cut_at in (30..).step_by(30) {
        functions += 1;
        let service = Arc::clone(&process.service);
        let work = Work::Translate { id: id.clone() };
        let perform = async move { service.perform(work).await.unwrap() };
        let has_ended = process.cut_when(perform, |world| world.stores().segments.len() >= cut_at);
        if has_ended {
            break;
        }
    }
    assert!(functions > 4, "{functions}");
    assert!(is(&world, &id, Status::Done));
    assert_eq!(world.result(&id), text.to_uppercase());
    let calls = world.translator.lock().unwrap().calls.len();
    // Again is translated only what was under way when a function was cut short.
    assert!(calls <= 200 + functions * 40, "{calls} for 200 segments");
}

#[test]
fn a_frame_for_many_is_split_into_work_for_each_part_of_them() {
    let world = World::new();
    world.shards.store(4, Ordering::SeqCst);
    let (mut process, letters) = start(&world);
    let names: Vec<_> = (0..100).map(|n| format!("c{n:03}")).collect();
    for name in &names {
        world.connect(name, Client::Reads);
    }
    let echo = json!({"action": "echomessage", "data": "hello"}).to_string();
    assert_eq!(process.action("c000", &echo), None);
    let work = letters.take();
    assert_eq!(work.len(), 4, "nothing is sent before the work is done");
    for letter in work {
        let service = Arc::clone(&process.service);
        process
            .call(async move { service.perform(read(&letter)).await })
            .unwrap();
    }
    for name in &names {
        assert_eq!(world.frames(name), ["hello"], "{name}");
    }
}

#[test]
fn a_crowd_is_told_of_progress_seldom_and_of_everything_else_at_once() {
    let told_of = |shards: u32| {
        let world = World::new();
        world.shards.store(shards, Ordering::SeqCst);
        let (mut process, letters) = start(&world);
        world.connect("a", Client::Reads);
        // Some 40 s of work.
        world.translator.lock().unwrap().delay = Duration::from_millis(40);
        let id = process.upload(&many(6000));
        deliver(&mut process, &letters);
        let states: Vec<_> = world
            .understood("a")
            .into_iter()
            .filter_map(|frame| match frame {
                Frame::Translation(translation) => Some(translation),
                _ => None,
            })
            .collect();
        assert_eq!(states.iter().max_by_key(|state| state.revision), {
            let end = world.translation(&id).unwrap();
            assert_eq!(end.status, Status::Done);
            states.iter().find(|state| **state == end)
        });
        let is_progress = |state: &&babelwire_wire::Translation| {
            state.status == Status::Translating && state.done > 0
        };
        (
            states
                .iter()
                .filter(is_progress)
                .map(|state| state.revision)
                .collect::<BTreeSet<_>>()
                .len(),
            world.translation(&id).unwrap().revision,
        )
    };
    let (often, revision) = told_of(1);
    let (seldom, same_revision) = told_of(2);
    assert!(often > 60 && seldom > 5, "{often} {seldom}");
    assert!(often > 10 * seldom, "{often} {seldom}");
    // Written down it is all the same, so that a job hears soon that it is cancelled.
    assert!(same_revision.abs_diff(revision) <= 3);
}

#[test]
fn a_repetition_that_is_cancelled_elsewhere_keeps_nothing() {
    let world = World::new();
    let (mut process, letters) = start(&world);
    let id = process.upload("One.\n\nTwo.\n");
    deliver(&mut process, &letters);
    let before = world.result(&id);
    world.translator.lock().unwrap().delay = Duration::from_secs(1);
    process.retry_segment(&id, 0).unwrap();
    letters.take();
    let (service, of) = (Arc::clone(&process.service), id.clone());
    process.call(async move {
        let work = Work::Translate { id: of.clone() };
        let cancel = async {
            // Long enough for the engine to have been asked.
            for _ in 0..30 {
                service.get(&EVERYONE, &of).await.unwrap();
            }
            service.cancel(&EVERYONE, &of).await.unwrap();
        };
        let (performed, ()) = futures::join!(service.perform(work), cancel);
        performed.unwrap();
    });
    let asked = world.translator.lock().unwrap().calls.len();
    assert_eq!(asked, 3, "the engine was asked once more");
    deliver(&mut process, &letters);
    assert!(is(&world, &id, Status::Done));
    assert_eq!(world.result(&id), before);
}

#[test]
fn a_port_that_fails_leaves_a_translation_to_be_gone_on_with() {
    let world = World::new();
    let (mut process, letters) = start(&world);
    let text = many(10);
    let id = process.upload(&text);
    world.keeping_fails.store(1, Ordering::SeqCst);
    let event = world.events.lock().unwrap().pop().unwrap();
    let service = Arc::clone(&process.service);
    process
        .call(async move { service.object_events(&event).await })
        .unwrap();
    letters.take();
    let work = Work::Translate { id: id.clone() };
    let (service, again) = (Arc::clone(&process.service), work.clone());
    let performed = process.call(async move { service.perform(work).await });
    let error = performed.unwrap_err();
    assert!(is(&world, &id, Status::Translating));

    let service = Arc::clone(&process.service);
    process
        .call(async move { service.perform(again).await })
        .unwrap();
    assert_eq!(world.result(&id), text.to_uppercase());

    // What has ended is not given up.
    let (service, of) = (Arc::clone(&process.service), id.clone());
    process.call(async move { service.give_up(&of, &error).await });
    assert!(is(&world, &id, Status::Done));
}
