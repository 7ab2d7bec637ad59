//! One file on the page: what this page did with it and what the backend says of it.

use std::rc::Rc;

use babelwire_wire::{Status, Translation};

use crate::words::Trouble;

/// Tells the rows of this page apart, whether the backend has heard of them or not.
pub type Key = u32;

/// A file that somebody chose on this page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    /// Where the shell keeps the file itself.
    pub file: u32,
    /// The file's name, with its folders where it came in one: `letters/may.txt`.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last changed, in milliseconds since 1970. With the name and the size it tells
    /// whether a file is here already.
    pub modified: u64,
    /// Whether somebody chose its folder, not the file itself: what is no text is left out.
    pub in_folder: bool,
}

/// What the beginning of a file shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peek {
    /// Its first line with anything to read.
    pub line: Rc<str>,
    /// The encodings that it may be in, the likeliest first; empty when there is no doubt.
    pub encodings: Vec<Reading>,
}

/// The beginning of a file in one of the encodings that it may be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The encoding's WHATWG name, such as `Shift_JIS`.
    pub encoding: Rc<str>,
    /// The first line in it.
    pub line: Rc<str>,
}

/// A row that is about to be deleted, as long as that can be undone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leaving {
    /// The person is at the button that undoes it: nobody hurries them.
    pub held: bool,
    /// Its time is over.
    pub due: bool,
    /// It was being sent, and goes on when it stays.
    pub resume: bool,
}

/// How far this page is with sending a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// The backend has the file, or another page sends it: the snapshot says all.
    Remote,
    /// Its beginning is being looked at.
    Checking,
    /// Waits for the device to be online.
    Held,
    /// Waits for one of the parallel uploads to end.
    Waiting,
    /// The backend was asked where to put it.
    Announcing,
    /// Bytes are on their way.
    Uploading {
        /// Bytes sent.
        sent: u64,
    },
    /// The network or the store failed; sending begins anew by itself.
    Interrupted,
    /// All bytes were taken; the backend has not said what comes next.
    Sent,
    /// This page could not send it.
    Stopped(Trouble),
    /// Stopped by the person at this page before all was sent.
    Cancelled,
}

/// A file of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The row's own key.
    pub key: Key,
    /// The file's name: any text at all.
    pub name: Rc<str>,
    /// The file's size in bytes.
    pub size: u64,
    /// From, a BCP 47 tag or `auto`; empty until the languages are known.
    pub source: Rc<str>,
    /// Into, a BCP 47 tag; empty until the languages are known.
    pub target: Rc<str>,
    /// What this page does with it.
    pub stage: Stage,
    /// What the backend said last.
    pub snapshot: Option<Rc<Translation>>,
    /// Where the shell keeps the file, while it may have to be sent (again).
    pub file: Option<u32>,
    /// A command of this row (cancel, retry, delete) is on its way.
    pub busy: bool,
    /// When the file was last changed, where it was chosen on this page.
    pub modified: Option<u64>,
    /// Whether its folder was chosen, not the file itself.
    pub in_folder: bool,
    /// What its beginning shows.
    pub peek: Option<Rc<Peek>>,
    /// The encoding that somebody chose for it, by its WHATWG name.
    pub charset: Option<Rc<str>>,
    /// The seconds until all bytes are sent, as far as can be told.
    pub left: Option<u64>,
    /// The backend has been seen to have the file.
    pub arrived: bool,
    /// About to be deleted.
    pub leaving: Option<Leaving>,
    /// The revision of it whose text this device keeps.
    pub kept: Option<u64>,
    /// Its file was chosen in an earlier visit: under which name the device kept it.
    pub restored: Option<Rc<str>>,
}

impl Row {
    pub(super) fn local(key: Key, picked: &Picked, source: &str, target: &str) -> Self {
        Self {
            key,
            name: picked.name.as_str().into(),
            size: picked.size,
            source: source.into(),
            target: target.into(),
            stage: Stage::Checking,
            snapshot: None,
            file: Some(picked.file),
            busy: false,
            modified: Some(picked.modified),
            in_folder: picked.in_folder,
            peek: None,
            charset: None,
            left: None,
            arrived: false,
            leaving: None,
            kept: None,
            restored: None,
        }
    }

    pub(super) fn remote(key: Key, snapshot: Translation) -> Self {
        Self {
            key,
            name: snapshot.name.as_str().into(),
            size: snapshot.size,
            source: snapshot.source.as_str().into(),
            target: snapshot.target.as_str().into(),
            stage: Stage::Remote,
            snapshot: Some(Rc::new(snapshot)),
            file: None,
            busy: false,
            modified: None,
            in_folder: false,
            peek: None,
            charset: None,
            left: None,
            arrived: true,
            leaving: None,
            kept: None,
            restored: None,
        }
    }

    /// The backend's id of it, once it has one.
    pub fn id(&self) -> Option<&str> {
        self.snapshot.as_ref().map(|snapshot| snapshot.id.as_str())
    }

    /// The backend's status, where that is what counts.
    pub fn status(&self) -> Option<Status> {
        match (&self.stage, &self.snapshot) {
            (Stage::Remote, Some(snapshot)) => Some(snapshot.status),
            _ => None,
        }
    }

    /// Whether something is still to happen by itself.
    pub fn is_under_way(&self) -> bool {
        match self.stage {
            Stage::Remote => self.status().is_some_and(|status| !status.is_final()),
            Stage::Stopped(_) | Stage::Cancelled => false,
            _ => true,
        }
    }

    /// Whether one of the parallel uploads is this one.
    pub(super) fn holds_slot(&self) -> bool {
        self.stage == Stage::Announcing || self.is_uploading()
    }

    /// Whether the shell has an upload of it under way.
    pub(super) fn is_uploading(&self) -> bool {
        matches!(self.stage, Stage::Uploading { .. } | Stage::Interrupted)
    }

    /// Whether there is text to read.
    pub fn can_open(&self) -> bool {
        match self.status() {
            Some(Status::Queued | Status::Translating | Status::Done) => true,
            Some(Status::Failed | Status::Cancelled) => self.translated() > 0,
            _ => false,
        }
    }

    /// Whether the whole result can be downloaded.
    pub fn can_download(&self) -> bool {
        self.status() == Some(Status::Done)
    }

    /// Whether it can be stopped.
    pub fn can_cancel(&self) -> bool {
        self.is_under_way()
    }

    /// Whether what is translated so far is worth a download of its own.
    pub fn can_download_part(&self) -> bool {
        matches!(self.status(), Some(Status::Failed | Status::Cancelled)) && self.translated() > 0
    }

    /// Whether it can be tried again.
    pub fn can_retry(&self) -> bool {
        match &self.stage {
            Stage::Remote => {
                matches!(self.status(), Some(Status::Failed | Status::Cancelled))
                    || self.failed_paragraphs() > 0
            }
            // Without its file, all that helps is to choose it again.
            Stage::Stopped(_) | Stage::Cancelled => self.file.is_some(),
            _ => false,
        }
    }

    /// Whether it went wrong, all of it or in parts, and can be tried again.
    pub fn has_failed(&self) -> bool {
        let failed = match self.stage {
            Stage::Stopped(_) => true,
            _ => self.status() == Some(Status::Failed) || self.failed_paragraphs() > 0,
        };
        failed && self.can_retry()
    }

    /// How many paragraphs of a finished translation were given up.
    pub fn failed_paragraphs(&self) -> u64 {
        match (&self.snapshot, self.status()) {
            (Some(snapshot), Some(Status::Done)) => snapshot.failed,
            _ => 0,
        }
    }

    /// Whether somebody may know better which encoding it is in, and say so.
    pub fn can_choose_encoding(&self) -> bool {
        self.file.is_some() && self.is_unsure()
    }

    pub(super) fn is_unsure(&self) -> bool {
        self.peek
            .as_ref()
            .is_some_and(|peek| !peek.encodings.is_empty())
    }

    /// The encoding that it is read in: as chosen, as the backend found, or as it looks.
    pub fn encoding(&self) -> Option<Rc<str>> {
        let found = || Some(self.snapshot.as_ref()?.charset.as_deref()?.into());
        let looks = || Some(self.peek.as_ref()?.encodings.first()?.encoding.clone());
        self.charset.clone().or_else(found).or_else(looks)
    }

    fn translated(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.done)
    }
}
