//! What AWS says: list prices and quotas. All that may have to be changed is in this file.
//!
//! Prices are those of `us-east-1` in US dollars without free tiers and volume discounts, as the
//! pricing pages had them in July 2025. Quotas are an account's defaults.

/// When the prices were known to be right.
pub(crate) const PRICES_OF: &str = "July 2025";

const MILLION: f64 = 1e6;
const GB: f64 = 1e9;

/// A WebSocket message of up to [`MESSAGE_STEP`] bytes, either way ("Amazon API Gateway pricing",
/// first billion a month).
pub(crate) const MESSAGE: f64 = 1.00 / MILLION;
/// A minute of a WebSocket ("Amazon API Gateway pricing").
pub(crate) const CONNECTION_MINUTE: f64 = 0.25 / MILLION;
/// A request to an HTTP API of up to 512 KB ("Amazon API Gateway pricing", first 300 million).
pub(crate) const HTTP_REQUEST: f64 = 1.00 / MILLION;
/// A second of a gigabyte of an arm64 function ("AWS Lambda pricing", first tier).
pub(crate) const LAMBDA_GB_SECOND: f64 = 0.000_013_333_4;
/// A function's invocation ("AWS Lambda pricing").
pub(crate) const LAMBDA_REQUEST: f64 = 0.20 / MILLION;
/// A write request unit, on demand: an item of up to 1 KB ("Amazon DynamoDB pricing for on-demand
/// capacity", since November 2024).
pub(crate) const WRITE_UNIT: f64 = 0.625 / MILLION;
/// A read request unit, on demand: 4 KB read consistently, or 8 KB eventually (the same page).
pub(crate) const READ_UNIT: f64 = 0.125 / MILLION;
/// A gigabyte in DynamoDB for a month: the table's, and its continuous backup's.
pub(crate) const TABLE_GB_MONTH: f64 = 0.25 + 0.20;
/// A PUT, or a part of a multipart upload, of S3 ("Amazon S3 pricing", Standard).
pub(crate) const S3_PUT: f64 = 0.005 / 1000.0;
/// A GET of S3 ("Amazon S3 pricing", Standard).
pub(crate) const S3_GET: f64 = 0.0004 / 1000.0;
/// A gigabyte in S3 for a month ("Amazon S3 pricing", Standard, first tier).
pub(crate) const S3_GB_MONTH: f64 = 0.023;
/// A request of SQS, for each 64 KB ("Amazon SQS pricing", standard queues).
pub(crate) const SQS_REQUEST: f64 = 0.40 / MILLION;
/// A character of text that is translated ("Amazon Translate pricing", standard text).
pub(crate) const TRANSLATE_CHARACTER: f64 = 15.0 / MILLION;
/// A request to CloudFront over HTTPS ("Amazon CloudFront pricing", United States).
pub(crate) const CLOUDFRONT_REQUEST: f64 = 0.0100 / 10_000.0;
/// A byte that CloudFront sends (the same page, first tier).
pub(crate) const CLOUDFRONT_BYTE: f64 = 0.085 / GB;
/// A byte that API Gateway or S3 sends to the internet ("Amazon EC2 on-demand pricing", data
/// transfer, first tier).
pub(crate) const BYTE_OUT: f64 = 0.09 / GB;

/// Requests a second of an account's APIs together, `@connections` among them ("Amazon API Gateway
/// quotas": HTTP APIs, REST APIs, WebSocket APIs and WebSocket callback APIs).
pub(crate) const REQUESTS_A_SECOND: f64 = 10_000.0;
/// What may exceed that at once: the bucket of tokens (the same page).
pub(crate) const REQUESTS_AT_ONCE: f64 = 5_000.0;
/// New WebSocket connections a second of an account ("Quotas for configuring and running a WebSocket
/// API in API Gateway").
pub(crate) const CONNECTIONS_A_SECOND: f64 = 500.0;
/// The longest that a function runs, in seconds ("Lambda quotas").
pub(crate) const LONGEST_FUNCTION_S: f64 = 900.0;
/// Functions that an account runs at once ("Lambda quotas").
pub(crate) const FUNCTIONS_AT_ONCE: u32 = 1_000;
/// Invocations side by side with which Lambda begins on an SQS queue ("Configuring scaling behavior
/// for SQS event source mappings").
pub(crate) const POLLERS_FIRST: u32 = 5;
/// How many it adds in a minute, as long as messages wait (the same page).
pub(crate) const POLLERS_A_MINUTE: f64 = 300.0;
/// How often S3 has an event's function called at most that fails: once, and twice more ("Error
/// handling for asynchronous invocation").
pub(crate) const ASYNC_TRIES: u32 = 3;
/// The least to which a queue's invocations can be limited ("Configuring maximum concurrency for
/// Amazon SQS event sources").
pub(crate) const FEWEST_POLLERS: u32 = 2;
/// How long API Gateway waits for a route's function, in seconds ("Quotas for configuring and running
/// a WebSocket API in API Gateway", integration timeout).
pub(crate) const ROUTE_S: f64 = 29.0;
