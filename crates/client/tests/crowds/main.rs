//! Crowds of connections that come and go, in a browser session of their own: Chromium holds a
//! page's dials back, for minutes, once very many of them failed or were given up, and tests that
//! measure how fast a socket is replaced would measure that. Runs as `tests/README.md` says.

#![cfg(target_arch = "wasm32")]
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "in a test, a panic is how to say that something is wrong"
)]

#[path = "../browser/support.rs"]
#[expect(dead_code, reason = "most of it is for the other tests")]
mod support;

use babelwire_wire::Action;
use serde::Deserialize;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

use crate::support::{client, client_with, eager, settle, wasm_memory};

wasm_bindgen_test_configure!(run_in_browser);

#[derive(Deserialize)]
struct Anything {}

fn echo(data: &str) -> Action {
    Action::EchoMessage {
        data: data.to_owned(),
    }
}

#[wasm_bindgen_test]
async fn five_hundred_connections_that_come_and_go_leave_nothing_in_memory() {
    let cycle = async |count: u32| {
        for _ in 0..count {
            let (client, _heard) = client();
            let _queued = client.send(&echo("x"));
            drop(client);
        }
        settle().await;
    };
    cycle(100).await;
    let before = wasm_memory();
    cycle(500).await;
    let grown = wasm_memory() - before;
    assert!(grown <= 64.0 * 1024.0, "{grown} bytes");
}

#[wasm_bindgen_test]
async fn ten_thousand_clients_that_come_and_go_with_all_they_have_leave_nothing_in_memory() {
    // Where nobody is asked anything: a dial to a port that browsers refuse by themselves.
    let cycle = async |count: u32| {
        for number in 0..count {
            let (client, _heard) = client_with(eager("ws://127.0.0.1:1/live"));
            let (events, statuses) = (client.events(), client.statuses());
            let messages = client.messages::<Anything>();
            let call = client.call::<Anything>(&echo("x"));
            drop((events, statuses));
            drop(client);
            drop((messages, call));
            if number % 100 == 0 {
                settle().await;
            }
        }
        settle().await;
    };
    cycle(200).await;
    let before = wasm_memory();
    cycle(10_000).await;
    let grown = wasm_memory() - before;
    assert!(grown <= 64.0 * 1024.0, "{grown} bytes");
}
