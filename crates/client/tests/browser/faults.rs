//! Real sockets against a gateway that misbehaves.

use std::collections::BTreeMap;
use std::time::Duration;

use babelwire_client::{
    Cause, Client, Config, Continuity, DialFailure, Endpoint, Event, Options, Payload, Rollover,
    SendOutcome, State,
};
use gloo_timers::future::TimeoutFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Fake, Heard, client_with, look, network, now, open, settle, until};

const SECOND: Duration = Duration::from_secs(1);

fn generation(client: &Client) -> u64 {
    client
        .state()
        .generation()
        .map_or(0, babelwire_client::Generation::number)
}

#[wasm_bindgen_test]
async fn a_path_that_goes_silent_is_left_and_95_of_100_have_a_new_socket_within_10_s() {
    let fake = Fake::new("silence").await;
    let clients: Vec<_> = (0..100)
        .map(|_| client_with(Options::new(fake.url())))
        .collect();
    until("all are open and have been answered once", || {
        clients
            .iter()
            .all(|(_, heard)| heard.any(|event| matches!(event, Event::Ponged { .. })))
    })
    .await;
    let before: Vec<u64> = clients
        .iter()
        .map(|(client, _)| generation(client))
        .collect();
    fake.post("silence", "").await;
    let start = now();
    let mut took = vec![None; clients.len()];
    until("all have a new socket", || {
        for (index, (client, _)) in clients.iter().enumerate() {
            if client.state().is_open() && generation(client) > before[index] {
                took[index].get_or_insert_with(|| now() - start);
            }
        }
        took.iter().all(Option::is_some)
    })
    .await;
    let mut took: Vec<f64> = took.into_iter().flatten().collect();
    took.sort_by(f64::total_cmp);
    assert!(took[94] <= 10_000.0, "{took:?}");
    assert!(clients.iter().all(|(_, heard)| heard.any(|event| matches!(
        event,
        Event::Changed {
            cause: Cause::Unresponsive,
            ..
        }
    ))));
}

#[wasm_bindgen_test]
async fn a_hundred_tab_switches_on_a_healthy_socket_give_no_reconnect() {
    let fake = Fake::new("switches").await;
    let (client, heard) = client_with(Options::new(fake.url()));
    open(&client).await;
    for _ in 0..100 {
        look();
        network(true);
        settle().await;
    }
    until("the last ping is answered", || {
        heard.any(|event| matches!(event, Event::Ponged { .. }))
    })
    .await;
    assert_eq!(fake.count("dials").await, 1);
    assert_eq!(heard.states(), ["connecting", "open"]);
    assert!(heard.frames().is_empty(), "{:?}", heard.frames());
}

#[wasm_bindgen_test]
async fn a_dead_socket_is_found_within_2_s_of_a_look_at_the_page() {
    let fake = Fake::new("look").await;
    let (client, heard) = client_with(Options::new(fake.url()));
    until("it is known to answer", || {
        heard.any(|event| matches!(event, Event::Ponged { .. }))
    })
    .await;
    // A frame within the last second would be proof enough.
    let quiet = now() + 1100.0;
    until("a second of silence", || now() > quiet).await;
    fake.post("silence", "").await;
    let (dead, start) = (generation(&client), now());
    look();
    until("a new socket", || {
        client.state().is_open() && generation(&client) > dead
    })
    .await;
    // The dial itself is a few milliseconds here; the rest is for a machine that is busy.
    assert!(now() - start <= 3000.0, "{}", now() - start);
}

#[wasm_bindgen_test]
async fn sockets_are_replaced_before_their_time_and_no_frame_is_lost_or_doubled() {
    let fake = Fake::new("rollover").await;
    fake.post(
        "rules",
        r#"[{"on":{"event":"dial"},"then":{"limitAgeMs":3000}}]"#,
    )
    .await;
    let config = Config {
        dials_per_minute: 1000,
        rollover: Some(Rollover {
            earliest: SECOND,
            latest: SECOND * 3 / 2,
            overlap: SECOND / 2,
        }),
        ..Config::default()
    };
    let (client, heard) = client_with(Options::new(fake.url()).with_config(config));
    open(&client).await;
    let mut said = Vec::new();
    let rollovers = || {
        heard
            .map(|event| {
                matches!(
                    event,
                    Event::Changed {
                        cause: Cause::RolledOver,
                        ..
                    }
                )
                .then_some(())
            })
            .len()
    };
    while rollovers() < 8 {
        let text = format!("number {}", said.len());
        fake.post("broadcast", &text).await;
        said.push(text);
        assert!(client.state().is_open(), "{:?}", client.state());
        assert!(said.len() < 5000);
        TimeoutFuture::new(10).await;
    }
    until("the last frame", || {
        heard.frames().contains(said.last().unwrap())
    })
    .await;
    settle().await;
    let mut counts = BTreeMap::<String, u32>::new();
    for text in heard.frames() {
        *counts.entry(text).or_default() += 1;
    }
    let wrong: Vec<_> = said
        .iter()
        .filter(|text| counts.get(*text) != Some(&1))
        .collect();
    assert!(wrong.is_empty(), "not heard exactly once: {wrong:?}");
    assert!(!heard.any(|event| matches!(
        event,
        Event::Opened {
            continuity: Continuity::MayBeLost,
            ..
        }
    )));
}

#[wasm_bindgen_test]
async fn an_endpoint_is_asked_for_afresh_before_every_dial_and_may_fail() {
    let fake = Fake::new("provider").await;
    let asked = Heard::new();
    let (url, ear) = (fake.url(), asked.clone());
    let mut options = Options::with_provider(move |request| {
        ear.push(request.generation.number());
        let (url, number) = (url.clone(), request.generation.number());
        async move {
            // As long as a token takes.
            TimeoutFuture::new(20).await;
            if number < 3 {
                return Err(DialFailure {
                    why: "no token yet".to_owned(),
                    retry_after: None,
                });
            }
            Ok(Endpoint::new(format!("{url}?signature={number}")).with_protocol("token.abc"))
        }
    });
    options.config.backoff.base = Duration::from_millis(20);
    let (client, heard) = client_with(options);
    open(&client).await;
    assert_eq!(asked.map(|number| Some(*number)), [1, 2, 3]);
    assert!(heard.any(|event| matches!(
        event,
        Event::Changed { cause: Cause::DialFailed(failure), .. } if failure.why == "no token yet"
    )));
    fake.post("cut", "").await;
    until("another", || asked.len() == 4 && client.state().is_open()).await;
    let seen = fake.get("connections").await;
    for wanted in ["signature=3", "signature=4", "token.abc"] {
        assert!(seen.contains(wanted), "{wanted} in {seen}");
    }
}

#[wasm_bindgen_test]
async fn each_dial_offers_the_token_of_its_moment_after_the_subprotocol_that_is_spoken() {
    let fake = Fake::new("tokens").await;
    let dials = Heard::new();
    let (url, ear) = (fake.url(), dials.clone());
    let mut options = Options::with_provider(move |request| {
        ear.push(request.reauthenticate);
        let token = format!(
            "{}.payload.signature_-{}",
            ear.len(),
            request.reauthenticate
        );
        let endpoint = Endpoint::new(&*url)
            .with_protocol("babelwire")
            .with_protocol(token);
        async move { Ok(endpoint) }
    });
    options.config.backoff.base = Duration::from_millis(20);
    let (client, _) = client_with(options);
    open(&client).await;
    let offered = "babelwire, 1.payload.signature_-false";
    assert!(fake.get("connections").await.contains(offered));
    // The backend has had enough of that token.
    fake.post("close", r#"{"code":4401,"reason":"expired"}"#)
        .await;
    until("another", || dials.len() == 2 && client.state().is_open()).await;
    let seen = fake.get("connections").await;
    assert!(
        seen.contains("babelwire, 2.payload.signature_-true"),
        "{seen}"
    );
}

#[wasm_bindgen_test]
async fn a_client_that_is_dropped_while_its_endpoint_is_asked_for_dials_nothing() {
    let fake = Fake::new("dropped").await;
    let url = fake.url();
    let (client, heard) = client_with(Options::with_provider(move |_| {
        let url = url.clone();
        async move {
            TimeoutFuture::new(30).await;
            Ok(Endpoint::new(url))
        }
    }));
    assert_eq!(client.state().as_str(), "connecting");
    drop(client);
    TimeoutFuture::new(60).await;
    assert_eq!(fake.count("dials").await, 0);
    assert_eq!(heard.states(), ["connecting"]);
}

#[wasm_bindgen_test]
async fn a_backend_without_a_route_for_pings_is_alive_when_it_refuses_them() {
    let fake = Fake::new("no-ping").await;
    // As API Gateway answers where there is no such route.
    fake.post(
        "rules",
        r#"[{"on":{"event":"fromClient","fields":{"action":"ping"}},
             "then":{"answer":"{\"message\": \"Forbidden\", \"connectionId\":\"a=\", \"requestId\":\"b=\"}"}}]"#,
    )
    .await;
    let (client, heard) = client_with(Options::new(fake.url()));
    until("a refusal is an answer", || {
        heard.any(|event| matches!(event, Event::Ponged { .. }))
    })
    .await;
    assert!(client.state().is_open());
    assert!(heard.frames().is_empty());
}

#[wasm_bindgen_test]
async fn bytes_go_out_and_come_in_as_bytes_and_api_gateway_closes_with_1003() {
    let fake = Fake::new("bytes").await;
    fake.post(
        "rules",
        r#"[{"on":{"event":"fromClient","text":"bytes, please"},"then":{"answer":[1,2,255]}}]"#,
    )
    .await;
    let (client, heard) = client_with(Options::new(fake.url()));
    open(&client).await;
    assert_eq!(client.send_text("bytes, please"), SendOutcome::Sent);
    until("bytes", || {
        heard.any(|event| {
            matches!(
                event,
                Event::Frame { payload: Payload::Binary(bytes), .. } if *bytes == [1, 2, 255]
            )
        })
    })
    .await;
    assert_eq!(client.send_bytes([7; 9]), SendOutcome::Sent);
    until("the close", || {
        heard.any(|event| {
            matches!(
                event,
                Event::Changed { cause: Cause::SocketClosed(closed), .. } if closed.code == 1003
            )
        })
    })
    .await;
    assert!(fake.get("frames").await.contains("[7,7,7,7,7,7,7,7,7]"));
}

#[wasm_bindgen_test]
async fn a_close_that_forbids_is_final_and_one_that_names_a_time_is_waited_for() {
    let fake = Fake::new("verdicts").await;
    let (client, heard) = client_with(Options::new(fake.url()));
    open(&client).await;
    fake.post("close", r#"{"code":1013,"reason":"retry-after=30"}"#)
        .await;
    until("the wait", || client.retry_in().is_some()).await;
    assert!(client.retry_in().unwrap() > SECOND * 25);
    client.retry_now();
    open(&client).await;
    fake.post("close", r#"{"code":4403,"reason":"not you"}"#)
        .await;
    until("the end", || client.state() == State::Closed).await;
    settle().await;
    assert_eq!(fake.count("dials").await, 2);
    let heard_then = heard.len();
    look();
    network(true);
    settle().await;
    assert_eq!(heard.len(), heard_then);
}
