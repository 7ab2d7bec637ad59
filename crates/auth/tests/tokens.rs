//! Tokens, true and false, before a verifier.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use babelwire_auth::testing::{Signer, key_set, part};
use babelwire_auth::{
    AuthError, KeySetError, LEEWAY, MAX_SUBJECT_BYTES, MAX_TOKEN_BYTES, Verifier,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

const ISSUER: &str = "https://issuer.example/pool";
const AUDIENCE: &str = "babelwire-page";

fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

fn seconds_from_now(seconds: i64) -> i64 {
    now().as_second() + seconds
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ada",
        "iat": seconds_from_now(-10), "exp": seconds_from_now(3600),
    })
}

/// The usual claims, with some of them changed, or removed where there is a null.
fn claims_with(changes: Value) -> Value {
    let mut claims = claims();
    let fields = claims.as_object_mut().unwrap();
    let Value::Object(changes) = changes else {
        panic!("changes are an object");
    };
    for (name, value) in changes {
        if value.is_null() {
            fields.remove(&name);
        } else {
            fields.insert(name, value);
        }
    }
    claims
}

struct World {
    signer: Signer,
    verifier: Verifier,
}

impl World {
    fn new() -> Self {
        Self::with_algorithm("ES256")
    }

    fn with_algorithm(algorithm: &str) -> Self {
        let signer = Signer::new("one", algorithm).unwrap();
        let verifier = verifier(&key_set(&[&signer]).unwrap());
        Self { signer, verifier }
    }

    fn verdict(&self, claims: &Value) -> Result<String, AuthError> {
        self.verdict_on(&self.signer.token(claims).unwrap())
    }

    fn verdict_on(&self, token: &str) -> Result<String, AuthError> {
        self.verifier
            .verify(token, now())
            .map(|identity| identity.subject)
    }
}

fn verifier(jwks: &str) -> Verifier {
    Verifier::from_jwks(jwks)
        .unwrap()
        .with_issuer(ISSUER)
        .with_audience(AUDIENCE)
}

#[test]
fn a_token_of_every_algorithm_is_believed_and_tells_who_and_how_long() {
    for algorithm in ["ES256", "ES384", "EdDSA", "RS256", "PS512"] {
        let world = World::with_algorithm(algorithm);
        let token = world.signer.token(&claims()).unwrap();
        let identity = world.verifier.verify(&token, now()).unwrap();
        assert_eq!(identity.subject, "ada", "{algorithm}");
        assert_eq!(identity.expires.as_second(), seconds_from_now(3600));
    }
}

#[test]
fn a_token_with_any_of_its_characters_changed_is_not_believed() {
    let world = World::new();
    let token = world.signer.token(&claims()).unwrap();
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(bytes).unwrap();
        world.verdict_on(&tampered).expect_err(&tampered);
    }
    for end in 0..token.len() {
        world.verdict_on(&token[..end]).expect_err("cut");
    }
}

#[test]
fn claims_of_one_token_under_the_signature_of_another_are_not_believed() {
    let world = World::new();
    let token = world.signer.token(&claims()).unwrap();
    let other = world
        .signer
        .token(&claims_with(json!({"sub": "eve"})))
        .unwrap();
    let (message, _) = token.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    assert_eq!(
        world.verdict_on(&format!("{message}.{signature}")),
        Err(AuthError::Signature)
    );
}

#[test]
fn a_token_without_a_signature_is_not_believed_however_it_spells_none() {
    let world = World::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let message = format!(
            "{}.{}",
            part(&json!({"alg": alg, "kid": "one"})),
            part(&claims())
        );
        for signature in ["", "AAAA"] {
            let verdict = world.verdict_on(&format!("{message}.{signature}"));
            assert!(
                matches!(verdict, Err(AuthError::Algorithm(_))),
                "{alg}: {verdict:?}"
            );
        }
    }
}

#[test]
fn a_public_key_used_as_a_secret_opens_nothing() {
    let world = World::with_algorithm("RS256");
    let jwk = world.signer.jwk().unwrap();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let secrets = [
        modulus,
        jwk["n"].as_str().unwrap().into(),
        jwk.to_string().into_bytes(),
        key_set(&[&world.signer]).unwrap().into_bytes(),
    ];
    for secret in secrets {
        for alg in ["HS256", "HS384", "HS512"] {
            let header = json!({"alg": alg, "kid": "one"});
            let message = format!("{}.{}", part(&header), part(&claims()));
            let signature = jsonwebtoken::crypto::sign(
                message.as_bytes(),
                &jsonwebtoken::EncodingKey::from_secret(&secret),
                alg.parse().unwrap(),
            )
            .unwrap();
            let verdict = world.verdict_on(&format!("{message}.{signature}"));
            assert!(
                matches!(verdict, Err(AuthError::Algorithm(_))),
                "{verdict:?}"
            );
        }
    }
}

#[test]
fn the_key_decides_on_the_algorithm_and_not_the_token() {
    // The key says RS256 of itself; its owner signs with another of RSA's all the same.
    let world = World::with_algorithm("RS256");
    for alg in ["RS512", "PS256", "ES256", "EdDSA", "RS999", "rs256"] {
        let token = world
            .signer
            .token_with_header(&json!({"alg": alg, "kid": "one"}), &claims())
            .unwrap();
        let verdict = world.verdict_on(&token);
        assert!(
            matches!(verdict, Err(AuthError::Algorithm(_))),
            "{alg}: {verdict:?}"
        );
    }
}

#[test]
fn a_key_that_names_no_algorithm_is_taken_for_all_that_its_type_has() {
    let signer = Signer::new("one", "RS384").unwrap();
    let mut jwk = signer.jwk().unwrap();
    jwk.as_object_mut().unwrap().remove("alg");
    let verifier = verifier(&json!({"keys": [jwk]}).to_string());
    let token = |alg: &str| {
        signer
            .token_with_header(&json!({"alg": alg, "kid": "one"}), &claims())
            .unwrap()
    };
    verifier.verify(&token("RS384"), now()).unwrap();
    assert_eq!(
        verifier.verify(&token("RS256"), now()),
        Err(AuthError::Signature)
    );
    assert!(matches!(
        verifier.verify(&token("HS384"), now()),
        Err(AuthError::Algorithm(_))
    ));
}

#[test]
fn an_expired_token_is_believed_as_long_as_clocks_may_differ_and_no_longer() {
    let world = World::new();
    let leeway = LEEWAY.as_secs();
    let expired = |ago: i64| claims_with(json!({"exp": seconds_from_now(-ago)}));
    world.verdict(&expired(0)).unwrap();
    world.verdict(&expired(leeway - 1)).unwrap();
    for ago in [leeway, leeway + 1, 1_000_000] {
        let at = now() - SignedDuration::from_secs(ago);
        assert_eq!(world.verdict(&expired(ago)), Err(AuthError::Expired(at)));
    }
}

#[test]
fn a_token_whose_time_has_not_come_is_not_believed() {
    let world = World::new();
    let leeway = LEEWAY.as_secs();
    for claim in ["nbf", "iat"] {
        let from = |ahead: i64| claims_with(json!({claim: seconds_from_now(ahead)}));
        world.verdict(&from(-5)).unwrap();
        world.verdict(&from(leeway)).unwrap();
        let at = now() + SignedDuration::from_secs(leeway + 1);
        assert_eq!(
            world.verdict(&from(leeway + 1)),
            Err(AuthError::Premature(at)),
            "{claim}"
        );
    }
}

#[test]
fn times_may_have_fractions_and_lie_beyond_the_end_of_time_but_must_be_numbers() {
    let world = World::new();
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 fit many times over"
    )]
    let fraction = seconds_from_now(3600) as f64 + 0.5;
    for exp in [
        json!(fraction),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MAX),
    ] {
        world
            .verdict(&claims_with(json!({"exp": exp})))
            .unwrap_or_else(|error| panic!("{exp}: {error}"));
    }
    for exp in [
        json!("soon"),
        json!([]),
        json!(true),
        json!(seconds_from_now(99).to_string()),
    ] {
        let verdict = world.verdict(&claims_with(json!({"exp": exp})));
        assert!(
            matches!(verdict, Err(AuthError::Claim { claim: "exp", .. })),
            "{verdict:?}"
        );
    }
    let verdict = world.verdict(&claims_with(json!({"exp": -1e300})));
    assert!(matches!(verdict, Err(AuthError::Expired(_))), "{verdict:?}");
    let verdict = world.verdict(&claims_with(json!({"nbf": 1e300})));
    assert!(
        matches!(verdict, Err(AuthError::Premature(_))),
        "{verdict:?}"
    );
}

#[test]
fn a_token_of_another_issuer_is_not_believed() {
    let world = World::new();
    for iss in [
        json!("https://issuer.example/pool/"),
        json!("x"),
        json!([ISSUER]),
        json!(1),
    ] {
        let verdict = world.verdict(&claims_with(json!({"iss": iss})));
        assert!(matches!(verdict, Err(AuthError::Issuer(_))), "{verdict:?}");
    }
    assert_eq!(
        world.verdict(&claims_with(json!({"iss": null}))),
        Err(AuthError::NoClaim("iss"))
    );
}

#[test]
fn a_token_for_another_application_is_not_believed() {
    let world = World::new();
    for aud in [
        json!("x"),
        json!(["x", "y"]),
        json!([]),
        json!(7),
        json!({AUDIENCE: 1}),
    ] {
        let verdict = world.verdict(&claims_with(json!({"aud": aud, "client_id": AUDIENCE})));
        assert!(
            matches!(verdict, Err(AuthError::Audience(_))),
            "{verdict:?}"
        );
    }
    world
        .verdict(&claims_with(json!({"aud": ["x", AUDIENCE]})))
        .unwrap();
}

#[test]
fn where_there_is_no_audience_the_client_id_counts_as_in_cognitos_access_tokens() {
    let world = World::new();
    world
        .verdict(&claims_with(json!({"aud": null, "client_id": AUDIENCE})))
        .unwrap();
    let verdict = world.verdict(&claims_with(json!({"aud": null, "client_id": "x"})));
    assert!(
        matches!(verdict, Err(AuthError::Audience(_))),
        "{verdict:?}"
    );
    let verdict = world.verdict(&claims_with(json!({"aud": null})));
    assert!(matches!(verdict, Err(AuthError::NoClaim(_))), "{verdict:?}");
}

#[test]
fn issuer_and_audience_are_not_asked_for_by_a_verifier_that_was_told_of_none() {
    let signer = Signer::new("one", "EdDSA").unwrap();
    let verifier = Verifier::from_jwks(&key_set(&[&signer]).unwrap()).unwrap();
    let token = signer
        .token(&claims_with(json!({"iss": null, "aud": null})))
        .unwrap();
    verifier.verify(&token, now()).unwrap();
}

#[test]
fn a_token_without_an_end_or_without_a_subject_is_not_believed() {
    let world = World::new();
    for claim in ["exp", "sub"] {
        assert_eq!(
            world.verdict(&claims_with(json!({claim: null}))),
            Err(AuthError::NoClaim(claim))
        );
    }
}

#[test]
fn a_subject_is_a_text_of_a_sensible_length_that_stands_for_somebody() {
    let world = World::new();
    let longest = "s".repeat(MAX_SUBJECT_BYTES);
    for sub in [
        longest.as_str(),
        "auth0|5f7c8ec7c33c6c004bbafe82",
        "ada@example.org",
        "a#1",
        "ß",
    ] {
        assert_eq!(
            world.verdict(&claims_with(json!({"sub": sub}))).as_deref(),
            Ok(sub)
        );
    }
    for sub in [
        json!(""),
        json!("  "),
        json!("*"),
        json!("a\nb"),
        json!("a\u{0}"),
        json!(format!("{longest}s")),
        json!(7),
    ] {
        let verdict = world.verdict(&claims_with(json!({"sub": sub})));
        assert!(
            matches!(verdict, Err(AuthError::Claim { claim: "sub", .. })),
            "{sub}: {verdict:?}"
        );
    }
    for sub in [json!(["ada"]), json!({"name": "ada"})] {
        let verdict = world.verdict(&claims_with(json!({"sub": sub})));
        assert!(verdict.is_err(), "{verdict:?}");
    }
}

#[test]
fn of_two_keys_the_one_that_the_token_names_is_taken() {
    let one = Signer::new("one", "ES256").unwrap();
    let two = Signer::new("two", "ES256").unwrap();
    let both = verifier(&key_set(&[&one, &two]).unwrap());
    for signer in [&one, &two] {
        both.verify(&signer.token(&claims()).unwrap(), now())
            .unwrap();
    }
    // Signed with one, and says that it was the other.
    let token = one
        .token_with_header(&json!({"alg": "ES256", "kid": "two"}), &claims())
        .unwrap();
    assert_eq!(both.verify(&token, now()), Err(AuthError::Signature));
}

#[test]
fn a_key_that_the_set_has_not_yet_is_told_apart_so_that_the_set_can_be_fetched_again() {
    let one = Signer::new("one", "ES256").unwrap();
    let new = Signer::new("new", "ES256").unwrap();
    let token = new.token(&claims()).unwrap();
    let before = verifier(&key_set(&[&one]).unwrap());
    assert_eq!(
        before.verify(&token, now()),
        Err(AuthError::UnknownKey("\"new\"".to_owned()))
    );
    let after = verifier(&key_set(&[&one, &new]).unwrap());
    after.verify(&token, now()).unwrap();
}

#[test]
fn a_token_that_names_no_key_may_be_of_any() {
    let one = Signer::new("one", "EdDSA").unwrap();
    let two = Signer::new("two", "ES256").unwrap();
    let stranger = Signer::new("two", "ES256").unwrap();
    let both = verifier(&key_set(&[&one, &two]).unwrap());
    let nameless = |signer: &Signer| {
        signer
            .token_with_header(&json!({"alg": "ES256"}), &claims())
            .unwrap()
    };
    both.verify(&nameless(&two), now()).unwrap();
    assert_eq!(
        both.verify(&nameless(&stranger), now()),
        Err(AuthError::Signature)
    );
}

#[test]
fn a_token_that_brings_its_own_key_is_not_believed() {
    let world = World::new();
    let eve = Signer::new("one", "ES256").unwrap();
    let header = json!({
        "alg": "ES256", "kid": "one", "jwk": eve.jwk().unwrap(),
        "jku": "https://eve.example/jwks.json",
    });
    let token = eve.token_with_header(&header, &claims()).unwrap();
    assert_eq!(world.verdict_on(&token), Err(AuthError::Signature));
}

#[test]
fn a_token_that_insists_on_an_extension_is_not_believed() {
    let world = World::new();
    let header = json!({"alg": "ES256", "kid": "one", "crit": ["b64"], "b64": false});
    let token = world.signer.token_with_header(&header, &claims()).unwrap();
    assert!(matches!(
        world.verdict_on(&token),
        Err(AuthError::Malformed(_))
    ));
}

#[test]
fn a_huge_token_is_refused_before_it_is_read() {
    let world = World::new();
    let huge = "A".repeat(10_000_000);
    assert_eq!(world.verdict_on(&huge), Err(AuthError::TooLong(10_000_000)));
    let claims = claims_with(json!({"groups": "g".repeat(MAX_TOKEN_BYTES)}));
    assert!(matches!(world.verdict(&claims), Err(AuthError::TooLong(_))));
}

#[test]
fn what_is_no_token_is_refused_in_words_and_never_with_a_panic() {
    let world = World::new();
    assert_eq!(world.verdict_on(""), Err(AuthError::Missing));
    let signed = |header: &str, claims: &str| {
        format!(
            "{}.{}.AAAA",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        )
    };
    for token in [
        "a".to_owned(),
        "a.b".to_owned(),
        "..".to_owned(),
        "a.b.c.d".to_owned(),
        "é.é.é".to_owned(),
        "{}.{}.{}".to_owned(),
        signed("", ""),
        signed("{}", "{}"),
        signed("[]", "{}"),
        signed("null", "{}"),
        signed(r#"{"alg":1}"#, "{}"),
        signed(r#"{"alg":"ES256","kid":1}"#, "{}"),
        signed(r#"{"alg":"ES256","kid":"one"}"#, "{}"),
        signed(&"[".repeat(4000), "{}"),
        "\0.\0.\0".to_owned(),
    ] {
        let error = world.verdict_on(&token).expect_err(&token);
        assert!(error.to_string().starts_with("the token"), "{error}");
    }
    // A signature of something that is no set of claims.
    for claims in [json!([]), json!("x"), json!(null), json!(7)] {
        let error = world.verdict(&claims).unwrap_err();
        assert!(matches!(error, AuthError::Malformed(_)), "{error}");
    }
}

#[test]
fn what_a_stranger_wrote_stays_in_one_line_of_the_log_and_never_reaches_the_client() {
    let world = World::new();
    let kid = format!("x\nERROR forged \u{1b}[31m {}", "y".repeat(1000));
    let token = world
        .signer
        .token_with_header(&json!({"alg": "ES256", "kid": kid}), &claims())
        .unwrap();
    let error = world.verdict_on(&token).unwrap_err();
    let logged = error.to_string();
    assert!(logged.len() < 200, "{logged}");
    assert!(!logged.contains(char::is_control), "{logged:?}");
    assert!(!error.advice().contains("forged"));
    assert!(
        error
            .advice()
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\')
    );
}

#[test]
fn keys_of_no_use_are_left_out_and_named() {
    let good = Signer::new("good", "ES256").unwrap();
    let rsa = Signer::new("rsa", "RS256").unwrap().jwk().unwrap();
    let with = |base: &Value, changes: Value| {
        let mut jwk = base.clone();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    };
    let ec = good.jwk().unwrap();
    let short = URL_SAFE_NO_PAD.encode([0xff; 128]);
    let set = json!({
        "keys": [
            {"kty": "oct", "kid": "symmetric", "k": "c2VjcmV0", "alg": "HS256"},
            {"kty": "future", "kid": "future", "x": {"y": []}},
            {"kid": "typeless"},
            with(&rsa, json!({"kid": "encryption", "use": "enc"})),
            with(&rsa, json!({"kid": "wrapping", "key_ops": ["wrapKey"]})),
            with(&rsa, json!({"kid": "oaep", "alg": "RSA-OAEP"})),
            with(&rsa, json!({"kid": "short", "n": short})),
            with(&rsa, json!({"kid": "confused", "alg": "HS256"})),
            with(&ec, json!({"kid": "p521", "crv": "P-521"})),
            with(&ec, json!({"kid": "cut", "x": "AAAA"})),
            with(&ec, json!({"kid": "mixed", "alg": "ES384"})),
            {"kty": "OKP", "kid": "x25519", "crv": "X25519", "x": "AAAA"},
            7,
            ec,
        ],
        "more": true,
    });
    let verifier = verifier(&set.to_string());
    verifier
        .verify(&good.token(&claims()).unwrap(), now())
        .unwrap();
    let ignored = verifier.ignored_keys().join("\n");
    for name in [
        "symmetric",
        "future",
        "typeless",
        "encryption",
        "wrapping",
        "oaep",
        "short",
        "confused",
        "p521",
        "cut",
        "mixed",
        "x25519",
        "key number 13",
    ] {
        assert!(ignored.contains(name), "{name} in {ignored}");
    }
    assert!(!ignored.contains("good"));
}

#[test]
fn a_key_set_may_say_more_of_its_keys_than_is_understood() {
    let signer = Signer::new("one", "EdDSA").unwrap();
    let mut jwk = signer.jwk().unwrap();
    jwk["x5c"] = json!(["MIIB"]);
    jwk["use"] = json!("sig");
    jwk["issued"] = json!({"by": "hand"});
    let verifier = verifier(&json!({"keys": [jwk], "next": null}).to_string());
    verifier
        .verify(&signer.token(&claims()).unwrap(), now())
        .unwrap();
}

#[test]
fn what_is_no_key_set_or_has_no_key_is_refused_in_words() {
    for text in ["", "{}", "[]", "not JSON", r#"{"keys":7}"#] {
        let error = Verifier::from_jwks(text).unwrap_err();
        assert!(
            matches!(error, KeySetError::NotAKeySet(_)),
            "{text}: {error}"
        );
    }
    let error = Verifier::from_jwks(r#"{"keys":[]}"#).unwrap_err();
    assert!(error.to_string().contains("it is empty"), "{error}");
    let error =
        Verifier::from_jwks(r#"{"keys":[{"kty":"oct","kid":"s","k":"AAAA"}]}"#).unwrap_err();
    assert!(
        error.to_string().contains("key \"s\" is symmetric"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn whatever_comes_as_a_token_is_refused_and_breaks_nothing(
        text in any::<String>(),
        parts in prop::collection::vec(any::<Vec<u8>>(), 0..5),
        json in "[\\[\\]{}\",:0-9a-z\\\\ ]{0,60}",
    ) {
        let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let verifier = verifier(keys);
        let encoded: Vec<_> = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","kid":"one"}"#);
        let json = URL_SAFE_NO_PAD.encode(json);
        for token in [
            text.clone(),
            encoded.join("."),
            format!("{json}.{json}.{json}"),
            format!("{header}.{json}.{}", encoded.concat()),
        ] {
            prop_assert!(verifier.verify(&token, now()).is_err());
        }
    }

    #[test]
    fn whatever_comes_as_a_key_set_is_read_or_refused_and_breaks_nothing(
        text in any::<String>(),
        x in "[A-Za-z0-9_=-]{0,90}",
        kind in "(RSA|EC|OKP|oct|[a-z]{0,4})",
        curve in "(P-256|P-384|P-521|Ed25519|[a-z]{0,4})",
    ) {
        let key = json!({"kty": kind, "crv": curve, "x": x, "y": x, "n": x, "e": x, "k": x});
        for set in [text.clone(), json!({"keys": [key, text]}).to_string()] {
            if let Ok(verifier) = Verifier::from_jwks(&set) {
                prop_assert!(verifier.verify("e30.e30.AAAA", now()).is_err());
            }
        }
    }
}
