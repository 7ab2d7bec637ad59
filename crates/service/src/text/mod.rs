//! From a file's bytes to segments of text and back, never holding the text whole.
//!
//! ```text
//! bytes ─► Detector ─► Charset                       first pass: what is it?
//! bytes ─► Decoder ─► text ─► Segmenter ─► Pieces    second pass: what is to be translated?
//! Pieces + translations ─► render ─► result          third pass: the result, piece by piece
//! ```
//!
//! Everything is push-style and pure: no IO, no clock, and the same answer however the bytes are
//! cut into chunks, so a job can read its source again after a restart and find the same segments.

mod charset;
mod error;
mod lines;
mod segment;

pub use charset::{Charset, Decoder, Detector};
pub use error::TextError;
pub use lines::{count_lines, keep_lines, lines, Line};
pub use segment::{Piece, Segmenter, SourceSegment};
