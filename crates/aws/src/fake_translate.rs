//! A fake of Amazon Translate: its wire protocol, and no translation.
//!
//! It answers `TranslateText` and `ListLanguages` as the real one does on the wire (JSON 1.1,
//! `X-Amz-Target: AWSShineFrontendService_20170701.…`), with the real one's limit and errors, so
//! that AWS's SDK can talk to it. What it calls a translation are the same words with accents. It
//! checks no signature.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

/// The most that `TranslateText` takes in one call: 10,000 bytes of UTF-8 ("Guidelines and
/// quotas").
pub const MOST_BYTES: usize = 10_000;

/// The languages, by code ("Supported languages and language codes").
pub const LANGUAGES: [&str; 75] = [
    "af", "sq", "am", "ar", "hy", "az", "bn", "bs", "bg", "ca", "zh", "zh-TW", "hr", "cs", "da",
    "fa-AF", "nl", "en", "et", "fa", "tl", "fi", "fr", "fr-CA", "ka", "de", "el", "gu", "ht", "ha",
    "he", "hi", "hu", "is", "id", "ga", "it", "ja", "kn", "kk", "ko", "lv", "lt", "mk", "ms", "ml",
    "mt", "mr", "mn", "no", "ps", "pl", "pt", "pt-PT", "pa", "ro", "ru", "sr", "si", "sk", "sl",
    "so", "es", "es-MX", "sw", "sv", "ta", "te", "th", "tr", "uk", "ur", "uz", "vi", "cy",
];

/// What the fake does beside translating. A count is of calls to come.
#[derive(Debug, Default)]
pub struct Behaviour {
    /// How long a call of `TranslateText` takes.
    pub delay: Duration,
    /// Every Nth call of `TranslateText` is throttled, N being this; none with 0.
    pub throttle_every: u64,
    /// So many calls of anything are throttled.
    pub throttle: AtomicU64,
    /// So many calls of anything end in an error of the server.
    pub fail: AtomicU64,
    /// So many calls of anything are denied.
    pub deny: AtomicU64,
}

/// Calls so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Those of `TranslateText`, the refused ones too.
    pub translate_text: AtomicU64,
    /// Those under way now.
    pub under_way: AtomicU64,
    /// The most that ever were under way at once.
    pub most_under_way: AtomicU64,
}

/// The fake.
#[derive(Debug, Default)]
pub struct Fake {
    /// What it does.
    pub behaviour: Behaviour,
    /// What was asked of it.
    pub counts: Counts,
}

/// The fake as a router: every call is `POST /`.
pub fn router(fake: Arc<Fake>) -> Router {
    Router::new()
        .route("/", axum::routing::post(call))
        .with_state(fake)
}

/// An error as the service sends it.
struct Failure {
    status: StatusCode,
    name: &'static str,
    fields: Value,
}

fn refuse(name: &'static str, message: impl Into<String>) -> Failure {
    Failure {
        status: StatusCode::BAD_REQUEST,
        name,
        fields: json!({ "Message": message.into() }),
    }
}

impl IntoResponse for Failure {
    fn into_response(mut self) -> Response {
        self.fields["__type"] = self.name.into();
        answer(self.status, &self.fields)
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
    (status, content_type, body.to_string()).into_response()
}

/// Takes one of these calls, if there is one left.
fn takes_one(calls: &AtomicU64) -> bool {
    calls
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok()
}

async fn call(State(fake): State<Arc<Fake>>, headers: HeaderMap, body: Bytes) -> Response {
    let under_way = fake.counts.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    let most = &fake.counts.most_under_way;
    most.fetch_max(under_way, Ordering::SeqCst);
    let answered = match fake.answer(&headers, &body).await {
        Ok(body) => answer(StatusCode::OK, &body),
        Err(failure) => failure.into_response(),
    };
    fake.counts.under_way.fetch_sub(1, Ordering::SeqCst);
    answered
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TranslateText {
    text: String,
    source_language_code: String,
    target_language_code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListLanguages {
    #[serde(default)]
    next_token: Option<String>,
    #[serde(default)]
    max_results: Option<usize>,
}

impl Fake {
    async fn answer(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, Failure> {
        let is_signed = headers
            .get(header::AUTHORIZATION)
            .is_some_and(|value| value.as_bytes().starts_with(b"AWS4-HMAC-SHA256 "));
        if !is_signed {
            let message = "Missing Authentication Token";
            return Err(refuse("MissingAuthenticationTokenException", message));
        }
        if takes_one(&self.behaviour.deny) {
            let message = "User: arn:aws:iam::123456789012:role/fake is not authorized to perform \
                           this action";
            return Err(refuse("AccessDeniedException", message));
        }
        if takes_one(&self.behaviour.throttle) {
            return Err(refuse("ThrottlingException", "Rate exceeded"));
        }
        if takes_one(&self.behaviour.fail) {
            return Err(Failure {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                ..refuse("InternalServerException", "Internal failure")
            });
        }
        let target = headers
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok())
            .and_then(|target| target.strip_prefix("AWSShineFrontendService_20170701."));
        match target {
            Some("TranslateText") => self.translate_text(&parsed(body)?).await,
            Some("ListLanguages") => list_languages(&parsed(body)?),
            _ => Err(refuse("UnknownOperationException", "")),
        }
    }

    async fn translate_text(&self, asked: &TranslateText) -> Result<Value, Failure> {
        let call = self.counts.translate_text.fetch_add(1, Ordering::SeqCst) + 1;
        let every = self.behaviour.throttle_every;
        if every > 0 && call.is_multiple_of(every) {
            return Err(refuse("TooManyRequestsException", "Rate exceeded"));
        }
        if asked.text.is_empty() {
            return Err(refuse(
                "ValidationException",
                "Value '' at 'text' failed to satisfy constraint: Member must have length \
                 greater than or equal to 1",
            ));
        }
        if asked.text.len() > MOST_BYTES {
            return Err(refuse(
                "TextSizeLimitExceededException",
                format!(
                    "Input text size exceeds limit. Max length of request text allowed is {MOST_BYTES} bytes"
                ),
            ));
        }
        let target = asked.target_language_code.as_str();
        let source = match asked.source_language_code.as_str() {
            "auto" => match detected(&asked.text) {
                (code, true) => code,
                (guess, false) => {
                    let mut failure = refuse(
                        "DetectedLanguageLowConfidenceException",
                        "The confidence in the detected language is low",
                    );
                    failure.fields["DetectedLanguageCode"] = guess.into();
                    return Err(failure);
                }
            },
            source => source,
        };
        if !LANGUAGES.contains(&source) || !LANGUAGES.contains(&target) {
            let message = format!("Unsupported language pair: {source} to {target}.");
            let mut failure = refuse("UnsupportedLanguagePairException", message);
            failure.fields["SourceLanguageCode"] = source.into();
            failure.fields["TargetLanguageCode"] = target.into();
            return Err(failure);
        }
        if !self.behaviour.delay.is_zero() {
            tokio::time::sleep(self.behaviour.delay).await;
        }
        let translated = if source == target {
            asked.text.clone()
        } else {
            pseudo(&asked.text)
        };
        Ok(json!({
            "TranslatedText": translated,
            "SourceLanguageCode": source,
            "TargetLanguageCode": target,
        }))
    }
}

fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| refuse("SerializationException", error.to_string()))
}

/// A page of the languages; the token is where the next one begins.
fn list_languages(asked: &ListLanguages) -> Result<Value, Failure> {
    let begin: usize = match &asked.next_token {
        None => 0,
        Some(token) => token
            .parse()
            .map_err(|_| refuse("InvalidParameterValueException", "The token is invalid"))?,
    };
    let most = asked.max_results.unwrap_or(50).clamp(1, 500);
    let mut rest = LANGUAGES.iter().skip(begin);
    let page: Vec<_> = rest
        .by_ref()
        .take(most)
        .map(|code| json!({ "LanguageCode": code, "LanguageName": code }))
        .collect();
    let mut answer = json!({ "Languages": page, "DisplayLanguageCode": "en" });
    if rest.next().is_some() {
        answer["NextToken"] = (begin + most).to_string().into();
    }
    Ok(answer)
}

/// The language whose most common words a text has, and whether that is sure: none is without one
/// of them.
fn detected(text: &str) -> (&'static str, bool) {
    const COMMON: [(&str, &[&str]); 7] = [
        ("en", &["the", "and", "is", "of", "to", "in", "this"]),
        ("es", &["el", "los", "y", "es", "una", "del", "que"]),
        ("fr", &["le", "les", "et", "est", "une", "des", "dans"]),
        ("de", &["der", "die", "und", "ist", "ein", "nicht", "das"]),
        ("it", &["il", "gli", "è", "della", "che", "una", "nel"]),
        ("pt", &["o", "os", "é", "uma", "não", "do", "que"]),
        ("la", &["est", "et", "non", "quod", "cum", "ad", "sunt"]),
    ];
    let words: Vec<String> = text
        .split(|char: char| !char.is_alphabetic())
        .map(str::to_lowercase)
        .collect();
    let hits = |common: &[&str]| {
        let is_common = |word: &&String| common.contains(&word.as_str());
        words.iter().filter(is_common).count()
    };
    let mut best = ("en", 0);
    for (code, common) in COMMON {
        let hits = hits(common);
        if hits > best.1 {
            best = (code, hits);
        }
    }
    (best.0, best.1 > 0)
}

/// Plainly no translation, yet readable: brackets around each line, and accents on its letters.
pub fn pseudo(text: &str) -> String {
    const PLAIN: &str = "ACDEGHIJKLNORSTUWYZacdeghijklnorstuwyz";
    const ACCENTED: &str = "ÁÇĐÉĜĤÍĴĶĹŃÓŔŞŢÚŴÝŽáçđéĝĥíĵķĺńóŕşţúŵýž";
    let accent = |char: char| {
        let mut both = PLAIN.chars().zip(ACCENTED.chars());
        both.find_map(|(plain, accented)| (plain == char).then_some(accented))
            .unwrap_or(char)
    };
    let line = |line: &str| {
        if line.trim().is_empty() {
            return line.to_owned();
        }
        let accented: String = line.chars().map(accent).collect();
        format!("[{accented}]")
    };
    let lines: Vec<_> = text.split('\n').map(line).collect();
    lines.join("\n")
}
