//! An issuer's public keys (RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The fewest bits of an RSA modulus (RFC 7518, section 3.3), and the most that are computed with.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// What RSA keys sign with if their `alg` does not say.
const RSA_ALGORITHMS: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// Why a key set cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// The text is not a JSON Web Key Set.
    #[error(
        "this is no JSON Web Key Set (RFC 7517), which is {{\"keys\":[…]}}: {0}. Take the document \
         at the issuer's jwks_uri as it is"
    )]
    NotAKeySet(String),
    /// There is no key that tokens can be verified with.
    #[error(
        "the key set has no public key that tokens can be verified with (RSA of {min} bits or \
         more, EC P-256 or P-384, Ed25519){reasons}",
        min = RSA_BITS.start(),
        reasons = list(.0)
    )]
    NoUsableKey(
        /// Why each key that is there cannot be used.
        Vec<String>,
    ),
}

fn list(reasons: &[String]) -> String {
    if reasons.is_empty() {
        ": it is empty".to_owned()
    } else {
        format!(": {}", reasons.join("; "))
    }
}

/// A public key, and what it signs with.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    /// Never empty, and all of one family.
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) verifying: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

/// The keys of a set that tokens can be verified with, and why the others cannot.
///
/// "Implementations SHOULD ignore JWKs within a JWK Set that use `kty` values that are not
/// understood by them" (RFC 7517, section 5).
pub(crate) fn parse(text: &str) -> Result<(Vec<Key>, Vec<String>), KeySetError> {
    #[derive(Deserialize)]
    struct KeySet {
        keys: Vec<Value>,
    }
    let set: KeySet =
        serde_json::from_str(text).map_err(|error| KeySetError::NotAKeySet(error.to_string()))?;
    let mut keys = Vec::new();
    let mut ignored = Vec::new();
    for (index, value) in set.keys.into_iter().enumerate() {
        let name = match value.get("kid").and_then(Value::as_str) {
            Some(id) => format!("key {id:?}"),
            None => format!("key number {}", index + 1),
        };
        match key(value) {
            Ok(key) => keys.push(key),
            Err(reason) => ignored.push(format!("{name} {reason}")),
        }
    }
    if keys.is_empty() {
        return Err(KeySetError::NoUsableKey(ignored));
    }
    Ok((keys, ignored))
}

/// A key, or why it is none that tokens can be verified with.
fn key(value: Value) -> Result<Key, String> {
    let jwk: Jwk =
        serde_json::from_value(value).map_err(|error| format!("is malformed: {error}"))?;
    if let Some(usage) = &jwk.common.public_key_use
        && *usage != PublicKeyUse::Signature
    {
        return Err("is not for signatures".to_owned());
    }
    if let Some(operations) = &jwk.common.key_operations
        && !operations.contains(&KeyOperations::Verify)
    {
        return Err("is not for verifying".to_owned());
    }
    let fitting = fitting_algorithms(&jwk.algorithm)?;
    let algorithms = match jwk.common.key_algorithm {
        None => fitting,
        Some(named) => fitting
            .into_iter()
            .filter(|algorithm| KeyAlgorithm::from(*algorithm) == named)
            .collect(),
    };
    if algorithms.is_empty() {
        return Err("has an `alg` that its type does not have, or that is not known".to_owned());
    }
    let verifying =
        DecodingKey::from_jwk(&jwk).map_err(|error| format!("is malformed: {error}"))?;
    Ok(Key {
        id: jwk.common.key_id,
        algorithms,
        verifying,
    })
}

/// What a key's type and size can sign with. Symmetric keys are not among them, whatever a token
/// says: who could verify with one could sign as well.
fn fitting_algorithms(parameters: &AlgorithmParameters) -> Result<Vec<Algorithm>, String> {
    let decoded = |name: &str, text: &str| {
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|error| format!("has an unreadable `{name}`: {error}"))
    };
    let has_length = |name: &str, text: &str, length: usize| {
        let found = decoded(name, text)?.len();
        if found == length {
            return Ok(());
        }
        Err(format!("has {found} bytes in `{name}`, not {length}"))
    };
    match parameters {
        AlgorithmParameters::RSA(rsa) => {
            let modulus = decoded("n", &rsa.n)?;
            let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
            let bits = match modulus.get(zeros) {
                Some(first) => (modulus.len() - zeros) * 8 - first.leading_zeros() as usize,
                None => 0,
            };
            if !RSA_BITS.contains(&bits) {
                return Err(format!("is an RSA key of {bits} bits"));
            }
            Ok(RSA_ALGORITHMS.to_vec())
        }
        AlgorithmParameters::EllipticCurve(ec) => {
            let (algorithm, length) = match ec.curve {
                EllipticCurve::P256 => (Algorithm::ES256, 32),
                EllipticCurve::P384 => (Algorithm::ES384, 48),
                _ => return Err("has a curve that is not known".to_owned()),
            };
            has_length("x", &ec.x, length)?;
            has_length("y", &ec.y, length)?;
            Ok(vec![algorithm])
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            has_length("x", &pair.x, 32)?;
            Ok(vec![Algorithm::EdDSA])
        }
        AlgorithmParameters::OctetKey(_) => Err("is symmetric".to_owned()),
        _ => Err("has a type or a curve that is not known".to_owned()),
    }
}
