//! One translation from its source to its result.
//!
//! Nothing here holds a text whole, and everything can be cut short at any await: what is kept in
//! the stores is enough to go on from.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use babelwire_wire::rest::Pair;
use babelwire_wire::{Failure, Segment, Status};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt};

use crate::document::{Checkpoints, Document, Pieces, in_the_result};
use crate::ports::{Bucket, ObjectWriter, ObjectsError, PortError, Record, Written};
use crate::service::{Service, ServiceError};
use crate::slots::Slot;
use crate::text::{Decoder, Detector, Piece, Segmenter, SourceSegment, TextError, keep_lines};
use crate::translator::TranslateError;

/// How long a translated segment waits for others before it is kept and sent.
const FLUSH_AFTER: Duration = Duration::from_millis(200);
/// How many segments are kept and sent at once: one frame's worth, and a short transaction.
const FLUSH_SEGMENTS: usize = 250;
/// The same in bytes of translated text.
const FLUSH_BYTES: usize = 24 * 1024;
/// How often progress is published.
const PROGRESS_EVERY: Duration = Duration::from_millis(333);
/// How many bytes of a text wait to be translated. More is read when less does.
const READ_AHEAD_BYTES: usize = 128 * 1024;
/// How many bytes are written to an object at once.
const WRITE_BYTES: usize = 64 * 1024;

/// How many checkpoints are kept in one transaction.
const CHECKPOINTS_AT_ONCE: usize = 1000;

/// Why a job ended without a result.
#[derive(Debug)]
enum Stop {
    /// Somebody cancelled, deleted or replaced it.
    Superseded,
    /// It cannot go on; the words are for who waits.
    Failed(Failure),
    /// A port failed.
    Error(ServiceError),
}

impl From<ServiceError> for Stop {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::NotFound { .. } => Self::Superseded,
            error => Self::Error(error),
        }
    }
}

impl From<PortError> for Stop {
    fn from(error: PortError) -> Self {
        Self::Error(error.into())
    }
}

impl From<ObjectsError> for Stop {
    fn from(error: ObjectsError) -> Self {
        Self::Error(error.into())
    }
}

impl From<TextError> for Stop {
    fn from(error: TextError) -> Self {
        Self::Failed(error.failure())
    }
}

impl From<TranslateError> for Stop {
    fn from(error: TranslateError) -> Self {
        Self::Failed(match &error {
            TranslateError::NoSuchPair { .. } => Failure {
                title: "The languages are not installed".to_owned(),
                detail: format!("There is {error} (any more). Install it, then retry."),
            },
            TranslateError::Engine(_) => Failure {
                title: "The translation engine failed".to_owned(),
                detail: format!(
                    "What is translated is kept: retry goes on from there. In its words, {error}."
                ),
            },
        })
    }
}

impl Service {
    /// Translates what is queued, or goes on with it, to its end.
    pub(crate) async fn translate(&self, id: &str) {
        let failure = match self.try_translate(id).await {
            Ok(()) | Err(Stop::Superseded) => return,
            Err(Stop::Failed(failure)) => failure,
            Err(Stop::Error(error)) => {
                tracing::error!(id, %error, "a translation stopped");
                Failure {
                    title: "The backend failed".to_owned(),
                    detail: format!(
                        "{error}. What is translated is kept: retry goes on from there."
                    ),
                }
            }
        };
        self.fail(id, failure).await;
    }

    /// Ends a translation with an error in words.
    pub(crate) async fn fail(&self, id: &str, failure: Failure) {
        let failed = self
            .change(id, |record| {
                let translation = &mut record.translation;
                let goes_on = matches!(translation.status, Status::Queued | Status::Translating);
                if goes_on {
                    translation.status = Status::Failed;
                    translation.error = Some(failure.clone());
                }
                Ok(goes_on)
            })
            .await;
        match failed {
            Ok(_) | Err(ServiceError::NotFound { .. }) => {}
            // It stays as it is, and the next start takes it up.
            Err(error) => tracing::error!(id, %error, "could not write that a translation failed"),
        }
    }

    async fn try_translate(&self, id: &str) -> Result<(), Stop> {
        let mut record = self.record(id).await?;
        if !matches!(
            record.translation.status,
            Status::Queued | Status::Translating
        ) {
            return Err(Stop::Superseded);
        }
        let pair = self
            .pair(&record.translation.source, &record.translation.target)
            .ok_or_else(|| TranslateError::NoSuchPair {
                source_language: record.translation.source.clone(),
                target_language: record.translation.target.clone(),
            })?;
        if record.translation.status == Status::Queued {
            self.advance(&mut record, false, |record| {
                record.translation.status = Status::Translating;
            })
            .await?;
        }
        if record.prepared {
            let key = &record.object_key;
            record.prepared = self.ports.objects.size(Bucket::Texts, key).await?.is_some();
        }
        if !record.prepared {
            self.prepare(&mut record).await?;
        }
        Translating::new(self, record.clone(), pair)
            .await?
            .run()
            .await?;
        self.assemble(&record).await?;
        self.advance(&mut record, false, |record| {
            record.translation.status = Status::Done;
            record.translation.done = record.translation.total;
        })
        .await
    }

    /// Writes a change of a record that this job works on, as long as it is its to work on.
    async fn advance(
        &self,
        record: &mut Record,
        fleeting: bool,
        change: impl Fn(&mut Record),
    ) -> Result<(), Stop> {
        loop {
            let mut next = self.record(&record.translation.id).await?;
            if next.generation != record.generation
                || !matches!(
                    next.translation.status,
                    Status::Queued | Status::Translating
                )
            {
                return Err(Stop::Superseded);
            }
            change(&mut next);
            if self.write(&mut next, fleeting).await? == Written::Yes {
                *record = next;
                return Ok(());
            }
        }
    }

    /// Finds the charset, writes the text in UTF-8 and counts its segments.
    async fn prepare(&self, record: &mut Record) -> Result<(), Stop> {
        let key = record.object_key.clone();
        let mut detector = Detector::new();
        let mut source = self.open_source(&key).await?;
        while let Some(bytes) = source.next().await {
            detector.feed(&bytes?);
        }
        let language = Some(record.translation.source.as_str()).filter(|tag| *tag != "auto");
        let charset = detector.finish(record.asked_charset.as_deref(), language)?;

        let mut decoder = Decoder::new(charset);
        let mut segmenter = Segmenter::new();
        let mut checkpoints = Checkpoints::after(0);
        let mut total = 0;
        let mut text = BufferedWriter::new(self.ports.objects.put(Bucket::Texts, &key).await?);
        let mut source = self.open_source(&key).await?;
        let count = |pieces: Vec<Piece>| {
            let segments = pieces
                .iter()
                .filter(|piece| matches!(piece, Piece::Segment(_)));
            segments.count() as u64
        };
        while let Some(bytes) = source.next().await {
            let piece = decoder.feed(&bytes?);
            total += count(segmenter.push(&piece));
            checkpoints.look(&segmenter);
            text.write(&piece).await?;
        }
        let (rest, _replacements) = decoder.finish();
        total += count(segmenter.push(&rest)) + count(segmenter.finish());
        text.write(&rest).await?;
        text.finish().await?;
        let (id, generation) = (record.translation.id.clone(), record.generation);
        for checkpoints in checkpoints.take().chunks(CHECKPOINTS_AT_ONCE) {
            let records = &self.ports.records;
            records
                .keep_checkpoints(&id, generation, checkpoints)
                .await?;
        }

        self.advance(record, false, |record| {
            record.prepared = true;
            record.translation.total = total;
            record.translation.charset = Some(charset.name().to_owned());
        })
        .await
    }

    async fn open_source(
        &self,
        key: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, ObjectsError>>, Stop> {
        match self.ports.objects.get(Bucket::Sources, key, None).await {
            Ok(object) => Ok(object.bytes),
            Err(ObjectsError::NotFound) => Err(Stop::Failed(Failure {
                title: "The file's bytes are missing".to_owned(),
                detail: "They are not in the store (any more). Upload the file again.".to_owned(),
            })),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts the kept segments in their places in the text.
    async fn assemble(&self, record: &Record) -> Result<(), Stop> {
        let mut document = Document::open(&self.ports, record)
            .await?
            .ok_or_else(missing_text)?;
        let writer = self
            .ports
            .objects
            .put(Bucket::Results, &record.object_key)
            .await?;
        let mut result = BufferedWriter::new(writer);
        while let Some(pairs) = document.next().await? {
            for pair in &pairs {
                if let (Piece::Segment(segment), None) = pair {
                    let index = segment.index;
                    let missing = format!("segment {index} is missing");
                    return Err(ServiceError::Internal(missing).into());
                }
                result.write(in_the_result(pair)).await?;
            }
        }
        Ok(result.finish().await?)
    }
}

fn missing_text() -> ServiceError {
    ServiceError::Internal("the text is missing".to_owned())
}

/// Gathers small writes.
struct BufferedWriter {
    writer: Box<dyn ObjectWriter>,
    buffer: Vec<u8>,
}

impl BufferedWriter {
    fn new(writer: Box<dyn ObjectWriter>) -> Self {
        Self {
            writer,
            buffer: Vec::with_capacity(WRITE_BYTES),
        }
    }

    async fn write(&mut self, text: &str) -> Result<(), ObjectsError> {
        self.buffer.extend_from_slice(text.as_bytes());
        if self.buffer.len() >= WRITE_BYTES {
            let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(WRITE_BYTES));
            self.writer.write(full.into()).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), ObjectsError> {
        if !self.buffer.is_empty() {
            self.writer.write(self.buffer.into()).await?;
        }
        self.writer.finish().await
    }
}

/// What a step of [`Translating`] ended with.
enum Event {
    /// More of the text was read; `None` is its end.
    Read(Box<Pieces>, Result<Option<Vec<Piece>>, ServiceError>),
    /// There is a slot for one more segment.
    Slot(Slot),
    /// A segment was translated.
    Translated(Result<Segment, TranslateError>),
    /// It is time to keep what there is.
    FlushDue,
    /// A batch of this many was kept and sent.
    Kept(u64, Result<(), Stop>),
    /// It is time to publish progress.
    ProgressDue,
    /// Progress was published.
    Published(Result<(), Stop>),
}

/// The text that segments are read from.
enum Text {
    Waiting(Box<Pieces>),
    Reading,
    Ended,
}

/// Translates the segments that are not kept yet. Reading, translating, keeping and publishing go
/// on side by side, each at most as far ahead as its bound.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says whether one kind of step is under way"
)]
struct Translating<'a> {
    service: &'a Service,
    record: Record,
    pair: Pair,
    steps: FuturesUnordered<BoxFuture<'a, Event>>,
    text: Text,
    ready: VecDeque<SourceSegment>,
    ready_bytes: usize,
    /// Kept before this job began, ascending.
    kept: VecDeque<Range<u64>>,
    batch: Vec<Segment>,
    batch_bytes: usize,
    done: u64,
    published: u64,
    in_flight: usize,
    is_asking: bool,
    is_flush_due: bool,
    is_flush_timed: bool,
    is_keeping: bool,
    is_progress_timed: bool,
    is_publishing: bool,
}

impl<'a> Translating<'a> {
    async fn new(service: &'a Service, record: Record, pair: Pair) -> Result<Self, Stop> {
        let id = &record.translation.id;
        let kept = service.ports.records.kept(id, record.generation).await?;
        let done = kept.iter().map(|range| range.end - range.start).sum();
        let text = Pieces::open(&service.ports, &record, 0)
            .await?
            .ok_or_else(missing_text)?;
        Ok(Self {
            service,
            pair,
            steps: FuturesUnordered::new(),
            text: Text::Waiting(Box::new(text)),
            ready: VecDeque::new(),
            ready_bytes: 0,
            kept: kept.into(),
            batch: Vec::new(),
            batch_bytes: 0,
            done,
            published: record.translation.done,
            record,
            in_flight: 0,
            is_asking: false,
            // The first segment goes out at once.
            is_flush_due: true,
            is_flush_timed: false,
            is_keeping: false,
            is_progress_timed: false,
            is_publishing: false,
        })
    }

    async fn run(mut self) -> Result<(), Stop> {
        // Timers, and progress that the final state makes old news, are not waited for.
        while !self.is_over() {
            self.start_steps();
            let Some(event) = self.steps.next().await else {
                return Err(ServiceError::Internal("a translation stood still".to_owned()).into());
            };
            match event {
                Event::Read(text, pieces) => match pieces? {
                    Some(pieces) => {
                        self.text = Text::Waiting(text);
                        self.take(pieces);
                    }
                    None => self.text = Text::Ended,
                },
                Event::Slot(slot) => {
                    self.is_asking = false;
                    self.translate_next(slot);
                }
                Event::Translated(segment) => {
                    self.in_flight -= 1;
                    match segment {
                        Ok(segment) => {
                            self.batch_bytes += segment.text.len();
                            self.batch.push(segment);
                        }
                        Err(error) => {
                            self.keep_the_rest().await?;
                            return Err(error.into());
                        }
                    }
                }
                Event::FlushDue => {
                    self.is_flush_timed = false;
                    self.is_flush_due = true;
                }
                Event::Kept(count, kept) => {
                    self.is_keeping = false;
                    kept?;
                    self.done += count;
                }
                Event::ProgressDue => self.is_progress_timed = false,
                Event::Published(published) => {
                    self.is_publishing = false;
                    published?;
                }
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        matches!(self.text, Text::Ended)
            && self.ready.is_empty()
            && self.in_flight == 0
            && self.batch.is_empty()
            && !self.is_keeping
    }

    fn start_steps(&mut self) {
        if self.ready_bytes < READ_AHEAD_BYTES && matches!(self.text, Text::Waiting(_)) {
            self.start_reading();
        }
        let is_keeping_up = self.batch.len() < 4 * FLUSH_SEGMENTS;
        if !self.is_asking && !self.ready.is_empty() && is_keeping_up {
            self.is_asking = true;
            let slots = &self.service.slots;
            self.steps.push(slots.acquire().map(Event::Slot).boxed());
        }
        self.start_keeping();
        if !self.is_publishing && !self.is_progress_timed && self.done != self.published {
            self.start_publishing();
        }
    }

    fn start_reading(&mut self) {
        match std::mem::replace(&mut self.text, Text::Reading) {
            Text::Waiting(mut text) => self.steps.push(
                async move {
                    let pieces = text.next().await;
                    Event::Read(text, pieces)
                }
                .boxed(),
            ),
            other => self.text = other,
        }
    }

    /// Takes pieces that were read, less what is kept already.
    fn take(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            let Piece::Segment(segment) = piece else {
                continue;
            };
            while self
                .kept
                .front()
                .is_some_and(|range| range.end <= segment.index)
            {
                self.kept.pop_front();
            }
            let is_kept = self
                .kept
                .front()
                .is_some_and(|range| range.contains(&segment.index));
            if !is_kept {
                self.ready_bytes += segment.text.len();
                self.ready.push_back(segment);
            }
        }
    }

    fn translate_next(&mut self, slot: Slot) {
        let Some(segment) = self.ready.pop_front() else {
            return;
        };
        self.ready_bytes -= segment.text.len();
        self.in_flight += 1;
        let translator = &self.service.ports.translator;
        let pair = self.pair.clone();
        self.steps.push(
            async move {
                let translated = translator.translate(&pair, &segment.text).await;
                drop(slot);
                Event::Translated(translated.map(|text| Segment {
                    index: segment.index,
                    source: [segment.start, segment.end],
                    text: keep_lines(&segment.text, text),
                    failed: false,
                }))
            }
            .boxed(),
        );
    }

    fn start_keeping(&mut self) {
        if self.is_keeping || self.batch.is_empty() {
            return;
        }
        let is_last =
            matches!(self.text, Text::Ended) && self.ready.is_empty() && self.in_flight == 0;
        let is_full = self.batch.len() >= FLUSH_SEGMENTS || self.batch_bytes >= FLUSH_BYTES;
        if is_last || is_full || self.is_flush_due {
            self.is_flush_due = false;
            self.is_keeping = true;
            let batch = std::mem::take(&mut self.batch);
            self.batch_bytes = 0;
            let (service, record) = (self.service, self.record.clone());
            self.steps.push(
                async move {
                    let count = batch.len() as u64;
                    Event::Kept(count, keep(service, &record, batch).await)
                }
                .boxed(),
            );
        } else if !self.is_flush_timed {
            self.is_flush_timed = true;
            let clock = &self.service.ports.clock;
            self.steps
                .push(clock.sleep(FLUSH_AFTER).map(|()| Event::FlushDue).boxed());
        }
    }

    fn start_publishing(&mut self) {
        self.published = self.done;
        self.is_publishing = true;
        self.is_progress_timed = true;
        let (service, mut record, done) = (self.service, self.record.clone(), self.done);
        self.steps.push(
            async move {
                let published = service
                    .advance(&mut record, true, |record| record.translation.done = done)
                    .await;
                Event::Published(published)
            }
            .boxed(),
        );
        let clock = &service.ports.clock;
        self.steps.push(
            clock
                .sleep(PROGRESS_EVERY)
                .map(|()| Event::ProgressDue)
                .boxed(),
        );
    }

    /// Keeps what is translated when the rest cannot be.
    async fn keep_the_rest(&mut self) -> Result<(), Stop> {
        while self.is_keeping {
            match self.steps.next().await {
                Some(Event::Kept(count, kept)) => {
                    self.is_keeping = false;
                    kept?;
                    self.done += count;
                }
                Some(Event::Translated(Ok(segment))) => self.batch.push(segment),
                Some(_) => {}
                None => break,
            }
        }
        let batch = std::mem::take(&mut self.batch);
        self.done += batch.len() as u64;
        if !batch.is_empty() {
            keep(self.service, &self.record, batch).await?;
        }
        let done = self.done;
        self.service
            .advance(&mut self.record, false, |record| {
                record.translation.done = done;
            })
            .await
    }
}

/// Keeps a batch and sends it to whoever listens.
async fn keep(service: &Service, record: &Record, mut batch: Vec<Segment>) -> Result<(), Stop> {
    batch.sort_by_key(|segment| segment.index);
    let written = service
        .ports
        .records
        .keep_segments(&record.translation.id, record.generation, &batch)
        .await?;
    if written == Written::Conflict {
        return Err(Stop::Superseded);
    }
    if let Err(error) = service.push_segments(record, &batch).await {
        // They are kept: who listens finds them in REST.
        tracing::warn!(id = record.translation.id, %error, "could not send segments");
    }
    Ok(())
}
