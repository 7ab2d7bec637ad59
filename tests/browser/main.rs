//! The page in a browser, fed by hand: what it shows of a state, by role and name, and what it
//! makes of what a person does. Run with `cargo test --target wasm32-unknown-unknown`.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod console;
mod files;
mod kept;
mod reader;
mod support;
mod words;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
