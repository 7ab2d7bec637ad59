//! What can be checked of a translation without knowing its languages.

use std::collections::HashMap;

use babelwire_wire::rest::{Kept, Proof, Reason, Sides, Suspicion};

use crate::document::{Pair, in_the_result};
use crate::text::{Piece, is_line_end};

/// How many suspicious segments are listed.
const LISTED: usize = 200;
/// From how many characters on the length of a translation says something: a short word can well
/// become three.
const LONG_ENOUGH: usize = 20;
/// How many times longer a translation is suspicious.
const LONGER: usize = 3;
/// How many words a name has at most, where each begins with a capital letter.
const NAME_WORDS: usize = 3;
/// How many letters say something in a script that leaves no space between words.
const UNSPACED_LETTERS: usize = 8;

/// Gathers a [`Proof`], piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Examiner {
    source_lines: Lines,
    result_lines: Lines,
    numbers: Kept,
    urls: Kept,
    suspicious_total: u64,
    suspicious: Vec<Suspicion>,
}

impl Examiner {
    /// Examines the next piece of the text.
    pub(crate) fn examine(&mut self, pair: &Pair) {
        let (piece, kept) = pair;
        self.source_lines.add(piece.text());
        self.result_lines.add(in_the_result(pair));
        let Piece::Segment(source) = piece else {
            self.copied(piece.text());
            return;
        };
        let mut reasons = Vec::new();
        match kept {
            None => self.copied(&source.text),
            Some(kept) if kept.failed => {
                self.copied(&source.text);
                reasons.push(Reason::Failed);
            }
            Some(kept) => self.compare(&source.text, &kept.text, &mut reasons),
        }
        if !reasons.is_empty() {
            self.suspicious_total += 1;
            if self.suspicious.len() < LISTED {
                let index = source.index;
                self.suspicious.push(Suspicion { index, reasons });
            }
        }
    }

    /// What stands in the result as it was has lost nothing.
    fn copied(&mut self, text: &str) {
        let marks = Marks::of(text);
        for (kept, found) in [
            (&mut self.numbers, marks.numbers.len()),
            (&mut self.urls, marks.urls.len()),
        ] {
            kept.source += found as u64;
            kept.kept += found as u64;
        }
    }

    fn compare(&mut self, source: &str, translation: &str, reasons: &mut Vec<Reason>) {
        if translation.trim().is_empty() {
            reasons.push(Reason::Empty);
        } else if source.trim() == translation.trim() && should_change(source) {
            reasons.push(Reason::Unchanged);
        }
        let length = source.chars().count();
        if length >= LONG_ENOUGH && translation.chars().count() >= length * LONGER {
            reasons.push(Reason::Longer);
        }
        if !has_marks(source) {
            return;
        }
        let before = Marks::of(source);
        let after = Marks::of(translation);
        let numbers = before.numbers_in(&after);
        let urls = before.urls_in(&after);
        if numbers.kept < numbers.source {
            reasons.push(Reason::Numbers);
        }
        if urls.kept < urls.source {
            reasons.push(Reason::Urls);
        }
        self.numbers.source += numbers.source;
        self.numbers.kept += numbers.kept;
        self.urls.source += urls.source;
        self.urls.kept += urls.kept;
    }

    /// The proof. `result` are the lines of the result as it was written, where it was.
    pub(crate) fn proof(self, result: Option<Lines>) -> Proof {
        Proof {
            paragraphs: Sides {
                source: self.source_lines.count(),
                result: result.unwrap_or(self.result_lines).count(),
            },
            numbers: self.numbers,
            urls: self.urls,
            suspicious_total: self.suspicious_total,
            suspicious: self.suspicious,
        }
    }
}

/// Counts lines that are not blank.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    ended: u64,
    is_in_one: bool,
}

impl Lines {
    /// Adds the next part of the text.
    pub(crate) fn add(&mut self, text: &str) {
        // Most segments are a line: the bytes that line ends begin with are not in them.
        let may_end = |byte| matches!(byte, b'\n'..=b'\r' | 0x1c..=0x1e | 0xc2 | 0xe2);
        if !text.bytes().any(may_end) {
            self.is_in_one |= !text.trim().is_empty();
            return;
        }
        for (place, part) in text.split(is_line_end).enumerate() {
            if place > 0 && std::mem::take(&mut self.is_in_one) {
                self.ended += 1;
            }
            self.is_in_one |= !part.trim().is_empty();
        }
    }

    fn count(&self) -> u64 {
        self.ended + u64::from(self.is_in_one)
    }
}

/// Whether a translation of this text should differ from it: not if it is names, numbers, codes,
/// addresses or a single word, which is often the same in two languages.
fn should_change(text: &str) -> bool {
    let mut words = 0;
    let mut is_more_than_a_name = false;
    for word in text.split_whitespace() {
        if url_at(word).is_some() || word.contains('@') || word.chars().any(is_digit) {
            continue;
        }
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        let Some(first) = word.chars().find(|c| c.is_alphabetic()) else {
            continue;
        };
        words += 1;
        if !first.is_uppercase() && !first.is_lowercase() {
            // Chinese, Japanese, Thai: a sentence is one word as far as spaces tell.
            if letters >= UNSPACED_LETTERS {
                return true;
            }
            is_more_than_a_name = true;
        }
        is_more_than_a_name |= first.is_lowercase();
    }
    words >= 2 && (is_more_than_a_name || words > NAME_WORDS)
}

/// Whether there can be a number or a URL in a text.
fn has_marks(text: &str) -> bool {
    text.bytes().any(|byte| may_be_digit(byte) || byte == b':') || text.contains("www.")
}

/// What a translation should not change.
#[derive(Debug, Default, PartialEq, Eq)]
struct Marks<'a> {
    /// Each as its groups of digits: `1,000.5` is `1`, `000` and `5`.
    numbers: Vec<Vec<String>>,
    urls: Vec<&'a str>,
}

impl<'a> Marks<'a> {
    fn of(text: &'a str) -> Self {
        let mut marks = Self::default();
        if !has_marks(text) {
            return marks;
        }
        let bytes = text.as_bytes();
        let mut plain = 0;
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            // A URL begins where a word does.
            let is_within = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
            let is_begin = matches!(byte, b'h' | b'H' | b'f' | b'F' | b'w' | b'W')
                && !bytes.get(at.wrapping_sub(1)).is_some_and(is_within);
            let rest = if is_begin { text.get(at..) } else { None };
            let Some((rest, length)) = rest.and_then(|rest| Some((rest, url_at(rest)?))) else {
                at += 1;
                continue;
            };
            numbers_in(text.get(plain..at).unwrap_or_default(), &mut marks.numbers);
            marks.urls.extend(rest.get(..length));
            at += length;
            plain = at;
        }
        numbers_in(text.get(plain..).unwrap_or_default(), &mut marks.numbers);
        marks
    }

    fn numbers_in(&self, other: &Self) -> Kept {
        fn digits<'d>(marks: &'d Marks<'_>) -> impl Iterator<Item = u8> + 'd {
            marks
                .numbers
                .iter()
                .flatten()
                .flat_map(|group| group.bytes())
        }
        let source = self.numbers.len() as u64;
        if digits(self).eq(digits(other)) {
            return Kept {
                source,
                kept: source,
            };
        }
        // Whole numbers first, whatever separates their groups; then, of what is left, group by
        // group, where one side has separated what belongs together on the other.
        let mut others: HashMap<String, Vec<&Vec<String>>> = HashMap::new();
        for number in &other.numbers {
            others.entry(number.concat()).or_default().push(number);
        }
        let mut kept = 0;
        let mut missing = Vec::new();
        for number in &self.numbers {
            let same = others.get_mut(&number.concat()).and_then(Vec::pop);
            if same.is_some() {
                kept += 1;
            } else {
                missing.push(number);
            }
        }
        let mut groups: HashMap<&str, u64> = HashMap::new();
        for group in others.values().flatten().copied().flatten() {
            *groups.entry(group).or_default() += 1;
        }
        for number in missing {
            let mut left = groups.clone();
            let is_there = number.iter().all(|group| {
                let of_it = left.get_mut(group.as_str()).filter(|of_it| **of_it > 0);
                of_it.map(|of_it| *of_it -= 1).is_some()
            });
            if is_there {
                kept += 1;
                groups = left;
            }
        }
        Kept { source, kept }
    }

    fn urls_in(&self, other: &Self) -> Kept {
        let mut others = other.urls.clone();
        let mut kept = 0;
        for url in &self.urls {
            if let Some(place) = others.iter().position(|other| other == url) {
                others.swap_remove(place);
                kept += 1;
            }
        }
        Kept {
            source: self.urls.len() as u64,
            kept,
        }
    }
}

/// The length in bytes of the URL that a text begins with.
fn url_at(text: &str) -> Option<usize> {
    const BEGINNINGS: [&str; 4] = ["http://", "https://", "ftp://", "www."];
    let begins = |beginning: &&str| {
        text.get(..beginning.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(beginning))
    };
    let beginning = BEGINNINGS.iter().find(|beginning| begins(beginning))?;
    let end = text
        .find(|c: char| c.is_whitespace() || c.is_control() || "<>\"«»“”„‘’`|{}".contains(c))
        .unwrap_or(text.len());
    // What ends the sentence does not belong to the URL.
    let url = text.get(..end)?;
    let url = url.trim_end_matches(|c: char| ".,;:!?'…。，、）)]".contains(c));
    (url.len() > beginning.len()).then_some(url.len())
}

/// Adds the numbers of a text, each as its groups of digits.
fn numbers_in(text: &str, numbers: &mut Vec<Vec<String>>) {
    let mut number: Vec<String> = Vec::new();
    let mut characters = text.chars();
    loop {
        if number.is_empty() {
            let rest = characters.as_str();
            let Some(next) = rest.bytes().position(may_be_digit) else {
                return;
            };
            characters = rest.get(next..).unwrap_or_default().chars();
        }
        let Some(character) = characters.next() else {
            return;
        };
        let Some(value) = digit(character) else {
            continue;
        };
        let mut group = String::from(value);
        while let Some(value) = characters.clone().next().and_then(digit) {
            group.push(value);
            characters.next();
        }
        number.push(group);
        let mut ahead = characters.clone();
        let separator = ahead.next();
        let mut digits = 0;
        while ahead.next().is_some_and(is_digit) {
            digits += 1;
        }
        let goes_on = match separator {
            Some('.' | ',' | '\'' | '’' | '٫' | '٬') => digits > 0,
            // A space groups thousands, and nothing else.
            Some(' ' | '\u{a0}' | '\u{2009}' | '\u{202f}') => {
                let is_grouped = |place: usize, group: &String| {
                    group.len() == 3 || (place == 0 && group.len() < 3)
                };
                digits == 3 && number.iter().enumerate().all(|(n, g)| is_grouped(n, g))
            }
            _ => false,
        };
        if goes_on {
            characters.next();
        } else {
            numbers.push(std::mem::take(&mut number));
        }
    }
}

/// Whether a digit may begin with this byte of UTF-8.
fn may_be_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | 0xd9 | 0xdb | 0xe0 | 0xef)
}

fn is_digit(character: char) -> bool {
    digit(character).is_some()
}

/// The ASCII digit for a decimal digit of a common script.
fn digit(character: char) -> Option<char> {
    // Arabic-Indic, its eastern forms, Devanagari, Bengali, Thai, fullwidth.
    const ZEROS: [char; 6] = [
        '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{e50}', '\u{ff10}',
    ];
    if character.is_ascii() {
        return character.is_ascii_digit().then_some(character);
    }
    let code = u32::from(character);
    let value = ZEROS
        .into_iter()
        .filter_map(|zero| code.checked_sub(u32::from(zero)))
        .find(|value| *value < 10)?;
    char::from_digit(value, 10)
}

#[cfg(test)]
mod tests {
    use babelwire_wire::Segment;

    use super::*;
    use crate::text::SourceSegment;

    fn segment(index: u64, source: &str, text: Option<&str>) -> Pair {
        let end = source.len() as u64;
        (
            Piece::Segment(SourceSegment {
                index,
                start: 0,
                end,
                text: source.to_owned(),
            }),
            text.map(|text| Segment {
                index,
                source: [0, end],
                text: text.to_owned(),
                failed: text.is_empty(),
            }),
        )
    }

    fn reasons(source: &str, text: &str) -> Vec<Reason> {
        let mut reasons = Vec::new();
        Examiner::default().compare(source, text, &mut reasons);
        reasons
    }

    fn numbers(text: &str) -> Vec<String> {
        let marks = Marks::of(text);
        marks.numbers.iter().map(|number| number.concat()).collect()
    }

    #[test]
    fn a_number_is_its_digits_however_it_is_written() {
        for (source, text) in [
            ("It is 1,000.5 long", "Es largo 1.000,5"),
            ("It is 1,000,000 long", "Es largo 1 000 000"),
            ("It is 12\u{202f}345 long", "Es largo 12'345"),
            ("at 12:30", "a las 12.30"),
            ("on 3/14/2020", "el 14/3/2020"),
            ("the ٣ of ١٢", "los 3 de 12"),
            ("1,2,3 and 4", "4 y 1, 2, 3"),
            ("7 and 1, 2, 3", "1,2,3 y 7"),
            ("number ５", "número 5"),
        ] {
            assert_eq!(reasons(source, text), [], "{source}");
        }
        for (source, text) in [
            ("It is 1,000.5 long", "Es largo 1.000"),
            ("It is 15 long", "Es largo 51"),
            ("2 and 2", "2 y dos"),
            ("in 2010 300 people", "en 2010 personas"),
        ] {
            assert_eq!(reasons(source, text), [Reason::Numbers], "{source}");
        }
        assert_eq!(
            numbers("In 2010 300 of 1 500 came. 3."),
            ["2010", "300", "1500", "3"]
        );
    }

    #[test]
    fn a_url_is_kept_to_the_letter_and_its_digits_are_no_numbers() {
        let source = "See https://example.org/a_(b)/1?x=2, and (www.example.com).";
        let marks = Marks::of(source);
        assert_eq!(
            marks.urls,
            ["https://example.org/a_(b)/1?x=2", "www.example.com"]
        );
        assert!(marks.numbers.is_empty());
        assert_eq!(reasons(source, &source.replace("See", "Vea")), []);
        assert_eq!(
            reasons(
                source,
                "Vea https://example.org/a_(b)/1?x=3 y www.example.com"
            ),
            [Reason::Urls]
        );
        assert_eq!(reasons("No http:// here", "No hay"), []);
    }

    #[test]
    fn what_stays_the_same_is_suspicious_only_where_it_should_change() {
        for text in [
            "This was left as it is.",
            "the end",
            "Nothing Here Was Translated",
            "吾輩は猫である。名前はまだ無い。",
            "это предложение",
        ] {
            assert_eq!(reasons(text, text), [Reason::Unchanged], "{text}");
        }
        for text in [
            "London",
            "hotel",
            "New York",
            "John F. Kennedy",
            "x42 b17 1,000",
            "https://example.org/the/path of@example.org",
            "Abschnitt 7b",
            "猫",
        ] {
            assert_eq!(reasons(text, text), [], "{text}");
        }
    }

    #[test]
    fn empty_and_far_too_long_translations_are_suspicious() {
        assert_eq!(reasons("Hello there.", " \n"), [Reason::Empty]);
        let text = "Twenty characters ok";
        assert_eq!(reasons(text, &"x".repeat(60)), [Reason::Longer]);
        assert_eq!(reasons(text, &"x".repeat(59)), []);
        assert_eq!(reasons("Short", &"x".repeat(60)), []);
    }

    #[test]
    fn a_proof_counts_all_and_lists_the_first_of_those_that_are_suspicious() {
        let mut examiner = Examiner::default();
        examiner.examine(&segment(
            0,
            "Two 2\nlines www.example.org",
            Some("Dos 2\nlíneas"),
        ));
        examiner.examine(&(Piece::Gap("\n\n * 42 *\n\r\n".to_owned()), None));
        examiner.examine(&segment(1, "Given up 7", Some("")));
        examiner.examine(&(Piece::Gap("\u{2028}".to_owned()), None));
        examiner.examine(&segment(2, "Not yet 8", None));
        for index in 3..300 {
            examiner.examine(&(Piece::Gap("\n".to_owned()), None));
            let text = "the same as it was";
            examiner.examine(&segment(index, text, Some(text)));
        }
        let proof = examiner.proof(None);
        assert_eq!(
            (proof.paragraphs.source, proof.paragraphs.result),
            (302, 302)
        );
        let Kept { source, kept } = proof.numbers;
        assert_eq!((source, kept), (4, 4));
        assert_eq!((proof.urls.source, proof.urls.kept), (1, 0));
        assert_eq!((proof.suspicious_total, proof.suspicious.len()), (299, 200));
        assert_eq!(proof.suspicious[0].reasons, [Reason::Urls]);
        assert_eq!(proof.suspicious[1].reasons, [Reason::Failed]);
        assert_eq!(proof.suspicious[2].index, 3);
    }

    proptest::proptest! {
        #[test]
        fn no_text_loses_anything_to_itself(text in "(\\PC|[0-9.,: ]|https?://|www\\.|٣|\u{a0}){0,60}") {
            let marks = Marks::of(&text);
            let numbers = marks.numbers_in(&marks);
            proptest::prop_assert_eq!(numbers.source, numbers.kept);
            let urls = marks.urls_in(&marks);
            proptest::prop_assert_eq!(urls.source, urls.kept);
        }
    }
}
