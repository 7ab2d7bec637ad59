//! `test`: every suite, and one closing line.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::page::{self, Optimize};
use crate::process::{self, on_path, output_of, run_quietly, run_watched};
use crate::server::{self, Profile, Server};
use crate::steps::{Seconds, Steps};
use crate::tally::Tally;
use crate::{debian, paths, tools};

/// A part of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suite {
    /// Everything that runs without a browser: `cargo test`.
    Native,
    /// wasm-bindgen-test in headless Chromium.
    Wasm,
    /// The gateway against clients that nobody here wrote.
    Peers,
    /// The page in a browser against the real server.
    E2e,
}

impl Suite {
    /// All of them, the quick ones first.
    pub(crate) const ALL: [Self; 4] = [Self::Native, Self::Peers, Self::Wasm, Self::E2e];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Wasm => "wasm",
            Self::Peers => "peers",
            Self::E2e => "e2e",
        }
    }

    fn run(self, more: &[OsString]) -> Result<Tally> {
        match self {
            Self::Native => native(more),
            Self::Wasm => wasm(more),
            Self::Peers => peers(more),
            Self::E2e => e2e(more),
        }
    }
}

/// Runs `suites`, with `more` arguments for their runners, and prints the closing line. The
/// answer is the exit code.
pub(crate) fn run(suites: &[Suite], more: &[OsString]) -> u8 {
    let mut total = Tally::default();
    let mut lines = Vec::new();
    for suite in suites {
        let began = Instant::now();
        println!("\n──── {} ────", suite.name());
        let tally = suite.run(more).unwrap_or_else(|error| {
            println!("\nThe {} tests could not run. {error:#}", suite.name());
            Tally::BROKEN
        });
        if process::is_stopping() {
            return 1;
        }
        total += tally;
        lines.push(format!(
            "{:<8}{tally}  ({})",
            suite.name(),
            Seconds(began.elapsed())
        ));
    }
    println!("\n{}\n", lines.join("\n"));
    println!("{total}");
    u8::from(total.failed > 0)
}

fn native(more: &[OsString]) -> Result<Tally> {
    let mut tally = Tally::default();
    let status = run_watched(
        tools::cargo_native()
            .args(["test", "--workspace", "--no-fail-fast"])
            .args(more),
        |line| tally += Tally::of_libtest_line(line),
    )?;
    Ok(tally.with_exit(status.success()))
}

/// A step of preparing, and what it is called.
type Work = (&'static str, fn() -> Result<()>);

/// Installs what tests in a browser need.
fn prepare_browser() -> Result<()> {
    let needs_chromium = tools::chromium().is_none();
    let needs_driver = tools::chromedriver().is_none();
    let mut work: Vec<Work> = Vec::new();
    if needs_chromium || needs_driver {
        work.push(("Installing Chromium and its driver", || {
            debian::install(&["chromium", "chromium-driver"])
        }));
    }
    if !tools::has_wasm_target() {
        work.push((
            "Installing Rust's standard library for the browser",
            tools::install_wasm_target,
        ));
    }
    if !tools::has_wasm_bindgen()? {
        work.push((
            "Installing wasm-bindgen and its test runner",
            tools::install_wasm_bindgen,
        ));
    }
    in_steps(work)
}

fn in_steps(work: Vec<Work>) -> Result<()> {
    let steps = Steps::new(work.len());
    steps.with_heartbeat(|| {
        for (what, step) in work {
            steps.step(what, step)?;
        }
        Ok(())
    })
}

fn wasm(more: &[OsString]) -> Result<Tally> {
    prepare_browser()?;
    let driver = tools::chromedriver().context("chromedriver is not on PATH")?;
    let binary = server::build(Profile::Dev)?;
    let data = scratch("wasm-data")?;
    // The addresses are compiled into the tests: the same ones again save compiling them again.
    let (port, test_page) = (server::preferably(18_091)?, server::preferably(18_092)?);
    let test_page = format!("127.0.0.1:{test_page}");
    let server = Server::start(
        &binary,
        port,
        [
            OsString::from("--data"),
            data.clone().into_os_string(),
            "--translator".into(),
            "pseudo".into(),
            "--allow-origin".into(),
            format!("http://{test_page}").into(),
        ],
        Some("wasm-server"),
    )?;
    let mut total = Tally::default();
    for package in ["babelwire-client", "babelwire"] {
        let mut tally = Tally::default();
        let status = run_watched(
            tools::cargo_wasm()
                .args(["test", "--tests", "--no-fail-fast", "--target", tools::WASM])
                .args(["--package", package])
                .args(more)
                .env(
                    "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
                    "wasm-bindgen-test-runner",
                )
                .env("CHROMEDRIVER", &driver)
                .env("WASM_BINDGEN_TEST_ADDRESS", &test_page)
                // Seconds for all tests of a package together; 20 unless told otherwise.
                .env("WASM_BINDGEN_TEST_TIMEOUT", "300")
                .env("BABELWIRE_TEST_WS", format!("ws://127.0.0.1:{port}/live"))
                .env("BABELWIRE_TEST_HTTP", format!("http://127.0.0.1:{port}")),
            |line| tally += Tally::of_libtest_line(line),
        )?;
        total += tally.with_exit(status.success());
    }
    drop(server);
    let _left = fs::remove_dir_all(data);
    Ok(total)
}

fn peers(more: &[OsString]) -> Result<Tally> {
    let here = paths::root()
        .join("crates")
        .join("gateway")
        .join("tests")
        .join("peers");
    let requirements = here.join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let venv = paths::cache().join("venv");
    let stamp = venv.join("installed-requirements.txt");
    let mut work: Vec<Work> = Vec::new();
    if !can_make_venvs() {
        work.push(("Installing Python's venv and pip", || {
            debian::install(&["python3", "python3-venv", "python3-pip"])
        }));
    }
    if !has_npm() {
        work.push(("Installing Node.js and npm", install_npm));
    }
    in_steps(work)?;
    let steps = Steps::new(3);
    steps.with_heartbeat(|| {
        steps.step("Preparing Python's clients", || {
            if fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
                return Ok(());
            }
            run_quietly(
                "peers-venv",
                Command::new("python3")
                    .args(["-m", "venv", "--clear"])
                    .arg(&venv),
            )?;
            run_quietly(
                "peers-pip",
                Command::new(venv.join("bin").join("pip"))
                    .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
                    .arg(&requirements),
            )?;
            fs::write(&stamp, &wanted).context("cannot note what was installed")
        })?;
        steps.step("Preparing npm's clients", || tools::npm_ci(&here))?;
        steps.step("Building the gateway they meet", || {
            run_quietly(
                "peers-build",
                tools::cargo_native().args([
                    "build",
                    "--package",
                    "babelwire-gateway",
                    "--example",
                    "chat",
                ]),
            )
        })
    })?;
    let example = paths::target()
        .join("debug")
        .join("examples")
        .join(format!("chat{}", std::env::consts::EXE_SUFFIX));
    let mut tally = Tally::default();
    let status = run_watched(
        Command::new(venv.join("bin").join("pytest"))
            .args(["-p", "no:cacheprovider", "--color=no", "-v"])
            .arg(&here)
            .args(more)
            .env("BABELWIRE_GATEWAY_EXAMPLE", example)
            .env(
                "WSCAT",
                here.join("node_modules").join(".bin").join("wscat"),
            )
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&here),
        |line| tally += Tally::of_pytest_line(line),
    )?;
    Ok(tally.with_exit(status.success()))
}

fn can_make_venvs() -> bool {
    output_of(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_some()
}

fn has_npm() -> bool {
    on_path("node").is_some() && on_path("npm").is_some()
}

fn install_npm() -> Result<()> {
    debian::install(&["nodejs", "npm"])
}

/// Installs all that the page's release build needs, and builds it.
pub(crate) fn prepare_page() -> Result<()> {
    let mut work: Vec<Work> = Vec::new();
    if !has_npm() {
        work.push(("Installing Node.js and npm", install_npm));
    }
    if !tools::has_wasm_opt() {
        work.push((
            "Installing wasm-opt, which makes the page smaller",
            tools::install_wasm_opt,
        ));
    }
    if !page::is_fresh(Optimize::Size) {
        if !tools::has_wasm_target() {
            work.push((
                "Installing Rust's standard library for the browser",
                tools::install_wasm_target,
            ));
        }
        if !tools::has_trunk() {
            work.push(("Installing Trunk, the page's bundler", tools::install_trunk));
        }
        if !tools::has_wasm_bindgen()? {
            work.push((
                "Installing wasm-bindgen, which joins Rust and JavaScript",
                tools::install_wasm_bindgen,
            ));
        }
        work.push(("Building the page", || page::build(Optimize::Size)));
    }
    in_steps(work)
}

fn e2e(more: &[OsString]) -> Result<Tally> {
    prepare_page()?;
    let mut work: Vec<Work> = Vec::new();
    if tools::chromium().is_none() {
        work.push(("Installing Chromium", || debian::install(&["chromium"])));
    }
    if !debian::has_apertium() {
        work.push((
            "Installing Apertium and its languages",
            debian::install_apertium,
        ));
    }
    work.push(("Preparing Playwright", || {
        tools::npm_ci(&paths::root().join("e2e"))
    }));
    work.push(("Building the server", || {
        server::build(Profile::Dev).map(|_| ())
    }));
    in_steps(work)?;
    let binary = server::build(Profile::Dev)?;
    let report = paths::work().join("e2e.json");
    let _old = fs::remove_file(&report);
    let status = run_watched(
        Command::new("node")
            .arg("node_modules/@playwright/test/cli.js")
            .arg("test")
            .args(more)
            .env("BABELWIRE_SERVER", binary)
            .env("BABELWIRE_UI", page::dist())
            .env("BABELWIRE_E2E_REPORT", &report)
            .env("BABELWIRE_E2E_OUTPUT", paths::work().join("e2e-output"))
            .env("CHROME", tools::chromium().context("there is no Chromium")?)
            .current_dir(paths::root().join("e2e")),
        |_| {},
    )?;
    let text = fs::read(&report).context("Playwright wrote no report")?;
    let report = serde_json::from_slice(&text).context("Playwright's report is not JSON")?;
    match Tally::of_playwright_report(&report) {
        Some(tally) => Ok(tally.with_exit(status.success())),
        None => bail!("Playwright's report has no counts"),
    }
}

/// An empty directory for a run.
pub(crate) fn scratch(name: &str) -> Result<PathBuf> {
    let dir = std::env::temp_dir().join(format!("babelwire-{name}-{}", std::process::id()));
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}
