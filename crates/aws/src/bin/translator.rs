//! The function that translates.

use std::process::ExitCode;

use babelwire_aws::functions::translator::Translator;
use babelwire_aws::functions::{self, begin_with};
use babelwire_aws::service::Role;
use lambda_runtime::{Error, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    functions::run(Box::pin(function())).await
}

async fn function() -> Result<(), Error> {
    let (settings, backend) = begin_with(Role::Translator).await?;
    let translator = &Translator::new(backend, &settings)?;
    run(service_fn(|event| translator.handle(event))).await
}
