//! All files in one line, and what can be done with all of them.

use babelwire_wire::Status;
use yew::prelude::*;

use super::super::parts::paragraph;
use crate::runtime::Store;
use crate::store::{FilesMsg, Msg, Row, State};
use crate::words::{Text, fill, number, plural, plural_with, say};

/// `12 files, 3 done`, and buttons.
pub(super) fn summary(store: &Store, state: &State) -> Html {
    let rows = || state.rows.iter().filter(|row| row.leaving.is_none());
    let count = |which: fn(&Row) -> bool| rows().filter(|row| which(row)).count();
    let all = count(|_| true);
    let done = count(|row| row.status() == Some(Status::Done));
    let failed = count(Row::has_failed);
    if all < 2 {
        return Html::default();
    }
    let retry = (failed > 1).then(|| {
        let onclick = store.press(0, |_| Msg::Files(FilesMsg::RetryFailed));
        html! { <button type="button" {onclick}>{ plural(Text::RetryFailed, wide(failed)) }</button> }
    });
    let (label, packing) = match state.files.packing {
        Some((ready, all)) => {
            let numbers = [number(wide(ready)), number(wide(all))];
            let [ready, all] = &numbers;
            (fill(Text::Packing, &[ready, all]), true)
        }
        None => (say(Text::DownloadAll).to_owned(), false),
    };
    let onclick = store.press(0, |_| Msg::Files(FilesMsg::DownloadAll));
    html! {
        <div class="summary">
            { paragraph("", plural_with(Text::Summary, wide(all), &[&number(wide(done))])) }
            { for retry }
            if done > 0 {
                <button type="button" aria-disabled={packing.then_some("true")} {onclick}>{ label }</button>
            }
        </div>
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
