//! Cuts text into segments.

use unicode_segmentation::UnicodeSegmentation as _;

use super::lines::{Line, is_line_end, lines};

/// A piece of the source's text that is translated on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSegment {
    /// Its place among the segments, from 0.
    pub index: u64,
    /// Where it begins: a byte offset in the source's UTF-8 text.
    pub start: u64,
    /// Where it ends, exclusive: a byte offset in the source's UTF-8 text.
    pub end: u64,
    /// The text between the two: at most [`Segmenter::MAX_BYTES`], with a letter in it, and
    /// without white space at either end.
    pub text: String,
}

/// A stretch of the source's text. All pieces, in order, are the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Belongs to no segment and goes into the result as it is: line ends, blank lines,
    /// indentation, lines without a letter.
    Gap(String),
    /// To be translated.
    Segment(SourceSegment),
}

impl Piece {
    /// The source's text.
    pub fn text(&self) -> &str {
        match self {
            Self::Gap(text) => text,
            Self::Segment(segment) => &segment.text,
        }
    }
}

/// Cuts text into [`Piece`]s. The pieces are the same however the text is cut into pushes.
///
/// A segment is a paragraph, where a paragraph is
/// - what stands between blank lines, if its lines were wrapped at a width;
/// - a line, where lines end of themselves (lists, verses, one paragraph a line): a line end is
///   taken for a wrapped one if the next line's first word would not have fitted, or if a long
///   line ends within a sentence and the next one goes on with a small letter;
/// - a part of it, cut between sentences, where it is longer than [`Segmenter::TARGET_BYTES`].
#[derive(Debug, Default)]
pub struct Segmenter {
    pending: String,
    /// How much of `pending` is done with.
    done: usize,
    /// The offset in the text of the first byte that is not done with.
    offset: u64,
    index: u64,
}

impl Segmenter {
    /// The length up to which a paragraph stays whole, in bytes of UTF-8: small enough for a page
    /// to show progress, large enough for an engine to see whole sentences.
    pub const TARGET_BYTES: usize = 1000;

    /// The longest segment, in bytes of UTF-8: where not even a sentence ends within it, the text
    /// is cut between words, or else between characters.
    pub const MAX_BYTES: usize = 2048;

    /// How far a decision may look ahead, in bytes. Nothing is decided before so much text is
    /// there, or all of it: that is what makes the answer independent of chunks.
    const WINDOW_BYTES: usize = 16 * 1024;

    /// A segmenter at the beginning of a text.
    pub fn new() -> Self {
        Self::default()
    }

    /// A segmenter where another one was: see [`Segmenter::position`]. The text from there on is
    /// what is to be pushed.
    pub fn resume(index: u64, offset: u64) -> Self {
        Self {
            pending: String::new(),
            done: 0,
            offset,
            index,
        }
    }

    /// How far the pieces go that were given out: the index of the next segment, and the byte
    /// offset in the text where the next piece begins. What comes before has no influence on what
    /// comes after.
    pub fn position(&self) -> (u64, u64) {
        (self.index, self.offset)
    }

    /// The pieces that are certain once `text` has followed all that was pushed before.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        self.pending.push_str(text);
        let mut pieces = Vec::new();
        while self.pending.len() - self.done >= Self::WINDOW_BYTES {
            let window = &self.pending[self.done..];
            let window = &window[..floor(window, Self::WINDOW_BYTES)];
            let cuts = cut(window, false);
            self.take(cuts, &mut pieces);
        }
        self.pending.drain(..self.done);
        self.done = 0;
        pieces
    }

    /// The rest of the pieces.
    pub fn finish(mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while self.done < self.pending.len() {
            let window = &self.pending[self.done..];
            let cuts = cut(window, true);
            self.take(cuts, &mut pieces);
        }
        pieces
    }

    fn take(&mut self, cuts: Cuts, pieces: &mut Vec<Piece>) {
        let mut at = 0;
        for (start, end) in cuts.segments {
            self.take_gap(start - at, pieces);
            let text = self.pending[self.done..self.done + end - start].to_owned();
            let length = (end - start) as u64;
            pieces.push(Piece::Segment(SourceSegment {
                index: self.index,
                start: self.offset,
                end: self.offset + length,
                text,
            }));
            self.index += 1;
            self.done += end - start;
            self.offset += length;
            at = end;
        }
        self.take_gap(cuts.consumed - at, pieces);
    }

    fn take_gap(&mut self, length: usize, pieces: &mut Vec<Piece>) {
        if length == 0 {
            return;
        }
        let text = &self.pending[self.done..self.done + length];
        if let Some(Piece::Gap(gap)) = pieces.last_mut()
            && gap.len() < Self::WINDOW_BYTES
        {
            gap.push_str(text);
        } else {
            pieces.push(Piece::Gap(text.to_owned()));
        }
        self.done += length;
        self.offset += length as u64;
    }
}

/// What was decided about the beginning of a window.
struct Cuts {
    /// Byte ranges in the window.
    segments: Vec<(usize, usize)>,
    /// How much of the window is decided: at least a byte of it.
    consumed: usize,
}

/// Decides about the first block of a window: its blank lines, and the lines up to the next blank
/// one. A window that is not the text's last is as long as it gets.
fn cut(window: &str, is_last: bool) -> Cuts {
    let text_start = window.len() - window.trim_start_matches(is_blank).len();
    if text_start == window.len() {
        return Cuts {
            segments: Vec::new(),
            consumed: text_start,
        };
    }
    // Indentation says what a line is: it belongs to the block.
    let block_start = line_start(window, text_start);
    let mut block_end = None;
    let mut block = Vec::new();
    let mut at = block_start;
    for line in lines(&window[block_start..]) {
        let is_whole = is_last || !line.end.is_empty();
        if is_whole && line.text.trim_matches(is_blank).is_empty() {
            block_end = Some(at);
            break;
        }
        block.push((at, line));
        at += line.text.len() + line.end.len();
    }
    let ends_here = is_last || block_end.is_some();
    let block_end = block_end.unwrap_or(window.len());

    let mut segments = Vec::new();
    for (start, end) in paragraphs(&block) {
        split(window, start, end, &mut segments);
    }
    let mut consumed = block_end;
    if !ends_here {
        // The last one may go on beyond the window. A window is longer than two segments, so that
        // there is another one before it, or else nothing but white space behind it.
        if let [.., (_, before), (start, _)] = segments[..] {
            segments.pop();
            consumed = before.max(line_start(window, start));
        }
    }
    segments.retain(|&(start, end)| window[start..end].chars().any(char::is_alphabetic));
    Cuts { segments, consumed }
}

/// The last place not behind `at` where the text can be cut.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0)
}

/// White space, and what stands for an empty line in text from elsewhere.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || is_line_end(character) || character == '\u{FEFF}'
}

/// Where the line begins that has this offset in it.
fn line_start(text: &str, at: usize) -> usize {
    text[..at]
        .char_indices()
        .rev()
        .find(|&(_, character)| is_line_end(character))
        .map_or(0, |(end, character)| end + character.len_utf8())
}

/// The widths between which text is taken to be wrapped at a width, in characters. Narrower, it is
/// a list; wider, every line is a paragraph.
const WRAPPED_WIDTHS: std::ops::RangeInclusive<usize> = 40..=200;

/// Byte ranges of the paragraphs in a block of lines without a blank one.
fn paragraphs(block: &[(usize, Line<'_>)]) -> Vec<(usize, usize)> {
    let shapes: Vec<Shape> = block.iter().map(|(_, line)| Shape::of(line.text)).collect();
    let width = shapes.iter().map(|shape| shape.width).max().unwrap_or(0);
    let would_not_have_fitted = |number: usize| {
        number > 0 && shapes[number - 1].width + 1 + shapes[number].first_word > width
    };
    let ends_of_lines = block.len().saturating_sub(1);
    let full = (0..block.len())
        .filter(|&n| would_not_have_fitted(n))
        .count();
    let may_be_wrapped = WRAPPED_WIDTHS.contains(&width);
    let is_wrapped = full * 3 >= ends_of_lines * 2;
    let mut paragraphs: Vec<(usize, usize)> = Vec::new();
    for (number, &(start, line)) in block.iter().enumerate() {
        let end = start + line.text.len();
        // The longest line is always full. Among lines that are not, the end of a sentence is
        // the end of a line as well.
        let goes_on = may_be_wrapped
            && number > 0
            && shapes[number].may_continue(&shapes[number - 1])
            && if would_not_have_fitted(number) {
                is_wrapped || !ends_a_sentence(block[number - 1].1.text)
            } else {
                shapes[number - 1].width * 3 >= width * 2
                    && line.text.trim_start().starts_with(char::is_lowercase)
                    && !ends_a_sentence(block[number - 1].1.text)
            };
        match paragraphs.last_mut() {
            Some(paragraph) if goes_on => paragraph.1 = end,
            _ => paragraphs.push((start, end)),
        }
    }
    paragraphs
}

/// Whether a line's last word ends a sentence.
fn ends_a_sentence(line: &str) -> bool {
    let line = line.trim_end_matches(|c: char| c.is_whitespace() || "\"'’”»)]".contains(c));
    line.ends_with(['.', '!', '?', ':', ';', '…', '。', '！', '？'])
        && !ends_with_abbreviation(line)
}

/// What a line looks like, in characters.
struct Shape {
    /// White space before its text.
    indent: usize,
    /// Where its text begins behind a list marker; its indent, if it has none.
    text_column: usize,
    /// Whether a list marker begins it.
    has_marker: bool,
    first_word: usize,
    /// Up to the end of its last word.
    width: usize,
}

impl Shape {
    fn of(line: &str) -> Self {
        let text = line.trim_start();
        let indent = line[..line.len() - text.len()].chars().count();
        let first_word = text.split_whitespace().next().unwrap_or_default();
        let behind = text[first_word.len()..].trim_start();
        let has_marker = is_list_marker(first_word) && !behind.is_empty();
        let text_column = if has_marker {
            indent + text[..text.len() - behind.len()].chars().count()
        } else {
            indent
        };
        Self {
            indent,
            text_column,
            has_marker,
            first_word: first_word.chars().count(),
            width: line.trim_end().chars().count(),
        }
    }

    /// Whether this line can be the rest of the one before it, by how it begins.
    fn may_continue(&self, previous: &Self) -> bool {
        let is_indented_anew = self.indent > previous.indent && self.indent != previous.text_column;
        !self.has_marker && !is_indented_anew
    }
}

/// `-`, `*`, `•`, `3.`, `(b)`, …
fn is_list_marker(word: &str) -> bool {
    if matches!(
        word,
        "-" | "*" | "+" | "•" | "‣" | "◦" | "·" | "–" | "—" | "#" | "##" | "###"
    ) {
        return true;
    }
    let Some(inner) = word.strip_suffix(['.', ')', ':']) else {
        return false;
    };
    let inner = inner.strip_prefix('(').unwrap_or(inner);
    let mut characters = inner.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => only.is_alphanumeric(),
        (Some(_), Some(_)) => inner.len() <= 4 && inner.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

/// Adds the byte range of a paragraph, without its outer white space, in parts where it is long.
fn split(text: &str, start: usize, end: usize, segments: &mut Vec<(usize, usize)>) {
    let mut start = start;
    loop {
        let rest = &text[start..end];
        start += rest.len() - rest.trim_start_matches(is_blank).len();
        let rest = text[start..end].trim_end_matches(is_blank);
        if rest.is_empty() {
            return;
        }
        let length = if rest.len() <= Segmenter::TARGET_BYTES {
            rest.len()
        } else {
            part(rest)
        };
        let kept = rest[..length].trim_end_matches(is_blank).len();
        segments.push((start, start + kept));
        start += length;
    }
}

/// The length of the first part of a long paragraph: up to the last end of a sentence within the
/// target, or to the first one beyond it, or to the last gap between words, or at least between
/// characters as readers see them.
fn part(paragraph: &str) -> usize {
    let limit = floor(paragraph, Segmenter::MAX_BYTES);
    // Whether a sentence ends at the limit can be seen by what follows.
    let seen = &paragraph[..floor(paragraph, limit + Segmenter::TARGET_BYTES)];
    // A wrapped line's end ends no sentence; UAX #29 says that it does.
    let flowing: String = seen
        .char_indices()
        .flat_map(|(_, c)| {
            let blank = is_line_end(c);
            std::iter::repeat_n(
                if blank { ' ' } else { c },
                if blank { c.len_utf8() } else { 1 },
            )
        })
        .collect();
    let mut within_target = None;
    let mut beyond = None;
    for (at, _) in flowing.split_sentence_bound_indices().skip(1) {
        if at > limit {
            break;
        }
        if ends_with_abbreviation(&flowing[..at]) {
            continue;
        }
        if at <= Segmenter::TARGET_BYTES {
            within_target = Some(at);
        } else {
            beyond = Some(at);
            break;
        }
    }
    if let Some(at) = within_target.or(beyond) {
        return at;
    }
    if paragraph.len() <= Segmenter::MAX_BYTES {
        return paragraph.len();
    }
    let head = &paragraph[..limit];
    let half = floor(head, limit / 2);
    let behind = |(at, found): (usize, &str)| at + found.len();
    if let Some(clause) = head[half..]
        .rmatch_indices([',', ';', ':', '，', '、', '；', '：', '؛', '،'])
        .map(behind)
        .find(|at| {
            head[half + at..].starts_with(is_blank) || !head.as_bytes()[half + at - 1].is_ascii()
        })
    {
        return half + clause;
    }
    if let Some((space, _)) = head
        .char_indices()
        .rev()
        .find(|&(at, c)| at > 0 && is_blank(c))
    {
        return space;
    }
    // The cluster at the limit may go on behind it: it is known whole only in what was seen.
    seen.grapheme_indices(true)
        .map(|(at, _)| at)
        .take_while(|&at| at <= limit)
        .last()
        .filter(|&at| at > 0)
        .unwrap_or(limit)
}

/// Whether the full stop that ends this text is an abbreviation's or an initial's.
fn ends_with_abbreviation(text: &str) -> bool {
    const ABBREVIATIONS: &[&str] = &[
        "mr", "mrs", "ms", "dr", "prof", "st", "sr", "sra", "srta", "jr", "dra", "mme", "mlle",
        "vs", "cf", "e.g", "i.e", "no", "nr", "vol", "pp", "fig", "ch", "bzw", "hr", "fr", "sig",
        "ing", "p.ej", "ud", "uds", "av", "approx", "gen", "col", "capt", "lt", "sgt", "rev",
        "hon",
    ];
    let Some(text) = text.trim_end().strip_suffix('.') else {
        return false;
    };
    let word = text
        .rsplit(|c: char| !(c.is_alphanumeric() || c == '.'))
        .next()
        .unwrap_or_default();
    let mut characters = word.chars();
    match (characters.next(), characters.next()) {
        (Some(initial), None) => initial.is_uppercase(),
        _ => ABBREVIATIONS.contains(&word.to_lowercase().as_str()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces_of(text: &str) -> Vec<Piece> {
        let mut segmenter = Segmenter::new();
        let mut pieces = segmenter.push(text);
        pieces.extend(segmenter.finish());
        pieces
    }

    fn segments_of(text: &str) -> Vec<String> {
        segments(&pieces_of(text))
            .map(|segment| segment.text.clone())
            .collect()
    }

    fn segments(pieces: &[Piece]) -> impl Iterator<Item = &SourceSegment> {
        pieces.iter().filter_map(|piece| match piece {
            Piece::Segment(segment) => Some(segment),
            Piece::Gap(_) => None,
        })
    }

    fn joined(pieces: &[Piece]) -> String {
        pieces.iter().map(Piece::text).collect()
    }

    #[test]
    fn prose_wrapped_at_a_width_is_one_segment_a_paragraph() {
        let text = "It is a truth universally acknowledged, that a single man in\n\
                    possession of a good fortune, must be in want of a wife.\n\
                    \n\
                    However little known the feelings or views of such a man may\n\
                    be on his first entering a neighbourhood, this truth is so\n\
                    well fixed.\n";
        let segments = segments_of(text);
        assert_eq!(segments.len(), 2, "{segments:#?}");
        assert!(segments[0].starts_with("It is") && segments[0].ends_with("of a wife."));
        assert!(segments[1].starts_with("However") && segments[1].ends_with("well fixed."));
    }

    #[test]
    fn lines_that_end_of_themselves_are_a_segment_each() {
        assert_eq!(
            segments_of("apples\noranges\npears\n"),
            ["apples", "oranges", "pears"]
        );
        assert_eq!(
            segments_of(
                "In the beginning God created the heaven and the earth.\n\
                 And the earth was without form, and void; and darkness was upon the deep.\n\
                 And God said, Let there be light: and there was light.\n"
            )
            .len(),
            3
        );
    }

    #[test]
    fn a_heading_does_not_run_into_the_paragraph_below_it() {
        let segments = segments_of(
            "CHAPTER ONE\n\
             It was the best of times, it was the worst of times, it was the age\n\
             of wisdom, it was the age of foolishness.\n",
        );
        assert_eq!(segments.len(), 2, "{segments:#?}");
        assert_eq!(segments[0], "CHAPTER ONE");
    }

    #[test]
    fn list_items_stay_apart_and_keep_their_wrapped_lines() {
        let segments = segments_of(
            "- the first item is so long that it had to be wrapped at the\n  \
               width of the page\n\
             - the second item is just about as long as the first one was\n  \
               and wrapped as well\n",
        );
        assert_eq!(segments.len(), 2, "{segments:#?}");
        assert!(segments[0].contains("\n  width"));
    }

    #[test]
    fn a_sentence_that_was_wrapped_short_of_the_width_stays_whole() {
        let segments = segments_of(
            " Copyright (C) 2007 Free Software Foundation, Inc. <https://fsf.org/>\n \
             Everyone is permitted to copy and distribute verbatim copies\n \
             of this license document, but changing it is not allowed.\n",
        );
        let sentence = segments.iter().find(|segment| segment.contains("Everyone"));
        assert!(
            sentence.is_some_and(|found| found.ends_with("not allowed.")),
            "{segments:#?}"
        );
    }

    #[test]
    fn an_indented_line_begins_a_paragraph() {
        let segments = segments_of(
            "   The old man sat by the fire and looked for a long while at it\n\
             without a word, and nobody in the room dared to disturb him then.\n   \
                The next morning he was gone, and so were the horse and the dog.\n",
        );
        assert_eq!(segments.len(), 2, "{segments:#?}");
    }

    #[test]
    fn white_space_and_lines_without_letters_are_in_no_segment() {
        let pieces = pieces_of("\u{c}\n  \t Hello \t\r\n\r\n * * *\r\n12 + 30 = 42\rBye\u{2028}");
        assert_eq!(
            pieces,
            [
                Piece::Gap("\u{c}\n  \t ".to_owned()),
                Piece::Segment(SourceSegment {
                    index: 0,
                    start: 6,
                    end: 11,
                    text: "Hello".to_owned(),
                }),
                Piece::Gap(" \t\r\n\r\n * * *\r\n12 + 30 = 42\r".to_owned()),
                Piece::Segment(SourceSegment {
                    index: 1,
                    start: 38,
                    end: 41,
                    text: "Bye".to_owned(),
                }),
                Piece::Gap("\u{2028}".to_owned()),
            ]
        );
    }

    #[test]
    fn a_long_paragraph_is_cut_between_sentences() {
        let sentence =
            "Mr. J. Smith of the U.S. met Dr. Jones, who asked him: Why? He did not know. ";
        let text = sentence.repeat(60);
        let segments = segments_of(&text);
        assert!(segments.len() >= 5);
        for segment in &segments {
            assert!(segment.len() <= Segmenter::TARGET_BYTES);
            assert!(
                segment.ends_with("know.") || segment.ends_with("Why?"),
                "cut within a sentence: …{}",
                &segment[segment.len() - 20..]
            );
        }
    }

    #[test]
    fn japanese_is_cut_between_sentences_too() {
        let segments = segments_of(&"吾輩は猫である。名前はまだ無い。".repeat(100));
        assert!(segments.len() > 3);
        assert!(segments.iter().all(|segment| segment.ends_with('。')));
    }

    #[test]
    fn text_without_a_break_is_cut_between_graphemes() {
        let family = "👨‍👩‍👧‍👦";
        let segments = segments_of(&format!("x{}", format!("{family}é").repeat(1000)));
        assert!(segments.len() > 10);
        for segment in &segments {
            assert!(segment.len() <= Segmenter::MAX_BYTES);
            assert!(!segment.starts_with('\u{200d}') && !segment.ends_with('\u{200d}'));
        }
        // One grapheme that is larger than any segment.
        let zalgo = format!("a{}", "\u{301}".repeat(5000));
        assert!(
            segments_of(&zalgo)
                .iter()
                .all(|s| s.len() <= Segmenter::MAX_BYTES)
        );
        assert_eq!(joined(&pieces_of(&zalgo)), zalgo);
    }

    #[test]
    fn memory_stays_small_however_long_a_line_or_a_gap_is() {
        for unit in ["word ", " ", "\n", "1", "ab", "\r\n \t"] {
            let mut segmenter = Segmenter::new();
            let chunk = unit.repeat(64 * 1024 / unit.len());
            for _ in 0..32 {
                segmenter.push(&chunk);
                assert!(
                    segmenter.pending.len() < Segmenter::WINDOW_BYTES,
                    "{unit:?}"
                );
                assert!(segmenter.pending.capacity() <= 256 * 1024, "{unit:?}");
            }
        }
    }

    /// Text of the sort that segmenting could stumble over, up to several windows long.
    fn text() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            8 => "[a-zA-Zñé]{1,9}[.,;:!?]?".boxed(),
            1 => "[0-9.]{1,6}".boxed(),
            1 => Just("- ".to_owned()).boxed(),
            1 => "\\PC{1,5}".boxed(),
            1 => "(字|の|。|👩‍👧|\u{301}|\u{feff}|\u{200b}){1,9}".boxed(),
        ];
        let gap = prop_oneof![
            12 => Just(" "),
            2 => Just("\n"),
            1 => Just("\r\n"),
            1 => Just("\n\n"),
            1 => Just("\r\n\r\n"),
            1 => Just("\r"),
            1 => Just("   "),
            1 => Just("\n\t"),
            1 => Just("\u{c}"),
            1 => Just("\u{2028}"),
            1 => Just("\u{a0}"),
            1 => Just(""),
        ];
        let run = (proptest::collection::vec((word, gap), 0..80), 1_usize..60);
        proptest::collection::vec(run, 0..4).prop_map(|runs| {
            let mut text = String::new();
            for (words, times) in runs {
                let run: String = words.iter().flat_map(|(w, g)| [w.as_str(), g]).collect();
                text.push_str(&run.repeat(times));
            }
            text
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_pieces_are_the_text_and_every_segment_is_fit_to_translate(text in text()) {
            let pieces = pieces_of(&text);
            prop_assert_eq!(joined(&pieces), text.clone());
            let mut end = 0;
            for (index, segment) in segments(&pieces).enumerate() {
                prop_assert_eq!(segment.index, index as u64);
                prop_assert!(segment.start >= end);
                end = segment.end;
                let range = usize::try_from(segment.start).unwrap()..usize::try_from(end).unwrap();
                prop_assert_eq!(&text[range], &segment.text);
                prop_assert!(segment.text.len() <= Segmenter::MAX_BYTES);
                prop_assert!(segment.text.chars().any(char::is_alphabetic));
                prop_assert_eq!(segment.text.trim(), &segment.text);
            }
        }

        #[test]
        fn every_letter_is_in_a_segment(text in text()) {
            for piece in pieces_of(&text) {
                if let Piece::Gap(gap) = piece {
                    prop_assert!(!gap.chars().any(char::is_alphabetic), "{gap:?}");
                }
            }
        }

        #[test]
        fn who_begins_where_another_was_finds_the_same_segments(
            text in text(),
            size in 2000_usize..20_000,
        ) {
            let whole = pieces_of(&text);
            let mut segmenter = Segmenter::new();
            let mut pushed = 0;
            while pushed < text.len() {
                let end = floor(&text, (pushed + size).min(text.len()));
                let end = if end > pushed { end } else { text.len() };
                segmenter.push(&text[pushed..end]);
                pushed = end;
                let (index, offset) = segmenter.position();
                let mut other = Segmenter::resume(index, offset);
                let mut pieces = other.push(&text[usize::try_from(offset).unwrap()..]);
                pieces.extend(other.finish());
                let skipped = usize::try_from(index).unwrap();
                prop_assert!(segments(&pieces).eq(segments(&whole).skip(skipped)));
            }
        }

        #[test]
        fn the_chunks_make_no_difference(
            text in text(),
            sizes in proptest::collection::vec(1_usize..5000, 1..40),
        ) {
            let mut segmenter = Segmenter::new();
            let mut pieces = Vec::new();
            let mut rest = text.as_str();
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, tail) = rest.split_at(floor(rest, *size).max(
                    rest.chars().next().map_or(0, char::len_utf8),
                ));
                pieces.extend(segmenter.push(chunk));
                rest = tail;
            }
            pieces.extend(segmenter.finish());
            let whole = pieces_of(&text);
            prop_assert!(segments(&pieces).eq(segments(&whole)));
            prop_assert_eq!(joined(&pieces), text);
        }
    }
}
