//! Babelwire's functions on one machine: see the library.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use babelwire_cloud::cloud::{Auth, Cloud, CloudError, Options};
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Runs Babelwire's functions as AWS would: API Gateway, Lambda's runtime API and SQS's pollers
/// around them, and moto's server for DynamoDB, S3 and SQS. `cargo xtask cloud` starts all of it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where the page and /api are served; port 0 takes any. The WebSocket has a port of its own.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The URL of moto's server.
    #[arg(long)]
    moto: String,
    /// The URL of Translate, or of the fake of it.
    #[arg(long)]
    translate: String,
    /// The folder of the functions' programs.
    #[arg(long)]
    functions: PathBuf,
    /// The template of the stack.
    #[arg(long)]
    template: PathBuf,
    /// The stack's name: small letters, digits and -.
    #[arg(long, default_value = "babelwire")]
    stack: String,
    /// The page's files. Without, there are only the APIs.
    #[arg(long)]
    ui: Option<PathBuf>,
    /// Shortens every function's time limit to so many milliseconds.
    #[arg(long)]
    function_timeout_ms: Option<u64>,
    /// One more variable of every function: NAME=VALUE.
    #[arg(long = "env", value_parser = variable)]
    environment: Vec<(String, String)>,
    /// Lets in only who has a token of this issuer: a file with its JWK Set.
    #[arg(long)]
    auth: Option<PathBuf>,
    /// The `iss` that tokens must have.
    #[arg(long, requires = "auth")]
    auth_issuer: Option<String>,
    /// The `aud` that tokens must have.
    #[arg(long, requires = "auth")]
    auth_audience: Option<String>,
    /// What config.json says under signIn, as JSON.
    #[arg(long, requires = "auth")]
    sign_in: Option<serde_json::Value>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write NAME=VALUE".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("BABELWIRE_LOG").unwrap_or_else(|_| "info".into());
    // Standard output has the ready line alone.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), CloudError> {
    let stop = wait_for_signal()?;
    let options = Options {
        listen: arguments.listen,
        peer: arguments.moto,
        translate: arguments.translate,
        functions: arguments.functions,
        template: arguments.template,
        stack: arguments.stack,
        ui: arguments.ui,
        function_timeout: arguments.function_timeout_ms.map(Duration::from_millis),
        environment: arguments.environment,
        sources: true,
        auth: arguments.auth.map(|jwks| Auth {
            jwks,
            issuer: arguments.auth_issuer,
            audience: arguments.auth_audience,
            sign_in: arguments.sign_in,
        }),
    };
    let cloud = Cloud::start(options).await?;
    tracing::info!("the WebSocket API is at {}", cloud.socket_url());
    let mut out = std::io::stdout();
    let ready = writeln!(out, "Babelwire is ready: {}", cloud.origin()).and_then(|()| out.flush());
    if let Err(error) = ready {
        tracing::warn!(%error, "nobody reads standard output");
    }
    stop.await;
    drop(cloud);
    Ok(())
}

/// Ends with SIGTERM or Ctrl-C.
fn wait_for_signal() -> Result<impl Future<Output = ()>, CloudError> {
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .map_err(|error| CloudError(format!("could not listen for SIGTERM: {error}")))?;
    Ok(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
    })
}
