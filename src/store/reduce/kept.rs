//! What this device keeps, and what the address says.

use std::rc::Rc;

use babelwire_wire::Status;

use super::super::kept::{KeptText, Remembered, Unsent};
use super::super::{Effect, KeptEffect, KeptMsg, Key, Msg, Picked, Row, Stage, Trouble};
use super::Step;
use crate::words::{Text, fill, say};

impl Step<'_> {
    pub(super) fn kept(&mut self, msg: KeptMsg) {
        match msg {
            KeptMsg::Begin => {}
            KeptMsg::Address(address) => self.go_to(address),
            KeptMsg::Remembered(remembered) => self.remembered(remembered),
            KeptMsg::Texts(texts, skipped) => self.texts_found(texts, skipped),
            KeptMsg::Stored(text) => self.stored(*text),
            KeptMsg::NotStored(id) => {
                self.state.kept.skipped.insert(id);
            }
            KeptMsg::Forget(key) => {
                let id = self.state.row(key).and_then(|row| row.id());
                if let Some(id) = id.map(ToOwned::to_owned) {
                    self.forget_texts(vec![id], true);
                }
            }
            KeptMsg::ForgetAll => {
                let texts = &self.state.kept.texts;
                let all = texts.iter().map(|text| text.snapshot.id.clone());
                let all = all.collect();
                self.forget_texts(all, true);
                self.keep_texts(false);
            }
            KeptMsg::Keep(on) => self.keep_texts(on),
            KeptMsg::ForgottenElsewhere(ids) => {
                self.strike_out(&ids);
                self.state.kept.skipped.extend(ids);
            }
            KeptMsg::KeepElsewhere(on) => self.state.kept.on = on,
            KeptMsg::Unsent(unsent) => self.state.kept.unsettled.extend(unsent),
            KeptMsg::Hidden(hidden) => {
                self.state.kept.hidden = hidden;
                self.state.kept.done_unseen = 0;
            }
            KeptMsg::Notify => self.effects.push(Effect::Kept(KeptEffect::AskPermission)),
            KeptMsg::Permission(permission) => self.state.kept.permission = permission,
        }
    }

    fn remembered(&mut self, remembered: Remembered) {
        if let Some(view) = remembered.view {
            self.state.view = view;
        }
        if self.state.files.more_targets.is_empty() {
            self.state.files.more_targets = remembered.more_targets;
        }
        self.state.kept.on = !remembered.off;
        self.state.kept.permission = remembered.permission;
    }

    // The address.

    fn go_to(&mut self, address: Option<String>) {
        let Some(id) = address else {
            self.state.kept.wanted = None;
            return self.close_reader();
        };
        if self.state.address() == Some(id.as_str()) {
            return;
        }
        self.close_reader();
        if self.key_of(&id).is_none() && self.state.cursor.is_some() {
            // Made after the list was read, perhaps.
            self.catch_up();
        }
        self.state.kept.wanted = Some(id);
    }

    /// What somebody does counts more than what the address said before.
    pub(super) fn follow(&mut self, msg: &Msg) {
        if matches!(msg, Msg::Open(_) | Msg::CloseReader) {
            self.state.kept.wanted = None;
        }
    }

    /// Goes on with what waits for the list.
    pub(super) fn arrive(&mut self) {
        if !self.state.kept.unsettled.is_empty() {
            self.settle();
        }
        self.open_wanted();
    }

    /// Whether whatever the backend has is in the list.
    fn all_listed(&self) -> bool {
        self.state.cursor.is_some()
            && self.state.round.is_none()
            && self.state.list_trouble.is_none()
    }

    /// Opens what the address names, as soon as that is possible; says so when it never will be.
    fn open_wanted(&mut self) {
        let Some(id) = &self.state.kept.wanted else {
            return;
        };
        let Some(key) = self.key_of(id) else {
            if self.all_listed() || self.state.is_removed(id) {
                self.state.kept.wanted = None;
                self.state.notice = Some(say(Text::LinkLeadsNowhere).into());
            }
            return;
        };
        let Some(row) = self.state.row(key) else {
            return;
        };
        if row.can_open() {
            self.state.kept.wanted = None;
            self.open(key);
        } else if row.status().is_some_and(Status::is_final) {
            self.state.notice = Some(fill(Text::LinkNothingToRead, &[&row.name]).into());
            self.state.kept.wanted = None;
        }
    }

    // Texts.

    /// Shows the texts that are kept and that the list has not named (so far).
    fn texts_found(&mut self, texts: Vec<KeptText>, skipped: Vec<String>) {
        self.state.kept.known = true;
        self.state.kept.skipped.extend(skipped);
        // With a cursor, everything that there is was listed once.
        let all_named = self.state.cursor.is_some();
        let mut gone = Vec::new();
        for text in texts {
            let id = text.snapshot.id.clone();
            let known = self.key_of(&id);
            if self.state.is_removed(&id) || (known.is_none() && all_named) {
                gone.push(id);
                continue;
            }
            let (snapshot, revision) = (text.snapshot.clone(), text.snapshot.revision);
            self.state.kept.texts.push(text);
            if let Some(row) = known.and_then(|key| self.row_mut(key)) {
                row.kept = Some(revision);
                continue;
            }
            self.snapshot(snapshot);
            if let Some(round) = &mut self.state.round {
                round.unnamed.push(id);
            }
        }
        if !gone.is_empty() {
            self.forget(gone, false);
        }
    }

    fn stored(&mut self, text: KeptText) {
        let id = text.snapshot.id.clone();
        let Some(key) = self.key_of(&id).filter(|_| self.state.kept.on) else {
            // Deleted while it was fetched, or no longer wanted.
            return self.forget(vec![id], false);
        };
        if let Some(row) = self.row_mut(key) {
            row.kept = Some(text.snapshot.revision);
        }
        let kept = &mut self.state.kept;
        kept.texts.retain(|other| other.snapshot.id != id);
        kept.texts.push(text);
        let no_room = kept.make_room();
        if !no_room.is_empty() {
            kept.skipped.extend(no_room.iter().cloned());
            self.forget(no_room, false);
        }
    }

    /// Forgets texts because somebody wants it so.
    fn forget_texts(&mut self, ids: Vec<String>, wanted: bool) {
        if ids.is_empty() {
            return;
        }
        self.state.kept.skipped.extend(ids.iter().cloned());
        self.forget(ids, wanted);
    }

    fn forget(&mut self, ids: Vec<String>, wanted: bool) {
        self.strike_out(&ids);
        self.effects
            .push(Effect::Kept(KeptEffect::Forget { ids, wanted }));
    }

    /// These texts are not on the device any more.
    fn strike_out(&mut self, ids: &[String]) {
        for id in ids {
            if let Some(row) = self.key_of(id).and_then(|key| self.row_mut(key)) {
                row.kept = None;
            }
        }
        let texts = &mut self.state.kept.texts;
        texts.retain(|text| !ids.contains(&text.snapshot.id));
    }

    /// The backend has deleted it.
    pub(super) fn forget_removed(&mut self, id: &str) {
        if self.state.kept.revision(id).is_some() || self.state.kept.skipped.remove(id) {
            self.forget(vec![id.to_owned()], false);
        }
    }

    fn keep_texts(&mut self, on: bool) {
        self.state.kept.on = on;
        self.effects
            .push(Effect::Kept(KeptEffect::RememberKeeping(on)));
    }

    // Files of an earlier visit.

    /// Goes on with the files of an earlier visit, as far as it is known what became of them.
    fn settle(&mut self) {
        let unsettled = std::mem::take(&mut self.state.kept.unsettled);
        for unsent in unsettled {
            let listed = self.state.cursor.is_some();
            let known = unsent.id.as_deref().and_then(|id| self.key_of(id));
            match (&unsent.id, known) {
                (None, _) => self.take_up_anew(&unsent),
                (Some(_), Some(key)) => self.take_up(key, &unsent),
                // Deleted meanwhile.
                (Some(_), None) if listed => self.effects.extend(unsent.file.map(Effect::Release)),
                (Some(_), None) => self.state.kept.unsettled.push(unsent),
            }
        }
        self.start_uploads();
    }

    /// One that was not announced.
    fn take_up_anew(&mut self, unsent: &Unsent) {
        let picked = Picked {
            file: unsent.file.unwrap_or_default(),
            name: unsent.name.clone(),
            size: unsent.size,
            modified: unsent.modified.unwrap_or_default(),
            in_folder: unsent.in_folder,
        };
        let key = self.new_key();
        let row = Row::local(key, &picked, &unsent.source, &unsent.target);
        self.state.rows.insert(0, Rc::new(row));
        self.restore(key, unsent);
    }

    /// One that the backend waits for, unless its bytes had arrived.
    fn take_up(&mut self, key: Key, unsent: &Unsent) {
        let row = self.state.row(key);
        if row.and_then(|row| row.status()) == Some(Status::AwaitingUpload) {
            self.restore(key, unsent);
        } else {
            self.effects.extend(unsent.file.map(Effect::Release));
        }
    }

    fn restore(&mut self, key: Key, unsent: &Unsent) {
        let Some(row) = self.row_mut(key) else {
            return;
        };
        row.restored = Some(unsent.record.clone());
        row.file = unsent.file;
        row.modified = unsent.modified;
        row.in_folder = unsent.in_folder;
        row.charset = unsent.charset.as_deref().map(Into::into);
        row.arrived = false;
        if row.file.is_some() {
            return self.begin_anew(key);
        }
        row.stage = Stage::Stopped(Trouble::lasting(
            Text::ReloadedBeforeSent,
            Text::ReloadedBeforeSentAdvice,
        ));
    }

    // Whoever does not look.

    /// A translation's status is another one now.
    pub(super) fn turned(&mut self, key: Key, status: Status) {
        if !self.state.kept.hidden || !matches!(status, Status::Done | Status::Failed) {
            return;
        }
        let Some((row, id)) = self.state.row(key).and_then(|row| Some((row, row.id()?))) else {
            return;
        };
        let text = if status == Status::Done {
            Text::NotifyDone
        } else {
            Text::NotifyFailed
        };
        let (id, text) = (id.to_owned(), fill(text, &[&row.name]));
        self.state.kept.done_unseen += u64::from(status == Status::Done);
        self.effects
            .push(Effect::Kept(KeptEffect::Notify { id, text }));
    }
}
