//! Connections, in one item each, and what they subscribe to.
//!
//! A connection's item has the set of translations that it subscribes to, so that their number is
//! kept exactly and their items are found without an index. The set may have one too many, never
//! one too few: it is entered there before its item is written, and taken out of there first. What
//! a crash leaves in the set the connection itself mends, by subscribing or by going.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use babelwire_service::ports::{Connection, Owner, Page, PortError, Subscriber, Written};
use futures::{TryStreamExt, stream};

use super::db::{
    Item, Outcome, SIDE_BY_SIDE, delete_in_batch, from_item, key, number, text, to_item,
};
use super::items::{ConnectionItem, Subscribed, SubscriptionItem, audience};
use super::{CONNECTION_LASTS, DynamoRecords, page_of, stable_hash};

/// How often a subscription is made anew because the same connection ended it meanwhile.
const TRIES: usize = 5;
/// Subscribers read at once when all are forgotten.
const PAGE: usize = 500;

fn subscription_key(id: &str, connection: &str) -> Item {
    key([("translation", text(id)), ("connection", text(connection))])
}

fn subscribed_in(item: Option<Item>) -> Result<BTreeSet<String>, PortError> {
    Ok(match item {
        Some(item) => from_item::<Subscribed>(item)?.subscribed,
        None => BTreeSet::new(),
    })
}

impl DynamoRecords {
    /// The shard that a connection is kept in.
    fn shard_of(&self, connection: &Connection) -> u32 {
        let shards = u64::from(babelwire_service::ports::Records::shards(
            self,
            &connection.owner,
        ));
        let shard = stable_hash(connection.id.as_bytes()) % shards.max(1);
        // Below a number of 32 bits.
        u32::try_from(shard).unwrap_or_default()
    }

    pub(super) async fn add_connection(&self, connection: &Connection) -> Result<(), PortError> {
        let expires = self.db.expiry(CONNECTION_LASTS);
        let item = ConnectionItem::new(connection, self.shard_of(connection), expires);
        let put = self
            .db
            .client
            .put_item()
            .table_name(&self.tables.connections)
            .set_item(Some(to_item(&item)?));
        match self.db.put(put).await? {
            Outcome::Done(_) | Outcome::Refused(_) => Ok(()),
        }
    }

    async fn connection_item(&self, connection: &str) -> Result<Option<Item>, PortError> {
        let get = self
            .db
            .client
            .get_item()
            .table_name(&self.tables.connections)
            .set_key(Some(key([("id", text(connection))])));
        self.db.get(get).await
    }

    pub(super) async fn find_connection(
        &self,
        connection: &str,
    ) -> Result<Option<Connection>, PortError> {
        match self.connection_item(connection).await? {
            Some(item) => Ok(Some(from_item::<ConnectionItem>(item)?.into_connection())),
            None => Ok(None),
        }
    }

    /// Forgets subscriptions before the connection that they are found by, so that a crash leaves
    /// something to begin with: the next post to the connection says that it is gone, and it is
    /// forgotten again. What was subscribed to in between is in the item that is deleted.
    pub(super) async fn forget_connection(&self, connection: &str) -> Result<(), PortError> {
        let subscribed = subscribed_in(self.connection_item(connection).await?)?;
        self.delete_subscriptions(connection, &subscribed).await?;
        let delete = self
            .db
            .client
            .delete_item()
            .table_name(&self.tables.connections)
            .set_key(Some(key([("id", text(connection))])))
            .return_values(ReturnValue::AllOld);
        let deleted = match self.db.delete(delete).await? {
            Outcome::Done(item) | Outcome::Refused(item) => subscribed_in(item)?,
        };
        let late: BTreeSet<_> = deleted.difference(&subscribed).cloned().collect();
        self.delete_subscriptions(connection, &late).await
    }

    async fn delete_subscriptions(
        &self,
        connection: &str,
        ids: &BTreeSet<String>,
    ) -> Result<(), PortError> {
        let deletions: Result<Vec<_>, _> = ids
            .iter()
            .map(|id| delete_in_batch(subscription_key(id, connection)))
            .collect();
        self.db
            .write_all(&self.tables.subscriptions, deletions?)
            .await
    }

    pub(super) async fn audience(
        &self,
        owner: &Owner,
        shard: u32,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Connection>, PortError> {
        let mut query = self
            .db
            .client
            .query()
            .table_name(&self.tables.connections)
            .index_name("audience")
            .expression_attribute_names("#audience", "audience")
            .expression_attribute_values(":audience", text(audience(owner, shard)));
        query = match after {
            None => query.key_condition_expression("#audience = :audience"),
            Some(after) => query
                .key_condition_expression("#audience = :audience AND #id > :after")
                .expression_attribute_names("#id", "id")
                .expression_attribute_values(":after", text(after)),
        };
        let found = self
            .db
            .first(&query, limit.saturating_add(1), |item| {
                Ok(Some(from_item::<ConnectionItem>(item)?.into_connection()))
            })
            .await?;
        Ok(page_of(found, limit, |connection| connection.id.clone()))
    }

    fn change_set(&self, id: &str, connection: &str) -> UpdateItemFluentBuilder {
        self.db
            .client
            .update_item()
            .table_name(&self.tables.connections)
            .set_key(Some(key([("id", text(connection))])))
            .expression_attribute_names("#subscribed", "subscribed")
            .expression_attribute_values(":ids", AttributeValue::Ss(vec![id.to_owned()]))
    }

    /// Enters a translation in a connection's set, unless the connection is not there or its set
    /// has `most` others.
    async fn enter(&self, id: &str, connection: &str, most: usize) -> Result<bool, PortError> {
        let update = self
            .change_set(id, connection)
            .update_expression("ADD #subscribed :ids")
            .condition_expression(
                "attribute_exists(id) AND #expires > :now AND \
                 (attribute_not_exists(#subscribed) OR contains(#subscribed, :id) \
                 OR size(#subscribed) < :most)",
            )
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_values(":now", number(self.db.now().as_second()))
            .expression_attribute_values(":id", text(id))
            .expression_attribute_values(":most", number(most));
        Ok(match self.db.update(update).await? {
            Outcome::Done(_) => true,
            Outcome::Refused(_) => false,
        })
    }

    /// Takes a translation out of a connection's set.
    async fn leave(&self, id: &str, connection: &str) -> Result<(), PortError> {
        let update = self
            .change_set(id, connection)
            .update_expression("DELETE #subscribed :ids")
            // No item where there is none: an update makes one.
            .condition_expression("attribute_exists(id)");
        match self.db.update(update).await? {
            Outcome::Done(_) | Outcome::Refused(_) => Ok(()),
        }
    }

    /// Subscribes: the set, then the item, then a look whether the set still has it. Had the
    /// connection gone in between, its item here would be found by nobody; had it unsubscribed,
    /// only by who posts to it.
    pub(super) async fn add_subscription(
        &self,
        id: &str,
        subscriber: &Subscriber,
        most: usize,
    ) -> Result<Written, PortError> {
        let connection = subscriber.connection.as_str();
        if most == 0 {
            // An empty set is none in DynamoDB, so the condition would not see this.
            return Ok(Written::Conflict);
        }
        for _ in 0..TRIES {
            if !self.enter(id, connection, most).await? {
                return Ok(Written::Conflict);
            }
            let item = SubscriptionItem::new(id, subscriber, self.db.expiry(CONNECTION_LASTS));
            let put = self
                .db
                .client
                .put_item()
                .table_name(&self.tables.subscriptions)
                .set_item(Some(to_item(&item)?));
            match self.db.put(put).await? {
                Outcome::Done(_) | Outcome::Refused(_) => {}
            }
            let found = self.connection_item(connection).await?;
            if found.is_none() {
                let ids = BTreeSet::from([id.to_owned()]);
                self.delete_subscriptions(connection, &ids).await?;
                return Ok(Written::Conflict);
            }
            if subscribed_in(found)?.contains(id) {
                return Ok(Written::Yes);
            }
        }
        Err(PortError(format!(
            "connection {connection} subscribes to {id} and unsubscribes at a time"
        )))
    }

    pub(super) async fn end_subscription(
        &self,
        id: &str,
        connection: &str,
    ) -> Result<(), PortError> {
        self.leave(id, connection).await?;
        let ids = BTreeSet::from([id.to_owned()]);
        self.delete_subscriptions(connection, &ids).await
    }

    pub(super) async fn find_subscription(
        &self,
        id: &str,
        connection: &str,
    ) -> Result<Option<Subscriber>, PortError> {
        let get = self
            .db
            .client
            .get_item()
            .table_name(&self.tables.subscriptions)
            .set_key(Some(subscription_key(id, connection)));
        match self.db.get(get).await? {
            Some(item) => Ok(Some(from_item::<SubscriptionItem>(item)?.into_subscriber())),
            None => Ok(None),
        }
    }

    /// Consistent: who subscribed before segments were kept is told of them, and who subscribes
    /// after that finds them.
    fn subscriptions_to(&self, id: &str, after: Option<&str>) -> QueryFluentBuilder {
        let query = self
            .db
            .client
            .query()
            .table_name(&self.tables.subscriptions)
            .consistent_read(true)
            .expression_attribute_names("#translation", "translation")
            .expression_attribute_values(":id", text(id));
        match after {
            None => query.key_condition_expression("#translation = :id"),
            Some(after) => query
                .key_condition_expression("#translation = :id AND #connection > :after")
                .expression_attribute_names("#connection", "connection")
                .expression_attribute_values(":after", text(after)),
        }
    }

    pub(super) async fn page_of_subscribers(
        &self,
        id: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Subscriber>, PortError> {
        let found = self
            .db
            .first(
                &self.subscriptions_to(id, after),
                limit.saturating_add(1),
                |item| Ok(Some(from_item::<SubscriptionItem>(item)?.into_subscriber())),
            )
            .await?;
        Ok(page_of(found, limit, |subscriber| {
            subscriber.connection.clone()
        }))
    }

    /// Ends subscriptions to a translation, all or so many of them.
    pub(super) async fn forget_subscribers(
        &self,
        id: &str,
        most: Option<usize>,
    ) -> Result<(), PortError> {
        let mut left = most.unwrap_or(usize::MAX);
        let mut after: Option<String> = None;
        while left > 0 {
            let page = self
                .page_of_subscribers(id, after.as_deref(), left.min(PAGE))
                .await?;
            left -= page.items.len();
            stream::iter(page.items.iter().map(Ok))
                .try_for_each_concurrent(SIDE_BY_SIDE, |subscriber| {
                    self.leave(id, &subscriber.connection)
                })
                .await?;
            let deletions: Result<Vec<_>, _> = page
                .items
                .iter()
                .map(|subscriber| delete_in_batch(subscription_key(id, &subscriber.connection)))
                .collect();
            self.db
                .write_all(&self.tables.subscriptions, deletions?)
                .await?;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }
}
