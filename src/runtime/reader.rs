//! What the reader needs.

use babelwire_wire::Object;

use super::Store;
use super::front::{ask, client, tell};
use crate::api::{Call, read};
use crate::source_text::SourceText;
use crate::store::{Effect, Msg, ReaderEffect, SEGMENTS_PAGE, Trouble};
use crate::words::Text;

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
        Effect::Reader(effect) => more(effect),
        effect => return Some(effect),
    }
    None
}

fn more(effect: ReaderEffect) {
    match effect {}
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
