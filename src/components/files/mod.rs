//! The files.

mod encoding;
mod list;
mod row;
mod span;
mod summary;
mod targets;

use yew::prelude::*;

use crate::runtime::Store;
use crate::store::State;

pub(super) use row::RowRef;

/// All that is below the drop zone: the languages beside the one in the header, and the files.
pub(super) fn file_list(store: &Store, state: &State) -> Html {
    html! {
        <>
            { targets::more_languages(store, state) }
            { summary::summary(store, state) }
            <list::FileList ..list::Props::new(store, state) />
        </>
    }
}
