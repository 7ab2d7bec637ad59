//! Bodies of the REST interface.

use serde::{Deserialize, Serialize, Serializer};

use crate::fields::{Fields, FromFields, serde_through_fields};
use crate::object::Object;
use crate::translation::{Segment, Translation};

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
    Problem,
);
