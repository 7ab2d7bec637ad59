//! The browser's own JSON parser, lent to the types that cross the network.

use babelwire_wire::{Fields, Value};
use js_sys::{Array, JSON, Object};
use wasm_bindgen::{JsCast as _, JsValue};

/// Has [`babelwire_wire::from_json`] and [`babelwire_wire::Inbound::parse`] read with the browser's
/// `JSON.parse`. Call it once, before anything is read; on other platforms it does nothing, and
/// they read with `serde_json`.
pub fn lend_parser() {
    if cfg!(target_arch = "wasm32") {
        babelwire_wire::lend_parser(|json| JSON::parse(json).ok().map(|js| value(&js, 0)));
    }
}

/// How deep values may be within each other, as in `serde_json`: a stack has an end.
const DEPTH: usize = 128;

/// What `JSON.parse` made. What is too deep to be anything of ours is nothing.
fn value(js: &JsValue, depth: usize) -> Value {
    if depth > DEPTH {
        return Value::Nothing;
    }
    if let Some(text) = js.as_string() {
        Value::Text(text)
    } else if let Some(number) = js.as_f64() {
        whole(number)
    } else if let Some(bool) = js.as_bool() {
        Value::Bool(bool)
    } else if let Some(list) = js.dyn_ref::<Array>() {
        Value::List(list.iter().map(|item| value(&item, depth + 1)).collect())
    } else if let Some(object) = js.dyn_ref::<Object>() {
        let entries = Object::entries(object);
        let field = |entry: JsValue| {
            let entry: Array = entry.unchecked_into();
            let name = entry.get(0).as_string().unwrap_or_default();
            (name, value(&entry.get(1), depth + 1))
        };
        Value::Fields(Fields::new(entries.iter().map(field).collect()))
    } else {
        Value::Nothing
    }
}

/// A number that counts something: whole, and exact in JavaScript (ECMAScript's
/// `Number.MAX_SAFE_INTEGER`).
fn whole(number: f64) -> Value {
    const MOST: f64 = 9_007_199_254_740_991.0;
    if (0.0..=MOST).contains(&number) && number.fract() == 0.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole and within the range"
        )]
        return Value::Number(number as u64);
    }
    Value::Nothing
}
