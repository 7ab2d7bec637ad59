//! `test`: every suite, and one closing line.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::page::{self, Optimize};
use crate::process::{self, on_path, output_of, run_quietly, run_watched};
use crate::server::{self, Profile, Server};
use crate::steps::{Seconds, Steps};
use crate::tally::Tally;
use crate::{cloud, debian, deploy, paths, tools};

/// The packages that compile the AWS SDK, or are of no use without those.
pub(crate) const AWS_PACKAGES: [&str; 2] = ["babelwire-aws", "babelwire-cloud"];

/// A part of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suite {
    /// Everything that runs without a browser: `cargo test`.
    Native,
    /// wasm-bindgen-test in headless browsers, one engine after the other.
    Wasm,
    /// The gateway against clients that nobody here wrote.
    Peers,
    /// The page in a browser against the real server.
    E2e,
    /// The page in a browser with a backend and pages that are not Babelwire's.
    Others,
    /// What would be made on AWS, and how it gets there.
    Deploy,
    /// The functions of AWS with what plays the rest of it.
    Aws,
}

impl Suite {
    /// All of them, the quick ones first.
    pub(crate) const ALL: [Self; 7] = [
        Self::Native,
        Self::Peers,
        Self::Deploy,
        Self::Wasm,
        Self::Others,
        Self::Aws,
        Self::E2e,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Wasm => "wasm",
            Self::Peers => "peers",
            Self::E2e => "e2e",
            Self::Others => "others",
            Self::Deploy => "deploy",
            Self::Aws => "aws",
        }
    }

    fn run(self, more: &[OsString]) -> Vec<Part> {
        let alone = |run: fn(&[OsString]) -> Result<Tally>| {
            vec![Part::of(self.name().to_owned(), || run(more))]
        };
        match self {
            Self::Native => alone(native),
            Self::Wasm => wasm(more),
            Self::Peers => alone(peers),
            Self::E2e => alone(e2e),
            Self::Others => alone(others),
            Self::Deploy => alone(deploy::test),
            Self::Aws => aws(more),
        }
    }
}

/// A line of the summary.
struct Part {
    name: String,
    tally: Tally,
    took: Duration,
}

impl Part {
    /// Does `work`; what could not run counts as a failure.
    fn of(name: String, work: impl FnOnce() -> Result<Tally>) -> Self {
        let began = Instant::now();
        let tally = work().unwrap_or_else(|error| {
            if !process::is_stopping() {
                println!("\nThe tests of {name} could not run. {error:#}");
            }
            Tally::BROKEN
        });
        Self {
            name,
            tally,
            took: began.elapsed(),
        }
    }
}

/// Runs `suites`, with `more` arguments for their runners, and prints the closing line. The
/// answer is the exit code.
pub(crate) fn run(suites: &[Suite], more: &[OsString]) -> u8 {
    let mut parts = Vec::new();
    for suite in suites {
        println!("\n──── {} ────", suite.name());
        parts.extend(suite.run(more));
        if process::is_stopping() {
            return 1;
        }
    }
    let mut total = Tally::default();
    let width = parts.iter().map(|part| part.name.len()).max().unwrap_or(0);
    println!();
    for part in parts {
        println!(
            "{:<width$}  {}  ({})",
            part.name,
            part.tally,
            Seconds(part.took)
        );
        total += part.tally;
    }
    println!("\n{total}");
    u8::from(total.failed > 0)
}

/// Both parts of the suite `aws`; arguments are for the first where they are not Playwright's.
fn aws(more: &[OsString]) -> Vec<Part> {
    let is_playwright = more.iter().any(|argument| argument == "--grep");
    let mut parts = Vec::new();
    if !is_playwright {
        parts.push(Part::of("aws (functions)".to_owned(), || {
            cloud::test_functions(more)
        }));
    }
    if (is_playwright || more.is_empty()) && !process::is_stopping() {
        parts.push(Part::of("aws (Chromium)".to_owned(), || {
            cloud::test_page(more)
        }));
    }
    parts
}

fn native(more: &[OsString]) -> Result<Tally> {
    let mut tally = Tally::default();
    let status = run_watched(
        tools::cargo_native()
            .args(["test", "--workspace", "--all-features", "--no-fail-fast"])
            // They compile the AWS SDK, and have a part of their own.
            .args(AWS_PACKAGES.iter().flat_map(|name| ["--exclude", name]))
            .args(more),
        |line| tally += Tally::of_libtest_line(line),
    )?;
    Ok(tally.with_exit(status.success()))
}

/// A step of preparing, and what it is called.
type Work = (&'static str, fn() -> Result<()>);

/// A browser, by what draws its pages and runs their code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Chromium,
    Firefox,
}

impl Engine {
    const ALL: [Self; 2] = [Self::Chromium, Self::Firefox];

    /// The variables by which the test runner is told of a program that drives a browser.
    const DRIVER_VARIABLES: [&str; 8] = [
        "CHROMEDRIVER",
        "CHROMEDRIVER_REMOTE",
        "GECKODRIVER",
        "GECKODRIVER_REMOTE",
        "MSEDGEDRIVER",
        "MSEDGEDRIVER_REMOTE",
        "SAFARIDRIVER",
        "SAFARIDRIVER_REMOTE",
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Chromium => "Chromium",
            Self::Firefox => "Firefox",
        }
    }

    /// Installs this browser and its driver.
    fn prepare(self) -> Result<()> {
        let mut work: Vec<Work> = Vec::new();
        match self {
            Self::Chromium => {
                if tools::chromium().is_none() || tools::chromedriver().is_none() {
                    work.push(("Installing Chromium and its driver", || {
                        debian::install(&["chromium", "chromium-driver"])
                    }));
                }
            }
            Self::Firefox => {
                if tools::firefox().is_none() {
                    work.push(("Installing Firefox", || debian::install(&["firefox-esr"])));
                }
                if tools::geckodriver().is_none() {
                    work.push((
                        "Installing geckodriver, which drives Firefox",
                        tools::install_geckodriver,
                    ));
                }
            }
        }
        in_steps(work)
    }

    /// Tells the test runner to use this browser, and no other that the environment may name.
    fn choose(self, command: &mut Command) -> Result<()> {
        for name in Self::DRIVER_VARIABLES {
            command.env_remove(name);
        }
        match self {
            Self::Chromium => {
                let driver = tools::chromedriver().context("chromedriver is not on PATH")?;
                command.env("CHROMEDRIVER", driver);
            }
            Self::Firefox => {
                let driver = tools::geckodriver().context("there is no geckodriver")?;
                let browser = tools::firefox().context("there is no Firefox")?;
                command.env("GECKODRIVER", driver).env(
                    "GECKODRIVER_ARGS",
                    format!("--binary '{}'", browser.display()),
                );
            }
        }
        Ok(())
    }
}

/// Installs what compiles tests for a browser and runs them there, and builds what they talk to.
fn prepare_wasm() -> Result<()> {
    let mut work: Vec<Work> = Vec::new();
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
    work.push(("Building the server", build_server));
    work.push(("Building the fake gateway", build_fake_gateway));
    in_steps(work)
}

fn build_server() -> Result<()> {
    server::build(Profile::Dev).map(|_| ())
}

fn build_fake_gateway() -> Result<()> {
    server::build_fake_gateway().map(|_| ())
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

fn wasm(more: &[OsString]) -> Vec<Part> {
    let name = |engine: Engine| format!("wasm ({})", engine.name());
    let world = match prepare_wasm().and_then(|()| World::start()) {
        Ok(world) => world,
        Err(error) => return vec![Part::of("wasm".to_owned(), || Err(error))],
    };
    let mut parts = Vec::new();
    for engine in Engine::ALL {
        parts.push(Part::of(name(engine), || world.run_in(engine, more)));
        if process::is_stopping() {
            break;
        }
    }
    parts
}

/// What the tests in a browser talk to.
struct World {
    /// Where the test runner serves the page, without a scheme.
    page: String,
    server: Server,
    /// The gateway that misbehaves by rules.
    fake: Server,
    /// Dropped behind the server, which writes there until its end.
    _data: Scratch,
}

impl World {
    fn start() -> Result<Self> {
        let binary = server::build(Profile::Dev)?;
        let data = Scratch(scratch("wasm-data")?);
        // The addresses are compiled into the tests: the same ones again save compiling them
        // again.
        let port = server::preferably(18_091)?;
        // The runner listens on the page's port only now and then: where the server's is taken,
        // another run is under way and needs it.
        let page = if port == 18_091 {
            server::preferably(18_092)?
        } else {
            server::free_port()?
        };
        let page = format!("127.0.0.1:{page}");
        let fake = Server::start_fake_gateway(
            &server::build_fake_gateway()?,
            server::preferably(18_093)?,
            "wasm-fake-gateway",
        )?;
        let server = Server::start(
            &binary,
            port,
            [
                OsString::from("--data"),
                data.0.clone().into_os_string(),
                "--translator".into(),
                "pseudo".into(),
                "--allow-origin".into(),
                format!("http://{page}").into(),
            ],
            Some("wasm-server"),
        )?;
        Ok(Self {
            page,
            server,
            fake,
            _data: data,
        })
    }

    fn run_in(&self, engine: Engine, more: &[OsString]) -> Result<Tally> {
        engine.prepare()?;
        let server = self.server.port;
        let mut total = Tally::default();
        // A page with all features waits to be cut in two, and can't be loaded as it is.
        let packages = [
            ("babelwire-client", Some("--all-features")),
            ("babelwire", None),
        ];
        for (package, features) in packages {
            let mut command = tools::cargo_wasm();
            command
                .args(["test", "--tests", "--no-fail-fast"])
                .args(features)
                .args(["--target", tools::WASM])
                .args(["--package", package])
                .args(more)
                .env(
                    "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
                    "wasm-bindgen-test-runner",
                )
                .env("WASM_BINDGEN_TEST_ADDRESS", &self.page)
                .env(
                    "WASM_BINDGEN_TEST_WEBDRIVER_JSON",
                    paths::root().join("webdriver.json"),
                )
                // Seconds for all tests of a package together; 20 unless told otherwise.
                .env("WASM_BINDGEN_TEST_TIMEOUT", "300")
                .env("BABELWIRE_TEST_WS", format!("ws://127.0.0.1:{server}/live"))
                .env("BABELWIRE_TEST_HTTP", format!("http://127.0.0.1:{server}"))
                .env(
                    "BABELWIRE_TEST_FAKE",
                    format!("http://127.0.0.1:{}", self.fake.port),
                );
            engine.choose(&mut command)?;
            let mut tally = Tally::default();
            let status = run_watched(&mut command, |line| tally += Tally::of_libtest_line(line))?;
            total += tally.with_exit(status.success());
        }
        Ok(total)
    }
}

/// A directory of a run, removed with it.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.0);
    }
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

/// Installs Node.js and npm where they are missing.
pub(crate) fn prepare_npm() -> Result<()> {
    if has_npm() { Ok(()) } else { install_npm() }
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
    if !tools::has_wasm_split() {
        work.push((
            "Installing wasm-split-cli, which cuts the page in two",
            tools::install_wasm_split,
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

/// What the tests end to end are run with: Playwright, the server, the page.
pub(crate) fn playwright() -> Result<Command> {
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
    work.push(("Building the server", build_server));
    work.push(("Building the fake gateway", build_fake_gateway));
    in_steps(work)?;
    let mut command = Command::new("node");
    command
        .arg("node_modules/@playwright/test/cli.js")
        .arg("test")
        .env("BABELWIRE_SERVER", server::build(Profile::Dev)?)
        .env("BABELWIRE_FAKE_GATEWAY", server::build_fake_gateway()?)
        .env("BABELWIRE_UI", page::dist())
        .env("BABELWIRE_E2E_OUTPUT", paths::work().join("e2e-output"))
        .env("CHROME", tools::chromium().context("there is no Chromium")?)
        .current_dir(paths::root().join("e2e"));
    Ok(command)
}

fn e2e(more: &[OsString]) -> Result<Tally> {
    run_playwright("e2e", playwright()?, more)
}

fn others(more: &[OsString]) -> Result<Tally> {
    let mut command = playwright()?;
    in_steps(vec![("Preparing other people's backends", || {
        tools::npm_ci(&paths::root().join("e2e").join("others"))
    })])?;
    command.args(["--config", "others/playwright.config.ts"]);
    run_playwright("others", command, more)
}

/// Runs Playwright; `name` tells its report from another's.
pub(crate) fn run_playwright(name: &str, mut command: Command, more: &[OsString]) -> Result<Tally> {
    let report = paths::work().join(format!("{name}.json"));
    let _old = fs::remove_file(&report);
    let status = run_watched(
        command.args(more).env("BABELWIRE_E2E_REPORT", &report),
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
