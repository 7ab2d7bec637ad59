//! The translation that is open in the reader: its segments, in whatever order they came.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use babelwire_wire::{Segment, rest};

use super::Key;

/// The most segments of one document: fewer than fit into the 50 MB that a backend takes, at two
/// bytes each. An index beyond it is passed over, so that no frame can make the page count rows
/// without end.
const MAX_SEGMENTS: u64 = 1 << 25;

/// The largest source that is kept whole, in bytes; of a larger one there is only what is near to
/// what is read.
pub const WHOLE_BYTES: u64 = 4 << 20;

/// How many bytes of text a document keeps that is not kept whole.
const NEAR_BYTES: usize = 4 << 20;

/// How many segments one request for rows asks for.
pub const ROWS_PAGE: u64 = 100;

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

/// How much of a document is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it, or as much as there is so far; the shell has the source's text.
    Whole,
    /// What is near to what is read; rows are asked for as they are needed.
    Near,
}

/// Whether the backend answers `GET rows`, which is an extension of the protocol. One that does
/// knows looks as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsAnswer {
    /// It was not asked yet.
    Unknown,
    /// It does.
    Given,
    /// It does not.
    Refused,
}

/// A segment as the reader needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The byte range in the source's UTF-8 text.
    pub source: (u64, u64),
    /// The source's words, where the shell has no text to cut them from.
    pub source_text: Option<Rc<str>>,
    /// The translation, once there is one.
    pub text: Option<Rc<str>>,
    /// Whether the backend gave up translating it.
    pub failed: bool,
    /// How many segments were translated when this one was looked up without a translation.
    seen: u64,
}

impl Cell {
    fn bytes(&self) -> usize {
        let text = |text: &Option<Rc<str>>| text.as_ref().map_or(0, |text| text.len());
        text(&self.source_text) + text(&self.text) + size_of::<Self>()
    }

    fn is_translated(&self) -> bool {
        self.text.is_some()
    }
}

/// The translation that is open in the reader.
#[derive(Debug)]
pub struct Document {
    /// The row that it belongs to.
    pub key: Key,
    /// The backend's id.
    pub id: String,
    /// The source's size in bytes.
    pub size: u64,
    /// How much of it is here.
    pub extent: Extent,
    /// The source's text, which the shell keeps.
    pub source: Load,
    /// Segments in all, as far as known.
    pub total: u64,
    /// Grows with every change, so that a view can tell whether there is anything new.
    pub version: u64,
    /// Whether the backend answers for rows.
    pub rows: RowsAnswer,
    /// Whether a page of segments is on its way.
    pub(super) fetching: bool,
    /// Whether rows are on their way.
    pub(super) fetching_rows: bool,
    /// Whether a push of one of the rows in view may have been lost: once in a while it is asked.
    pub(super) doubted: bool,
    /// How many segments were translated when all pages were last gone through.
    pub(super) walked: u64,
    /// The rows that are read, and those about them that are shown as well.
    pub(super) sight: Sight,
    /// The rows that the backend was told are looked at.
    pub(super) looked: Option<Range<u64>>,
    cells: BTreeMap<u64, Cell>,
    bytes: usize,
    have: u64,
    first_missing: u64,
}

/// What of a document can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sight {
    /// The rows that are in view, at least in part.
    pub seen: Range<u64>,
    /// These and the rows about them that are made ready to be seen.
    pub ready: Range<u64>,
}

impl Document {
    pub(super) fn new(key: Key, id: String, size: u64, total: u64) -> Self {
        Self {
            key,
            id,
            size,
            extent: if size > WHOLE_BYTES {
                Extent::Near
            } else {
                Extent::Whole
            },
            source: Load::Idle,
            total,
            version: 0,
            rows: RowsAnswer::Unknown,
            fetching: false,
            fetching_rows: false,
            doubted: false,
            walked: 0,
            sight: Sight::default(),
            looked: None,
            cells: BTreeMap::new(),
            bytes: 0,
            have: 0,
            first_missing: 0,
        }
    }

    /// Takes segments in; doubled ones change nothing.
    pub(super) fn put(&mut self, total: u64, segments: Vec<Segment>) {
        self.set_total(total);
        for segment in segments {
            let known = self.cells.get(&segment.index);
            let is_near = self.sight.ready.contains(&segment.index);
            if self.extent == Extent::Near && known.is_none() && !is_near {
                continue;
            }
            let cell = Cell {
                source: (segment.source[0], segment.source[1]),
                source_text: known.and_then(|known| known.source_text.clone()),
                text: (!segment.failed).then(|| segment.text.into()),
                failed: segment.failed,
                seen: known.map_or(0, |known| known.seen),
            };
            self.set(segment.index, cell);
        }
        self.advance();
    }

    /// Takes rows in that were asked for when `done` segments were translated.
    pub(super) fn put_rows(&mut self, total: u64, rows: Vec<rest::Row>, done: u64) {
        self.set_total(total);
        let near = self.extent == Extent::Near;
        for row in rows {
            let mut cell = Cell {
                source: (row.source[0], row.source[1]),
                source_text: near.then(|| row.source_text.into()),
                text: row.text.filter(|_| !row.failed).map(Into::into),
                failed: row.failed,
                seen: done,
            };
            // A push may have overtaken the answer.
            if let Some(known) = self.cells.get(&row.index)
                && known.is_translated()
                && !cell.is_translated()
            {
                cell.text.clone_from(&known.text);
                cell.failed = false;
            }
            self.set(row.index, cell);
        }
        self.advance();
        self.forget_far();
    }

    fn set(&mut self, index: u64, cell: Cell) {
        if index >= self.total.min(MAX_SEGMENTS) {
            return;
        }
        let known = self.cells.get(&index);
        let shown = |cell: &Cell| {
            let texts = (cell.source_text.clone(), cell.text.clone());
            (cell.source, texts, cell.failed)
        };
        let changed = known.is_none_or(|known| shown(known) != shown(&cell));
        let was = known.is_some_and(Cell::is_translated);
        self.bytes -= known.map_or(0, Cell::bytes);
        self.bytes += cell.bytes();
        self.have = self.have + u64::from(cell.is_translated()) - u64::from(was);
        self.cells.insert(index, cell);
        self.version += u64::from(changed);
    }

    fn advance(&mut self) {
        if self.extent == Extent::Whole {
            while self
                .cells
                .get(&self.first_missing)
                .is_some_and(Cell::is_translated)
            {
                self.first_missing += 1;
            }
        }
    }

    /// Lets go of rows until the text that is kept has its measure, the farthest from what is read
    /// first.
    fn forget_far(&mut self) {
        if self.extent == Extent::Whole {
            return;
        }
        let ready = self.sight.ready.clone();
        while self.bytes > NEAR_BYTES {
            let (Some((&first, _)), Some((&last, _))) =
                (self.cells.first_key_value(), self.cells.last_key_value())
            else {
                return;
            };
            let before = ready.start.saturating_sub(first);
            let after = last.saturating_sub(ready.end.saturating_sub(1));
            if before == 0 && after == 0 {
                return;
            }
            let far = if before > after { first } else { last };
            if let Some(cell) = self.cells.remove(&far) {
                self.bytes -= cell.bytes();
                self.have -= u64::from(cell.is_translated());
            }
        }
    }

    pub(super) fn set_total(&mut self, total: u64) {
        if self.total != total {
            self.total = total;
            self.version += 1;
        }
    }

    /// The backend does not answer for rows: what can be read is what the older calls give.
    pub(super) fn refuse_rows(&mut self) {
        self.rows = RowsAnswer::Refused;
        self.extent = Extent::Whole;
        self.version += 1;
    }

    /// The first of the rows made ready to be seen that should be asked for, those in view before
    /// the others. Rows without a translation are worth asking for again once more than they were
    /// seen with are translated, unless the news of them comes by itself.
    pub(super) fn wanted_row(&self, done: u64, pushed: bool) -> Option<u64> {
        let pushed = pushed && !self.doubted;
        let Sight { seen, ready } = &self.sight;
        let wanted = |index: &u64| match self.cells.get(index) {
            None => true,
            Some(cell) if self.extent == Extent::Near => {
                let again = !pushed && !cell.is_translated() && done > cell.seen;
                cell.source_text.is_none() || again
            }
            Some(_) => false,
        };
        seen.clone()
            .chain(seen.end.max(ready.start)..ready.end)
            .chain(ready.start..seen.start.min(ready.end))
            .filter(|index| *index < self.total)
            .find(wanted)
    }

    /// How many translated segments are here.
    pub fn have(&self) -> u64 {
        self.have
    }

    /// The first index without a translation, of a document that is here whole.
    pub fn first_missing(&self) -> u64 {
        self.first_missing
    }

    /// One more than the highest index that came so far.
    pub fn len(&self) -> u64 {
        self.cells
            .last_key_value()
            .map_or(0, |(&last, _)| last.saturating_add(1))
    }

    /// Whether no segment came so far.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// How many rows there are to show: all, where each has something to show or will have it.
    /// `done` is whether everything is translated.
    pub fn shown(&self, done: bool) -> u64 {
        if done || self.rows == RowsAnswer::Given || self.extent == Extent::Near {
            self.total.min(MAX_SEGMENTS)
        } else {
            self.len()
        }
    }

    /// The segment of that index, if it came.
    pub fn cell(&self, index: u64) -> Option<&Cell> {
        self.cells.get(&index)
    }

    /// All segments that are here, in order.
    pub fn cells(&self) -> impl Iterator<Item = (u64, &Cell)> {
        self.cells.iter().map(|(&index, cell)| (index, cell))
    }

    /// Where in the source's text that segment is: known from itself, or, for a single one that
    /// is still to come, from its neighbours.
    pub fn source_range(&self, index: u64) -> Option<(u64, u64)> {
        if let Some(cell) = self.cell(index) {
            return Some(cell.source);
        }
        let start = match index.checked_sub(1) {
            Some(before) => self.cell(before)?.source.1,
            None => 0,
        };
        Some((start, self.cell(index.checked_add(1)?)?.source.0))
    }
}
