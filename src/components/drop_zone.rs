//! Where files come in.

use gloo_file::{File, FileList};
use web_sys::{HtmlElement, HtmlInputElement};
use yew::prelude::*;

use crate::runtime::Store;

/// The button that opens the browser's file chooser, and the field behind it. Dropping works
/// anywhere on the window; the runtime sees to it.
#[derive(PartialEq, Properties)]
pub(super) struct Props {
    pub(super) store: Store,
}

#[component(DropZone)]
pub(super) fn drop_zone(props: &Props) -> Html {
    let input = use_node_ref();
    let choose = {
        let input = input.clone();
        Callback::from(move |_: MouseEvent| {
            if let Some(input) = input.cast::<HtmlElement>() {
                input.click();
            }
        })
    };
    let chosen = {
        let store = props.store.clone();
        Callback::from(move |event: Event| {
            let Some(input) = event.target_dyn_into::<HtmlInputElement>() else {
                return;
            };
            if let Some(files) = input.files() {
                store.choose(files_of(files));
            }
            // The same file again has to be a change again.
            input.set_value("");
        })
    };
    html! {
        <div class="drop">
            <p class="drop-lead">{ "Drop text files anywhere on this page" }</p>
            <button type="button" class="primary" onclick={choose}>{ "Choose text files" }</button>
            <input ref={input} type="file" multiple=true hidden=true tabindex="-1" aria-hidden="true"
                onchange={chosen} />
            <p class="note">{ "Plain text in any encoding. Line breaks and blank lines stay where they are." }</p>
        </div>
    }
}

/// A browser's list as files.
pub(crate) fn files_of(list: web_sys::FileList) -> Vec<File> {
    FileList::from(list).to_vec()
}
