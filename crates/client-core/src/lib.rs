//! The connection to an API-Gateway-style WebSocket backend as pure state machines.
