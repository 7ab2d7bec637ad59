//! What a reader asks for: rows, the result so far, both sides in one file.

use babelwire_wire::rest::{Row, Rows};
use babelwire_wire::{Status, Translation};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use crate::document::{Document, Pair, in_the_result, source_segments};
use crate::ports::{Bucket, Owner, Record};
use crate::service::{Service, ServiceError, check_ended, in_words};
use crate::side_by_side;
use crate::text::Piece;

/// How many bytes the texts of one answer of rows have, at most, but for a single row's: about
/// 512 KiB of JSON.
const ROWS_BYTES: usize = 480 * 1024;
/// What a row has in JSON beside its texts, in bytes.
const ROW_BYTES: usize = 100;

/// A text that is made as it is read.
pub struct TextStream {
    /// Its size in bytes, where that is known.
    pub size: Option<u64>,
    /// The bytes, in UTF-8.
    pub bytes: BoxStream<'static, Result<Bytes, ServiceError>>,
}

impl Service {
    /// How many rows are read when nobody says.
    pub const ROWS_DEFAULT: u64 = 100;
    /// How many rows are read at most.
    pub const ROWS_MOST: u64 = 500;

    /// Segments of the source with their translations, as far as there are any, from index `from`
    /// on. Fewer than `limit` where their texts are long.
    pub async fn rows(
        &self,
        owner: &Owner,
        id: &str,
        from: u64,
        limit: Option<u64>,
    ) -> Result<Rows, ServiceError> {
        let record = self.owned(owner, id).await?;
        let total = if record.prepared {
            record.translation.total
        } else {
            0
        };
        let limit = limit
            .unwrap_or(Self::ROWS_DEFAULT)
            .clamp(1, Self::ROWS_MOST);
        let end = from.saturating_add(limit).min(total);
        let mut rows = Rows {
            total,
            rows: Vec::new(),
        };
        if from >= end {
            return Ok(rows);
        }
        let sources = source_segments(&self.ports, &record, from..end, ROWS_BYTES).await?;
        let most = usize::try_from(end - from).unwrap_or(usize::MAX);
        let mut kept = self
            .ports
            .records
            .segments(id, record.generation, from, most)
            .await?
            .into_iter()
            .peekable();
        let mut bytes = 0;
        for source in sources {
            while kept.next_if(|kept| kept.index < source.index).is_some() {}
            let kept = kept.next_if(|kept| kept.index == source.index);
            let failed = kept.as_ref().is_some_and(|kept| kept.failed);
            let text = kept.map(|kept| kept.text);
            bytes += source.text.len() + text.as_ref().map_or(0, String::len) + ROW_BYTES;
            if bytes > ROWS_BYTES && !rows.rows.is_empty() {
                break;
            }
            rows.rows.push(Row {
                index: source.index,
                source: [source.start, source.end],
                source_text: source.text,
                text,
                failed,
            });
        }
        Ok(rows)
    }

    /// The result as far as there is one: what is not translated stands in the source's words.
    pub async fn partial_result(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<(Translation, TextStream), ServiceError> {
        let record = self.owned(owner, id).await?;
        if record.translation.status == Status::Done {
            let key = &record.object_key;
            let object = self.ports.objects.get(Bucket::Results, key, None).await?;
            let text = TextStream {
                size: Some(object.size),
                bytes: object.bytes.map_err(ServiceError::from).boxed(),
            };
            return Ok((record.translation, text));
        }
        let Some(document) = Document::open(&self.ports, &record).await? else {
            return Err(ServiceError::Conflict(format!(
                "There is no text to download yet: the translation is {}.",
                in_words(record.translation.status)
            )));
        };
        let text = TextStream {
            size: None,
            bytes: written(document, |pairs| pairs.iter().map(in_the_result).collect()),
        };
        Ok((record.translation, text))
    }

    /// Both sides as one page of HTML that needs nothing else.
    pub async fn side_by_side(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<(Translation, TextStream), ServiceError> {
        let (record, document) = self.ended_document(owner, id).await?;
        let translation = record.translation;
        let head = side_by_side::head(&translation);
        let row = side_by_side::row(&translation);
        let rows = written(document, move |pairs| {
            let mut html = String::new();
            for pair in pairs {
                if let (Piece::Segment(source), kept) = pair {
                    row(&mut html, &source.text, kept.as_ref());
                }
            }
            html
        });
        let whole = stream::iter([Ok(Bytes::from(head))])
            .chain(rows)
            .chain(stream::iter([Ok(Bytes::from_static(
                side_by_side::TAIL.as_bytes(),
            ))]));
        let text = TextStream {
            size: None,
            bytes: whole.boxed(),
        };
        Ok((translation, text))
    }

    /// The document of a translation that has ended, with anything to read in it.
    pub(crate) async fn ended_document(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<(Record, Document), ServiceError> {
        let record = self.owned(owner, id).await?;
        let Translation {
            status,
            done,
            failed,
            ..
        } = record.translation;
        check_ended(&record)?;
        let is_readable = status == Status::Done || done + failed > 0;
        let document = Document::open(&self.ports, &record).await?;
        match document {
            Some(document) if is_readable => Ok((record, document)),
            _ => Err(ServiceError::Conflict(
                "Nothing of this file is translated: retry it first.".to_owned(),
            )),
        }
    }
}

/// A document as it is written, chunk by chunk.
fn written(
    document: Document,
    write: impl Fn(&[Pair]) -> String + Send + 'static,
) -> BoxStream<'static, Result<Bytes, ServiceError>> {
    stream::try_unfold((document, write), |(mut document, write)| async move {
        while let Some(pairs) = document.next().await? {
            let text = write(&pairs);
            if !text.is_empty() {
                return Ok(Some((Bytes::from(text), (document, write))));
            }
        }
        Ok(None)
    })
    .inspect_err(|error: &ServiceError| tracing::error!(%error, "a download broke off"))
    .boxed()
}
