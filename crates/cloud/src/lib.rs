//! API Gateway, the Lambda runtime and SQS's pollers on one machine, around the functions of `babelwire-aws`.
