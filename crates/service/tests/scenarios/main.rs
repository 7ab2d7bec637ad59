//! The service in a world in memory: what goes wrong there goes wrong on purpose, and time passes
//! only when nothing else is left to do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_imports,
    missing_docs
)]

mod events;
mod functions;
mod giving_up;
mod jobs;
mod looking;
mod owners;
mod reading;
mod sending;
mod world;
