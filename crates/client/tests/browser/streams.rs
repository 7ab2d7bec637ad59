use babelwire_client::{
    Continuity, Event, GatewayError, Incoming, Missed, Payload, STREAM_ITEMS, State,
};
use babelwire_wire::Action;
use serde::Deserialize;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Fake, client, client_with, eager, open};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum News {
    Said { text: String },
    Pong { data: String },
}

fn echo(data: &str) -> Action {
    Action::EchoMessage {
        data: data.to_owned(),
    }
}

#[wasm_bindgen_test]
async fn statuses_begin_with_the_present_one_and_leave_none_out() {
    let (client, _heard) = client();
    let mut statuses = client.statuses();
    let mut words = Vec::new();
    let mut next = async || {
        let state = statuses
            .next()
            .await
            .expect("a status")
            .expect("all of them");
        words.push(state.as_str());
        state
    };
    assert!(matches!(next().await, State::Connecting { .. }));
    assert!(next().await.is_open());
    client.close();
    client.retry_now();
    assert_eq!(next().await, State::Closed);
    next().await;
    next().await;
    assert_eq!(
        words,
        ["connecting", "open", "closed", "connecting", "open"]
    );

    // Who comes later begins with what is so then.
    let mut late = client.statuses();
    assert_eq!(late.next().await, Some(Ok(client.state())));
}

#[wasm_bindgen_test]
async fn each_stream_has_every_event_in_order_and_ends_with_the_client() {
    let fake = Fake::new("streams-events").await;
    let (client, _heard) = client_with(eager(&fake.url()));
    let (mut one, mut other) = (client.events(), client.events());
    open(&client).await;
    for number in 0..100 {
        let _sent = client.send(&Action::Ping {
            data: number.to_string(),
        });
    }
    let mut pongs = client.messages::<News>();
    for number in 0..100 {
        assert_eq!(
            pongs.next().await,
            Some(Incoming::Message(News::Pong {
                data: number.to_string()
            }))
        );
    }
    drop(client);
    assert_eq!(pongs.next().await, None);
    let mut collected = Vec::new();
    while let Some(event) = one.next().await {
        collected.push(event.expect("none was missed"));
    }
    assert!(matches!(
        collected[..2],
        [
            Event::Changed { .. },
            Event::Opened {
                continuity: Continuity::First,
                ..
            }
        ]
    ));
    let count = |kind: fn(&Event) -> bool| collected.iter().filter(|event| kind(event)).count();
    assert_eq!(count(|event| matches!(event, Event::Sent { .. })), 100);
    assert_eq!(count(|event| matches!(event, Event::Frame { .. })), 100);
    for event in collected {
        assert_eq!(other.next().await, Some(Ok(event)));
    }
    assert_eq!(other.next().await, None);
    assert_eq!(other.next().await, None, "still");
}

#[wasm_bindgen_test]
async fn a_stream_does_not_keep_its_client() {
    let (client, heard) = client();
    let mut events = client.events();
    drop(client);
    let heard = heard.len();
    assert_eq!(heard, 1);
    assert_eq!(events.next().await, None);
}

#[wasm_bindgen_test]
async fn frames_are_read_as_what_they_are() {
    let fake = Fake::new("streams-messages").await;
    let (client, _heard) = client_with(eager(&fake.url()));
    let mut messages = client.messages::<News>();
    let mut plain = client.messages::<String>();
    open(&client).await;
    let said = r#"{"type":"said","text":"käse 🧀"}"#;
    for frame in [said, "hello", r#""quoted""#] {
        let _sent = client.send(&echo(frame));
    }
    let _sent = client.send_text(r#"{"action":"no such route"}"#);
    assert_eq!(
        messages.next().await,
        Some(Incoming::Message(News::Said {
            text: "käse 🧀".to_owned()
        }))
    );
    assert_eq!(
        messages.next().await,
        Some(Incoming::Other(Payload::from("hello")))
    );
    assert_eq!(
        messages.next().await,
        Some(Incoming::Other(Payload::from(r#""quoted""#)))
    );
    assert!(matches!(
        messages.next().await,
        Some(Incoming::Gateway(GatewayError { message, .. })) if message == "Forbidden"
    ));
    // Every stream has its own queue and its own type.
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(plain.next().await.expect("a frame").message());
    }
    assert_eq!(seen, [None, None, Some("quoted".to_owned()), None]);
}

#[wasm_bindgen_test]
async fn a_consumer_that_does_not_keep_up_is_told_how_many_it_missed() {
    let fake = Fake::new("streams-missed").await;
    fake.post("rules", r#"{"on":{"event":"fromClient"},"then":"drop"}"#)
        .await;
    let (client, _heard) = client_with(eager(&fake.url()));
    open(&client).await;
    let mut events = client.events();
    let extra = 100;
    for number in 0..STREAM_ITEMS + extra {
        let _sent = client.send_text(number.to_string());
    }
    assert_eq!(events.next().await, Some(Err(Missed(extra as u64))));
    for number in extra..STREAM_ITEMS + extra {
        let Some(Ok(Event::Sent { payload, .. })) = events.next().await else {
            panic!("{number}");
        };
        assert_eq!(payload, Payload::from(number.to_string()));
    }
}
