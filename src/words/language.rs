//! The language that the page speaks.

use std::cell::Cell;

use babelwire_wire::Fields;

use super::texts::{COUNT, END, ENGLISH, FINGERPRINT, MORE_ENGLISH, Text};

/// Numbers and plural forms of a language, as the platform has them.
#[derive(Debug, Clone, Copy)]
pub struct Intl {
    /// A number with at most one digit after its decimal mark.
    pub number: fn(f64) -> String,
    /// Which of the plural forms goes with a number: its place among the language's
    /// [`categories`](Language::read).
    pub plural: fn(f64) -> usize,
    /// Whether the first of two names comes after the second in a list.
    pub after: fn(&str, &str) -> bool,
}

/// A language that the page can speak. Its texts stay for as long as the page.
#[derive(Debug, Clone, Copy)]
pub struct Language {
    /// Its BCP 47 tag.
    pub tag: &'static str,
    /// Whether it is written from right to left.
    pub right_to_left: bool,
    texts: &'static [&'static str],
    intl: Option<Intl>,
}

impl Language {
    /// The language that is there without being fetched.
    pub fn english() -> Self {
        Self {
            tag: "en",
            right_to_left: false,
            texts: HERE.get(),
            intl: None,
        }
    }

    /// Reads a file of `locales/`. Its texts, some 20 KB, are kept for good at each reading: people
    /// settle for a language soon. Gives the language, and its plural categories (of CLDR: `one`,
    /// `few`, `other`) in the order in which its texts have their forms.
    ///
    /// `None` for what is no such file, or one of another version of this page.
    pub fn read(tag: &'static str, json: &str, intl: Intl) -> Option<(Self, Vec<String>)> {
        let mut fields = Fields::parse(json).ok()?;
        let right_to_left = fields.get_text("dir") == Some("rtl");
        let current = fields.get_text("fingerprint")?.as_bytes() == FINGERPRINT;
        let categories = fields.texts("plural");
        let mut joined = String::with_capacity(json.len());
        for (_, text) in fields.pairs("texts") {
            joined.push_str(&text);
            joined.push(END);
        }
        let texts = split(String::leak(joined));
        (current && texts.len() == COUNT).then_some((
            Self {
                tag,
                right_to_left,
                texts,
                intl: Some(intl),
            },
            categories,
        ))
    }
}

fn split(joined: &'static str) -> &'static [&'static str] {
    joined.split_terminator(END).collect::<Vec<_>>().leak()
}

fn whole() -> &'static [&'static str] {
    let first = ENGLISH.split_terminator(END);
    first
        .chain(MORE_ENGLISH.split_terminator(END))
        .collect::<Vec<_>>()
        .leak()
}

/// Adds the English texts that a first visit does without.
pub fn complete() {
    if HERE.get().len() < COUNT {
        HERE.set(whole());
        if is_english() {
            speak(Language::english());
        }
    }
}

thread_local! {
    /// The English texts that are here.
    static HERE: Cell<&'static [&'static str]> = Cell::new(
        #[cfg(all(feature = "split", target_family = "wasm"))]
        split(ENGLISH),
        #[cfg(not(all(feature = "split", target_family = "wasm")))]
        whole(),
    );
    static SPOKEN: Cell<Language> = Cell::new(Language::english());
}

/// Speaks that language from here on.
pub fn speak(language: Language) {
    SPOKEN.set(language);
}

/// The tag of the language that is spoken.
pub fn tag() -> &'static str {
    SPOKEN.get().tag
}

/// Whether English is spoken, the language of what the backend says.
pub fn is_english() -> bool {
    intl().is_none()
}

/// Whether a name comes after another in a list that is sorted as the language sorts.
pub fn is_after(name: &str, other: &str) -> bool {
    match intl() {
        Some(intl) => (intl.after)(name, other),
        None => name > other,
    }
}

/// A text in the language of the page.
pub fn say(text: Text) -> &'static str {
    // A language has one for each. English lacks those of the desk until the desk is here, which
    // alone says them.
    SPOKEN
        .get()
        .texts
        .get(text as usize)
        .copied()
        .unwrap_or_default()
}

pub(super) fn is_right_to_left() -> bool {
    SPOKEN.get().right_to_left
}

pub(super) fn intl() -> Option<Intl> {
    SPOKEN.get().intl
}

/// Which form goes with a number.
pub(super) fn plural_form(count: u64) -> usize {
    match intl() {
        #[expect(
            clippy::cast_precision_loss,
            reason = "no count comes near 2^53, and a form asks for the last digits at most"
        )]
        Some(intl) => (intl.plural)(count as f64),
        None => usize::from(count != 1),
    }
}
