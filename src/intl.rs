//! What the browser knows of languages: their names, their numbers, their plural forms; and which
//! one the person reads.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::*;

use crate::store::languages::AUTO;
use crate::words::{self, Intl, Language, Text, say};

/// The languages that the page speaks: BCP 47 tag, and name in itself.
pub const SPOKEN: [(&str, &str); 4] = [
    ("en", "English"),
    ("es", "Español"),
    ("de", "Deutsch"),
    ("ar", "العربية"),
];

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Intl)]
    type DisplayNames;

    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new(locale: &str, options: &Object) -> Result<DisplayNames, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn of(this: &DisplayNames, code: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = Intl)]
    type NumberFormat;

    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new(locale: &str, options: &Object) -> Result<NumberFormat, JsValue>;

    #[wasm_bindgen(method)]
    fn format(this: &NumberFormat, number: f64) -> String;

    #[wasm_bindgen(js_namespace = Intl)]
    type Collator;

    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new(locale: &str) -> Result<Collator, JsValue>;

    #[wasm_bindgen(method)]
    fn compare(this: &Collator, one: &str, other: &str) -> f64;

    #[wasm_bindgen(js_namespace = Intl)]
    type PluralRules;

    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new(locale: &str) -> Result<PluralRules, JsValue>;

    #[wasm_bindgen(method)]
    fn select(this: &PluralRules, number: f64) -> String;
}

/// What was made for the language that is spoken.
#[derive(Default)]
struct Made {
    /// None in English.
    locale: Option<String>,
    names: Option<DisplayNames>,
    /// Names that were asked for, by tag.
    known: Vec<(String, Rc<str>)>,
    numbers: Option<NumberFormat>,
    plurals: Option<PluralRules>,
    order: Option<Collator>,
    categories: Vec<String>,
}

thread_local! {
    static MADE: RefCell<Made> = RefCell::default();
}

/// Speaks English from here on.
pub fn speak_english() {
    speak_as(Language::english(), Made::default());
}

/// Speaks another language of [`SPOKEN`] from here on, whose file of `locales/` that text is.
/// `false` when the file is of another version of the page: then nothing changed.
pub fn speak(tag: &'static str, file: &str) -> bool {
    let intl = Intl {
        number: |number| {
            MADE.with_borrow(|made| Some(made.numbers.as_ref()?.format(number)))
                .unwrap_or_default()
        },
        plural: |number| {
            MADE.with_borrow(|made| {
                let category = made.plurals.as_ref()?.select(number);
                made.categories.iter().position(|other| *other == category)
            })
            // A category that a file has no form of is read in the last, CLDR's `other`.
            .unwrap_or(usize::MAX)
        },
        after: |name, other| {
            MADE.with_borrow(|made| {
                let order = made.order.as_ref()?;
                Some(order.compare(name, other) > 0.0)
            })
            .unwrap_or_default()
        },
    };
    let Some((language, categories)) = Language::read(tag, file, intl) else {
        return false;
    };
    let locale = locale(tag);
    let (Ok(numbers), Ok(plurals), Ok(order)) = (
        NumberFormat::new(&locale, &option("maximumFractionDigits", 1)),
        PluralRules::new(&locale),
        Collator::new(&locale),
    ) else {
        return false;
    };
    let made = Made {
        locale: Some(locale),
        numbers: Some(numbers),
        plurals: Some(plurals),
        order: Some(order),
        categories,
        ..Made::default()
    };
    speak_as(language, made);
    true
}

/// Has all of the page speak it, tells the browser, and the panel that outlives the page.
fn speak_as(language: Language, made: Made) {
    MADE.set(made);
    words::speak(language);
    let Some(document) = web_sys::window().and_then(|window| window.document()) else {
        return;
    };
    if let Some(root) = document.document_element() {
        let direction = if language.right_to_left { "rtl" } else { "ltr" };
        // The names are plain ones, so neither fails.
        let _ = root.set_attribute("lang", language.tag);
        let _ = root.set_attribute("dir", direction);
    }
    for (selector, text) in [
        ("#stopped h1", Text::StoppedTitle),
        ("#stopped p", Text::StoppedAdvice),
        ("#stopped a", Text::Reload),
    ] {
        if let Ok(Some(element)) = document.query_selector(selector) {
            element.set_text_content(Some(say(text)));
        }
    }
}

/// Where the person reads a language, `es-MX` for `es`, as far as the browser tells: numbers look
/// different there.
fn locale(tag: &str) -> String {
    preferred()
        .find(|own| primary(own) == tag)
        .unwrap_or_else(|| tag.to_owned())
}

/// The language that the person reads best of those that the page speaks.
pub fn best() -> &'static str {
    preferred()
        .find_map(|own| spoken(primary(&own)))
        .unwrap_or("en")
}

/// The tag, if the page speaks it.
pub fn spoken(tag: &str) -> Option<&'static str> {
    SPOKEN
        .iter()
        .map(|(spoken, _)| *spoken)
        .find(|spoken| *spoken == tag)
}

/// What the browser says the person reads, best first.
fn preferred() -> impl Iterator<Item = String> {
    let languages = web_sys::window().map(|window| window.navigator().languages());
    languages
        .into_iter()
        .flat_map(|languages| languages.to_vec())
        .filter_map(|tag| tag.as_string())
}

fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

/// The name of a language in the page's own, `Spanish` for `es`; the tag itself when it has none.
pub fn language_name(tag: &str) -> Rc<str> {
    match tag {
        AUTO => say(Text::DetectLanguage).into(),
        // The demonstration's target. CLDR calls it by its purpose, "Pseudo-Accents".
        "en-XA" => say(Text::AccentedEnglish).into(),
        tag => MADE.with_borrow_mut(|made| {
            if let Some((_, name)) = made.known.iter().find(|(known, _)| known == tag) {
                return name.clone();
            }
            let name = made.name(tag).map_or_else(|| tag.into(), Rc::from);
            made.known.push((tag.to_owned(), Rc::clone(&name)));
            name
        }),
    }
}

impl Made {
    fn name(&mut self, tag: &str) -> Option<String> {
        if self.names.is_none() {
            let locale = self.locale.as_deref().unwrap_or("en");
            self.names = DisplayNames::new(locale, &option("type", "language")).ok();
        }
        self.names.as_ref()?.of(tag).ok()?.as_string()
    }
}

/// Options with that one set.
fn option(name: &str, value: impl Into<JsValue>) -> Object {
    let options = Object::new();
    // Fails for no object that was just made.
    let _ = Reflect::set(&options, &name.into(), &value.into());
    options
}

/// A number with a fraction, as CSS has it. The browser writes it: Rust's own way of doing so takes
/// 12 KB of tables.
pub(crate) fn in_digits(number: f64) -> String {
    js_sys::Number::from(number)
        .to_string_with_radix(10)
        .map(String::from)
        .unwrap_or_default()
}

/// The number before the unit of a length in pixels; zero where there is none.
pub(crate) fn pixels(length: &str) -> f64 {
    Some(js_sys::Number::parse_float(length))
        .filter(|number| number.is_finite())
        .unwrap_or(0.0)
}
