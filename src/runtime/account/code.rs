//! The way to the authorization server and back.

use babelwire_wire::{Fields, Object};
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Url, UrlSearchParams};

use super::{Setup, Store, session_storage, window};
use crate::oauth::base64url;
use crate::store::{KeptMsg, Msg, Trouble};
use crate::words::Text;

/// Where it is noted what was asked, until somebody comes back with the answer.
const ASKED: &str = "babelwire.signing-in";

/// How many random bytes a secret has: 256 bits, as RFC 7636 recommends (section 4.1).
const SECRET: u32 = 32;

/// Parameters of an answer, by which no other visit is to be taken for one (RFC 6749 section 4.1.2;
/// `iss` of RFC 9207; `session_state` of "`OpenID` Connect Session Management").
const ANSWER: [&str; 7] = [
    "code",
    "state",
    "error",
    "error_description",
    "error_uri",
    "iss",
    "session_state",
];

/// An authorization code, and what proves that it was given to this tab.
pub(super) struct Code {
    pub(super) code: String,
    pub(super) verifier: String,
}

/// Leads to the authorization server.
pub(super) async fn ask(setup: &Setup) -> Result<(), Trouble> {
    let insecure = || Trouble::lasting(Text::SignInInsecure, Text::SignInInsecureAdvice);
    let unfinished = || Trouble::passing(Text::SignInUnfinished, Text::SignInUnfinishedAdvice);
    let window = window().ok_or_else(insecure)?;
    if !window.is_secure_context() {
        return Err(insecure());
    }
    let (verifier, state) = secret().zip(secret()).ok_or_else(insecure)?;
    let challenge = challenge(&verifier).await.map_err(|_| insecure())?;
    let asked = Object::new()
        .text("state", &state)
        .text("verifier", &verifier)
        .text("hash", &window.location().hash().unwrap_or_default());
    let noted = session_storage().map(|storage| storage.set_item(ASKED, &asked.end()));
    if !matches!(noted, Some(Ok(()))) {
        // Nobody could be known again.
        return Err(unfinished());
    }
    let sign_in = &setup.sign_in;
    let url = Url::new(&sign_in.authorize_url).map_err(|_| unfinished())?;
    let query = url.search_params();
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", &sign_in.client_id),
        ("redirect_uri", &setup.home),
        ("state", &state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ] {
        query.set(name, value);
    }
    if let Some(scope) = &sign_in.scope {
        query.set("scope", scope);
    }
    window
        .location()
        .assign(&url.href())
        .map_err(|_| unfinished())
}

fn secret() -> Option<String> {
    let bytes = Uint8Array::new_with_length(SECRET);
    let crypto = window()?.crypto().ok()?;
    crypto
        .get_random_values_with_array_buffer_view(&bytes)
        .ok()?;
    Some(base64url(&bytes.to_vec()))
}

/// RFC 7636 section 4.2, `S256`.
async fn challenge(verifier: &str) -> Result<String, JsValue> {
    let crypto = window().ok_or(JsValue::UNDEFINED)?.crypto()?.subtle();
    let bytes = Uint8Array::from(verifier.as_bytes());
    let digest =
        JsFuture::from(crypto.digest_with_str_and_buffer_source("SHA-256", &bytes)?).await?;
    Ok(base64url(&Uint8Array::new(&digest).to_vec()))
}

/// Takes the answer that somebody came back with out of the address, so that it is neither seen nor
/// used again. One to a question that this tab has not asked is none.
pub(super) fn take_answer() -> Option<Result<Code, Trouble>> {
    let window = window()?;
    let location = window.location();
    let query = UrlSearchParams::new_with_str(&location.search().ok()?).ok()?;
    let state = query.get("state")?;
    let (code, error) = (query.get("code"), query.get("error"));
    if code.is_none() && error.is_none() {
        return None;
    }
    let asked = session_storage().and_then(|storage| {
        let asked = storage.get_item(ASKED).ok()??;
        Fields::parse(&asked).ok()
    });
    let asked = asked.filter(|asked| asked.get_text("state") == Some(state.as_str()));
    for name in ANSWER {
        query.delete(name);
    }
    let rest = String::from(query.to_string());
    let hash = location.hash().unwrap_or_default();
    let search = if rest.is_empty() { "" } else { "?" };
    let path = location.pathname().unwrap_or_default();
    let url = [&path, search, &rest, &hash].concat();
    if let Ok(history) = window.history() {
        // A page that may not change its own address works all the same.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&url));
    }
    let unfinished = Trouble::passing(Text::SignInUnfinished, Text::SignInUnfinishedAdvice);
    let Some(verifier) = asked.and_then(|asked| asked.get_text("verifier").map(ToOwned::to_owned))
    else {
        return Some(Err(unfinished));
    };
    Some(match code {
        Some(code) => Ok(Code { code, verifier }),
        None if error.as_deref() == Some("access_denied") => Err(Trouble::passing(
            Text::SignInRefused,
            Text::SignInRefusedAdvice,
        )),
        None => Err(unfinished),
    })
}

/// Goes back to what was read when somebody went to sign in.
pub(super) fn go_back(store: &Store) {
    let asked = session_storage().and_then(|storage| {
        let asked = storage.get_item(ASKED).ok()??;
        // Asked and answered.
        let _ = storage.remove_item(ASKED);
        Fields::parse(&asked).ok()
    });
    let id = asked.as_ref().and_then(|asked| {
        let id = asked
            .get_text("hash")?
            .strip_prefix(super::super::routes::PREFIX)?;
        let decoded = js_sys::decode_uri_component(id).ok()?;
        Some(String::from(decoded))
    });
    if let Some(id) = id.filter(|id| !id.is_empty()) {
        store.dispatch(Msg::Kept(KeptMsg::Address(Some(id))));
    }
}

/// What a form would send (WHATWG URL, `application/x-www-form-urlencoded`).
pub(super) fn form(fields: &[(&str, &str)]) -> Option<JsValue> {
    let form = UrlSearchParams::new().ok()?;
    for (name, value) in fields {
        form.append(name, value);
    }
    Some(form.unchecked_into())
}
