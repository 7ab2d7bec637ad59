//! More languages to translate into than one.

use web_sys::HtmlInputElement;
use yew::prelude::*;

use crate::intl::language_name;
use crate::runtime::Store;
use crate::store::languages::targets;
use crate::store::{FilesMsg, Msg, State};
use crate::words::{Text, fill, say};

/// The languages chosen beside the one in the header, and the choice of them while it is open.
pub(super) fn more_languages(store: &Store, state: &State) -> Html {
    let wanted = state.targets();
    let chips = wanted.iter().skip(1).map(|tag| {
        let name = language_name(tag);
        let remove = {
            let (store, tag) = (store.clone(), tag.to_string());
            Callback::from(move |_: MouseEvent| store.dispatch(target(&tag, false)))
        };
        html! {
            <li key={tag.to_string()}>
                <button type="button" data-look="target" onclick={remove}
                    aria-label={fill(Text::RemoveTarget, &[&name])}>
                    <span>{ name }</span>
                    <span aria-hidden="true">{ "×" }</span>
                </button>
            </li>
        }
    });
    html! {
        <>
            if wanted.len() > 1 {
                <ul class="targets" aria-label={say(Text::AlsoInto)}>{ for chips }</ul>
            }
            if state.files.choosing_targets {
                { choice(store, state) }
            }
        </>
    }
}

fn choice(store: &Store, state: &State) -> Html {
    let Some(languages) = &state.languages else {
        return Html::default();
    };
    let wanted = state.targets();
    let mut offered: Vec<(String, &str)> = targets(languages, &state.source)
        .into_iter()
        .filter(|pair| *pair.target != *state.target)
        .map(|pair| (language_name(&pair.target).to_string(), &*pair.target))
        .collect();
    offered.sort();
    let boxes = offered.into_iter().map(|(name, tag)| {
        let checked = wanted.iter().any(|target| **target == *tag);
        let onchange = {
            let (store, tag) = (store.clone(), tag.to_owned());
            Callback::from(move |event: Event| {
                let input: HtmlInputElement = event.target_unchecked_into();
                store.dispatch(target(&tag, input.checked()));
            })
        };
        html! {
            <label key={tag.to_owned()}>
                <input type="checkbox" {checked} {onchange} />
                <span>{ name }</span>
            </label>
        }
    });
    html! {
        <fieldset id="more-languages" class="more-languages">
            <legend>{ say(Text::AlsoInto) }</legend>
            { for boxes }
        </fieldset>
    }
}

fn target(tag: &str, wanted: bool) -> Msg {
    Msg::Files(FilesMsg::Target {
        tag: tag.to_owned(),
        wanted,
    })
}
