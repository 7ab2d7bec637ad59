//! API Gateway's HTTP API in front of one function: payload format 2.0, CORS, a JWT authorizer.
//!
//! Source: API Gateway developer guide, "AWS Lambda proxy integrations for HTTP APIs", "Configure
//! CORS for HTTP APIs", "Control access to HTTP APIs with JWT authorizers".

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use babelwire_auth::{Verifier, token_in_authorization};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::{Timestamp, tz::TimeZone};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::ids;
use crate::runtime::Function;
use crate::template::HttpRoute;

/// How long a function may take to answer ("Quotas for configuring and running an HTTP API":
/// maximum integration timeout, 30 s).
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest request, in bytes (the same quotas: 10 MB).
const MOST_REQUEST_BYTES: usize = 10 * 1024 * 1024;

/// `CorsConfiguration` of an HTTP API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cors {
    /// Origins that may read answers; `*` is any.
    pub origins: Vec<String>,
    /// Methods that they may use; `*` is any.
    pub methods: Vec<String>,
    /// Headers that they may send; `*` is any.
    pub headers: Vec<String>,
    /// Headers that they may read.
    pub expose: Vec<String>,
    /// For how long, in seconds, a browser need not ask again.
    pub max_age: Option<u64>,
}

/// An HTTP API all of whose routes have one function answer.
#[derive(Clone)]
pub struct HttpApi {
    function: Function,
    routes: Arc<[HttpRoute]>,
    verifier: Option<Arc<Verifier>>,
}

impl HttpApi {
    /// An API of these routes that has `function` answer.
    pub fn new(function: Function, routes: Vec<HttpRoute>) -> Self {
        Self {
            function,
            routes: routes.into(),
            verifier: None,
        }
    }

    /// Knows whose tokens are valid, for the routes that take one.
    #[must_use]
    pub fn with_verifier(mut self, verifier: Option<Arc<Verifier>>) -> Self {
        self.verifier = verifier;
        self
    }

    /// What is below `prefix`, to be merged with other routers, as CloudFront sends on what is
    /// below a path. Serve it with connect info of [`SocketAddr`].
    pub fn router(self, prefix: &str, cors: Option<&Cors>) -> Router {
        let router = Router::new()
            .route(&format!("{prefix}/"), any(answer))
            .route(&format!("{prefix}/{{*path}}"), any(answer))
            .with_state(self);
        match cors {
            Some(cors) => router.layer(cors.layer()),
            None => router,
        }
    }
}

impl Cors {
    fn layer(&self) -> CorsLayer {
        fn listed<T>(list: &[String], parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
            let any = list.iter().any(|entry| entry == "*");
            (!any).then(|| list.iter().filter_map(|entry| parse(entry)).collect())
        }
        let mut layer = CorsLayer::new();
        layer = match listed(&self.origins, |origin| HeaderValue::from_str(origin).ok()) {
            Some(origins) => layer.allow_origin(AllowOrigin::list(origins)),
            None => layer.allow_origin(tower_http::cors::Any),
        };
        layer = match listed(&self.methods, |method| method.parse::<Method>().ok()) {
            Some(methods) => layer.allow_methods(methods),
            None => layer.allow_methods(tower_http::cors::Any),
        };
        layer = match listed(&self.headers, |name| name.parse::<HeaderName>().ok()) {
            Some(names) => layer.allow_headers(names),
            None => layer.allow_headers(tower_http::cors::Any),
        };
        layer = match listed(&self.expose, |name| name.parse::<HeaderName>().ok()) {
            Some(names) => layer.expose_headers(names),
            None => layer.expose_headers(tower_http::cors::Any),
        };
        match self.max_age {
            Some(seconds) => layer.max_age(Duration::from_secs(seconds)),
            None => layer,
        }
    }
}

async fn answer(State(api): State<HttpApi>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MOST_REQUEST_BYTES).await else {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let Some((route, proxy)) = select(&api.routes, &parts.method, parts.uri.path()) else {
        return message(StatusCode::NOT_FOUND, "Not Found");
    };
    let claims = if route.jwt {
        match claims(api.verifier.as_deref(), &parts.headers) {
            Ok(claims) => Some(claims),
            Err(refusal) => return *refusal,
        }
    } else {
        None
    };
    let event = event(&parts, &body, (route, proxy), claims);
    let invoked = api.function.invoke(event.to_string());
    match tokio::time::timeout(INTEGRATION_TIMEOUT, invoked).await {
        Ok(Ok(answer)) => response(&answer.payload)
            .unwrap_or_else(|| message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")),
        Ok(Err(_logged)) => message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        Err(_elapsed) => message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
    }
}

fn message(status: StatusCode, message: &str) -> Response {
    let body = json!({ "message": message }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The route that fits best: one whose path is the request's own before one that takes any rest,
/// and of these the longer one; one with the method before `ANY`. With it, what `{proxy+}` stands
/// for.
fn select<'a>(
    routes: &'a [HttpRoute],
    method: &Method,
    path: &'a str,
) -> Option<(&'a HttpRoute, Option<&'a str>)> {
    routes
        .iter()
        .filter(|route| route.method == "ANY" || route.method == method.as_str())
        .filter_map(|route| match route.path.strip_suffix("{proxy+}") {
            Some(start) => {
                let rest = path.strip_prefix(start).filter(|rest| !rest.is_empty())?;
                Some((route, Some(rest)))
            }
            None => (route.path == path).then_some((route, None)),
        })
        .max_by_key(|(route, proxy)| (proxy.is_none(), route.path.len(), route.method != "ANY"))
}

/// The claims of the token that a request carries, as a function is given them.
fn claims(
    verifier: Option<&Verifier>,
    headers: &HeaderMap,
) -> Result<Map<String, Value>, Box<Response>> {
    let refused = |error: &str| {
        let mut answer = message(StatusCode::UNAUTHORIZED, "Unauthorized");
        let value = if error.is_empty() {
            "Bearer".to_owned()
        } else {
            format!("Bearer scope=\"\" error=\"invalid_token\" error_description=\"{error}\"")
        };
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        Box::new(answer)
    };
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        // The scheme may be left out, as at API Gateway.
        .map(|value| token_in_authorization(value).unwrap_or(value.trim()))
        .ok_or_else(|| refused(""))?;
    verifier
        .ok_or_else(|| refused("nobody's tokens are valid here"))?
        .verify(token, Timestamp::now())
        .map_err(|error| {
            tracing::debug!(%error, "a token was refused");
            refused(error.advice())
        })?;
    // Verified above, so it has three parts and JSON in the second.
    let claims = token
        .split('.')
        .nth(1)
        .and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok())
        .and_then(|bytes| serde_json::from_slice::<Map<String, Value>>(&bytes).ok())
        .ok_or_else(|| refused("the token has no claims"))?;
    // Claims come to a function as texts.
    let text = |value: Value| match value {
        Value::String(_) => value,
        Value::Array(items) => {
            let item = |item: &Value| {
                item.as_str()
                    .map_or_else(|| item.to_string(), str::to_owned)
            };
            let items: Vec<_> = items.iter().map(item).collect();
            format!("[{}]", items.join(" ")).into()
        }
        other => other.to_string().into(),
    };
    Ok(claims
        .into_iter()
        .map(|(name, value)| (name, text(value)))
        .collect())
}

/// The event that a function is given, in payload format 2.0.
fn event(
    parts: &Parts,
    body: &Bytes,
    (route, proxy): (&HttpRoute, Option<&str>),
    claims: Option<Map<String, Value>>,
) -> Value {
    let route_key = format!("{} {}", route.method, route.path);
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == header::COOKIE {
            cookies.extend(value.split("; ").map(str::to_owned));
            continue;
        }
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert(value);
    }
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        };
        parameters
            .entry(decode(name))
            .and_modify(|all| {
                all.push(',');
                all.push_str(&decode(value));
            })
            .or_insert_with(|| decode(value));
    }
    let now = Timestamp::now();
    let source_ip = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or_else(String::new, |ConnectInfo(address)| address.ip().to_string());
    let host = headers.get("host").cloned().unwrap_or_default();
    let is_text = headers.get("content-type").is_none_or(|kind| is_text(kind));
    let (body, is_base64) = match std::str::from_utf8(body) {
        Ok(text) if is_text => (text.to_owned(), false),
        _ => (BASE64_STANDARD.encode(body), true),
    };
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "cloud",
            "domainName": host,
            "domainPrefix": host.split(['.', ':']).next(),
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", parts.version),
                "sourceIp": source_ip,
                "userAgent": headers.get("user-agent"),
            },
            "requestId": ids::request(),
            "routeKey": route_key,
            "stage": "$default",
            "time": now.to_zoned(TimeZone::UTC).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": is_base64,
    });
    if let Some(claims) = claims {
        event["requestContext"]["authorizer"] = json!({"jwt": {"claims": claims, "scopes": null}});
    }
    if let Some(proxy) = proxy {
        let proxy = percent_decode_str(proxy).decode_utf8_lossy();
        event["pathParameters"] = json!({ "proxy": proxy });
    }
    if !parameters.is_empty() {
        event["queryStringParameters"] = json!(parameters);
    }
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !body.is_empty() {
        event["body"] = Value::String(body);
    }
    event
}

fn is_text(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.starts_with("text/")
        || [
            "application/json",
            "application/javascript",
            "application/xml",
        ]
        .contains(&kind)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Integration {
    status_code: u16,
    #[serde(default)]
    headers: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// What a function's answer means: with a `statusCode` it is an HTTP answer; any other JSON is the
/// body of one.
fn response(payload: &Bytes) -> Option<Response> {
    let value: Value = serde_json::from_slice(payload).ok()?;
    if value.get("statusCode").is_none() {
        return Some(
            (
                [(header::CONTENT_TYPE, "application/json")],
                payload.clone(),
            )
                .into_response(),
        );
    }
    let answer: Integration = serde_json::from_value(value).ok()?;
    let body = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded {
        BASE64_STANDARD.decode(body).ok()?
    } else {
        body.into_bytes()
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code).ok()?;
    let headers = response.headers_mut();
    for (name, value) in answer.headers.unwrap_or_default() {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let name: HeaderName = name.parse().ok()?;
        // The server below decides on these.
        if [
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::CONNECTION,
        ]
        .contains(&name)
        {
            continue;
        }
        // Header values are bytes; in JSON they are text.
        headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    for cookie in answer.cookies.unwrap_or_default() {
        headers.append(header::SET_COOKIE, HeaderValue::from_str(&cookie).ok()?);
    }
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/json"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, path: &str, jwt: bool) -> HttpRoute {
        HttpRoute {
            method: method.to_owned(),
            path: path.to_owned(),
            jwt,
        }
    }

    #[test]
    fn the_route_that_fits_best_is_taken() {
        let routes = [
            route("ANY", "/api/{proxy+}", true),
            route("GET", "/api/health", false),
            route("OPTIONS", "/api/{proxy+}", false),
        ];
        let selected = |method: Method, path: &'static str| {
            let found = select(&routes, &method, path);
            found.map(|(route, proxy)| (route.jwt, proxy.map(str::to_owned)))
        };
        assert_eq!(selected(Method::GET, "/api/health"), Some((false, None)));
        let health = Some("health".to_owned());
        assert_eq!(
            selected(Method::POST, "/api/health"),
            Some((true, health.clone()))
        );
        assert_eq!(
            selected(Method::OPTIONS, "/api/health"),
            Some((false, health))
        );
        assert_eq!(selected(Method::GET, "/api/"), None);
        assert_eq!(selected(Method::GET, "/"), None);
    }

    fn parts(request: http::request::Builder) -> Parts {
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_request_becomes_an_event_of_payload_format_2() {
        let request = Request::builder()
            .method("POST")
            .uri("/api/translations%20x?a=1&a=2&b=%C3%A9+f&c")
            .header("Host", "abc.example")
            .header("X-Two", "1")
            .header("X-Two", "2")
            .header("Cookie", "one=1; two=2")
            .header("Content-Type", "application/json; charset=utf-8");
        let route = route("ANY", "/api/{proxy+}", false);
        let body = Bytes::from_static(b"{\"n\":1}");
        let event = event(
            &parts(request),
            &body,
            (&route, Some("translations%20x")),
            None,
        );
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["rawPath"], "/api/translations%20x");
        assert_eq!(event["rawQueryString"], "a=1&a=2&b=%C3%A9+f&c");
        assert_eq!(
            event["queryStringParameters"],
            json!({"a": "1,2", "b": "é f", "c": ""})
        );
        assert_eq!(event["headers"]["x-two"], "1,2");
        assert_eq!(event["cookies"], json!(["one=1", "two=2"]));
        assert_eq!(event["body"], "{\"n\":1}");
        assert_eq!(event["isBase64Encoded"], false);
        assert_eq!(event["requestContext"]["http"]["method"], "POST");
        assert_eq!(event["routeKey"], "ANY /api/{proxy+}");
        assert_eq!(event["pathParameters"]["proxy"], "translations x");
        assert!(event["requestContext"].get("authorizer").is_none());
    }

    #[test]
    fn bytes_come_to_a_function_in_base64() {
        let request = Request::builder().header("content-type", "application/octet-stream");
        let route = route("PUT", "/x", false);
        let event = event(
            &parts(request),
            &Bytes::from_static(&[0xff, 0]),
            (&route, None),
            None,
        );
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!("/wA="), &json!(true))
        );
    }

    #[test]
    fn a_function_s_answer_becomes_an_http_answer() {
        let payload = json!({
            "statusCode": 307, "headers": {"location": "http://x/", "content-length": "7"},
            "cookies": ["a=1", "b=2"], "body": "aGk=", "isBase64Encoded": true,
        });
        let response = response(&Bytes::from(payload.to_string())).unwrap();
        assert_eq!(response.status(), 307);
        assert_eq!(response.headers()["location"], "http://x/");
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert!(!response.headers().contains_key("content-length"));
    }

    #[test]
    fn an_answer_that_is_none_is_an_error_of_the_gateway() {
        for payload in [
            "",
            "{",
            r#"{"statusCode":"many"}"#,
            r#"{"statusCode":200,"body":7}"#,
        ] {
            assert!(
                response(&Bytes::from(payload.to_owned())).is_none(),
                "{payload}"
            );
        }
        let plain = response(&Bytes::from_static(b"[1]")).unwrap();
        assert_eq!(plain.status(), 200);
    }
}
