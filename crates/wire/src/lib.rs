//! Every type that crosses Babelwire's network, and its limits.
//!
//! This crate knows serde and nothing else: no clock, no socket, no browser. The page, the server
//! and the tests all speak through it.
//!
//! - [`Action`]: what the page sends over the WebSocket.
//! - [`Frame`] and [`Inbound`]: what the backend sends over it.
//! - [`Translation`], [`Segment`] and the types of [`rest`]: what both carry.
//! - [`limits`]: the numbers, each with its source.
//!
//! A frame or a field that this version does not know is never an error: frames are kept as
//! [`Frame::Raw`], fields are passed over, and [`Inbound::raw`] holds the text as it came.
#![deny(missing_docs)]

pub mod config;
mod fields;
mod frame;
pub mod limits;
mod object;
pub mod rest;
mod translation;

pub use fields::{Fields, FromFields, Misfit, Value, from_json, lend_parser};
pub use frame::{Action, Frame, GatewayError, Inbound, ObjectEvent, Push, look_frame};
pub use object::Object;
pub use translation::{Failure, Segment, Status, Translation};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
