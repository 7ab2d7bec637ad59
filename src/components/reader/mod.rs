//! A source and its translation, paragraph by paragraph.

use std::cell::RefCell;

use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};
use yew::prelude::*;

use super::files::RowRef;
use super::parts::{button, paragraph};
use crate::runtime::Store;
use crate::store::{Document, Key, Load, Msg, Row, State, View};
use crate::words::{self, Text, fill, plural, say};

/// How many rows more are shown each time.
const STEP: usize = 120;

#[derive(PartialEq, Properties)]
pub(super) struct Props {
    store: Store,
    row: RowRef,
    view: View,
    /// The document's own count of its changes.
    version: u64,
    demonstration: bool,
}

impl Props {
    pub(super) fn new(store: &Store, state: &State) -> Option<Self> {
        let document = state.document.as_ref()?;
        Some(Self {
            store: store.clone(),
            row: RowRef(state.row(document.key)?.clone()),
            view: state.view,
            version: document.version,
            demonstration: state.is_demonstration(),
        })
    }

    /// Which row is open: another one is another reader.
    pub(super) fn document_key(&self) -> u32 {
        self.row.0.key
    }
}

pub(super) struct Reader {
    /// How many rows are shown at most.
    shown: usize,
    /// What was shown of the source's text, by index.
    slices: RefCell<Vec<Option<Slice>>>,
    heading: NodeRef,
    text: NodeRef,
}

/// A part of the source's text, with where it was.
type Slice = ((u64, u64), AttrValue);

pub(super) struct ShowMore;

impl Component for Reader {
    type Message = ShowMore;
    type Properties = Props;

    fn create(_: &Context<Self>) -> Self {
        Self {
            shown: STEP,
            slices: RefCell::default(),
            heading: NodeRef::default(),
            text: NodeRef::default(),
        }
    }

    fn update(&mut self, ctx: &Context<Self>, ShowMore: ShowMore) -> bool {
        let state = ctx.props().store.state();
        let more = state
            .document
            .as_ref()
            .is_some_and(|document| document.len() > self.shown);
        if more {
            self.shown += STEP;
        }
        more
    }

    fn rendered(&mut self, ctx: &Context<Self>, first: bool) {
        if first && let Some(heading) = self.heading.get() {
            // A keyboard goes on where the text is.
            let _ = heading.unchecked_into::<HtmlElement>().focus();
        }
        // Until there is something to scroll to.
        if self
            .text
            .get()
            .is_some_and(|text| is_near_end(text.unchecked_ref()))
        {
            ctx.link().send_message(ShowMore);
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
        let rows = document.len().min(self.shown);
        let (source, target) = (props.view != View::Translation, props.view != View::Source);
        let to_come = to_come(document, row);
        let mut end_of_last = None;
        let pairs = (0..rows).map(|index| {
            let range = document.source_range(index);
            // A blank line between two segments is one of the text's own.
            let gap = match (end_of_last, range) {
                (Some(end), Some((start, _))) => start > end + 1,
                _ => true,
            };
            end_of_last = range.map(|(_, end)| end);
            let text = document
                .cell(index)
                .map(|cell| AttrValue::from(cell.text.clone()));
            html! {
                <div key={index} class="pair" data-gap={gap.then_some("")}>
                    if source {
                        <p class="from" lang={row.source.clone()} dir="auto">
                            { range.and_then(|range| self.slice(store, index, range)) }
                        </p>
                    }
                    if target {
                        if let Some(text) = text {
                            <p class="into" lang={row.target.clone()} dir="auto">{ text }</p>
                        } else {
                            <p class="into" data-look="note">{ "…" }</p>
                        }
                    }
                </div>
            }
        });
        let scope = ctx.link().clone();
        let onscroll = Callback::from(move |event: Event| {
            if is_near_end(&event.target_unchecked_into()) {
                scope.send_message(ShowMore);
            }
        });
        let view = match props.view {
            View::Both => "both",
            View::Translation | View::Source => "single",
        };
        html! {
            <section class="reader" aria-labelledby="reader-region">
                <span id="reader-region" hidden=true>{ say(Text::Reader) }</span>
                <header>
                    { button("quiet back", say(Text::Close), store, |_| Msg::CloseReader) }
                    <div class="title">
                        <h2 ref={self.heading.clone()} tabindex="-1"><bdi>{ row.name.clone() }</bdi></h2>
                        { paragraph("file-state", words::state(row)) }
                    </div>
                    { views(store, props.view) }
                </header>
                if props.demonstration {
                    { paragraph("banner warn", say(Text::Demonstration)) }
                }
                if let Load::Failed(why) = &document.source {
                    { paragraph("banner warn", fill(Text::SourceTrouble, &[why])) }
                }
                <div ref={self.text.clone()} class="text" data-view={view} tabindex="0" role="group"
                    aria-label={say(Text::ReaderText)} {onscroll}>
                    { for pairs }
                    if document.len() > rows {
                        <button type="button" data-look="quiet more"
                            onclick={ctx.link().callback(|_: MouseEvent| ShowMore)}>{ say(Text::ShowMore) }</button>
                    } else if let Some(words) = to_come {
                        { paragraph("note to-come", words) }
                    }
                </div>
            </section>
        }
    }
}

/// Whether less than a screen of text is left to scroll to.
fn is_near_end(text: &Element) -> bool {
    // The screen's height, not the text's own: without styles the text is as high as all its rows,
    // and would be near its end for ever.
    let screen = text
        .owner_document()
        .and_then(|document| document.document_element())
        .map_or(0, |root| root.client_height());
    text.scroll_height() - text.scroll_top() < 2 * screen
}

impl Reader {
    /// The source's text of a row, decoded once.
    fn slice(&self, store: &Store, index: usize, range: (u64, u64)) -> Option<AttrValue> {
        let mut slices = self.slices.borrow_mut();
        if index >= slices.len() {
            slices.resize(index + 1, None);
        }
        let slice = slices.get_mut(index)?;
        // A range known from its neighbours alone is narrowed when the segment itself comes.
        if slice.as_ref().is_none_or(|(known, _)| *known != range) {
            let text = store.source_slice(range)?;
            *slice = Some((range, text.trim_matches('\n').to_owned().into()));
        }
        slice.as_ref().map(|(_, text)| text.clone())
    }
}

/// What is still missing, in words.
fn to_come(document: &Document, row: &Row) -> Option<AttrValue> {
    let missing = document.total.saturating_sub(document.have());
    if row.can_download() {
        (missing > 0).then(|| say(Text::LoadingText).into())
    } else if !row.is_under_way() {
        None
    } else if document.is_empty() {
        Some(say(Text::TextToCome).into())
    } else if missing > 0 {
        Some(plural(Text::MoreToCome, missing).into())
    } else {
        None
    }
}

fn views(store: &Store, chosen: View) -> Html {
    let radio = |name: Text, view: View, make: fn(Key) -> Msg| {
        let onchange = store.on(move |_: Event| make(0));
        html! {
            <label>
                <input type="radio" name="view" checked={view == chosen} {onchange} />
                <span>{ say(name) }</span>
            </label>
        }
    };
    html! {
        <div class="views" role="radiogroup" aria-label={say(Text::View)}>
            { radio(Text::Both, View::Both, |_| Msg::View(View::Both)) }
            { radio(Text::Translation, View::Translation, |_| Msg::View(View::Translation)) }
            { radio(Text::Source, View::Source, |_| Msg::View(View::Source)) }
        </div>
    }
}
