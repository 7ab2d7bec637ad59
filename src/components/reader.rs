//! A source and its translation, paragraph by paragraph.

use std::cell::RefCell;

use js_sys::Array;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{HtmlElement, IntersectionObserver, IntersectionObserverEntry};
use yew::prelude::*;

use super::file_row::RowRef;
use super::parts::{button, paragraph};
use crate::runtime::Store;
use crate::store::{Document, Key, Load, Msg, Row, State, View};
use crate::words;

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
    /// The slices of the source's text that were shown, by index.
    slices: RefCell<Vec<Option<AttrValue>>>,
    heading: NodeRef,
    more: NodeRef,
    observer: Option<(IntersectionObserver, Closure<dyn FnMut(Array)>)>,
}

pub(super) struct ShowMore;

impl Component for Reader {
    type Message = ShowMore;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        let link = ctx.link().clone();
        let callback = Closure::<dyn FnMut(Array)>::new(move |entries: Array| {
            if entries
                .iter()
                .filter_map(|entry| entry.dyn_into::<IntersectionObserverEntry>().ok())
                .any(|entry| entry.is_intersecting())
            {
                link.send_message(ShowMore);
            }
        });
        let observer = IntersectionObserver::new(callback.as_ref().unchecked_ref()).ok();
        Self {
            shown: STEP,
            slices: RefCell::default(),
            heading: NodeRef::default(),
            more: NodeRef::default(),
            observer: observer.map(|observer| (observer, callback)),
        }
    }

    fn update(&mut self, _: &Context<Self>, ShowMore: ShowMore) -> bool {
        self.shown += STEP;
        true
    }

    fn rendered(&mut self, _: &Context<Self>, first: bool) {
        if first && let Some(heading) = self.heading.cast::<HtmlElement>() {
            // A keyboard goes on where the text is.
            let _ = heading.focus();
        }
        if let Some((observer, _)) = &self.observer {
            // Observed anew, it reports again: still in sight after it was moved down means that
            // what was added did not fill the screen.
            observer.disconnect();
            if let Some(more) = self.more.cast() {
                observer.observe(&more);
            }
        }
    }

    fn destroy(&mut self, _: &Context<Self>) {
        if let Some((observer, _)) = &self.observer {
            observer.disconnect();
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
                <div key={index} class={if gap { "pair gap" } else { "pair" }}>
                    if source {
                        <p class="from" lang={row.source.clone()} dir="auto">
                            { range.and_then(|range| self.slice(store, index, range)) }
                        </p>
                    }
                    if target {
                        if let Some(text) = text {
                            <p class="into" lang={row.target.clone()} dir="auto">{ text }</p>
                        } else {
                            <p class="into waiting">{ "…" }</p>
                        }
                    }
                </div>
            }
        });
        let view = match props.view {
            View::Both => "text both",
            View::Translation | View::Source => "text single",
        };
        html! {
            <section class="reader" aria-labelledby="reader-region">
                <span id="reader-region" hidden=true>{ "Reader" }</span>
                <header>
                    { button("quiet back", "Close", store, |_| Msg::CloseReader) }
                    <div class="title">
                        <h2 ref={self.heading.clone()} tabindex="-1"><bdi>{ row.name.clone() }</bdi></h2>
                        { paragraph("file-state", words::state(row)) }
                    </div>
                    { views(store, props.view) }
                </header>
                if props.demonstration {
                    { paragraph("banner warn", words::DEMONSTRATION) }
                }
                if let Load::Failed(why) = &document.source {
                    { paragraph("banner warn", ["The source text can't be shown. ", why].concat()) }
                }
                <div class={view} tabindex="0" role="group" aria-label="Text">
                    { for pairs }
                    if document.len() > rows {
                        <button ref={self.more.clone()} type="button" class="quiet more"
                            onclick={ctx.link().callback(|_: MouseEvent| ShowMore)}>{ "Show more" }</button>
                    } else if let Some(words) = to_come {
                        { paragraph("note to-come", words) }
                    }
                </div>
            </section>
        }
    }
}

impl Reader {
    /// The source's text of a row, decoded once.
    fn slice(&self, store: &Store, index: usize, range: (u64, u64)) -> Option<AttrValue> {
        let mut slices = self.slices.borrow_mut();
        if index >= slices.len() {
            slices.resize(index + 1, None);
        }
        let slice = slices.get_mut(index)?;
        if slice.is_none() {
            *slice = store.source_slice(range).map(AttrValue::from);
        }
        slice.clone()
    }
}

/// What is still missing, in words.
fn to_come(document: &Document, row: &Row) -> Option<AttrValue> {
    let missing = document.total.saturating_sub(document.have());
    if row.can_download() {
        (missing > 0).then(|| "Loading…".into())
    } else if !row.is_under_way() {
        None
    } else if document.is_empty() {
        Some("The text appears here as it is translated.".into())
    } else if missing > 0 {
        let more = words::paragraphs(missing);
        Some(
            ["The next ", &more, " appear here as they are translated."]
                .concat()
                .into(),
        )
    } else {
        None
    }
}

fn views(store: &Store, chosen: View) -> Html {
    let radio = |name: &'static str, view: View, make: fn(Key) -> Msg| {
        let onchange = store.on(move |_: Event| make(0));
        html! {
            <label>
                <input type="radio" name="view" checked={view == chosen} {onchange} />
                <span>{ name }</span>
            </label>
        }
    };
    html! {
        <div class="views" role="radiogroup" aria-label="View">
            { radio("Both", View::Both, |_| Msg::View(View::Both)) }
            { radio("Translation", View::Translation, |_| Msg::View(View::Translation)) }
            { radio("Source", View::Source, |_| Msg::View(View::Source)) }
        </div>
    }
}
