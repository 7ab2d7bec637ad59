//! Frames of the WebSocket, in both directions.

use serde::{Deserialize, Serialize};

use crate::fields::{Fields, FromFields, Value, from_json, serde_through_fields};
#[cfg(doc)]
use crate::limits;
use crate::object::Object;
use crate::translation::{Segment, Translation};

/// What the page asks of the backend, one text frame of JSON each. The gateway chooses the route
/// by `action`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Action {
    /// Every connected client receives `data`, as it is, as one text frame.
    EchoMessage {
        /// The text.
        data: String,
    },
    /// The sender alone receives [`Frame::Pong`] with the same `data`.
    Ping {
        /// Anything that tells this ping from another.
        #[serde(default)]
        data: String,
    },
    /// The sender receives the segments of a translation.
    #[serde(rename_all = "camelCase")]
    Subscribe {
        /// The translation's id.
        translation_id: String,
        /// The first index wanted; earlier segments are not sent.
        #[serde(default)]
        from: u64,
    },
    /// Somebody looks at a range of segments: the sender receives those that exist, then the
    /// others as they are made, and what is looked at is translated first. A later look of the
    /// same view takes the place of the earlier one; looks end with their connection.
    #[serde(rename_all = "camelCase")]
    Look {
        /// The translation's id.
        translation_id: String,
        /// The first index looked at.
        from: u64,
        /// The index after the last one; a range beyond [`limits::LOOK_SEGMENTS`] is cut.
        to: u64,
        /// Tells the viewers behind one connection apart, for tabs share one: at most
        /// [`limits::VIEW_BYTES`] of UTF-8. Left out, it is a view of its own.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        view: String,
    },
    /// Ends a subscription and its looks; with a view, that view's look alone.
    #[serde(rename_all = "camelCase")]
    Unsubscribe {
        /// The translation's id.
        translation_id: String,
        /// The view whose look ends, as [`Action::Look`] named it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        view: Option<String>,
    },
}

/// The frame of [`Action::Look`] as `serde_json` writes it, for pages. `view` may be empty.
pub fn look_frame(translation_id: &str, from: u64, to: u64, view: &str) -> String {
    let frame = Object::new()
        .text("action", "look")
        .text("translationId", translation_id)
        .number("from", from)
        .number("to", to);
    if view.is_empty() {
        frame
    } else {
        frame.text("view", view)
    }
    .end()
}

/// An object of the store came or went.
///
/// `bucketName`, `bucketKey` and `message` alone are the frame of the 2019 article; a backend of
/// ours adds the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", rename_all = "camelCase")]
pub struct ObjectEvent {
    /// `ObjectCreated:Put`, `ObjectRemoved:Delete`, …: S3's event name without `s3:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The bucket.
    pub bucket_name: String,
    /// The object's key, decoded.
    pub bucket_key: String,
    /// What happened, in a sentence.
    pub message: String,
    /// Orders the events of one key: compare as text after padding the shorter one with zeros on
    /// the right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequencer: Option<String>,
    /// The translation that the object belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translation_id: Option<String>,
}

/// API Gateway's own error frame, such as `{"message": "Forbidden", …}`: never an event of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", rename_all = "camelCase")]
pub struct GatewayError {
    /// `Forbidden`, `Internal server error`, `Endpoint request timed out`, …
    pub message: String,
    /// The connection that it happened on.
    pub connection_id: String,
    /// The gateway's id of the failed request.
    pub request_id: String,
}

/// What a backend of ours pushes: every frame with a `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Push {
    /// An object came or went.
    Object(ObjectEvent),
    /// A translation's snapshot changed.
    Translation {
        /// The snapshot.
        translation: Translation,
    },
    /// A translation was deleted.
    #[serde(rename_all = "camelCase")]
    Removed {
        /// Its id.
        translation_id: String,
        /// The revision of the deletion: later than any snapshot's.
        revision: u64,
    },
    /// Translated segments, in any order.
    #[serde(rename_all = "camelCase")]
    Segments {
        /// The translation's id.
        translation_id: String,
        /// Segments in all.
        total: u64,
        /// The segments.
        segments: Vec<Segment>,
    },
    /// The answer to [`Action::Ping`].
    Pong {
        /// The ping's `data`.
        data: String,
    },
}

/// A frame from the backend, understood as far as this version can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// An object came or went.
    Object(ObjectEvent),
    /// A translation's snapshot changed.
    Translation(Translation),
    /// A translation was deleted.
    Removed {
        /// Its id.
        translation_id: String,
        /// The revision of the deletion.
        revision: u64,
    },
    /// Translated segments, in any order.
    Segments {
        /// The translation's id.
        translation_id: String,
        /// Segments in all.
        total: u64,
        /// The segments.
        segments: Vec<Segment>,
    },
    /// The answer to [`Action::Ping`].
    Pong {
        /// The ping's `data`.
        data: String,
    },
    /// The gateway's own error.
    GatewayError(GatewayError),
    /// Anything else: [`Inbound::raw`] has it.
    Raw,
}

/// A text frame from the backend: its text, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The frame's text, as it came.
    pub raw: String,
    /// What it means.
    pub frame: Frame,
}

impl Inbound {
    /// Reads a frame. Never fails: what is not understood is [`Frame::Raw`].
    pub fn parse(raw: String) -> Self {
        let frame = from_json(&raw).unwrap_or(Frame::Raw);
        Self { raw, frame }
    }
}

impl FromFields for ObjectEvent {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            event: fields.text_if_any("event"),
            bucket_name: fields.text("bucketName"),
            bucket_key: fields.text("bucketKey"),
            message: fields.text("message"),
            sequencer: fields.text_if_any("sequencer"),
            translation_id: fields.text_if_any("translationId"),
        }
    }
}

impl FromFields for GatewayError {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            message: fields.text("message"),
            connection_id: fields.text("connectionId"),
            request_id: fields.text("requestId"),
        }
    }
}

impl FromFields for Frame {
    fn from_fields(fields: &mut Fields) -> Self {
        let kind = match fields.take("type") {
            Value::Nothing => None,
            Value::Text(kind) => Some(kind),
            _ => return Self::Raw,
        };
        match kind.as_deref() {
            None if fields.has("bucketName") => Self::Object(FromFields::from_fields(fields)),
            None => Self::GatewayError(FromFields::from_fields(fields)),
            Some("object") => Self::Object(FromFields::from_fields(fields)),
            Some("translation") => Self::Translation(fields.within("translation")),
            Some("removed") => Self::Removed {
                translation_id: fields.text("translationId"),
                revision: fields.number("revision"),
            },
            Some("segments") => Self::Segments {
                translation_id: fields.text("translationId"),
                total: fields.number("total"),
                segments: fields.list("segments"),
            },
            Some("pong") => Self::Pong {
                data: fields.text("data"),
            },
            Some(_) => Self::Raw,
        }
    }
}

serde_through_fields!(ObjectEvent, GatewayError);
