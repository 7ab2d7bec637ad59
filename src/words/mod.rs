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
    let right_to_left = language::is_right_to_left();
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
            let isolate = right_to_left && begins_left_to_right(part);
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

/// Whether the first letter of a text is of a script that is written from left to right. What is
/// isolated already does not count, as in rule P2 of Unicode's UAX 9.
fn begins_left_to_right(text: &str) -> bool {
    let mut depth = 0_u32;
    for char in text.chars() {
        match char {
            '\u{2066}'..='\u{2068}' => depth = depth.saturating_add(1),
            '\u{2069}' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            // Hebrew, Arabic and their neighbours, and their presentation forms.
            '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}' => {
                return false;
            }
            'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{1fff}' | '\u{2c00}'.. => return true,
            _ => {}
        }
    }
    false
}

/// The beginning of a text, of at most that many bytes, cut between characters.
pub fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}
