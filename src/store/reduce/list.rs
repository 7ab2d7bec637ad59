//! The list, as the backend tells it.

use std::rc::Rc;

use babelwire_wire::rest::Listing;
use babelwire_wire::{Frame, Inbound, Status, Translation};

use super::super::{Effect, Key, Mode, NEWS_KEPT, News, Row, Stage, Trouble};
use super::{Direction, Step};

impl Step<'_> {
    pub(super) fn listed(&mut self, since: Option<String>, result: Result<Listing, Trouble>) {
        let listing = match result {
            Ok(listing) => listing,
            Err(trouble) => return self.not_listed(since.is_some(), &trouble),
        };
        let Some(mut round) = self.state.round.take() else {
            return;
        };
        for snapshot in listing.translations {
            round.unnamed.retain(|id| *id != snapshot.id);
            self.snapshot(snapshot);
        }
        for id in listing.removed {
            self.remove(&id);
        }
        for id in self.end_page(round, since, listing.next, listing.cursor) {
            self.remove(&id);
        }
    }

    pub(super) fn frame(&mut self, inbound: Inbound) {
        self.log(Direction::In, &inbound.raw);
        match inbound.frame {
            Frame::Translation(snapshot) => self.snapshot(snapshot),
            Frame::Removed { translation_id, .. } => self.remove(&translation_id),
            Frame::Segments {
                translation_id,
                total,
                segments,
            } => {
                if let Some(document) = self.document(&translation_id) {
                    document.put(total, segments);
                }
            }
            Frame::Object(event) => {
                if self.state.mode == Mode::LiveConsole {
                    let number = self.count();
                    self.state.news.push_front(Rc::new(News { number, event }));
                    self.state.news.truncate(NEWS_KEPT);
                }
            }
            Frame::Pong { .. } | Frame::GatewayError(_) | Frame::Raw => {}
        }
    }

    /// Takes a snapshot in, unless it is old news.
    pub(super) fn snapshot(&mut self, snapshot: Translation) {
        if self.state.is_removed(&snapshot.id) {
            return;
        }
        let known = self.key_of(&snapshot.id);
        if let Some(key) = known {
            self.update(key, snapshot);
        } else if snapshot.status == Status::AwaitingUpload
            && self
                .state
                .rows
                .iter()
                .any(|row| row.stage == Stage::Announcing)
        {
            self.state.held.push(snapshot);
        } else {
            let key = self.new_key();
            let place = self
                .state
                .rows
                .iter()
                .position(|row| {
                    row.snapshot
                        .as_ref()
                        .is_some_and(|other| other.created_at < snapshot.created_at)
                })
                .unwrap_or(self.state.rows.len());
            let mut row = Row::remote(key, snapshot);
            row.kept = row.id().and_then(|id| self.state.kept.revision(id));
            self.state.rows.insert(place, Rc::new(row));
        }
    }

    pub(super) fn update(&mut self, key: Key, snapshot: Translation) {
        // Asked of a row that stays as it is: with thousands of frames a second, a copy of it counts.
        let known = self.state.row(key).and_then(|row| row.snapshot.as_ref());
        let before = known.map(|known| known.status);
        if known.is_some_and(|known| known.revision >= snapshot.revision) {
            return;
        }
        let Some(row) = self.row_mut(key) else {
            return;
        };
        let sending = row.holds_slot();
        let status = snapshot.status;
        let id = snapshot.id.clone();
        row.snapshot = Some(Rc::new(snapshot));
        let mut abort = false;
        if status != Status::AwaitingUpload {
            abort = row.is_uploading() && status.is_final();
            row.stage = Stage::Remote;
            row.left = None;
        }
        if abort {
            self.effects.push(Effect::AbortUpload(key));
        }
        if !matches!(
            status,
            Status::AwaitingUpload | Status::Failed | Status::Cancelled
        ) {
            self.arrived(key);
        }
        if self.document(&id).is_some() {
            if before.is_some_and(Status::is_final) && !status.is_final() {
                self.subscribe();
            }
            self.complete_document();
        }
        if before != Some(status) {
            self.turned(key, status);
        }
        if sending {
            self.start_uploads();
        }
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.bury(id);
        if let Some(key) = self.key_of(id) {
            self.remove_row(key);
        }
    }

    pub(super) fn bury(&mut self, id: &str) {
        self.forget_removed(id);
        if !self.state.is_removed(id) {
            self.state.removed.push(id.to_owned());
        }
    }

    pub(super) fn remove_row(&mut self, key: Key) {
        let Some(place) = self.state.rows.iter().position(|row| row.key == key) else {
            return;
        };
        let row = self.state.rows.remove(place);
        if row.holds_slot() {
            self.effects.push(Effect::AbortUpload(key));
        }
        if let Some(file) = row.file {
            self.release(file);
        }
        if self
            .state
            .document
            .as_ref()
            .is_some_and(|document| document.key == key)
        {
            self.state.document = None;
            self.state.reader.clear();
        }
        self.start_uploads();
    }
}
