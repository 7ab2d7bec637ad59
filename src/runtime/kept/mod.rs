//! What this device keeps: done after each batch, from what the state says. Whatever the browser
//! does not allow is not done, and costs nothing but itself.

mod places;
mod texts;
mod unseen;
mod unsent;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{future_to_promise, spawn_local};
use web_sys::{Element, Event, EventTarget, HtmlAnchorElement, Url};

use super::idb::{Database, committed};
use super::{Store, kept_key, owned, routes, storage};
use crate::api;
use crate::store::{Effect, KeptEffect, KeptMsg, Msg, Remembered, View};

/// Where the reader's view is remembered.
const VIEW_KEY: &str = "babelwire.view";

/// Where the languages are remembered that files are translated into beside the first.
const TARGETS_KEY: &str = "babelwire.more-languages";

/// Where other tabs are told what somebody has had forgotten.
const FORGOTTEN_KEY: &str = "babelwire.forgotten";

/// Where it is remembered that no texts are to be kept.
const OFF_KEY: &str = "babelwire.keep-nothing";

thread_local! {
    /// The page's store and, once it is open, its database.
    static STORE: RefCell<Option<(Store, Option<Database>)>> = const { RefCell::new(None) };
    static OPENING: Cell<bool> = const { Cell::new(false) };
    /// Whether word was left that something is kept.
    static NOTED: Cell<Option<bool>> = const { Cell::new(None) };
    static VIEW: Cell<Option<View>> = const { Cell::new(None) };
    static TARGETS: RefCell<Vec<Rc<str>>> = const { RefCell::new(Vec::new()) };
}

/// Does what is about kept things; gives back what is not.
pub(super) fn perform(store: &Store, effect: Effect) -> Option<Effect> {
    match effect {
        Effect::Kept(effect) => more(store, effect),
        effect => return Some(effect),
    }
    None
}

fn more(store: &Store, effect: KeptEffect) {
    match effect {
        KeptEffect::Forget { ids, wanted } => {
            if wanted {
                // Other tabs hear of what changes, so it is taken away at once.
                remember(FORGOTTEN_KEY, Some(&ids.join(" ")));
                remember(FORGOTTEN_KEY, None);
            }
            if let Some(database) = database() {
                spawn_local(async move {
                    // What can't be forgotten now is asked about again at the next visit.
                    let _ = texts::forget(database, ids, wanted).await;
                });
            }
        }
        KeptEffect::RememberKeeping(on) => remember(OFF_KEY, (!on).then_some("yes")),
        KeptEffect::Notify { id, text } => unseen::notify(store, id, &text),
        KeptEffect::AskPermission => unseen::ask(store),
    }
}

/// Has the device follow the page. To be called after each batch.
pub(crate) fn keep(store: &Store) {
    if STORE.with_borrow(Option::is_none) {
        STORE.replace(Some((store.clone(), None)));
        // What the address says comes before what is made of it.
        return begin(store);
    }
    let state = store.state();
    routes::show(&state);
    unseen::stay_awake(state.is_sending());
    places::follow(store, &state);
    if VIEW.replace(Some(state.view)) != Some(state.view) {
        remember(VIEW_KEY, Some(view_name(state.view)));
    }
    let targets = &state.files.more_targets;
    if TARGETS.with_borrow(|known| known != targets) {
        TARGETS.replace(targets.clone());
        let targets = targets.join(" ");
        remember(TARGETS_KEY, (!targets.is_empty()).then_some(&targets));
    }
    drop(state);
    if let Some(database) = database() {
        texts::keep_next(store, &database);
        unsent::keep(store, &database);
        note_kept(store);
    } else if !OPENING.get() && store.api().is_some() {
        OPENING.set(true);
        let store = store.clone();
        spawn_local(async move {
            // A browser that keeps nothing for this page: it works without.
            let _ = open(&store).await;
        });
    }
}

/// Has the device forget all that it keeps for this person; done when the promise is kept.
pub(crate) fn forget() -> Option<Promise> {
    places::forget();
    let store = STORE.with_borrow(|kept| Some(kept.as_ref()?.0.clone()))?;
    remember(&kept_key(store.api().as_ref()), None);
    let Some(database) = database() else {
        return forget_unopened(&store);
    };
    Some(future_to_promise(async move {
        let stores = [texts::HEADS, texts::BODIES, unsent::FILES];
        let change = database.change(&stores)?;
        for name in stores {
            change.object_store(name)?.clear()?;
        }
        committed(&change).await?;
        Ok(JsValue::UNDEFINED)
    }))
}

/// The same where nothing has been opened yet.
pub(crate) fn forget_unopened(store: &Store) -> Option<Promise> {
    let name = database_name(store).ok()?;
    let databases = web_sys::window()?.indexed_db().ok()??;
    let request = databases.delete_database(&name).ok()?;
    Some(Promise::new(&mut |done, _| {
        request.set_onsuccess(Some(&done));
        request.set_onerror(Some(&done));
        // It is deleted as soon as the last tab that has it open is gone.
        request.set_onblocked(Some(&done));
    }))
}

/// Leaves word for the next visit whether there is anything to look for.
fn note_kept(store: &Store) {
    let state = store.state();
    if state.knows_kept() {
        let any = state.kept_in_all().0 > 0 || unsent::keeps_any();
        if NOTED.replace(Some(any)) != Some(any) {
            remember(&kept_key(store.api().as_ref()), any.then_some("yes"));
        }
    }
}

fn begin(store: &Store) {
    let view = recall(VIEW_KEY).and_then(|name| {
        [View::Both, View::Translation, View::Source]
            .into_iter()
            .find(|view| view_name(*view) == name)
    });
    VIEW.set(view);
    let more_targets: Vec<Rc<str>> = recall(TARGETS_KEY)
        .map(|tags| tags.split_whitespace().map(Into::into).collect())
        .unwrap_or_default();
    TARGETS.replace(more_targets.clone());
    store.dispatch(Msg::Kept(KeptMsg::Remembered(Remembered {
        view,
        more_targets,
        off: recall(OFF_KEY).is_some(),
        permission: unseen::permission(),
    })));
    if let Some(id) = routes::named() {
        store.dispatch(Msg::Kept(KeptMsg::Address(Some(id))));
    }
    let Some(window) = web_sys::window() else {
        return;
    };
    let heard = store.clone();
    listen(&window, "popstate", move |_| {
        // The address is shown anew after that, for it may not say what it should.
        let msg = if routes::stepped_back() {
            KeptMsg::Begin
        } else {
            KeptMsg::Address(routes::named())
        };
        heard.dispatch(Msg::Kept(msg));
    });
    if let Some(document) = window.document() {
        listen(&document, "click", |event| pressed(&event));
        unseen::watch(store, &document);
    }
    listen(&window, "pagehide", |_| places::write());
    let heard = store.clone();
    listen(&window, "storage", move |event| {
        if let Some(msg) = elsewhere(&event) {
            heard.dispatch(Msg::Kept(msg));
        }
    });
}

/// What another tab did. (HTML standard, `StorageEvent`.)
fn elsewhere(event: &Event) -> Option<KeptMsg> {
    let value = field(event, "newValue").as_string();
    match &*field(event, "key").as_string()? {
        OFF_KEY => Some(KeptMsg::KeepElsewhere(value.is_none())),
        FORGOTTEN_KEY => {
            let ids = value?.split(' ').map(ToOwned::to_owned).collect();
            Some(KeptMsg::ForgottenElsewhere(ids))
        }
        _ => None,
    }
}

/// Opens the database, and reads what is in it.
async fn open(store: &Store) -> Result<(), JsValue> {
    let stores = &[texts::HEADS, texts::BODIES, unsent::FILES];
    let database = Database::open(&database_name(store)?, stores).await?;
    STORE.with_borrow_mut(|kept| {
        if let Some((_, open)) = kept {
            *open = Some(database.clone());
        }
    });
    api::answer_instead_with(texts::answer_instead);
    // Each is of use without the other.
    let unsent = unsent::find(store, &database).await;
    texts::find(store, &database).await?;
    unsent
}

/// One for each backend, which has translations of its own, and for each person who signs in there,
/// who has theirs.
fn database_name(store: &Store) -> Result<String, JsValue> {
    let api = store.api().ok_or(JsValue::UNDEFINED)?;
    let document = web_sys::window().and_then(|window| window.document());
    let base = document.and_then(|document| document.base_uri().ok().flatten());
    let url = Url::new_with_base(api.base(), &base.unwrap_or_default())?;
    // No URL has a space in it.
    Ok(owned(["babelwire ", &url.href()].concat(), Some(&api)))
}

fn database() -> Option<Database> {
    STORE.with_borrow(|kept| kept.as_ref()?.1.clone())
}

/// A link to a result was pressed, perhaps.
fn pressed(event: &Event) {
    let target = event
        .target()
        .and_then(|target| target.dyn_into::<Element>().ok());
    let link = target.and_then(|target| target.closest("a[download]").ok().flatten());
    if let Some(link) = link.and_then(|link| link.dyn_into::<HtmlAnchorElement>().ok())
        && texts::download_instead(&link)
    {
        event.prevent_default();
    }
}

fn view_name(view: View) -> &'static str {
    match view {
        View::Both => "both",
        View::Translation => "translation",
        View::Source => "source",
    }
}

// What the parts of this share.

/// Listens for as long as the page is there.
fn listen(target: &EventTarget, event: &str, heard: impl Fn(Event) + 'static) {
    let closure = Closure::<dyn FnMut(Event)>::new(heard);
    // Fails for no listener that is a function.
    let _ = target.add_event_listener_with_callback(event, closure.as_ref().unchecked_ref());
    closure.forget();
}

/// A small thing that an earlier visit has left.
fn recall(key: &str) -> Option<String> {
    storage()?.get_item(key).ok().flatten()
}

/// Leaves a small thing for later visits, or takes it away.
fn remember(key: &str, value: Option<&str>) {
    if let Some(storage) = storage() {
        // A full storage costs a preference, no more.
        let _ = match value {
            Some(value) => storage.set_item(key, value),
            None => storage.remove_item(key),
        };
    }
}

/// A field of any value: undefined where there is none.
fn field(value: &JsValue, name: &str) -> JsValue {
    Reflect::get(value, &name.into()).unwrap_or_default()
}

fn set(object: &Object, name: &str, value: &JsValue) {
    // Fails for no object of this page's own making.
    let _ = Reflect::set(object, &name.into(), value);
}

/// Calls a method that not every browser has.
fn call(value: &JsValue, method: &str, argument: &JsValue) -> Option<Promise> {
    let function: js_sys::Function = field(value, method).dyn_into().ok()?;
    function.call1(value, argument).ok()?.dyn_into().ok()
}
