//! An issuer of tokens, for tests: real keys and real signatures, made when they are asked for.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// A key pair with an id.
pub struct Signer {
    id: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

/// Why a key could not be made or used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SignerError(String);

impl From<aws_lc_rs::error::Unspecified> for SignerError {
    fn from(error: aws_lc_rs::error::Unspecified) -> Self {
        Self(format!("no key: {error}"))
    }
}

impl From<jsonwebtoken::errors::Error> for SignerError {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        Self(error.to_string())
    }
}

impl Signer {
    /// Makes a key for `algorithm`: `ES256`, `ES384`, `EdDSA` (quick), or one of RSA's, such as
    /// `RS256` (2048 bits, slow).
    pub fn new(id: &str, algorithm: &str) -> Result<Self, SignerError> {
        // See `Verifier::from_jwks`.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let algorithm: Algorithm = algorithm.parse()?;
        let ec = |curve| {
            let pair = EcdsaKeyPair::generate(curve)?;
            let der = pair.to_pkcs8v1()?;
            Ok::<_, SignerError>(EncodingKey::from_ec_der(der.as_ref()))
        };
        let key = match algorithm {
            Algorithm::ES256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
            Algorithm::ES384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING)?,
            Algorithm::EdDSA => {
                let der = Ed25519KeyPair::generate()?.to_pkcs8v1()?;
                EncodingKey::from_ed_der(der.as_ref())
            }
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                return Err(SignerError("a signer's key is asymmetric".to_owned()));
            }
            _ => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
                let wrapped: Pkcs8V1Der<'_> = pair.as_der()?;
                // Around a key of 2048 bits the wrapping is always of this size (RFC 5208).
                let key = wrapped.as_ref().get(26..).unwrap_or_default();
                EncodingKey::from_rsa_der(key)
            }
        };
        Ok(Self {
            id: id.to_owned(),
            algorithm,
            key,
        })
    }

    /// The public key (RFC 7517).
    pub fn jwk(&self) -> Result<Value, SignerError> {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm)?;
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(&jwk).map_err(|error| SignerError(error.to_string()))
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> Result<String, SignerError> {
        let header = json!({"typ": "JWT", "alg": self.jwk()?["alg"], "kid": self.id});
        self.token_with_header(&header, claims)
    }

    /// A token with these claims and whatever header.
    pub fn token_with_header(&self, header: &Value, claims: &Value) -> Result<String, SignerError> {
        let message = format!("{}.{}", part(header), part(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm)?;
        Ok(format!("{message}.{signature}"))
    }
}

/// A key set (RFC 7517) with the public keys of `signers`.
pub fn key_set(signers: &[&Signer]) -> Result<String, SignerError> {
    let keys = signers
        .iter()
        .map(|signer| signer.jwk())
        .collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "keys": keys }).to_string())
}

/// A part of a token: JSON in base64url.
pub fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
