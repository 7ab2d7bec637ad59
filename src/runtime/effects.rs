//! What the store asks for, done.

use std::cell::RefCell;

use babelwire_client::upload::{self, UploadHandle, UploadState};
use babelwire_client::{Cause, Client, Event, Options, Payload, SendOutcome, State, TabsOptions};
use babelwire_wire::{Inbound, Object};
use gloo_timers::callback::Timeout;
use web_sys::Blob;

use super::{LANGUAGES_KEY, Store, storage};
use crate::api::Api;
use crate::config;
use crate::source_text::SourceText;
use crate::store::{Effect, Key, Link, Mode, Msg, Trouble};

/// How often the page looks whether a push was lost, in milliseconds.
const TICK: u32 = 20_000;

thread_local! {
    static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
    static UPLOADS: RefCell<Vec<(Key, UploadHandle)>> = const { RefCell::new(Vec::new()) };
}

/// Reads the configuration and connects.
pub(super) fn begin(store: &Store) {
    let store = store.clone();
    config::load(move |config| {
        let config = match config {
            Ok(config) => config,
            Err(trouble) => return store.dispatch(Msg::Configured(Err(trouble))),
        };
        let mode = match config.api_url {
            Some(api) => {
                store.set_api(Api::new(&api));
                Mode::Full
            }
            None => Mode::LiveConsole,
        };
        store.dispatch(Msg::Configured(Ok(mode)));
        connect(&store, config.websocket_url);
        tick(store);
    });
}

fn connect(store: &Store, url: String) {
    let heard = store.clone();
    let tabs = TabsOptions::new("babelwire");
    let client = Client::connect_shared(Options::new(url), tabs, move |event| match event {
        Event::Changed {
            cause: Cause::DialImpossible(_),
            ..
        } => heard.dispatch(Msg::Configured(Err(config::unusable_websocket()))),
        Event::Changed { to, cause, .. } => {
            heard.dispatch(Msg::Note(
                [&*to.describe(), ": ", &cause.describe()].concat(),
            ));
            heard.dispatch(Msg::Link(link(to)));
        }
        Event::Frame {
            payload: Payload::Text(text),
            ..
        } => heard.dispatch(Msg::Frame(Inbound::parse(text))),
        Event::Sent {
            payload: Payload::Text(text),
            ..
        } => heard.dispatch(Msg::Sent(text)),
        Event::Discarded {
            payload: Payload::Text(text),
            why,
            ..
        } => heard.dispatch(Msg::Refused {
            text,
            why: why.as_str().to_owned(),
        }),
        // `Changed` says the same, and an error's close follows it.
        _ => {}
    });
    CLIENT.set(Some(client));
}

fn link(state: State) -> Link {
    match state {
        State::Connecting { attempt: 0, .. } => Link::Connecting,
        State::Connecting { .. } => Link::Redialling,
        State::Open { .. } => Link::Open,
        State::Waiting { .. } => Link::Waiting,
        State::Offline => Link::Offline,
        State::Closed => Link::Closed,
    }
}

fn tick(store: Store) {
    Timeout::new(TICK, move || {
        store.dispatch(Msg::Tick);
        tick(store);
    })
    .forget();
}

/// Does one thing.
pub(super) fn perform(store: &Store, effect: Effect) {
    match effect {
        Effect::Send(frame) => send(store, frame),
        Effect::Subscribe { id, from } => {
            if let Some(client) = client() {
                let begins = frame("subscribe", &id).number("from", from).end();
                let ends = frame("unsubscribe", &id).end();
                let outcome = client.join(id, begins.clone(), ends);
                tell(store, &client, begins, outcome);
            }
        }
        Effect::Unsubscribe { id } => {
            if let Some(client) = client() {
                client.leave(&id);
            }
        }
        Effect::ConnectNow => {
            if let Some(client) = client() {
                client.retry_now();
            }
        }
        Effect::Upload { key, file, upload } => send_file(store, key, file, upload.into()),
        Effect::AbortUpload(key) => forget_upload(key),
        Effect::Release(file) => store.release(file),
        Effect::RememberLanguages { source, target } => {
            if let Some(storage) = storage() {
                // A full or forbidden storage costs a preference, no more.
                let _ = storage.set_item(LANGUAGES_KEY, &[&*source, " ", &*target].concat());
            }
        }
        Effect::FetchSource { id, charset } => fetch_source(store, id, charset),
        effect => {
            let Some(api) = store.api() else { return };
            let store = store.clone();
            api.ask(effect, move |msg| store.dispatch(msg));
        }
    }
}

fn fetch_source(store: &Store, id: String, charset: String) {
    let Some(api) = store.api() else { return };
    let store = store.clone();
    api.source(&id.clone(), move |bytes| {
        let result = match bytes {
            Ok(bytes) => match SourceText::decode(&bytes, &charset) {
                Some(text) => {
                    store.set_text(id.clone(), text);
                    Ok(())
                }
                None => Err(Trouble::passing(
                    "This browser can't read its encoding",
                    "The translation is not affected.",
                )),
            },
            Err(trouble) => Err(trouble),
        };
        store.dispatch(Msg::Source { id, result });
    });
}

/// An action that is about a translation.
fn frame(action: &str, translation: &str) -> Object {
    Object::new()
        .text("action", action)
        .text("translationId", translation)
}

/// Cloned, so that nothing is borrowed while it is used: its events may lead back here.
fn client() -> Option<Client> {
    CLIENT.with_borrow(Clone::clone)
}

fn send(store: &Store, frame: String) {
    if let Some(client) = client() {
        let outcome = client.send_text(frame.clone());
        tell(store, &client, frame, outcome);
    }
}

fn tell(store: &Store, client: &Client, frame: String, outcome: SendOutcome) {
    match outcome {
        SendOutcome::Rejected(rejection) => store.dispatch(Msg::Refused {
            text: frame,
            why: rejection.describe(),
        }),
        // On its way through the tab that has the socket.
        SendOutcome::Queued(_) if client.state().is_open() => {}
        SendOutcome::Queued(_) => store.dispatch(Msg::Queued(frame)),
        SendOutcome::Sent => {}
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
            UploadState::Sending { sent, .. } => Msg::Progress { key, sent },
            UploadState::Waiting { .. } | UploadState::Offline => Msg::Interrupted { key },
            UploadState::Done => Msg::Uploaded {
                key,
                result: Ok(()),
            },
            UploadState::Failed { error } => Msg::Uploaded {
                key,
                result: Err(Trouble::passing("It could not be sent", &error.describe())),
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

fn forget_upload(key: Key) {
    let ended = UPLOADS.with_borrow_mut(|uploads| {
        let place = uploads.iter().position(|(other, _)| *other == key)?;
        Some(uploads.swap_remove(place))
    });
    // Dropped with nothing borrowed: it is aborted here.
    drop(ended);
}
