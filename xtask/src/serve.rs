//! `serve` and `dev`: the main job, on this machine.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow};

use crate::page::{self, Optimize};
use crate::process::{self, Running, on_path};
use crate::server::{self, Profile, Server};
use crate::steps::Steps;
use crate::{debian, paths, tools};

/// What `serve` and `dev` are told.
pub(crate) struct Options {
    /// The port on 127.0.0.1.
    pub(crate) port: u16,
    /// Where the server keeps what it is given.
    pub(crate) data: PathBuf,
    /// Whether to show the page in the browser.
    pub(crate) open: bool,
}

/// A step between a fresh clone and a running Babelwire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Apertium,
    WasmTarget,
    WasmOpt,
    WasmSplit,
    Trunk,
    WasmBindgen,
    Page,
}

/// Which of the steps have yet to be done. The tools do not matter while the page is fresh.
fn find_needs() -> Result<Vec<Need>> {
    let mut needs = Vec::new();
    if !debian::has_apertium() {
        needs.push(Need::Apertium);
    }
    if !page::is_fresh(Optimize::as_possible()) {
        needs.extend(find_tools_needed()?);
        if !tools::has_wasm_opt() && on_path("npm").is_some() {
            needs.push(Need::WasmOpt);
        }
        if !tools::has_wasm_split() && on_path("npm").is_some() {
            needs.push(Need::WasmSplit);
        }
        needs.push(Need::Page);
    }
    Ok(needs)
}

fn find_tools_needed() -> Result<Vec<Need>> {
    Ok([
        (Need::WasmTarget, tools::has_wasm_target()),
        (Need::Trunk, tools::has_trunk()),
        (Need::WasmBindgen, tools::has_wasm_bindgen()?),
    ]
    .into_iter()
    .filter_map(|(need, there)| (!there).then_some(need))
    .collect())
}

/// How many steps [`prepare`] takes.
fn count(needs: &[Need]) -> usize {
    // The page is compiled, then bundled; the server's build is always looked at.
    needs.len() + usize::from(needs.contains(&Need::Page)) + 1
}

/// Installs what is missing and builds page and server, as much side by side as it can be. The
/// answer is the server's binary.
fn prepare(needs: &[Need], steps: &Steps) -> Result<PathBuf> {
    let needed = |need| needs.contains(&need);
    steps.with_heartbeat(|| {
        thread::scope(|scope| {
            let engine = scope.spawn(|| {
                if needed(Need::Apertium) {
                    install_engine(steps);
                }
            });
            let wasm_opt = scope.spawn(|| {
                if needed(Need::WasmOpt) {
                    install_wasm_opt(steps);
                }
            });
            if needed(Need::WasmTarget) {
                steps.step(
                    "Installing Rust's standard library for the browser",
                    tools::install_wasm_target,
                )?;
            }
            // Beside the compiling below: each of the two leaves a processor idle at times.
            let bundler = scope.spawn(|| {
                if needed(Need::Trunk) {
                    steps.step("Installing Trunk, the page's bundler", tools::install_trunk)?;
                }
                if needed(Need::WasmBindgen) {
                    steps.step(
                        "Installing wasm-bindgen, which joins Rust and JavaScript",
                        tools::install_wasm_bindgen,
                    )?;
                }
                if needed(Need::WasmSplit) {
                    install_wasm_split(steps);
                }
                Ok::<_, anyhow::Error>(())
            });
            let server = steps.step("Building the server", || server::build(Profile::Dev))?;
            if needed(Need::Page) {
                steps.step("Compiling the page", || {
                    // With what is still being installed.
                    page::compile(if on_path("npm").is_some() {
                        Optimize::Size
                    } else {
                        Optimize::No
                    })
                })?;
            }
            join(bundler)??;
            join(wasm_opt)?;
            if needed(Need::Page) {
                steps.step("Bundling the page", || page::build(Optimize::as_possible()))?;
            }
            join(engine)?;
            Ok(server)
        })
    })
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> Result<T> {
    thread
        .join()
        .map_err(|_| anyhow!("a step broke down; this is a bug in xtask"))
}

fn install_engine(steps: &Steps) {
    let what = "Installing Apertium, the translation engine, with English, Spanish, French, \
                Italian and Portuguese";
    if let Err(error) = steps.step(what, debian::install_apertium) {
        println!(
            "\nNOTICE: Apertium or some of its languages are missing. {error:#}\nBabelwire goes \
             on with the languages that are there; if there are none, with a pseudo translator \
             that only marks the text.\n"
        );
    }
}

fn install_wasm_opt(steps: &Steps) {
    let what = "Installing wasm-opt, which makes the page smaller";
    if let Err(error) = steps.step(what, tools::install_wasm_opt) {
        println!("      The page is a little larger without it. {error:#}");
    }
}

fn install_wasm_split(steps: &Steps) {
    let what = "Installing wasm-split-cli, which cuts the page in two";
    if let Err(error) = steps.step(what, tools::install_wasm_split) {
        println!("      The page is in one piece, and larger, without it. {error:#}");
    }
}

/// `cargo xtask serve`. The answer is the exit code.
pub(crate) fn serve(options: &Options) -> Result<u8> {
    let port = if options.port == 0 {
        server::free_port()?
    } else {
        options.port
    };
    server::expect_free(port)?;
    let needs = find_needs()?;
    let steps = Steps::new(count(&needs) + 1);
    let binary = prepare(&needs, &steps)?;
    let mut server = steps.step("Starting the server", || start(&binary, port, options))?;
    let url = format!("http://127.0.0.1:{port}");
    tell_if_pseudo(port);
    println!("\nBabelwire is ready: {url}");
    if options.open {
        open(&url);
    }
    wait(&mut server.process)
}

/// `cargo xtask dev`: the same server behind `trunk serve`, which reloads the page when its
/// sources change.
pub(crate) fn dev(options: &Options) -> Result<u8> {
    // Where Trunk.toml sends what is not a file of the page.
    const BACKEND: u16 = 8080;
    let port = options.port;
    server::expect_free(BACKEND)?;
    server::expect_free(port)?;
    let mut needs = find_tools_needed()?;
    if !debian::has_apertium() {
        needs.push(Need::Apertium);
    }
    let steps = Steps::new(count(&needs) + 1);
    let binary = prepare(&needs, &steps)?;
    let server = steps.step("Starting the server", || start(&binary, BACKEND, options))?;
    tell_if_pseudo(BACKEND);
    let mut trunk = Running::start(
        Command::new("trunk")
            .args([
                "serve",
                "--address",
                "127.0.0.1",
                "--port",
                &port.to_string(),
            ])
            .args(options.open.then_some("--open"))
            .env("PATH", tools::path())
            .env("CARGO_TARGET_DIR", paths::target_page())
            .env_remove("NO_COLOR")
            .current_dir(paths::root()),
    )?;
    println!("\nTrunk builds the page and serves it: http://127.0.0.1:{port} (Ctrl-C ends it)");
    let code = wait(&mut trunk);
    drop(server);
    code
}

fn start(binary: &std::path::Path, port: u16, options: &Options) -> Result<Server> {
    fs::create_dir_all(&options.data)
        .with_context(|| format!("cannot make the data directory {}", options.data.display()))?;
    let arguments: [OsString; 6] = [
        "--data".into(),
        options.data.clone().into_os_string(),
        "--translator".into(),
        "auto".into(),
        "--ui".into(),
        page::dist().into_os_string(),
    ];
    Server::start(binary, port, arguments, None)
}

fn tell_if_pseudo(port: u16) {
    if server::get(port, "/api/languages").is_ok_and(|(_, body)| body.contains("\"pseudo\"")) {
        println!(
            "\nNOTICE: the PSEUDO translator is at work: texts are marked, not translated. \
             Install Apertium and its languages, and start again."
        );
    }
}

/// Waits for the main process of a command; signals are passed on to it.
pub(crate) fn wait(process: &mut Running) -> Result<u8> {
    process::let_the_child_decide();
    let status = process.wait()?;
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        if let Some(signal) = status.signal() {
            return Ok(u8::try_from(128 + signal).unwrap_or(u8::MAX));
        }
    }
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(u8::MAX))
}

fn open(url: &str) {
    let program = ["xdg-open", "open", "wslview"]
        .into_iter()
        .find_map(on_path);
    let opened = program.is_some_and(|program| {
        Command::new(program)
            .arg(url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .is_ok()
    });
    if !opened {
        println!("No browser could be opened from here: open the address yourself.");
    }
}
