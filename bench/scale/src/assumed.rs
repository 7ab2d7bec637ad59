//! What nobody measured here and AWS does not say. Each is a guess of the careful kind; the tables
//! say what depends on it.

/// How long `@connections` takes for a post from a function of the same region: the median, in ms.
pub(crate) const POST_MS: f64 = 15.0;
/// How much that varies: the standard deviation of its logarithm.
pub(crate) const POST_SIGMA: f64 = 0.5;
/// How long `TranslateText` takes for a paragraph, in seconds.
pub(crate) const TRANSLATE_CALL_S: f64 = 0.4;
/// How long DynamoDB takes for a query or a write, in ms.
pub(crate) const TABLE_MS: f64 = 8.0;
/// How long a scan of 1 MB takes, in ms.
pub(crate) const SCAN_MS: f64 = 60.0;
/// Connections in 1 MB of a table that has a name in each item and nothing else.
pub(crate) const CONNECTIONS_IN_A_SCAN: f64 = 12_000.0;
/// Connections in the table that no longer exist, as a part of the open ones: browsers that crashed
/// and networks that went, until two hours are over.
pub(crate) const GONE: f64 = 0.02;
/// How long a function takes to start for the first time, in ms, where Lambda has to fetch it first.
pub(crate) const COLD_MS: f64 = 200.0;
/// How long it takes to push one message to SQS, in ms.
pub(crate) const PUSH_MS: f64 = 10.0;
/// Part of the open pages that somebody looks at: they ping every five seconds, hidden ones every
/// minute.
pub(crate) const LOOKED_AT: f64 = 0.25;
/// Bytes of a frame in its transport: headers of WebSocket, TLS and TCP.
pub(crate) const FRAME_BYTES: f64 = 100.0;
/// Bytes of a segment in its table beyond its texts: keys, numbers, names, and what DynamoDB adds.
pub(crate) const SEGMENT_BYTES: f64 = 250.0;
/// Bytes of a connection in its table and in the index by which it is found.
pub(crate) const CONNECTION_BYTES: f64 = 200.0;
/// Translations in the list that a page begins with, each of which is read by itself.
pub(crate) const LISTED: f64 = 20.0;
