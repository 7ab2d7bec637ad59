//! From a file's bytes to segments of text and back, never holding the text whole.
//!
//! ```text
//! bytes ─► Detector ─► Charset                       first pass: what is it?
//! bytes ─► Decoder ─► text ─► Segmenter ─► Pieces    second pass: what is to be translated?
//! Pieces + translations ─► assemble ─► result        third pass: the result, piece by piece
//! ```
//!
//! Everything is push-style and pure: no IO, no clock, and the same answer however the bytes are
//! cut into chunks, so a job can read its source again after a restart and find the same segments.

mod charset;
mod error;
mod kind;
mod lines;
mod segment;

use std::borrow::Cow;

pub use charset::{Charset, Decoder, Detector};
pub use error::TextError;
pub use lines::{Line, Lines, count_lines, is_line_end, keep_lines, lines};
pub use segment::{Piece, Segmenter, SourceSegment};

/// What the result has in a piece's place: a gap as it is, a segment's translation with the
/// segment's own line ends. So the result has as many lines as the source, whatever the engine did.
pub fn assemble<'a>(piece: &'a Piece, translation: Option<&str>) -> Cow<'a, str> {
    match (piece, translation) {
        (Piece::Segment(segment), Some(translation)) => {
            Cow::Owned(keep_lines(&segment.text, translation.to_owned()))
        }
        (piece, _) => Cow::Borrowed(piece.text()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What hostile or broken engines answer.
    fn broken(translator: u8, text: &str) -> String {
        match translator {
            0 => String::new(),
            1 => text.replace(is_line_end, " "),
            2 => text.replace(' ', "\n"),
            3 => format!("\r\n{text}\n\n"),
            4 => text.chars().rev().collect(),
            5 => "\u{2028}\r\u{b}".repeat(text.len() % 7),
            _ => text.to_uppercase(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn lines_in_are_lines_out_whatever_the_engine_does(
            words in proptest::collection::vec(
                "[a-zñ]{1,9}[.,]?( | |  |\n|\r\n|\r|\n\n|\u{c}|\u{85}|\u{2028})",
                0..400,
            ),
            translator in 0_u8..7,
        ) {
            let text = words.concat();
            let mut segmenter = Segmenter::new();
            let mut pieces = segmenter.push(&text);
            pieces.extend(segmenter.finish());
            let result: String = pieces
                .iter()
                .map(|piece| assemble(piece, Some(&broken(translator, piece.text()))))
                .collect();
            let ends = |text: &str| -> Vec<String> {
                lines(text).map(|line| line.end.to_owned()).collect()
            };
            prop_assert_eq!(ends(&result), ends(&text));
        }
    }

    #[test]
    fn a_piece_without_a_translation_stays_as_it_is() {
        let piece = Piece::Gap("\n\n".to_owned());
        assert_eq!(assemble(&piece, None), "\n\n");
        assert_eq!(assemble(&piece, Some("x")), "\n\n");
    }
}
