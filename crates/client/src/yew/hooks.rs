//! The hooks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use ::yew::prelude::*;
use babelwire_client_core::{
    CallError, CallOptions, Event, Payload, Rejection, SendOutcome, State,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::hub::Hub;
use crate::calls::Calling;
use crate::connection::Client;
use crate::messages::Incoming;
use crate::shared::Lease;

/// The connection of the nearest [`ConnectionProvider`](super::ConnectionProvider), as
/// [`use_connection`] gives it. Clones are cheap, and equal to each other; each is a use of the
/// connection.
#[derive(Clone)]
pub struct UseConnectionHandle {
    hub: Hub,
    lease: Rc<Option<Lease>>,
}

impl PartialEq for UseConnectionHandle {
    fn eq(&self, other: &Self) -> bool {
        self.hub == other.hub
    }
}

impl fmt::Debug for UseConnectionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UseConnectionHandle")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl UseConnectionHandle {
    /// The client; `None` where there is no browser.
    pub fn client(&self) -> Option<&Client> {
        self.lease.as_ref().as_deref()
    }

    /// Sends a message as a text frame of JSON, or queues it: see [`Client::send`].
    pub fn send(&self, message: &impl Serialize) -> SendOutcome {
        self.client().map_or_else(closed, |it| it.send(message))
    }

    /// Sends a frame as it is, or queues it: see [`Client::send_payload`].
    pub fn send_payload(&self, payload: impl Into<Payload>) -> SendOutcome {
        self.client()
            .map_or_else(closed, |it| it.send_payload(payload))
    }

    /// Sends a message and waits for its answer: see [`Client::call`].
    ///
    /// ```no_run
    /// use babelwire_client::yew::use_connection;
    /// use serde_json::{Value, json};
    /// use yew::platform::spawn_local;
    /// use yew::prelude::*;
    ///
    /// #[component]
    /// fn Price() -> Html {
    ///     let connection = use_connection();
    ///     let price = use_state(|| "?".to_owned());
    ///     let ask = {
    ///         let price = price.clone();
    ///         move |_| {
    ///             let call = connection.call::<Value>(&json!({"action": "price", "article": "tea"}));
    ///             let price = price.setter();
    ///             spawn_local(async move {
    ///                 price.set(match call.await {
    ///                     Ok(answer) => answer["price"].to_string(),
    ///                     Err(error) => error.to_string(),
    ///                 });
    ///             });
    ///         }
    ///     };
    ///     html! { <button onclick={ask}>{ &*price }</button> }
    /// }
    /// ```
    pub fn call<Answer: DeserializeOwned>(&self, message: &impl Serialize) -> Calling<Answer> {
        self.call_with(message, CallOptions::default())
    }

    /// As [`UseConnectionHandle::call`], with options: see [`Client::call_with`].
    pub fn call_with<Answer: DeserializeOwned>(
        &self,
        message: &impl Serialize,
        options: CallOptions,
    ) -> Calling<Answer> {
        match self.client() {
            Some(client) => client.call_with(message, options),
            None => Calling::failed(CallError::Closed),
        }
    }

    /// Where the connection stands now. A component that shows it asks [`use_status`], which
    /// renders when it changes.
    pub fn state(&self) -> State {
        self.client().map_or(State::Closed, Client::state)
    }

    /// How long until the next dial; `None` unless the state is [`State::Waiting`].
    pub fn retry_in(&self) -> Option<Duration> {
        self.client().and_then(Client::retry_in)
    }

    /// How many frames wait for a socket that takes them.
    pub fn queued(&self) -> usize {
        self.client().map_or(0, Client::queued)
    }

    /// Dials now, unless there is a socket already: see [`Client::retry_now`].
    pub fn retry_now(&self) {
        if let Some(client) = self.client() {
            client.retry_now();
        }
    }

    /// Closes the connection for every component that uses it; [`UseConnectionHandle::retry_now`]
    /// dials again. Not needed for cleaning up.
    pub fn close(&self) {
        if let Some(client) = self.client() {
            client.close();
        }
    }
}

/// What a connection says that there never was.
const fn closed() -> SendOutcome {
    SendOutcome::Rejected(Rejection::Closed)
}

#[hook]
fn use_hub() -> Hub {
    #[expect(
        clippy::expect_used,
        reason = "a component that is outside of every provider is a mistake in the program, which \
                  says so the first time that it is rendered"
    )]
    use_context::<Hub>().expect(
        "babelwire-client's hooks work in components below a ConnectionProvider: put one around \
         this component",
    )
}

/// The connection of the nearest [`ConnectionProvider`](super::ConnectionProvider): to send, to
/// call, to retry. The component uses the connection from its first render on, and is not rendered
/// because of it.
///
/// # Panics
///
/// In a component that is not below a [`ConnectionProvider`](super::ConnectionProvider), as all of
/// these hooks.
///
/// ```no_run
/// use babelwire_client::SendOutcome;
/// use babelwire_client::yew::use_connection;
/// use yew::prelude::*;
///
/// #[component]
/// fn Greeter() -> Html {
///     let connection = use_connection();
///     let problem = use_state(|| None);
///     let greet = {
///         let problem = problem.clone();
///         move |_| {
///             let frame = r#"{"action":"echomessage","data":"hello"}"#;
///             problem.set(match connection.send_payload(frame) {
///                 SendOutcome::Rejected(why) => Some(why.to_string()),
///                 SendOutcome::Sent | SendOutcome::Queued(_) => None,
///             });
///         }
///     };
///     html! { <><button onclick={greet}>{ "Greet" }</button>{ (*problem).clone() }</> }
/// }
/// ```
#[hook]
pub fn use_connection() -> UseConnectionHandle {
    let hub = use_hub();
    let lease = use_memo(hub.clone(), Hub::lease);
    UseConnectionHandle { hub, lease }
}

/// Where the connection stands. The component is rendered when that changes.
///
/// ```no_run
/// use babelwire_client::State;
/// use babelwire_client::yew::{use_connection, use_status};
/// use yew::prelude::*;
///
/// #[component]
/// fn StatusLine() -> Html {
///     let connection = use_connection();
///     let words = match use_status() {
///         State::Open { .. } => "Connected".to_owned(),
///         State::Connecting { attempt: 0, .. } => "Connecting".to_owned(),
///         State::Connecting { attempt, .. } => format!("Reconnecting ({attempt})"),
///         State::Waiting { delay, .. } => format!("Trying again within {delay:?}"),
///         State::Offline => "You are offline".to_owned(),
///         State::Closed => "Disconnected".to_owned(),
///     };
///     let retry = move |_| connection.retry_now();
///     html! { <p role="status">{ words }<button onclick={retry}>{ "Retry" }</button></p> }
/// }
/// ```
#[hook]
pub fn use_status() -> State {
    let connection = use_connection();
    let update = use_force_update();
    use_memo(connection.hub.clone(), |hub| {
        hub.subscribe(move |event| {
            if matches!(event, Event::Changed { .. }) {
                update.force_update();
            }
        })
    });
    connection.state()
}

/// Calls back for everything that happens to the connection, in order and in batches: see [the
/// module](crate::yew). The callback of the last render is the one that is called, so it may use
/// what that render knows.
///
/// ```no_run
/// use babelwire_client::Event;
/// use babelwire_client::yew::use_events;
/// use yew::prelude::*;
///
/// #[component]
/// fn Telemetry() -> Html {
///     let losses = use_mut_ref(|| 0);
///     use_events(move |event| {
///         if let Event::Changed { from, to, cause } = event
///             && from.is_open()
///         {
///             *losses.borrow_mut() += 1;
///             let words = format!("loss {}: {cause}; now {}", losses.borrow(), to.as_str());
///             web_sys::console::log_1(&words.into());
///         }
///     });
///     Html::default()
/// }
/// ```
#[hook]
pub fn use_events(callback: impl Fn(&Event) + 'static) {
    let hub = use_hub();
    let latest = use_mut_ref(|| None::<Rc<dyn Fn(&Event)>>);
    // The one before may own what comes back here when it is dropped.
    let before = latest.replace(Some(Rc::new(callback)));
    drop(before);
    use_memo(hub, move |hub| {
        hub.subscribe(move |event| {
            let callback = latest.borrow().clone();
            if let Some(callback) = callback {
                callback(event);
            }
        })
    });
}

/// Calls back for every frame, read as `T`, in order and in batches: see [the module](crate::yew).
/// The callback of the last render is the one that is called, so it may use what that render knows.
///
/// Frames that answer a call do not come here. [`Incoming::Missed`] never does: a component takes
/// each batch whole.
///
/// ```no_run
/// use babelwire_client::Incoming;
/// use babelwire_client::yew::use_messages;
/// use serde::Deserialize;
/// use yew::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Price {
///     cents: u64,
/// }
///
/// #[component]
/// fn Ticker() -> Html {
///     let price = use_state(|| 0);
///     let last = price.clone();
///     use_messages(move |incoming: Incoming<Price>| match incoming {
///         Incoming::Message(price) => last.set(price.cents),
///         Incoming::Gateway(error) => web_sys::console::warn_1(&error.message.into()),
///         _ => {}
///     });
///     html! { <output>{ *price }</output> }
/// }
/// ```
#[hook]
pub fn use_messages<T: DeserializeOwned + 'static>(callback: impl Fn(Incoming<T>) + 'static) {
    use_events(move |event| {
        if let Event::Frame { payload, .. } = event {
            callback(Incoming::read(payload.clone()));
        }
    });
}

/// The last messages, the newest last, as [`use_inbox`] gives them.
pub struct UseInboxHandle<T> {
    messages: Rc<RefCell<VecDeque<Rc<T>>>>,
    update: UseForceUpdateHandle,
}

impl<T> Clone for UseInboxHandle<T> {
    fn clone(&self) -> Self {
        Self {
            messages: Rc::clone(&self.messages),
            update: self.update.clone(),
        }
    }
}

impl<T> fmt::Debug for UseInboxHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UseInboxHandle")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl<T> UseInboxHandle<T> {
    /// The messages, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Rc<T>> + ExactSizeIterator + use<T> {
        let messages: Vec<Rc<T>> = self.messages.borrow().iter().cloned().collect();
        messages.into_iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.messages.borrow().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets them all, and renders the component.
    pub fn clear(&self) {
        drop(self.messages.take());
        self.update.force_update();
    }
}

/// The last `limit` frames that are messages of type `T`, the newest last. The component is
/// rendered when there are new ones, once for a batch.
///
/// What is no `T` is passed over; [`use_messages`] hears of it.
///
/// ```no_run
/// use babelwire_client::yew::use_inbox;
/// use serde::Deserialize;
/// use yew::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Said {
///     name: String,
///     text: String,
/// }
///
/// #[component]
/// fn Transcript() -> Html {
///     let said = use_inbox::<Said>(500);
///     html! {
///         <ol>{ for said.iter().map(|said| html! { <li>{ &said.name }{ ": " }{ &said.text }</li> }) }</ol>
///     }
/// }
/// ```
#[hook]
pub fn use_inbox<T: DeserializeOwned + 'static>(limit: usize) -> UseInboxHandle<T> {
    let messages = use_mut_ref(VecDeque::new);
    let update = use_force_update();
    let handle = UseInboxHandle { messages, update };
    let inbox = handle.clone();
    use_messages(move |incoming: Incoming<T>| {
        if let Some(message) = incoming.message() {
            let mut messages = inbox.messages.borrow_mut();
            messages.push_back(Rc::new(message));
            while messages.len() > limit {
                messages.pop_front();
            }
            drop(messages);
            inbox.update.force_update();
        }
    });
    handle
}

/// A callback that sends an action, the same one at every render: a text frame of JSON, which is
/// sent or queued. What it returns says which: see [`SendOutcome`].
///
/// ```no_run
/// use babelwire_client::SendOutcome;
/// use babelwire_client::yew::use_action;
/// use serde::Serialize;
/// use yew::prelude::*;
///
/// #[derive(Serialize)]
/// #[serde(tag = "action", rename_all = "lowercase")]
/// enum Action {
///     Subscribe { topic: String },
/// }
///
/// #[component]
/// fn Subscribe() -> Html {
///     let send = use_action::<Action>();
///     let onclick = move |_| {
///         if let SendOutcome::Rejected(why) = send.emit(Action::Subscribe { topic: "tea".into() }) {
///             web_sys::console::warn_1(&why.to_string().into());
///         }
///     };
///     html! { <button {onclick}>{ "Subscribe" }</button> }
/// }
/// ```
#[hook]
pub fn use_action<A: Serialize + 'static>() -> Callback<A, SendOutcome> {
    let connection = use_connection();
    let callback = use_memo(connection, |connection| {
        let connection = connection.clone();
        Callback::from(move |action: A| connection.send(&action))
    });
    Callback::clone(&callback)
}
