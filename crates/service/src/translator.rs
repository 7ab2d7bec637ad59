//! The port to a translation engine.

use async_trait::async_trait;
use babelwire_wire::rest::{Languages, Pair};

/// A translation engine.
#[async_trait]
pub trait Translator: Send + Sync {
    /// The engine's name as a person sees it: `apertium`, `pseudo`.
    fn name(&self) -> &str;

    /// What it can translate into what, right now.
    fn languages(&self) -> Languages;

    /// How many [`Translator::translate`] calls are worth having under way at once; more only
    /// wait for each other.
    fn concurrency(&self) -> usize;

    /// Translates one segment of plain text. The answer has as many line feeds as `text` has.
    /// `pair` is one of [`Translator::languages`]'. Dropping the future gives the engine's slot
    /// back.
    async fn translate(&self, pair: &Pair, text: &str) -> Result<String, TranslateError>;

    /// The language of a text, as a BCP 47 tag that [`Translator::translate`] takes as a source.
    /// `None` where the engine can't tell, or finds out by itself with every segment.
    async fn detect(&self, _text: &str) -> Result<Option<String>, TranslateError> {
        Ok(None)
    }

    /// As [`Translator::translate`], but no part of the answer is one that was remembered.
    async fn translate_anew(&self, pair: &Pair, text: &str) -> Result<String, TranslateError> {
        self.translate(pair, text).await
    }
}

/// Why a segment was not translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// The engine has no such pair (any more).
    #[error("no translation from {source_language} into {target_language} is installed")]
    NoSuchPair {
        /// From.
        source_language: String,
        /// Into.
        target_language: String,
    },
    /// The engine failed on this segment, after its own retries. It may well translate others.
    #[error("the translation engine failed: {0}")]
    Engine(String),
    /// The engine is gone altogether: no segment is worth a try.
    #[error("the translation engine cannot be used: {0}")]
    Unavailable(String),
}
