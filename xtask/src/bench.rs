//! `bench`: the measurements, as a table.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::{on_path, output_of, run_watched};
use crate::server::{self, Profile};
use crate::steps::Steps;
use crate::{cloud, debian, page, paths, test, tools};

/// The commands of `bench/scale`: its tables, and the counts that they come from.
pub(crate) const SCALE: [&str; 2] = ["scale", "scale-counts"];

/// A figure, and what it has to be.
struct Figure {
    what: String,
    value: f64,
    unit: String,
    limit: Option<Limit>,
}

#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Figure {
    fn holds(&self) -> bool {
        match self.limit {
            Some(Limit::AtMost(most)) => self.value <= most,
            Some(Limit::AtLeast(least)) => self.value >= least,
            None => true,
        }
    }
}

/// Measures. `write` also puts the table into `docs/measurements.md`; `only` names the
/// measurements to take, all if it is empty. The answer is the exit code.
pub(crate) fn run(write: bool, only: &[String]) -> Result<u8> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|other| other == name);
    let mut figures = Vec::new();
    let mut broken = false;

    if !debian::has_apertium() {
        let steps = Steps::new(1);
        steps.step(
            "Installing Apertium and its languages",
            debian::install_apertium,
        )?;
    }
    let text = english_text()?;
    if wanted("throughput") {
        println!("\n──── throughput of the engine ────");
        let found = example(
            "babelwire-apertium",
            "throughput",
            &[megabyte(&text)?.into_os_string()],
        )?;
        broken |= found.is_empty();
        figures.extend(found);
    }
    if wanted("idle") {
        println!("\n──── idle connections of the gateway ────");
        let found = example("babelwire-gateway", "idle", &[])?;
        broken |= found.is_empty();
        figures.extend(found);
    }
    if wanted("lambda") {
        println!("\n──── the functions of AWS ────");
        let mut found = Vec::new();
        cloud::measure(|line| found.extend(figures_of_line("lambda", line)))?;
        broken |= found.is_empty();
        figures.extend(found);
    }
    let measures: Vec<&str> = [
        "lighthouse",
        "frames",
        "one-megabyte",
        "large-upload",
        "large-text",
        "idle",
        "power-cuts",
    ]
    .into_iter()
    .filter(|name| wanted(name))
    .collect();
    if !measures.is_empty() {
        println!("\n──── the whole, in a browser ────");
        let (found, passed) = measure(&text, &measures)?;
        broken |= !passed;
        figures.extend(found);
    }

    let table = table(&figures);
    println!("\n{table}");
    let report = if write {
        paths::root().join("docs").join("measurements.md")
    } else {
        paths::work().join("measurements.md")
    };
    if let Some(dir) = report.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(&report, document(&table))
        .with_context(|| format!("cannot write {}", report.display()))?;
    println!("Written to {}", report.display());
    let failed = figures.iter().filter(|figure| !figure.holds()).count();
    if broken {
        println!("Not all could be measured: see above.");
    }
    Ok(u8::from(broken || failed > 0))
}

/// What Babelwire costs on AWS and how far it goes. `write` also puts the tables into
/// `docs/scale.md`, and what was counted into `bench/scale/measured.json`.
pub(crate) fn scale(write: bool, what: &str) -> Result<u8> {
    if what == "scale-counts" {
        return scale_counts(write);
    }
    let mut command = tools::cargo_native();
    command.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "babelwire-scale",
    ]);
    if write {
        command
            .args(["--", "--write"])
            .arg(paths::root().join("docs").join("scale.md"));
    }
    let status = run_watched(&mut command, |_| {})?;
    Ok(u8::from(!status.success()))
}

/// Counts what crosses the network for a file.
fn scale_counts(write: bool) -> Result<u8> {
    let text = english_text()?;
    test::prepare_page()?;
    tools::npm_ci(&paths::root().join("bench"))?;
    let counted = paths::work().join("scale-counts.json");
    let _old = fs::remove_file(&counted);
    let status = run_watched(
        playwright_of_bench(&text)?
            .args(["--config", "scale/playwright.config.ts"])
            .env("BABELWIRE_SCALE_COUNTS", &counted),
        |_| {},
    )?;
    ensure!(status.success(), "not all could be counted: see above");
    let counts: Value = serde_json::from_slice(&fs::read(&counted)?)?;
    if write {
        let path = paths::root()
            .join("bench")
            .join("scale")
            .join("measured.json");
        let mut measured: Value = serde_json::from_slice(&fs::read(&path)?)?;
        measured["counts"] = counts;
        fs::write(&path, format!("{measured:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
    } else {
        println!("{counts:#}");
    }
    Ok(0)
}

/// Playwright with the server, for measurements.
fn playwright_of_bench(text: &Path) -> Result<Command> {
    let mut command = Command::new("node");
    command
        .args(["node_modules/@playwright/test/cli.js", "test"])
        .env("BABELWIRE_SERVER", server::build(Profile::Release)?)
        .env("BABELWIRE_UI", page::dist())
        .env("BABELWIRE_BENCH_TEXT", text)
        .env("BABELWIRE_E2E_OUTPUT", paths::work().join("bench-output"))
        .env(
            "CHROME",
            tools::chromium().context("there is no Chromium on PATH")?,
        )
        .current_dir(paths::root().join("bench"));
    Ok(command)
}

/// A real English text of all the bible's verses, one a paragraph.
fn english_text() -> Result<PathBuf> {
    let path = paths::cache().join("kjv.txt");
    if path.is_file() {
        return Ok(path);
    }
    if on_path("bible").is_none() {
        let steps = Steps::new(1);
        steps.step("Installing an English text to translate", || {
            debian::install(&["bible-kjv", "bible-kjv-text"])
        })?;
    }
    let verses = output_of(Command::new("bible").args(["-f", "Gen1:1-Rev22:21"]))
        .context("`bible` (Debian's bible-kjv) gave no text")?;
    let paragraphs = verses
        .lines()
        .fold(String::with_capacity(verses.len()), |mut text, verse| {
            text.push_str(verse);
            text.push_str("\n\n");
            text
        });
    fs::create_dir_all(paths::cache())?;
    fs::write(&path, paragraphs).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Runs a measuring example in release mode. Its figures are in lines for programs: either
/// `NAME key=number key=number …` or an object of JSON.
fn example(package: &str, name: &str, arguments: &[OsString]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let status = run_watched(
        tools::cargo_native()
            .args([
                "run",
                "--quiet",
                "--release",
                "--package",
                package,
                "--example",
                name,
                "--",
            ])
            .args(arguments),
        |line| figures.extend(figures_of_line(name, line)),
    )?;
    ensure!(
        status.success(),
        "the example `{name}` of {package} failed ({status})"
    );
    Ok(figures)
}

/// The figures of a line for programs.
fn figures_of_line(name: &str, line: &str) -> Vec<Figure> {
    if let Ok(Value::Object(fields)) = serde_json::from_str(line) {
        return fields
            .iter()
            .filter_map(|(key, value)| Some(figure(name, key, value.as_f64()?)))
            .collect();
    }
    let Some(rest) = line.strip_prefix(name).filter(|rest| rest.starts_with(' ')) else {
        return Vec::new();
    };
    rest.split_whitespace()
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some(figure(name, key, value.parse().ok()?))
        })
        .collect()
}

fn figure(name: &str, key: &str, value: f64) -> Figure {
    let limit = match (name, key) {
        ("throughput", "ratio") => Some(Limit::AtLeast(1.6)),
        ("idle", key) if key.starts_with("kib_per_connection") => Some(Limit::AtMost(24.0)),
        _ => None,
    };
    Figure {
        what: format!("{name}: {}", key.replace('_', " ")),
        value,
        unit: String::new(),
        limit,
    }
}

/// The first megabyte of `text`, cut between two paragraphs.
fn megabyte(text: &Path) -> Result<PathBuf> {
    let whole = fs::read_to_string(text)?;
    let most = 1_000_000.min(whole.len());
    let end = (0..=most)
        .rev()
        .find(|&at| whole.get(..at).is_some_and(|text| text.ends_with("\n\n")))
        .map_or(whole.len(), |at| at - 1);
    let path = paths::work().join("kjv-1mb.txt");
    fs::create_dir_all(paths::work())?;
    fs::write(&path, &whole[..end]).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Runs the measurements of `bench/`. The answer is their figures, and whether all went well.
fn measure(text: &Path, measures: &[&str]) -> Result<(Vec<Figure>, bool)> {
    test::prepare_page()?;
    let steps = Steps::new(2);
    steps.with_heartbeat(|| {
        steps.step("Preparing Playwright", || {
            tools::npm_ci(&paths::root().join("bench"))
        })?;
        steps.step("Building the server for release", || {
            server::build(Profile::Release)
        })
    })?;
    let report = paths::work().join("bench.jsonl");
    let _old = fs::remove_file(&report);
    let status = run_watched(
        playwright_of_bench(text)?
            .args(measures)
            .env("BABELWIRE_BENCH_REPORT", &report),
        |_| {},
    )?;
    let lines = fs::read_to_string(&report).unwrap_or_default();
    Ok((
        lines.lines().filter_map(figure_of_json).collect(),
        status.success(),
    ))
}

fn figure_of_json(line: &str) -> Option<Figure> {
    let value: Value = serde_json::from_str(line).ok()?;
    Some(Figure {
        what: value.get("what")?.as_str()?.to_owned(),
        value: value.get("value")?.as_f64()?,
        unit: value.get("unit")?.as_str()?.to_owned(),
        limit: {
            let limit = |name| value.get(name).and_then(Value::as_f64);
            limit("atMost")
                .map(Limit::AtMost)
                .or_else(|| limit("atLeast").map(Limit::AtLeast))
        },
    })
}

/// The figures as a table in Markdown.
fn table(figures: &[Figure]) -> String {
    let mut table = String::from("| what | figure | limit | |\n|---|---:|---:|---|\n");
    for figure in figures {
        let limit = match figure.limit {
            Some(Limit::AtMost(most)) => format!("≤ {most}"),
            Some(Limit::AtLeast(least)) => format!("≥ {least}"),
            None => String::new(),
        };
        let verdict = match figure.limit {
            None => "",
            Some(_) if figure.holds() => "ok",
            Some(_) => "**MISSED**",
        };
        let Figure {
            what, value, unit, ..
        } = figure;
        let _infallible = writeln!(
            table,
            "| {what} | {} | {limit} | {verdict} |",
            format!("{value} {unit}").trim()
        );
    }
    table
}

fn document(table: &str) -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            line.split_once(':').map(|(_, name)| name.trim().to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    format!(
        "# Measurements\n\nBy `cargo xtask bench --write`, on {cores} cores of {cpu}.\n\n{table}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_programs_becomes_figures_with_their_limits() {
        let figures = figures_of_line("throughput", "throughput pool_kb_per_s=212.5 ratio=1.58");
        assert_eq!(figures.len(), 2);
        assert!(figures[0].holds());
        assert_eq!(figures[0].what, "throughput: pool kb per s");
        assert!(!figures[1].holds(), "below 1.6");
        assert!(figures_of_line("throughput", "throughputs are many").is_empty());
        let figures = figures_of_line("throughput", r#"{"bytes":1000,"ratio":1.75}"#);
        assert_eq!(figures.len(), 2);
        assert!(figures.iter().all(Figure::holds));
    }

    #[test]
    fn the_table_says_what_was_missed() {
        let line = r#"{"what":"time","value":2.5,"unit":"s","atMost":2}"#;
        let table = table(&figure_of_json(line).into_iter().collect::<Vec<_>>());
        assert!(
            table.contains("| time | 2.5 s | ≤ 2 | **MISSED** |"),
            "{table}"
        );
    }
}
