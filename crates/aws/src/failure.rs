//! What the AWS SDK's errors say, and which are worth another try.

use std::error::Error;
use std::time::Duration;

use aws_sdk_translate::config::http::HttpResponse;
use aws_sdk_translate::error::{ProvideErrorMetadata, SdkError};
use babelwire_service::ports::{Clock, Random};

/// An error with all its causes: the SDK's outermost says `service error` and no more.
pub(crate) fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some repeat their cause.
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        cause = error.source();
    }
    words
}

/// What an answer says of the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Too much was asked for in too short a time.
    Throttled,
    /// The service, or the way to it, failed for a moment.
    Passing,
    /// The caller may not do this, or is not known: nothing that it asks for will be done.
    Denied,
    /// The same question will have the same answer.
    Final,
}

/// The HTTP status of an answer, if there was one.
pub(crate) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error
        .raw_response()
        .map(|response| response.status().as_u16())
}

/// What an error says of the next try ("Common error types" of the services' references).
pub(crate) fn kind<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Kind {
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
        .unwrap_or_default();
    match (code, status(error)) {
        (
            "ThrottlingException"
            | "Throttling"
            | "TooManyRequestsException"
            | "LimitExceededException"
            | "RequestLimitExceeded"
            | "SlowDown",
            _,
        )
        | (_, Some(429)) => Kind::Throttled,
        (
            "AccessDeniedException"
            | "AccessDenied"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "OptInRequired"
            | "SubscriptionRequiredException"
            | "NotAuthorized",
            _,
        )
        | (_, Some(401 | 403)) => Kind::Denied,
        ("ServiceUnavailableException" | "InternalServerException", _)
        | (_, Some(408 | 500..=599)) => Kind::Passing,
        _ => match error {
            // No answer, or half of one.
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => Kind::Passing,
            SdkError::ResponseError(_) if status(error).is_none_or(|status| status < 400) => {
                Kind::Passing
            }
            // The request could not even be made: no credentials, most often.
            SdkError::ConstructionFailure(_) => Kind::Denied,
            _ => Kind::Final,
        },
    }
}

/// How often something is tried, and how long the waits in between may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Tries in all, at least one.
    pub tries: u32,
    /// The most that the first wait may take; it doubles with each further one.
    pub first: Duration,
    /// The most that any wait may take.
    pub most: Duration,
}

impl Patience {
    /// Waits before the next try, or says that there is none. A wait is drawn between nothing and
    /// its most ("full jitter"), so that those who failed together don't come back together.
    pub(crate) async fn wait(&self, tried: u32, clock: &dyn Clock, random: &dyn Random) -> bool {
        if tried >= self.tries {
            return false;
        }
        let doubled = self.first.saturating_mul(
            1_u32
                .checked_shl(tried.saturating_sub(1))
                .unwrap_or(u32::MAX),
        );
        let most = doubled.min(self.most);
        let [a, b, c, d, ..] = random.bytes();
        let share = f64::from(u32::from_le_bytes([a, b, c, d])) / f64::from(u32::MAX);
        clock.sleep(most.mul_f64(share)).await;
        true
    }
}
