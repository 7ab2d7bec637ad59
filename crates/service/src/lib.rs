//! What happens: Babelwire's handlers over ports, with no transport and no vendor.
//!
//! [`Service`] is what the outside calls: REST calls, actions of the WebSocket and object events
//! all end there. [`ports`] is what it calls: tables, objects, connections, a clock. What takes
//! longer than a call is [`ports::Work`] for a [`Worker`].

mod action;
mod broadcast;
#[cfg(feature = "conformance")]
pub mod conformance;
mod document;
pub mod events;
mod examine;
mod job;
mod line;
mod looks;
mod object_events;
pub mod ports;
mod proof;
mod ranges;
mod reading;
mod service;
mod side_by_side;
mod slots;
pub mod text;
pub mod translator;
mod worker;

pub use action::ErrorFrame;
pub use examine::{Find, Side};
pub use looks::MemoryLooks;
pub use reading::TextStream;
pub use service::{Download, FileName, Limits, Listed, Ports, Retried, Service, ServiceError};
pub use worker::{WorkQueue, Worker, work_queue};

/// A time as it crosses the network: RFC 3339 in UTC, with milliseconds.
pub fn rfc3339(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
