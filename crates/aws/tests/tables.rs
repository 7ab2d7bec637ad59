//! The tables on moto server and on dynalite: what every set of tables promises, and what only
//! these have to: time to live, lost answers, and crashes between two writes.

#![allow(clippy::unwrap_used, reason = "a test ends with a panic")]

mod peers;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeSerializationInterceptorContextRef,
    BeforeTransmitInterceptorContextMut,
};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use babelwire_aws::config::Tables;
use babelwire_aws::looks::DynamoLooks;
use babelwire_aws::marks::{Claim, LEASE, Leases, Released};
use babelwire_aws::records::DynamoRecords;
use babelwire_aws::world::SystemClock;
use babelwire_service::conformance;
use babelwire_service::ports::{
    Checkpoint, Clock, Connection, CursorError, Looks, Owner, Record, Records, Subscriber, Which,
    Written,
};
use babelwire_service::rfc3339;
use babelwire_wire::{Segment, Status, Translation};
use jiff::Timestamp;
use peers::Peer;
use serde_json::{Value, json};

const SHARDS: u32 = 3;

/// A clock that is moved by hand. It is real otherwise only in that a wait ends.
struct TestClock(AtomicI64);

impl TestClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(Timestamp::now().as_millisecond())))
    }

    fn pass(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap();
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::Relaxed)).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        self.pass(duration);
        tokio::task::yield_now().await;
    }
}

/// Tables on a peer, with a clock to move.
struct Tested {
    client: Client,
    tables: Tables,
    clock: Arc<TestClock>,
}

impl Tested {
    async fn on(peer: &Peer) -> Self {
        let (client, tables) = peers::tables::make(peer).await;
        let clock = TestClock::new();
        Self {
            client,
            tables,
            clock,
        }
    }

    fn records(&self) -> DynamoRecords {
        self.records_through(self.client.clone())
    }

    fn records_through(&self, client: Client) -> DynamoRecords {
        DynamoRecords::new(client, self.tables.clone(), SHARDS, self.clock.clone())
    }

    fn looks_through(&self, client: Client) -> DynamoLooks {
        DynamoLooks::new(client, self.tables.clone(), self.clock.clone())
    }

    fn leases(&self) -> Leases {
        Leases::new(self.client.clone(), self.tables.clone(), self.clock.clone())
    }

    /// A client whose every call is seen first.
    fn client_with(&self, intercept: impl Intercept + 'static) -> Client {
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let config = self
            .client
            .config()
            .to_builder()
            .retry_config(retries)
            .interceptor(intercept)
            .build();
        Client::from_conf(config)
    }

    /// A client whose process dies after so many calls.
    fn dying_client(&self, after: u64) -> Client {
        self.client_with(DiesAfter(AtomicU64::new(after)))
    }

    /// How many items a table has.
    async fn items_in(&self, table: &str) -> usize {
        let scan = self.client.scan().table_name(table);
        let items = scan.into_paginator().items().send();
        items.collect::<Result<Vec<_>, _>>().await.unwrap().len()
    }

    fn record(&self, id: &str) -> Record {
        let now = rfc3339(self.clock.now());
        Record {
            owner: Owner::everyone(),
            translation: Translation {
                id: id.to_owned(),
                name: "a.txt".to_owned(),
                size: 5,
                source: "en".to_owned(),
                target: "es".to_owned(),
                charset: None,
                status: Status::Queued,
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
            object_key: format!("{id}/a.txt"),
            asked_charset: None,
            generation: 1,
            prepared: false,
            source_etag: None,
            source_sequencer: None,
            before: None,
        }
    }

    async fn insert(&self, id: &str) -> Record {
        let record = self.record(id);
        self.records().insert(&record).await.unwrap();
        record
    }

    async fn connect(&self, id: &str) {
        let connection = Connection {
            id: id.to_owned(),
            owner: Owner::everyone(),
            connected_at: self.clock.now(),
        };
        self.records().connect(&connection).await.unwrap();
    }
}

/// Lets so many calls pass, and none after.
#[derive(Debug)]
struct DiesAfter(AtomicU64);

impl Intercept for DiesAfter {
    fn name(&self) -> &'static str {
        "DiesAfter"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let left = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        left.map(drop).map_err(|_| "the process died".into())
    }
}

/// Loses the first answer: the call took place, and the caller is told of a failure.
#[derive(Debug, Default)]
struct LosesFirstAnswer(Mutex<bool>);

impl Intercept for LosesFirstAnswer {
    fn name(&self) -> &'static str {
        "LosesFirstAnswer"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut is_lost = self.0.lock().unwrap();
        if !*is_lost {
            *is_lost = true;
            *context.response_mut() = HttpResponse::new(500_u16.try_into()?, "{}".into());
        }
        Ok(())
    }
}

/// Leaves a part of each batch undone, as DynamoDB may: of writes one half, of reads all of the
/// first. Or all of all, for ever. It is for calls one after the other.
#[derive(Debug, Default)]
struct LeavesUndone {
    is_for_ever: bool,
    is_read_left: AtomicU64,
    answer: Mutex<Option<Value>>,
}

impl LeavesUndone {
    /// Takes out of a batch of writes what is left undone.
    fn split(batch: &mut Value) -> Value {
        let mut left = json!({});
        for (table, writes) in batch.as_object_mut().unwrap() {
            let writes = writes.as_array_mut().unwrap();
            let done = writes.len().div_ceil(2);
            let rest = writes.split_off(done);
            if !rest.is_empty() {
                left[table] = Value::Array(rest);
            }
        }
        left
    }
}

impl Intercept for LeavesUndone {
    fn name(&self) -> &'static str {
        "LeavesUndone"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let is_read = target.ends_with(".BatchGetItem");
        if !is_read && !target.ends_with(".BatchWriteItem") {
            return Ok(());
        }
        let mut body: Value = serde_json::from_slice(request.body().bytes().unwrap())?;
        let batch = &mut body["RequestItems"];
        let answer = if is_read {
            let is_first = self.is_read_left.fetch_add(1, Ordering::Relaxed) == 0;
            is_first.then(|| json!({ "Responses": {}, "UnprocessedKeys": batch }))
        } else if self.is_for_ever {
            Some(json!({ "UnprocessedItems": batch }))
        } else {
            Some(json!({ "UnprocessedItems": Self::split(batch) }))
        };
        *self.answer.lock().unwrap() = answer;
        let body = serde_json::to_vec(&body)?;
        let length = body.len().to_string();
        request.headers_mut().insert("content-length", length);
        *request.body_mut() = body.into();
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(answer) = self.answer.lock().unwrap().take() {
            let body = serde_json::to_vec(&answer)?;
            *context.response_mut() = HttpResponse::new(200_u16.try_into()?, body.into());
        }
        Ok(())
    }
}

fn segment(index: u64, text: &str) -> Segment {
    Segment {
        index,
        source: [index * 10, index * 10 + 9],
        text: text.to_owned(),
        failed: text.is_empty(),
    }
}

fn checkpoints(number: u64) -> Vec<Checkpoint> {
    (0..number)
        .map(|index| Checkpoint {
            index,
            offset: index * 700,
        })
        .collect()
}

fn subscriber(connection: &str) -> Subscriber {
    Subscriber {
        connection: connection.to_owned(),
        from: 0,
    }
}

/// Whether a peer can be told a story: moto checks a condition and writes in two steps, and answers
/// many at a time, so two of them may find that a condition holds which holds for one.
fn is_told_to_moto(name: &str) -> bool {
    !conformance::RACES.contains(&name)
}

async fn every_story_of_the_records(peer: &Peer, is_told: fn(&str) -> bool) {
    for (name, story) in conformance::RECORDS {
        if !is_told(name) {
            continue;
        }
        println!("{name}");
        let (client, tables) = peers::tables::make(peer).await;
        let records = DynamoRecords::new(client, tables, SHARDS, Arc::new(SystemClock));
        story(&records, &SystemClock).await;
    }
}

async fn every_story_of_the_looks(peer: &Peer, is_told: fn(&str) -> bool) {
    for (name, story) in conformance::LOOKS {
        if !is_told(name) {
            continue;
        }
        println!("{name}");
        let (client, tables) = peers::tables::make(peer).await;
        let looks = DynamoLooks::new(client, tables, Arc::new(SystemClock));
        story(&looks, &SystemClock).await;
    }
}

#[tokio::test]
async fn the_records_keep_their_promises_on_moto() {
    every_story_of_the_records(Peer::moto(), is_told_to_moto).await;
}

#[tokio::test]
async fn the_records_keep_their_promises_on_dynalite() {
    every_story_of_the_records(Peer::dynalite(), |_| true).await;
}

#[tokio::test]
async fn the_looks_keep_their_promises_on_moto() {
    every_story_of_the_looks(Peer::moto(), is_told_to_moto).await;
}

#[tokio::test]
async fn the_looks_keep_their_promises_on_dynalite() {
    every_story_of_the_looks(Peer::dynalite(), |_| true).await;
}

#[tokio::test]
async fn what_has_expired_is_not_there_though_its_item_is() {
    let tested = Tested::on(Peer::dynalite()).await;
    let records = tested.records();
    let looks = tested.looks_through(tested.client.clone());
    tested.insert("t").await;
    tested.connect("c").await;
    let written = records.subscribe("t", &subscriber("c"), 9).await.unwrap();
    assert_eq!(written, Written::Yes);
    let written = looks.look("t", "c", "v", 0..9, 9).await.unwrap();
    assert_eq!(written, Written::Yes);
    let advanced = records.advance_sequencer("b", "k", "B").await.unwrap();
    assert_eq!(advanced, Written::Yes);

    // API Gateway's two hours are not over.
    tested.clock.pass(Duration::from_secs(2 * 60 * 60));
    assert!(records.connection("c").await.unwrap().is_some());
    assert!(records.subscription("t", "c").await.unwrap().is_some());
    assert_eq!(looks.of("t", "c").await.unwrap().len(), 1);

    tested.clock.pass(Duration::from_secs(20 * 60));
    assert_eq!(records.connection("c").await.unwrap(), None);
    assert_eq!(records.subscription("t", "c").await.unwrap(), None);
    assert!(
        records
            .subscribers("t", None, 9)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    for shard in 0..SHARDS {
        let found = records
            .connections(&Owner::everyone(), shard, None, 9)
            .await;
        assert!(found.unwrap().items.is_empty());
    }
    assert!(looks.of("t", "c").await.unwrap().is_empty());
    assert!(looks.by_connection("t").await.unwrap().is_empty());
    let late = records.subscribe("t", &subscriber("c"), 9).await.unwrap();
    assert_eq!(late, Written::Conflict);
    assert_eq!(tested.items_in(&tested.tables.connections).await, 1);
    // A look whose item is there still begins anew.
    let written = looks.look("t", "c", "v", 5..6, 9).await.unwrap();
    assert_eq!(written, Written::Yes);
    assert_eq!(
        looks.of("t", "c").await.unwrap(),
        std::iter::once(5..6).collect::<Vec<_>>()
    );

    let older = records.advance_sequencer("b", "k", "A").await.unwrap();
    assert_eq!(older, Written::Conflict);
    tested.clock.pass(Duration::from_secs(31 * 24 * 60 * 60));
    assert_eq!(records.sequencer("b", "k").await.unwrap(), None);
    let older = records.advance_sequencer("b", "k", "A").await.unwrap();
    assert_eq!(older, Written::Yes);
}

#[tokio::test]
async fn a_cursor_that_is_older_than_the_tombstones_is_no_good_any_more() {
    let tested = Tested::on(Peer::dynalite()).await;
    let records = tested.records();
    let everyone = Owner::everyone();
    let cursor = records.cursor(&everyone).await.unwrap();
    for id in ["swept", "unswept", "kept"] {
        tested.insert(id).await;
    }
    for id in ["swept", "unswept"] {
        assert_eq!(records.remove(id, 1).await.unwrap(), Written::Yes);
    }
    records.swept("swept").await.unwrap();
    tested.clock.pass(Duration::from_secs(29 * 24 * 60 * 60));
    let changes = records.changes(&everyone, &cursor, 9).await.unwrap();
    assert_eq!(changes.removed.len(), 2);
    tested.clock.pass(Duration::from_secs(2 * 24 * 60 * 60));
    let changes = records.changes(&everyone, &cursor, 9).await;
    assert_eq!(changes, Err(CursorError::Unknown));
    assert_eq!(records.owner("swept").await.unwrap(), None);
    // What could not be swept is found for as long as that takes.
    assert_eq!(records.owner("unswept").await.unwrap(), Some(everyone));
    let remains = records.remains(None, 9).await.unwrap();
    assert_eq!(remains.items.len(), 1);
}

#[tokio::test]
async fn a_change_that_is_found_late_is_found() {
    let tested = Tested::on(Peer::dynalite()).await;
    let (early, late) = (tested.records(), tested.records());
    let everyone = Owner::everyone();
    let mut slow = tested.insert("slow").await;
    tested.insert("fast").await;
    tested.clock.pass(Duration::from_secs(60));
    let cursor = early.cursor(&everyone).await.unwrap();
    // One writer's time is before the other's, whose change is read first.
    let behind = TestClock::new();
    behind.0.store(
        tested.clock.now().as_millisecond() - 10_000,
        Ordering::Relaxed,
    );
    let behind = DynamoRecords::new(tested.client.clone(), tested.tables.clone(), SHARDS, behind);
    let mut fast = late.get("fast").await.unwrap().unwrap();
    fast.translation.revision = 2;
    assert_eq!(late.update(&fast, 1).await.unwrap(), Written::Yes);
    let changes = early.changes(&everyone, &cursor, 1).await.unwrap();
    assert_eq!(changes.translations, [fast.translation]);
    slow.translation.revision = 2;
    assert_eq!(behind.update(&slow, 1).await.unwrap(), Written::Yes);
    let changes = early.changes(&everyone, &changes.cursor, 9).await.unwrap();
    assert!(changes.translations.contains(&slow.translation));
    // Once nothing can be late, nothing is told again.
    tested.clock.pass(Duration::from_secs(60));
    let changes = early.changes(&everyone, &changes.cursor, 9).await.unwrap();
    let changes = early.changes(&everyone, &changes.cursor, 9).await.unwrap();
    assert!(changes.translations.is_empty());
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_refused_because_of_itself() {
    // Dynalite does not say what a refused write found.
    let tested = Tested::on(Peer::moto()).await;
    let lossy = || tested.records_through(tested.client_with(LosesFirstAnswer::default()));
    let mut record = tested.record("t");
    lossy().insert(&record).await.unwrap();
    record.translation.revision = 2;
    assert_eq!(lossy().update(&record, 1).await.unwrap(), Written::Yes);
    assert_eq!(lossy().remove("t", 2).await.unwrap(), Written::Yes);
    assert_eq!(lossy().remove("t", 2).await.unwrap(), Written::Conflict);
    assert!(lossy().insert(&record).await.is_err());
}

#[tokio::test]
async fn what_a_batch_leaves_undone_is_done() {
    let tested = Tested::on(Peer::dynalite()).await;
    tested.insert("t").await;
    tested.insert("u").await;
    let partial = tested.records_through(tested.client_with(LeavesUndone::default()));
    // One batch, of which 10 are done, then 5, 3, 1 and 1.
    let checkpoints = checkpoints(20);
    let kept = partial.keep_checkpoints("t", 1, &checkpoints).await;
    kept.unwrap();
    assert_eq!(tested.items_in(&tested.tables.segments).await, 20);
    let listed = partial.list(&Owner::everyone(), None, 9).await.unwrap();
    assert_eq!(listed.items.len(), 2);
}

#[tokio::test]
async fn a_table_that_never_does_what_it_is_told_is_given_up_in_words() {
    let tested = Tested::on(Peer::dynalite()).await;
    tested.insert("t").await;
    let undone = LeavesUndone {
        is_for_ever: true,
        ..LeavesUndone::default()
    };
    let records = tested.records_through(tested.client_with(undone));
    let begin = tested.clock.now();
    let kept = records.keep_checkpoints("t", 1, &checkpoints(1)).await;
    let words = kept.unwrap_err().to_string();
    assert!(words.contains("BatchWriteItem leaves a part"), "{words}");
    let waited = tested.clock.now().duration_since(begin).unsigned_abs();
    assert!(waited > Duration::from_secs(8), "{waited:?}");
}

/// Does something with a process that dies after one call, after two, and so on until it lives to
/// the end; `check` then finds things as if nothing had happened, once it was done again.
async fn dying_at_every_step(
    peer: &Peer,
    prepare: impl AsyncFn(&Tested),
    act: impl AsyncFn(&Tested, Client) -> Result<(), babelwire_service::ports::PortError>,
    check: impl AsyncFn(&Tested),
) {
    for steps in 0.. {
        assert!(steps < 60, "it never ends");
        let tested = Tested::on(peer).await;
        prepare(&tested).await;
        let ended = act(&tested, tested.dying_client(steps)).await;
        if let Err(error) = &ended {
            assert!(error.0.contains("the process died"), "{error}");
        }
        act(&tested, tested.client.clone()).await.unwrap();
        check(&tested).await;
        if ended.is_ok() {
            assert!(steps > 2, "nothing was ever cut short");
            return;
        }
    }
}

#[tokio::test]
async fn segments_are_kept_whole_by_the_next_try_wherever_the_first_one_broke_off() {
    let batch = [
        segment(0, "A"),
        segment(1, "B"),
        segment(2, ""),
        segment(3, ""),
        segment(5, "F"),
    ];
    dying_at_every_step(
        Peer::dynalite(),
        async |tested| {
            let records = tested.records();
            tested.insert("t").await;
            let before = [
                segment(0, "a"),
                segment(1, ""),
                segment(2, "c"),
                segment(4, ""),
            ];
            let kept = records.keep_segments("t", 1, &before).await.unwrap();
            assert_eq!(kept, Written::Yes);
            let marked = records.mark_again("t", 1, Some(Which::Failed)).await;
            assert_eq!(marked.unwrap(), 2);
        },
        async |tested, client| {
            let kept = tested.records_through(client);
            let kept = kept.keep_segments("t", 1, &batch).await?;
            assert_eq!(kept, Written::Yes);
            Ok(())
        },
        async |tested| {
            let records = tested.records();
            let expected = [
                segment(0, "A"),
                segment(1, "B"),
                segment(2, "c"),
                segment(3, ""),
                segment(4, ""),
                segment(5, "F"),
            ];
            assert_eq!(records.segments("t", 1, 0, 9).await.unwrap(), expected);
            assert_eq!(records.given_up("t", 1).await.unwrap(), 1);
            let again = records.again("t", 1).await.unwrap();
            assert_eq!(again, std::iter::once(4..5).collect::<Vec<_>>());
        },
    )
    .await;
}

#[tokio::test]
async fn what_a_crash_left_in_the_lists_counts_for_nothing() {
    let batch = [segment(0, "A"), segment(1, ""), segment(2, "C")];
    for steps in 0..12 {
        let tested = Tested::on(Peer::dynalite()).await;
        let records = tested.records();
        tested.insert("t").await;
        let before = [segment(0, ""), segment(1, "b")];
        let kept = records.keep_segments("t", 1, &before).await.unwrap();
        assert_eq!(kept, Written::Yes);
        let dying = tested.records_through(tested.dying_client(steps));
        let _ = dying.keep_segments("t", 1, &batch).await;
        // Nobody tries again: what is counted is what can be read.
        let readable = records.segments("t", 1, 0, 9).await.unwrap();
        let failed: Vec<_> = readable.iter().filter(|segment| segment.failed).collect();
        assert_eq!(records.given_up("t", 1).await.unwrap(), failed.len() as u64);
        let marked = records.mark_again("t", 1, Some(Which::Failed)).await;
        assert_eq!(marked.unwrap(), failed.len() as u64);
        let b = readable.iter().find(|segment| segment.index == 1).unwrap();
        assert_eq!(b.text, "b", "no translation is lost");
    }
}

#[tokio::test]
async fn a_connection_is_forgotten_whole_by_the_next_try_wherever_the_first_one_broke_off() {
    dying_at_every_step(
        Peer::dynalite(),
        async |tested| {
            tested.connect("c").await;
            for id in ["a", "b"] {
                tested.insert(id).await;
                let written = tested.records().subscribe(id, &subscriber("c"), 9).await;
                assert_eq!(written.unwrap(), Written::Yes);
                let looks = tested.looks_through(tested.client.clone());
                let written = looks.look(id, "c", "v", 0..9, 9).await;
                assert_eq!(written.unwrap(), Written::Yes);
            }
        },
        async |tested, client| {
            let forgotten = tested.records_through(client.clone()).disconnect("c").await;
            let ended = tested.looks_through(client).disconnect("c").await;
            forgotten.and(ended)
        },
        async |tested| {
            let Tables {
                connections,
                subscriptions,
                looks,
                ..
            } = &tested.tables;
            for table in [connections, subscriptions, looks] {
                assert_eq!(tested.items_in(table).await, 0, "{table}");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_subscription_or_look_is_made_by_the_next_try_and_leaves_nothing_when_it_ends() {
    dying_at_every_step(
        Peer::dynalite(),
        async |tested| {
            tested.connect("c").await;
            tested.insert("t").await;
        },
        async |tested, client| {
            let records = tested.records_through(client.clone());
            let looks = tested.looks_through(client);
            let subscribed = records.subscribe("t", &subscriber("c"), 1).await?;
            assert_eq!(subscribed, Written::Yes);
            let looked = looks.look("t", "c", "v", 0..9, 1).await?;
            assert_eq!(looked, Written::Yes);
            Ok(())
        },
        async |tested| {
            let looks = tested.looks_through(tested.client.clone());
            let records = tested.records();
            assert!(records.subscription("t", "c").await.unwrap().is_some());
            assert_eq!(looks.of("t", "c").await.unwrap().len(), 1);
            records.disconnect("c").await.unwrap();
            looks.disconnect("c").await.unwrap();
            assert_eq!(tested.items_in(&tested.tables.subscriptions).await, 0);
            assert_eq!(tested.items_in(&tested.tables.looks).await, 0);
        },
    )
    .await;
}

#[tokio::test]
async fn a_sweep_that_breaks_off_is_completed_by_the_next() {
    dying_at_every_step(
        Peer::dynalite(),
        async |tested| {
            let records = tested.records();
            tested.insert("t").await;
            tested.connect("c").await;
            let kept: Vec<_> = (0..60)
                .map(|index| segment(index, if index % 7 == 0 { "" } else { "x" }))
                .collect();
            let kept = records.keep_segments("t", 1, &kept).await.unwrap();
            assert_eq!(kept, Written::Yes);
            let marked = records.mark_again("t", 1, Some(Which::Failed)).await;
            assert_eq!(marked.unwrap(), 9);
            let checkpoints = [Checkpoint {
                index: 5,
                offset: 50,
            }];
            records
                .keep_checkpoints("t", 1, &checkpoints)
                .await
                .unwrap();
            let written = records.subscribe("t", &subscriber("c"), 9).await.unwrap();
            assert_eq!(written, Written::Yes);
            assert_eq!(records.remove("t", 1).await.unwrap(), Written::Yes);
        },
        async |tested, client| {
            let records = tested.records_through(client);
            records.forget_segments("t", None).await?;
            records.swept("t").await
        },
        async |tested| {
            let records = tested.records();
            assert_eq!(tested.items_in(&tested.tables.segments).await, 0);
            assert_eq!(tested.items_in(&tested.tables.subscriptions).await, 0);
            assert!(records.remains(None, 9).await.unwrap().items.is_empty());
        },
    )
    .await;
}

#[tokio::test]
async fn segments_kept_while_their_translation_is_swept_leave_nothing() {
    let tested = Tested::on(Peer::dynalite()).await;
    let records = tested.records();
    tested.insert("t").await;
    let batch: Vec<_> = (0..300)
        .map(|index| segment(index, if index == 7 { "" } else { "x" }))
        .collect();
    let keep = records.keep_segments("t", 1, &batch);
    let sweep = async {
        assert_eq!(records.remove("t", 1).await.unwrap(), Written::Yes);
        records.forget_segments("t", None).await.unwrap();
        records.swept("t").await.unwrap();
    };
    let (kept, ()) = tokio::join!(keep, sweep);
    // Kept before it was removed, and then swept; or found removed, and taken back.
    let _: Written = kept.unwrap();
    assert_eq!(tested.items_in(&tested.tables.segments).await, 0);
}

#[tokio::test]
async fn a_long_text_is_kept_and_forgotten_in_many_answers() {
    // 6 MB.
    const MANY: u64 = 4000;
    let tested = Tested::on(Peer::dynalite()).await;
    let records = tested.records();
    tested.insert("t").await;
    let long = "wort ".repeat(300);
    let segments: Vec<_> = (0..MANY).map(|index| segment(index, &long)).collect();
    for batch in segments.chunks(250) {
        let kept = records.keep_segments("t", 1, batch).await.unwrap();
        assert_eq!(kept, Written::Yes);
    }
    let kept = records.kept("t", 1).await.unwrap();
    assert_eq!(kept, std::iter::once(0..MANY).collect::<Vec<_>>());
    let read = records.segments("t", 1, 0, 3000).await.unwrap();
    assert_eq!(read, segments[..3000]);
    records.forget_segments("t", Some(2)).await.unwrap();
    assert_eq!(tested.items_in(&tested.tables.segments).await, 0);
}

#[tokio::test]
async fn connections_are_spread_over_all_shards_and_a_signed_in_owners_over_none() {
    let tested = Tested::on(Peer::dynalite()).await;
    let records = tested.records();
    for number in 0..30 {
        tested.connect(&format!("L0SM9cOFvHcCI{number:02}=")).await;
    }
    let everyone = Owner::everyone();
    assert_eq!(records.shards(&everyone), SHARDS);
    assert_eq!(records.shards(&Owner::new("ana")), 1);
    let mut found = BTreeSet::new();
    for shard in 0..SHARDS {
        let page = records.connections(&everyone, shard, None, 99).await;
        let page = page.unwrap().items;
        assert!(!page.is_empty(), "shard {shard} of {SHARDS}");
        found.extend(page.into_iter().map(|connection| connection.id));
    }
    assert_eq!(found.len(), 30);
}

#[tokio::test]
async fn one_works_on_a_translation_and_who_comes_meanwhile_has_it_done_again() {
    for peer in [Peer::moto(), Peer::dynalite()] {
        let tested = Tested::on(peer).await;
        let leases = tested.leases();
        assert!(!leases.is_held("t").await.unwrap());
        assert_eq!(leases.claim("t", "one").await.unwrap(), Claim::Held);
        assert_eq!(leases.claim("t", "one").await.unwrap(), Claim::Held);
        assert_eq!(leases.claim("u", "two").await.unwrap(), Claim::Held);
        assert!(leases.is_held("t").await.unwrap());
        assert_eq!(leases.release("t", "one").await.unwrap(), Released::Ended);
        assert_eq!(leases.release("t", "one").await.unwrap(), Released::Ended);
        assert!(!leases.is_held("t").await.unwrap());

        assert_eq!(leases.claim("t", "one").await.unwrap(), Claim::Held);
        assert_eq!(leases.claim("t", "two").await.unwrap(), Claim::Busy);
        assert_eq!(leases.claim("t", "three").await.unwrap(), Claim::Busy);
        assert_eq!(leases.release("t", "two").await.unwrap(), Released::Ended);
        assert!(leases.is_held("t").await.unwrap(), "it is not two's");
        assert_eq!(leases.release("t", "one").await.unwrap(), Released::Again);
        assert_eq!(leases.claim("t", "two").await.unwrap(), Claim::Held);
        assert_eq!(leases.release("t", "two").await.unwrap(), Released::Ended);
    }
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_is_anybodys() {
    let tested = Tested::on(Peer::dynalite()).await;
    let leases = tested.leases();
    let almost = LEASE.saturating_sub(Duration::from_secs(1));
    assert_eq!(leases.claim("t", "one").await.unwrap(), Claim::Held);
    for _ in 0..3 {
        tested.clock.pass(almost);
        assert_eq!(leases.renew("t", "one").await.unwrap(), Written::Yes);
    }
    tested.clock.pass(almost);
    assert_eq!(leases.claim("t", "two").await.unwrap(), Claim::Busy);
    tested.clock.pass(Duration::from_secs(2));
    assert!(!leases.is_held("t").await.unwrap());
    // Late, and nobody came: it is one's still.
    assert_eq!(leases.renew("t", "one").await.unwrap(), Written::Yes);
    tested.clock.pass(LEASE);
    assert_eq!(leases.claim("t", "two").await.unwrap(), Claim::Held);
    assert_eq!(leases.renew("t", "one").await.unwrap(), Written::Conflict);
    // What it was told while it held the lease is two's affair: two began after that.
    assert_eq!(leases.release("t", "one").await.unwrap(), Released::Ended);
    assert_eq!(leases.renew("t", "two").await.unwrap(), Written::Yes);
    assert_eq!(leases.release("t", "two").await.unwrap(), Released::Ended);
}

#[tokio::test]
async fn of_many_who_claim_at_a_time_one_holds_it_and_knows_of_the_others() {
    let tested = Tested::on(Peer::dynalite()).await;
    let leases = tested.leases();
    let names: Vec<_> = (0..8).map(|number| format!("h{number}")).collect();
    let claims = names.iter().map(|name| leases.claim("t", name));
    let claims = futures::future::try_join_all(claims).await.unwrap();
    let held: Vec<_> = names
        .iter()
        .zip(&claims)
        .filter(|(_, claim)| **claim == Claim::Held)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(held.len(), 1);
    assert_eq!(leases.release("t", held[0]).await.unwrap(), Released::Again);
}

#[tokio::test]
async fn an_error_names_the_call_and_what_dynamodb_says() {
    let tested = Tested::on(Peer::dynalite()).await;
    let tables = Tables {
        translations: "nowhere".to_owned(),
        ..tested.tables.clone()
    };
    let records = DynamoRecords::new(tested.client.clone(), tables, 1, tested.clock.clone());
    let error = records.get("t").await.unwrap_err().to_string();
    assert!(
        error.contains("GetItem") && error.contains("ResourceNotFoundException"),
        "{error}"
    );
}
