//! What the five functions do with their events. The programs in `src/bin` are these with Lambda's
//! runtime around them.
//!
//! Events come at least once and in any order, so all of this can be done twice.

pub mod authorizer;
mod batch;
pub mod notifier;
pub mod rest;
pub mod translator;
pub mod websocket;

use std::process::ExitCode;

use lambda_runtime::Diagnostic;
use tracing_subscriber::EnvFilter;

use crate::config::{Settings, SettingsError};
use crate::service::{Backend, BuildError, Role};

/// How often SQS gives a message out before it goes to the dead letters: `maxReceiveCount` in
/// `deploy/template.yaml`.
pub const MOST_RECEIVES: u64 = 5;

/// Reads the environment and begins to log: a line of JSON for each event, without a time, which
/// `CloudWatch` adds.
pub fn begin() -> Result<Settings, SettingsError> {
    let settings = Settings::from_env()?;
    let filter = EnvFilter::try_new(&settings.log).map_err(|_| SettingsError::Wrong {
        name: "BABELWIRE_LOG",
        value: settings.log.clone(),
        holds: "a filter such as info or babelwire_aws=debug,warn",
    })?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .without_time()
        .with_env_filter(filter)
        .init();
    Ok(settings)
}

/// Runs a function until its instance ends; what ends it before its time is said in words, on
/// standard error, which is part of the log as well.
pub async fn run(function: impl Future<Output = Result<(), lambda_runtime::Error>>) -> ExitCode {
    match function.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The function cannot run: {error}");
            ExitCode::FAILURE
        }
    }
}

/// [`begin`], and the service of a function.
pub async fn begin_with(role: Role) -> Result<(Settings, Backend), BuildError> {
    let settings = begin()?;
    let backend = crate::service::build(role, &settings).await?;
    Ok((settings, backend))
}

/// What Lambda is told of an error: its kind and its words. Callers can see both.
fn diagnostic(kind: &str, error: &dyn std::fmt::Display) -> Diagnostic {
    Diagnostic {
        error_type: kind.to_owned(),
        error_message: error.to_string(),
    }
}

impl From<websocket::Error> for Diagnostic {
    fn from(error: websocket::Error) -> Self {
        diagnostic("WebSocket", &error)
    }
}

impl From<notifier::Error> for Diagnostic {
    fn from(error: notifier::Error) -> Self {
        diagnostic("Notifier", &error)
    }
}

impl From<translator::Error> for Diagnostic {
    fn from(error: translator::Error) -> Self {
        diagnostic("Translator", &error)
    }
}

impl From<authorizer::Error> for Diagnostic {
    fn from(error: authorizer::Error) -> Self {
        diagnostic("Authorizer", &error)
    }
}
