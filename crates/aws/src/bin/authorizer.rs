//! The function that says who may connect.

use std::process::ExitCode;
use std::sync::Arc;

use babelwire_aws::functions::authorizer::{Authorizer, KeysAt};
use babelwire_aws::functions::{self, begin};
use babelwire_aws::world::SystemClock;
use lambda_runtime::{Error, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    functions::run(Box::pin(function())).await
}

async fn function() -> Result<(), Error> {
    let auth = begin()?.auth()?.clone();
    let keys = Arc::new(KeysAt::new(&auth.jwks_url)?);
    let authorizer = &Authorizer::new(auth, keys, Arc::new(SystemClock));
    run(service_fn(|event| authorizer.handle(event))).await
}
