//! The authorizer of `$connect`, as a Lambda authorizer of type `REQUEST` is.

use std::{collections::HashMap, sync::Arc, time::Instant};

use aws_lambda_events::{
    apigw::{
        ApiGatewayCustomAuthorizerPolicy, ApiGatewayCustomAuthorizerRequestTypeRequest,
        ApiGatewayCustomAuthorizerRequestTypeRequestIdentity, ApiGatewayCustomAuthorizerResponse,
        ApiGatewayWebsocketProxyRequest,
    },
    iam::IamPolicyEffect,
};
use axum::response::Response;
use http::{HeaderName, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use crate::{
    gateway::Shared,
    handler::Handler,
    response::{self, error_frame, json_error},
};

/// What a policy has to allow (AWS, *Actions, resources, and condition keys for Amazon API
/// Gateway*).
const ACTION: &str = "execute-api:Invoke";

/// The most that an authorizer may answer, in bytes (AWS quota *AWS Lambda authorizer result
/// size*).
const RESULT_BYTES: usize = 8 * 1024;

/// The error with which an authorizer says 401 (AWS, *Output from an API Gateway Lambda
/// authorizer*).
const UNAUTHORIZED: &str = "Unauthorized";

/// What comes with every event of a connection that was let in.
pub(crate) type Fields = HashMap<String, Value>;

#[derive(Debug)]
pub(crate) struct Authorizer {
    handler:
        Handler<ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayCustomAuthorizerResponse>,
    sources: Vec<IdentitySource>,
}

/// Where a handshake says who the client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IdentitySource {
    Header(HeaderName),
    Query(String),
}

impl IdentitySource {
    pub(crate) fn parse(source: &str) -> Option<Self> {
        let (place, name) = source.strip_prefix("route.request.")?.split_once('.')?;
        match place {
            "header" => Some(Self::Header(name.parse().ok()?)),
            "querystring" if !name.is_empty() => Some(Self::Query(name.to_owned())),
            _ => None,
        }
    }

    fn is_in(&self, event: &ApiGatewayWebsocketProxyRequest) -> bool {
        match self {
            Self::Header(name) => event
                .headers
                .get(name)
                .is_some_and(|value| !value.is_empty()),
            Self::Query(name) => event
                .query_string_parameters
                .first(name)
                .is_some_and(|value| !value.is_empty()),
        }
    }
}

/// Why a handshake was not let in.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Unauthorized,
    Denied {
        explicitly: bool,
    },
    /// The authorizer failed or was late.
    Failed,
    /// The authorizer's answer is none: in words for the log.
    Misconfigured(String),
}

impl Authorizer {
    pub(crate) fn new(
        handler: Handler<
            ApiGatewayCustomAuthorizerRequestTypeRequest,
            ApiGatewayCustomAuthorizerResponse,
        >,
        sources: Vec<IdentitySource>,
    ) -> Self {
        Self { handler, sources }
    }

    /// Asks about the handshake that `event` is of. What the authorizer said of the client comes
    /// back, or what to answer instead of 101.
    pub(crate) async fn ask(
        &self,
        gateway: &Arc<Shared>,
        event: &ApiGatewayWebsocketProxyRequest,
    ) -> Result<Fields, Response> {
        self.verdict(gateway, event).await.map_err(|refusal| {
            if let Refusal::Misconfigured(fault) = &refusal {
                tracing::warn!(fault, "the authorizer's answer is none");
            } else {
                tracing::debug!(?refusal, "a handshake was not authorized");
            }
            answer(&refusal, event)
        })
    }

    async fn verdict(
        &self,
        gateway: &Arc<Shared>,
        event: &ApiGatewayWebsocketProxyRequest,
    ) -> Result<Fields, Refusal> {
        if !self.sources.iter().all(|source| source.is_in(event)) {
            return Err(Refusal::Unauthorized);
        }
        let request = request(gateway, event);
        let arn = request.method_arn.clone().unwrap_or_default();
        let (outcome_to, outcome) = oneshot::channel();
        let handler = self.handler.clone();
        let limit = gateway.limits.integration_timeout;
        let busy = gateway.connections.busy();
        let began = Instant::now();
        // A task of its own: a client that gives up in the middle must not cut it short.
        let ask = async move {
            let _counted = busy;
            let outcome = handler.invoke_or_error(request, limit).await;
            // The client may have given up.
            let _ = outcome_to.send(outcome);
        };
        tokio::spawn(ask.in_current_span());
        let answer = match outcome.await {
            Ok(Ok(answer)) => answer,
            Ok(Err((_, Some(error)))) if error.to_string() == UNAUTHORIZED => {
                return Err(Refusal::Unauthorized);
            }
            Ok(Err((_, Some(error)))) => {
                tracing::warn!(%error, "the authorizer failed");
                return Err(Refusal::Failed);
            }
            Ok(Err((_, None))) | Err(_) => return Err(Refusal::Failed),
        };
        let mut fields = fields(&answer)?;
        match decide(&answer.policy_document, &arn)? {
            Decision::Allowed => {
                let latency = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                fields.insert("integrationLatency".to_owned(), latency.into());
                Ok(fields)
            }
            Decision::Denied { explicitly } => Err(Refusal::Denied { explicitly }),
        }
    }
}

/// The authorizer's event, made of that which `$connect` will get.
fn request(
    gateway: &Shared,
    event: &ApiGatewayWebsocketProxyRequest,
) -> ApiGatewayCustomAuthorizerRequestTypeRequest {
    let mut request = ApiGatewayCustomAuthorizerRequestTypeRequest::default();
    request.type_ = Some("REQUEST".to_owned());
    request.method_arn = Some(format!(
        "arn:aws:execute-api:local:000000000000:{}/{}/$connect",
        gateway.api_id, gateway.stage
    ));
    request.headers = event.headers.clone();
    request.multi_value_headers = event.multi_value_headers.clone();
    request.query_string_parameters = event.query_string_parameters.clone();
    request.multi_value_query_string_parameters = event.multi_value_query_string_parameters.clone();

    let from = &event.request_context;
    let context = &mut request.request_context;
    context.stage.clone_from(&from.stage);
    context.request_id.clone_from(&from.request_id);
    context.apiid.clone_from(&from.apiid);
    let mut identity = ApiGatewayCustomAuthorizerRequestTypeRequestIdentity::default();
    identity.source_ip.clone_from(&from.identity.source_ip);
    identity.other = named([("userAgent", json!(from.identity.user_agent))]);
    context.identity = Some(identity);
    context.other = named([
        ("routeKey", json!(from.route_key)),
        ("eventType", json!(from.event_type)),
        ("messageDirection", json!(from.message_direction)),
        ("connectionId", json!(from.connection_id)),
        ("connectedAt", json!(from.connected_at)),
        ("domainName", json!(from.domain_name)),
        ("extendedRequestId", json!(from.extended_request_id)),
        ("requestTime", json!(from.request_time)),
        ("requestTimeEpoch", json!(from.request_time_epoch)),
    ]);
    request
}

fn named<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// `principalId` and the context, whose values become texts.
fn fields(answer: &ApiGatewayCustomAuthorizerResponse) -> Result<Fields, Refusal> {
    let misconfigured = |fault: &str| Err(Refusal::Misconfigured(fault.to_owned()));
    match serde_json::to_string(answer) {
        Ok(text) if text.len() <= RESULT_BYTES => {}
        Ok(_) => return misconfigured("the answer has more than 8 KB"),
        Err(error) => return Err(Refusal::Misconfigured(error.to_string())),
    }
    let principal = match answer.principal_id.as_deref() {
        Some(principal) if !principal.is_empty() => principal,
        _ => return misconfigured("the answer has no principalId"),
    };
    let mut fields = Fields::new();
    match &answer.context {
        Value::Null => {}
        Value::Object(context) => {
            for (name, value) in context {
                let value = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    Value::Bool(is_so) => is_so.to_string(),
                    Value::Null | Value::Array(_) | Value::Object(_) => {
                        return Err(Refusal::Misconfigured(format!(
                            "{name:?} of the context is not a text, a number or a boolean"
                        )));
                    }
                };
                fields.insert(name.clone(), value.into());
            }
        }
        _ => return misconfigured("the context is not an object"),
    }
    fields.insert("principalId".to_owned(), principal.into());
    Ok(fields)
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Allowed,
    Denied { explicitly: bool },
}

/// Evaluates a policy for `$connect` (AWS, *Policy evaluation logic*): a `Deny` that matches wins,
/// and without an `Allow` that matches the answer is no.
fn decide(policy: &ApiGatewayCustomAuthorizerPolicy, arn: &str) -> Result<Decision, Refusal> {
    let mut decision = Decision::Denied { explicitly: false };
    for statement in &policy.statement {
        if statement
            .condition
            .as_ref()
            .is_some_and(|all| !all.is_empty())
        {
            return Err(Refusal::Misconfigured(
                "the policy has a Condition, which this gateway cannot evaluate".to_owned(),
            ));
        }
        // Actions are compared without their case, resources with it.
        let is_meant = statement
            .action
            .iter()
            .any(|action| matches(&action.to_ascii_lowercase(), &ACTION.to_ascii_lowercase()))
            && statement
                .resource
                .iter()
                .any(|resource| matches(resource, arn));
        match (is_meant, &statement.effect) {
            (false, _) => {}
            (true, IamPolicyEffect::Allow) => decision = Decision::Allowed,
            (true, _) => return Ok(Decision::Denied { explicitly: true }),
        }
    }
    Ok(decision)
}

/// Whether a text fits a pattern with `*` (anything, also nothing) and `?` (one character).
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut pos) = (0, 0);
    // Where to go on from if what follows the last `*` does not fit: the star may take one more.
    let mut retry: Option<(usize, usize)> = None;
    while pos < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, pos));
                at += 1;
            }
            Some(expected) if *expected == b'?' || *expected == text[pos] => {
                at += 1;
                pos += 1;
            }
            _ => match retry {
                Some((after_star, taken)) => {
                    retry = Some((after_star, taken + 1));
                    at = after_star;
                    pos = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|rest| *rest == b'*')
}

fn answer(refusal: &Refusal, event: &ApiGatewayWebsocketProxyRequest) -> Response {
    let broken = |error_type| {
        let context = &event.request_context;
        let connection_id = context.connection_id.as_deref().unwrap_or_default();
        let request_id = context.request_id.as_deref().unwrap_or_default();
        response::json(
            StatusCode::INTERNAL_SERVER_ERROR,
            Some(error_type),
            error_frame("Internal server error", connection_id, request_id),
        )
    };
    match refusal {
        Refusal::Unauthorized => json_error(
            StatusCode::UNAUTHORIZED,
            Some("UnauthorizedException"),
            "Unauthorized",
        ),
        Refusal::Denied { explicitly } => {
            let how = if *explicitly {
                " with an explicit deny"
            } else {
                ""
            };
            // With a capital, unlike every other error of the gateway.
            let body = json!({
                "Message": format!("User is not authorized to access this resource{how}"),
            });
            response::json(
                StatusCode::FORBIDDEN,
                Some("AccessDeniedException"),
                body.to_string(),
            )
        }
        Refusal::Failed => broken("AuthorizerFailureException"),
        Refusal::Misconfigured(_) => broken("AuthorizerConfigurationException"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_what_they_do_in_iam() {
        let arn = "arn:aws:execute-api:local:000000000000:local/live/$connect";
        for pattern in [
            "*",
            "**",
            arn,
            "arn:aws:execute-api:*:*:local/live/$connect",
            "arn:aws:execute-api:*/$connect",
            "arn:aws:execute-api:local:000000000000:local/*",
            "*$connect*",
            "arn:aws:execute-api:local:????????????:local/live/?connect",
            "*a*a*l*/*$*",
        ] {
            assert!(matches(pattern, arn), "{pattern}");
        }
        for pattern in [
            "",
            "?",
            "arn:aws:execute-api:local:000000000000:local/live",
            "arn:aws:execute-api:*:*:local/live/$disconnect",
            "arn:aws:execute-api:local:???????????:local/live/$connect",
            "*$CONNECT",
            "*y*",
            "*$connect?",
        ] {
            assert!(!matches(pattern, arn), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_decided_quickly() {
        let pattern = "*a".repeat(2000) + "b";
        assert!(!matches(&pattern, &"a".repeat(4000)));
    }

    #[test]
    fn an_identity_source_is_a_header_or_a_query_parameter() {
        assert_eq!(
            IdentitySource::parse("route.request.header.Auth"),
            Some(IdentitySource::Header(HeaderName::from_static("auth")))
        );
        assert_eq!(
            IdentitySource::parse("route.request.querystring.token"),
            Some(IdentitySource::Query("token".to_owned()))
        );
        for source in [
            "",
            "Auth",
            "method.request.header.Auth",
            "route.request.header.",
            "route.request.header.a b",
            "route.request.querystring.",
            "route.request.body.action",
        ] {
            assert_eq!(IdentitySource::parse(source), None, "{source}");
        }
    }
}
