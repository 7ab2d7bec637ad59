//! Puts the service together out of what the environment says.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, SdkConfig};
use babelwire_service::ports::{
    Bucket, Clock, Looks, Notifier, ObjectStream, ObjectWriter, Objects, ObjectsError, PortError,
    PostError, Random, Records, SignedUpload,
};
use babelwire_service::translator::{TranslateError, Translator};
use babelwire_service::{Limits, Ports, Service};
use babelwire_wire::rest::{Languages, Pair};
use bytes::Bytes;
use jiff::Timestamp;

use crate::config::{Settings, SettingsError};
use crate::looks::DynamoLooks;
use crate::notifier::ConnectionsNotifier;
use crate::objects::S3Objects;
use crate::queue::SqsQueue;
use crate::records::DynamoRecords;
use crate::translator::AwsTranslate;
use crate::world::{BlockingThreads, SystemClock, SystemRandom};

/// What a function is for, and so what it needs. Everything that it does not need is not there: a
/// function that could do more than its role permits would only fail later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers the WebSocket's routes: tables, the news queue, and connections for what one of them
    /// says to all.
    WebSocket,
    /// Answers REST: tables, buckets, both queues, and Translate for its list of languages.
    Rest,
    /// Handles events of objects and sends news: tables, buckets, both queues, connections.
    Notifier,
    /// Translates: all there is.
    Translator,
}

impl Role {
    fn has_objects(self) -> bool {
        self != Self::WebSocket
    }

    fn has_work_queue(self) -> bool {
        self != Self::WebSocket
    }

    fn has_connections(self) -> bool {
        self != Self::Rest
    }

    fn has_translator(self) -> bool {
        matches!(self, Self::Rest | Self::Translator)
    }

    fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Rest => "rest",
            Self::Notifier => "notifier",
            Self::Translator => "translator",
        }
    }
}

/// Why there is no service.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The environment lacks something, or something in it is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The machine has no random source.
    #[error("there are no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// The service, and what it is made of, for what a function does beside it.
#[derive(Clone)]
pub struct Backend {
    /// The service.
    pub service: Arc<Service>,
    /// Its ports.
    pub ports: Ports,
    /// Credentials, region and endpoints, for further clients.
    pub sdk: SdkConfig,
}

/// Credentials, region and endpoints, as the SDK finds them in a function's environment.
pub async fn sdk() -> SdkConfig {
    aws_config::load_defaults(BehaviorVersion::latest()).await
}

/// Puts the service of a function together.
pub async fn build(role: Role, settings: &Settings) -> Result<Backend, BuildError> {
    build_with(role, settings, sdk().await).await
}

/// The same with credentials, region and endpoints from elsewhere.
pub async fn build_with(
    role: Role,
    settings: &Settings,
    sdk: SdkConfig,
) -> Result<Backend, BuildError> {
    let tables = settings.tables()?.clone();
    let dynamodb = aws_sdk_dynamodb::Client::new(&sdk);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let records = DynamoRecords::new(
        dynamodb.clone(),
        tables.clone(),
        settings.shards,
        Arc::clone(&clock),
    );
    let looks = DynamoLooks::new(dynamodb, tables, clock);
    build_over(role, settings, sdk, Arc::new(records), Arc::new(looks)).await
}

/// The same over tables of one's own.
pub async fn build_over(
    role: Role,
    settings: &Settings,
    sdk: SdkConfig,
    records: Arc<dyn Records>,
    looks: Arc<dyn Looks>,
) -> Result<Backend, BuildError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom::new()?);
    let absent = Arc::new(Absent(role));

    settings.news_queue()?;
    if role.has_work_queue() {
        settings.work_queue()?;
    }
    let queue = SqsQueue::new(aws_sdk_sqs::Client::new(&sdk), settings.queues.clone());

    let objects: Arc<dyn Objects> = if role.has_objects() {
        let client = crate::objects::client(&sdk, settings.s3_path_style);
        let buckets = settings.buckets()?.clone();
        Arc::new(S3Objects::new(client, buckets, Arc::clone(&clock)))
    } else {
        Arc::clone(&absent) as _
    };
    let notifier: Arc<dyn Notifier> = if role.has_connections() {
        let client = crate::notifier::client(&sdk, settings.connections_url()?);
        let (clock, random) = (Arc::clone(&clock), Arc::clone(&random));
        Arc::new(ConnectionsNotifier::new(
            client,
            settings.posts,
            clock,
            random,
        ))
    } else {
        Arc::clone(&absent) as _
    };
    let translator: Arc<dyn Translator> = if role.has_translator() {
        let client = crate::translator::client(&sdk);
        let (clock, random) = (Arc::clone(&clock), Arc::clone(&random));
        Arc::new(AwsTranslate::start(client, &settings.translate, clock, random).await?)
    } else {
        absent
    };

    let ports = Ports {
        translator,
        objects,
        records,
        looks,
        notifier,
        clock,
        random,
        queue: Arc::new(queue),
        compute: Arc::new(BlockingThreads),
    };
    let defaults = Limits::default();
    let limits = Limits {
        file_bytes: settings.max_file_bytes.unwrap_or(defaults.file_bytes),
        ..defaults
    };
    Ok(Backend {
        service: Arc::new(Service::new(ports.clone(), limits)),
        ports,
        sdk,
    })
}

/// Stands where a function was not given something, and says so if it is asked for after all.
struct Absent(Role);

impl Absent {
    fn error(&self, what: &str) -> PortError {
        PortError(format!("the {} function has no {what}", self.0.name()))
    }
}

#[async_trait]
impl Objects for Absent {
    fn bucket(&self, _name: &str) -> Option<Bucket> {
        None
    }

    async fn size(&self, _bucket: Bucket, _key: &str) -> Result<Option<u64>, ObjectsError> {
        Err(self.error("buckets").into())
    }

    async fn get(
        &self,
        _bucket: Bucket,
        _key: &str,
        _range: Option<std::ops::Range<u64>>,
    ) -> Result<ObjectStream, ObjectsError> {
        Err(self.error("buckets").into())
    }

    async fn put(
        &self,
        _bucket: Bucket,
        _key: &str,
    ) -> Result<Box<dyn ObjectWriter>, ObjectsError> {
        Err(self.error("buckets").into())
    }

    async fn delete(&self, _bucket: Bucket, _key: &str) -> Result<(), ObjectsError> {
        Err(self.error("buckets").into())
    }

    async fn sign_upload(
        &self,
        _bucket: Bucket,
        _key: &str,
        _size: u64,
        _expires: Timestamp,
    ) -> Result<SignedUpload, PortError> {
        Err(self.error("buckets"))
    }
}

#[async_trait]
impl Notifier for Absent {
    async fn post(&self, _connection: &str, _text: Bytes) -> Result<(), PostError> {
        Err(self.error("way to connections").into())
    }

    async fn close(&self, _connection: &str) -> Result<(), PortError> {
        Err(self.error("way to connections"))
    }
}

#[async_trait]
impl Translator for Absent {
    fn name(&self) -> &'static str {
        "amazon-translate"
    }

    fn languages(&self) -> Languages {
        Languages {
            translator: self.name().to_owned(),
            detect: false,
            pairs: Vec::new(),
        }
    }

    fn concurrency(&self) -> usize {
        1
    }

    async fn translate(&self, _pair: &Pair, _text: &str) -> Result<String, TranslateError> {
        Err(TranslateError::Unavailable(self.error("translator").0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aws_config::Region;
    use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};

    use super::*;

    /// A configuration that leads nowhere.
    fn nowhere() -> SdkConfig {
        let credentials = Credentials::new("key", "secret", None, None, "tests");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url("http://127.0.0.1:1")
            .build()
    }

    async fn built(
        role: Role,
        variables: &BTreeMap<&'static str, &'static str>,
    ) -> Result<Backend, BuildError> {
        let settings =
            Settings::from_variables(|name| variables.get(name).map(|value| (*value).to_owned()))?;
        build_with(role, &settings, nowhere()).await
    }

    /// Gives a role one variable after the other, as it asks for them.
    async fn asked_for(role: Role) -> (Vec<&'static str>, Backend) {
        let mut variables = BTreeMap::new();
        loop {
            let name = match built(role, &variables).await {
                Ok(backend) => return (variables.into_keys().collect(), backend),
                Err(BuildError::Settings(SettingsError::Missing { name, .. })) => name,
                Err(error) => panic!("{error}"),
            };
            let is_url = name.ends_with("_URL") || name.contains("_QUEUE_");
            let value = if is_url { "http://127.0.0.1:1/a" } else { "a" };
            assert_eq!(variables.insert(name, value), None, "{name} is there");
        }
    }

    fn last_words(names: &[&'static str]) -> Vec<String> {
        names
            .iter()
            .map(|name| name.trim_start_matches("BABELWIRE_").to_owned())
            .collect()
    }

    const TABLES: [&str; 6] = [
        "TABLE_CONNECTIONS",
        "TABLE_LOOKS",
        "TABLE_MARKS",
        "TABLE_SEGMENTS",
        "TABLE_SUBSCRIPTIONS",
        "TABLE_TRANSLATIONS",
    ];
    const BUCKETS: [&str; 3] = ["BUCKET_RESULTS", "BUCKET_SOURCES", "BUCKET_TEXTS"];

    #[tokio::test]
    async fn each_function_asks_for_what_it_needs_and_no_more() {
        let url = ["CONNECTIONS_URL"];
        let (news, both) = (["QUEUE_NEWS"], ["QUEUE_NEWS", "QUEUE_WORK"]);
        for (role, expected) in [
            (Role::WebSocket, [&url[..], &news, &TABLES].concat()),
            (Role::Rest, [&BUCKETS[..], &both, &TABLES].concat()),
            (
                Role::Notifier,
                [&BUCKETS[..], &url, &both, &TABLES].concat(),
            ),
            (
                Role::Translator,
                [&BUCKETS[..], &url, &both, &TABLES].concat(),
            ),
        ] {
            let (names, backend) = asked_for(role).await;
            assert_eq!(last_words(&names), expected, "{role:?}");
            let offers = !backend.service.languages().pairs.is_empty();
            assert_eq!(
                offers,
                matches!(role, Role::Rest | Role::Translator),
                "{role:?}"
            );
        }
    }

    #[tokio::test]
    async fn what_a_function_was_not_given_says_so() {
        let (_, backend) = asked_for(Role::WebSocket).await;
        let error = backend
            .ports
            .objects
            .size(Bucket::Texts, "a")
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "the websocket function has no buckets");
        let pair = Pair {
            source: "en".to_owned(),
            target: "es".to_owned(),
            via: Vec::new(),
        };
        let error = backend
            .ports
            .translator
            .translate(&pair, "a")
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("the websocket function has no translator"),
            "{error}"
        );
        let (_, backend) = asked_for(Role::Rest).await;
        let error = backend.ports.notifier.close("a").await.unwrap_err();
        assert_eq!(error.0, "the rest function has no way to connections");
    }
}
