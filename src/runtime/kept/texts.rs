//! Finished texts on this device: fetched when there is time, and read when there is no connection.

use std::cell::{Cell, RefCell};

use babelwire_wire::{Status, Translation, from_json};
use gloo_timers::callback::Timeout;
use js_sys::{Array, JSON, Object, Promise, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::{Blob, HtmlAnchorElement, Url, UrlSearchParams};

use super::{STORE, field, set};
use crate::api::Api;
use crate::runtime::Store;
use crate::runtime::idb::{Database, answer, committed};
use crate::store::{KeptMsg, KeptText, Link, Msg};

/// What is known of each text, by the translation's id. An empty one is not to be kept.
pub(super) const HEADS: &str = "texts";

/// The texts themselves, by the translation's id.
pub(super) const BODIES: &str = "bodies";

/// How long there has to be time before anything is fetched, in milliseconds.
const CALM: u32 = 2_000;

/// How many rows one request asks for: as many as the backend gives.
const ROWS: u32 = 500;

thread_local! {
    /// The translation whose text waits to be fetched, or is being fetched.
    static NEXT: RefCell<Option<String>> = const { RefCell::new(None) };
    static CALMING: RefCell<Option<Timeout>> = const { RefCell::new(None) };
    static FETCHING: Cell<bool> = const { Cell::new(false) };
    /// Whether one was fetched just now: the next one need not wait.
    static WARM: Cell<bool> = const { Cell::new(false) };
    /// The text that was read last, with its translation's id.
    static OPEN: RefCell<Option<(String, JsValue)>> = const { RefCell::new(None) };
}

/// Reads what is kept.
pub(super) async fn find(store: &Store, database: &Database) -> Result<(), JsValue> {
    let heads = database.read(HEADS)?;
    let (keys, values) = (heads.get_all_keys()?, heads.get_all()?);
    let keys: Array = answer(&keys).await?.unchecked_into();
    let values: Array = answer(&values).await?.unchecked_into();
    let (mut texts, mut skipped) = (Vec::new(), Vec::new());
    for (key, value) in keys.iter().zip(values.iter()) {
        match read_head(&value) {
            Some(text) => texts.push(text),
            None => skipped.extend(key.as_string()),
        }
    }
    store.dispatch(Msg::Kept(KeptMsg::Texts(texts, skipped)));
    Ok(())
}

fn read_head(head: &JsValue) -> Option<KeptText> {
    let snapshot = field(head, "snapshot").as_string()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float is cast to the nearest integer that there is"
    )]
    let bytes = field(head, "bytes").as_f64()? as u64;
    Some(KeptText {
        snapshot: from_json(&snapshot).ok()?,
        bytes,
    })
}

/// Forgets texts; those that somebody wants forgotten are not kept again.
pub(super) async fn forget(
    database: Database,
    ids: Vec<String>,
    wanted: bool,
) -> Result<(), JsValue> {
    OPEN.take();
    let change = database.change(&[HEADS, BODIES])?;
    let (heads, bodies) = (change.object_store(HEADS)?, change.object_store(BODIES)?);
    for id in ids {
        let key = JsValue::from(id);
        bodies.delete(&key)?;
        if wanted {
            heads.put_with_key(&Object::new(), &key)?;
        } else {
            heads.delete(&key)?;
        }
    }
    committed(&change).await
}

/// Fetches the next text when there was time for a while. To be called after each batch.
pub(super) fn keep_next(store: &Store, database: &Database) {
    let state = store.state();
    if state.link == Link::Open {
        OPEN.take();
    }
    if FETCHING.get() {
        return;
    }
    let next = state.next_to_keep().filter(|_| may_fetch());
    let next = next.map(|snapshot| snapshot.id.clone());
    drop(state);
    if NEXT.with_borrow(|awaited| *awaited == next) {
        return;
    }
    // One after the other, as long as there is one.
    let calm = if next.is_some() && WARM.get() {
        0
    } else {
        CALM
    };
    WARM.set(next.is_some() && WARM.get());
    NEXT.replace(next.clone());
    let timeout = next.map(|id| {
        let (store, database) = (store.clone(), database.clone());
        Timeout::new(calm, move || fetch(store, database, id))
    });
    // Cancels the one before.
    drop(CALMING.replace(timeout));
}

/// Whether the person has nothing against fetching what nobody asked for.
fn may_fetch() -> bool {
    let Some(window) = web_sys::window() else {
        return false;
    };
    let navigator = window.navigator();
    // Not in every browser.
    let connection = field(&navigator, "connection");
    navigator.on_line() && !field(&connection, "saveData").is_truthy()
}

fn fetch(store: Store, database: Database, id: String) {
    let Some(api) = store.api() else { return };
    FETCHING.set(true);
    spawn_local(async move {
        let msg = match keep(&api, &database, &id).await {
            Ok(text) => KeptMsg::Stored(Box::new(text)),
            Err(_) => KeptMsg::NotStored(id),
        };
        FETCHING.set(false);
        WARM.set(true);
        NEXT.take();
        store.dispatch(Msg::Kept(msg));
    });
}

/// Fetches a text and puts it on the device, unless another tab did.
async fn keep(api: &Api, database: &Database, id: &str) -> Result<KeptText, JsValue> {
    let path = ["translations/", id].concat();
    let get = async |rest: &str, bytes| {
        let path = [&path, rest].concat();
        api.get(path, bytes).await.map_err(|_| JsValue::UNDEFINED)
    };
    let json = get("", false).await?;
    let snapshot = json.as_string().unwrap_or_default();
    let read: Option<Translation> = from_json(&snapshot).ok();
    let read = read.filter(|read| read.status == Status::Done);
    let read = read.ok_or(JsValue::UNDEFINED)?;
    let head = answer(&database.read(HEADS)?.get(&id.into())?).await?;
    if let Some(here) = read_head(&head).filter(|here| here.snapshot.revision == read.revision) {
        return Ok(here);
    }
    let rows = Array::new();
    let mut bytes = 0;
    loop {
        let page = get(&rows_from(rows.length()), false).await?;
        bytes += u64::from(page.unchecked_ref::<js_sys::JsString>().length());
        let page = JSON::parse(&page.as_string().unwrap_or_default())?;
        let more: Array = field(&page, "rows").dyn_into()?;
        for row in more.iter() {
            rows.push(&row);
        }
        let total = field(&page, "total").as_f64().unwrap_or_default();
        if more.length() == 0 || f64::from(rows.length()) >= total {
            break;
        }
    }
    let body = Object::new();
    set(&body, "rows", &rows);
    for part in ["source", "result"] {
        let part_bytes = get(&["/", part].concat(), true).await?;
        bytes += u64::from(Uint8Array::new(&part_bytes).length());
        set(&body, part, &part_bytes);
    }
    // Not every translation has one.
    if let Ok(proof) = get("/proof", false).await {
        set(&body, "proof", &proof);
    }
    let head = Object::new();
    set(&head, "snapshot", &json);
    #[expect(clippy::cast_precision_loss, reason = "no text comes near 2^53 bytes")]
    set(&head, "bytes", &JsValue::from_f64(bytes as f64));
    let change = database.change(&[HEADS, BODIES])?;
    change
        .object_store(HEADS)?
        .put_with_key(&head, &id.into())?;
    change
        .object_store(BODIES)?
        .put_with_key(&body, &id.into())?;
    committed(&change).await?;
    Ok(KeptText {
        snapshot: read,
        bytes,
    })
}

fn rows_from(from: u32) -> String {
    [
        "/rows?from=",
        &from.to_string(),
        "&limit=",
        &ROWS.to_string(),
    ]
    .concat()
}

/// Answers what would be asked of the backend, from what is kept; nothing while there is a
/// connection, or where nothing is kept.
pub(super) fn answer_instead(path: &str, bytes: bool) -> Option<Promise> {
    let (id, what) = path.strip_prefix("translations/")?.split_once('/')?;
    let (store, database) = STORE.with_borrow(|kept| {
        let (store, database) = kept.as_ref()?;
        Some((store.clone(), database.clone()?))
    })?;
    if !store.state().reads_kept(id) {
        return None;
    }
    let (id, what) = (id.to_owned(), what.to_owned());
    Some(future_to_promise(async move {
        let body = body(&database, &id).await?;
        let said = say(&body, &what)?;
        if bytes || said.is_string() {
            return Ok(said);
        }
        let blob = Blob::new_with_buffer_source_sequence(&Array::of1(&said))?;
        JsFuture::from(blob.text()).await
    }))
}

/// A text that is kept.
async fn body(database: &Database, id: &str) -> Result<JsValue, JsValue> {
    let open = OPEN.with_borrow(|open| {
        let (known, body) = open.as_ref()?;
        (known == id).then(|| body.clone())
    });
    if let Some(body) = open {
        return Ok(body);
    }
    let body = answer(&database.read(BODIES)?.get(&id.into())?).await?;
    if body.is_object() {
        OPEN.replace(Some((id.to_owned(), body.clone())));
        Ok(body)
    } else {
        Err(JsValue::UNDEFINED)
    }
}

/// What the backend would have said.
fn say(body: &JsValue, what: &str) -> Result<JsValue, JsValue> {
    let (what, query) = what.split_once('?').unwrap_or((what, ""));
    let query = UrlSearchParams::new_with_str(query)?;
    let number = |name| {
        let number = query.get(name).and_then(|number| number.parse().ok());
        number.unwrap_or_default()
    };
    let rows: Array = field(body, "rows").dyn_into()?;
    let (from, limit): (u32, u32) = (number("from"), number("limit"));
    match what {
        "source" | "result" => Ok(field(body, what)),
        "rows" => listing(&rows, "rows", &rows.slice(from, from.saturating_add(limit))),
        "segments" => {
            let translated = |row: &JsValue| field(row, "text").is_string();
            let some = rows.iter().skip(from as usize).filter(translated);
            let segments = some.take(limit as usize).collect();
            listing(&rows, "segments", &segments)
        }
        "find" => {
            let wanted = query.get("q").unwrap_or_default().to_lowercase();
            let columns: &[&str] = match query.get("in").as_deref() {
                Some("source") => &["sourceText"],
                Some("translation") => &["text"],
                _ => &["sourceText", "text"],
            };
            let has = |row: &JsValue, column| {
                let text = field(row, column).as_string().unwrap_or_default();
                text.to_lowercase().contains(&wanted)
            };
            let (found, matches) = (Object::new(), Array::new());
            let mut total = 0_u32;
            for (index, row) in (0_u32..).zip(rows.iter()) {
                if columns.iter().any(|column| has(&row, column)) {
                    total += 1;
                    if index >= from && matches.length() < limit {
                        matches.push(&index.into());
                    }
                }
            }
            set(&found, "total", &total.into());
            set(&found, "matches", &matches);
            JSON::stringify(&found).map(Into::into)
        }
        "proof" if field(body, "proof").is_string() => Ok(field(body, "proof")),
        _ => Err(JsValue::UNDEFINED),
    }
}

fn listing(rows: &Array, name: &str, some: &Array) -> Result<JsValue, JsValue> {
    let answer = Object::new();
    set(&answer, "total", &rows.length().into());
    set(&answer, name, some);
    JSON::stringify(&answer).map(Into::into)
}

/// Has the browser save a result that is kept, when somebody presses a link to one and there is no
/// connection. Gives whether it does.
pub(super) fn download_instead(link: &HtmlAnchorElement) -> bool {
    let href = link.href();
    let Some((_, path)) = href.split_once("/translations/") else {
        return false;
    };
    let path = path.split('?').next().unwrap_or_default();
    let Some((id, "result")) = path.split_once('/') else {
        return false;
    };
    let Some((store, database)) = STORE.with_borrow(Clone::clone) else {
        return false;
    };
    let state = store.state();
    let name = state.rows.iter().find(|row| row.id() == Some(id));
    let (Some(name), Some(database), true) = (
        name.map(|row| row.result_name()),
        database,
        state.reads_kept(id),
    ) else {
        return false;
    };
    let id = id.to_owned();
    spawn_local(async move {
        if let Ok(body) = body(&database, &id).await {
            // Fails for nothing that is kept.
            let _ = save(&field(&body, "result"), &name);
        }
    });
    true
}

fn save(bytes: &JsValue, name: &str) -> Result<(), JsValue> {
    let blob = Blob::new_with_buffer_source_sequence(&Array::of1(bytes))?;
    let url = Url::create_object_url_with_blob(&blob)?;
    let document = web_sys::window().and_then(|window| window.document());
    let link = document.ok_or(JsValue::UNDEFINED)?.create_element("a")?;
    let link: HtmlAnchorElement = link.unchecked_into();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    // The browser has begun to read it by then.
    Timeout::new(60_000, move || {
        let _ = Url::revoke_object_url(&url);
    })
    .forget();
    Ok(())
}
