use std::time::Duration;

use babelwire_gateway::{Error, Gateway, Limits};
use tokio::time::{Instant, timeout};

use crate::harness::{Host, mirror, request};

/// A host, a client behind a tiny pipe that does not read, and its id.
async fn stalled(limits: Limits) -> (Host, crate::harness::Client, String) {
    let host = Host::new(
        Gateway::builder()
            .limits(limits)
            .route_with_response("who", mirror),
    );
    let client = host.dial(request("/live"), 16).await.unwrap();
    let id = host.only_id();
    (host, client, id)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_runs_out_of_messages() {
    let limits = Limits {
        queue_messages: 8,
        ..Limits::default()
    };
    let (host, mut client, id) = stalled(limits).await;
    let mut accepted = 0;
    let waited = loop {
        let began = Instant::now();
        match host
            .connections
            .post_to_connection(&id, format!("message {accepted}"))
            .await
        {
            Ok(()) => accepted += 1,
            Err(error) => {
                assert_eq!(error, Error::LimitExceeded);
                break began.elapsed();
            }
        }
    };
    // Eight wait, and a pipe of 16 bytes can have taken one before them.
    assert!((8..=9).contains(&accepted), "{accepted}");
    assert_eq!(waited.as_secs(), 1, "a short wait for room");

    // Nothing is lost of what was accepted, and with room there is no error.
    for number in 0..accepted {
        assert_eq!(client.text().await, format!("message {number}"));
    }
    host.connections
        .post_to_connection(&id, "and again")
        .await
        .unwrap();
    assert_eq!(client.text().await, "and again");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_runs_out_of_bytes() {
    let limits = Limits {
        queue_bytes: 300_000,
        ..Limits::default()
    };
    let (host, mut client, id) = stalled(limits).await;
    let large = "x".repeat(100_000);
    for _ in 0..3 {
        host.connections
            .post_to_connection(&id, large.clone())
            .await
            .unwrap();
    }
    let refused = host
        .connections
        .post_to_connection(&id, "one byte too many")
        .await;
    assert_eq!(refused, Err(Error::LimitExceeded));
    for _ in 0..3 {
        assert_eq!(client.text().await, large);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_the_whole_queue_still_passes_alone() {
    let limits = Limits {
        queue_bytes: 1000,
        ..Limits::default()
    };
    let (host, mut client, id) = stalled(limits).await;
    let large = "x".repeat(100_000);
    host.connections
        .post_to_connection(&id, large.clone())
        .await
        .unwrap();
    assert_eq!(
        host.connections.post_to_connection(&id, "x").await,
        Err(Error::LimitExceeded)
    );
    assert_eq!(client.text().await, large);
    host.connections.post_to_connection(&id, "x").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_delays_nobody() {
    let (host, _stalled, id) = stalled(Limits {
        queue_messages: 1,
        ..Limits::default()
    })
    .await;
    while host
        .connections
        .post_to_connection(&id, "fill")
        .await
        .is_ok()
    {}
    let mut quick = host.client().await;
    let began = Instant::now();
    let ids = host.connections.ids();
    let posts = ids
        .iter()
        .map(|id| host.connections.post_to_connection(id, "news"));
    let quick_reads = async {
        assert_eq!(quick.text().await, "news");
        began.elapsed()
    };
    let (outcomes, delay) = tokio::join!(futures::future::join_all(posts), quick_reads);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(delay, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_and_never_reads_is_not_served_without_end() {
    let limits = Limits {
        queue_messages: 2,
        handlers_in_flight: 2,
        ..Limits::default()
    };
    let host = Host::new(Gateway::builder().limits(limits));
    let mut client = host.dial(request("/live"), 256).await.unwrap();
    // Each message earns a Forbidden frame. Its own answers fill its queue, then its handlers
    // wait, then nothing is read from it: at last its own writes do not go through.
    let flood = async {
        for _ in 0..1000 {
            client.send("nonsense").await;
        }
    };
    assert!(
        timeout(Duration::from_secs(60), flood).await.is_err(),
        "everything was taken"
    );
    assert_eq!(host.connections.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_is_dropped_when_it_was_idle_too_long() {
    let (host, client, id) = stalled(Limits::default()).await;
    let began = Instant::now();
    host.connections
        .post_to_connection(&id, "more than the pipe can hold")
        .await
        .unwrap();
    assert_eq!(host.left().await.0, 1001);
    // Ten minutes idle, and five seconds for a farewell that it does not read.
    assert_eq!(began.elapsed().as_secs(), 605);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_room_hear_that_the_client_left() {
    let (host, client, id) = stalled(Limits {
        queue_messages: 1,
        ..Limits::default()
    })
    .await;
    while host
        .connections
        .post_to_connection(&id, "fill")
        .await
        .is_ok()
    {}
    let waiting = host.connections.post_to_connection(&id, "one more");
    let leaving = async { drop(client) };
    let (outcome, ()) = tokio::join!(waiting, leaving);
    assert_eq!(outcome, Err(Error::Gone));
}
