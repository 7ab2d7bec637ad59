//! Who may connect: the WebSocket API's authorizer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest;
use babelwire_auth::{AuthError, Verifier, token_in_subprotocols};
use babelwire_service::ports::Clock;
use http::header;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::config::Auth;

/// How long is waited for an issuer's keys.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest key set. Cognito's has two keys and less than 1 KB.
const MOST_BYTES: usize = 256 * 1024;
/// How long keys are not fetched again, whatever tokens come: anybody can make up the name of a key.
const FETCHED_EVERY: Duration = Duration::from_secs(60);

/// Why nobody can be let in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What API Gateway turns into a 401.
    #[error("Unauthorized")]
    Unauthorized,
    /// The issuer's keys are not to be had.
    #[error("the issuer's keys: {0}")]
    Keys(String),
}

/// Where an issuer's keys come from.
#[async_trait]
pub trait Keys: Send + Sync {
    /// The key set, as text of JSON.
    async fn fetch(&self) -> Result<String, Error>;
}

/// The authorizer. It keeps an issuer's keys, and fetches them again when a token names one that
/// it does not have.
pub struct Authorizer {
    auth: Auth,
    keys: Arc<dyn Keys>,
    clock: Arc<dyn Clock>,
    known: Mutex<Option<Known>>,
}

struct Known {
    verifier: Verifier,
    fetched: Timestamp,
}

impl Authorizer {
    /// Knows nobody's keys yet.
    pub fn new(auth: Auth, keys: Arc<dyn Keys>, clock: Arc<dyn Clock>) -> Self {
        Self {
            auth,
            keys,
            clock,
            known: Mutex::new(None),
        }
    }

    /// Answers who the token among a handshake's subprotocols is of, and lets them connect; or
    /// denies it.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a token, which API Gateway answers with 401; without the
    /// issuer's keys an error that it answers with 500.
    pub async fn handle(
        &self,
        event: LambdaEvent<ApiGatewayCustomAuthorizerRequestTypeRequest>,
    ) -> Result<Value, Error> {
        let event = event.payload;
        let resource = event.method_arn.unwrap_or_default();
        let offered: Vec<&str> = [&event.multi_value_headers, &event.headers]
            .into_iter()
            .flat_map(|headers| headers.get_all(header::SEC_WEBSOCKET_PROTOCOL))
            .filter_map(|value| value.to_str().ok())
            .collect();
        let offered = offered.join(",");
        let token = token_in_subprotocols(&offered).ok_or(Error::Unauthorized)?;
        Ok(match self.verify(token).await? {
            Ok(subject) => policy("Allow", &subject, &resource),
            Err(error) => {
                tracing::info!(%error, "a token was refused");
                policy("Deny", "nobody", &resource)
            }
        })
    }

    async fn verify(&self, token: &str) -> Result<Result<String, AuthError>, Error> {
        let now = self.clock.now();
        let mut known = self.known.lock().await;
        let is_new = known.is_none();
        if is_new {
            *known = Some(self.fetch(now).await?);
        }
        let verified = match &*known {
            Some(known) => known.verifier.verify(token, now),
            None => return Err(Error::Keys("there are none".to_owned())),
        };
        let may_be_new = matches!(verified, Err(AuthError::UnknownKey(_)));
        let age = known
            .as_ref()
            .map(|known| now.duration_since(known.fetched));
        let is_old =
            age.is_some_and(|age| Duration::try_from(age).unwrap_or_default() >= FETCHED_EVERY);
        let verified = if may_be_new && is_old {
            // Issuers change their keys.
            let fresh = self.fetch(now).await?;
            known.insert(fresh).verifier.verify(token, now)
        } else {
            verified
        };
        Ok(verified.map(|identity| identity.subject))
    }

    async fn fetch(&self, now: Timestamp) -> Result<Known, Error> {
        let text = self.keys.fetch().await?;
        let mut verifier =
            Verifier::from_jwks(&text).map_err(|error| Error::Keys(error.to_string()))?;
        if let Some(issuer) = &self.auth.issuer {
            verifier = verifier.with_issuer(issuer);
        }
        if let Some(audience) = &self.auth.audience {
            verifier = verifier.with_audience(audience);
        }
        for ignored in verifier.ignored_keys() {
            tracing::warn!("a key of the issuer's is of no use: {ignored}");
        }
        Ok(Known {
            verifier,
            fetched: now,
        })
    }
}

/// An answer in the form of "Output from an API Gateway Lambda authorizer".
fn policy(effect: &str, subject: &str, resource: &str) -> Value {
    let mut answer = json!({
        "principalId": subject,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource},
            ],
        },
    });
    if effect == "Allow" {
        answer["context"] = json!({ "owner": subject });
    }
    answer
}

/// Keys at a URL.
pub struct KeysAt {
    url: http::Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<bytes::Bytes>>,
}

impl KeysAt {
    /// Those at this URL, which may be plain `http` where an issuer is on the same machine.
    ///
    /// # Errors
    /// When it is no URL, or this machine trusts no certificate authority.
    pub fn new(url: &str) -> Result<Self, Error> {
        let url = url
            .parse()
            .map_err(|error| Error::Keys(format!("{url}: {error}")))?;
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| Error::Keys(error.to_string()))?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { url, client })
    }

    async fn get(&self) -> Result<String, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::Keys(format!("{}: {error}", self.url));
        let answer = self
            .client
            .get(self.url.clone())
            .await
            .map_err(|error| failed(&error))?;
        if !answer.status().is_success() {
            return Err(failed(&answer.status()));
        }
        let body = Limited::new(answer.into_body(), MOST_BYTES)
            .collect()
            .await
            .map_err(|error| failed(&error))?;
        String::from_utf8(body.to_bytes().into()).map_err(|error| failed(&error))
    }
}

#[async_trait]
impl Keys for KeysAt {
    async fn fetch(&self) -> Result<String, Error> {
        match tokio::time::timeout(FETCH_TIMEOUT, self.get()).await {
            Ok(keys) => keys,
            Err(_elapsed) => Err(Error::Keys(format!(
                "{} did not answer within {FETCH_TIMEOUT:?}",
                self.url
            ))),
        }
    }
}
