//! DynamoDB's calls: their errors in words, batches that are finished, pages that are followed, and
//! what all of it costs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, DeleteRequest, KeysAndAttributes, PutRequest,
    ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use babelwire_service::ports::{Clock, PortError};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::in_words;

/// Writes in one `BatchWriteItem` ("Service, account, and table quotas").
const WRITES_AT_ONCE: usize = 25;
/// Reads in one `BatchGetItem` (the same place).
const READS_AT_ONCE: usize = 100;
/// Batches, or single writes, under way at once. With some 10 ms for a batch of 25, they come to
/// more than the 1,000 write units a second that a partition takes.
pub(crate) const SIDE_BY_SIDE: usize = 8;
/// How often what a batch left undone is tried again.
const TRIES: u32 = 10;
/// The most that the first wait in between takes; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The most that any of these waits takes.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// An item, or the key of one.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// What calls have consumed, in DynamoDB's request units, as DynamoDB itself reports them: the
/// secondary indexes that a write touches are in it. A conditional write that is refused consumes
/// too and reports nothing, so those are counted apart.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Consumed {
    /// Read request units: one for 4 KB read consistently, half of one otherwise.
    pub read_units: f64,
    /// Write request units: one for 1 KB.
    pub write_units: f64,
    /// Calls.
    pub calls: u64,
    /// Conditional writes that were refused.
    pub refused: u64,
    /// Reads for which nothing was reported. DynamoDB takes as much for them as for 4 KB; a peer
    /// may take nothing for finding nothing.
    pub empty_reads: u64,
}

impl std::ops::Sub for Consumed {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            read_units: self.read_units - before.read_units,
            write_units: self.write_units - before.write_units,
            calls: self.calls - before.calls,
            refused: self.refused - before.refused,
            empty_reads: self.empty_reads - before.empty_reads,
        }
    }
}

/// Adds up what calls consume. Several clients can share one.
#[derive(Debug, Default)]
pub struct Counter {
    /// In halves: there are half read units, and nothing smaller.
    reads: AtomicU64,
    writes: AtomicU64,
    calls: AtomicU64,
    refused: AtomicU64,
    empty_reads: AtomicU64,
}

impl Counter {
    /// What was consumed so far.
    pub fn consumed(&self) -> Consumed {
        #[expect(clippy::cast_precision_loss, reason = "a count of units, below 2^52")]
        let units = |halves: &AtomicU64| halves.load(Ordering::Relaxed) as f64 / 2.0;
        Consumed {
            read_units: units(&self.reads),
            write_units: units(&self.writes),
            calls: self.calls.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            empty_reads: self.empty_reads.load(Ordering::Relaxed),
        }
    }
}

/// What became of a conditional write.
pub(crate) enum Outcome {
    /// It took place; the item as it was before, where that was asked for.
    Done(Option<Item>),
    /// The condition did not hold; the item as it is, where DynamoDB says so.
    Refused(Option<Item>),
}

#[derive(Clone, Copy)]
enum Kind {
    Read,
    Write,
}

/// A client, a clock and a counter.
#[derive(Clone)]
pub(crate) struct Db {
    pub(crate) client: Client,
    clock: Arc<dyn Clock>,
    counter: Option<Arc<Counter>>,
}

/// The error of a call, in words that name the call.
fn failed<E>(call: &str, error: &SdkError<E>) -> PortError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let detail = match error.as_service_error() {
        Some(answer) => format!(
            "{}: {}",
            answer.code().unwrap_or("an unnamed error"),
            answer.message().unwrap_or("no message")
        ),
        None => in_words(error),
    };
    PortError(format!("DynamoDB's {call} failed: {detail}"))
}

/// Serialises an item.
pub(crate) fn to_item(value: &impl Serialize) -> Result<Item, PortError> {
    serde_dynamo::to_item(value).map_err(|error| PortError(format!("an item: {error}")))
}

/// Reads an item back.
pub(crate) fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, PortError> {
    serde_dynamo::from_item(item)
        .map_err(|error| PortError(format!("an item of a table cannot be read: {error}")))
}

/// A text attribute.
pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number attribute.
pub(crate) fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The text in an attribute.
pub(crate) fn text_in<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// The number in an attribute.
pub(crate) fn number_in(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// Seconds since 1970, as TTL attributes have them.
pub(crate) fn epoch_seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or_default()
}

impl Db {
    pub(crate) fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            clock,
            counter: None,
        }
    }

    pub(crate) fn count_with(&mut self, counter: Arc<Counter>) {
        self.counter = Some(counter);
    }

    pub(crate) fn counter(&self) -> Option<&Counter> {
        self.counter.as_deref()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// The value of a TTL attribute for an item that is to last this long from now on.
    pub(crate) fn expiry(&self, lasts: Duration) -> u64 {
        epoch_seconds(self.now()).saturating_add(lasts.as_secs())
    }

    /// Whether an item has not expired: DynamoDB deletes those that have some time within days
    /// ("Using time to live"), so readers have to look for themselves.
    pub(crate) fn is_alive(&self, item: &Item) -> bool {
        number_in(item, "expires").is_none_or(|expires| expires > epoch_seconds(self.now()))
    }

    fn asked(&self) -> Option<ReturnConsumedCapacity> {
        self.counter.as_ref().map(|_| ReturnConsumedCapacity::Total)
    }

    fn count<'a>(&self, kind: Kind, consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        let Some(counter) = &self.counter else {
            return;
        };
        counter.calls.fetch_add(1, Ordering::Relaxed);
        let units: f64 = consumed
            .into_iter()
            .filter_map(ConsumedCapacity::capacity_units)
            .sum();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "units are small, and never negative"
        )]
        let halves = (units * 2.0).round() as u64;
        if matches!(kind, Kind::Read) && halves == 0 {
            counter.empty_reads.fetch_add(1, Ordering::Relaxed);
        }
        let sum = match kind {
            Kind::Read => &counter.reads,
            Kind::Write => &counter.writes,
        };
        sum.fetch_add(halves, Ordering::Relaxed);
    }

    fn count_refused(&self) {
        self.count(Kind::Write, None);
        if let Some(counter) = &self.counter {
            counter.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reads one item, consistently. One that has expired is none.
    pub(crate) async fn get(&self, get: GetItemFluentBuilder) -> Result<Option<Item>, PortError> {
        let output = get
            .consistent_read(true)
            .set_return_consumed_capacity(self.asked())
            .send()
            .await
            .map_err(|error| failed("GetItem", &error))?;
        self.count(Kind::Read, output.consumed_capacity());
        Ok(output.item.filter(|item| self.is_alive(item)))
    }

    /// Puts an item.
    pub(crate) async fn put(&self, put: PutItemFluentBuilder) -> Result<Outcome, PortError> {
        let sent = put
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .set_return_consumed_capacity(self.asked())
            .send()
            .await;
        match sent {
            Ok(output) => {
                self.count(Kind::Write, output.consumed_capacity());
                Ok(Outcome::Done(output.attributes))
            }
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                self.count_refused();
                Ok(Outcome::Refused(refused_item(error.into_err())))
            }
            Err(error) => Err(failed("PutItem", &error)),
        }
    }

    /// Updates an item.
    pub(crate) async fn update(
        &self,
        update: UpdateItemFluentBuilder,
    ) -> Result<Outcome, PortError> {
        let sent = update
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .set_return_consumed_capacity(self.asked())
            .send()
            .await;
        match sent {
            Ok(output) => {
                self.count(Kind::Write, output.consumed_capacity());
                Ok(Outcome::Done(output.attributes))
            }
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                self.count_refused();
                Ok(Outcome::Refused(refused_item(error.into_err())))
            }
            Err(error) => Err(failed("UpdateItem", &error)),
        }
    }

    /// Deletes an item; one that is not there is no error.
    pub(crate) async fn delete(
        &self,
        delete: DeleteItemFluentBuilder,
    ) -> Result<Outcome, PortError> {
        let sent = delete
            .set_return_consumed_capacity(self.asked())
            .send()
            .await;
        match sent {
            Ok(output) => {
                self.count(Kind::Write, output.consumed_capacity());
                Ok(Outcome::Done(output.attributes))
            }
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                self.count_refused();
                Ok(Outcome::Refused(None))
            }
            Err(error) => Err(failed("DeleteItem", &error)),
        }
    }

    /// One answer to a query: 1 MB at most, so there may be more ([`QueryOutput::last_evaluated_key`])
    /// however little is in it.
    pub(crate) async fn query(&self, query: QueryFluentBuilder) -> Result<QueryOutput, PortError> {
        let output = query
            .set_return_consumed_capacity(self.asked())
            .send()
            .await
            .map_err(|error| failed("Query", &error))?;
        self.count(Kind::Read, output.consumed_capacity());
        Ok(output)
    }

    /// The first `most` things that a query finds: what `of` makes of the items, where it makes
    /// anything of them. Expired items are passed over.
    pub(crate) async fn first<T>(
        &self,
        query: &QueryFluentBuilder,
        most: usize,
        mut of: impl FnMut(Item) -> Result<Option<T>, PortError>,
    ) -> Result<Vec<T>, PortError> {
        let mut found = Vec::new();
        let mut start = None;
        while found.len() < most {
            let limit = i32::try_from(most - found.len()).unwrap_or(i32::MAX);
            let query = query.clone().limit(limit).set_exclusive_start_key(start);
            let output = self.query(query).await?;
            for item in output.items.unwrap_or_default() {
                if self.is_alive(&item)
                    && let Some(one) = of(item)?
                {
                    found.push(one);
                }
            }
            start = output.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// All that a query finds, however many answers it takes.
    pub(crate) async fn all<T>(
        &self,
        query: &QueryFluentBuilder,
        of: impl FnMut(Item) -> Result<Option<T>, PortError>,
    ) -> Result<Vec<T>, PortError> {
        self.first(query, usize::MAX, of).await
    }

    /// How many items a query finds, expired ones too.
    pub(crate) async fn number_of(&self, query: &QueryFluentBuilder) -> Result<u64, PortError> {
        let mut found = 0;
        let mut start = None;
        loop {
            let query = query
                .clone()
                .select(aws_sdk_dynamodb::types::Select::Count)
                .set_exclusive_start_key(start);
            let output = self.query(query).await?;
            found += u64::try_from(output.count).unwrap_or_default();
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// Puts and deletes items in batches side by side, until all are done. No two may be about the
    /// same item. After an error some are done: all of them can be repeated.
    pub(crate) async fn write_all(
        &self,
        table: &str,
        writes: Vec<WriteRequest>,
    ) -> Result<(), PortError> {
        let batches: Vec<_> = writes
            .chunks(WRITES_AT_ONCE)
            .map(<[WriteRequest]>::to_vec)
            .collect();
        stream::iter(batches.into_iter().map(Ok))
            .try_for_each_concurrent(SIDE_BY_SIDE, |batch| self.write_batch(table, batch))
            .await
    }

    async fn write_batch(&self, table: &str, batch: Vec<WriteRequest>) -> Result<(), PortError> {
        let mut left = HashMap::from([(table.to_owned(), batch)]);
        for tried in 1.. {
            let output = self
                .client
                .batch_write_item()
                .set_request_items(Some(left))
                .set_return_consumed_capacity(self.asked())
                .send()
                .await
                .map_err(|error| failed("BatchWriteItem", &error))?;
            self.count(Kind::Write, output.consumed_capacity());
            left = output.unprocessed_items.unwrap_or_default();
            left.retain(|_, writes| !writes.is_empty());
            if left.is_empty() {
                break;
            }
            self.back_off("BatchWriteItem", tried).await?;
        }
        Ok(())
    }

    /// Reads items consistently, in batches side by side and in no order. Those that are not there
    /// or have expired are left out. No key may be in it twice.
    pub(crate) async fn get_all(
        &self,
        table: &str,
        keys: Vec<Item>,
        projection: Option<Projection>,
    ) -> Result<Vec<Item>, PortError> {
        let batches: Vec<_> = keys.chunks(READS_AT_ONCE).map(<[Item]>::to_vec).collect();
        let found: Vec<Vec<Item>> = stream::iter(batches)
            .map(|batch| self.get_batch(table, batch, projection))
            .buffer_unordered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        let mut found: Vec<_> = found.into_iter().flatten().collect();
        found.retain(|item| self.is_alive(item));
        Ok(found)
    }

    async fn get_batch(
        &self,
        table: &str,
        keys: Vec<Item>,
        projection: Option<Projection>,
    ) -> Result<Vec<Item>, PortError> {
        let mut wanted = KeysAndAttributes::builder()
            .consistent_read(true)
            .set_keys(Some(keys));
        if let Some(projection) = projection {
            wanted = wanted.projection_expression(projection.expression);
            for (placeholder, name) in projection.names {
                wanted = wanted.expression_attribute_names(*placeholder, *name);
            }
        }
        let wanted = wanted.build().map_err(PortError::new)?;
        let mut left = HashMap::from([(table.to_owned(), wanted)]);
        let mut found = Vec::new();
        for tried in 1.. {
            let output = self
                .client
                .batch_get_item()
                .set_request_items(Some(left))
                .set_return_consumed_capacity(self.asked())
                .send()
                .await
                .map_err(|error| failed("BatchGetItem", &error))?;
            self.count(Kind::Read, output.consumed_capacity());
            let answers = output.responses.unwrap_or_default();
            found.extend(answers.into_values().flatten());
            left = output.unprocessed_keys.unwrap_or_default();
            left.retain(|_, wanted| !wanted.keys.is_empty());
            if left.is_empty() {
                break;
            }
            self.back_off("BatchGetItem", tried).await?;
        }
        Ok(found)
    }

    /// Waits before the rest of a batch is tried again, for between half of a wait that doubles and
    /// all of it: the rest is left over when there are too many calls.
    async fn back_off(&self, call: &str, tried: u32) -> Result<(), PortError> {
        if tried >= TRIES {
            return Err(PortError(format!(
                "DynamoDB's {call} leaves a part of a batch undone again and again: the table is \
                 busier than its limits permit. Try again later"
            )));
        }
        let doubled = FIRST_WAIT * 2_u32.saturating_pow(tried.min(16) - 1);
        let most = doubled.min(LONGEST_WAIT);
        let share = f64::from(getrandom::u32().map_err(PortError::new)?) / f64::from(u32::MAX);
        self.clock.sleep(most.mul_f64(0.5 + share / 2.0)).await;
        Ok(())
    }
}

/// Which attributes are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Projection {
    pub(crate) expression: &'static str,
    pub(crate) names: &'static [(&'static str, &'static str)],
}

/// The item that a refused write found.
trait RefusedItem {
    fn into_item(self) -> Option<Item>;
}

fn refused_item(error: impl RefusedItem) -> Option<Item> {
    error.into_item()
}

impl RefusedItem for aws_sdk_dynamodb::operation::put_item::PutItemError {
    fn into_item(self) -> Option<Item> {
        match self {
            Self::ConditionalCheckFailedException(refused) => refused.item,
            _ => None,
        }
    }
}

impl RefusedItem for aws_sdk_dynamodb::operation::update_item::UpdateItemError {
    fn into_item(self) -> Option<Item> {
        match self {
            Self::ConditionalCheckFailedException(refused) => refused.item,
            _ => None,
        }
    }
}

/// One put of a batch.
pub(crate) fn put_in_batch(item: Item) -> Result<WriteRequest, PortError> {
    let put = PutRequest::builder().set_item(Some(item)).build();
    let put = put.map_err(PortError::new)?;
    Ok(WriteRequest::builder().put_request(put).build())
}

/// One deletion of a batch.
pub(crate) fn delete_in_batch(key: Item) -> Result<WriteRequest, PortError> {
    let delete = DeleteRequest::builder().set_key(Some(key)).build();
    let delete = delete.map_err(PortError::new)?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

/// A key of a text and another attribute.
pub(crate) fn key<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
