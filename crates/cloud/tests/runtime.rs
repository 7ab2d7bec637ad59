//! Functions as Lambda runs them: instances that are used again, started side by side, frozen
//! between invocations, killed when they are late.

#![allow(clippy::unwrap_used, reason = "a test ends with a panic")]

use std::path::Path;
use std::time::Duration;

use babelwire_cloud::runtime::{Function, InvokeError, Options, PAYLOAD_BYTES};
use serde_json::{Value, json};

fn options() -> Options {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/function.py");
    let path = std::env::var("PATH").unwrap();
    Options {
        environment: vec![("PATH".to_owned(), path)],
        ..Options::new("test", program)
    }
}

async fn invoke(function: &Function, event: Value) -> Result<Value, InvokeError> {
    let answer = function.invoke(event.to_string()).await?;
    Ok(serde_json::from_slice(&answer.payload).unwrap())
}

fn error_of(result: Result<Value, InvokeError>) -> (String, String) {
    match result.unwrap_err() {
        InvokeError::Function { kind, message } => (kind, message),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_waits_is_used_again() {
    let function = Function::new(Options {
        concurrency: 1,
        ..options()
    });
    let cold = function.invoke("{}").await.unwrap();
    assert!(cold.init.is_some());
    for count in 2..5 {
        let answer = invoke(&function, json!({})).await.unwrap();
        assert_eq!(answer["count"], count);
        assert_eq!(answer["process"], cold.process);
    }
    let warm = function.invoke("{}").await.unwrap();
    assert!(warm.init.is_none());
    assert!(Function::peak_memory(warm.process).is_some_and(|bytes| bytes > 1 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn invocations_at_the_same_time_have_instances_of_their_own_as_many_as_there_may_be() {
    let function = Function::new(Options {
        concurrency: 2,
        ..options()
    });
    let work = || invoke(&function, json!({"sleep": 0.5}));
    let (a, b, c) = tokio::join!(work(), work(), work());
    let mut processes = [a, b, c].map(|answer| answer.unwrap()["process"].as_u64().unwrap());
    processes.sort_unstable();
    let distinct =
        1 + usize::from(processes[0] != processes[1]) + usize::from(processes[1] != processes[2]);
    assert_eq!(distinct, 2, "the third waited in line: {processes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_that_is_late_is_killed_and_the_next_has_another_instance() {
    let function = Function::new(Options {
        timeout: Duration::from_secs(2),
        concurrency: 1,
        ..options()
    });
    let first = invoke(&function, json!({})).await.unwrap();
    let left = first["left"].as_f64().unwrap();
    assert!((0.0..=2000.0).contains(&left), "{left} ms were left");
    let (kind, message) = error_of(invoke(&function, json!({"sleep": 600})).await);
    assert_eq!(kind, "Sandbox.Timedout");
    assert!(
        message.ends_with("Task timed out after 2.00 seconds"),
        "{message}"
    );
    let next = invoke(&function, json!({})).await.unwrap();
    assert_eq!(next["count"], 1);
    assert_ne!(next["process"], first["process"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_told_apart_and_an_error_does_not_cost_the_instance() {
    let function = Function::new(Options {
        concurrency: 1,
        ..options()
    });
    let told = error_of(invoke(&function, json!({"fail": "no luck"})).await);
    assert_eq!(told, ("Odd".to_owned(), "no luck".to_owned()));
    assert_eq!(invoke(&function, json!({})).await.unwrap()["count"], 2);
    let (kind, message) = error_of(invoke(&function, json!({"exit": 7})).await);
    assert_eq!(kind, "Runtime.ExitError");
    assert!(message.contains('7'), "{message}");
    assert_eq!(invoke(&function, json!({})).await.unwrap()["count"], 1);

    let mut unready = options();
    unready
        .environment
        .push(("FAILS_AT_INIT".to_owned(), "1".to_owned()));
    let told = error_of(invoke(&Function::new(unready), json!({})).await);
    assert_eq!(told, ("Unready".to_owned(), "no table today".to_owned()));

    let absent = Function::new(Options::new("absent", "/no/such/program"));
    let error = absent.invoke("{}").await.unwrap_err();
    assert!(matches!(error, InvokeError::Start(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_answers_have_a_largest_size() {
    let function = Function::new(options());
    let error = function
        .invoke(vec![b' '; PAYLOAD_BYTES + 1])
        .await
        .unwrap_err();
    assert!(matches!(error, InvokeError::RequestTooLarge(_)), "{error}");
    let (kind, _) = error_of(invoke(&function, json!({"long": PAYLOAD_BYTES})).await);
    assert_eq!(kind, "Function.ResponseSizeTooLarge");
}

/// Whether the system has stopped a process.
fn is_stopped(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, after_the_name) = stat.rsplit_once(") ").unwrap();
    after_the_name.starts_with('T')
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_frozen_until_there_is_work() {
    let function = Function::new(Options {
        concurrency: 1,
        ..options()
    });
    for _ in 0..3 {
        let process = function.invoke("{}").await.unwrap().process;
        let frozen = async {
            while !is_stopped(process) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), frozen)
            .await
            .expect("it is frozen");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_end_with_their_function() {
    let function = Function::new(options());
    let process = function.invoke("{}").await.unwrap().process;
    drop(function);
    let gone = async {
        while Path::new(&format!("/proc/{process}")).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .expect("it is gone");
}
