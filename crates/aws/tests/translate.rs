//! Translate against a fake of it.
