//! The tools that the commands need: found on PATH, else installed once into the shared cache.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::process::{on_path, output_of, run_quietly, run_quietly_at_most};

/// The version of Trunk, the page's bundler, that `Trunk.toml` is written for.
const TRUNK: &str = "0.21.14";

/// The version of Binaryen, whose `wasm-opt` makes the page smaller.
const BINARYEN: &str = "132.0.0";

/// The version of esbuild, which makes the page's JavaScript smaller.
const ESBUILD: &str = "0.28.2";

/// The version of the tool that cuts the page in two, made for the `wasm_split_helpers` in Cargo.toml.
const WASM_SPLIT: &str = "0.2.4";

/// The version of s3s-fs, which plays S3 in tests and verifies signatures.
const S3S_FS: &str = "0.14.1";

/// The version of geckodriver that is installed where there is none.
const GECKODRIVER: &str = "0.37.1";

/// What Rust calls the page's platform.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// PATH with the installed tools first.
pub(crate) fn path() -> OsString {
    let own = [paths::tools().join("bin"), node_modules().join(".bin")];
    let inherited = env::var_os("PATH").unwrap_or_default();
    let all = own.into_iter().chain(env::split_paths(&inherited));
    // A directory with a separator in its name cannot be on PATH; then ours are of no use either.
    env::join_paths(all).unwrap_or(inherited)
}

/// `cargo`, the one that runs this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::root());
    // What Cargo sets for this program would count as a change to crates that read it.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// `cargo` for native code.
pub(crate) fn cargo_native() -> Command {
    let mut command = cargo();
    command.env("CARGO_TARGET_DIR", paths::target());
    command
}

/// `cargo` for the page's platform.
pub(crate) fn cargo_wasm() -> Command {
    let mut command = cargo();
    command
        .env("CARGO_TARGET_DIR", paths::target_page())
        .env("PATH", path());
    command
}

fn says(program: &str, wanted: &str) -> bool {
    let mut command = Command::new(program);
    output_of(command.arg("--version").env("PATH", path()))
        .is_some_and(|text| text.split_whitespace().any(|word| word == wanted))
}

/// A folder of the Rust toolchain, from its root.
fn in_sysroot(parts: &[&str]) -> Option<PathBuf> {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let root = output_of(
        rustc
            .args(["--print", "sysroot"])
            .current_dir(paths::root()),
    )?;
    let path = parts
        .iter()
        .fold(PathBuf::from(root.trim()), |path, part| path.join(part));
    path.is_dir().then_some(path)
}

/// Whether Rust can compile for the browser, and do so at its smallest where it can be taught to.
pub(crate) fn has_wasm_target() -> bool {
    in_sysroot(&["lib", "rustlib", WASM, "lib"]).is_some()
        && (has_rust_source() || on_path("rustup").is_none())
}

/// Whether the source of Rust's standard library is there, to be compiled for size.
pub(crate) fn has_rust_source() -> bool {
    in_sysroot(&["lib", "rustlib", "src", "rust", "library", "std"]).is_some()
}

/// Installs Rust's standard library for the browser, and its source.
pub(crate) fn install_wasm_target() -> Result<()> {
    if on_path("rustup").is_none() {
        bail!(
            "this Rust cannot compile for the browser, and there is no rustup to teach it. \
             Install the {WASM} target of your Rust (Debian's own: `apt install \
             libstd-rust-dev-wasm32`), or Rust from rustup.rs, and try again"
        );
    }
    let rustup = |arguments: [&str; 3]| {
        run_quietly(
            &format!("rustup-{}", arguments[0]),
            Command::new("rustup")
                .args(arguments)
                .current_dir(paths::root()),
        )
    };
    rustup(["target", "add", WASM])?;
    if let Err(error) = rustup(["component", "add", "rust-src"]) {
        println!("      without the source of Rust's library the page becomes larger: {error:#}");
    }
    Ok(())
}

/// Whether Trunk is there.
pub(crate) fn has_trunk() -> bool {
    says("trunk", TRUNK)
}

/// Installs Trunk.
pub(crate) fn install_trunk() -> Result<()> {
    // Without its defaults it has no TLS, which it would need only to download the very tools
    // that are installed here.
    install_tool("trunk", TRUNK, &["--locked", "--no-default-features"])
}

/// The version of wasm-bindgen that the lock file names: the tool must be of the very same.
pub(crate) fn wasm_bindgen_version() -> Result<String> {
    let path = paths::root().join("Cargo.lock");
    let lock =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    lock.split_once("name = \"wasm-bindgen\"\nversion = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(version, _)| version.to_owned())
        .context("Cargo.lock does not name wasm-bindgen")
}

/// Whether wasm-bindgen's tool is there, its test runner too.
pub(crate) fn has_wasm_bindgen() -> Result<bool> {
    let version = wasm_bindgen_version()?;
    Ok(says("wasm-bindgen", &version) && says("wasm-bindgen-test-runner", &version))
}

/// Installs wasm-bindgen's tool.
pub(crate) fn install_wasm_bindgen() -> Result<()> {
    // Its own lock file names a package that was withdrawn.
    install_tool(
        "wasm-bindgen-cli",
        &wasm_bindgen_version()?,
        &["--no-default-features"],
    )
}

/// Whether the tool is there that cuts the page in two.
pub(crate) fn has_wasm_split() -> bool {
    // It does not tell its version; Cargo notes what it installed.
    let installed = fs::read_to_string(paths::tools().join(".crates.toml"));
    installed.is_ok_and(|text| text.contains(&format!("\"wasm_split_cli_support {WASM_SPLIT} ")))
        && paths::tools()
            .join("bin")
            .join(format!("wasm-split-cli{}", env::consts::EXE_SUFFIX))
            .is_file()
        && on_path("node").is_some()
}

/// Installs it.
pub(crate) fn install_wasm_split() -> Result<()> {
    install_tool(
        "wasm_split_cli_support",
        WASM_SPLIT,
        &["--locked", "--features", "build-binary"],
    )
}

/// Whether the server is there that plays S3 and verifies signatures.
pub(crate) fn has_s3s_fs() -> bool {
    s3s_fs().is_file() && says("s3s-fs", S3S_FS)
}

/// Installs it.
pub(crate) fn install_s3s_fs() -> Result<()> {
    install_tool("s3s-fs", S3S_FS, &["--features", "binary"])
}

/// Where it is.
pub(crate) fn s3s_fs() -> PathBuf {
    paths::tools()
        .join("bin")
        .join(format!("s3s-fs{}", env::consts::EXE_SUFFIX))
}

fn install_tool(package: &str, version: &str, options: &[&str]) -> Result<()> {
    let spec = format!("{package}@{version}");
    if on_path("cargo-binstall").is_some() {
        let ready_made = run_quietly_at_most(
            &format!("binstall-{package}"),
            Duration::from_secs(90),
            cargo()
                .args([
                    "binstall",
                    "--no-confirm",
                    "--disable-strategies",
                    "compile",
                    "--root",
                ])
                .arg(paths::tools())
                .arg(&spec),
        );
        if ready_made.is_ok() {
            return Ok(());
        }
    }
    let build = paths::cache().join("build").join(package);
    run_quietly(
        &format!("install-{package}"),
        cargo()
            .args(["install", "--debug"])
            .args(options)
            .arg("--root")
            .arg(paths::tools())
            .arg("--target-dir")
            .arg(&build)
            .arg(&spec)
            // A release build takes four times as long, and saves nothing a person would notice.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0")
            .env("CARGO_INCREMENTAL", "0")
            // Outside the clone, so that its settings do not reach the tool.
            .current_dir(env::temp_dir()),
    )?;
    // Half a gigabyte that nothing reads again.
    let _kept = fs::remove_dir_all(build);
    Ok(())
}

fn node_tools() -> PathBuf {
    paths::tools().join("node")
}

/// Where Node.js finds the modules that the commands install.
pub(crate) fn node_modules() -> PathBuf {
    node_tools().join("node_modules")
}

/// Whether `wasm-opt` can run, and esbuild, which comes with it.
pub(crate) fn has_wasm_opt() -> bool {
    let has = |package, version| {
        fs::read_to_string(node_modules().join(package).join("package.json"))
            .is_ok_and(|text| text.contains(&format!("\"version\": \"{version}\"")))
    };
    has("binaryen", BINARYEN) && has("esbuild", ESBUILD) && on_path("node").is_some()
}

/// Installs `wasm-opt` and esbuild.
pub(crate) fn install_wasm_opt() -> Result<()> {
    let dir = node_tools();
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    run_quietly(
        "npm-binaryen",
        Command::new("npm")
            .args([
                "install",
                "--no-audit",
                "--no-fund",
                "--no-save",
                "--prefix",
            ])
            .arg(&dir)
            .arg(format!("binaryen@{BINARYEN}"))
            .arg(format!("esbuild@{ESBUILD}"))
            .current_dir(&dir),
    )
}

/// Makes `dir/node_modules` what `dir/package-lock.json` says, if it is not.
pub(crate) fn npm_ci(dir: &Path) -> Result<()> {
    let lock = dir.join("package-lock.json");
    let wanted = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let stamp = dir.join("node_modules").join(".installed-lock.json");
    if fs::read(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    let name = dir
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    run_quietly(
        &format!("npm-{name}"),
        Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            // The browser is the system's own.
            .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
            .current_dir(dir),
    )?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

/// A Chromium or Chrome. `CHROME` names another.
pub(crate) fn chromium() -> Option<PathBuf> {
    env::var_os("CHROME").map(PathBuf::from).or_else(|| {
        [
            "chromium",
            "chromium-browser",
            "google-chrome",
            "google-chrome-stable",
            "chrome",
        ]
        .into_iter()
        .find_map(on_path)
    })
}

/// The program that drives it. `CHROMEDRIVER` names another.
pub(crate) fn chromedriver() -> Option<PathBuf> {
    env::var_os("CHROMEDRIVER")
        .map(PathBuf::from)
        .or_else(|| on_path("chromedriver"))
}

/// A Firefox. `FIREFOX` names another.
pub(crate) fn firefox() -> Option<PathBuf> {
    env::var_os("FIREFOX")
        .map(PathBuf::from)
        .or_else(|| ["firefox-esr", "firefox"].into_iter().find_map(on_path))
}

/// The program that drives it. `GECKODRIVER` names another.
pub(crate) fn geckodriver() -> Option<PathBuf> {
    env::var_os("GECKODRIVER")
        .map(PathBuf::from)
        .or_else(|| on_path("geckodriver"))
        .or_else(|| {
            let ours = paths::tools()
                .join("bin")
                .join(format!("geckodriver{}", env::consts::EXE_SUFFIX));
            ours.is_file().then_some(ours)
        })
}

/// Installs geckodriver, which Debian has no package of.
pub(crate) fn install_geckodriver() -> Result<()> {
    install_tool("geckodriver", GECKODRIVER, &["--locked"])
}
