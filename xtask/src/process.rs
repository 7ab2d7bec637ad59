//! Child processes: none outlives the command that started it.
//!
//! Every child leads a process group of its own. Ctrl-C and SIGTERM reach this process alone,
//! which passes them on to all groups and waits, so that a server has the time to stop cleanly.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long children have to end after the first signal.
const GRACE: Duration = Duration::from_secs(15);

static GROUPS: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static HANDS_OFF: AtomicBool = AtomicBool::new(false);
static STOPPING: AtomicBool = AtomicBool::new(false);

fn groups() -> std::sync::MutexGuard<'static, Vec<u32>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on a signal is only passed on: the caller waits for its child and chooses the exit
/// code.
pub(crate) fn let_the_child_decide() {
    HANDS_OFF.store(true, Ordering::SeqCst);
}

/// Whether a signal is ending this process: then nothing new is started, and nothing that fails
/// is worth a word.
pub(crate) fn is_stopping() -> bool {
    STOPPING.load(Ordering::SeqCst)
}

#[cfg(unix)]
mod unix {
    use rustix::process::{Pid, Signal, kill_process_group};

    /// Sends `signal` to the group led by `leader`. One that has ended is no error.
    pub(super) fn signal_group(leader: u32, signal: Signal) {
        if let Some(pid) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
            let _gone = kill_process_group(pid, signal);
        }
    }
}

/// Handles Ctrl-C, SIGTERM and SIGHUP for the rest of this process' life.
#[cfg(unix)]
pub(crate) fn handle_signals() -> Result<()> {
    use rustix::process::Signal;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])
        .context("cannot listen for Ctrl-C")?;
    std::thread::spawn(move || {
        let mut asked = false;
        for number in signals.forever() {
            let signal = if asked {
                Signal::KILL
            } else {
                match number {
                    SIGINT => Signal::INT,
                    SIGHUP => Signal::HUP,
                    _ => Signal::TERM,
                }
            };
            for leader in groups().iter() {
                unix::signal_group(*leader, signal);
            }
            if HANDS_OFF.load(Ordering::SeqCst) && !asked {
                asked = true;
                continue;
            }
            STOPPING.store(true, Ordering::SeqCst);
            // Whoever waits for a child sees it end, and takes it off the list.
            let deadline = Instant::now() + GRACE;
            while !asked && Instant::now() < deadline && !groups().is_empty() {
                std::thread::sleep(Duration::from_millis(20));
            }
            for leader in groups().iter() {
                unix::signal_group(*leader, Signal::KILL);
            }
            std::process::exit(128 + number);
        }
    });
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn handle_signals() -> Result<()> {
    Ok(())
}

/// A child process with its group. Dropping it stops the whole group.
pub(crate) struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// Starts `command`, with nothing on its standard input.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let name = describe(command);
        // The list is held while the child comes to be, so that no signal falls in between.
        let mut list = groups();
        if is_stopping() {
            bail!("{name} was not started: stopping");
        }
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        list.push(child.id());
        Ok(Self { child, name })
    }

    /// The exit status, if it has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot watch {}", self.name))
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        self.child
            .wait()
            .with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Waits for its end, `limit` at most.
    pub(crate) fn wait_at_most(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let leader = self.child.id();
        #[cfg(unix)]
        {
            use rustix::process::Signal;
            if matches!(self.child.try_wait(), Ok(None)) {
                unix::signal_group(leader, Signal::TERM);
                let _late = self.wait_at_most(GRACE);
            }
            // What the child itself started and left behind.
            unix::signal_group(leader, Signal::KILL);
        }
        #[cfg(not(unix))]
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
        groups().retain(|pid| *pid != leader);
    }
}

/// The command as one could type it.
pub(crate) fn describe(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Where the output of a quiet command goes.
pub(crate) fn log_file(name: &str) -> Result<PathBuf> {
    let dir = crate::paths::work().join("log");
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir.join(format!("{name}.log")))
}

/// Runs `command` with its output in a log file of that name. The end of the log is part of the
/// error when it fails.
pub(crate) fn run_quietly(name: &str, command: &mut Command) -> Result<()> {
    run_quietly_at_most(name, Duration::MAX, command)
}

/// As [`run_quietly`], and stopped after `limit`.
pub(crate) fn run_quietly_at_most(
    name: &str,
    limit: Duration,
    command: &mut Command,
) -> Result<()> {
    let path = log_file(name)?;
    let mut log =
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(log, "$ {}", describe(command))?;
    let said = describe(command);
    let mut running = Running::start(
        command
            .stdout(log.try_clone()?)
            .stderr(log.try_clone().context("cannot share the log")?),
    )?;
    let status = if limit == Duration::MAX {
        Some(running.wait()?)
    } else {
        running.wait_at_most(limit)?
    };
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!("`{said}` failed ({status}):\n{}", tail(&path, 30)),
        None => bail!(
            "`{said}` was stopped after {} s:\n{}",
            limit.as_secs(),
            tail(&path, 10)
        ),
    }
}

/// Runs `command` with its output shown, and calls `line` with every line of its standard output.
pub(crate) fn run_watched(command: &mut Command, mut line: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut running = Running::start(command.stdout(Stdio::piped()))?;
    if let Some(stdout) = running.child.stdout.take() {
        let mut reader = BufReader::new(stdout);
        let mut bytes = Vec::new();
        while reader
            .read_until(b'\n', &mut bytes)
            .context("cannot read a command's output")?
            > 0
        {
            let text = String::from_utf8_lossy(&bytes);
            print!("{text}");
            line(text.trim_end());
            bytes.clear();
        }
    }
    running.wait()
}

/// What `command` prints, if it succeeds.
pub(crate) fn output_of(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The last lines of a file.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path)
        .map(|b| String::from_utf8_lossy(&b).into_owned())
        .unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let mut end = all[all.len().saturating_sub(lines)..].join("\n");
    end.push_str("\n(all of it: ");
    end.push_str(&path.display().to_string());
    end.push(')');
    end
}

/// The first program of that name on PATH.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}
