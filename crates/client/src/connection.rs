//! The driver of [`babelwire_client_core::Connection`].

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::rc::{Rc, Weak};
use std::time::Duration;

use babelwire_client_core::{
    Closed, Config, Connection, DialFailure, Event, Generation, Instant, Jitter, Output, Payload,
    Rejection, SendOutcome, State, Subscription,
};
use gloo_events::EventListener;
use js_sys::{Array, ArrayBuffer, Uint8Array};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

use crate::browser::{self, Alarm, News};
use crate::ears::{Ears, Listener};

/// What to dial.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The WebSocket's URL, the gateway's stage included; resolved by
    /// [`websocket_url`](crate::websocket_url), so `live` is one.
    pub url: String,
    /// The subprotocols to offer, best first. A browser cannot send headers with a WebSocket's
    /// handshake: a subprotocol is where a token fits that must not stand in a URL, and a URL's
    /// query the other place.
    ///
    /// A browser gives the socket up (1006) unless the backend chooses one of those that were
    /// offered (WHATWG's standard, "establish a `WebSocket` connection"), and API Gateway chooses
    /// none by itself: the handler of `$connect` has to return one in `Sec-WebSocket-Protocol`.
    /// Offer one for what is spoken and the token after it, and have the first chosen: what is
    /// chosen comes back in the open. Only a token of HTTP (RFC 9110 section 5.6.2) can be
    /// offered, as a JSON Web Token is one.
    pub protocols: Vec<String>,
}

impl Endpoint {
    /// That URL, and no subprotocol.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            protocols: Vec::new(),
        }
    }

    /// Offers one more subprotocol.
    #[must_use]
    pub fn with_protocol(mut self, protocol: impl Into<String>) -> Self {
        self.protocols.push(protocol.into());
        self
    }
}

impl From<&str> for Endpoint {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

/// What a dial is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialRequest {
    /// The socket to be.
    pub generation: Generation,
    /// The backend would not take what was authenticated with last time: a token that is kept
    /// must not be used again.
    pub reauthenticate: bool,
}

/// Where the endpoint comes from. Each kind is linked only where it is used.
trait Source {
    /// Has the driver dial, now or later.
    fn dial(&self, driver: &Rc<Driver>, request: DialRequest);

    /// The endpoint, if it is always the same.
    fn fixed(&self) -> Option<&Endpoint> {
        None
    }
}

impl Source for Endpoint {
    fn dial(&self, driver: &Rc<Driver>, request: DialRequest) {
        if let Err(why) = driver.dial_endpoint(request.generation, self) {
            driver
                .connection
                .borrow_mut()
                .handle_dial_impossible(request.generation, why);
        }
    }

    fn fixed(&self) -> Option<&Endpoint> {
        Some(self)
    }
}

/// A function that is asked for the endpoint.
struct Provider<F>(F);

impl<F, Answer> Source for Provider<F>
where
    F: Fn(DialRequest) -> Answer,
    Answer: Future<Output = Result<Endpoint, DialFailure>> + 'static,
{
    fn dial(&self, driver: &Rc<Driver>, request: DialRequest) {
        let answer = (self.0)(request);
        let driver = Rc::downgrade(driver);
        spawn_local(async move {
            let answer = answer.await;
            if let Some(driver) = driver.upgrade() {
                driver.answered(request.generation, answer);
            }
        });
    }
}

/// What to connect to, and how.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    source: Rc<dyn Source>,
    /// How patient to be and how much to queue.
    pub config: Config,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Options");
        if let Some(endpoint) = self.source.fixed() {
            debug.field("endpoint", endpoint);
        }
        debug.field("config", &self.config).finish_non_exhaustive()
    }
}

impl Options {
    /// The defaults, for this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self::to(Endpoint::new(url))
    }

    /// The defaults, for this endpoint.
    pub fn to(endpoint: Endpoint) -> Self {
        Self {
            source: Rc::new(endpoint),
            config: Config::default(),
        }
    }

    /// The defaults, for an endpoint that is asked for afresh before every dial: a URL that is
    /// signed, a token that expires, which is offered as a [subprotocol](Endpoint::protocols). A
    /// failure to have one is no more final than a failed dial.
    ///
    /// ```no_run
    /// use babelwire_client::{Client, DialFailure, Endpoint, Options};
    /// # async fn token(renew: bool) -> Result<String, DialFailure> { Ok(String::new()) }
    ///
    /// let options = Options::with_provider(|request| async move {
    ///     let token = token(request.reauthenticate).await?;
    ///     Ok(Endpoint::new("live").with_protocol("news").with_protocol(token))
    /// });
    /// let client = Client::connect(options, |event| println!("{event:?}"));
    /// ```
    pub fn with_provider<Answer>(provider: impl Fn(DialRequest) -> Answer + 'static) -> Self
    where
        Answer: Future<Output = Result<Endpoint, DialFailure>> + 'static,
    {
        Self {
            source: Rc::new(Provider(provider)),
            config: Config::default(),
        }
    }

    /// With another patience.
    #[must_use]
    pub fn with_config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The URL, if it is not asked for.
    pub(crate) fn url(&self) -> Option<&str> {
        self.source.fixed().map(|endpoint| &*endpoint.url)
    }
}

/// A way to the backend, shared by all clones of a [`Client`]: a socket of this page's own, or one
/// that all tabs have in common.
pub(crate) trait Link {
    fn send(&self, payload: Payload) -> SendOutcome;
    fn join(&self, payload: Payload, begins: Subscription) -> SendOutcome;
    fn leave(&self, key: &str);
    fn state(&self) -> State;
    fn queued(&self) -> usize;
    fn retry_now(&self);
    fn close(&self);
    /// Nobody wants it any more, and nothing more is to be heard of it.
    fn shut(&self);
}

/// A connection that stays up for as long as any clone of its handle is held.
///
/// Dropping the last one closes the socket; nothing is heard of it any more. A callback that owns
/// a clone of its own client keeps the connection up for ever: let it own something weaker.
#[derive(Clone)]
pub struct Client {
    handle: Rc<Handle>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// Two handles are equal when they hold the same connection.
impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.handle, &other.handle)
    }
}

impl Eq for Client {}

impl Client {
    /// Dials, and goes on dialling until the last handle is dropped or [`Client::close`] is
    /// called.
    ///
    /// `on_event` hears of everything, one event at a time and in order; the first one, of the
    /// dial, before this returns. It may call any method of the client.
    pub fn connect(options: Options, on_event: impl Fn(Event) + 'static) -> Self {
        Self::over(on_event, |hear| Box::new(Own::connect(options, hear)))
    }

    /// A client over a link that is made with what it has to tell its events to.
    pub(crate) fn over(
        on_event: impl Fn(Event) + 'static,
        link: impl FnOnce(OnEvent) -> Box<dyn Link>,
    ) -> Self {
        crate::lend_parser();
        let ears = Rc::new(Ears::new(on_event));
        let heard = Rc::clone(&ears);
        Self {
            handle: Rc::new(Handle {
                link: link(Rc::new(move |event| heard.hear(event))),
                ears,
            }),
        }
    }

    /// Hears every event from now on, beside the callback that the client was made with and before
    /// it, for as long as the result is held.
    pub fn listen(&self, on_event: impl Fn(&Event) + 'static) -> Listener {
        self.intercept(move |event| {
            on_event(event);
            false
        })
    }

    /// As [`Client::listen`]; an event that is answered with `true` goes no further.
    pub(crate) fn intercept(&self, on_event: impl Fn(&Event) -> bool + 'static) -> Listener {
        self.handle.ears.listen(on_event)
    }

    /// Who hears the events of this client.
    pub(crate) fn ears(&self) -> &Ears {
        &self.handle.ears
    }

    /// Sends a frame, or queues it until a socket takes it.
    pub fn send_payload(&self, payload: impl Into<Payload>) -> SendOutcome {
        self.handle.link.send(payload.into())
    }

    /// Sends a text frame, or queues it until a socket takes it.
    pub fn send_text(&self, text: impl Into<String>) -> SendOutcome {
        self.send_payload(text.into())
    }

    /// Sends a binary frame, or queues it until a socket takes it. API Gateway closes a connection
    /// that sends one with 1003; other backends don't.
    pub fn send_bytes(&self, bytes: impl Into<Vec<u8>>) -> SendOutcome {
        self.send_payload(bytes.into())
    }

    /// Sends a message as a text frame of JSON, as [`Client::send_text`] does. An enum tagged by
    /// `action` is what the gateway routes by.
    pub fn send(&self, message: &impl Serialize) -> SendOutcome {
        match serde_json::to_string(message) {
            Ok(text) => self.send_text(text),
            Err(error) => SendOutcome::Rejected(Rejection::Unserializable(error.to_string())),
        }
    }

    /// Sends a frame that begins something on the backend which lasts until it is ended, or until
    /// the socket is: a subscription. `ending` is the frame that ends it, and `key` what it is to.
    ///
    /// Where tabs share a connection ([`Client::connect_shared`]), they share its subscriptions
    /// too, and one that leaves must not end it for the others. So this frame is always sent, and
    /// the ending when the last tab has [left](Client::leave) the key, was closed or crashed.
    /// Join again whenever a socket opens: no subscription outlives its socket.
    pub fn join(
        &self,
        key: impl Into<String>,
        frame: impl Into<Payload>,
        ending: impl Into<Payload>,
    ) -> SendOutcome {
        let begins = Subscription {
            key: key.into(),
            ending: ending.into(),
        };
        self.handle.link.join(frame.into(), begins)
    }

    /// Leaves what was [joined](Client::join) under this key.
    pub fn leave(&self, key: &str) {
        self.handle.link.leave(key);
    }

    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.handle.link.state()
    }

    /// How long until the next dial; `None` unless the state is [`State::Waiting`].
    pub fn retry_in(&self) -> Option<Duration> {
        match self.state() {
            State::Waiting { until, .. } => Some(until - browser::now()),
            _ => None,
        }
    }

    /// How many frames wait for a socket that takes them.
    pub fn queued(&self) -> usize {
        self.handle.link.queued()
    }

    /// Dials now, unless there is a socket already: before a wait is over, while the browser says
    /// that it is offline, or again after [`Client::close`].
    pub fn retry_now(&self) {
        self.handle.link.retry_now();
    }

    /// Closes for good, with code 1000; what is queued is discarded. Only
    /// [`Client::retry_now`] dials again.
    pub fn close(&self) {
        self.handle.link.close();
    }
}

/// What all clones of a [`Client`] share. The link's own callbacks hold what they drive, never
/// this, so its drop is the moment when nobody wants the connection any more.
struct Handle {
    link: Box<dyn Link>,
    ears: Rc<Ears>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.ears.close();
        self.link.shut();
    }
}

pub(crate) type OnEvent = Rc<dyn Fn(Event)>;

/// A socket of this page's own.
pub(crate) struct Own {
    driver: Rc<Driver>,
    subscriptions: RefCell<Vec<Subscription>>,
}

impl Own {
    pub(crate) fn connect(options: Options, on_event: OnEvent) -> Self {
        let driver = Driver::new(options, on_event);
        driver.listen();
        driver.input(|connection, now, jitter| {
            connection.hint_online(browser::is_online());
            connection.handle_visibility(now, browser::is_visible(), jitter);
            connection.handle_clock(now, browser::wall_clock(), jitter);
            connection.connect(now);
        });
        Self {
            driver,
            subscriptions: RefCell::default(),
        }
    }

    /// Does what is due: somebody else's timer rang.
    pub(crate) fn tick(&self) {
        self.driver.input(Driver::catch_up);
    }

    /// Whether somebody looks at a page that shares this socket.
    pub(crate) fn set_watched(&self, watched: bool) {
        self.driver.watched.set(watched);
        self.driver.input(|connection, now, jitter| {
            connection.handle_visibility(now, watched || browser::is_visible(), jitter);
        });
    }
}

impl Link for Own {
    fn send(&self, payload: Payload) -> SendOutcome {
        self.driver.send(payload)
    }

    fn join(&self, payload: Payload, begins: Subscription) -> SendOutcome {
        let outcome = self.send(payload);
        if !matches!(outcome, SendOutcome::Rejected(_)) {
            let mut all = self.subscriptions.borrow_mut();
            all.retain(|held| held.key != begins.key);
            all.push(begins);
        }
        outcome
    }

    fn leave(&self, key: &str) {
        let mut all = self.subscriptions.borrow_mut();
        let place = all.iter().position(|held| held.key == key);
        let held = place.map(|place| all.swap_remove(place));
        drop(all);
        if let Some(held) = held {
            // Behind its beginning, which may wait still; a connection that is closed needs none.
            let _ = self.send(held.ending);
        }
    }

    fn state(&self) -> State {
        self.driver.connection.borrow().state()
    }

    fn queued(&self) -> usize {
        self.driver.connection.borrow().queued()
    }

    fn retry_now(&self) {
        self.driver
            .input(|connection, now, _| connection.connect(now));
    }

    fn close(&self) {
        self.driver.input(|connection, _, _| connection.close());
    }

    fn shut(&self) {
        self.driver.shut();
    }
}

struct Driver {
    source: Rc<dyn Source>,
    connection: RefCell<Connection>,
    /// One, or a few while one takes over from another.
    sockets: RefCell<Vec<Socket>>,
    alarm: Alarm,
    listeners: RefCell<Vec<EventListener>>,
    on_event: RefCell<Option<OnEvent>>,
    /// Whether somebody looks at another page that shares the socket.
    watched: Cell<bool>,
    /// Whether outputs are being carried out further up the stack.
    busy: Cell<bool>,
}

impl Driver {
    fn new(options: Options, on_event: OnEvent) -> Rc<Self> {
        Rc::new(Self {
            source: options.source,
            connection: RefCell::new(Connection::new(options.config)),
            sockets: RefCell::default(),
            alarm: Alarm::default(),
            listeners: RefCell::default(),
            on_event: RefCell::new(Some(on_event)),
            watched: Cell::new(false),
            busy: Cell::new(false),
        })
    }

    fn listen(self: &Rc<Self>) {
        let driver = Rc::downgrade(self);
        let listeners = browser::on_news(Rc::new(move |news| {
            if let Some(driver) = driver.upgrade() {
                let watched = driver.watched.get();
                driver.input(|connection, now, jitter| match news {
                    News::Offline => connection.handle_offline(now),
                    News::Online => connection.handle_online(now, jitter),
                    News::Hidden if watched => {}
                    News::Hidden => connection.handle_visibility(now, false, jitter),
                    News::Woke => {
                        // A frozen page is told nothing: it may have missed the time and the news.
                        Self::catch_up(connection, now, jitter);
                        if connection.state() == State::Offline && browser::is_online() {
                            connection.handle_online(now, jitter);
                        }
                        let visible = watched || browser::is_visible();
                        connection.handle_visibility(now, visible, jitter);
                        connection.handle_wake(now, jitter);
                    }
                });
            }
        }));
        *self.listeners.borrow_mut() = listeners;
    }

    fn catch_up(connection: &mut Connection, now: Instant, jitter: Jitter) {
        connection.handle_timeout(now, jitter);
        connection.handle_clock(now, browser::wall_clock(), jitter);
    }

    /// Tells the machine something, then does what it says.
    fn input<T>(self: &Rc<Self>, input: impl FnOnce(&mut Connection, Instant, Jitter) -> T) -> T {
        let result = input(
            &mut self.connection.borrow_mut(),
            browser::now(),
            browser::jitter(),
        );
        self.run();
        result
    }

    /// Carries out the machine's outputs. An event's callback may come back here with an input of
    /// its own; its outputs are left to the loop that is running already, so nothing overtakes.
    fn run(self: &Rc<Self>) {
        if self.busy.replace(true) {
            return;
        }
        loop {
            // A statement of its own, so that nothing is borrowed while the output is carried out.
            let output = self.connection.borrow_mut().poll_output();
            match output {
                None => break,
                Some(Output::Dial {
                    generation,
                    reauthenticate,
                }) => self.source.dial(
                    self,
                    DialRequest {
                        generation,
                        reauthenticate,
                    },
                ),
                Some(Output::Abandon { generation }) => self.let_go(generation),
                Some(Output::Transmit {
                    generation,
                    payload,
                }) => self.transmit(generation, &payload),
                Some(Output::MeasureBuffer { generation }) => self.measure(generation),
                Some(Output::Event(event)) => {
                    let on_event = self.on_event.borrow().clone();
                    if let Some(on_event) = on_event {
                        on_event(event);
                    }
                }
            }
        }
        self.busy.set(false);
        let deadline = self.connection.borrow().poll_timeout();
        let driver = Rc::downgrade(self);
        self.alarm.set(deadline, move || {
            if let Some(driver) = driver.upgrade() {
                driver.alarm.rang();
                driver.input(Self::catch_up);
            }
        });
    }

    /// The provider has an endpoint, or none for now. Whoever wanted it may have gone on.
    fn answered(self: &Rc<Self>, generation: Generation, answer: Result<Endpoint, DialFailure>) {
        if !self.connection.borrow().is_dialling(generation) {
            return;
        }
        let dialled = answer.and_then(|endpoint| {
            self.dial_endpoint(generation, &endpoint)
                .map_err(|why| DialFailure {
                    why,
                    retry_after: None,
                })
        });
        if let Err(failure) = dialled {
            self.input(|connection, now, jitter| {
                connection.handle_dial_failed(now, generation, failure, jitter);
            });
        }
    }

    fn dial_endpoint(
        self: &Rc<Self>,
        generation: Generation,
        endpoint: &Endpoint,
    ) -> Result<(), String> {
        let url = browser::websocket_url(&endpoint.url)?;
        let socket = Socket::dial(&url, &endpoint.protocols, generation, &Rc::downgrade(self))
            .map_err(|error| browser::thrown(&error))?;
        self.sockets.borrow_mut().push(socket);
        Ok(())
    }

    fn send(self: &Rc<Self>, payload: Payload) -> SendOutcome {
        self.input(|connection, now, _| {
            for socket in &*self.sockets.borrow() {
                // A browser takes frames for a socket that is closing, and throws them away.
                if socket.web.ready_state() > WebSocket::OPEN {
                    connection.handle_closing(socket.generation);
                }
            }
            connection.send(now, payload)
        })
    }

    fn with_socket(&self, generation: Generation, then: impl FnOnce(&WebSocket)) {
        let sockets = self.sockets.borrow();
        if let Some(socket) = sockets
            .iter()
            .find(|socket| socket.generation == generation)
        {
            then(&socket.web);
        }
    }

    fn transmit(&self, generation: Generation, payload: &Payload) {
        self.with_socket(generation, |web| {
            // Throws only while the socket is still being dialled, and the machine has seen it
            // open.
            let _ = match payload {
                Payload::Text(text) => web.send_with_str(text),
                Payload::Binary(bytes) => web.send_with_u8_array(bytes),
            };
        });
    }

    fn measure(&self, generation: Generation) {
        self.with_socket(generation, |web| {
            let mut connection = self.connection.borrow_mut();
            if web.ready_state() > WebSocket::OPEN {
                connection.handle_closing(generation);
            } else {
                let bytes = web.buffered_amount() as usize;
                connection.handle_buffered(browser::now(), generation, bytes);
            }
        });
    }

    /// Leaves a socket behind, if it is still held.
    fn let_go(&self, generation: Generation) {
        let mut sockets = self.sockets.borrow_mut();
        let place = sockets
            .iter()
            .position(|socket| socket.generation == generation);
        let socket = place.map(|place| sockets.swap_remove(place));
        drop(sockets);
        drop(socket);
    }

    fn shut(self: &Rc<Self>) {
        drop(self.on_event.take());
        drop(self.listeners.take());
        self.input(|connection, _, _| connection.close());
        self.alarm.stop();
    }
}

/// A socket with its callbacks; dropping it takes them away and closes it.
struct Socket {
    generation: Generation,
    web: WebSocket,
    listeners: Vec<EventListener>,
}

impl Socket {
    fn dial(
        url: &str,
        protocols: &[String],
        generation: Generation,
        driver: &Weak<Driver>,
    ) -> Result<Self, JsValue> {
        let protocols: Array = protocols.iter().map(JsValue::from).collect();
        let web = WebSocket::new_with_str_sequence(url, &protocols)?;
        web.set_binary_type(BinaryType::Arraybuffer);
        let on = |kind: &'static str, then: fn(&Rc<Driver>, Generation, &web_sys::Event)| {
            let driver = driver.clone();
            EventListener::new(&web, kind, move |event| {
                if let Some(driver) = driver.upgrade() {
                    then(&driver, generation, event);
                }
            })
        };
        let listeners = vec![
            on("open", |driver, generation, _| {
                driver.input(|connection, now, jitter| {
                    connection.handle_opened(now, generation, jitter);
                });
            }),
            on("message", |driver, generation, event| {
                let data = event.unchecked_ref::<MessageEvent>().data();
                let payload = match data.as_string() {
                    Some(text) => Payload::Text(text),
                    None => match data.dyn_ref::<ArrayBuffer>() {
                        Some(buffer) => Payload::Binary(Uint8Array::new(buffer).to_vec()),
                        // The binary type is set: there is no third kind.
                        None => return,
                    },
                };
                driver.input(|connection, now, _| {
                    connection.handle_frame(now, generation, payload);
                });
            }),
            on("error", |driver, generation, _| {
                driver.input(|connection, _, _| connection.handle_error(generation));
            }),
            on("close", |driver, generation, event| {
                let event = event.unchecked_ref::<CloseEvent>();
                let closed = Closed {
                    code: event.code(),
                    reason: event.reason(),
                    was_clean: event.was_clean(),
                };
                driver.let_go(generation);
                driver.input(|connection, now, jitter| {
                    connection.handle_closed(now, generation, closed, jitter);
                });
            }),
        ];
        Ok(Self {
            generation,
            web,
            listeners,
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Before the close, so that nothing more is heard of it.
        self.listeners.clear();
        // Throws only for a code that is none.
        let _ = self.web.close_with_code(1000);
    }
}
