use std::time::Duration;

use babelwire_client::{Client, Shared, State};
use gloo_timers::future::TimeoutFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Fake, eager, open, until, wasm_memory};

async fn until_count(fake: &Fake, name: &str, count: u64) {
    for _ in 0..300 {
        if fake.count(name).await == count {
            return;
        }
        TimeoutFuture::new(10).await;
    }
    panic!("{name} is {} and never {count}", fake.count(name).await);
}

#[wasm_bindgen_test]
async fn the_first_lease_dials_and_the_last_one_closes_after_the_grace_time() {
    let fake = Fake::new("shared-leases").await;
    let shared = Shared::with_grace(eager(&fake.url()), Duration::from_millis(150));
    assert!(shared.client().is_none());
    assert_eq!(fake.count("dials").await, 0, "nobody uses it yet");

    let one = shared.lease();
    let another = one.clone();
    assert_eq!(*one, *another, "one client");
    open(&one).await;
    drop(one);
    assert_eq!(shared.users(), 1);
    TimeoutFuture::new(300).await;
    assert!(another.state().is_open(), "somebody uses it still");

    drop(another);
    let client = shared.client().expect("a client").clone();
    assert!(client.state().is_open(), "the grace time");
    // Who comes back within it finds the same socket.
    let back = shared.lease();
    TimeoutFuture::new(300).await;
    assert!(client.state().is_open());
    assert_eq!(fake.count("dials").await, 1);

    drop(back);
    until("the grace time is over", || client.state() == State::Closed).await;
    until_count(&fake, "open", 0).await;

    // And it begins again.
    let again = shared.lease();
    assert_eq!(*again, client);
    open(&again).await;
    assert_eq!(fake.count("dials").await, 2);
}

#[wasm_bindgen_test]
async fn ten_thousand_leases_in_one_task_dial_once() {
    let fake = Fake::new("shared-remount").await;
    let shared = Shared::with_grace(eager(&fake.url()), Duration::ZERO);
    let client = Client::clone(&shared.lease());
    let before = wasm_memory();
    for _ in 0..10_000 {
        drop(shared.lease());
    }
    let grown = wasm_memory() - before;
    assert!(grown <= 64.0 * 1024.0, "{grown} bytes");
    let last = shared.lease();
    assert_eq!(*last, client);
    open(&last).await;
    assert_eq!(fake.count("dials").await, 1);
}

#[wasm_bindgen_test]
async fn without_anybody_who_could_lease_it_again_it_closes_at_once() {
    let fake = Fake::new("shared-drop").await;
    let shared = Shared::with_grace(eager(&fake.url()), Duration::from_secs(3600));
    let lease = shared.lease();
    open(&lease).await;
    drop(shared);
    assert!(lease.state().is_open());
    let client = Client::clone(&lease);
    drop(lease);
    assert_eq!(client.state(), State::Closed);
    until_count(&fake, "open", 0).await;
}

#[wasm_bindgen_test]
async fn a_lease_may_be_taken_and_dropped_by_whoever_hears_of_the_other() {
    let fake = Fake::new("shared-reentrant").await;
    let shared = Shared::with_grace(eager(&fake.url()), Duration::ZERO);
    let lease = shared.lease();
    open(&lease).await;
    let client = Client::clone(&lease);
    let again = shared.clone();
    let listener = client.listen(move |_| drop(again.lease()));
    drop(lease);
    // It closes, which is heard, which leases it, which dials: somebody asked for it.
    until("it closed and dialled again", || {
        let generation = client.state().generation();
        generation.is_some_and(|generation| generation.number() > 1)
    })
    .await;
    drop(listener);
    until("it closes in the end", || client.state() == State::Closed).await;
}
