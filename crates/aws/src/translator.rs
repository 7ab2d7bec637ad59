//! Amazon Translate.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_translate::Client;
use aws_sdk_translate::config::Builder;
use aws_sdk_translate::config::http::HttpResponse;
use aws_sdk_translate::error::SdkError;
use aws_sdk_translate::operation::translate_text::{TranslateTextError, TranslateTextOutput};
use babelwire_service::ports::{Clock, Random};
use babelwire_service::translator::{TranslateError, Translator};
use babelwire_wire::rest::{Languages, Pair};
use tokio::sync::Semaphore;

use crate::config::{DEFAULT_LANGUAGES, SettingsError, Translate};
use crate::failure::{Kind, Patience, in_words, kind};
use crate::paragraph::{Block, blocks, cut, trimmed};

/// The most that `TranslateText` takes in one call: 10,000 bytes of UTF-8 ("Guidelines and quotas",
/// synchronous real-time translation).
pub const MOST_BYTES: usize = 10_000;

/// How much of a text is looked at to find its language, in bytes: some paragraphs, which is
/// plenty, and each character costs.
pub const DETECT_BYTES: usize = 1_000;

/// The source that lets Translate find out.
const AUTO: &str = "auto";

/// How long one try of a call may take. A call with a paragraph takes well under a second.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Amazon Translate as the service's translator.
///
/// Its role needs `translate:TranslateText` and `translate:ListLanguages`, and
/// `comprehend:DetectDominantLanguage` for [`Translator::detect`]: Translate asks Comprehend in the
/// caller's name ("Automatic language detection").
pub struct AwsTranslate {
    client: Client,
    languages: Languages,
    concurrency: usize,
    /// One for each call that is under way.
    calls: Semaphore,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl AwsTranslate {
    /// How long a call is tried when Translate fails: five waits, 12.5 s in all at the very most and
    /// half of that on average.
    pub const PATIENCE: Patience = Patience {
        tries: 6,
        first: Duration::from_millis(500),
        most: Duration::from_secs(5),
    };

    /// The same when the account asks for too much at a time, which is no fault of this text: some
    /// ten minutes on average. A function's time is over first, mostly, and the next one goes on.
    pub const PATIENCE_WHILE_THROTTLED: Patience = Patience {
        tries: 240,
        ..Self::PATIENCE
    };

    /// Asks Translate for its languages, and offers those of them that were wished for. Where it
    /// does not answer, those wished for are taken for granted: a pair that there is not is found
    /// out when it is used.
    pub async fn start(
        client: Client,
        settings: &Translate,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, SettingsError> {
        let wished = &settings.languages;
        let offered = match list_languages(&client).await {
            Ok(there) if wished.is_empty() => there,
            Ok(there) => known(wished, &there)?,
            Err(error) => {
                tracing::warn!(error, "could not list Translate's languages");
                if wished.is_empty() {
                    DEFAULT_LANGUAGES.map(str::to_owned).into()
                } else {
                    wished.clone()
                }
            }
        };
        Ok(Self {
            client,
            languages: Languages {
                translator: "amazon-translate".to_owned(),
                detect: true,
                pairs: pairs(&offered),
            },
            concurrency: settings.concurrency,
            calls: Semaphore::new(settings.concurrency.max(1)),
            clock,
            random,
        })
    }

    /// One paragraph.
    async fn paragraph(&self, pair: &Pair, text: &str) -> Result<String, TranslateError> {
        let mut translation = String::with_capacity(text.len());
        for part in cut(text, MOST_BYTES) {
            let (before, words, after) = trimmed(part);
            translation.push_str(before);
            if words.chars().any(char::is_alphabetic) {
                translation.push_str(&self.part(pair, words).await?);
            } else {
                translation.push_str(words);
            }
            translation.push_str(after);
        }
        Ok(translation)
    }

    /// What fits one call.
    async fn part(&self, pair: &Pair, text: &str) -> Result<String, TranslateError> {
        let Pair { source, target, .. } = pair;
        let mut asked = self.ask(source, target, text).await;
        // A short text often leaves Translate in doubt: it tells its guess, and wants to hear it.
        if let Err(Refused::Unsure(Some(guess))) = asked {
            asked = self.ask(&guess, target, text).await;
        }
        match asked {
            Ok(answer) => Ok(answer.translated_text),
            Err(Refused::NoSuchPair(_)) if source != AUTO => Err(TranslateError::NoSuchPair {
                source_language: source.clone(),
                target_language: target.clone(),
            }),
            // One paragraph in a foreign tongue is no reason to give the others up.
            Err(Refused::NoSuchPair(found)) => Err(TranslateError::Engine(format!(
                "it takes the text for {} and has no translation from that into {target}",
                found.as_deref().unwrap_or("another language"),
            ))),
            Err(Refused::Unsure(_)) => Err(TranslateError::Engine(
                "it cannot tell what language the text is in".to_owned(),
            )),
            Err(Refused::Other(error)) => Err(error),
        }
    }

    /// One question, asked until it is answered, there is no sense in it or patience ends. It keeps
    /// its place among the calls under way while it waits: where there is too much to do, fewer
    /// calls are the remedy.
    async fn ask(
        &self,
        source: &str,
        target: &str,
        text: &str,
    ) -> Result<TranslateTextOutput, Refused> {
        // The semaphore is never closed, so there always is a permit.
        let _permit = self.calls.acquire().await;
        let mut tried = 0;
        loop {
            let asked = self
                .client
                .translate_text()
                .source_language_code(source)
                .target_language_code(target)
                .text(text)
                .send()
                .await;
            let error = match asked {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tried += 1;
            let patience = match kind(&error) {
                Kind::Throttled => Some(Self::PATIENCE_WHILE_THROTTLED),
                Kind::Passing => Some(Self::PATIENCE),
                Kind::Denied | Kind::Final => None,
            };
            let waited = match patience {
                Some(patience) => patience.wait(tried, &*self.clock, &*self.random).await,
                None => false,
            };
            if !waited {
                return Err(refused(error));
            }
        }
    }
}

/// Why a question was not answered.
enum Refused {
    /// Translate is in doubt about the language; its guess.
    Unsure(Option<String>),
    /// There is no such pair; the source that Translate found, if it was asked to.
    NoSuchPair(Option<String>),
    Other(TranslateError),
}

fn refused(error: SdkError<TranslateTextError, HttpResponse>) -> Refused {
    let words = in_words(&error);
    match (kind(&error), error.into_service_error()) {
        (_, TranslateTextError::DetectedLanguageLowConfidenceException(unsure)) => {
            Refused::Unsure(unsure.detected_language_code)
        }
        (_, TranslateTextError::UnsupportedLanguagePairException(pair)) => {
            Refused::NoSuchPair(pair.source_language_code)
        }
        (Kind::Denied, _) => Refused::Other(TranslateError::Unavailable(words)),
        _ => Refused::Other(TranslateError::Engine(words)),
    }
}

/// A client of Translate, which tries everything once: [`AwsTranslate`] does the rest.
pub fn client(sdk: &SdkConfig) -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(TIMEOUT)
        .build();
    let config = Builder::from(sdk)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .build();
    Client::from_conf(config)
}

async fn list_languages(client: &Client) -> Result<Vec<String>, String> {
    let mut languages = Vec::new();
    let mut pages = client.list_languages().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| in_words(&error))?;
        let codes = page.languages.into_iter().flatten();
        languages.extend(codes.map(|language| language.language_code));
    }
    languages.retain(|code| code != AUTO);
    Ok(languages)
}

/// Those wished for that there are, in the order they were wished for.
fn known(wished: &[String], there: &[String]) -> Result<Vec<String>, SettingsError> {
    let mut known: Vec<String> = Vec::new();
    for code in wished {
        match there.iter().find(|there| there.eq_ignore_ascii_case(code)) {
            Some(there) if known.contains(there) => {}
            Some(there) => known.push(there.clone()),
            None => tracing::warn!(code, "Translate has no such language"),
        }
    }
    if known.len() < 2 {
        return Err(SettingsError::Wrong {
            name: "BABELWIRE_LANGUAGES",
            value: wished.join(","),
            holds: "two or more language codes that Amazon Translate has: see `aws translate \
                    list-languages`",
        });
    }
    Ok(known)
}

/// Every language into every other.
fn pairs(languages: &[String]) -> Vec<Pair> {
    languages
        .iter()
        .flat_map(|source| {
            let targets = languages.iter().filter(move |target| *target != source);
            targets.map(|target| Pair {
                source: source.clone(),
                target: target.clone(),
                via: Vec::new(),
            })
        })
        .collect()
}

#[async_trait]
impl Translator for AwsTranslate {
    fn name(&self) -> &str {
        &self.languages.translator
    }

    fn languages(&self) -> Languages {
        self.languages.clone()
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    async fn translate(&self, pair: &Pair, text: &str) -> Result<String, TranslateError> {
        // As a text can be found to be in the very language that it is wanted in.
        if pair.source == pair.target {
            return Ok(text.to_owned());
        }
        let mut translation = String::with_capacity(text.len());
        for block in blocks(text) {
            match block {
                Block::Gap(gap) => translation.push_str(gap),
                Block::Paragraph(paragraph) => {
                    let translated = self.paragraph(pair, &paragraph.unwrapped()).await?;
                    translation.push_str(&paragraph.wrap(&translated));
                }
            }
        }
        Ok(translation)
    }

    /// Asks with the text's beginning. Where Translate is in doubt, each paragraph had better be
    /// asked for by itself: they may well be in several languages.
    async fn detect(&self, text: &str) -> Result<Option<String>, TranslateError> {
        let sample = cut(text.trim_start(), DETECT_BYTES);
        let sample = sample.first().copied().unwrap_or_default();
        let target = self.languages.pairs.first().map(|pair| &pair.target);
        let (Some(target), true) = (target, sample.chars().any(char::is_alphabetic)) else {
            return Ok(None);
        };
        match self.ask(AUTO, target, sample).await {
            Ok(answer) => Ok(Some(answer.source_language_code)),
            // Whoever is then told that there is no such pair learns which.
            Err(Refused::NoSuchPair(found)) => Ok(found.filter(|found| found != AUTO)),
            Err(Refused::Unsure(guess)) => {
                tracing::info!(guess, "the text's language is in doubt");
                Ok(None)
            }
            Err(Refused::Other(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(codes: &[&str]) -> Vec<String> {
        codes.iter().map(|code| (*code).to_owned()).collect()
    }

    #[test]
    fn of_the_languages_wished_for_those_that_there_are_are_offered_in_that_order() {
        let there = codes(&["af", "de", "en", "es", "zh-TW"]);
        let wished = codes(&["es", "zh-tw", "tlh", "en", "es"]);
        assert_eq!(known(&wished, &there), Ok(codes(&["es", "zh-TW", "en"])));
        let complaint = known(&codes(&["tlh", "en"]), &there).unwrap_err();
        assert!(
            complaint.to_string().starts_with("BABELWIRE_LANGUAGES is"),
            "{complaint}"
        );
    }

    #[test]
    fn every_language_is_translated_into_every_other() {
        let pairs = pairs(&codes(&["en", "es", "fr"]));
        let pairs: Vec<_> = pairs
            .iter()
            .map(|pair| format!("{}-{}", pair.source, pair.target))
            .collect();
        assert_eq!(
            pairs,
            ["en-es", "en-fr", "es-en", "es-fr", "fr-en", "fr-es"]
        );
    }

    #[test]
    fn all_waits_together_are_within_the_margin_before_a_functions_end() {
        let Patience { tries, first, most } = AwsTranslate::PATIENCE;
        let waits: Duration = (0..tries - 1).map(|n| (first * (1 << n)).min(most)).sum();
        assert_eq!(waits, Duration::from_millis(12_500));
        assert!(waits < crate::config::Settings::TRANSLATE_MARGIN);
    }
}
