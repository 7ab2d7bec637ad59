//! Files dropped anywhere on the window.

use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{DragEvent, Element};

use super::Store;
use crate::components::files_of;
use crate::store::Mode;

/// What the root element says while files are held over the window.
const DROPPING: &str = "data-dropping";

/// Listens for as long as the page is there.
pub(super) fn listen(store: &Store) {
    let Some(window) = web_sys::window() else {
        return;
    };
    let Some(root) = window
        .document()
        .and_then(|document| document.document_element())
    else {
        return;
    };
    for kind in ["dragover", "dragleave", "drop"] {
        let (store, root) = (store.clone(), root.clone());
        let closure = Closure::<dyn FnMut(DragEvent)>::new(move |event: DragEvent| {
            handle(&store, &root, &event);
        });
        // Fails for no listener that is a function.
        let _ = window.add_event_listener_with_callback(kind, closure.as_ref().unchecked_ref());
        closure.forget();
    }
}

fn handle(store: &Store, root: &Element, event: &DragEvent) {
    let Some(data) = event.data_transfer() else {
        return;
    };
    let with_files = data.types().iter().any(|kind| kind == "Files");
    if !with_files || !matches!(store.state().mode, Mode::Full | Mode::Starting) {
        return;
    }
    // Without this the browser would leave the page and show the file.
    event.prevent_default();
    let kind = event.type_();
    let over = kind == "dragover" || (kind == "dragleave" && event.related_target().is_some());
    // The name is a plain one, so neither fails.
    let _ = if over {
        root.set_attribute(DROPPING, "")
    } else {
        root.remove_attribute(DROPPING)
    };
    if kind == "drop"
        && let Some(files) = data.files()
    {
        store.choose(files_of(files));
    }
}
