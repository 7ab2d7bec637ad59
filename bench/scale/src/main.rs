//! What Babelwire costs on AWS and how far it goes: prints the tables of `docs/scale.md`, or puts
//! them there with `--write FILE`.

mod assumed;
mod fanout;
mod measured;
mod ours;
mod published;
mod tables;
mod usage;

use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let write = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => None,
        (Some("--write"), Some(path)) => Some(path),
        _ => return Err("usage: babelwire-scale [--write FILE]".to_owned()),
    };
    let measured = measured::measured()
        .map_err(|error| format!("measured.json is not as expected: {error}"))?;
    let tables = tables::all(&usage::Model { measured });
    let Some(path) = write else {
        for (name, table) in tables {
            println!("── {name} ──\n\n{table}");
        }
        return Ok(());
    };
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let text = tables::put(&text, &tables)?;
    std::fs::write(&path, text).map_err(|error| format!("{path}: {error}"))
}
