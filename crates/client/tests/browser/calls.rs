use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use babelwire_client::{
    CallError, CallOptions, Cause, Event, Incoming, Rejection, Rollover, State,
};
use babelwire_wire::Action;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Fake, client, client_with, eager, open, until};

#[derive(Debug, PartialEq, Deserialize)]
struct Pong {
    data: String,
}

/// A call that the gateway answers by itself, with `data` as its correlation.
#[derive(Serialize)]
struct Ping {
    action: &'static str,
}

const PING: Ping = Ping { action: "ping" };

fn in_data() -> CallOptions {
    CallOptions {
        field: Some("data"),
        ..CallOptions::default()
    }
}

/// A call whose correlation is this text, wherever it stands.
fn known_as(correlation: &str) -> CallOptions {
    CallOptions {
        correlation: Some(correlation.to_owned()),
        ..in_data()
    }
}

fn ping(data: &str) -> Value {
    json!({"action": "ping", "data": data})
}

/// What a future came to, once it has.
fn watch<T: 'static>(future: impl Future<Output = T> + 'static) -> Rc<RefCell<Option<T>>> {
    let result = Rc::new(RefCell::new(None));
    let slot = Rc::clone(&result);
    spawn_local(async move {
        let output = future.await;
        *slot.borrow_mut() = Some(output);
    });
    result
}

#[wasm_bindgen_test]
async fn calls_are_answered_each_by_its_own_answer_and_nobody_else_hears_them() {
    let (client, heard) = client();
    let mut messages = client.messages::<Value>();
    // Before the socket is open, and many at once.
    let calls: Vec<_> = (0..50)
        .map(|_| client.call_with::<Pong>(&PING, in_data()))
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.expect("an answer").data);
    }
    answers.sort();
    answers.dedup();
    assert_eq!(answers.len(), 50, "each has a correlation of its own");

    let _sent = client.send(&ping("not a call"));
    assert_eq!(
        messages.next().await.and_then(Incoming::message),
        Some(json!({"type": "pong", "data": "not a call"}))
    );
    assert_eq!(heard.frames().len(), 1);
}

#[wasm_bindgen_test]
async fn the_answer_is_known_by_the_field_that_the_request_was_given() {
    let (client, _heard) = client();
    open(&client).await;
    // The gateway has no backend that puts fields into answers: an echo of one will do.
    let data = r#"{"correlationId":"mine","cents":250}"#.to_owned();
    let options = CallOptions {
        correlation: Some("mine".to_owned()),
        ..CallOptions::default()
    };
    let answer = client.call_with::<Value>(&Action::EchoMessage { data }, options);
    assert_eq!(answer.await.expect("an answer")["cents"], 250);

    let fake = Fake::new("calls-field").await;
    let (client, heard) = client_with(eager(&fake.url()));
    let _call = client.call::<Value>(&json!({"action": "echomessage", "data": "x"}));
    let sent = || {
        heard.map(|event| match event {
            Event::Sent { payload, .. } => payload.text().map(ToOwned::to_owned),
            _ => None,
        })
    };
    until("the request went out", || sent().len() == 1).await;
    let request: Value = serde_json::from_str(&sent()[0]).expect("JSON");
    assert!(request["correlationId"].as_str().expect("a text").len() > 16);
    assert_eq!(request["data"], "x");
}

#[wasm_bindgen_test]
async fn what_went_wrong_comes_as_an_error_that_says_whether_anything_was_sent() {
    let fake = Fake::new("calls-errors").await;
    let (client, heard) = client_with(eager(&fake.url()));

    // Nothing else is under way that can have caused the gateway's error.
    let first = client.call_with::<Pong>(&PING, in_data()).await;
    assert!(first.is_ok());
    until("the first heartbeat is answered", || {
        heard.any(|event| matches!(event, Event::Ponged { .. }))
    })
    .await;
    let error = client.call::<Value>(&json!({"action": "nothing"})).await;
    assert!(matches!(error, Err(CallError::Gateway(error)) if error.message == "Forbidden"));

    let answer = client
        .call_with::<u64>(&ping("no number"), known_as("no number"))
        .await;
    assert!(matches!(
        answer,
        Err(CallError::Unreadable { answer, .. }) if answer.contains("no number")
    ));
    let error = client.call::<Value>(&"no object").await;
    assert!(matches!(error, Err(CallError::Uncorrelated(_))));
    let error = client
        .call::<Value>(&json!({"action": "echomessage", "data": "x".repeat(40_000)}))
        .await;
    assert!(matches!(
        error,
        Err(CallError::Rejected(Rejection::TooLarge { .. }))
    ));

    fake.post("rules", r#"{"on":{"event":"fromClient"},"then":"drop"}"#)
        .await;
    let options = CallOptions {
        timeout: Some(Duration::from_millis(50)),
        ..in_data()
    };
    let error = client.call_with::<Pong>(&PING, options).await;
    assert_eq!(error, Err(CallError::TimedOut));

    client.close();
    let error = client.call::<Value>(&PING).await;
    assert_eq!(error, Err(CallError::Closed));
}

#[wasm_bindgen_test]
async fn only_the_dead_sockets_calls_fail_and_what_was_not_sent_goes_over_the_next() {
    let fake = Fake::new("calls-loss").await;
    fake.post(
        "rules",
        r#"{"on":{"event":"fromClient","text":"lost"},"then":"drop"}"#,
    )
    .await;
    let (client, heard) = client_with(eager(&fake.url()));
    let slot = Rc::new(RefCell::new(None));
    open(&client).await;
    let lost = watch(client.call_with::<Pong>(&ping("lost"), known_as("lost")));
    // Called at the very moment of the loss: it waits for the next socket.
    let (caller, calls) = (client.clone(), Rc::clone(&slot));
    let listener = client.listen(move |event| {
        if matches!(event, Event::Changed { from, .. } if from.is_open()) {
            let call = caller.call_with::<Pong>(&ping("kept"), known_as("kept"));
            *calls.borrow_mut() = Some(watch(call));
        }
    });
    fake.post("close", "{}").await;
    until("the call fails", || lost.borrow().is_some()).await;
    assert_eq!(lost.take(), Some(Err(CallError::SocketGone)));
    let kept = slot.take().expect("a call");
    until("the other is answered", || kept.borrow().is_some()).await;
    assert_eq!(
        kept.take(),
        Some(Ok(Pong {
            data: "kept".to_owned()
        }))
    );
    assert!(heard.states().contains(&"waiting"));
    drop(listener);
}

#[wasm_bindgen_test]
async fn while_one_socket_takes_over_from_another_the_old_ones_calls_are_still_answered() {
    let fake = Fake::new("calls-rollover").await;
    fake.post(
        "rules",
        r#"{"on":{"event":"fromClient","text":"slow"},"then":"drop"}"#,
    )
    .await;
    let mut options = eager(&fake.url());
    options.config.rollover = Some(Rollover {
        earliest: Duration::from_secs(2),
        latest: Duration::from_secs(2),
        overlap: Duration::from_secs(10),
    });
    let (client, heard) = client_with(options);
    open(&client).await;
    let slow = watch(client.call_with::<Pong>(&ping("slow"), known_as("slow")));
    let rolled_over = || {
        heard.any(
            |event| matches!(event, Event::Changed { cause, .. } if *cause == Cause::RolledOver),
        )
    };
    until("a second socket took over", rolled_over).await;
    // The backend takes its time, and answers over the socket that it was asked over.
    fake.post("broadcast?connection=1", r#"{"type":"pong","data":"slow"}"#)
        .await;
    until("the answer", || slow.borrow().is_some()).await;
    assert_eq!(
        slow.take(),
        Some(Ok(Pong {
            data: "slow".to_owned()
        }))
    );
}

#[wasm_bindgen_test]
async fn a_call_that_is_dropped_is_given_up_and_its_answer_is_a_frame_like_any_other() {
    let (client, heard) = client();
    open(&client).await;
    drop(client.call_with::<Pong>(&ping("late"), known_as("late")));
    until("the late answer", || {
        heard.frames().iter().any(|text| text.contains("late"))
    })
    .await;
}

#[wasm_bindgen_test]
async fn calls_end_with_their_client() {
    let fake = Fake::new("calls-end").await;
    fake.post("rules", r#"{"on":{"event":"fromClient"},"then":"drop"}"#)
        .await;
    let (client, events) = client_with(eager(&fake.url()));
    open(&client).await;
    let sent = watch(client.call_with::<Pong>(&PING, in_data()));
    until("it went out", || {
        events.any(|event| matches!(event, Event::Sent { .. }))
    })
    .await;
    drop(client);
    until("it fails", || sent.borrow().is_some()).await;
    assert_eq!(sent.take(), Some(Err(CallError::SocketGone)));

    let (client, _events) = client_with(eager(&fake.url()));
    let unsent = watch(client.call_with::<Pong>(&PING, in_data()));
    drop(client);
    until("it fails", || unsent.borrow().is_some()).await;
    assert_eq!(unsent.take(), Some(Err(CallError::Closed)));

    let (client, _events) = client_with(eager(&fake.url()));
    let unsent = watch(client.call_with::<Pong>(&PING, in_data()));
    client.close();
    until("it fails", || unsent.borrow().is_some()).await;
    assert_eq!(unsent.take(), Some(Err(CallError::Closed)));
    assert_eq!(client.state(), State::Closed);
}
