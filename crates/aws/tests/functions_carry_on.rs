//! A file too long for one invocation is carried on by the next ones, and by others when one is
//! killed. Here with limits of seconds: functions have 15 minutes.

#![allow(clippy::unwrap_used, reason = "a test ends with a panic")]

mod peers;
mod stage;

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use stage::{Setup, Stage};

const SEGMENTS: usize = 150;
/// Calls of Translate under way at once.
const AT_ONCE: &str = "2";
/// How long each takes.
const DELAY: Duration = Duration::from_millis(100);
/// What may be translated a second time after one broke off: the calls under way, and what came
/// back in the moments before and was not kept yet (the service gathers segments for 200 ms, and
/// moto's table takes its time to keep them).
const LOST_AT_MOST: u64 = 30;

fn text() -> String {
    (0..SEGMENTS).fold(String::new(), |text, number| {
        text + &format!("Paragraph number {number} of a long text.\n\n")
    })
}

async fn start(stage: &Stage) -> String {
    let text = text();
    let made = stage.announce("long.txt", text.len()).await;
    stage.put(&made["upload"], text).await;
    made["translation"]["id"].as_str().unwrap().to_owned()
}

fn done(translation: &Value) -> bool {
    assert_ne!(translation["status"], "failed", "{translation}");
    translation["status"] == "done"
}

/// What one invocation makes of the text, without any hurry.
async fn whole() -> String {
    let stage = Stage::set(Setup {
        sources: true,
        ..Setup::default()
    })
    .await;
    let id = start(&stage).await;
    stage.until(&id, done).await;
    stage.result(&id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_too_long_for_one_invocation_is_carried_on_by_the_next_ones() {
    let stage = Stage::set(Setup {
        sources: true,
        function_timeout: Some(Duration::from_secs(5)),
        environment: vec![
            ("BABELWIRE_TRANSLATE_MARGIN_MS", "2000"),
            ("BABELWIRE_TRANSLATE_CONCURRENCY", AT_ONCE),
        ],
        delay: DELAY,
        ..Setup::default()
    })
    .await;
    let id = start(&stage).await;
    let translation = stage.until(&id, done).await;
    assert_eq!(translation["done"], json!(SEGMENTS));

    let log = stage.function("Translator").log();
    let handed_on = log
        .iter()
        .filter(|line| line.contains("the time is over"))
        .count();
    assert!(handed_on >= 2, "{handed_on} handed on:\n{}", log.join("\n"));
    let late = log.iter().any(|line| line.contains("timed out"));
    assert!(!late, "none was killed for being late:\n{}", log.join("\n"));

    let calls = stage.fake.counts.translate_text.load(Ordering::SeqCst);
    let twice = calls - SEGMENTS as u64;
    let most = LOST_AT_MOST * handed_on as u64;
    println!(
        "{handed_on} invocations handed on; {twice} of {SEGMENTS} segments were translated twice"
    );
    assert!(
        twice <= most,
        "{twice} were translated twice, of {most} that may be"
    );
    assert_eq!(stage.result(&id).await, whole().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_translator_is_killed_is_carried_on_by_another() {
    let stage = Stage::set(Setup {
        sources: true,
        // As long as a message stays away after its taker was killed.
        function_timeout: Some(Duration::from_secs(20)),
        environment: vec![
            ("BABELWIRE_TRANSLATE_MARGIN_MS", "1000"),
            ("BABELWIRE_TRANSLATE_CONCURRENCY", AT_ONCE),
        ],
        delay: DELAY,
        ..Setup::default()
    })
    .await;
    let id = start(&stage).await;
    let some = |translation: &Value| translation["done"].as_u64() >= Some(20);
    stage.until(&id, some).await;
    assert_eq!(stage.function("Translator").kill_instances(), 1);
    let translation = stage.until(&id, done).await;
    assert_eq!(translation["done"], json!(SEGMENTS));

    let calls = stage.fake.counts.translate_text.load(Ordering::SeqCst);
    let twice = calls - SEGMENTS as u64;
    println!("killed once; {twice} of {SEGMENTS} segments were translated twice");
    assert!(twice <= LOST_AT_MOST, "{twice} were translated twice");
    assert_eq!(stage.result(&id).await, whole().await);
}
