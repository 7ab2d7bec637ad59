//! Translations, in one item each.
//!
//! A removed one is a tombstone: without a name, and out of the index `newest`. While its segments
//! and objects may be there it is in the index `open`; once they are swept it expires.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use babelwire_service::ports::{
    Changes, CursorError, Owner, Page, PortError, Record, Remains, Written,
};
use babelwire_service::rfc3339;
use babelwire_wire::Translation;
use jiff::Timestamp;

use super::db::{Item, Outcome, from_item, key, number, number_in, text, text_in, to_item};
use super::items::{
    NOT_IN_A_TOMBSTONE, PLACE_SEPARATOR, REMAINS, TranslationItem, UNFINISHED, owner_key, owner_of,
    place,
};
use super::{DynamoRecords, page_of, stable_hash};

/// How far back the changes since a cursor go. A change has the time at which its writer began to
/// write it, and may be found in the index later than one with a later time: the index follows
/// within a second mostly, a write that is throttled is tried again for some seconds, and clocks
/// differ by some milliseconds.
const OVERLAP: Duration = Duration::from_secs(20);
/// How long the tombstone of what was swept lasts. Who comes back later lists everything anew.
const TOMBSTONE_LASTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How far a cursor may be ahead of this clock: another one gave it.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// What a text's writer needs to know of its translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) generation: u64,
    pub(super) is_removed: bool,
}

/// How far somebody has read the changes.
struct Cursor {
    /// Where to begin when these are read: nothing can come to be found before it any more.
    floor: String,
    /// The place of the last one read, while there are more.
    at: Option<String>,
}

fn before(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_sub(duration).unwrap_or(Timestamp::MIN)
}

fn after(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// A time as these tables write it.
fn parse_time(text: &str) -> Option<Timestamp> {
    let time: Timestamp = text.parse().ok()?;
    (rfc3339(time) == text).then_some(time)
}

fn is_place(text: &str) -> bool {
    text.split_once(PLACE_SEPARATOR)
        .is_some_and(|(time, id)| parse_time(time).is_some() && !id.is_empty())
}

fn is_removed(item: &Item) -> bool {
    item.contains_key("removed")
}

fn id_in(item: &Item) -> Result<String, PortError> {
    text_in(item, "id")
        .map(str::to_owned)
        .ok_or_else(|| PortError("an item of the translations has no `id`".to_owned()))
}

impl DynamoRecords {
    /// A number that nobody else writes.
    fn token() -> Result<u64, PortError> {
        getrandom::u64().map_err(PortError::new)
    }

    fn item_of(&self, record: &Record, token: u64) -> Result<Item, PortError> {
        let changed = rfc3339(self.db.now());
        to_item(&TranslationItem::new(record, &changed, token))
    }

    /// Whether a write that was refused is the one that was made before: its answer was lost, and
    /// the SDK sent it again.
    fn is_own(found: Option<&Item>, token: u64) -> bool {
        found.and_then(|item| number_in(item, "written")) == Some(token)
    }

    pub(super) async fn insert_translation(&self, record: &Record) -> Result<(), PortError> {
        let token = Self::token()?;
        let put = self
            .db
            .client
            .put_item()
            .table_name(&self.tables.translations)
            .set_item(Some(self.item_of(record, token)?))
            .condition_expression("attribute_not_exists(id)");
        match self.db.put(put).await? {
            Outcome::Refused(found) if !Self::is_own(found.as_ref(), token) => {
                let id = &record.translation.id;
                Err(PortError(format!("there is a translation {id} already")))
            }
            Outcome::Done(_) | Outcome::Refused(_) => Ok(()),
        }
    }

    pub(super) async fn update_translation(
        &self,
        record: &Record,
        expected: u64,
    ) -> Result<Written, PortError> {
        let token = Self::token()?;
        let put = self
            .db
            .client
            .put_item()
            .table_name(&self.tables.translations)
            .set_item(Some(self.item_of(record, token)?))
            .condition_expression("#revision = :expected AND attribute_not_exists(#removed)")
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_names("#removed", "removed")
            .expression_attribute_values(":expected", number(expected));
        Ok(match self.db.put(put).await? {
            Outcome::Refused(found) if !Self::is_own(found.as_ref(), token) => Written::Conflict,
            Outcome::Done(_) | Outcome::Refused(_) => Written::Yes,
        })
    }

    pub(super) async fn remove_translation(
        &self,
        id: &str,
        expected: u64,
    ) -> Result<Written, PortError> {
        let token = Self::token()?;
        let mut update = self
            .db
            .client
            .update_item()
            .table_name(&self.tables.translations)
            .set_key(Some(key([("id", text(id))])))
            .condition_expression("#revision = :expected AND attribute_not_exists(#removed)")
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_names("#removed", "removed")
            .expression_attribute_names("#changed", "changed")
            .expression_attribute_names("#open", "open")
            .expression_attribute_names("#written", "written")
            .expression_attribute_values(":expected", number(expected))
            .expression_attribute_values(":revision", number(expected + 1))
            .expression_attribute_values(":changed", text(place(&rfc3339(self.db.now()), id)))
            .expression_attribute_values(":remains", text(REMAINS))
            .expression_attribute_values(":written", number(token))
            .expression_attribute_values(
                ":yes",
                aws_sdk_dynamodb::types::AttributeValue::Bool(true),
            );
        let mut gone = Vec::new();
        for (place, name) in NOT_IN_A_TOMBSTONE.iter().enumerate() {
            let placeholder = format!("#gone{place}");
            update = update.expression_attribute_names(&placeholder, *name);
            gone.push(placeholder);
        }
        let update = update.update_expression(format!(
            "SET #removed = :yes, #revision = :revision, #changed = :changed, #open = :remains, \
             #written = :written REMOVE {}",
            gone.join(", ")
        ));
        Ok(match self.db.update(update).await? {
            Outcome::Refused(found) if !Self::is_own(found.as_ref(), token) => Written::Conflict,
            Outcome::Done(_) | Outcome::Refused(_) => Written::Yes,
        })
    }

    /// Takes a tombstone out of the index `open`, and has it expire. Before that it does not, so
    /// that what could not be swept is found however long it takes.
    pub(super) async fn note_swept(&self, id: &str) -> Result<(), PortError> {
        let update = self
            .db
            .client
            .update_item()
            .table_name(&self.tables.translations)
            .set_key(Some(key([("id", text(id))])))
            .update_expression("SET #expires = :expires REMOVE #open, #object")
            .condition_expression("attribute_exists(#removed) AND attribute_exists(#open)")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_names("#open", "open")
            .expression_attribute_names("#object", "objectKey")
            .expression_attribute_names("#removed", "removed")
            .expression_attribute_values(":expires", number(self.db.expiry(TOMBSTONE_LASTS)));
        match self.db.update(update).await? {
            // It was not removed, or swept before.
            Outcome::Refused(_) | Outcome::Done(_) => Ok(()),
        }
    }

    pub(super) async fn translation(&self, id: &str) -> Result<Option<Record>, PortError> {
        match self.translation_item(id).await? {
            Some(item) if !is_removed(&item) => {
                from_item::<TranslationItem>(item)?.into_record().map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn translation_item(&self, id: &str) -> Result<Option<Item>, PortError> {
        let get = self
            .db
            .client
            .get_item()
            .table_name(&self.tables.translations)
            .set_key(Some(key([("id", text(id))])));
        self.db.get(get).await
    }

    pub(super) async fn owner_of_translation(&self, id: &str) -> Result<Option<Owner>, PortError> {
        let item = self.translation_item(id).await?;
        Ok(item
            .as_ref()
            .and_then(|item| text_in(item, "owner"))
            .map(owner_of))
    }

    /// What a text's writer needs to know; `None` of a translation that is not known (any more).
    pub(super) async fn state(&self, id: &str) -> Result<Option<State>, PortError> {
        Ok(self.translation_item(id).await?.map(|item| State {
            generation: number_in(&item, "generation").unwrap_or_default(),
            is_removed: is_removed(&item),
        }))
    }

    fn by_index(&self, index: &str) -> QueryFluentBuilder {
        self.db
            .client
            .query()
            .table_name(&self.tables.translations)
            .index_name(index)
    }

    pub(super) async fn count_translations(&self, owner: &Owner) -> Result<u64, PortError> {
        let query = self
            .by_index("newest")
            .key_condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(owner_key(owner)));
        self.db.number_of(&query).await
    }

    /// The items of these ids, by id.
    async fn items_by_id(
        &self,
        ids: impl IntoIterator<Item = &String>,
    ) -> Result<HashMap<String, Item>, PortError> {
        // One that changes while an index is read can be found twice.
        let ids: HashSet<_> = ids.into_iter().collect();
        let keys = ids.into_iter().map(|id| key([("id", text(id))])).collect();
        let items = self
            .db
            .get_all(&self.tables.translations, keys, None)
            .await?;
        items
            .into_iter()
            .map(|item| Ok((id_in(&item)?, item)))
            .collect()
    }

    pub(super) async fn newest(
        &self,
        owner: &Owner,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Translation>, CursorError> {
        let mut query = self
            .by_index("newest")
            .scan_index_forward(false)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(owner_key(owner)));
        query = match after {
            None => query.key_condition_expression("#owner = :owner"),
            Some(after) if is_place(after) => query
                .key_condition_expression("#owner = :owner AND #created < :after")
                .expression_attribute_names("#created", "created")
                .expression_attribute_values(":after", text(after)),
            Some(_) => return Err(CursorError::Unknown),
        };
        let found = self
            .db
            .first(&query, limit.saturating_add(1), |item| {
                let created = text_in(&item, "created").unwrap_or_default().to_owned();
                Ok(Some((id_in(&item)?, created)))
            })
            .await?;
        let page = page_of(found, limit, |(_, created)| created.clone());
        // One that was removed since the index was written is left out.
        let mut items = self
            .items_by_id(page.items.iter().map(|(id, _)| id))
            .await?;
        let mut translations = Vec::with_capacity(page.items.len());
        for (id, _) in &page.items {
            if let Some(item) = items.remove(id).filter(|item| !is_removed(item)) {
                let record = from_item::<TranslationItem>(item)?.into_record()?;
                translations.push(record.translation);
            }
        }
        Ok(Page {
            items: translations,
            next: page.next,
        })
    }

    /// Tells these tables' cursors from others'.
    fn cursor_prefix(&self) -> String {
        let hash = stable_hash(self.tables.translations.as_bytes());
        format!("{:08x}.", hash & 0xffff_ffff)
    }

    fn write_cursor(&self, cursor: &Cursor) -> String {
        let (prefix, floor) = (self.cursor_prefix(), &cursor.floor);
        match &cursor.at {
            None => format!("{prefix}{floor}"),
            Some(at) => format!("{prefix}{floor}{PLACE_SEPARATOR}{at}"),
        }
    }

    fn read_cursor(&self, cursor: &str) -> Option<Cursor> {
        let cursor = cursor.strip_prefix(&self.cursor_prefix())?;
        let (floor, at) = match cursor.split_once(PLACE_SEPARATOR) {
            None => (cursor, None),
            Some((floor, at)) => (floor, Some(at)),
        };
        let time = parse_time(floor)?;
        let now = self.db.now();
        let oldest = before(now, TOMBSTONE_LASTS.saturating_sub(OVERLAP));
        let is_known = time > oldest && time <= after(now, CLOCKS_DIFFER);
        (is_known && at.is_none_or(is_place)).then(|| Cursor {
            floor: floor.to_owned(),
            at: at.map(str::to_owned),
        })
    }

    pub(super) fn cursor_of_now(&self) -> String {
        self.write_cursor(&Cursor {
            floor: rfc3339(before(self.db.now(), OVERLAP)),
            at: None,
        })
    }

    pub(super) async fn changes_after(
        &self,
        owner: &Owner,
        cursor: &str,
        limit: usize,
    ) -> Result<Changes, CursorError> {
        let cursor = self.read_cursor(cursor).ok_or(CursorError::Unknown)?;
        let limit = limit.max(1);
        // Whoever reads on from here, after this page or after all of them, begins where nothing
        // could be missing when the first page was read.
        let floor = match &cursor.at {
            Some(_) => cursor.floor.clone(),
            None => rfc3339(before(self.db.now(), OVERLAP)).max(cursor.floor.clone()),
        };
        let query = self
            .by_index("changes")
            .key_condition_expression("#owner = :owner AND #changed > :after")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#changed", "changed")
            .expression_attribute_values(":owner", text(owner_key(owner)))
            .expression_attribute_values(":after", text(cursor.at.unwrap_or(cursor.floor)));
        let found = self
            .db
            .first(&query, limit.saturating_add(1), |item| {
                let changed = text_in(&item, "changed").unwrap_or_default().to_owned();
                Ok(Some((id_in(&item)?, changed)))
            })
            .await?;
        let page = page_of(found, limit, |(_, changed)| changed.clone());
        let more = page.next.is_some();
        let mut changes = Changes {
            translations: Vec::new(),
            removed: Vec::new(),
            cursor: self.write_cursor(&Cursor {
                floor,
                at: page.next,
            }),
            more,
        };
        let mut items = self
            .items_by_id(page.items.iter().map(|(id, _)| id))
            .await?;
        for (id, _) in page.items {
            match items.remove(&id) {
                None => {}
                Some(item) if is_removed(&item) => changes.removed.push(id),
                Some(item) => {
                    let record = from_item::<TranslationItem>(item)?.into_record()?;
                    changes.translations.push(record.translation);
                }
            }
        }
        Ok(changes)
    }

    /// Ids in the index `open`.
    async fn open_ids(
        &self,
        open: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<String>, PortError> {
        let mut query = self
            .by_index("open")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":open", text(open));
        query = match after {
            None => query.key_condition_expression("#open = :open"),
            Some(after) => query
                .key_condition_expression("#open = :open AND #id > :after")
                .expression_attribute_names("#id", "id")
                .expression_attribute_values(":after", text(after)),
        };
        let found = self
            .db
            .first(&query, limit.saturating_add(1), |item| {
                id_in(&item).map(Some)
            })
            .await?;
        Ok(page_of(found, limit, String::clone))
    }

    pub(super) async fn not_final(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<String>, PortError> {
        self.open_ids(UNFINISHED, after, limit).await
    }

    pub(super) async fn unswept(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Remains>, PortError> {
        let ids = self.open_ids(REMAINS, after, limit).await?;
        let mut items = self.items_by_id(&ids.items).await?;
        let remains = ids.items.into_iter().filter_map(|id| {
            // One that was swept since the index was written has no object's key any more.
            let item = items.remove(&id)?;
            let object_key = text_in(&item, "objectKey")?.to_owned();
            Some(Remains { id, object_key })
        });
        Ok(Page {
            items: remains.collect(),
            next: ids.next,
        })
    }
}
