//! The files.

use yew::prelude::*;

use super::row::{FileRow, RowRef};
use crate::runtime::Store;
use crate::store::State;
use crate::words::{Text, say};

/// All files, and what there is to say when there are none.
pub(crate) fn file_list(store: &Store, state: &State) -> Html {
    let open = state.document.as_ref().map(|document| document.key);
    let demonstration = state.is_demonstration();
    html! {
            <ul class="files" aria-label={say(Text::Files)}>
                { for state.rows.iter().map(|row| html! {
                    <FileRow key={row.key} store={store.clone()} row={RowRef(row.clone())}
                        open={open == Some(row.key)} {demonstration} />
                }) }
            </ul>
    }
}
