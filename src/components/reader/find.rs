//! Find in document.

use std::rc::Rc;

use web_sys::{HtmlElement, HtmlInputElement};
use yew::prelude::*;

use crate::runtime::{Store, announce};
use crate::store::{Find, Msg, ReaderMsg, Way};
use crate::words::{Text, fill, number, plural, say};

/// What the bar shows.
#[derive(PartialEq, Properties)]
pub(super) struct Props {
    store: Store,
    query: Rc<str>,
    state: AttrValue,
    none: bool,
    searching: bool,
}

impl Props {
    pub(super) fn new(store: &Store, find: &Find) -> Self {
        let state = match (&find.trouble, find.total, find.ordinal()) {
            (Some(why), _, _) => why.to_string(),
            (None, Some(0), _) => say(Text::FindNothing).to_owned(),
            (None, Some(total), Some(ordinal)) => {
                fill(Text::FindOrdinal, &[&number(ordinal), &number(total)])
            }
            (None, Some(total), None) => plural(Text::FindTotal, total),
            (None, None, _) if find.searching => say(Text::FindSearching).to_owned(),
            (None, None, _) => String::new(),
        };
        Self {
            store: store.clone(),
            query: find.query.clone(),
            state: state.into(),
            none: find.total.unwrap_or(0) == 0,
            searching: find.searching || find.query.is_empty(),
        }
    }
}

pub(super) struct FindBar {
    input: NodeRef,
    /// Where the focus was before, and goes afterwards.
    before: Option<HtmlElement>,
}

impl Component for FindBar {
    type Message = ();
    type Properties = Props;

    fn create(_: &Context<Self>) -> Self {
        Self {
            input: NodeRef::default(),
            before: None,
        }
    }

    fn rendered(&mut self, _: &Context<Self>, first: bool) {
        if first && let Some(input) = self.input.cast::<HtmlInputElement>() {
            self.before = input
                .owner_document()
                .and_then(|document| document.active_element())
                .and_then(|element| wasm_bindgen::JsCast::dyn_into(element).ok());
            // Fails for nothing that can have it.
            let _ = input.focus();
        }
    }

    fn changed(&mut self, ctx: &Context<Self>, old: &Props) -> bool {
        let state = &ctx.props().state;
        if *state != old.state && !ctx.props().searching {
            announce(state.to_string());
        }
        true
    }

    fn destroy(&mut self, _: &Context<Self>) {
        if let Some(before) = self.before.take().filter(|before| before.is_connected()) {
            let _ = before.focus();
        }
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let props = ctx.props();
        let store = &props.store;
        let oninput = store.on(|event: InputEvent| {
            let input: HtmlInputElement = event.target_unchecked_into();
            Msg::Reader(ReaderMsg::Find(input.value()))
        });
        let heard = store.clone();
        let onkeydown = Callback::from(move |event: KeyboardEvent| {
            let msg = match &*event.key() {
                "Escape" => ReaderMsg::CloseFind,
                "Enter" if event.is_composing() => return,
                "Enter" if is_in_a_button(&event) => return,
                "Enter" if event.shift_key() => ReaderMsg::Step(Way::Previous),
                "Enter" => ReaderMsg::Step(Way::Next),
                _ => return,
            };
            event.prevent_default();
            heard.dispatch(Msg::Reader(msg));
        });
        let button = |label: &'static str, name: Text, make: fn() -> ReaderMsg| {
            let onclick = store.on(move |_: MouseEvent| Msg::Reader(make()));
            html! {
                <button type="button" data-look="quiet icon" aria-label={say(name)} title={say(name)} {onclick}>
                    { label }
                </button>
            }
        };
        html! {
            <div class="find" role="search" aria-label={say(Text::FindInDocument)} {onkeydown}>
                <input ref={self.input.clone()} type="text" enterkeyhint="search" autocomplete="off" spellcheck="false"
                    maxlength="200" aria-label={say(Text::FindInDocument)} aria-describedby="find-state"
                    value={props.query.clone()} {oninput} />
                <span id="find-state" data-none={props.none.then_some("")}>{ props.state.clone() }</span>
                { button("↑", Text::PreviousMatch, || ReaderMsg::Step(Way::Previous)) }
                { button("↓", Text::NextMatch, || ReaderMsg::Step(Way::Next)) }
                { button("×", Text::CloseFind, || ReaderMsg::CloseFind) }
            </div>
        }
    }
}

fn is_in_a_button(event: &KeyboardEvent) -> bool {
    event
        .target_dyn_into::<HtmlElement>()
        .is_some_and(|element| element.tag_name() == "BUTTON")
}
