//! Bodies of the REST interface.

use serde::{Deserialize, Serialize, Serializer};

use crate::fields::{Fields, FromFields, serde_through_fields};
use crate::object::Object;
use crate::translation::{Segment, Translation, is_false};

/// A pair of languages that can be translated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Pair {
    /// From, a BCP 47 tag.
    pub source: String,
    /// Into, a BCP 47 tag.
    pub target: String,
    /// The languages in between, in order, where there is no direct way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
}

/// The answer to `GET languages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Languages {
    /// The engine: `apertium`, `pseudo`, …
    pub translator: String,
    /// Whether `auto` may be given as the source.
    pub detect: bool,
    /// What can be translated into what.
    pub pairs: Vec<Pair>,
}

/// The body of `POST translations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTranslation {
    /// The file's name.
    pub name: String,
    /// The file's size in bytes.
    pub size: u64,
    /// From: a BCP 47 tag, or `auto` where [`Languages::detect`] says so.
    pub source: String,
    /// Into: a BCP 47 tag.
    pub target: String,
    /// The encoding to read the file with, as a WHATWG label; detected when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
}

impl CreateTranslation {
    /// As `serde_json` writes it, for pages.
    pub fn to_json(&self) -> String {
        let object = Object::new()
            .text("name", &self.name)
            .number("size", self.size)
            .text("source", &self.source)
            .text("target", &self.target);
        match &self.charset {
            Some(charset) => object.text("charset", charset),
            None => object,
        }
        .end()
    }
}

/// Where and how to upload a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", rename_all = "camelCase")]
pub struct Upload {
    /// The HTTP method, `PUT`.
    pub method: String,
    /// A signed URL, good for this object and this size.
    pub url: String,
    /// Headers to send as they are, each a name and a value; an object in JSON.
    #[serde(serialize_with = "as_object")]
    pub headers: Vec<(String, String)>,
    /// When the URL stops working, RFC 3339 in UTC. It can be used again until then.
    pub expires_at: String,
}

#[expect(clippy::ptr_arg, reason = "serde passes the field as it is")]
fn as_object<S: Serializer>(
    pairs: &Vec<(String, String)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

/// The answer to `POST translations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Created {
    /// The new translation, [`crate::Status::AwaitingUpload`].
    pub translation: Translation,
    /// How to send its bytes.
    pub upload: Upload,
}

/// An answer that is one translation: `cancel` and `retry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct OneTranslation {
    /// The translation.
    pub translation: Translation,
}

/// The answer to `GET translations`, with or without `changedSince`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Listing {
    /// Newest first; with `changedSince`, all that changed after the cursor.
    pub translations: Vec<Translation>,
    /// The ids of translations deleted after the cursor; empty without one.
    pub removed: Vec<String>,
    /// What to give as `after` for the next page; null on the last.
    pub next: Option<String>,
    /// What to give as `changedSince` later. Opaque.
    pub cursor: String,
}

/// The answer to `GET translations/{id}/segments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Segments {
    /// Segments in all.
    pub total: u64,
    /// Those translated, by index, from the one asked for on.
    pub segments: Vec<Segment>,
}

/// A segment of the source with its translation, as far as there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", rename_all = "camelCase")]
pub struct Row {
    /// Its place among the segments, from 0.
    pub index: u64,
    /// The byte range, start and end (exclusive), in the source's UTF-8 text.
    pub source: [u64; 2],
    /// The source's words.
    pub source_text: String,
    /// The translation; nothing while there is none.
    pub text: Option<String>,
    /// Whether it was given up, because the engine refused it again and again.
    #[serde(skip_serializing_if = "is_false")]
    pub failed: bool,
}

/// The answer to `GET translations/{id}/rows`. It may hold fewer rows than were asked for: ask on
/// from the last one's index + 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Rows {
    /// Segments in all; 0 until the text was read.
    pub total: u64,
    /// Every segment of the range, translated or not, by index.
    pub rows: Vec<Row>,
}

/// The answer to `GET translations/{id}/find`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Found {
    /// How many segments of the whole text match.
    pub total: u64,
    /// The indexes of those that match, ascending, from the one asked for on.
    pub matches: Vec<u64>,
}

/// How many there are of something on both sides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Sides {
    /// In the source's text.
    pub source: u64,
    /// In the result's.
    pub result: u64,
}

/// How many of the source's are found again in the translation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Kept {
    /// In the source's text.
    pub source: u64,
    /// Of these, in the translation as well.
    pub kept: u64,
}

/// Why a segment is worth a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its translation has nothing to read.
    Empty,
    /// Its translation is the source's words.
    Unchanged,
    /// Its translation is three times as long as the source, or longer.
    Longer,
    /// A number of the source is missing.
    Numbers,
    /// A URL of the source is missing.
    Urls,
    /// It was given up.
    Failed,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Empty,
        Self::Unchanged,
        Self::Longer,
        Self::Numbers,
        Self::Urls,
        Self::Failed,
    ];

    /// The reason as it crosses the network.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Unchanged => "unchanged",
            Self::Longer => "longer",
            Self::Numbers => "numbers",
            Self::Urls => "urls",
            Self::Failed => "failed",
        }
    }
}

/// A segment worth a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Suspicion {
    /// Its place among the segments, from 0.
    pub index: u64,
    /// Why; reasons that this version does not know are left out.
    pub reasons: Vec<Reason>,
}

/// The answer to `GET translations/{id}/proof`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", rename_all = "camelCase")]
pub struct Proof {
    /// Paragraphs: lines that are not blank.
    pub paragraphs: Sides,
    /// Numbers, compared by their digits.
    pub numbers: Kept,
    /// URLs.
    pub urls: Kept,
    /// How many segments are worth a look.
    pub suspicious_total: u64,
    /// The first of them, by index: at most 200.
    pub suspicious: Vec<Suspicion>,
}

/// The answer to `GET health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The backend's version.
    pub version: String,
    /// The engine, as in [`Languages::translator`].
    pub translator: String,
}

/// An error, as RFC 9457 has it (`application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Problem {
    /// A URI that names the kind of problem; `about:blank` when the status says it all.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, and what to do.
    pub detail: String,
}

impl FromFields for Pair {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            source: fields.text("source"),
            target: fields.text("target"),
            via: fields.texts("via"),
        }
    }
}

impl FromFields for Languages {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            translator: fields.text("translator"),
            detect: fields.is_true("detect"),
            pairs: fields.list("pairs"),
        }
    }
}

impl FromFields for Upload {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            method: fields.text("method"),
            url: fields.text("url"),
            headers: fields.pairs("headers"),
            expires_at: fields.text("expiresAt"),
        }
    }
}

impl FromFields for Created {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            translation: fields.within("translation"),
            upload: fields.within("upload"),
        }
    }
}

impl FromFields for OneTranslation {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            translation: fields.within("translation"),
        }
    }
}

impl FromFields for Listing {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            translations: fields.list("translations"),
            removed: fields.texts("removed"),
            next: fields.text_if_any("next"),
            cursor: fields.text("cursor"),
        }
    }
}

impl FromFields for Segments {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            total: fields.number("total"),
            segments: fields.list("segments"),
        }
    }
}

impl FromFields for Row {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            index: fields.number("index"),
            source: fields.range("source"),
            source_text: fields.text("sourceText"),
            text: fields.text_if_any("text"),
            failed: fields.is_true("failed"),
        }
    }
}

impl FromFields for Rows {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            total: fields.number("total"),
            rows: fields.list("rows"),
        }
    }
}

impl FromFields for Found {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            total: fields.number("total"),
            matches: fields.numbers("matches"),
        }
    }
}

impl FromFields for Sides {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            source: fields.number("source"),
            result: fields.number("result"),
        }
    }
}

impl FromFields for Kept {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            source: fields.number("source"),
            kept: fields.number("kept"),
        }
    }
}

impl FromFields for Suspicion {
    fn from_fields(fields: &mut Fields) -> Self {
        let mut reasons = Vec::new();
        for name in fields.texts("reasons") {
            let known = Reason::ALL
                .into_iter()
                .find(|reason| reason.as_str() == name);
            reasons.extend(known);
        }
        Self {
            index: fields.number("index"),
            reasons,
        }
    }
}

impl FromFields for Proof {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            paragraphs: fields.within("paragraphs"),
            numbers: fields.within("numbers"),
            urls: fields.within("urls"),
            suspicious_total: fields.number("suspiciousTotal"),
            suspicious: fields.list("suspicious"),
        }
    }
}

impl FromFields for Problem {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            kind: fields
                .text_if_any("type")
                .unwrap_or_else(|| "about:blank".to_owned()),
            title: fields.text("title"),
            status: u16::try_from(fields.number("status")).unwrap_or_default(),
            detail: fields.text_if_any("detail").unwrap_or_default(),
        }
    }
}

serde_through_fields!(
    Pair,
    Languages,
    Upload,
    Created,
    OneTranslation,
    Listing,
    Segments,
    Row,
    Rows,
    Found,
    Sides,
    Kept,
    Suspicion,
    Proof,
    Problem,
);
