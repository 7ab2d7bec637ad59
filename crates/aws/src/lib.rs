//! Babelwire's service on AWS: its ports on DynamoDB, S3, SQS, Translate and `@connections`.

pub mod config;
mod failure;
#[cfg(feature = "fake-translate")]
pub mod fake_translate;
pub mod functions;
pub mod looks;
pub mod marks;
pub mod notifier;
pub mod objects;
mod paragraph;
pub mod queue;
pub mod records;
pub mod service;
pub mod translator;
pub mod world;

pub use failure::Patience;
