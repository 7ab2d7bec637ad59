//! The driver in a real browser against a real server: see `tests/README.md`.

#![cfg(target_arch = "wasm32")]
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "in a test, a panic is how to say that something is wrong"
)]

mod calls;
mod connection;
mod faults;
mod reconciler;
mod shared;
mod streams;
mod support;
mod tabs;
mod upload;
mod yew;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
