//! What [`Records`] and [`Looks`] promise, as stories that whoever keeps the tables has to live
//! through: SQLite, DynamoDB, yours.
//!
//! A story is a future that panics where a promise is broken. Run each of [`RECORDS`] and
//! [`LOOKS`] over tables that are empty at its start. Lists may lag behind, as secondary indexes
//! do, so a story asks for them until they have caught up, for up to half a minute; the clock is
//! what it waits by, and need not be a real one where nothing lags.

#![expect(
    clippy::unwrap_used,
    reason = "a story ends with a panic where a promise is broken"
)]
#![expect(
    clippy::single_range_in_vec_init,
    reason = "a list of ranges may have one"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::Range;
use std::time::Duration;

use babelwire_wire::{Failure, Segment, Status, Translation};
use futures::future::{LocalBoxFuture, join, join_all, try_join_all};
use jiff::Timestamp;

use crate::ports::{
    Before, Checkpoint, Clock, Connection, CursorError, Looks, Owner, Page, PortError, Record,
    Records, Remains, Sight, Subscriber, Which, Written,
};
use crate::rfc3339;

/// A story about [`Records`].
pub type RecordsStory = for<'a> fn(&'a dyn Records, &'a dyn Clock) -> LocalBoxFuture<'a, ()>;

/// A story about [`Looks`].
pub type LooksStory = for<'a> fn(&'a dyn Looks, &'a dyn Clock) -> LocalBoxFuture<'a, ()>;

macro_rules! stories {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), |tables, clock| Box::pin($name(tables, clock)))),*]
    };
}

/// Every story about [`Records`], by its name.
pub const RECORDS: &[(&str, RecordsStory)] = stories![
    every_field_of_a_record_comes_back,
    an_id_is_taken_once,
    what_is_not_there_is_no_error,
    a_change_of_an_older_revision_is_refused,
    revisions_only_grow_under_twenty_writers,
    one_of_two_who_remove_does,
    two_owners_see_nothing_of_each_other,
    pages_of_a_list_repeat_nothing_and_lose_nothing,
    changes_since_a_cursor_are_found_with_removals,
    changes_are_found_page_by_page_while_there_are_more,
    cursors_of_others_are_known_as_such,
    a_removed_translation_is_a_tombstone_until_it_is_swept_and_after,
    what_is_not_final_is_found_page_by_page,
    segments_are_replaced_but_never_by_one_that_was_given_up,
    many_long_segments_are_read_from_anywhere,
    segments_that_are_missing_leave_gaps,
    marks_have_segments_translated_once_more,
    a_segment_kept_twice_in_a_batch_is_kept_once,
    nothing_is_kept_of_a_text_that_is_no_more,
    texts_of_older_generations_are_forgotten,
    checkpoints_are_found_by_what_follows,
    a_connection_follows_so_many_translations_and_no_more,
    of_many_subscriptions_at_a_time_so_many_succeed,
    a_lost_connection_leaves_nothing,
    a_removed_translation_is_followed_by_nobody,
    subscribers_come_page_by_page,
    connections_come_page_by_page_from_all_shards,
    sequencers_only_advance,
];

/// Every story about [`Looks`], by its name.
pub const LOOKS: &[(&str, LooksStory)] = stories![
    a_newer_look_of_a_view_takes_the_place_of_the_older_one,
    looks_of_two_connections_are_two,
    of_too_many_views_the_oldest_goes_and_no_other_connections,
    a_connection_looks_at_so_many_translations_and_a_lost_one_at_none,
    of_many_looks_at_a_time_so_many_succeed,
    an_ended_look_makes_room_for_another_translation,
    a_forgotten_translation_is_looked_at_by_nobody,
    who_watches_hears_of_every_change_and_of_no_other_translations,
];

/// Stories in which many write at a time. What checks and writes in two steps, as stand-ins of a
/// store may, does not live through them, and should not be trusted with anything.
pub const RACES: &[&str] = &[
    "revisions_only_grow_under_twenty_writers",
    "one_of_two_who_remove_does",
    "of_many_subscriptions_at_a_time_so_many_succeed",
    "sequencers_only_advance",
    "of_many_looks_at_a_time_so_many_succeed",
];

/// How long a list may lag behind.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a story waits before it asks for a list again.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Asks until the answer is the one expected; panics with the last one.
async fn eventually<T: PartialEq + Debug>(
    clock: &dyn Clock,
    expected: T,
    ask: impl AsyncFn() -> T,
) {
    let begin = clock.now();
    loop {
        let answer = ask().await;
        if answer == expected {
            return;
        }
        let waited = clock.now().duration_since(begin).unsigned_abs();
        assert!(
            waited < PATIENCE,
            "it is {answer:?}, and should be {expected:?}"
        );
        clock.sleep(ASK_AGAIN).await;
    }
}

/// All items of a paged list, in pages of `limit`; panics when a page is too long.
async fn all<T, E: Debug>(
    limit: usize,
    page: impl AsyncFn(Option<String>) -> Result<Page<T>, E>,
) -> Vec<T> {
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let page = page(after).await.unwrap();
        assert!(page.items.len() <= limit, "a page is longer than asked for");
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            return items;
        }
    }
}

/// A record as it is announced.
fn record(id: &str, owner: &Owner, created_at: Timestamp) -> Record {
    let now = rfc3339(created_at);
    Record {
        owner: owner.clone(),
        translation: Translation {
            id: id.to_owned(),
            name: format!("{id}.txt"),
            size: 5,
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
        object_key: format!("{id}/{id}.txt"),
        asked_charset: None,
        generation: 1,
        prepared: false,
        source_etag: None,
        source_sequencer: None,
        before: None,
    }
}

/// Announces a translation of everyone's.
async fn insert(records: &dyn Records, clock: &dyn Clock, id: &str) -> Record {
    let record = record(id, &Owner::everyone(), clock.now());
    records.insert(&record).await.unwrap();
    record
}

/// Writes a record under its next revision.
async fn write(records: &dyn Records, record: &mut Record) -> Written {
    let expected = record.translation.revision;
    record.translation.revision += 1;
    records.update(record, expected).await.unwrap()
}

fn segment(index: u64, text: &str) -> Segment {
    Segment {
        index,
        source: [index * 10, index * 10 + 9],
        text: text.to_owned(),
        failed: false,
    }
}

fn given_up(index: u64) -> Segment {
    Segment {
        failed: true,
        ..segment(index, "")
    }
}

async fn keep(records: &dyn Records, id: &str, generation: u64, segments: &[Segment]) {
    let written = records.keep_segments(id, generation, segments);
    assert_eq!(written.await.unwrap(), Written::Yes);
}

/// The indexes in ranges; panics when these overlap, touch or are out of order.
fn indexes(ranges: &[Range<u64>]) -> Vec<u64> {
    assert!(ranges.iter().all(|range| range.start < range.end));
    assert!(ranges.windows(2).all(|two| match two {
        [first, second] => first.end < second.start,
        _ => true,
    }));
    ranges.iter().cloned().flatten().collect()
}

fn ids<'a>(translations: impl IntoIterator<Item = &'a Translation>) -> Vec<&'a str> {
    translations
        .into_iter()
        .map(|translation| translation.id.as_str())
        .collect()
}

// ── Translations ────────────────────────────────────────────────────────────────────────────────

async fn every_field_of_a_record_comes_back(records: &dyn Records, clock: &dyn Clock) {
    let failure = |title: &str| Failure {
        title: title.to_owned(),
        detail: format!("{title} in detail"),
    };
    let full = Record {
        owner: Owner::new("auth0|5f7c8ec7c33c6c004bbafe82"),
        translation: Translation {
            id: "full".to_owned(),
            name: "Ein Brief – „für dich“ 🙂.txt".to_owned(),
            size: 1,
            source: "en".to_owned(),
            target: "zh-Hant".to_owned(),
            charset: Some("UTF-8".to_owned()),
            status: Status::Queued,
            done: 2,
            failed: 3,
            total: 4,
            ahead: Some(5),
            error: Some(failure("one")),
            created_at: rfc3339(clock.now()),
            updated_at: "u".to_owned(),
            started_at: Some("s".to_owned()),
            finished_at: Some("f".to_owned()),
            revision: 6,
        },
        object_key: "full/a.txt".to_owned(),
        asked_charset: Some("utf8".to_owned()),
        generation: 7,
        prepared: true,
        source_etag: Some("e".to_owned()),
        source_sequencer: Some("q".to_owned()),
        before: Some(Before {
            status: Status::Failed,
            error: Some(failure("two")),
        }),
    };
    let bare = record("bare", &Owner::everyone(), clock.now());
    for record in [&full, &bare] {
        let id = &record.translation.id;
        records.insert(record).await.unwrap();
        assert_eq!(records.get(id).await.unwrap().as_ref(), Some(record));
        assert_eq!(
            records.owner(id).await.unwrap().as_ref(),
            Some(&record.owner)
        );
    }
    // What is not there any more is gone.
    let changed = Record {
        translation: Translation {
            id: "full".to_owned(),
            revision: 7,
            ..bare.translation
        },
        before: Some(Before {
            status: Status::Cancelled,
            error: None,
        }),
        owner: full.owner.clone(),
        ..bare
    };
    assert_eq!(records.update(&changed, 6).await.unwrap(), Written::Yes);
    assert_eq!(records.get("full").await.unwrap(), Some(changed));
    // The largest numbers, which some stores have to write as text.
    let mut large = record("large", &Owner::everyone(), clock.now());
    large.translation.size = u64::from(u32::MAX) * 4096;
    large.translation.total = i64::MAX.unsigned_abs();
    records.insert(&large).await.unwrap();
    assert_eq!(records.get("large").await.unwrap(), Some(large));
}

async fn an_id_is_taken_once(records: &dyn Records, clock: &dyn Clock) {
    let first = insert(records, clock, "t").await;
    let mut second = record("t", &Owner::new("another"), clock.now());
    second.translation.revision = 9;
    assert!(records.insert(&second).await.is_err());
    assert_eq!(records.get("t").await.unwrap(), Some(first));
    assert_eq!(records.remove("t", 1).await.unwrap(), Written::Yes);
    assert!(
        records.insert(&second).await.is_err(),
        "a tombstone is taken"
    );
}

async fn what_is_not_there_is_no_error(records: &dyn Records, _clock: &dyn Clock) {
    let everyone = Owner::everyone();
    assert_eq!(records.get("t").await.unwrap(), None);
    assert_eq!(records.owner("t").await.unwrap(), None);
    assert_eq!(records.count(&everyone).await.unwrap(), 0);
    assert_eq!(records.remove("t", 1).await.unwrap(), Written::Conflict);
    records.swept("t").await.unwrap();
    let none = Page {
        items: Vec::new(),
        next: None,
    };
    assert_eq!(records.list(&everyone, None, 5).await.unwrap(), none);
    assert!(records.remains(None, 5).await.unwrap().items.is_empty());
    assert!(records.unfinished(None, 5).await.unwrap().items.is_empty());
    assert!(records.segments("t", 1, 0, 5).await.unwrap().is_empty());
    assert!(records.kept("t", 1).await.unwrap().is_empty());
    assert!(records.again("t", 1).await.unwrap().is_empty());
    assert_eq!(records.given_up("t", 1).await.unwrap(), 0);
    assert_eq!(records.mark_again("t", 1, None).await.unwrap(), 0);
    let failed = Some(Which::Failed);
    assert_eq!(records.mark_again("t", 1, failed).await.unwrap(), 0);
    let one = Some(Which::One(3));
    assert_eq!(records.mark_again("t", 1, one).await.unwrap(), 0);
    assert_eq!(records.checkpoint("t", 1, 5).await.unwrap(), None);
    records.forget_segments("t", None).await.unwrap();
    records.forget_segments("t", Some(3)).await.unwrap();
    let late = [segment(0, "a")];
    let kept = records.keep_segments("t", 1, &late).await;
    assert_eq!(kept.unwrap(), Written::Conflict);
    assert!(records.segments("t", 1, 0, 5).await.unwrap().is_empty());
    records.disconnect("c").await.unwrap();
    records.unsubscribe("t", "c").await.unwrap();
    assert_eq!(records.connection("c").await.unwrap(), None);
    assert_eq!(records.subscription("t", "c").await.unwrap(), None);
    assert_eq!(records.sequencer("b", "k").await.unwrap(), None);
}

async fn a_change_of_an_older_revision_is_refused(records: &dyn Records, clock: &dyn Clock) {
    let mut ours = insert(records, clock, "t").await;
    let mut theirs = ours.clone();
    theirs.translation.done = 7;
    assert_eq!(write(records, &mut theirs).await, Written::Yes);
    ours.translation.done = 9;
    assert_eq!(write(records, &mut ours).await, Written::Conflict);
    assert_eq!(records.get("t").await.unwrap(), Some(theirs.clone()));
    assert_eq!(records.remove("t", 1).await.unwrap(), Written::Conflict);
    assert_eq!(records.remove("t", 3).await.unwrap(), Written::Conflict);
    assert_eq!(records.get("t").await.unwrap(), Some(theirs.clone()));
    assert_eq!(records.remove("t", 2).await.unwrap(), Written::Yes);
    assert_eq!(write(records, &mut theirs).await, Written::Conflict);
    theirs.translation.revision = 3;
    let risen = records.update(&theirs, 3).await.unwrap();
    assert_eq!(risen, Written::Conflict, "what is removed stays removed");
}

async fn revisions_only_grow_under_twenty_writers(records: &dyn Records, clock: &dyn Clock) {
    const WRITERS: u64 = 20;
    const TIMES: u64 = 3;
    insert(records, clock, "t").await;
    let writers = (0..WRITERS).map(|_| async {
        let mut seen = 0;
        for _ in 0..TIMES {
            loop {
                let mut record = records.get("t").await.unwrap().unwrap();
                assert!(record.translation.revision > seen, "an older one came back");
                record.translation.done += 1;
                if write(records, &mut record).await == Written::Yes {
                    seen = record.translation.revision - 1;
                    break;
                }
            }
        }
    });
    join_all(writers).await;
    let record = records.get("t").await.unwrap().unwrap();
    assert_eq!(record.translation.done, WRITERS * TIMES, "none is lost");
    assert_eq!(record.translation.revision, 1 + WRITERS * TIMES);
}

async fn one_of_two_who_remove_does(records: &dyn Records, clock: &dyn Clock) {
    insert(records, clock, "t").await;
    let removed = join_all((0..5).map(|_| records.remove("t", 1))).await;
    let yes = removed
        .into_iter()
        .filter(|removed| *removed.as_ref().unwrap() == Written::Yes);
    assert_eq!(yes.count(), 1);
}

async fn two_owners_see_nothing_of_each_other(records: &dyn Records, clock: &dyn Clock) {
    let owners = [
        Owner::everyone(),
        Owner::new("ana"),
        Owner::new("an"),
        Owner::new("*"),
    ];
    let mut cursors = Vec::new();
    for owner in &owners {
        cursors.push(records.cursor(owner).await.unwrap());
    }
    for (number, owner) in owners.iter().enumerate() {
        for which in 0..=number {
            let id = format!("t{number}-{which}");
            records
                .insert(&record(&id, owner, clock.now()))
                .await
                .unwrap();
        }
        let id = format!("c{number}");
        let connection = Connection {
            id,
            owner: owner.clone(),
            connected_at: now_in_milliseconds(clock),
        };
        records.connect(&connection).await.unwrap();
    }
    let gone = "t3-3";
    assert_eq!(records.remove(gone, 1).await.unwrap(), Written::Yes);
    for (number, (owner, cursor)) in owners.iter().zip(&cursors).enumerate() {
        let mut own: BTreeSet<_> = (0..=number)
            .map(|which| format!("t{number}-{which}"))
            .collect();
        for id in &own {
            let found = records.owner(id).await.unwrap();
            assert_eq!(found.as_ref(), Some(owner), "{id}");
        }
        let removed: Vec<_> = own.take(gone).into_iter().collect();
        eventually(clock, own.len() as u64, async || {
            records.count(owner).await.unwrap()
        })
        .await;
        eventually(clock, own.clone(), async || {
            let listed = all(2, async |after| {
                records.list(owner, after.as_deref(), 2).await
            })
            .await;
            listed.into_iter().map(|listed| listed.id).collect()
        })
        .await;
        eventually(clock, (own, removed), async || {
            let changes = records.changes(owner, cursor, 100).await.unwrap();
            let found = changes.translations.into_iter();
            let found = found.map(|translation| translation.id).collect();
            (found, changes.removed)
        })
        .await;
        eventually(clock, vec![format!("c{number}")], async || {
            let connected = every_connection(records, owner).await;
            connected.into_iter().map(|found| found.id).collect()
        })
        .await;
        let connection = format!("c{number}");
        let connection = records.connection(&connection).await.unwrap().unwrap();
        assert_eq!(&connection.owner, owner);
    }
    let stranger = Owner::new("nobody");
    assert_eq!(records.count(&stranger).await.unwrap(), 0);
    let listed = records.list(&stranger, None, 9).await.unwrap();
    assert!(listed.items.is_empty());
    for cursor in &cursors {
        // Whether it is known to whom a cursor was given or not: nothing is told.
        if let Ok(changes) = records.changes(&stranger, cursor, 9).await {
            assert!(changes.translations.is_empty() && changes.removed.is_empty());
        }
    }
    assert!(every_connection(records, &stranger).await.is_empty());
}

async fn pages_of_a_list_repeat_nothing_and_lose_nothing(records: &dyn Records, clock: &dyn Clock) {
    const MANY: i64 = 23;
    let everyone = Owner::everyone();
    let begin = now_in_milliseconds(clock);
    // Two are as old as each other, and what is announced in one second differs by milliseconds.
    let created = |number: i64| Timestamp::from_millisecond(begin.as_millisecond() + number / 2);
    for number in 0..MANY {
        let id = format!("t{number:02}");
        let record = record(&id, &everyone, created(number).unwrap());
        records.insert(&record).await.unwrap();
    }
    let expected: Vec<_> = (0..MANY)
        .rev()
        .map(|number| format!("t{number:02}"))
        .collect();
    for limit in [1, 5, 22, 23, 24, 1000] {
        eventually(clock, expected.clone(), async || {
            let listed = all(limit, async |after| {
                records.list(&everyone, after.as_deref(), limit).await
            })
            .await;
            listed.into_iter().map(|listed| listed.id).collect()
        })
        .await;
    }
    // While somebody turns the pages, one comes and one goes: neither moves the others.
    let first = records.list(&everyone, None, 10).await.unwrap();
    let new = record("t99", &everyone, created(99).unwrap());
    records.insert(&new).await.unwrap();
    assert_eq!(records.remove("t12", 1).await.unwrap(), Written::Yes);
    eventually(clock, MANY.unsigned_abs(), async || {
        records.count(&everyone).await.unwrap()
    })
    .await;
    let rest = all(4, async |after| {
        let after = after.or_else(|| first.next.clone());
        records.list(&everyone, after.as_deref(), 4).await
    })
    .await;
    let expected: Vec<_> = expected
        .iter()
        .skip(10)
        .filter(|id| *id != "t12")
        .map(String::as_str)
        .collect();
    assert_eq!(ids(&rest), expected);
    for foreign in ["nonsense", "", "~", "2026-01-01", "t05"] {
        let listed = records.list(&everyone, Some(foreign), 5).await;
        assert_eq!(listed, Err(CursorError::Unknown), "{foreign:?}");
    }
}

/// What changed since a cursor, by reading until there is no more; with the cursor after it.
async fn changes_since(
    records: &dyn Records,
    cursor: &str,
    limit: usize,
) -> (BTreeMap<String, Translation>, BTreeSet<String>, String) {
    let everyone = Owner::everyone();
    let (mut found, mut removed) = (BTreeMap::new(), BTreeSet::new());
    let mut cursor = cursor.to_owned();
    loop {
        let changes = records.changes(&everyone, &cursor, limit).await.unwrap();
        let length = changes.translations.len() + changes.removed.len();
        assert!(length <= limit, "more than asked for");
        for translation in changes.translations {
            found.insert(translation.id.clone(), translation);
        }
        removed.extend(changes.removed);
        cursor = changes.cursor;
        if !changes.more {
            return (found, removed, cursor);
        }
    }
}

async fn changes_since_a_cursor_are_found_with_removals(records: &dyn Records, clock: &dyn Clock) {
    let start = records.cursor(&Owner::everyone()).await.unwrap();
    let mut kept = insert(records, clock, "kept").await;
    insert(records, clock, "gone").await;
    insert(records, clock, "quiet").await;
    let everything = |kept: &Record| {
        BTreeMap::from([("kept", kept.translation.revision), ("quiet", 1)])
            .into_iter()
            .map(|(id, revision)| (id.to_owned(), revision))
            .collect::<BTreeMap<_, _>>()
    };
    let revisions = async |cursor: &str| {
        let (changed, removed, _) = changes_since(records, cursor, 2).await;
        let changed = changed.into_values();
        let changed = changed.map(|translation| (translation.id, translation.revision));
        (changed.collect::<BTreeMap<_, _>>(), removed)
    };
    eventually(clock, 3, async || revisions(&start).await.0.len()).await;
    let (_, _, middle) = changes_since(records, &start, 2).await;

    kept.translation.done = 3;
    assert_eq!(write(records, &mut kept).await, Written::Yes);
    assert_eq!(records.remove("gone", 1).await.unwrap(), Written::Yes);
    let gone = BTreeSet::from(["gone".to_owned()]);
    eventually(clock, (everything(&kept), gone.clone()), async || {
        revisions(&start).await
    })
    .await;
    // Since the cursor of the middle, what did not change may be told again, in its newest state.
    eventually(clock, (Some(2), gone.clone()), async || {
        let (changed, removed) = revisions(&middle).await;
        (changed.get("kept").copied(), removed)
    })
    .await;
    // A cursor can be used again.
    assert_eq!(revisions(&start).await, (everything(&kept), gone));
    let (_, _, end) = changes_since(records, &middle, 9).await;
    assert_eq!(write(records, &mut kept).await, Written::Yes);
    eventually(clock, Some(3), async || {
        revisions(&end).await.0.get("kept").copied()
    })
    .await;
}

async fn changes_are_found_page_by_page_while_there_are_more(
    records: &dyn Records,
    clock: &dyn Clock,
) {
    const MANY: usize = 17;
    let everyone = Owner::everyone();
    let start = records.cursor(&everyone).await.unwrap();
    for number in 0..MANY {
        insert(records, clock, &format!("t{number:02}")).await;
    }
    eventually(clock, MANY, async || {
        changes_since(records, &start, 100).await.0.len()
    })
    .await;
    for limit in [1, 5, MANY - 1, MANY, MANY + 1] {
        let (changed, _, _) = changes_since(records, &start, limit).await;
        assert_eq!(changed.len(), MANY);
        let page = records.changes(&everyone, &start, limit).await.unwrap();
        assert_eq!(page.translations.len(), limit.min(MANY));
        assert_eq!(page.more, limit < MANY);
    }
    // One that changes while the pages are turned is not lost.
    let page = records.changes(&everyone, &start, 5).await.unwrap();
    let first = page.translations.first().unwrap().id.clone();
    let mut moved = records.get(&first).await.unwrap().unwrap();
    assert_eq!(write(records, &mut moved).await, Written::Yes);
    eventually(clock, Some(2), async || {
        let (changed, _, _) = changes_since(records, &page.cursor, 5).await;
        changed.get(&first).map(|translation| translation.revision)
    })
    .await;
}

async fn cursors_of_others_are_known_as_such(records: &dyn Records, clock: &dyn Clock) {
    let everyone = Owner::everyone();
    insert(records, clock, "t").await;
    let own = records.cursor(&everyone).await.unwrap();
    assert!(records.changes(&everyone, &own, 5).await.is_ok());
    let foreign = [
        String::new(),
        "0".to_owned(),
        "nonsense".to_owned(),
        format!("{own}x"),
        format!("x{own}"),
        rfc3339(clock.now()),
        "000000000000-1".to_owned(),
    ];
    for cursor in foreign {
        let changes = records.changes(&everyone, &cursor, 5).await;
        assert_eq!(changes, Err(CursorError::Unknown), "{cursor:?}");
    }
}

async fn a_removed_translation_is_a_tombstone_until_it_is_swept_and_after(
    records: &dyn Records,
    clock: &dyn Clock,
) {
    let everyone = Owner::everyone();
    let start = records.cursor(&everyone).await.unwrap();
    for id in ["a", "b", "c", "d"] {
        insert(records, clock, id).await;
    }
    for id in ["a", "b", "c"] {
        assert_eq!(records.remove(id, 1).await.unwrap(), Written::Yes);
        assert_eq!(records.get(id).await.unwrap(), None);
        assert_eq!(records.owner(id).await.unwrap(), Some(Owner::everyone()));
    }
    let remains = async |limit: usize| {
        all(limit, async |after| {
            records.remains(after.as_deref(), limit).await
        })
        .await
    };
    let expected: Vec<_> = ["a", "b", "c"]
        .map(|id| Remains {
            id: id.to_owned(),
            object_key: format!("{id}/{id}.txt"),
        })
        .into();
    for limit in [1, 2, 9] {
        eventually(clock, expected.clone(), async || remains(limit).await).await;
    }
    records.swept("b").await.unwrap();
    records.swept("b").await.unwrap();
    // Not removed, so nothing of it is swept.
    records.swept("d").await.unwrap();
    eventually(clock, 2, async || remains(9).await.len()).await;
    assert!(records.get("d").await.unwrap().is_some());
    eventually(clock, 1, async || records.count(&everyone).await.unwrap()).await;
    let listed = records.list(&everyone, None, 9).await.unwrap();
    assert_eq!(ids(&listed.items), ["d"]);
    let gone: BTreeSet<_> = ["a", "b", "c"].map(str::to_owned).into();
    eventually(clock, gone, async || {
        changes_since(records, &start, 9).await.1
    })
    .await;
    assert_eq!(records.remove("a", 2).await.unwrap(), Written::Conflict);
    assert_eq!(records.owner("b").await.unwrap(), Some(Owner::everyone()));
}

async fn what_is_not_final_is_found_page_by_page(records: &dyn Records, clock: &dyn Clock) {
    let states = [
        Status::AwaitingUpload,
        Status::Queued,
        Status::Translating,
        Status::Done,
        Status::Failed,
        Status::Cancelled,
    ];
    for status in states {
        let mut record = insert(records, clock, status.as_str()).await;
        record.translation.status = status;
        assert_eq!(write(records, &mut record).await, Written::Yes);
    }
    insert(records, clock, "removed").await;
    assert_eq!(records.remove("removed", 1).await.unwrap(), Written::Yes);
    let mut expected: Vec<_> = states
        .iter()
        .filter(|status| !status.is_final())
        .map(|status| status.as_str().to_owned())
        .collect();
    expected.sort();
    for limit in [1, 2, 3, 9] {
        eventually(clock, expected.clone(), async || {
            let mut found = all(limit, async |after| {
                records.unfinished(after.as_deref(), limit).await
            })
            .await;
            found.sort();
            found
        })
        .await;
    }
    let mut done = records.get("queued").await.unwrap().unwrap();
    done.translation.status = Status::Done;
    assert_eq!(write(records, &mut done).await, Written::Yes);
    eventually(clock, expected.len() - 1, async || {
        records.unfinished(None, 9).await.unwrap().items.len()
    })
    .await;
}

// ── Segments ────────────────────────────────────────────────────────────────────────────────────

async fn segments_are_replaced_but_never_by_one_that_was_given_up(
    records: &dyn Records,
    clock: &dyn Clock,
) {
    insert(records, clock, "t").await;
    keep(records, "t", 1, &[segment(0, "a"), given_up(1)]).await;
    let kept = async || records.segments("t", 1, 0, 9).await.unwrap();
    assert_eq!(kept().await, [segment(0, "a"), given_up(1)]);
    assert_eq!(records.given_up("t", 1).await.unwrap(), 1);

    keep(records, "t", 1, &[given_up(0), segment(1, "b")]).await;
    assert_eq!(kept().await, [segment(0, "a"), segment(1, "b")]);
    assert_eq!(records.given_up("t", 1).await.unwrap(), 0);

    keep(records, "t", 1, &[segment(0, "A"), given_up(2)]).await;
    keep(records, "t", 1, &[given_up(2)]).await;
    assert_eq!(
        kept().await,
        [segment(0, "A"), segment(1, "b"), given_up(2)]
    );
    assert_eq!(records.given_up("t", 1).await.unwrap(), 1);
    // A translation may be empty, and is none the less one.
    keep(records, "t", 1, &[segment(2, "")]).await;
    keep(records, "t", 1, &[given_up(2)]).await;
    assert_eq!(records.given_up("t", 1).await.unwrap(), 0);
    assert_eq!(kept().await.last(), Some(&segment(2, "")));
}

async fn many_long_segments_are_read_from_anywhere(records: &dyn Records, clock: &dyn Clock) {
    // 1.8 MB: more than one answer of any store can be counted on to hold.
    const MANY: u64 = 600;
    insert(records, clock, "t").await;
    let long = "Zeile – ".repeat(300);
    let segments: Vec<_> = (0..MANY).map(|index| segment(index, &long)).collect();
    for batch in segments.chunks(250).rev() {
        keep(records, "t", 1, batch).await;
    }
    for (from, limit) in [(0, 2000), (0, 600), (0, 599), (17, 1), (300, 250), (599, 5)] {
        let found = records.segments("t", 1, from, limit).await.unwrap();
        let expected = (from..MANY).take(limit);
        let found: Vec<_> = found.iter().map(|segment| segment.index).collect();
        assert_eq!(found, expected.collect::<Vec<_>>(), "{limit} from {from}");
    }
    assert_eq!(
        records.segments("t", 1, 5, 1).await.unwrap(),
        [segment(5, &long)]
    );
    assert!(records.segments("t", 1, MANY, 5).await.unwrap().is_empty());
    assert_eq!(records.kept("t", 1).await.unwrap(), vec![0..MANY]);
    records.forget_segments("t", None).await.unwrap();
    assert!(records.kept("t", 1).await.unwrap().is_empty());
}

async fn segments_that_are_missing_leave_gaps(records: &dyn Records, clock: &dyn Clock) {
    insert(records, clock, "t").await;
    let kept = [0, 1, 2, 5, 7, 8, 99, 500_000];
    let segments = kept.map(|index| segment(index, "x"));
    for one in &segments {
        keep(records, "t", 1, std::slice::from_ref(one)).await;
    }
    let ranges = records.kept("t", 1).await.unwrap();
    assert_eq!(indexes(&ranges), kept);
    assert_eq!(ranges.len(), 5);
    let found = records.segments("t", 1, 6, 3).await.unwrap();
    assert_eq!(found, segments[4..7]);
}

async fn marks_have_segments_translated_once_more(records: &dyn Records, clock: &dyn Clock) {
    insert(records, clock, "t").await;
    let segments = [
        segment(0, "a"),
        given_up(1),
        segment(2, "c"),
        given_up(3),
        given_up(4),
    ];
    keep(records, "t", 1, &segments).await;
    let mark = async |which| records.mark_again("t", 1, which).await.unwrap();
    let again = async || indexes(&records.again("t", 1).await.unwrap());
    let kept = async || indexes(&records.kept("t", 1).await.unwrap());
    let count = async || records.given_up("t", 1).await.unwrap();

    assert_eq!(mark(Some(Which::Failed)).await, 3);
    assert_eq!((again().await, kept().await), (vec![1, 3, 4], vec![0, 2]));
    assert_eq!(count().await, 0);
    let readable = records.segments("t", 1, 0, 9).await.unwrap();
    assert_eq!(readable, segments, "they can be read meanwhile");

    assert_eq!(mark(Some(Which::One(2))).await, 1);
    assert_eq!((again().await, kept().await), (vec![2], vec![0, 1, 3, 4]));
    assert_eq!(count().await, 3);
    assert_eq!(mark(Some(Which::One(7))).await, 0, "what is not kept");
    assert!(again().await.is_empty());

    // A translation that is refused this time stays, and is marked no more.
    assert_eq!(mark(Some(Which::One(0))).await, 1);
    keep(records, "t", 1, &[given_up(0)]).await;
    assert_eq!((again().await, kept().await), (vec![], vec![0, 1, 2, 3, 4]));
    assert_eq!(count().await, 3);

    // Of those given up, one is translated, one is refused again, and one is not come to.
    assert_eq!(mark(Some(Which::Failed)).await, 3);
    keep(records, "t", 1, &[segment(1, "b"), given_up(3)]).await;
    assert_eq!((again().await, count().await), (vec![4], 1));
    assert_eq!(mark(None).await, 0);
    assert_eq!((again().await, count().await), (vec![], 2));
    assert_eq!(kept().await, [0, 1, 2, 3, 4]);
}

async fn a_segment_kept_twice_in_a_batch_is_kept_once(records: &dyn Records, clock: &dyn Clock) {
    insert(records, clock, "t").await;
    let twice = [
        segment(0, "a"),
        segment(0, "b"),
        segment(1, "c"),
        given_up(1),
        given_up(2),
        segment(2, "d"),
    ];
    keep(records, "t", 1, &twice).await;
    let kept = records.segments("t", 1, 0, 9).await.unwrap();
    assert_eq!(kept, [segment(0, "b"), segment(1, "c"), segment(2, "d")]);
    assert_eq!(records.given_up("t", 1).await.unwrap(), 0);
    keep(records, "t", 1, &[]).await;
}

async fn nothing_is_kept_of_a_text_that_is_no_more(records: &dyn Records, clock: &dyn Clock) {
    let mut record = insert(records, clock, "t").await;
    keep(records, "t", 1, &[segment(0, "a")]).await;
    record.generation = 2;
    assert_eq!(write(records, &mut record).await, Written::Yes);
    let checkpoints = [Checkpoint {
        index: 10,
        offset: 700,
    }];
    let late = [segment(1, "b"), given_up(2)];
    for generation in [1, 3] {
        let kept = records.keep_segments("t", generation, &late).await;
        assert_eq!(kept.unwrap(), Written::Conflict);
        let kept = records.keep_segments("t", generation, &[]).await;
        assert_eq!(kept.unwrap(), Written::Conflict);
        let found = records.segments("t", generation, 1, 9).await.unwrap();
        assert!(found.is_empty(), "of generation {generation}");
        assert_eq!(records.given_up("t", generation).await.unwrap(), 0);
        let kept = records
            .keep_checkpoints("t", generation, &checkpoints)
            .await;
        kept.unwrap();
        let found = records.checkpoint("t", generation, 99).await.unwrap();
        assert_eq!(found, None);
    }
    assert_eq!(records.remove("t", 2).await.unwrap(), Written::Yes);
    records.forget_segments("t", None).await.unwrap();
    records.swept("t").await.unwrap();
    let kept = records.keep_segments("t", 2, &late).await;
    assert_eq!(kept.unwrap(), Written::Conflict);
    records
        .keep_checkpoints("t", 2, &checkpoints)
        .await
        .unwrap();
    assert!(records.segments("t", 2, 0, 9).await.unwrap().is_empty());
    assert_eq!(records.checkpoint("t", 2, 99).await.unwrap(), None);
}

async fn texts_of_older_generations_are_forgotten(records: &dyn Records, clock: &dyn Clock) {
    let mut record = insert(records, clock, "t").await;
    insert(records, clock, "other").await;
    keep(records, "other", 1, &[segment(0, "o"), given_up(1)]).await;
    let checkpoints = [Checkpoint {
        index: 1,
        offset: 70,
    }];
    for generation in 1..=3 {
        record.generation = generation;
        assert_eq!(write(records, &mut record).await, Written::Yes);
        let segments = [segment(0, "a"), given_up(1), given_up(2)];
        keep(records, "t", generation, &segments).await;
        let kept = records
            .keep_checkpoints("t", generation, &checkpoints)
            .await;
        kept.unwrap();
        let marked = records.mark_again("t", generation, Some(Which::One(1)));
        assert_eq!(marked.await.unwrap(), 1);
    }
    let left = async || {
        let mut left = Vec::new();
        for generation in 1..=3 {
            let segments = records.segments("t", generation, 0, 9).await.unwrap();
            let given_up = records.given_up("t", generation).await.unwrap();
            let again = records.again("t", generation).await.unwrap();
            let checkpoint = records.checkpoint("t", generation, 9).await.unwrap();
            let is_whole =
                (segments.len(), given_up) == (3, 1) && again == vec![1..2] && checkpoint.is_some();
            let is_gone =
                segments.is_empty() && given_up == 0 && again.is_empty() && checkpoint.is_none();
            assert!(is_whole != is_gone, "a part of generation {generation}");
            if is_whole {
                left.push(generation);
            }
        }
        left
    };
    assert_eq!(left().await, [1, 2, 3]);
    records.forget_segments("t", Some(3)).await.unwrap();
    assert_eq!(left().await, [3]);
    records.forget_segments("t", Some(3)).await.unwrap();
    assert_eq!(left().await, [3]);
    let revision = record.translation.revision;
    assert_eq!(records.remove("t", revision).await.unwrap(), Written::Yes);
    assert_eq!(
        left().await,
        [3],
        "a tombstone's segments are swept, not lost"
    );
    records.forget_segments("t", None).await.unwrap();
    assert!(left().await.is_empty());
    assert_eq!(records.segments("other", 1, 0, 9).await.unwrap().len(), 2);
    assert_eq!(records.given_up("other", 1).await.unwrap(), 1);
}

async fn checkpoints_are_found_by_what_follows(records: &dyn Records, clock: &dyn Clock) {
    insert(records, clock, "t").await;
    let checkpoints: Vec<_> = (1..=120)
        .map(|number| Checkpoint {
            index: number * 100,
            offset: number * 7000,
        })
        .collect();
    records
        .keep_checkpoints("t", 1, &checkpoints)
        .await
        .unwrap();
    records.keep_checkpoints("t", 1, &[]).await.unwrap();
    for (index, found) in [
        (0, None),
        (99, None),
        (100, Some(0)),
        (199, Some(0)),
        (12_000, Some(119)),
        (i64::MAX.unsigned_abs(), Some(119)),
        (u64::MAX, Some(119)),
    ] {
        let checkpoint = records.checkpoint("t", 1, index).await.unwrap();
        let expected = found.map(|place: usize| checkpoints[place]);
        assert_eq!(checkpoint, expected, "before {index}");
    }
    assert_eq!(records.checkpoint("t", 2, 500).await.unwrap(), None);
}

// ── Connections ─────────────────────────────────────────────────────────────────────────────────

/// Tables may keep milliseconds and no more.
fn now_in_milliseconds(clock: &dyn Clock) -> Timestamp {
    Timestamp::from_millisecond(clock.now().as_millisecond()).unwrap()
}

async fn connect(records: &dyn Records, clock: &dyn Clock, id: &str) -> Connection {
    let connection = Connection {
        id: id.to_owned(),
        owner: Owner::everyone(),
        connected_at: now_in_milliseconds(clock),
    };
    records.connect(&connection).await.unwrap();
    connection
}

async fn every_connection(records: &dyn Records, owner: &Owner) -> Vec<Connection> {
    let mut found = Vec::new();
    for shard in 0..records.shards(owner) {
        let shard = all(2, async |after| {
            records.connections(owner, shard, after.as_deref(), 2).await
        });
        found.extend(shard.await);
    }
    found
}

fn subscriber(connection: &str, from: u64) -> Subscriber {
    Subscriber {
        connection: connection.to_owned(),
        from,
    }
}

async fn subscribe(
    records: &dyn Records,
    id: &str,
    connection: &str,
    most: usize,
) -> Result<Written, PortError> {
    let subscriber = subscriber(connection, 0);
    records.subscribe(id, &subscriber, most).await
}

async fn a_connection_follows_so_many_translations_and_no_more(
    records: &dyn Records,
    clock: &dyn Clock,
) {
    for id in ["a", "b", "c"] {
        insert(records, clock, id).await;
    }
    let no_connection = subscribe(records, "a", "c", 2).await.unwrap();
    assert_eq!(no_connection, Written::Conflict);
    assert_eq!(records.subscription("a", "c").await.unwrap(), None);
    connect(records, clock, "c").await;
    connect(records, clock, "d").await;
    assert_eq!(
        subscribe(records, "a", "c", 0).await.unwrap(),
        Written::Conflict
    );
    assert_eq!(subscribe(records, "a", "c", 2).await.unwrap(), Written::Yes);
    assert_eq!(subscribe(records, "b", "c", 2).await.unwrap(), Written::Yes);
    assert_eq!(
        subscribe(records, "c", "c", 2).await.unwrap(),
        Written::Conflict
    );
    assert_eq!(records.subscription("c", "c").await.unwrap(), None);
    assert_eq!(subscribe(records, "c", "d", 2).await.unwrap(), Written::Yes);
    // One that is there is replaced, however many there are.
    let moved = subscriber("c", 77);
    assert_eq!(
        records.subscribe("a", &moved, 2).await.unwrap(),
        Written::Yes
    );
    assert_eq!(records.subscription("a", "c").await.unwrap(), Some(moved));
    // One that ends makes room; ended twice, for no more than one.
    for _ in 0..2 {
        records.unsubscribe("b", "c").await.unwrap();
    }
    assert_eq!(records.subscription("b", "c").await.unwrap(), None);
    assert_eq!(subscribe(records, "c", "c", 2).await.unwrap(), Written::Yes);
    assert_eq!(
        subscribe(records, "b", "c", 2).await.unwrap(),
        Written::Conflict
    );
}

async fn of_many_subscriptions_at_a_time_so_many_succeed(records: &dyn Records, clock: &dyn Clock) {
    const MOST: usize = 3;
    connect(records, clock, "c").await;
    let names: Vec<_> = (0..12).map(|number| format!("t{number}")).collect();
    for id in &names {
        insert(records, clock, id).await;
    }
    let written = try_join_all(names.iter().map(|id| subscribe(records, id, "c", MOST)));
    let written = written.await.unwrap();
    let yes = written.iter().filter(|written| **written == Written::Yes);
    assert_eq!(yes.count(), MOST);
    for (id, written) in names.iter().zip(written) {
        let found = records.subscription(id, "c").await.unwrap();
        assert_eq!(found.is_some(), written == Written::Yes, "{id}");
    }
}

async fn a_lost_connection_leaves_nothing(records: &dyn Records, clock: &dyn Clock) {
    for id in ["a", "b"] {
        insert(records, clock, id).await;
    }
    let gone = connect(records, clock, "gone").await;
    let stays = connect(records, clock, "stays").await;
    assert_eq!(records.connection("gone").await.unwrap(), Some(gone));
    for id in ["a", "b"] {
        for connection in ["gone", "stays"] {
            let written = subscribe(records, id, connection, 9).await.unwrap();
            assert_eq!(written, Written::Yes);
        }
    }
    for _ in 0..2 {
        records.disconnect("gone").await.unwrap();
    }
    assert_eq!(records.connection("gone").await.unwrap(), None);
    assert_eq!(
        records.connection("stays").await.unwrap(),
        Some(stays.clone())
    );
    for id in ["a", "b"] {
        let left = records.subscribers(id, None, 9).await.unwrap();
        assert_eq!(left.items, [subscriber("stays", 0)]);
        assert_eq!(left.next, None);
    }
    eventually(clock, vec![stays], async || {
        every_connection(records, &Owner::everyone()).await
    })
    .await;
    let late = subscribe(records, "a", "gone", 9).await.unwrap();
    assert_eq!(late, Written::Conflict);
    assert_eq!(records.subscription("a", "gone").await.unwrap(), None);
    // What was ended or never was leaves no connection behind.
    records.unsubscribe("a", "gone").await.unwrap();
    assert_eq!(records.connection("gone").await.unwrap(), None);
}

async fn a_removed_translation_is_followed_by_nobody(records: &dyn Records, clock: &dyn Clock) {
    for id in ["a", "b"] {
        insert(records, clock, id).await;
    }
    connect(records, clock, "c").await;
    assert_eq!(subscribe(records, "a", "c", 1).await.unwrap(), Written::Yes);
    assert_eq!(
        subscribe(records, "b", "c", 1).await.unwrap(),
        Written::Conflict
    );
    assert_eq!(records.remove("a", 1).await.unwrap(), Written::Yes);
    records.swept("a").await.unwrap();
    let left = records.subscribers("a", None, 9).await.unwrap();
    assert!(left.items.is_empty());
    assert_eq!(subscribe(records, "b", "c", 1).await.unwrap(), Written::Yes);
}

async fn subscribers_come_page_by_page(records: &dyn Records, clock: &dyn Clock) {
    insert(records, clock, "t").await;
    insert(records, clock, "other").await;
    let names: Vec<_> = (0..13).map(|number| format!("c{number:02}")).collect();
    let mut expected = Vec::new();
    for (name, from) in names.iter().zip(0..) {
        connect(records, clock, name).await;
        let subscriber = subscriber(name, from);
        let written = records.subscribe("t", &subscriber, 9).await.unwrap();
        assert_eq!(written, Written::Yes);
        expected.push(subscriber);
    }
    assert_eq!(
        subscribe(records, "other", "c00", 9).await.unwrap(),
        Written::Yes
    );
    for limit in [1, 5, 12, 13, 14] {
        let found = all(limit, async |after| {
            records.subscribers("t", after.as_deref(), limit).await
        });
        assert_eq!(found.await, expected);
    }
}

async fn connections_come_page_by_page_from_all_shards(records: &dyn Records, clock: &dyn Clock) {
    let everyone = Owner::everyone();
    let mut expected = BTreeMap::new();
    for number in 0..15 {
        // As API Gateway makes them.
        let connection = connect(records, clock, &format!("L0SM9cOFvHcCI{number:02}=")).await;
        expected.insert(connection.id.clone(), connection);
    }
    for limit in [1, 4, 15, 16] {
        eventually(clock, expected.clone(), async || {
            let mut found = BTreeMap::new();
            for shard in 0..records.shards(&everyone) {
                let page = all(limit, async |after| {
                    let after = after.as_deref();
                    records.connections(&everyone, shard, after, limit).await
                });
                let page = page.await;
                assert!(page.is_sorted_by(|a, b| a.id < b.id));
                for connection in page {
                    let twice = found.insert(connection.id.clone(), connection);
                    assert_eq!(twice, None, "in two shards, or on two pages");
                }
            }
            found
        })
        .await;
    }
    // A connection that is opened again under its name is one still.
    connect(records, clock, "L0SM9cOFvHcCI00=").await;
    eventually(clock, expected.len(), async || {
        every_connection(records, &everyone).await.len()
    })
    .await;
}

async fn sequencers_only_advance(records: &dyn Records, _clock: &dyn Clock) {
    let advance = async |bucket: &str, key: &str, to: &str| {
        let advanced = records.advance_sequencer(bucket, key, to).await;
        advanced.unwrap()
    };
    assert_eq!(advance("b", "k/ä b.txt", "0055AE").await, Written::Yes);
    assert_eq!(advance("b", "k/ä b.txt", "0055AE").await, Written::Conflict);
    assert_eq!(advance("b", "k/ä b.txt", "0055AD").await, Written::Conflict);
    assert_eq!(advance("b", "k/ä b.txt", "0055AE1").await, Written::Yes);
    assert_eq!(advance("b", "other", "0001").await, Written::Yes);
    assert_eq!(advance("other", "k/ä b.txt", "0002").await, Written::Yes);
    assert_eq!(
        records.sequencer("b", "other").await.unwrap(),
        Some("0001".to_owned())
    );
    let found = records.sequencer("other", "k/ä b.txt").await.unwrap();
    assert_eq!(found, Some("0002".to_owned()));
    // Of many at a time the newest is left, and each that was newer than what it met advanced.
    let many: Vec<_> = (10..30).map(|number| format!("0056{number}")).collect();
    let advanced = join_all(
        many.iter()
            .map(|to| records.advance_sequencer("b", "k", to)),
    )
    .await;
    assert_eq!(*advanced.last().unwrap().as_ref().unwrap(), Written::Yes);
    assert_eq!(
        records.sequencer("b", "k").await.unwrap(),
        Some("005629".to_owned())
    );
}

// ── Looks ───────────────────────────────────────────────────────────────────────────────────────

/// What is looked at now, found by asking for what differs from nothing; `None` when nothing is.
async fn seen(looks: &dyn Looks, id: &str) -> Option<Sight> {
    // Nothing looked at has the version 0 and would be waited for, so that is asked another way.
    if looks.by_connection(id).await.unwrap().is_empty() {
        return None;
    }
    Some(looks.change(id, 0).await.unwrap())
}

async fn look(looks: &dyn Looks, id: &str, connection: &str, view: &str, range: Range<u64>) {
    let written = looks.look(id, connection, view, range, 9).await.unwrap();
    assert_eq!(written, Written::Yes);
}

async fn a_newer_look_of_a_view_takes_the_place_of_the_older_one(
    looks: &dyn Looks,
    clock: &dyn Clock,
) {
    let ranges = async || seen(looks, "t").await.map(|sight| sight.ranges);
    assert_eq!(ranges().await, None);
    look(looks, "t", "c", "a", 0..10).await;
    look(looks, "t", "c", "b", 5..20).await;
    eventually(clock, Some(vec![5..20, 0..10]), ranges).await;
    look(looks, "t", "c", "a", 50..60).await;
    eventually(clock, Some(vec![50..60, 5..20]), ranges).await;
    let mut own = looks.of("t", "c").await.unwrap();
    own.sort_by_key(|range| range.start);
    assert_eq!(own, [5..20, 50..60]);
    looks.end("t", "c", Some("b")).await.unwrap();
    assert_eq!(looks.of("t", "c").await.unwrap(), vec![50..60]);
    looks.end("t", "somebody else", None).await.unwrap();
    looks.end("t", "c", Some("nothing")).await.unwrap();
    eventually(clock, Some(vec![50..60]), ranges).await;
    looks.end("t", "c", None).await.unwrap();
    assert!(looks.of("t", "c").await.unwrap().is_empty());
    assert_eq!(ranges().await, None);
}

async fn looks_of_two_connections_are_two(looks: &dyn Looks, _clock: &dyn Clock) {
    // A connection's name may be how another one's begins, and a view may have any name.
    for (connection, view, range) in [
        ("c", "", 0..1),
        ("c", "#", 1..2),
        ("c", "c=#x~\u{1f642}", 2..3),
        ("c=", "", 3..4),
        ("cc", "v", 4..5),
    ] {
        look(looks, "t", connection, view, range).await;
    }
    look(looks, "other", "c", "", 7..8).await;
    let mut found = looks.by_connection("t").await.unwrap();
    for ranges in found.values_mut() {
        ranges.sort_by_key(|range| range.start);
    }
    let expected = BTreeMap::from([
        ("c".to_owned(), vec![0..1, 1..2, 2..3]),
        ("c=".to_owned(), vec![3..4]),
        ("cc".to_owned(), vec![4..5]),
    ]);
    assert_eq!(found, expected);
    looks.end("t", "c", Some("#")).await.unwrap();
    assert_eq!(looks.of("t", "c").await.unwrap().len(), 2);
    looks.end("t", "c", None).await.unwrap();
    assert!(looks.of("t", "c").await.unwrap().is_empty());
    assert_eq!(looks.of("t", "cc").await.unwrap(), vec![4..5]);
    assert_eq!(looks.of("t", "c=").await.unwrap(), vec![3..4]);
    assert_eq!(looks.of("other", "c").await.unwrap(), vec![7..8]);
}

async fn of_too_many_views_the_oldest_goes_and_no_other_connections(
    looks: &dyn Looks,
    _clock: &dyn Clock,
) {
    look(looks, "t", "other", "v", 7..8).await;
    for view in 0..40 {
        look(looks, "t", "c", &view.to_string(), view..view + 1).await;
    }
    let mut own: Vec<_> = looks.of("t", "c").await.unwrap();
    own.sort_by_key(|range| range.start);
    let own: Vec<_> = own.iter().map(|range| range.start).collect();
    assert_eq!(own, (8..40).collect::<Vec<_>>());
    assert_eq!(looks.of("t", "other").await.unwrap(), vec![7..8]);
}

async fn a_connection_looks_at_so_many_translations_and_a_lost_one_at_none(
    looks: &dyn Looks,
    _clock: &dyn Clock,
) {
    let look = async |id: &str, connection: &str, view: &str, most| {
        let looked = looks.look(id, connection, view, 0..1, most).await;
        looked.unwrap()
    };
    assert_eq!(look("t1", "c", "", 0).await, Written::Conflict);
    assert_eq!(look("t1", "c", "", 2).await, Written::Yes);
    assert_eq!(look("t2", "c", "", 2).await, Written::Yes);
    assert_eq!(look("t3", "c", "", 2).await, Written::Conflict);
    assert!(looks.of("t3", "c").await.unwrap().is_empty());
    assert_eq!(look("t1", "c", "another", 2).await, Written::Yes);
    assert_eq!(look("t1", "c", "", 2).await, Written::Yes);
    assert_eq!(look("t3", "other", "", 2).await, Written::Yes);
    for _ in 0..2 {
        looks.disconnect("c").await.unwrap();
    }
    for id in ["t1", "t2"] {
        assert!(looks.by_connection(id).await.unwrap().is_empty());
    }
    assert_eq!(looks.of("t3", "other").await.unwrap(), vec![0..1]);
    assert!(looks.translations().contains("t3"));
}

async fn of_many_looks_at_a_time_so_many_succeed(looks: &dyn Looks, _clock: &dyn Clock) {
    let names: Vec<_> = (0..12).map(|number| format!("t{number}")).collect();
    let looked = try_join_all(names.iter().map(|id| looks.look(id, "c", "", 0..1, 3)));
    let looked = looked.await.unwrap();
    let yes = looked.iter().filter(|looked| **looked == Written::Yes);
    assert_eq!(yes.count(), 3);
    for (id, looked) in names.iter().zip(looked) {
        let own = looks.of(id, "c").await.unwrap();
        assert_eq!(!own.is_empty(), looked == Written::Yes, "{id}");
    }
}

async fn an_ended_look_makes_room_for_another_translation(looks: &dyn Looks, _clock: &dyn Clock) {
    let look = async |id: &str, view: &str| looks.look(id, "c", view, 0..1, 1).await.unwrap();
    assert_eq!(look("a", "v").await, Written::Yes);
    assert_eq!(look("a", "w").await, Written::Yes);
    looks.end("a", "c", Some("v")).await.unwrap();
    assert_eq!(look("b", "v").await, Written::Conflict);
    looks.end("a", "c", Some("w")).await.unwrap();
    assert_eq!(look("b", "v").await, Written::Yes);
    assert_eq!(look("a", "v").await, Written::Conflict);
    looks.end("b", "c", None).await.unwrap();
    assert_eq!(look("a", "v").await, Written::Yes);
}

async fn a_forgotten_translation_is_looked_at_by_nobody(looks: &dyn Looks, _clock: &dyn Clock) {
    for connection in ["c", "d"] {
        for view in ["v", "w"] {
            let looked = looks.look("a", connection, view, 0..1, 1).await;
            assert_eq!(looked.unwrap(), Written::Yes);
        }
    }
    for _ in 0..2 {
        looks.forget("a").await.unwrap();
    }
    assert!(looks.by_connection("a").await.unwrap().is_empty());
    assert!(looks.translations().is_empty());
    for connection in ["c", "d"] {
        let looked = looks.look("b", connection, "", 0..1, 1).await;
        assert_eq!(looked.unwrap(), Written::Yes, "there is room again");
    }
}

async fn who_watches_hears_of_every_change_and_of_no_other_translations(
    looks: &dyn Looks,
    _clock: &dyn Clock,
) {
    let (first, ()) = join(looks.change("t", 0), async {
        look(looks, "other", "c", "", 0..1).await;
        look(looks, "t", "c", "", 0..5).await;
    })
    .await;
    let first = first.unwrap();
    assert_eq!(first.ranges, vec![0..5]);
    assert_ne!(first.version, 0);
    // Asked again with what it knows, it waits for what is new.
    let (second, ()) = join(looks.change("t", first.version), async {
        look(looks, "other", "c", "", 1..2).await;
        look(looks, "t", "d", "", 7..9).await;
    })
    .await;
    let second = second.unwrap();
    assert_eq!(second.ranges, vec![7..9, 0..5]);
    assert_ne!(second.version, first.version);
    looks.end("t", "d", None).await.unwrap();
    looks.end("t", "c", None).await.unwrap();
    let (last, ()) = join(looks.change("t", second.version), async {}).await;
    assert_eq!(last.unwrap(), Sight::default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_race_is_a_story() {
        let names: BTreeSet<_> = RECORDS
            .iter()
            .map(|(name, _)| *name)
            .chain(LOOKS.iter().map(|(name, _)| *name))
            .collect();
        assert_eq!(names.len(), RECORDS.len() + LOOKS.len());
        assert!(RACES.iter().all(|race| names.contains(race)));
    }
}
