//! What this device keeps.

/// What is known of what this device keeps.
#[derive(Debug, Default)]
pub struct Kept {}

/// What can happen to it.
#[derive(Debug)]
pub enum KeptMsg {}

/// What has to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptEffect {}
