//! Something that went wrong, and what to do about it.

use std::rc::Rc;

use babelwire_wire::Failure;

use super::{Text, fill, is_english, say};

/// Something that went wrong, in words for the person at the page.
///
/// It is kept by its texts' names and said when it is shown, so it follows the page's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What went wrong, in a few words.
    what: Text,
    /// What it means and what to do about it.
    advice: Text,
    /// The same as the backend puts it, which knows more, and speaks English alone.
    backend: Option<Rc<Failure>>,
    /// Whether asking again for the same thing is pointless: the backend understood and refused.
    pub refused: bool,
    /// Whether what it was about is not there (any more).
    pub gone: bool,
}

impl Trouble {
    /// Trouble that may pass: the network, a busy backend.
    pub fn passing(what: Text, advice: Text) -> Self {
        Self {
            what,
            advice,
            backend: None,
            refused: false,
            gone: false,
        }
    }

    /// Trouble that stays until somebody does something about it.
    pub fn lasting(what: Text, advice: Text) -> Self {
        Self {
            refused: true,
            ..Self::passing(what, advice)
        }
    }

    /// The same, where the backend has words of its own for it.
    #[must_use]
    pub fn in_words_of(self, backend: Failure) -> Self {
        Self {
            backend: Some(Rc::new(backend)),
            ..self
        }
    }

    /// What went wrong, in a few words.
    pub fn title(&self) -> &str {
        match self.backend_words() {
            Some(words) => &words.title,
            None => say(self.what),
        }
    }

    /// What it means and what to do about it.
    pub fn detail(&self) -> &str {
        match self.backend_words() {
            Some(words) => &words.detail,
            None => say(self.advice),
        }
    }

    fn backend_words(&self) -> Option<&Failure> {
        self.backend.as_deref().filter(|_| is_english())
    }
}

/// Trouble as one or two sentences.
pub fn sentence(trouble: &Trouble) -> String {
    joined(trouble.title(), trouble.detail())
}

/// Why the backend could not translate a file, as one or two sentences. It speaks English, and
/// knows more than the page: in another language the page says the same in words of its own, as far
/// as it knows the title, else that it was not translated. Half a page of English is shown to nobody
/// who reads another language.
pub fn failure(failure: &Failure) -> String {
    if is_english() {
        return joined(&failure.title, &failure.detail);
    }
    let (what, advice) = match failure.title.as_str() {
        "Not a plain text file" => (Text::FailureNotText, Text::FailureNotTextAdvice),
        "Unknown text encoding" => (Text::FailureCharset, Text::FailureCharsetAdvice),
        "The languages are not installed" => (Text::FailureLanguages, Text::FailureLanguagesAdvice),
        "The translation engine failed" => (Text::FailureEngine, Text::FailureEngineAdvice),
        "The upload is not the file" | "The file's bytes are missing" => {
            (Text::FailureUpload, Text::FailureUploadAdvice)
        }
        _ => (Text::FailureUnknown, Text::FailureUnknownAdvice),
    };
    joined(say(what), say(advice))
}

pub(super) fn joined(title: &str, detail: &str) -> String {
    let title = title.trim().trim_end_matches('.');
    fill(Text::Trouble, &[title, detail]).trim_end().to_owned()
}
