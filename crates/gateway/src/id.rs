//! Identifiers as API Gateway makes them: base64 of 11 bytes, such as `TXzPWdnOjoECGjA=`.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_URL_SAFE,
};

const LEN: usize = 11;

/// Sixteen characters of base64 whose last one is padding; stray bits before the padding are
/// forgiven, and so is the other alphabet, because the question is only whether such an id could
/// ever have been given out, here or by the real service.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// A new connection id. All 88 bits are unguessable: whoever knows an id can write to its client.
pub(crate) fn connection_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64_URL_SAFE.encode(bytes))
}

/// Whether a string has the form of a connection id.
pub(crate) fn is_connection_id(id: &str) -> bool {
    let id = id.replace('+', "-").replace('/', "_");
    let mut bytes = [0; LEN + 1];
    id.len() == 16 && matches!(LENIENT.decode_slice(id, &mut bytes), Ok(LEN))
}

/// Makes request and message ids: unique within a process and unlikely to meet those of
/// another, but not secret.
#[derive(Debug)]
pub(crate) struct RequestIds {
    salt: [u8; 3],
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut salt = [0; 3];
        getrandom::fill(&mut salt)?;
        Ok(Self {
            salt,
            next: AtomicU64::new(getrandom::u64()?),
        })
    }

    pub(crate) fn next(&self) -> String {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&self.next.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        bytes[8..].copy_from_slice(&self.salt);
        BASE64_URL_SAFE.encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_has_the_form_of_an_id_and_no_two_are_alike() {
        let ids: std::collections::HashSet<_> =
            (0..1000).map(|_| connection_id().unwrap()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| is_connection_id(id)), "{ids:?}");
    }

    #[test]
    fn ids_of_the_real_service_have_the_form_of_an_id() {
        for id in ["TXzPWdnOjoECGjA=", "d5wP-cqfoAMCFXA=", "AbCdEfGh_jKlMnO="] {
            assert!(is_connection_id(id), "{id}");
        }
    }

    #[test]
    fn an_id_in_the_common_alphabet_of_base64_has_the_form_of_an_id() {
        for id in ["TXzP/dnOjo+CGjA=", "////////////++8=", "AAAA/_AA+-AAAAA="] {
            assert!(is_connection_id(id), "{id}");
        }
    }

    #[test]
    fn anything_else_has_not() {
        for id in [
            "",
            "x",
            "not-a-connection-id",
            "does-not-exist==",
            "TXzPWdnOjoECGjA",
            "TXzPWdnOjoECGjAA",
            "TXzPWdnOjoECGjA=TXzPWdnOjoECGjA=",
            "TXzPWdn../ECGjA=",
            "ééééÿÿÿÿ",
        ] {
            assert!(!is_connection_id(id), "{id}");
        }
    }

    #[test]
    fn request_ids_are_unique() {
        let ids = RequestIds::new().unwrap();
        assert_ne!(ids.next(), ids.next());
        assert_eq!(ids.next().len(), 16);
    }
}
