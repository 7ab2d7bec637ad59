//! Files beyond the rows themselves.

/// What is known of files beyond the rows themselves.
#[derive(Debug, Default)]
pub struct Files {}

/// What can happen to it.
#[derive(Debug)]
pub enum FilesMsg {}

/// What has to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesEffect {}
