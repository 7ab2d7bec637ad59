//! `check`: format, lints, the layout's rules, the page's size.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::process::{describe, run_watched};
use crate::steps::Steps;
use crate::{page, paths, test, tools};

/// The most that a first visit may transfer, in bytes after Brotli.
const PAGE_BUDGET: u64 = 90_000;

/// Who may depend on whom, tests aside. Arrows point down only.
const ARROWS: [(&str, &[&str]); 18] = [
    ("babelwire-wire", &[]),
    ("babelwire-client-core", &["babelwire-wire"]),
    (
        "babelwire-client",
        &["babelwire-client-core", "babelwire-wire"],
    ),
    (
        "babelwire",
        &[
            "babelwire-client",
            "babelwire-client-core",
            "babelwire-wire",
        ],
    ),
    (
        "babelwire-testkit",
        &["babelwire-client-core", "babelwire-wire"],
    ),
    ("babelwire-gateway", &[]),
    ("babelwire-service", &["babelwire-wire"]),
    (
        "babelwire-apertium",
        &["babelwire-service", "babelwire-wire"],
    ),
    ("babelwire-rest", &["babelwire-service", "babelwire-wire"]),
    (
        "babelwire-server",
        &[
            "babelwire-apertium",
            "babelwire-auth",
            "babelwire-gateway",
            "babelwire-live",
            "babelwire-rest",
            "babelwire-service",
            "babelwire-wire",
        ],
    ),
    ("babelwire-auth", &[]),
    ("babelwire-scale", &[]),
    ("babelwire-live", &["babelwire-auth", "babelwire-service"]),
    (
        "babelwire-aws",
        &[
            "babelwire-auth",
            "babelwire-live",
            "babelwire-rest",
            "babelwire-service",
            "babelwire-wire",
        ],
    ),
    ("babelwire-cloud", &["babelwire-auth", "babelwire-gateway"]),
    ("babelwire-example-article", &["babelwire-client"]),
    ("babelwire-example-chat", &["babelwire-client"]),
    ("xtask", &[]),
];

/// The crates that others use: they are published.
const LIBRARIES: [&str; 5] = [
    "babelwire-wire",
    "babelwire-client-core",
    "babelwire-client",
    "babelwire-testkit",
    "babelwire-gateway",
];

/// What the package of a library has to have, beside its code.
const IN_EVERY_PACKAGE: [&str; 5] = [
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "src/lib.rs",
];

/// The crates that decide, and know no platform.
const CORES: [&str; 3] = [
    "babelwire-wire",
    "babelwire-client-core",
    "babelwire-service",
];

/// What a core must not even reach through others: browsers, runtimes, transports, stores,
/// vendors, clocks and random numbers.
const PLATFORMS: [&str; 17] = [
    "web-sys",
    "js-sys",
    "wasm-bindgen",
    "gloo-",
    "yew",
    "tokio",
    "async-std",
    "smol",
    "hyper",
    "axum",
    "aws",
    "reqwest",
    "rusqlite",
    "object_store",
    "rand",
    "getrandom",
    "fastrand",
];

/// Runs all checks; the first that fails ends them.
pub(crate) fn run() -> Result<()> {
    let steps = Steps::new(9);
    steps.step("Format", || {
        cargo(tools::cargo_native(), &["fmt", "--all", "--check"])
    })?;
    steps.step("Layout: who knows whom", layout)?;
    steps.step("Layout: views never see JSON", views)?;
    let deny = ["--", "-D", "warnings"];
    steps.step("Lints, native", || {
        let all = [
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--all-features",
        ];
        let not: Vec<&str> = test::AWS_PACKAGES
            .iter()
            .flat_map(|name| ["--exclude", name])
            .collect();
        cargo(tools::cargo_native(), &[&all[..], &not, &deny].concat())
    })?;
    steps.step("Lints, on AWS", || {
        let all = ["clippy", "--quiet", "--all-targets", "--all-features"];
        let these: Vec<&str> = test::AWS_PACKAGES
            .iter()
            .flat_map(|name| ["--package", name])
            .collect();
        cargo(tools::cargo_native(), &[&all[..], &these, &deny].concat())
    })?;
    steps.step("Lints, in the browser", || {
        if !tools::has_wasm_target() {
            tools::install_wasm_target()?;
        }
        let packages = [
            "--package",
            "babelwire",
            "--package",
            "babelwire-client",
            "--package",
            "babelwire-example-*",
        ];
        let all = [
            "clippy",
            "--quiet",
            "--all-targets",
            "--all-features",
            "--target",
            tools::WASM,
        ];
        cargo(tools::cargo_wasm(), &[&all[..], &packages, &deny].concat())
    })?;
    steps.step("Documentation of the libraries", documentation)?;
    steps.step("Packages of the libraries", packages)?;
    steps.step("Size of the page", size)?;
    println!("\nAll checks passed.");
    Ok(())
}

fn cargo(mut command: Command, arguments: &[&str]) -> Result<()> {
    let status = run_watched(command.args(arguments), |_| {})?;
    ensure!(
        status.success(),
        "`cargo {}` found something",
        arguments.join(" ")
    );
    Ok(())
}

fn layout() -> Result<()> {
    let mut faults = arrow_faults(&metadata(&["--no-deps"])?);
    for core in CORES {
        faults.extend(platform_faults(core)?);
    }
    for core in ["client-core", "service"] {
        faults.extend(clock_faults(&paths::root().join("crates").join(core))?);
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

fn metadata(more: &[&str]) -> Result<Value> {
    let output = said_by(
        tools::cargo_native()
            .args(["metadata", "--format-version", "1"])
            .args(more),
    )?;
    serde_json::from_slice(&output.stdout).context("cargo metadata did not answer with JSON")
}

/// Dependencies between the workspace's crates that point up.
fn arrow_faults(metadata: &Value) -> Vec<String> {
    let list = |value: &Value, name: &str| -> Vec<Value> {
        value
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let text = |value: &Value, name: &str| -> String {
        value
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let packages = list(metadata, "packages");
    let ours: BTreeSet<String> = packages
        .iter()
        .map(|package| text(package, "name"))
        .collect();
    let mut faults = Vec::new();
    for package in &packages {
        let name = text(package, "name");
        let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
            faults.push(format!(
                "{name} has no place in the layout: give it one in xtask's check"
            ));
            continue;
        };
        for dependency in list(package, "dependencies") {
            let other = text(&dependency, "name");
            let only_in_tests = text(&dependency, "kind") == "dev";
            if ours.contains(&other) && !only_in_tests && !allowed.contains(&other.as_str()) {
                faults.push(format!(
                    "{name} must not depend on {other}: arrows point down only"
                ));
            }
        }
    }
    faults
}

/// Platform crates in a core's dependency tree.
fn platform_faults(core: &str) -> Result<Vec<String>> {
    let output = said_by(
        tools::cargo_native()
            .args([
                "tree",
                "--package",
                core,
                "--edges",
                "normal",
                "--target",
                "all",
            ])
            .args(["--prefix", "none", "--format", "{p}"]),
    )?;
    let tree = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        tree.starts_with(core),
        "cargo tree does not begin with {core}:\n{tree}"
    );
    let crates: BTreeSet<&str> = tree
        .lines()
        .filter_map(|l| l.split_whitespace().next())
        .collect();
    Ok(crates
        .into_iter()
        .filter(|name| is_platform(name))
        .map(|name| format!("{core} must not reach {name}: cores know no platform"))
        .collect())
}

fn is_platform(name: &str) -> bool {
    PLATFORMS.iter().any(|platform| {
        name.strip_prefix(platform).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(['-', '_']) || platform.ends_with('-')
        })
    })
}

/// Clippy bans clocks in a core; without its configuration it bans nothing.
fn clock_faults(dir: &Path) -> Result<Vec<String>> {
    let path = dir.join("clippy.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(["std::time::Instant::now", "std::time::SystemTime::now"]
        .into_iter()
        .filter(|clock| !text.contains(clock))
        .map(|clock| format!("{} must ban {clock}: cores have no clock", path.display()))
        .collect())
}

/// A file that draws must not know that JSON exists.
fn views() -> Result<()> {
    let mut files = Vec::new();
    rust_files(&paths::root().join("src"), &mut files)?;
    let mut drawing = 0;
    for path in files {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if !text.contains("html!") {
            continue;
        }
        drawing += 1;
        if text.contains("serde_json") || text.contains("JSON::parse") {
            bail!("{} draws, and so must not know JSON", path.display());
        }
    }
    ensure!(
        drawing > 0,
        "found no file under src/ that draws: this rule looks for `html!`"
    );
    Ok(())
}

fn rust_files(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The arguments that name every library.
fn libraries() -> impl Iterator<Item = &'static str> {
    LIBRARIES.iter().flat_map(|name| ["--package", name])
}

/// What users read on docs.rs, with warnings denied: links that lead nowhere, above all.
fn documentation() -> Result<()> {
    let mut command = tools::cargo_native();
    command.env("RUSTDOCFLAGS", "-D warnings");
    let options = ["doc", "--quiet", "--no-deps", "--all-features"];
    cargo(
        command,
        &options.into_iter().chain(libraries()).collect::<Vec<_>>(),
    )
}

/// Whether the libraries can be published. Compiling what was packed is left to `cargo publish`.
fn packages() -> Result<()> {
    let mut faults = Vec::new();
    for library in LIBRARIES {
        let list = ["package", "--list", "--allow-dirty", "--package", library];
        let output = said_by(tools::cargo_native().args(list))?;
        let files = String::from_utf8_lossy(&output.stdout).into_owned();
        for wanted in IN_EVERY_PACKAGE {
            if !files.lines().any(|file| file == wanted) {
                faults.push(format!("the package of {library} has no {wanted}"));
            }
        }
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));

    let pack = |offline: Option<&str>| {
        said_by(
            tools::cargo_native()
                .args(["package", "--no-verify", "--allow-dirty", "--target-dir"])
                .arg(paths::work().join("package"))
                .args(libraries())
                .args(offline),
        )
    };
    // What the lints compiled is there already; asking the registry takes six times as long.
    let output = pack(Some("--offline")).or_else(|_| pack(None))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!said.lines().any(is_fault_of_a_package), "{said}");
    Ok(())
}

/// Whether Cargo warns of something in a line. Tests that need the repository are left out, as the
/// packages' `exclude` says, which Cargo remarks upon.
fn is_fault_of_a_package(line: &str) -> bool {
    line.starts_with("warning:") && !line.starts_with("warning: ignoring test ")
}

/// Runs `command` to a good end.
fn said_by(command: &mut Command) -> Result<Output> {
    let output = command
        .output()
        .with_context(|| format!("cannot run `{}`", describe(command)))?;
    ensure!(
        output.status.success(),
        "`{}` failed:\n{}",
        describe(command),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

/// Prints what each file weighs after Brotli at its best, and the sum of those that a first visit
/// loads.
fn size() -> Result<()> {
    test::prepare_page()?;
    let (late, first): (Vec<_>, Vec<_>) = page::files()?
        .into_iter()
        .partition(|path| page::is_late(path));
    let list = |files: &[PathBuf]| -> Result<u64> {
        let mut sum = 0;
        for path in files {
            let bytes = page::compressed_size(path)?;
            println!(
                "{bytes:>9}  {}",
                path.strip_prefix(page::dist()).unwrap_or(path).display()
            );
            sum += bytes;
        }
        Ok(sum)
    };
    let sum = list(&first)?;
    println!("{sum:>9}  bytes after Brotli for a first visit, of {PAGE_BUDGET}");
    println!("Loaded when it is needed:");
    list(&late)?;
    ensure!(
        sum <= PAGE_BUDGET,
        "the page is {} bytes too large",
        sum - PAGE_BUDGET
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_dependency_that_points_up_is_found() {
        let package =
            |name, dependencies: Value| json!({"name": name, "dependencies": dependencies});
        let metadata = json!({"packages": [
            package("babelwire-wire", json!([{"name": "serde", "kind": null}])),
            package("babelwire-service", json!([{"name": "babelwire-wire", "kind": null}])),
        ]});
        assert_eq!(arrow_faults(&metadata), Vec::<String>::new());

        let metadata = json!({"packages": [
            package("babelwire-wire", json!([
                {"name": "babelwire-service", "kind": null},
                {"name": "babelwire-gateway", "kind": "dev"},
            ])),
            package("babelwire-service", json!([])),
            package("babelwire-gateway", json!([])),
            package("babelwire-new", json!([])),
        ]});
        let faults = arrow_faults(&metadata);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults
                .iter()
                .any(|fault| fault.contains("babelwire-service"))
        );
        assert!(faults.iter().any(|fault| fault.contains("babelwire-new")));
    }

    #[test]
    fn a_package_without_its_tests_is_fine_and_one_without_documentation_is_not() {
        assert!(!is_fault_of_a_package(
            "warning: ignoring test `it` as `tests/it/main.rs` is not included in the published \
             package"
        ));
        assert!(is_fault_of_a_package(
            "warning: manifest has no documentation, homepage or repository"
        ));
        assert!(!is_fault_of_a_package("   Packaging babelwire-wire v0.1.0"));
    }

    #[test]
    fn platforms_are_known_by_their_names() {
        for name in [
            "web-sys",
            "tokio",
            "tokio-util",
            "axum-core",
            "aws-sdk-s3",
            "aws_lambda_events",
            "gloo-net",
        ] {
            assert!(is_platform(name), "{name}");
        }
        for name in ["serde", "futures", "async-trait", "awsome", "randomize"] {
            assert!(!is_platform(name), "{name}");
        }
    }
}
