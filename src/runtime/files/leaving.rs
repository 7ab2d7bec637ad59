//! Deletions that can still be undone.

use std::cell::Cell;

use gloo_timers::callback::Timeout;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

use super::super::{Store, announce};
use crate::store::{FilesMsg, Key, Msg, UNDO_MS};
use crate::words::{Text, fill};

thread_local! {
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}

/// Tells when the time to undo a deletion is over.
pub(super) fn await_undo(store: &Store, key: Key) {
    if !LISTENING.replace(true) {
        delete_at_the_end(store);
    }
    if let Some(row) = store.state().row(key) {
        announce(fill(Text::SaidLeaving, &[&row.name]));
    }
    let store = store.clone();
    Timeout::new(UNDO_MS, move || {
        store.dispatch(Msg::Files(FilesMsg::Due(key)));
    })
    .forget();
}

/// Whoever leaves the page does not undo any more.
fn delete_at_the_end(store: &Store) {
    let store = store.clone();
    let closure = Closure::<dyn FnMut()>::new(move || {
        let Some(api) = store.api() else { return };
        let state = store.state();
        for row in state.rows.iter().filter(|row| row.leaving.is_some()) {
            if let Some(id) = row.id() {
                api.delete_while_leaving(&["translations/", id]);
            }
        }
    });
    if let Some(window) = web_sys::window() {
        // Fails for no listener that is a function.
        let _ =
            window.add_event_listener_with_callback("pagehide", closure.as_ref().unchecked_ref());
    }
    closure.forget();
}
