//! The reader beyond the document itself.

/// What is known of the reader beyond the document itself.
#[derive(Debug, Default)]
pub struct Reader {}

/// What can happen to it.
#[derive(Debug)]
pub enum ReaderMsg {}

/// What has to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReaderEffect {}
