//! From which language into which.

use std::rc::Rc;

use babelwire_wire::rest::Languages;
use web_sys::HtmlSelectElement;
use yew::prelude::*;

use crate::intl::language_name;
use crate::runtime::Store;
use crate::store::languages::{sources, targets};
use crate::store::{Msg, State};

#[derive(PartialEq, Properties)]
pub(super) struct Props {
    store: Store,
    languages: Option<Rc<Languages>>,
    trouble: Option<Rc<str>>,
    source: Rc<str>,
    target: Rc<str>,
    can_swap: bool,
}

impl Props {
    pub(super) fn new(store: &Store, state: &State) -> Self {
        Self {
            store: store.clone(),
            languages: state.languages.clone(),
            trouble: state.languages_trouble.clone(),
            source: state.source.clone(),
            target: state.target.clone(),
            can_swap: state.can_swap(),
        }
    }
}

#[component(LanguageBar)]
pub(super) fn language_bar(props: &Props) -> Html {
    let store = &props.store;
    let swap = store.on(|_: MouseEvent| Msg::Swap);
    let why_not = (!props.can_swap).then_some("The other way round can't be translated here");
    let mut from: Vec<(String, String)> = Vec::new();
    let mut into: Vec<(String, String)> = Vec::new();
    let mut over = None;
    if let Some(languages) = &props.languages {
        from.extend(
            sources(languages)
                .into_iter()
                .map(|tag| (tag.to_owned(), language_name(tag))),
        );
        into.extend(targets(languages, &props.source).into_iter().map(|pair| {
            let mut name = language_name(&pair.target);
            if !pair.via.is_empty() {
                let via: Vec<String> = pair.via.iter().map(|tag| language_name(tag)).collect();
                let via = via.join(", ");
                name = [&name, " (via ", &via, ")"].concat();
                if *pair.target == *props.target {
                    over = Some(via);
                }
            }
            (pair.target.clone(), name)
        }));
    }
    html! {
        <div class="languages">
            { select("Translate from", &props.source, from, store.on(|e| Msg::PickSource(value(&e)))) }
            <button type="button" class="icon swap" aria-label="Swap languages"
                disabled={!props.can_swap} onclick={swap}
                title={why_not.unwrap_or("Swap languages")}
                aria-description={why_not}>
                <span aria-hidden="true">{ "⇄" }</span>
            </button>
            { select("Translate into", &props.target, into, store.on(|e| Msg::PickTarget(value(&e)))) }
            if let Some(via) = over {
                <p class="note">{ "By way of " }{ via }{ ", so expect rougher text." }</p>
            }
            if let Some(trouble) = &props.trouble {
                <p class="note warn">{ "The languages can't be shown. " }{ trouble.clone() }</p>
            }
        </div>
    }
}

fn select(
    label: &'static str,
    chosen: &str,
    mut options: Vec<(String, String)>,
    onchange: Callback<Event>,
) -> Html {
    options.sort_by(|(_, a), (_, b)| a.cmp(b));
    html! {
        <label class="field">
            <span>{ label }</span>
            <select {onchange} disabled={options.is_empty()}>
                { for options.into_iter().map(|(tag, name)| {
                    let selected = tag == chosen;
                    html! { <option key={tag.clone()} value={tag} {selected}>{ name }</option> }
                }) }
            </select>
        </label>
    }
}

fn value(event: &Event) -> String {
    event
        .target_dyn_into::<HtmlSelectElement>()
        .map(|select| select.value())
        .unwrap_or_default()
}
