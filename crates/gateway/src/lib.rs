//! API Gateway's WebSocket contract as an axum router that calls handlers with proxy events.
