//! The server over real HTTP and a real WebSocket, in this process and as a process of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod live;
mod page;
mod process;
mod reader;
mod rest;
mod support;
