//! The page: drop text files, read their translations as they come to exist.
//!
//! - [`store`]: what the page knows and how that changes; pure.
//! - [`words`]: what a person reads of it; pure.
//! - [`announcer`]: what a person hears of it; pure.
//! - [`components`]: how it looks; knows the store's types, never JSON.
//! - [`runtime`]: does what the store asks for, in the browser.
//! - [`peek`], [`zip`]: what the beginning of a file shows, and many files in one; pure.
//! - [`desk`], [`extras`], [`account`]: what is fetched only when it is needed.
//! - [`oauth`]: what tokens say; pure.
//! - [`api`], [`config`], [`source_text`], [`intl`]: the parts of the browser that it needs.

pub mod account;
pub mod announcer;
pub mod api;
pub mod components;
pub mod config;
pub mod desk;
pub mod extras;
pub mod intl;
pub mod oauth;
pub mod peek;
pub mod runtime;
pub mod source_text;
pub mod store;
pub mod words;
pub mod zip;
