//! The files.

use yew::prelude::*;

use super::file_row::{FileRow, RowRef};
use super::parts::paragraph;
use crate::runtime::Store;
use crate::store::State;

/// All files, and what there is to say when there are none.
pub(super) fn file_list(store: &Store, state: &State) -> Html {
    let open = state.document.as_ref().map(|document| document.key);
    let demonstration = state.is_demonstration();
    html! {
        <>
            <ul class="files" aria-label="Files">
                { for state.rows.iter().map(|row| html! {
                    <FileRow key={row.key} store={store.clone()} row={RowRef(row.clone())}
                        open={open == Some(row.key)} {demonstration} />
                }) }
            </ul>
            if let Some(trouble) = &state.list_trouble {
                { paragraph("note warn", ["The list of files may be out of date. ", trouble].concat()) }
            }
        </>
    }
}
