//! The driver of [`babelwire_client_core::Tabs`]: one connection for all tabs of a browser.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use babelwire_client_core::{
    Claim, Event, Instant, Jitter, Payload, SendOutcome, State, Subscription, TabId, TabMessage,
    Tabs, TabsOutput,
};
use gloo_events::EventListener;
use js_sys::{Array, Function, Object, Promise, Uint8Array};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, AbortSignal, BroadcastChannel, MessageEvent};

use crate::browser::{self, Alarm, News};
use crate::connection::{Client, Link, OnEvent, Options, Own};

/// The language that the tabs speak with each other. Tabs with different ones, after a deployment
/// say, have different connections.
const LANGUAGE: &str = "babelwire-tabs/1: ";

/// Which tabs share a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TabsOptions {
    /// What the tabs have in common: pages of one origin that give the same name, and the same
    /// URL if theirs is fixed, share one connection and hear the same frames. Where people sign
    /// in, the name must tell one account from another.
    pub name: String,
}

impl TabsOptions {
    /// Tabs that give this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

impl Client {
    /// As [`Client::connect`], with one socket for all tabs of the browser: whichever tab has it,
    /// all hear what comes in and send over it. When that tab is closed, crashes or hangs, another
    /// one dials within two seconds, and each hears of it as an open socket whose continuity may
    /// be lost.
    ///
    /// A frame is queued even while the connection is open, since the tab that has the socket may
    /// be another: [`Event::Sent`] follows. Should that tab die between sending a frame and
    /// saying so, the frame goes out twice. [`Client::close`] is for this tab alone.
    ///
    /// In a browser that lacks the Web Locks API or broadcast channels, or does not grant them to
    /// the page (they need HTTPS, or a loopback address), this tab has a socket of its own.
    pub fn connect_shared(
        options: Options,
        tabs: TabsOptions,
        on_event: impl Fn(Event) + 'static,
    ) -> Self {
        Self::over(on_event, |hear| {
            Box::new(AmongTabs::connect(options, tabs, hear))
        })
    }
}

/// A connection in common with other tabs.
struct AmongTabs(Rc<Driver>);

impl AmongTabs {
    fn connect(mut options: Options, tabs: TabsOptions, on_event: OnEvent) -> Self {
        let mut name = tabs.name;
        name.insert_str(0, LANGUAGE);
        name.push_str(", ");
        name.push_str(options.url().unwrap_or_default());
        // 53 bits: all that JavaScript's numbers hold exactly.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from zero up to below 2⁵³"
        )]
        let me = TabId::from_number((browser::jitter().get() * 2_f64.powi(53)) as u64);
        let limits = options.config.outbox;
        // The tab that has the socket sends for all of them, and each has limits of its own.
        options.config.outbox.queued_frames = usize::MAX;
        options.config.outbox.queued_bytes = usize::MAX;
        let driver = Rc::new(Driver {
            name,
            tabs: RefCell::new(Tabs::new(me, limits)),
            options,
            own: RefCell::default(),
            events: RefCell::default(),
            lock: RefCell::default(),
            presence: RefCell::default(),
            watched: RefCell::default(),
            alarm: Alarm::default(),
            listeners: RefCell::default(),
            on_event: RefCell::new(Some(on_event)),
            busy: Cell::new(false),
        });
        driver.listen();
        driver.input(|tabs, now, jitter| {
            tabs.handle_visibility(now, browser::is_visible(), jitter);
            tabs.connect(now, jitter);
        });
        Self(driver)
    }
}

impl Link for AmongTabs {
    fn send(&self, payload: Payload) -> SendOutcome {
        self.0.run_soon();
        self.0.tabs.borrow_mut().send(browser::now(), payload)
    }

    fn join(&self, payload: Payload, begins: Subscription) -> SendOutcome {
        self.0.run_soon();
        let now = browser::now();
        self.0.tabs.borrow_mut().join(now, payload, begins)
    }

    fn leave(&self, key: &str) {
        self.0.run_soon();
        self.0.tabs.borrow_mut().leave(key);
    }

    fn state(&self) -> State {
        self.0.tabs.borrow().state()
    }

    fn queued(&self) -> usize {
        self.0.tabs.borrow().queued()
    }

    fn retry_now(&self) {
        self.0.input(Tabs::connect);
    }

    fn close(&self) {
        // What was taken just now is still meant.
        self.0.run();
        self.0.input(|tabs, _, _| tabs.close());
    }

    fn shut(&self) {
        self.0.run();
        drop(self.0.on_event.take());
        drop(self.0.listeners.take());
        self.0.input(|tabs, _, _| tabs.close());
        self.0.alarm.stop();
    }
}

struct Driver {
    options: Options,
    /// Of the channel, and of the lock that the tabs compete for.
    name: String,
    tabs: RefCell<Tabs>,
    /// The connection, if this tab has it.
    own: RefCell<Option<Own>>,
    /// What the connection has told and the machine has not heard.
    events: RefCell<Vec<Event>>,
    /// The lock that the tabs compete for, held or asked for.
    lock: RefCell<Option<Lock>>,
    presence: RefCell<Option<Presence>>,
    /// The other tabs' own locks, asked for.
    watched: RefCell<Vec<(TabId, Lock)>>,
    alarm: Alarm,
    listeners: RefCell<Vec<EventListener>>,
    on_event: RefCell<Option<OnEvent>>,
    /// Whether outputs are being carried out further up the stack.
    busy: Cell<bool>,
}

/// That this tab is there, for the others.
struct Presence {
    channel: BroadcastChannel,
    /// The tab's own lock, by which the others learn that it is gone.
    _lock: Lock,
    _listener: EventListener,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.channel.close();
    }
}

impl Driver {
    fn listen(self: &Rc<Self>) {
        let driver = Rc::downgrade(self);
        let mut listeners = browser::on_news(Rc::new(move |news| {
            if let Some(driver) = driver.upgrade() {
                driver.input(|tabs, now, jitter| match news {
                    News::Hidden => tabs.handle_visibility(now, false, jitter),
                    News::Woke => {
                        tabs.handle_resume(now, jitter);
                        tabs.handle_visibility(now, browser::is_visible(), jitter);
                    }
                    // The connection listens for itself.
                    News::Online | News::Offline => {}
                });
            }
        }));
        let driver = Rc::downgrade(self);
        listeners.extend(browser::on_standstill(move || {
            if let Some(driver) = driver.upgrade() {
                driver.input(|tabs, _, _| tabs.handle_suspend());
            }
        }));
        *self.listeners.borrow_mut() = listeners;
    }

    /// Tells the machine something, then does what it says.
    fn input<T>(self: &Rc<Self>, input: impl FnOnce(&mut Tabs, Instant, Jitter) -> T) -> T {
        let result = input(
            &mut self.tabs.borrow_mut(),
            browser::now(),
            browser::jitter(),
        );
        self.run();
        result
    }

    /// Does what the machine says once this task is over: whoever gets a ticket has it before any
    /// event tells of it.
    fn run_soon(self: &Rc<Self>) {
        let driver = Rc::downgrade(self);
        spawn_local(async move {
            if let Some(driver) = driver.upgrade() {
                driver.run();
            }
        });
    }

    /// Carries out the machine's outputs. What is told meanwhile is left to the loop that is
    /// running already, so nothing overtakes.
    fn run(self: &Rc<Self>) {
        if self.busy.replace(true) {
            return;
        }
        loop {
            // Statements of their own, so that nothing is borrowed while they are carried out.
            for event in self.events.take() {
                self.tabs.borrow_mut().handle_event(browser::now(), event);
            }
            let output = self.tabs.borrow_mut().poll_output();
            let Some(output) = output else { break };
            self.obey(output);
        }
        self.busy.set(false);
        let deadline = self.tabs.borrow().poll_timeout();
        let driver = Rc::downgrade(self);
        self.alarm.set(deadline, move || {
            if let Some(driver) = driver.upgrade() {
                driver.alarm.rang();
                driver.input(Tabs::handle_timeout);
            }
        });
    }

    fn obey(self: &Rc<Self>, output: TabsOutput) {
        match output {
            TabsOutput::Attach { tab } => match self.attach(tab) {
                Ok(presence) => drop(self.presence.replace(Some(presence))),
                Err(_) => self.go_alone(),
            },
            TabsOutput::Detach => drop(self.presence.take()),
            TabsOutput::RequestLock { claim, steal } => {
                // Before the next one is asked for.
                drop(self.lock.take());
                // Who is not there for the others must not lead them.
                if self.presence.borrow().is_some() {
                    match self.request(&self.name, Wanted::Common(claim), steal) {
                        Ok(lock) => drop(self.lock.replace(Some(lock))),
                        Err(_) => self.go_alone(),
                    }
                }
            }
            TabsOutput::ReleaseLock => drop(self.lock.take()),
            TabsOutput::Post(message) => {
                if let Some(presence) = &*self.presence.borrow() {
                    // Throws only for a closed channel, and for what cannot be cloned.
                    let _ = presence.channel.post_message(&encode(message));
                }
            }
            TabsOutput::Watch { tab } => {
                self.unwatch(tab);
                let lock = self.request(&self.name_of(tab), Wanted::Gone(tab), false);
                if let Ok(lock) = lock {
                    self.watched.borrow_mut().push((tab, lock));
                }
            }
            TabsOutput::Start => {
                let driver = Rc::downgrade(self);
                let own = Own::connect(
                    self.options.clone(),
                    Rc::new(move |event| {
                        if let Some(driver) = driver.upgrade() {
                            driver.events.borrow_mut().push(event);
                            driver.run();
                        }
                    }),
                );
                drop(self.own.replace(Some(own)));
            }
            TabsOutput::Stop => {
                let own = self.own.take();
                if let Some(own) = own {
                    own.shut();
                }
                self.events.take();
                self.watched.take();
            }
            TabsOutput::Send {
                submission,
                payload,
            } => self.with_own(|own| {
                let outcome = own.send(payload);
                self.tabs.borrow_mut().handle_outcome(submission, &outcome);
            }),
            TabsOutput::Retry => self.with_own(Own::retry_now),
            TabsOutput::Tick => self.with_own(Own::tick),
            TabsOutput::Watched(watched) => self.with_own(|own| own.set_watched(watched)),
            TabsOutput::Event(event) => {
                let on_event = self.on_event.borrow().clone();
                if let Some(on_event) = on_event {
                    on_event(event);
                }
            }
        }
    }

    fn with_own(&self, then: impl FnOnce(&Own)) {
        if let Some(own) = &*self.own.borrow() {
            then(own);
        }
    }

    /// The browser lacks what it takes to share a connection.
    fn go_alone(&self) {
        drop(self.presence.take());
        drop(self.lock.take());
        self.tabs.borrow_mut().connect_alone();
    }

    fn attach(self: &Rc<Self>, tab: TabId) -> Result<Presence, JsValue> {
        let lock = self.request(&self.name_of(tab), Wanted::Own(tab), false)?;
        let channel = BroadcastChannel::new(&self.name)?;
        let driver = Rc::downgrade(self);
        let listener = EventListener::new(&channel, "message", move |event| {
            let data = event.unchecked_ref::<MessageEvent>().data();
            if let Some(driver) = driver.upgrade()
                && let Some(message) = decode(data)
            {
                driver.input(|tabs, now, _| tabs.handle_message(now, message));
            }
        });
        Ok(Presence {
            channel,
            _lock: lock,
            _listener: listener,
        })
    }

    fn unwatch(&self, tab: TabId) {
        self.watched.borrow_mut().retain(|(of, _)| *of != tab);
    }

    /// Asks for a lock, or takes it from whoever has it.
    fn request(self: &Rc<Self>, name: &str, wanted: Wanted, steal: bool) -> Result<Lock, JsValue> {
        let driver = Rc::downgrade(self);
        Lock::request(name, steal, move |news| {
            if let Some(driver) = driver.upgrade() {
                driver.heard_of(wanted, news);
            }
        })
    }

    fn heard_of(self: &Rc<Self>, wanted: Wanted, news: LockNews) {
        let now = browser::now();
        match (wanted, news) {
            (Wanted::Gone(tab), _) => {
                self.unwatch(tab);
                self.tabs.borrow_mut().handle_gone(tab);
            }
            (Wanted::Own(tab), LockNews::Granted) => self.tabs.borrow_mut().handle_attached(tab),
            (Wanted::Common(claim), LockNews::Granted) => {
                let wall = browser::wall_clock();
                self.tabs.borrow_mut().handle_granted(claim, wall);
            }
            (Wanted::Common(claim), LockNews::Lost) => {
                self.tabs.borrow_mut().handle_lost(now, claim);
            }
            (Wanted::Own(_), LockNews::Lost) | (_, LockNews::Refused) => self.go_alone(),
        }
        self.run();
    }

    /// The name of a tab's own lock.
    fn name_of(&self, tab: TabId) -> String {
        let mut name = self.name.clone();
        name.push_str(", ");
        name.push_str(&tab.number().to_string());
        name
    }
}

/// A lock, and what it is for.
#[derive(Clone, Copy)]
enum Wanted {
    /// The one that the tabs compete for.
    Common(Claim),
    /// This tab's own.
    Own(TabId),
    /// That of another tab, which is granted when that tab is gone.
    Gone(TabId),
}

/// What becomes of a request for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LockNews {
    Granted,
    /// Another tab took it.
    Lost,
    /// The browser does not give locks to this page.
    Refused,
}

#[wasm_bindgen]
extern "C" {
    /// The browser's `LockManager`, which `web-sys` has among its unstable APIs only. (W3C, "Web
    /// Locks API".)
    type LockManager;

    #[wasm_bindgen(method, catch)]
    fn request(
        this: &LockManager,
        name: &str,
        options: &LockOptions,
        granted: &Function,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(extends = web_sys::Navigator)]
    type Navigator;

    /// None in a page that came over an insecure connection.
    #[wasm_bindgen(method, getter)]
    fn locks(this: &Navigator) -> Option<LockManager>;

    type LockOptions;

    #[wasm_bindgen(method, setter)]
    fn set_steal(this: &LockOptions, steal: bool);

    #[wasm_bindgen(method, setter)]
    fn set_signal(this: &LockOptions, signal: &AbortSignal);
}

/// A lock that is asked for or held. Dropping it ends either, and nothing more is told.
struct Lock {
    stage: Rc<Cell<Stage>>,
    release: Option<Function>,
    cancel: AbortController,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asked,
    Held,
    Over,
}

impl Lock {
    /// Asks for the lock of this name, or takes it from whoever has it.
    fn request(
        name: &str,
        steal: bool,
        tell: impl Fn(LockNews) + 'static,
    ) -> Result<Self, JsValue> {
        let navigator = browser::window().navigator();
        let locks = navigator.unchecked_ref::<Navigator>().locks();
        let locks = locks.ok_or(JsValue::UNDEFINED)?;
        let options: LockOptions = Object::new().unchecked_into();
        let cancel = AbortController::new()?;
        if steal {
            // Such a request is not waited for, and takes no signal.
            options.set_steal(true);
        } else {
            options.set_signal(&cancel.signal());
        }
        let mut release = None;
        // The lock is held until this is settled.
        let held = Promise::new(&mut |resolve, _| release = Some(resolve));
        let stage = Rc::new(Cell::new(Stage::Asked));
        let tell = Rc::new(tell);
        let granted = {
            let (stage, tell) = (Rc::clone(&stage), Rc::clone(&tell));
            Closure::once(move |_: JsValue| {
                if stage.get() == Stage::Asked {
                    stage.set(Stage::Held);
                    tell(LockNews::Granted);
                }
                held
            })
        };
        let ended = locks.request(name, &options, granted.as_ref().unchecked_ref())?;
        let last_stage = Rc::clone(&stage);
        spawn_local(async move {
            // Whether it is released, taken, cancelled or refused.
            let _ = JsFuture::from(ended).await;
            // Until now the browser might have called it.
            drop(granted);
            match last_stage.replace(Stage::Over) {
                Stage::Asked => tell(LockNews::Refused),
                Stage::Held => tell(LockNews::Lost),
                Stage::Over => {}
            }
        });
        Ok(Self {
            stage,
            release,
            cancel,
        })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.stage.set(Stage::Over);
        self.cancel.abort();
        if let Some(release) = &self.release {
            // Resolving a promise does not throw.
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

/// A message as a JavaScript array, which the browser can clone: its numbers, its frame, and what
/// that begins.
fn encode(message: TabMessage) -> Array {
    let array = Array::new();
    #[expect(
        clippy::cast_precision_loss,
        reason = "all of them are below 2⁵³, or far beyond what they count"
    )]
    for number in message.numbers() {
        array.push(&JsValue::from_f64(number as f64));
    }
    let (key, ending) = match message.begins {
        Some(begins) => (begins.key.into(), to_js(Some(begins.ending))),
        None => (JsValue::UNDEFINED, JsValue::UNDEFINED),
    };
    for value in [to_js(message.payload), key, ending] {
        array.push(&value);
    }
    array
}

/// The opposite of [`encode`]; `None` for whatever else some page of this origin has posted.
fn decode(data: JsValue) -> Option<TabMessage> {
    let array: Array = data.dyn_into().ok()?;
    let mut numbers = [0; TabMessage::NUMBERS];
    let mut at = 0;
    for number in &mut numbers {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float is cast to the nearest integer that there is"
        )]
        let value = array.get(at).as_f64()? as u64;
        *number = value;
        at += 1;
    }
    let [payload, key, ending] = [0, 1, 2].map(|more| array.get(at + more));
    let begins = match (key.as_string(), from_js(&ending)) {
        (Some(key), Some(ending)) => Some(Subscription { key, ending }),
        _ => None,
    };
    TabMessage::from_numbers(numbers, from_js(&payload), begins)
}

fn to_js(payload: Option<Payload>) -> JsValue {
    match payload {
        Some(Payload::Text(text)) => text.into(),
        Some(Payload::Binary(bytes)) => Uint8Array::from(&*bytes).into(),
        None => JsValue::UNDEFINED,
    }
}

fn from_js(value: &JsValue) -> Option<Payload> {
    if let Some(text) = value.as_string() {
        return Some(Payload::Text(text));
    }
    let bytes: &Uint8Array = value.dyn_ref()?;
    Some(Payload::Binary(bytes.to_vec()))
}
