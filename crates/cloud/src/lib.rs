//! AWS's side of Babelwire's functions, on one machine.
//!
//! The functions of `babelwire-aws` are programs that ask Lambda for work. Here is who answers
//! them: Lambda's runtime API ([`runtime`]), API Gateway's HTTP API ([`http_api`]) and WebSocket
//! API (the gateway of `babelwire-gateway`), and the pollers between SQS and a function ([`sqs`]).
//! DynamoDB, S3 and SQS themselves are moto's; what is to be made there, and what each function is
//! given, is read from the very template that is deployed ([`template`]).
//!
//! What this cannot show: permissions (nothing here checks a signature or a role), throttling,
//! DynamoDB's capacity, S3's check of an upload's size, which rule of a bucket's CORS S3 would take
//! (moto knows one), the order of S3's events ([`sqs::Sequencers`] says why), and how fast any of it is
//! on AWS.

pub mod cloud;
pub mod http_api;
mod ids;
pub mod peers;
pub mod runtime;
pub mod sqs;
pub mod template;
