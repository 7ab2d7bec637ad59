//! Tests against a gateway that misbehaves on cue.
#![deny(missing_docs)]

mod dice;
mod frame;
mod gateway;
pub mod rules;
mod seen;
#[cfg(feature = "server")]
mod server;

pub use dice::Dice;
pub use frame::Frame;
pub use seen::{Dial, DialState, End, FRAMES_KEPT, Seen, SeenFrame};
#[cfg(feature = "server")]
pub use server::{FakeGateway, Options, Stage, StartError, TimedOut};

#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../README.md")]
struct Readme;
