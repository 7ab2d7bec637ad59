//! Which language the page speaks.

use std::cell::Cell;

use wasm_bindgen::JsCast;
use web_sys::HtmlSelectElement;

use super::{Store, element, storage};
use crate::api::Api;
use crate::store::Msg;
use crate::{extras, intl, words};

/// The element in which it is chosen.
pub(crate) const CHOICE: &str = "interface-language";

/// Where the chosen one is kept between visits.
const KEY: &str = "babelwire.interface";

thread_local! {
    /// The one that was asked for last.
    static WANTED: Cell<&'static str> = const { Cell::new("en") };
}

/// Speaks what was chosen earlier, else what the person reads best.
pub(super) fn begin(store: &Store) {
    let kept = storage().and_then(|storage| storage.get_item(KEY).ok().flatten());
    let tag = kept.and_then(|kept| intl::spoken(&kept));
    let tag = tag.unwrap_or_else(intl::best);
    if tag != words::tag() {
        speak(store, tag, false);
    }
}

/// Speaks that language, one of [`intl::SPOKEN`], now and at the next visit.
pub(crate) fn choose(store: &Store, tag: &'static str) {
    speak(store, tag, true);
}

fn speak(store: &Store, tag: &'static str, remember: bool) {
    WANTED.set(tag);
    if tag == words::tag() {
        return spoken(store, true, remember);
    }
    if tag == "en" {
        intl::speak_english();
        return spoken(store, true, remember);
    }
    // Beside the file, not after it.
    extras::load(|_| {});
    let store = store.clone();
    Api::new("locales").file(&[tag, ".json"].concat(), move |file| {
        extras::load(move |extras| {
            // Somebody may have thought better of it meanwhile.
            if WANTED.get() == tag {
                let ok = match (extras, file) {
                    (Ok(extras), Ok(file)) => (extras.speak)(tag, &file),
                    _ => false,
                };
                spoken(&store, ok, remember);
            }
        });
    });
}

fn spoken(store: &Store, ok: bool, remember: bool) {
    if ok
        && remember
        && let Some(storage) = storage()
    {
        // A full or forbidden storage costs a preference, no more.
        let _ = storage.set_item(KEY, words::tag());
    }
    if let Some(choice) = element(CHOICE) {
        // What could not be had is not what is spoken.
        choice
            .unchecked_into::<HtmlSelectElement>()
            .set_value(words::tag());
    }
    store.dispatch(Msg::Spoken(ok));
}
