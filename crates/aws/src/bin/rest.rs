//! The function behind the HTTP API.

use std::process::ExitCode;

use babelwire_aws::functions::{self, begin_with, rest};
use babelwire_aws::service::Role;
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    functions::run(Box::pin(function())).await
}

async fn function() -> Result<(), Error> {
    let (settings, backend) = begin_with(Role::Rest).await?;
    lambda_http::run(rest::router(&backend, &settings)).await
}
