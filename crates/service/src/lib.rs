//! What happens: Babelwire's handlers over ports, with no transport and no vendor.

pub mod text;
pub mod translator;
