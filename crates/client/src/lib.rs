//! A browser client for backends that speak API Gateway's WebSocket contract.
