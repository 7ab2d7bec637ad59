//! The translation that is open in the reader: its segments, in whatever order they came.

use std::rc::Rc;

use babelwire_wire::Segment;

use super::Key;

/// The most segments of one document. Far above any text that a backend takes; an index beyond it
/// is passed over, so that no frame can make the page reserve memory without end.
const MAX_SEGMENTS: u64 = 1 << 22;

/// Whether something was asked for and came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// Not asked for yet.
    Idle,
    /// Asked for.
    Loading,
    /// Here.
    Ready,
    /// It did not come: why, in words.
    Failed(Rc<str>),
}

/// A translated segment as the reader needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The byte range in the source's UTF-8 text.
    pub source: (u64, u64),
    /// The translation.
    pub text: Rc<str>,
}

/// The translation that is open in the reader.
#[derive(Debug)]
pub struct Document {
    /// The row that it belongs to.
    pub key: Key,
    /// The backend's id.
    pub id: String,
    /// The source's text, which the shell keeps.
    pub source: Load,
    /// Segments in all, as far as known.
    pub total: u64,
    /// Grows with every change, so that a view can tell whether there is anything new.
    pub version: u64,
    /// Whether a page of segments is on its way.
    pub(super) fetching: bool,
    /// How many segments were translated when all pages were last gone through.
    pub(super) walked: u64,
    cells: Vec<Option<Cell>>,
    have: u64,
    first_missing: usize,
}

impl Document {
    pub(super) fn new(key: Key, id: String, total: u64) -> Self {
        Self {
            key,
            id,
            source: Load::Idle,
            total,
            version: 0,
            fetching: false,
            walked: 0,
            cells: Vec::new(),
            have: 0,
            first_missing: 0,
        }
    }

    /// Takes segments in; doubled ones change nothing.
    pub(super) fn put(&mut self, total: u64, segments: Vec<Segment>) {
        let mut changed = total != self.total;
        self.total = total;
        for segment in segments {
            if segment.index >= total.min(MAX_SEGMENTS) {
                continue;
            }
            let Ok(index) = usize::try_from(segment.index) else {
                continue;
            };
            if index >= self.cells.len() {
                self.cells.resize_with(index + 1, || None);
            }
            let cell = Cell {
                source: (segment.source[0], segment.source[1]),
                text: segment.text.into(),
            };
            let Some(place) = self.cells.get_mut(index) else {
                continue;
            };
            if place.as_ref() != Some(&cell) {
                self.have += u64::from(place.is_none());
                *place = Some(cell);
                changed = true;
            }
        }
        while matches!(self.cells.get(self.first_missing), Some(Some(_))) {
            self.first_missing += 1;
        }
        self.version += u64::from(changed);
    }

    /// How many segments are here.
    pub fn have(&self) -> u64 {
        self.have
    }

    /// The first index without a translation.
    pub fn first_missing(&self) -> u64 {
        self.first_missing as u64
    }

    /// One more than the highest index that came so far.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether no segment came so far.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The segment of that index, if it came.
    pub fn cell(&self, index: usize) -> Option<&Cell> {
        self.cells.get(index)?.as_ref()
    }

    /// Where in the source's text that segment is: known from itself, or, for a single one that
    /// is still to come, from its neighbours.
    pub fn source_range(&self, index: usize) -> Option<(u64, u64)> {
        if let Some(cell) = self.cell(index) {
            return Some(cell.source);
        }
        let start = match index.checked_sub(1) {
            Some(before) => self.cell(before)?.source.1,
            None => 0,
        };
        Some((start, self.cell(index + 1)?.source.0))
    }
}
