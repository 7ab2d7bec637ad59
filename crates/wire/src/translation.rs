//! A translation and its segments.

use serde::{Deserialize, Serialize};

use crate::fields::{Fields, FromFields, serde_through_fields};

/// Where a translation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Announced; the file's bytes have not arrived whole.
    AwaitingUpload,
    /// The bytes are here; no worker has begun.
    Queued,
    /// Segments are being translated.
    Translating,
    /// Every segment is translated or given up ([`Translation::failed`]), and the result can be
    /// downloaded.
    Done,
    /// It ended without a result; [`Translation::error`] says why.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl Status {
    /// The status as it crosses the network, such as `awaiting-upload`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingUpload => "awaiting-upload",
            Self::Queued => "queued",
            Self::Translating => "translating",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status that [`Status::as_str`] gives this text for.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::AwaitingUpload,
            Self::Queued,
            Self::Translating,
            Self::Done,
            Self::Failed,
            Self::Cancelled,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
    }

    /// Whether nothing more happens unless somebody asks for it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// Why a translation failed, in words for the person who waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Failure {
    /// What went wrong, in a few words.
    pub title: String,
    /// What it means for this file and what to do about it.
    pub detail: String,
}

/// A translation's snapshot. Of two with the same id, the one with the higher
/// [`Translation::revision`] is the newer; a lower or equal one is old news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", rename_all = "camelCase")]
pub struct Translation {
    /// Opaque, unique, safe in a URL path.
    pub id: String,
    /// The file's name as its owner gave it: any text, never a path to be trusted.
    pub name: String,
    /// The source's size in bytes.
    pub size: u64,
    /// The language translated from, a BCP 47 tag, or `auto`.
    pub source: String,
    /// The language translated into, a BCP 47 tag.
    pub target: String,
    /// The source's character encoding by its WHATWG name once known, or the one asked for.
    pub charset: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Segments translated so far.
    pub done: u64,
    /// Segments given up, because the engine refused each of them again and again. The result has
    /// the source's words in their place.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Segments in all; 0 until the text was read.
    pub total: u64,
    /// How many translations are before it; only with [`Status::Queued`]. 0 is the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u64>,
    /// Why it failed; only with [`Status::Failed`].
    pub error: Option<Failure>,
    /// When it was announced, RFC 3339 in UTC.
    pub created_at: String,
    /// When this snapshot was made, RFC 3339 in UTC.
    pub updated_at: String,
    /// When translating first began, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When the status became final, RFC 3339 in UTC; nothing while it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// Grows with every change.
    pub revision: u64,
}

/// A translated piece of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Segment {
    /// Its place among the segments, from 0.
    pub index: u64,
    /// The byte range, start and end (exclusive), in the source's UTF-8 text. Text between two
    /// ranges (blank lines, indentation) belongs to no segment and is kept as it is.
    pub source: [u64; 2],
    /// The translation; empty with [`Segment::failed`].
    pub text: String,
    /// Whether it was given up, because the engine refused it again and again.
    #[serde(skip_serializing_if = "is_false")]
    pub failed: bool,
}

// Not `expect`: where a pointer has 32 bits it is no larger than what it points to.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(crate) const fn is_false(value: &bool) -> bool {
    !*value
}

impl FromFields for Failure {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            title: fields.text("title"),
            detail: fields.text("detail"),
        }
    }
}

impl FromFields for Translation {
    fn from_fields(fields: &mut Fields) -> Self {
        let status = Status::parse(&fields.text("status")).unwrap_or_else(|| {
            fields.misfit("status");
            Status::Failed
        });
        let error = fields
            .fields_if_any("error")
            .map(|mut error| fields.one_of(&mut error));
        Self {
            id: fields.text("id"),
            name: fields.text("name"),
            size: fields.number("size"),
            source: fields.text("source"),
            target: fields.text("target"),
            charset: fields.text_if_any("charset"),
            status,
            done: fields.number("done"),
            failed: fields.number_if_any("failed").unwrap_or_default(),
            total: fields.number("total"),
            ahead: fields.number_if_any("ahead"),
            error,
            created_at: fields.text("createdAt"),
            updated_at: fields.text("updatedAt"),
            started_at: fields.text_if_any("startedAt"),
            finished_at: fields.text_if_any("finishedAt"),
            revision: fields.number("revision"),
        }
    }
}

impl FromFields for Segment {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            index: fields.number("index"),
            source: fields.range("source"),
            text: fields.text("text"),
            failed: fields.is_true("failed"),
        }
    }
}

serde_through_fields!(Failure, Translation, Segment);
