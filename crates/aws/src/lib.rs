//! Babelwire's service on AWS: its ports on DynamoDB, S3, SQS, Translate and `@connections`.
