//! The driver of [`babelwire_client_core::Connection`].

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use babelwire_client_core::{
    Closed, Config, Connection, Event, Generation, Output, Rejection, SendOutcome, State,
};
use gloo_events::EventListener;
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

use crate::browser::{self, Alarm};

/// What to connect to, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The WebSocket's URL, the gateway's stage included; resolved by
    /// [`websocket_url`](crate::websocket_url), so `live` is one.
    pub url: String,
    /// How patient to be and how much to queue.
    pub config: Config,
}

impl Options {
    /// The defaults, for this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            config: Config::default(),
        }
    }
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
            .field("url", &self.handle.driver.url)
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
        crate::lend_parser();
        let driver = Driver::new(options, Rc::new(on_event));
        driver.listen();
        driver.input(|connection| {
            connection.hint_online(browser::is_online());
            connection.connect(browser::now());
        });
        Self {
            handle: Rc::new(Handle { driver }),
        }
    }

    /// Sends a text frame, or queues it until a socket is open.
    pub fn send_text(&self, text: impl Into<String>) -> SendOutcome {
        self.handle.driver.send(text.into())
    }

    /// Sends a message as a text frame of JSON, as [`Client::send_text`] does. An enum tagged by
    /// `action` is what the gateway routes by.
    pub fn send(&self, message: &impl Serialize) -> SendOutcome {
        match serde_json::to_string(message) {
            Ok(text) => self.send_text(text),
            Err(error) => SendOutcome::Rejected(Rejection::Unserializable(error.to_string())),
        }
    }

    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.handle.driver.connection.borrow().state()
    }

    /// How long until the next dial; `None` unless the state is [`State::Waiting`].
    pub fn retry_in(&self) -> Option<Duration> {
        match self.state() {
            State::Waiting { until, .. } => Some(until - browser::now()),
            _ => None,
        }
    }

    /// How many frames wait for an open socket.
    pub fn queued(&self) -> usize {
        self.handle.driver.connection.borrow().queued()
    }

    /// Dials now, unless there is a socket already: before a wait is over, while the browser says
    /// that it is offline, or again after [`Client::close`].
    pub fn retry_now(&self) {
        self.handle
            .driver
            .input(|connection| connection.connect(browser::now()));
    }

    /// Closes for good, with code 1000; what is queued is discarded. Only
    /// [`Client::retry_now`] dials again.
    pub fn close(&self) {
        self.handle.driver.input(Connection::close);
    }
}

/// What all clones of a [`Client`] share. The driver's own callbacks hold the driver, never this,
/// so its drop is the moment when nobody wants the connection any more.
struct Handle {
    driver: Rc<Driver>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.driver.shut();
    }
}

type OnEvent = Rc<dyn Fn(Event)>;

struct Driver {
    url: String,
    connection: RefCell<Connection>,
    socket: RefCell<Option<Socket>>,
    alarm: Alarm,
    listeners: RefCell<Vec<EventListener>>,
    on_event: RefCell<Option<OnEvent>>,
    /// Whether outputs are being carried out further up the stack.
    busy: Cell<bool>,
}

impl Driver {
    fn new(options: Options, on_event: OnEvent) -> Rc<Self> {
        Rc::new(Self {
            url: options.url,
            connection: RefCell::new(Connection::new(options.config)),
            socket: RefCell::default(),
            alarm: Alarm::default(),
            listeners: RefCell::default(),
            on_event: RefCell::new(Some(on_event)),
            busy: Cell::new(false),
        })
    }

    /// A callback's way back to the driver, which may be gone by then.
    fn weakly(self: &Rc<Self>, then: impl Fn(&Rc<Self>) + 'static) -> impl Fn() + 'static {
        let driver = Rc::downgrade(self);
        move || {
            if let Some(driver) = driver.upgrade() {
                then(&driver);
            }
        }
    }

    fn listen(self: &Rc<Self>) {
        let network = browser::on_network(
            self.weakly(|driver| {
                driver.input(|connection| {
                    connection.handle_online(browser::now(), browser::jitter());
                });
            }),
            self.weakly(|driver| {
                driver.input(|connection| connection.handle_offline(browser::now()));
            }),
        );
        let visible = browser::on_visible(self.weakly(|driver| {
            driver.input(|connection| {
                let (now, jitter) = (browser::now(), browser::jitter());
                // A frozen page is told nothing: it may have missed both the time and the news.
                connection.handle_timeout(now, jitter);
                if connection.state() == State::Offline && browser::is_online() {
                    connection.handle_online(now, jitter);
                }
                connection.handle_wake(now, jitter);
            });
        }));
        self.listeners.borrow_mut().extend(network);
        self.listeners.borrow_mut().extend(visible);
    }

    /// Tells the machine something, then does what it says.
    fn input<T>(self: &Rc<Self>, input: impl FnOnce(&mut Connection) -> T) -> T {
        let result = input(&mut self.connection.borrow_mut());
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
                Some(Output::Dial { generation }) => self.dial(generation),
                Some(Output::Abandon { generation }) => self.let_go(generation),
                Some(Output::Transmit { generation, text }) => self.transmit(generation, &text),
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
        self.alarm.set(
            deadline,
            self.weakly(|driver| {
                driver.alarm.rang();
                driver.input(|connection| {
                    connection.handle_timeout(browser::now(), browser::jitter());
                });
            }),
        );
    }

    fn dial(self: &Rc<Self>, generation: Generation) {
        let dialled = browser::websocket_url(&self.url).and_then(|url| {
            Socket::dial(&url, generation, &Rc::downgrade(self))
                .map_err(|error| browser::thrown(&error))
        });
        match dialled {
            Ok(socket) => drop(self.socket.replace(Some(socket))),
            Err(why) => self
                .connection
                .borrow_mut()
                .handle_dial_impossible(generation, why),
        }
    }

    fn send(self: &Rc<Self>, text: String) -> SendOutcome {
        let closing = self
            .socket
            .borrow()
            .as_ref()
            .filter(|socket| socket.web.ready_state() > WebSocket::OPEN)
            .map(|socket| socket.generation);
        self.input(|connection| {
            // A browser takes frames for a socket that is closing, and throws them away.
            if let Some(generation) = closing {
                connection.handle_closing(generation);
            }
            connection.send(text)
        })
    }

    fn transmit(&self, generation: Generation, text: &str) {
        if let Some(socket) = &*self.socket.borrow()
            && socket.generation == generation
        {
            // Throws only while the socket is still being dialled, and the machine has seen it
            // open.
            let _ = socket.web.send_with_str(text);
        }
    }

    /// Leaves a socket behind, if it is the present one.
    fn let_go(&self, generation: Generation) {
        let socket = self
            .socket
            .borrow_mut()
            .take_if(|socket| socket.generation == generation);
        drop(socket);
    }

    fn shut(self: &Rc<Self>) {
        drop(self.on_event.take());
        drop(self.listeners.take());
        self.input(Connection::close);
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
    fn dial(url: &str, generation: Generation, driver: &Weak<Driver>) -> Result<Self, JsValue> {
        let web = WebSocket::new(url)?;
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
                driver.input(|connection| connection.handle_opened(browser::now(), generation));
            }),
            on("message", |driver, generation, event| {
                // The gateway has no binary frames, so whatever is not text is nobody's.
                if let Some(text) = event.unchecked_ref::<MessageEvent>().data().as_string() {
                    driver.input(|connection| connection.handle_frame(generation, text));
                }
            }),
            on("error", |driver, generation, _| {
                driver.input(|connection| connection.handle_error(generation));
            }),
            on("close", |driver, generation, event| {
                let event = event.unchecked_ref::<CloseEvent>();
                let closed = Closed {
                    code: event.code(),
                    reason: event.reason(),
                    was_clean: event.was_clean(),
                };
                driver.let_go(generation);
                driver.input(|connection| {
                    connection.handle_closed(browser::now(), generation, closed, browser::jitter());
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
