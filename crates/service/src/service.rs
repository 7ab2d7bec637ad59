//! What REST asks for.

use std::sync::Arc;
use std::time::Duration;

use babelwire_wire::rest::{CreateTranslation, Health, Languages, Listing, Pair, Segments, Upload};
use babelwire_wire::{Push, Status, Translation};
use jiff::Timestamp;

use crate::broadcast::Telling;
use crate::ports::{
    Before, Bucket, Clock, Compute, CursorError, Looks, Notifier, ObjectStream, Objects,
    ObjectsError, Owner, PortError, Queue, Random, Record, Records, Remains, Translator, Which,
    Work, Written,
};
use crate::rfc3339;
use crate::slots::Slots;
use crate::text::Charset;

/// Separates the two halves of [`Listing::next`].
const NEXT_SEPARATOR: char = '~';

/// How long a URL of [`Download::There`] works: it is followed at once, but a large file takes its
/// time, and a download that broke off may be taken up again.
const DOWNLOAD_EXPIRY: Duration = Duration::from_secs(15 * 60);

/// How many questions about a whole text are answered at a time: each has a processor for itself.
const EXAMINERS: usize = 2;

/// The world the service lives in.
#[derive(Clone)]
pub struct Ports {
    /// The translation engine.
    pub translator: Arc<dyn Translator>,
    /// Files, texts and results.
    pub objects: Arc<dyn Objects>,
    /// The tables.
    pub records: Arc<dyn Records>,
    /// Who looks at what.
    pub looks: Arc<dyn Looks>,
    /// The way to connected clients.
    pub notifier: Arc<dyn Notifier>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub random: Arc<dyn Random>,
    /// Where longer work goes.
    pub queue: Arc<dyn Queue>,
    /// Where long computations go.
    pub compute: Arc<dyn Compute>,
}

/// What the service refuses to go beyond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest file, in bytes.
    pub file_bytes: u64,
    /// How many translations an owner has at most.
    pub translations: u64,
    /// The longest file name, in characters (Unicode scalar values).
    pub name_chars: usize,
    /// How long an upload URL works.
    pub upload_expiry: Duration,
    /// How many translations one connection can follow at a time.
    pub subscriptions: usize,
    /// How many translations are worked on side by side.
    pub jobs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 1 << 30,
            translations: 10_000,
            name_chars: 512,
            upload_expiry: Duration::from_secs(60 * 60),
            subscriptions: 100,
            jobs: 32,
        }
    }
}

/// Why a call was refused or failed, in words for who called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// No such translation.
    #[error("There is no translation “{id}”: it may have been deleted.")]
    NotFound {
        /// The id.
        id: String,
    },
    /// No such segment.
    #[error("There is no segment {index}: the text has {total}, counted from 0.")]
    NoSuchSegment {
        /// The index.
        index: u64,
        /// Segments in all.
        total: u64,
    },
    /// The call makes no sense as it is.
    #[error("{0}")]
    Invalid(String),
    /// The file is too large.
    #[error("{0}")]
    TooLarge(String),
    /// The call does not fit the state that things are in.
    #[error("{0}")]
    Conflict(String),
    /// A port failed.
    #[error("The backend's storage failed: {0}")]
    Port(#[from] PortError),
    /// Something that cannot happen did.
    #[error("The backend failed: {0}")]
    Internal(String),
}

impl From<ObjectsError> for ServiceError {
    fn from(error: ObjectsError) -> Self {
        match error {
            ObjectsError::NotFound => Self::Internal("an object is missing".to_owned()),
            ObjectsError::Other(error) => Self::Port(error),
        }
    }
}

/// What a file is called when it is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub content_type: &'static str,
}

/// An object on its way to a person.
pub enum Download {
    /// Its bytes.
    Here(FileName, ObjectStream),
    /// A URL of the store's own, which has name and type in it.
    There(String),
}

/// Which translations to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// At most how many; [`Service::LIST_DEFAULT`] without.
    pub limit: Option<u64>,
    /// Where the page before ended: its [`Listing::next`].
    pub after: Option<String>,
    /// Only what changed since this [`Listing::cursor`].
    pub changed_since: Option<String>,
}

/// What came of a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// The translation.
    pub translation: Translation,
    /// How to send its bytes, where they never came.
    pub upload: Option<Upload>,
}

/// The service over its ports.
pub struct Service {
    pub(crate) ports: Ports,
    pub(crate) limits: Limits,
    pub(crate) slots: Slots,
    /// One for each question about a whole text that is answered at a time.
    pub(crate) examiners: Slots,
}

impl Service {
    /// How many translations a listing has when nobody says.
    pub const LIST_DEFAULT: u64 = 100;
    /// How many translations a listing has at most.
    pub const LIST_MOST: u64 = 1000;
    /// How many segments are read when nobody says.
    pub const SEGMENTS_DEFAULT: u64 = 500;
    /// How many segments are read at most: 2 KiB each, a few MiB.
    pub const SEGMENTS_MOST: u64 = 2000;

    /// A service over these ports.
    pub fn new(ports: Ports, limits: Limits) -> Self {
        // A few more than the engine works on, so that it finds the next one waiting. No more:
        // whoever looks at something waits for all that the engine was given before.
        let concurrency = ports.translator.concurrency().max(1);
        let slots = Slots::new(concurrency + (concurrency / 8).max(2));
        Self {
            ports,
            limits,
            slots,
            examiners: Slots::new(EXAMINERS),
        }
    }

    /// The limits it keeps.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The name and version to answer `GET health` with.
    pub fn health(&self) -> Health {
        Health {
            status: "ok".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            translator: self.ports.translator.name().to_owned(),
        }
    }

    /// What can be translated into what.
    pub fn languages(&self) -> Languages {
        self.ports.translator.languages()
    }

    /// Announces a translation: its bytes are to be sent next.
    pub async fn create(
        &self,
        owner: &Owner,
        request: CreateTranslation,
    ) -> Result<(Translation, Upload), ServiceError> {
        let (pair, charset) = self.check(&request)?;
        if self.ports.records.count(owner).await? >= self.limits.translations {
            return Err(ServiceError::Conflict(format!(
                "This backend keeps {} translations and has them: delete some first.",
                self.limits.translations
            )));
        }
        let id = hex(&self.ports.random.bytes());
        let now = rfc3339(self.ports.clock.now());
        let record = Record {
            owner: owner.clone(),
            object_key: object_key(&id, &request.name),
            translation: Translation {
                id,
                name: request.name,
                size: request.size,
                source: pair.source,
                target: pair.target,
                charset: charset.clone(),
                status: Status::AwaitingUpload,
                done: 0,
                failed: 0,
                total: 0,
                ahead: None,
                error: None,
                created_at: now.clone(),
                updated_at: now,
                started_at: None,
                finished_at: None,
                revision: 1,
            },
            asked_charset: charset,
            generation: 1,
            prepared: false,
            source_etag: None,
            source_sequencer: None,
            before: None,
        };
        let upload = self.sign_upload(&record).await?;
        self.ports.records.insert(&record).await?;
        self.announce(&record, false).await?;
        Ok((record.translation, upload))
    }

    fn check(&self, request: &CreateTranslation) -> Result<(Pair, Option<String>), ServiceError> {
        let Limits {
            file_bytes,
            name_chars,
            ..
        } = self.limits;
        let chars = request.name.chars().count();
        if chars == 0 {
            return Err(ServiceError::Invalid(
                "`name` is empty: give the file's name.".to_owned(),
            ));
        }
        if chars > name_chars {
            return Err(ServiceError::Invalid(format!(
                "`name` has {chars} characters, and {name_chars} is the most: shorten it."
            )));
        }
        if request.size > file_bytes {
            return Err(ServiceError::TooLarge(format!(
                "The file has {} bytes, and {file_bytes} is the most that this backend takes: \
                 split it.",
                request.size
            )));
        }
        let charset = request
            .charset
            .as_deref()
            .map(Charset::for_label)
            .transpose()
            .map_err(|error| ServiceError::Invalid(format!("`charset`: {error}.")))?
            .map(|charset| charset.name().to_owned());
        let pair = self.pair(&request.source, &request.target).ok_or_else(|| {
            ServiceError::Invalid(format!(
                "There is no translation from “{}” into “{}” here: `languages` lists what \
                     there is.",
                request.source, request.target
            ))
        })?;
        Ok((pair, charset))
    }

    /// The pair of these languages; tags are compared without case, as BCP 47 says.
    pub(crate) fn pair(&self, source: &str, target: &str) -> Option<Pair> {
        let languages = self.ports.translator.languages();
        let detect = languages.detect && source.eq_ignore_ascii_case("auto");
        languages
            .pairs
            .into_iter()
            .find(|pair| {
                (detect || pair.source.eq_ignore_ascii_case(source))
                    && pair.target.eq_ignore_ascii_case(target)
            })
            .map(|pair| {
                if detect {
                    Pair {
                        source: "auto".to_owned(),
                        ..pair
                    }
                } else {
                    pair
                }
            })
    }

    async fn sign_upload(&self, record: &Record) -> Result<Upload, ServiceError> {
        let expires = self
            .ports
            .clock
            .now()
            .checked_add(self.limits.upload_expiry)
            .unwrap_or(Timestamp::MAX);
        let signed = self
            .ports
            .objects
            .sign_upload(
                Bucket::Sources,
                &record.object_key,
                record.translation.size,
                expires,
            )
            .await?;
        Ok(Upload {
            method: "PUT".to_owned(),
            url: signed.url,
            headers: signed.headers.into_iter().collect(),
            expires_at: rfc3339(expires),
        })
    }

    /// One translation.
    pub async fn get(&self, owner: &Owner, id: &str) -> Result<Translation, ServiceError> {
        Ok(self.owned(owner, id).await?.translation)
    }

    /// One translation, if it is this owner's. Another's is like one that never was.
    pub(crate) async fn owned(&self, owner: &Owner, id: &str) -> Result<Record, ServiceError> {
        let record = self.record(id).await?;
        if record.owner == *owner {
            Ok(record)
        } else {
            Err(ServiceError::NotFound { id: id.to_owned() })
        }
    }

    pub(crate) async fn record(&self, id: &str) -> Result<Record, ServiceError> {
        self.ports
            .records
            .get(id)
            .await?
            .ok_or_else(|| ServiceError::NotFound { id: id.to_owned() })
    }

    /// An owner's translations, newest first; with [`Listed::changed_since`], what changed, oldest
    /// change first.
    pub async fn list(&self, owner: &Owner, listed: &Listed) -> Result<Listing, ServiceError> {
        let limit = listed
            .limit
            .unwrap_or(Self::LIST_DEFAULT)
            .clamp(1, Self::LIST_MOST);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if let Some(changed_since) = &listed.changed_since {
            let cursor = listed.after.as_ref().unwrap_or(changed_since);
            let limit = listed.limit.map_or(1000, |_| limit);
            let changes = self
                .ports
                .records
                .changes(owner, cursor, limit)
                .await
                .map_err(|error| bad_cursor(error, "changedSince"))?;
            return Ok(Listing {
                translations: changes.translations,
                removed: changes.removed,
                next: changes.more.then(|| changes.cursor.clone()),
                cursor: changes.cursor,
            });
        }
        // The cursor is the first page's, and is taken before it is read: what changes while
        // somebody turns the pages is found after it.
        let (after, cursor) = match &listed.after {
            None => (None, self.ports.records.cursor(owner).await?),
            Some(next) => {
                let (after, cursor) = next
                    .split_once(NEXT_SEPARATOR)
                    .ok_or_else(|| bad_cursor(CursorError::Unknown, "after"))?;
                (Some(after), cursor.to_owned())
            }
        };
        let page = self
            .ports
            .records
            .list(owner, after, limit)
            .await
            .map_err(|error| bad_cursor(error, "after"))?;
        Ok(Listing {
            translations: page.items,
            removed: Vec::new(),
            next: page
                .next
                .map(|next| format!("{next}{NEXT_SEPARATOR}{cursor}")),
            cursor,
        })
    }

    /// The bytes as they were uploaded, as a file that `named` gives a name and a type.
    pub async fn source(
        &self,
        owner: &Owner,
        id: &str,
        named: impl FnOnce(&Translation) -> FileName,
    ) -> Result<Download, ServiceError> {
        let record = self.owned(owner, id).await?;
        match self.download(Bucket::Sources, &record, named).await {
            Err(ObjectsError::NotFound) => Err(ServiceError::Conflict(
                "The file's bytes have not arrived yet: upload them first.".to_owned(),
            )),
            download => Ok(download?),
        }
    }

    /// An object, from the store itself where that can be reached.
    async fn download(
        &self,
        bucket: Bucket,
        record: &Record,
        named: impl FnOnce(&Translation) -> FileName,
    ) -> Result<Download, ObjectsError> {
        let (key, objects) = (&record.object_key, &self.ports.objects);
        let file = named(&record.translation);
        let expires = self.ports.clock.now().checked_add(DOWNLOAD_EXPIRY);
        let expires = expires.unwrap_or(Timestamp::MAX);
        let (name, content_type) = (&file.name, file.content_type);
        let url = objects
            .sign_download(bucket, key, name, content_type, expires)
            .await?;
        match url {
            Some(url) if objects.size(bucket, key).await?.is_some() => Ok(Download::There(url)),
            Some(_) => Err(ObjectsError::NotFound),
            None => {
                let object = objects.get(bucket, key, None).await?;
                Ok(Download::Here(file, object))
            }
        }
    }

    /// The translated text in UTF-8, as a file that `named` gives a name and a type.
    pub async fn result(
        &self,
        owner: &Owner,
        id: &str,
        named: impl FnOnce(&Translation) -> FileName,
    ) -> Result<Download, ServiceError> {
        let record = self.owned(owner, id).await?;
        if record.translation.status != Status::Done {
            return Err(ServiceError::Conflict(format!(
                "The translation is not done: it is {}.",
                in_words(record.translation.status)
            )));
        }
        match self.download(Bucket::Results, &record, named).await {
            Err(ObjectsError::NotFound) => Err(ServiceError::Conflict(
                "The result is not kept any more: translate the file again.".to_owned(),
            )),
            download => Ok(download?),
        }
    }

    /// Translated segments by index, from `from` on.
    pub async fn segments(
        &self,
        owner: &Owner,
        id: &str,
        from: u64,
        limit: Option<u64>,
    ) -> Result<Segments, ServiceError> {
        let record = self.owned(owner, id).await?;
        let limit = limit
            .unwrap_or(Self::SEGMENTS_DEFAULT)
            .clamp(1, Self::SEGMENTS_MOST);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let segments = self
            .ports
            .records
            .segments(id, record.generation, from, limit)
            .await?;
        Ok(Segments {
            total: record.translation.total,
            segments,
        })
    }

    /// Stops a translation. What is translated is kept. One that had ended, and of which single
    /// segments are translated once more, goes back to how it had ended.
    pub async fn cancel(&self, owner: &Owner, id: &str) -> Result<Translation, ServiceError> {
        let record = self.owned(owner, id).await?;
        if record.before.is_some() {
            let records = &self.ports.records;
            records.mark_again(id, record.generation, None).await?;
            self.ports.queue.stop(id);
            // It finds nothing to repeat, and ends.
            let work = Work::Translate { id: id.to_owned() };
            self.ports.queue.push(work).await?;
            return Ok(record.translation);
        }
        let record = self
            .change(id, |record| match record.translation.status {
                Status::AwaitingUpload | Status::Queued | Status::Translating => {
                    record.translation.status = Status::Cancelled;
                    Ok(true)
                }
                Status::Cancelled => Ok(false),
                Status::Done | Status::Failed => Err(ServiceError::Conflict(format!(
                    "There is nothing to cancel: the translation is {}.",
                    in_words(record.translation.status)
                ))),
            })
            .await?;
        self.ports.queue.stop(id);
        Ok(record.translation)
    }

    /// Takes a translation up again where it stopped. Where its bytes never came, says how to
    /// send them. Of one that is done, only what was given up is tried again.
    pub async fn retry(&self, owner: &Owner, id: &str) -> Result<Retried, ServiceError> {
        let record = self.owned(owner, id).await?;
        if record.translation.status == Status::Done && record.translation.failed > 0 {
            return Ok(Retried {
                translation: self.repeat(record, Which::Failed).await?,
                upload: None,
            });
        }
        let arrived = self
            .ports
            .objects
            .size(Bucket::Sources, &record.object_key)
            .await?
            == Some(record.translation.size);
        let next = if arrived {
            Status::Queued
        } else {
            Status::AwaitingUpload
        };
        let record = self
            .change(id, |record| {
                let translation = &mut record.translation;
                match translation.status {
                    Status::Failed | Status::Cancelled => {
                        translation.status = next;
                        translation.failed = 0;
                        translation.error = None;
                        Ok(true)
                    }
                    Status::AwaitingUpload if arrived => {
                        translation.status = next;
                        Ok(true)
                    }
                    Status::AwaitingUpload | Status::Queued | Status::Translating => Ok(false),
                    Status::Done => Err(ServiceError::Conflict(
                        "There is nothing to retry: the translation is done.".to_owned(),
                    )),
                }
            })
            .await?;
        if record.translation.status == Status::Queued && record.before.is_none() {
            // What was given up is tried again, after what was never tried.
            let records = &self.ports.records;
            let which = Some(Which::Failed);
            records.mark_again(id, record.generation, which).await?;
        }
        let upload = match record.translation.status {
            Status::AwaitingUpload => Some(self.sign_upload(&record).await?),
            _ => None,
        };
        if upload.is_none() {
            let id = id.to_owned();
            self.ports.queue.push(Work::Translate { id }).await?;
        }
        Ok(Retried {
            translation: record.translation,
            upload,
        })
    }

    /// Translates one segment of a translation that has ended once more. The translation goes
    /// back to how it had ended afterwards, and the segment's translation stays until then.
    pub async fn retry_segment(
        &self,
        owner: &Owner,
        id: &str,
        index: u64,
    ) -> Result<Translation, ServiceError> {
        let record = self.owned(owner, id).await?;
        let total = record.translation.total;
        if index >= total {
            return Err(ServiceError::NoSuchSegment { index, total });
        }
        self.repeat(record, Which::One(index)).await
    }

    async fn repeat(&self, record: Record, which: Which) -> Result<Translation, ServiceError> {
        let (id, generation) = (record.translation.id.as_str(), record.generation);
        check_ended(&record)?;
        let records = &self.ports.records;
        let (done, failed) = match which {
            Which::Failed => (0, record.translation.failed),
            Which::One(index) => {
                let kept = records.segments(id, generation, index, 1).await?;
                match kept.first().filter(|kept| kept.index == index) {
                    Some(kept) if kept.failed => (0, 1),
                    Some(_) => (1, 0),
                    None => {
                        return Err(ServiceError::Conflict(
                            "This part is not translated yet: retry the whole file.".to_owned(),
                        ));
                    }
                }
            }
        };
        let record = self
            .change(id, |record| {
                check_ended(record)?;
                let translation = &mut record.translation;
                record.before = Some(Before {
                    status: translation.status,
                    error: translation.error.take(),
                });
                translation.status = Status::Queued;
                translation.done = translation.done.saturating_sub(done);
                translation.failed = translation.failed.saturating_sub(failed);
                Ok(true)
            })
            .await?;
        // Only now: of two who ask at a time, one is refused before it marks anything.
        let _: u64 = records.mark_again(id, generation, Some(which)).await?;
        let id = id.to_owned();
        self.ports.queue.push(Work::Translate { id }).await?;
        Ok(record.translation)
    }

    /// Deletes a translation with all that belongs to it.
    pub async fn delete(&self, owner: &Owner, id: &str) -> Result<(), ServiceError> {
        let (record, revision) = loop {
            let record = self.owned(owner, id).await?;
            let revision = record.translation.revision;
            if self.ports.records.remove(id, revision).await? == Written::Yes {
                break (record, revision + 1);
            }
        };
        self.ports.queue.stop(id);
        self.ports.looks.forget(id).await?;
        let translation_id = record.translation.id.clone();
        let removed = Push::Removed {
            translation_id,
            revision,
        };
        self.announce_push(&record.owner, &removed, false).await?;
        let remains = Remains {
            id: record.translation.id,
            object_key: record.object_key,
        };
        Ok(self.ports.queue.push(Work::Sweep(remains)).await?)
    }

    /// Whether an upload to this key would be of use: its translation was not deleted.
    pub async fn expects_upload(&self, key: &str) -> Result<bool, ServiceError> {
        let id = key.split_once('/').map_or(key, |(id, _)| id);
        let record = self.ports.records.get(id).await?;
        Ok(record.is_some_and(|record| record.object_key == key))
    }

    /// Changes a record and announces it, however often somebody else is faster. `change` says
    /// whether there is anything to write; it may be called more than once.
    pub(crate) async fn change(
        &self,
        id: &str,
        change: impl Fn(&mut Record) -> Result<bool, ServiceError>,
    ) -> Result<Record, ServiceError> {
        loop {
            let mut record = self.record(id).await?;
            if !change(&mut record)?
                || self.write(&mut record, Telling::Surely).await? == Written::Yes
            {
                return Ok(record);
            }
        }
    }

    /// Writes a changed record under its next revision, and tells its owner's connections.
    pub(crate) async fn write(
        &self,
        record: &mut Record,
        telling: Telling,
    ) -> Result<Written, ServiceError> {
        let now = rfc3339(self.ports.clock.now());
        let translation = &mut record.translation;
        let expected = translation.revision;
        translation.revision = expected + 1;
        let status = translation.status;
        if status != Status::Queued {
            translation.ahead = None;
        }
        if status == Status::Translating && translation.started_at.is_none() {
            translation.started_at = Some(now.clone());
        }
        if !status.is_final() {
            translation.finished_at = None;
        } else if translation.finished_at.is_none() {
            translation.finished_at = Some(now.clone());
        }
        translation.updated_at = now;
        let written = self.ports.records.update(record, expected).await?;
        if written == Written::Yes {
            match telling {
                Telling::Surely => self.announce(record, false).await?,
                Telling::Fleetingly => self.announce(record, true).await?,
                Telling::Nobody => {}
            }
        }
        Ok(written)
    }
}

pub(crate) fn check_ended(record: &Record) -> Result<(), ServiceError> {
    let status = record.translation.status;
    if status.is_final() {
        return Ok(());
    }
    Err(ServiceError::Conflict(format!(
        "The translation is {}: ask again when it has ended.",
        in_words(status)
    )))
}

fn bad_cursor(error: CursorError, parameter: &str) -> ServiceError {
    match error {
        CursorError::Unknown => ServiceError::Invalid(format!(
            "`{parameter}` is not one that this backend gave: list everything again without it."
        )),
        CursorError::Other(error) => error.into(),
    }
}

pub(crate) fn in_words(status: Status) -> &'static str {
    match status {
        Status::AwaitingUpload => "waiting for the file's bytes",
        Status::Queued => "queued",
        Status::Translating => "still being translated",
        Status::Done => "done",
        Status::Failed => "failed",
        Status::Cancelled => "cancelled",
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The most bytes that a file's name has in an object's key. A store on a file system may write
/// each as three characters (`%E4`), and 255 is the longest name of most file systems.
const KEY_NAME_BYTES: usize = 60;

/// The key of a translation's objects: its id, and as much of its name as a key can carry.
fn object_key(id: &str, name: &str) -> String {
    let mut safe = String::new();
    for char in name.chars() {
        let char = match char {
            '/' | '\\' => '_',
            char if char.is_control() => '_',
            char => char,
        };
        if safe.len() + char.len_utf8() > KEY_NAME_BYTES {
            break;
        }
        safe.push(char);
    }
    if safe.chars().all(|char| char == '.' || char == ' ') {
        "_".clone_into(&mut safe);
    }
    format!("{id}/{safe}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_carries_no_path() {
        assert_eq!(object_key("id", "../../etc/passwd"), "id/.._.._etc_passwd");
        assert_eq!(object_key("id", "..\\a\0b\u{85}c\n"), "id/.._a_b_c_");
        assert_eq!(object_key("id", ".."), "id/_");
        assert_eq!(object_key("id", ""), "id/_");
    }

    proptest::proptest! {
        #[test]
        fn a_key_has_two_parts_and_is_short(name in ".{0,300}") {
            let key = object_key("id", &name);
            let (id, name) = key.split_once('/').unwrap();
            proptest::prop_assert_eq!(id, "id");
            proptest::prop_assert!(!name.is_empty() && name.len() <= KEY_NAME_BYTES);
            proptest::prop_assert!(!name.contains(['/', '\\', '\0']) && name != "..");
        }
    }
}
