//! The function that handles what S3 says, and sends news to connections.

use std::process::ExitCode;

use babelwire_aws::functions::{self, begin_with, notifier};
use babelwire_aws::service::Role;
use lambda_runtime::{Error, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    functions::run(Box::pin(function())).await
}

async fn function() -> Result<(), Error> {
    let (_settings, backend) = begin_with(Role::Notifier).await?;
    let backend = &backend;
    run(service_fn(|event| notifier::handle(backend, event))).await
}
