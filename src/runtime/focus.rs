//! Whoever uses a keyboard never loses their place: when what has the focus goes, the nearest thing
//! to it has it instead.

use std::cell::{Cell, RefCell};

use gloo_timers::callback::Timeout;
use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlElement};

use crate::store::State;

/// What can be pressed.
const PRESSABLE: &str = "button:enabled, a[href]";

/// What had the focus, and where it was.
#[derive(Clone)]
struct Held {
    element: HtmlElement,
    /// The file's entry that it is in, and the entry's place in the list.
    entry: Option<(Element, u32)>,
    /// The list of that entry.
    list: Option<Element>,
    in_reader: bool,
    /// It lost the focus because it can't be pressed for now.
    is_disabled: bool,
}

thread_local! {
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
    /// What had the focus last in the list: the reader gives it back there.
    static OPENER: RefCell<Option<HtmlElement>> = const { RefCell::new(None) };
    static ROWS: Cell<usize> = const { Cell::new(0) };
}

/// Remembers what has the focus, and looks after it once the page has been rendered. To be called
/// after each batch.
pub(super) fn keep(state: &State) {
    let Some(document) = web_sys::window().and_then(|window| window.document()) else {
        return;
    };
    match focused(&document) {
        Some(element) => {
            let held = Held::new(element);
            if held.entry.is_some() {
                OPENER.set(Some(held.element.clone()));
            }
            HELD.set(Some(held));
        }
        // It was left on purpose, unless it can't have it now.
        None => HELD.with_borrow_mut(|held| {
            if held
                .as_ref()
                .is_some_and(|held| held.element.is_connected() && !held.is_disabled)
            {
                *held = None;
            }
        }),
    }
    let one_went = state.rows.len() < ROWS.replace(state.rows.len());
    if HELD.with_borrow(Option::is_some) {
        // The page is rendered in a microtask, so before any timeout.
        Timeout::new(0, move || look_after(&document, one_went)).forget();
    }
}

/// What has the focus; the page as a whole is nothing.
fn focused(document: &Document) -> Option<HtmlElement> {
    document
        .active_element()
        .filter(|element| element.tag_name() != "BODY")
        .and_then(|element| element.dyn_into().ok())
}

fn look_after(document: &Document, one_went: bool) {
    let Some(mut held) = HELD.with_borrow(Clone::clone) else {
        return;
    };
    let is_disabled = held.element.matches(":disabled").unwrap_or_default();
    if is_disabled && held.element.is_connected() {
        // The browser takes the focus from it at the next frame.
        held.is_disabled = true;
        return HELD.set(Some(held));
    }
    if focused(document).is_some() {
        return;
    }
    if held.element.is_connected() {
        if held.is_disabled {
            focus(&held.element);
        }
        return;
    }
    HELD.set(None);
    if let Some(heir) = held.heir(one_went) {
        focus(&heir);
    }
    for selector in [".drop button", ".reader h2"] {
        if focused(document).is_some() {
            return;
        }
        // Neither selector is malformed.
        if let Ok(Some(element)) = document.query_selector(selector) {
            focus(element.unchecked_ref());
        }
    }
}

/// Fails for nothing; what can't have the focus does not get it.
fn focus(element: &HtmlElement) {
    let _ = element.focus();
}

impl Held {
    fn new(element: HtmlElement) -> Self {
        let closest = |selector| element.closest(selector).ok().flatten();
        let entry = closest(".files > li");
        let list = entry.as_ref().and_then(|entry| entry.parent_element());
        let place = |entry: &Element| {
            let mut place = 0;
            let mut before = entry.previous_element_sibling();
            while let Some(sibling) = before {
                place += 1;
                before = sibling.previous_element_sibling();
            }
            place
        };
        Self {
            entry: entry.map(|entry| {
                let place = place(&entry);
                (entry, place)
            }),
            list,
            in_reader: closest(".reader").is_some(),
            is_disabled: false,
            element,
        }
    }

    /// What is nearest to what went.
    fn heir(&self, one_went: bool) -> Option<HtmlElement> {
        let pressable = |within: Element| {
            let found = within.query_selector(PRESSABLE).ok().flatten();
            found.and_then(|element| element.dyn_into().ok())
        };
        if self.in_reader {
            return OPENER
                .with_borrow(Clone::clone)
                .filter(|opener| opener.is_connected());
        }
        let (entry, place) = self.entry.as_ref()?;
        if entry.is_connected() {
            return pressable(entry.clone());
        }
        // An entry that was only scrolled out of sight leaves the focus where the person looks.
        let list = self.list.as_ref().filter(|_| one_went)?;
        let children = list.children();
        let highest = children.length().checked_sub(1)?;
        children.item((*place).min(highest)).and_then(pressable)
    }
}
