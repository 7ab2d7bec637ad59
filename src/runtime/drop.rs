//! Files dropped anywhere on the window, and files or text pasted into it.

use js_sys::Array;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ClipboardEvent, DataTransfer, DragEvent, Element};

use super::Store;
use crate::store::Mode;

/// What the root element says while files are held over the window.
const DROPPING: &str = "data-dropping";

/// Where pasted text belongs to what is written there.
const WRITABLE: &str = "input, textarea, [contenteditable]";

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
    let store = store.clone();
    let closure = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
        if !matches!(store.state().mode, Mode::Full | Mode::Starting) {
            return;
        }
        match event.dyn_into::<DragEvent>() {
            Ok(event) => drag(&store, &root, &event),
            Err(event) => paste(&store, event.unchecked_ref()),
        }
    });
    for kind in ["dragover", "dragleave", "drop", "paste"] {
        // Fails for no listener that is a function.
        let _ = window.add_event_listener_with_callback(kind, closure.as_ref().unchecked_ref());
    }
    closure.forget();
}

fn drag(store: &Store, root: &Element, event: &DragEvent) {
    let Some(data) = event.data_transfer() else {
        return;
    };
    let with_files = data.types().iter().any(|kind| kind == "Files");
    if !with_files {
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
    if kind == "drop" {
        store.bring(dropped(&data));
    }
}

/// The folders and files of a drop. They have to be asked for at once: afterwards, it is empty.
fn dropped(data: &DataTransfer) -> JsValue {
    let (items, all) = (data.items(), Array::new());
    for index in 0..items.length() {
        let Some(item) = items.get(index) else {
            continue;
        };
        match item.webkit_get_as_entry() {
            Ok(Some(entry)) if entry.is_directory() => all.push(&entry),
            _ => match item.get_as_file() {
                Ok(Some(file)) => all.push(&file),
                _ => continue,
            },
        };
    }
    all.into()
}

fn paste(store: &Store, event: &ClipboardEvent) {
    let within = |selector| {
        let element = event.target()?.dyn_into::<Element>().ok()?;
        element.closest(selector).ok()?
    };
    let Some(data) = event.clipboard_data() else {
        return;
    };
    if within(WRITABLE).is_some() {
        return;
    }
    if let Some(files) = data.files().filter(|files| files.length() > 0) {
        store.bring(Array::from(&files).into());
    } else if let Ok(text) = data.get_data("text/plain")
        && !text.is_empty()
    {
        store.bring(text.into());
    }
}
