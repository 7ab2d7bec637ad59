//! What takes signing in: fetched where `config.json` names a place to do so, and nowhere else. See
//! [`crate::desk`] for how.
//!
//! The front only knows that a backend may want a person, that somebody else then begins
//! ([`Account::begin`]), and that requests go through a function of theirs (see
//! [`Api::signed`](crate::api::Api::signed)).

use babelwire_wire::config::{Config, SignIn};
use yew::Html;

use crate::desk::Missing;
use crate::runtime::Store;
use crate::store::State;

/// The ways in.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// Goes on as whoever has signed in, or asks somebody to.
    pub begin: fn(&Store, Config, SignIn),
    /// Below the page's header: whatever has to do with not being signed in.
    pub top: fn(&Store, &State) -> Html,
    /// At the page's foot: the way out.
    pub foot: fn(&Store, &State) -> Html,
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "what is fetched may not come; what is simply there does"
)]
mod cut {
    use super::{Account, Missing};
    use crate::{components, runtime, words};

    #[cfg_attr(feature = "split", wasm_split_helpers::wasm_split(account, fallible))]
    pub(super) fn account() -> Result<Account, Missing> {
        words::complete();
        Ok(Account {
            begin: runtime::begin_signed,
            top: components::account_top,
            foot: components::account_foot,
        })
    }
}

/// Fetches it.
pub fn load(then: impl FnOnce(Result<Account, Missing>) + 'static) {
    #[cfg(feature = "split")]
    wasm_bindgen_futures::spawn_local(async move { then(cut::account().await) });
    #[cfg(not(feature = "split"))]
    then(cut::account());
}
