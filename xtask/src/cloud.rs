//! `cloud`: the functions of AWS on this machine; and their tests.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{Running, log_file, run_quietly, run_watched, tail};
use crate::server::{self, Profile};
use crate::steps::Steps;
use crate::tally::Tally;
use crate::{page, paths, python, serve, test, tools};

/// How long a program may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The programs that Lambda would run.
const FUNCTIONS: [&str; 5] = [
    "babelwire-websocket",
    "babelwire-rest",
    "babelwire-notifier",
    "babelwire-translator",
    "babelwire-authorizer",
];
/// The Cargo profile that they are deployed with.
const DEPLOYED: &str = "lambda";
const FAKE_TRANSLATE: &str = "babelwire-fake-translate";
const CLOUD: &str = "babelwire-cloud";

/// What plays AWS.
struct Programs {
    /// The folder of the functions and of what is around them.
    own: PathBuf,
    moto: PathBuf,
    dynalite: PathBuf,
}

impl Programs {
    fn own(&self, name: &str) -> PathBuf {
        self.own
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

fn peers() -> PathBuf {
    paths::root().join("crates").join("cloud").join("peers")
}

/// Installs what plays DynamoDB, S3 and SQS, and builds what plays the rest.
fn prepare(profile: Profile) -> Result<Programs> {
    let steps = Steps::new(3);
    steps.with_heartbeat(|| {
        let venv = steps.step("Preparing moto, which plays DynamoDB, S3 and SQS", || {
            python::venv("venv-cloud", &peers().join("requirements.txt"))
        })?;
        steps.step("Preparing dynalite, which plays DynamoDB", || {
            test::prepare_npm()?;
            tools::npm_ci(&peers())
        })?;
        let own = steps.step("Building the functions, with the AWS SDK", || {
            build(profile)
        })?;
        Ok(Programs {
            own,
            moto: venv.join("bin").join("moto_server"),
            dynalite: peers().join("node_modules").join(".bin").join("dynalite"),
        })
    })
}

/// Builds the functions and what is around them. The answer is their folder, which another clone's
/// build does not change.
pub(crate) fn build(profile: Profile) -> Result<PathBuf> {
    let (dir, option) = match profile {
        Profile::Dev => ("debug", None),
        Profile::Release => ("release", Some("--release")),
    };
    for package in ["babelwire-aws", "babelwire-cloud"] {
        let features = (package == "babelwire-aws").then_some("--all-features");
        run_quietly(
            &format!("{package}-build"),
            tools::cargo_native()
                .args(["build", "--bins", "--package", package])
                .args(features)
                .args(option),
        )?;
    }
    let own = paths::work().join("cloud").join(dir);
    fs::create_dir_all(&own).with_context(|| format!("cannot make {}", own.display()))?;
    for program in FUNCTIONS.into_iter().chain([FAKE_TRANSLATE, CLOUD]) {
        let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
        let (built, kept) = (paths::target().join(dir).join(&name), own.join(&name));
        let _absent = fs::remove_file(&kept);
        fs::hard_link(&built, &kept)
            .or_else(|_| fs::copy(&built, &kept).map(|_| ()))
            .with_context(|| format!("cannot copy {}", built.display()))?;
    }
    Ok(own)
}

fn template() -> PathBuf {
    paths::root().join("deploy").join("template.yaml")
}

/// Runs all of it until it is ended. The answer is the exit code.
pub(crate) fn run(port: u16, more: &[OsString]) -> Result<u8> {
    if port != 0 {
        server::expect_free(port)?;
    }
    test::prepare_page()?;
    let programs = prepare(Profile::Dev)?;
    let (moto, moto_url) = start(&programs.moto, "cloud-moto", moto_arguments)?;
    let fake = programs.own(FAKE_TRANSLATE);
    let (translate, translate_url) = start(&fake, "cloud-translate", |port| {
        translate_arguments(port, "100")
    })?;
    println!(
        "\nDynamoDB, S3 and SQS are played by moto ({moto_url}), whose memory is all that they have: \
         what is translated here is gone at the end. Translate is a fake that puts accents on letters."
    );
    let mut cloud = Running::start(
        Command::new(programs.own(CLOUD))
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .args(["--moto", &moto_url, "--translate", &translate_url])
            .arg("--functions")
            .arg(&programs.own)
            .arg("--template")
            .arg(template())
            .arg("--ui")
            .arg(page::dist())
            .args(more),
    )?;
    let code = serve::wait(&mut cloud);
    drop((translate, moto));
    code
}

/// Starts a program on a free port and waits until it answers.
fn start(
    program: &Path,
    name: &str,
    arguments: impl Fn(OsString) -> Vec<OsString>,
) -> Result<(Running, String)> {
    let port = server::free_port()?;
    let log = log_file(name)?;
    let file = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut running = Running::start(
        Command::new(program)
            .args(arguments(port.to_string().into()))
            .stdout(file.try_clone()?)
            .stderr(file),
    )?;
    let began = Instant::now();
    // Whatever it answers: it listens.
    while server::get(port, "/").is_err() {
        if let Some(status) = running.ended()? {
            bail!("{name} ended at once ({status})\n{}", tail(&log, 15));
        }
        if began.elapsed() > START_LIMIT {
            bail!("{name} does not answer\n{}", tail(&log, 15));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok((running, format!("http://127.0.0.1:{port}")))
}

/// Runs the measuring example of `babelwire-cloud` over moto, with the functions compiled as they are
/// deployed, but for this machine.
pub(crate) fn measure(line: impl FnMut(&str)) -> Result<()> {
    let programs = prepare(Profile::Dev)?;
    let steps = Steps::new(1);
    steps.with_heartbeat(|| {
        steps.step(
            "Building the functions as they are deployed, for this machine",
            || {
                run_quietly(
                    "lambda-build",
                    tools::cargo_native()
                        .args(["build", "--bins", "--profile", DEPLOYED])
                        .args(["--package", "babelwire-aws"]),
                )
            },
        )
    })?;
    let (moto, moto_url) = start(&programs.moto, "bench-moto", moto_arguments)?;
    let fake = programs.own(FAKE_TRANSLATE);
    let (translate, translate_url) = start(&fake, "bench-translate", |port| {
        translate_arguments(port, "0")
    })?;
    let status = run_watched(
        tools::cargo_native()
            .args(["run", "--quiet", "--release", "--package", CLOUD])
            .args(["--example", "lambda", "--"])
            .args(["--moto", &moto_url, "--translate", &translate_url])
            .arg("--functions")
            .arg(paths::target().join(DEPLOYED))
            .arg("--template")
            .arg(template())
            .arg("--events")
            .arg(paths::root().join("crates/aws/tests/events")),
        line,
    )?;
    drop((translate, moto));
    ensure!(status.success(), "the example `lambda` failed ({status})");
    Ok(())
}

fn moto_arguments(port: OsString) -> Vec<OsString> {
    vec!["-H".into(), "127.0.0.1".into(), "-p".into(), port]
}

fn translate_arguments(port: OsString, delay: &str) -> Vec<OsString> {
    let mut listen = OsString::from("127.0.0.1:");
    listen.push(port);
    vec!["--listen".into(), listen, "--delay".into(), delay.into()]
}

/// The adapters against what plays AWS, and the functions' programs with recorded events.
pub(crate) fn test_functions(more: &[OsString]) -> Result<Tally> {
    if !tools::has_s3s_fs() {
        let steps = Steps::new(1);
        steps.with_heartbeat(|| {
            steps.step(
                "Building s3s-fs, which plays S3 and verifies signatures",
                tools::install_s3s_fs,
            )
        })?;
    }
    let programs = prepare(Profile::Dev)?;
    let mut tally = Tally::default();
    let status = run_watched(
        tools::cargo_native()
            .args(["test", "--all-features", "--no-fail-fast"])
            .args(["--package", "babelwire-aws", "--package", "babelwire-cloud"])
            .args(more)
            .env("BABELWIRE_MOTO", &programs.moto)
            .env("BABELWIRE_DYNALITE", &programs.dynalite)
            .env("BABELWIRE_S3S", tools::s3s_fs()),
        |line| tally += Tally::of_libtest_line(line),
    )?;
    Ok(tally.with_exit(status.success()))
}

/// The page in Chromium with the functions.
pub(crate) fn test_page(more: &[OsString]) -> Result<Tally> {
    let mut command = test::playwright()?;
    let programs = prepare(Profile::Dev)?;
    command
        .args(["--config", "cloud/playwright.config.ts"])
        .env("BABELWIRE_MOTO", &programs.moto)
        .env("BABELWIRE_FAKE_TRANSLATE", programs.own(FAKE_TRANSLATE))
        .env("BABELWIRE_CLOUD", programs.own(CLOUD))
        .env("BABELWIRE_FUNCTIONS", &programs.own)
        .env("BABELWIRE_TEMPLATE", template());
    test::run_playwright("cloud", command, more)
}
