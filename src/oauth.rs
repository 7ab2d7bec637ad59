//! OAuth 2.0 as far as it needs no browser: what tokens say, and how long they are good for.

use babelwire_wire::{Fields, Object};

/// How long before its end a token is renewed, in milliseconds: time enough for a request that is
/// slow to leave, and for clocks that are not quite right. Of a short life, a fifth.
const MARGIN: u64 = 60_000;

/// RFC 4648 section 5.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bytes in base64url without padding, as RFC 7636 has them (appendix A).
pub fn base64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let padded =
            [0, 1, 2].map(|place| u32::from(group.get(place).copied().unwrap_or_default()));
        let bits = padded[0] << 16 | padded[1] << 8 | padded[2];
        for place in 0..=group.len() {
            let index = bits >> (18 - 6 * place) & 63;
            text.extend(ALPHABET.get(index as usize).map(|byte| char::from(*byte)));
        }
    }
    text
}

/// What base64url stands for; `None` for what is none.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.chunks(4) {
        if group.len() == 1 {
            return None;
        }
        let mut bits = 0;
        for place in 0..4 {
            let value = match group.get(place) {
                Some(byte) => ALPHABET.iter().position(|known| known == byte)?,
                None => 0,
            };
            bits = bits << 6 | value;
        }
        let all = [bits >> 16 & 255, bits >> 8 & 255, bits & 255];
        let some = all.iter().take(group.len() - 1);
        bytes.extend(some.map(|byte| u8::try_from(*byte).unwrap_or_default()));
    }
    Some(bytes)
}

/// A claim's text in a JSON Web Token (RFC 7519). Nothing is verified: the page only wants to know
/// whose the token is, of which the backend makes sure.
fn payload(token: &str) -> Option<Fields> {
    let payload = from_base64url(token.split('.').nth(1)?)?;
    Fields::parse(&String::from_utf8(payload).ok()?).ok()
}

/// Tokens of somebody who has signed in. Times are in milliseconds since 1970, by this device's
/// clock.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The access token: what the backend wants.
    pub access: String,
    /// What the next one is had for, where the server gives such.
    pub refresh: Option<String>,
    /// Who it is: the token's subject.
    pub subject: String,
    /// When it is time for another one.
    pub due: u64,
    /// When the access token ends.
    pub ends: u64,
}

impl std::fmt::Debug for Tokens {
    /// Tokens are not for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// Reads a token endpoint's successful answer (RFC 6749 section 5.1) that came now. `None` for
    /// what is none, and for a token that does not say whose it is.
    pub fn read(answer: &str, now: u64) -> Option<Self> {
        let fields = Fields::parse(answer).ok()?;
        let text = |name| fields.get_text(name).map(ToOwned::to_owned);
        let access = text("access_token").filter(|token| !token.is_empty())?;
        let said = payload(&access);
        let also = fields.get_text("id_token").and_then(payload);
        let subject = [&said, &also]
            .into_iter()
            .flatten()
            .find_map(|claims| claims.get_text("sub"))?
            .to_owned();
        // By the two times of the token itself where nothing else says how long it lasts: the
        // server's clock may be another than this one.
        let own = || {
            let claims = said.as_ref()?;
            let (from, to) = (claims.get_number("iat")?, claims.get_number("exp")?);
            to.checked_sub(from)
        };
        let seconds = fields.get_number("expires_in").or_else(own);
        let life = seconds.map_or(u64::MAX, |seconds| seconds.saturating_mul(1000));
        let ends = now.saturating_add(life);
        let refresh = text("refresh_token");
        let margin = if refresh.is_some() {
            MARGIN.min(life / 5)
        } else {
            // Nothing comes after it: it is used up.
            0
        };
        Some(Self {
            due: ends - margin,
            access,
            refresh,
            subject,
            ends,
        })
    }

    /// These, after `earlier` ones: a server may leave out a refresh token that stays good.
    #[must_use]
    pub fn after(mut self, earlier: &Self) -> Self {
        if self.refresh.is_none() && earlier.refresh.is_some() {
            self.refresh.clone_from(&earlier.refresh);
            let life = earlier.ends.saturating_sub(earlier.due);
            self.due = self.ends.saturating_sub(life);
        }
        self
    }

    /// As the page keeps them, for a client.
    pub fn to_json(&self, client: &str) -> String {
        let object = Object::new()
            .text("client", client)
            .text("access", &self.access)
            .text("subject", &self.subject)
            .number("due", self.due)
            .number("ends", self.ends);
        match &self.refresh {
            Some(refresh) => object.text("refresh", refresh),
            None => object,
        }
        .end()
    }

    /// Reads what was kept, if it was for that client.
    pub fn from_json(json: &str, client: &str) -> Option<Self> {
        let fields = Fields::parse(json).ok()?;
        let text = |name| fields.get_text(name).map(ToOwned::to_owned);
        if fields.get_text("client") != Some(client) {
            return None;
        }
        Some(Self {
            access: text("access")?,
            refresh: text("refresh"),
            subject: text("subject")?,
            // As large a number as there is comes back as a float, and so as none.
            due: fields.get_number("due").unwrap_or(u64::MAX),
            ends: fields.get_number("ends").unwrap_or(u64::MAX),
        })
    }
}

/// The name that an answer proposes for its file (RFC 6266).
pub fn file_name(disposition: &str, decode: impl Fn(&str) -> Option<String>) -> Option<String> {
    let value = |name: &str| {
        let mut parts = disposition.split(';').skip(1);
        parts.find_map(|part| part.trim().strip_prefix(name))
    };
    if let Some(encoded) = value("filename*=") {
        // Only UTF-8 is decoded here, as everything made today is.
        let encoded = encoded.split_once('\'')?.1.split_once('\'')?.1;
        if let Some(name) = decode(encoded) {
            return Some(name);
        }
    }
    let plain = value("filename=")?.trim_matches('"');
    (!plain.is_empty()).then(|| plain.replace('\\', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_is_that_of_the_specifications() {
        // RFC 7636, appendix A.
        assert_eq!(base64url(&[3, 236, 255, 224, 193]), "A-z_4ME");
        // RFC 7636, appendix B: the SHA-256 of the verifier there, and its challenge.
        let digest = [
            19, 211, 30, 150, 26, 26, 216, 236, 47, 22, 177, 12, 76, 152, 46, 8, 118, 168, 120,
            173, 109, 241, 68, 86, 110, 225, 137, 74, 203, 112, 249, 195,
        ];
        assert_eq!(
            base64url(&digest),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        for length in 0..40_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(41)).collect();
            assert_eq!(from_base64url(&base64url(&bytes)), Some(bytes));
        }
        assert_eq!(from_base64url("A"), None);
        assert_eq!(from_base64url("a b="), None);
        assert_eq!(from_base64url("A+/4"), None);
    }

    fn token(claims: &str) -> String {
        ["e30.", &base64url(claims.as_bytes()), ".c2ln"].concat()
    }

    fn answer(claims: &str, more: &str) -> String {
        let token = token(claims);
        format!(r#"{{"access_token":"{token}","token_type":"Bearer"{more}}}"#)
    }

    #[test]
    fn a_token_is_renewed_a_minute_before_it_ends_or_a_fifth_of_a_short_life() {
        let hour = answer(
            r#"{"sub":"ada"}"#,
            r#","expires_in":3600,"refresh_token":"r""#,
        );
        let tokens = Tokens::read(&hour, 1_000).unwrap();
        assert_eq!(tokens.subject, "ada");
        assert_eq!((tokens.due, tokens.ends), (3_541_000, 3_601_000));
        let short = answer(
            r#"{"sub":"ada"}"#,
            r#","expires_in":10,"refresh_token":"r""#,
        );
        let tokens = Tokens::read(&short, 0).unwrap();
        assert_eq!((tokens.due, tokens.ends), (8_000, 10_000));
    }

    #[test]
    fn a_token_without_a_successor_is_used_up() {
        let last = answer(r#"{"sub":"ada"}"#, r#","expires_in":10"#);
        let tokens = Tokens::read(&last, 0).unwrap();
        assert_eq!((tokens.due, tokens.ends), (10_000, 10_000));
    }

    #[test]
    fn how_long_a_token_lasts_is_read_from_the_token_where_nothing_else_says_it() {
        let own = answer(r#"{"sub":"ada","iat":50,"exp":80}"#, "");
        assert_eq!(Tokens::read(&own, 7_000).unwrap().ends, 37_000);
        let endless = answer(r#"{"sub":"ada"}"#, "");
        assert_eq!(Tokens::read(&endless, 7_000).unwrap().ends, u64::MAX);
    }

    #[test]
    fn whose_an_opaque_token_is_stands_in_the_identity_beside_it() {
        let identity = token(r#"{"sub":"grace"}"#);
        let json = format!(r#"{{"access_token":"opaque","id_token":"{identity}"}}"#);
        assert_eq!(Tokens::read(&json, 0).unwrap().subject, "grace");
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for answer in [
            "",
            "<html>",
            r#"{"error":"invalid_grant"}"#,
            r#"{"access_token":""}"#,
            r#"{"access_token":"opaque"}"#,
            r#"{"access_token":7}"#,
        ] {
            assert_eq!(Tokens::read(answer, 0), None, "{answer}");
        }
    }

    #[test]
    fn a_refresh_token_that_is_not_named_again_stays() {
        let first = answer(
            r#"{"sub":"ada"}"#,
            r#","expires_in":10,"refresh_token":"r""#,
        );
        let first = Tokens::read(&first, 0).unwrap();
        let second = answer(r#"{"sub":"ada"}"#, r#","expires_in":10"#);
        let second = Tokens::read(&second, 20_000).unwrap().after(&first);
        assert_eq!(second.refresh.as_deref(), Some("r"));
        assert_eq!((second.due, second.ends), (28_000, 30_000));
    }

    #[test]
    fn tokens_are_kept_for_one_client_alone() {
        let tokens = answer(
            r#"{"sub":"a\"b"}"#,
            r#","expires_in":10,"refresh_token":"r""#,
        );
        let tokens = Tokens::read(&tokens, 0).unwrap();
        let kept = tokens.to_json("page https://id.example/token");
        let read = Tokens::from_json(&kept, "page https://id.example/token");
        assert_eq!(read, Some(tokens));
        assert_eq!(Tokens::from_json(&kept, "another"), None);
        assert_eq!(Tokens::from_json("nonsense", "another"), None);
    }

    #[test]
    fn a_file_is_named_as_the_backend_says() {
        let decode = |text: &str| Some(text.replace("%C3%BC", "ü"));
        let name = |disposition| file_name(disposition, decode);
        assert_eq!(name("attachment"), None);
        assert_eq!(
            name(r#"attachment; filename="a.es.txt""#).unwrap(),
            "a.es.txt"
        );
        assert_eq!(
            name(r#"attachment; filename="b_.txt"; filename*=UTF-8''b%C3%BC.txt"#).unwrap(),
            "bü.txt"
        );
        assert_eq!(name("inline; filename=c.txt").unwrap(), "c.txt");
        assert_eq!(name("attachment; filename*=nonsense"), None);
    }
}
