//! Signing in: OAuth 2.0's authorization code with PKCE (RFC 6749 section 4.1, RFC 7636), done by
//! the page itself, and each request and each dial with the token that is good at that moment.
//!
//! Tokens are in `sessionStorage`: they go with the tab. What the device keeps has the subject in
//! its name, and so has the connection that tabs share.

mod code;
mod downloads;
mod tokens;
mod twins;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use babelwire_client::{DialFailure, DialRequest, Endpoint, Options, TabsOptions, websocket_url};
use babelwire_wire::config::{Config, SignIn};
use gloo_timers::callback::Timeout;
use js_sys::Reflect;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Storage, Url, Window};

use super::kept::forget_unopened;
use super::{Store, front, kept_key, storage};
use crate::api::Api;
use crate::store::{Link, Msg, Session, Trouble};
use crate::words::{Text, say};
use tokens::Lack;

/// The subprotocol that is spoken. The token is offered after it, as the only thing beside the URL
/// that a browser sends with a handshake; the backend chooses this one.
const PROTOCOL: &str = "babelwire";

/// How long what the device keeps has to be forgotten before the page leaves all the same, in
/// milliseconds.
const PATIENCE: u32 = 3_000;

/// Where people sign in, and what for.
struct Setup {
    store: Store,
    config: Config,
    sign_in: SignIn,
    /// The page's own address, to which people come back.
    home: String,
}

thread_local! {
    static SETUP: RefCell<Option<Rc<Setup>>> = const { RefCell::new(None) };
    /// Whether a dial has been made.
    static DIALLED: Cell<bool> = const { Cell::new(false) };
}

/// Goes on as whoever has signed in, or asks somebody to.
pub(crate) fn begin(store: &Store, config: Config, sign_in: SignIn) {
    let Some((home, sign_in)) = resolved(sign_in) else {
        let trouble = Trouble::lasting(Text::ConfigSignIn, Text::ConfigSignInAdvice);
        return store.dispatch(Msg::Configured(Err(trouble)));
    };
    let setup = Rc::new(Setup {
        store: store.clone(),
        config,
        sign_in,
        home,
    });
    SETUP.set(Some(setup.clone()));
    let answer = code::take_answer();
    if tokens::find(&setup) {
        return enter(&setup);
    }
    match answer {
        None => out(store, None),
        Some(Err(trouble)) => out(store, Some(trouble)),
        Some(Ok(code)) => spawn_local(async move {
            match tokens::exchange(&setup, code).await {
                Ok(()) => enter(&setup),
                Err(trouble) => out(&setup.store, Some(trouble)),
            }
        }),
    }
}

/// With addresses that are whole, and that a browser can be sent to.
fn resolved(mut sign_in: SignIn) -> Option<(String, SignIn)> {
    let here = window()?.location().href().ok()?;
    let resolve = |url: &str| {
        let url = Url::new_with_base(url, &here).ok()?;
        matches!(&*url.protocol(), "https:" | "http:").then(|| url.href())
    };
    for url in [&mut sign_in.authorize_url, &mut sign_in.token_url]
        .into_iter()
        .chain(&mut sign_in.logout_url)
    {
        *url = resolve(url)?;
    }
    Some((resolve("./")?.split(['?', '#']).next()?.to_owned(), sign_in))
}

fn out(store: &Store, why: Option<Trouble>) {
    store.dispatch(Msg::Session(Session::Out(why)));
}

/// Works with the backend as whoever has signed in.
fn enter(setup: &Rc<Setup>) {
    let Some(subject) = tokens::subject() else {
        return out(&setup.store, None);
    };
    let store = &setup.store;
    let api = setup.config.api_url.as_deref();
    let api = api.map(|url| Api::signed(url, &subject, tokens::send));
    // Another person's tabs have another connection, and another backend's as well.
    let url = setup.config.websocket_url.clone();
    let whole = websocket_url(&url).unwrap_or_default();
    let name = [front::TABS, " ", &whole, " ", &subject].concat();
    let kept = storage().and_then(|storage| storage.get_item(&kept_key(api.as_ref())).ok()?);
    downloads::watch(store);
    store.dispatch(Msg::Session(Session::In));
    let asked = store.clone();
    let options =
        Options::with_provider(move |request| endpoint(asked.clone(), url.clone(), request));
    front::enter(store, api, options, TabsOptions::new(name));
    twins::listen();
    tokens::renew_in_time();
    if kept.is_some() {
        store.fetch_desk();
    }
    code::go_back(store);
}

/// What to dial next, with the token that is good by then.
async fn endpoint(
    store: Store,
    url: String,
    request: DialRequest,
) -> Result<Endpoint, DialFailure> {
    let again = DIALLED.replace(true);
    if request.reauthenticate {
        tokens::doubt();
    } else if again && store.state().link != Link::Open {
        // A browser does not say why a handshake failed. Were it the token, REST says so, and the
        // next dial has another one.
        verify(&store);
    }
    match tokens::fresh().await {
        Ok(token) => Ok(Endpoint::new(url)
            .with_protocol(PROTOCOL)
            .with_protocol(token)),
        Err(lack) => Err(DialFailure {
            why: say(match lack {
                Lack::OutOfReach => Text::SignInOutOfReach,
                Lack::Ended => Text::SignIn,
            })
            .to_owned(),
            retry_after: None,
        }),
    }
}

/// Asks for little, to have the token looked at.
fn verify(store: &Store) {
    if let Some(api) = store.api() {
        spawn_local(async move {
            // What comes of it is known by then.
            let _ = api.get("translations?limit=1".to_owned(), false).await;
        });
    }
}

/// The backend or the authorization server has ended it: nothing more is asked of either, and the
/// page stays as it is.
fn end() {
    tokens::drop_all();
    if let Some(client) = front::client() {
        client.close();
    }
    if let Some(setup) = setup() {
        setup.store.dispatch(Msg::Session(Session::Ended));
    }
}

/// Somebody wants to sign in: leads to where they do. The page is made anew when they come back.
pub(crate) fn sign_in(store: &Store) {
    let (store, Some(setup)) = (store.clone(), setup()) else {
        return;
    };
    if store.state().session == Session::Ended {
        // What is on the page is of whoever signed in before.
        reload_if_come_back_to();
    }
    spawn_local(async move {
        if let Err(trouble) = code::ask(&setup).await {
            let msg = if store.state().session == Session::Ended {
                Msg::Notice(crate::words::sentence(&trouble).into())
            } else {
                Msg::Session(Session::Out(Some(trouble)))
            };
            store.dispatch(msg);
        }
    });
}

/// They have signed out in another tab, which has seen to what the device keeps.
fn signed_out_elsewhere(subject: &str) {
    let Some(setup) = setup() else { return };
    // Of the page, and not of the tokens: where a sign-in has ended there are none, and the page
    // still shows what it showed.
    let api = setup.store.api();
    if api.is_none_or(|api| api.subject().is_none_or(|own| **own != *subject)) {
        return;
    }
    tokens::drop_all();
    if let Some(client) = front::client() {
        client.close();
    }
    reload_if_come_back_to();
    if let Some(window) = window() {
        leave_for(&window, &setup.home);
    }
}

/// Somebody wants to be signed out: nothing of theirs stays in this browser.
pub(crate) fn sign_out(store: &Store) {
    if let Some(subject) = tokens::subject() {
        twins::tell_out(&subject);
    }
    tokens::drop_all();
    if let Some(client) = front::client() {
        client.close();
    }
    let forgotten = match store.desk() {
        Some(desk) => (desk.forget)(),
        None => forget_unopened(store),
    };
    reload_if_come_back_to();
    // A device that does not answer keeps nobody here.
    Timeout::new(PATIENCE, leave).forget();
    spawn_local(async {
        if let Some(forgotten) = forgotten {
            // What could not be forgotten is still nobody else's to see.
            let _ = JsFuture::from(forgotten).await;
        }
        leave();
    });
}

/// A browser may keep this page as it is for whoever goes back to it. (HTML standard,
/// `PageTransitionEvent`.)
fn reload_if_come_back_to() {
    let Some(window) = window() else { return };
    let shown = Closure::<dyn FnMut(JsValue)>::new(|event: JsValue| {
        let persisted = Reflect::get(&event, &"persisted".into());
        if persisted.is_ok_and(|persisted| persisted.is_truthy())
            && let Some(window) = self::window()
        {
            // Fails for no page that may be shown.
            let _ = window.location().reload();
        }
    });
    // Fails for no listener that is a function.
    let _ = window.add_event_listener_with_callback("pageshow", shown.as_ref().unchecked_ref());
    shown.forget();
}

fn leave() {
    if let (Some(window), Some(setup)) = (window(), setup()) {
        let url = setup.sign_in.logout_url.as_ref().unwrap_or(&setup.home);
        leave_for(&window, url);
    }
}

/// Leads to another page, or anew to this one.
fn leave_for(window: &Window, url: &str) {
    let location = window.location();
    let here = location.href().unwrap_or_default();
    // From one fragment of a page to another leads nowhere.
    let same = here.split('#').next() == url.split('#').next();
    if let Ok(history) = window.history()
        && same
    {
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(url));
        let _ = location.reload();
    } else {
        // Fails for no address that was resolved.
        let _ = location.assign(url);
    }
}

fn setup() -> Option<Rc<Setup>> {
    SETUP.with_borrow(Clone::clone)
}

fn window() -> Option<Window> {
    web_sys::window()
}

/// What goes with the tab. The browser may keep nothing for this page: then a sign-in does not
/// outlive it.
fn session_storage() -> Option<Storage> {
    window()?.session_storage().ok().flatten()
}
