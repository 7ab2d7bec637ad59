//! Sending files, and what a row's buttons do.

use std::rc::Rc;

use babelwire_wire::Translation;
use babelwire_wire::rest::{CreateTranslation, Created};

use super::super::{
    Command, Effect, FilesMsg, Key, Link, PARALLEL_UPLOADS, Picked, Row, Stage, Trouble,
};
use super::Step;
use crate::words::{self, Text};

impl Step<'_> {
    pub(super) fn files(&mut self, msg: FilesMsg) {
        match msg {}
    }

    /// Files that were quicker than the languages can go.
    pub(super) fn languages_came(&mut self) {
        let (source, target) = (self.state.source.clone(), self.state.target.clone());
        for row in &mut self.state.rows {
            if row.target.is_empty() {
                let row = Rc::make_mut(row);
                row.source = source.clone();
                row.target = target.clone();
            }
        }
        self.start_uploads();
    }

    pub(super) fn chosen(&mut self, picked: Vec<Picked>) {
        if self.state.languages.is_some() && self.state.target.is_empty() {
            self.state.notice = Some(words::say(Text::ChooseLanguagesFirst).into());
            self.effects.extend(
                picked
                    .into_iter()
                    .map(|picked| Effect::Release(picked.file)),
            );
            return;
        }
        self.state.notice = None;
        for (place, picked) in picked.into_iter().enumerate() {
            let key = self.new_key();
            let row = Row::local(key, picked, &self.state.source, &self.state.target);
            self.state.rows.insert(place, Rc::new(row));
        }
        self.start_uploads();
    }

    /// Starts as many uploads as may run side by side, the one that waited longest first.
    pub(super) fn start_uploads(&mut self) {
        if self.state.link == Link::Offline {
            return;
        }
        loop {
            let running = self
                .state
                .rows
                .iter()
                .filter(|row| row.holds_slot())
                .count();
            let next = self
                .state
                .rows
                .iter()
                .filter(|row| row.stage == Stage::Waiting && !row.target.is_empty())
                .map(|row| row.key)
                .min();
            let Some(key) = next.filter(|_| running < PARALLEL_UPLOADS) else {
                return;
            };
            let Some(row) = self.row_mut(key) else {
                return;
            };
            row.stage = Stage::Announcing;
            let body = CreateTranslation {
                name: row.name.as_ref().to_owned(),
                size: row.size,
                source: row.source.as_ref().to_owned(),
                target: row.target.as_ref().to_owned(),
                charset: None,
            };
            self.effects.push(Effect::Create { key, body });
        }
    }

    pub(super) fn created(&mut self, key: Key, result: Result<Created, Trouble>) {
        match result {
            Err(trouble) => self.stop(key, trouble),
            Ok(Created {
                translation,
                upload,
            }) => {
                let id = translation.id.clone();
                // The push may have been faster than the answer.
                if let Some(twin) = self.key_of(&id).filter(|twin| *twin != key) {
                    self.remove_row(twin);
                }
                self.state.held.retain(|held| held.id != id);
                match self.row_mut(key) {
                    None => self.effects.push(Effect::Command {
                        key,
                        id,
                        command: Command::Delete,
                    }),
                    Some(row) => {
                        row.snapshot = Some(Rc::new(translation));
                        let cancelled = row.stage == Stage::Cancelled;
                        let file = row.file;
                        if !cancelled {
                            row.stage = Stage::Uploading { sent: 0 };
                        }
                        match file {
                            Some(file) if !cancelled => {
                                self.effects.push(Effect::Upload { key, file, upload });
                            }
                            _ => self.effects.push(Effect::Command {
                                key,
                                id,
                                command: Command::Cancel,
                            }),
                        }
                    }
                }
            }
        }
        if !self
            .state
            .rows
            .iter()
            .any(|row| row.stage == Stage::Announcing)
        {
            for snapshot in std::mem::take(&mut self.state.held) {
                self.snapshot(snapshot);
            }
        }
        self.start_uploads();
    }

    pub(super) fn uploaded(&mut self, key: Key, result: Result<(), Trouble>) {
        match result {
            Err(trouble) => self.stop(key, trouble),
            Ok(()) => {
                if let Some(row) = self.row_mut(key).filter(|row| row.is_uploading()) {
                    row.stage = Stage::Sent;
                }
            }
        }
        self.start_uploads();
    }

    /// This page could not send a file. Whatever else happened to the row meanwhile counts more.
    fn stop(&mut self, key: Key, trouble: Trouble) {
        if let Some(row) = self.row_mut(key).filter(|row| row.holds_slot()) {
            row.stage = Stage::Stopped(trouble);
        }
    }

    pub(super) fn command(&mut self, key: Key, command: Command) {
        let Some(row) = self.row_mut(key).filter(|row| !row.busy) else {
            return;
        };
        let id = row.id().map(ToOwned::to_owned);
        // As long as the file itself is kept, the backend has not been seen to have it.
        let resend = command == Command::Retry && row.can_retry() && row.file.is_some();
        let uploading = row.holds_slot();
        match command {
            Command::Cancel if row.stage != Stage::Remote => row.stage = Stage::Cancelled,
            Command::Delete if uploading => {
                row.stage = Stage::Cancelled;
                row.busy = id.is_some();
            }
            Command::Retry if resend => {
                row.stage = Stage::Waiting;
                row.snapshot = None;
            }
            _ => row.busy = id.is_some(),
        }
        if uploading {
            self.effects.push(Effect::AbortUpload(key));
        }
        match id {
            Some(id) if resend => {
                // What was announced and never arrived is given up; it starts anew.
                self.bury(&id);
                self.effects.push(Effect::Command {
                    key,
                    id,
                    command: Command::Delete,
                });
            }
            Some(id) => self.effects.push(Effect::Command { key, id, command }),
            None if command == Command::Delete => self.remove_row(key),
            None => {}
        }
        self.start_uploads();
    }

    pub(super) fn answered(
        &mut self,
        key: Key,
        id: &str,
        command: Command,
        result: Result<Option<Translation>, Trouble>,
    ) {
        if self.state.is_removed(id) {
            // Given up already: nobody waits for the answer.
            return;
        }
        let Some(row) = self.row_mut(key) else {
            return;
        };
        row.busy = false;
        let name = row.name.clone();
        match (command, result) {
            (Command::Delete, Ok(_)) => self.remove(id),
            (_, Ok(snapshot)) => {
                if let Some(snapshot) = snapshot {
                    self.snapshot(snapshot);
                }
            }
            (command, Err(trouble)) => {
                let what = match command {
                    Command::Cancel => Text::NotCancelled,
                    Command::Retry => Text::NotRetried,
                    Command::Delete => Text::NotDeleted,
                };
                let why = words::sentence(&trouble);
                self.state.notice = Some(words::fill(what, &[&name, &why]).into());
            }
        }
    }
}
