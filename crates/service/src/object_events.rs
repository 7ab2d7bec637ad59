//! What happens when an object came or went.
//!
//! Two parts, as two functions on a cloud would be: one starts translations, the other tells
//! the connections. Both take an event any number of times, in any order.

use std::time::Duration;

use babelwire_wire::{Failure, Push, Status};
use bytes::Bytes;
use jiff::Timestamp;

use crate::action::json;
use crate::broadcast::{PATIENCE, Telling};
use crate::events::Event;
use crate::ports::{Bucket, Remains, Work, Written};
use crate::service::{Service, ServiceError};

/// How long after its upload URL stopped working nobody looks for a file's bytes any more. An event
/// that comes later still counts.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Items read at once when things are taken up again.
const PAGE: usize = 200;

impl Service {
    /// Handles an S3 event notification: every record of it. After an error, deliver it again.
    pub async fn object_events(&self, notification: &str) -> Result<(), ServiceError> {
        let (started, told) = futures::join!(
            self.start_translations(notification),
            self.tell_of_objects(notification),
        );
        started.and(told)
    }

    /// Starts the translations whose sources came to exist.
    pub async fn start_translations(&self, notification: &str) -> Result<(), ServiceError> {
        let mut result = Ok(());
        for event in readable(notification) {
            if let Err(error) = self.object_event(&event).await {
                tracing::error!(key = event.key, %error, "could not handle an object event");
                result = Err(error);
            }
        }
        result
    }

    /// Tells an owner's connections of the objects that came and went. Old news is not told.
    pub async fn tell_of_objects(&self, notification: &str) -> Result<(), ServiceError> {
        let mut result = Ok(());
        for event in readable(notification) {
            if let Err(error) = self.tell_of_object(&event).await {
                tracing::error!(key = event.key, %error, "could not tell of an object event");
                result = Err(error);
            }
        }
        result
    }

    async fn tell_of_object(&self, event: &Event) -> Result<(), ServiceError> {
        if self.ports.objects.bucket(&event.bucket) == Some(Bucket::Texts) {
            // A step of the work, nobody's news.
            return Ok(());
        }
        let records = &self.ports.records;
        let sequencer = event.sequencer.as_str();
        let known = records.sequencer(&event.bucket, &event.key).await?;
        if known.is_some_and(|known| known.as_str() >= sequencer) {
            return Ok(());
        }
        let frame = json(&Push::Object(event.to_frame()))?;
        // What belongs to no translation is nobody's in particular.
        let owner = records.owner(event.translation_id()).await?;
        let owner = owner.unwrap_or_default();
        self.deliver(&owner, Bytes::from(frame), PATIENCE).await?;
        // Last: an event whose handling was cut short is to be handled again. A conflict is newer
        // news that was handled meanwhile.
        let _: Written = records
            .advance_sequencer(&event.bucket, &event.key, sequencer)
            .await?;
        Ok(())
    }

    async fn object_event(&self, event: &Event) -> Result<(), ServiceError> {
        let Some(bucket) = self.ports.objects.bucket(&event.bucket) else {
            return Ok(());
        };
        if !event.is_created() {
            return Ok(());
        }
        let id = event.translation_id();
        let record = self.ports.records.get(id).await?;
        match record {
            // Its translation was deleted while the bytes were under way.
            None => Ok(self.ports.objects.delete(bucket, &event.key).await?),
            Some(record) if record.object_key != event.key => Ok(()),
            Some(_) if bucket == Bucket::Sources => self.source_arrived(id, Some(event)).await,
            Some(_) => Ok(()),
        }
    }

    /// A source is there, as `event` or a look at the store says.
    async fn source_arrived(&self, id: &str, event: Option<&Event>) -> Result<(), ServiceError> {
        let mut before = None;
        let changed = self.change_arrived(id, event, &mut before).await;
        let record = match changed {
            Err(ServiceError::NotFound { .. }) => return Ok(()),
            changed => changed?,
        };
        if before.is_some_and(|generation| generation != record.generation) {
            self.ports.queue.stop(id);
            self.ports
                .records
                .forget_segments(id, Some(record.generation))
                .await?;
        }
        if matches!(
            record.translation.status,
            Status::Queued | Status::Translating
        ) {
            let id = id.to_owned();
            self.ports.queue.push(Work::Translate { id }).await?;
        }
        Ok(())
    }

    async fn change_arrived(
        &self,
        id: &str,
        event: Option<&Event>,
        before: &mut Option<u64>,
    ) -> Result<crate::ports::Record, ServiceError> {
        loop {
            let mut record = self.record(id).await?;
            *before = Some(record.generation);
            if !arrive(&mut record, event)
                || self.write(&mut record, Telling::Surely).await? == Written::Yes
            {
                return Ok(record);
            }
        }
    }

    /// Takes up what a crash cut short. Call it once at the start, before events are delivered.
    pub async fn recover(&self) -> Result<(), ServiceError> {
        // First what was deleted: it is the quicker one.
        let mut after: Option<String> = None;
        loop {
            let page = self.ports.records.remains(after.as_deref(), PAGE).await?;
            for remains in page.items {
                self.ports.queue.push(Work::Sweep(remains)).await?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        loop {
            let page = self
                .ports
                .records
                .unfinished(after.as_deref(), PAGE)
                .await?;
            for id in &page.items {
                self.recover_one(id).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn recover_one(&self, id: &str) -> Result<(), ServiceError> {
        let record = match self.record(id).await {
            Err(ServiceError::NotFound { .. }) => return Ok(()),
            record => record?,
        };
        if record.translation.status == Status::AwaitingUpload {
            if self.is_long_forgotten(&record) {
                return Ok(());
            }
            let size = self
                .ports
                .objects
                .size(Bucket::Sources, &record.object_key)
                .await?;
            // Written whole, and the event of it was lost with the process.
            if size == Some(record.translation.size) {
                self.source_arrived(id, None).await?;
            }
            return Ok(());
        }
        let id = id.to_owned();
        Ok(self.ports.queue.push(Work::Translate { id }).await?)
    }

    /// Whether the bytes of a translation cannot have come lately: its URL stopped working a day ago.
    fn is_long_forgotten(&self, record: &crate::ports::Record) -> bool {
        let Ok(updated_at) = record.translation.updated_at.parse::<Timestamp>() else {
            return false;
        };
        let age = self.ports.clock.now().duration_since(updated_at);
        Duration::try_from(age).is_ok_and(|age| age > self.limits().upload_expiry + FORGOTTEN_AFTER)
    }

    /// Deletes what a removed translation left.
    pub(crate) async fn sweep(&self, remains: &Remains) -> Result<(), ServiceError> {
        let Remains { id, object_key } = remains;
        for bucket in Bucket::ALL {
            self.ports.objects.delete(bucket, object_key).await?;
        }
        self.ports.records.forget_segments(id, None).await?;
        Ok(self.ports.records.swept(id).await?)
    }
}

/// The records that can be read; the others are logged.
fn readable(notification: &str) -> impl Iterator<Item = Event> {
    Event::parse_all(notification)
        .into_iter()
        .filter_map(|event| {
            event
                .inspect_err(|error| tracing::error!(%error, "a bad object event is passed over"))
                .ok()
        })
}

/// What a source's arrival makes of a record. Says whether anything changed.
fn arrive(record: &mut crate::ports::Record, event: Option<&Event>) -> bool {
    let sequencer = event.map(|event| event.sequencer.as_str());
    if let (Some(known), Some(new)) = (record.source_sequencer.as_deref(), sequencer)
        && new <= known
    {
        return false;
    }
    let etag = event.and_then(|event| event.etag.as_deref());
    let translation = &mut record.translation;
    let is_other = match (record.source_etag.as_deref(), etag) {
        (Some(known), Some(new)) => known != new,
        _ => false,
    };
    let size = event.and_then(|event| event.size);
    if let Some(size) = size.filter(|size| *size != translation.size) {
        translation.status = Status::Failed;
        translation.error = Some(Failure {
            title: "The upload is not the file".to_owned(),
            detail: format!(
                "{} bytes were announced and {size} came. Upload the file again.",
                translation.size
            ),
        });
    } else if is_other {
        record.generation += 1;
        record.prepared = false;
        record.before = None;
        translation.done = 0;
        translation.failed = 0;
        translation.total = 0;
        translation.started_at = None;
        translation.finished_at = None;
        translation.error = None;
        translation.charset.clone_from(&record.asked_charset);
        if translation.status != Status::Cancelled {
            translation.status = Status::Queued;
        }
    } else if translation.status == Status::AwaitingUpload {
        translation.status = Status::Queued;
    } else if sequencer.is_none() {
        return false;
    }
    if let Some(sequencer) = sequencer {
        record.source_sequencer = Some(sequencer.to_owned());
    }
    if let Some(etag) = etag {
        record.source_etag = Some(etag.to_owned());
    }
    true
}
