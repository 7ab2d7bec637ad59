//! What the browser gives a driver: the time, chance, one alarm, and news of the network.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use babelwire_client_core::{Instant, Jitter};
use gloo_events::EventListener;
use gloo_timers::callback::Timeout;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{EventTarget, Url, VisibilityState, Window};

/// The longest delay that `setTimeout` takes, in milliseconds; a longer one fires at once. (HTML
/// standard, "Timers": the delay is a `long`.)
const LONGEST_TIMEOUT: u32 = i32::MAX.unsigned_abs();

#[expect(
    clippy::expect_used,
    reason = "the crate's documentation says that it runs where there is a window"
)]
pub(crate) fn window() -> Window {
    web_sys::window().expect("a window")
}

pub(crate) fn now() -> Instant {
    let millis = window()
        .performance()
        .map_or_else(js_sys::Date::now, |performance| performance.now());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float is cast to the nearest integer that there is"
    )]
    Instant::from_millis(millis as u64)
}

pub(crate) fn jitter() -> Jitter {
    Jitter::new(js_sys::Math::random())
}

pub(crate) fn is_online() -> bool {
    window().navigator().on_line()
}

/// The text of whatever was thrown.
pub(crate) fn thrown(error: &JsValue) -> String {
    error.dyn_ref::<js_sys::Error>().map_or_else(
        || error.as_string().unwrap_or_default(),
        |error| error.message().into(),
    )
}

/// The address that a WebSocket is dialled at: `url` resolved against the page's own address,
/// with `http` and `https` turned into `ws` and `wss`. On a page at `https://host/app/`, `live`
/// becomes `wss://host/app/live`.
///
/// # Errors
///
/// In words, when the URL is none, or has a scheme that no WebSocket has.
pub fn websocket_url(url: &str) -> Result<String, String> {
    let base = window()
        .document()
        .and_then(|document| document.base_uri().ok().flatten())
        .unwrap_or_default();
    let resolved = if base.is_empty() {
        Url::new(url)
    } else {
        Url::new_with_base(url, &base)
    }
    .map_err(|_| ["\"", url, "\" is not a URL"].concat())?;
    match resolved.protocol().as_str() {
        "ws:" | "wss:" => {}
        "http:" => resolved.set_protocol("ws:"),
        "https:" => resolved.set_protocol("wss:"),
        scheme => {
            return Err([
                "\"",
                url,
                "\" begins with ",
                scheme,
                " where a WebSocket's URL has ws: or wss:",
            ]
            .concat());
        }
    }
    // A WebSocket's URL must not have a fragment.
    resolved.set_hash("");
    Ok(resolved.href())
}

/// One `setTimeout` at a time.
#[derive(Default)]
pub(crate) struct Alarm {
    deadline: Cell<Option<Instant>>,
    timeout: RefCell<Option<Timeout>>,
}

impl Alarm {
    /// Rings at the deadline, and no more at the one before. It may ring early; whoever is called
    /// looks at the clock and sets the alarm again.
    pub(crate) fn set(&self, deadline: Option<Instant>, ring: impl FnOnce() + 'static) {
        if self.deadline.replace(deadline) == deadline {
            return;
        }
        let timeout = deadline.map(|deadline| {
            let millis = deadline.as_millis().saturating_sub(now().as_millis());
            let millis = u32::try_from(millis).unwrap_or(u32::MAX);
            Timeout::new(millis.min(LONGEST_TIMEOUT), ring)
        });
        // Cancels the one before.
        drop(self.timeout.replace(timeout));
    }

    /// The alarm rang: the same deadline can be set again.
    pub(crate) fn rang(&self) {
        self.deadline.set(None);
    }

    pub(crate) fn stop(&self) {
        self.deadline.set(None);
        drop(self.timeout.take());
    }
}

/// News of the network, for as long as it is held.
pub(crate) fn on_network(
    online: impl Fn() + 'static,
    offline: impl Fn() + 'static,
) -> [EventListener; 2] {
    let window = window();
    [
        EventListener::new(&window, "online", move |_| online()),
        EventListener::new(&window, "offline", move |_| offline()),
    ]
}

/// What the platform tells of the machine and the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// There is a network again.
    Online,
    /// There is none any more.
    Offline,
    /// Nobody can see the page.
    Hidden,
    /// Somebody can see it again, or it runs again after it was frozen or kept in the
    /// back/forward cache.
    Woke,
}

/// News of the machine and the page, for as long as the listeners are held.
pub(crate) fn on_news(hear: Rc<dyn Fn(News)>) -> Vec<EventListener> {
    let window: EventTarget = window().into();
    let document = web_sys::window().and_then(|window| window.document());
    let document = document.map(EventTarget::from);
    let on = move |target: &EventTarget, kind: &'static str, news: fn() -> News| {
        let hear = Rc::clone(&hear);
        EventListener::new(target, kind, move |_| hear(news()))
    };
    let mut listeners = vec![
        on(&window, "online", || News::Online),
        on(&window, "offline", || News::Offline),
        on(&window, "pageshow", || News::Woke),
    ];
    if let Some(document) = document {
        listeners.push(on(&document, "resume", || News::Woke));
        listeners.push(on(&document, "visibilitychange", || {
            if is_visible() {
                News::Woke
            } else {
                News::Hidden
            }
        }));
    }
    listeners
}

/// News that the page is about to stand still (Page Lifecycle's `freeze`), or to go, perhaps into
/// the back/forward cache (HTML's `pagehide`), for as long as the listeners are held. That it runs
/// again is [`News::Woke`].
pub(crate) fn on_standstill(stop: impl Fn() + 'static) -> Vec<EventListener> {
    let stop = Rc::new(stop);
    let again = Rc::clone(&stop);
    let mut listeners = vec![EventListener::new(&window(), "pagehide", move |_| stop())];
    if let Some(document) = window().document() {
        listeners.push(EventListener::new(&document, "freeze", move |_| again()));
    }
    listeners
}

pub(crate) fn is_visible() -> bool {
    window()
        .document()
        .is_none_or(|document| document.visibility_state() == VisibilityState::Visible)
}

/// What the clock on the wall says, in milliseconds. It goes on while the machine sleeps, and may
/// jump.
pub(crate) fn wall_clock() -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float is cast to the nearest integer that there is"
    )]
    let millis = js_sys::Date::now() as u64;
    millis
}
