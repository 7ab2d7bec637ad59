//! What many parts of the page are made of. Each is compiled once, wherever it is used.

use yew::prelude::*;

use crate::runtime::Store;
use crate::store::{Key, Msg};

/// A paragraph.
pub(super) fn paragraph(class: &'static str, text: impl Into<AttrValue>) -> Html {
    fn view(class: &'static str, text: AttrValue) -> Html {
        html! { <p {class}>{ text }</p> }
    }
    view(class, text.into())
}

/// A button with what it says as its name.
pub(super) fn button(
    class: &'static str,
    label: &'static str,
    store: &Store,
    make: fn(Key) -> Msg,
) -> Html {
    named_button(class, label, None, false, store, 0, make)
}

/// A button that is one of many: its name says more than its label.
pub(super) fn named_button(
    class: &'static str,
    label: &'static str,
    name: Option<String>,
    disabled: bool,
    store: &Store,
    key: Key,
    make: fn(Key) -> Msg,
) -> Html {
    let onclick = store.press(key, make);
    html! {
        <button type="button" {class} aria-label={name} {disabled} {onclick}>{ label }</button>
    }
}

/// A field with its label.
pub(super) fn field(class: &'static str, label: &'static str, input: Html) -> Html {
    html! { <label {class}><span>{ label }</span>{ input }</label> }
}
