//! Files brought and sent, and what is asked of the backend about them.

mod brought;
mod leaving;
mod pack;
mod peeks;

use std::cell::RefCell;

use babelwire_client::upload::{self, UploadError, UploadHandle, UploadState};
use babelwire_wire::rest::OneTranslation;
use web_sys::Blob;

pub(crate) use pack::pack;
pub(crate) use peeks::guess;

use super::Store;
use super::front::ask;
use crate::api::{Call, read};
use crate::store::{Command, Effect, FilesEffect, Key, Msg, Trouble};
use crate::words::Text;

thread_local! {
    static UPLOADS: RefCell<Vec<(Key, UploadHandle)>> = const { RefCell::new(Vec::new()) };
}

/// Does what is about files; gives back what is not.
pub(super) fn perform(store: &Store, effect: Effect) -> Option<Effect> {
    match effect {
        Effect::Create { key, body } => {
            let call = Call::post(&["translations"], Some(body.to_json()));
            ask(store, call, move |answer| Msg::Created {
                key,
                result: read(answer),
            });
        }
        Effect::Command { key, id, command } => {
            let path = ["translations/", &id];
            let call = match command {
                Command::Cancel => Call::post(&[path[0], path[1], "/cancel"], None),
                Command::Retry => Call::post(&[path[0], path[1], "/retry"], None),
                Command::Delete => Call::delete(&path),
            };
            ask(store, call, move |answer| Msg::Answered {
                key,
                id,
                command,
                result: match answer {
                    // Somebody else was quicker.
                    Err(trouble) if trouble.gone && command == Command::Delete => Ok(None),
                    Ok(text) if text.is_empty() => Ok(None),
                    answer => read::<OneTranslation>(answer).map(|answer| Some(answer.translation)),
                },
            });
        }
        Effect::Upload { key, file, upload } => send_file(store, key, file, upload.into()),
        Effect::AbortUpload(key) => forget_upload(key),
        Effect::Release(file) => store.release(file),
        Effect::Files(effect) => more(store, effect),
        effect => return Some(effect),
    }
    None
}

fn more(store: &Store, effect: FilesEffect) {
    match effect {
        FilesEffect::OfferFolders => brought::offer_folders(store),
        FilesEffect::Unpack => brought::unpack(store),
        FilesEffect::Peek { file, source } => peeks::peek(store, file, source),
        FilesEffect::AwaitUndo(key) => leaving::await_undo(store, key),
        FilesEffect::Pack(all) => pack::begin(store, all),
    }
}

fn send_file(store: &Store, key: Key, file: u32, request: upload::Request) {
    let Some(file) = store.file(file) else {
        return;
    };
    let heard = store.clone();
    let blob: &Blob = file.as_ref();
    let handle = upload::start(request, blob, move |state| {
        let msg = match state {
            UploadState::Sending { sent, .. } => Msg::Progress {
                key,
                sent,
                now: milliseconds(),
            },
            UploadState::Waiting { .. } | UploadState::Offline => Msg::Interrupted { key },
            UploadState::Done => Msg::Uploaded {
                key,
                result: Ok(()),
            },
            UploadState::Failed { error } => Msg::Uploaded {
                key,
                result: Err(unsent(&error)),
            },
            _ => return,
        };
        heard.dispatch(msg);
    });
    UPLOADS.with_borrow_mut(|uploads| {
        uploads.retain(|(_, upload)| !upload.state().is_final());
        uploads.push((key, handle));
    });
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time in this century, in whole milliseconds"
)]
fn milliseconds() -> u64 {
    js_sys::Date::now() as u64
}

/// Why a file was not sent. What the store says of it is for its operators.
fn unsent(error: &UploadError) -> Trouble {
    let advice = match error {
        UploadError::Network => Text::NotSentNetwork,
        UploadError::Stalled => Text::NotSentStalled,
        _ => Text::NotSentRefused,
    };
    Trouble::passing(Text::NotSent, advice)
}

fn forget_upload(key: Key) {
    let ended = UPLOADS.with_borrow_mut(|uploads| {
        let place = uploads.iter().position(|(other, _)| *other == key)?;
        Some(uploads.swap_remove(place))
    });
    // Dropped with nothing borrowed: it is aborted here.
    drop(ended);
}
