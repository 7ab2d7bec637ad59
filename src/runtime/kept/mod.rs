//! What this device keeps.

use super::Store;
use crate::store::{Effect, KeptEffect};

/// Does what is about kept things; gives back what is not.
pub(super) fn perform(_: &Store, effect: Effect) -> Option<Effect> {
    match effect {
        Effect::Kept(effect) => more(effect),
        effect => return Some(effect),
    }
    None
}

fn more(effect: KeptEffect) {
    match effect {}
}
