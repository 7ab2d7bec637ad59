//! Tests against a gateway that misbehaves on cue.
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
