//! From which language into which.

use std::rc::Rc;

use babelwire_wire::rest::Languages;
use wasm_bindgen::JsCast;
use web_sys::HtmlSelectElement;
use yew::prelude::*;

use super::parts::{field, paragraph};
use crate::intl::language_name;
use crate::runtime::Store;
use crate::store::languages::{sources, targets};
use crate::store::{Msg, State};
use crate::words::{Text, fill, is_after, say};

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

#[derive(Default)]
pub(super) struct LanguageBar {
    source: NodeRef,
    target: NodeRef,
}

/// An option of a select: its tag and its name.
type Choice = (String, Rc<str>);

impl Component for LanguageBar {
    type Message = ();
    type Properties = Props;

    fn create(_: &Context<Self>) -> Self {
        Self::default()
    }

    fn rendered(&mut self, ctx: &Context<Self>, _: bool) {
        // An option's `selected` attribute says nothing once somebody chose.
        for (select, value) in [
            (&self.source, &ctx.props().source),
            (&self.target, &ctx.props().target),
        ] {
            if let Some(select) = select.get() {
                select
                    .unchecked_into::<HtmlSelectElement>()
                    .set_value(value);
            }
        }
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let props = ctx.props();
        let store = &props.store;
        let (mut from, mut into): (Vec<Choice>, Vec<Choice>) = Default::default();
        let mut over = None;
        if let Some(languages) = &props.languages {
            for tag in sources(languages) {
                insert(&mut from, tag, language_name(tag));
            }
            for pair in targets(languages, &props.source) {
                let mut name = language_name(&pair.target);
                if let Some(via) = pair.via.first() {
                    let via = language_name(via);
                    name = fill(Text::LanguageVia, &[&name, &via]).into();
                    if *pair.target == *props.target {
                        over = Some(via);
                    }
                }
                insert(&mut into, &pair.target, name);
            }
        }
        let title = say(if props.can_swap {
            Text::SwapLanguages
        } else {
            Text::CannotSwap
        });
        html! {
            <div class="languages">
                { select(say(Text::TranslateFrom), &self.source, from, store.on(|e| Msg::PickSource(value(&e)))) }
                <button type="button" data-look="icon" aria-label={say(Text::SwapLanguages)} {title}
                    disabled={!props.can_swap} onclick={store.press(0, |_| Msg::Swap)}>{ "⇄" }</button>
                { select(say(Text::TranslateInto), &self.target, into, store.on(|e| Msg::PickTarget(value(&e)))) }
                if let Some(via) = over {
                    { paragraph("note", fill(Text::ByWayOf, &[&via])) }
                }
                if let Some(trouble) = &props.trouble {
                    { paragraph("note warn", fill(Text::LanguagesTrouble, &[trouble])) }
                }
            </div>
        }
    }
}

/// Keeps the choices in the order of their names. There are a few dozen at most.
fn insert(choices: &mut Vec<Choice>, tag: &str, name: Rc<str>) {
    let place = choices
        .iter()
        .position(|(_, other)| is_after(other, &name))
        .unwrap_or(choices.len());
    choices.insert(place, (tag.to_owned(), name));
}

fn select(
    label: &'static str,
    element: &NodeRef,
    choices: Vec<Choice>,
    onchange: Callback<Event>,
) -> Html {
    let choices = choices.into_iter().map(|(value, name)| {
        html! { <option {value}>{ AttrValue::from(name) }</option> }
    });
    field(
        label,
        html! { <select ref={element} {onchange}>{ for choices }</select> },
    )
}

fn value(event: &Event) -> String {
    event.target_unchecked_into::<HtmlSelectElement>().value()
}
