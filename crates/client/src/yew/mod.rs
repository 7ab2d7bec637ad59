//! A provider and hooks for [Yew](https://yew.rs): feature `yew`.
//!
//! [`ConnectionProvider`] owns the connection; every component below it uses the same one. It is
//! dialled when the first component that uses it is mounted, and closed when the last one has been
//! gone for the grace time. No component has to clean up.
//!
//! | hook | gives |
//! |---|---|
//! | [`use_connection`] | the handle: send, call, retry, close; never renders by itself |
//! | [`use_status`] | the present state; renders when it changes |
//! | [`use_messages`] | each frame, read as your type, to a callback |
//! | [`use_inbox`] | the last frames that are messages of your type, as a list |
//! | [`use_events`] | everything that happens, to a callback |
//! | [`use_action`] | a `Callback` that sends your type |
//!
//! ```no_run
//! use babelwire_client::yew::{ConnectionProvider, use_action, use_inbox, use_status};
//! use serde::{Deserialize, Serialize};
//! use yew::prelude::*;
//!
//! #[derive(Serialize)]
//! #[serde(tag = "action", rename_all = "lowercase")]
//! enum Action {
//!     EchoMessage { data: String },
//! }
//!
//! #[derive(Deserialize, PartialEq)]
//! #[serde(rename_all = "camelCase")]
//! struct Upload {
//!     bucket_key: String,
//!     message: String,
//! }
//!
//! #[component]
//! fn Uploads() -> Html {
//!     let status = use_status();
//!     let uploads = use_inbox::<Upload>(100);
//!     let send = use_action();
//!     let greet = move |_| {
//!         let sent = send.emit(Action::EchoMessage { data: "hello".to_owned() });
//!         web_sys::console::log_1(&format!("{sent:?}").into());
//!     };
//!     html! {
//!         <>
//!             <p role="status">{ status.as_str() }</p>
//!             <button onclick={greet}>{ "Greet everybody" }</button>
//!             <ul>{ for uploads.iter().map(|upload| html! {
//!                 <li>{ &upload.bucket_key }{ ": " }{ &upload.message }</li>
//!             }) }</ul>
//!         </>
//!     }
//! }
//!
//! #[component]
//! fn App() -> Html {
//!     html! { <ConnectionProvider to="wss://example.org/prod"><Uploads /></ConnectionProvider> }
//! }
//! ```
//!
//! # A queue, never a last message
//!
//! Everything that happens is kept in order and delivered once, to every component that was there
//! when it happened, in one batch for each frame that the browser paints (or a moment later where
//! it paints none). So a burst of a thousand frames is a thousand calls of each callback, and one
//! render. A callback that gathers messages in a state does so with
//! [`use_reducer`](::yew::functional::use_reducer), whose actions add up, or with [`use_inbox`]: the
//! value of a `use_state` is the one of the last render, for the whole batch.
//!
//! # On a server
//!
//! Where there is no browser (a page that is rendered on a server) nothing is dialled: the state is
//! [`State::Closed`](crate::State::Closed), and the first render in the browser dials.

mod hooks;
mod hub;
mod provider;

pub use hooks::{
    UseConnectionHandle, UseInboxHandle, use_action, use_connection, use_events, use_inbox,
    use_messages, use_status,
};
pub use provider::{ConnectionProvider, ConnectionProviderProps, Target};
