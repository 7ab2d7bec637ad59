//! What this device keeps, and what the address says.

use std::collections::HashSet;
use std::rc::Rc;

use babelwire_wire::{Status, Translation};

use super::{Key, Link, Mode, Row, Stage, State, View};
use crate::words::{Text, fill, plural_with};

/// The largest source whose texts are kept, in bytes.
pub const LARGEST_KEPT: u64 = 4_000_000;

/// How much all kept texts may take, in bytes: a small part of what browsers give to one origin
/// (MDN, "Storage quotas and eviction criteria": 10 % of the disk at least).
pub const KEPT_BYTES: u64 = 200_000_000;

/// How many texts are kept.
pub const KEPT_TEXTS: usize = 500;

/// The largest file that is kept until it is sent, in bytes.
pub const LARGEST_UNSENT: u64 = 20_000_000;

/// How much all files may take that are kept until they are sent, in bytes.
pub const UNSENT_BYTES: u64 = 100_000_000;

/// The page's own name.
const PAGE: &str = "Babelwire";

/// What is known of what this device keeps.
#[derive(Debug)]
pub struct Kept {
    /// Whether finished texts are kept.
    pub on: bool,
    /// Whether it is known what is kept already.
    pub(super) known: bool,
    /// The texts that are kept.
    pub(super) texts: Vec<KeptText>,
    /// Translations that are not kept (again): somebody said so, or there is no room.
    pub(super) skipped: HashSet<String>,
    /// Files of an earlier visit, as long as it is not known what became of them.
    pub(super) unsettled: Vec<Unsent>,
    /// The translation that the address names, as long as it can't be opened yet.
    pub(super) wanted: Option<String>,
    /// Whether nobody can see the page.
    pub(super) hidden: bool,
    /// Files done since then.
    pub(super) done_unseen: u64,
    /// Whether the page may tell of it when nobody sees it.
    pub permission: Permission,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            on: true,
            known: false,
            texts: Vec::new(),
            skipped: HashSet::new(),
            unsettled: Vec::new(),
            wanted: None,
            hidden: false,
            done_unseen: 0,
            permission: Permission::default(),
        }
    }
}

/// A finished translation that this device keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptText {
    /// What the backend said of it when it was kept.
    pub snapshot: Translation,
    /// The bytes that it takes.
    pub bytes: u64,
}

/// A file of an earlier visit that was not sent to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// Under which name the device keeps it.
    pub record: Rc<str>,
    /// Where the shell keeps the file itself, if it was kept.
    pub file: Option<u32>,
    /// The file's name, with its folders.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last changed, in milliseconds since 1970.
    pub modified: Option<u64>,
    /// Whether its folder was chosen, not the file itself.
    pub in_folder: bool,
    /// From, a BCP 47 tag or `auto`.
    pub source: String,
    /// Into, a BCP 47 tag.
    pub target: String,
    /// The encoding that somebody chose for it.
    pub charset: Option<String>,
    /// The translation as which it was announced.
    pub id: Option<String>,
}

/// Whether the page may show notifications.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Permission {
    /// It may not, or there are none here.
    #[default]
    Denied,
    /// Nobody was asked.
    Open,
    /// It may.
    Granted,
}

/// What the device remembers of an earlier visit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// What the reader showed.
    pub view: Option<View>,
    /// The languages that files were translated into beside the first, as BCP 47 tags.
    pub more_targets: Vec<Rc<str>>,
    /// Whether finished texts are not to be kept.
    pub off: bool,
    /// Whether the page may show notifications.
    pub permission: Permission,
}

/// What can happen to it.
#[derive(Debug, PartialEq, Eq)]
pub enum KeptMsg {
    /// This part of the page is here.
    Begin,
    /// The address names that translation now, or none.
    Address(Option<String>),
    /// What was remembered was read.
    Remembered(Remembered),
    /// What is kept was read: the texts, and the translations that are not to be kept.
    Texts(Vec<KeptText>, Vec<String>),
    /// A text is kept now.
    Stored(Box<KeptText>),
    /// That translation's text could not be kept.
    NotStored(String),
    /// The person has a text forgotten.
    Forget(Key),
    /// The person has everything forgotten.
    ForgetAll,
    /// The person wants finished texts kept, or not.
    Keep(bool),
    /// Another tab has forgotten the texts of these translations.
    ForgottenElsewhere(Vec<String>),
    /// In another tab, somebody wants finished texts kept, or not.
    KeepElsewhere(bool),
    /// Files of an earlier visit were found.
    Unsent(Vec<Unsent>),
    /// The page can't be seen now, or can.
    Hidden(bool),
    /// The person wants to be told when files are done.
    Notify,
    /// Whether the page may do that.
    Permission(Permission),
}

/// What has to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptEffect {
    /// Forget the texts of these translations.
    Forget {
        /// The translations.
        ids: Vec<String>,
        /// Whether somebody wants it so: they are not to be kept again.
        wanted: bool,
    },
    /// Remember whether finished texts are kept.
    RememberKeeping(bool),
    /// Tell whoever does not see the page that a file is done, or will not be.
    Notify {
        /// The translation.
        id: String,
        /// What there is to tell.
        text: String,
    },
    /// Ask whether the page may do that.
    AskPermission,
}

impl State {
    /// The translation that the address should name: the one that is read, or waited for.
    pub fn address(&self) -> Option<&str> {
        match &self.document {
            Some(document) => Some(&document.id),
            None => self.kept.wanted.as_deref(),
        }
    }

    /// What the window or tab is called.
    pub fn title(&self) -> String {
        let open = self.document.as_ref();
        let title = match open.and_then(|document| self.row(document.key)) {
            Some(row) => fill(Text::TitleOf, &[&row.name, PAGE]),
            None => PAGE.to_owned(),
        };
        match self.kept.done_unseen {
            0 => title,
            done => plural_with(Text::TitleDone, done, &[&title]),
        }
    }

    /// Whether files are on their way: a device that falls asleep now would interrupt them.
    pub fn is_sending(&self) -> bool {
        self.link != Link::Offline && self.rows.iter().any(|row| row.holds_slot())
    }

    /// The translation whose text this device should keep next, if there is time: sending files
    /// goes before.
    pub fn next_to_keep(&self) -> Option<&Translation> {
        let kept = &self.kept;
        let calm = self.link == Link::Open && !self.is_sending();
        if !(calm && kept.on && kept.known && self.mode == Mode::Full) {
            return None;
        }
        let mut wanted = self.rows.iter().filter(|row| {
            row.status() == Some(Status::Done) && row.size <= LARGEST_KEPT && row.leaving.is_none()
        });
        wanted.find_map(|row| {
            let snapshot = row.snapshot.as_deref()?;
            let missing = row.kept != Some(snapshot.revision);
            (missing && !kept.skipped.contains(&snapshot.id)).then_some(snapshot)
        })
    }

    /// Whether the device should answer for the backend: it keeps that text, and no connection is
    /// open.
    pub fn reads_kept(&self, id: &str) -> bool {
        self.link != Link::Open && self.kept.texts.iter().any(|text| text.snapshot.id == id)
    }

    /// Whether it is known what this device keeps.
    pub fn knows_kept(&self) -> bool {
        self.kept.known
    }

    /// How many texts are kept, and the bytes that they take.
    pub fn kept_in_all(&self) -> (u64, u64) {
        let texts = &self.kept.texts;
        let bytes = texts.iter().map(|text| text.bytes).sum();
        (texts.len() as u64, bytes)
    }

    /// The files that the device has to keep until they are sent, each with the name that an
    /// earlier visit gave it.
    pub fn unsent(&self) -> impl Iterator<Item = &Row> {
        self.rows
            .iter()
            .map(|row| &**row)
            .filter(|row| row.is_unsent() || row.is_lost())
    }

    /// The names of those whose fate is not known yet.
    pub fn unsettled(&self) -> impl Iterator<Item = &Rc<str>> {
        self.kept.unsettled.iter().map(|unsent| &unsent.record)
    }

    /// Whether it is worth asking if the page may tell when files are done.
    pub fn may_offer_notifications(&self) -> bool {
        self.kept.permission == Permission::Open && self.rows.iter().any(|row| row.is_under_way())
    }
}

impl Kept {
    /// The revision of a translation whose text is kept.
    pub(super) fn revision(&self, id: &str) -> Option<u64> {
        let text = self.texts.iter().find(|text| text.snapshot.id == id)?;
        Some(text.snapshot.revision)
    }

    /// Takes out what there is no room for, the oldest translations first.
    pub(super) fn make_room(&mut self) -> Vec<String> {
        self.texts
            .sort_by(|a, b| b.snapshot.created_at.cmp(&a.snapshot.created_at));
        let mut bytes = 0;
        let fitting = self.texts.iter().take(KEPT_TEXTS).take_while(|text| {
            bytes += text.bytes;
            bytes <= KEPT_BYTES
        });
        let fitting = fitting.count();
        let rest = self.texts.split_off(fitting);
        rest.into_iter().map(|text| text.snapshot.id).collect()
    }
}

impl Row {
    /// Whether the page still has to send its file.
    pub(super) fn is_unsent(&self) -> bool {
        self.file.is_some()
            && self.leaving.is_none()
            && !matches!(self.stage, Stage::Remote | Stage::Sent | Stage::Cancelled)
    }

    /// The name of its result as a file of its own.
    pub fn result_name(&self) -> String {
        let path = super::files::archive_path(&self.name, &self.target);
        path.rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// Whether its file was chosen in an earlier visit and is not yet with the backend.
    pub fn is_restored(&self) -> bool {
        self.restored.is_some() && self.file.is_some() && self.is_under_way()
    }

    /// Whether its file was to be sent, and went with an earlier visit.
    pub fn is_lost(&self) -> bool {
        self.restored.is_some() && self.file.is_none() && matches!(self.stage, Stage::Stopped(_))
    }
}
