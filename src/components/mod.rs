//! How the page looks: one file for each part.
//!
//! Views read the store's types and send it [`Msg`](crate::store::Msg)s; they never see JSON, and
//! a person's text is only ever a text node.

mod account;
mod app;
mod connection_chip;
mod console;
mod desk;
mod drop_zone;
mod files;
mod interface_language;
mod kept;
mod language_bar;
mod live_news;
mod parts;
mod reader;

pub(crate) use account::{foot as account_foot, top as account_top};
pub use app::{App, AppProps};
pub(crate) use desk::{end, side, work};
