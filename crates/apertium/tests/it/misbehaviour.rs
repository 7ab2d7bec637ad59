//! With programs that misbehave, in place of Apertium's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use babelwire_apertium::{Apertium, Options};
use babelwire_service::translator::{TranslateError, Translator as _};
use futures::future::join_all;
use tempfile::TempDir;

use crate::pair;

/// A folder of modes whose only program is this shell script, under a name that is known to flush.
pub(crate) fn modes(names: &[&str], script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("lrx-proc");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    for name in names {
        let mode = format!("{0} $1 | {0} $1", program.display());
        fs::write(folder.path().join(format!("{name}.mode")), mode).unwrap();
    }
    folder
}

pub(crate) fn engine(folder: &TempDir, change: impl FnOnce(&mut Options)) -> Apertium {
    let mut options = Options::default();
    options.modes_dir = folder.path().to_owned();
    options.deadline = Duration::from_millis(1500);
    change(&mut options);
    Apertium::discover(options)
}

/// Gives every record back, but for what a pattern of awk does first.
pub(crate) fn awk(first: &str) -> String {
    format!("exec gawk 'BEGIN {{ RS = ORS = \"\\0\" }} {first} {{ print; fflush() }}'")
}

#[tokio::test]
async fn a_segment_that_kills_the_engine_fails_alone() {
    let folder = modes(&["eng-spa"], &awk("/poison/ { exit 3 }"));
    let engine = engine(&folder, |_| {});
    let pair = pair("en", "es");
    let texts: Vec<String> = (0..100)
        .map(|n| {
            if n == 40 {
                "poison".to_owned()
            } else {
                format!("text {n}")
            }
        })
        .collect();
    let answers = join_all(texts.iter().map(|text| engine.translate(&pair, text))).await;
    for (text, answer) in texts.iter().zip(answers) {
        if text == "poison" {
            let error = answer.unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains("lrx-proc ended (exit status: 3)"),
                "{error}"
            );
        } else {
            assert_eq!(answer.unwrap(), *text);
        }
    }
}

#[tokio::test]
async fn a_segment_that_hangs_the_engine_fails_alone() {
    let folder = modes(
        &["eng-spa"],
        &awk("/tarpit/ { while (1) system(\"sleep 60\") }"),
    );
    let engine = engine(&folder, |options| {
        options.deadline = Duration::from_millis(400);
    });
    let pair = pair("en", "es");
    let (stuck, other) = tokio::join!(
        engine.translate(&pair, "tarpit"),
        engine.translate(&pair, "text")
    );
    assert_eq!(
        stuck,
        Err(TranslateError::Engine(
            "it gave no answer in time".to_owned()
        ))
    );
    assert_eq!(other.unwrap(), "text");
}

#[tokio::test]
async fn an_engine_that_answers_twice_is_found_out() {
    let folder = modes(&["eng-spa"], &awk("/echo/ { print; print; next }"));
    let engine = engine(&folder, |options| options.pipelines = 1);
    let pair = pair("en", "es");
    let texts: Vec<String> = (0..60)
        .map(|n| {
            if n % 20 == 7 {
                format!("echo {n}")
            } else {
                format!("text {n}")
            }
        })
        .collect();
    let answers = join_all(texts.iter().map(|text| engine.translate(&pair, text))).await;
    for (text, answer) in texts.iter().zip(answers) {
        match answer {
            Ok(answer) => assert_eq!(answer, *text),
            Err(error) => assert!(text.starts_with("echo"), "{text}: {error}"),
        }
    }
}

#[tokio::test]
async fn an_engine_that_dies_once_costs_nobody_an_answer() {
    let folder = modes(&["eng-spa"], "");
    let once = folder.path().join("once");
    fs::write(&once, "").unwrap();
    fs::write(
        folder.path().join("lrx-proc"),
        format!(
            "#!/bin/sh\n{}\n",
            awk(&format!(
                "/text 5/ && system(\"rm {} 2>/dev/null\") == 0 {{ exit 1 }}",
                once.display()
            ))
        ),
    )
    .unwrap();
    let engine = engine(&folder, |options| {
        options.deadline = Duration::from_secs(10);
    });
    let pair = pair("en", "es");
    let texts: Vec<String> = (0..50).map(|n| format!("text {n}")).collect();
    let answers = join_all(texts.iter().map(|text| engine.translate(&pair, text))).await;
    assert!(!once.exists());
    for (text, answer) in texts.iter().zip(answers) {
        assert_eq!(answer.unwrap(), *text);
    }
}

#[tokio::test]
async fn lines_that_the_engine_moves_are_translated_one_by_one() {
    // Swaps the first two numbered blanks, as a rule that changes the order of words may.
    let folder = modes(
        &["eng-spa"],
        &awk(r#"/\[1\]/ { $0 = gensub(/\[0\](.*)\[1\]/, "[1]\\1[0]", 1) }"#),
    );
    fs::write(
        folder.path().join("eng-spa.mode"),
        format!("{} $1", folder.path().join("lrx-proc").display()),
    )
    .unwrap();
    let engine = engine(&folder, |_| {});
    for text in ["one\ntwo\r\nthree", "one\ttwo\tthree\nfour\tfive\tsix\n"] {
        assert_eq!(
            engine.translate(&pair("en", "es"), text).await.unwrap(),
            text
        );
    }
}

#[tokio::test]
async fn an_engine_that_cannot_start_says_so() {
    let folder = modes(&["eng-spa"], &awk(""));
    let engine = engine(&folder, |_| {});
    fs::remove_file(folder.path().join("lrx-proc")).unwrap();
    // The catalog is of before.
    let error = engine
        .translate(&pair("en", "es"), "text")
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            TranslateError::NoSuchPair { .. } | TranslateError::Engine(_)
        ),
        "{error}"
    );
}

#[tokio::test]
async fn an_engine_whose_programs_may_not_run_is_gone_for_every_segment() {
    let folder = modes(&["eng-spa"], &awk(""));
    let engine = engine(&folder, |_| {});
    let program = folder.path().join("lrx-proc");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    for _ in 0..2 {
        let error = engine.translate(&pair("en", "es"), "text").await;
        assert!(
            matches!(&error, Err(TranslateError::Unavailable(reason)) if reason.contains("lrx-proc")),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_pair_that_is_installed_later_is_found_later() {
    let folder = modes(&[], &awk(""));
    let engine = engine(&folder, |_| {});
    assert!(engine.languages().pairs.is_empty());
    let mode = format!("{} $1", folder.path().join("lrx-proc").display());
    fs::write(folder.path().join("eng-spa.mode"), mode).unwrap();
    assert_eq!(engine.languages().pairs, [pair("en", "es")]);
    let translation = engine.translate(&pair("en", "es"), "text").await.unwrap();
    assert_eq!(translation, "text");
}

#[tokio::test]
async fn with_room_for_one_pipeline_two_modes_take_turns() {
    let folder = modes(&["eng-spa", "eng-fra"], &awk(""));
    let engine = engine(&folder, |options| options.max_pipelines = 1);
    let ask = |target: &'static str, number: usize| {
        let engine = &engine;
        async move {
            let text = format!("{target} {number}");
            let answer = engine.translate(&pair("en", target), &text).await.unwrap();
            assert_eq!(answer, text);
        }
    };
    let spanish = join_all((0..700).map(|number| ask("es", number)));
    let french = join_all((0..700).map(|number| ask("fr", number)));
    tokio::join!(spanish, french);
}
