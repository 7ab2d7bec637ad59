//! Something that went wrong, and what to do about it.

use babelwire_wire::Failure;

use super::{Text, fill, is_english, say};
use crate::store::Trouble;

/// Trouble as one or two sentences.
pub fn sentence(trouble: &Trouble) -> String {
    joined(&trouble.title, &trouble.detail)
}

/// Why the backend could not translate a file, as one or two sentences. It speaks English: in
/// another language the page says the same in general words.
pub fn failure(failure: &Failure) -> String {
    if is_english() {
        joined(&failure.title, &failure.detail)
    } else {
        joined(say(Text::FailureUnknown), say(Text::FailureUnknownAdvice))
    }
}

pub(super) fn joined(title: &str, detail: &str) -> String {
    let title = title.trim().trim_end_matches('.');
    fill(Text::Trouble, &[title, detail]).trim_end().to_owned()
}
