//! One translation from its source to its result.
//!
//! Nothing here holds a text whole, and everything can be cut short at any await: what is kept in
//! the stores is enough to go on from.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use babelwire_wire::rest::Pair;
use babelwire_wire::{Failure, Segment, Status};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::broadcast::Telling;
use crate::document::{Checkpoints, Document, Pieces, in_the_result, source_segments};
use crate::looks::intersect;
use crate::ports::{Bucket, ObjectWriter, ObjectsError, PortError, Record, Sight, Written};
use crate::ranges::Ranges;
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
/// How often progress is written down, and told to an owner's connections.
const PROGRESS_EVERY: Duration = Duration::from_millis(333);
/// How often it is told where the connections are kept in several shards, for each of them: so many
/// could not be told more often, and what was told of other things would wait behind it
/// (docs/scale.md).
const PROGRESS_TOLD_EVERY: Duration = Duration::from_secs(2);
/// How many bytes of a text wait to be translated. More is read when less does.
const READ_AHEAD_BYTES: usize = 128 * 1024;
/// How many bytes are written to an object at once.
const WRITE_BYTES: usize = 64 * 1024;
/// How many segments that are looked at are read at once, before it is another view's turn.
const LOOKED_AT_ONCE: u64 = 32;
/// How many segments that are looked at wait to be translated. More are read when fewer do.
const LOOKED_AHEAD: usize = 64;
/// How many segments the engine may refuse, before it translates the first one, until it counts as
/// gone: so many do not all happen to be odd.
const GONE_AT_FIRST: u32 = 20;
/// How many it may refuse in a row later on: a file may have a long stretch that is no language.
const GONE_LATER: u32 = 100;
/// How much of a text is looked at to tell its language, in bytes: one call's worth of most engines.
const DETECTED_BYTES: u64 = 4096;
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
            TranslateError::Engine(_) | TranslateError::Unavailable(_) => Failure {
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
        if let Err(error) = self.carry_on(id).await {
            tracing::error!(id, %error, "a translation stopped");
            self.give_up(id, &error).await;
        }
    }

    /// Translates what is queued, or goes on with it, to its end. The error is a port's, and leaves
    /// the translation as it is: it can be gone on with.
    pub(crate) async fn carry_on(&self, id: &str) -> Result<(), ServiceError> {
        match self.try_translate(id).await {
            Ok(()) | Err(Stop::Superseded) => {}
            Err(Stop::Failed(failure)) => self.fail(id, failure).await,
            Err(Stop::Error(error)) => return Err(error),
        }
        Ok(())
    }

    /// Ends a translation that cannot be gone on with because of a port.
    pub async fn give_up(&self, id: &str, error: &ServiceError) {
        let failure = Failure {
            title: "The backend failed".to_owned(),
            detail: format!("{error}. What is translated is kept: retry goes on from there."),
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
                    record.before = None;
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
            self.advance(&mut record, Telling::Surely, |record| {
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
        let pair = self.detected(&record, pair).await?;
        Translating::new(self, record.clone(), pair)
            .await?
            .run()
            .await?;
        self.end(record).await
    }

    /// The pair with the language that the text is in, where that is to be found out and the engine
    /// can. An engine that cannot is given `auto` with every segment.
    async fn detected(&self, record: &Record, pair: Pair) -> Result<Pair, Stop> {
        if pair.source != "auto" {
            return Ok(pair);
        }
        let size = self.ports.objects.size(Bucket::Texts, &record.object_key);
        let end = size.await?.unwrap_or_default().min(DETECTED_BYTES);
        if end == 0 {
            return Ok(pair);
        }
        let key = &record.object_key;
        let objects = &self.ports.objects;
        let sample = objects.get(Bucket::Texts, key, Some(0..end)).await?;
        let sample = sample.bytes.try_fold(Vec::new(), |mut sample, bytes| {
            sample.extend_from_slice(&bytes);
            futures::future::ok(sample)
        });
        // The last character may be cut.
        let sample = String::from_utf8_lossy(&sample.await?)
            .trim_end_matches(char::REPLACEMENT_CHARACTER)
            .to_owned();
        let found = self.ports.translator.detect(&sample).await?;
        Ok(Pair {
            source: found.unwrap_or(pair.source),
            ..pair
        })
    }

    /// Ends a translation of which everything that can be is translated.
    async fn end(&self, mut record: Record) -> Result<(), Stop> {
        let (id, generation) = (record.translation.id.clone(), record.generation);
        // Marks that somebody made too late for this job.
        self.ports.records.mark_again(&id, generation, None).await?;
        let failed = self.ports.records.given_up(&id, generation).await?;
        match record.before.take() {
            Some(before) if before.status != Status::Done => {
                let kept = self.ports.records.kept(&id, generation).await?;
                let done = count(&kept).saturating_sub(failed);
                self.advance(&mut record, Telling::Surely, |record| {
                    let translation = &mut record.translation;
                    translation.status = before.status;
                    translation.error.clone_from(&before.error);
                    (translation.done, translation.failed) = (done, failed);
                    record.before = None;
                })
                .await
            }
            _ => {
                self.assemble(&record).await?;
                self.advance(&mut record, Telling::Surely, |record| {
                    let translation = &mut record.translation;
                    translation.status = Status::Done;
                    translation.done = translation.total.saturating_sub(failed);
                    translation.failed = failed;
                    record.before = None;
                })
                .await
            }
        }
    }

    /// Notes how many translations are before one that is queued. No news for long: whoever is
    /// slow to read may miss it.
    pub(crate) async fn tell_ahead(&self, id: &str, ahead: u64) -> Result<(), ServiceError> {
        loop {
            let mut record = match self.record(id).await {
                Err(ServiceError::NotFound { .. }) => return Ok(()),
                record => record?,
            };
            let translation = &mut record.translation;
            if translation.status != Status::Queued || translation.ahead == Some(ahead) {
                return Ok(());
            }
            translation.ahead = Some(ahead);
            if self.write(&mut record, Telling::Fleetingly).await? == Written::Yes {
                return Ok(());
            }
        }
    }

    /// Writes a change of a record that this job works on, as long as it is its to work on.
    async fn advance(
        &self,
        record: &mut Record,
        telling: Telling,
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
            if self.write(&mut next, telling).await? == Written::Yes {
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
        let segments_in = |pieces: Vec<Piece>| {
            let segments = pieces
                .iter()
                .filter(|piece| matches!(piece, Piece::Segment(_)));
            segments.count() as u64
        };
        while let Some(bytes) = source.next().await {
            let piece = decoder.feed(&bytes?);
            total += segments_in(segmenter.push(&piece));
            checkpoints.look(&segmenter);
            text.write(&piece).await?;
        }
        let (rest, _replacements) = decoder.finish();
        total += segments_in(segmenter.push(&rest)) + segments_in(segmenter.finish());
        text.write(&rest).await?;
        text.finish().await?;
        let (id, generation) = (record.translation.id.clone(), record.generation);
        for checkpoints in checkpoints.take().chunks(CHECKPOINTS_AT_ONCE) {
            let records = &self.ports.records;
            records
                .keep_checkpoints(&id, generation, checkpoints)
                .await?;
        }

        self.advance(record, Telling::Surely, |record| {
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

fn count(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
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
    /// Segments that are looked at, or to be tried again, were read.
    Fetched(Wish, Result<Vec<SourceSegment>, ServiceError>),
    /// Something else is looked at.
    Sighted(Result<Sight, PortError>),
    /// There is a slot for one more segment, for one that is in a hurry or for any.
    Slot(Hurry, Slot),
    /// A segment came back from the engine.
    Translated(SourceSegment, Result<String, TranslateError>),
    /// It is time to keep what there is.
    FlushDue,
    /// A batch was kept and sent: so many translations, so many given up.
    Kept(u64, u64, Result<(), Stop>),
    /// It is time to publish progress.
    ProgressDue,
    /// Progress was published.
    Published(Result<(), Stop>),
}

/// Why segments are read out of their turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    LookedAt,
    Again,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hurry {
    Yes,
    No,
}

/// The text that segments are read from.
enum Text {
    Waiting(Box<Pieces>),
    Reading,
    Ended,
}

/// Translates the segments that are not kept yet: first those that somebody looks at, then the
/// others in the order of the text, then those that were given up before. Reading, translating,
/// keeping and publishing go on side by side, each at most as far ahead as its bound.
///
/// A segment that the text was read up to is in one of three places: among those `taken`, which
/// need nothing more, in `ready` or in `urgent`.
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
    /// The index up to which the text was read.
    read_to: u64,
    /// What waits to be translated, by index.
    ready: BTreeMap<u64, SourceSegment>,
    ready_bytes: usize,
    /// What waits to be translated before that.
    urgent: VecDeque<SourceSegment>,
    /// What is looked at and was not read for that reason yet, a range for each view.
    looked_at: Vec<Range<u64>>,
    /// All that is looked at, done or not.
    in_sight: Vec<Range<u64>>,
    /// When progress was told last.
    told_at: Option<Timestamp>,
    /// The view whose turn it is.
    turn: usize,
    sight: u64,
    /// Nothing of what is looked at has come back from the engine yet.
    is_awaited: bool,
    /// What is to be tried once more after everything else.
    again: VecDeque<Range<u64>>,
    /// What is kept, under way in the engine or in a batch, or in `again`.
    taken: Ranges,
    batch: Vec<Segment>,
    batch_bytes: usize,
    done: u64,
    failed: u64,
    published: (u64, u64),
    /// Whether the engine has translated anything for this job.
    is_proven: bool,
    refused_in_a_row: u32,
    refusal: Option<TranslateError>,
    in_flight: usize,
    fetching: Option<Wish>,
    is_asking: bool,
    is_asking_urgently: bool,
    is_watching: bool,
    is_flush_due: bool,
    is_flush_timed: bool,
    is_keeping: bool,
    is_progress_timed: bool,
    is_publishing: bool,
}

impl<'a> Translating<'a> {
    async fn new(service: &'a Service, record: Record, pair: Pair) -> Result<Self, Stop> {
        let records = &service.ports.records;
        let (id, generation) = (&record.translation.id, record.generation);
        let kept = records.kept(id, generation).await?;
        let again = records.again(id, generation).await?;
        let failed = records.given_up(id, generation).await?;
        let done = count(&kept).saturating_sub(failed);
        let text = if record.before.is_some() {
            // Single segments are repeated, and nothing else is asked for.
            Text::Ended
        } else {
            let pieces = Pieces::open(&service.ports, &record, 0).await?;
            Text::Waiting(Box::new(pieces.ok_or_else(missing_text)?))
        };
        Ok(Self {
            service,
            pair,
            steps: FuturesUnordered::new(),
            text,
            read_to: 0,
            ready: BTreeMap::new(),
            ready_bytes: 0,
            urgent: VecDeque::new(),
            looked_at: Vec::new(),
            in_sight: Vec::new(),
            told_at: None,
            turn: 0,
            sight: 0,
            is_awaited: false,
            taken: kept.into_iter().chain(again.iter().cloned()).collect(),
            again: again.into(),
            batch: Vec::new(),
            batch_bytes: 0,
            done,
            failed,
            published: (record.translation.done, record.translation.failed),
            record,
            is_proven: false,
            refused_in_a_row: 0,
            refusal: None,
            in_flight: 0,
            is_asking: false,
            is_asking_urgently: false,
            fetching: None,
            is_watching: false,
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
                Event::Fetched(wish, segments) => {
                    self.fetching = None;
                    self.take_fetched(wish, segments?);
                }
                Event::Sighted(sight) => {
                    self.is_watching = false;
                    self.look(sight?);
                }
                Event::Slot(hurry, slot) => {
                    match hurry {
                        Hurry::Yes => self.is_asking_urgently = false,
                        Hurry::No => self.is_asking = false,
                    }
                    self.translate_next(slot);
                }
                Event::Translated(source, answer) => {
                    self.in_flight -= 1;
                    if let Some(error) = self.came_back(&source, answer) {
                        return self.stop(error).await;
                    }
                }
                Event::FlushDue => {
                    self.is_flush_timed = false;
                    self.is_flush_due = true;
                }
                Event::Kept(done, failed, kept) => {
                    self.is_keeping = false;
                    kept?;
                    self.done += done;
                    self.failed += failed;
                }
                Event::ProgressDue => self.is_progress_timed = false,
                Event::Published(published) => {
                    self.is_publishing = false;
                    published?;
                }
            }
        }
        match self.refusal.take() {
            Some(error) if self.done == 0 => self.stop(error).await,
            _ => Ok(()),
        }
    }

    fn is_over(&self) -> bool {
        self.is_read()
            && self.again.is_empty()
            && self.fetching != Some(Wish::Again)
            && self.urgent.is_empty()
            && self.in_flight == 0
            && self.batch.is_empty()
            && !self.is_keeping
    }

    /// Whether all of the text is under way, what is looked at or tried again aside.
    fn is_read(&self) -> bool {
        matches!(self.text, Text::Ended) && self.ready.is_empty()
    }

    fn start_steps(&mut self) {
        if self.ready_bytes < READ_AHEAD_BYTES && matches!(self.text, Text::Waiting(_)) {
            self.start_reading();
        }
        if !self.is_watching && self.record.before.is_none() {
            self.is_watching = true;
            let (looks, sight) = (&self.service.ports.looks, self.sight);
            let id = self.record.translation.id.clone();
            self.steps
                .push(async move { Event::Sighted(looks.change(&id, sight).await) }.boxed());
        }
        if self.fetching.is_none() && self.urgent.len() < LOOKED_AHEAD {
            self.start_fetching();
        }
        let is_keeping_up = self.batch.len() < 4 * FLUSH_SEGMENTS;
        let slots = &self.service.slots;
        if !self.is_asking_urgently && !self.urgent.is_empty() && is_keeping_up {
            self.is_asking_urgently = true;
            let slot = slots.acquire_urgently();
            self.steps
                .push(slot.map(|slot| Event::Slot(Hurry::Yes, slot)).boxed());
        }
        if !self.is_asking && !self.ready.is_empty() && is_keeping_up {
            self.is_asking = true;
            let slot = slots.acquire();
            self.steps
                .push(slot.map(|slot| Event::Slot(Hurry::No, slot)).boxed());
        }
        self.start_keeping();
        let has_news = (self.done, self.failed) != self.published;
        if !self.is_publishing && !self.is_progress_timed && has_news {
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
            self.read_to = segment.index + 1;
            if !self.taken.contains(segment.index) && !self.is_urgent(segment.index) {
                self.make_ready(segment);
            }
        }
    }

    fn make_ready(&mut self, segment: SourceSegment) {
        self.ready_bytes += segment.text.len();
        self.ready.insert(segment.index, segment);
    }

    fn is_urgent(&self, index: u64) -> bool {
        self.urgent.iter().any(|segment| segment.index == index)
    }

    /// Something else is looked at: what was is in no hurry any more.
    fn look(&mut self, sight: Sight) {
        self.sight = sight.version;
        self.turn = 0;
        self.is_awaited = !sight.ranges.is_empty();
        self.in_sight.clone_from(&sight.ranges);
        self.looked_at = sight.ranges;
        for segment in std::mem::take(&mut self.urgent) {
            // What lies beyond is read again in its turn.
            if segment.index < self.read_to {
                self.make_ready(segment);
            }
        }
    }

    /// The next indexes to be read out of their turn: a few of each view, then what is to be tried
    /// again, once there is nothing else.
    fn next_wish(&mut self) -> Option<(Wish, Range<u64>)> {
        let total = self.record.translation.total;
        while !self.looked_at.is_empty() {
            self.turn %= self.looked_at.len();
            let Some(range) = self.looked_at.get_mut(self.turn) else {
                break;
            };
            range.start = self.taken.next_gap(range.start);
            range.end = range.end.min(total);
            if range.is_empty() {
                self.looked_at.remove(self.turn);
                continue;
            }
            let wish = range.start..range.end.min(range.start + LOOKED_AT_ONCE);
            range.start = wish.end;
            self.turn += 1;
            return Some((Wish::LookedAt, wish));
        }
        if !self.is_read() {
            return None;
        }
        let mut range = self.again.pop_front()?;
        let wish = range.start..range.end.min(range.start + LOOKED_AT_ONCE);
        range.start = wish.end;
        if !range.is_empty() {
            self.again.push_front(range);
        }
        Some((Wish::Again, wish))
    }

    fn start_fetching(&mut self) {
        while self.urgent.len() < LOOKED_AHEAD {
            let Some((wish, range)) = self.next_wish() else {
                return;
            };
            if wish == Wish::LookedAt && range.end <= self.read_to {
                // All of it is at hand.
                let indexes: Vec<_> = self.ready.range(range).map(|(index, _)| *index).collect();
                for index in indexes {
                    self.hurry(index);
                }
                continue;
            }
            self.fetching = Some(wish);
            let (service, record) = (self.service, self.record.clone());
            self.steps.push(
                async move {
                    let read = source_segments(&service.ports, &record, range, usize::MAX).await;
                    Event::Fetched(wish, read)
                }
                .boxed(),
            );
            return;
        }
    }

    fn hurry(&mut self, index: u64) {
        if let Some(segment) = self.ready.remove(&index) {
            self.ready_bytes -= segment.text.len();
            self.urgent.push_back(segment);
        }
    }

    fn take_fetched(&mut self, wish: Wish, segments: Vec<SourceSegment>) {
        for segment in segments {
            let index = segment.index;
            if wish == Wish::Again {
                self.urgent.push_back(segment);
            } else if index < self.read_to {
                self.hurry(index);
            } else if !self.taken.contains(index) && !self.is_urgent(index) {
                self.urgent.push_back(segment);
            }
        }
    }

    fn translate_next(&mut self, slot: Slot) {
        let segment = self.urgent.pop_front().or_else(|| {
            let (_, segment) = self.ready.pop_first()?;
            self.ready_bytes -= segment.text.len();
            Some(segment)
        });
        let Some(segment) = segment else {
            return;
        };
        self.taken.insert(segment.index..segment.index + 1);
        self.in_flight += 1;
        let translator = &self.service.ports.translator;
        let pair = self.pair.clone();
        let is_repeated = self.record.before.is_some();
        self.steps.push(
            async move {
                let answer = if is_repeated {
                    translator.translate_anew(&pair, &segment.text).await
                } else {
                    translator.translate(&pair, &segment.text).await
                };
                drop(slot);
                Event::Translated(segment, answer)
            }
            .boxed(),
        );
    }

    /// What the engine made of a segment goes into the batch. The error is for an engine that is
    /// gone.
    fn came_back(
        &mut self,
        source: &SourceSegment,
        answer: Result<String, TranslateError>,
    ) -> Option<TranslateError> {
        let (text, failed) = match answer {
            Ok(text) => {
                self.is_proven = true;
                self.refused_in_a_row = 0;
                (keep_lines(&source.text, text), false)
            }
            Err(error @ TranslateError::Engine(_)) => {
                let (id, index) = (&self.record.translation.id, source.index);
                tracing::warn!(id, index, %error, "a segment is given up");
                self.refused_in_a_row += 1;
                self.refusal = Some(error);
                (String::new(), true)
            }
            Err(error) => return Some(error),
        };
        if self.is_awaited {
            let range = source.index..source.index + 1;
            if !intersect(&range, &self.in_sight).is_empty() {
                self.is_awaited = false;
                self.is_flush_due = true;
            }
        }
        self.batch_bytes += text.len();
        self.batch.push(Segment {
            index: source.index,
            source: [source.start, source.end],
            text,
            failed,
        });
        let most = if self.is_proven {
            GONE_LATER
        } else {
            GONE_AT_FIRST
        };
        if self.refused_in_a_row >= most {
            self.refusal.clone()
        } else {
            None
        }
    }

    fn start_keeping(&mut self) {
        if self.is_keeping || self.batch.is_empty() {
            return;
        }
        let is_last = self.is_read() && self.urgent.is_empty() && self.in_flight == 0;
        let is_full = self.batch.len() >= FLUSH_SEGMENTS || self.batch_bytes >= FLUSH_BYTES;
        if is_last || is_full || self.is_flush_due {
            self.is_flush_due = false;
            self.is_keeping = true;
            let batch = std::mem::take(&mut self.batch);
            self.batch_bytes = 0;
            let (service, record) = (self.service, self.record.clone());
            self.steps.push(
                async move {
                    let (done, failed) = tally(&batch);
                    Event::Kept(done, failed, keep(service, &record, batch).await)
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
        self.published = (self.done, self.failed);
        self.is_publishing = true;
        self.is_progress_timed = true;
        let (service, mut record, (done, failed)) =
            (self.service, self.record.clone(), self.published);
        let now = service.ports.clock.now();
        let is_soon = self.told_at.is_some_and(|told_at| {
            now.duration_since(told_at).unsigned_abs() < progress_told_every(service, &record)
        });
        let telling = if is_soon {
            Telling::Nobody
        } else {
            self.told_at = Some(now);
            Telling::Fleetingly
        };
        self.steps.push(
            async move {
                let published = service
                    .advance(&mut record, telling, |record| {
                        record.translation.done = done;
                        record.translation.failed = failed;
                    })
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

    /// The engine is gone. What is translated is kept. Segments that were to be repeated stay as
    /// they were, and so does what they are a part of.
    async fn stop(mut self, error: TranslateError) -> Result<(), Stop> {
        while self.is_keeping {
            match self.steps.next().await {
                Some(Event::Kept(done, failed, kept)) => {
                    self.is_keeping = false;
                    kept?;
                    self.done += done;
                    self.failed += failed;
                }
                Some(Event::Translated(source, answer)) => {
                    self.came_back(&source, answer);
                }
                Some(_) => {}
                None => break,
            }
        }
        let batch = std::mem::take(&mut self.batch);
        self.done += tally(&batch).0;
        if !batch.is_empty() {
            keep(self.service, &self.record, batch).await?;
        }
        let (id, generation) = (&self.record.translation.id, self.record.generation);
        let records = &self.service.ports.records;
        records.mark_again(id, generation, None).await?;
        if self.record.before.is_some() {
            tracing::error!(id, %error, "segments could not be translated once more");
            return Ok(());
        }
        let failed = records.given_up(id, generation).await?;
        let done = self.done;
        self.service
            .advance(&mut self.record, Telling::Surely, |record| {
                record.translation.done = done;
                record.translation.failed = failed;
            })
            .await?;
        Err(error.into())
    }
}

/// How often an owner's connections are told of progress.
fn progress_told_every(service: &Service, record: &Record) -> Duration {
    match service.ports.records.shards(&record.owner) {
        0 | 1 => Duration::ZERO,
        shards => PROGRESS_TOLD_EVERY * shards,
    }
}

/// How many of these are translations, and how many were given up.
fn tally(batch: &[Segment]) -> (u64, u64) {
    let failed = batch.iter().filter(|segment| segment.failed).count() as u64;
    (batch.len() as u64 - failed, failed)
}

/// Keeps a batch and sends it to whoever listens.
async fn keep(service: &Service, record: &Record, mut batch: Vec<Segment>) -> Result<(), Stop> {
    batch.sort_by_key(|segment| segment.index);
    let (id, generation) = (record.translation.id.as_str(), record.generation);
    let records = &service.ports.records;
    if record.before.is_some() {
        // Marks that are gone were taken away by whoever cancelled it; where that is another process,
        // nothing else tells.
        let marked = records.again(id, generation).await?;
        let is_marked = |index: u64| marked.iter().any(|range| range.contains(&index));
        if !batch.iter().any(|segment| is_marked(segment.index)) {
            return Err(Stop::Superseded);
        }
    }
    let written = records.keep_segments(id, generation, &batch).await?;
    if written == Written::Conflict {
        return Err(Stop::Superseded);
    }
    if record.before.is_some() {
        // One that was refused this time may have a translation of an earlier one.
        for segment in batch.iter_mut().filter(|segment| segment.failed) {
            let kept = records.segments(id, generation, segment.index, 1).await?;
            if let Some(kept) = kept.into_iter().find(|kept| kept.index == segment.index) {
                *segment = kept;
            }
        }
    }
    if let Err(error) = service.push_segments(record, &batch).await {
        // They are kept: who listens finds them in REST.
        tracing::warn!(id, %error, "could not send segments");
    }
    Ok(())
}
