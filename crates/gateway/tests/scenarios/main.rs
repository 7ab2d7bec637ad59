//! What a client and a handler live through, told with a virtual clock: the network is a pipe in
//! memory, so ten minutes or two hours pass the moment nothing else is left to do.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, and this is what they call"
)]

mod harness;

mod authorizer;
mod closing;
mod guard;
mod handshake;
mod management;
mod messages;
mod slow_clients;
