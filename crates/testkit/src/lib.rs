//! Tests against a WebSocket gateway that misbehaves on cue.
//!
//! One fake gateway, which behaves as Amazon API Gateway with a small backend would until
//! [`rules`] tell it to refuse, close, cut, delay, drop, double, reorder or go silent, in three
//! forms:
//!
//! - [`World`]: connections of `babelwire-client-core` and the gateway on virtual time, for the
//!   logic of an app. A day passes in half a second, and every run is the same.
#![cfg_attr(
    feature = "server",
    doc = "- [`FakeGateway`]: over real sockets, for clients in Rust; feature `server`."
)]
#![cfg_attr(
    not(feature = "server"),
    doc = "- `FakeGateway`: over real sockets, for clients in Rust; feature `server`."
)]
//! - `babelwire-fake-gateway`: the same as a program, steered over HTTP, for tests in a browser;
//!   feature `cli`. Its `--help` lists the calls.
//!
//! ```
//! use std::time::Duration;
//! use babelwire_client_core::Config;
//! use babelwire_testkit::World;
//!
//! let mut world = World::new();
//! let page = world.add_client(Config::default());
//! world.connect(page);
//! world.run(Duration::from_secs(60));
//!
//! // The laptop moves to another network, where the old socket leads nowhere.
//! world.go_silent();
//! world.run_until(Duration::from_secs(60), |world| world.dials(page).len() == 2);
//! world.run_until_state(page, "open", Duration::from_secs(1));
//! ```
//!
//! # Features
//!
//! - `server`: the gateway over real sockets. Off by default, because tokio's sockets do not
//!   compile for `wasm32-unknown-unknown`, and a page's tests are compiled for just that.
//! - `cli`: the program.
#![deny(missing_docs)]

mod clock;
mod dice;
mod frame;
mod gateway;
pub mod rules;
mod seen;
#[cfg(feature = "server")]
mod server;
mod world;

pub use clock::VirtualClock;
pub use dice::Dice;
pub use frame::Frame;
pub use gateway::Reply;
pub use seen::{Dial, DialState, End, FRAMES_KEPT, Seen, SeenFrame};
#[cfg(feature = "server")]
pub use server::{FakeGateway, Options, Stage, StartError, TimedOut};
pub use world::{ClientId, Dialled, LATENCY, World};

#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../README.md")]
struct Readme;
