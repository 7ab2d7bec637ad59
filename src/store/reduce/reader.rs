//! The translation that is open.

use babelwire_wire::Translation;
use babelwire_wire::rest::{Found, Proof, Rows, Segments};

use super::super::document::{Extent, ROWS_PAGE, RowsAnswer, Sight};
use super::super::reader::{Copied, Find, Place, Why};
use super::super::{
    Document, Effect, Key, Link, Load, ReaderEffect, ReaderMsg, SEGMENTS_PAGE, Trouble, View,
};
use super::Step;
use crate::words::{self, Text};

impl Step<'_> {
    pub(super) fn reader(&mut self, msg: ReaderMsg) {
        let reader = &mut self.state.reader;
        match msg {
            ReaderMsg::Seen { id, sight, place } => self.seen(&id, sight, place),
            ReaderMsg::Restore { row } => reader.jump_to(row, Why::Restored),
            ReaderMsg::Jump { row } => reader.jump_to(row, Why::Linked),
            ReaderMsg::Rows { id, done, result } => self.rows(&id, done, result),
            ReaderMsg::OpenFind => {
                reader.find.get_or_insert_default();
            }
            ReaderMsg::CloseFind => reader.find = None,
            ReaderMsg::Find(query) => self.find(&query),
            ReaderMsg::Step(way) => {
                let rows = self.state.document.as_ref().map_or(0, |open| open.total);
                if let Some(find) = &mut self.state.reader.find {
                    let from = find.step(way, rows);
                    self.go_on_finding(from);
                }
            }
            ReaderMsg::Found {
                id,
                query,
                from,
                result,
            } => self.found(&id, &query, from, result),
            ReaderMsg::Proof { id, result } => self.proof(&id, result),
            ReaderMsg::ToggleProof => reader.proof_open = !reader.proof_open,
            ReaderMsg::Again(index) => self.again(index),
            ReaderMsg::AgainAnswered { id, index, result } => match result {
                Ok(snapshot) => self.snapshot(*snapshot),
                Err(trouble) => {
                    if self.document(&id).is_some() {
                        self.state.reader.again.remove(&index);
                        self.state.notice = Some(words::sentence(&trouble).into());
                    }
                }
            },
            ReaderMsg::Copy => self.copy(),
            ReaderMsg::Copied(copied) => reader.copied = copied,
        }
    }

    pub(super) fn open(&mut self, key: Key) {
        let Some(row) = self.state.row(key).filter(|row| row.can_open()) else {
            return;
        };
        let Some(snapshot) = &row.snapshot else {
            return;
        };
        if self
            .state
            .document
            .as_ref()
            .is_some_and(|document| document.id == snapshot.id)
        {
            return;
        }
        let next = Document::new(key, snapshot.id.clone(), snapshot.size, snapshot.total);
        self.close_reader();
        self.state.document = Some(next);
        self.subscribe();
        self.complete_document();
    }

    pub(super) fn close_reader(&mut self) {
        self.state.reader.clear();
        if let Some(document) = self.state.document.take()
            && self.state.link == Link::Open
        {
            let id = document.id;
            if document.looked.is_some() {
                let id = id.clone();
                self.effects
                    .push(Effect::Reader(ReaderEffect::EndLook { id }));
            }
            if document.extent == Extent::Whole {
                self.effects.push(Effect::Unsubscribe { id });
            }
        }
    }

    /// Whether the open document's news come by themselves: whatever is made of it is pushed.
    fn is_pushed(&self) -> bool {
        self.state.link == Link::Open
            && self
                .open_snapshot()
                .is_some_and(|snapshot| !snapshot.status.is_final())
    }

    fn open_snapshot(&self) -> Option<&Translation> {
        let document = self.state.document.as_ref()?;
        self.state.row(document.key)?.snapshot.as_deref()
    }

    /// Asks for the segments that are missing, and those still to be made.
    pub(super) fn subscribe(&mut self) {
        let pushed = self.is_pushed();
        let Some(document) = &mut self.state.document else {
            return;
        };
        // No look outlives its socket.
        document.looked = None;
        if pushed && document.extent == Extent::Whole {
            self.effects.push(Effect::Subscribe {
                id: document.id.clone(),
                from: document.first_missing(),
            });
        }
        self.look();
    }

    /// Tells the backend what is looked at, so that it is translated first.
    fn look(&mut self) {
        let pushed = self.is_pushed();
        let Some(document) = &mut self.state.document else {
            return;
        };
        let id = document.id.clone();
        let Sight { seen, ready } = &document.sight;
        if !pushed {
            if self.state.link == Link::Open && document.looked.take().is_some() {
                self.effects
                    .push(Effect::Reader(ReaderEffect::EndLook { id }));
            }
            return;
        }
        if document.rows != RowsAnswer::Given || seen.is_empty() {
            return;
        }
        // What is below is read next; what is above was read.
        let range = seen.start..ready.end.max(seen.end);
        if document.looked.as_ref() != Some(&range) {
            document.looked = Some(range.clone());
            self.effects.push(Effect::Reader(ReaderEffect::Look {
                id,
                from: range.start,
                to: range.end,
            }));
        }
    }

    /// Asks REST for whatever the open document lacks and no push will bring.
    pub(super) fn complete_document(&mut self) {
        let pushed = self.is_pushed();
        let Some(snapshot) = self.open_snapshot() else {
            return;
        };
        let charset = snapshot.charset.as_deref().unwrap_or("utf-8").to_owned();
        let (total, done) = (snapshot.total, snapshot.done);
        let (finished, revision) = (snapshot.status.is_final(), snapshot.revision);
        let Some(document) = &mut self.state.document else {
            return;
        };
        let id = document.id.clone();
        if total > 0 {
            document.set_total(total);
        }
        if document.extent == Extent::Whole {
            if document.source == Load::Idle && total > 0 {
                document.source = Load::Loading;
                self.effects.push(Effect::FetchSource {
                    id: id.clone(),
                    charset,
                });
            }
            if !pushed && !document.fetching && done > document.have() && done > document.walked {
                document.fetching = true;
                let from = document.first_missing();
                self.effects.push(Effect::FetchSegments {
                    id: id.clone(),
                    from,
                });
            }
        }
        self.fetch_rows();
        self.look();
        let reader = &mut self.state.reader;
        if finished && done > 0 && reader.proof_asked < revision {
            reader.proof_asked = revision;
            self.effects
                .push(Effect::Reader(ReaderEffect::FetchProof { id: id.clone() }));
        }
        if finished {
            // Translated again, whichever way it went.
            for index in std::mem::take(&mut reader.again) {
                self.effects.push(Effect::Reader(ReaderEffect::FetchRows {
                    id: id.clone(),
                    from: index,
                    limit: 1,
                    done,
                }));
            }
        }
    }

    /// Asks for the rows that are in view, or near to it, and not here.
    fn fetch_rows(&mut self) {
        let pushed = self.is_pushed();
        let Some(snapshot) = self.open_snapshot() else {
            return;
        };
        let (done, finished) = (snapshot.done, snapshot.status.is_final());
        let Some(document) = &mut self.state.document else {
            return;
        };
        if document.rows == RowsAnswer::Refused || document.fetching_rows {
            return;
        }
        let known = document.rows == RowsAnswer::Given;
        let from = match document.wanted_row(done, pushed) {
            Some(from) => from,
            // Whether it answers at all has to be known before anything can be looked at, and
            // before rows can be shown that were never translated.
            None if !known && (pushed || done < document.total) => document.sight.seen.start,
            None => return,
        };
        // The next page of segments has them.
        let near = document.first_missing().saturating_add(SEGMENTS_PAGE);
        if document.extent == Extent::Whole && finished && from < near && done == document.total {
            return;
        }
        document.fetching_rows = true;
        document.doubted = false;
        self.effects.push(Effect::Reader(ReaderEffect::FetchRows {
            id: document.id.clone(),
            from,
            limit: ROWS_PAGE,
            done,
        }));
    }

    /// Asks for rows in view that have had time to be pushed and were not.
    pub(super) fn doubt_pushes(&mut self) {
        if let Some(document) = &mut self.state.document {
            document.doubted = true;
            self.fetch_rows();
        }
    }

    fn seen(&mut self, id: &str, sight: Sight, place: Place) {
        if let Some(document) = self.document(id) {
            document.sight = sight;
            self.state.reader.place = Some(place);
            self.fetch_rows();
            self.look();
        }
    }

    fn rows(&mut self, id: &str, done: u64, result: Result<Rows, Trouble>) {
        let Some(document) = self.document(id) else {
            return;
        };
        document.fetching_rows = false;
        match result {
            Ok(answer) => {
                if document.rows == RowsAnswer::Unknown {
                    document.rows = RowsAnswer::Given;
                    document.version += 1;
                }
                // Nothing is known yet: the next snapshot has it asked for again.
                if !answer.rows.is_empty() {
                    document.put_rows(answer.total, answer.rows, done);
                    self.fetch_rows();
                }
                self.look();
            }
            Err(trouble) if trouble.gone && document.rows == RowsAnswer::Unknown => {
                let whole = document.extent == Extent::Whole;
                document.refuse_rows();
                if !whole {
                    self.subscribe();
                    self.complete_document();
                }
            }
            // Asked for again with whatever happens next.
            Err(trouble) => {
                if !self.state.rows.iter().any(|row| row.id() == Some(id)) || !trouble.refused {
                    return;
                }
                self.state.notice = Some(words::sentence(&trouble).into());
            }
        }
    }

    pub(super) fn source(&mut self, id: &str, result: Result<(), Trouble>) {
        if let Some(document) = self.document(id) {
            document.source = match result {
                Ok(()) => Load::Ready,
                Err(trouble) => Load::Failed(words::sentence(&trouble).into()),
            };
            document.version += 1;
        }
    }

    pub(super) fn segments(&mut self, id: &str, result: Result<Segments, Trouble>) {
        let Some(document) = self.document(id) else {
            return;
        };
        document.fetching = false;
        match result {
            Ok(page) => match page.segments.iter().map(|segment| segment.index).max() {
                Some(last) => {
                    document.put(page.total, page.segments);
                    document.fetching = true;
                    let from = document.first_missing().max(last.saturating_add(1));
                    if from < document.total {
                        self.effects.push(Effect::FetchSegments {
                            id: id.to_owned(),
                            from,
                        });
                    } else {
                        document.fetching = false;
                        document.walked = document.have();
                    }
                }
                None => document.walked = document.have().max(document.walked + 1),
            },
            Err(trouble) => {
                self.state.notice = Some(words::sentence(&trouble).into());
            }
        }
    }

    pub(super) fn view(&mut self, view: View) {
        if std::mem::replace(&mut self.state.view, view) != view
            && let Some(find) = &self.state.reader.find
        {
            // What is not shown is not found.
            let query = find.query.clone();
            self.find(&query);
        }
    }

    // Find in document.

    fn find(&mut self, query: &str) {
        let row = self.state.reader.place.map_or(0, |place| place.row);
        let Some(find) = &mut self.state.reader.find else {
            return;
        };
        let row = find.current().unwrap_or(row);
        find.start(query, row);
        if !query.is_empty() {
            self.go_on_finding(Some(0));
        }
    }

    /// Searches on from a row, or goes to the match that is the current one now.
    fn go_on_finding(&mut self, from: Option<u64>) {
        let (Some(find), Some(document)) = (&self.state.reader.find, &self.state.document) else {
            return;
        };
        let (id, query, view) = (document.id.clone(), find.query.clone(), self.state.view);
        match (from, document.extent) {
            (Some(_), Extent::Whole) => {
                self.effects
                    .push(Effect::Reader(ReaderEffect::FindHere { id, query, view }));
            }
            (Some(from), Extent::Near) => {
                self.effects
                    .push(Effect::Reader(ReaderEffect::FetchMatches {
                        id,
                        query,
                        view,
                        from,
                    }));
            }
            (None, _) => {
                if let Some(row) = find.current() {
                    self.state.reader.jump_to(row, Why::Found);
                }
            }
        }
    }

    fn found(&mut self, id: &str, query: &str, from: u64, result: Result<Found, Trouble>) {
        let Some(rows) = self.document(id).map(|document| document.total) else {
            return;
        };
        let Some(find) = &mut self.state.reader.find else {
            return;
        };
        if &*find.query != query || !find.searching {
            return;
        }
        match result {
            Ok(found) => {
                let from = find.take(from, found, rows);
                self.go_on_finding(from);
            }
            Err(trouble) => {
                // A backend that can't search says something about paths.
                let unknown = Trouble::lasting(Text::ServerRefused, Text::ServerRefusedAdvice);
                let told = if trouble.gone { &unknown } else { &trouble };
                find.fail(words::sentence(told).into());
            }
        }
    }

    // The proof.

    fn proof(&mut self, id: &str, result: Result<Proof, Trouble>) {
        if self.document(id).is_some() {
            // A backend that can't tell, or not now: there is nothing to say.
            self.state.reader.proof = result.ok().map(Into::into);
        }
    }

    fn again(&mut self, index: u64) {
        let Some(document) = &self.state.document else {
            return;
        };
        let id = document.id.clone();
        if self.state.reader.again.insert(index) {
            self.effects
                .push(Effect::Reader(ReaderEffect::Again { id, index }));
        }
    }

    fn copy(&mut self) {
        let partial = self
            .open_snapshot()
            .is_none_or(|snapshot| snapshot.status != babelwire_wire::Status::Done);
        if let Some(document) = &self.state.document
            && self.state.reader.copied != Copied::Coming
        {
            self.state.reader.copied = Copied::Coming;
            self.effects.push(Effect::Reader(ReaderEffect::Copy {
                id: document.id.clone(),
                partial,
            }));
        }
    }
}

impl Find {
    /// Whether this row is the match that the person is at.
    pub fn is_at(&self, row: u64) -> bool {
        self.current() == Some(row)
    }
}
