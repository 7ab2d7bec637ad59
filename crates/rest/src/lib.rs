//! The REST interface of the service as an axum router.
