//! The programs that play AWS in tests: moto server (DynamoDB, S3, SQS), dynalite (DynamoDB) and
//! s3s-fs (S3).
//!
//! Each is started once for a test binary, on a free port, and ends with it. Which program it is,
//! an environment variable says, and `cargo xtask test aws` sets it. Tests share a program, so each
//! names its tables, buckets and queues for itself.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "every test binary has a copy of this and uses a part of it"
)]
#![allow(clippy::unwrap_used, reason = "a test ends with a panic")]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use aws_config::{BehaviorVersion, Region, SdkConfig};

pub mod tables;

/// A program that is running.
pub struct Peer {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    /// The program ends when this is closed, and nothing closes it before this process ends.
    _alive: ChildStdin,
}

/// Runs a program until standard input ends: however a test ends, nothing is left behind.
const WHILE_INPUT_LASTS: &str = r#"
"$@" </dev/null 2>&1 &
program=$!
exec >/dev/null
while read -r _; do :; done
kill "$program"
"#;

impl Peer {
    /// Moto server.
    pub fn moto() -> &'static Self {
        static MOTO: OnceLock<Peer> = OnceLock::new();
        MOTO.get_or_init(|| {
            let program = program("BABELWIRE_MOTO", "moto_server, of PyPI's moto[server]");
            Self::start(
                &program,
                &["-H", "127.0.0.1", "-p", "0"],
                "Running on http://",
            )
            .unwrap_or_else(|output| panic!("moto server does not start:\n{output}"))
        })
    }

    /// Dynalite.
    pub fn dynalite() -> &'static Self {
        static DYNALITE: OnceLock<Peer> = OnceLock::new();
        DYNALITE.get_or_init(|| {
            let program = program(
                "BABELWIRE_DYNALITE",
                "dynalite, of npm's package of this name",
            );
            let mut output = String::new();
            // It takes no port 0, and another program may be faster to take the one found free.
            for _ in 0..10 {
                let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                let port = free.local_addr().unwrap().port().to_string();
                drop(free);
                let arguments = [
                    "--host",
                    "127.0.0.1",
                    "--port",
                    &port,
                    "--createTableMs",
                    "0",
                    "--deleteTableMs",
                    "0",
                ];
                match Self::start(&program, &arguments, "listening at: http://") {
                    Ok(peer) => return peer,
                    Err(words) => output = words,
                }
            }
            panic!("dynalite does not start:\n{output}");
        })
    }

    /// S3 by s3s-fs, which verifies signatures: Version 4, in headers and in URLs, of this key and
    /// secret. Its objects are files below this folder.
    pub fn s3s(folder: &Path, access_key: &str, secret_key: &str) -> Self {
        let program = program("BABELWIRE_S3S", "s3s-fs, of the Rust crate of this name");
        let folder = folder.to_str().unwrap();
        let arguments = [
            "RUST_LOG=s3s_fs=info",
            &program,
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--access-key",
            access_key,
            "--secret-key",
            secret_key,
            folder,
        ];
        Self::start("env", &arguments, "running at http://")
            .unwrap_or_else(|output| panic!("s3s-fs does not start:\n{output}"))
    }

    /// Starts a program and waits until it says where it listens, after `sign`.
    fn start(program: &str, arguments: &[&str], sign: &str) -> Result<Self, String> {
        let mut child = Command::new("sh")
            .args(["-c", WHILE_INPUT_LASTS, "sh", program])
            .args(arguments)
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let alive = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || child.wait());
        let mut output = String::new();
        for line in &mut lines {
            let line = line.unwrap();
            if let Some((_, address)) = line.split_once(sign) {
                let url = format!("http://{}", address.trim());
                // What it says from here on is nobody's, and must not fill the pipe.
                thread::spawn(move || lines.for_each(drop));
                return Ok(Self { url, _alive: alive });
            }
            output.push_str(&line);
            output.push('\n');
        }
        Err(output)
    }

    /// What a client needs to reach it. Neither asks who somebody is.
    pub fn config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(&self.url)
            .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(
                aws_sdk_dynamodb::config::Credentials::for_tests(),
            ))
            .build()
    }
}

fn program(variable: &str, what: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "these tests talk to another program: run `cargo xtask test aws`, which installs it, or \
             set {variable} to the path of {what}"
        )
    })
}

/// A name that nobody else in this process has.
pub fn own_name(of: &str) -> String {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    format!("{of}-{}", NAMES.fetch_add(1, Ordering::Relaxed))
}
