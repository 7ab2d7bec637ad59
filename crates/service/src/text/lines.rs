//! Keeps a translation's lines as its source's.

/// A line and what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The line without its end.
    pub text: &'a str,
    /// `"\n"`, `"\r\n"`, … or empty for the last line.
    pub end: &'a str,
}

/// The lines of a text: at least one, and the last one alone has no end.
///
/// A line ends with CR LF, LF, CR, VT, FF, FS, GS, RS, NEL, U+2028 or U+2029: whatever a common
/// tool takes for a line's end.
pub fn lines(text: &str) -> Lines<'_> {
    Lines { rest: Some(text) }
}

/// How many [`lines`] a text has.
pub fn count_lines(text: &str) -> usize {
    lines(text).count()
}

/// Whether this character ends a line.
pub fn is_line_end(character: char) -> bool {
    matches!(
        character,
        '\n'..='\r' | '\u{1C}'..='\u{1E}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// The iterator of [`lines`].
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    rest: Option<&'a str>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let rest = self.rest?;
        let Some((at, character)) = rest.char_indices().find(|&(_, c)| is_line_end(c)) else {
            self.rest = None;
            return Some(Line {
                text: rest,
                end: "",
            });
        };
        let length = if rest[at..].starts_with("\r\n") {
            2
        } else {
            character.len_utf8()
        };
        self.rest = Some(&rest[at + length..]);
        Some(Line {
            text: &rest[..at],
            end: &rest[at..at + length],
        })
    }
}

/// `translation` with exactly the line ends of `source`, in number, order and kind.
///
/// A translation with as many lines keeps them as they are. From one with more or fewer, the
/// words are filled again into lines in the proportions of the source's.
pub fn keep_lines(source: &str, translation: String) -> String {
    let same_ends = lines(source)
        .map(|line| line.end)
        .eq(lines(&translation).map(|line| line.end));
    let has_empty_line = lines(&translation).any(|line| line.text.is_empty());
    if same_ends && !has_empty_line {
        return translation;
    }
    if count_lines(source) == count_lines(&translation) {
        return join(source, lines(&translation).map(|line| line.text.to_owned()));
    }
    join(source, refill(source, &translation).into_iter())
}

/// These lines with the source's ends.
fn join(source: &str, translated: impl Iterator<Item = String>) -> String {
    let mut result = String::new();
    let mut before = None;
    for (source, text) in lines(source).zip(translated) {
        // Where an empty line would make one line end of CR and LF, a space keeps them two. What
        // stands before and after the whole is not known.
        let between_cr = before.is_none_or(|end: &str| end.ends_with('\r'));
        let and_lf = source.end.is_empty() || source.end.starts_with('\n');
        if text.is_empty() && !source.text.is_empty() && between_cr && and_lf {
            result.push(' ');
        }
        result.push_str(&text);
        result.push_str(source.end);
        before = Some(source.end);
    }
    result
}

/// The translation's words in the source's lines, each filled up to its share of the text.
fn refill(source: &str, translation: &str) -> Vec<String> {
    let share = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
    let source_total = share(source).max(1);
    let total = share(translation);
    let mut words = translation
        .split(|c: char| c.is_whitespace() || is_line_end(c))
        .filter(|word| !word.is_empty())
        .peekable();
    let mut source_done = 0;
    let mut done = 0;
    lines(source)
        .map(|line| {
            source_done += share(line.text);
            let mut filled = String::new();
            // A word goes where its middle falls; the last line takes what is left.
            while let Some(word) = words.next_if(|word| {
                line.end.is_empty() || (done + share(word) / 2) * source_total < source_done * total
            }) {
                if !filled.is_empty() {
                    filled.push(' ');
                }
                filled.push_str(word);
                done += share(word);
            }
            filled
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ends(text: &str) -> Vec<&str> {
        lines(text).map(|line| line.end).collect()
    }

    #[test]
    fn every_common_line_end_ends_a_line_and_crlf_ends_one() {
        assert_eq!(
            ends("a\nb\r\nc\rd\u{b}e\u{c}f\u{1c}g\u{1d}h\u{1e}i\u{85}j\u{2028}k\u{2029}l"),
            [
                "\n", "\r\n", "\r", "\u{b}", "\u{c}", "\u{1c}", "\u{1d}", "\u{1e}", "\u{85}",
                "\u{2028}", "\u{2029}", ""
            ]
        );
        assert_eq!(ends(""), [""]);
        assert_eq!(ends("\n\r"), ["\n", "\r", ""]);
    }

    #[test]
    fn a_translation_with_the_same_lines_is_left_alone() {
        assert_eq!(
            keep_lines("one two\nthree", "uno\ndos tres  ".to_owned()),
            "uno\ndos tres  "
        );
    }

    #[test]
    fn the_kind_of_every_line_end_is_the_sources() {
        assert_eq!(keep_lines("a\r\nb\rc", "x\ny\nz".to_owned()), "x\r\ny\rz");
    }

    #[test]
    fn lost_line_ends_come_back_where_the_sources_lines_ended() {
        assert_eq!(
            keep_lines(
                "four words are here\nand three follow",
                "hay cuatro palabras y tres que siguen".to_owned()
            ),
            "hay cuatro palabras\ny tres que siguen"
        );
    }

    #[test]
    fn line_ends_that_were_made_up_are_gone() {
        assert_eq!(
            keep_lines("one line", "una\n\nlínea\n".to_owned()),
            "una línea"
        );
        assert_eq!(keep_lines("a\nb", String::new()), " \n");
    }

    #[test]
    fn an_answer_of_nothing_does_not_make_one_line_end_of_two() {
        assert_eq!(keep_lines("a\rb\nc", String::new()), "\r \n");
        assert_eq!(keep_lines("a", String::new()), " ");
        assert_eq!(
            keep_lines("a\r\n\r\nb", "x\r\n\r\ny".to_owned()),
            "x\r\n\r\ny"
        );
    }

    proptest! {
        #[test]
        fn whatever_the_translation_the_line_ends_are_the_sources(
            source in "([a-z é]{0,8}(\n|\r\n|\r|\u{b}|\u{85}|\u{2028})?){0,12}",
            translation in "([a-z é]{0,8}(\n|\r\n|\r|\u{c}|\u{2029})?){0,12}",
        ) {
            let kept = keep_lines(&source, translation.clone());
            prop_assert_eq!(ends(&kept), ends(&source));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<String>();
            prop_assert_eq!(words(&kept), words(&translation));
        }
    }
}
