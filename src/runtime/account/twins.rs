//! Other tabs of whoever has signed in.
//!
//! A tab that was duplicated has the tokens of the one that it was made of. Where each use of a
//! refresh token brings another one, the second to use it would be taken for a thief, and both would
//! be signed out. So tabs renew one after the other, and whoever did tells those that have the same.
//!
//! Who signs out in one tab is signed out in all.

use std::cell::RefCell;

use gloo_timers::callback::Timeout;
use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{BroadcastChannel, MessageEvent};

use super::tokens::{self, adopt};
use super::{signed_out_elsewhere, window};

/// The lock of whoever renews, and the channel on which others hear of it. One browser's tabs are
/// few: they need not be told apart by whose tokens they have.
const NAME: &str = "babelwire tokens";

/// How long another tab has to tell what became of a token, in milliseconds.
const PATIENCE: u32 = 150;

thread_local! {
    static CHANNEL: RefCell<Option<BroadcastChannel>> = const { RefCell::new(None) };
    /// The last refresh token that was used here, and what was had for it.
    static LAST: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// Listens for what other tabs tell. A browser without channels has no tabs that hear of each other.
pub(super) fn listen() {
    let Ok(channel) = BroadcastChannel::new(NAME) else {
        return;
    };
    let heard = Closure::<dyn FnMut(MessageEvent)>::new(|event: MessageEvent| hear(&event.data()));
    channel.set_onmessage(Some(heard.as_ref().unchecked_ref()));
    heard.forget();
    CHANNEL.set(Some(channel));
}

/// A refresh token alone asks what became of it; with it come the tokens that were had for it. A
/// person's name, third, says that they have signed out, in the place of both.
fn hear(message: &JsValue) {
    let message: Array = match message.clone().dyn_into() {
        Ok(message) => message,
        Err(_) => return,
    };
    let Some(used) = message.get(0).as_string() else {
        return;
    };
    if let Some(subject) = message.get(2).as_string() {
        return signed_out_elsewhere(&subject);
    }
    if let Some(new) = message.get(1).as_string() {
        adopt(&used, &new);
        return;
    }
    let known = LAST.with_borrow(|last| {
        let (last, new) = last.as_ref()?;
        (*last == used).then(|| new.clone())
    });
    if let Some(new) = known {
        post(&[&used, &new]);
    }
}

fn post(message: &[&str]) {
    CHANNEL.with_borrow(|channel| {
        if let Some(channel) = channel {
            let message: Array = message.iter().map(|text| JsValue::from_str(text)).collect();
            // An array of texts can be cloned.
            let _ = channel.post_message(&message);
        }
    });
}

/// Tells other tabs that this person has signed out.
pub(super) fn tell_out(subject: &str) {
    post(&["", "", subject]);
}

/// Tells other tabs what was had for a refresh token: tokens as they are kept.
pub(super) fn tell(used: String, new: String) {
    post(&[&used, &new]);
    LAST.set(Some((used, new)));
}

/// Gives other tabs the time to tell what was had for a refresh token.
pub(super) async fn ask(used: &str) {
    post(&[used]);
    let waited = Promise::new(&mut |resolve, _| {
        Timeout::new(PATIENCE, move || {
            // A promise's own function: it never throws.
            let _ = resolve.call0(&JsValue::UNDEFINED);
        })
        .forget();
    });
    // It is never rejected.
    let _ = JsFuture::from(waited).await;
}

/// Renews while no other tab does. (W3C, "Web Locks API".)
pub(super) fn alone() -> Promise {
    let navigator = window().map(|window| window.navigator());
    let locks = navigator.and_then(|navigator| Reflect::get(&navigator, &"locks".into()).ok());
    let request = locks.as_ref().and_then(|locks| {
        let request = Reflect::get(locks, &"request".into()).ok()?;
        request.dyn_into::<Function>().ok()
    });
    let (Some(locks), Some(request)) = (locks, request) else {
        return future_to_promise(tokens::renewal());
    };
    let granted =
        Closure::once_into_js(|_: JsValue| JsValue::from(future_to_promise(tokens::renewal())));
    match request.call2(&locks, &NAME.into(), &granted) {
        Ok(renewal) => renewal.unchecked_into(),
        Err(error) => Promise::reject(&error),
    }
}
