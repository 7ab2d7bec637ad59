//! Work through SQS.
