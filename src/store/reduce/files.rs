//! Files from choosing to sending, and what a row's buttons do.

use std::rc::Rc;

use babelwire_wire::rest::{CreateTranslation, Created};
use babelwire_wire::{Status, Translation};

use super::super::files::{Pace, archive_path, set_apart};
use super::super::languages::is_possible;
use super::super::{
    Beginning, Command, Effect, FilesEffect, FilesMsg, Key, Leaving, Link, PARALLEL_PEEKS,
    PARALLEL_UPLOADS, Packable, Picked, Row, Stage, Trouble,
};
use super::Step;
use crate::words::{self, Text, fill, plural, say, sentence};

/// Tells a file in one pair of languages from all others: its name, its size, when it was last
/// changed, and the languages.
type Identity = (Rc<str>, u64, u64, Rc<str>, Rc<str>);

impl Step<'_> {
    pub(super) fn files(&mut self, msg: FilesMsg) {
        match msg {
            FilesMsg::Brought => self.effects.push(Effect::Files(FilesEffect::Unpack)),
            FilesMsg::ChooseFolder => {
                self.effects.push(Effect::Files(FilesEffect::OfferFolders));
            }
            FilesMsg::More(picked) => self.add(&picked),
            FilesMsg::NothingBrought => self.notify(say(Text::NothingBrought).into()),
            FilesMsg::Peeked { file, beginning } => self.peeked(file, beginning),
            FilesMsg::ChooseEncoding { key, encoding } => self.choose_encoding(key, &encoding),
            FilesMsg::RetryFailed => {
                let failed: Vec<Key> = self
                    .state
                    .rows
                    .iter()
                    .filter(|row| row.has_failed() && row.leaving.is_none())
                    .map(|row| row.key)
                    .collect();
                for key in failed {
                    self.command(key, Command::Retry);
                }
            }
            FilesMsg::ChooseTargets => {
                let files = &mut self.state.files;
                files.choosing_targets = !files.choosing_targets;
            }
            FilesMsg::Target { tag, wanted } => {
                let targets = &mut self.state.files.more_targets;
                targets.retain(|target| **target != *tag);
                if wanted {
                    targets.push(tag.into());
                }
            }
            FilesMsg::Undo(key) => self.undo(key),
            FilesMsg::Hold { key, held } => self.hold(key, held),
            FilesMsg::Due(key) => self.due(key),
            FilesMsg::DownloadAll => self.download_all(),
            FilesMsg::Packed => {
                if let Some((done, _)) = &mut self.state.files.packing {
                    *done += 1;
                }
            }
            FilesMsg::AllPacked(result) => {
                self.state.files.packing = None;
                match result {
                    Ok(0) => {}
                    Ok(missing) => self.notify(plural(Text::NotPacked, missing)),
                    Err(trouble) => self.notify(sentence(&trouble)),
                }
            }
        }
    }

    fn notify(&mut self, notice: String) {
        self.state.notice = Some(notice.into());
    }

    /// The device lost its network: what was to be sent waits for it.
    pub(super) fn hold_uploads(&mut self) {
        self.restage(&Stage::Waiting, &Stage::Held);
    }

    /// It has one again.
    pub(super) fn resume_uploads(&mut self) {
        self.restage(&Stage::Held, &Stage::Waiting);
        self.start_uploads();
    }

    fn restage(&mut self, from: &Stage, to: &Stage) {
        for row in &mut self.state.rows {
            if row.stage == *from {
                Rc::make_mut(row).stage = to.clone();
            }
        }
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

    // Choosing.

    pub(super) fn chosen(&mut self, picked: &[Picked]) {
        self.state.notice = None;
        self.state.files.last_chosen = None;
        self.state.files.left_out = super::super::files::LeftOut::default();
        self.add(picked);
    }

    /// Makes rows of files, after those that were chosen with them.
    fn add(&mut self, picked: &[Picked]) {
        if self.state.languages.is_some() && self.state.target.is_empty() {
            self.notify(say(Text::ChooseLanguagesFirst).into());
            let released = picked.iter().map(|picked| Effect::Release(picked.file));
            self.effects.extend(released);
            return;
        }
        let source = self.state.source.clone();
        let targets = self.state.targets();
        let mut known = self.identities();
        let mut rows = Vec::with_capacity(picked.len());
        let mut again = Vec::new();
        for picked in picked {
            if picked.size == 0 && picked.in_folder {
                self.state.files.left_out.no_text += 1;
                self.effects.push(Effect::Release(picked.file));
                continue;
            }
            let mut in_use = false;
            for target in &targets {
                let mut row = Row::local(self.new_key(), picked, &source, target);
                let identity = identity(&row, picked.modified);
                match known.binary_search_by(|(other, _)| other.cmp(&identity)) {
                    Ok(place) => {
                        let key = known.get(place).map(|(_, key)| *key).unwrap_or_default();
                        if self.state.row(key).is_some_and(|row| may_be_sent_anew(row)) {
                            again.push((key, picked.file));
                            in_use = true;
                        } else {
                            self.state.files.left_out.doubles += 1;
                        }
                    }
                    Err(place) => {
                        known.insert(place, (identity, row.key));
                        if picked.size == 0 {
                            row.stage = Stage::Stopped(empty());
                            row.file = None;
                        } else {
                            in_use = true;
                        }
                        rows.push(Rc::new(row));
                    }
                }
            }
            if in_use {
                self.state.files.to_peek.push_back(picked.file);
            } else {
                self.effects.push(Effect::Release(picked.file));
            }
        }
        let after = |key| self.state.rows.iter().position(|row| row.key == key);
        let place = self.state.files.last_chosen.and_then(after);
        let place = place.map_or(0, |place| place + 1);
        if let Some(last) = rows.last() {
            self.state.files.last_chosen = Some(last.key);
        }
        self.state.rows.splice(place..place, rows);
        for (key, file) in again {
            self.send_anew(key, file);
        }
        self.tell_left_out();
        self.start_peeks();
        self.start_uploads();
    }

    /// The files of the list that were chosen on this page, in order, with their rows.
    fn identities(&self) -> Vec<(Identity, Key)> {
        let mut all: Vec<(Identity, Key)> = self
            .state
            .rows
            .iter()
            .filter(|row| row.leaving.is_none())
            .filter_map(|row| Some((identity(row, row.modified?), row.key)))
            .collect();
        all.sort_unstable();
        all
    }

    /// A file of the list that did not get through was chosen once more.
    fn send_anew(&mut self, key: Key, file: u32) {
        self.let_go(key);
        if let Some(row) = self.row_mut(key) {
            row.file = Some(file);
            row.peek = None;
        }
        self.command(key, Command::Retry);
    }

    fn tell_left_out(&mut self) {
        let left_out = &self.state.files.left_out;
        let told: Vec<String> = [
            (left_out.doubles, Text::DoublesSkipped),
            (left_out.no_text, Text::FolderFilesSkipped),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, text)| plural(text, count))
        .collect();
        if !told.is_empty() {
            self.notify(told.join(" "));
        }
    }

    // Looking at beginnings.

    fn start_peeks(&mut self) {
        while self.state.files.peeking < PARALLEL_PEEKS
            && let Some(file) = self.state.files.to_peek.pop_front()
        {
            let row = self.state.rows.iter().find(|row| row.file == Some(file));
            if let Some(row) = row {
                let source = row.source.clone();
                self.state.files.peeking += 1;
                let peek = FilesEffect::Peek { file, source };
                self.effects.push(Effect::Files(peek));
            }
        }
    }

    fn peeked(&mut self, file: u32, beginning: Beginning) {
        self.state.files.peeking = self.state.files.peeking.saturating_sub(1);
        let next = match self.state.link {
            Link::Offline => Stage::Held,
            _ => Stage::Waiting,
        };
        let (stage, peek, kept) = match beginning {
            Beginning::Text(peek) => (next, Some(Rc::new(peek)), true),
            Beginning::Empty => (Stage::Stopped(empty()), None, false),
            Beginning::Binary => {
                let trouble = Trouble::lasting(Text::FileBinary, Text::FileBinaryAdvice);
                (Stage::Stopped(trouble), None, false)
            }
            Beginning::Unreadable => {
                let trouble = Trouble::passing(Text::FileUnreadable, Text::FileUnreadableAdvice);
                (Stage::Stopped(trouble), None, true)
            }
        };
        let mut out = Vec::new();
        for row in &mut self.state.rows {
            if row.file != Some(file) || row.stage != Stage::Checking {
                continue;
            }
            if row.in_folder && !kept {
                out.push(row.key);
                continue;
            }
            let row = Rc::make_mut(row);
            row.stage = stage.clone();
            row.peek.clone_from(&peek);
            if !kept {
                row.file = None;
            }
        }
        if !out.is_empty() {
            self.state.files.left_out.no_text += 1;
            self.tell_left_out();
        }
        for key in out {
            self.remove_row(key);
        }
        self.release(file);
        self.start_peeks();
        self.start_uploads();
    }

    /// What was sent in another encoding is given up, for every language that it is sent for.
    fn choose_encoding(&mut self, key: Key, encoding: &str) {
        let Some(row) = self.state.row(key) else {
            return;
        };
        let (Some(file), true) = (row.file, row.can_choose_encoding()) else {
            return;
        };
        let all: Vec<Key> = self
            .state
            .rows
            .iter()
            .filter(|row| row.file == Some(file) && row.leaving.is_none())
            .map(|row| row.key)
            .collect();
        for key in all {
            if let Some(row) = self.row_mut(key) {
                row.charset = Some(encoding.into());
            }
            self.begin_anew(key);
        }
        self.start_uploads();
    }

    // Sending.

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
                charset: row.charset.as_deref().map(ToOwned::to_owned),
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
                    // Begun anew since: another answer is to come.
                    Some(row)
                        if row.stage != Stage::Announcing && row.stage != Stage::Cancelled =>
                    {
                        self.bury(&id);
                        self.effects.push(Effect::Command {
                            key,
                            id,
                            command: Command::Delete,
                        });
                    }
                    Some(row) => {
                        row.snapshot = Some(Rc::new(translation));
                        let cancelled = row.stage == Stage::Cancelled;
                        let file = row.file;
                        if !cancelled {
                            row.stage = Stage::Uploading { sent: 0 };
                            row.left = None;
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

    /// Bytes went out, `now` being milliseconds since some moment.
    pub(super) fn progress(&mut self, key: Key, sent: u64, now: u64) {
        let Some(row) = self.state.row(key).filter(|row| row.is_uploading()) else {
            return;
        };
        let size = row.size;
        let paces = &mut self.state.files.paces;
        let place = paces.iter().position(|(other, _)| *other == key);
        let place = place.unwrap_or_else(|| {
            paces.push((key, Pace::default()));
            paces.len() - 1
        });
        let left = paces
            .get_mut(place)
            .and_then(|(_, pace)| pace.note(now, sent, size));
        if let Some(row) = self.row_mut(key) {
            row.stage = Stage::Uploading { sent };
            row.left = left;
        }
    }

    pub(super) fn interrupted(&mut self, key: Key) {
        self.state.files.paces.retain(|(other, _)| *other != key);
        if let Some(row) = self.row_mut(key).filter(|row| row.is_uploading()) {
            row.stage = Stage::Interrupted;
        }
    }

    pub(super) fn uploaded(&mut self, key: Key, result: Result<(), Trouble>) {
        self.state.files.paces.retain(|(other, _)| *other != key);
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

    /// What was announced of a row's file, and whatever became of it, is given up; it is sent as if
    /// it had just been chosen.
    pub(super) fn begin_anew(&mut self, key: Key) {
        let offline = self.state.link == Link::Offline;
        let Some(row) = self.row_mut(key) else {
            return;
        };
        let uploading = row.is_uploading();
        let given_up = row.snapshot.take().map(|snapshot| snapshot.id.clone());
        row.arrived = false;
        row.left = None;
        row.stage = match row.peek {
            None => Stage::Checking,
            Some(_) if offline => Stage::Held,
            Some(_) => Stage::Waiting,
        };
        let unseen = row.file.filter(|_| row.peek.is_none());
        let files = &mut self.state.files;
        if let Some(file) = unseen.filter(|file| !files.to_peek.contains(file)) {
            files.to_peek.push_back(file);
        }
        if uploading {
            self.effects.push(Effect::AbortUpload(key));
        }
        if let Some(id) = given_up {
            if self
                .state
                .document
                .as_ref()
                .is_some_and(|document| document.key == key)
            {
                self.close_reader();
            }
            self.bury(&id);
            self.effects.push(Effect::Command {
                key,
                id,
                command: Command::Delete,
            });
        }
        self.start_peeks();
    }

    // A row's buttons.

    pub(super) fn command(&mut self, key: Key, command: Command) {
        let Some(row) = self.row_mut(key).filter(|row| !row.busy) else {
            return;
        };
        let id = row.id().map(ToOwned::to_owned);
        match command {
            Command::Delete => return self.leave(key),
            Command::Cancel if row.stage != Stage::Remote => {
                let uploading = row.holds_slot();
                row.stage = Stage::Cancelled;
                if uploading {
                    self.effects.push(Effect::AbortUpload(key));
                }
            }
            // As long as the backend has not been seen to have the file, nothing of it is there.
            Command::Retry if row.file.is_some() && !row.arrived => {
                self.begin_anew(key);
                return self.start_uploads();
            }
            Command::Cancel | Command::Retry => row.busy = id.is_some(),
        }
        if let Some(id) = id {
            self.effects.push(Effect::Command { key, id, command });
        }
        self.start_uploads();
    }

    /// The row goes in a moment, unless somebody wants it back; at once when told again.
    fn leave(&mut self, key: Key) {
        let Some(row) = self.row_mut(key) else {
            return;
        };
        if row.leaving.is_some() {
            return self.delete(key);
        }
        let waiting = matches!(row.stage, Stage::Checking | Stage::Waiting | Stage::Held);
        let slot = row.holds_slot();
        row.leaving = Some(Leaving {
            resume: waiting || slot,
            ..Leaving::default()
        });
        if waiting || slot {
            row.stage = Stage::Cancelled;
        }
        if slot {
            self.effects.push(Effect::AbortUpload(key));
        }
        self.effects
            .push(Effect::Files(FilesEffect::AwaitUndo(key)));
        self.start_uploads();
    }

    fn undo(&mut self, key: Key) {
        let leaving = self
            .row_mut(key)
            // Too late: it is being deleted.
            .filter(|row| !row.busy)
            .and_then(|row| row.leaving.take());
        if leaving.is_some_and(|leaving| leaving.resume) {
            self.begin_anew(key);
            self.start_uploads();
        }
    }

    fn hold(&mut self, key: Key, held: bool) {
        let Some(row) = self.row_mut(key) else {
            return;
        };
        if let Some(leaving) = &mut row.leaving {
            leaving.held = held;
            if leaving.due && !held {
                self.delete(key);
            }
        }
    }

    fn due(&mut self, key: Key) {
        let Some(row) = self.row_mut(key) else {
            return;
        };
        match &mut row.leaving {
            Some(leaving) if leaving.held => leaving.due = true,
            Some(_) if !row.busy => self.delete(key),
            _ => {}
        }
    }

    fn delete(&mut self, key: Key) {
        let Some(row) = self.row_mut(key) else {
            return;
        };
        match row.id().map(ToOwned::to_owned) {
            None => self.remove_row(key),
            Some(id) => {
                row.busy = true;
                self.effects.push(Effect::Command {
                    key,
                    id,
                    command: Command::Delete,
                });
            }
        }
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
                // It is here to stay then.
                row.leaving = None;
                let text = match command {
                    Command::Cancel => Text::NotCancelled,
                    Command::Retry => Text::NotRetried,
                    Command::Delete => Text::NotDeleted,
                };
                self.notify(fill(text, &[&name, &words::sentence(&trouble)]));
            }
        }
    }

    /// The backend has a row's file.
    pub(super) fn arrived(&mut self, key: Key) {
        let Some(row) = self.row_mut(key) else {
            return;
        };
        row.arrived = true;
        // Somebody may say that it is in another encoding, and then it is sent once more.
        if !row.is_unsure() {
            self.let_go(key);
        }
    }

    fn let_go(&mut self, key: Key) {
        let file = self.row_mut(key).and_then(|row| row.file.take());
        if let Some(file) = file {
            self.release(file);
        }
    }

    /// A row needs its file no more; another one may.
    pub(super) fn release(&mut self, file: u32) {
        if !self.state.rows.iter().any(|row| row.file == Some(file)) {
            self.effects.push(Effect::Release(file));
        }
    }

    // All of them.

    fn download_all(&mut self) {
        if self.state.files.packing.is_some() {
            return;
        }
        let done = |row: &&Rc<Row>| row.status() == Some(Status::Done) && row.leaving.is_none();
        let mut all: Vec<Packable> = self
            .state
            .rows
            .iter()
            .filter(done)
            .filter_map(|row| {
                Some(Packable {
                    id: row.id()?.to_owned(),
                    path: archive_path(&row.name, &row.target),
                })
            })
            .collect();
        if all.is_empty() {
            return;
        }
        set_apart(&mut all);
        self.state.files.packing = Some((0, all.len()));
        self.effects.push(Effect::Files(FilesEffect::Pack(all)));
    }
}

impl super::super::State {
    /// The languages that files are translated into: the one chosen first, then the others that
    /// can be reached from the present source.
    pub fn targets(&self) -> Vec<Rc<str>> {
        let mut targets = vec![self.target.clone()];
        if let Some(languages) = &self.languages {
            for target in &self.files.more_targets {
                if !targets.contains(target) && is_possible(languages, &self.source, target) {
                    targets.push(target.clone());
                }
            }
        }
        targets
    }
}

fn identity(row: &Row, modified: u64) -> Identity {
    (
        row.name.clone(),
        row.size,
        modified,
        row.source.clone(),
        row.target.clone(),
    )
}

/// Whether somebody who chooses a row's file again wants it tried again.
fn may_be_sent_anew(row: &Row) -> bool {
    match row.stage {
        Stage::Stopped(_) | Stage::Cancelled => true,
        _ => matches!(row.status(), Some(Status::Failed | Status::Cancelled)),
    }
}

fn empty() -> Trouble {
    Trouble::lasting(Text::FileEmpty, Text::FileEmptyAdvice)
}
