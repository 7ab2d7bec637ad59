//! The parts of the page that are fetched when they are needed, each where the front leaves a place.

use yew::prelude::*;

use super::console::{Console, Props as ConsoleProps};
use super::files::file_list;
use super::kept::keeping;
use super::live_news::live_news;
use super::parts::paragraph;
use super::reader::{Props as ReaderProps, Reader};
use crate::runtime::Store;
use crate::store::{Mode, State};
use crate::words::{Text, say};

/// Below the drop zone.
pub(crate) fn side(store: &Store, state: &State) -> Html {
    html! {
        <>
            { file_list(store, state) }
            { keeping(store, state) }
        </>
    }
}

/// Beside it.
pub(crate) fn work(store: &Store, state: &State) -> Html {
    if state.mode == Mode::LiveConsole {
        return live_news(state);
    }
    match ReaderProps::new(store, state) {
        Some(props) => {
            let key = props.document_key();
            html! { <Reader {key} ..props /> }
        }
        None if state.rows.is_empty() => Html::default(),
        None => paragraph("nothing-open", say(Text::NothingOpen)),
    }
}

/// At the end of the page.
pub(crate) fn end(store: &Store, state: &State) -> Html {
    if !state.console_open {
        return Html::default();
    }
    html! { <Console ..ConsoleProps::new(store, state) /> }
}
