//! The server: built, started, waited for.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{Running, log_file, run_quietly, tail};
use crate::{paths, tools};

/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How the server is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build.
    Dev,
    /// Quick to run: for measurements.
    Release,
}

/// Builds the server; the answer is its binary, which another clone's build does not replace.
pub(crate) fn build(profile: Profile) -> Result<PathBuf> {
    build_program("babelwire-server", "babelwire-server", &[], profile)
}

/// Builds the gateway that misbehaves by rules; the answer is its binary.
pub(crate) fn build_fake_gateway() -> Result<PathBuf> {
    build_program(
        "babelwire-testkit",
        "babelwire-fake-gateway",
        &["--features", "cli"],
        Profile::Dev,
    )
}

fn build_program(
    package: &str,
    program: &str,
    options: &[&str],
    profile: Profile,
) -> Result<PathBuf> {
    let (dir, option) = match profile {
        Profile::Dev => ("debug", None),
        Profile::Release => ("release", Some("--release")),
    };
    run_quietly(
        &format!("{program}-build"),
        tools::cargo_native()
            .args(["build", "--package", package, "--bin", program])
            .args(options)
            .args(option),
    )?;
    let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    let built = paths::target().join(dir).join(&name);
    let own_dir = paths::work().join(dir);
    fs::create_dir_all(&own_dir)?;
    let own = own_dir.join(&name);
    let _absent = fs::remove_file(&own);
    fs::hard_link(&built, &own)
        .or_else(|_| fs::copy(&built, &own).map(|_| ()))
        .with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(own)
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

/// `port` if it is free, else another one.
pub(crate) fn preferably(port: u16) -> Result<u16> {
    expect_free(port).map(|()| port).or_else(|_| free_port())
}

/// Says in words when `port` cannot be had.
pub(crate) fn expect_free(port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) => bail!(
            "cannot use port {port} ({error}). Is Babelwire running already? Stop it, or choose \
             another port with --port"
        ),
    }
}

/// A running server or gateway; dropping it stops it.
pub(crate) struct Server {
    /// The process.
    pub(crate) process: Running,
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
}

impl Server {
    /// Starts `binary` with `options` beside its address, and waits until it answers. What it
    /// logs goes to `log`, or to this process' own standard error.
    pub(crate) fn start(
        binary: &Path,
        port: u16,
        options: impl IntoIterator<Item = impl AsRef<OsStr>>,
        log: Option<&str>,
    ) -> Result<Self> {
        Self::start_and_ask("/api/health", binary, port, options, log)
    }

    /// Starts the gateway that misbehaves by rules, and waits until it answers.
    pub(crate) fn start_fake_gateway(binary: &Path, port: u16, log: &str) -> Result<Self> {
        let none: [&str; 0] = [];
        Self::start_and_ask("/_control/connections", binary, port, none, Some(log))
    }

    /// Starts `binary`, and waits until it has `path`.
    fn start_and_ask(
        path: &str,
        binary: &Path,
        port: u16,
        options: impl IntoIterator<Item = impl AsRef<OsStr>>,
        log: Option<&str>,
    ) -> Result<Self> {
        let name = binary.file_stem().unwrap_or_default().display();
        let mut command = Command::new(binary);
        command
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .args(options);
        let log = log.map(log_file).transpose()?;
        if let Some(path) = &log {
            let file = fs::File::create(path)
                .with_context(|| format!("cannot write {}", path.display()))?;
            command.stdout(file.try_clone()?).stderr(file);
        } else {
            // The ready line is alone on standard output.
            command.stdout(Stdio::null());
        }
        let mut process = Running::start(&mut command)?;
        let began = Instant::now();
        loop {
            if let Some(status) = process.ended()? {
                let said = log
                    .as_deref()
                    .map(|path| tail(path, 15))
                    .unwrap_or_default();
                bail!("{name} ended before it was ready ({status})\n{said}");
            }
            if get(port, path).is_ok_and(|(status, _)| status == 200) {
                return Ok(Self { process, port });
            }
            if began.elapsed() > START_LIMIT {
                let said = log
                    .as_deref()
                    .map(|path| tail(path, 15))
                    .unwrap_or_default();
                bail!(
                    "{name} did not answer within {} s\n{said}",
                    START_LIMIT.as_secs()
                );
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    }
}

/// What a plain `GET` of `path` on 127.0.0.1 answers: status and body.
pub(crate) fn get(port: u16, path: &str) -> Result<(u16, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let limit = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .context("not an HTTP answer")?;
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default();
    Ok((status, body))
}
