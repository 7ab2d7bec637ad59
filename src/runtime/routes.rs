//! The address: `#/t/ID` while a translation is read, `#/` while none is.
//!
//! The address follows the state, and the state follows the address when somebody goes back,
//! forward, or writes one. However many translations are read one after the other, they are one
//! step of the history: Back leads to the list.

use std::cell::Cell;

use gloo_timers::callback::Timeout;
use wasm_bindgen::JsValue;
use web_sys::{History, Window};

use crate::store::State;

/// What the address has before a translation's id.
pub(super) const PREFIX: &str = "#/t/";

/// The address of the list.
const LIST: &str = "#/";

/// How long a step back may take, in milliseconds. One that leads nowhere changes nothing, and
/// nobody says so.
const PATIENCE: u32 = 1_000;

thread_local! {
    /// A step back is under way: the address is about to change by itself.
    static LEAVING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the address names a translation.
pub(super) fn names_translation() -> bool {
    web_sys::window()
        .and_then(|window| window.location().hash().ok())
        .is_some_and(|hash| hash.starts_with(PREFIX))
}

/// The translation that the address names.
pub(super) fn named() -> Option<String> {
    let hash = web_sys::window()?.location().hash().ok()?;
    let id = hash.strip_prefix(PREFIX)?;
    if id.is_empty() {
        return None;
    }
    // Whatever can't be decoded is no id that the backend gave.
    let decoded = js_sys::decode_uri_component(id).map(String::from);
    Some(decoded.unwrap_or_else(|_| id.to_owned()))
}

/// The address has changed: gives whether it was this page itself that went back.
pub(super) fn stepped_back() -> bool {
    LEAVING.take()
}

/// Has the address say what the state says.
pub(super) fn show(state: &State) {
    let (Some(window), false) = (web_sys::window(), LEAVING.get()) else {
        return;
    };
    if let Ok(history) = window.history() {
        // A page that may not change its address (in a sandboxed frame, say) works without.
        let _ = go(&history, state.address());
    }
    show_title(&window, &state.title());
}

fn go(history: &History, wanted: Option<&str>) -> Result<(), JsValue> {
    let shown = named();
    if shown.as_deref() == wanted {
        return Ok(());
    }
    let own = JsValue::TRUE;
    match wanted {
        Some(id) => {
            let url = [PREFIX, &String::from(js_sys::encode_uri_component(id))].concat();
            if shown.is_none() {
                history.push_state_with_url(&own, "", Some(&url))
            } else {
                history.replace_state_with_url(&history.state()?, "", Some(&url))
            }
        }
        // The step before is the list, if it was this page that made this one.
        None if history.state()? == own => {
            LEAVING.set(true);
            Timeout::new(PATIENCE, || LEAVING.set(false)).forget();
            history.back()
        }
        None => history.replace_state_with_url(&JsValue::NULL, "", Some(LIST)),
    }
    .inspect_err(|_| LEAVING.set(false))
}

fn show_title(window: &Window, title: &str) {
    if let Some(document) = window.document()
        && document.title() != title
    {
        document.set_title(title);
    }
}
