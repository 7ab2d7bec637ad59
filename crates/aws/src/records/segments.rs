//! Segments, in one item each, and what is noted of a text beside them.
//!
//! A text has four partitions: `ID#GENERATION` with its segments, and three sparse lists, by the
//! segments' numbers as well:
//!
//! - `…#failed`: those that were given up. A number in it may be wrong (a crash came between two
//!   writes), a number that is not in it never is. So whoever reads it looks at the segments too.
//! - `…#again`: those that are to be translated once more. A number in it always counts.
//! - `…#checkpoints`: places in the text.
//!
//! The lists are there so that nobody has to read a text to know what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, WriteRequest};
use babelwire_service::ports::{Checkpoint, PortError, Which, Written};
use babelwire_wire::Segment;
use futures::{StreamExt, TryStreamExt, stream};

use super::DynamoRecords;
use super::db::{
    Item, Outcome, Projection, SIDE_BY_SIDE, delete_in_batch, from_item, key, number, number_in,
    put_in_batch, text, to_item,
};
use super::items::SegmentItem;
use super::translations::State;

/// The sparse lists of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Failed,
    Again,
    Checkpoints,
}

impl List {
    const ALL: [Self; 3] = [Self::Failed, Self::Again, Self::Checkpoints];

    fn of(self, id: &str, generation: u64) -> String {
        let name = match self {
            Self::Failed => "failed",
            Self::Again => "again",
            Self::Checkpoints => "checkpoints",
        };
        format!("{id}#{generation}#{name}")
    }
}

/// The partition of a text's segments.
fn text_of(id: &str, generation: u64) -> String {
    format!("{id}#{generation}")
}

fn place_of(partition: &str, index: u64) -> Item {
    key([("text", text(partition)), ("number", number(index))])
}

fn number_of(item: &Item) -> Result<u64, PortError> {
    number_in(item, "number")
        .ok_or_else(|| PortError("an item of the segments has no `number`".to_owned()))
}

/// Adds an index behind ranges that do not touch.
fn append(ranges: &mut Vec<Range<u64>>, index: u64) {
    match ranges.last_mut() {
        Some(last) if last.end == index => last.end += 1,
        _ => ranges.push(index..index + 1),
    }
}

fn ranges_of(indexes: impl IntoIterator<Item = u64>) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    for index in indexes {
        append(&mut ranges, index);
    }
    ranges
}

/// Ascending ranges without these indexes.
fn without(ranges: Vec<Range<u64>>, indexes: &BTreeSet<u64>) -> Vec<Range<u64>> {
    let mut left = Vec::new();
    for range in ranges {
        let mut start = range.start;
        for index in indexes.range(range.clone()) {
            if start < *index {
                left.push(start..*index);
            }
            start = index + 1;
        }
        if start < range.end {
            left.push(start..range.end);
        }
    }
    left
}

impl DynamoRecords {
    fn in_partition(&self, partition: &str) -> QueryFluentBuilder {
        self.db
            .client
            .query()
            .table_name(&self.tables.segments)
            .consistent_read(true)
            .key_condition_expression("#text = :text")
            .expression_attribute_names("#text", "text")
            .expression_attribute_values(":text", text(partition))
    }

    fn numbers_in(&self, partition: &str) -> QueryFluentBuilder {
        self.in_partition(partition)
            .projection_expression("#number")
            .expression_attribute_names("#number", "number")
    }

    fn between(query: QueryFluentBuilder, first: u64, last: u64) -> QueryFluentBuilder {
        query
            .key_condition_expression("#text = :text AND #number BETWEEN :first AND :last")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":first", number(first))
            .expression_attribute_values(":last", number(last))
    }

    async fn write_segments(&self, writes: Vec<WriteRequest>) -> Result<(), PortError> {
        self.db.write_all(&self.tables.segments, writes).await
    }

    async fn delete_numbers(
        &self,
        partition: &str,
        numbers: impl IntoIterator<Item = u64>,
    ) -> Result<(), PortError> {
        let deletions: Result<Vec<_>, _> = numbers
            .into_iter()
            .map(|index| delete_in_batch(place_of(partition, index)))
            .collect();
        self.write_segments(deletions?).await
    }

    async fn put_numbers(
        &self,
        partition: &str,
        numbers: impl IntoIterator<Item = u64>,
    ) -> Result<(), PortError> {
        let puts: Result<Vec<_>, _> = numbers
            .into_iter()
            .map(|index| put_in_batch(place_of(partition, index)))
            .collect();
        self.write_segments(puts?).await
    }

    /// Whether a text is what a translation is made of now.
    async fn is_current(&self, id: &str, generation: u64) -> Result<bool, PortError> {
        let current = State {
            generation,
            is_removed: false,
        };
        Ok(self.state(id).await? == Some(current))
    }

    /// Keeps segments. What a crash leaves between the steps, the same call completes; and the
    /// call is made again, because what it was to keep is not kept, or still marked.
    ///
    /// 1. Those given up are entered in the list of them. Crash: the list has numbers too many,
    ///    and its readers see that.
    /// 2. The segments are put, those given up only where there is no translation. Crash: some are
    ///    kept. Of those that were marked the mark is still there, and they are repeated.
    /// 3. What the lists have of them wrongly by now is taken out: of the list of those given up
    ///    first, since the mark is what has a segment repeated. Crash: as before.
    /// 4. The translation is looked at. Whoever removes it, or gives it another text, does so
    ///    before its segments are deleted. So if it still is as it was, the deletion has yet to
    ///    come and finds what was put here; if it is not, the deletion may have been too early, and
    ///    what was put here is taken back. A crash just then leaves items that nobody finds, unless
    ///    the deletion waits for the lease of who translates.
    pub(super) async fn keep(
        &self,
        id: &str,
        generation: u64,
        segments: &[Segment],
    ) -> Result<Written, PortError> {
        // A batch cannot have an item twice.
        let mut by_index: BTreeMap<u64, &Segment> = BTreeMap::new();
        for segment in segments {
            let earlier = by_index.get(&segment.index);
            if !segment.failed || earlier.is_none_or(|earlier| earlier.failed) {
                by_index.insert(segment.index, segment);
            }
        }
        let (Some((&first, _)), Some((&last, _))) =
            (by_index.first_key_value(), by_index.last_key_value())
        else {
            return Ok(if self.is_current(id, generation).await? {
                Written::Yes
            } else {
                Written::Conflict
            });
        };
        let (given_up, translated): (Vec<&Segment>, Vec<&Segment>) =
            by_index.values().partition(|segment| segment.failed);

        let [failed, again] = [List::Failed, List::Again].map(|list| list.of(id, generation));
        let indexes_given_up = given_up.iter().map(|segment| segment.index);
        self.put_numbers(&failed, indexes_given_up).await?;

        let partition = text_of(id, generation);
        let translations: Result<Vec<_>, PortError> = translated
            .iter()
            .map(|segment| put_in_batch(to_item(&SegmentItem::new(&partition, segment))?))
            .collect();
        let listed_failed = Self::between(self.numbers_in(&failed), first, last);
        let listed_again = Self::between(self.numbers_in(&again), first, last);
        let ((), refused, listed_failed, listed_again) = futures::try_join!(
            self.write_segments(translations?),
            self.put_given_up(&partition, &given_up),
            self.db
                .all(&listed_failed, |item| number_of(&item).map(Some)),
            self.db
                .all(&listed_again, |item| number_of(&item).map(Some)),
        )?;

        let is_translated = |index: &u64| {
            refused.contains(index) || by_index.get(index).is_some_and(|segment| !segment.failed)
        };
        let wrong: BTreeSet<_> = listed_failed
            .into_iter()
            .chain(refused.iter().copied())
            .filter(is_translated)
            .collect();
        self.delete_numbers(&failed, wrong).await?;
        let repeated = listed_again
            .into_iter()
            .filter(|index| by_index.contains_key(index));
        self.delete_numbers(&again, repeated).await?;

        if self.is_current(id, generation).await? {
            return Ok(Written::Yes);
        }
        let indexes = || by_index.keys().copied();
        self.delete_numbers(&failed, indexes()).await?;
        self.delete_numbers(&partition, indexes()).await?;
        Ok(Written::Conflict)
    }

    /// Puts segments that were given up, and says which of them have a translation.
    async fn put_given_up(
        &self,
        partition: &str,
        given_up: &[&Segment],
    ) -> Result<BTreeSet<u64>, PortError> {
        let items: Result<Vec<(u64, Item)>, PortError> = given_up
            .iter()
            .map(|segment| {
                Ok((
                    segment.index,
                    to_item(&SegmentItem::new(partition, segment))?,
                ))
            })
            .collect();
        let refused: Vec<Option<u64>> = stream::iter(items?)
            .map(|(index, item)| async move {
                let put = self
                    .db
                    .client
                    .put_item()
                    .table_name(&self.tables.segments)
                    .set_item(Some(item))
                    .condition_expression("attribute_not_exists(#number) OR #failed = :yes")
                    .expression_attribute_names("#number", "number")
                    .expression_attribute_names("#failed", "failed")
                    .expression_attribute_values(":yes", AttributeValue::Bool(true));
                Ok::<_, PortError>(match self.db.put(put).await? {
                    Outcome::Done(_) => None,
                    Outcome::Refused(_) => Some(index),
                })
            })
            .buffer_unordered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        Ok(refused.into_iter().flatten().collect())
    }

    pub(super) async fn read_segments(
        &self,
        id: &str,
        generation: u64,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Segment>, PortError> {
        let query = self
            .in_partition(&text_of(id, generation))
            .key_condition_expression("#text = :text AND #number >= :from")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":from", number(from));
        self.db
            .first(&query, limit, |item| {
                let item: SegmentItem = from_item(item)?;
                Ok(Some(item.into_segment()))
            })
            .await
    }

    /// The numbers in a list.
    async fn listed(
        &self,
        list: List,
        id: &str,
        generation: u64,
    ) -> Result<BTreeSet<u64>, PortError> {
        let query = self.numbers_in(&list.of(id, generation));
        let numbers = self
            .db
            .all(&query, |item| number_of(&item).map(Some))
            .await?;
        Ok(numbers.into_iter().collect())
    }

    /// The indexes of segments that were given up: those in the list that are so.
    async fn indexes_given_up(
        &self,
        id: &str,
        generation: u64,
    ) -> Result<BTreeSet<u64>, PortError> {
        let partition = text_of(id, generation);
        let listed = self.listed(List::Failed, id, generation).await?;
        let keys = listed.iter().map(|index| place_of(&partition, *index));
        let projection = Projection {
            expression: "#number, #failed",
            names: &[("#number", "number"), ("#failed", "failed")],
        };
        let items = self
            .db
            .get_all(&self.tables.segments, keys.collect(), Some(projection))
            .await?;
        items
            .iter()
            .filter(|item| item.contains_key("failed"))
            .map(number_of)
            .collect()
    }

    /// Reads the numbers of all segments: some 3,000 of them in an answer. The text itself is read
    /// by DynamoDB, and paid for, but does not cross the network. It happens when a job begins, or
    /// is taken over.
    pub(super) async fn kept_ranges(
        &self,
        id: &str,
        generation: u64,
    ) -> Result<Vec<Range<u64>>, PortError> {
        let query = self.numbers_in(&text_of(id, generation));
        let mut kept = Vec::new();
        let mut start = None;
        loop {
            let query = query.clone().set_exclusive_start_key(start);
            let output = self.db.query(query).await?;
            for item in output.items() {
                append(&mut kept, number_of(item)?);
            }
            start = output.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        let again = self.listed(List::Again, id, generation).await?;
        Ok(without(kept, &again))
    }

    pub(super) async fn count_given_up(&self, id: &str, generation: u64) -> Result<u64, PortError> {
        let given_up = self.indexes_given_up(id, generation).await?;
        if given_up.is_empty() {
            return Ok(0);
        }
        let again = self.listed(List::Again, id, generation).await?;
        Ok(given_up.difference(&again).count() as u64)
    }

    pub(super) async fn marked_ranges(
        &self,
        id: &str,
        generation: u64,
    ) -> Result<Vec<Range<u64>>, PortError> {
        Ok(ranges_of(self.listed(List::Again, id, generation).await?))
    }

    /// Sets the marks: those too many are taken away before others are made. A crash leaves some;
    /// every call sets all of them anew.
    pub(super) async fn mark(
        &self,
        id: &str,
        generation: u64,
        which: Option<Which>,
    ) -> Result<u64, PortError> {
        let wanted = match which {
            None => BTreeSet::new(),
            Some(Which::Failed) => self.indexes_given_up(id, generation).await?,
            Some(Which::One(index)) => {
                let query = Self::between(self.numbers_in(&text_of(id, generation)), index, index);
                let kept = self.db.first(&query, 1, |item| number_of(&item).map(Some));
                kept.await?.into_iter().collect()
            }
        };
        let marked = self.listed(List::Again, id, generation).await?;
        let again = List::Again.of(id, generation);
        let too_many = marked.difference(&wanted).copied();
        self.delete_numbers(&again, too_many).await?;
        let new: Vec<_> = wanted.difference(&marked).copied().collect();
        if !new.is_empty() {
            self.put_numbers(&again, new.iter().copied()).await?;
            // As in `keep`: who removed it meanwhile may not have found these.
            if !self.is_current(id, generation).await? {
                self.delete_numbers(&again, new).await?;
                return Ok(0);
            }
        }
        Ok(wanted.len() as u64)
    }

    pub(super) async fn write_checkpoints(
        &self,
        id: &str,
        generation: u64,
        checkpoints: &[Checkpoint],
    ) -> Result<(), PortError> {
        let by_index: BTreeMap<_, _> = checkpoints
            .iter()
            .map(|checkpoint| (checkpoint.index, checkpoint.offset))
            .collect();
        if by_index.is_empty() {
            return Ok(());
        }
        let partition = List::Checkpoints.of(id, generation);
        let puts: Result<Vec<_>, _> = by_index
            .iter()
            .map(|(index, offset)| {
                let mut item = place_of(&partition, *index);
                item.insert("offset".to_owned(), number(offset));
                put_in_batch(item)
            })
            .collect();
        self.write_segments(puts?).await?;
        // As in `keep`.
        if !self.is_current(id, generation).await? {
            self.delete_numbers(&partition, by_index.into_keys())
                .await?;
        }
        Ok(())
    }

    pub(super) async fn last_checkpoint(
        &self,
        id: &str,
        generation: u64,
        index: u64,
    ) -> Result<Option<Checkpoint>, PortError> {
        let query = self
            .in_partition(&List::Checkpoints.of(id, generation))
            .key_condition_expression("#text = :text AND #number <= :index")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":index", number(index))
            .scan_index_forward(false);
        let found = self.db.first(&query, 1, |item| {
            let offset = number_in(&item, "offset")
                .ok_or_else(|| PortError("a checkpoint has no `offset`".to_owned()))?;
            let index = number_of(&item)?;
            Ok(Some(Checkpoint { index, offset }))
        });
        Ok(found.await?.into_iter().next())
    }

    /// Deletes what there is of texts, the oldest first. What a crash leaves, the same call
    /// deletes.
    pub(super) async fn forget_texts(&self, id: &str, below: Option<u64>) -> Result<(), PortError> {
        let below = match below {
            Some(below) => below,
            // A tombstone has the number still. Of a translation that is not known at all nothing
            // was left when its tombstone expired.
            None => match self.state(id).await? {
                Some(state) => state.generation + 1,
                None => return Ok(()),
            },
        };
        for generation in 0..below {
            let lists = List::ALL.map(|list| list.of(id, generation));
            let partitions = std::iter::once(text_of(id, generation)).chain(lists);
            stream::iter(partitions.map(Ok))
                .try_for_each_concurrent(
                    None,
                    |partition| async move { self.empty(&partition).await },
                )
                .await?;
        }
        Ok(())
    }

    /// Deletes a partition, an answer's worth at a time.
    async fn empty(&self, partition: &str) -> Result<(), PortError> {
        let query = self.numbers_in(partition);
        let mut start = None;
        loop {
            let query = query.clone().set_exclusive_start_key(start);
            let output = self.db.query(query).await?;
            let numbers: Result<Vec<_>, _> = output.items().iter().map(number_of).collect();
            self.delete_numbers(partition, numbers?).await?;
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn ranges_lose_exactly_the_indexes_that_are_taken_out(
            kept in proptest::collection::btree_set(0_u64..60, 0..40),
            taken in proptest::collection::btree_set(0_u64..60, 0..20),
        ) {
            let left = without(ranges_of(kept.iter().copied()), &taken);
            let indexes: Vec<_> = left.iter().cloned().flatten().collect();
            let expected: Vec<_> = kept.difference(&taken).copied().collect();
            proptest::prop_assert_eq!(indexes, expected);
            proptest::prop_assert!(left.iter().all(|range| !range.is_empty()));
            proptest::prop_assert!(left.windows(2).all(|two| two[0].end < two[1].start));
        }
    }
}
