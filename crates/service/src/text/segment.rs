//! Cuts text into segments.

/// A piece of the source's text that is translated on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSegment {
    /// Its place among the segments, from 0.
    pub index: u64,
    /// Where it begins: a byte offset in the source's UTF-8 text.
    pub start: u64,
    /// Where it ends, exclusive: a byte offset in the source's UTF-8 text.
    pub end: u64,
    /// The text between the two.
    pub text: String,
}

/// A stretch of the source's text. All pieces together, in order, are the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Belongs to no segment and goes into the result as it is: line ends, blank lines,
    /// indentation, lines without a letter.
    Gap(String),
    /// To be translated.
    Segment(SourceSegment),
}

/// Cuts text into [`Piece`]s.
#[derive(Debug, Default)]
pub struct Segmenter {
    pending: String,
    offset: u64,
    index: u64,
}

impl Segmenter {
    /// The largest segment, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 2048;

    /// A segmenter at the beginning of a text.
    pub fn new() -> Self {
        Self::default()
    }

    /// The pieces that are certain once `text` has followed all that was pushed before.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        self.pending.push_str(text);
        Vec::new()
    }

    /// The rest of the pieces.
    pub fn finish(self) -> Vec<Piece> {
        let end = self.offset + self.pending.len() as u64;
        vec![Piece::Segment(SourceSegment {
            index: self.index,
            start: self.offset,
            end,
            text: self.pending,
        })]
    }
}
