//! A page that nobody looks at: it tells what is done, and keeps a phone awake while it sends.

use std::cell::{Cell, RefCell};

use js_sys::Function;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Document, Notification, NotificationOptions, NotificationPermission};

use super::{call, field, listen};
use crate::runtime::Store;
use crate::store::{KeptMsg, Msg, Permission};
use crate::words::{Text, plural};

/// One notification for all files: the latest takes the place of the one before.
const TAG: &str = "babelwire";

thread_local! {
    /// How many files the notification is about that is shown now.
    static TOLD: Cell<u64> = const { Cell::new(0) };
    /// The device is to stay awake.
    static AWAKE: Cell<bool> = const { Cell::new(false) };
    /// A lock is asked for.
    static ASKED: Cell<bool> = const { Cell::new(false) };
    /// The lock that keeps the screen on. (W3C, "Screen Wake Lock API".)
    static LOCK: RefCell<Option<JsValue>> = const { RefCell::new(None) };
}

/// Tells the page whether it can be seen.
pub(super) fn watch(store: &Store, document: &Document) {
    let (heard, seen) = (store.clone(), document.clone());
    if document.hidden() {
        store.dispatch(Msg::Kept(KeptMsg::Hidden(true)));
    }
    listen(document, "visibilitychange", move |_| {
        let hidden = seen.hidden();
        TOLD.set(0);
        super::places::write();
        // The browser has taken the lock away from a page that was hidden.
        LOCK.take();
        heard.dispatch(Msg::Kept(KeptMsg::Hidden(hidden)));
    });
}

/// Whether the page may show notifications.
pub(super) fn permission() -> Permission {
    let here = web_sys::window().is_some_and(|window| {
        window.is_secure_context() && field(&window, "Notification").is_function()
    });
    if !here {
        return Permission::Denied;
    }
    match Notification::permission() {
        NotificationPermission::Granted => Permission::Granted,
        NotificationPermission::Default => Permission::Open,
        _ => Permission::Denied,
    }
}

/// Asks the person; to be called when they press something.
pub(super) fn ask(store: &Store) {
    let Ok(asked) = Notification::request_permission() else {
        return;
    };
    let store = store.clone();
    spawn_local(async move {
        // Whatever became of it.
        let _ = JsFuture::from(asked).await;
        store.dispatch(Msg::Kept(KeptMsg::Permission(permission())));
    });
}

/// Tells of a file; of all of them, when there were others since somebody looked.
pub(super) fn notify(store: &Store, id: String, text: &str) {
    if permission() != Permission::Granted {
        return;
    }
    TOLD.set(TOLD.get() + 1);
    let told = TOLD.get();
    let many = (told > 1).then(|| plural(Text::NotifyMany, told));
    let options = NotificationOptions::new();
    options.set_tag(TAG);
    options.set_lang(crate::words::tag());
    let title = many.as_deref().unwrap_or(text);
    let Ok(shown) = Notification::new_with_options(title, &options) else {
        return notify_through_worker(title.to_owned(), options);
    };
    let (store, closing) = (store.clone(), shown.clone());
    let opened = Closure::once_into_js(move |_: JsValue| {
        if let Some(window) = web_sys::window() {
            // The browser may leave the window where it is.
            let _ = window.focus();
        }
        closing.close();
        if told == 1 {
            store.dispatch(Msg::Kept(KeptMsg::Address(Some(id))));
        }
    });
    shown.set_onclick(Some(opened.unchecked_ref::<Function>()));
}

/// The same in browsers that show none but those of service workers, as on Android.
fn notify_through_worker(title: String, options: NotificationOptions) {
    let Some(window) = web_sys::window() else {
        return;
    };
    let workers = field(&window.navigator(), "serviceWorker");
    let Some(found) = call(&workers, "getRegistration", &JsValue::UNDEFINED) else {
        return;
    };
    spawn_local(async move {
        // None where the page has no worker.
        let worker = JsFuture::from(found).await.unwrap_or_default();
        if let Ok(show) = field(&worker, "showNotification").dyn_into::<Function>() {
            // Refused for no page that may show any.
            let _ = show.call2(&worker, &title.into(), &options);
        }
    });
}

/// Keeps the screen on, or no more.
pub(super) fn stay_awake(awake: bool) {
    AWAKE.set(awake);
    if !awake {
        if let Some(lock) = LOCK.take() {
            // Ending what has ended does nothing.
            let _ = call(&lock, "release", &JsValue::UNDEFINED);
        }
        return;
    }
    if ASKED.get() || LOCK.with_borrow(Option::is_some) {
        return;
    }
    let Some(window) = web_sys::window() else {
        return;
    };
    let visible = window.document().is_some_and(|document| !document.hidden());
    let locks = field(&window.navigator(), "wakeLock");
    let Some(asked) = visible
        .then(|| call(&locks, "request", &"screen".into()))
        .flatten()
    else {
        return;
    };
    ASKED.set(true);
    spawn_local(async move {
        // A device that is low on power refuses.
        let lock = JsFuture::from(asked).await.ok();
        // Refused: not asked again for the same sending.
        LOCK.replace(Some(lock.unwrap_or(JsValue::UNDEFINED)));
        ASKED.set(false);
        if !AWAKE.get() {
            stay_awake(false);
        }
    });
}
