//! `IndexedDB` as futures: just what keeping things takes.

use js_sys::Promise;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{IdbDatabase, IdbObjectStore, IdbRequest, IdbTransaction, IdbTransactionMode};

/// The version of what is in the database; another one is another layout.
const VERSION: u32 = 1;

/// An open database. Closed when another version of this page needs it changed.
#[derive(Debug, Clone)]
pub(super) struct Database(IdbDatabase);

impl Database {
    /// Opens the database of that name, with these stores; each has keys of its own.
    ///
    /// # Errors
    ///
    /// The browser keeps nothing for this page: it is private, or storage is forbidden or full.
    pub(super) async fn open(name: &str, stores: &'static [&'static str]) -> Result<Self, JsValue> {
        let factory = web_sys::window()
            .ok_or(JsValue::UNDEFINED)?
            .indexed_db()?
            .ok_or(JsValue::UNDEFINED)?;
        let request = factory.open_with_u32(name, VERSION)?;
        let opening = request.clone();
        let upgrade = Closure::once(move |_: JsValue| {
            let Ok(database) = opening.result().and_then(JsCast::dyn_into::<IdbDatabase>) else {
                return;
            };
            for store in stores {
                // Fails for a store that is there already.
                let _ = database.create_object_store(store);
            }
        });
        request.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
        let database: IdbDatabase = answer(&request).await?.dyn_into()?;
        let closing = database.clone();
        let close = Closure::<dyn FnMut()>::new(move || closing.close());
        database.set_onversionchange(Some(close.into_js_value().unchecked_ref()));
        Ok(Self(database))
    }

    /// Begins to read a store.
    pub(super) fn read(&self, store: &str) -> Result<IdbObjectStore, JsValue> {
        self.0.transaction_with_str(store)?.object_store(store)
    }

    /// Begins to change stores, all of it or nothing.
    pub(super) fn change(&self, stores: &[&str]) -> Result<IdbTransaction, JsValue> {
        let names: js_sys::Array = stores.iter().map(|name| JsValue::from_str(name)).collect();
        self.0
            .transaction_with_str_sequence_and_mode(&names, IdbTransactionMode::Readwrite)
    }
}

/// What a request gives.
pub(super) async fn answer(request: &IdbRequest) -> Result<JsValue, JsValue> {
    let promise = Promise::new(&mut |resolve, reject| {
        let (asked, failed) = (request.clone(), request.clone());
        let done = Closure::once_into_js(move |_: JsValue| {
            settle(&resolve, &asked.result().unwrap_or_default());
        });
        let not_done = Closure::once_into_js(move |_: JsValue| {
            settle(
                &reject,
                &failed.error().map(JsValue::from).unwrap_or_default(),
            );
        });
        request.set_onsuccess(Some(done.unchecked_ref()));
        request.set_onerror(Some(not_done.unchecked_ref()));
    });
    JsFuture::from(promise).await
}

/// Waits until a change is on the device.
pub(super) async fn committed(change: &IdbTransaction) -> Result<(), JsValue> {
    let promise = Promise::new(&mut |resolve, reject| {
        let failed = change.clone();
        let done = Closure::once_into_js(move |_: JsValue| settle(&resolve, &JsValue::UNDEFINED));
        let not_done = Closure::once_into_js(move |_: JsValue| {
            settle(
                &reject,
                &failed.error().map(JsValue::from).unwrap_or_default(),
            );
        });
        change.set_oncomplete(Some(done.unchecked_ref()));
        change.set_onabort(Some(not_done.unchecked_ref()));
    });
    JsFuture::from(promise).await.map(drop)
}

fn settle(settle: &js_sys::Function, value: &JsValue) {
    // A promise's own function: it never throws.
    let _ = settle.call1(&JsValue::UNDEFINED, value);
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

    const STORES: &[&str] = &["one", "other"];

    async fn value(database: &Database, store: &str, key: &str) -> JsValue {
        let store = database.read(store).unwrap();
        answer(&store.get(&key.into()).unwrap()).await.unwrap()
    }

    #[wasm_bindgen_test]
    async fn what_was_committed_is_there_when_the_database_is_opened_again() {
        let database = Database::open("kept", STORES).await.unwrap();
        let change = database.change(STORES).unwrap();
        for store in STORES {
            let store = change.object_store(store).unwrap();
            store.put_with_key(&"value".into(), &"key".into()).unwrap();
        }
        committed(&change).await.unwrap();
        let again = Database::open("kept", STORES).await.unwrap();
        for store in STORES {
            assert_eq!(value(&again, store, "key").await, "value");
            assert!(value(&again, store, "no key").await.is_undefined());
        }
    }

    #[wasm_bindgen_test]
    async fn a_change_that_is_given_up_says_so_and_changes_nothing() {
        let database = Database::open("given up", STORES).await.unwrap();
        let change = database.change(STORES).unwrap();
        let store = change.object_store("one").unwrap();
        store.put_with_key(&"value".into(), &"key".into()).unwrap();
        change.abort().unwrap();
        assert!(committed(&change).await.is_err());
        assert!(value(&database, "one", "key").await.is_undefined());
    }

    #[wasm_bindgen_test]
    async fn another_version_of_the_page_does_not_wait_for_this_one() {
        let database = Database::open("version", STORES).await.unwrap();
        let factory = web_sys::window().unwrap().indexed_db().unwrap().unwrap();
        let newer = factory.open_with_u32("version", VERSION + 1).unwrap();
        answer(&newer).await.unwrap();
        assert!(database.read("one").is_err(), "it was closed");
    }
}
