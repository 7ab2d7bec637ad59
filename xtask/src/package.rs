//! `package`: everything that a deployment takes, made without an account.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{on_path, output_of, run_quietly, run_watched};
use crate::steps::Steps;
use crate::{debian, page, paths, python, test, tools};

/// What Rust calls the functions' platform, with the oldest C library that they have to run with:
/// Amazon Linux 2023 has glibc 2.34 ("Amazon Linux 2023 package versions").
const TARGET: &str = "aarch64-unknown-linux-gnu";
const GLIBC: &str = "2.34";

/// The Cargo profile of the functions, in the workspace's `Cargo.toml`.
const PROFILE: &str = "lambda";

/// The functions. The binaries are called `babelwire-NAME`.
pub(crate) const FUNCTIONS: [&str; 5] =
    ["authorizer", "notifier", "rest", "translator", "websocket"];

/// What runs programs for arm64 on other machines, and the C library that it gives them, as Debian
/// calls them.
const EMULATOR: [&str; 3] = ["qemu-user", "libc6-arm64-cross", "libgcc-s1-arm64-cross"];

/// What to package.
pub(crate) struct Options {
    /// Where to. What is there is removed.
    pub(crate) out: PathBuf,
    /// Whether to run the functions afterwards.
    pub(crate) try_out: bool,
}

/// Where a package goes unless told otherwise.
pub(crate) fn default_out() -> PathBuf {
    paths::root().join("target").join("package")
}

/// Makes a package and lists what is in it.
pub(crate) fn run(options: &Options) -> Result<u8> {
    // `package.py` empties it: no folder of something else.
    let is_ours = !options.out.exists()
        || options.out.join("contents.json").is_file()
        || fs::read_dir(&options.out).is_ok_and(|mut entries| entries.next().is_none());
    ensure!(
        is_ours,
        "{} is there and holds no package: name another folder with --out",
        options.out.display()
    );
    test::prepare_page()?;
    let steps = Steps::new(if options.try_out { 6 } else { 4 });
    let venv = steps.with_heartbeat(|| {
        let venv = steps.step("Preparing cargo-lambda, zig and SAM's translator", || {
            python::venv(
                "venv-package",
                &paths::root().join("deploy").join("requirements.txt"),
            )
        })?;
        steps.step(
            "Preparing Rust's standard library for arm64",
            install_target,
        )?;
        steps.step("Building five functions for arm64", || functions(&venv))?;
        Ok(venv)
    })?;
    let status = steps.step("Packing", || {
        run_watched(
            Command::new(venv.join("bin").join("python3"))
                .arg(paths::root().join("deploy").join("package.py"))
                .arg("--binaries")
                .arg(binaries())
                .arg("--page")
                .arg(page::dist())
                .arg("--out")
                .arg(&options.out)
                // SAM's translator asks for a region, and does nothing with it.
                .env("AWS_DEFAULT_REGION", "us-east-1")
                .env("PYTHONDONTWRITEBYTECODE", "1"),
            |_| {},
        )
    })?;
    ensure!(status.success(), "the package could not be put together");
    if options.try_out {
        try_out(&steps, &venv, &options.out)?;
    }
    println!("\nThe package is in {}", options.out.display());
    Ok(0)
}

/// Where cargo-lambda puts `babelwire-NAME/bootstrap`.
fn binaries() -> PathBuf {
    paths::work().join("functions")
}

/// Cargo's target directory for the functions.
fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || paths::cache().join("target-lambda"),
        |dir| paths::root().join(dir).join("lambda"),
    )
}

fn install_target() -> Result<()> {
    if on_path("rustup").is_none() {
        let mut print = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        let dir = output_of(print.args(["--print", "target-libdir", "--target", TARGET]));
        if dir.is_some_and(|dir| Path::new(dir.trim()).is_dir()) {
            return Ok(());
        }
        bail!(
            "this Rust cannot compile for arm64, and there is no rustup to teach it. Install the \
             {TARGET} target of your Rust, or Rust from rustup.rs, and try again"
        );
    }
    run_quietly(
        "rustup-arm64",
        Command::new("rustup")
            .args(["target", "add", TARGET])
            .current_dir(paths::root()),
    )
}

fn functions(venv: &Path) -> Result<()> {
    let bin = venv.join("bin");
    let inherited = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(bin).chain(env::split_paths(&inherited)))
        .context("the cache's path cannot be on PATH: name another one with BABELWIRE_CACHE")?;
    let mut command = tools::cargo();
    command
        .args(["lambda", "build", "--profile", PROFILE])
        // What the profile says is meant: cargo-lambda has opinions of its own.
        .arg("--disable-optimizations")
        .args(["--target", &format!("{TARGET}.{GLIBC}")])
        .args(["--package", "babelwire-aws"])
        .arg("--lambda-dir")
        .arg(binaries());
    for name in FUNCTIONS {
        command.args(["--bin", &format!("babelwire-{name}")]);
    }
    run_quietly(
        "package-functions",
        command
            .env("CARGO_TARGET_DIR", target_dir())
            .env("PATH", path),
    )
}

/// Runs each function against a small runtime interface of Lambda, under an emulator where this
/// machine is not an arm64 one.
fn try_out(steps: &Steps, venv: &Path, package: &Path) -> Result<()> {
    let is_arm = cfg!(all(target_arch = "aarch64", target_os = "linux"));
    steps.step("Preparing an emulator of arm64", || {
        if is_arm
            || (on_path("qemu-aarch64").is_some()
                && Path::new("/usr/aarch64-linux-gnu/lib/libc.so.6").is_file())
        {
            return Ok(());
        }
        debian::install(&EMULATOR)
    })?;
    let status = steps.step("Running the functions", || {
        let mut command = Command::new(venv.join("bin").join("python3"));
        command
            .arg(paths::root().join("deploy").join("try.py"))
            .arg(package.join("functions"))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        if !is_arm {
            command.args(["--under", "qemu-aarch64 -L /usr/aarch64-linux-gnu"]);
        }
        run_watched(&mut command, |_| {})
    })?;
    ensure!(status.success(), "a function does not run");
    Ok(())
}
