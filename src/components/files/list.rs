//! The list of files. Of a long one, only what is near the eyes is in the document.

use std::collections::HashMap;

use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{AddEventListenerOptions, Element, HtmlElement, Window};
use yew::prelude::*;

use super::row::{FileRow, RowRef};
use super::span::{Heights, Span};
use crate::intl::{in_digits, pixels};
use crate::runtime::Store;
use crate::store::{Key, State};
use crate::words::{Text, say};

/// Up to this many, all are in the document: the browser's own search finds them all.
const ALL: usize = 100;

/// What a row has its key in.
const KEY: &str = "data-key";

#[derive(PartialEq, Properties)]
pub(super) struct Props {
    store: Store,
    rows: Vec<RowRef>,
    open: Option<Key>,
    demonstration: bool,
}

impl Props {
    pub(super) fn new(store: &Store, state: &State) -> Self {
        Self {
            store: store.clone(),
            rows: state.rows.iter().cloned().map(RowRef).collect(),
            open: state.document.as_ref().map(|document| document.key),
            demonstration: state.is_demonstration(),
        }
    }
}

pub(super) struct FileList {
    list: NodeRef,
    heights: Heights,
    /// The rows that are in the document.
    span: Span,
    /// Told when somebody scrolls, anywhere.
    scrolled: Closure<dyn FnMut()>,
}

/// Another part of the list may be in view.
pub(super) struct Scrolled;

impl Component for FileList {
    type Message = Scrolled;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        let link = ctx.link().clone();
        let scrolled = Closure::new(move || link.send_message(Scrolled));
        if let Some(window) = web_sys::window() {
            for kind in ["scroll", "resize"] {
                // Fails for no listener that is a function.
                let _ = window.add_event_listener_with_callback_and_add_event_listener_options(
                    kind,
                    scrolled.as_ref().unchecked_ref(),
                    &capturing(),
                );
            }
        }
        Self {
            list: NodeRef::default(),
            heights: Heights::default(),
            span: Span::default(),
            scrolled,
        }
    }

    fn destroy(&mut self, _: &Context<Self>) {
        if let Some(window) = web_sys::window() {
            for kind in ["scroll", "resize"] {
                // As above.
                let _ = window.remove_event_listener_with_callback_and_bool(
                    kind,
                    self.scrolled.as_ref().unchecked_ref(),
                    true,
                );
            }
        }
    }

    fn update(&mut self, ctx: &Context<Self>, Scrolled: Scrolled) -> bool {
        let rows = &ctx.props().rows;
        let uncovered = rows.len() > ALL && !self.span.covers(self.seen(rows));
        if uncovered {
            self.aim(rows);
        }
        uncovered
    }

    fn changed(&mut self, ctx: &Context<Self>, _: &Props) -> bool {
        let rows = &ctx.props().rows;
        if rows.len() > ALL {
            self.aim(rows);
        }
        true
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let props = ctx.props();
        let count = props.rows.len();
        let windowed = count > ALL;
        let span = self.shown(count);
        let rows = props.rows.iter().enumerate();
        let rows = rows.skip(span.start).take(span.end - span.start);
        let size = windowed.then(|| count.to_string());
        let rows = rows.map(|(place, row)| {
            let place = windowed.then(|| (place + 1).to_string());
            html! {
                <FileRow key={row.0.key} store={props.store.clone()} row={row.clone()}
                    open={props.open == Some(row.0.key)} demonstration={props.demonstration}
                    {place} size={size.clone()} />
            }
        });
        html! {
            <ul ref={self.list.clone()} class="files" aria-label={say(Text::Files)}
                data-windowed={windowed.then_some("")}>
                { for rows }
            </ul>
        }
    }

    fn rendered(&mut self, ctx: &Context<Self>, _: bool) {
        let rows = &ctx.props().rows;
        let Some(list) = self.list.cast::<HtmlElement>() else {
            return;
        };
        let style = list.style();
        if rows.len() <= ALL {
            // Plain names and values, as below: none fails.
            let _ = style.remove_property("padding-block");
            return;
        }
        let before = self.start_of_seen(rows, &list);
        self.measure(&list);
        let span = self.shown(rows.len());
        let (above, below) = self.heights.around(rows.iter().map(|row| row.0.key), span);
        let _ = style.set_property("padding-block", &format_pair(above, below));
        // What turned out higher or lower above the eyes must not move what they are on.
        if let Some((place, start)) = before {
            let now = self.heights.start(rows.iter().map(|row| row.0.key), place);
            if (now - start).abs() >= 1.0 {
                scroll_by(&list, now - start);
            }
        }
        let seen = self.seen(rows);
        if !self.span.covers(seen) {
            ctx.link().send_message(Scrolled);
        }
    }
}

impl FileList {
    /// The rows in the document.
    fn shown(&self, count: usize) -> Span {
        if count <= ALL {
            Span {
                start: 0,
                end: count,
            }
        } else {
            self.span.within(count)
        }
    }

    /// Has the rows around those in view in the document.
    fn aim(&mut self, rows: &[RowRef]) {
        self.span = self.seen(rows).with_reserve().within(rows.len());
    }

    /// The rows in view.
    fn seen(&self, rows: &[RowRef]) -> Span {
        let view = web_sys::window().and_then(|window| height(&window));
        let view = view.unwrap_or(1_000.0);
        let top = self
            .list
            .cast::<Element>()
            .map_or(0.0, |list| -list.get_bounding_client_rect().top());
        self.heights
            .between(rows.iter().map(|row| row.0.key), top, top + view)
    }

    /// The first row whose beginning is in view, and where it begins.
    fn start_of_seen(&self, rows: &[RowRef], list: &Element) -> Option<(usize, f64)> {
        let top = -list.get_bounding_client_rect().top();
        if top <= 0.0 {
            return None;
        }
        let keys = || rows.iter().map(|row| row.0.key);
        let place = self.heights.between(keys(), top, top + 1.0).start;
        Some((place, self.heights.start(keys(), place)))
    }

    fn measure(&mut self, list: &HtmlElement) {
        let gap = web_sys::window()
            .and_then(|window| window.get_computed_style(list).ok()?)
            .and_then(|style| style.get_property_value("row-gap").ok())
            .map_or(0.0, |gap| pixels(&gap));
        let items = list.children();
        let measured: HashMap<Key, f64> = (0..items.length())
            .filter_map(|index| {
                let item = items.item(index)?;
                let key = item.get_attribute(KEY)?.parse().ok()?;
                Some((key, item.get_bounding_client_rect().height() + gap))
            })
            .collect();
        self.heights.learn(measured);
    }
}

/// Scrolling does not bubble, but it can be heard on its way down.
fn capturing() -> AddEventListenerOptions {
    let options = AddEventListenerOptions::new();
    options.set_capture(true);
    options.set_passive(true);
    options
}

fn height(window: &Window) -> Option<f64> {
    window.inner_height().ok()?.as_f64()
}

fn format_pair(above: f64, below: f64) -> String {
    [&*in_digits(above), "px ", &in_digits(below), "px"].concat()
}

/// Scrolls whatever scrolls the list: the panel that it is in, or the page.
fn scroll_by(list: &Element, distance: f64) {
    if let Ok(Some(panel)) = list.closest(".side") {
        let before = panel.scroll_top();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "no list comes near 2^31 pixels"
        )]
        panel.set_scroll_top(before + distance.round() as i32);
        if panel.scroll_top() != before {
            return;
        }
    }
    if let Some(window) = web_sys::window() {
        window.scroll_by_with_x_and_y(0.0, distance);
    }
}
