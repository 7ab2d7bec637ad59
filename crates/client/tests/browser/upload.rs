use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use babelwire_client::Backoff;
use babelwire_client::upload::{
    Request, UploadConfig, UploadError, UploadHandle, UploadState, start, start_with,
};
use babelwire_wire::rest::{CreateTranslation, Created};
use babelwire_wire::{Status, Translation};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Heard, NOBODY, http, mebibytes, network, settle, until, url, wasm_memory};

const MEBIBYTE: u64 = 1024 * 1024;

/// Announces a file of so many mebibytes; gives its translation and where to send it.
async fn announce(count: u64) -> (Translation, Request) {
    let create = CreateTranslation {
        name: "upload.txt".to_owned(),
        size: count * MEBIBYTE,
        source: "en".to_owned(),
        target: "es".to_owned(),
        charset: None,
    };
    let body = serde_json::to_string(&create).unwrap();
    let (status, answer) = http("POST", "api/translations", Some(&body)).await;
    assert_eq!(status, 201, "{answer}");
    let created: Created = serde_json::from_str(&answer).unwrap();
    let mut request = Request::from(created.upload);
    // The test's page has another origin than the server.
    if !request.url.starts_with("http") {
        request.url = url(request.url.trim_start_matches('/'));
    }
    (created.translation, request)
}

/// Where the server says that the translation stands.
async fn status(translation: &Translation) -> Status {
    let (_, answer) = http("GET", &format!("api/translations/{}", translation.id), None).await;
    let answer: Translation = serde_json::from_str(&answer).expect(&answer);
    answer.status
}

/// The translation is of no interest any more.
async fn discard(translation: &Translation) {
    let (status, answer) = http(
        "DELETE",
        &format!("api/translations/{}", translation.id),
        None,
    )
    .await;
    assert_eq!(status, 204, "{answer}");
}

fn begin(request: Request, file: &web_sys::Blob) -> (UploadHandle, Heard<UploadState>) {
    let heard = Heard::new();
    let ear = heard.clone();
    let handle = start(request, file, move |state| ear.push(state));
    (handle, heard)
}

fn to_nobody() -> Request {
    Request {
        method: "PUT".to_owned(),
        url: format!("http://{NOBODY}/objects/x"),
        headers: Vec::new(),
    }
}

/// A patience of milliseconds.
fn eager() -> UploadConfig {
    UploadConfig {
        backoff: Backoff {
            base: Duration::from_millis(5),
            cap: Duration::from_millis(20),
        },
        ..UploadConfig::default()
    }
}

#[wasm_bindgen_test]
async fn a_file_arrives_and_its_progress_was_told() {
    let (translation, request) = announce(3).await;
    let (handle, heard) = begin(request, &mebibytes(3));
    until("the upload ends", || handle.state().is_final()).await;
    assert_eq!(handle.state(), UploadState::Done);
    // A connection that was kept alive can be closed by the server in the moment that it is used
    // again: then the attempt that counts is the second one.
    let attempts = heard.map(|state| match state {
        UploadState::Sending { attempt, .. } => Some(*attempt),
        _ => None,
    });
    let progress = heard.map(|state| match state {
        UploadState::Sending {
            attempt,
            sent,
            total,
        } if attempts.last() == Some(attempt) => Some((*sent, *total)),
        _ => None,
    });
    assert_eq!(progress.first(), Some(&(0, 0)));
    assert_eq!(progress.last(), Some(&(3 * MEBIBYTE, 3 * MEBIBYTE)));
    assert!(progress.is_sorted(), "{progress:?}");
    assert_ne!(status(&translation).await, Status::AwaitingUpload);
    discard(&translation).await;
}

#[wasm_bindgen_test]
async fn a_hundred_mebibytes_never_enter_wasm() {
    let file = mebibytes(100);
    let (translation, request) = announce(100).await;
    let before = wasm_memory();
    let (handle, heard) = begin(request, &file);
    until("the upload ends", || handle.state().is_final()).await;
    assert_eq!(handle.state(), UploadState::Done);
    assert!(heard.len() > 3, "progress was told");
    let grown = wasm_memory() - before;
    assert!(grown <= 1024.0 * 1024.0, "{grown} bytes");
    drop(handle);
    discard(&translation).await;
}

#[wasm_bindgen_test]
async fn a_refused_upload_says_why_and_is_not_tried_again() {
    let (translation, mut request) = announce(1).await;
    request.url.push_str("tampered");
    let (handle, heard) = begin(request, &mebibytes(1));
    until("the upload ends", || handle.state().is_final()).await;
    let UploadState::Failed { error } = handle.state() else {
        panic!("{:?}", handle.state());
    };
    assert!(
        matches!(
            &error,
            UploadError::Status {
                status: 400..=499,
                message: Some(_)
            }
        ),
        "{error:?}"
    );
    assert!(!heard.any(|state| matches!(state, UploadState::Waiting { .. })));
    discard(&translation).await;
}

#[wasm_bindgen_test]
async fn where_nobody_listens_it_is_tried_ten_times_and_given_up() {
    let heard = Heard::new();
    let ear = heard.clone();
    let handle = start_with(eager(), to_nobody(), &mebibytes(1), move |state| {
        ear.push(state);
    });
    until("the upload ends", || handle.state().is_final()).await;
    assert_eq!(
        handle.state(),
        UploadState::Failed {
            error: UploadError::Network
        }
    );
    let waits = heard.map(|state| match state {
        UploadState::Waiting { failures, .. } => Some(*failures),
        _ => None,
    });
    assert_eq!(waits, (1..=9).collect::<Vec<_>>());
}

#[wasm_bindgen_test]
async fn a_request_that_cannot_be_made_fails_in_words() {
    let mut request = to_nobody();
    "TRACE".clone_into(&mut request.method);
    let (handle, _heard) = begin(request, &mebibytes(1));
    let UploadState::Failed { error } = handle.state() else {
        panic!("{:?}", handle.state());
    };
    assert!(
        matches!(&error, UploadError::Impossible(why) if why.contains("TRACE")),
        "{error:?}"
    );
}

#[wasm_bindgen_test]
async fn a_cancelled_upload_says_so_and_a_dropped_one_is_silent() {
    let (translation, request) = announce(20).await;
    let (handle, heard) = begin(request.clone(), &mebibytes(20));
    handle.cancel();
    handle.cancel();
    assert_eq!(handle.state(), UploadState::Cancelled);
    settle().await;
    assert_eq!(heard.len(), 2, "sending, cancelled");

    let (handle, heard) = begin(request.clone(), &mebibytes(20));
    drop(handle);
    settle().await;
    assert_eq!(heard.len(), 1, "sending");

    // Inside its own callback.
    let slot: Rc<RefCell<Option<UploadHandle>>> = Rc::default();
    let (own, heard) = (Rc::clone(&slot), Heard::new());
    let ear = heard.clone();
    let handle = start(request, &mebibytes(20), move |state| {
        ear.push(state);
        drop(own.take());
    });
    slot.replace(Some(handle));
    until("the drop", || slot.borrow().is_none()).await;
    let heard_then = heard.len();
    settle().await;
    assert_eq!(heard.len(), heard_then);
    discard(&translation).await;
}

#[wasm_bindgen_test]
async fn what_was_cancelled_does_not_arrive_behind_everybodys_back() {
    let (cancelled, first) = announce(20).await;
    let (whole, second) = announce(20).await;
    let (handle, _heard) = begin(first, &mebibytes(20));
    handle.cancel();
    // By the time that one which began later is there, the first would be as well.
    let (handle, _heard) = begin(second, &mebibytes(20));
    until("the upload ends", || handle.state().is_final()).await;
    assert_eq!(handle.state(), UploadState::Done);
    assert_eq!(status(&cancelled).await, Status::AwaitingUpload);
    assert_ne!(status(&whole).await, Status::AwaitingUpload);
    discard(&cancelled).await;
    discard(&whole).await;
}

#[wasm_bindgen_test]
async fn an_upload_waits_out_a_tunnel() {
    let (translation, request) = announce(20).await;
    let (handle, heard) = begin(request, &mebibytes(20));
    network(false);
    assert_eq!(handle.state(), UploadState::Offline);
    settle().await;
    network(true);
    until("the upload ends", || handle.state().is_final()).await;
    assert_eq!(handle.state(), UploadState::Done);
    assert!(heard.any(|state| matches!(
        state,
        UploadState::Sending { attempt, .. } if attempt.number() == 2
    )));
    discard(&translation).await;
}
