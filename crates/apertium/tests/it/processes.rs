//! Where the processes go.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use babelwire_service::translator::Translator as _;

use crate::misbehaviour::{awk, engine, modes};
use crate::pair;

/// How many processes have this folder on their command line.
fn processes_of(folder: &Path) -> usize {
    let folder = folder.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(folder))
        })
        .count()
}

/// Waits for a condition, at most half a minute.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(30), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A script that stays on the command line, unlike one that calls `exec`.
fn script() -> String {
    awk("").replace("exec ", "")
}

#[tokio::test]
async fn an_idle_pipeline_is_ended_and_the_next_text_gets_a_new_one() {
    let folder = modes(&["eng-spa"], &script());
    let engine = engine(&folder, |options| options.idle = Duration::from_millis(50));
    for text in ["one", "two"] {
        let translation = engine.translate(&pair("en", "es"), text).await.unwrap();
        assert_eq!(translation, text);
        until("no process is left", || processes_of(folder.path()) == 0).await;
    }
}

#[tokio::test]
async fn the_processes_end_with_the_engine() {
    let folder = modes(&["eng-spa"], &script());
    let engine = engine(&folder, |_| {});
    engine.translate(&pair("en", "es"), "text").await.unwrap();
    assert!(processes_of(folder.path()) > 0);
    drop(engine);
    until("no process is left", || processes_of(folder.path()) == 0).await;
}

/// Not a test of its own: the process that the next test kills.
#[tokio::test]
async fn helper_translates_and_waits() {
    let Some(folder) = std::env::var_os("BABELWIRE_TEST_MODES") else {
        return;
    };
    let mut options = babelwire_apertium::Options::default();
    options.modes_dir = folder.into();
    let engine = babelwire_apertium::Apertium::discover(options);
    engine.translate(&pair("en", "es"), "text").await.unwrap();
    println!("\nready");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn the_processes_end_when_the_server_is_killed() {
    let folder = modes(&["eng-spa"], &script());
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args([
            "processes::helper_translates_and_waits",
            "--exact",
            "--nocapture",
        ])
        .env("BABELWIRE_TEST_MODES", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(server.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "ready"));
    assert!(processes_of(folder.path()) > 0);
    server.kill().unwrap();
    server.wait().unwrap();
    until("no process is left", || processes_of(folder.path()) == 0).await;
}
