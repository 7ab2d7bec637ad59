//! `@connections` against our own gateway.
