//! Text in Apertium's stream format, and back.
//!
//! The format ("Apertium stream format" in the Apertium wiki) gives `^ $ / \ [ ] { } @ < > ~` a
//! meaning and carries what is not to be translated in superblanks: `[…]`, passed through by
//! every stage. All that could disturb a stage or be disturbed by one (those characters, line
//! ends, runs of spaces, control characters, emoji, …) travels as a numbered superblank and is put
//! back by its number, so that it cannot be changed, and it shows when it was moved. A backslash
//! takes a character's meaning away as well, but not every stage minds it everywhere: `lrx-proc`
//! waits for ever for the rest of the word after `\^[…]`.

use std::fmt::Write as _;

use babelwire_service::text::is_line_end;

/// A text on its way through the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// In the stream format, without a NUL.
    pub(crate) stream: String,
    /// What the superblanks stand for.
    blanks: Vec<String>,
    /// Whether a full stop was added, so that the last words are read as a sentence.
    has_added_stop: bool,
}

/// What the superblanks are told apart by, in a text's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// To be translated.
    Words(&'a str),
    /// To be kept.
    Blank(&'a str),
}

/// A text as words and blanks, in turn. A single space between words is part of them.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut words_from = 0;
    let mut at = 0;
    while at < text.len() {
        let length = kept_length(text, at);
        if length == 0 {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let is_plain_space = &text[at..at + length] == " ";
        if !is_plain_space {
            if words_from < at {
                parts.push(Part::Words(&text[words_from..at]));
            }
            parts.push(Part::Blank(&text[at..at + length]));
            words_from = at + length;
        }
        at += length;
    }
    if words_from < text.len() {
        parts.push(Part::Words(&text[words_from..]));
    }
    parts
}

/// How many bytes from `at` on are to be kept: blanks, and addresses between them.
fn kept_length(text: &str, at: usize) -> usize {
    let begins_word = !text[..at].ends_with(char::is_alphanumeric);
    let mut length = 0;
    loop {
        let rest = &text[at + length..];
        let more = match blank_length(rest) {
            0 if begins_word || length > 0 => address_length(rest),
            blank => blank,
        };
        if more == 0 {
            return length;
        }
        length += more;
    }
}

/// How many bytes of a URL or a mail address a text begins with. An engine would take its parts
/// for words.
fn address_length(text: &str) -> usize {
    let end = text
        .find(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"'))
        .unwrap_or(text.len());
    let address = text[..end].trim_end_matches(|c: char| !c.is_alphanumeric() && c != '/');
    let is_name = |name: &str, also: &[u8]| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || also.contains(&byte);
        !name.is_empty() && name.bytes().all(fits)
    };
    let is_url = address
        .split_once("://")
        .is_some_and(|(scheme, rest)| is_name(scheme, b"+-.") && !rest.is_empty());
    let is_host = address
        .strip_prefix("www.")
        .is_some_and(|rest| rest.contains('.'));
    let is_mailbox = address.split_once('@').is_some_and(|(mailbox, host)| {
        is_name(mailbox, b"._%+-") && is_name(host, b".-") && host.contains('.')
    });
    if is_url || is_host || is_mailbox {
        address.len()
    } else {
        0
    }
}

/// How many bytes of blank a text begins with.
fn blank_length(text: &str) -> usize {
    let mut after_blank = false;
    text.char_indices()
        .find(|&(_, character)| {
            // What modifies the emoji before it.
            let joins = after_blank && matches!(character, '\u{200D}' | '\u{FE00}'..='\u{FE0F}');
            let is_blank = character == ' ' || is_opaque(character) || joins;
            after_blank = is_blank && character != ' ';
            !is_blank
        })
        .map_or(text.len(), |(at, _)| at)
}

/// Whether the engine has no use for this character, or would stumble over it: what the stream
/// format gives a meaning, U+FFFF, which ICU reads as the end of the file, and what is beyond the
/// Basic Multilingual Plane, where no dictionary has words.
fn is_opaque(character: char) -> bool {
    is_line_end(character)
        || (character.is_whitespace() && character != ' ')
        || character.is_control()
        || matches!(
            character,
            '^' | '$' | '/' | '\\' | '[' | ']' | '{' | '}' | '@' | '<' | '>' | '~' |
            '\u{200E}' | '\u{200F}'
                | '\u{202A}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{E000}'..='\u{F8FF}'
                | '\u{FDD0}'..='\u{FDEF}'
                | '\u{FEFF}'
                | '\u{FFF0}'..='\u{10FFFF}'
        )
}

/// Puts a text into the stream format.
pub(crate) fn encode(text: &str) -> Encoded {
    let mut stream = String::with_capacity(text.len() + text.len() / 8 + 8);
    let mut blanks = Vec::new();
    for part in parts(text) {
        match part {
            Part::Words(words) => stream.push_str(words),
            Part::Blank(blank) => {
                // Writing into a String does not fail.
                let _ = write!(stream, "[{}]", blanks.len());
                blanks.push(blank.to_owned());
            }
        }
    }
    let last = text.trim_end_matches(|c: char| !c.is_alphanumeric() && !ends_sentence(c));
    let has_added_stop = !last.is_empty() && !last.ends_with(ends_sentence);
    if has_added_stop {
        // The empty superblank keeps the stop from making `5` an ordinal or `no` an abbreviation.
        stream.push_str("[].[]");
    }
    Encoded {
        stream,
        blanks,
        has_added_stop,
    }
}

fn ends_sentence(character: char) -> bool {
    matches!(
        character,
        '.' | '!' | '?' | ':' | ';' | '…' | '。' | '！' | '？'
    )
}

impl Encoded {
    /// The text of the engine's answer. None if a superblank was lost, doubled or moved over
    /// another one.
    pub(crate) fn decode(&self, answer: &str) -> Option<String> {
        let mut text = String::with_capacity(answer.len());
        let mut next_blank = 0;
        // Where the text ended when the added stop's superblanks came by.
        let mut ends = Vec::new();
        let mut characters = answer.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => text.push(characters.next()?),
                '[' => {
                    let (number, rest) = characters.as_str().split_once(']')?;
                    characters = rest.chars();
                    if number.is_empty() {
                        ends.push(text.len());
                    } else if number.parse() == Ok(next_blank) {
                        text.push_str(self.blanks.get(next_blank)?);
                        next_blank += 1;
                    } else {
                        return None;
                    }
                }
                other => text.push(other),
            }
        }
        if next_blank != self.blanks.len() {
            return None;
        }
        if self.has_added_stop {
            let end = *ends.first()?;
            // Nothing but the stop may be behind the end: words that wandered would be lost.
            if text[end..].chars().any(char::is_alphanumeric) {
                return None;
            }
            text.truncate(end);
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_disturb_the_engine_is_numbered() {
        assert_eq!(
            encode("a [b]  ^c$\n\td/e 🎉!").stream,
            "a[0]b[1]c[2]d[3]e[4]!"
        );
        assert_eq!(
            encode("Titles have no stop").stream,
            "Titles have no stop[].[]"
        );
        assert_eq!(encode("He said: “No.”").stream, "He said: “No.”");
    }

    #[test]
    fn the_added_stop_goes_again() {
        let encoded = encode("a title");
        assert_eq!(encoded.decode("un título[].[]").unwrap(), "un título");
        assert_eq!(
            encoded.decode("un título[][]."),
            Some("un título".to_owned())
        );
        assert_eq!(encoded.decode("un[].[] título"), None);
        assert_eq!(encoded.decode("un título."), None);
    }

    #[test]
    fn an_answer_that_lost_doubled_or_moved_a_blank_is_refused() {
        let encoded = encode("one\ntwo\nthree.");
        assert_eq!(
            encoded.decode("uno[0]dos[1]tres.").unwrap(),
            "uno\ndos\ntres."
        );
        for answer in [
            "uno[1]dos[0]tres.",
            "uno[0]dos tres.",
            "uno[0]dos[1]tres[1].",
            "uno[0]dos[1]tres[2].",
            "uno[0]dos[x]tres.",
            "uno[0]dos[1",
            "uno[0]dos[1]\\",
        ] {
            assert_eq!(encoded.decode(answer), None, "{answer}");
        }
    }

    #[test]
    fn addresses_are_kept_whole() {
        for address in [
            "https://fsf.org/a?b=c&d=%20#e",
            "www.example.org",
            "someone.else+more@mail.example.org",
        ] {
            for text in [
                format!("Write to <{address}> at once."),
                format!("See {address}, or ask."),
                format!("It is at {address}."),
                address.to_owned(),
            ] {
                let kept = parts(&text)
                    .into_iter()
                    .any(|part| matches!(part, Part::Blank(blank) if blank.contains(address)));
                assert!(kept, "{:?}", parts(&text));
            }
        }
        assert_eq!(
            parts("either/or: mine"),
            [
                Part::Words("either"),
                Part::Blank("/"),
                Part::Words("or: mine"),
            ]
        );
    }

    proptest! {
        #[test]
        fn an_engine_that_changes_nothing_gives_the_text_back(text in any::<String>()) {
            let encoded = encode(&text);
            prop_assert!(!encoded.stream.contains(['\0', '\n']));
            prop_assert_eq!(encoded.decode(&encoded.stream), Some(text.clone()));
            let joined: String = parts(&text)
                .into_iter()
                .map(|part| match part {
                    Part::Words(text) | Part::Blank(text) => text,
                })
                .collect();
            prop_assert_eq!(joined, text);
        }

        #[test]
        fn no_answer_makes_it_panic(text in any::<String>(), answer in any::<String>()) {
            let _ = encode(&text).decode(&answer);
        }
    }
}
