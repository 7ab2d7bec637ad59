use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use babelwire_wire::Status;
use futures::stream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{Api, Socket};

/// The real binary.
struct Process {
    child: Child,
    api: Api,
}

fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_babelwire-server"));
    command
        .args(["--listen=127.0.0.1:0", "--translator=pseudo", "--data"])
        .arg(data)
        .stdin(Stdio::null());
    command
}

impl Process {
    fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut child = command(data)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let origin = line
            .trim()
            .strip_prefix("babelwire-server listening on ")
            .unwrap_or_else(|| panic!("it prints {line:?}"));
        assert!(origin.starts_with("http://127.0.0.1:"), "{origin}");
        let api = Api::new(origin.to_owned());
        Self { child, api }
    }

    /// `kill -9`.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A number of `/proc/PID/status`, in KiB.
    fn memory_kib(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Numbers that look random and are the same in every run.
fn numbers() -> impl Iterator<Item = u64> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_ten_moments_it_ends_with_the_same_bytes() {
    let text: String = (0..4000).fold(String::new(), |text, n| {
        text + &format!("  Paragraph {n} of a longer text, with words.\r\n\r\n\n")
    });
    let data = tempfile::tempdir().unwrap();
    let calm = Process::start(data.path(), &[]);
    let id = calm.api.upload("a.txt", text.as_bytes()).await.id;
    calm.api.done(&id).await;
    let expected = calm.api.result(&id).await;
    drop(calm);

    let data = tempfile::tempdir().unwrap();
    let arguments = ["--pseudo-delay-ms=5"];
    let mut process = Process::start(data.path(), &arguments);
    let id = process.api.upload("a.txt", text.as_bytes()).await.id;
    let mut done = 0;
    let mut interrupted = 0;
    // The first comes while the text is read; the others somewhere in the translation.
    for wait in std::iter::once(0)
        .chain(numbers().map(|number| 40 + number % 160))
        .take(10)
    {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        process.kill();
        process = Process::start(data.path(), &arguments);
        let translation = process.api.translation(&id).await;
        assert!(translation.done >= done, "{translation:?} after {done}");
        done = translation.done;
        interrupted += usize::from(translation.status != Status::Done);
    }
    assert_eq!(interrupted, 10, "it was over too soon");
    process.api.done(&id).await;
    assert!(
        process.api.result(&id).await == expected,
        "the bytes differ"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_are_taken_in_little_memory() {
    const MIB: usize = 1 << 20;
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), &[]);
    // Zeros: the job ends soon, for no text is made of them, and the memory is the upload's.
    let created = process.api.announce("zeros.bin", 100 * MIB).await;
    let before = process.memory_kib("VmHWM");
    let block = bytes::Bytes::from(vec![0; MIB]);
    let blocks = stream::iter(std::iter::repeat_n(block, 100).map(Ok::<_, std::io::Error>));
    let body = reqwest::Body::wrap_stream(blocks);
    let response = process.api.put(&created.upload.url, body).await;
    assert_eq!(response.status(), 200);
    let id = &created.translation.id;
    let ended = process.api.wait(id, |t| t.status.is_final()).await;
    assert_eq!(ended.status, Status::Failed);
    let grown = process.memory_kib("VmHWM") - before;
    println!("100 MiB upload: resident memory grew by {grown} KiB at most");
    assert!(grown < 32 * 1024, "{grown} KiB");

    // The same as text, whose translation is under way a while.
    let line = "All work and no play makes a dull text, they say, and so it is.\n\n";
    let block = bytes::Bytes::from(line.repeat(MIB / line.len()));
    let size = block.len() * 100;
    let created = process.api.announce("text.txt", size).await;
    let blocks = stream::iter(std::iter::repeat_n(block, 100).map(Ok::<_, std::io::Error>));
    let body = reqwest::Body::wrap_stream(blocks);
    let response = process.api.put(&created.upload.url, body).await;
    assert_eq!(response.status(), 200);
    let id = &created.translation.id;
    let path = format!("/api/translations/{id}/cancel");
    process.api.wait(id, |t| t.done > 5000).await;
    process.api.send(reqwest::Method::POST, &path).await;
    let grown = process.memory_kib("VmHWM") - before;
    println!("and its translation: {grown} KiB at most");
    assert!(grown < 32 * 1024, "{grown} KiB");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_it_closes_sockets_keeps_its_work_and_says_that_all_is_well() {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path(), &["--pseudo-delay-ms=20"]);
    let text = "A paragraph of its own.\n\n".repeat(2000);
    let id = process.api.upload("a.txt", text.as_bytes()).await.id;
    let before = process.api.wait(&id, |t| t.done > 0).await;
    let mut socket = Socket::open(&process.api).await;
    let asked = Instant::now();
    let status = Command::new("kill")
        .args(["-TERM", &process.child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    loop {
        match socket.message().await {
            Message::Close(Some(close)) => {
                assert_eq!(close.code, CloseCode::Away);
                break;
            }
            Message::Text(_) => {}
            other => panic!("{other:?}"),
        }
    }
    drop(socket);
    let status = tokio::task::block_in_place(|| process.child.wait()).unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "{:?}",
        asked.elapsed()
    );

    let process = Process::start(data.path(), &[]);
    let after = process.api.translation(&id).await;
    assert!(after.done >= before.done);
    process.api.done(&id).await;
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let first = Process::start(data.path(), &[]);
    let words = refused(&command(data.path()).output().unwrap());
    assert!(words.contains("another babelwire-server uses"), "{words}");
    first.kill();
    // A lock dies with its process.
    Process::start(data.path(), &[]).kill();
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let data = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_babelwire-server"))
        .args(["--translator=pseudo", "--data"])
        .arg(data.path())
        .env("BABELWIRE_LISTEN", address.to_string())
        .output()
        .unwrap();
    let words = refused(&output);
    assert!(words.contains(&address.to_string()), "{words}");
    assert!(words.contains("choose another port"), "{words}");
}

#[test]
fn without_an_engine_apertium_is_refused_and_auto_takes_the_pseudo_translator() {
    let nothing = tempfile::tempdir().unwrap();
    let data = tempfile::tempdir().unwrap();
    let start = |translator: &str| {
        Command::new(env!("CARGO_BIN_EXE_babelwire-server"))
            .args(["--listen=127.0.0.1:0", "--translator", translator, "--data"])
            .arg(data.path())
            .arg("--apertium-modes")
            .arg(nothing.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let words = refused(&start("apertium").wait_with_output().unwrap());
    assert!(words.contains("apt install"), "{words}");

    let mut auto = start("auto");
    let mut line = String::new();
    BufReader::new(auto.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    auto.kill().unwrap();
    let mut log = String::new();
    auto.stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    auto.wait().unwrap();
    assert!(line.contains("listening"), "{line}");
    assert!(log.contains("pseudo translator stands in"), "{log}");
}

#[test]
fn help_explains_every_option_and_its_variable() {
    let output = Command::new(env!("CARGO_BIN_EXE_babelwire-server"))
        .arg("--help")
        .output()
        .unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for option in [
        "listen",
        "data",
        "ui",
        "translator",
        "allow-origin",
        "allow-host",
    ] {
        assert!(help.contains(&format!("--{option} ")), "{option}");
        let variable = option.replace('-', "_").to_uppercase();
        assert!(help.contains(&format!("BABELWIRE_{variable}=")), "{option}");
    }
}
