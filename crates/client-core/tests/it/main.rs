//! The machines joined to a model of a server, on virtual time.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "in a test, a panic is how to say that something is wrong"
)]

mod calls;
mod connection;
mod fleet;
mod frames;
mod heartbeat;
mod leases;
mod properties;
mod rollover;
mod tabs;
mod truth;
mod upload;
mod verdicts;
mod world;
