//! The half of the page that a first visit does without: the list of files, the reader, the
//! console. It is compiled with the rest, cut off afterwards, and fetched when there is a file.
//!
//! Only builds with the feature `split` are cut. In all others it is simply there.

use js_sys::Promise;
use yew::Html;

use crate::runtime::Store;
use crate::store::{Effect, Msg, State};
use crate::{components, runtime, store, words};

/// The way into that half: whatever is reached through nothing but these is in it.
#[derive(Debug, Clone, Copy)]
pub struct Desk {
    /// What can happen to a page with files.
    pub reduce: fn(&mut State, Msg) -> Vec<Effect>,
    /// What has to be done about it.
    pub perform: fn(&Store, Effect),
    /// Below the drop zone: the files.
    pub side: fn(&Store, &State) -> Html,
    /// Beside it: the reader.
    pub work: fn(&Store, &State) -> Html,
    /// After each batch: looks after people who listen to the page, or use it with a keyboard.
    pub accompany: fn(&State),
    /// After each batch: has the device follow the page.
    pub keep: fn(&Store),
    /// Has the device forget all that it keeps for whoever has signed in.
    pub forget: fn() -> Option<Promise>,
    /// At the end of the page: the console, and whatever asks something.
    pub end: fn(&Store, &State) -> Html,
}

/// It could not be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing;

#[cfg(feature = "split")]
impl From<wasm_split_helpers::SplitLoaderError> for Missing {
    fn from(_: wasm_split_helpers::SplitLoaderError) -> Self {
        Self
    }
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "what is fetched may not come; what is simply there does"
)]
mod cut {
    use super::{Desk, Missing, components, runtime, store, words};

    #[cfg_attr(feature = "split", wasm_split_helpers::wasm_split(desk, fallible))]
    pub(super) fn desk() -> Result<Desk, Missing> {
        words::complete();
        Ok(Desk {
            reduce: store::reduce,
            perform: runtime::perform,
            side: components::side,
            work: components::work,
            accompany: runtime::accompany,
            keep: runtime::keep,
            forget: runtime::forget,
            end: components::end,
        })
    }
}

/// Fetches it, where it is not here yet.
pub fn load(then: impl FnOnce(Result<Desk, Missing>) + 'static) {
    #[cfg(feature = "split")]
    wasm_bindgen_futures::spawn_local(async move { then(cut::desk().await) });
    #[cfg(not(feature = "split"))]
    then(cut::desk());
}
