use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use babelwire_client::{
    Backoff, Cause, Client, Continuity, Event, Options, Payload, Rejection, SendOutcome, State,
    websocket_url,
};
use babelwire_wire::{Action, Frame, Inbound};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{
    Heard, NOBODY, client, client_with, connection_id, connection_path, eager, http, is, look,
    network, network_quietly, open, settle, until, websocket,
};

fn echo(data: &str) -> Action {
    Action::EchoMessage {
        data: data.to_owned(),
    }
}

#[wasm_bindgen_test]
async fn a_message_goes_out_and_its_echo_comes_back() {
    let (client, heard) = client();
    assert_eq!(
        heard.states(),
        ["connecting"],
        "heard before connect returns"
    );
    assert!(matches!(
        client.send(&echo("käse 🧀")),
        SendOutcome::Queued(_)
    ));
    until("the echo", || {
        heard.frames().contains(&"käse 🧀".to_owned())
    })
    .await;
    assert_eq!(heard.states(), ["connecting", "open"]);
    assert!(heard.any(|event| matches!(
        event,
        Event::Opened {
            continuity: Continuity::First,
            ..
        }
    )));
    assert!(heard.any(|event| matches!(
        event,
        Event::Sent { payload: Payload::Text(text), .. } if text.contains("echomessage")
    )));
    let ping = Action::Ping {
        data: "1".to_owned(),
    };
    assert_eq!(client.send(&ping), SendOutcome::Sent);
    until("the pong", || {
        heard.frames().into_iter().any(|text| {
            Inbound::parse(text).frame
                == Frame::Pong {
                    data: "1".to_owned(),
                }
        })
    })
    .await;
}

#[wasm_bindgen_test]
async fn what_is_queued_while_connecting_arrives_whole_and_in_order() {
    let (client, heard) = client();
    let queued: Vec<String> = (0..100).map(|number| format!("q{number}")).collect();
    for data in &queued {
        let outcome = client.send(&Action::Ping { data: data.clone() });
        assert!(matches!(outcome, SendOutcome::Queued(_)));
    }
    assert_eq!(client.queued(), 100);
    let pongs = || {
        heard.map(|event| match event {
            Event::Frame {
                payload: Payload::Text(text),
                ..
            } => match Inbound::parse(text.clone()).frame {
                Frame::Pong { data } => Some(data),
                _ => None,
            },
            _ => None,
        })
    };
    until("100 pongs", || pongs().len() == 100).await;
    let sent = heard.map(|event| match event {
        Event::Sent { payload, .. } => payload.text().map(ToOwned::to_owned),
        _ => None,
    });
    let expected: Vec<String> = queued
        .iter()
        .map(|data| format!(r#"{{"action":"ping","data":"{data}"}}"#))
        .collect();
    assert_eq!(sent, expected);
}

#[wasm_bindgen_test]
async fn the_server_closes_the_connection_and_it_comes_back_by_itself() {
    let (client, heard) = client();
    open(&client).await;
    let id = connection_id(&client, &heard).await;
    let (status, _) = http("DELETE", &connection_path(&id), None).await;
    assert_eq!(status, 204);
    until("a second socket", || {
        heard.any(|event| {
            matches!(
                event,
                Event::Opened {
                    continuity: Continuity::MayBeLost,
                    ..
                }
            )
        })
    })
    .await;
    assert_eq!(
        heard.states(),
        ["connecting", "open", "waiting", "connecting", "open"]
    );
    assert!(heard.any(|event| matches!(
        event,
        Event::Changed { cause: Cause::SocketClosed(closed), .. }
            if closed.code == 1000 && closed.was_clean
    )));
    assert_ne!(connection_id(&client, &heard).await, id);
}

#[wasm_bindgen_test]
async fn a_frame_above_the_gateways_limit_never_leaves_and_one_that_does_closes_1009() {
    let (client, heard) = client();
    open(&client).await;
    assert!(matches!(
        client.send(&echo(&"x".repeat(33_000))),
        SendOutcome::Rejected(Rejection::TooLarge { .. })
    ));
    let _pong = connection_id(&client, &heard).await;
    assert_eq!(heard.states(), ["connecting", "open"]);

    let mut options = eager(websocket());
    options.config.outbox.frame_bytes = usize::MAX;
    let (reckless, heard) = client_with(options);
    open(&reckless).await;
    assert_eq!(
        reckless.send(&echo(&"x".repeat(200_000))),
        SendOutcome::Sent
    );
    until("1009 and a new socket", || {
        heard.any(|event| {
            matches!(
                event,
                Event::Changed { cause: Cause::SocketClosed(closed), .. } if closed.code == 1009
            )
        }) && heard.states().last() == Some(&"open")
    })
    .await;
}

#[wasm_bindgen_test]
async fn where_nobody_listens_the_client_waits_with_a_countdown_and_tries_again() {
    let mut options = Options::new(format!("ws://{NOBODY}/live"));
    options.config.backoff = Backoff {
        base: Duration::from_millis(1),
        cap: Duration::from_secs(40),
    };
    let (client, heard) = client_with(options);
    until("eight dials", || {
        heard
            .states()
            .iter()
            .filter(|state| **state == "connecting")
            .count()
            >= 8
    })
    .await;
    until("a wait", || is(&client, "waiting")).await;
    let State::Waiting { delay, .. } = client.state() else {
        unreachable!();
    };
    assert!(client.retry_in().expect("a countdown") <= delay);
    assert!(heard.any(|event| matches!(
        event,
        Event::Changed { cause: Cause::SocketClosed(closed), .. } if closed.code == 1006
    )));
    assert!(heard.any(|event| matches!(event, Event::SocketError { .. })));
}

#[wasm_bindgen_test]
async fn an_address_that_is_none_closes_with_the_reason() {
    for url in ["mailto:somebody@example.org", "ws://[", "ws://host:99999/"] {
        let (client, heard) = client_with(Options::new(url));
        assert_eq!(client.state(), State::Closed);
        let reasons = heard.map(|event| match event {
            Event::Changed {
                cause: Cause::DialImpossible(why),
                ..
            } => Some(why.clone()),
            _ => None,
        });
        assert!(
            matches!(&reasons[..], [why] if why.contains(url)),
            "{url}: {reasons:?}"
        );
        assert_eq!(
            client.send_text("x"),
            SendOutcome::Rejected(Rejection::Closed)
        );
    }
}

#[wasm_bindgen_test]
fn a_relative_address_is_resolved_against_the_page() {
    let page = web_sys::window().unwrap().location().host().unwrap();
    assert_eq!(websocket_url("live"), Ok(format!("ws://{page}/live")));
    assert_eq!(
        websocket_url("https://example.org/prod?a=1#b"),
        Ok("wss://example.org/prod?a=1".to_owned())
    );
    assert_eq!(
        websocket_url("wss://example.org/prod"),
        Ok("wss://example.org/prod".to_owned())
    );
    assert!(websocket_url("ftp://example.org").is_err());
}

#[wasm_bindgen_test]
async fn a_callback_may_send_and_close_and_events_stay_in_order() {
    let heard = Heard::new();
    let slot: Rc<RefCell<Option<Client>>> = Rc::default();
    let (ear, own) = (heard.clone(), Rc::downgrade(&slot));
    let client = Client::connect(eager(websocket()), move |event| {
        let client = own.upgrade().and_then(|slot| slot.borrow().clone());
        if let Some(client) = client {
            match &event {
                Event::Opened { .. } => {
                    assert_eq!(client.send(&echo("from inside")), SendOutcome::Sent);
                }
                Event::Frame { payload, .. } if payload.text() == Some("from inside") => {
                    client.close();
                }
                _ => {}
            }
        }
        ear.push(event);
    });
    *slot.borrow_mut() = Some(client.clone());
    until("the close", || client.state() == State::Closed).await;
    let order = heard.map(|event| {
        Some(match event {
            // The heartbeat asks whenever it likes.
            Event::Pinged { .. } | Event::Ponged { .. } => return None,
            Event::Changed { to, .. } => to.as_str(),
            Event::Opened { .. } => "opened",
            Event::Sent { .. } => "sent",
            Event::Frame { .. } => "frame",
            _ => "another",
        })
    });
    assert_eq!(
        order,
        ["connecting", "open", "opened", "sent", "frame", "closed"]
    );
    let heard_then = heard.len();
    settle().await;
    assert_eq!(heard.len(), heard_then, "nothing follows the close");

    client.retry_now();
    until("open again", || heard.frames().len() == 2).await;
    slot.take();
}

#[wasm_bindgen_test]
async fn dropping_the_last_handle_closes_the_socket_and_silences_its_events() {
    let (client, heard) = client();
    open(&client).await;
    let id = connection_id(&client, &heard).await;
    let path = connection_path(&id);
    assert_eq!(http("GET", &path, None).await.0, 200);
    let clone = client.clone();
    drop(client);
    settle().await;
    assert!(clone.state().is_open());
    let heard_then = heard.len();
    drop(clone);
    for attempt in 0.. {
        if http("GET", &path, None).await.0 == 410 {
            break;
        }
        assert!(attempt < 200, "the server still has the connection");
    }
    assert_eq!(heard.len(), heard_then);
}

#[wasm_bindgen_test]
async fn the_last_handle_may_be_dropped_inside_its_own_callback() {
    let heard = Heard::new();
    let slot: Rc<RefCell<Option<Client>>> = Rc::default();
    let (ear, own) = (heard.clone(), Rc::clone(&slot));
    let client = Client::connect(eager(websocket()), move |event| {
        if matches!(event, Event::Opened { .. }) {
            drop(own.take());
        }
        ear.push(event);
    });
    let queued = client.send(&echo("nobody waits for this any more"));
    assert!(matches!(queued, SendOutcome::Queued(_)));
    slot.replace(Some(client));
    until("the drop", || slot.borrow().is_none()).await;
    settle().await;
    assert_eq!(heard.states(), ["connecting", "open"]);
    assert_eq!(heard.len(), 3, "the last one is the event that dropped it");
}

#[wasm_bindgen_test]
async fn the_browser_goes_offline_and_online_again() {
    let (client, heard) = client();
    open(&client).await;
    network(false);
    assert_eq!(client.state(), State::Offline);
    assert!(matches!(
        client.send(&echo("from a tunnel")),
        SendOutcome::Queued(_)
    ));
    settle().await;
    assert_eq!(client.state(), State::Offline);
    network(true);
    until("the echo", || {
        heard.frames().contains(&"from a tunnel".to_owned())
    })
    .await;
    client.close();
    network(true);
    look();
    settle().await;
    assert_eq!(client.state(), State::Closed);
}

#[wasm_bindgen_test]
async fn a_browser_that_thinks_it_is_offline_is_proven_wrong_by_a_dial() {
    network_quietly(false);
    let (client, heard) = client();
    open(&client).await;
    let id = connection_id(&client, &heard).await;
    http("DELETE", &connection_path(&id), None).await;
    until("a second socket", || {
        heard.states() == ["connecting", "open", "waiting", "connecting", "open"]
    })
    .await;

    // One that is right waits, and looks again when somebody looks at the page.
    let (client, _heard) = client_with(eager(&format!("ws://{NOBODY}/live")));
    until("it gave up", || client.state() == State::Offline).await;
    look();
    settle().await;
    assert_eq!(client.state(), State::Offline);
    network_quietly(true);
    look();
    until("it dials again", || client.state() != State::Offline).await;
}

#[wasm_bindgen_test]
async fn looking_at_the_page_brings_the_next_dial_near() {
    let mut options = Options::new(format!("ws://{NOBODY}/live"));
    options.config.backoff = Backoff {
        base: Duration::from_millis(100),
        cap: Duration::from_secs(3600),
    };
    options.config.wake_spread = Duration::from_millis(100);
    let (client, _heard) = client_with(options);
    until("a long wait", || {
        // The first waits are too short to tell anything from: out of patience with them.
        if client
            .retry_in()
            .is_none_or(|left| left < Duration::from_secs(1))
        {
            client.retry_now();
        }
        client
            .retry_in()
            .is_some_and(|left| left > Duration::from_secs(1))
    })
    .await;
    look();
    assert!(client.retry_in().expect("a wait") <= Duration::from_millis(100));
}
