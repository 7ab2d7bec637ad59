//! What is in an item of each table.

use std::collections::BTreeSet;

use babelwire_service::ports::{Before, Connection, Owner, PortError, Record, Subscriber};
use babelwire_wire::{Failure, Segment, Status, Translation};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What stands for everyone: a key cannot be empty.
const EVERYONE: &str = "*";

/// An owner as part of a key. A subject that begins with what stands for everyone has it twice.
pub(crate) fn owner_key(owner: &Owner) -> String {
    let subject = owner.as_str();
    if subject.is_empty() {
        EVERYONE.to_owned()
    } else if subject.starts_with(EVERYONE) {
        format!("{EVERYONE}{subject}")
    } else {
        subject.to_owned()
    }
}

/// The owner of a key.
pub(crate) fn owner_of(key: &str) -> Owner {
    Owner::new(key.strip_prefix(EVERYONE).unwrap_or(key))
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FailureItem {
    title: String,
    detail: String,
}

impl From<&Failure> for FailureItem {
    fn from(failure: &Failure) -> Self {
        Self {
            title: failure.title.clone(),
            detail: failure.detail.clone(),
        }
    }
}

impl From<FailureItem> for Failure {
    fn from(item: FailureItem) -> Self {
        Self {
            title: item.title,
            detail: item.detail,
        }
    }
}

/// A translation that was not removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TranslationItem {
    pub(crate) id: String,
    pub(crate) owner: String,
    /// Its place in the index `newest`.
    pub(crate) created: String,
    /// Its place in the index `changes`.
    pub(crate) changed: String,
    /// Its place in the index `open`: only while it is not final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) open: Option<String>,
    /// Tells who wrote this revision.
    pub(crate) written: u64,
    revision: u64,
    name: String,
    size: u64,
    source: String,
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    charset: Option<String>,
    status: String,
    done: u64,
    failed: u64,
    total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<FailureItem>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    object_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_charset: Option<String>,
    generation: u64,
    prepared: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_sequencer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_before: Option<FailureItem>,
}

/// What the index `open` has of translations that are not final.
pub(crate) const UNFINISHED: &str = "unfinished";
/// What the index `open` has of removed translations that are not swept.
pub(crate) const REMAINS: &str = "remains";

/// Attributes that a tombstone does without: the name is nobody's business any more, and the rest
/// means nothing.
pub(crate) const NOT_IN_A_TOMBSTONE: [&str; 21] = [
    "created",
    "name",
    "size",
    "source",
    "target",
    "charset",
    "status",
    "done",
    "failed",
    "total",
    "ahead",
    "error",
    "createdAt",
    "startedAt",
    "finishedAt",
    "askedCharset",
    "prepared",
    "sourceEtag",
    "sourceSequencer",
    "statusBefore",
    "errorBefore",
];

/// A place in the index `newest` or `changes`: by time, then by id. Times are RFC 3339 in UTC with
/// milliseconds, so they compare as text.
pub(crate) fn place(time: &str, id: &str) -> String {
    format!("{time}{PLACE_SEPARATOR}{id}")
}

/// Sorts below everything that an id begins with, and is not in a time.
pub(crate) const PLACE_SEPARATOR: char = '!';

impl TranslationItem {
    pub(crate) fn new(record: &Record, changed: &str, written: u64) -> Self {
        let Record {
            owner,
            translation,
            object_key,
            asked_charset,
            generation,
            prepared,
            source_etag,
            source_sequencer,
            before,
        } = record.clone();
        let is_final = translation.status.is_final();
        Self {
            owner: owner_key(&owner),
            created: place(&translation.created_at, &translation.id),
            changed: place(changed, &translation.id),
            open: (!is_final).then(|| UNFINISHED.to_owned()),
            written,
            id: translation.id,
            revision: translation.revision,
            name: translation.name,
            size: translation.size,
            source: translation.source,
            target: translation.target,
            charset: translation.charset,
            status: translation.status.as_str().to_owned(),
            done: translation.done,
            failed: translation.failed,
            total: translation.total,
            ahead: translation.ahead,
            error: translation.error.as_ref().map(FailureItem::from),
            created_at: translation.created_at,
            updated_at: translation.updated_at,
            started_at: translation.started_at,
            finished_at: translation.finished_at,
            object_key,
            asked_charset,
            generation,
            prepared,
            source_etag,
            source_sequencer,
            status_before: before
                .as_ref()
                .map(|before| before.status.as_str().to_owned()),
            error_before: before.and_then(|before| before.error.as_ref().map(FailureItem::from)),
        }
    }

    pub(crate) fn into_record(self) -> Result<Record, PortError> {
        let status = |status: &str| {
            Status::parse(status).ok_or_else(|| {
                PortError(format!(
                    "translation {} has the unknown status {status:?}",
                    self.id
                ))
            })
        };
        let before = match &self.status_before {
            Some(before) => Some(Before {
                status: status(before)?,
                error: self.error_before.map(Failure::from),
            }),
            None => None,
        };
        Ok(Record {
            owner: owner_of(&self.owner),
            translation: Translation {
                status: status(&self.status)?,
                id: self.id,
                name: self.name,
                size: self.size,
                source: self.source,
                target: self.target,
                charset: self.charset,
                done: self.done,
                failed: self.failed,
                total: self.total,
                ahead: self.ahead,
                error: self.error.map(Failure::from),
                created_at: self.created_at,
                updated_at: self.updated_at,
                started_at: self.started_at,
                finished_at: self.finished_at,
                revision: self.revision,
            },
            object_key: self.object_key,
            asked_charset: self.asked_charset,
            generation: self.generation,
            prepared: self.prepared,
            source_etag: self.source_etag,
            source_sequencer: self.source_sequencer,
            before,
        })
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// A kept segment. Names of attributes are paid for with each item, so these are short.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SegmentItem {
    text: String,
    number: u64,
    start: u64,
    end: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    words: String,
    #[serde(default, skip_serializing_if = "is_false")]
    failed: bool,
}

impl SegmentItem {
    pub(crate) fn new(text: &str, segment: &Segment) -> Self {
        let [start, end] = segment.source;
        Self {
            text: text.to_owned(),
            number: segment.index,
            start,
            end,
            words: segment.text.clone(),
            failed: segment.failed,
        }
    }

    pub(crate) fn into_segment(self) -> Segment {
        Segment {
            index: self.number,
            source: [self.start, self.end],
            text: self.words,
            failed: self.failed,
        }
    }
}

/// A connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ConnectionItem {
    id: String,
    owner: String,
    /// Its place in the index `audience`.
    audience: String,
    /// When it was opened, in milliseconds since 1970.
    connected: i64,
    expires: u64,
}

impl ConnectionItem {
    pub(crate) fn new(connection: &Connection, shard: u32, expires: u64) -> Self {
        Self {
            id: connection.id.clone(),
            owner: owner_key(&connection.owner),
            audience: audience(&connection.owner, shard),
            connected: connection.connected_at.as_millisecond(),
            expires,
        }
    }

    pub(crate) fn into_connection(self) -> Connection {
        Connection {
            id: self.id,
            owner: owner_of(&self.owner),
            connected_at: Timestamp::from_millisecond(self.connected).unwrap_or_default(),
        }
    }
}

/// The part of an owner's connections that a shard is.
pub(crate) fn audience(owner: &Owner, shard: u32) -> String {
    format!("{}#{shard}", owner_key(owner))
}

/// The translations in a set that an item has.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Subscribed {
    #[serde(default)]
    pub(crate) subscribed: BTreeSet<String>,
}

/// A subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SubscriptionItem {
    translation: String,
    connection: String,
    from: u64,
    expires: u64,
}

impl SubscriptionItem {
    pub(crate) fn new(id: &str, subscriber: &Subscriber, expires: u64) -> Self {
        Self {
            translation: id.to_owned(),
            connection: subscriber.connection.clone(),
            from: subscriber.from,
            expires,
        }
    }

    pub(crate) fn into_subscriber(self) -> Subscriber {
        Subscriber {
            connection: self.connection,
            from: self.from,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_subject_is_taken_for_everyone_or_for_another() {
        let subjects = ["", "*", "**", "a", "*a", "a*", "a#0"];
        let mut keys = BTreeSet::new();
        for subject in subjects {
            let owner = Owner::new(subject);
            let key = owner_key(&owner);
            assert!(!key.is_empty());
            assert_eq!(owner_of(&key), owner);
            assert!(keys.insert(audience(&owner, 0)) && keys.insert(audience(&owner, 1)));
        }
        assert_eq!(owner_key(&Owner::everyone()), "*");
    }
}
