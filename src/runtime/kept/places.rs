//! Where somebody reads, for each translation: a page that is opened again goes on there.

use std::cell::{Cell, RefCell};

use gloo_timers::callback::Timeout;

use super::{recall, remember};
use crate::runtime::Store;
use crate::store::{Msg, ReaderMsg, State};

/// Where the places are remembered: a translation's id, a space and a row in each line.
const KEY: &str = "babelwire.places";

/// How many places are remembered, those of the latest reading.
const MOST: usize = 200;

/// How long a place has to stay before it is written, in milliseconds.
const SETTLED: u32 = 500;

thread_local! {
    /// The places, the latest last.
    static PLACES: RefCell<Option<Vec<(String, u64)>>> = const { RefCell::new(None) };
    /// The translation that is read.
    static OPEN: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Whether the reader has come to the place that was remembered.
    static THERE: Cell<bool> = const { Cell::new(false) };
    static WRITING: RefCell<Option<Timeout>> = const { RefCell::new(None) };
}

/// Notes where somebody reads, and has the reader go to where they read before.
pub(super) fn follow(store: &Store, state: &State) {
    let open = state.document.as_ref().map(|document| &document.id);
    if OPEN.with_borrow(|known| known.as_ref() != open) {
        OPEN.replace(open.cloned());
        let place = open.and_then(|id| known_place(id));
        THERE.set(place.is_none());
        if let Some(row) = place {
            store.dispatch(Msg::Reader(ReaderMsg::Restore { row }));
        }
        return;
    }
    let (Some(id), Some(place)) = (open, state.reader.place) else {
        return;
    };
    // The first place of a reader that has just opened is its first row.
    if !THERE.get() && place.row == 0 {
        return;
    }
    THERE.set(true);
    if known_place(id).unwrap_or_default() != place.row {
        note(id, place.row);
        WRITING.replace(Some(Timeout::new(SETTLED, write)));
    }
}

fn with_places<T>(then: impl FnOnce(&mut Vec<(String, u64)>) -> T) -> T {
    PLACES.with_borrow_mut(|places| then(places.get_or_insert_with(read)))
}

fn read() -> Vec<(String, u64)> {
    let lines = recall(KEY).unwrap_or_default();
    let place = |line: &str| {
        let (id, row) = line.rsplit_once(' ')?;
        Some((id.to_owned(), row.parse().ok()?))
    };
    lines.lines().filter_map(place).collect()
}

fn known_place(id: &str) -> Option<u64> {
    with_places(|places| {
        let place = places.iter().find(|(known, _)| known == id);
        place.map(|(_, row)| *row)
    })
}

fn note(id: &str, row: u64) {
    with_places(|places| {
        places.retain(|(known, _)| known != id);
        if row > 0 {
            places.push((id.to_owned(), row));
        }
        let surplus = places.len().saturating_sub(MOST);
        places.drain(..surplus);
    });
}

/// Forgets them all.
pub(super) fn forget() {
    PLACES.replace(Some(Vec::new()));
    write();
}

/// Writes what was noted.
pub(super) fn write() {
    drop(WRITING.take());
    let lines = with_places(|places| {
        let lines = places
            .iter()
            .map(|(id, row)| [id, " ", &*row.to_string()].concat());
        lines.collect::<Vec<_>>().join("\n")
    });
    remember(KEY, (!lines.is_empty()).then_some(&lines));
}
