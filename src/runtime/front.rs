//! What the store asks for, done: the front's part.

use std::cell::{Cell, RefCell};

use babelwire_client::{
    Cause, Client, Discard, Event, Options, Payload, Rejection, SendOutcome, State, TabsOptions,
};
use babelwire_wire::Inbound;
use gloo_timers::callback::Timeout;

use super::{LANGUAGES_KEY, Store, storage};
use crate::api::{Api, Call, read};
use crate::store::{Effect, Link, Mode, Msg, Trouble};
use crate::words::{Text, fill, plural, say, size};
use crate::{account, config};

/// What the tabs have in common that share a connection.
pub(super) const TABS: &str = "babelwire";

/// How often the page looks whether a push was lost, in milliseconds.
const TICK: u32 = 20_000;

thread_local! {
    /// Whether the seconds to the next dial are being counted.
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
}

/// Reads the configuration and connects.
pub(super) fn begin(store: &Store) {
    let store = store.clone();
    config::load(move |config| {
        let mut config = match config {
            Ok(config) => config,
            Err(trouble) => return store.dispatch(Msg::Configured(Err(trouble))),
        };
        let Some(sign_in) = config.sign_in.take() else {
            let api = config.api_url.map(|api| Api::new(&api));
            let options = Options::new(config.websocket_url);
            return enter(&store, api, options, TabsOptions::new(TABS));
        };
        account::load(move |account| {
            if let Ok(account) = account {
                store.set_account(account);
                return (account.begin)(&store, config, sign_in);
            }
            let trouble = Trouble::passing(Text::AnswerCutOff, Text::ServerRefusedAdvice);
            store.dispatch(Msg::Configured(Err(trouble)));
        });
    });
}

/// Works with a backend.
pub(super) fn enter(store: &Store, api: Option<Api>, options: Options, tabs: TabsOptions) {
    let mode = match api {
        Some(api) => {
            store.set_api(api);
            Mode::Full
        }
        None => Mode::LiveConsole,
    };
    store.dispatch(Msg::Configured(Ok(mode)));
    connect(store, options, tabs);
    tick(store.clone());
}

fn connect(store: &Store, options: Options, tabs: TabsOptions) {
    let heard = store.clone();
    let client = Client::connect_shared(options, tabs, move |event| match event {
        Event::Changed {
            cause: Cause::DialImpossible(_),
            ..
        } => heard.dispatch(Msg::Configured(Err(config::unusable_websocket()))),
        Event::Changed { to, cause, .. } => {
            heard.dispatch(Msg::Note(
                [&*to.describe(), ": ", &cause.describe()].concat(),
            ));
            let link = link(to);
            heard.dispatch(Msg::Link(link));
            if link == Link::Waiting && !COUNTING.replace(true) {
                count_down(heard.clone());
            }
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
            why: discarded(why).to_owned(),
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

/// Shows each second of a wait, as long as there is one.
fn count_down(store: Store) {
    Timeout::new(1_000, move || {
        if seconds_left(Link::Waiting).is_none() {
            return COUNTING.set(false);
        }
        store.dispatch(Msg::Link(Link::Waiting));
        count_down(store);
    })
    .forget();
}

/// How many seconds there are to the next dial, while one is waited for.
pub(crate) fn seconds_left(link: Link) -> Option<u64> {
    let left = client().filter(|_| link == Link::Waiting)?.retry_in()?;
    Some(left.as_secs() + u64::from(left.subsec_nanos() > 0))
}

/// Does one thing, as far as the page's front can; its other half does the rest.
pub(super) fn perform(store: &Store, effect: Effect) {
    match effect {
        Effect::Send(frame) => send(store, frame),
        Effect::ConnectNow => {
            if let Some(client) = client() {
                client.retry_now();
            }
        }
        Effect::RememberLanguages { source, target } => {
            if let Some(storage) = storage() {
                // A full or forbidden storage costs a preference, no more.
                let _ = storage.set_item(LANGUAGES_KEY, &[&*source, " ", &*target].concat());
            }
        }
        Effect::FetchLanguages => ask(store, Call::get(&["languages"]), |answer| {
            Msg::Languages(read(answer))
        }),
        Effect::FetchChanges { since, after } => {
            let mut path = "translations".to_owned();
            let mut separator = "?";
            for (name, value) in [("changedSince=", &since), ("after=", &after)] {
                if let Some(value) = value {
                    path.push_str(separator);
                    path.push_str(name);
                    path.push_str(&String::from(js_sys::encode_uri_component(value)));
                    separator = "&";
                }
            }
            ask(store, Call::get(&[&path]), |answer| Msg::Listed {
                since,
                result: read(answer),
            });
        }
        effect => {
            if let Some(desk) = store.desk() {
                (desk.perform)(store, effect);
            }
        }
    }
}

/// Asks the REST interface, and queues what is made of the answer.
pub(super) fn ask(
    store: &Store,
    call: Call,
    make: impl FnOnce(Result<String, Trouble>) -> Msg + 'static,
) {
    let Some(api) = store.api() else { return };
    let store = store.clone();
    api.text(call, move |answer| store.dispatch(make(answer)));
}

/// Cloned, so that nothing is borrowed while it is used: its events may lead back here.
pub(super) fn client() -> Option<Client> {
    CLIENT.with_borrow(Clone::clone)
}

fn send(store: &Store, frame: String) {
    if let Some(client) = client() {
        let outcome = client.send_text(frame.clone());
        tell(store, &client, frame, outcome);
    }
}

fn rejected(why: &Rejection) -> String {
    match *why {
        Rejection::TooLarge { bytes, limit } => {
            let (bytes, limit) = (size(bytes as u64), size(limit as u64));
            fill(Text::RejectedTooLarge, &[&bytes, &limit])
        }
        Rejection::QueueFull { frames, .. } => plural(Text::RejectedQueueFull, frames as u64),
        _ => say(Text::RejectedClosed).to_owned(),
    }
}

fn discarded(why: Discard) -> &'static str {
    say(match why {
        Discard::Expired => Text::DiscardedExpired,
        Discard::Left => Text::DiscardedLeft,
        _ => Text::DiscardedClosed,
    })
}

pub(super) fn tell(store: &Store, client: &Client, frame: String, outcome: SendOutcome) {
    match outcome {
        SendOutcome::Rejected(rejection) => store.dispatch(Msg::Refused {
            text: frame,
            why: rejected(&rejection),
        }),
        // On its way through the tab that has the socket.
        SendOutcome::Queued(_) if client.state().is_open() => {}
        SendOutcome::Queued(_) => store.dispatch(Msg::Queued(frame)),
        SendOutcome::Sent => {}
    }
}
