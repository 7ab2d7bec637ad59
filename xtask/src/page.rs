//! Building the page, when its inputs changed.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::{on_path, output_of, run_quietly};
use crate::{paths, tools};

/// The Cargo profile of the page, in the workspace's `Cargo.toml`.
const PROFILE: &str = "wasm-release";

/// What rustc is told for the page alone, beyond its profile.
const RUSTFLAGS: [&str; 10] = [
    "-Zunstable-options",
    // Nothing that only says where and why a panic happened.
    "-Cpanic=immediate-abort",
    "-Zlocation-detail=none",
    "-Zfmt-debug=none",
    // What rustc takes for granted today, without reference types: with them, wasm-bindgen has to
    // wrap each import and each export that passes a JavaScript value.
    "-Ctarget-cpu=mvp",
    "-Ctarget-feature=+bulk-memory,+mutable-globals,+nontrapping-fptoint,+sign-ext",
    // Half of the usual stack, below all static data: their addresses then take a byte less each.
    "-Clink-arg=-zstack-size=524288",
    // LLVM does these for speed even where it is told to save space: it rewrites the counters of
    // loops, and loads early what only one of two ways needs. A little more is inlined than it
    // would by itself (5), which leaves fewer calls with many arguments.
    "-Cllvm-args=-disable-lsr",
    "-Cllvm-args=-enable-load-pre=false",
    "-Cllvm-args=-inline-threshold=10",
];

/// What the linker is told so that the page can be cut in two: where each function is referred to,
/// and the table that the parts call each other by.
const SPLIT_FLAGS: [&str; 2] = ["-Clink-arg=--emit-relocs", "-Clink-arg=--export-table"];

/// Has Cargo compile the standard library with the page, for size, with [`RUSTFLAGS`]: some 14 KB
/// less for each first visit. A panic ends the page either way, and boot.js says so.
///
/// `build-std`, `panic=immediate-abort` and some of the flags are unstable, hence
/// `RUSTC_BOOTSTRAP`. They are used for the page alone, and only change its size: without the
/// library's source the page is built all the same.
fn shrink(command: &mut Command, optimize: Optimize) {
    let mut flags = Vec::new();
    if tools::has_rust_source() {
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
            .env("CARGO_UNSTABLE_BUILD_STD_FEATURES", "optimize_for_size");
        flags.extend(RUSTFLAGS);
    }
    if optimize == Optimize::Size {
        flags.extend(SPLIT_FLAGS);
        command.args(["--features", "split"]);
    }
    if !flags.is_empty() {
        command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    }
}

/// What is in the clone and never part of the page. Everything else counts as an input, so that
/// nothing is forgotten.
const NOT_INPUTS: [&str; 27] = [
    ".git",
    ".github",
    ".ci",
    ".vscode",
    ".idea",
    "target",
    "dist",
    "data",
    "node_modules",
    "docs",
    "e2e",
    "bench",
    "deploy",
    "xtask",
    "tests",
    "auth",
    "aws",
    "cloud",
    "gateway",
    "live",
    "service",
    "server",
    "rest",
    "apertium",
    "testkit",
    "examples",
    "fuzz",
];

/// Whether the page is cut in two, and `wasm-opt` and esbuild make it smaller at the end.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Optimize {
    /// Yes: the page that is released.
    Size,
    /// No: Node.js, which they take, is not here.
    No,
}

impl Optimize {
    /// As far as the tools that are installed allow.
    pub(crate) fn as_possible() -> Self {
        if tools::has_wasm_opt() && tools::has_wasm_split() {
            Self::Size
        } else {
            Self::No
        }
    }
}

/// Where the page is built to.
pub(crate) fn dist() -> PathBuf {
    paths::work().join("dist")
}

fn stamp() -> PathBuf {
    paths::work().join("dist.fingerprint")
}

/// Whether the page that is there was made of what is there.
pub(crate) fn is_fresh(optimize: Optimize) -> bool {
    dist().join("index.html").is_file()
        && fs::read_to_string(stamp())
            .is_ok_and(|old| fingerprint(optimize).is_ok_and(|new| old == new))
}

/// Compiles the page's code, so that [`build`] finds it compiled.
pub(crate) fn compile(optimize: Optimize) -> Result<()> {
    let mut command = tools::cargo_wasm();
    command.args([
        "build",
        "--package",
        "babelwire",
        "--target",
        tools::WASM,
        "--profile",
        PROFILE,
    ]);
    shrink(&mut command, optimize);
    run_quietly("page-compile", &mut command)
}

/// Builds the page.
pub(crate) fn build(optimize: Optimize) -> Result<()> {
    // Taken first: a file that is saved meanwhile makes the next run build again.
    let fingerprint = fingerprint(optimize)?;
    fs::create_dir_all(paths::work())?;
    // Trunk runs wasm-opt in release mode only; the profile is the same either way.
    let release = if optimize == Optimize::Size {
        "true"
    } else {
        "false"
    };
    let mut command = Command::new("trunk");
    command
        .args([
            "build",
            "--cargo-profile",
            PROFILE,
            "--release",
            release,
            "--dist",
        ])
        .arg(dist())
        .env("PATH", tools::path())
        .env("CARGO_TARGET_DIR", paths::target_page())
        // A failure is told by what the compiler says, not by where Trunk was.
        .env("RUST_BACKTRACE", "0")
        // Trunk reads it as its own option, and only knows `true` and `false`.
        .env_remove("NO_COLOR")
        .current_dir(paths::root());
    shrink(&mut command, optimize);
    if optimize == Optimize::Size {
        stand_in(&mut command)?;
    }
    run_quietly("page-trunk", &mut command)?;
    if optimize == Optimize::Size {
        minify()?;
    }
    if on_path("node").is_some() {
        compress()?;
    }
    fs::write(stamp(), fingerprint).context("cannot note what the page was made of")
}

/// The environment variables by which [`cut`] knows the tool that it stands in for, and where the
/// parts go.
const WASM_BINDGEN: &str = "BABELWIRE_WASM_BINDGEN";
const PARTS: &str = "BABELWIRE_PARTS";

/// Trunk has no hook between the compiler and wasm-bindgen, where the page has to be cut. It takes
/// the first `wasm-bindgen` on its path, so this program goes there under that name.
fn stand_in(command: &mut Command) -> Result<()> {
    let dir = paths::work().join("stand-in");
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let name = format!("wasm-bindgen{}", std::env::consts::EXE_SUFFIX);
    let own = std::env::current_exe().context("cannot find this program")?;
    let copy = dir.join(&name);
    // In place of the old one, not into it: that may be running.
    let _ = fs::remove_file(&copy);
    fs::copy(own, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
    let parts = paths::work().join("parts");
    if parts.exists() {
        fs::remove_dir_all(&parts).with_context(|| format!("cannot empty {}", parts.display()))?;
    }
    let mut path = vec![dir];
    path.extend(std::env::split_paths(&tools::path()));
    command
        .env("PATH", std::env::join_paths(path)?)
        .env(WASM_BINDGEN, paths::tools().join("bin").join(name))
        .env(PARTS, parts);
    Ok(())
}

/// What this program does under the name of `wasm-bindgen`: cuts the wasm file that is among the
/// arguments, and has the real tool at what is left of it. Gives the exit code.
pub(crate) fn cut() -> Result<u8> {
    let named = |name| std::env::var_os(name).with_context(|| format!("{name} is not set"));
    let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let wasm = arguments
        .iter_mut()
        .find(|argument| Path::new(argument).extension().is_some_and(|e| e == "wasm"));
    if let Some(wasm) = wasm {
        let parts = PathBuf::from(named(PARTS)?);
        let status = Command::new("wasm-split-cli")
            .arg(&wasm)
            .arg(&parts)
            .status()
            .context("cannot run wasm-split-cli")?;
        ensure!(status.success(), "wasm-split-cli failed");
        *wasm = parts.join("main.wasm").into();
        // The linker's table, which the parts call each other by.
        arguments.push("--keep-lld-exports".into());
    }
    let status = Command::new(named(WASM_BINDGEN)?)
        .args(arguments)
        .status()
        .context("cannot run wasm-bindgen")?;
    Ok(u8::from(!status.success()))
}

/// Makes scripts and styles smaller, each file in its place. Trunk's own `minify` understands
/// neither of the scripts.
fn minify() -> Result<()> {
    const SCRIPT: &str = "\
        require('esbuild').buildSync({\
            entryPoints: process.argv.slice(1), outdir: '.', entryNames: '[name]',\
            allowOverwrite: true, minify: true, format: 'esm' });";
    let written = files()?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "js" || e == "css"));
    run_quietly(
        "page-minify",
        Command::new("node")
            .args(["-e", SCRIPT, "--"])
            .args(written)
            .env("NODE_PATH", tools::node_modules())
            .current_dir(dist()),
    )
}

/// Puts a compressed copy beside each file, which the server sends to browsers that take it: the
/// smallest of several, since Brotli's best guess at its own settings can be bettered by some bytes.
fn compress() -> Result<()> {
    const SCRIPT: &str = "\
        const { brotliCompressSync, constants } = require('node:zlib');\
        const { readFileSync, writeFileSync } = require('node:fs');\
        const { BROTLI_PARAM_LGBLOCK, BROTLI_PARAM_NDIRECT, BROTLI_PARAM_NPOSTFIX } = constants;\
        const best = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 };\
        const settings = [best];\
        for (const [npostfix, ndirect] of [[0, 0], [0, 4], [0, 15], [1, 16]])\
            settings.push({ ...best, [BROTLI_PARAM_LGBLOCK]: 16,\
                [BROTLI_PARAM_NPOSTFIX]: npostfix, [BROTLI_PARAM_NDIRECT]: ndirect });\
        for (const file of process.argv.slice(1)) {\
            const content = readFileSync(file);\
            const copies = settings.map((params) => brotliCompressSync(content, { params }));\
            writeFileSync(file + '.br', copies.sort((one, other) => one.length - other.length)[0]);\
        }";
    run_quietly(
        "page-brotli",
        Command::new("node")
            .args(["-e", SCRIPT, "--"])
            .args(files()?),
    )
}

/// The page's files, without their compressed copies.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let mut files = BTreeMap::new();
    collect(&dist(), &dist(), &mut files)?;
    Ok(files
        .into_values()
        .filter(|path| path.extension().is_none_or(|e| e != "br"))
        .collect())
}

/// Whether a file is one that no first visit loads.
pub(crate) fn is_late(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let dir = file.parent().and_then(Path::file_name);
    (name.ends_with(".wasm") && !name.ends_with("_bg.wasm"))
        || name.starts_with("desk-")
        || name == "encodings.txt"
        || dir == Some("locales".as_ref())
}

/// What a file weighs on its way to a browser, in bytes.
pub(crate) fn compressed_size(file: &Path) -> Result<u64> {
    let mut copy = file.as_os_str().to_owned();
    copy.push(".br");
    let copy = PathBuf::from(copy);
    Ok(fs::metadata(&copy)
        .with_context(|| format!("there is no {}", copy.display()))?
        .len())
}

fn fingerprint(optimize: Optimize) -> Result<String> {
    let mut files = BTreeMap::new();
    let root = paths::root();
    collect(&root, &root, &mut files)?;
    let mut hasher = DefaultHasher::new();
    optimize.hash(&mut hasher);
    // How it is built counts as well.
    include_str!("page.rs").hash(&mut hasher);
    tools::has_rust_source().hash(&mut hasher);
    output_of(Command::new("rustc").arg("-V").current_dir(&root)).hash(&mut hasher);
    for (name, path) in files {
        name.hash(&mut hasher);
        fs::read(&path)
            .with_context(|| format!("cannot read {}", path.display()))?
            .hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn collect(root: &Path, dir: &Path, files: &mut BTreeMap<PathBuf, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if NOT_INPUTS.contains(&&*name) || name.ends_with(".md") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(root, &path, files)?;
        } else if let Ok(relative) = path.strip_prefix(root) {
            files.insert(relative.to_path_buf(), path);
        }
    }
    Ok(())
}
