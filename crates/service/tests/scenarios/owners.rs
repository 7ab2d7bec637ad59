//! Two people at one backend.

use std::sync::Arc;

use babelwire_service::ports::Owner;
use babelwire_service::{FileName, Find, ServiceError};
use babelwire_wire::rest::CreateTranslation;
use babelwire_wire::{Frame, Status};
use serde_json::{Value, json};

use crate::world::{Process, World};

const TEXT: &str = "One.\n\nTwo.\n";

fn announce(process: &mut Process, owner: &Owner) -> String {
    let request = CreateTranslation {
        name: "a.txt".to_owned(),
        size: TEXT.len() as u64,
        source: "en".to_owned(),
        target: "es".to_owned(),
        charset: None,
    };
    let (service, owner) = (Arc::clone(&process.service), owner.clone());
    let created = process.call(async move { service.create(&owner, request).await });
    created.unwrap().0.id
}

fn two() -> (Arc<World>, Process, Owner, Owner) {
    let world = World::new();
    let mut process = Process::start(&world);
    let (ann, bob) = (Owner::new("ann"), Owner::new("bob"));
    process.connect("of-ann", &ann);
    process.connect("of-bob", &bob);
    (world, process, ann, bob)
}

#[test]
fn news_of_a_translation_reach_its_owner_alone() {
    let (world, mut process, ann, _) = two();
    process.connect("of-nobody", &Owner::everyone());
    let id = announce(&mut process, &ann);
    let key = world.object_key(&id);
    world.put(babelwire_service::ports::Bucket::Sources, &key, TEXT);
    process.finish(&id);
    process.settle();
    let told = world.understood("of-ann");
    assert!(told.iter().any(|frame| matches!(frame, Frame::Object(_))));
    let is_done =
        |frame: &Frame| matches!(frame, Frame::Translation(t) if t.status == Status::Done);
    assert!(told.iter().any(is_done));

    let echo = json!({"action": "echomessage", "data": "to myself"}).to_string();
    process.action("of-ann", &echo);
    assert!(world.frames("of-ann").contains(&"to myself".to_owned()));
    let (service, of) = (Arc::clone(&process.service), id.clone());
    process
        .call(async move { service.delete(&ann, &of).await })
        .unwrap();
    process.settle();
    let removed = |frame: &Frame| matches!(frame, Frame::Removed { .. });
    assert!(world.understood("of-ann").iter().any(removed));
    let deaths = world.frames("of-ann").into_iter();
    let deaths = deaths.filter(|frame| frame.contains("ObjectRemoved:Delete"));
    assert_eq!(deaths.count(), 2);
    for other in ["of-bob", "of-nobody"] {
        assert_eq!(world.frames(other), [""; 0], "{other}");
    }
}

#[test]
fn what_is_anothers_is_like_what_never_was() {
    let (world, mut process, ann, bob) = two();
    let id = announce(&mut process, &ann);
    let key = world.object_key(&id);
    world.put(babelwire_service::ports::Bucket::Sources, &key, TEXT);
    process.finish(&id);
    process.settle();

    let named = || {
        |_: &babelwire_wire::Translation| FileName {
            name: String::new(),
            content_type: "text/plain",
        }
    };
    for of in [id.clone(), "nothing".to_owned()] {
        let (service, bob, of_call) = (Arc::clone(&process.service), bob.clone(), of.clone());
        let refused: Vec<Option<ServiceError>> = process.call(async move {
            let (bob, of) = (&bob, of_call.as_str());
            let find = Find {
                text: "One".to_owned(),
                ..Find::default()
            };
            vec![
                service.get(bob, of).await.err(),
                service.source(bob, of, named()).await.err(),
                service.result(bob, of, named()).await.err(),
                service.partial_result(bob, of).await.err(),
                service.side_by_side(bob, of).await.err(),
                service.segments(bob, of, 0, None).await.err(),
                service.rows(bob, of, 0, None).await.err(),
                service.find(bob, of, &find).await.err(),
                service.proof(bob, of).await.err(),
                service.cancel(bob, of).await.err(),
                service.retry(bob, of).await.err(),
                service.retry_segment(bob, of, 0).await.err(),
                service.delete(bob, of).await.err(),
            ]
        });
        for (call, error) in refused.into_iter().enumerate() {
            let expected = ServiceError::NotFound { id: of.clone() };
            assert_eq!(error, Some(expected), "call {call}");
        }
        for (action, to) in [("subscribe", 0), ("look", 5)] {
            let body = json!({"action": action, "translationId": of, "from": 0, "to": to});
            let answer = process.action("of-bob", &body.to_string()).unwrap();
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let detail = answer["detail"].as_str().unwrap();
            assert_eq!(
                detail,
                format!("There is no translation “{of}”: it may have been deleted.")
            );
        }
    }
    process.settle();
    assert_eq!(world.frames("of-bob"), [""; 0]);
    assert_eq!(world.translation(&id).unwrap().status, Status::Done);
}
