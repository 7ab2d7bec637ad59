//! Who calls.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use babelwire_service::ports::Owner;

/// Whom a call is for: the [`Owner`] among the request's extensions, which a layer puts there that
/// knows how people sign in; everyone without.
pub(crate) struct Caller(pub(crate) Owner);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let owner = parts.extensions.get::<Owner>().cloned();
        Ok(Self(owner.unwrap_or_default()))
    }
}
