//! The text itself: rows of a source and its translation, of which only those near to what is in
//! view are in the document when there are many.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Element, FocusOptions, HtmlElement, ResizeObserver};
use yew::prelude::*;

use super::cell;
use super::heights::as_f64;
use super::scroll::Scroll;
use crate::components::files::RowRef;
use crate::components::parts::paragraph;
use crate::intl::in_digits;
use crate::runtime::Store;
use crate::store::{
    Cell, Document, Extent, Jump, Load, Msg, Place, ReaderMsg, Row, Sight, State, View, Why,
};
use crate::words::{Text as Words, plural, say};

/// Up to so many rows all are in the document, where the browser's own find, print and selection
/// have them.
const ALL: u64 = 200;

/// How often the store is told where one reads, at most, in milliseconds.
const TELL_PAUSE: u32 = 100;

/// How often in a row rows may be made because those that are there turned out too low.
const REMADE: u32 = 12;

/// How many measured rows say how high the others are.
const ENOUGH_ROWS: u32 = 24;

/// How many slices of the source are kept.
const SLICES: usize = 4000;

/// As wide as a letter is on average, as high as a line, and what is between two paragraphs, in
/// CSS pixels: `styles/reader.css` has a type of 17 pixels.
const LETTER: f64 = 8.2;
const LINE: f64 = 28.0;
const GAP: f64 = 14.0;

/// Narrower than this, the two sides of a row are one below the other: 40 rem.
const TWO_COLUMNS: f64 = 560.0;

#[derive(PartialEq, Properties)]
pub(super) struct Props {
    store: Store,
    row: RowRef,
    view: View,
    /// The document's own count of its changes.
    version: u64,
    jump: Option<Jump>,
    /// What was searched for.
    query: Rc<str>,
    /// The row of the match that the person is at.
    found: Option<u64>,
}

impl Props {
    pub(super) fn new(store: &Store, state: &State, document: &Document, row: &Rc<Row>) -> Self {
        let find = state.reader.find.as_ref();
        Self {
            store: store.clone(),
            row: RowRef(row.clone()),
            view: state.view,
            version: document.version,
            jump: state.reader.jump,
            query: find.map_or_else(|| "".into(), |find| find.query.clone()),
            found: find.and_then(crate::store::Find::current),
        }
    }
}

pub(super) enum Event {
    Scrolled,
    /// The view or a row has another size.
    Resized,
    /// Other rows are needed in the document.
    Remake,
    /// The store may be told again where one reads.
    Tell,
    /// All of a long text is wanted.
    Unfold(u64, Side),
    /// The newest text is wanted, and what comes after it.
    Follow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Source,
    Translation,
}

/// A part of the source's text, with where it was.
type Slice = ((u64, u64), AttrValue);

#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that have nothing to do with one another"
)]
pub(super) struct Text {
    scroll: Scroll,
    /// The rows in the document.
    made: Range<u64>,
    remade: u32,
    following: bool,
    /// Whether the rows' estimate is from rows.
    calibrated: bool,
    width: f64,
    /// How many rows there were when their height was last estimated.
    estimated: u64,
    /// What was shown of the source's text, by index.
    slices: RefCell<BTreeMap<u64, Slice>>,
    unfolded: BTreeSet<(u64, Side)>,
    jump: Option<Jump>,
    /// To be done once there are so many rows.
    jump_waits: bool,
    focus_row: Option<u64>,
    /// Whether the focus was in a row before the rows were made anew.
    had_focus: bool,
    told: Option<(Sight, Place)>,
    telling: Option<Timeout>,
    /// Rows in all, as far as known.
    total: u64,
    /// The newest translated row, and whether the view is elsewhere.
    newest: Option<u64>,
    away: bool,
    scroller: NodeRef,
    sheet: NodeRef,
    block: NodeRef,
    observed: Option<Observed>,
}

struct Observed {
    observer: ResizeObserver,
    _heard: Closure<dyn FnMut()>,
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.observer.disconnect();
    }
}

impl Component for Text {
    type Message = Event;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        let mut text = Self {
            scroll: Scroll::new(),
            made: 0..0,
            remade: 0,
            following: false,
            calibrated: false,
            width: 0.0,
            estimated: 0,
            slices: RefCell::default(),
            unfolded: BTreeSet::new(),
            jump: ctx.props().jump,
            jump_waits: ctx.props().jump.is_some(),
            focus_row: None,
            had_focus: false,
            told: None,
            telling: None,
            total: 0,
            newest: None,
            away: false,
            scroller: NodeRef::default(),
            sheet: NodeRef::default(),
            block: NodeRef::default(),
            observed: None,
        };
        text.take_in(ctx);
        text
    }

    fn changed(&mut self, ctx: &Context<Self>, old: &Props) -> bool {
        self.look_up();
        if ctx.props().view != old.view {
            self.forget_heights(ctx);
        }
        self.take_in(ctx);
        true
    }

    fn update(&mut self, ctx: &Context<Self>, event: Event) -> bool {
        self.look_up();
        match event {
            Event::Scrolled => {
                self.remade = 0;
                let before = self.away;
                let other_rows = self.choose_rows();
                if !other_rows {
                    self.put_in_place();
                }
                self.tell(ctx);
                self.note_newest();
                other_rows || self.away != before
            }
            Event::Resized => {
                // Rows that are made while sizes are told would be told of once more.
                if self.settle(ctx) {
                    let link = ctx.link().clone();
                    Timeout::new(0, move || link.send_message(Event::Remake)).forget();
                }
                false
            }
            Event::Remake => true,
            Event::Tell => {
                self.telling = None;
                self.tell(ctx);
                false
            }
            Event::Unfold(row, side) => {
                self.unfolded.insert((row, side));
                // The button that had it is gone.
                self.focus_row = Some(row);
                true
            }
            Event::Follow => {
                self.following = true;
                self.take_in(ctx);
                if let Some(scroller) = self.scroller() {
                    // The button that had it is gone.
                    focus(&scroller);
                }
                true
            }
        }
    }

    fn rendered(&mut self, ctx: &Context<Self>, first: bool) {
        if first {
            self.observe(ctx);
        }
        if self.had_focus
            && let Some(scroller) = self.scroller()
            && let Some(document) = scroller.owner_document()
            && document
                .active_element()
                .is_none_or(|element| element.tag_name() == "BODY")
        {
            // Its row is far away now.
            focus(&scroller);
        }
        self.had_focus = false;
        if self.settle(ctx) {
            ctx.link().send_message(Event::Remake);
        }
        if let Some(row) = self.focus_row.take()
            && let Some(element) = self.element_of(row)
        {
            element.set_tab_index(-1);
            focus(&element);
        }
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let props = ctx.props();
        let state = props.store.state();
        let Some(document) = &state.document else {
            return Html::default();
        };
        let view = match props.view {
            View::Both => "both",
            View::Translation | View::Source => "single",
        };
        let rows = self
            .made
            .clone()
            .map(|index| self.row(ctx, document, index));
        html! {
            <div class="text-frame">
                <div ref={self.scroller.clone()} class="text" data-view={view} tabindex="0" role="group"
                    aria-label={say(Words::ReaderText)}
                    onscroll={ctx.link().callback(|_: web_sys::Event| Event::Scrolled)}>
                    <div ref={self.sheet.clone()} class="sheet"
                        data-windowed={self.is_windowed().then_some("")}>
                        <div ref={self.block.clone()} class="rows" role={(!self.made.is_empty()).then_some("list")}>
                            { for rows }
                        </div>
                    </div>
                    { for to_come(document, &props.row.0).map(|words| paragraph("note to-come", words)) }
                </div>
                if self.away && !self.following {
                    <button type="button" data-look="newest"
                        onclick={ctx.link().callback(|_: MouseEvent| Event::Follow)}>
                        { say(Words::JumpToNewest) }
                    </button>
                }
            </div>
        }
    }
}

impl Text {
    // What is shown.

    fn row(&self, ctx: &Context<Self>, document: &Document, index: u64) -> Html {
        let props = ctx.props();
        let range = document.source_range(index);
        // A blank line between two segments is one of the text's own.
        let gap = match (
            index
                .checked_sub(1)
                .and_then(|before| document.cell(before)),
            range,
        ) {
            (Some(before), Some((start, _))) => start > before.source.1 + 1,
            _ => true,
        };
        let segment = document.cell(index);
        let (source, target) = (props.view != View::Translation, props.view != View::Source);
        let source = source.then(|| {
            let text = self.source_of(&props.store, document, index, range);
            let lang = props.row.0.source.clone();
            self.side(ctx, index, Side::Source, lang, text)
        });
        let target = target.then(|| match segment {
            Some(Cell {
                text: Some(text), ..
            }) => {
                let lang = props.row.0.target.clone();
                let text = Some(text.clone().into());
                self.side(ctx, index, Side::Translation, lang, text)
            }
            Some(Cell { failed: true, .. }) => {
                let refusal =
                    html! { <p class="into" data-look="note">{ say(Words::RowFailed) }</p> };
                if source.is_some() {
                    refusal
                } else {
                    // The result has the source's words in its place.
                    let text = self.source_of(&props.store, document, index, range);
                    let lang = props.row.0.source.clone();
                    let words = self.side(ctx, index, Side::Source, lang, text);
                    html! { <div class="failed">{ words }{ refusal }</div> }
                }
            }
            _ => html! { <p class="into" data-look="note">{ "…" }</p> },
        });
        let count = self.scroll.heights.count();
        let (place, of) = self
            .is_windowed()
            .then(|| ((index + 1).to_string(), count.to_string()))
            .unzip();
        let is = |yes: bool| yes.then_some("");
        html! {
            <div key={index} class="pair" role="listitem" data-gap={is(gap)}
                aria-posinset={place} aria-setsize={of}
                data-first={is(index == 0)} data-last={is(index + 1 == count)}
                data-blank={is(segment.is_none())} data-found={is(props.found == Some(index))}>
                { for source }
                { for target }
            </div>
        }
    }

    fn side(
        &self,
        ctx: &Context<Self>,
        index: u64,
        side: Side,
        lang: Rc<str>,
        text: Option<AttrValue>,
    ) -> Html {
        let props = ctx.props();
        let class = match side {
            Side::Source => "from",
            Side::Translation => "into",
        };
        let text = text.unwrap_or_default();
        let folded = (!self.unfolded.contains(&(index, side)))
            .then(|| cell::beginning(&text))
            .flatten()
            .map(|beginning| AttrValue::from([beginning, "…"].concat()));
        let unfold = folded.is_some().then(|| {
            let onclick = ctx.link().callback(move |_: MouseEvent| Event::Unfold(index, side));
            html! { <button type="button" data-look="unfold" {onclick}>{ say(Words::ShowAll) }</button> }
        });
        let shown = folded.as_ref().unwrap_or(&text);
        let shown = cell::marked(shown, &props.query, props.found == Some(index));
        // A class that is not a literal costs more than two paragraphs.
        let paragraph = if class == "from" {
            html! { <p class="from" {lang} dir="auto">{ shown }</p> }
        } else {
            html! { <p class="into" {lang} dir="auto">{ shown }</p> }
        };
        match unfold {
            None => paragraph,
            Some(unfold) => html! { <div class="folded">{ paragraph }{ unfold }</div> },
        }
    }

    /// The source's text of a row, decoded once.
    fn source_of(
        &self,
        store: &Store,
        document: &Document,
        index: u64,
        range: Option<(u64, u64)>,
    ) -> Option<AttrValue> {
        if let Some(text) = document
            .cell(index)
            .and_then(|cell| cell.source_text.clone())
        {
            return Some(text.into());
        }
        let range = range?;
        let mut slices = self.slices.borrow_mut();
        // A range known from its neighbours alone is narrowed when the segment itself comes.
        if let Some((known, text)) = slices.get(&index)
            && *known == range
        {
            return Some(text.clone());
        }
        let text: AttrValue = store
            .source_slice(range)?
            .trim_matches('\n')
            .to_owned()
            .into();
        if slices.len() >= SLICES {
            slices.clear();
        }
        slices.insert(index, (range, text.clone()));
        Some(text)
    }

    // What happens.

    /// Takes in what the store has.
    fn take_in(&mut self, ctx: &Context<Self>) {
        let props = ctx.props();
        let state = props.store.state();
        let Some(document) = &state.document else {
            return;
        };
        let row = &props.row.0;
        self.total = document.total;
        self.scroll
            .heights
            .set_count(document.shown(row.can_download()));
        if props.jump != self.jump {
            self.jump = props.jump;
            self.jump_waits = true;
        }
        self.newest = newest(document, row);
        if self.newest.is_none() {
            self.following = false;
        }
        if self.jump_waits
            && let Some(jump) = self.jump
            && jump.row < self.scroll.heights.count()
        {
            self.jump_waits = false;
            self.following = false;
            match jump.why {
                Why::Restored => self.scroll.go_to(jump.row, 0.0),
                Why::Found => self.scroll.show(jump.row),
                Why::Linked => {
                    self.scroll.show(jump.row);
                    self.focus_row = Some(jump.row);
                }
            }
        } else if self.following
            && let Some(newest) = self.newest
        {
            self.scroll.go_to_end_of(newest);
        }
        drop(state);
        self.choose_rows();
    }

    /// Sees whether the person has scrolled; to be called before anything changes the document.
    fn look_up(&mut self) {
        let Some(scroller) = self.scroller() else {
            return;
        };
        let position = f64::from(scroller.scroll_top());
        if self.scroll.is_elsewhere(position) {
            self.following = false;
            self.scroll.scrolled(position);
        }
        self.had_focus = scroller.owner_document().is_some_and(|document| {
            document
                .active_element()
                .is_some_and(|active| active != *scroller && scroller.contains(Some(&active)))
        });
    }

    fn is_windowed(&self) -> bool {
        self.scroll.heights.count() > ALL
    }

    /// Chooses the rows that are to be in the document; says whether they are others.
    fn choose_rows(&mut self) -> bool {
        let made = if self.is_windowed() {
            let (seen, ready) = (self.scroll.seen(), self.scroll.ready());
            // Half of what is ready may be used up before more is made.
            let above = seen.start - (seen.start - ready.start) / 2;
            let below = seen.end + (ready.end - seen.end) / 2;
            if self.made.start <= above && self.made.end >= below {
                return false;
            }
            ready
        } else {
            0..self.scroll.heights.count()
        };
        let other = made != self.made;
        self.made = made;
        other
    }

    /// Measures what is there, and puts everything where it belongs; says whether something
    /// else is to be shown now.
    fn settle(&mut self, ctx: &Context<Self>) -> bool {
        let (Some(scroller), Some(block)) = (self.scroller(), self.block.cast::<HtmlElement>())
        else {
            return false;
        };
        self.scroll.set_view(f64::from(scroller.client_height()));
        let width = f64::from(block.client_width());
        if (width - self.width).abs() >= 1.0 {
            self.width = width;
            self.forget_heights(ctx);
        } else if !self.calibrated && self.estimated != self.total {
            self.estimate(ctx);
        }
        let mut next = block.first_element_child();
        for index in self.made.clone() {
            let Some(element) = next else { break };
            let height = element.get_bounding_client_rect().height();
            self.scroll.heights.measure(index, height);
            next = element.next_element_sibling();
        }
        self.calibrate(ctx);
        if self.following
            && let Some(newest) = self.newest
        {
            self.scroll.go_to_end_of(newest);
        }
        // What shrank may have moved the browser.
        self.scroll.moved(f64::from(scroller.scroll_top()));
        self.put_in_place();
        self.scroll.hold();
        let mut other = self.choose_rows() && self.remade < REMADE;
        self.remade = if other { self.remade + 1 } else { 0 };
        let before = self.away;
        self.note_newest();
        other |= self.away != before;
        self.tell(ctx);
        other
    }

    /// Has the browser show what the scroll says.
    fn put_in_place(&mut self) {
        let (Some(scroller), Some(sheet), Some(block)) = (
            self.scroller(),
            self.sheet.cast::<HtmlElement>(),
            self.block.cast::<HtmlElement>(),
        ) else {
            return;
        };
        let set = |element: &HtmlElement, name: &str, pixels: Option<f64>| {
            let value =
                pixels.map_or_else(String::new, |pixels| [&*in_digits(pixels), "px"].concat());
            // Fails for no name of a property.
            let _ = element.style().set_property(name, &value);
        };
        let windowed = self.is_windowed();
        set(&sheet, "block-size", windowed.then(|| self.scroll.length()));
        set(
            &sheet,
            "--row",
            Some(self.scroll.heights.estimate().round()),
        );
        if let Some(position) = self.scroll.wanted(&self.made) {
            #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
            scroller.set_scroll_top(position.round() as i32);
            self.scroll.moved(f64::from(scroller.scroll_top()));
        }
        let top = windowed.then(|| self.scroll.position_of(self.made.start));
        set(&block, "inset-block-start", top);
    }

    fn forget_heights(&mut self, ctx: &Context<Self>) {
        self.scroll.heights.forget();
        self.calibrated = false;
        self.estimate(ctx);
    }

    /// Takes rows for as high as their text is long on average.
    fn estimate(&mut self, ctx: &Context<Self>) {
        let props = ctx.props();
        let state = props.store.state();
        let Some(document) = &state.document else {
            return;
        };
        self.estimated = document.total;
        let two = props.view == View::Both && self.width >= TWO_COLUMNS;
        let column = if two { self.width / 2.0 } else { self.width };
        let letters = as_f64(document.size) / as_f64(document.total.max(1));
        let lines = (letters * LETTER / column.max(1.0) + 0.5).max(1.0);
        let stacked = props.view == View::Both && !two;
        let sides = if stacked { 2.0 } else { 1.0 };
        self.scroll.heights.set_estimate(GAP + LINE * lines * sides);
    }

    /// Once there are enough rows with their text, they say how high the others are.
    fn calibrate(&mut self, ctx: &Context<Self>) {
        if self.calibrated {
            return;
        }
        let state = ctx.props().store.state();
        let Some(document) = &state.document else {
            return;
        };
        let is_here = |index: u64| document.cell(index).is_some();
        if (document.extent == Extent::Near || document.source == Load::Ready)
            && self.made.clone().all(is_here)
            && let Some((average, rows)) = self.scroll.heights.average()
            && rows >= ENOUGH_ROWS
        {
            self.calibrated = true;
            self.scroll.heights.set_estimate(average);
        }
    }

    fn note_newest(&mut self) {
        let seen = self.scroll.seen();
        self.away = self.newest.is_some_and(|newest| !seen.contains(&newest));
    }

    /// Tells the store where one reads.
    fn tell(&mut self, ctx: &Context<Self>) {
        if self.telling.is_some() {
            return;
        }
        let mut ready = self.scroll.ready();
        if !self.is_windowed() {
            ready = 0..self.scroll.heights.count();
        }
        let mut seen = self.scroll.seen();
        if self.scroll.heights.count() == 0 {
            // What will be there first is what is looked at.
            (seen, ready) = (0..0, 0..0);
        }
        let here = (Sight { seen, ready }, self.scroll.place());
        if self.told.as_ref() == Some(&here) {
            return;
        }
        self.told = Some(here.clone());
        let (sight, place) = here;
        let store = &ctx.props().store;
        let id = store.state().document.as_ref().map(|open| open.id.clone());
        if let Some(id) = id {
            store.dispatch(Msg::Reader(ReaderMsg::Seen { id, sight, place }));
        }
        let link = ctx.link().clone();
        self.telling = Some(Timeout::new(TELL_PAUSE, move || {
            link.send_message(Event::Tell);
        }));
    }

    fn observe(&mut self, ctx: &Context<Self>) {
        let link = ctx.link().clone();
        let heard = Closure::<dyn FnMut()>::new(move || link.send_message(Event::Resized));
        let Ok(observer) = ResizeObserver::new(heard.as_ref().unchecked_ref()) else {
            return;
        };
        for node in [&self.scroller, &self.block] {
            if let Some(element) = node.cast::<Element>() {
                observer.observe(&element);
            }
        }
        self.observed = Some(Observed {
            observer,
            _heard: heard,
        });
    }

    fn scroller(&self) -> Option<HtmlElement> {
        self.scroller.cast()
    }

    fn element_of(&self, row: u64) -> Option<HtmlElement> {
        let place = u32::try_from(row.checked_sub(self.made.start)?).ok()?;
        let block = self.block.cast::<Element>()?;
        block.children().item(place)?.dyn_into().ok()
    }
}

/// Whether not all rows of what is open are in the document.
pub(super) fn is_long(state: &State) -> bool {
    state.document.as_ref().is_some_and(|document| {
        let row = state.row(document.key);
        document.shown(row.is_some_and(|row| row.can_download())) > ALL
    })
}

/// The row that was translated last, as far as rows are translated in order; nothing when all is
/// done.
fn newest(document: &Document, row: &Row) -> Option<u64> {
    if !row.is_under_way() {
        return None;
    }
    match document.extent {
        Extent::Whole => document.first_missing(),
        Extent::Near => {
            let snapshot = row.snapshot.as_ref()?;
            (snapshot.done + snapshot.failed).min(document.total)
        }
    }
    .checked_sub(1)
}

/// What is still missing, in words.
fn to_come(document: &Document, row: &Row) -> Option<AttrValue> {
    let shown = document.shown(row.can_download());
    let missing = document.total.saturating_sub(shown);
    if row.can_download() {
        (shown == 0 && document.total > 0).then(|| say(Words::LoadingText).into())
    } else if !row.is_under_way() {
        None
    } else if shown == 0 {
        Some(say(Words::TextToCome).into())
    } else if missing > 0 {
        Some(plural(Words::MoreToCome, missing).into())
    } else {
        None
    }
}

/// Gives an element the focus, and leaves everything where it is.
fn focus(element: &HtmlElement) {
    let options = FocusOptions::new();
    options.set_prevent_scroll(true);
    // Fails for nothing that can have it.
    let _ = element.focus_with_options(&options);
}
