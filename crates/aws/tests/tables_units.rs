//! What the tables cost: DynamoDB's request units of a translation's whole life. `docs/scale.md`
//! works with these figures; each has a bound here, so that it does not grow unseen. Run it with
//! `--nocapture` to read them.
//!
//! Dynalite counts them, all but two things that DynamoDB takes as well, which are added here:
//!
//! - Secondary indexes: an item that comes into one or leaves it takes a write unit, one whose
//!   place in it changes takes two, and one of which it has nothing new takes none ("Using Global
//!   Secondary Indexes in DynamoDB", write capacity units). Each step says how many.
//! - A read that finds nothing: a unit, as if it was consistent; most of them are.

#![allow(clippy::unwrap_used, reason = "a test ends with a panic")]

mod peers;

use std::sync::Arc;

use babelwire_aws::looks::DynamoLooks;
use babelwire_aws::records::{Consumed, Counter, DynamoRecords};
use babelwire_aws::world::SystemClock;
use babelwire_service::ports::{
    Checkpoint, Connection, Looks, Owner, Record, Records, Subscriber, Written,
};
use babelwire_service::rfc3339;
use babelwire_wire::{Segment, Status, Translation};
use jiff::Timestamp;
use peers::Peer;

/// Read and write units.
struct Units(f64, f64);

struct Measured {
    records: DynamoRecords,
    looks: DynamoLooks,
    counter: Arc<Counter>,
    before: Consumed,
}

impl Measured {
    async fn new() -> Self {
        let (client, tables) = peers::tables::make(Peer::dynalite()).await;
        let counter = Arc::new(Counter::default());
        let clock = Arc::new(SystemClock);
        let records = DynamoRecords::new(client.clone(), tables.clone(), 1, clock.clone());
        let looks = DynamoLooks::new(client, tables, clock);
        Self {
            records: records.counted_by(Arc::clone(&counter)),
            looks: looks.counted_by(Arc::clone(&counter)),
            counter,
            before: Consumed::default(),
        }
    }

    /// What was consumed since the last time this was asked.
    fn since(&mut self) -> Consumed {
        let now = self.counter.consumed();
        assert_eq!(self.records.consumed(), Some(now));
        let since = now - std::mem::replace(&mut self.before, now);
        assert_eq!(since.refused, 0, "what is refused is not in these figures");
        since
    }

    /// Prints what a step took, and looks whether it is as little as was thought.
    fn print(&mut self, what: &str, Units(reads, writes): Units, indexes: u32) {
        let Consumed {
            read_units,
            write_units,
            calls,
            empty_reads,
            ..
        } = self.since();
        let empty_reads = f64::from(u32::try_from(empty_reads).unwrap());
        let read_units = read_units + empty_reads;
        let write_units = write_units + f64::from(indexes);
        println!("{what:<50} {read_units:>7.1} read {write_units:>7.1} write {calls:>5} calls");
        assert!(
            read_units <= reads && write_units <= writes,
            "{what}: {reads} read and {writes} write units were thought to be enough"
        );
    }

    async fn change(&self, record: &mut Record, change: impl FnOnce(&mut Record)) {
        // As the service does: read, change, write.
        let mut next = self
            .records
            .get(&record.translation.id)
            .await
            .unwrap()
            .unwrap();
        change(&mut next);
        let expected = next.translation.revision;
        next.translation.revision += 1;
        next.translation.updated_at = rfc3339(Timestamp::now());
        let written = self.records.update(&next, expected).await.unwrap();
        assert_eq!(written, Written::Yes);
        *record = next;
    }
}

fn announced(id: &str) -> Record {
    let now = rfc3339(Timestamp::now());
    Record {
        owner: Owner::everyone(),
        translation: Translation {
            id: id.to_owned(),
            name: "A letter from far away.txt".to_owned(),
            size: 10_240,
            source: "en".to_owned(),
            target: "es".to_owned(),
            charset: None,
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
        object_key: format!("{id}/A letter from far away.txt"),
        asked_charset: None,
        generation: 1,
        prepared: false,
        source_etag: None,
        source_sequencer: None,
        before: None,
    }
}

/// Some 256 bytes of text each.
fn segments(number: u64) -> Vec<Segment> {
    (0..number)
        .map(|index| Segment {
            index,
            source: [index * 256, index * 256 + 255],
            text: "Una frase que alguien escribió hace mucho. ".repeat(6),
            failed: false,
        })
        .collect()
}

const ID: &str = "0123456789abcdef0123456789abcdef";

/// A translation from its announcement to its end, as the service's job goes about it; and what is
/// asked and told meanwhile.
#[expect(
    clippy::too_many_lines,
    reason = "one life, from its beginning to its end"
)]
#[tokio::test]
async fn the_units_of_a_file_of_10_kb_and_of_who_follows_it() {
    const SEGMENTS: u64 = 40;
    let mut measured = Measured::new().await;
    let everyone = Owner::everyone();

    let connection = Connection {
        id: "L0SM9cOFvHcCIhw=".to_owned(),
        owner: everyone.clone(),
        connected_at: Timestamp::now(),
    };
    measured.records.connect(&connection).await.unwrap();
    measured.print("a connection opens", Units(0.0, 2.0), 1);

    assert_eq!(measured.records.count(&everyone).await.unwrap(), 0);
    let mut record = announced(ID);
    measured.records.insert(&record).await.unwrap();
    measured.print("a file is announced", Units(1.0, 4.0), 3);

    let subscriber = Subscriber {
        connection: connection.id.clone(),
        from: 0,
    };
    measured.records.get(ID).await.unwrap();
    let written = measured.records.subscribe(ID, &subscriber, 100).await;
    assert_eq!(written.unwrap(), Written::Yes);
    measured.records.segments(ID, 1, 0, 500).await.unwrap();
    measured.print("somebody subscribes", Units(4.0, 2.0), 0);

    let written = measured
        .looks
        .look(ID, &connection.id, "v", 0..30, 100)
        .await;
    assert_eq!(written.unwrap(), Written::Yes);
    measured.before = measured.counter.consumed();
    let written = measured
        .looks
        .look(ID, &connection.id, "v", 5..35, 100)
        .await;
    assert_eq!(written.unwrap(), Written::Yes);
    measured.print("a look moves on", Units(0.0, 1.0), 0);

    measured
        .change(&mut record, |record| {
            record.translation.status = Status::Queued;
            record.source_etag = Some("5d41402abc4b2a76b9719d911017c592".to_owned());
            record.source_sequencer = Some("0055AED6DCD90281E5".to_owned());
        })
        .await;
    measured.print("its bytes arrive", Units(1.0, 3.0), 2);

    measured
        .change(&mut record, |record| {
            record.translation.status = Status::Translating;
        })
        .await;
    let checkpoints: [Checkpoint; 0] = [];
    measured
        .records
        .keep_checkpoints(ID, 1, &checkpoints)
        .await
        .unwrap();
    measured
        .change(&mut record, |record| {
            record.prepared = true;
            record.translation.total = SEGMENTS;
        })
        .await;
    measured.records.kept(ID, 1).await.unwrap();
    measured.records.again(ID, 1).await.unwrap();
    measured.records.given_up(ID, 1).await.unwrap();
    measured.print("a job begins", Units(6.0, 6.0), 4);

    // The first segment at once, then what came in a fifth of a second.
    let all = segments(SEGMENTS);
    for batch in [&all[..1], &all[1..20], &all[20..]] {
        let kept = measured.records.keep_segments(ID, 1, batch).await.unwrap();
        assert_eq!(kept, Written::Yes);
        measured.records.subscribers(ID, None, 500).await.unwrap();
        measured.looks.by_connection(ID).await.unwrap();
    }
    measured.print(
        "40 segments are kept and told in 3 batches",
        Units(15.0, 40.0),
        0,
    );

    measured
        .change(&mut record, |record| record.translation.done = 20)
        .await;
    measured.print("progress is published", Units(1.0, 3.0), 2);

    measured
        .records
        .connections(&everyone, 0, None, 500)
        .await
        .unwrap();
    measured.print("a frame is broadcast to one connection", Units(0.5, 0.0), 0);

    measured.records.mark_again(ID, 1, None).await.unwrap();
    measured.records.given_up(ID, 1).await.unwrap();
    measured.records.segments(ID, 1, 0, 500).await.unwrap();
    measured
        .change(&mut record, |record| {
            record.translation.status = Status::Done;
            record.translation.done = SEGMENTS;
        })
        .await;
    measured.print(
        "the result is put together, and it is done",
        Units(7.0, 4.0),
        3,
    );

    let cursor = measured.records.cursor(&everyone).await.unwrap();
    measured
        .records
        .changes(&everyone, &cursor, 1000)
        .await
        .unwrap();
    measured.print(
        "a page asks what it missed, with one change",
        Units(1.5, 0.0),
        0,
    );

    let revision = record.translation.revision;
    let removed = measured.records.remove(ID, revision).await.unwrap();
    assert_eq!(removed, Written::Yes);
    measured.looks.forget(ID).await.unwrap();
    measured.records.forget_segments(ID, None).await.unwrap();
    measured.records.swept(ID).await.unwrap();
    measured.print("it is deleted and swept", Units(16.0, 52.0), 5);

    measured.looks.disconnect(&connection.id).await.unwrap();
    measured.records.disconnect(&connection.id).await.unwrap();
    measured.print("a connection closes", Units(4.0, 4.0), 1);
}

#[tokio::test]
async fn the_units_of_a_segment_in_a_long_file() {
    const SEGMENTS: u64 = 2000;
    let mut measured = Measured::new().await;
    measured.records.insert(&announced(ID)).await.unwrap();
    measured.since();
    for batch in segments(SEGMENTS).chunks(250) {
        let kept = measured.records.keep_segments(ID, 1, batch).await.unwrap();
        assert_eq!(kept, Written::Yes);
    }
    measured.print(
        "2000 segments are kept in batches of 250",
        Units(24.0, 2000.0),
        0,
    );
    measured.records.kept(ID, 1).await.unwrap();
    measured.print(
        "a job that goes on reads which of 2000 are kept",
        Units(162.0, 0.0),
        0,
    );
    measured.records.segments(ID, 1, 0, 2000).await.unwrap();
    measured.print("2000 segments are read", Units(160.0, 0.0), 0);
}
