//! The verdict on a token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::Value;

use crate::keys::{self, Key, KeySetError};

/// The longest token that is looked at, in bytes. All headers of a request to API Gateway have
/// 10,240 bytes at most (AWS, *Quotas for configuring and running an HTTP API*).
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The longest subject, in bytes (`OpenID` Connect Core 1.0, section 2: 255 ASCII characters).
pub const MAX_SUBJECT_BYTES: usize = 255;

/// How far the clocks of issuer and backend may be apart.
pub const LEEWAY: SignedDuration = SignedDuration::from_secs(30);

/// The subject that is nobody's, because tables that cannot have empty keys know everyone by it.
const RESERVED_SUBJECT: &str = "*";

/// How much of what a stranger sent comes into a message for the log, in characters.
const QUOTED_CHARS: usize = 64;

/// Who a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The `sub` claim: unique at the issuer and never given to somebody else.
    pub subject: String,
    /// The `exp` claim. Tokens are accepted [`LEEWAY`] longer than that.
    pub expires: Timestamp,
}

/// Why a token was refused. `Display` is for the log; [`AuthError::advice`] is for the
/// client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// There is none.
    #[error("there is no token")]
    Missing,
    /// It is longer than [`MAX_TOKEN_BYTES`].
    #[error("the token has {0} bytes, and {MAX_TOKEN_BYTES} is the most")]
    TooLong(usize),
    /// It is not a signed token (RFC 7515, section 7.1).
    #[error("the token is malformed: {0}")]
    Malformed(String),
    /// It names an algorithm that no key of the set signs with: `none`, `HS256`, …
    #[error("the token names the algorithm {0}, which its key does not sign with")]
    Algorithm(String),
    /// No key of the set has its `kid`. The issuer may have new keys: fetch the set again, but
    /// not for every such token, for anybody can write one.
    #[error("no key has the token's id, {0}")]
    UnknownKey(String),
    /// It was not signed with the key that it names, or was changed since.
    #[error("the token's signature does not fit")]
    Signature,
    /// A claim is absent.
    #[error("the token has no `{0}`")]
    NoClaim(&'static str),
    /// A claim is not what it must be.
    #[error("the token's `{claim}` {fault}")]
    Claim {
        /// Its name.
        claim: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// It is past its time.
    #[error("the token expired at {0}")]
    Expired(Timestamp),
    /// Its time has not come.
    #[error("the token is not valid before {0}")]
    Premature(Timestamp),
    /// Another issuer made it.
    #[error("the token is of issuer {0}")]
    Issuer(String),
    /// It was made for another application.
    #[error("the token is for {0}")]
    Audience(String),
}

impl AuthError {
    /// What to tell the client: short, of ASCII without quotes and backslashes (so that it can be
    /// an `error_description`; RFC 6750, section 3), and nothing of what the backend knows.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Missing => "Sign in first: this call takes a token.",
            Self::Expired(_) => "The token has expired: sign in again.",
            Self::Premature(_) => "The token is not valid yet: is a clock wrong?",
            Self::Issuer(_) | Self::Audience(_) => "The token was made for something else.",
            Self::TooLong(_)
            | Self::Malformed(_)
            | Self::Algorithm(_)
            | Self::UnknownKey(_)
            | Self::Signature
            | Self::NoClaim(_)
            | Self::Claim { .. } => "The token is not valid: sign in again.",
        }
    }
}

/// Verifies the tokens of one issuer.
///
/// Only asymmetric algorithms are accepted, and of these only what the key that a token names was
/// made for: a token cannot choose how it is verified.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Vec<Key>,
    ignored: Vec<String>,
    issuer: Option<String>,
    audience: Option<String>,
}

impl Verifier {
    /// A verifier with the keys of a JSON Web Key Set (RFC 7517). Keys in it that are of no use
    /// here are left out; [`Verifier::ignored_keys`] says which.
    ///
    /// # Errors
    /// In words, when the text is no key set, or has no key that tokens can be verified with.
    pub fn from_jwks(text: &str) -> Result<Self, KeySetError> {
        // Another crate of the program may bring another provider: then the library would not
        // know which to take, and panic. Who comes second may not choose.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let (keys, ignored) = keys::parse(text)?;
        Ok(Self {
            keys,
            ignored,
            issuer: None,
            audience: None,
        })
    }

    /// Accepts only tokens with this `iss`, compared to the letter.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Accepts only tokens with this among their `aud`, or without an `aud` as their `client_id`,
    /// as API Gateway does (*Control access to HTTP APIs with JWT authorizers*): Cognito's access
    /// tokens have no `aud`.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// The keys of the set that are of no use here, each with the reason.
    pub fn ignored_keys(&self) -> &[String] {
        &self.ignored
    }

    /// Who a token speaks for.
    ///
    /// # Errors
    /// Every one of [`AuthError`] but `Missing`.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, AuthError> {
        let claims = self.signed_claims(token)?;

        let expires = time("exp", claims.exp)?.ok_or(AuthError::NoClaim("exp"))?;
        if now.duration_since(expires) >= LEEWAY {
            return Err(AuthError::Expired(expires));
        }
        for (claim, value) in [("nbf", claims.nbf), ("iat", claims.iat)] {
            if let Some(begins) = time(claim, value)?
                && begins.duration_since(now) > LEEWAY
            {
                return Err(AuthError::Premature(begins));
            }
        }
        if let Some(issuer) = &self.issuer {
            let of = claims.iss.ok_or(AuthError::NoClaim("iss"))?;
            if of.as_str() != Some(issuer) {
                return Err(AuthError::Issuer(quoted(&of)));
            }
        }
        if let Some(audience) = &self.audience {
            let of = claims
                .aud
                .or(claims.client_id)
                .ok_or(AuthError::NoClaim("aud` or `client_id"))?;
            let is_meant = match &of {
                Value::String(one) => one == audience,
                Value::Array(several) => several.iter().any(|one| one.as_str() == Some(audience)),
                _ => false,
            };
            if !is_meant {
                return Err(AuthError::Audience(quoted(&of)));
            }
        }
        Ok(Identity {
            subject: subject(claims.sub)?,
            expires,
        })
    }

    /// The claims of a token whose signature fits.
    fn signed_claims(&self, token: &str) -> Result<Claims, AuthError> {
        if token.is_empty() {
            return Err(AuthError::Missing);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::TooLong(token.len()));
        }
        let header = header(token)?;
        let mut has_key = false;
        let mut verdict = None;
        for key in &self.keys {
            // Where one of the two is silent, the key may be the one.
            if let (Some(wanted), Some(id)) = (&header.kid, &key.id)
                && wanted != id
            {
                continue;
            }
            has_key = true;
            let algorithm = key
                .algorithms
                .iter()
                .find(|algorithm| name(**algorithm) == header.alg);
            let Some(algorithm) = algorithm else {
                continue;
            };
            match claims(token, key, *algorithm) {
                Ok(claims) => return Ok(claims),
                Err(error) => verdict = Some(error),
            }
        }
        Err(match (verdict, has_key) {
            (Some(error), _) => error,
            (None, true) => AuthError::Algorithm(quoted(&header.alg)),
            (None, false) => AuthError::UnknownKey(quoted(&header.kid.unwrap_or_default())),
        })
    }
}

/// What is read of a token's header before its signature was verified.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// The registered claims that matter here (RFC 7519, section 4.1), and `client_id` (RFC 9068).
#[derive(Deserialize)]
struct Claims {
    sub: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
    iss: Option<Value>,
    aud: Option<Value>,
    client_id: Option<Value>,
}

fn header(token: &str) -> Result<Header, AuthError> {
    let malformed = |fault: &str| AuthError::Malformed(fault.to_owned());
    let mut parts = token.split('.');
    let (Some(header), Some(_), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed("it has not three parts"));
    };
    let header = URL_SAFE_NO_PAD
        .decode(header)
        .map_err(|_| malformed("its header is not base64url"))?;
    let header: Header = serde_json::from_slice(&header)
        .map_err(|_| malformed("its header is not JSON with an `alg`"))?;
    if header.crit.is_some() {
        return Err(malformed("it insists on extensions with `crit`"));
    }
    Ok(header)
}

/// The claims, if the signature is of this key.
fn claims(token: &str, key: &Key, algorithm: Algorithm) -> Result<Claims, AuthError> {
    // The claims are looked at with the time that was passed in, not with the system's.
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Claims>(token, &key.verifying, &validation)
        .map(|token| token.claims)
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => AuthError::Signature,
            other => AuthError::Malformed(format!("{other:?}").chars().take(200).collect()),
        })
}

/// An algorithm as `alg` names it (RFC 7518, section 3.1; RFC 8037, section 3.1).
fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::RS384 => "RS384",
        Algorithm::RS512 => "RS512",
        Algorithm::PS256 => "PS256",
        Algorithm::PS384 => "PS384",
        Algorithm::PS512 => "PS512",
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::EdDSA => "EdDSA",
        // No key of the set has another.
        _ => "",
    }
}

/// A `NumericDate` (RFC 7519, section 2): seconds since 1970, fractions allowed. One beyond the
/// end of time is the end of time.
fn time(claim: &'static str, value: Option<Value>) -> Result<Option<Timestamp>, AuthError> {
    let Some(value) = value else {
        return Ok(None);
    };
    let fault = || AuthError::Claim {
        claim,
        fault: format!("is no time: {}", quoted(&value)),
    };
    let seconds = value.as_f64().ok_or_else(fault)?;
    let duration = SignedDuration::try_from_secs_f64(seconds).unwrap_or(if seconds < 0.0 {
        SignedDuration::MIN
    } else {
        SignedDuration::MAX
    });
    Ok(Some(Timestamp::from_duration(duration).unwrap_or(
        if seconds < 0.0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        },
    )))
}

fn subject(value: Option<Value>) -> Result<String, AuthError> {
    let fault = |fault: String| AuthError::Claim {
        claim: "sub",
        fault,
    };
    let subject = match value.ok_or(AuthError::NoClaim("sub"))? {
        Value::String(subject) => subject,
        other => return Err(fault(format!("is no text: {}", quoted(&other)))),
    };
    if subject.trim().is_empty() {
        return Err(fault("is empty".to_owned()));
    }
    if subject.len() > MAX_SUBJECT_BYTES {
        return Err(fault(format!(
            "has {} bytes, and {MAX_SUBJECT_BYTES} is the most",
            subject.len()
        )));
    }
    if subject.contains(char::is_control) {
        return Err(fault("has control characters".to_owned()));
    }
    if subject == RESERVED_SUBJECT {
        return Err(fault("is *, which is nobody's".to_owned()));
    }
    Ok(subject)
}

/// What a stranger wrote, fit for a log: in one line, and not too much of it.
fn quoted(value: &impl ToString) -> String {
    let text = value.to_string();
    let mut shown: String = text.chars().take(QUOTED_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}
