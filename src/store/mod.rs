//! What the page knows, and how that changes.
//!
//! [`State`] is plain data, [`reduce`] the only thing that changes it, and whatever has to be
//! done in the world is handed back as [`Effect`]s. No browser in here: every story of the page
//! can be told, and tested, natively.
//!
//! A push over the WebSocket is a hint, REST is the truth: on every open the backend is asked for
//! all that changed since it was last asked, and whatever a push said is only ever overwritten by
//! something newer.

mod document;
mod files;
mod hints;
mod kept;
pub mod languages;
mod reader;
mod reduce;
mod row;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::rc::Rc;

use babelwire_wire::rest::{CreateTranslation, Created, Languages, Listing, Segments, Upload};
use babelwire_wire::{Inbound, ObjectEvent, Translation};

pub use crate::words::Trouble;
pub use document::{Cell, Document, Extent, Load, ROWS_PAGE, RowsAnswer, Sight, WHOLE_BYTES};
pub use files::{
    Beginning, Files, FilesEffect, FilesMsg, PARALLEL_PEEKS, PEEK_BYTES, Packable, UNDO_MS,
};
pub use kept::{KEPT_BYTES, KEPT_TEXTS, LARGEST_KEPT, LARGEST_UNSENT, UNSENT_BYTES};
pub use kept::{Kept, KeptEffect, KeptMsg, KeptText, Permission, Remembered, Unsent};
pub use reader::{
    Copied, Find, Jump, MATCHES_PAGE, Place, Reader, ReaderEffect, ReaderMsg, Way, Why, fold,
};
pub use reduce::{reduce, reduce_front};
pub use row::{Key, Leaving, Peek, Picked, Reading, Row, Stage};

/// How many files are sent at the same time. A browser opens six connections to one origin; REST
/// and whatever else the person does keep the other half.
pub const PARALLEL_UPLOADS: usize = 3;

/// How many frames the console keeps.
pub const FRAMES_KEPT: usize = 500;

/// How much of a frame the console keeps, in bytes.
pub const FRAME_BYTES_KEPT: usize = 4096;

/// How many pieces of news a live console keeps.
pub const NEWS_KEPT: usize = 200;

/// How many segments one request asks for: what is read and shown within a frame or two.
pub const SEGMENTS_PAGE: u64 = 500;

/// How many ticks a page that waits for nothing lets go by before it asks what changed.
pub const IDLE_TICKS: u32 = 15;

/// Who the page works for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Session {
    /// Anybody: nobody signs in, as far as is known.
    #[default]
    Anybody,
    /// Nobody: somebody has to sign in first. Why they could not, if they tried.
    Out(Option<Trouble>),
    /// Somebody who has signed in.
    In,
    /// Somebody who was signed in: nothing can be asked of the backend until they are again.
    Ended,
}

impl Session {
    /// Whether nothing can be asked of the backend before somebody signs in.
    pub fn is_out(&self) -> bool {
        matches!(self, Self::Out(_) | Self::Ended)
    }
}

/// What kind of page this deployment has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// `config.json` has not been read.
    Starting,
    /// A backend with REST: files can be translated.
    Full,
    /// A backend with a WebSocket alone: news and frames are shown.
    LiveConsole,
    /// The page can't work: why, and what to do.
    Broken(Trouble),
}

/// The connection, as far as a person needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Being made for the first time.
    Connecting,
    /// News arrives.
    Open,
    /// Lost; the next attempt comes by itself.
    Waiting,
    /// Lost; the next attempt is under way.
    Redialling,
    /// The device has no network.
    Offline,
    /// Ended for good.
    Closed,
}

impl Link {
    /// As the root element's `data-connection` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting | Self::Redialling => "connecting",
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Offline => "offline",
            Self::Closed => "closed",
        }
    }
}

/// Which columns the reader shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Source and translation side by side.
    Both,
    /// The translation alone.
    Translation,
    /// The source alone.
    Source,
}

/// Where a frame of the console came from or went to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direction {
    /// From the backend.
    In,
    /// To the backend.
    Out,
    /// To the backend, as soon as there is a connection.
    Queued,
    /// Not sent: why.
    Refused(String),
    /// Neither: what became of the connection.
    Note,
}

/// A line of the console.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number since the page was opened.
    pub number: u32,
    /// Which way it went.
    pub direction: Direction,
    /// The frame's text, or the beginning of a long one.
    pub text: Rc<str>,
    /// The frame's whole length in bytes of UTF-8.
    pub bytes: usize,
}

/// A piece of news, as a backend with a WebSocket alone sends it.
#[derive(Debug, PartialEq, Eq)]
pub struct News {
    /// Its number since the page was opened.
    pub number: u32,
    /// What happened.
    pub event: ObjectEvent,
}

/// What a row's button asks of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Stop translating.
    Cancel,
    /// Translate what failed or was stopped.
    Retry,
    /// Forget it.
    Delete,
}

/// Everything that can happen to the page.
#[derive(Debug)]
pub enum Msg {
    /// Somebody signed in, or is to.
    Session(Session),
    /// `config.json` was read, or not.
    Configured(Result<Mode, Trouble>),
    /// The connection changed.
    Link(Link),
    /// A frame came in.
    Frame(Inbound),
    /// A frame went out.
    Sent(String),
    /// Something became of the connection: what, for the console.
    Note(String),
    /// A frame waits for a connection.
    Queued(String),
    /// A frame was not sent.
    Refused {
        /// The frame.
        text: String,
        /// Why, in words.
        why: String,
    },
    /// `GET languages` was answered.
    Languages(Result<Languages, Trouble>),
    /// The person chose the language to translate from.
    PickSource(String),
    /// The person chose the language to translate into.
    PickTarget(String),
    /// The person swapped the languages.
    Swap,
    /// A page of `GET translations` was answered.
    Listed {
        /// The `changedSince` that was asked with.
        since: Option<String>,
        /// The answer.
        result: Result<Listing, Trouble>,
    },
    /// The person chose or dropped files.
    Chosen(Vec<Picked>),
    /// `POST translations` was answered.
    Created {
        /// The row.
        key: Key,
        /// The answer.
        result: Result<Created, Trouble>,
    },
    /// Bytes of an upload went out.
    Progress {
        /// The row.
        key: Key,
        /// Bytes sent so far.
        sent: u64,
        /// When, in milliseconds since some moment.
        now: u64,
    },
    /// An upload was interrupted; it goes on by itself.
    Interrupted {
        /// The row.
        key: Key,
    },
    /// An upload ended.
    Uploaded {
        /// The row.
        key: Key,
        /// How.
        result: Result<(), Trouble>,
    },
    /// The person pressed a row's button.
    Command(Key, Command),
    /// The backend answered a row's command.
    Answered {
        /// The row.
        key: Key,
        /// The translation's id.
        id: String,
        /// What was asked.
        command: Command,
        /// The answer.
        result: Result<Option<Translation>, Trouble>,
    },
    /// The person opened a row in the reader.
    Open(Key),
    /// The person closed the reader.
    CloseReader,
    /// The person chose what the reader shows.
    View(View),
    /// The source's text is with the shell, or not.
    Source {
        /// The translation's id.
        id: String,
        /// How it went.
        result: Result<(), Trouble>,
    },
    /// A page of segments was answered.
    Segments {
        /// The translation's id.
        id: String,
        /// The answer.
        result: Result<Segments, Trouble>,
    },
    /// The person opened or closed the console.
    ToggleConsole,
    /// The person sends an action from the console.
    Say {
        /// The route.
        action: String,
        /// What goes with it.
        data: String,
    },
    /// The person wants to be connected now.
    TryNow,
    /// The page speaks another language now, or its texts could not be had.
    Spoken(bool),
    /// Something that the person has to know.
    Notice(Rc<str>),
    /// The person has read the notice.
    DismissNotice,
    /// Some time went by: see whether a push was lost.
    Tick,
    /// A part of the page could not be fetched; whatever happens next has it tried again.
    NotLoaded,
    /// About files.
    Files(FilesMsg),
    /// About the reader.
    Reader(ReaderMsg),
    /// About what this device keeps.
    Kept(KeptMsg),
}

/// Something to do in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// `GET languages`.
    FetchLanguages,
    /// Keep the chosen languages for the next visit.
    RememberLanguages {
        /// From.
        source: Rc<str>,
        /// Into.
        target: Rc<str>,
    },
    /// `GET translations`.
    FetchChanges {
        /// The cursor, if there is one.
        since: Option<String>,
        /// The page, if it isn't the first.
        after: Option<String>,
    },
    /// `POST translations`.
    Create {
        /// The row.
        key: Key,
        /// The body.
        body: CreateTranslation,
    },
    /// Send a file's bytes.
    Upload {
        /// The row.
        key: Key,
        /// Which file.
        file: u32,
        /// Where to.
        upload: Upload,
    },
    /// Stop sending a file's bytes.
    AbortUpload(Key),
    /// The file itself is not needed any more.
    Release(u32),
    /// `POST …/cancel`, `POST …/retry` or `DELETE`.
    Command {
        /// The row.
        key: Key,
        /// The translation's id.
        id: String,
        /// Which.
        command: Command,
    },
    /// `GET …/source`, decoded.
    FetchSource {
        /// The translation's id.
        id: String,
        /// Its encoding by its WHATWG name.
        charset: String,
    },
    /// `GET …/segments`.
    FetchSegments {
        /// The translation's id.
        id: String,
        /// The first index wanted.
        from: u64,
    },
    /// Send a frame over the WebSocket; worth sending only on the connection that is open now.
    Send(String),
    /// Subscribe to a translation's segments.
    Subscribe {
        /// The translation's id.
        id: String,
        /// The first index wanted.
        from: u64,
    },
    /// End that.
    Unsubscribe {
        /// The translation's id.
        id: String,
    },
    /// Connect without waiting.
    ConnectNow,
    /// About files.
    Files(FilesEffect),
    /// About the reader.
    Reader(ReaderEffect),
    /// About what this device keeps.
    Kept(KeptEffect),
}

/// What the page knows.
#[derive(Debug)]
pub struct State {
    /// What kind of page this is.
    pub mode: Mode,
    /// Who it works for.
    pub session: Session,
    /// The connection.
    pub link: Link,
    /// What can be translated into what, once known.
    pub languages: Option<Rc<Languages>>,
    /// Why it isn't known.
    pub languages_trouble: Option<Rc<str>>,
    /// The language chosen to translate from; empty before there is a choice.
    pub source: Rc<str>,
    /// The language chosen to translate into; empty before there is a choice.
    pub target: Rc<str>,
    /// The person's own languages as BCP 47 tags, best first, and the choice of an earlier visit.
    pub preferences: Preferences,
    /// The files, in the order of the list.
    pub rows: Vec<Rc<Row>>,
    /// Why the list did not come.
    pub list_trouble: Option<Rc<str>>,
    /// The translation in the reader.
    pub document: Option<Document>,
    /// What the reader shows.
    pub view: View,
    /// Whether the console is open.
    pub console_open: bool,
    /// The console's frames, oldest first.
    pub frames: VecDeque<Rc<Line>>,
    /// The live console's news, newest first.
    pub news: VecDeque<Rc<News>>,
    /// Whether the language that was chosen for the page could not be had.
    pub unspoken: bool,
    /// Something that the person has to know, until dismissed.
    pub notice: Option<Rc<str>>,
    /// Files, beyond the rows.
    pub files: Files,
    /// The reader, beyond the document.
    pub reader: Reader,
    /// What this device keeps.
    pub kept: Kept,
    /// Counts frames and news.
    counter: u32,
    ticks: u32,
    next_key: Key,
    /// Where rows are, by key and by their translation's id.
    keys: hints::Hints,
    ids: hints::Hints,
    removed: Vec<String>,
    /// Where the last round of `GET translations` ended.
    cursor: Option<String>,
    /// The round that is under way.
    round: Option<Round>,
    /// Announced by this very page perhaps: shown once the answers to its own calls are here.
    held: Vec<Translation>,
}

/// What is known of the person before they choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    /// The languages chosen last time, from and into.
    pub last: Option<(String, String)>,
    /// The browser's language, as a BCP 47 tag.
    pub own: String,
}

/// A round of `GET translations`.
#[derive(Debug, Default)]
struct Round {
    /// The cursor of its first page: whatever changes during the round is asked for next time.
    cursor: Option<String>,
    /// Something happened meanwhile that asks for another round.
    again: bool,
    /// The translations that were shown when everything was asked for, and that no page of the
    /// answer has named so far.
    unnamed: Vec<String>,
}

impl State {
    /// The page as it is before anything happened.
    pub fn new(preferences: Preferences) -> Self {
        Self {
            mode: Mode::Starting,
            session: Session::default(),
            link: Link::Connecting,
            languages: None,
            languages_trouble: None,
            source: "".into(),
            target: "".into(),
            preferences,
            rows: Vec::new(),
            list_trouble: None,
            document: None,
            view: View::Both,
            console_open: false,
            frames: VecDeque::new(),
            news: VecDeque::new(),
            unspoken: false,
            notice: None,
            files: Files::default(),
            reader: Reader::default(),
            kept: Kept::default(),
            counter: 0,
            ticks: 0,
            next_key: 0,
            keys: hints::Hints::default(),
            ids: hints::Hints::default(),
            removed: Vec::new(),
            cursor: None,
            round: None,
            held: Vec::new(),
        }
    }

    /// The row of that key.
    pub fn row(&self, key: Key) -> Option<&Rc<Row>> {
        let place = self.keys.by_key(&self.rows, key)?;
        self.rows.get(place)
    }

    /// Whether the backend has deleted that translation: whatever is heard of it is old news.
    fn is_removed(&self, id: &str) -> bool {
        self.removed.iter().any(|removed| removed == id)
    }

    /// Whether what is read is no translation but the demonstration's text.
    pub fn is_demonstration(&self) -> bool {
        self.languages
            .as_ref()
            .is_some_and(|languages| languages.translator == "pseudo")
    }

    /// Whether the languages can be the other way round.
    pub fn can_swap(&self) -> bool {
        self.languages.as_ref().is_some_and(|languages| {
            languages
                .pairs
                .iter()
                .any(|pair| *pair.source == *self.target && *pair.target == *self.source)
        })
    }
}
