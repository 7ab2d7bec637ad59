//! What encoding a file is in, and its text.

use std::fmt;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::error::TextError;
use super::kind;

/// A character encoding of the WHATWG Encoding Standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// UTF-8.
    pub const UTF_8: Self = Self(UTF_8);

    /// The encoding that a WHATWG label (`latin1`, `UTF-8`, `shift_jis`; in any case) stands for.
    ///
    /// # Errors
    /// [`TextError::UnknownCharset`].
    pub fn for_label(label: &str) -> Result<Self, TextError> {
        Encoding::for_label_no_replacement(label.as_bytes())
            .map(Self)
            .ok_or_else(|| TextError::UnknownCharset {
                label: label.to_owned(),
            })
    }

    /// The encoding's WHATWG name, such as `windows-1252`.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    fn is_utf_16(self) -> bool {
        self.0 == UTF_16LE || self.0 == UTF_16BE
    }
}

impl fmt::Display for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Finds out what encoding a file is in, and whether it is text at all.
///
/// Feed it the whole file, in order, in chunks of any size; it keeps 64 KiB of it.
#[derive(Debug)]
pub struct Detector {
    head: Vec<u8>,
    size: u64,
    first_nul: Option<u64>,
    controls: u64,
    utf_8: Utf8Check,
    legacy: LegacyGuess,
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    /// How much of the file's beginning is looked at for signatures and for UTF-16 without a byte
    /// order mark, in bytes.
    const HEAD_BYTES: usize = 64 * 1024;

    /// A detector that has seen nothing.
    pub fn new() -> Self {
        Self {
            head: Vec::new(),
            size: 0,
            first_nul: None,
            controls: 0,
            utf_8: Utf8Check::default(),
            legacy: LegacyGuess::new(),
        }
    }

    /// Takes the next bytes of the file.
    pub fn feed(&mut self, bytes: &[u8]) {
        let room = Self::HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.first_nul.is_none() {
            self.first_nul = bytes
                .iter()
                .position(|&byte| byte == 0)
                .map(|at| self.size + at as u64);
        }
        self.controls += bytes.iter().filter(|&&byte| is_odd_control(byte)).count() as u64;
        self.size += bytes.len() as u64;
        self.utf_8.feed(bytes);
        self.legacy.feed(bytes);
    }

    /// Says what the file is, once all of it was fed.
    ///
    /// `charset` is the label that its owner gave, if any. `language` (BCP 47) is what it is said
    /// to be written in: a hint that decides between legacy encodings when the text is short.
    ///
    /// In this order: a known signature of something else than text is refused; a byte order mark
    /// decides (even against `charset`, as the Encoding Standard's "decode" has it); then
    /// `charset`; then UTF-16 if the zero bytes lie as in UTF-16; zero bytes and many control
    /// characters are refused; UTF-8 if it is well-formed all over, but for a few accidents; and
    /// at last the legacy encoding that the letters' statistics speak for.
    ///
    /// # Errors
    /// It is not text, or no encoding has this label.
    pub fn finish(
        self,
        charset: Option<&str>,
        language: Option<&str>,
    ) -> Result<Charset, TextError> {
        let asked = charset.map(Charset::for_label).transpose()?;
        if let Some(kind) = kind::by_signature(&self.head) {
            return Err(TextError::NotText {
                kind: kind.name,
                hint: kind.hint,
            });
        }
        if kind::is_utf_32(&self.head, self.size) {
            return Err(TextError::NotText {
                kind: "text in UTF-32, which is hardly ever used",
                hint: "Save it as UTF-8",
            });
        }
        let marked = Encoding::for_bom(&self.head).map(|(encoding, _)| Charset(encoding));
        let decided = marked.or(asked);
        if let Some(charset) = decided
            && charset.is_utf_16()
        {
            return Ok(charset);
        }
        if decided.is_none()
            && self.first_nul.is_some()
            && let Some(encoding) = utf_16_without_mark(&self.head)
        {
            return Ok(Charset(encoding));
        }
        self.refuse_binary()?;
        if let Some(charset) = decided {
            return Ok(charset);
        }
        if let Some(encoding) = self.legacy.iso_2022_jp() {
            return Ok(Charset(encoding));
        }
        if self.utf_8.passes() {
            return Ok(Charset::UTF_8);
        }
        Ok(Charset(self.legacy.finish(language)))
    }

    fn refuse_binary(&self) -> Result<(), TextError> {
        if let Some(at) = self.first_nul {
            return Err(match kind::by_weak_signature(&self.head) {
                Some(kind) => TextError::NotText {
                    kind: kind.name,
                    hint: kind.hint,
                },
                None => TextError::Binary {
                    evidence: format!("it has a zero byte (at byte {at})"),
                },
            });
        }
        // A stray control character or two is an accident; one in fifty is not writing.
        if self.controls > 4 && self.controls.saturating_mul(50) > self.size {
            return Err(TextError::Binary {
                evidence: format!(
                    "{} of its {} bytes are control characters",
                    self.controls, self.size
                ),
            });
        }
        Ok(())
    }
}

/// Control characters that have no place in text: all of C0 and DEL but NUL (counted apart),
/// backspace (overstrikes in old manuals), tab, line ends, VT, FF, SUB (the end of DOS files) and
/// ESC (ISO-2022, terminal colours).
fn is_odd_control(byte: u8) -> bool {
    matches!(byte, 0x01..=0x07 | 0x0E..=0x19 | 0x1C..=0x1F | 0x7F)
}

/// Whether a stream of bytes is UTF-8.
#[derive(Debug, Default)]
struct Utf8Check {
    /// The beginning of a character whose rest is in the next chunk.
    pending: Vec<u8>,
    /// Well-formed characters of more than one byte.
    multibyte: u64,
    malformed: u64,
}

impl Utf8Check {
    fn feed(&mut self, bytes: &[u8]) {
        if self.is_hopeless() || (self.pending.is_empty() && bytes.is_ascii()) {
            return;
        }
        let joined;
        let mut rest = if self.pending.is_empty() {
            bytes
        } else {
            self.pending.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.pending);
            &joined
        };
        loop {
            match std::str::from_utf8(rest) {
                Ok(_) => {
                    self.multibyte += leads(rest);
                    return;
                }
                Err(error) => {
                    self.multibyte += leads(&rest[..error.valid_up_to()]);
                    let Some(length) = error.error_len() else {
                        self.pending = rest[error.valid_up_to()..].to_vec();
                        return;
                    };
                    self.malformed += 1;
                    rest = &rest[error.valid_up_to() + length..];
                }
            }
        }
    }

    /// Legacy text is full of malformed sequences from its first line on.
    fn is_hopeless(&self) -> bool {
        self.malformed > 1000 && self.malformed > self.multibyte
    }

    /// Whether it is UTF-8, at most with a few accidents: a byte lost in transfer, a character cut
    /// in two at the end. Text in a legacy encoding has next to no well-formed sequences.
    fn passes(&self) -> bool {
        let malformed = self.malformed + u64::from(!self.pending.is_empty());
        malformed.saturating_mul(20) <= self.multibyte
    }
}

/// How many characters of more than one byte well-formed UTF-8 has.
fn leads(utf_8: &[u8]) -> u64 {
    utf_8.iter().filter(|&&byte| byte >= 0xC0).count() as u64
}

/// chardetng, fed with as much as it needs.
struct LegacyGuess {
    detector: EncodingDetector,
    /// The last two ASCII bytes before anything of interest: chardetng looks at them.
    context: Vec<u8>,
    /// Bytes fed.
    fed: usize,
    /// Whether a byte above ASCII has been seen.
    non_ascii: bool,
    escape: bool,
}

impl fmt::Debug for LegacyGuess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacyGuess")
            .field("fed", &self.fed)
            .finish_non_exhaustive()
    }
}

impl LegacyGuess {
    /// Letters' statistics are settled long before this many bytes.
    const ENOUGH_BYTES: usize = 1024 * 1024;

    fn new() -> Self {
        Self {
            detector: EncodingDetector::new(Iso2022JpDetection::Allow),
            context: Vec::new(),
            fed: 0,
            non_ascii: false,
            escape: false,
        }
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        const ESCAPE: u8 = 0x1B;
        if self.fed == 0 {
            let of_interest = |byte: &u8| *byte >= 0x80 || *byte == ESCAPE;
            let Some(first) = bytes.iter().position(of_interest) else {
                self.context
                    .extend_from_slice(&bytes[bytes.len().saturating_sub(2)..]);
                let excess = self.context.len().saturating_sub(2);
                self.context.drain(..excess);
                return;
            };
            self.context
                .extend_from_slice(&bytes[first.saturating_sub(2)..first]);
            let context = &self.context[self.context.len().saturating_sub(2)..];
            self.detector.feed(context, false);
            bytes = &bytes[first..];
        }
        self.non_ascii |= !bytes.is_ascii();
        self.escape |= bytes.contains(&ESCAPE);
        let wanted = &bytes[..bytes.len().min(Self::ENOUGH_BYTES - self.fed)];
        self.detector.feed(wanted, false);
        self.fed += wanted.len();
    }

    /// ISO-2022-JP is made of ASCII bytes and escapes, so that it passes for UTF-8.
    fn iso_2022_jp(&self) -> Option<&'static Encoding> {
        if !self.escape || self.non_ascii {
            return None;
        }
        let guess = self.detector.guess(None, Utf8Detection::Allow);
        (guess == encoding_rs::ISO_2022_JP).then_some(guess)
    }

    fn finish(mut self, language: Option<&str>) -> &'static Encoding {
        self.detector.feed(&[], true);
        self.detector
            .guess(language.and_then(country), Utf8Detection::Deny)
    }
}

/// A top-level domain where the language is at home: the kind of hint that chardetng takes. None
/// for the languages of windows-1252, the guess without a hint: said of a text that is in another
/// language in truth, it would only weigh against that language's encodings.
fn country(language: &str) -> Option<&'static [u8]> {
    let tag = language.to_ascii_lowercase();
    let primary = tag.split('-').next().unwrap_or_default();
    let domain = match primary {
        "ar" => "eg",
        "be" => "by",
        "bg" => "bg",
        "bs" => "ba",
        "cs" => "cz",
        "el" => "gr",
        "et" => "ee",
        "fa" => "ir",
        "he" => "il",
        "hr" => "hr",
        "hu" => "hu",
        "ja" => "jp",
        "kk" => "kz",
        "ko" => "kr",
        "lt" => "lt",
        "lv" => "lv",
        "mk" => "mk",
        "pl" => "pl",
        "ro" => "ro",
        "ru" => "ru",
        "sk" => "sk",
        "sl" => "si",
        "sr" => "rs",
        "th" => "th",
        "tr" => "tr",
        "uk" => "ua",
        "vi" => "vn",
        "zh" if ["hant", "tw", "hk", "mo"]
            .iter()
            .any(|traditional| tag.split('-').any(|subtag| subtag == *traditional)) =>
        {
            "tw"
        }
        "zh" => "cn",
        _ => return None,
    };
    Some(domain.as_bytes())
}

/// UTF-16 without a byte order mark, if the bytes make sense as that.
fn utf_16_without_mark(head: &[u8]) -> Option<&'static Encoding> {
    // Two ASCII letters make a Chinese character. At most half the bytes of UTF-16 are letters.
    let letters = head
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic() || **byte == b' ')
        .count();
    if letters * 10 > head.len() * 7 {
        return None;
    }
    let little = Utf16Sense::of(head, u16::from_le_bytes);
    let big = Utf16Sense::of(head, u16::from_be_bytes);
    let (sense, encoding) = if big.good > little.good {
        (big, UTF_16BE)
    } else {
        (little, UTF_16LE)
    };
    // Any writing has a space, a line end, a digit or a full stop once in a hundred characters.
    let plausible = sense.bad * 100 <= sense.units && sense.good * 100 >= sense.units;
    (plausible && sense.good > 0).then_some(encoding)
}

/// How much sense bytes make as UTF-16 of one byte order.
#[derive(Default)]
struct Utf16Sense {
    units: u64,
    /// Code units that no text has.
    bad: u64,
    /// Code units that every text has some of.
    good: u64,
}

impl Utf16Sense {
    fn of(head: &[u8], unit: fn([u8; 2]) -> u16) -> Self {
        let mut sense = Self::default();
        let units = head.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        for character in char::decode_utf16(units) {
            sense.units += 1;
            match character {
                Ok('\t' | '\n' | '\r' | ' '..='~' | '\u{3000}'..='\u{3002}') => sense.good += 1,
                Ok(
                    '\0'..='\u{1F}'
                    | '\u{7F}'..='\u{9F}'
                    | '\u{E000}'..='\u{F8FF}'
                    | '\u{FFFE}'
                    | '\u{FFFF}',
                )
                | Err(_) => sense.bad += 1,
                Ok(_) => {}
            }
        }
        sense
    }
}

/// Turns a file's bytes into text. A byte order mark is dropped; malformed sequences become
/// U+FFFD.
pub struct Decoder {
    inner: encoding_rs::Decoder,
    replacements: u64,
    at_start: bool,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("charset", &self.inner.encoding().name())
            .field("replacements", &self.replacements)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder for a file in `charset`.
    pub fn new(charset: Charset) -> Self {
        Self {
            inner: charset.0.new_decoder_without_bom_handling(),
            replacements: 0,
            at_start: true,
        }
    }

    /// The text of the next bytes, as far as it is certain.
    pub fn feed(&mut self, bytes: &[u8]) -> String {
        self.decode(bytes, false)
    }

    /// The rest of the text, at the end of the file, and how many malformed sequences became
    /// U+FFFD in all.
    pub fn finish(mut self) -> (String, u64) {
        let rest = self.decode(&[], true);
        (rest, self.replacements)
    }

    /// How many malformed sequences have become U+FFFD so far.
    pub fn replacements(&self) -> u64 {
        self.replacements
    }

    fn decode(&mut self, mut bytes: &[u8], last: bool) -> String {
        let mut text = String::with_capacity(bytes.len() + 16);
        loop {
            let (result, read) = self
                .inner
                .decode_to_string_without_replacement(bytes, &mut text, last);
            bytes = &bytes[read..];
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => text.reserve(bytes.len() * 3 + 16),
                DecoderResult::Malformed(..) => {
                    self.replacements += 1;
                    if text.capacity() - text.len() < 3 {
                        text.reserve(bytes.len() * 3 + 16);
                    }
                    text.push(char::REPLACEMENT_CHARACTER);
                }
            }
        }
        // Here and not by encoding_rs, which knows the marks of UTF-8 and UTF-16 but not that of
        // GB18030.
        if self.at_start && !text.is_empty() {
            self.at_start = false;
            if text.starts_with('\u{FEFF}') {
                text.drain(..'\u{FEFF}'.len_utf8());
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn detect(bytes: &[u8]) -> Result<Charset, TextError> {
        detect_with(bytes, None, None)
    }

    fn detect_with(
        bytes: &[u8],
        charset: Option<&str>,
        language: Option<&str>,
    ) -> Result<Charset, TextError> {
        let mut detector = Detector::new();
        detector.feed(bytes);
        detector.finish(charset, language)
    }

    fn decode(charset: Charset, bytes: &[u8]) -> (String, u64) {
        let mut decoder = Decoder::new(charset);
        let mut text = decoder.feed(bytes);
        let (rest, replacements) = decoder.finish();
        text.push_str(&rest);
        (text, replacements)
    }

    fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    /// A language, its usual legacy encodings, and a sentence or two as somebody would write them.
    const WRITINGS: &[(&str, &[&str], &str)] = &[
        (
            "fr",
            &["windows-1252"],
            "Dès Noël, où un zéphyr haï me vêt de glaçons würmiens, je dîne d’exquis rôtis de bœuf.",
        ),
        (
            "es",
            &["windows-1252"],
            "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío; añoraba a su querido cachorro. ¿Qué pasó después?",
        ),
        (
            "de",
            &["windows-1252"],
            "Falsches Üben von Xylophonmusik quält jeden größeren Zwerg. Die Straße führte über die Brücke.",
        ),
        (
            "pl",
            &["windows-1250", "ISO-8859-2"],
            "Zażółć gęślą jaźń. Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
        ),
        (
            "cs",
            &["windows-1250", "ISO-8859-2"],
            "Příliš žluťoučký kůň úpěl ďábelské ódy. Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv.",
        ),
        (
            "hu",
            &["windows-1250", "ISO-8859-2"],
            "Minden emberi lény szabadon születik és egyenlő méltósága és joga van. Az emberek, ésszel és lelkiismerettel bírván, egymással szemben testvéri szellemben kell hogy viseltessenek.",
        ),
        (
            "ru",
            &["windows-1251", "KOI8-R", "ISO-8859-5", "IBM866"],
            "Все люди рождаются свободными и равными в своём достоинстве и правах. Они наделены разумом и совестью.",
        ),
        (
            "uk",
            &["windows-1251", "KOI8-U"],
            "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і совістю.",
        ),
        (
            "el",
            &["windows-1253", "ISO-8859-7"],
            "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
        ),
        (
            "tr",
            &["windows-1254"],
            "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler; şimdi çığlık çığlığa.",
        ),
        (
            "he",
            &["windows-1255"],
            "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון.",
        ),
        (
            "ar",
            &["windows-1256", "ISO-8859-6"],
            "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا.",
        ),
        (
            "lt",
            &["windows-1257"],
            "Visi žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis. Jiems suteiktas protas ir sąžinė, jie turi elgtis broliškai.",
        ),
        (
            "th",
            &["windows-874"],
            "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
        ),
        (
            "ja",
            &["Shift_JIS", "EUC-JP", "ISO-2022-JP"],
            "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
        ),
        (
            "ko",
            &["EUC-KR"],
            "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
        ),
        (
            "zh-CN",
            &["GBK"],
            "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
        ),
        (
            "zh-TW",
            &["Big5"],
            "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神相對待。",
        ),
    ];

    #[test]
    fn a_sentence_in_each_legacy_encoding_is_read_as_it_was_written() {
        for (language, labels, sentence) in WRITINGS {
            for label in *labels {
                let encoding = Encoding::for_label(label.as_bytes()).unwrap();
                let (bytes, _, lossy) = encoding.encode(sentence);
                assert!(!lossy, "{label} cannot write the {language} sentence");
                // Without a hint, and with the hint that a wrong choice on the page would give.
                for hint in [None, Some(*language), Some("en")] {
                    let charset = detect_with(&bytes, None, hint).unwrap();
                    let (text, replacements) = decode(charset, &bytes);
                    assert_eq!(
                        text, *sentence,
                        "{label} was taken for {charset}, with the hint {hint:?}"
                    );
                    assert_eq!(replacements, 0);
                }
            }
        }
    }

    #[test]
    fn utf_8_and_utf_16_need_no_mark_and_a_mark_is_dropped() {
        for (_, _, sentence) in WRITINGS {
            let marked = format!("\u{feff}{sentence}\r\n");
            let plain = format!("{sentence}\r\n");
            for (bytes, name) in [
                (plain.clone().into_bytes(), "UTF-8"),
                (marked.clone().into_bytes(), "UTF-8"),
                (utf_16(&plain, u16::to_le_bytes), "UTF-16LE"),
                (utf_16(&marked, u16::to_le_bytes), "UTF-16LE"),
                (utf_16(&plain, u16::to_be_bytes), "UTF-16BE"),
                (utf_16(&marked, u16::to_be_bytes), "UTF-16BE"),
            ] {
                let charset = detect(&bytes).unwrap();
                assert_eq!(charset.name(), name, "{sentence}");
                assert_eq!(decode(charset, &bytes), (plain.clone(), 0));
            }
        }
    }

    #[test]
    fn plain_ascii_and_nothing_at_all_are_utf_8() {
        assert_eq!(detect(b"Hello, world.\n").unwrap(), Charset::UTF_8);
        assert_eq!(detect(b"").unwrap(), Charset::UTF_8);
        assert_eq!(detect(b"\x1b[31mred\x1b[0m\n").unwrap(), Charset::UTF_8);
    }

    #[test]
    fn utf_8_with_an_accident_stays_utf_8_and_the_accident_is_counted() {
        let mut bytes = "Größe, Süße, Straße, Käse, Öl, Ärger. "
            .repeat(10)
            .into_bytes();
        bytes.push(0xC3);
        bytes.extend_from_slice(b" and on\xE2\x82");
        let charset = detect(&bytes).unwrap();
        assert_eq!(charset, Charset::UTF_8);
        let (text, replacements) = decode(charset, &bytes);
        assert_eq!(replacements, 2);
        assert!(text.ends_with("\u{fffd} and on\u{fffd}"));
    }

    #[test]
    fn the_owners_charset_wins_over_statistics_but_not_over_a_mark() {
        let russian = "Все люди рождаются свободными";
        let (bytes, _, _) = encoding_rs::WINDOWS_1251.encode(russian);
        assert_eq!(
            detect_with(&bytes, Some("latin1"), None).unwrap().name(),
            "windows-1252"
        );
        assert_eq!(
            detect_with("\u{feff}abc".as_bytes(), Some("latin1"), None).unwrap(),
            Charset::UTF_8
        );
        assert_eq!(
            detect_with(&utf_16(russian, u16::to_le_bytes), Some(" UTF-16 "), None)
                .unwrap()
                .name(),
            "UTF-16LE"
        );
    }

    #[test]
    fn a_charset_that_does_not_exist_is_refused_in_words() {
        for label in ["klingon", "auto", "", "replacement", "utf-7"] {
            let error = Charset::for_label(label).unwrap_err();
            assert_eq!(error.title(), "Unknown text encoding");
            assert!(error.to_string().contains(&format!("“{label}”")), "{error}");
        }
        assert!(detect_with(b"abc", Some("klingon"), None).is_err());
    }

    #[test]
    fn files_that_are_not_text_are_refused_by_name() {
        let tar = {
            let mut tar = b"letter.txt".to_vec();
            tar.resize(257, 0);
            tar.extend_from_slice(b"ustar\x0000");
            tar
        };
        let files: &[(&[u8], &str)] = &[
            (b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n", "a PDF document"),
            (b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR", "a PNG picture"),
            (b"\xFF\xD8\xFF\xE0\0\x10JFIF\0", "a JPEG picture"),
            (b"\x1F\x8B\x08\0\0\0\0\0", "gzip"),
            (b"\x7FELF\x02\x01\x01\0", "a program (ELF)"),
            (
                b"PK\x03\x04\x14\0\x06\0[Content_Types].xml",
                "a Microsoft Office document",
            ),
            (
                b"PK\x03\x04\x14\0\0\0\x08\0word/document.xml",
                "a Word document",
            ),
            (
                b"PK\x03\x04\x14\0\0\0\0\0mimetypeapplication/vnd.oasis.opendocument.text",
                "an OpenDocument file",
            ),
            (b"PK\x03\x04\x14\0\0\0\x08\0notes.txt", "a ZIP archive"),
            (
                b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0",
                "an old Microsoft Office document",
            ),
            (b"MZ\x90\0\x03\0\0\0\x04\0", "a Windows program"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", "a film or picture"),
            (&tar, "a tar archive"),
            (b"\xFF\xFE\0\0H\0\0\0i\0\0\0", "UTF-32"),
        ];
        for (bytes, kind) in files {
            let error = detect(bytes).unwrap_err();
            let failure = error.failure();
            assert_eq!(failure.title, "Not a plain text file", "{kind}");
            assert!(failure.detail.contains(kind), "{}", failure.detail);
            if !kind.contains("UTF-32") {
                assert!(
                    detect_with(bytes, Some("windows-1252"), None).is_err(),
                    "{kind}"
                );
            }
        }
    }

    #[test]
    fn zero_bytes_and_control_characters_are_refused() {
        let error = detect(b"some text\0 with a zero").unwrap_err();
        assert!(
            error.to_string().contains("a zero byte (at byte 9)"),
            "{error}"
        );
        let noise: Vec<u8> = (0..4096_u32)
            .map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap())
            .filter(|&byte| byte != 0)
            .collect();
        let error = detect(&noise).unwrap_err();
        assert!(error.to_string().contains("control characters"), "{error}");
    }

    #[test]
    fn text_that_looks_odd_is_text_all_the_same() {
        for text in [
            "MZ was his sign.",
            "BM, ID3 and RIFF are names of formats.",
            "a bell \u{7} rang",
            "page one\u{c}page two",
            "N\u{8}NA\u{8}AM\u{8}ME\u{8}E",
            "the end\u{1a}",
            "🎉🎉🎉",
        ] {
            assert_eq!(detect(text.as_bytes()).unwrap(), Charset::UTF_8, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn the_chunks_make_no_difference(
            which in 0..WRITINGS.len(),
            ascii in 0_usize..200,
            sizes in proptest::collection::vec(1_usize..40, 1..20),
            utf in 0_u8..4,
        ) {
            let (_, labels, sentence) = WRITINGS[which];
            let text = format!("{}{sentence}\n", "ASCII before. ".repeat(ascii));
            let bytes = match utf {
                0 => text.clone().into_bytes(),
                1 => utf_16(&text, u16::to_be_bytes),
                _ => Encoding::for_label(labels[0].as_bytes()).unwrap().encode(&text).0.into_owned(),
            };
            let whole = detect(&bytes).unwrap();
            let mut detector = Detector::new();
            let mut decoder = Decoder::new(whole);
            let mut decoded = String::new();
            let mut rest = bytes.as_slice();
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, tail) = rest.split_at((*size).min(rest.len()));
                detector.feed(chunk);
                decoded.push_str(&decoder.feed(chunk));
                rest = tail;
            }
            decoded.push_str(&decoder.finish().0);
            prop_assert_eq!(detector.finish(None, None).unwrap(), whole);
            prop_assert_eq!(&decoded, &text);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(charset) = detect(&bytes) {
                decode(charset, &bytes);
            }
        }
    }
}
