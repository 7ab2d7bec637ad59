//! A browser client for backends that speak API Gateway's WebSocket contract.
//!
//! - [`Client`] keeps one WebSocket open for as long as it is held: it dials, dials again with
//!   full jitter after every loss, waits while the machine is offline, and queues what is sent
//!   meanwhile.
//! - [`Reconciler`] asks the backend what changed, each time that it is told to, until it is
//!   answered: a push is a hint, and the truth is asked for.
//! - [`upload`] sends a file straight from the disk, with progress, again and again until it is
//!   there.
//!
//! Every decision is made in [`babelwire_client_core`], which knows no browser and is tested on
//! virtual time; this crate tells it what happens and does what it says.
//!
//! ```no_run
//! use babelwire_client::{Client, Event, Options, SendOutcome};
//! use babelwire_wire::Action;
//!
//! let client = Client::connect(Options::new("live"), |event| match event {
//!     Event::Frame { payload, .. } => println!("{payload:?}"),
//!     Event::Changed { to, cause, .. } => println!("{}: {cause}", to.as_str()),
//!     _ => {}
//! });
//! let outcome = client.send(&Action::EchoMessage { data: "hello".to_owned() });
//! assert!(matches!(outcome, SendOutcome::Queued(_)));
//! ```
//!
//! It runs where there is a `window`. It compiles for other targets, so that a workspace can be
//! checked as a whole, and panics there when called.
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
