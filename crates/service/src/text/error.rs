//! Why a file cannot be read as text.

use babelwire_wire::Failure;

/// Why a file cannot be read as text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// No encoding has this label.
    #[error(
        "“{label}” is not the name of a text encoding. Use a name such as utf-8, windows-1252 or \
         shift_jis, or leave it out to have the encoding detected."
    )]
    UnknownCharset {
        /// The label as it was given.
        label: String,
    },
    /// The file is of a known kind that is not plain text.
    #[error("The file looks like {kind}. {hint}.")]
    NotText {
        /// The kind, with its article: `a PDF document`.
        kind: &'static str,
        /// What to do instead, without its full stop.
        hint: &'static str,
    },
    /// The file has bytes that no plain text has.
    #[error(
        "The file looks like binary data: {evidence}. Choose a plain text file; if it is one in \
         an unusual encoding, name the encoding."
    )]
    Binary {
        /// What was found, as the rest of a sentence.
        evidence: String,
    },
}

impl TextError {
    /// The error in a few words.
    pub fn title(&self) -> &'static str {
        match self {
            Self::UnknownCharset { .. } => "Unknown text encoding",
            Self::NotText { .. } | Self::Binary { .. } => "Not a plain text file",
        }
    }

    /// The error for the person who waits for the translation.
    pub fn failure(&self) -> Failure {
        Failure {
            title: self.title().to_owned(),
            detail: self.to_string(),
        }
    }
}

impl From<TextError> for Failure {
    fn from(error: TextError) -> Self {
        error.failure()
    }
}
