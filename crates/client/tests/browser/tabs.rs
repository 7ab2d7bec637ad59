//! Clients that share a connection as tabs do: to the browser's locks and channels it is the same
//! whether they are in one page or in several.

use babelwire_client::{Client, Continuity, Event, SendOutcome, State, TabsOptions, Ticket};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Fake, Heard, client_with, eager, now, open, settle, until, wasm_memory};

#[wasm_bindgen(inline_js = r#"
// Locks as another tab would have them, in a frame that can be taken away.
const frames = new Map();
export async function other_tab_holds(name) {
    const frame = document.createElement("iframe");
    document.body.append(frame);
    frames.set(name, frame);
    await new Promise((held) => {
        frame.contentWindow.navigator.locks.request(name, () => {
            held();
            return new Promise(() => {});
        });
    });
}
export function other_tab_is_gone(name) {
    frames.get(name).remove();
}
export async function locks_like(name) {
    const { held, pending } = await navigator.locks.query();
    return [...held, ...pending].filter((lock) => lock.name.includes(name)).length;
}
export function lacks(holder, name) {
    const object = holder === "navigator" ? navigator : window;
    Object.defineProperty(object, name, { value: undefined, configurable: true, writable: true });
}
const channel = window.BroadcastChannel;
export function has_again(holder, name) {
    const object = holder === "navigator" ? navigator : window;
    delete object[name];
    if (name === "BroadcastChannel") {
        window.BroadcastChannel = channel;
    }
}
export function refuses_locks() {
    const refuse = async () => {
        throw new DOMException("not for this page", "SecurityError");
    };
    Object.defineProperty(navigator, "locks", { value: { request: refuse }, configurable: true });
}
export function tell(target, kind) {
    (target === "window" ? window : document).dispatchEvent(new Event(kind));
}
export async function broadcast_bytes(url, bytes) {
    const headers = { "content-type": "application/octet-stream" };
    await fetch(url, { method: "POST", headers, body: new Uint8Array(bytes) });
}
export function post_nonsense(name) {
    const channel = new BroadcastChannel(name);
    const late = 1e15;
    for (const nonsense of [null, 7, "Hello", {}, [], [1], [{}, [], "1", 0, 0, 0, 0, 0, 0, 0],
        // As a tab would post them, but for what they say.
        [1, 0, 0, 0, 99, 0, 0, 0, 0, 0], [1, 0, 0, 0, -1, NaN, Infinity, 1e300, -7, 0.5],
        [1, 0, 0, 0, 2, 1, 0, 0, 0, 0], [1, 0, 0, 0, 3, 0, 0, 0, 0, 0, new Uint8Array(3)],
        [1, late, 1, 0, 8, 9, 9, 9, 9, 9, 9], [1, late, 1, 0, 9, 7, 0, 0, 0, 0],
        [1, late, 1, 0, 10, 1, 0, 0, 0, 0], [1, late, 1, 0, 10, 1, 0, 0, 0, 0, {}, [], 7],
        [1, late, 1, 0, 11, 1, 1, 0, 0, 0], [1, late, 1, 0, 12, 1, 1, 0, 0, 0]]) {
        channel.postMessage(nonsense);
    }
    channel.close();
}
"#)]
extern "C" {
    async fn other_tab_holds(name: &str);
    fn other_tab_is_gone(name: &str);
    async fn locks_like(name: &str) -> JsValue;
    fn lacks(holder: &str, name: &str);
    fn has_again(holder: &str, name: &str);
    fn refuses_locks();
    fn tell(target: &str, kind: &str);
    async fn broadcast_bytes(url: &str, bytes: &[u8]);
    fn post_nonsense(name: &str);
}

/// Within this time from its death, the tab that has the socket is replaced. The dial comes on top.
const REPLACED: f64 = 2_000.0;

fn tab(fake: &Fake, name: &str) -> (Client, Heard<Event>) {
    let heard = Heard::new();
    let ear = heard.clone();
    let options = eager(&fake.url());
    let client = Client::connect_shared(options, TabsOptions::new(name), move |event| {
        ear.push(event);
    });
    (client, heard)
}

async fn tabs(fake: &Fake, name: &str, count: usize) -> Vec<(Client, Heard<Event>)> {
    let mut tabs = Vec::new();
    for _ in 0..count {
        let (client, heard) = tab(fake, name);
        open(&client).await;
        tabs.push((client, heard));
    }
    tabs
}

/// The name of the lock that the tabs compete for.
fn lock(fake: &Fake, name: &str) -> String {
    format!("babelwire-tabs/1: {name}, {}", fake.url())
}

fn openings(heard: &Heard<Event>) -> Vec<Continuity> {
    heard.map(|event| match event {
        Event::Opened { continuity, .. } => Some(*continuity),
        _ => None,
    })
}

fn sent(heard: &Heard<Event>) -> Vec<Ticket> {
    heard.map(|event| match event {
        Event::Sent { ticket, .. } => *ticket,
        _ => None,
    })
}

fn queued(outcome: &SendOutcome) -> Ticket {
    match outcome {
        SendOutcome::Queued(ticket) => *ticket,
        other => panic!("{other:?}"),
    }
}

#[wasm_bindgen_test]
async fn ten_tabs_hold_one_connection_and_all_hear_and_send() {
    let fake = Fake::new("ten-tabs").await;
    let tabs = tabs(&fake, "ten", 10).await;
    assert_eq!(fake.count("open").await, 1);
    let tickets: Vec<Ticket> = tabs
        .iter()
        .enumerate()
        .map(|(number, (client, _))| {
            let text = format!(r#"{{"action":"echomessage","data":"from {number}"}}"#);
            queued(&client.send_text(text))
        })
        .collect();
    until("all heard all", || {
        tabs.iter().all(|(_, heard)| heard.frames().len() == 10)
    })
    .await;
    until("each was told of its own", || {
        tabs.iter()
            .zip(&tickets)
            .all(|((_, heard), ticket)| sent(heard) == [*ticket])
    })
    .await;
    for (client, heard) in &tabs {
        let mut frames = heard.frames();
        frames.sort();
        let all: Vec<String> = (0..10).map(|number| format!("from {number}")).collect();
        assert_eq!(frames, all);
        assert_eq!(client.queued(), 0);
        assert_eq!(openings(heard), [Continuity::First]);
    }
    assert_eq!(fake.count("dials").await, 1);
}

#[wasm_bindgen_test]
async fn bytes_go_between_tabs_as_bytes() {
    let fake = Fake::new("tabs-bytes").await;
    let tabs = tabs(&fake, "bytes", 2).await;
    let url = fake
        .url()
        .replace("tabs-bytes", "_control/tabs-bytes/broadcast");
    broadcast_bytes(&url, &[0, 255, 7]).await;
    until("both heard", || {
        tabs.iter().all(|(_, heard)| {
            heard.any(|event| {
                matches!(event, Event::Frame { payload, .. } if *payload == vec![0, 255, 7].into())
            })
        })
    })
    .await;
}

#[wasm_bindgen_test]
async fn the_tab_with_the_socket_is_closed_and_another_takes_over_within_2_s() {
    let fake = Fake::new("tabs-close").await;
    let mut tabs = tabs(&fake, "close", 4).await;
    for left in (1..4).rev() {
        let (first, _) = tabs.remove(0);
        let before = tabs.iter().map(|(_, heard)| openings(heard).len());
        let before: Vec<usize> = before.collect();
        let start = now();
        drop(first);
        until("the others have another socket", || {
            tabs.iter().zip(&before).all(|((client, heard), before)| {
                client.state().is_open() && openings(heard).len() > *before
            })
        })
        .await;
        assert!(now() - start < REPLACED, "{}", now() - start);
        assert_eq!(fake.count("open").await, 1);
        assert_eq!(tabs.len(), left);
        for (_, heard) in &tabs {
            assert_eq!(openings(heard).last(), Some(&Continuity::MayBeLost));
        }
    }
}

#[wasm_bindgen_test]
async fn a_tab_that_holds_the_lock_and_crashes_is_followed_at_once() {
    let fake = Fake::new("tabs-crash").await;
    let lock = lock(&fake, "crash");
    other_tab_holds(&lock).await;
    let (client, _) = tab(&fake, "crash");
    settle().await;
    assert_eq!(client.state().as_str(), "connecting");
    let start = now();
    other_tab_is_gone(&lock);
    open(&client).await;
    assert!(now() - start < REPLACED, "{}", now() - start);
}

#[wasm_bindgen_test]
async fn a_tab_that_holds_the_lock_and_does_not_answer_is_robbed_within_2_s() {
    let fake = Fake::new("tabs-hang").await;
    let lock = lock(&fake, "hang");
    other_tab_holds(&lock).await;
    let start = now();
    let tabs = tabs(&fake, "hang", 3).await;
    assert!(now() - start < REPLACED, "{}", now() - start);
    assert_eq!(fake.count("open").await, 1);
    drop(tabs);
    other_tab_is_gone(&lock);
}

#[wasm_bindgen_test]
async fn a_page_that_is_frozen_gives_the_socket_up_and_is_back_when_it_thaws() {
    for (target, stop, go) in [
        ("document", "freeze", "resume"),
        ("window", "pagehide", "pageshow"),
    ] {
        let fake = Fake::new("tabs-freeze").await;
        let tabs = tabs(&fake, "freeze", 2).await;
        tell(target, stop);
        settle().await;
        let lock = lock(&fake, "freeze");
        assert_eq!(locks_like(&lock).await.as_f64(), Some(0.0), "{stop}");
        let ticket = queued(
            &tabs[1]
                .0
                .send_text(r#"{"action":"echomessage","data":"late"}"#),
        );
        tell(target, go);
        until("both are back and have heard", || {
            tabs.iter()
                .all(|(client, heard)| client.state().is_open() && heard.frames() == ["late"])
        })
        .await;
        assert_eq!(sent(&tabs[1].1), [ticket]);
        for (_, heard) in &tabs {
            assert_eq!(openings(heard), [Continuity::First, Continuity::MayBeLost]);
        }
        assert_eq!(fake.count("open").await, 1);
    }
}

#[wasm_bindgen_test]
async fn leaving_a_subscription_in_one_tab_leaves_it_to_the_others() {
    let fake = Fake::new("tabs-join").await;
    let tabs = tabs(&fake, "join", 3).await;
    let frame = |data: &str| format!(r#"{{"action":"echomessage","data":"{data}"}}"#);
    for (client, _) in &tabs {
        let _queued = client.join("T1", frame("begin"), frame("end"));
    }
    let heard = |count: usize| {
        let tabs = &tabs;
        move || tabs.iter().all(|(_, heard)| heard.frames().len() == count)
    };
    until("each began it", heard(3)).await;
    tabs[0].0.leave("T1");
    tabs[2].0.leave("T1");
    // Goes the same way, behind.
    for (client, _) in &tabs {
        let _queued = client.send_text(frame("still here"));
    }
    until("nobody ended it", heard(6)).await;
    assert!(!tabs[0].1.frames().contains(&"end".to_owned()));
    tabs[1].0.leave("T1");
    until("the last one ended it", || {
        tabs[0]
            .1
            .frames()
            .last()
            .is_some_and(|frame| frame == "end")
    })
    .await;
}

#[wasm_bindgen_test]
async fn a_frame_is_told_as_sent_after_send_has_returned() {
    let fake = Fake::new("tabs-order").await;
    let tabs = tabs(&fake, "order", 2).await;
    for (client, heard) in &tabs {
        let before = heard.len();
        let ticket = queued(&client.send_text(r#"{"action":"echomessage","data":"x"}"#));
        assert_eq!(heard.len(), before);
        until("it is told", || sent(heard).contains(&ticket)).await;
    }
}

#[wasm_bindgen_test]
async fn what_was_sent_just_before_the_client_is_dropped_goes_out() {
    let fake = Fake::new("tabs-last-words").await;
    let (witness, heard) = client_with(eager(&fake.url()));
    open(&witness).await;
    let mut tabs = tabs(&fake, "last words", 3).await;
    // First one that sends by way of another, then the one that has the socket.
    for at in [1, 0] {
        let (client, _) = tabs.remove(at);
        let word = format!("bye {at}");
        let text = format!(r#"{{"action":"echomessage","data":"{word}"}}"#);
        let _queued = client.send_text(text);
        drop(client);
        until("it came", || heard.frames().contains(&word)).await;
    }
}

#[wasm_bindgen_test]
async fn without_locks_or_channels_each_tab_has_a_socket_of_its_own() {
    for (holder, name) in [("navigator", "locks"), ("window", "BroadcastChannel")] {
        let fake = Fake::new("tabs-none").await;
        lacks(holder, name);
        let tabs = tabs(&fake, "none", 3).await;
        has_again(holder, name);
        assert_eq!(fake.count("open").await, 3, "{name}");
        let _queued = tabs[0]
            .0
            .send_text(r#"{"action":"echomessage","data":"all"}"#);
        until("all hear", || {
            tabs.iter().all(|(_, heard)| heard.frames() == ["all"])
        })
        .await;
    }
    let fake = Fake::new("tabs-refused").await;
    refuses_locks();
    let tabs = tabs(&fake, "refused", 2).await;
    has_again("navigator", "locks");
    assert_eq!(fake.count("open").await, 2);
    drop(tabs);
}

#[wasm_bindgen_test]
async fn what_others_post_on_the_channel_harms_nobody() {
    let fake = Fake::new("tabs-nonsense").await;
    let tabs = tabs(&fake, "nonsense", 2).await;
    // Part of it looks like a tab that leads, and does not answer.
    post_nonsense(&lock(&fake, "nonsense"));
    until("one of the two leads again", || {
        tabs.iter()
            .all(|(client, heard)| client.state().is_open() && openings(heard).len() > 1)
    })
    .await;
    let _queued = tabs[1]
        .0
        .send_text(r#"{"action":"echomessage","data":"well"}"#);
    until("all hear", || {
        tabs.iter()
            .all(|(_, heard)| heard.frames().contains(&"well".to_owned()))
    })
    .await;
}

#[wasm_bindgen_test]
async fn tabs_of_other_names_or_urls_have_other_connections() {
    let fake = Fake::new("tabs-names").await;
    let other = Fake::new("tabs-names-too").await;
    let one = tabs(&fake, "Ada", 2).await;
    let two = tabs(&fake, "Grace", 2).await;
    let three = tabs(&other, "Ada", 2).await;
    assert_eq!(fake.count("open").await, 2);
    assert_eq!(other.count("open").await, 1);
    drop((one, two, three));
}

#[wasm_bindgen_test]
async fn close_is_for_one_tab_and_retry_now_brings_it_back() {
    let fake = Fake::new("tabs-one").await;
    let tabs = tabs(&fake, "one", 2).await;
    tabs[0].0.close();
    assert_eq!(tabs[0].0.state(), State::Closed);
    until("the other has a socket", || openings(&tabs[1].1).len() == 2).await;
    assert_eq!(fake.count("open").await, 1);
    tabs[0].0.retry_now();
    open(&tabs[0].0).await;
    assert_eq!(fake.count("open").await, 1);
}

#[wasm_bindgen_test]
async fn hundreds_of_tabs_that_come_and_go_leave_nothing_behind() {
    let fake = Fake::new("tabs-cycles").await;
    let keeper = tabs(&fake, "cycles", 1).await;
    let round = async || {
        for _ in 0..40 {
            let some: Vec<_> = (0..5).map(|_| tab(&fake, "cycles")).collect();
            settle().await;
            drop(some);
            settle().await;
        }
    };
    round().await;
    let before = wasm_memory();
    round().await;
    assert!(wasm_memory() <= before);
    let lock = lock(&fake, "cycles");
    let mut locks = None;
    for _ in 0..100 {
        locks = locks_like(&lock).await.as_f64();
        if locks == Some(2.0) {
            break;
        }
        settle().await;
    }
    assert_eq!(locks, Some(2.0), "the keeper's own, and the one of all");
    drop(keeper);
}
