//! Marks on DynamoDB: what was heard of each object last, and who works on what.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use babelwire_service::ports::{Clock, PortError, Written};

use crate::config::Tables;
use crate::records::Counter;
use crate::records::db::{Db, Item, Outcome, key, number, number_in, text, text_in};

/// How long what was heard of an object is remembered: longer than SQS keeps a message (14 days at
/// most, "Amazon SQS quotas"), once in a queue and once more among its dead letters.
const SEQUENCER_LASTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long a lease holds without being renewed.
pub const LEASE: Duration = Duration::from_secs(90);
/// How often a lease is to be renewed: it outlasts two that fail.
pub const LEASE_RENEWED_EVERY: Duration = Duration::from_secs(25);

/// How long after its end the item of a lease nobody released may be deleted.
const LEASE_REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a claim is made anew because the lease was released meanwhile.
const TRIES: usize = 5;

fn object_key(bucket: &str, object: &str) -> Item {
    // A bucket's name has no `/` ("Bucket naming rules").
    key([("key", text(format!("object#{bucket}/{object}")))])
}

/// The newest sequencer heard of an object.
pub(crate) async fn sequencer(
    db: &Db,
    table: &str,
    bucket: &str,
    object: &str,
) -> Result<Option<String>, PortError> {
    let get = db
        .client
        .get_item()
        .table_name(table)
        .set_key(Some(object_key(bucket, object)));
    let item = db.get(get).await?;
    Ok(item
        .as_ref()
        .and_then(|item| text_in(item, "sequencer"))
        .map(str::to_owned))
}

/// Sets the sequencer of an object, unless it has the same or a newer one.
pub(crate) async fn advance_sequencer(
    db: &Db,
    table: &str,
    bucket: &str,
    object: &str,
    sequencer: &str,
) -> Result<Written, PortError> {
    let update = db
        .client
        .update_item()
        .table_name(table)
        .set_key(Some(object_key(bucket, object)))
        .update_expression("SET #sequencer = :sequencer, #expires = :expires")
        .condition_expression(
            "attribute_not_exists(#sequencer) OR #sequencer < :sequencer OR #expires <= :now",
        )
        .expression_attribute_names("#sequencer", "sequencer")
        .expression_attribute_names("#expires", "expires")
        .expression_attribute_values(":sequencer", text(sequencer))
        .expression_attribute_values(":expires", number(db.expiry(SEQUENCER_LASTS)))
        .expression_attribute_values(":now", number(db.now().as_second()));
    Ok(match db.update(update).await? {
        Outcome::Done(_) => Written::Yes,
        Outcome::Refused(_) => Written::Conflict,
    })
}

/// What came of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Claim {
    /// The lease is held by who asked.
    Held,
    /// Another one holds it, and has been told to begin again when it ends.
    Busy,
}

/// What a holder that ends is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Released {
    /// Nothing more.
    Ended,
    /// Push the same work once more: somebody came meanwhile and was sent away.
    Again,
}

/// Leases: who works on a translation, one at a time.
///
/// A lease is for saving work, not for safety: a holder that was stopped for longer than
/// [`LEASE`] may go on without knowing that another one began. Everything that it writes is
/// conditional, or the same for both.
#[derive(Clone)]
pub struct Leases {
    db: Db,
    table: String,
}

fn lease_key(id: &str) -> Item {
    key([("key", text(format!("lease#{id}")))])
}

impl Leases {
    /// Over this table of marks.
    pub fn new(client: Client, tables: Tables, clock: Arc<dyn Clock>) -> Self {
        Self {
            db: Db::new(client, clock),
            table: tables.marks,
        }
    }

    /// Asks DynamoDB from now on what each call consumes, and adds it up there.
    #[must_use]
    pub fn counted_by(mut self, counter: Arc<Counter>) -> Self {
        self.db.count_with(counter);
        self
    }

    fn now(&self) -> AttributeValue {
        number(self.db.now().as_millisecond())
    }

    fn until(&self) -> AttributeValue {
        let lease = i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX);
        number(self.db.now().as_millisecond().saturating_add(lease))
    }

    /// Claims the work on a translation. `holder` is a name that no other invocation has; who holds
    /// the lease already has it still.
    ///
    /// While another one holds it, that one is told: what it read at its start may be old. An error
    /// means that nobody may have been told, so the work has to come again.
    pub async fn claim(&self, id: &str, holder: &str) -> Result<Claim, PortError> {
        for _ in 0..TRIES {
            let claim = self
                .db
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(lease_key(id)))
                .update_expression(
                    "SET #holder = :holder, #until = :until, #expires = :expires REMOVE #again",
                )
                .condition_expression(
                    "attribute_not_exists(#holder) OR #until <= :now OR #holder = :holder",
                )
                .expression_attribute_names("#holder", "holder")
                .expression_attribute_names("#until", "until")
                .expression_attribute_names("#expires", "expires")
                .expression_attribute_names("#again", "again")
                .expression_attribute_values(":holder", text(holder))
                .expression_attribute_values(":until", self.until())
                .expression_attribute_values(":now", self.now())
                .expression_attribute_values(":expires", self.expires());
            if matches!(self.db.update(claim).await?, Outcome::Done(_)) {
                return Ok(Claim::Held);
            }
            let tell = self
                .db
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(lease_key(id)))
                .update_expression("SET #again = :yes")
                .condition_expression("attribute_exists(#holder) AND #until > :now")
                .expression_attribute_names("#again", "again")
                .expression_attribute_names("#holder", "holder")
                .expression_attribute_names("#until", "until")
                .expression_attribute_values(":yes", AttributeValue::Bool(true))
                .expression_attribute_values(":now", self.now());
            if matches!(self.db.update(tell).await?, Outcome::Done(_)) {
                return Ok(Claim::Busy);
            }
            // It was released, or ran out, between the two.
        }
        Err(PortError(format!(
            "the lease of {id} changes hands too often"
        )))
    }

    fn expires(&self) -> AttributeValue {
        number(self.db.expiry(LEASE + LEASE_REMEMBERED))
    }

    /// Holds a lease for another [`LEASE`]. [`Written::Conflict`] when another one has it by now:
    /// stop.
    pub async fn renew(&self, id: &str, holder: &str) -> Result<Written, PortError> {
        let renew = self
            .db
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(lease_key(id)))
            .update_expression("SET #until = :until, #expires = :expires")
            .condition_expression("#holder = :holder")
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":until", self.until())
            .expression_attribute_values(":expires", self.expires());
        Ok(match self.db.update(renew).await? {
            Outcome::Done(_) => Written::Yes,
            Outcome::Refused(_) => Written::Conflict,
        })
    }

    /// Ends a lease. Push the work once more when this says so, and only then let go of the message
    /// that this work came with: after a crash in between, the message comes again.
    pub async fn release(&self, id: &str, holder: &str) -> Result<Released, PortError> {
        // Two steps, so that an answer that is lost, and a deletion that is sent twice, cannot hide
        // that somebody was sent away.
        let quietly = self
            .release_if(
                id,
                holder,
                "#holder = :holder AND attribute_not_exists(#again)",
            )
            .expression_attribute_names("#again", "again");
        if matches!(self.db.delete(quietly).await?, Outcome::Done(_)) {
            return Ok(Released::Ended);
        }
        let get = self
            .db
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(lease_key(id)));
        let found = self.db.get(get).await?;
        let is_own = found
            .as_ref()
            .is_some_and(|item| text_in(item, "holder") == Some(holder));
        if !is_own {
            // Released before, or taken over: who took it read everything after that.
            return Ok(Released::Ended);
        }
        let release = self.release_if(id, holder, "#holder = :holder");
        match self.db.delete(release).await? {
            Outcome::Done(_) | Outcome::Refused(_) => Ok(Released::Again),
        }
    }

    fn release_if(
        &self,
        id: &str,
        holder: &str,
        condition: &str,
    ) -> aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder {
        self.db
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(lease_key(id)))
            .condition_expression(condition)
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_values(":holder", text(holder))
    }

    /// Whether somebody holds the lease of a translation: what is being translated must not be swept
    /// yet.
    pub async fn is_held(&self, id: &str) -> Result<bool, PortError> {
        let get = self
            .db
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(lease_key(id)));
        let now = u64::try_from(self.db.now().as_millisecond()).unwrap_or_default();
        let found = self.db.get(get).await?;
        Ok(found
            .and_then(|item| number_in(&item, "until"))
            .is_some_and(|until| until > now))
    }
}
