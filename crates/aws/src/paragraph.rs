//! Text for an engine that takes so many bytes at a time and thinks in sentences.

use babelwire_service::text::{Line, keep_lines, lines};
use unicode_segmentation::UnicodeSegmentation as _;

/// A stretch of a text. All of them, in order, are the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Block<'a> {
    /// Stays as it is: blank lines, lines without a letter, line ends.
    Gap(&'a str),
    /// To be translated.
    Paragraph(Paragraph<'a>),
}

/// Lines that belong together. A sentence may go on from one to the next, and an engine that is
/// given half of one translates it badly; so they are asked for as one line, and the words of the
/// answer are filled into as many lines again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Paragraph<'a> {
    /// Line by line: the white space before the words, the words, what follows them.
    lines: Vec<(&'a str, Line<'a>, &'a str)>,
}

/// A text's blocks.
pub(crate) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut paragraph = Vec::new();
    for line in lines(text) {
        if line.text.chars().any(char::is_alphabetic) {
            let (before, text, after) = trimmed(line.text);
            let end = line.end;
            paragraph.push((before, Line { text, end }, after));
            continue;
        }
        close(&mut paragraph, &mut blocks);
        for gap in [line.text, line.end] {
            if !gap.is_empty() {
                blocks.push(Block::Gap(gap));
            }
        }
    }
    close(&mut paragraph, &mut blocks);
    blocks
}

/// Ends a paragraph, if one was begun. Its last line's end is not its own any more.
fn close<'a>(paragraph: &mut Vec<(&'a str, Line<'a>, &'a str)>, blocks: &mut Vec<Block<'a>>) {
    let Some((_, last, _)) = paragraph.last() else {
        return;
    };
    let end = last.end;
    let lines = std::mem::take(paragraph);
    blocks.push(Block::Paragraph(Paragraph { lines }));
    if !end.is_empty() {
        blocks.push(Block::Gap(end));
    }
}

impl Paragraph<'_> {
    /// Its words in one line.
    pub(crate) fn unwrapped(&self) -> String {
        let mut unwrapped = String::new();
        for (_, line, _) in &self.lines {
            let wants_space = unwrapped.chars().next_back().is_some_and(|last| {
                let first = line.text.chars().next();
                !(is_spaceless(last) && first.is_some_and(is_spaceless))
            });
            if wants_space {
                unwrapped.push(' ');
            }
            unwrapped.push_str(line.text);
        }
        unwrapped
    }

    /// The words of a translation in lines like these, which keep their indents and their ends,
    /// the last one's aside.
    pub(crate) fn wrap(&self, translation: &str) -> String {
        let mut source = String::new();
        for (index, (_, line, _)) in self.lines.iter().enumerate() {
            source.push_str(line.text);
            if index + 1 < self.lines.len() {
                source.push_str(line.end);
            }
        }
        // In one line first: where an engine breaks lines of its own accord means nothing.
        let words = keep_lines(&self.unwrapped(), translation.trim().to_owned());
        let wrapped = keep_lines(&source, words);
        let mut text = String::new();
        for ((before, _, after), line) in self.lines.iter().zip(lines(&wrapped)) {
            text.push_str(before);
            text.push_str(line.text);
            text.push_str(after);
            text.push_str(line.end);
        }
        text
    }
}

/// The white space before the words, the words, the white space after them.
pub(crate) fn trimmed(text: &str) -> (&str, &str, &str) {
    let begin = text.len() - text.trim_start().len();
    let (before, rest) = text.split_at(begin);
    let (words, after) = rest.split_at(rest.trim_end().len());
    (before, words, after)
}

/// Whether a character is of a script that sets no spaces between words, so that a line's end
/// stands for nothing: Chinese and Japanese, with their punctuation, Thai, Lao, Khmer, Burmese.
fn is_spaceless(char: char) -> bool {
    matches!(
        char,
        '\u{e00}'..='\u{eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{3000}'..='\u{30ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{ff00}'..='\u{ff65}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

/// Cuts a text into parts of at most `most` bytes: between sentences; where one sentence alone is
/// too long, between words (UAX #29); a word that is, between the characters that a reader sees,
/// and such a character, between code points. All parts, in order, are the text. A single code
/// point is never cut, so `most` is taken for 4 where it is less.
pub(crate) fn cut(text: &str, most: usize) -> Vec<&str> {
    let most = most.max(4);
    let mut parts = Vec::new();
    let mut begin = 0;
    // The atoms of each level are looked at only inside of one that is too long.
    fill(text, most, 0, &mut begin, &mut parts, text, 0);
    if begin < text.len() {
        parts.push(&text[begin..]);
    }
    parts
}

/// Goes through the atoms of `inner`, which begins at `offset` of `text`; a part that begins at
/// `begin` ends before the atom that it has no room for.
fn fill<'a>(
    text: &'a str,
    most: usize,
    level: u8,
    begin: &mut usize,
    parts: &mut Vec<&'a str>,
    inner: &'a str,
    offset: usize,
) {
    let atoms: Box<dyn Iterator<Item = &'a str>> = match level {
        0 => Box::new(inner.split_sentence_bounds()),
        1 => Box::new(inner.split_word_bounds()),
        2 => Box::new(inner.graphemes(true)),
        _ => Box::new(inner.split_inclusive(|_: char| true)),
    };
    let mut at = offset;
    for atom in atoms {
        let end = at + atom.len();
        if end - *begin > most {
            if at > *begin {
                parts.push(&text[*begin..at]);
                *begin = at;
            }
            if atom.len() > most {
                fill(text, most, level + 1, begin, parts, atom, at);
            }
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through(text: &str, translate: impl Fn(&str) -> String) -> String {
        blocks(text)
            .iter()
            .map(|block| match block {
                Block::Gap(gap) => (*gap).to_owned(),
                Block::Paragraph(paragraph) => paragraph.wrap(&translate(&paragraph.unwrapped())),
            })
            .collect()
    }

    #[test]
    fn a_sentence_over_two_lines_is_asked_for_as_one() {
        let text = "  The lamp is\r\n  in the kitchen. \n\n*** 42 ***\nEnd";
        let blocks = blocks(text);
        let asked: Vec<_> = blocks
            .iter()
            .filter_map(|block| match block {
                Block::Paragraph(paragraph) => Some(paragraph.unwrapped()),
                Block::Gap(_) => None,
            })
            .collect();
        assert_eq!(asked, ["The lamp is in the kitchen.", "End"]);
        assert_eq!(
            through(text, str::to_uppercase),
            "  THE LAMP IS\r\n  IN THE KITCHEN. \n\n*** 42 ***\nEND"
        );
    }

    #[test]
    fn lines_of_a_script_without_spaces_are_joined_without_one() {
        let unwrapped = |text| match blocks(text).remove(0) {
            Block::Paragraph(paragraph) => paragraph.unwrapped(),
            Block::Gap(gap) => gap.to_owned(),
        };
        assert_eq!(unwrapped("今日は\nいい天気"), "今日はいい天気");
        assert_eq!(unwrapped("今日は\nBabelwire"), "今日は Babelwire");
    }

    #[test]
    fn a_text_is_cut_between_sentences_as_late_as_possible() {
        let text = "One is here. Two is here. Three is here.";
        assert_eq!(
            cut(text, 27),
            ["One is here. Two is here. ", "Three is here."]
        );
        assert_eq!(cut(text, 100), [text]);
        assert!(cut("", 10).is_empty());
    }

    #[test]
    fn a_sentence_that_is_too_long_is_cut_between_words_and_the_rest_between_sentences() {
        let text = "Short. This one is far too long for it. Short.";
        assert_eq!(
            cut(text, 20),
            ["Short. ", "This one is far too ", "long for it. Short."]
        );
    }

    #[test]
    fn a_word_that_is_too_long_is_cut_between_what_a_reader_takes_for_characters() {
        // Each is a letter and an accent of its own, three bytes.
        let text = "e\u{301}".repeat(4);
        assert_eq!(cut(&text, 8), ["e\u{301}e\u{301}"; 2]);
        // A family of 18 bytes has to be parted, but no member of it.
        let family = "👨\u{200d}👩\u{200d}👧";
        assert_eq!(cut(family, 7), ["👨\u{200d}", "👩\u{200d}", "👧"]);
    }

    proptest! {
        #[test]
        fn parts_fit_and_are_the_text(text in "(\\PC|[a-z .\n]){0,200}", most in 4_usize..60) {
            let parts = cut(&text, most);
            prop_assert_eq!(parts.concat(), text.as_str());
            prop_assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= most));
        }

        #[test]
        fn blocks_are_the_text_where_nothing_is_changed(
            text in "([a-z1 \u{3042}\t]{0,9}(\n|\r\n|\r|\u{85}|\u{2028})?){0,12}",
        ) {
            let line_ends = |text: &str| lines(text).map(|line| line.end.to_owned()).collect::<Vec<_>>();
            let same = through(&text, str::to_owned);
            prop_assert_eq!(line_ends(&same), line_ends(&text));
            let words = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(words(&same), words(&text));
        }

        #[test]
        fn whatever_the_engine_answers_the_lines_are_the_texts(
            text in "([a-z1 \t]{0,9}(\n|\r\n|\r|\u{b}|\u{2028})?){0,12}",
            answer in "([a-z ]{0,9}(\n|\r\n|\r)?){0,6}",
        ) {
            let line_ends = |text: &str| lines(text).map(|line| line.end.to_owned()).collect::<Vec<_>>();
            let translated = through(&text, |_| answer.clone());
            prop_assert_eq!(line_ends(&translated), line_ends(&text));
            prop_assert_eq!(translated.matches('\n').count(), text.matches('\n').count());
        }
    }
}
