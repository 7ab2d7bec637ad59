//! The encoding of a file that may be in several.

use web_sys::HtmlSelectElement;
use yew::prelude::*;

use crate::runtime::Store;
use crate::store::{FilesMsg, Msg, Row};
use crate::words::{Text, beginning, fill};

/// How much of a line an option shows, in bytes.
const OPTION_BYTES: usize = 60;

/// Which encoding it looks like, or was read as, and a way to say otherwise.
pub(super) fn encoding(store: &Store, row: &Row) -> Html {
    let (Some(peek), Some(present), true) =
        (row.peek.as_ref(), row.encoding(), row.can_choose_encoding())
    else {
        return Html::default();
    };
    let decided = row.charset.is_some()
        || row
            .snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.charset.is_some());
    let text = if decided {
        Text::ReadAs
    } else {
        Text::LooksLike
    };
    let is_present = |name: &str| name.eq_ignore_ascii_case(&present);
    let unlisted = !peek
        .encodings
        .iter()
        .any(|reading| is_present(&reading.encoding));
    let options = peek.encodings.iter().map(|reading| {
        let name = &reading.encoding;
        let line = beginning(&reading.line, OPTION_BYTES);
        html! {
            <option key={name.to_string()} value={name.clone()} selected={is_present(name)}>
                { fill(Text::EncodingChoice, &[name, line]) }
            </option>
        }
    });
    let onchange = {
        let (store, key) = (store.clone(), row.key);
        Callback::from(move |event: Event| {
            let select: HtmlSelectElement = event.target_unchecked_into();
            store.dispatch(Msg::Files(FilesMsg::ChooseEncoding {
                key,
                encoding: select.value(),
            }));
        })
    };
    html! {
        <details class="encoding">
            <summary>{ fill(text, &[&present]) }</summary>
            <select aria-label={fill(Text::EncodingOf, &[&row.name])} {onchange}>
                if unlisted {
                    <option value={present.clone()} selected=true>{ present.clone() }</option>
                }
                { for options }
            </select>
        </details>
    }
}
