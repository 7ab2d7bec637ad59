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
    /// The file's name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
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
    /// The seconds until all bytes are sent, as far as can be told.
    pub left: Option<u64>,
}

impl Row {
    pub(super) fn local(key: Key, picked: Picked, source: &str, target: &str) -> Self {
        Self {
            key,
            name: picked.name.into(),
            size: picked.size,
            source: source.into(),
            target: target.into(),
            stage: Stage::Waiting,
            snapshot: None,
            file: Some(picked.file),
            busy: false,
            left: None,
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
            left: None,
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

    /// Whether it can be tried again.
    pub fn can_retry(&self) -> bool {
        match self.stage {
            Stage::Remote => matches!(self.status(), Some(Status::Failed | Status::Cancelled)),
            Stage::Stopped(_) | Stage::Cancelled => true,
            _ => false,
        }
    }

    fn translated(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.done)
    }
}
