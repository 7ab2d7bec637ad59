//! Why a file cannot be read as text.

use babelwire_wire::Failure;

/// Why a file cannot be read as text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// No encoding has this label.
    #[error("“{label}” is not the name of a text encoding; use a WHATWG label such as utf-8, windows-1252 or shift_jis, or leave it out to have it detected")]
    UnknownCharset {
        /// The label as it was given.
        label: String,
    },
    /// The file is of a known kind that is not text.
    #[error("it looks like {kind}. {hint}")]
    NotText {
        /// The kind, with its article: `a PDF document`.
        kind: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// The file has bytes that no text has.
    #[error("{evidence}, which plain text does not have. Choose a plain text file, or name its encoding if it is one")]
    Binary {
        /// What was found, as the beginning of a sentence.
        evidence: String,
    },
}

impl TextError {
    /// The error in a few words.
    pub fn title(&self) -> &'static str {
        match self {
            Self::UnknownCharset { .. } => "Unknown text encoding",
            Self::NotText { .. } | Self::Binary { .. } => "Not a text file",
        }
    }

    /// The error for the person who waits for the translation.
    pub fn failure(&self) -> Failure {
        let detail = match self {
            Self::UnknownCharset { .. } => self.to_string(),
            Self::NotText { .. } => format!("This is not a plain text file: {self}"),
            Self::Binary { .. } => format!("This is not a plain text file: {self}."),
        };
        Failure {
            title: self.title().to_owned(),
            detail,
        }
    }
}
