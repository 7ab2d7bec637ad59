//! One side of a row: its text, cut where it is very long, with what was searched for marked.

use std::ops::Range;

use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use yew::prelude::*;

use crate::store::fold;

/// How many characters of a text are shown before somebody asks for all of it.
const MOST: usize = 2000;

/// A text is cut only where so many more follow.
const WORTH: usize = 200;

/// The longest that a character is taken for that consists of many, in bytes: a family of eleven
/// code points has 40.
const CLUSTER_BYTES: usize = 256;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Intl)]
    type Segmenter;

    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new() -> Result<Segmenter, JsValue>;

    #[wasm_bindgen(method)]
    fn segment(this: &Segmenter, text: &str) -> Segments;

    type Segments;

    #[wasm_bindgen(method)]
    fn containing(this: &Segments, index: u32) -> JsValue;
}

/// The beginning of a very long text, nothing of one that can be shown whole.
pub(super) fn beginning(text: &str) -> Option<&str> {
    beginning_cut_by(text, cluster_begins)
}

fn beginning_cut_by(text: &str, begins: impl Fn(&str, usize) -> usize) -> Option<&str> {
    if text.len() <= MOST + WORTH {
        return None;
    }
    let mut places = text.char_indices().map(|(place, _)| place);
    let cut = places.nth(MOST)?;
    places.nth(WORTH)?;
    // What a person takes for one character is not cut in two.
    let mut from = cut.saturating_sub(CLUSTER_BYTES);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let mut to = text.len().min(cut + CLUSTER_BYTES);
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    let around = text.get(from..to)?;
    text.get(..from + begins(around, cut - from))
}

/// Where the character that is at this byte begins, as the browser has it; one without
/// `Intl.Segmenter` knows no better than the byte itself.
fn cluster_begins(text: &str, byte: usize) -> usize {
    let Some(before) = text.get(..byte) else {
        return byte;
    };
    let found = || {
        let unit = u32::try_from(before.encode_utf16().count()).ok()?;
        let cluster = Segmenter::new().ok()?.segment(text).containing(unit);
        let begins = Reflect::get(&cluster, &"index".into()).ok()?.as_f64()?;
        let mut units = 0.0;
        for (place, letter) in text.char_indices() {
            if units >= begins {
                return Some(place);
            }
            units += if letter.len_utf16() == 2 { 2.0 } else { 1.0 };
        }
        None
    };
    found().unwrap_or(byte)
}

/// Where in a text the words are, whatever their case. They are folded already.
fn marks(text: &str, words: &str) -> Vec<Range<usize>> {
    if words.is_empty() {
        return Vec::new();
    }
    let mut folded = String::with_capacity(text.len());
    // Where in the text each byte of the folded one comes from.
    let mut origins = Vec::with_capacity(text.len() + 1);
    for (place, letter) in text.char_indices() {
        folded.extend(letter.to_lowercase());
        origins.resize(folded.len(), (place, place + letter.len_utf8()));
    }
    folded
        .match_indices(words)
        .filter_map(|(place, found)| {
            let first = origins.get(place)?.0;
            let last = origins.get((place + found.len()).checked_sub(1)?)?.1;
            Some(first..last)
        })
        .collect()
}

/// A text with what was searched for marked; `current` is whether the person is at it.
pub(super) fn marked(text: &AttrValue, query: &str, current: bool) -> Html {
    let marks = marks(text, &fold(query));
    if marks.is_empty() {
        return html! { { text.clone() } };
    }
    let mut parts = Vec::with_capacity(2 * marks.len() + 1);
    let mut end = 0;
    for mark in marks {
        let (Some(before), Some(found)) = (text.get(end..mark.start), text.get(mark.clone()))
        else {
            continue;
        };
        parts.push(html! { { before.to_owned() } });
        parts
            .push(html! { <mark data-current={current.then_some("")}>{ found.to_owned() }</mark> });
        end = mark.end;
    }
    parts.push(html! { { text.get(end..).unwrap_or_default().to_owned() } });
    parts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_can_be_shown_whole_is_not_cut() {
        assert_eq!(beginning_cut_by(&"a".repeat(2200), |_, byte| byte), None);
        let three_bytes_each = "あ".repeat(2200);
        assert_eq!(beginning_cut_by(&three_bytes_each, |_, byte| byte), None);
    }

    #[test]
    fn a_very_long_text_is_cut_between_characters() {
        let text = "あ".repeat(5000);
        let cut = beginning_cut_by(&text, |_, byte| byte).unwrap();
        assert_eq!(cut.chars().count(), 2000);
    }

    #[test]
    fn what_a_person_takes_for_one_character_is_left_whole() {
        // The 2000th character is the accent of the letter before it.
        let text = ["x".repeat(1999), "e\u{301}".to_owned(), "y".repeat(900)].concat();
        let cut = beginning_cut_by(&text, |around, byte| {
            assert_eq!(around.get(byte..byte + 2), Some("\u{301}"));
            byte - 1
        });
        assert_eq!(cut, Some(&*"x".repeat(1999)));
    }

    #[test]
    fn words_are_found_in_any_case_where_they_are() {
        let found = |text: &str, words: &str| -> Vec<String> {
            marks(text, &fold(words))
                .into_iter()
                .map(|mark| text[mark].to_owned())
                .collect()
        };
        assert_eq!(found("Haus und HAUS", "haus"), ["Haus", "HAUS"]);
        assert_eq!(found("ÄÖÜ äöü", "öü"), ["ÖÜ", "öü"]);
        // Its lower case has two characters.
        assert_eq!(found("x İ y İ", "i\u{307} y"), ["İ y"]);
        assert_eq!(found("aaa", "aa"), ["aa"]);
        assert!(found("anything", "").is_empty());
    }
}
