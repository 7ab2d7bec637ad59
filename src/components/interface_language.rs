//! In which language the page speaks.

use web_sys::HtmlSelectElement;
use yew::prelude::*;

use super::parts::{field, paragraph};
use crate::intl;
use crate::runtime::{LANGUAGE_CHOICE, Store, choose_language};
use crate::store::State;
use crate::words::{self, Text, say};

/// The choice, each language by its own name.
pub(super) fn interface_language(store: &Store, state: &State) -> Html {
    let chosen = {
        let store = store.clone();
        Callback::from(move |event: Event| {
            let chosen = event.target_unchecked_into::<HtmlSelectElement>().value();
            if let Some(tag) = intl::spoken(&chosen) {
                choose_language(&store, tag);
            }
        })
    };
    let languages = intl::SPOKEN.iter().map(|(tag, name)| {
        let selected = *tag == words::tag();
        html! { <option value={*tag} lang={*tag} {selected}>{ *name }</option> }
    });
    html! {
        <div class="interface-language">
            { field(say(Text::InterfaceLanguage), html! {
                <select id={LANGUAGE_CHOICE} onchange={chosen}>{ for languages }</select>
            }) }
            if state.unspoken {
                { paragraph("note", say(Text::InterfaceLanguageMissing)) }
            }
        </div>
    }
}
