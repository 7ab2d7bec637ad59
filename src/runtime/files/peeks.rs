//! The beginnings of files, read before anything is sent.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_file::File;
use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::Blob;

use super::super::Store;
use crate::api::Api;
use crate::extras;
use crate::peek::{self, Look, look};
use crate::store::{Beginning, FilesMsg, Msg, PEEK_BYTES, Peek};

/// The table of encodings, beside the page.
const TABLE: &str = "encodings.txt";

thread_local! {
    static KNOWN: RefCell<Option<Rc<str>>> = const { RefCell::new(None) };
}

#[wasm_bindgen]
extern "C" {
    type TextDecoder;

    #[wasm_bindgen(constructor, catch)]
    fn new(label: &str, options: &Object) -> Result<TextDecoder, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn decode(this: &TextDecoder, bytes: &Uint8Array) -> Result<String, JsValue>;
}

/// Looks at a file's beginning.
pub(super) fn peek(store: &Store, place: u32, source: Rc<str>) {
    let store = store.clone();
    spawn_local(async move {
        let tell = {
            let store = store.clone();
            move |beginning| {
                store.dispatch(Msg::Files(FilesMsg::Peeked {
                    file: place,
                    beginning,
                }));
            }
        };
        let Some((head, whole)) = head(store.file(place)).await else {
            return tell(Beginning::Unreadable);
        };
        match look(&head, whole) {
            Look::Empty => tell(Beginning::Empty),
            Look::Binary => tell(Beginning::Binary),
            Look::Sure(encoding) => tell(Beginning::Text(peek::read(&head, encoding, &decode))),
            Look::Unsure => with_table(move |table| {
                extras::load(move |extras| {
                    // Without the means to guess, the backend decides alone.
                    let guess = extras.ok().zip(table).map(|(extras, table)| {
                        let guess = extras.guess;
                        guess(&head, &source, &table)
                    });
                    tell(Beginning::Text(guess.unwrap_or_else(|| Peek {
                        line: "".into(),
                        encodings: Vec::new(),
                    })));
                });
            }),
        }
    });
}

/// A file's first bytes, and whether they are all.
async fn head(file: Option<File>) -> Option<(Vec<u8>, bool)> {
    let file = file?;
    let blob: &Blob = file.as_ref();
    let end = blob.size().min(f64::from(PEEK_BYTES));
    let head = blob.slice_with_f64_and_f64(0.0, end).ok()?;
    let bytes = JsFuture::from(head.array_buffer()).await.ok()?;
    let whole = blob.size() <= f64::from(PEEK_BYTES);
    Some((Uint8Array::new(&bytes).to_vec(), whole))
}

fn with_table(then: impl FnOnce(Option<Rc<str>>) + 'static) {
    let known = KNOWN.with_borrow(Clone::clone);
    if known.is_some() {
        return then(known);
    }
    Api::new(".").file(TABLE, |file| {
        let table: Option<Rc<str>> = file.ok().map(Into::into);
        KNOWN.set(table.clone());
        then(table);
    });
}

/// Guesses the encoding of text that is not Unicode.
pub(crate) fn guess(head: &[u8], source: &str, table: &str) -> Peek {
    peek::guess(head, source, table, &decode)
}

fn decode(encoding: &str, bytes: &[u8]) -> Option<(String, bool)> {
    let bytes = Uint8Array::from(bytes);
    let strict = Object::new();
    Reflect::set(&strict, &"fatal".into(), &JsValue::TRUE).ok()?;
    if let Ok(text) = TextDecoder::new(encoding, &strict).ok()?.decode(&bytes) {
        return Some((text, true));
    }
    let lenient = TextDecoder::new(encoding, &Object::new()).ok()?;
    Some((lenient.decode(&bytes).ok()?, false))
}
