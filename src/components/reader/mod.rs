//! A source and its translation, paragraph by paragraph.

mod cell;
mod find;
mod heights;
mod proof;
mod scroll;
mod text;

use std::collections::BTreeSet;
use std::rc::Rc;

use babelwire_wire::rest::Proof;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, Node};
use yew::prelude::*;

use super::files::RowRef;
use super::parts::{button, paragraph};
use crate::runtime::Store;
use crate::store::{Copied, Key, Load, Msg, ReaderMsg, RowsAnswer, State, View};
use crate::words::{self, Text as Words, fill, say};
use find::{FindBar, Props as FindProps};
use proof::ProofPanel;
use text::{Props as TextProps, Text};

#[derive(PartialEq, Properties)]
pub(super) struct Props {
    store: Store,
    row: RowRef,
    view: View,
    /// The document's own count of its changes.
    version: u64,
    demonstration: bool,
    /// The find bar's own, as it was when this was made; the same only when it has not changed.
    find: Option<FindState>,
    jump: Option<crate::store::Jump>,
    proof: Option<Rc<Proof>>,
    proof_open: bool,
    again: BTreeSet<u64>,
    copied: Copied,
}

/// What of a search is shown.
#[derive(PartialEq)]
struct FindState {
    query: Rc<str>,
    total: Option<u64>,
    at: Option<u64>,
    searching: bool,
    trouble: Option<Rc<str>>,
}

impl Props {
    pub(super) fn new(store: &Store, state: &State) -> Option<Self> {
        let document = state.document.as_ref()?;
        let reader = &state.reader;
        Some(Self {
            store: store.clone(),
            row: RowRef(state.row(document.key)?.clone()),
            view: state.view,
            version: document.version,
            demonstration: state.is_demonstration(),
            find: reader.find.as_ref().map(|find| FindState {
                query: find.query.clone(),
                total: find.total,
                at: find.current(),
                searching: find.searching,
                trouble: find.trouble.clone(),
            }),
            jump: reader.jump,
            proof: reader.proof.clone(),
            proof_open: reader.proof_open,
            again: reader.again.clone(),
            copied: reader.copied,
        })
    }

    /// Which row is open: another one is another reader.
    pub(super) fn document_key(&self) -> u32 {
        self.row.0.key
    }
}

pub(super) struct Reader {
    heading: NodeRef,
}

impl Component for Reader {
    type Message = ();
    type Properties = Props;

    fn create(_: &Context<Self>) -> Self {
        Self {
            heading: NodeRef::default(),
        }
    }

    fn rendered(&mut self, _: &Context<Self>, first: bool) {
        if first && let Some(heading) = self.heading.get() {
            // A keyboard goes on where the text is.
            let _ = heading.unchecked_into::<HtmlElement>().focus();
        }
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let props = ctx.props();
        let store = &props.store;
        let row = &*props.row.0;
        let state = store.state();
        let Some(document) = &state.document else {
            return Html::default();
        };
        let find = state.reader.find.as_ref();
        let has_text = document.total > 0;
        html! {
            <section class="reader" aria-labelledby="reader-region" onkeydown={keys(store)}>
                <span id="reader-region" hidden=true>{ say(Words::Reader) }</span>
                <header>
                    <div class="title">
                        <h2 ref={self.heading.clone()} tabindex="-1"><bdi>{ row.name.clone() }</bdi></h2>
                        { paragraph("file-state", words::state(row)) }
                        if row.kept.is_some() {
                            { paragraph("note", say(Words::KeptHere)) }
                        }
                    </div>
                    { button("quiet back", say(Words::Close), store, |_| Msg::CloseReader) }
                    <div class="tools">
                        { views(store, props.view) }
                        if has_text {
                            { tool(store, Words::Find, None, || ReaderMsg::OpenFind) }
                        }
                        if props.proof.is_some() {
                            { tool(store, Words::Proof, Some(props.proof_open), || ReaderMsg::ToggleProof) }
                        }
                        { for save(props, document.id.as_str(), document.rows) }
                    </div>
                </header>
                if props.demonstration {
                    { paragraph("banner warn", say(Words::Demonstration)) }
                }
                if let Load::Failed(why) = &document.source {
                    { paragraph("banner warn", fill(Words::SourceTrouble, &[why])) }
                }
                if let Some(find) = find {
                    <FindBar ..FindProps::new(store, find) />
                }
                if let Some(proof) = props.proof.as_ref().filter(|_| props.proof_open) {
                    <ProofPanel store={store.clone()} proof={proof.clone()} again={props.again.clone()}
                        href={["#/t/", &document.id].concat()} />
                }
                <Text ..TextProps::new(store, &state, document, &props.row.0) />
            </section>
        }
    }
}

/// A button of the reader's own; `open` is whether what it opens is.
fn tool(store: &Store, name: Words, open: Option<bool>, make: fn() -> ReaderMsg) -> Html {
    let onclick = store.on(move |_: MouseEvent| Msg::Reader(make()));
    let expanded = open.map(|open| open.to_string());
    html! {
        <button type="button" data-look="quiet" aria-expanded={expanded} {onclick}>{ say(name) }</button>
    }
}

/// What can be taken away of the translation.
fn save(props: &Props, id: &str, rows: RowsAnswer) -> Option<Html> {
    let row = &*props.row.0;
    let done = row.can_download();
    // A backend that gives rows gives what is there so far, and both sides in one file, as well.
    let more = rows == RowsAnswer::Given || props.proof.is_some();
    let stopped = !row.is_under_way() && row.can_open();
    if !(done || stopped && more) {
        return None;
    }
    let store = &props.store;
    let link = |name: Words, what: &str| {
        let href = store.download_url(id, what);
        html! { <a {href} download="">{ say(name) }</a> }
    };
    let copy = match props.copied {
        Copied::No => Words::Copy,
        Copied::Coming => Words::CopyComing,
        Copied::Yes => Words::Copied,
        Copied::Failed => Words::NotCopied,
    };
    let (name, result) = if done {
        (Words::SaveText, "/result")
    } else {
        (Words::DownloadPart, "/result?partial=true")
    };
    Some(html! {
        <>
            { tool(store, copy, None, || ReaderMsg::Copy) }
            <details class="save" onfocusout={Callback::from(|event: FocusEvent| close_left(&event))}
                onkeydown={Callback::from(|event: KeyboardEvent| close_by_key(&event))}>
                <summary data-look="quiet">{ say(Words::Save) }</summary>
                <div>
                    { link(name, result) }
                    if more {
                        { link(Words::SaveSideBySide, "/side-by-side") }
                    }
                </div>
            </details>
        </>
    })
}

/// A menu that the focus has left is done with.
fn close_left(event: &FocusEvent) {
    let menu: HtmlElement = event.current_target_unchecked();
    let next = event
        .related_target()
        .and_then(|next| next.dyn_into::<Node>().ok());
    // A click on what takes no focus leads nowhere.
    if next.is_some_and(|next| !menu.contains(Some(&next))) {
        let _ = menu.remove_attribute("open");
    }
}

fn close_by_key(event: &KeyboardEvent) {
    let menu: HtmlElement = event.current_target_unchecked();
    if event.key() == "Escape" && menu.has_attribute("open") {
        event.stop_propagation();
        let _ = menu.remove_attribute("open");
        if let Ok(Some(summary)) = menu.query_selector("summary") {
            let _ = summary.unchecked_into::<HtmlElement>().focus();
        }
    }
}

trait CurrentTarget {
    fn current_target_unchecked(&self) -> HtmlElement;
}

impl<E: AsRef<web_sys::Event>> CurrentTarget for E {
    /// Yew listens at the root: the element is found from the event's own.
    fn current_target_unchecked(&self) -> HtmlElement {
        let target: web_sys::Element = self.as_ref().target_unchecked_into();
        target
            .closest("details")
            .ok()
            .flatten()
            .unwrap_or(target)
            .unchecked_into()
    }
}

/// The browser's own find sees only the rows in the document: where these are not all, ours is in
/// its place.
fn keys(store: &Store) -> Callback<KeyboardEvent> {
    let store = store.clone();
    Callback::from(move |event: KeyboardEvent| {
        let find = (event.ctrl_key() || event.meta_key()) && !event.alt_key() && !event.shift_key();
        if find && matches!(&*event.key(), "f" | "F") && text::is_long(&store.state()) {
            event.prevent_default();
            store.dispatch(Msg::Reader(ReaderMsg::OpenFind));
        }
    })
}

fn views(store: &Store, chosen: View) -> Html {
    let radio = |name: Words, view: View, make: fn(Key) -> Msg| {
        let onchange = store.on(move |_: Event| make(0));
        html! {
            <label>
                <input type="radio" name="view" checked={view == chosen} {onchange} />
                <span>{ say(name) }</span>
            </label>
        }
    };
    html! {
        <div class="views" role="radiogroup" aria-label={say(Words::View)}>
            { radio(Words::Both, View::Both, |_| Msg::View(View::Both)) }
            { radio(Words::Translation, View::Translation, |_| Msg::View(View::Translation)) }
            { radio(Words::Source, View::Source, |_| Msg::View(View::Source)) }
        </div>
    }
}
