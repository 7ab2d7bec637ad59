//! Where files come in.

use js_sys::Array;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, HtmlInputElement};
use yew::prelude::*;

use super::parts::{button, paragraph};
use crate::runtime::{Store, element};
use crate::store::{FilesMsg, Msg, State};
use crate::words::{Text, say};

/// The field behind the button.
const INPUT: &str = "files";

/// The button that opens the browser's file chooser, and the field behind it. Dropping works
/// anywhere on the window; the runtime sees to it.
pub(super) fn drop_zone(store: &Store, state: &State) -> Html {
    let choose = Callback::from(|_: MouseEvent| {
        if let Some(input) = element(INPUT) {
            input.unchecked_into::<HtmlElement>().click();
        }
    });
    let into_store = store.clone();
    let chosen = Callback::from(move |event: Event| {
        let input: HtmlInputElement = event.target_unchecked_into();
        if let Some(files) = input.files() {
            // Emptied below, so it is copied.
            into_store.bring(Array::from(&files).into());
        }
        // The same file again has to be a change again.
        input.set_value("");
    });
    html! {
        <div class="drop">
            { paragraph("drop-lead", say(Text::DropLead)) }
            <button type="button" data-look="primary" onclick={choose}>{ say(Text::ChooseFiles) }</button>
            <input id={INPUT} type="file" multiple=true hidden=true onchange={chosen} />
            <div class="drop-more">
                { button("quiet folder", say(Text::ChooseFolder), store, |_| Msg::Files(FilesMsg::ChooseFolder)) }
                <button type="button" data-look="quiet" aria-expanded={state.files.choosing_targets.to_string()}
                    aria-controls="more-languages"
                    onclick={store.press(0, |_| Msg::Files(FilesMsg::ChooseTargets))}>{ say(Text::MoreLanguages) }</button>
            </div>
            { paragraph("note", say(Text::DropNote)) }
        </div>
    }
}
