//! `measured.json`: what the model is made of.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measured {
    /// Frames and requests: `cargo xtask bench scale-counts`.
    pub(crate) counts: Counts,
    /// DynamoDB's request units: `crates/aws/tests/tables_units.rs` on dynalite.
    pub(crate) units: Units,
    /// The functions' milliseconds: of `cargo xtask bench lambda`, or assumed, as `source` says.
    pub(crate) functions: Functions,
}

/// Frames and requests of a browser.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    /// Where that was.
    pub(crate) machine: String,
    /// Files that were translated.
    pub(crate) files: Vec<File>,
    /// Posts to `@connections` of our gateway.
    pub(crate) post: Post,
}

/// A file that was translated while two pages were open.
#[derive(Debug, Deserialize)]
pub(crate) struct File {
    /// What it is called in tables.
    pub(crate) name: String,
    /// Its size.
    pub(crate) bytes: f64,
    /// Its segments.
    pub(crate) segments: f64,
    /// How long it took here.
    pub(crate) seconds: f64,
    /// What any page does when it is opened.
    pub(crate) opening: Traffic,
    /// The page that sent the file and has it in the reader.
    pub(crate) reader: Traffic,
    /// A page that does neither.
    pub(crate) watcher: Traffic,
}

/// What one page sent and received.
#[derive(Debug, Deserialize)]
pub(crate) struct Traffic {
    /// Frames by their `type`.
    pub(crate) received: BTreeMap<String, Frames>,
    /// Frames by their `action`.
    pub(crate) sent: BTreeMap<String, Frames>,
    /// REST requests.
    pub(crate) requests: BTreeMap<String, Requests>,
}

/// Frames of a kind.
#[derive(Debug, Deserialize)]
pub(crate) struct Frames {
    /// How many.
    pub(crate) count: f64,
    /// Their bytes.
    pub(crate) bytes: f64,
    /// As how many API Gateway would bill them.
    pub(crate) metered: f64,
}

/// Requests of a kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Requests {
    /// How many.
    pub(crate) count: f64,
    /// The bytes of their answers.
    pub(crate) answer_bytes: f64,
}

/// How long a post took.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Post {
    /// One after the other: the median.
    pub(crate) median_ms: f64,
    /// The slowest of a hundred.
    pub(crate) p99_ms: f64,
    /// By 64 side by side.
    pub(crate) per_second_by64: f64,
}

/// Read and write request units.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Both {
    /// Read.
    pub(crate) read: f64,
    /// Written.
    pub(crate) write: f64,
}

/// Request units of what the functions do, in the order in which `crates/aws/tests/tables_units.rs`
/// prints them. Read units are as dynalite counts them. Write units are the bounds of that test: a
/// changed key of an index costs two more ("Considerations for global secondary indexes"), which
/// dynalite does not count.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Units {
    /// A connection opens.
    pub(crate) opens: Both,
    /// A connection closes.
    pub(crate) closes: Both,
    /// A translation's life without its segments: announced, uploaded, begun.
    pub(crate) begins: Both,
    /// Progress is published.
    pub(crate) progress: Both,
    /// The result is put together, of a text of 40 segments.
    pub(crate) ends: Both,
    /// Somebody subscribes.
    pub(crate) subscribes: Both,
    /// A look moves on.
    pub(crate) looks: Both,
    /// Who listens is read, three times.
    pub(crate) listeners3: Both,
    /// 2,000 segments are kept in batches of 250.
    pub(crate) keeps2000: Both,
    /// A job that goes on reads which of 2,000 segments are kept.
    pub(crate) resumes2000: Both,
    /// 2,000 segments are read.
    pub(crate) reads2000: Both,
    /// A page asks what it missed.
    pub(crate) missed: Both,
}

/// Milliseconds of the functions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Functions {
    /// Where these come from.
    pub(crate) source: String,
    /// From the start of the process to its first answer.
    pub(crate) cold_ms: f64,
    /// REST.
    pub(crate) rest_ms: f64,
    /// An action of the WebSocket.
    pub(crate) websocket_ms: f64,
}

/// Reads the file that is compiled in.
pub(crate) fn measured() -> Result<Measured, serde_json::Error> {
    serde_json::from_str(include_str!("../measured.json"))
}
