//! What few visits need, fetched at the first use: see [`crate::desk`] for how.

use std::cell::Cell;

use crate::desk::Missing;
use crate::runtime::Store;
use crate::store::{Packable, Peek};

/// The ways in.
#[derive(Debug, Clone, Copy)]
pub struct Extras {
    /// Guesses the encoding of the beginning of a file that is said to be in a language, by a table.
    pub guess: fn(&[u8], &str, &str) -> Peek,
    /// Makes an archive of results, and has it saved.
    pub pack: fn(&Store, Vec<Packable>),
    /// Speaks another language than English: its tag, and its file of `locales/`.
    pub speak: fn(&'static str, &str) -> bool,
}

thread_local! {
    static HERE: Cell<Option<Extras>> = const { Cell::new(None) };
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "what is fetched may not come; what is simply there does"
)]
mod cut {
    use super::{Extras, Missing};
    use crate::{intl, runtime};

    #[cfg_attr(feature = "split", wasm_split_helpers::wasm_split(extras, fallible))]
    pub(super) fn extras() -> Result<Extras, Missing> {
        Ok(Extras {
            guess: runtime::guess,
            pack: runtime::pack,
            speak: intl::speak,
        })
    }
}

/// Hands them over, fetched first where they are not here yet. A failure is not remembered: the
/// next call tries again.
pub fn load(then: impl FnOnce(Result<Extras, Missing>) + 'static) {
    if let Some(extras) = HERE.get() {
        return then(Ok(extras));
    }
    #[cfg(feature = "split")]
    wasm_bindgen_futures::spawn_local(async move { keep(cut::extras().await, then) });
    #[cfg(not(feature = "split"))]
    keep(cut::extras(), then);
}

fn keep(extras: Result<Extras, Missing>, then: impl FnOnce(Result<Extras, Missing>)) {
    HERE.set(extras.ok());
    then(extras);
}
