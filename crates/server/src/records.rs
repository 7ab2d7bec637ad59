//! The tables in SQLite.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use babelwire_service::ports::{
    Before, Changes, Checkpoint, Connection, CursorError, Owner, Page, PortError, Record, Records,
    Remains, Subscriber, Which, Written,
};
use babelwire_wire::{Failure, Segment, Status, Translation};
use jiff::Timestamp;
use rusqlite::{OpenFlags, OptionalExtension, Row, params};
use rusqlite_migration::{M, Migrations};
use tokio::sync::Semaphore;

/// Connections that read. Writing has one of its own: SQLite has one writer at a time anyway.
const READERS: usize = 4;
/// Segments deleted in one transaction, so that nobody waits long for the writer.
const FORGET_AT_ONCE: usize = 2000;
/// How long a statement waits for another process that looks into the database.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// `change` is one sequence over all rows, so that "what changed after N" is a range. Removed
/// translations stay as tombstones: `removed` is 1 while their segments and objects may exist.
const SCHEMA: &str = "
CREATE TABLE backend (epoch TEXT NOT NULL) STRICT;
INSERT INTO backend VALUES (lower(hex(randomblob(6))));

CREATE TABLE translations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    change INTEGER NOT NULL UNIQUE,
    removed INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    charset TEXT,
    status TEXT NOT NULL,
    done INTEGER NOT NULL,
    total INTEGER NOT NULL,
    error_title TEXT,
    error_detail TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    object_key TEXT NOT NULL,
    asked_charset TEXT,
    generation INTEGER NOT NULL,
    prepared INTEGER NOT NULL,
    source_etag TEXT,
    source_sequencer TEXT
) STRICT;
CREATE INDEX unfinished ON translations (number)
    WHERE removed = 0 AND status IN ('awaiting-upload', 'queued', 'translating');
CREATE INDEX unswept ON translations (number) WHERE removed = 1;

CREATE TABLE segments (
    translation INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    number INTEGER NOT NULL,
    source_start INTEGER NOT NULL,
    source_end INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (translation, generation, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE connections (
    id TEXT PRIMARY KEY,
    connected_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE subscriptions (
    translation TEXT NOT NULL,
    connection TEXT NOT NULL,
    first INTEGER NOT NULL,
    PRIMARY KEY (translation, connection)
) STRICT, WITHOUT ROWID;
CREATE INDEX subscriptions_of ON subscriptions (connection);

CREATE TABLE sequencers (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    sequencer TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;
";

/// `again` marks a segment that is to be translated once more, and stays readable until then.
/// `before_*` is where a translation goes back to after that. `checkpoints` are the places in a
/// text from which reading can begin.
const PARTS: &str = "
ALTER TABLE translations ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE translations ADD COLUMN ahead INTEGER;
ALTER TABLE translations ADD COLUMN started_at TEXT;
ALTER TABLE translations ADD COLUMN finished_at TEXT;
ALTER TABLE translations ADD COLUMN before_status TEXT;
ALTER TABLE translations ADD COLUMN before_title TEXT;
ALTER TABLE translations ADD COLUMN before_detail TEXT;

ALTER TABLE segments ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE segments ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
CREATE INDEX failed_segments ON segments (translation, generation, number) WHERE failed = 1;
CREATE INDEX segments_again ON segments (translation, generation, number) WHERE again = 1;

CREATE TABLE checkpoints (
    translation INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    number INTEGER NOT NULL,
    source_start INTEGER NOT NULL,
    PRIMARY KEY (translation, generation, number)
) STRICT, WITHOUT ROWID;
";

/// `owner` is empty for everyone: whatever an earlier version kept.
const OWNERS: &str = "
ALTER TABLE translations ADD COLUMN owner TEXT NOT NULL DEFAULT '';
CREATE INDEX translations_of ON translations (owner, number);
CREATE INDEX changes_of ON translations (owner, change);

DROP TABLE connections;
CREATE TABLE connections (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    connected_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX connections_of ON connections (owner, id);
";

const COLUMNS: &str = "id, revision, name, size, source, target, charset, status, done, total, \
    error_title, error_detail, created_at, updated_at, object_key, asked_charset, generation, \
    prepared, source_etag, source_sequencer, failed, ahead, started_at, finished_at, \
    before_status, before_title, before_detail, owner";

/// As many parameters as [`COLUMNS`] has columns. The first one is the id.
const VALUES: &str = "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
    ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28";

/// The tables in SQLite. Its calls run on threads of their own.
pub(crate) struct SqliteRecords {
    writer: Arc<tokio::sync::Mutex<rusqlite::Connection>>,
    readers: Arc<Readers>,
    epoch: String,
}

struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<rusqlite::Connection>>,
    permits: Semaphore,
}

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("it is of another version of Babelwire, or damaged: {0}")]
    Migration(#[from] rusqlite_migration::Error),
}

impl SqliteRecords {
    /// Opens or makes the database. Connections of an earlier process are gone with it.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let mut writer = rusqlite::Connection::open(path)?;
        prepare(&writer)?;
        writer.pragma_update(None, "journal_mode", "wal")?;
        // In WAL mode this loses nothing when a process dies; a power cut can take the last
        // commits, never the consistency.
        writer.pragma_update(None, "synchronous", "normal")?;
        Migrations::new(vec![M::up(SCHEMA), M::up(PARTS), M::up(OWNERS)]).to_latest(&mut writer)?;
        writer.execute_batch(
            "DELETE FROM connections;
             DELETE FROM subscriptions;
             DELETE FROM sequencers WHERE NOT EXISTS (
                 SELECT 1 FROM translations
                 WHERE id = substr(key, 1, instr(key, '/') - 1) AND removed < 2);",
        )?;
        let epoch = writer.query_row("SELECT epoch FROM backend", [], |row| row.get(0))?;
        Ok(Self {
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
            readers: Arc::new(Readers {
                path: path.to_owned(),
                idle: Mutex::default(),
                permits: Semaphore::new(READERS),
            }),
            epoch,
        })
    }

    /// The newest sequencer of all.
    pub(crate) async fn newest_sequencer(&self) -> Result<Option<String>, PortError> {
        self.read(|db| {
            db.query_row("SELECT max(sequencer) FROM sequencers", [], |row| {
                row.get(0)
            })
        })
        .await
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, PortError> {
        let readers = Arc::clone(&self.readers);
        let _permit = self
            .readers
            .permits
            .acquire()
            .await
            .map_err(PortError::new)?;
        blocking(move || {
            let idle = readers
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let db = match idle {
                Some(db) => db,
                None => readers.open()?,
            };
            let answer = query(&db);
            readers
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(db);
            answer
        })
        .await
    }

    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, PortError> {
        let mut db = Arc::clone(&self.writer).lock_owned().await;
        blocking(move || {
            let transaction =
                db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let answer = change(&transaction)?;
            transaction.commit()?;
            Ok(answer)
        })
        .await
    }

    /// The indexes of segments that a condition holds for, as ascending ranges.
    async fn ranges(
        &self,
        id: &str,
        generation: u64,
        condition: &'static str,
    ) -> Result<Vec<Range<u64>>, PortError> {
        let id = id.to_owned();
        self.read(move |db| {
            db.prepare_cached(&format!(
                "SELECT min(number), max(number) + 1 FROM (
                     SELECT number, number - row_number() OVER (ORDER BY number) AS island
                     FROM segments
                     WHERE translation = (SELECT number FROM translations WHERE id = ?)
                     AND generation = ? AND {condition})
                 GROUP BY island ORDER BY 1"
            ))?
            .query_map(params![id, generation], |row| Ok(row.get(0)?..row.get(1)?))?
            .collect()
        })
        .await
    }

    fn cursor_of(&self, change: u64) -> String {
        format!("{}-{change}", self.epoch)
    }

    fn change_of(&self, cursor: &str) -> Result<u64, CursorError> {
        cursor
            .split_once('-')
            .filter(|(epoch, _)| *epoch == self.epoch)
            .and_then(|(_, change)| change.parse().ok())
            .filter(|change| i64::try_from(*change).is_ok())
            .ok_or(CursorError::Unknown)
    }
}

impl Readers {
    fn open(&self) -> rusqlite::Result<rusqlite::Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = rusqlite::Connection::open_with_flags(&self.path, flags)?;
        prepare(&db)?;
        Ok(db)
    }
}

fn prepare(db: &rusqlite::Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Runs SQLite on a thread that may wait.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, PortError> {
    match tokio::task::spawn_blocking(call).await {
        Ok(answer) => answer.map_err(PortError::new),
        Err(error) => Err(PortError::new(error)),
    }
}

/// SQLite's integers are signed.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn record_of(row: &Row<'_>) -> rusqlite::Result<Record> {
    let status_in = |column: &str| -> rusqlite::Result<Option<Status>> {
        let Some(status) = row.get::<_, Option<String>>(column)? else {
            return Ok(None);
        };
        let parsed = Status::parse(&status).ok_or_else(|| {
            rusqlite::Error::FromSqlConversionFailure(
                0,
                rusqlite::types::Type::Text,
                format!("unknown status {status}").into(),
            )
        })?;
        Ok(Some(parsed))
    };
    let failure_in = |title: &str, detail: &str| -> rusqlite::Result<Option<Failure>> {
        let title: Option<String> = row.get(title)?;
        let detail: Option<String> = row.get(detail)?;
        Ok(title
            .zip(detail)
            .map(|(title, detail)| Failure { title, detail }))
    };
    let status = status_in("status")?.ok_or(rusqlite::Error::InvalidQuery)?;
    Ok(Record {
        owner: Owner::new(row.get::<_, String>("owner")?),
        translation: Translation {
            id: row.get("id")?,
            name: row.get("name")?,
            size: row.get("size")?,
            source: row.get("source")?,
            target: row.get("target")?,
            charset: row.get("charset")?,
            status,
            done: row.get("done")?,
            total: row.get("total")?,
            failed: row.get("failed")?,
            ahead: row.get("ahead")?,
            error: failure_in("error_title", "error_detail")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            started_at: row.get("started_at")?,
            finished_at: row.get("finished_at")?,
            revision: row.get("revision")?,
        },
        object_key: row.get("object_key")?,
        asked_charset: row.get("asked_charset")?,
        generation: row.get("generation")?,
        prepared: row.get("prepared")?,
        source_etag: row.get("source_etag")?,
        source_sequencer: row.get("source_sequencer")?,
        before: match status_in("before_status")? {
            Some(status) => Some(Before {
                status,
                error: failure_in("before_title", "before_detail")?,
            }),
            None => None,
        },
    })
}

/// Binds a record's columns in the order of [`COLUMNS`].
fn bind(statement: &mut rusqlite::CachedStatement<'_>, record: &Record) -> rusqlite::Result<usize> {
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
    } = record;
    let error = translation.error.as_ref();
    let error_before = before.as_ref().and_then(|before| before.error.as_ref());
    statement.execute(params![
        translation.id,
        translation.revision,
        translation.name,
        translation.size,
        translation.source,
        translation.target,
        translation.charset,
        translation.status.as_str(),
        translation.done,
        translation.total,
        error.map(|error| error.title.as_str()),
        error.map(|error| error.detail.as_str()),
        translation.created_at,
        translation.updated_at,
        object_key,
        asked_charset,
        generation,
        prepared,
        source_etag,
        source_sequencer,
        translation.failed,
        translation.ahead,
        translation.started_at,
        translation.finished_at,
        before.as_ref().map(|before| before.status.as_str()),
        error_before.map(|error| error.title.as_str()),
        error_before.map(|error| error.detail.as_str()),
        owner.as_str(),
    ])
}

/// A page of rows, of which one more than `limit` was read to know whether there are more.
fn page_of<T>(mut items: Vec<T>, limit: usize, next: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(next) } else { None };
    Page { items, next }
}

const NEXT_CHANGE: &str = "(SELECT coalesce(max(change), 0) + 1 FROM translations)";

#[async_trait]
impl Records for SqliteRecords {
    async fn insert(&self, record: &Record) -> Result<(), PortError> {
        let record = record.clone();
        self.write(move |db| {
            let mut statement = db.prepare_cached(&format!(
                "INSERT INTO translations (change, {COLUMNS}) VALUES ({NEXT_CHANGE}, {VALUES})"
            ))?;
            bind(&mut statement, &record).map(|_| ())
        })
        .await
    }

    async fn count(&self, owner: &Owner) -> Result<u64, PortError> {
        let owner = owner.clone();
        self.read(move |db| {
            db.prepare_cached("SELECT count(*) FROM translations WHERE owner = ? AND removed = 0")?
                .query_row([owner.as_str()], |row| row.get(0))
        })
        .await
    }

    async fn get(&self, id: &str) -> Result<Option<Record>, PortError> {
        let id = id.to_owned();
        self.read(move |db| {
            db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM translations WHERE id = ? AND removed = 0"
            ))?
            .query_row([id], record_of)
            .optional()
        })
        .await
    }

    async fn owner(&self, id: &str) -> Result<Option<Owner>, PortError> {
        let id = id.to_owned();
        self.read(move |db| {
            db.prepare_cached("SELECT owner FROM translations WHERE id = ?")?
                .query_row([id], |row| Ok(Owner::new(row.get::<_, String>(0)?)))
                .optional()
        })
        .await
    }

    async fn update(&self, record: &Record, expected: u64) -> Result<Written, PortError> {
        let record = record.clone();
        self.write(move |db| {
            let is_expected = db
                .prepare_cached(
                    "SELECT 1 FROM translations WHERE id = ? AND removed = 0 AND revision = ?",
                )?
                .exists(params![record.translation.id, expected])?;
            if !is_expected {
                return Ok(Written::Conflict);
            }
            let mut statement = db.prepare_cached(&format!(
                "UPDATE translations SET change = {NEXT_CHANGE}, ({COLUMNS}) = ({VALUES}) \
                 WHERE id = ?1"
            ))?;
            bind(&mut statement, &record)?;
            Ok(Written::Yes)
        })
        .await
    }

    async fn remove(&self, id: &str, expected: u64) -> Result<Written, PortError> {
        let id = id.to_owned();
        self.write(move |db| {
            db.execute("DELETE FROM subscriptions WHERE translation = ?", [&id])?;
            let removed = db.execute(
                &format!(
                    "UPDATE translations SET removed = 1, name = '', revision = revision + 1, \
                     change = {NEXT_CHANGE} WHERE id = ?1 AND removed = 0 AND revision = ?2"
                ),
                params![id, expected],
            )?;
            Ok(written(removed))
        })
        .await
    }

    async fn remains(&self, after: Option<&str>, limit: usize) -> Result<Page<Remains>, PortError> {
        let after = after.unwrap_or_default().to_owned();
        self.read(move |db| {
            let items = db
                .prepare_cached(
                    "SELECT id, object_key FROM translations
                     WHERE removed = 1 AND id > ? ORDER BY id LIMIT ?",
                )?
                .query_map(params![after, limit_of(limit + 1)], |row| {
                    Ok(Remains {
                        id: row.get(0)?,
                        object_key: row.get(1)?,
                    })
                })?
                .collect::<Result<_, _>>()?;
            Ok(page_of(items, limit, |remains: &Remains| {
                remains.id.clone()
            }))
        })
        .await
    }

    async fn swept(&self, id: &str) -> Result<(), PortError> {
        let id = id.to_owned();
        self.write(move |db| {
            db.execute(
                "UPDATE translations SET removed = 2, object_key = ''
                 WHERE id = ? AND removed = 1",
                [id],
            )
            .map(|_| ())
        })
        .await
    }

    async fn list(
        &self,
        owner: &Owner,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Translation>, CursorError> {
        let before = match after {
            None => i64::MAX,
            Some(after) => after.parse().map_err(|_| CursorError::Unknown)?,
        };
        let owner = owner.clone();
        let page = self
            .read(move |db| {
                let items = db
                    .prepare_cached(&format!(
                        "SELECT number, {COLUMNS} FROM translations
                         WHERE owner = ? AND removed = 0 AND number < ?
                         ORDER BY number DESC LIMIT ?"
                    ))?
                    .query_map(
                        params![owner.as_str(), before, limit_of(limit + 1)],
                        |row| Ok((row.get::<_, i64>("number")?, record_of(row)?.translation)),
                    )?
                    .collect::<Result<_, _>>()?;
                Ok(page_of(items, limit, |(number, _): &(i64, _)| {
                    number.to_string()
                }))
            })
            .await?;
        Ok(Page {
            items: page
                .items
                .into_iter()
                .map(|(_, translation)| translation)
                .collect(),
            next: page.next,
        })
    }

    async fn cursor(&self, owner: &Owner) -> Result<String, PortError> {
        let owner = owner.clone();
        let change = self
            .read(move |db| {
                db.prepare_cached(
                    "SELECT coalesce(max(change), 0) FROM translations WHERE owner = ?",
                )?
                .query_row([owner.as_str()], |row| row.get(0))
            })
            .await?;
        Ok(self.cursor_of(change))
    }

    async fn changes(
        &self,
        owner: &Owner,
        cursor: &str,
        limit: usize,
    ) -> Result<Changes, CursorError> {
        let owner = owner.clone();
        let after = self.change_of(cursor)?;
        let (newest, rows) = self
            .read(move |db| {
                let newest: u64 = db.query_row(
                    "SELECT coalesce(max(change), 0) FROM translations",
                    [],
                    |row| row.get(0),
                )?;
                let rows = db
                    .prepare_cached(&format!(
                        "SELECT change, removed, {COLUMNS} FROM translations
                         WHERE owner = ? AND change > ? ORDER BY change LIMIT ?"
                    ))?
                    .query_map(params![owner.as_str(), after, limit_of(limit + 1)], |row| {
                        let change: u64 = row.get("change")?;
                        let is_removed = row.get::<_, i64>("removed")? > 0;
                        Ok((change, is_removed, record_of(row)?.translation))
                    })?
                    .collect::<Result<Vec<_>, _>>()?;
                Ok((newest, rows))
            })
            .await?;
        if after > newest {
            return Err(CursorError::Unknown);
        }
        let more = rows.len() > limit;
        let mut changes = Changes {
            translations: Vec::new(),
            removed: Vec::new(),
            cursor: cursor.to_owned(),
            more,
        };
        for (change, is_removed, translation) in rows.into_iter().take(limit) {
            changes.cursor = self.cursor_of(change);
            if is_removed {
                changes.removed.push(translation.id);
            } else {
                changes.translations.push(translation);
            }
        }
        Ok(changes)
    }

    async fn unfinished(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<String>, PortError> {
        let after: i64 = match after {
            None => 0,
            Some(after) => after.parse().map_err(PortError::new)?,
        };
        let page = self
            .read(move |db| {
                let items = db
                    .prepare_cached(
                        "SELECT number, id FROM translations
                         WHERE removed = 0 AND number > ?
                         AND status IN ('awaiting-upload', 'queued', 'translating')
                         ORDER BY number LIMIT ?",
                    )?
                    .query_map(params![after, limit_of(limit + 1)], |row| {
                        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
                    })?
                    .collect::<Result<_, _>>()?;
                Ok(page_of(items, limit, |(number, _): &(i64, _)| {
                    number.to_string()
                }))
            })
            .await?;
        Ok(Page {
            items: page.items.into_iter().map(|(_, id)| id).collect(),
            next: page.next,
        })
    }

    async fn keep_segments(
        &self,
        id: &str,
        generation: u64,
        segments: &[Segment],
    ) -> Result<Written, PortError> {
        let id = id.to_owned();
        let segments = segments.to_vec();
        self.write(move |db| {
            let translation: Option<i64> = db
                .prepare_cached(
                    "SELECT number FROM translations
                     WHERE id = ? AND removed = 0 AND generation = ?",
                )?
                .query_row(params![id, generation], |row| row.get(0))
                .optional()?;
            let Some(translation) = translation else {
                return Ok(Written::Conflict);
            };
            let mut insert = db.prepare_cached(
                "INSERT INTO segments
                 (translation, generation, number, source_start, source_end, text, failed)
                 VALUES (?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET again = 0, failed = failed AND excluded.failed,
                     text = CASE WHEN excluded.failed THEN text ELSE excluded.text END",
            )?;
            for segment in segments {
                let [start, end] = segment.source;
                insert.execute(params![
                    translation,
                    generation,
                    segment.index,
                    start,
                    end,
                    segment.text,
                    segment.failed
                ])?;
            }
            Ok(Written::Yes)
        })
        .await
    }

    async fn segments(
        &self,
        id: &str,
        generation: u64,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Segment>, PortError> {
        let id = id.to_owned();
        self.read(move |db| {
            db.prepare_cached(
                "SELECT number, source_start, source_end, text, failed FROM segments
                 WHERE translation = (SELECT number FROM translations WHERE id = ?)
                 AND generation = ? AND number >= ? ORDER BY number LIMIT ?",
            )?
            .query_map(
                params![id, generation, signed(from), limit_of(limit)],
                |row| {
                    Ok(Segment {
                        index: row.get(0)?,
                        source: [row.get(1)?, row.get(2)?],
                        text: row.get(3)?,
                        failed: row.get(4)?,
                    })
                },
            )?
            .collect()
        })
        .await
    }

    async fn given_up(&self, id: &str, generation: u64) -> Result<u64, PortError> {
        let id = id.to_owned();
        self.read(move |db| {
            db.prepare_cached(
                "SELECT count(*) FROM segments
                 WHERE translation = (SELECT number FROM translations WHERE id = ?)
                 AND generation = ? AND failed = 1 AND again = 0",
            )?
            .query_row(params![id, generation], |row| row.get(0))
        })
        .await
    }

    async fn mark_again(
        &self,
        id: &str,
        generation: u64,
        which: Option<Which>,
    ) -> Result<u64, PortError> {
        let id = id.to_owned();
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE segments SET again = 0
                 WHERE translation = (SELECT number FROM translations WHERE id = ?)
                 AND generation = ? AND again = 1",
            )?
            .execute(params![id, generation])?;
            let marked = match which {
                None => 0,
                Some(Which::Failed) => db
                    .prepare_cached(
                        "UPDATE segments SET again = 1
                         WHERE translation = (SELECT number FROM translations WHERE id = ?)
                         AND generation = ? AND failed = 1",
                    )?
                    .execute(params![id, generation])?,
                Some(Which::One(index)) => db
                    .prepare_cached(
                        "UPDATE segments SET again = 1
                         WHERE translation = (SELECT number FROM translations WHERE id = ?)
                         AND generation = ? AND number = ?",
                    )?
                    .execute(params![id, generation, signed(index)])?,
            };
            Ok(marked as u64)
        })
        .await
    }

    async fn again(&self, id: &str, generation: u64) -> Result<Vec<Range<u64>>, PortError> {
        self.ranges(id, generation, "again = 1").await
    }

    async fn keep_checkpoints(
        &self,
        id: &str,
        generation: u64,
        checkpoints: &[Checkpoint],
    ) -> Result<(), PortError> {
        let id = id.to_owned();
        let checkpoints = checkpoints.to_vec();
        self.write(move |db| {
            let mut insert = db.prepare_cached(
                "INSERT OR REPLACE INTO checkpoints
                 SELECT number, ?2, ?3, ?4 FROM translations
                 WHERE id = ?1 AND removed = 0 AND generation = ?2",
            )?;
            for Checkpoint { index, offset } in checkpoints {
                insert.execute(params![id, generation, signed(index), signed(offset)])?;
            }
            Ok(())
        })
        .await
    }

    async fn checkpoint(
        &self,
        id: &str,
        generation: u64,
        index: u64,
    ) -> Result<Option<Checkpoint>, PortError> {
        let id = id.to_owned();
        self.read(move |db| {
            db.prepare_cached(
                "SELECT number, source_start FROM checkpoints
                 WHERE translation = (SELECT number FROM translations WHERE id = ?)
                 AND generation = ? AND number <= ? ORDER BY number DESC LIMIT 1",
            )?
            .query_row(params![id, generation, signed(index)], |row| {
                Ok(Checkpoint {
                    index: row.get(0)?,
                    offset: row.get(1)?,
                })
            })
            .optional()
        })
        .await
    }

    async fn kept(&self, id: &str, generation: u64) -> Result<Vec<Range<u64>>, PortError> {
        self.ranges(id, generation, "again = 0").await
    }

    async fn forget_segments(&self, id: &str, below: Option<u64>) -> Result<(), PortError> {
        loop {
            let id = id.to_owned();
            let forgotten = self
                .write(move |db| {
                    db.prepare_cached(
                        "DELETE FROM segments WHERE (translation, generation, number) IN (
                             SELECT translation, generation, number FROM segments
                             WHERE translation = (SELECT number FROM translations WHERE id = ?)
                             AND generation < ? LIMIT ?)",
                    )?
                    .execute(params![
                        id,
                        below.map_or(i64::MAX, signed),
                        limit_of(FORGET_AT_ONCE)
                    ])
                })
                .await?;
            if forgotten < FORGET_AT_ONCE {
                break;
            }
        }
        let id = id.to_owned();
        self.write(move |db| {
            db.prepare_cached(
                "DELETE FROM checkpoints
                 WHERE translation = (SELECT number FROM translations WHERE id = ?)
                 AND generation < ?",
            )?
            .execute(params![id, below.map_or(i64::MAX, signed)])
            .map(|_| ())
        })
        .await
    }

    async fn connect(&self, connection: &Connection) -> Result<(), PortError> {
        let Connection {
            id,
            owner,
            connected_at,
        } = connection.clone();
        self.write(move |db| {
            db.prepare_cached("INSERT OR REPLACE INTO connections VALUES (?, ?, ?)")?
                .execute(params![id, owner.as_str(), connected_at.as_millisecond()])
                .map(|_| ())
        })
        .await
    }

    async fn disconnect(&self, connection: &str) -> Result<(), PortError> {
        let connection = connection.to_owned();
        self.write(move |db| {
            db.prepare_cached("DELETE FROM connections WHERE id = ?")?
                .execute([&connection])?;
            db.prepare_cached("DELETE FROM subscriptions WHERE connection = ?")?
                .execute([&connection])
                .map(|_| ())
        })
        .await
    }

    async fn connection(&self, connection: &str) -> Result<Option<Connection>, PortError> {
        let connection = connection.to_owned();
        self.read(move |db| {
            db.prepare_cached("SELECT id, owner, connected_at FROM connections WHERE id = ?")?
                .query_row([connection], connection_of)
                .optional()
        })
        .await
    }

    async fn connections(
        &self,
        owner: &Owner,
        _shard: u32,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Connection>, PortError> {
        let (owner, after) = (owner.clone(), after.unwrap_or_default().to_owned());
        self.read(move |db| {
            let items = db
                .prepare_cached(
                    "SELECT id, owner, connected_at FROM connections
                     WHERE owner = ? AND id > ? ORDER BY id LIMIT ?",
                )?
                .query_map(
                    params![owner.as_str(), after, limit_of(limit + 1)],
                    connection_of,
                )?
                .collect::<Result<_, _>>()?;
            Ok(page_of(items, limit, |connection: &Connection| {
                connection.id.clone()
            }))
        })
        .await
    }

    async fn subscribe(
        &self,
        id: &str,
        subscriber: &Subscriber,
        most: usize,
    ) -> Result<Written, PortError> {
        let (id, subscriber) = (id.to_owned(), subscriber.clone());
        self.write(move |db| {
            let rows = db
                .prepare_cached(
                    "INSERT OR REPLACE INTO subscriptions
                     SELECT ?1, ?2, ?3
                     WHERE EXISTS (SELECT 1 FROM connections WHERE id = ?2)
                     AND (SELECT count(*) FROM subscriptions
                          WHERE connection = ?2 AND translation <> ?1) < ?4",
                )?
                .execute(params![
                    id,
                    subscriber.connection,
                    signed(subscriber.from),
                    limit_of(most)
                ])?;
            Ok(written(rows))
        })
        .await
    }

    async fn unsubscribe(&self, id: &str, connection: &str) -> Result<(), PortError> {
        let (id, connection) = (id.to_owned(), connection.to_owned());
        self.write(move |db| {
            db.prepare_cached("DELETE FROM subscriptions WHERE translation = ? AND connection = ?")?
                .execute([id, connection])
                .map(|_| ())
        })
        .await
    }

    async fn subscription(
        &self,
        id: &str,
        connection: &str,
    ) -> Result<Option<Subscriber>, PortError> {
        let (id, connection) = (id.to_owned(), connection.to_owned());
        self.read(move |db| {
            db.prepare_cached(
                "SELECT connection, first FROM subscriptions
                 WHERE translation = ? AND connection = ?",
            )?
            .query_row([id, connection], subscriber_of)
            .optional()
        })
        .await
    }

    async fn subscribers(
        &self,
        id: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Subscriber>, PortError> {
        let (id, after) = (id.to_owned(), after.unwrap_or_default().to_owned());
        self.read(move |db| {
            let items = db
                .prepare_cached(
                    "SELECT connection, first FROM subscriptions
                     WHERE translation = ? AND connection > ? ORDER BY connection LIMIT ?",
                )?
                .query_map(params![id, after, limit_of(limit + 1)], subscriber_of)?
                .collect::<Result<_, _>>()?;
            Ok(page_of(items, limit, |subscriber: &Subscriber| {
                subscriber.connection.clone()
            }))
        })
        .await
    }

    async fn sequencer(&self, bucket: &str, key: &str) -> Result<Option<String>, PortError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.read(move |db| {
            db.prepare_cached("SELECT sequencer FROM sequencers WHERE bucket = ? AND key = ?")?
                .query_row([bucket, key], |row| row.get(0))
                .optional()
        })
        .await
    }

    async fn advance_sequencer(
        &self,
        bucket: &str,
        key: &str,
        sequencer: &str,
    ) -> Result<Written, PortError> {
        let row = [bucket.to_owned(), key.to_owned(), sequencer.to_owned()];
        self.write(move |db| {
            let advanced = db
                .prepare_cached(
                    "INSERT INTO sequencers VALUES (?1, ?2, ?3)
                     ON CONFLICT (bucket, key) DO UPDATE SET sequencer = excluded.sequencer
                     WHERE excluded.sequencer > sequencer",
                )?
                .execute(row)?;
            Ok(written(advanced))
        })
        .await
    }
}

fn connection_of(row: &Row<'_>) -> rusqlite::Result<Connection> {
    Ok(Connection {
        id: row.get(0)?,
        owner: Owner::new(row.get::<_, String>(1)?),
        connected_at: Timestamp::from_millisecond(row.get(2)?).unwrap_or_default(),
    })
}

fn subscriber_of(row: &Row<'_>) -> rusqlite::Result<Subscriber> {
    Ok(Subscriber {
        connection: row.get(0)?,
        from: row.get(1)?,
    })
}

fn written(rows: usize) -> Written {
    if rows == 0 {
        Written::Conflict
    } else {
        Written::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(index: u64, text: &str, failed: bool) -> Segment {
        Segment {
            index,
            source: [index * 10, index * 10 + 9],
            text: text.to_owned(),
            failed,
        }
    }

    #[tokio::test]
    async fn what_an_older_version_kept_is_there_and_can_be_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("babelwire.db");
        {
            let mut old = rusqlite::Connection::open(&path).unwrap();
            Migrations::new(vec![M::up(SCHEMA)])
                .to_latest(&mut old)
                .unwrap();
            old.execute_batch(
                "INSERT INTO translations VALUES (1, 'T', 1, 0, 7, 'a.txt', 5, 'en', 'es',
                     'UTF-8', 'translating', 1, 2, NULL, NULL, 'then', 'now', 'T/a.txt', NULL, 1,
                     1, NULL, NULL);
                 INSERT INTO segments VALUES (1, 1, 0, 0, 9, 'uno');",
            )
            .unwrap();
        }
        for _ in 0..2 {
            let records = SqliteRecords::open(&path).unwrap();
            let mut record = records.get("T").await.unwrap().unwrap();
            let translation = &record.translation;
            assert_eq!((translation.done, translation.failed), (1, 0));
            assert_eq!(
                (&translation.ahead, &translation.started_at),
                (&None, &None)
            );
            assert_eq!(record.before, None);
            let kept = records.segments("T", 1, 0, 9).await.unwrap();
            assert_eq!(
                kept,
                [Segment {
                    source: [0, 9],
                    ..segment(0, "uno", false)
                }]
            );
            assert_eq!(records.checkpoint("T", 1, 9).await.unwrap(), None);
            let revision = record.translation.revision;
            record.translation.revision += 1;
            let written = records.update(&record, revision).await.unwrap();
            assert_eq!(written, Written::Yes);
        }
    }

    #[tokio::test]
    async fn every_field_of_a_record_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let records = SqliteRecords::open(&folder.path().join("babelwire.db")).unwrap();
        let failure = |title: &str| Failure {
            title: title.to_owned(),
            detail: format!("{title} in detail"),
        };
        let text = |text: &str| Some(text.to_owned());
        let record = Record {
            owner: Owner::new("somebody"),
            translation: Translation {
                id: "T".to_owned(),
                name: "a.txt".to_owned(),
                size: 1,
                source: "en".to_owned(),
                target: "es".to_owned(),
                charset: text("UTF-8"),
                status: Status::Queued,
                done: 2,
                failed: 3,
                total: 4,
                ahead: Some(5),
                error: Some(failure("one")),
                created_at: "c".to_owned(),
                updated_at: "u".to_owned(),
                started_at: text("s"),
                finished_at: text("f"),
                revision: 6,
            },
            object_key: "T/a.txt".to_owned(),
            asked_charset: text("utf8"),
            generation: 7,
            prepared: true,
            source_etag: text("e"),
            source_sequencer: text("q"),
            before: Some(Before {
                status: Status::Failed,
                error: Some(failure("two")),
            }),
        };
        records.insert(&record).await.unwrap();
        assert_eq!(records.get("T").await.unwrap(), Some(record.clone()));
        let mut next = record.clone();
        next.translation.revision = 8;
        next.before = None;
        assert_eq!(records.update(&next, 6).await.unwrap(), Written::Yes);
        assert_eq!(records.get("T").await.unwrap(), Some(next.clone()));

        let kept = [
            segment(0, "a", false),
            segment(1, "", true),
            segment(2, "c", false),
        ];
        let keep = async |segments: &[Segment]| {
            let written = records.keep_segments("T", 7, segments).await.unwrap();
            assert_eq!(written, Written::Yes);
        };
        keep(&kept).await;
        assert_eq!(records.given_up("T", 7).await.unwrap(), 1);
        let failed = Some(Which::Failed);
        assert_eq!(records.mark_again("T", 7, failed).await.unwrap(), 1);
        assert_eq!(records.kept("T", 7).await.unwrap(), [0..1, 2..3]);
        assert_eq!(records.again("T", 7).await.unwrap(), vec![1..2]);
        assert_eq!(records.given_up("T", 7).await.unwrap(), 0);
        let one = Some(Which::One(2));
        assert_eq!(records.mark_again("T", 7, one).await.unwrap(), 1);
        assert_eq!(records.again("T", 7).await.unwrap(), vec![2..3]);
        // Refused this time: the translation that there is stays.
        keep(&[segment(2, "", true)]).await;
        assert_eq!(records.segments("T", 7, 0, 9).await.unwrap(), kept);
        assert_eq!(records.kept("T", 7).await.unwrap(), vec![0..3]);
        keep(&[segment(1, "b", false)]).await;
        assert_eq!(records.given_up("T", 7).await.unwrap(), 0);
        let nowhere = Some(Which::One(9));
        assert_eq!(records.mark_again("T", 7, nowhere).await.unwrap(), 0);

        let checkpoints =
            [(100, 7000), (200, 14_000)].map(|(index, offset)| Checkpoint { index, offset });
        records
            .keep_checkpoints("T", 7, &checkpoints)
            .await
            .unwrap();
        records
            .keep_checkpoints("T", 6, &checkpoints)
            .await
            .unwrap();
        for (index, found) in [
            (99, None),
            (100, Some(0)),
            (199, Some(0)),
            (u64::MAX, Some(1)),
        ] {
            assert_eq!(
                records.checkpoint("T", 7, index).await.unwrap(),
                found.map(|place: usize| checkpoints[place])
            );
        }
        assert_eq!(records.checkpoint("T", 6, 500).await.unwrap(), None);
        records.forget_segments("T", None).await.unwrap();
        assert_eq!(records.checkpoint("T", 7, 500).await.unwrap(), None);
    }
}
