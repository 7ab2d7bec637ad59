//! What a provider gives to the hooks below it.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use babelwire_client_core::Event;
use gloo_timers::callback::Timeout;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

use crate::ears::{Ears, Listener};
use crate::shared::{Lease, Shared};

/// How long a batch waits for the next frame that is painted, in milliseconds: a page that nobody
/// sees is never painted.
const LATEST: u32 = 100;

/// A batch of so many events does not wait.
const MOST_EVENTS: usize = 1024;

/// A batch of so many bytes does not wait.
const MOST_BYTES: usize = 1024 * 1024;

/// One connection, and its events in batches. Equal to its clones alone.
#[derive(Clone)]
pub(crate) struct Hub(Rc<Inner>);

impl PartialEq for Hub {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

struct Inner {
    shared: Shared,
    /// Hears the client, from the first lease on.
    listener: RefCell<Option<Listener>>,
    /// Who hears the batches.
    ears: Rc<Ears>,
    queue: RefCell<VecDeque<Event>>,
    bytes: Cell<usize>,
    /// How many events ever came.
    arrived: Cell<u64>,
    /// How many events were delivered, the one that is being delivered included.
    delivered: Cell<u64>,
    delivering: Cell<bool>,
    /// The animation frame and the timeout that are waited for.
    awaited: RefCell<Option<(i32, Timeout)>>,
    flush: OnceCell<Closure<dyn FnMut()>>,
}

impl Hub {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Rc::new(Inner {
            shared,
            listener: RefCell::default(),
            ears: Rc::new(Ears::new(|_| {})),
            queue: RefCell::default(),
            bytes: Cell::default(),
            arrived: Cell::default(),
            delivered: Cell::default(),
            delivering: Cell::default(),
            awaited: RefCell::default(),
            flush: OnceCell::new(),
        }))
    }

    /// A use of the connection; none where there is no browser.
    pub(crate) fn lease(&self) -> Option<Lease> {
        if !cfg!(target_arch = "wasm32") {
            return None;
        }
        let lease = self.0.shared.lease();
        let mut listener = self.0.listener.borrow_mut();
        if listener.is_none() {
            let hub = Rc::downgrade(&self.0);
            *listener = Some(lease.listen(move |event| {
                if let Some(hub) = hub.upgrade() {
                    hub.hear(event);
                }
            }));
        }
        drop(listener);
        Some(lease)
    }

    /// Hears every event from now on, in batches, and uses the connection, for as long as the
    /// result is held.
    pub(crate) fn subscribe(&self, on_event: impl Fn(&Event) + 'static) -> Subscription {
        // First: that the connection is dialled is no news to who has it dialled.
        let lease = self.lease();
        let since = self.0.arrived.get();
        let hub = Rc::downgrade(&self.0);
        let listener = self.0.ears.listen(move |event| {
            // What came before is somebody else's.
            if hub.upgrade().is_some_and(|hub| hub.delivered.get() > since) {
                on_event(event);
            }
            false
        });
        Subscription {
            _listener: listener,
            _lease: lease,
        }
    }

    /// Nobody hears anything any more.
    pub(crate) fn detach(&self) {
        drop(self.0.listener.take());
        self.0.ears.close();
        self.0.stop_waiting();
    }

    /// Closes the connection, whoever holds on to it.
    pub(crate) fn close(&self) {
        if let Some(client) = self.0.shared.client() {
            client.close();
        }
    }
}

/// Hears events in batches for as long as it is held.
pub(crate) struct Subscription {
    _listener: Listener,
    _lease: Option<Lease>,
}

impl Inner {
    fn hear(self: &Rc<Self>, event: &Event) {
        let bytes = match event {
            Event::Frame { payload, .. } | Event::Sent { payload, .. } => payload.bytes(),
            _ => 0,
        };
        self.bytes.set(self.bytes.get() + bytes);
        self.arrived.set(self.arrived.get() + 1);
        let mut queue = self.queue.borrow_mut();
        queue.push_back(event.clone());
        let count = queue.len();
        drop(queue);
        if count >= MOST_EVENTS || self.bytes.get() >= MOST_BYTES {
            self.deliver();
        } else {
            self.wait();
        }
    }

    fn wait(self: &Rc<Self>) {
        let mut awaited = self.awaited.borrow_mut();
        let Some(window) = web_sys::window().filter(|_| awaited.is_none()) else {
            return;
        };
        let flush = self.flush.get_or_init(|| {
            let hub = Rc::downgrade(self);
            Closure::new(move || {
                if let Some(hub) = hub.upgrade() {
                    hub.deliver();
                }
            })
        });
        // Fails for no callback that is a function.
        let frame = window
            .request_animation_frame(flush.as_ref().unchecked_ref())
            .unwrap_or_default();
        let hub = Rc::downgrade(self);
        let timeout = Timeout::new(LATEST, move || {
            if let Some(hub) = hub.upgrade() {
                hub.deliver();
            }
        });
        *awaited = Some((frame, timeout));
    }

    fn stop_waiting(&self) {
        let awaited = self.awaited.take();
        if let (Some((frame, _timeout)), Some(window)) = (awaited, web_sys::window()) {
            // Ending what has ended does nothing.
            let _ = window.cancel_animation_frame(frame);
        }
    }

    /// Delivers what is queued now. What a callback causes is left to the next batch.
    fn deliver(self: &Rc<Self>) {
        if self.delivering.replace(true) {
            return;
        }
        self.stop_waiting();
        let batch = self.queue.take();
        self.bytes.set(0);
        for event in batch {
            self.delivered.set(self.delivered.get() + 1);
            self.ears.hear(event);
        }
        self.delivering.set(false);
        if !self.queue.borrow().is_empty() {
            self.wait();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop_waiting();
    }
}
