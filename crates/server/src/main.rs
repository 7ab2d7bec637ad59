//! Babelwire in one process.
fn main() {}
