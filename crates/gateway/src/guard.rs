//! Who may talk to this server at all: the checks of Host and Origin.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
};

use axum::response::{IntoResponse as _, Response};
use futures::future::{Either, Ready, ready};
use http::{HeaderMap, Request, StatusCode, Uri, header, uri::Authority};
use tower::{Layer, Service};

use crate::response::json_error;

/// Keeps other people's web pages away from a server on this machine.
///
/// Any page in a browser on this machine can reach a server that listens here. Two ways to
/// misuse that are closed:
///
/// - **DNS rebinding**: a page of `evil.example`, whose name was made to point to 127.0.0.1,
///   sends `Host: evil.example`. Only loopback names (`localhost`, `*.localhost`, 127.0.0.0/8,
///   `[::1]`; any port), the [listening address](Guard::listening) and
///   [configured names](Guard::allow_host) pass.
/// - **Cross-site WebSocket hijacking** and cross-site requests: a page of `evil.example` opens
///   `ws://localhost:8080/…` and sends `Origin: https://evil.example`. Only a request with no
///   Origin (no browser page), with the Host's own, or with a
///   [configured one](Guard::allow_origin) passes.
///
/// Everything else gets 403 and never reaches the service behind. A guard is a [`tower::Layer`],
/// so that the same one can stand before everything a server offers:
///
/// ```
/// use axum::{Router, routing::get};
/// use babelwire_gateway::Guard;
///
/// let guard = Guard::new()
///     .listening("127.0.0.1:8080".parse()?)
///     .allow_host("babelwire.lan")?
///     .allow_origin("http://localhost:3000")?;
/// let app: Router = Router::new().route("/api/health", get(|| async { "well" })).layer(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Guard {
    rules: Arc<Rules>,
}

#[derive(Clone, Debug, Default)]
struct Rules {
    addresses: Vec<IpAddr>,
    hosts: Vec<(String, Option<u16>)>,
    origins: Vec<Origin>,
}

impl Guard {
    /// A guard that lets loopback names pass and no page but the server's own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the address pass on which the server listens, with any port.
    ///
    /// If it is the unspecified address (`0.0.0.0` or `[::]`), every IP address passes as Host:
    /// the machine's own are many, and an address, unlike a name, cannot be rebound.
    #[must_use]
    pub fn listening(mut self, address: SocketAddr) -> Self {
        Arc::make_mut(&mut self.rules)
            .addresses
            .push(address.ip().to_canonical());
        self
    }

    /// Lets a host name pass: `name` with any port, or `name:port` with that one.
    ///
    /// # Errors
    /// [`GuardError::Host`] if this is no host name.
    pub fn allow_host(mut self, host: &str) -> Result<Self, GuardError> {
        let (name, port) = host
            .parse()
            .ok()
            .and_then(|authority| host_and_port(&authority))
            .ok_or_else(|| GuardError::Host(host.to_owned()))?;
        Arc::make_mut(&mut self.rules).hosts.push((name, port));
        Ok(self)
    }

    /// Lets the pages of another origin pass: `scheme://host` or `scheme://host:port`.
    ///
    /// # Errors
    /// [`GuardError::Origin`] if this is no origin.
    pub fn allow_origin(mut self, origin: &str) -> Result<Self, GuardError> {
        let parsed = Origin::parse(origin.strip_suffix('/').unwrap_or(origin))
            .ok_or_else(|| GuardError::Origin(origin.to_owned()))?;
        Arc::make_mut(&mut self.rules).origins.push(parsed);
        Ok(self)
    }

    /// Checks one request, for those who make their own answer of the refusal.
    ///
    /// # Errors
    /// [`Refusal`] if the request must not reach the service.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = single(headers, &header::HOST).map_err(|()| Refusal::Host)?;
        let host = match host {
            Some(host) => Some(
                host.parse()
                    .ok()
                    .and_then(|a| host_and_port(&a))
                    .ok_or(Refusal::Host)?,
            ),
            None => None,
        };
        // Over HTTP/2 the name is in the URI, and over HTTP/1 it can be there too.
        let authority = match uri.authority() {
            Some(authority) => Some(host_and_port(authority).ok_or(Refusal::Host)?),
            None => None,
        };
        if ![&host, &authority]
            .into_iter()
            .flatten()
            .all(|host| self.rules.knows(host))
        {
            return Err(Refusal::Host);
        }
        let host = host.or(authority).ok_or(Refusal::Host)?;

        let Some(origin) = single(headers, &header::ORIGIN).map_err(|()| Refusal::Origin)? else {
            return Ok(());
        };
        let origin = Origin::parse(origin).ok_or(Refusal::Origin)?;
        if origin.is_of(&host) || self.rules.origins.contains(&origin) {
            Ok(())
        } else {
            Err(Refusal::Origin)
        }
    }
}

impl Rules {
    fn knows(&self, (name, port): &(String, Option<u16>)) -> bool {
        if name == "localhost" || name.ends_with(".localhost") {
            return true;
        }
        let address = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        if let Ok(address) = address.map(|address| address.to_canonical()) {
            let listening = |mine: &IpAddr| mine.is_unspecified() || *mine == address;
            if address.is_loopback() || self.addresses.iter().any(listening) {
                return true;
            }
        }
        self.hosts
            .iter()
            .any(|(known, its_port)| known == name && (its_port.is_none() || its_port == port))
    }
}

/// A header that must not be there twice: two readers could each believe another of them.
fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

fn host_and_port(authority: &Authority) -> Option<(String, Option<u16>)> {
    let text = authority.as_str();
    if text.contains('@') {
        return None;
    }
    let host = authority.host();
    // "name:" and "name:99999" have no port that can be read.
    if text.len() != host.len() && authority.port_u16().is_none() {
        return None;
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    (!name.is_empty()).then(|| (name, authority.port_u16()))
}

/// The serialized origin of RFC 6454: scheme, host, port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    /// `null`, which sandboxed frames and local files send, is nobody's origin.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        if scheme.is_empty() || authority.contains(['/', '?', '#']) {
            return None;
        }
        let (host, port) = host_and_port(&authority.parse().ok()?)?;
        let scheme = scheme.to_ascii_lowercase();
        let port = port.or(default_port(&scheme));
        Some(Self { scheme, host, port })
    }

    fn is_of(&self, (host, port): &(String, Option<u16>)) -> bool {
        matches!(self.scheme.as_str(), "http" | "https")
            && self.host == *host
            && self.port == port.or(default_port(&self.scheme))
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Why a [`Guard`] does not let a request pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The Host is missing, doubled, unreadable or not one of this server's.
    #[error(
        "Forbidden: the Host of this request is not a name of this server. Use localhost, or add \
         the name to the allowed hosts."
    )]
    Host,
    /// The Origin is neither absent, nor the Host's own, nor allowed.
    #[error(
        "Forbidden: the page that sent this request is of another origin. Add its origin to the \
         allowed origins if it is yours."
    )]
    Origin,
}

/// A name that a [`Guard`] cannot be told to allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// Not a host.
    #[error("{0:?} is not a host: write a name or an address, with :port or without")]
    Host(String),
    /// Not an origin.
    #[error("{0:?} is not an origin: write scheme://host or scheme://host:port, without a path")]
    Origin(String),
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded {
            guard: self.clone(),
            inner,
        }
    }
}

/// A service with a [`Guard`] before it.
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S, B> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.guard.check(request.uri(), request.headers()) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(refusal) => {
                tracing::warn!(
                    host = ?request.headers().get(header::HOST),
                    origin = ?request.headers().get(header::ORIGIN),
                    "refused: {refusal}"
                );
                Either::Right(ready(Ok(refusal.into_response())))
            }
        }
    }
}

impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json_error(
            StatusCode::FORBIDDEN,
            Some("ForbiddenException"),
            &self.to_string(),
        )
        .into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, headers: &[(&'static str, &str)]) -> Result<(), Refusal> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .fold(
                HeaderMap::new(),
                |mut all, (name, value): (header::HeaderName, _)| {
                    all.append(name, value);
                    all
                },
            );
        guard.check(&Uri::from_static("/live"), &headers)
    }

    #[test]
    fn loopback_names_pass_with_any_port() {
        for host in [
            "localhost",
            "localhost:8080",
            "LocalHost:1",
            "localhost.:8080",
            "app.localhost:3000",
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert_eq!(check(&Guard::new(), &[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn other_hosts_do_not() {
        for host in [
            "",
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.nip.io",
            "10.0.0.1:8080",
            "0.0.0.0:8080",
            "[::2]:8080",
            "localhost@evil.example",
            "localhost:",
            "localhost:99999",
            "localhost:8080/x",
            "localhost, evil.example",
            "127.1",
        ] {
            assert_eq!(
                check(&Guard::new(), &[("host", host)]),
                Err(Refusal::Host),
                "{host}"
            );
        }
        assert_eq!(check(&Guard::new(), &[]), Err(Refusal::Host));
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(check(&Guard::new(), &twice), Err(Refusal::Host));
    }

    #[test]
    fn the_listening_address_and_configured_names_pass() {
        let guard = Guard::new()
            .listening("10.0.0.1:8080".parse().unwrap())
            .allow_host("babelwire.lan")
            .unwrap()
            .allow_host("Port.lan:81")
            .unwrap();
        for host in [
            "10.0.0.1:8080",
            "10.0.0.1",
            "babelwire.lan",
            "Babelwire.LAN:9",
            "port.lan:81",
        ] {
            assert_eq!(check(&guard, &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "10.0.0.2:8080",
            "port.lan",
            "port.lan:82",
            "a.babelwire.lan",
        ] {
            assert_eq!(
                check(&guard, &[("host", host)]),
                Err(Refusal::Host),
                "{host}"
            );
        }
    }

    #[test]
    fn a_server_on_every_address_answers_to_every_address_but_to_no_name() {
        let guard = Guard::new().listening("0.0.0.0:8080".parse().unwrap());
        assert_eq!(check(&guard, &[("host", "192.168.1.7:8080")]), Ok(()));
        assert_eq!(check(&guard, &[("host", "[fe80::1]:8080")]), Ok(()));
        assert_eq!(
            check(&guard, &[("host", "evil.example:8080")]),
            Err(Refusal::Host)
        );
    }

    #[test]
    fn a_foreign_name_in_the_request_target_is_refused_whatever_the_host_header_says() {
        let headers = HeaderMap::from_iter([(header::HOST, "localhost".parse().unwrap())]);
        let evil = Uri::from_static("http://evil.example/live");
        assert_eq!(Guard::new().check(&evil, &headers), Err(Refusal::Host));
        let own = Uri::from_static("http://localhost/live");
        assert_eq!(Guard::new().check(&own, &HeaderMap::new()), Ok(()));
    }

    #[test]
    fn only_the_hosts_own_origin_passes() {
        for (host, origin) in [
            ("localhost:8080", "http://localhost:8080"),
            ("localhost:8080", "https://LOCALHOST:8080"),
            ("localhost", "http://localhost"),
            ("localhost", "http://localhost:80"),
            ("localhost:443", "https://localhost"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(
                check(&Guard::new(), &[("host", host), ("origin", origin)]),
                Ok(()),
                "{host} {origin}"
            );
        }
        for (host, origin) in [
            ("localhost:8080", "http://evil.example"),
            ("localhost:8080", "http://evil.example:8080"),
            ("localhost:8080", "http://localhost:3000"),
            ("localhost:8080", "http://localhost"),
            ("localhost:8080", "http://127.0.0.1:8080"),
            ("localhost:8080", "http://localhost:8080.evil.example"),
            ("localhost:8080", "http://localhost:8080@evil.example"),
            ("localhost:8080", "http://localhost:8080/"),
            ("localhost:8080", "chrome-extension://localhost:8080"),
            ("localhost:8080", "localhost:8080"),
            ("localhost:8080", "null"),
            ("localhost:8080", ""),
        ] {
            assert_eq!(
                check(&Guard::new(), &[("host", host), ("origin", origin)]),
                Err(Refusal::Origin),
                "{host} {origin}"
            );
        }
        let twice = [
            ("host", "localhost"),
            ("origin", "http://localhost"),
            ("origin", "http://evil.example"),
        ];
        assert_eq!(check(&Guard::new(), &twice), Err(Refusal::Origin));
    }

    #[test]
    fn configured_origins_pass_but_not_for_a_foreign_host() {
        let guard = Guard::new().allow_origin("http://localhost:3000/").unwrap();
        let origin = ("origin", "http://localhost:3000");
        assert_eq!(check(&guard, &[("host", "localhost:8080"), origin]), Ok(()));
        assert_eq!(
            check(&guard, &[("host", "evil.example"), origin]),
            Err(Refusal::Host)
        );
    }

    #[test]
    fn what_is_no_name_is_refused_in_words() {
        let error = Guard::new().allow_origin("localhost:3000").unwrap_err();
        assert!(error.to_string().contains("scheme://host"), "{error}");
        assert!(Guard::new().allow_host("http://localhost").is_err());
        assert!(Guard::new().allow_origin("*").is_err());
    }
}
