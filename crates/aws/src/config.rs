//! What a function is told by its environment.

use std::time::Duration;

/// The languages offered where `BABELWIRE_LANGUAGES` names none, as Translate's codes, which are
/// BCP 47 tags.
///
/// Translate has 75 ("Supported languages and language codes"), and every one can be translated
/// into every other: 5,550 pairs, 170 KB of JSON at each visit of the page. These 36 are 1,260
/// pairs and 40 KB.
pub const DEFAULT_LANGUAGES: [&str; 36] = [
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi",
    "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "nl", "no", "pl", "pt", "ro", "ru", "sv", "th",
    "tr", "uk", "vi", "zh",
];

/// Why the environment cannot be worked with: which variable it is about, and what it should hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A variable is not set, and this function cannot do without it.
    #[error("{name} is not set: it should hold {holds}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What it should hold.
        holds: &'static str,
    },
    /// A variable holds something else than it should.
    #[error("{name} is {value:?}: it should hold {holds}")]
    Wrong {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        holds: &'static str,
    },
}

/// The names of the DynamoDB tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// One item for each translation.
    pub translations: String,
    /// One item for each segment.
    pub segments: String,
    /// One item for each open connection.
    pub connections: String,
    /// Who hears of which translation's segments.
    pub subscriptions: String,
    /// Who looks at what.
    pub looks: String,
    /// Sequencers of objects, and leases.
    pub marks: String,
}

/// The names of the S3 buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    /// Files as they were uploaded.
    pub sources: String,
    /// The same texts in UTF-8.
    pub texts: String,
    /// Finished translations.
    pub results: String,
}

/// The URLs of the SQS queues; a function that only ever pushes one kind of work has one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queues {
    /// For the translator: translations to do, remains to sweep.
    pub work: Option<String>,
    /// For the notifier: frames to send.
    pub news: Option<String>,
}

/// How Translate is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translate {
    /// The languages to offer, as Translate's codes; all that Translate has where this is empty
    /// (`BABELWIRE_LANGUAGES=all`).
    pub languages: Vec<String>,
    /// How many calls one instance has under way at once.
    pub concurrency: usize,
}

impl Translate {
    /// Calls under way at once where `BABELWIRE_TRANSLATE_CONCURRENCY` does not say. An account
    /// begins with about 20 calls a second for a pair of languages ("Guidelines and quotas",
    /// throttle rate of `TranslateText`), and a call with a paragraph takes some 0.4 s.
    pub const CONCURRENCY: usize = 8;
}

impl Default for Translate {
    fn default() -> Self {
        Self {
            languages: DEFAULT_LANGUAGES.map(str::to_owned).into(),
            concurrency: Self::CONCURRENCY,
        }
    }
}

/// Whose tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// The `iss` that a token must have, if any.
    pub issuer: Option<String>,
    /// The `aud` (or Cognito's `client_id`) that a token must have, if any.
    pub audience: Option<String>,
    /// Where the issuer's public keys are: an `https` URL of a JWK Set (RFC 7517).
    pub jwks_url: String,
}

/// What the environment says. Each function is given what it needs and no more, so most of it may
/// be absent: [`crate::service::build`] says what is missing for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `BABELWIRE_TABLE_…`: all six or none. (A name is no permission: what a function may do with
    /// a table, its role says.)
    pub tables: Option<Tables>,
    /// `BABELWIRE_BUCKET_…`: all three or none.
    pub buckets: Option<Buckets>,
    /// `BABELWIRE_QUEUE_…`.
    pub queues: Queues,
    /// `BABELWIRE_CONNECTIONS_URL`: the WebSocket API's stage over `https`, under which
    /// `@connections` is.
    pub connections_url: Option<String>,
    /// `BABELWIRE_POSTS`: how many posts to `@connections` one instance has under way at once.
    pub posts: usize,
    /// `BABELWIRE_SHARDS`: in how many parts the connections of everyone are kept and told.
    pub shards: u32,
    /// `BABELWIRE_S3_PATH_STYLE`: whether buckets are in the path of a URL, and not in its host.
    /// S3 wants them in the host; other peers have no such hosts.
    pub s3_path_style: bool,
    /// `BABELWIRE_MAX_FILE_BYTES`: the largest file, in bytes.
    pub max_file_bytes: Option<u64>,
    /// `BABELWIRE_PUBLIC_URL`: the origin that the REST interface is reached at.
    pub public_url: Option<String>,
    /// `BABELWIRE_LOG`: a filter of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// `BABELWIRE_TRANSLATE_MARGIN_MS`: how long before a function's deadline the translator stops
    /// and leaves the rest to the next one.
    pub translate_margin: Duration,
    /// `BABELWIRE_LANGUAGES` and `BABELWIRE_TRANSLATE_CONCURRENCY`.
    pub translate: Translate,
    /// `BABELWIRE_AUTH_…`.
    pub auth: Option<Auth>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tables: None,
            buckets: None,
            queues: Queues::default(),
            connections_url: None,
            posts: Self::POSTS,
            shards: 1,
            s3_path_style: false,
            max_file_bytes: None,
            public_url: None,
            log: Self::LOG.to_owned(),
            translate_margin: Self::TRANSLATE_MARGIN,
            translate: Translate::default(),
            auth: None,
        }
    }
}

const TABLE: &str = "the name of a DynamoDB table (set all six BABELWIRE_TABLE_… or none)";
const BUCKET: &str = "the name of an S3 bucket (set all three BABELWIRE_BUCKET_… or none)";
const QUEUE: &str = "the URL of an SQS queue, such as \
                     https://sqs.eu-west-1.amazonaws.com/123456789012/babelwire-work";

impl Settings {
    /// Posts under way at once where `BABELWIRE_POSTS` does not say. A function has 1,024 file
    /// descriptors ("Lambda quotas"), and a post takes some 10 to 20 ms, so 64 are 3,000 to 6,000
    /// a second: within the 10,000 requests a second that an account's APIs share by default ("API
    /// Gateway quotas, account-level throttling").
    pub const POSTS: usize = 64;
    /// What is logged where `BABELWIRE_LOG` does not say.
    pub const LOG: &str = "info";
    /// The margin where `BABELWIRE_TRANSLATE_MARGIN_MS` does not say: enough to give the lease back
    /// and to push the work again, with retries. Calls under way then are made anew by the next one.
    pub const TRANSLATE_MARGIN: Duration = Duration::from_secs(20);

    /// Reads the environment of this process.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads variables from anywhere. An empty one counts as not set.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let from = Variables(|name: &str| variable(name).filter(|value| !value.trim().is_empty()));
        let defaults = Self::default();
        Ok(Self {
            tables: from.tables()?,
            buckets: from.buckets()?,
            queues: Queues {
                work: from.url("BABELWIRE_QUEUE_WORK", QUEUE)?,
                news: from.url("BABELWIRE_QUEUE_NEWS", QUEUE)?,
            },
            connections_url: from.url("BABELWIRE_CONNECTIONS_URL", CONNECTIONS_URL)?,
            posts: from
                .number("BABELWIRE_POSTS", "a number from 1 to 900", 1..=900)?
                .map_or(defaults.posts, to_usize),
            shards: from
                .number("BABELWIRE_SHARDS", "a number from 1 to 10000", 1..=10_000)?
                .and_then(|shards| u32::try_from(shards).ok())
                .unwrap_or(defaults.shards),
            s3_path_style: from.truth("BABELWIRE_S3_PATH_STYLE")?,
            max_file_bytes: from.number(
                "BABELWIRE_MAX_FILE_BYTES",
                "the largest file in bytes, from 1 to 5368709120 (what S3 takes in one PUT)",
                1..=MOST_PUT_BYTES,
            )?,
            public_url: from.url(
                "BABELWIRE_PUBLIC_URL",
                "an origin, such as https://example.org",
            )?,
            log: from.text("BABELWIRE_LOG").unwrap_or(defaults.log),
            translate_margin: from
                .number(
                    "BABELWIRE_TRANSLATE_MARGIN_MS",
                    "milliseconds, from 0 to 900000 (a function's 15 minutes)",
                    0..=900_000,
                )?
                .map_or(defaults.translate_margin, Duration::from_millis),
            translate: Translate {
                languages: from.languages()?.unwrap_or(defaults.translate.languages),
                concurrency: from
                    .number(
                        "BABELWIRE_TRANSLATE_CONCURRENCY",
                        "a number from 1 to 900",
                        1..=900,
                    )?
                    .map_or(defaults.translate.concurrency, to_usize),
            },
            auth: from.auth()?,
        })
    }

    /// The tables, or an error that names the first variable to set.
    pub fn tables(&self) -> Result<&Tables, SettingsError> {
        self.tables
            .as_ref()
            .ok_or(missing("BABELWIRE_TABLE_TRANSLATIONS", TABLE))
    }

    /// The buckets, or an error that names the first variable to set.
    pub fn buckets(&self) -> Result<&Buckets, SettingsError> {
        self.buckets
            .as_ref()
            .ok_or(missing("BABELWIRE_BUCKET_SOURCES", BUCKET))
    }

    /// The URL of the work queue, or an error that names its variable.
    pub fn work_queue(&self) -> Result<&str, SettingsError> {
        let url = self.queues.work.as_deref();
        url.ok_or(missing("BABELWIRE_QUEUE_WORK", QUEUE))
    }

    /// The URL of the news queue, or an error that names its variable.
    pub fn news_queue(&self) -> Result<&str, SettingsError> {
        let url = self.queues.news.as_deref();
        url.ok_or(missing("BABELWIRE_QUEUE_NEWS", QUEUE))
    }

    /// The URL of the WebSocket API's stage, or an error that names its variable.
    pub fn connections_url(&self) -> Result<&str, SettingsError> {
        let url = self.connections_url.as_deref();
        url.ok_or(missing("BABELWIRE_CONNECTIONS_URL", CONNECTIONS_URL))
    }

    /// Whose tokens are accepted, or an error that names the variable to set.
    pub fn auth(&self) -> Result<&Auth, SettingsError> {
        self.auth
            .as_ref()
            .ok_or(missing("BABELWIRE_AUTH_JWKS_URL", JWKS_URL))
    }
}

/// The largest object that one PUT can make: 5 GiB ("Amazon S3 multipart upload limits" and
/// "Uploading objects").
const MOST_PUT_BYTES: u64 = 5 << 30;
const CONNECTIONS_URL: &str = "the URL of a WebSocket API's stage, such as \
                               https://abcdefghij.execute-api.eu-west-1.amazonaws.com/live";
const JWKS_URL: &str = "the URL of the issuer's JWK Set, such as \
                        https://cognito-idp.eu-west-1.amazonaws.com/POOL/.well-known/jwks.json";

fn missing(name: &'static str, holds: &'static str) -> SettingsError {
    SettingsError::Missing { name, holds }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn text(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }

    fn url(
        &self,
        name: &'static str,
        holds: &'static str,
    ) -> Result<Option<String>, SettingsError> {
        let Some(value) = self.text(name) else {
            return Ok(None);
        };
        let host = value
            .strip_prefix("https://")
            .or_else(|| value.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
            return Err(SettingsError::Wrong { name, value, holds });
        }
        Ok(Some(value.trim_end_matches('/').to_owned()))
    }

    fn number(
        &self,
        name: &'static str,
        holds: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, SettingsError> {
        let Some(value) = self.text(name) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(SettingsError::Wrong { name, value, holds }),
        }
    }

    fn truth(&self, name: &'static str) -> Result<bool, SettingsError> {
        match self.text(name) {
            None => Ok(false),
            Some(value) => match value.as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(SettingsError::Wrong {
                    name,
                    value,
                    holds: "true or false",
                }),
            },
        }
    }

    /// All of these or none of them.
    fn together<const N: usize>(
        &self,
        names: [&'static str; N],
        holds: &'static str,
    ) -> Result<Option<[String; N]>, SettingsError> {
        let values = names.map(|name| self.text(name).ok_or(missing(name, holds)));
        if values.iter().all(Result::is_err) {
            return Ok(None);
        }
        let mut found = [const { String::new() }; N];
        for (value, place) in values.into_iter().zip(&mut found) {
            *place = value?;
        }
        Ok(Some(found))
    }

    fn tables(&self) -> Result<Option<Tables>, SettingsError> {
        let names = [
            "BABELWIRE_TABLE_TRANSLATIONS",
            "BABELWIRE_TABLE_SEGMENTS",
            "BABELWIRE_TABLE_CONNECTIONS",
            "BABELWIRE_TABLE_SUBSCRIPTIONS",
            "BABELWIRE_TABLE_LOOKS",
            "BABELWIRE_TABLE_MARKS",
        ];
        Ok(self.together(names, TABLE)?.map(
            |[
                translations,
                segments,
                connections,
                subscriptions,
                looks,
                marks,
            ]| Tables {
                translations,
                segments,
                connections,
                subscriptions,
                looks,
                marks,
            },
        ))
    }

    fn buckets(&self) -> Result<Option<Buckets>, SettingsError> {
        let names = [
            "BABELWIRE_BUCKET_SOURCES",
            "BABELWIRE_BUCKET_TEXTS",
            "BABELWIRE_BUCKET_RESULTS",
        ];
        Ok(self
            .together(names, BUCKET)?
            .map(|[sources, texts, results]| Buckets {
                sources,
                texts,
                results,
            }))
    }

    fn languages(&self) -> Result<Option<Vec<String>>, SettingsError> {
        let name = "BABELWIRE_LANGUAGES";
        let Some(value) = self.text(name) else {
            return Ok(None);
        };
        if value.trim() == "all" {
            return Ok(Some(Vec::new()));
        }
        let languages: Vec<_> = value
            .split([',', ' '])
            .filter(|code| !code.is_empty())
            .map(str::to_owned)
            .collect();
        let is_code = |code: &String| {
            code.len() >= 2 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if languages.len() < 2 || !languages.iter().all(is_code) {
            return Err(SettingsError::Wrong {
                name,
                value,
                holds: "two or more of Translate's language codes, such as `en, es, pt-PT`, or \
                        `all`",
            });
        }
        Ok(Some(languages))
    }

    fn auth(&self) -> Result<Option<Auth>, SettingsError> {
        let issuer = self.text("BABELWIRE_AUTH_ISSUER");
        let audience = self.text("BABELWIRE_AUTH_AUDIENCE");
        match self.url("BABELWIRE_AUTH_JWKS_URL", JWKS_URL)? {
            Some(jwks_url) => Ok(Some(Auth {
                issuer,
                audience,
                jwks_url,
            })),
            None if issuer.is_none() && audience.is_none() => Ok(None),
            None => Err(missing("BABELWIRE_AUTH_JWKS_URL", JWKS_URL)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        Settings::from_variables(|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    fn complaint(variables: &[(&str, &str)]) -> String {
        read(variables).unwrap_err().to_string()
    }

    #[test]
    fn without_any_variable_there_are_the_defaults() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.shards, 1);
        assert_eq!(settings.translate_margin, Duration::from_secs(20));
        assert_eq!(settings.translate.languages.len(), 36);
    }

    #[test]
    fn what_a_function_lacks_is_named() {
        let settings = read(&[("BABELWIRE_QUEUE_NEWS", "http://127.0.0.1:5000/1/news")]).unwrap();
        assert_eq!(settings.news_queue(), Ok("http://127.0.0.1:5000/1/news"),);
        let missing = settings.work_queue().unwrap_err().to_string();
        assert!(missing.starts_with("BABELWIRE_QUEUE_WORK is not set: it should hold the URL of"));
        let missing = settings.tables().unwrap_err().to_string();
        assert!(
            missing.contains("BABELWIRE_TABLE_TRANSLATIONS"),
            "{missing}"
        );
        assert!(settings.buckets().is_err());
        assert!(settings.connections_url().is_err());
        assert!(settings.auth().is_err());
    }

    #[test]
    fn a_table_that_was_forgotten_is_named() {
        let missing = complaint(&[
            ("BABELWIRE_TABLE_TRANSLATIONS", "t"),
            ("BABELWIRE_TABLE_SEGMENTS", "s"),
            ("BABELWIRE_TABLE_CONNECTIONS", "c"),
            ("BABELWIRE_TABLE_SUBSCRIPTIONS", "u"),
            ("BABELWIRE_TABLE_LOOKS", ""),
            ("BABELWIRE_TABLE_MARKS", "m"),
        ]);
        assert!(
            missing.starts_with("BABELWIRE_TABLE_LOOKS is not set"),
            "{missing}"
        );
        let missing = complaint(&[("BABELWIRE_BUCKET_RESULTS", "r")]);
        assert!(
            missing.starts_with("BABELWIRE_BUCKET_SOURCES is not set"),
            "{missing}"
        );
    }

    #[test]
    fn nonsense_is_quoted_beside_what_should_be_there() {
        for (name, value) in [
            ("BABELWIRE_SHARDS", "0"),
            ("BABELWIRE_SHARDS", "many"),
            ("BABELWIRE_S3_PATH_STYLE", "yes"),
            ("BABELWIRE_QUEUE_WORK", "babelwire-work"),
            ("BABELWIRE_CONNECTIONS_URL", "wss://example.org/live"),
            ("BABELWIRE_MAX_FILE_BYTES", "5368709121"),
            ("BABELWIRE_TRANSLATE_MARGIN_MS", "-1"),
            ("BABELWIRE_LANGUAGES", "en"),
            ("BABELWIRE_LANGUAGES", "en, español"),
        ] {
            let complaint = complaint(&[(name, value)]);
            let begin = format!("{name} is {value:?}: it should hold ");
            assert!(complaint.starts_with(&begin), "{complaint}");
            assert!(complaint.len() > begin.len(), "{complaint}");
        }
    }

    #[test]
    fn languages_are_a_list_or_all_there_are() {
        let languages = |value| {
            let settings = read(&[("BABELWIRE_LANGUAGES", value)]).unwrap();
            settings.translate.languages
        };
        assert_eq!(languages("en, es,pt-PT"), ["en", "es", "pt-PT"]);
        assert!(languages("all").is_empty());
    }

    #[test]
    fn an_issuer_without_its_keys_is_a_mistake() {
        let missing = complaint(&[("BABELWIRE_AUTH_ISSUER", "https://example.org")]);
        assert!(
            missing.starts_with("BABELWIRE_AUTH_JWKS_URL is not set"),
            "{missing}"
        );
    }
}
