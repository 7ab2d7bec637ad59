//! The page at work: the store in the browser, and what it asks for done.

mod account;
mod announce;
mod drop;
mod files;
mod focus;
mod front;
mod idb;
mod interface;
mod kept;
mod reader;
mod routes;
mod store;

pub(crate) use account::{begin as begin_signed, sign_in, sign_out};
pub use announce::announce;
pub(crate) use files::{guess, pack};
pub(crate) use front::seconds_left;
pub(crate) use interface::{CHOICE as LANGUAGE_CHOICE, choose as choose_language};
pub(crate) use kept::{forget, keep};
pub use store::Store;

use crate::api::Api;
use crate::components::{App, AppProps};
use crate::store::{Effect, Preferences, State};

/// Where the chosen languages are kept between visits.
const LANGUAGES_KEY: &str = "babelwire.languages";

/// Where it is noted that this device keeps something.
const KEPT_KEY: &str = "babelwire.kept";

/// Starts the page in the element `app`.
pub fn start() {
    let Some(root) = element("app") else {
        return;
    };
    let store = Store::new(State::new(preferences()), front::perform);
    drop::listen(&store);
    interface::begin(&store);
    yew::Renderer::<App>::with_root_and_props(
        root,
        AppProps {
            store: store.clone(),
        },
    )
    .render();
    front::begin(&store);
    store.last();
    let kept = storage()
        .is_some_and(|storage| storage.get_item(KEPT_KEY).is_ok_and(|kept| kept.is_some()));
    if kept || routes::names_translation() {
        store.fetch_desk();
    }
}

/// What takes more than the front: see [`crate::desk`].
pub(crate) fn perform(store: &Store, effect: Effect) {
    // Each gives back what is none of its own; nothing is left in the end.
    let _ = files::perform(store, effect)
        .and_then(|effect| reader::perform(store, effect))
        .and_then(|effect| kept::perform(store, effect));
}

/// Looks after people who listen and people who type, after each batch.
pub(crate) fn accompany(state: &State) {
    announce::look(state);
    focus::keep(state);
}

/// The element of that id.
pub(crate) fn element(id: &str) -> Option<web_sys::Element> {
    web_sys::window()?.document()?.get_element_by_id(id)
}

fn preferences() -> Preferences {
    let window = web_sys::window();
    let kept = storage().and_then(|storage| storage.get_item(LANGUAGES_KEY).ok().flatten());
    Preferences {
        last: kept.and_then(|kept| {
            let (source, target) = kept.split_once(' ')?;
            Some((source.to_owned(), target.to_owned()))
        }),
        own: window
            .and_then(|window| window.navigator().language())
            .unwrap_or_default(),
    }
}

/// A name for what this device keeps, of whoever has signed in.
fn owned(mut name: String, api: Option<&Api>) -> String {
    if let Some(subject) = api.and_then(Api::subject) {
        name.push(' ');
        name.push_str(subject);
    }
    name
}

/// Where it is noted that this device keeps something of theirs.
fn kept_key(api: Option<&Api>) -> String {
    owned(KEPT_KEY.to_owned(), api)
}

/// The browser may keep nothing for this page: then the choice is for one visit.
fn storage() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}
