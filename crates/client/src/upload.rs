//! Sending a file, with progress, until it is there.
//!
//! The file is handed to the browser as it is: its bytes never enter wasm's memory. Only
//! `XMLHttpRequest` tells the progress of an upload, so that is what sends it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use babelwire_client_core::{Attempt, Upload, UploadOutput};
use babelwire_wire::rest;
use gloo_events::EventListener;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, ProgressEvent, XmlHttpRequest};

pub use babelwire_client_core::{UploadConfig, UploadError, UploadState};

use crate::browser::{self, Alarm};

/// Where and how to send a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The URL, resolved against the page's own address.
    pub url: String,
    /// Headers to send as they are. Those that a browser sets by itself and lets nobody set
    /// (`Content-Length`, `Host`) are left to it.
    pub headers: Vec<(String, String)>,
}

impl From<rest::Upload> for Request {
    fn from(upload: rest::Upload) -> Self {
        Self {
            method: upload.method,
            url: upload.url,
            headers: upload.headers.into_iter().collect(),
        }
    }
}

/// Sends a file (a `web_sys::File` is a [`Blob`]) until the store has it, refuses it, or the
/// handle is dropped.
///
/// `on_event` hears each new state, in order; the first one before this returns. It may cancel
/// the upload or drop its handle.
pub fn start(
    request: Request,
    file: &Blob,
    on_event: impl Fn(UploadState) + 'static,
) -> UploadHandle {
    start_with(UploadConfig::default(), request, file, on_event)
}

/// As [`start`], with a patience of one's own.
pub fn start_with(
    config: UploadConfig,
    request: Request,
    file: &Blob,
    on_event: impl Fn(UploadState) + 'static,
) -> UploadHandle {
    crate::lend_parser();
    let driver = Rc::new(Driver {
        upload: RefCell::new(Upload::new(config)),
        request,
        file: file.clone(),
        sending: RefCell::default(),
        alarm: Alarm::default(),
        listeners: RefCell::default(),
        on_event: RefCell::new(Some(Rc::new(on_event))),
        busy: Cell::new(false),
    });
    driver.listen();
    driver.input(|upload| {
        upload.hint_online(browser::is_online());
        upload.start(browser::now());
    });
    UploadHandle { driver }
}

/// An upload under way. Dropping it ends the upload, and nothing more is heard of it.
#[must_use = "dropping the handle ends the upload"]
pub struct UploadHandle {
    driver: Rc<Driver>,
}

impl fmt::Debug for UploadHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadHandle")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl UploadHandle {
    /// Where the upload stands.
    pub fn state(&self) -> UploadState {
        self.driver.upload.borrow().state().clone()
    }

    /// Ends the upload, unless it has ended.
    pub fn cancel(&self) {
        self.driver.input(Upload::cancel);
    }
}

impl Drop for UploadHandle {
    fn drop(&mut self) {
        drop(self.driver.on_event.take());
        drop(self.driver.listeners.take());
        self.driver.input(Upload::cancel);
        self.driver.alarm.stop();
    }
}

type OnEvent = Rc<dyn Fn(UploadState)>;

struct Driver {
    upload: RefCell<Upload>,
    request: Request,
    file: Blob,
    sending: RefCell<Option<Sending>>,
    alarm: Alarm,
    listeners: RefCell<Vec<EventListener>>,
    on_event: RefCell<Option<OnEvent>>,
    /// Whether outputs are being carried out further up the stack.
    busy: Cell<bool>,
}

impl Driver {
    fn listen(self: &Rc<Self>) {
        let (online, offline) = (Rc::downgrade(self), Rc::downgrade(self));
        let listeners = browser::on_network(
            move || {
                if let Some(driver) = online.upgrade() {
                    driver.input(|upload| upload.handle_online(browser::now(), browser::jitter()));
                }
            },
            move || {
                if let Some(driver) = offline.upgrade() {
                    driver.input(Upload::handle_offline);
                }
            },
        );
        self.listeners.borrow_mut().extend(listeners);
    }

    fn input(self: &Rc<Self>, input: impl FnOnce(&mut Upload)) {
        input(&mut self.upload.borrow_mut());
        self.run();
    }

    /// As the connection's: what a callback causes is left to the loop that is running already.
    fn run(self: &Rc<Self>) {
        if self.busy.replace(true) {
            return;
        }
        loop {
            let output = self.upload.borrow_mut().poll_output();
            match output {
                None => break,
                Some(UploadOutput::Send(attempt)) => self.send(attempt),
                Some(UploadOutput::Abort(attempt)) => self.let_go(attempt),
                Some(UploadOutput::Event(state)) => {
                    let on_event = self.on_event.borrow().clone();
                    if let Some(on_event) = on_event {
                        on_event(state);
                    }
                }
            }
        }
        self.busy.set(false);
        let deadline = self.upload.borrow().poll_timeout();
        let driver = Rc::downgrade(self);
        self.alarm.set(deadline, move || {
            if let Some(driver) = driver.upgrade() {
                driver.alarm.rang();
                driver.input(|upload| upload.handle_timeout(browser::now(), browser::jitter()));
            }
        });
    }

    fn send(self: &Rc<Self>, attempt: Attempt) {
        match Sending::start(&self.request, &self.file, attempt, &Rc::downgrade(self)) {
            Ok(sending) => drop(self.sending.replace(Some(sending))),
            Err(error) => self.upload.borrow_mut().handle_error(
                browser::now(),
                attempt,
                // Browsers word it as they like, and not all of them say what they refused.
                UploadError::Impossible(
                    [
                        "the browser refuses this ",
                        &self.request.method,
                        " request: ",
                        browser::thrown(&error).trim_end_matches('.'),
                    ]
                    .concat(),
                ),
                browser::jitter(),
            ),
        }
    }

    /// Ends an attempt, if it is the present one.
    fn let_go(&self, attempt: Attempt) {
        let sending = self
            .sending
            .borrow_mut()
            .take_if(|sending| sending.attempt == attempt);
        drop(sending);
    }
}

/// One attempt with its callbacks; dropping it takes them away and aborts it.
struct Sending {
    attempt: Attempt,
    request: XmlHttpRequest,
    listeners: Vec<EventListener>,
}

impl Sending {
    fn start(
        to: &Request,
        file: &Blob,
        attempt: Attempt,
        driver: &Weak<Driver>,
    ) -> Result<Self, JsValue> {
        let request = XmlHttpRequest::new()?;
        request.open_with_async(&to.method, &to.url, true)?;
        for (name, value) in &to.headers {
            if !set_by_browser(name) {
                request.set_request_header(name, value)?;
            }
        }
        let on = |target: &web_sys::EventTarget,
                  kind: &'static str,
                  then: fn(&Rc<Driver>, Attempt, &web_sys::Event)| {
            let driver = driver.clone();
            EventListener::new(target, kind, move |event| {
                if let Some(driver) = driver.upgrade() {
                    then(&driver, attempt, event);
                }
            })
        };
        let listeners = vec![
            on(&*request.upload()?, "progress", |driver, attempt, event| {
                let event = event.unchecked_ref::<ProgressEvent>();
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "counts of bytes, which a browser gives as floats"
                )]
                let (sent, total) = (event.loaded() as u64, event.total() as u64);
                driver.input(|upload| {
                    upload.handle_progress(browser::now(), attempt, sent, total);
                });
            }),
            on(&request, "load", |driver, attempt, _| {
                driver.answered(attempt);
            }),
            on(&request, "error", |driver, attempt, _| {
                driver.failed(attempt);
            }),
        ];
        request.send_with_opt_blob(Some(file))?;
        Ok(Self {
            attempt,
            request,
            listeners,
        })
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Before the abort, which would call them.
        self.listeners.clear();
        // Throws never; without effect on a request that has ended.
        let _ = self.request.abort();
    }
}

/// Headers of the Fetch standard's "forbidden request-header" list that a signed upload may name.
fn set_by_browser(name: &str) -> bool {
    ["content-length", "host"]
        .iter()
        .any(|forbidden| name.eq_ignore_ascii_case(forbidden))
}

impl Driver {
    fn answered(self: &Rc<Self>, attempt: Attempt) {
        let answer = self.sending.borrow().as_ref().map(|sending| {
            let status = sending.request.status().unwrap_or(0);
            let body = sending.request.response_text().ok().flatten();
            (status, body.unwrap_or_default())
        });
        self.let_go(attempt);
        if let Some((status, body)) = answer {
            self.input(|upload| {
                upload.handle_response(browser::now(), attempt, status, &body, browser::jitter());
            });
        }
    }

    fn failed(self: &Rc<Self>, attempt: Attempt) {
        self.let_go(attempt);
        self.input(|upload| {
            upload.handle_error(
                browser::now(),
                attempt,
                UploadError::Network,
                browser::jitter(),
            );
        });
    }
}
