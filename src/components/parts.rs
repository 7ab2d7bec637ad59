//! What many parts of the page are made of, each compiled once.
//!
//! A look that is not a literal goes into `data-look`: Yew keeps a `class` that is not a literal
//! in a hash set for each element, and the code for that is 2 KB of a first visit.

use yew::prelude::*;

use crate::runtime::Store;
use crate::store::{Key, Msg};

/// A paragraph.
pub(super) fn paragraph(look: &'static str, text: impl Into<AttrValue>) -> Html {
    fn of(look: &'static str, text: AttrValue) -> Html {
        html! { <p data-look={look}>{ text }</p> }
    }
    of(look, text.into())
}

/// A button with what it says as its name.
pub(super) fn button(
    look: &'static str,
    label: &'static str,
    store: &Store,
    make: fn(Key) -> Msg,
) -> Html {
    named_button(look, label, None, false, store, 0, make)
}

/// A button that is one of many: its name says more than its label.
pub(super) fn named_button(
    look: &'static str,
    label: &'static str,
    name: Option<String>,
    disabled: bool,
    store: &Store,
    key: Key,
    make: fn(Key) -> Msg,
) -> Html {
    let onclick = store.press(key, make);
    html! {
        <button type="button" data-look={look} aria-label={name} {disabled} {onclick}>{ label }</button>
    }
}

/// A field with its label.
pub(super) fn field(label: &'static str, input: Html) -> Html {
    html! { <label class="field"><span>{ label }</span>{ input }</label> }
}
