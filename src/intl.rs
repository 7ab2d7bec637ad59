//! Names of languages, from the browser's own `Intl`.

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;

use crate::store::languages::AUTO;
use crate::words::{Text, say};

/// The language that the page itself speaks.
pub const PAGE_LANGUAGE: &str = "en";

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Intl)]
    type DisplayNames;

    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new(locales: &Array, options: &Object) -> Result<DisplayNames, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn of(this: &DisplayNames, code: &str) -> Result<JsValue, JsValue>;
}

/// The name of a language in the page's own, `Spanish` for `es`; the tag itself when it has none.
pub fn language_name(tag: &str) -> String {
    match tag {
        AUTO => say(Text::DetectLanguage).to_owned(),
        // The demonstration's target. CLDR calls it by its purpose, "Pseudo-Accents".
        "en-XA" => say(Text::AccentedEnglish).to_owned(),
        tag => name(tag).unwrap_or_else(|| tag.to_owned()),
    }
}

fn name(tag: &str) -> Option<String> {
    let options = Object::new();
    Reflect::set(&options, &"type".into(), &"language".into()).ok()?;
    let names = DisplayNames::new(&Array::of1(&PAGE_LANGUAGE.into()), &options).ok()?;
    names.of(tag).ok()?.as_string()
}
