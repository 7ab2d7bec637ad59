//! Signing in: whose a request is, and whose a connection.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use babelwire_auth::{AuthError, Verifier, token_in_authorization, token_in_subprotocols};
use babelwire_gateway::GatewayBuilder;
use babelwire_gateway::aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayCustomAuthorizerResponse,
};
use babelwire_gateway::aws_lambda_events::iam::{IamPolicyEffect, IamPolicyStatement};
use babelwire_service::ports::Owner;
use babelwire_wire::config::SignIn;
use jiff::Timestamp;
use serde_json::json;

use crate::options::Options;
use crate::{Error, context};

/// How long a key set counts as read. A file that changes is noticed that late.
const FRESH: Duration = Duration::from_secs(1);

/// The largest key set, in bytes. Real ones have a few thousand.
const MAX_KEY_SET_BYTES: u64 = 1 << 20;

/// Calls that nobody needs to sign in for, as REST's own router has their paths.
const OPEN: [&str; 2] = ["/health", "/openapi.json"];

/// The name under which the authorizer tells `babelwire-live` whose a connection is.
const OWNER: &str = "owner";

/// The error by which an authorizer makes API Gateway answer 401.
#[derive(Debug, thiserror::Error)]
#[error("Unauthorized")]
struct Unauthorized;

/// Tells by their tokens who people are.
pub(crate) struct Auth {
    path: PathBuf,
    issuer: Option<String>,
    audience: Option<String>,
    keys: Mutex<Keys>,
}

/// A key set as it was last read.
struct Keys {
    text: String,
    read: Instant,
    verifier: Arc<Verifier>,
}

impl Auth {
    /// Reads the key set that `--auth` names; `None` where nobody signs in.
    pub(crate) async fn new(options: &Options) -> Result<Option<Arc<Self>>, Error> {
        let Some(path) = &options.auth else {
            return Ok(None);
        };
        let failed = |reason: &dyn std::fmt::Display| {
            Error(format!("--auth: cannot use {}: {reason}", path.display()))
        };
        let text = read(path).await.map_err(|error| failed(&error))?;
        let (issuer, audience) = (options.auth_issuer.clone(), options.auth_audience.clone());
        let verifier = verifier(&text, issuer.as_deref(), audience.as_deref())
            .map_err(|error| failed(&error))?;
        if audience.is_none() {
            tracing::warn!(
                "without --auth-audience, tokens that were made for other applications are \
                 accepted as well"
            );
        }
        Ok(Some(Arc::new(Self {
            path: path.clone(),
            issuer,
            audience,
            keys: Mutex::new(Keys {
                text,
                read: Instant::now(),
                verifier: Arc::new(verifier),
            }),
        })))
    }

    /// Whose a token is.
    async fn owner(&self, token: Option<&str>) -> Result<Owner, AuthError> {
        let token = token.ok_or(AuthError::Missing)?;
        let verifier = self.verifier().await;
        let identity = verifier.verify(token, Timestamp::now())?;
        Ok(Owner::new(identity.subject))
    }

    /// A verifier with the keys of the file as it is now. An issuer that gets new keys needs no
    /// new start, and one whose keys were lost is not trusted for long.
    async fn verifier(&self) -> Arc<Verifier> {
        {
            let mut keys = self.keys();
            if keys.read.elapsed() < FRESH {
                return Arc::clone(&keys.verifier);
            }
            // Whoever comes while this one reads takes what there is.
            keys.read = Instant::now();
        }
        let text = read(&self.path).await;
        let mut keys = self.keys();
        let anew = match text {
            Ok(text) if text == keys.text => return Arc::clone(&keys.verifier),
            Ok(text) => {
                let anew = verifier(&text, self.issuer.as_deref(), self.audience.as_deref());
                // What cannot be used is not tried again before it changes.
                keys.text = text;
                anew
            }
            Err(error) => Err(error),
        };
        match anew {
            Ok(anew) => {
                tracing::info!(path = %self.path.display(), "the key set was read anew");
                keys.verifier = Arc::new(anew);
            }
            Err(error) => tracing::error!(
                path = %self.path.display(),
                "the key set cannot be used, the one before stays: {error}"
            ),
        }
        Arc::clone(&keys.verifier)
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has every call of REST but the [open](OPEN) ones bring a token, and tells the calls whose
    /// they are.
    pub(crate) fn guard_rest(self: &Arc<Self>, rest: Router) -> Router {
        rest.layer(middleware::from_fn_with_state(Arc::clone(self), signed_in))
    }

    /// Has every handshake bring a token among its subprotocols.
    pub(crate) fn guard_gateway(self: &Arc<Self>, gateway: GatewayBuilder) -> GatewayBuilder {
        let auth = Arc::clone(self);
        gateway.authorizer(move |request| {
            let auth = Arc::clone(&auth);
            async move { auth.authorize(&request).await }
        })
    }

    async fn authorize(
        &self,
        request: &ApiGatewayCustomAuthorizerRequestTypeRequest,
    ) -> Result<ApiGatewayCustomAuthorizerResponse, Unauthorized> {
        let offered = offered(&request.multi_value_headers);
        let token = token_in_subprotocols(&offered).ok_or(Unauthorized)?;
        Ok(match self.owner(Some(token)).await {
            Ok(owner) => answer(IamPolicyEffect::Allow, Some(&owner), request),
            Err(error) => {
                tracing::info!(%error, "a token was refused");
                answer(IamPolicyEffect::Deny, None, request)
            }
        })
    }
}

async fn read(path: &Path) -> Result<String, Error> {
    let unreadable = |error: std::io::Error| Error(error.to_string());
    let size = tokio::fs::metadata(path).await.map_err(unreadable)?.len();
    if size > MAX_KEY_SET_BYTES {
        return Err(Error(format!(
            "it has {size} bytes, and a key set has {MAX_KEY_SET_BYTES} at most"
        )));
    }
    tokio::fs::read_to_string(path).await.map_err(unreadable)
}

fn verifier(text: &str, issuer: Option<&str>, audience: Option<&str>) -> Result<Verifier, Error> {
    let mut verifier = Verifier::from_jwks(text).map_err(|error| Error(error.to_string()))?;
    for ignored in verifier.ignored_keys() {
        tracing::info!("of the key set is not used: {ignored}");
    }
    if let Some(issuer) = issuer {
        verifier = verifier.with_issuer(issuer);
    }
    if let Some(audience) = audience {
        verifier = verifier.with_audience(audience);
    }
    Ok(verifier)
}

async fn signed_in(State(auth): State<Arc<Auth>>, mut request: Request, next: Next) -> Response {
    if OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(token_in_authorization);
    match auth.owner(token).await {
        Ok(owner) => {
            request.extensions_mut().insert(owner);
            next.run(request).await
        }
        Err(error) => {
            tracing::info!(path = request.uri().path(), %error, "a call was refused");
            let mut response = babelwire_rest::problem(StatusCode::UNAUTHORIZED, error.advice());
            let challenge = HeaderValue::try_from(challenge(&error))
                .unwrap_or(HeaderValue::from_static("Bearer"));
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
            response
        }
    }
}

/// How a call would be let in (RFC 6750, section 3). One without a token is told no error.
fn challenge(error: &AuthError) -> String {
    match error {
        AuthError::Missing => "Bearer".to_owned(),
        error => format!(
            "Bearer error=\"invalid_token\", error_description=\"{}\"",
            error.advice()
        ),
    }
}

/// What an authorizer answers; `owner` is whoever may come in.
fn answer(
    effect: IamPolicyEffect,
    owner: Option<&Owner>,
    request: &ApiGatewayCustomAuthorizerRequestTypeRequest,
) -> ApiGatewayCustomAuthorizerResponse {
    let mut statement = IamPolicyStatement::default();
    statement.action = vec!["execute-api:Invoke".to_owned()];
    statement.effect = effect;
    statement.resource = request.method_arn.iter().cloned().collect();
    let mut response = ApiGatewayCustomAuthorizerResponse::default();
    response.principal_id = Some(owner.map_or("nobody", Owner::as_str).to_owned());
    response.policy_document.version = Some("2012-10-17".to_owned());
    response.policy_document.statement = vec![statement];
    if let Some(owner) = owner {
        response.context = json!({ OWNER: owner });
    }
    response
}

/// All that a handshake offers as subprotocols.
fn offered(headers: &HeaderMap) -> String {
    let values: Vec<&str> = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    values.join(",")
}

/// Closes the gateway's `@connections` to the outside: who posts there would have to sign as AWS's
/// SDKs do, and signatures are not verified here.
pub(crate) async fn no_management(request: Request, next: Next) -> Response {
    const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
    let path = request.uri().path();
    if path.contains("/@connections/") || path.to_ascii_lowercase().contains("/%40connections/") {
        // What API Gateway answers to a request without a signature.
        return (
            StatusCode::FORBIDDEN,
            [
                (header::CONTENT_TYPE, "application/json"),
                (ERROR_TYPE, "MissingAuthenticationTokenException"),
            ],
            r#"{"message":"Missing Authentication Token"}"#,
        )
            .into_response();
    }
    next.run(request).await
}

/// What `--sign-in` says, from a file or as it stands.
pub(crate) fn sign_in(said: &str) -> Result<SignIn, Error> {
    let text = if said.trim_start().starts_with('{') {
        said.to_owned()
    } else {
        std::fs::read_to_string(said).map_err(context(format!("--sign-in: cannot read {said}")))?
    };
    serde_json::from_str(&text).map_err(context(
        "--sign-in: write {\"authorizeUrl\",\"tokenUrl\",\"clientId\"} and, where needed, \
         \"scope\" and \"logoutUrl\"",
    ))
}
