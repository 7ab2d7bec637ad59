//! Where requests and handshakes carry a token.

/// The subprotocol of Babelwire's WebSocket, which a page offers beside its token.
pub const SUBPROTOCOL: &str = "babelwire";

/// The token in the value of an `Authorization` header with the scheme `Bearer` (RFC 6750,
/// section 2.1), which is written in any case.
pub fn token_in_authorization(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The token among the subprotocols that a WebSocket's client offers (the value of
/// `Sec-WebSocket-Protocol`; several headers joined by commas): the first one that has the form
/// of a signed token.
pub fn token_in_subprotocols(value: &str) -> Option<&str> {
    offered(value).find(|name| is_token(name))
}

/// The subprotocol to answer to a handshake that carried a token: [`SUBPROTOCOL`] if it was
/// offered, else the token, because a browser fails a handshake in which none of what it offered
/// was chosen (WHATWG, *`WebSockets`*, "establish a WebSocket connection").
pub fn accepted_subprotocol(value: &str) -> Option<&str> {
    offered(value)
        .find(|name| *name == SUBPROTOCOL)
        .or_else(|| token_in_subprotocols(value))
}

fn offered(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim)
}

/// Whether this is three parts of base64url with dots between (RFC 7515, section 7.1).
fn is_token(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let mut parts = name.split('.');
    parts.by_ref().take(3).filter(|part| is_part(part)).count() == 3 && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_the_subprotocols_wherever_it_stands() {
        for offered in [
            "babelwire, a.b-_.c",
            "a.b-_.c,babelwire",
            "a.b-_.c",
            " x ,a.b-_.c, y",
        ] {
            assert_eq!(token_in_subprotocols(offered), Some("a.b-_.c"), "{offered}");
        }
    }

    #[test]
    fn what_has_not_the_form_of_a_token_is_none() {
        for offered in [
            "",
            "babelwire",
            "a.b",
            "a..c",
            "a.b.",
            "a.b.c.d",
            "a.b.c=",
            "a.b c.d",
            "...",
            ",,",
            "v10.stomp",
        ] {
            assert_eq!(token_in_subprotocols(offered), None, "{offered}");
        }
    }

    #[test]
    fn our_own_subprotocol_is_answered_before_the_token_and_nothing_that_was_not_offered() {
        assert_eq!(accepted_subprotocol("a.b.c, babelwire"), Some("babelwire"));
        assert_eq!(accepted_subprotocol("a.b.c"), Some("a.b.c"));
        assert_eq!(accepted_subprotocol("babelwire"), Some("babelwire"));
        assert_eq!(accepted_subprotocol("chat"), None);
        assert_eq!(accepted_subprotocol(""), None);
    }

    #[test]
    fn a_bearer_is_known_in_any_case_and_other_schemes_are_not() {
        for value in ["Bearer abc", "bearer abc", "BEARER   abc ", " Bearer abc"] {
            assert_eq!(token_in_authorization(value), Some("abc"), "{value:?}");
        }
        for value in ["", "Bearer", "Bearer ", "Basic abc", "abc", "Bearerabc"] {
            assert_eq!(token_in_authorization(value), None, "{value:?}");
        }
    }
}
