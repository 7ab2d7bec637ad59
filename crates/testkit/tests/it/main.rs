//! The fake gateway, over real sockets and on virtual time.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "in a test, a panic is how to say that something is wrong"
)]

mod client;
mod contract;
mod process;
mod proxy;
mod real_dials;
mod real_frames;
mod steering;
mod virtual_rules;
mod virtual_world;
