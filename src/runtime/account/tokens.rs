//! Tokens: had for a code, kept with the tab, renewed in time, and shown with every request.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use js_sys::{Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::{Request, RequestCache, RequestCredentials, RequestInit, Response};

use super::code::{Code, form};
use super::{Setup, end, session_storage, setup, twins, window};
use crate::oauth::Tokens;
use crate::store::Trouble;
use crate::words::Text;

/// Where they are kept.
const KEY: &str = "babelwire.tokens";

/// How long until an authorization server that was out of reach is asked again, in milliseconds.
const PAUSE: u32 = 15_000;

/// The longest time that a browser waits for, in milliseconds: timers of HTML have 31 bits.
const LONGEST: u64 = i32::MAX as u64;

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// The authorization server can't be asked for one now.
    OutOfReach,
    /// There will be none before somebody signs in again.
    Ended,
}

thread_local! {
    static TOKENS: RefCell<Option<Tokens>> = const { RefCell::new(None) };
    /// A renewal that is under way.
    static RENEWING: RefCell<Option<Promise>> = const { RefCell::new(None) };
    /// Waits for the time of the next one.
    static TIMER: RefCell<Option<Timeout>> = const { RefCell::new(None) };
}

fn now() -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time in this century, in whole milliseconds"
    )]
    let now = js_sys::Date::now() as u64;
    now
}

fn tokens() -> Option<Tokens> {
    TOKENS.with_borrow(Clone::clone)
}

/// Which client of which server the tokens are for.
fn client(setup: &Setup) -> String {
    [&*setup.sign_in.client_id, " ", &setup.sign_in.token_url].concat()
}

/// Finds those of this tab; gives whether there are any.
pub(super) fn find(setup: &Setup) -> bool {
    let kept = session_storage().and_then(|storage| storage.get_item(KEY).ok()?);
    let tokens = kept.and_then(|kept| Tokens::from_json(&kept, &client(setup)));
    let any = tokens.is_some();
    TOKENS.set(tokens);
    any
}

/// Who has signed in.
pub(super) fn subject() -> Option<String> {
    tokens().map(|tokens| tokens.subject)
}

fn keep(setup: &Setup, tokens: Tokens) {
    if let Some(storage) = session_storage() {
        // A full storage costs a sign-in at the next visit of this tab.
        let _ = storage.set_item(KEY, &tokens.to_json(&client(setup)));
    }
    TOKENS.set(Some(tokens));
}

/// Forgets them.
pub(super) fn drop_all() {
    TOKENS.take();
    drop(TIMER.take());
    if let Some(storage) = session_storage() {
        let _ = storage.remove_item(KEY);
    }
}

/// Has tokens for a code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
pub(super) async fn exchange(setup: &Rc<Setup>, code: Code) -> Result<(), Trouble> {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code.code),
        ("redirect_uri", &setup.home),
        ("client_id", &setup.sign_in.client_id),
        ("code_verifier", &code.verifier),
    ];
    match ask(setup, &fields).await {
        Ok(tokens) => {
            keep(setup, tokens);
            Ok(())
        }
        Err(Lack::OutOfReach) => Err(Trouble::passing(
            Text::SignInOutOfReach,
            Text::ServerOutOfReachAdvice,
        )),
        Err(Lack::Ended) => Err(Trouble::passing(
            Text::SignInUnfinished,
            Text::SignInUnfinishedAdvice,
        )),
    }
}

/// Asks the token endpoint.
async fn ask(setup: &Setup, fields: &[(&str, &str)]) -> Result<Tokens, Lack> {
    let response = post(setup, fields).await.map_err(|_| Lack::OutOfReach)?;
    let status = response.status();
    if status >= 500 || status == 429 {
        return Err(Lack::OutOfReach);
    }
    let text = response.text().map_err(|_| Lack::OutOfReach)?;
    let text = JsFuture::from(text).await.map_err(|_| Lack::OutOfReach)?;
    let text = text.as_string().unwrap_or_default();
    if !response.ok() {
        return Err(refusal(&text));
    }
    // A page that says that the server is being worked on is a success as well.
    Tokens::read(&text, now()).ok_or(Lack::OutOfReach)
}

/// What a refusal means (RFC 6749 section 5.2). What is none of the endpoint's own comes from what
/// stands before it, and passes.
fn refusal(text: &str) -> Lack {
    let refused = js_sys::JSON::parse(text)
        .and_then(|answer| Reflect::get(&answer, &"error".into()))
        .is_ok_and(|error| error.is_string());
    if refused {
        Lack::Ended
    } else {
        Lack::OutOfReach
    }
}

async fn post(setup: &Setup, fields: &[(&str, &str)]) -> Result<Response, JsValue> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&form(fields).ok_or(JsValue::UNDEFINED)?);
    init.set_cache(RequestCache::NoStore);
    // The code or the refresh token says it all.
    init.set_credentials(RequestCredentials::Omit);
    let window = window().ok_or(JsValue::UNDEFINED)?;
    let sent = window.fetch_with_str_and_init(&setup.sign_in.token_url, &init);
    JsFuture::from(sent).await?.dyn_into()
}

/// A token that is good now; renewed first when it is time.
pub(super) async fn fresh() -> Result<String, Lack> {
    let tokens = tokens().ok_or(Lack::Ended)?;
    if now() < tokens.due {
        return Ok(tokens.access);
    }
    match renew(&tokens.access).await {
        // There is time still.
        Err(Lack::OutOfReach) if now() < tokens.ends => Ok(tokens.access),
        Err(lack) => Err(lack),
        Ok(()) => access().ok_or(Lack::Ended),
    }
}

fn access() -> Option<String> {
    tokens().map(|tokens| tokens.access)
}

/// Has the token renewed before it is used again: somebody did not take it.
pub(super) fn doubt() {
    TOKENS.with_borrow_mut(|tokens| {
        if let Some(tokens) = tokens {
            tokens.due = 0;
            tokens.ends = 0;
        }
    });
}

/// Has another token in the place of `stale`, unless there is one already. Whoever asks at the same
/// time gets the same. What ends the sign-in ends it here.
async fn renew(stale: &str) -> Result<(), Lack> {
    match tokens() {
        None => return Err(Lack::Ended),
        Some(tokens) if tokens.access != stale => return Ok(()),
        Some(_) => {}
    }
    let renewal = RENEWING.with_borrow(Clone::clone).unwrap_or_else(|| {
        let renewal = twins::alone();
        RENEWING.set(Some(renewal.clone()));
        renewal
    });
    let outcome = JsFuture::from(renewal).await;
    RENEWING.take();
    match outcome {
        Ok(_) => Ok(()),
        Err(ended) if ended == JsValue::TRUE => Err(Lack::Ended),
        Err(_) => Err(Lack::OutOfReach),
    }
}

/// A renewal, for whoever waits for it: rejected with whether the sign-in has ended.
pub(super) async fn renewal() -> Result<JsValue, JsValue> {
    match renewed().await {
        Ok(()) => Ok(JsValue::UNDEFINED),
        Err(lack) => {
            if lack == Lack::Ended {
                end();
            }
            Err((lack == Lack::Ended).into())
        }
    }
}

/// RFC 6749 section 6.
async fn renewed() -> Result<(), Lack> {
    let (setup, old) = setup().zip(tokens()).ok_or(Lack::Ended)?;
    let refresh = old.refresh.as_deref().ok_or(Lack::Ended)?;
    twins::ask(refresh).await;
    if access().is_some_and(|access| access != old.access) {
        return Ok(());
    }
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
        ("client_id", &setup.sign_in.client_id),
    ];
    let new = ask(&setup, &fields).await?;
    // Signed out meanwhile.
    let old = tokens().ok_or(Lack::Ended)?;
    if new.subject != old.subject {
        // Nothing on this page is theirs.
        return Err(Lack::Ended);
    }
    let new = new.after(&old);
    if new.refresh != old.refresh {
        twins::tell(refresh.to_owned(), new.to_json(&client(&setup)));
    }
    keep(&setup, new);
    renew_in_time();
    Ok(())
}

/// Another tab has had tokens for a refresh token: they take the place of those that it was part of.
pub(super) fn adopt(used: &str, new: &str) {
    let (Some(setup), Some(old)) = (setup(), tokens()) else {
        return;
    };
    let new = Tokens::from_json(new, &client(&setup));
    if let Some(new) = new.filter(|new| new.subject == old.subject)
        && old.refresh.as_deref() == Some(used)
    {
        keep(&setup, new);
        renew_in_time();
    }
}

/// Has the token renewed when it is time, whether anybody asks for it or not.
pub(super) fn renew_in_time() {
    let Some(tokens) = tokens().filter(|tokens| tokens.due < u64::MAX) else {
        return;
    };
    let wait = tokens.due.saturating_sub(now()).min(LONGEST);
    wait_for(u32::try_from(wait).unwrap_or_default());
}

fn wait_for(time: u32) {
    let timer = Timeout::new(time, || {
        spawn_local(async {
            if fresh().await.is_err() || is_due() {
                if tokens().is_some() {
                    wait_for(PAUSE);
                }
            } else {
                renew_in_time();
            }
        });
    });
    // Cancels the one before.
    drop(TIMER.replace(Some(timer)));
}

fn is_due() -> bool {
    tokens().is_some_and(|tokens| tokens.due <= now())
}

/// Sends a request with the token. A backend that does not take it is asked once more with another
/// one. Where somebody has to sign in first, the answer is waited for as long as the page is there:
/// nothing that was asked is lost by being refused.
pub(super) fn send(request: Request) -> Promise {
    future_to_promise(async move {
        let token = token().await?;
        let response = send_with(&request, &token).await?;
        if response.status() != 401 {
            return Ok(response.into());
        }
        match renew(&token).await {
            Ok(()) => {}
            Err(Lack::OutOfReach) => return Err(JsValue::UNDEFINED),
            Err(Lack::Ended) => return never().await,
        }
        let response = send_with(&request, &self::token().await?).await?;
        if response.status() != 401 {
            return Ok(response.into());
        }
        end();
        never().await
    })
}

async fn token() -> Result<String, JsValue> {
    match fresh().await {
        Ok(token) => Ok(token),
        Err(Lack::OutOfReach) => Err(JsValue::UNDEFINED),
        Err(Lack::Ended) => {
            never().await?;
            Err(JsValue::UNDEFINED)
        }
    }
}

async fn never() -> Result<JsValue, JsValue> {
    JsFuture::from(Promise::new(&mut |_, _| {})).await
}

/// A copy is sent: a request's body can be read once.
async fn send_with(request: &Request, token: &str) -> Result<Response, JsValue> {
    let request = request.clone()?;
    let bearer = ["Bearer ", token].concat();
    request.headers().set("Authorization", &bearer)?;
    let window = window().ok_or(JsValue::UNDEFINED)?;
    let sent = window.fetch_with_request(&request);
    JsFuture::from(sent).await?.dyn_into()
}
