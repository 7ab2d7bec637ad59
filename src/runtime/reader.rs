//! What the reader needs.

use std::cell::{Cell, RefCell};

use babelwire_wire::Object;
use babelwire_wire::rest::{Found, OneTranslation};
use gloo_timers::callback::Timeout;
use js_sys::{JsString, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::front::{ask, client, tell};
use super::{Store, announce};
use crate::api::{Call, read};
use crate::source_text::{SourceText, text_of};
use crate::store::{
    Copied, Document, Effect, Link, MATCHES_PAGE, Msg, ReaderEffect, ReaderMsg, SEGMENTS_PAGE,
    State, Trouble, View, fold,
};
use crate::words::{Text, say};

/// How long after a look the next one may be sent, in milliseconds.
const LOOK_PAUSE: u32 = 300;

/// How long nothing is typed before it is searched for, in milliseconds.
const FIND_PAUSE: u32 = 150;

/// How long it is said that something was copied, in milliseconds.
const COPIED_SHOWN: u32 = 3000;

thread_local! {
    static LOOKS: RefCell<Looks> = const { RefCell::new(Looks::Free) };
    static FIND: Cell<Option<Timeout>> = const { Cell::new(None) };
}

/// Does what is about the reader; gives back what is not.
pub(super) fn perform(store: &Store, effect: Effect) -> Option<Effect> {
    match effect {
        Effect::Subscribe { id, from } => {
            if let Some(client) = client() {
                let begins = frame("subscribe", &id).number("from", from).end();
                let ends = frame("unsubscribe", &id).end();
                let outcome = client.join(id, begins.clone(), ends);
                tell(store, &client, begins, outcome);
            }
        }
        Effect::Unsubscribe { id } => {
            if let Some(client) = client() {
                client.leave(&id);
            }
        }
        Effect::FetchSource { id, charset } => fetch_source(store, id, charset),
        Effect::FetchSegments { id, from } => {
            let call = Call::get(&[
                "translations/",
                &id,
                "/segments?from=",
                &from.to_string(),
                "&limit=",
                &SEGMENTS_PAGE.to_string(),
            ]);
            ask(store, call, |answer| Msg::Segments {
                id,
                result: read(answer),
            });
        }
        Effect::Reader(effect) => more(store, effect),
        effect => return Some(effect),
    }
    None
}

fn more(store: &Store, effect: ReaderEffect) {
    match effect {
        ReaderEffect::Look { id, from, to } => look(store, Look { id, from, to }),
        ReaderEffect::EndLook { id } => end_look(&id),
        ReaderEffect::FetchRows {
            id,
            from,
            limit,
            done,
        } => {
            let path = ["/rows?from=", &from.to_string(), "&limit="].concat();
            let call = about(&id, &[&path, &limit.to_string()]);
            ask(store, call, move |answer| {
                let result = read(answer);
                Msg::Reader(ReaderMsg::Rows { id, done, result })
            });
        }
        ReaderEffect::FindHere { id, query, view } => {
            find(store, move |store| {
                let result = Ok(find_here(store, &id, &query, view));
                store.dispatch(Msg::Reader(ReaderMsg::Found {
                    id,
                    query,
                    from: 0,
                    result,
                }));
            });
        }
        ReaderEffect::FetchMatches {
            id,
            query,
            view,
            from,
        } => {
            let side = match view {
                View::Both => "both",
                View::Translation => "translation",
                View::Source => "source",
            };
            let words = String::from(js_sys::encode_uri_component(&query));
            let (from_row, limit) = (from.to_string(), MATCHES_PAGE.to_string());
            let path = ["/find?q=", &words, "&in=", side, "&from=", &from_row];
            let call = about(&id, &[&path.concat(), "&limit=", &limit]);
            find(store, move |store| {
                ask(store, call, move |answer| {
                    let result = read(answer);
                    Msg::Reader(ReaderMsg::Found {
                        id,
                        query,
                        from,
                        result,
                    })
                });
            });
        }
        ReaderEffect::FetchProof { id } => {
            ask(store, about(&id, &["/proof"]), move |answer| {
                let result = read(answer);
                Msg::Reader(ReaderMsg::Proof { id, result })
            });
        }
        ReaderEffect::Again { id, index } => {
            let path = ["translations/", &id, "/segments/", &index.to_string()];
            let call = Call::post(&[&path.concat(), "/retry"], None);
            ask(store, call, move |answer| {
                let answer: Result<OneTranslation, _> = read(answer);
                let result = answer.map(|answer| Box::new(answer.translation));
                Msg::Reader(ReaderMsg::AgainAnswered { id, index, result })
            });
        }
        ReaderEffect::Copy { id, partial } => copy(store, &id, partial),
    }
}

fn about(id: &str, rest: &[&str]) -> Call {
    Call::get(&[&["translations/", id].concat(), &rest.concat()])
}

// What is looked at.

#[derive(Debug)]
struct Look {
    id: String,
    from: u64,
    to: u64,
}

/// Tells this page from others behind the same connection.
fn view_name() -> String {
    thread_local! {
        static NAME: String = {
            let random = js_sys::Number::from(js_sys::Math::random());
            // In base 36, without the "0." at its beginning.
            let digits = random.to_string_with_radix(36).map(String::from);
            digits.unwrap_or_default().chars().skip(2).collect()
        };
    }
    NAME.with(Clone::clone)
}

/// Whether a look may be sent.
#[derive(Debug)]
enum Looks {
    Free,
    /// One was sent a moment ago: the next is sent at the end of the pause.
    Pausing(Option<Look>),
}

/// At most one look is sent in [`LOOK_PAUSE`]; the last one is always sent.
fn look(store: &Store, look: Look) {
    let look = LOOKS.with_borrow_mut(|looks| match looks {
        Looks::Free => Some(look),
        Looks::Pausing(next) => {
            *next = Some(look);
            None
        }
    });
    if let Some(look) = look {
        send_look(store, &look);
        pause(store.clone());
    }
}

fn pause(store: Store) {
    LOOKS.set(Looks::Pausing(None));
    Timeout::new(LOOK_PAUSE, move || {
        if let Looks::Pausing(Some(look)) = LOOKS.replace(Looks::Free) {
            send_look(&store, &look);
            pause(store);
        }
    })
    .forget();
}

fn send_look(store: &Store, look: &Look) {
    let open = |state: &State| {
        state.link == Link::Open
            && state
                .document
                .as_ref()
                .is_some_and(|open| open.id == look.id)
    };
    let Some(client) = client().filter(|_| open(&store.state())) else {
        return;
    };
    let view = view_name();
    let ends = frame("unsubscribe", &look.id).text("view", &view).end();
    let begins = frame("look", &look.id)
        .number("from", look.from)
        .number("to", look.to)
        .text("view", &view)
        .end();
    let outcome = client.join(look_key(&look.id), begins.clone(), ends);
    tell(store, &client, begins, outcome);
}

fn end_look(id: &str) {
    LOOKS.with_borrow_mut(|looks| {
        if let Looks::Pausing(next) = looks {
            *next = None;
        }
    });
    if let Some(client) = client() {
        client.leave(&look_key(id));
    }
}

/// The looks of this page at a translation, for the connection that tabs share.
fn look_key(id: &str) -> String {
    ["look ", id, " ", &view_name()].concat()
}

// Find in document.

/// Finds once nothing more was typed for a moment.
fn find(store: &Store, find: impl FnOnce(&Store) + 'static) {
    let store = store.clone();
    let waiting = Timeout::new(FIND_PAUSE, move || find(&store));
    // The one before is dropped, and with it what it would have searched for.
    FIND.set(Some(waiting));
}

fn find_here(store: &Store, id: &str, query: &str, view: View) -> Found {
    let words = fold(query);
    let state = store.state();
    let mut matches = Vec::new();
    let open = state.document.as_ref().filter(|open| open.id == id);
    for (index, cell) in open.into_iter().flat_map(Document::cells) {
        let translation = view != View::Source
            && cell
                .text
                .as_ref()
                .is_some_and(|text| fold(text).contains(&words));
        let source = || {
            view != View::Translation
                && store
                    .source_slice(cell.source)
                    .is_some_and(|text| fold(&text).contains(&words))
        };
        if translation || source() {
            matches.push(index);
        }
    }
    Found {
        total: u64::try_from(matches.len()).unwrap_or_default(),
        matches,
    }
}

// The clipboard.

#[wasm_bindgen]
extern "C" {
    type Clipboard;

    #[wasm_bindgen(thread_local_v2, js_namespace = navigator, js_name = clipboard)]
    static CLIPBOARD: Option<Clipboard>;

    #[wasm_bindgen(method, js_name = writeText)]
    fn write_text(this: &Clipboard, text: &JsString) -> Promise;
}

fn copy(store: &Store, id: &str, partial: bool) {
    let Some(api) = store.api() else { return };
    let store = store.clone();
    let copied = move |copied| store.dispatch(Msg::Reader(ReaderMsg::Copied(copied)));
    let rest = if partial {
        "/result?partial=true"
    } else {
        "/result"
    };
    api.bytes(about(id, &[rest]), move |answer| {
        let writing = answer.ok().and_then(|bytes| {
            let text = text_of(&bytes)?;
            CLIPBOARD.with(|clipboard| Some(clipboard.as_ref()?.write_text(&text)))
        });
        let Some(writing) = writing else {
            return copied(Copied::Failed);
        };
        spawn_local(async move {
            match JsFuture::from(writing).await {
                Ok(_) => {
                    announce(say(Text::Copied).to_owned());
                    copied(Copied::Yes);
                    Timeout::new(COPIED_SHOWN, move || copied(Copied::No)).forget();
                }
                Err(_) => copied(Copied::Failed),
            }
        });
    });
}

fn fetch_source(store: &Store, id: String, charset: String) {
    let Some(api) = store.api() else { return };
    let store = store.clone();
    api.source(&id.clone(), move |bytes| {
        let result = match bytes {
            Ok(bytes) => match SourceText::decode(&bytes, &charset) {
                Some(text) => {
                    store.set_text(id.clone(), text);
                    Ok(())
                }
                None => Err(Trouble::passing(
                    Text::SourceUnreadable,
                    Text::SourceUnreadableAdvice,
                )),
            },
            Err(trouble) => Err(trouble),
        };
        store.dispatch(Msg::Source { id, result });
    });
}

/// An action that is about a translation.
fn frame(action: &str, translation: &str) -> Object {
    Object::new()
        .text("action", action)
        .text("translationId", translation)
}
