//! The tables of [`Records`] on DynamoDB.
//!
//! What a reader should know of them:
//!
//! - Whatever decides something is read consistently: a translation before it is changed, segments
//!   and subscribers after segments were kept, a connection before somebody subscribes.
//! - Lists go through secondary indexes, which follow the tables within a second mostly. Hence a
//!   list may lack what came in the last moment ([`Records::changes`] goes back a few seconds for
//!   that reason), and a connection that was opened in the last moment may miss a broadcast. Pages
//!   ask REST whenever their socket opens, so they miss nothing by it.
//! - Nothing is written in transactions, which cost double. Writes of more than one item are in an
//!   order in which a crash between any two leaves something that the same call, made again,
//!   completes; the comments at each say how.
//! - A conditional write whose answer is lost is repeated by the SDK, and then refused because of
//!   itself. So such a write leaves a number of its own in the item, by which it is recognised.
//! - One partition takes 1,000 write units a second, and a text's segments are one partition: no
//!   file is translated faster than that many segments a second.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use babelwire_service::ports::{
    Changes, Checkpoint, Clock, Connection, CursorError, Owner, Page, PortError, Record, Records,
    Remains, Subscriber, Which, Written,
};
use babelwire_wire::{Segment, Translation};

use crate::config::Tables;

mod connections;
pub(crate) mod db;
mod items;
mod segments;
mod translations;

pub use db::{Consumed, Counter};

use db::Db;

/// How long what belongs to a connection is kept: API Gateway closes one after two hours ("Quotas
/// for WebSocket APIs"), and tells of it almost always.
pub(crate) const CONNECTION_LASTS: Duration = Duration::from_secs(2 * 60 * 60 + 10 * 60);

/// The tables on DynamoDB.
#[derive(Clone)]
pub struct DynamoRecords {
    db: Db,
    tables: Arc<Tables>,
    shards: u32,
}

impl DynamoRecords {
    /// Over these tables. The connections of everyone are kept in as many parts as `shards` says;
    /// while it is made smaller, connections of the parts that go hear of nothing until they are
    /// opened anew.
    pub fn new(client: Client, tables: Tables, shards: u32, clock: Arc<dyn Clock>) -> Self {
        Self {
            db: Db::new(client, clock),
            tables: Arc::new(tables),
            shards: shards.max(1),
        }
    }

    /// Asks DynamoDB from now on what each call consumes, and adds it up there.
    #[must_use]
    pub fn counted_by(mut self, counter: Arc<Counter>) -> Self {
        self.db.count_with(counter);
        self
    }

    /// What was consumed so far, if it is counted.
    pub fn consumed(&self) -> Option<Consumed> {
        self.db.counter().map(Counter::consumed)
    }
}

/// A hash that is the same everywhere and for ever: FNV-1a, 64 bits.
pub(crate) fn stable_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A page of what was found, of which one more than `limit` was looked for to know whether there
/// are more.
fn page_of<T>(mut found: Vec<T>, limit: usize, next: impl Fn(&T) -> String) -> Page<T> {
    let more = found.len() > limit;
    found.truncate(limit);
    let next = if more { found.last().map(next) } else { None };
    Page { items: found, next }
}

#[async_trait]
impl Records for DynamoRecords {
    async fn insert(&self, record: &Record) -> Result<(), PortError> {
        self.insert_translation(record).await
    }

    async fn count(&self, owner: &Owner) -> Result<u64, PortError> {
        self.count_translations(owner).await
    }

    async fn get(&self, id: &str) -> Result<Option<Record>, PortError> {
        self.translation(id).await
    }

    async fn owner(&self, id: &str) -> Result<Option<Owner>, PortError> {
        self.owner_of_translation(id).await
    }

    async fn update(&self, record: &Record, expected: u64) -> Result<Written, PortError> {
        self.update_translation(record, expected).await
    }

    async fn remove(&self, id: &str, expected: u64) -> Result<Written, PortError> {
        let written = self.remove_translation(id, expected).await?;
        if written == Written::Yes {
            // Nothing more will be pushed to them. Those of a crowd, and what a crash leaves here,
            // go when the translation is swept.
            self.forget_subscribers(id, Some(FORGOTTEN_AT_ONCE)).await?;
        }
        Ok(written)
    }

    async fn remains(&self, after: Option<&str>, limit: usize) -> Result<Page<Remains>, PortError> {
        self.unswept(after, limit).await
    }

    async fn swept(&self, id: &str) -> Result<(), PortError> {
        self.forget_subscribers(id, None).await?;
        self.note_swept(id).await
    }

    async fn list(
        &self,
        owner: &Owner,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Translation>, CursorError> {
        self.newest(owner, after, limit).await
    }

    async fn cursor(&self, _owner: &Owner) -> Result<String, PortError> {
        Ok(self.cursor_of_now())
    }

    async fn changes(
        &self,
        owner: &Owner,
        cursor: &str,
        limit: usize,
    ) -> Result<Changes, CursorError> {
        self.changes_after(owner, cursor, limit).await
    }

    async fn unfinished(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<String>, PortError> {
        self.not_final(after, limit).await
    }

    async fn keep_segments(
        &self,
        id: &str,
        generation: u64,
        segments: &[Segment],
    ) -> Result<Written, PortError> {
        Box::pin(self.keep(id, generation, segments)).await
    }

    async fn segments(
        &self,
        id: &str,
        generation: u64,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Segment>, PortError> {
        self.read_segments(id, generation, from, limit).await
    }

    async fn kept(&self, id: &str, generation: u64) -> Result<Vec<Range<u64>>, PortError> {
        self.kept_ranges(id, generation).await
    }

    async fn given_up(&self, id: &str, generation: u64) -> Result<u64, PortError> {
        self.count_given_up(id, generation).await
    }

    async fn mark_again(
        &self,
        id: &str,
        generation: u64,
        which: Option<Which>,
    ) -> Result<u64, PortError> {
        self.mark(id, generation, which).await
    }

    async fn again(&self, id: &str, generation: u64) -> Result<Vec<Range<u64>>, PortError> {
        self.marked_ranges(id, generation).await
    }

    async fn keep_checkpoints(
        &self,
        id: &str,
        generation: u64,
        checkpoints: &[Checkpoint],
    ) -> Result<(), PortError> {
        self.write_checkpoints(id, generation, checkpoints).await
    }

    async fn checkpoint(
        &self,
        id: &str,
        generation: u64,
        index: u64,
    ) -> Result<Option<Checkpoint>, PortError> {
        self.last_checkpoint(id, generation, index).await
    }

    async fn forget_segments(&self, id: &str, below: Option<u64>) -> Result<(), PortError> {
        self.forget_texts(id, below).await
    }

    async fn connect(&self, connection: &Connection) -> Result<(), PortError> {
        self.add_connection(connection).await
    }

    async fn disconnect(&self, connection: &str) -> Result<(), PortError> {
        self.forget_connection(connection).await
    }

    async fn connection(&self, connection: &str) -> Result<Option<Connection>, PortError> {
        self.find_connection(connection).await
    }

    fn shards(&self, owner: &Owner) -> u32 {
        if owner.is_everyone() { self.shards } else { 1 }
    }

    async fn connections(
        &self,
        owner: &Owner,
        shard: u32,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Connection>, PortError> {
        self.audience(owner, shard, after, limit).await
    }

    async fn subscribe(
        &self,
        id: &str,
        subscriber: &Subscriber,
        most: usize,
    ) -> Result<Written, PortError> {
        self.add_subscription(id, subscriber, most).await
    }

    async fn unsubscribe(&self, id: &str, connection: &str) -> Result<(), PortError> {
        self.end_subscription(id, connection).await
    }

    async fn subscription(
        &self,
        id: &str,
        connection: &str,
    ) -> Result<Option<Subscriber>, PortError> {
        self.find_subscription(id, connection).await
    }

    async fn subscribers(
        &self,
        id: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Subscriber>, PortError> {
        self.page_of_subscribers(id, after, limit).await
    }

    async fn sequencer(&self, bucket: &str, key: &str) -> Result<Option<String>, PortError> {
        crate::marks::sequencer(&self.db, &self.tables.marks, bucket, key).await
    }

    async fn advance_sequencer(
        &self,
        bucket: &str,
        key: &str,
        sequencer: &str,
    ) -> Result<Written, PortError> {
        crate::marks::advance_sequencer(&self.db, &self.tables.marks, bucket, key, sequencer).await
    }
}

/// Subscriptions that end while somebody waits for a translation to be removed.
const FORGOTTEN_AT_ONCE: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connections_shard_is_the_same_in_every_version() {
        // "The FNV Non-Cryptographic Hash Algorithm", test vectors of FNV-1a with 64 bits.
        assert_eq!(stable_hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(stable_hash(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(stable_hash(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
