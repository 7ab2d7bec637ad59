//! Who may do what: tokens (JSON Web Tokens, RFC 7519) verified, and where a WebSocket carries
//! them.
//!
//! [`Verifier`] knows an issuer's public keys and what its tokens must say. It has no clock and
//! fetches nothing: the time and the key set come in from outside, so the same code serves one
//! process and a function of a cloud.
//!
//! Browsers cannot set headers of a WebSocket's handshake, but they can offer subprotocols. So a
//! page offers [`SUBPROTOCOL`] and its token: `new WebSocket(url, ["babelwire", token])`.
//! [`token_in_subprotocols`] finds the token, [`accepted_subprotocol`] what to answer.

mod carriers;
mod keys;
#[cfg(feature = "testing")]
pub mod testing;
mod verifier;

pub use carriers::{
    SUBPROTOCOL, accepted_subprotocol, token_in_authorization, token_in_subprotocols,
};
pub use keys::KeySetError;
pub use verifier::{AuthError, Identity, LEEWAY, MAX_SUBJECT_BYTES, MAX_TOKEN_BYTES, Verifier};
