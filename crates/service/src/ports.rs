//! What the service needs from the world. One process gives it SQLite, a folder and a socket;
//! a cloud gives it tables, buckets and functions.
//!
//! Everything here can be delivered twice, late or out of order, so every write that matters is
//! conditional, and everything that can be long is paged or streamed.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use babelwire_wire::{Failure, Segment, Status, Translation};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::translator::Translator;

/// A port failed for a reason of its own: a full disk, a lost network, a broken table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PortError(pub String);

impl PortError {
    /// Wraps the words of another error.
    pub fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Who translations belong to: whoever a token was given to, or everyone where nobody signs in.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(String);

impl Owner {
    /// Whoever comes, of a backend where nobody signs in.
    pub const fn everyone() -> Self {
        Self(String::new())
    }

    /// The subject of a token (the claim `sub`). An empty one is everyone.
    pub fn new(subject: impl Into<String>) -> Self {
        Self(subject.into())
    }

    /// The subject; empty for everyone.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is everyone.
    pub fn is_everyone(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a bucket is for. Its name is the [`Objects`]' own affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// Files as they were uploaded.
    Sources,
    /// The same texts in UTF-8.
    Texts,
    /// Finished translations.
    Results,
}

impl Bucket {
    /// Every bucket.
    pub const ALL: [Self; 3] = [Self::Sources, Self::Texts, Self::Results];

    /// The bucket's name where nothing else is configured.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Texts => "texts",
            Self::Results => "results",
        }
    }

    /// The bucket that [`Bucket::as_str`] gives this name for.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bucket| bucket.as_str() == name)
    }
}

/// Why an object could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectsError {
    /// There is no such object.
    #[error("there is no such object")]
    NotFound,
    /// Anything else.
    #[error(transparent)]
    Other(#[from] PortError),
}

/// An object being read.
pub struct ObjectStream {
    /// The whole object's size in bytes, whatever range is being read.
    pub size: u64,
    /// The bytes.
    pub bytes: BoxStream<'static, Result<Bytes, ObjectsError>>,
}

/// An object being written. Nobody sees it until [`ObjectWriter::finish`]; dropped before that,
/// it leaves nothing.
#[async_trait]
pub trait ObjectWriter: Send {
    /// Appends bytes; returns once there is room for more.
    async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectsError>;

    /// Makes the object visible, whole and at once, in place of an older one of the same key.
    async fn finish(self: Box<Self>) -> Result<(), ObjectsError>;
}

/// Where and how to send an object's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedUpload {
    /// An absolute URL, or one that begins with `/` and belongs to the origin that was asked.
    pub url: String,
    /// Headers to send as they are.
    pub headers: BTreeMap<String, String>,
}

/// A store of objects. Every put and delete makes an S3 event notification that reaches
/// [`crate::Service::object_events`] at least once, in any order.
#[async_trait]
pub trait Objects: Send + Sync {
    /// The bucket that an event's bucket name stands for.
    fn bucket(&self, name: &str) -> Option<Bucket> {
        Bucket::parse(name)
    }

    /// The size of an object in bytes; `None` where there is none.
    async fn size(&self, bucket: Bucket, key: &str) -> Result<Option<u64>, ObjectsError>;

    /// Reads an object, or a range of its bytes, which may reach beyond its end but must begin
    /// within it.
    async fn get(
        &self,
        bucket: Bucket,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<ObjectStream, ObjectsError>;

    /// Starts to write an object.
    async fn put(&self, bucket: Bucket, key: &str) -> Result<Box<dyn ObjectWriter>, ObjectsError>;

    /// Deletes an object; one that is not there is no error.
    async fn delete(&self, bucket: Bucket, key: &str) -> Result<(), ObjectsError>;

    /// A URL that takes exactly `size` bytes for this object until `expires`, any number of times.
    async fn sign_upload(
        &self,
        bucket: Bucket,
        key: &str,
        size: u64,
        expires: Timestamp,
    ) -> Result<SignedUpload, PortError>;

    /// A URL of the store's own that gives this object to whoever has it, as a file of this name
    /// and type, until `expires`. `None` where the store is not reached from outside.
    async fn sign_download(
        &self,
        _bucket: Bucket,
        _key: &str,
        _file_name: &str,
        _content_type: &str,
        _expires: Timestamp,
    ) -> Result<Option<String>, PortError> {
        Ok(None)
    }
}

/// All that is known of one translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who it belongs to: to everybody else it does not exist.
    pub owner: Owner,
    /// What people see.
    pub translation: Translation,
    /// The key of its objects, in every bucket.
    pub object_key: String,
    /// The charset asked for when it was announced; [`Translation::charset`] becomes the one found.
    pub asked_charset: Option<String>,
    /// Grows when other bytes take the place of the source: segments of an older generation are
    /// of another text.
    pub generation: u64,
    /// Whether the UTF-8 text exists whole and [`Translation::total`] is known.
    pub prepared: bool,
    /// The entity tag of the source's bytes, where the store gives one.
    pub source_etag: Option<String>,
    /// The sequencer of the event that told of the source's bytes, normalised.
    pub source_sequencer: Option<String>,
    /// While segments of a translation that had ended are translated once more: how it had ended,
    /// and will again.
    pub before: Option<Before>,
}

/// How a translation had ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// The final status.
    pub status: Status,
    /// What had gone wrong; only with [`Status::Failed`].
    pub error: Option<Failure>,
}

/// Segments that are to be translated once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that were given up.
    Failed,
    /// The one of this index.
    One(u64),
}

/// A place in a text from which its segments can be found without reading what comes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The index of the first segment that begins there or later.
    pub index: u64,
    /// A byte offset in the text.
    pub offset: u64,
}

/// A removed translation whose segments and objects may still be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remains {
    /// The translation's id.
    pub id: String,
    /// The key of its objects.
    pub object_key: String,
}

/// Whether a conditional write took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It did.
    Yes,
    /// Something else was written first: read again.
    Conflict,
}

/// One page of a longer list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to give as `after` for the next page; `None` on the last.
    pub next: Option<String>,
}

/// What changed after a cursor, oldest change first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Translations in their newest state.
    pub translations: Vec<Translation>,
    /// Ids of those deleted.
    pub removed: Vec<String>,
    /// The cursor after these changes.
    pub cursor: String,
    /// Whether there is more after [`Changes::cursor`].
    pub more: bool,
}

/// Why a page or the changes could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// The cursor was not made here.
    #[error("the cursor is not one that this backend gave")]
    Unknown,
    /// Anything else.
    #[error(transparent)]
    Other(#[from] PortError),
}

/// A connection that listens to a translation's segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// The connection.
    pub connection: String,
    /// The first index it wants.
    pub from: u64,
}

/// A connection of the WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its id.
    pub id: String,
    /// Who opened it.
    pub owner: Owner,
    /// When `$connect` ran.
    pub connected_at: Timestamp,
}

/// The tables.
#[async_trait]
pub trait Records: Send + Sync {
    /// Adds a translation.
    async fn insert(&self, record: &Record) -> Result<(), PortError>;

    /// How many translations an owner has, without the removed ones.
    async fn count(&self, owner: &Owner) -> Result<u64, PortError>;

    /// One translation; `None` when it is unknown or removed.
    async fn get(&self, id: &str) -> Result<Option<Record>, PortError>;

    /// Whom a translation belongs to, or belonged to before it was removed; `None` when nothing is
    /// known of it (any more).
    async fn owner(&self, id: &str) -> Result<Option<Owner>, PortError>;

    /// Replaces a translation if its revision still is `expected`.
    async fn update(&self, record: &Record, expected: u64) -> Result<Written, PortError>;

    /// Turns a translation into a tombstone of revision `expected + 1`, if its revision still is
    /// `expected`. Its segments and objects are still there: see [`Records::remains`].
    async fn remove(&self, id: &str, expected: u64) -> Result<Written, PortError>;

    /// Tombstones that are not swept yet.
    async fn remains(&self, after: Option<&str>, limit: usize) -> Result<Page<Remains>, PortError>;

    /// Notes that nothing of a removed translation is left but its tombstone.
    async fn swept(&self, id: &str) -> Result<(), PortError>;

    /// An owner's translations, newest first. The order never changes, so pages do not overlap.
    async fn list(
        &self,
        owner: &Owner,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Translation>, CursorError>;

    /// The cursor of now: whatever is written from here on comes after it.
    async fn cursor(&self, owner: &Owner) -> Result<String, PortError>;

    /// What changed of an owner's translations after `cursor`. It may hold older changes again.
    async fn changes(
        &self,
        owner: &Owner,
        cursor: &str,
        limit: usize,
    ) -> Result<Changes, CursorError>;

    /// Ids of translations that are not final: what to take up again after a crash.
    async fn unfinished(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<String>, PortError>;

    /// Keeps segments, and takes their marks of [`Records::mark_again`] away. A segment kept before
    /// is replaced, but never a translation by one that was given up. After an error some may be
    /// kept: repeat it with all.
    /// [`Written::Conflict`] when the translation was removed or is of another generation by now.
    async fn keep_segments(
        &self,
        id: &str,
        generation: u64,
        segments: &[Segment],
    ) -> Result<Written, PortError>;

    /// Kept segments by index, from `from` on.
    async fn segments(
        &self,
        id: &str,
        generation: u64,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Segment>, PortError>;

    /// The indexes of kept segments as ascending ranges that do not touch, those marked by
    /// [`Records::mark_again`] left out.
    async fn kept(&self, id: &str, generation: u64) -> Result<Vec<Range<u64>>, PortError>;

    /// How many of the segments in [`Records::kept`] were given up.
    async fn given_up(&self, id: &str, generation: u64) -> Result<u64, PortError>;

    /// Marks kept segments as to be translated once more, and nothing else: marks made before are
    /// taken away, all of them with `None`. They can be read as they are until they are kept anew.
    /// Says how many are marked.
    async fn mark_again(
        &self,
        id: &str,
        generation: u64,
        which: Option<Which>,
    ) -> Result<u64, PortError>;

    /// The indexes marked by [`Records::mark_again`] as ascending ranges that do not touch.
    async fn again(&self, id: &str, generation: u64) -> Result<Vec<Range<u64>>, PortError>;

    /// Keeps checkpoints of a text. A generation that is no more has none.
    async fn keep_checkpoints(
        &self,
        id: &str,
        generation: u64,
        checkpoints: &[Checkpoint],
    ) -> Result<(), PortError>;

    /// The last checkpoint whose index is not above `index`, if there is one.
    async fn checkpoint(
        &self,
        id: &str,
        generation: u64,
        index: u64,
    ) -> Result<Option<Checkpoint>, PortError>;

    /// Forgets a translation's segments and checkpoints of every generation below `below`; all
    /// with `None`.
    async fn forget_segments(&self, id: &str, below: Option<u64>) -> Result<(), PortError>;

    /// Adds a connection.
    async fn connect(&self, connection: &Connection) -> Result<(), PortError>;

    /// Forgets a connection and its subscriptions.
    async fn disconnect(&self, connection: &str) -> Result<(), PortError>;

    /// A connection; `None` when it is not known (any more).
    async fn connection(&self, connection: &str) -> Result<Option<Connection>, PortError>;

    /// In how many parts an owner's connections are kept, so that many can be read and told side by
    /// side.
    fn shards(&self, _owner: &Owner) -> u32 {
        1
    }

    /// An owner's connections of one shard (counted from 0), by id.
    async fn connections(
        &self,
        owner: &Owner,
        shard: u32,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Connection>, PortError>;

    /// Adds or replaces a subscription. [`Written::Conflict`] when the connection is not known
    /// (any more) or has `most` others already.
    async fn subscribe(
        &self,
        id: &str,
        subscriber: &Subscriber,
        most: usize,
    ) -> Result<Written, PortError>;

    /// Ends a subscription.
    async fn unsubscribe(&self, id: &str, connection: &str) -> Result<(), PortError>;

    /// One subscription.
    async fn subscription(
        &self,
        id: &str,
        connection: &str,
    ) -> Result<Option<Subscriber>, PortError>;

    /// Who listens to a translation, by connection id.
    async fn subscribers(
        &self,
        id: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Subscriber>, PortError>;

    /// The newest sequencer handled for an object.
    async fn sequencer(&self, bucket: &str, key: &str) -> Result<Option<String>, PortError>;

    /// Sets the sequencer of an object, unless it has the same or a newer one. Sequencers are
    /// normalised by [`crate::events::Sequencer`], so they compare as text.
    async fn advance_sequencer(
        &self,
        bucket: &str,
        key: &str,
        sequencer: &str,
    ) -> Result<Written, PortError>;
}

/// What is looked at in a translation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// Tells this from what was looked at before. 0 when nothing is.
    pub version: u64,
    /// The ranges of indexes, newest look first. They may overlap.
    pub ranges: Vec<Range<u64>>,
}

/// Who looks at what.
#[async_trait]
pub trait Looks: Send + Sync {
    /// A view of a connection looks at a range of a translation from now on, and at nothing else of
    /// it. [`Written::Conflict`], and nothing changes, when the connection looks at `most` other
    /// translations already.
    async fn look(
        &self,
        id: &str,
        connection: &str,
        view: &str,
        range: Range<u64>,
        most: usize,
    ) -> Result<Written, PortError>;

    /// Ends a connection's looks at a translation; with a view, that view's alone.
    async fn end(&self, id: &str, connection: &str, view: Option<&str>) -> Result<(), PortError>;

    /// Ends all looks of a connection.
    async fn disconnect(&self, connection: &str) -> Result<(), PortError>;

    /// Ends all looks at a translation.
    async fn forget(&self, id: &str) -> Result<(), PortError>;

    /// What is looked at in a translation, as soon as it is another than the one of this version.
    /// Only the last one to ask for a translation has to be answered.
    async fn change(&self, id: &str, version: u64) -> Result<Sight, PortError>;

    /// What a connection looks at in a translation. The ranges may overlap.
    async fn of(&self, id: &str, connection: &str) -> Result<Vec<Range<u64>>, PortError>;

    /// What every connection looks at in a translation.
    async fn by_connection(&self, id: &str)
    -> Result<BTreeMap<String, Vec<Range<u64>>>, PortError>;

    /// The translations that somebody looks at, as far as this process knows.
    fn translations(&self) -> HashSet<String>;
}

/// Why a frame did not reach a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// The connection is gone (410).
    #[error("the connection is gone")]
    Gone,
    /// The client does not read fast enough (429).
    #[error("the client does not read fast enough")]
    Busy,
    /// Anything else.
    #[error(transparent)]
    Other(#[from] PortError),
}

/// The way to connected clients.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Sends one text frame. `Ok` means taken, not received.
    async fn post(&self, connection: &str, text: Bytes) -> Result<(), PostError>;

    /// Closes a connection. One that is gone is no error.
    async fn close(&self, connection: &str) -> Result<(), PortError>;
}

/// The time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// A source of random bytes that nobody can guess.
pub trait Random: Send + Sync {
    /// 128 random bits.
    fn bytes(&self) -> [u8; 16];
}

/// Where long computations go, so that nothing else waits for them.
#[async_trait]
pub trait Compute: Send + Sync {
    /// Runs work to its end, on a thread that nobody else needs meanwhile. Dropping the future need
    /// not stop it.
    async fn apart(&self, work: BoxFuture<'static, ()>);
}

/// Work that goes on after whoever asked for it has its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "camelCase")]
pub enum Work {
    /// Translate what is queued, or go on with it.
    Translate {
        /// The translation's id.
        id: String,
    },
    /// Send a subscriber the kept segments.
    CatchUp {
        /// The translation's id.
        id: String,
        /// The connection.
        connection: String,
        /// The first index to send.
        from: u64,
    },
    /// Send a connection the kept segments of a range that it looks at.
    Show {
        /// The translation's id.
        id: String,
        /// The connection.
        connection: String,
        /// The indexes; those that are not looked at any more when their turn comes are left out.
        range: Range<u64>,
    },
    /// Delete what a removed translation left.
    Sweep(Remains),
    /// Send a frame to every connection of an owner.
    Broadcast {
        /// The owner.
        owner: Owner,
        /// The shard of [`Records::connections`]; all of them without.
        shard: Option<u32>,
        /// The frame's text.
        #[serde(with = "utf8")]
        text: Bytes,
        /// Whether a newer frame follows soon anyway, so that a client that is slow to read may
        /// miss this one.
        fleeting: bool,
    },
}

/// The bytes of a text, as a string.
mod utf8 {
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer, ser};

    pub(super) fn serialize<S: Serializer>(text: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(text).map_err(ser::Error::custom)?;
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        String::deserialize(from).map(Bytes::from)
    }
}

/// A queue of [`Work`]. What is lost with a crash is found again by [`crate::Service::recover`].
#[async_trait]
pub trait Queue: Send + Sync {
    /// Adds work.
    async fn push(&self, work: Work) -> Result<(), PortError>;

    /// Stops translating at once, as far as it is under way here.
    fn stop(&self, id: &str);

    /// Whether a subscriber is being caught up here, and so must not be sent new segments beside:
    /// it will find those from `from` on by itself.
    fn is_catching_up(&self, id: &str, connection: &str, from: u64) -> bool;

    /// Whether a connection is being shown what it looks at here, and so must not be sent new
    /// segments of its looks beside: those of `range` will be found.
    fn is_showing(&self, id: &str, connection: &str, range: Range<u64>) -> bool;
}
