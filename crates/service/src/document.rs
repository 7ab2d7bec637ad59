//! A text with its translation, read side by side, never held whole.

use std::collections::VecDeque;
use std::ops::Range;

use babelwire_wire::Segment;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::ports::{Bucket, Checkpoint, ObjectsError, Record};
use crate::service::{Ports, ServiceError};
use crate::text::{Piece, Segmenter, SourceSegment};

/// How far checkpoints are apart, in bytes of text: what is read in vain to reach a segment.
pub(crate) const CHECKPOINT_BYTES: u64 = 64 * 1024;
/// How many checkpoints may be found while reading before they are worth keeping: those of a text
/// that was prepared by a version without them.
const NEW_CHECKPOINTS: usize = 4;
/// How many kept segments are read at once.
const KEPT_SEGMENTS: usize = 500;

/// The characters of an object, as it is read.
pub(crate) struct Characters {
    bytes: BoxStream<'static, Result<Bytes, ObjectsError>>,
    /// What was read: `used` bytes of whole characters, and the beginning of one whose end was not.
    read: Vec<u8>,
    used: usize,
}

impl Characters {
    /// The characters of an object in UTF-8.
    pub(crate) fn of(bytes: BoxStream<'static, Result<Bytes, ObjectsError>>) -> Self {
        Self {
            bytes,
            read: Vec::new(),
            used: 0,
        }
    }

    /// The next characters, perhaps none; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<&str>, ServiceError> {
        self.read.drain(..std::mem::take(&mut self.used));
        let Some(bytes) = self.bytes.next().await else {
            return if self.read.is_empty() {
                Ok(None)
            } else {
                Err(not_utf8())
            };
        };
        self.read.extend_from_slice(&bytes?);
        let valid = match std::str::from_utf8(&self.read) {
            Ok(text) => {
                self.used = text.len();
                return Ok(Some(text));
            }
            Err(error) if error.error_len().is_some() => return Err(not_utf8()),
            Err(error) => error.valid_up_to(),
        };
        self.used = valid;
        let whole = self.read.get(..valid).unwrap_or_default();
        std::str::from_utf8(whole).map(Some).map_err(|_| not_utf8())
    }
}

/// The pieces of a text, as it is read.
pub(crate) struct Pieces {
    text: Characters,
    segmenter: Option<Segmenter>,
    checkpoints: Checkpoints,
}

/// The checkpoints of a text that is being read.
pub(crate) struct Checkpoints {
    last: u64,
    found: Vec<Checkpoint>,
}

impl Checkpoints {
    /// From this byte offset on.
    pub(crate) const fn after(offset: u64) -> Self {
        Self {
            last: offset,
            found: Vec::new(),
        }
    }

    /// Looks how far a segmenter is.
    pub(crate) fn look(&mut self, segmenter: &Segmenter) {
        let (index, offset) = segmenter.position();
        if offset >= self.last + CHECKPOINT_BYTES {
            self.last = offset;
            self.found.push(Checkpoint { index, offset });
        }
    }

    /// Takes those found so far.
    pub(crate) fn take(&mut self) -> Vec<Checkpoint> {
        std::mem::take(&mut self.found)
    }
}

impl Pieces {
    /// The pieces from the one on that holds the segment of this index, or from an earlier one.
    /// [`None`] where there is no text.
    pub(crate) async fn open(
        ports: &Ports,
        record: &Record,
        index: u64,
    ) -> Result<Option<Self>, ServiceError> {
        let checkpoint = if index == 0 {
            None
        } else {
            ports
                .records
                .checkpoint(&record.translation.id, record.generation, index)
                .await?
        };
        let Checkpoint { index, offset } = checkpoint.unwrap_or(Checkpoint {
            index: 0,
            offset: 0,
        });
        let range = (offset > 0).then_some(offset..u64::MAX);
        let key = &record.object_key;
        match ports.objects.get(Bucket::Texts, key, range).await {
            Ok(object) => Ok(Some(Self {
                text: Characters::of(object.bytes),
                segmenter: Some(Segmenter::resume(index, offset)),
                checkpoints: Checkpoints::after(offset),
            })),
            Err(ObjectsError::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The next pieces, perhaps none; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Piece>>, ServiceError> {
        let Some(segmenter) = &mut self.segmenter else {
            return Ok(None);
        };
        let Some(text) = self.text.next().await? else {
            return Ok(self.segmenter.take().map(Segmenter::finish));
        };
        let pieces = segmenter.push(text);
        self.checkpoints.look(segmenter);
        Ok(Some(pieces))
    }
}

fn not_utf8() -> ServiceError {
    ServiceError::Internal("the stored text is not UTF-8".to_owned())
}

/// The source's segments in a range of indexes: at least one, where there is one, and then as many
/// as `most_bytes` of text hold.
pub(crate) async fn source_segments(
    ports: &Ports,
    record: &Record,
    range: Range<u64>,
    most_bytes: usize,
) -> Result<Vec<SourceSegment>, ServiceError> {
    let mut found: Vec<SourceSegment> = Vec::new();
    let mut bytes = 0;
    let Some(mut pieces) = Pieces::open(ports, record, range.start).await? else {
        return Ok(found);
    };
    'reading: while let Some(batch) = pieces.next().await? {
        for piece in batch {
            let Piece::Segment(segment) = piece else {
                continue;
            };
            if segment.index < range.start {
                continue;
            }
            bytes += segment.text.len();
            if segment.index >= range.end || (bytes > most_bytes && !found.is_empty()) {
                break 'reading;
            }
            found.push(segment);
        }
    }
    let checkpoints = pieces.checkpoints.take();
    if checkpoints.len() >= NEW_CHECKPOINTS {
        ports
            .records
            .keep_checkpoints(&record.translation.id, record.generation, &checkpoints)
            .await?;
    }
    Ok(found)
}

/// A piece of the source's text, and the kept segment of it, if it has one.
pub(crate) type Pair = (Piece, Option<Segment>);

/// A whole text with what is kept of its translation.
pub(crate) struct Document {
    ports: Ports,
    id: String,
    generation: u64,
    pieces: Pieces,
    kept: VecDeque<Segment>,
    is_kept_read: bool,
}

impl Document {
    /// The document of a translation; `None` where its text does not exist (yet).
    pub(crate) async fn open(ports: &Ports, record: &Record) -> Result<Option<Self>, ServiceError> {
        if !record.prepared {
            return Ok(None);
        }
        let pieces = Pieces::open(ports, record, 0).await?;
        Ok(pieces.map(|pieces| Self {
            ports: ports.clone(),
            id: record.translation.id.clone(),
            generation: record.generation,
            pieces,
            kept: VecDeque::new(),
            is_kept_read: false,
        }))
    }

    /// The next pieces, perhaps none; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Pair>>, ServiceError> {
        let Some(pieces) = self.pieces.next().await? else {
            return Ok(None);
        };
        let mut pairs = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let kept = match &piece {
                Piece::Gap(_) => None,
                Piece::Segment(segment) => self.kept_at(segment.index).await?,
            };
            pairs.push((piece, kept));
        }
        Ok(Some(pairs))
    }

    async fn kept_at(&mut self, index: u64) -> Result<Option<Segment>, ServiceError> {
        while self.kept.front().is_some_and(|kept| kept.index < index) {
            self.kept.pop_front();
        }
        if self.kept.is_empty() && !self.is_kept_read {
            let records = &self.ports.records;
            self.kept = records
                .segments(&self.id, self.generation, index, KEPT_SEGMENTS)
                .await?
                .into();
            self.is_kept_read = self.kept.len() < KEPT_SEGMENTS;
        }
        let is_it = self.kept.front().is_some_and(|kept| kept.index == index);
        Ok(if is_it { self.kept.pop_front() } else { None })
    }
}

/// What the result has in a piece's place: what is not translated stands in the source's words.
pub(crate) fn in_the_result((piece, kept): &Pair) -> &str {
    match kept {
        Some(kept) if !kept.failed => &kept.text,
        _ => piece.text(),
    }
}
