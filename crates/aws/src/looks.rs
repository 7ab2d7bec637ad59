//! Who looks at what, on DynamoDB.
//!
//! A view's look is an item, `CONNECTION#VIEW` under the translation. Each connection has one more
//! item of its own in the same table, with the set of translations that it looks at: it keeps their
//! number exactly, and what a connection leaves is found by it. As with subscriptions, the set may
//! have one too many and never one too few.
//!
//! A look that was there and moves on, the most frequent call by far, is one write.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use babelwire_service::ports::{Clock, Looks, PortError, Sight, Written};
use futures::{TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::config::Tables;
use crate::records::db::{
    Db, Item, Outcome, SIDE_BY_SIDE, delete_in_batch, from_item, key, number, text, to_item,
};
use crate::records::{CONNECTION_LASTS, Counter, stable_hash};

/// How often a table is asked whether something else is looked at: half a read unit each time. A
/// person who scrolls waits that long, at most, until what is seen is translated before the rest.
pub const LOOKS_POLLED_EVERY: Duration = Duration::from_millis(500);

/// How many views one connection can have of one translation; a further one ends the oldest.
const VIEWS: usize = 32;
/// How often a look is made anew because the same connection ended it meanwhile.
const TRIES: usize = 5;
/// Separates a connection's id, which has none, from a view's name, which may.
const SEPARATOR: char = '#';
/// The range key of a connection's own item.
const OWN: &str = "#";

/// Who looks at what, on DynamoDB.
pub struct DynamoLooks {
    db: Db,
    table: String,
    /// Translations that somebody was seen to look at when they were last asked for here.
    seen: Mutex<HashSet<String>>,
}

/// A look.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct LookItem {
    translation: String,
    watcher: String,
    from: u64,
    to: u64,
    /// When it began, in microseconds since 1970: one connection's come fast.
    since: i64,
    expires: u64,
}

impl LookItem {
    fn connection(&self) -> &str {
        self.watcher
            .split_once(SEPARATOR)
            .map_or(self.watcher.as_str(), |(connection, _)| connection)
    }
}

#[derive(Debug, Default, Deserialize)]
struct Looking {
    #[serde(default)]
    looking: BTreeSet<String>,
}

fn look_key(id: &str, watcher: &str) -> Item {
    key([("translation", text(id)), ("watcher", text(watcher))])
}

fn watcher(connection: &str, view: &str) -> String {
    format!("{connection}{SEPARATOR}{view}")
}

/// The key of a connection's own item. No translation's id has a `#`.
fn own_key(connection: &str) -> Item {
    look_key(&format!("connection#{connection}"), OWN)
}

fn looking_in(item: Option<Item>) -> Result<BTreeSet<String>, PortError> {
    Ok(match item {
        Some(item) => from_item::<Looking>(item)?.looking,
        None => BTreeSet::new(),
    })
}

/// What is seen in these looks. The version is a hash of them: the same looks have the same one.
fn sight_of(mut looks: Vec<LookItem>) -> Sight {
    looks.sort_by(|a, b| {
        b.since
            .cmp(&a.since)
            .then_with(|| a.watcher.cmp(&b.watcher))
    });
    let mut seen = String::new();
    for look in &looks {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(
            seen,
            "{}\0{}\0{}\0{}\0",
            look.watcher, look.from, look.to, look.since
        );
    }
    let version = if looks.is_empty() {
        0
    } else {
        stable_hash(seen.as_bytes()).max(1)
    };
    Sight {
        version,
        ranges: looks.into_iter().map(|look| look.from..look.to).collect(),
    }
}

impl DynamoLooks {
    /// Over this table of looks.
    pub fn new(client: Client, tables: Tables, clock: Arc<dyn Clock>) -> Self {
        Self {
            db: Db::new(client, clock),
            table: tables.looks,
            seen: Mutex::default(),
        }
    }

    /// Asks DynamoDB from now on what each call consumes, and adds it up there.
    #[must_use]
    pub fn counted_by(mut self, counter: Arc<Counter>) -> Self {
        self.db.count_with(counter);
        self
    }

    fn note_seen(&self, id: &str, is_seen: bool) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if is_seen {
            seen.insert(id.to_owned());
        } else {
            seen.remove(id);
        }
    }

    fn looks_at(&self, id: &str) -> QueryFluentBuilder {
        self.db
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#translation = :id")
            .expression_attribute_names("#translation", "translation")
            .expression_attribute_values(":id", text(id))
    }

    fn looks_of(&self, id: &str, connection: &str) -> QueryFluentBuilder {
        self.looks_at(id)
            .key_condition_expression("#translation = :id AND begins_with(#watcher, :own)")
            .expression_attribute_names("#watcher", "watcher")
            .expression_attribute_values(":own", text(watcher(connection, "")))
    }

    async fn read(&self, query: &QueryFluentBuilder) -> Result<Vec<LookItem>, PortError> {
        self.db.all(query, |item| from_item(item).map(Some)).await
    }

    async fn own(&self, connection: &str) -> Result<BTreeSet<String>, PortError> {
        let get = self
            .db
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(own_key(connection)));
        looking_in(self.db.get(get).await?)
    }

    fn change_set(&self, id: &str, connection: &str) -> UpdateItemFluentBuilder {
        self.db
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(own_key(connection)))
            .expression_attribute_names("#looking", "looking")
            .expression_attribute_values(":ids", AttributeValue::Ss(vec![id.to_owned()]))
    }

    /// Enters a translation in a connection's set, unless that has `most` others.
    async fn enter(
        &self,
        id: &str,
        connection: &str,
        most: Option<usize>,
    ) -> Result<bool, PortError> {
        let mut update = self
            .change_set(id, connection)
            .update_expression("SET #expires = :expires ADD #looking :ids")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_values(":expires", number(self.db.expiry(CONNECTION_LASTS)));
        if let Some(most) = most {
            update = update
                .condition_expression(
                    "attribute_not_exists(#looking) OR contains(#looking, :id) \
                     OR size(#looking) < :most",
                )
                .expression_attribute_values(":id", text(id))
                .expression_attribute_values(":most", number(most));
        }
        Ok(match self.db.update(update).await? {
            Outcome::Done(_) => true,
            Outcome::Refused(_) => false,
        })
    }

    /// Takes a translation out of a connection's set.
    async fn leave(&self, id: &str, connection: &str) -> Result<(), PortError> {
        let update = self
            .change_set(id, connection)
            .update_expression("DELETE #looking :ids")
            .condition_expression("attribute_exists(#looking)");
        match self.db.update(update).await? {
            Outcome::Done(_) | Outcome::Refused(_) => Ok(()),
        }
    }

    async fn delete(&self, looks: &[LookItem]) -> Result<(), PortError> {
        let deletions: Result<Vec<_>, _> = looks
            .iter()
            .map(|look| delete_in_batch(look_key(&look.translation, &look.watcher)))
            .collect();
        self.db.write_all(&self.table, deletions?).await
    }

    /// Moves a look on. False when there is none.
    async fn move_on(&self, look: &LookItem) -> Result<bool, PortError> {
        let update = self
            .db
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(look_key(&look.translation, &look.watcher)))
            .update_expression("SET #from = :from, #to = :to, #since = :since, #expires = :expires")
            .condition_expression("#expires > :now")
            .expression_attribute_names("#from", "from")
            .expression_attribute_names("#to", "to")
            .expression_attribute_names("#since", "since")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_values(":from", number(look.from))
            .expression_attribute_values(":to", number(look.to))
            .expression_attribute_values(":since", number(look.since))
            .expression_attribute_values(":expires", number(look.expires))
            .expression_attribute_values(":now", number(self.db.now().as_second()));
        Ok(match self.db.update(update).await? {
            Outcome::Done(_) => true,
            Outcome::Refused(_) => false,
        })
    }

    async fn put(&self, look: &LookItem) -> Result<(), PortError> {
        let put = self
            .db
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(look)?));
        match self.db.put(put).await? {
            Outcome::Done(_) | Outcome::Refused(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Looks for DynamoLooks {
    /// A look that is new: the set, then the item, then a look whether the set still has it.
    async fn look(
        &self,
        id: &str,
        connection: &str,
        view: &str,
        range: Range<u64>,
        most: usize,
    ) -> Result<Written, PortError> {
        let look = LookItem {
            translation: id.to_owned(),
            watcher: watcher(connection, view),
            from: range.start,
            to: range.end,
            since: self.db.now().as_microsecond(),
            expires: self.db.expiry(CONNECTION_LASTS),
        };
        if self.move_on(&look).await? {
            self.note_seen(id, true);
            return Ok(Written::Yes);
        }
        if most == 0 {
            // An empty set is none in DynamoDB, so the condition would not see this.
            return Ok(Written::Conflict);
        }
        for _ in 0..TRIES {
            if !self.enter(id, connection, Some(most)).await? {
                return Ok(Written::Conflict);
            }
            let mut others = self.read(&self.looks_of(id, connection)).await?;
            others.retain(|other| other.watcher != look.watcher);
            if others.len() >= VIEWS {
                others.sort_by_key(|other| other.since);
                let too_many = others.len() + 1 - VIEWS;
                self.delete(others.get(..too_many).unwrap_or_default())
                    .await?;
            }
            self.put(&look).await?;
            if self.own(connection).await?.contains(id) {
                self.note_seen(id, true);
                return Ok(Written::Yes);
            }
        }
        Err(PortError(format!(
            "connection {connection} looks at {id} and ends it at a time"
        )))
    }

    async fn end(&self, id: &str, connection: &str, view: Option<&str>) -> Result<(), PortError> {
        let looks = self.read(&self.looks_of(id, connection)).await?;
        let Some(view) = view else {
            self.leave(id, connection).await?;
            return self.delete(&looks).await;
        };
        let ended = watcher(connection, view);
        let (ended, others): (Vec<_>, Vec<_>) =
            looks.into_iter().partition(|look| look.watcher == ended);
        if !others.is_empty() {
            return self.delete(&ended).await;
        }
        self.leave(id, connection).await?;
        self.delete(&ended).await?;
        // Another view may have begun to look between the two.
        if !self.read(&self.looks_of(id, connection)).await?.is_empty() {
            self.enter(id, connection, None).await?;
        }
        Ok(())
    }

    /// Deletes the looks before the item that they are found by, so that a crash leaves something
    /// to begin with. What was looked at in between is in the item that is deleted.
    async fn disconnect(&self, connection: &str) -> Result<(), PortError> {
        let looking = self.own(connection).await?;
        let end_all = async |ids: &BTreeSet<String>| {
            for id in ids {
                let looks = self.read(&self.looks_of(id, connection)).await?;
                self.delete(&looks).await?;
            }
            Ok::<_, PortError>(())
        };
        end_all(&looking).await?;
        let delete = self
            .db
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(own_key(connection)))
            .return_values(ReturnValue::AllOld);
        let deleted = match self.db.delete(delete).await? {
            Outcome::Done(item) | Outcome::Refused(item) => looking_in(item)?,
        };
        let late: BTreeSet<_> = deleted.difference(&looking).cloned().collect();
        end_all(&late).await
    }

    async fn forget(&self, id: &str) -> Result<(), PortError> {
        let looks = self.read(&self.looks_at(id)).await?;
        let connections: BTreeSet<_> = looks.iter().map(LookItem::connection).collect();
        stream::iter(connections.into_iter().map(Ok))
            .try_for_each_concurrent(SIDE_BY_SIDE, |connection| self.leave(id, connection))
            .await?;
        self.delete(&looks).await?;
        self.note_seen(id, false);
        Ok(())
    }

    /// Asks again and again, not consistently: who looks is seen by one of the next polls.
    async fn change(&self, id: &str, version: u64) -> Result<Sight, PortError> {
        let query = self.looks_at(id).consistent_read(false);
        loop {
            let sight = sight_of(self.read(&query).await?);
            self.note_seen(id, sight.version != 0);
            if sight.version != version {
                return Ok(sight);
            }
            self.db.sleep(LOOKS_POLLED_EVERY).await;
        }
    }

    async fn of(&self, id: &str, connection: &str) -> Result<Vec<Range<u64>>, PortError> {
        let looks = self.read(&self.looks_of(id, connection)).await?;
        Ok(looks.iter().map(|look| look.from..look.to).collect())
    }

    /// Consistent: who looked before segments were kept is told of them, and who looks after that
    /// finds them.
    async fn by_connection(
        &self,
        id: &str,
    ) -> Result<BTreeMap<String, Vec<Range<u64>>>, PortError> {
        let looks = self.read(&self.looks_at(id)).await?;
        self.note_seen(id, !looks.is_empty());
        let mut by_connection: BTreeMap<String, Vec<Range<u64>>> = BTreeMap::new();
        for look in looks {
            by_connection
                .entry(look.connection().to_owned())
                .or_default()
                .push(look.from..look.to);
        }
        Ok(by_connection)
    }

    fn translations(&self) -> HashSet<String> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(watcher: &str, range: Range<u64>, since: i64) -> LookItem {
        LookItem {
            translation: "t".to_owned(),
            watcher: watcher.to_owned(),
            from: range.start,
            to: range.end,
            since,
            expires: 0,
        }
    }

    #[test]
    fn the_newest_look_comes_first_and_any_change_is_another_version() {
        let all = vec![look("a#", 0..5, 1), look("b##x", 5..9, 2)];
        let sight = sight_of(all.clone());
        assert_eq!(sight.ranges, [5..9, 0..5]);
        assert_eq!(all[1].connection(), "b");
        let turned = all.iter().rev().cloned().collect();
        assert_eq!(sight_of(turned), sight);
        for (place, changed) in [
            (0, look("a#", 0..6, 1)),
            (0, look("a#", 0..5, 3)),
            (1, look("c#", 5..9, 2)),
        ] {
            let mut other = all.clone();
            other[place] = changed;
            assert_ne!(sight_of(other).version, sight.version);
        }
        assert_eq!(sight_of(Vec::new()), Sight::default());
    }
}
