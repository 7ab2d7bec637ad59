//! What a person reads: texts, numbers, states, in the language of the page.
//!
//! [`Text`] names every text. English is part of the page; another language is a file in
//! `locales/` that is fetched when it is wanted and read by [`Language::read`]. Numbers and plural
//! forms of another language are the browser's own, lent as function pointers, so that nothing in
//! here needs a browser.
//!
//! What is said is said in the language of this thread, which a browser has one of.

mod language;
mod quantity;
mod states;
#[cfg(test)]
mod tests;
mod texts;
mod trouble;

pub use language::{Intl, Language, complete, is_after, is_english, say, speak, tag};
pub use quantity::{decimal, duration, number, size, size_of};
pub use states::{link, progress, state};
pub use texts::Text;
pub use trouble::{Trouble, failure, sentence};

/// A text with its blanks filled in: `{0}` with the first part, and so on.
pub fn fill(text: Text, parts: &[&str]) -> String {
    fill_in(say(text), parts)
}

/// The form of a text that goes with a number, `{0}` being the number.
pub fn plural(text: Text, count: u64) -> String {
    plural_with(text, count, &[])
}

/// The form of a text that goes with a number, `{0}` being the number, and `{1}` and so on the
/// parts.
pub fn plural_with(text: Text, count: u64, parts: &[&str]) -> String {
    let form = language::plural_form(count);
    let mut forms = say(text).split('|');
    let first = forms.next().unwrap_or_default();
    // A language may have forms that this text needs not tell apart: the last is for all of them.
    let mut chosen = first;
    for other in forms.take(form) {
        chosen = other;
    }
    let number = number(count);
    let mut all = Vec::with_capacity(parts.len() + 1);
    all.push(number.as_str());
    all.extend_from_slice(parts);
    fill_in(chosen, &all)
}

fn fill_in(pattern: &str, parts: &[&str]) -> String {
    let isolate = language::is_right_to_left();
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(open) = rest.find('{') {
        let blank = rest.as_bytes().get(open + 1..open + 3);
        let part = match blank {
            Some(&[digit @ b'0'..=b'9', b'}']) => parts.get(usize::from(digit - b'0')),
            _ => None,
        };
        let (before, after) = rest.split_at(open);
        out.push_str(before);
        if let Some(part) = part {
            // A name of the other direction would pull its neighbours over (Unicode's UAX 9).
            if isolate {
                out.push('\u{2068}');
            }
            out.push_str(part);
            if isolate {
                out.push('\u{2069}');
            }
            rest = after.get(3..).unwrap_or_default();
        } else {
            out.push('{');
            rest = after.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// The beginning of a text, of at most that many bytes, cut between characters.
pub fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}
