//! The translation that is open.

use babelwire_wire::Status;
use babelwire_wire::rest::Segments;

use super::super::{Document, Effect, Key, Link, Load, ReaderMsg, Trouble};
use super::Step;
use crate::words;

impl Step<'_> {
    pub(super) fn reader(&mut self, msg: ReaderMsg) {
        match msg {}
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
        let next = Document::new(key, snapshot.id.clone(), snapshot.total);
        self.close_reader();
        self.state.document = Some(next);
        self.subscribe();
        self.complete_document();
    }

    pub(super) fn close_reader(&mut self) {
        if let Some(document) = self.state.document.take()
            && self.state.link == Link::Open
        {
            self.effects.push(Effect::Unsubscribe { id: document.id });
        }
    }

    /// Asks for the segments that are missing, and those still to be made.
    pub(super) fn subscribe(&mut self) {
        let Some(document) = &self.state.document else {
            return;
        };
        let made = self
            .state
            .row(document.key)
            .and_then(|row| row.status())
            .is_none_or(Status::is_final);
        if self.state.link == Link::Open && !made {
            self.effects.push(Effect::Subscribe {
                id: document.id.clone(),
                from: document.first_missing(),
            });
        }
    }

    /// Asks REST for whatever the open document lacks and no push will bring.
    pub(super) fn complete_document(&mut self) {
        let Some(document) = &self.state.document else {
            return;
        };
        let Some(snapshot) = self
            .state
            .rows
            .iter()
            .find(|row| row.key == document.key)
            .and_then(|row| row.snapshot.as_ref())
        else {
            return;
        };
        let pushed = self.state.link == Link::Open && !snapshot.status.is_final();
        let charset = snapshot.charset.as_deref().unwrap_or("utf-8").to_owned();
        let (total, done) = (snapshot.total, snapshot.done);
        let Some(document) = &mut self.state.document else {
            return;
        };
        let id = document.id.clone();
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
            self.effects.push(Effect::FetchSegments { id, from });
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
}
