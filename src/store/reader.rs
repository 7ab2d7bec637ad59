//! The reader beyond the document itself: where one reads, what is searched for, the proof.

use std::collections::BTreeSet;
use std::rc::Rc;

use babelwire_wire::Translation;
use babelwire_wire::rest::{Found, Proof, Rows};

use super::document::Sight;
use super::{Trouble, View};

/// How many matches one answer has at most.
pub const MATCHES_PAGE: u64 = 1000;

/// What is known of the reader beyond the document itself.
#[derive(Debug, Default)]
pub struct Reader {
    /// Where the person reads.
    pub place: Option<Place>,
    /// Where the person wants to be; the view goes there when the number changes.
    pub jump: Option<Jump>,
    /// What is searched for, while the find bar is open.
    pub find: Option<Find>,
    /// How well the translation is, once it is finished, where the backend can tell.
    pub proof: Option<Rc<Proof>>,
    /// Whether the proof is shown.
    pub proof_open: bool,
    /// Segments that are being translated again.
    pub again: BTreeSet<u64>,
    /// What became of copying the translation.
    pub copied: Copied,
    /// What the proof was asked for with: the revision of the translation.
    pub(super) proof_asked: u64,
    jumps: u32,
}

/// A place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The first row that can be seen from its beginning.
    pub row: u64,
    /// How far below the upper edge it begins, in CSS pixels.
    pub below: i32,
}

/// A wish to be somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// The row.
    pub row: u64,
    /// Why.
    pub why: Why,
    /// Tells it from the one before.
    pub number: u32,
}

/// Why the view goes to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is where the person was the last time.
    Restored,
    /// It has what was searched for: brought into view, and the focus stays where it is.
    Found,
    /// The person followed a link to it: the focus goes there.
    Linked,
}

/// What became of copying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Copied {
    /// Nothing was copied just now.
    #[default]
    No,
    /// The text is being fetched.
    Coming,
    /// It is on the clipboard.
    Yes,
    /// The browser did not allow it, or the text did not come.
    Failed,
}

/// Which way to the next match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Down.
    Next,
    /// Up.
    Previous,
}

/// A search in the document. What is found are rows, each once however often it has the words.
#[derive(Debug, Default)]
pub struct Find {
    /// What is searched for; empty before anything is.
    pub query: Rc<str>,
    /// Matching rows in all, once known.
    pub total: Option<u64>,
    /// Whether an answer is awaited.
    pub searching: bool,
    /// Why there is none, in words.
    pub trouble: Option<Rc<str>>,
    /// A run of matches without gaps, ascending.
    matches: Vec<u64>,
    /// The place of the run's first match among all, from 0, where that is known.
    before: Option<u64>,
    /// The run's match that the person is at.
    at: Option<usize>,
    /// Where to go when the answer is here.
    pending: Option<Pending>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    /// To the first match at or after this row, or else the first of all. The answer begins at
    /// this row, or else at the text's beginning.
    From(u64),
    /// To the match after the run.
    After,
    /// To the first match of all.
    First,
    /// To the last match before this row. The answer begins at the other.
    Before { row: u64, from: u64 },
}

impl Find {
    /// The row of the match that the person is at.
    pub fn current(&self) -> Option<u64> {
        self.matches.get(self.at?).copied()
    }

    /// Its place among all matches, from 1, where that is known.
    pub fn ordinal(&self) -> Option<u64> {
        Some(self.before? + u64::try_from(self.at?).ok()? + 1)
    }

    /// Another query begins, at the row where the person reads.
    pub(super) fn start(&mut self, query: &str, row: u64) {
        *self = Self {
            query: query.into(),
            searching: !query.is_empty(),
            pending: (!query.is_empty()).then_some(Pending::From(row)),
            ..Self::default()
        };
    }

    fn run_is_all_to_the_end(&self) -> bool {
        let run = u64::try_from(self.matches.len()).unwrap_or(u64::MAX);
        self.before
            .zip(self.total)
            .is_some_and(|(before, total)| before.saturating_add(run) >= total)
    }

    /// Goes one match on; gives the row to search from when there is more to know first. `rows` is
    /// how many the document has.
    pub(super) fn step(&mut self, way: Way, rows: u64) -> Option<u64> {
        if self.searching || self.total.unwrap_or(0) == 0 {
            return None;
        }
        let at = self.at?;
        let last = self.matches.len().saturating_sub(1);
        let (pending, from) = match way {
            Way::Next if at < last => {
                self.at = Some(at + 1);
                return None;
            }
            Way::Next if !self.run_is_all_to_the_end() => {
                (Pending::After, self.matches.last()?.saturating_add(1))
            }
            Way::Next if self.before == Some(0) => {
                self.at = Some(0);
                return None;
            }
            Way::Next => (Pending::First, 0),
            Way::Previous if at > 0 => {
                self.at = Some(at - 1);
                return None;
            }
            Way::Previous if self.before == Some(0) && self.run_is_all_to_the_end() => {
                self.at = Some(last);
                return None;
            }
            Way::Previous => {
                let row = match self.before {
                    Some(0) => rows,
                    _ => *self.matches.first()?,
                };
                // No more rows than one answer has matches: none between is left out.
                let from = row.saturating_sub(MATCHES_PAGE);
                (Pending::Before { row, from }, from)
            }
        };
        self.pending = Some(pending);
        self.searching = true;
        Some(from)
    }

    /// Takes an answer in that begins at row `from`; gives the row to search from when it takes
    /// another.
    pub(super) fn take(&mut self, from: u64, found: Found, rows: u64) -> Option<u64> {
        self.searching = false;
        self.trouble = None;
        self.total = Some(found.total);
        let pending = self.pending.take()?;
        let all = u64::try_from(found.matches.len()).is_ok_and(|here| here >= found.total);
        let ask = |find: &mut Self, pending, from| {
            find.pending = Some(pending);
            find.searching = true;
            Some(from)
        };
        match pending {
            Pending::From(row) => {
                let place = found.matches.partition_point(|index| *index < row);
                if place == found.matches.len() && from == 0 && !all {
                    // Beyond what one answer holds.
                    return ask(self, Pending::From(row), row);
                }
                if found.matches.is_empty() && from > 0 && found.total > 0 {
                    return ask(self, Pending::First, 0);
                }
                self.before = (from == 0).then_some(0);
                self.at = (!found.matches.is_empty()).then_some(if place == found.matches.len() {
                    0
                } else {
                    place
                });
                self.matches = found.matches;
            }
            Pending::After => {
                if found.matches.is_empty() {
                    return ask(self, Pending::First, 0);
                }
                self.at = Some(self.matches.len());
                self.matches.extend(found.matches);
            }
            Pending::First => {
                self.before = Some(0);
                self.at = (!found.matches.is_empty()).then_some(0);
                self.matches = found.matches;
            }
            Pending::Before { row, from: begun } => {
                let mut matches = found.matches;
                matches.retain(|index| *index < row);
                if matches.is_empty() {
                    // Further up; above the first row is the end.
                    let row = if begun == 0 { rows } else { begun };
                    let from = row.saturating_sub(MATCHES_PAGE);
                    return ask(self, Pending::Before { row, from }, from);
                }
                self.at = Some(matches.len() - 1);
                if self.matches.first() == Some(&row) {
                    let run = u64::try_from(matches.len()).unwrap_or_default();
                    self.before = self.before.map(|before| before.saturating_sub(run));
                    matches.append(&mut self.matches);
                } else if row >= rows {
                    let run = u64::try_from(matches.len()).unwrap_or_default();
                    self.before = Some(found.total.saturating_sub(run));
                } else {
                    self.before = None;
                }
                self.matches = matches;
            }
        }
        None
    }

    pub(super) fn fail(&mut self, why: Rc<str>) {
        self.searching = false;
        self.pending = None;
        self.trouble = Some(why);
    }
}

impl Reader {
    /// Has the view go to a row.
    pub(super) fn jump_to(&mut self, row: u64, why: Why) {
        self.jumps = self.jumps.wrapping_add(1);
        self.jump = Some(Jump {
            row,
            why,
            number: self.jumps,
        });
    }

    /// Forgets all that is about the document that was open.
    pub(super) fn clear(&mut self) {
        *self = Self {
            jumps: self.jumps,
            ..Self::default()
        };
    }
}

/// What can happen to it.
#[derive(Debug)]
pub enum ReaderMsg {
    /// Other rows are in view than before.
    Seen {
        /// The translation's id.
        id: String,
        /// Which.
        sight: Sight,
        /// Where the person reads.
        place: Place,
    },
    /// The person was at this row the last time.
    Restore {
        /// The row.
        row: u64,
    },
    /// The person followed a link to a row.
    Jump {
        /// The row.
        row: u64,
    },
    /// Rows were answered.
    Rows {
        /// The translation's id.
        id: String,
        /// How many segments were translated when they were asked for.
        done: u64,
        /// The answer.
        result: Result<Rows, Trouble>,
    },
    /// The person opened the find bar.
    OpenFind,
    /// The person closed it.
    CloseFind,
    /// The person wants these words.
    Find(String),
    /// The person wants another match.
    Step(Way),
    /// Matches were answered.
    Found {
        /// The translation's id.
        id: String,
        /// What was searched for.
        query: Rc<str>,
        /// The row that the answer begins at.
        from: u64,
        /// The answer.
        result: Result<Found, Trouble>,
    },
    /// The proof was answered.
    Proof {
        /// The translation's id.
        id: String,
        /// The answer.
        result: Result<Proof, Trouble>,
    },
    /// The person opened or closed the proof.
    ToggleProof,
    /// The person wants a segment translated again.
    Again(u64),
    /// The backend answered to that.
    AgainAnswered {
        /// The translation's id.
        id: String,
        /// The segment.
        index: u64,
        /// The answer.
        result: Result<Box<Translation>, Trouble>,
    },
    /// The person wants the translation on the clipboard.
    Copy,
    /// What became of it.
    Copied(Copied),
}

/// What has to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReaderEffect {
    /// Tell the backend what is looked at. Of several in a short time the last one counts.
    Look {
        /// The translation's id.
        id: String,
        /// The first row.
        from: u64,
        /// The row after the last one.
        to: u64,
    },
    /// Nothing of it is looked at any more.
    EndLook {
        /// The translation's id.
        id: String,
    },
    /// `GET …/rows`.
    FetchRows {
        /// The translation's id.
        id: String,
        /// The first index wanted.
        from: u64,
        /// How many at most.
        limit: u64,
        /// How many segments are translated, as far as the page knows.
        done: u64,
    },
    /// Search the text that is here.
    FindHere {
        /// The translation's id.
        id: String,
        /// What for.
        query: Rc<str>,
        /// What is searched.
        view: View,
    },
    /// `GET …/find`.
    FetchMatches {
        /// The translation's id.
        id: String,
        /// What for.
        query: Rc<str>,
        /// What is searched.
        view: View,
        /// The first row that may match.
        from: u64,
    },
    /// `GET …/proof`.
    FetchProof {
        /// The translation's id.
        id: String,
    },
    /// `POST …/segments/{index}/retry`.
    Again {
        /// The translation's id.
        id: String,
        /// The segment.
        index: u64,
    },
    /// Fetch the translation and put it on the clipboard.
    Copy {
        /// The translation's id.
        id: String,
        /// Whether it is not finished: what is not translated is in the source's words.
        partial: bool,
    },
}

/// A text without its cases, each character by itself, as the backend compares them.
pub fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}
