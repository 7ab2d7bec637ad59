//! Files that are still to be sent, on this device until they are: a page that is reloaded, or a
//! browser that ends, goes on with them.
//!
//! Each page has a lock of its own for as long as it lives. Whatever belongs to a page whose lock
//! can be had belongs to nobody, and is taken over.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use gloo_file::File;
use gloo_timers::callback::Timeout;
use js_sys::{Array, Function, Object, Promise};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::AbortController;

use super::{field, set};
use crate::intl::in_digits;
use crate::runtime::Store;
use crate::runtime::idb::{Database, answer, committed};
use crate::store::{KeptMsg, LARGEST_UNSENT, Msg, Row, UNSENT_BYTES, Unsent};

/// The files, and what is known of them, by names of their own: the page's and a number.
pub(super) const FILES: &str = "unsent";

/// What the name of a page's lock begins with.
const LOCK: &str = "babelwire page ";

/// How long a page that goes may take until its lock is free, in milliseconds.
const PATIENCE: u32 = 10_000;

/// How many files are written in one go.
const AT_ONCE: usize = 50;

#[wasm_bindgen]
extern "C" {
    /// The browser's `LockManager`, which `web-sys` has among its unstable APIs only. (W3C, "Web
    /// Locks API".)
    type LockManager;

    #[wasm_bindgen(method, catch)]
    fn request(
        this: &LockManager,
        name: &str,
        options: &Object,
        granted: &Function,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(extends = web_sys::Navigator)]
    type Navigator;

    /// None in a page that came over an insecure connection.
    #[wasm_bindgen(method, getter)]
    fn locks(this: &Navigator) -> Option<LockManager>;
}

/// What is on the device of a file.
#[derive(Debug, PartialEq, Eq)]
struct Written {
    /// What may change of it: the translation as which it was announced, the languages, the
    /// encoding.
    known: [Option<Rc<str>>; 4],
    /// How much of the room for files it takes, in bytes.
    bytes: u64,
}

thread_local! {
    /// The name of this page, once it has its lock.
    static OWNER: RefCell<Option<Rc<str>>> = const { RefCell::new(None) };
    /// What is on the device of this page's files.
    static WRITTEN: RefCell<HashMap<Rc<str>, Written>> = RefCell::default();
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

/// Finds the files of pages that are gone, and begins to keep this page's own.
pub(super) async fn find(store: &Store, database: &Database) -> Result<(), JsValue> {
    let own: Rc<str> = name().into();
    let granted = lock(&own, None, true).await?;
    if !granted {
        return Ok(());
    }
    OWNER.replace(Some(own.clone()));
    let records = records(database).await?;
    let owners: HashSet<String> = records.iter().map(|(_, record)| owner_of(record)).collect();
    for owner in owners.into_iter().filter(|owner| **owner != *own) {
        let (store, database, own) = (store.clone(), database.clone(), own.clone());
        spawn_local(async move {
            if let Ok(cancel) = AbortController::new() {
                let signal = cancel.signal();
                Timeout::new(PATIENCE, move || cancel.abort()).forget();
                let free = lock(&owner, Some(&signal), false).await;
                if free.unwrap_or_default() {
                    // Whatever can't be taken over stays where it is.
                    let _ = take_over(&store, &database, &owner, &own).await;
                }
            }
        });
    }
    Ok(())
}

fn name() -> String {
    // Chance enough: the names of pages that live at the same time in one browser.
    let chance = || in_digits(js_sys::Math::random());
    [chance(), chance()].join("-")
}

/// Asks for a page's lock: gives whether it was granted. It is held for as long as this page lives,
/// or let go at once.
async fn lock(
    owner: &str,
    signal: Option<&web_sys::AbortSignal>,
    hold: bool,
) -> Result<bool, JsValue> {
    let navigator = web_sys::window().ok_or(JsValue::UNDEFINED)?.navigator();
    let locks = navigator.unchecked_ref::<Navigator>().locks();
    let locks = locks.ok_or(JsValue::UNDEFINED)?;
    let options = Object::new();
    if let Some(signal) = signal {
        set(&options, "signal", signal);
    }
    let name = [LOCK, owner].concat();
    let granted = Promise::new(&mut |resolve, reject| {
        let granted = resolve.clone();
        let granted = Closure::once_into_js(move |_: JsValue| {
            // A promise's own function: it never throws.
            let _ = granted.call1(&JsValue::UNDEFINED, &JsValue::TRUE);
            if hold {
                Promise::new(&mut |_, _| {}).into()
            } else {
                JsValue::UNDEFINED
            }
        });
        match locks.request(&name, &options, granted.unchecked_ref()) {
            // Refused or given up; when it was granted, this comes too late to matter.
            Ok(ended) => {
                let refused = Closure::once_into_js(move |_: JsValue| {
                    let _ = resolve.call1(&JsValue::UNDEFINED, &JsValue::FALSE);
                });
                let refused: &Function = refused.unchecked_ref();
                // Given to the browser: it outlives this call.
                let _ = field(&ended, "then").unchecked_into::<Function>().call2(
                    &ended,
                    &JsValue::UNDEFINED,
                    refused,
                );
            }
            Err(error) => {
                let _ = reject.call1(&JsValue::UNDEFINED, &error);
            }
        }
    });
    Ok(JsFuture::from(granted).await?.is_truthy())
}

async fn records(database: &Database) -> Result<Vec<(Rc<str>, JsValue)>, JsValue> {
    let files = database.read(FILES)?;
    let (keys, values) = (files.get_all_keys()?, files.get_all()?);
    let keys: Array = answer(&keys).await?.unchecked_into();
    let values: Array = answer(&values).await?.unchecked_into();
    let keys = keys.iter().filter_map(|key| key.as_string());
    let records = keys.map(Into::into).zip(values.iter()).collect();
    Ok(records)
}

fn owner_of(record: &JsValue) -> String {
    field(record, "owner").as_string().unwrap_or_default()
}

/// Makes the files of a page that is gone this page's own, all at once, so that no other page does
/// the same.
async fn take_over(
    store: &Store,
    database: &Database,
    gone: &str,
    own: &str,
) -> Result<(), JsValue> {
    let change = database.change(&[FILES])?;
    let files = change.object_store(FILES)?;
    let (keys, values) = (files.get_all_keys()?, files.get_all()?);
    let keys: Array = answer(&keys).await?.unchecked_into();
    let values: Array = answer(&values).await?.unchecked_into();
    let mut found = Vec::new();
    for (key, value) in keys.iter().zip(values.iter()) {
        if owner_of(&value) == gone {
            set(value.unchecked_ref(), "owner", &own.into());
            files.put_with_key(&value, &key)?;
            found.extend(key.as_string().map(|key| (Rc::from(key), value)));
        }
    }
    committed(&change).await?;
    let mut unsent = Vec::with_capacity(found.len());
    for (record, value) in found {
        let file = field(&value, "file").dyn_into::<web_sys::File>().ok();
        let file = file.and_then(|file| store.hold(File::from(file)));
        let read = read(&record, &value, file);
        let written = Written {
            known: [
                read.id.as_deref().map(Into::into),
                Some(read.source.as_str().into()),
                Some(read.target.as_str().into()),
                read.charset.as_deref().map(Into::into),
            ],
            bytes: file.map_or(0, |_| read.size),
        };
        WRITTEN.with_borrow_mut(|all| all.insert(record, written));
        unsent.push(read);
    }
    if !unsent.is_empty() {
        store.dispatch(Msg::Kept(KeptMsg::Unsent(unsent)));
    }
    Ok(())
}

fn read(record: &Rc<str>, value: &JsValue, file: Option<u32>) -> Unsent {
    let text = |name| field(value, name).as_string();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float is cast to the nearest integer that there is"
    )]
    let number = |name| field(value, name).as_f64().map(|number| number as u64);
    Unsent {
        record: record.clone(),
        file,
        name: text("name").unwrap_or_default(),
        size: number("size").unwrap_or_default(),
        modified: number("modified"),
        in_folder: field(value, "inFolder").is_truthy(),
        source: text("source").unwrap_or_default(),
        target: text("target").unwrap_or_default(),
        charset: text("charset"),
        id: text("id"),
    }
}

/// Whether the device keeps anything of this page's.
pub(super) fn keeps_any() -> bool {
    WRITTEN.with_borrow(|written| !written.is_empty())
}

/// Has the device keep what is to be sent, and nothing else of this page's. To be called after each
/// batch.
pub(super) fn keep(store: &Store, database: &Database) {
    let Some(own) = OWNER.with_borrow(Clone::clone).filter(|_| !WRITING.get()) else {
        return;
    };
    let state = store.state();
    let (mut puts, mut wanted) = (Vec::new(), HashSet::new());
    WRITTEN.with_borrow_mut(|written| {
        let mut bytes: u64 = written.values().map(|written| written.bytes).sum();
        for row in state.unsent() {
            let record = match &row.restored {
                Some(record) => record.clone(),
                None => [&*own, "/", &row.key.to_string()].concat().into(),
            };
            wanted.insert(record.clone());
            let known = [
                row.id().map(Into::into),
                Some(row.source.clone()),
                Some(row.target.clone()),
                row.charset.clone(),
            ];
            let before = written.get(&record);
            if puts.len() >= AT_ONCE || before.is_some_and(|before| before.known == known) {
                continue;
            }
            let had = before.map_or(0, |before| before.bytes);
            let fits = row.size <= LARGEST_UNSENT && bytes - had + row.size <= UNSENT_BYTES;
            let file = row.file.filter(|_| fits);
            let file = file.and_then(|file| store.file(file));
            let taken = file.as_ref().map_or(0, |_| row.size);
            bytes = bytes - had + taken;
            puts.push((record.clone(), value(&own, row, file.as_ref())));
            let is = Written {
                known,
                bytes: taken,
            };
            written.insert(record, is);
        }
        wanted.extend(state.unsettled().cloned());
        let gone = |record: &Rc<str>| !wanted.contains(record);
        let deletes: Vec<_> = written
            .keys()
            .filter(|record| gone(record))
            .cloned()
            .collect();
        for record in &deletes {
            written.remove(record);
        }
        if puts.is_empty() && deletes.is_empty() {
            return;
        }
        WRITING.set(true);
        let (store, database) = (store.clone(), database.clone());
        spawn_local(async move {
            // A device without room keeps less: that costs a person one more choice of a file.
            let _ = write(&database, puts, deletes).await;
            WRITING.set(false);
            // There may be more by now.
            store.dispatch(Msg::Kept(KeptMsg::Begin));
        });
    });
}

fn value(owner: &str, row: &Row, file: Option<&File>) -> Object {
    let value = Object::new();
    for (name, text) in [
        ("owner", Some(owner)),
        ("name", Some(&*row.name)),
        ("source", Some(&*row.source)),
        ("target", Some(&*row.target)),
        ("charset", row.charset.as_deref()),
        ("id", row.id()),
    ] {
        if let Some(text) = text {
            set(&value, name, &text.into());
        }
    }
    for (name, number) in [("size", Some(row.size)), ("modified", row.modified)] {
        if let Some(number) = number {
            #[expect(clippy::cast_precision_loss, reason = "neither comes near 2^53")]
            set(&value, name, &JsValue::from_f64(number as f64));
        }
    }
    set(&value, "inFolder", &row.in_folder.into());
    if let Some(file) = file {
        let file: &web_sys::File = file.as_ref();
        set(&value, "file", file);
    }
    value
}

async fn write(
    database: &Database,
    puts: Vec<(Rc<str>, Object)>,
    deletes: Vec<Rc<str>>,
) -> Result<(), JsValue> {
    let change = database.change(&[FILES])?;
    let files = change.object_store(FILES)?;
    for (record, value) in puts {
        files.put_with_key(&value, &JsValue::from_str(&record))?;
    }
    for record in deletes {
        files.delete(&JsValue::from_str(&record))?;
    }
    committed(&change).await
}
