//! What the beginning of a file shows: whether it is text, in which encoding, and its first line.
//!
//! Pure: decoding is the browser's, lent as a function. The backend looks at the whole file and
//! decides by more than this; what is found here is for the person, before anything was sent.

use std::rc::Rc;

use crate::store::{Peek, Reading};

/// Binary files have a zero byte within this much, in bytes.
const BINARY_BYTES: usize = 4 * 1024;

/// How much of a file an encoding is judged by, in bytes.
const SAMPLE_BYTES: usize = 8 * 1024;

/// How much of a line is shown, in characters.
const LINE_CHARS: usize = 120;

/// Decodes bytes as the encoding of a WHATWG name: the text, and whether all of it made sense.
/// Nothing for an encoding that it does not know.
pub type Decode<'a> = &'a dyn Fn(&str, &[u8]) -> Option<(String, bool)>;

/// What a file's first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nothing at all.
    Empty,
    /// No text.
    Binary,
    /// Text, without a doubt in the encoding of this WHATWG name.
    Sure(&'static str),
    /// Text in one of many encodings.
    Unsure,
}

/// Looks at a file's first bytes; `whole` says that they are all.
pub fn look(head: &[u8], whole: bool) -> Look {
    let beginning = head.get(..BINARY_BYTES).unwrap_or(head);
    match head {
        [] => Look::Empty,
        [0xEF, 0xBB, 0xBF, ..] => Look::Sure("UTF-8"),
        [0xFF, 0xFE, ..] => Look::Sure("UTF-16LE"),
        [0xFE, 0xFF, ..] => Look::Sure("UTF-16BE"),
        _ if beginning.contains(&0) => match utf_16(beginning) {
            Some(encoding) => Look::Sure(encoding),
            None => Look::Binary,
        },
        _ if is_utf_8(head, whole) => {
            // Made of ASCII alone, with escapes between.
            let japanese = head.windows(2).any(|pair| pair == b"\x1B$");
            Look::Sure(if japanese { "ISO-2022-JP" } else { "UTF-8" })
        }
        _ => Look::Unsure,
    }
}

fn is_utf_8(head: &[u8], whole: bool) -> bool {
    match std::str::from_utf8(head) {
        Ok(_) => true,
        // The last character may have been cut.
        Err(error) => !whole && error.error_len().is_none(),
    }
}

/// UTF-16 without a byte order mark, if the bytes make sense as that: what the backend asks of a
/// file with zero bytes.
fn utf_16(bytes: &[u8]) -> Option<&'static str> {
    let sense = |unit: fn([u8; 2]) -> u16| {
        let units = bytes
            .chunks_exact(2)
            .filter_map(|pair| pair.try_into().ok().map(unit));
        let (mut good, mut bad, mut all) = (0_u32, 0_u32, 0_u32);
        for char in char::decode_utf16(units) {
            all += 1;
            match char {
                Ok('\t' | '\n' | '\r' | ' '..='~' | '\u{3000}'..='\u{3002}') => good += 1,
                Ok('\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{E000}'..='\u{F8FF}') | Err(_) => {
                    bad += 1;
                }
                Ok(_) => {}
            }
        }
        // Half a surrogate pair at the end of what was looked at is no fault of the text.
        (
            good,
            bad.saturating_sub(1) * 100 <= all && good * 100 >= all && good > 0,
        )
    };
    let (little, big) = (sense(u16::from_le_bytes), sense(u16::from_be_bytes));
    if big.1 && (big.0 > little.0 || !little.1) {
        Some("UTF-16BE")
    } else {
        little.1.then_some("UTF-16LE")
    }
}

/// What text in a known encoding shows.
pub fn read(head: &[u8], encoding: &str, decode: Decode<'_>) -> Peek {
    let text = decode(encoding, head).map(|(text, _)| text);
    Peek {
        line: first_line(&text.unwrap_or_default()),
        encodings: Vec::new(),
    }
}

fn first_line(text: &str) -> Rc<str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or_default()
        .chars()
        .take(LINE_CHARS)
        .collect::<String>()
        .into()
}

/// An encoding that a file may be in.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    name: &'a str,
    languages: &'a str,
    common: &'a str,
}

/// Reads the lines of `encodings.txt`.
fn candidates(table: &str) -> impl Iterator<Item = Candidate<'_>> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut fields = line.split('\t');
            Some(Candidate {
                name: fields.next()?,
                languages: fields.next()?,
                common: fields.next()?,
            })
        })
}

/// Guesses the encoding of text that is not Unicode. `source` is the language that it is said to be
/// in, a BCP 47 tag or `auto`; `table` is `encodings.txt`.
pub fn guess(head: &[u8], source: &str, table: &str, decode: Decode<'_>) -> Peek {
    let sample = sample(head);
    let mut readings: Vec<(i64, Reading)> = candidates(table)
        .filter_map(|candidate| {
            let (text, makes_sense) = decode(candidate.name, sample)?;
            let mut score = score(&text, candidate.common);
            if at_home(candidate.languages, source) {
                score += 100;
            }
            if !makes_sense {
                score -= 3_000;
            }
            let reading = Reading {
                encoding: candidate.name.into(),
                line: first_line(&text),
            };
            Some((score, reading))
        })
        .collect();
    // Stable: of two that are as likely, the commoner one stays first.
    readings.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let encodings: Vec<Reading> = readings.into_iter().map(|(_, reading)| reading).collect();
    Peek {
        line: encodings
            .first()
            .map_or_else(|| "".into(), |reading| reading.line.clone()),
        encodings,
    }
}

fn at_home(languages: &str, source: &str) -> bool {
    let primary = source.split('-').next().unwrap_or(source);
    languages
        .split(' ')
        .any(|language| language == source || language == primary)
}

/// From the first line that is not ASCII on: the lines before it look the same in all of them.
fn sample(head: &[u8]) -> &[u8] {
    let first = head.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let start = head
        .get(..first)
        .and_then(|before| before.iter().rposition(line_end))
        .map_or(0, |place| place + 1);
    let rest = head.get(start..).unwrap_or_default();
    let Some(part) = rest.get(..SAMPLE_BYTES) else {
        return rest;
    };
    // Not within a character, where there is a line to end with.
    match part.iter().rposition(line_end) {
        Some(end) => part.get(..end).unwrap_or(part),
        None => part,
    }
}

/// How much like writing a text is, on the average of its characters beyond ASCII, in hundredths of
/// a point.
fn score(text: &str, common: &str) -> i64 {
    let first = common.chars().next().unwrap_or_default();
    let latin = first < '\u{250}';
    let ideographic = common.chars().any(is_ideograph);
    let syllabic = matches!(first, '가'..='힣');
    let alphabet = !latin && !ideographic && !syllabic;
    let (frequent, rarer) = common.split_once('|').unwrap_or((common, ""));
    let (mut points, mut count) = (0_i64, 0_i64);
    let mut before = ' ';
    for char in text.chars() {
        if !char.is_ascii() {
            count += 1;
            points += if is_among(frequent, char) {
                10
            } else if is_among(rarer, char) {
                3
            } else if is_ideograph(char) {
                if ideographic { 1 } else { -6 }
            } else if char.is_alphabetic() {
                -3
            } else if char.is_control() || matches!(char, '\u{E000}'..='\u{F8FF}' | '\u{FFFD}') {
                -30
            } else {
                -8
            };
            // Where these letters are rare, two in a row are rarer.
            if latin && !before.is_ascii() && char.is_alphabetic() {
                points -= 8;
            }
        }
        // Nobody writes one word in two alphabets.
        if alphabet
            && before.is_alphabetic()
            && char.is_alphabetic()
            && before.is_ascii() != char.is_ascii()
        {
            points -= 8;
        }
        // Capitals begin words.
        if before.is_alphabetic() && char.is_uppercase() && !(before.is_ascii() && char.is_ascii())
        {
            points -= if before.is_lowercase() { 12 } else { 6 };
        }
        before = char;
    }
    points * 100 / count.max(1)
}

fn is_ideograph(char: char) -> bool {
    matches!(char, '\u{4E00}'..='\u{9FFF}')
}

/// Whether it is one of those characters, in upper or lower case.
fn is_among(common: &str, char: char) -> bool {
    let lower = char.to_lowercase().next().unwrap_or(char);
    let mut chars = common.chars().peekable();
    while let Some(start) = chars.next() {
        let end = if chars.next_if_eq(&'-').is_some() {
            chars.next().unwrap_or(start)
        } else {
            start
        };
        if (start..=end).contains(&char) || (start..=end).contains(&lower) {
            return true;
        }
    }
    false
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use encoding_rs::Encoding;

    use super::*;

    const TABLE: &str = include_str!("encodings.txt");

    fn decode(name: &str, bytes: &[u8]) -> Option<(String, bool)> {
        let encoding = Encoding::for_label(name.as_bytes())?;
        let (text, malformed) = encoding.decode_with_bom_removal(bytes);
        Some((text.into_owned(), !malformed))
    }

    fn encode(name: &str, text: &str) -> Vec<u8> {
        let encoding = Encoding::for_label(name.as_bytes()).unwrap();
        let (bytes, used, unmappable) = encoding.encode(text);
        assert!(used == encoding && !unmappable, "{name} can't write {text}");
        bytes.into_owned()
    }

    fn guessed(bytes: &[u8], source: &str) -> String {
        assert_eq!(look(bytes, true), Look::Unsure);
        let peek = guess(bytes, source, TABLE, &decode);
        peek.encodings[0].encoding.to_string()
    }

    #[test]
    fn every_encoding_of_the_table_is_known_to_browsers_and_can_write_its_characters() {
        for candidate in candidates(TABLE) {
            let encoding = Encoding::for_label(candidate.name.as_bytes())
                .unwrap_or_else(|| panic!("{} is no WHATWG label", candidate.name));
            assert_eq!(encoding.name(), candidate.name, "not its WHATWG name");
            assert!(!candidate.common.is_empty(), "{}", candidate.name);
        }
        assert!(candidates(TABLE).count() > 20);
    }

    #[test]
    fn text_is_recognized_in_the_encoding_that_it_was_written_in() {
        const FRENCH: &str = "Le garçon a mangé une pêche près de la forêt. Où êtes-vous allés ? Ça coûte 10 €, ma sœur.";
        const GERMAN: &str = "Die Mädchen grüßen über den Zaun. Größe ist nicht alles.";
        const RUSSIAN: &str = "Съешь же ещё этих мягких французских булок, да выпей чаю. Жили-были старик со старухой.";
        const UKRAINIAN: &str = "Її їжак з'їв їстівний гриб. Що є в цій хаті?";
        const JAPANESE: &str = "これは日本語の文章です。吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。";
        const CHINESE: &str = "这是一个用中文写的句子。我们今天去公园散步，天气很好。";
        const TRADITIONAL: &str = "這是一個用中文寫的句子。我們今天去公園散步，天氣很好。";
        const KOREAN: &str = "이것은 한국어로 쓴 문장입니다. 오늘은 날씨가 아주 좋습니다.";
        const POLISH: &str =
            "Zażółć gęślą jaźń. Książka leży na stole, a źrebię śpi w ciepłej stajni.";
        const CZECH: &str = "Příliš žluťoučký kůň úpěl ďábelské ódy.";
        const GREEK: &str =
            "Αυτό είναι ένα κείμενο στα ελληνικά. Η θάλασσα είναι γαλάζια και ο ουρανός καθαρός.";
        const TURKISH: &str = "Pijamalı hasta yağız şoföre çabucak güvendi. Işık ılık süt içiyor.";
        const HEBREW: &str = "זה משפט בעברית. מזג האוויר יפה היום.";
        const ARABIC: &str = "هذه جملة باللغة العربية، والطقس جميل اليوم.";
        const THAI: &str = "นี่คือประโยคภาษาไทย วันนี้อากาศดีมาก";
        const LITHUANIAN: &str =
            "Įlinkdama fechtuotojo špaga sublykčiojusi pragręžė apvalų arbūzą. Ačiū už žąsį.";
        for (name, text, source) in [
            ("windows-1252", FRENCH, "fr"),
            ("windows-1252", FRENCH, "en"),
            ("windows-1252", GERMAN, "de"),
            ("windows-1251", RUSSIAN, "ru"),
            ("windows-1251", RUSSIAN, "en"),
            ("windows-1251", UKRAINIAN, "uk"),
            ("KOI8-R", RUSSIAN, "ru"),
            ("KOI8-R", RUSSIAN, "en"),
            ("IBM866", RUSSIAN, "en"),
            ("Shift_JIS", JAPANESE, "ja"),
            ("Shift_JIS", JAPANESE, "en"),
            ("EUC-JP", JAPANESE, "ja"),
            ("EUC-JP", JAPANESE, "en"),
            ("GBK", CHINESE, "zh"),
            ("GBK", CHINESE, "en"),
            ("Big5", TRADITIONAL, "zh-Hant"),
            ("Big5", TRADITIONAL, "en"),
            ("EUC-KR", KOREAN, "ko"),
            ("EUC-KR", KOREAN, "en"),
            ("windows-1250", POLISH, "pl"),
            ("ISO-8859-2", POLISH, "pl"),
            ("ISO-8859-2", POLISH, "en"),
            ("windows-1250", CZECH, "cs"),
            ("windows-1253", GREEK, "el"),
            ("windows-1254", TURKISH, "tr"),
            ("windows-1255", HEBREW, "he"),
            ("windows-1256", ARABIC, "ar"),
            ("windows-874", THAI, "th"),
            ("windows-1257", LITHUANIAN, "lt"),
        ] {
            let bytes = encode(name, text);
            let found = guessed(&bytes, source);
            // Some files are the same in two encodings, byte by byte in every letter.
            let same = decode(&found, &bytes) == decode(name, &bytes);
            assert!(same, "{name} from {source} looks like {found}");
            let peek = guess(&bytes, source, TABLE, &decode);
            assert_eq!(&*peek.line, text, "{name}: its first line");
        }
    }

    #[test]
    fn unicode_is_beyond_doubt() {
        let utf_16 = |text: &str, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(order).collect()
        };
        assert_eq!(look("Grüße".as_bytes(), true), Look::Sure("UTF-8"));
        assert_eq!(look(b"plain", true), Look::Sure("UTF-8"));
        assert_eq!(look(b"\xEF\xBB\xBFx", true), Look::Sure("UTF-8"));
        assert_eq!(look(b"\xFF\xFEa\0", true), Look::Sure("UTF-16LE"));
        let text = "The white house. Das weiße Haus.\n";
        assert_eq!(
            look(&utf_16(text, u16::to_le_bytes), true),
            Look::Sure("UTF-16LE")
        );
        assert_eq!(
            look(&utf_16(text, u16::to_be_bytes), true),
            Look::Sure("UTF-16BE")
        );
        assert_eq!(
            look(&encode("ISO-2022-JP", "日本語"), true),
            Look::Sure("ISO-2022-JP")
        );
    }

    #[test]
    fn a_character_cut_at_the_end_of_the_beginning_is_no_doubt() {
        let cut = &"naïve é".as_bytes()[..8];
        assert_eq!(look(cut, false), Look::Sure("UTF-8"));
        assert_eq!(look(cut, true), Look::Unsure);
    }

    #[test]
    fn zero_bytes_make_a_file_binary() {
        let png = b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\x02\0\0\0\x01\x80\x08\x06";
        assert_eq!(look(png, true), Look::Binary);
        assert_eq!(look(&[0; 64], true), Look::Binary);
        assert_eq!(look(b"", true), Look::Empty);
    }

    #[test]
    fn the_first_line_is_the_first_with_something_to_read_and_not_too_long() {
        let line = |text: &str| read(text.as_bytes(), "UTF-8", &decode).line.to_string();
        assert_eq!(line("\u{feff}\n  \n\t Hello. \nWorld."), "Hello.");
        assert_eq!(line("\n\n"), "");
        assert_eq!(line(&"ñ".repeat(500)).chars().count(), LINE_CHARS);
    }

    #[test]
    fn the_line_that_is_shown_in_doubt_is_one_that_the_encodings_read_differently() {
        let mut bytes = b"Title\n\n".to_vec();
        bytes.extend(encode("Shift_JIS", "吾輩は猫である。\n"));
        let peek = guess(&bytes, "ja", TABLE, &decode);
        assert_eq!(&*peek.line, "吾輩は猫である。");
        assert!(peek.encodings.len() > 20, "all can be chosen");
    }
}
