//! A browser client for backends that speak API Gateway's WebSocket contract, and for any other
//! whose frames are JSON.
//!
//! # Connect
//!
//! ```no_run
//! use babelwire_client::{Client, Event, Options};
//!
//! let client = Client::connect(Options::new("wss://example.org/prod"), |event| match event {
//!     Event::Opened { continuity, .. } => println!("connected: {continuity:?}"),
//!     Event::Changed { to, cause, .. } => println!("{}: {cause}", to.as_str()),
//!     Event::Frame { payload, .. } => println!("{payload:?}"),
//!     _ => {}
//! });
//! ```
//!
//! A [`Client`] keeps one connection for as long as any clone of it is held; dropping the last one
//! closes the socket. A relative URL is resolved against the page, so `live` is one. A URL or a
//! token that expires comes from [`Options::with_provider`], which is asked before every dial. To
//! wait instead of being called back, take [`Client::events`] or [`Client::statuses`].
//!
//! # Send
//!
//! ```no_run
//! use babelwire_client::{Client, SendOutcome};
//! use serde::Serialize;
//!
//! #[derive(Serialize)]
//! #[serde(tag = "action", rename_all = "lowercase")]
//! enum Action {
//!     EchoMessage { data: String },
//! }
//!
//! fn greet(client: &Client) {
//!     match client.send(&Action::EchoMessage { data: "hello".to_owned() }) {
//!         SendOutcome::Sent => {}
//!         SendOutcome::Queued(ticket) => println!("{ticket:?} waits for a connection"),
//!         SendOutcome::Rejected(why) => println!("{why}"),
//!     }
//! }
//! ```
//!
//! What is queued goes out in order once there is a socket that takes it, and each ticket comes
//! back once: with [`Event::Sent`] or with [`Event::Discarded`]. How much may wait, and for how long, is in
//! [`OutboxLimits`]. A frame that the gateway would close the connection for is never sent.
//!
//! # Receive
//!
//! ```no_run
//! use babelwire_client::{Client, Incoming};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! #[serde(tag = "type", rename_all = "camelCase")]
//! enum News {
//!     Joined { name: String },
//!     Said { name: String, text: String },
//! }
//!
//! async fn read(client: Client) {
//!     let mut news = client.messages::<News>();
//!     // A stream does not keep the connection up, so hold the client beside it.
//!     while let Some(incoming) = news.next().await {
//!         match incoming {
//!             Incoming::Message(News::Joined { name }) => println!("{name} is here"),
//!             Incoming::Message(News::Said { name, text }) => println!("{name}: {text}"),
//!             Incoming::Gateway(error) => println!("the gateway says {}", error.message),
//!             Incoming::Other(payload) => println!("not understood: {payload:?}"),
//!             _ => println!("some were missed: ask the backend what changed"),
//!         }
//!     }
//! }
//! ```
//!
//! Streams have a queue each, never a "last message": nothing is overwritten by what comes after
//! it. A consumer that falls thousands of frames behind is told how many are [`Missed`].
//!
//! # Call
//!
//! ```no_run
//! use babelwire_client::{CallError, Client};
//! use serde_json::{Value, json};
//!
//! async fn price(client: &Client) -> Result<Value, CallError> {
//!     client.call(&json!({"action": "price", "article": "tea"})).await
//! }
//! ```
//!
//! [`Client::call`] puts a correlation id into the message and waits for the frame that has the
//! same. It ends with an answer, with the gateway's error, after its time, or with the socket that
//! it went out over: never in silence. [`Client::call_with`] fits it to protocols with a field of
//! their own.
//!
//! # When the connection is lost
//!
//! - **It dials again**, after a delay that is drawn from zero up to a ceiling, which doubles with
//!   each failure ([`Backoff`]). The ceiling falls back only after 5 s of stable connection.
//!   Offline, it waits without dialling. [`Client::retry_now`] is for a person who is out of
//!   patience.
//! - **It notices.** A socket that looks open and leads nowhere is asked for a sign of life, and
//!   replaced within ten seconds ([`Heartbeat`]). When the page wakes up, the socket is asked
//!   rather than dropped.
//! - **It goes before it must.** API Gateway ends every connection after two hours; a second one
//!   takes over before that, and nothing is lost or heard twice ([`Rollover`]).
//! - **It heeds close codes**: stop, sign in again, dial at once or later ([`after_close`]).
//! - **It says what may be missing.** [`Event::Opened`] comes with a [`Continuity`]. After
//!   [`Continuity::MayBeLost`], ask the backend what changed; [`Reconciler`] does that until it is
//!   answered.
//!
//! # Share
//!
//! [`Shared`] gives one connection to all who lease it, and closes it a moment after the last has
//! left. [`Client::connect_shared`] gives one socket to all tabs of the browser.
//!
//! # In a Yew page
//!
//! With feature `yew`, `ConnectionProvider` owns the connection, and the components below it use
//! hooks: `use_connection`, `use_status`, `use_messages`, `use_inbox`, `use_events` and
//! `use_action`. See the module `yew`. The repository's `examples/` has a chat and a page of
//! notifications, each of some dozens of lines.
//!
//! # Test your page
//!
//! [`babelwire-testkit`](https://docs.rs/babelwire-testkit) has a fake gateway that refuses,
//! closes, delays, drops, doubles and goes silent by rules, as a library for tests in Rust and as a
//! program for tests in a browser, and a world on virtual time for the logic.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | none is on by default | the client, its streams, calls, leases and [`upload`]s |
//! | `yew` | the module `yew`: a provider and hooks for Yew 0.23 |
//!
//! What a page does not call is not linked into it.
//!
//! # Where it runs
//!
//! In a page: it needs a `window`, and is compiled for `wasm32-unknown-unknown`. It compiles for
//! other targets, so that a workspace can be checked as a whole, and panics there when called.
//! Every decision is made in [`babelwire_client_core`], which knows no browser and is tested on
//! virtual time; this crate tells it what happens and does what it says.
//!
//! The minimum Rust version is 1.90. Raising it counts as a minor change.
#![deny(missing_docs)]

mod browser;
mod calls;
mod connection;
mod ears;
mod json;
mod messages;
mod reconciler;
mod shared;
mod streams;
mod tabs;
pub mod upload;
#[cfg(feature = "yew")]
pub mod yew;

pub use babelwire_client_core::{
    AfterClose, Backoff, CallError, CallOptions, Cause, Closed, Config, Continuity, DialFailure,
    Discard, Event, FetchError, Generation, Heartbeat, Instant, OutboxLimits, Payload,
    ReconcileConfig, ReconcileState, Rejection, Reply, Rollover, SendOutcome, StandbyNews, State,
    Ticket, after_close, meaning,
};
pub use babelwire_wire::GatewayError;
pub use browser::websocket_url;
pub use calls::Calling;
pub use connection::{Client, DialRequest, Endpoint, Options};
pub use ears::Listener;
pub use json::lend_parser;
pub use messages::{Incoming, Messages};
pub use reconciler::Reconciler;
pub use shared::{Lease, Shared};
pub use streams::{Events, Missed, STREAM_BYTES, STREAM_ITEMS, Statuses};
pub use tabs::TabsOptions;

#[cfg(all(doctest, feature = "yew"))]
#[doc = include_str!("../README.md")]
struct Readme;
