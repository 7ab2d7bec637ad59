//! What every set of tables promises, on SQLite and in memory.

use babelwire_service::MemoryLooks;
use babelwire_service::conformance;

use crate::records::SqliteRecords;
use crate::world::SystemClock;

#[tokio::test]
async fn the_records_keep_their_promises() {
    for (name, story) in conformance::RECORDS {
        println!("{name}");
        let folder = tempfile::tempdir().unwrap();
        let records = SqliteRecords::open(&folder.path().join("babelwire.db")).unwrap();
        story(&records, &SystemClock).await;
    }
}

#[tokio::test]
async fn the_looks_keep_their_promises() {
    for (name, story) in conformance::LOOKS {
        println!("{name}");
        story(&MemoryLooks::default(), &SystemClock).await;
    }
}
