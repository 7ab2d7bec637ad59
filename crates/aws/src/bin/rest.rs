//! The function behind the HTTP API.

use babelwire_aws::functions::{begin_with, rest};
use babelwire_aws::service::Role;
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (settings, backend) = begin_with(Role::Rest).await?;
    lambda_http::run(rest::router(&backend, &settings)).await
}
