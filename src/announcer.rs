//! What a person who listens to the page is told: each file's beginning and end, once.
//!
//! Pure: rows go in after every batch of messages, and what to say comes out. The runtime says it
//! in a live region, at most once a second.

use std::rc::Rc;

use babelwire_wire::Status;

use crate::store::{Key, Row, Stage};
use crate::words::{self, Text, fill, plural};

/// How many files are told of one by one; more than that at once are told together, since nobody
/// listens to a thousand names.
const ONE_BY_ONE: usize = 3;

/// How far a row is, as far as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    UnderWay,
    Done,
    Failed,
    Cancelled,
}

impl Phase {
    fn of(row: &Row) -> Self {
        if row.is_under_way() {
            return Self::UnderWay;
        }
        match (row.status(), &row.stage) {
            (Some(Status::Done), _) => Self::Done,
            (Some(Status::Failed), _) | (None, Stage::Stopped(_)) => Self::Failed,
            (Some(Status::Cancelled), _) | (None, Stage::Cancelled) => Self::Cancelled,
            _ => Self::UnderWay,
        }
    }
}

/// Something to say of a file.
#[derive(Debug)]
struct News {
    key: Key,
    phase: Phase,
    words: String,
}

/// Knows what has been told, and what has not.
#[derive(Debug, Default)]
pub struct Announcer {
    /// How far each row was when it was last looked at, in the order of the list.
    known: Vec<(Key, Phase)>,
    /// At most one of each file: the newest.
    news: Vec<News>,
    /// What is of no file: the newest.
    other: Option<String>,
}

impl Announcer {
    /// Looks at the files after a batch.
    ///
    /// A row that was not there before is told of if this page sends it. Any other came from
    /// elsewhere, and somebody who opens the page hears nothing of what was there already.
    pub fn look(&mut self, rows: &[Rc<Row>]) {
        let before = std::mem::take(&mut self.known);
        let mut place = 0;
        for row in rows {
            let phase = Phase::of(row);
            // Rows mostly stay where they are; one is searched for only after a change of order.
            let last = match before.get(place) {
                Some((key, last)) if *key == row.key => Some(*last),
                _ => {
                    let found = before.iter().position(|(key, _)| *key == row.key);
                    place = found.unwrap_or(place);
                    found
                        .and_then(|found| before.get(found))
                        .map(|(_, last)| *last)
                }
            };
            if last.is_some() {
                place += 1;
            }
            self.known.push((row.key, phase));
            let is_news = match last {
                Some(last) => last != phase,
                None => row.file.is_some(),
            };
            if is_news {
                self.tell(row, phase);
            }
        }
        if before.len() > rows.len() {
            let known = &self.known;
            self.news
                .retain(|news| known.iter().any(|(key, _)| *key == news.key));
        }
    }

    fn tell(&mut self, row: &Row, phase: Phase) {
        let state = match phase {
            Phase::UnderWay => words::say(Text::SaidStarted).to_owned(),
            _ => words::state(row),
        };
        self.news.retain(|news| news.key != row.key);
        self.news.push(News {
            key: row.key,
            phase,
            words: fill(Text::SaidOfFile, &[&row.name, &state]),
        });
    }

    /// Something that is of no file; it takes the place of what was to be said before.
    pub fn say(&mut self, words: String) {
        self.other = Some(words);
    }

    /// What to say now, if there is anything.
    pub fn next_message(&mut self) -> Option<String> {
        if let Some(words) = self.other.take() {
            return Some(words);
        }
        if self.news.len() <= ONE_BY_ONE {
            return (!self.news.is_empty()).then(|| self.news.remove(0).words);
        }
        let news = std::mem::take(&mut self.news);
        let mut sentences = Vec::new();
        for (phase, text) in [
            (Phase::Failed, Text::SaidManyFailed),
            (Phase::Done, Text::SaidManyDone),
            (Phase::Cancelled, Text::SaidManyCancelled),
            (Phase::UnderWay, Text::SaidManyStarted),
        ] {
            let many = news.iter().filter(|one| one.phase == phase).count();
            if many > 0 {
                sentences.push(plural(text, many as u64));
            }
        }
        Some(sentences.join(" "))
    }
}
