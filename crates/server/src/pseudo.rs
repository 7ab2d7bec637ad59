//! A translator that translates nothing, for machines without an engine and for tests.

use std::time::Duration;

use async_trait::async_trait;
use babelwire_service::translator::{TranslateError, Translator};
use babelwire_wire::rest::{Languages, Pair};

/// Puts accents on letters and brackets around lines: plainly no translation, yet readable.
pub(crate) struct Pseudo {
    delay: Duration,
    refuses: Option<String>,
}

/// How many segments it works on at once.
const CONCURRENCY: usize = 28;

impl Pseudo {
    /// `delay` is how long each segment takes; those that hold `refuses` are translated only when
    /// they are asked for anew.
    pub(crate) fn new(delay: Duration, refuses: Option<String>) -> Self {
        Self { delay, refuses }
    }
}

#[async_trait]
impl Translator for Pseudo {
    fn name(&self) -> &'static str {
        "pseudo"
    }

    fn languages(&self) -> Languages {
        // `XA` is the region of accented pseudo-languages.
        let pairs = [
            ("en", "en-XA"),
            ("en", "es"),
            ("en", "fr"),
            ("es", "en"),
            ("fr", "en"),
        ];
        Languages {
            translator: "pseudo".to_owned(),
            detect: false,
            pairs: pairs
                .map(|(source, target)| Pair {
                    source: source.to_owned(),
                    target: target.to_owned(),
                    via: Vec::new(),
                })
                .into(),
        }
    }

    fn concurrency(&self) -> usize {
        CONCURRENCY
    }

    async fn translate(&self, pair: &Pair, text: &str) -> Result<String, TranslateError> {
        let translated = self.translate_anew(pair, text).await?;
        match &self.refuses {
            Some(refuses) if text.contains(refuses) => {
                let reason = format!("it was told to refuse “{refuses}”");
                Err(TranslateError::Engine(reason))
            }
            _ => Ok(translated),
        }
    }

    async fn translate_anew(&self, _pair: &Pair, text: &str) -> Result<String, TranslateError> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let lines: Vec<_> = text.split('\n').map(pseudo_line).collect();
        Ok(lines.join("\n"))
    }
}

fn pseudo_line(line: &str) -> String {
    let end = if line.ends_with('\r') { "\r" } else { "" };
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.trim().is_empty() {
        return format!("{line}{end}");
    }
    let accented: String = line.chars().map(accent).collect();
    format!("[{accented}]{end}")
}

fn accent(char: char) -> char {
    const PLAIN: &str = "ACDEGHIJKLNORSTUWYZacdeghijklnorstuwyz";
    const ACCENTED: &str = "ÁÇĐÉĜĤÍĴĶĹŃÓŔŞŢÚŴÝŽáçđéĝĥíĵķĺńóŕşţúŵýž";
    PLAIN
        .chars()
        .zip(ACCENTED.chars())
        .find_map(|(plain, accented)| (plain == char).then_some(accented))
        .unwrap_or(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines_and_nobody_takes_it_for_a_translation() {
        assert_eq!(pseudo_line("Hello, World 42!\r"), "[Ĥéĺĺó, Ŵóŕĺđ 42!]\r");
        assert_eq!(pseudo_line("  \r"), "  \r");
    }
}
