//! The function behind the WebSocket API.

use std::process::ExitCode;

use babelwire_aws::functions::{self, begin_with, websocket};
use babelwire_aws::service::Role;
use lambda_runtime::{Error, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    functions::run(Box::pin(function())).await
}

async fn function() -> Result<(), Error> {
    let (_settings, backend) = begin_with(Role::WebSocket).await?;
    let service = &backend.service;
    run(service_fn(|event| websocket::handle(service, event))).await
}
