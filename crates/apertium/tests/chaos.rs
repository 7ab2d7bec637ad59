//! Processes of the engine are killed while it works. Alone in its process, because the processes
//! that it kills are the children of this one.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use babelwire_apertium::{Apertium, Options};
use babelwire_service::translator::Translator as _;
use babelwire_wire::rest::Pair;
use futures::stream::{self, StreamExt as _};

/// The children of this process.
fn children() -> Vec<u32> {
    let own = std::process::id().to_string();
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // pid (name) state ppid …; the name may have anything in it.
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
            let state = fields.next()?;
            (fields.next()? == own && state != "Z").then_some(id)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stages_are_killed_at_random_and_every_answer_is_the_right_one() {
    let engine = Apertium::discover(Options::default());
    let pair = Pair {
        source: "en".to_owned(),
        target: "es".to_owned(),
        via: Vec::new(),
    };
    if !engine.languages().pairs.contains(&pair) {
        assert!(
            std::env::var_os("BABELWIRE_WITHOUT_APERTIUM").is_some(),
            "Apertium's pair eng-spa is not installed; install it, or set \
             BABELWIRE_WITHOUT_APERTIUM to go without this test"
        );
        return;
    }
    let answered = AtomicUsize::new(0);
    let is_done = AtomicBool::new(false);
    let text = |number: usize| {
        format!(
            "House {number} has {} doors and a very big garden.",
            number * 3
        )
    };
    let work = async {
        let results: Vec<(usize, String)> = stream::iter(0..3000)
            .map(|number| {
                let (engine, pair, answered) = (&engine, &pair, &answered);
                async move {
                    let translation = engine.translate(pair, &text(number)).await.unwrap();
                    answered.fetch_add(1, Ordering::SeqCst);
                    (number, translation)
                }
            })
            .buffer_unordered(engine.concurrency())
            .collect()
            .await;
        is_done.store(true, Ordering::SeqCst);
        results
    };
    let kill = async {
        let mut killed = 0;
        // Each stage has its turn, and between two deaths some work gets done.
        while !is_done.load(Ordering::SeqCst) && killed < 12 {
            let before = answered.load(Ordering::SeqCst);
            while answered.load(Ordering::SeqCst) < before + 150 && !is_done.load(Ordering::SeqCst)
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let children = children();
            if let Some(child) = children.get((killed * 5) % children.len().max(1)) {
                let killing = Command::new("kill")
                    .args(["-9", &child.to_string()])
                    .status();
                killed += usize::from(killing.is_ok_and(|status| status.success()));
            }
        }
        killed
    };
    let (results, killed) = tokio::join!(work, kill);
    assert!(killed >= 10, "only {killed} were killed");
    assert_eq!(results.len(), 3000);
    for (number, translation) in results {
        assert!(
            translation.contains(&format!(" {number} "))
                && translation.contains(&format!(" {} ", number * 3))
                && translation.contains("jardín")
                && translation.ends_with('.'),
            "{} → {translation}",
            text(number)
        );
    }
}
