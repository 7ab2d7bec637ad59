use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use babelwire_client::{Backoff, FetchError, ReconcileConfig, ReconcileState, Reconciler};
use gloo_timers::future::TimeoutFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Heard, settle, until};

fn eager() -> ReconcileConfig {
    ReconcileConfig {
        backoff: Backoff {
            base: Duration::from_millis(5),
            cap: Duration::from_millis(20),
        },
        timeout: Duration::from_millis(200),
        ..ReconcileConfig::default()
    }
}

#[wasm_bindgen_test]
async fn a_backend_that_fails_and_hangs_is_asked_until_it_answers() {
    let asked = Heard::new();
    let ear = asked.clone();
    let reconciler = Reconciler::new(eager(), Some("c0".to_owned()), move |cursor| {
        ear.push(cursor);
        let count = ear.len();
        async move {
            match count {
                1..=2 => Err(FetchError::Unavailable("502".to_owned())),
                3 => {
                    TimeoutFuture::new(60_000).await;
                    Ok("too late".to_owned())
                }
                4 => Err(FetchError::CursorUnknown),
                _ => Ok(format!("c{count}")),
            }
        }
    });
    settle().await;
    assert_eq!(asked.len(), 0, "nothing is asked before it is wanted");
    reconciler.request();
    until("an answer", || reconciler.state() == ReconcileState::Idle).await;
    let cursor = || Some("c0".to_owned());
    assert_eq!(
        asked.map(|cursor| Some(cursor.clone())),
        [cursor(), cursor(), cursor(), cursor(), None]
    );
    assert_eq!(reconciler.cursor().as_deref(), Some("c5"));
}

#[wasm_bindgen_test]
async fn requests_while_a_question_is_under_way_lead_to_one_more() {
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    let reconciler = Reconciler::new(eager(), None, move |_| {
        counted.set(counted.get() + 1);
        async {
            TimeoutFuture::new(10).await;
            Ok("c".to_owned())
        }
    });
    for _ in 0..10 {
        reconciler.request();
    }
    until("all is answered", || {
        reconciler.state() == ReconcileState::Idle
    })
    .await;
    assert_eq!(count.get(), 2);
}

#[wasm_bindgen_test]
async fn dropping_a_reconciler_ends_its_questions() {
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    let reconciler = Reconciler::new(eager(), None, move |_| {
        counted.set(counted.get() + 1);
        async { Err(FetchError::Unavailable("503".to_owned())) }
    });
    reconciler.request();
    until("some retries", || count.get() >= 3).await;
    drop(reconciler);
    let then = count.get();
    TimeoutFuture::new(100).await;
    assert_eq!(count.get(), then);
    assert_eq!(Rc::strong_count(&count), 1, "the closure is gone");
}
