//! Babelwire in one process.

use std::process::ExitCode;

use babelwire_server::{Options, run};
use clap::Parser;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("babelwire-server: {error}");
            ExitCode::FAILURE
        }
    }
}
