//! What this device keeps, where a person sees it and can have it forgotten.

use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::parts::{button, named_button, paragraph};
use crate::runtime::Store;
use crate::store::{KeptMsg, Msg, Row, State};
use crate::words::{Text, fill, plural_with, say, size};

/// Of a row: that its file was taken up again after a reload; or that its text is kept, and the
/// button that has it forgotten.
pub(crate) fn kept_here(store: &Store, row: &Row) -> Html {
    if row.is_restored() {
        return paragraph("note", say(Text::Restored));
    }
    if row.kept.is_none() {
        return Html::default();
    }
    let name = Some(fill(Text::ForgetFile, &[&row.name]));
    let forget = |key| Msg::Kept(KeptMsg::Forget(key));
    html! {
        <p class="kept-here" data-look="note">
            <span>{ say(Text::KeptHere) }</span>
            { named_button("quiet", say(Text::Forget), name, false, store, row.key, forget) }
        </p>
    }
}

/// Below the files: to be told when they are done, and what is kept in all.
pub(crate) fn keeping(store: &Store, state: &State) -> Html {
    html! {
        <>
            if state.may_offer_notifications() {
                { button("quiet", say(Text::NotifyMe), store, |_| Msg::Kept(KeptMsg::Notify)) }
            }
            if !state.rows.is_empty() && state.knows_kept() {
                { settings(store, state) }
            }
        </>
    }
}

fn settings(store: &Store, state: &State) -> Html {
    let (texts, bytes) = state.kept_in_all();
    let toggle = store.on(|event: Event| {
        let on = event
            .target()
            .is_some_and(|field| field.unchecked_into::<HtmlInputElement>().checked());
        Msg::Kept(KeptMsg::Keep(on))
    });
    html! {
        <details class="keeping">
            <summary>
                { say(Text::KeptHere) }{ ": " }{ plural_with(Text::KeptInAll, texts, &[&size(bytes)]) }
            </summary>
            <label>
                <input type="checkbox" checked={state.kept.on} onchange={toggle} />
                <span>{ say(Text::KeepTexts) }</span>
            </label>
            if texts > 0 {
                { button("quiet", say(Text::ForgetAll), store, |_| Msg::Kept(KeptMsg::ForgetAll)) }
            }
        </details>
    }
}
