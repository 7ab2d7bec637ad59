//! A source's text, kept as bytes outside the page's own memory.

use js_sys::{JsString, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

// web-sys copies what is decoded into the page's memory and back; a text of many megabytes should
// never be there whole.
#[wasm_bindgen]
extern "C" {
    #[derive(Debug)]
    type TextDecoder;

    #[wasm_bindgen(constructor, catch)]
    fn new(label: &str, options: &Object) -> Result<TextDecoder, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn decode(this: &TextDecoder, bytes: &Uint8Array) -> Result<JsString, JsValue>;

    type TextEncoder;

    #[wasm_bindgen(constructor)]
    fn new() -> TextEncoder;

    #[wasm_bindgen(method)]
    fn encode(this: &TextEncoder, text: &JsString) -> Uint8Array;
}

/// The text that bytes of UTF-8 are, outside the page's own memory.
pub fn text_of(bytes: &Uint8Array) -> Option<JsString> {
    TextDecoder::new("utf-8", &Object::new())
        .ok()?
        .decode(bytes)
        .ok()
}

/// The text of a source in UTF-8, without a byte order mark: what the backend's byte ranges count
/// in.
#[derive(Debug)]
pub struct SourceText {
    bytes: Uint8Array,
    decoder: TextDecoder,
}

impl SourceText {
    /// Decodes a source's bytes; `None` when the browser does not know the encoding.
    pub fn decode(bytes: &Uint8Array, charset: &str) -> Option<Self> {
        // The browser drops a byte order mark here, as the backend does.
        let text = TextDecoder::new(charset, &Object::new())
            .ok()?
            .decode(bytes)
            .ok()?;
        // A slice may begin with a U+FEFF that is part of the text.
        let options = Object::new();
        Reflect::set(&options, &"ignoreBOM".into(), &JsValue::TRUE).ok()?;
        Some(Self {
            bytes: TextEncoder::new().encode(&text),
            decoder: TextDecoder::new("utf-8", &options).ok()?,
        })
    }

    /// The text between two byte offsets; what lies beyond its end is not there.
    pub fn slice(&self, (start, end): (u64, u64)) -> String {
        let place = |offset: u64| u32::try_from(offset).unwrap_or(u32::MAX);
        self.decoder
            .decode(&self.bytes.subarray(place(start), place(end)))
            .map(String::from)
            .unwrap_or_default()
    }
}
