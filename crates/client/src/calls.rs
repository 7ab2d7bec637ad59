//! The driver of [`babelwire_client_core::Calls`].

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use babelwire_client_core::{
    CallError, CallId, CallOptions, Calls, CallsConfig, Discard, Event, Payload, Rejection,
    SendOutcome, State, with_correlation,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::browser::{self, Alarm};
use crate::connection::Client;
use crate::ears::Ear;

impl Client {
    /// Sends a message and waits for its answer.
    ///
    /// The message must be a JSON object. It gets a field `correlationId` with a text that no other
    /// call has, and the backend puts the same field into its answer, beside the fields of
    /// `Answer`. The frame that answers goes to the call alone; whoever listens does not hear it.
    ///
    /// The message is sent, or queued, before this returns. The answer may take 29 s from when it
    /// goes out. A call belongs to its socket: when that is lost the call fails with
    /// [`CallError::SocketGone`], since nobody can tell whether the backend has done what was asked.
    /// In a rollover the old socket's calls are still answered over it. Dropping the future gives
    /// the call up: the message is not taken back.
    ///
    /// # Errors
    ///
    /// The future's, each of which says whether anything was sent: see [`CallError`]. API Gateway's
    /// error frames come as [`CallError::Gateway`] where it is plain whose they are.
    ///
    /// ```no_run
    /// # async fn example(client: babelwire_client::Client) -> Result<(), babelwire_client::CallError> {
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize)]
    /// #[serde(tag = "action", rename_all = "lowercase")]
    /// enum Request {
    ///     Price { article: String },
    /// }
    ///
    /// #[derive(Deserialize)]
    /// struct Price {
    ///     cents: u64,
    /// }
    ///
    /// let request = Request::Price { article: "tea".to_owned() };
    /// let price: Price = client.call(&request).await?;
    /// println!("{} cents", price.cents);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<Answer: DeserializeOwned>(&self, message: &impl Serialize) -> Calling<Answer> {
        self.call_with(message, CallOptions::default())
    }

    /// As [`Client::call`], with another patience, another field, or a correlation of one's own.
    ///
    /// With [`CallOptions::correlation`] the message is sent as it is: it carries that text already,
    /// wherever the backend wants it.
    ///
    /// ```no_run
    /// # async fn example(client: babelwire_client::Client) -> Result<(), babelwire_client::CallError> {
    /// use std::time::Duration;
    ///
    /// use babelwire_client::CallOptions;
    /// use serde_json::json;
    ///
    /// // {"action":"ping","data":"…"} is answered by {"type":"pong","data":"…"}.
    /// let options = CallOptions {
    ///     field: Some("data"),
    ///     timeout: Some(Duration::from_secs(5)),
    ///     ..CallOptions::default()
    /// };
    /// let pong: serde_json::Value = client.call_with(&json!({"action": "ping"}), options).await?;
    /// println!("{pong}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_with<Answer: DeserializeOwned>(
        &self,
        message: &impl Serialize,
        options: CallOptions,
    ) -> Calling<Answer> {
        let driver = self.ears().one_of_a_kind(|| Driver::new(self));
        let slot = Rc::new(Slot::default());
        let call = match serde_json::to_string(message) {
            Ok(text) => driver.start(self, text, options, &slot),
            Err(error) => Err(CallError::Rejected(Rejection::Unserializable(
                error.to_string(),
            ))),
        };
        let call = call.map_err(|error| slot.fill(Err(error))).ok();
        Calling {
            slot,
            call: call.map(|call| (Rc::downgrade(&driver.inner), call)),
            answer: PhantomData,
        }
    }
}

/// A call under way: see [`Client::call`]. Dropping it gives the call up.
#[must_use = "dropping a call gives it up"]
pub struct Calling<Answer> {
    slot: Rc<Slot>,
    call: Option<(Weak<Inner>, CallId)>,
    answer: PhantomData<fn() -> Answer>,
}

impl<Answer> Calling<Answer> {
    /// A call that came to nothing.
    #[cfg(feature = "yew")]
    pub(crate) fn failed(error: CallError) -> Self {
        let slot = Rc::new(Slot::default());
        slot.fill(Err(error));
        Self {
            slot,
            call: None,
            answer: PhantomData,
        }
    }
}

impl<Answer> fmt::Debug for Calling<Answer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling").finish_non_exhaustive()
    }
}

impl<Answer: DeserializeOwned> Future for Calling<Answer> {
    type Output = Result<Answer, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(result) = self.slot.result.take() else {
            self.slot.waker.replace(Some(context.waker().clone()));
            return Poll::Pending;
        };
        self.call = None;
        Poll::Ready(
            result.and_then(|answer| match serde_json::from_str(&answer) {
                Ok(answer) => Ok(answer),
                Err(error) => Err(CallError::Unreadable {
                    why: error.to_string(),
                    answer,
                }),
            }),
        )
    }
}

impl<Answer> Drop for Calling<Answer> {
    fn drop(&mut self) {
        if let Some((driver, call)) = self.call.take()
            && let Some(driver) = driver.upgrade()
        {
            driver
                .waiting
                .borrow_mut()
                .retain(|(other, _)| *other != call);
            driver.input(|calls| calls.cancel(call));
        }
    }
}

/// Where the end of a call is put for whoever waits for it.
#[derive(Default)]
struct Slot {
    result: RefCell<Option<Result<String, CallError>>>,
    waker: RefCell<Option<Waker>>,
}

impl Slot {
    fn fill(&self, result: Result<String, CallError>) {
        self.result.replace(Some(result));
        let waker = self.waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The calls of one client. Its ears hold it, so it ends with the client.
struct Driver {
    inner: Rc<Inner>,
}

struct Inner {
    calls: RefCell<Calls>,
    /// Requests that did not go out yet, or not that anybody heard. A request's text holds its
    /// correlation, so no other frame has the same.
    unsent: RefCell<Vec<(CallId, String)>>,
    waiting: RefCell<Vec<(CallId, Rc<Slot>)>>,
    alarm: Alarm,
}

/// 106 random bits: what sets this page's calls apart from those of every other.
fn session() -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a browser's random number has 53 bits, all of them below the point"
    )]
    let draw = || (js_sys::Math::random() * f64::from(2_u32).powi(53)) as u64;
    format!("{:x}{:x}", draw(), draw())
}

impl Driver {
    fn new(client: &Client) -> Self {
        let mut calls = Calls::new(CallsConfig::default(), session());
        if let State::Open { generation } = client.state() {
            // What went over it was not seen: an error that comes soon may be about that.
            calls.handle_other_sent(browser::now(), generation);
        }
        Self {
            inner: Rc::new(Inner {
                calls: RefCell::new(calls),
                unsent: RefCell::default(),
                waiting: RefCell::default(),
                alarm: Alarm::default(),
            }),
        }
    }

    fn start(
        &self,
        client: &Client,
        text: String,
        options: CallOptions,
        slot: &Rc<Slot>,
    ) -> Result<CallId, CallError> {
        let inner = &self.inner;
        let field = options.field.unwrap_or(CallsConfig::default().field);
        let has_correlation = options.correlation.is_some();
        let call = inner.calls.borrow_mut().start(options)?;
        let id = call.id;
        let text = if has_correlation {
            text
        } else {
            with_correlation(&text, field, &call.correlation).map_err(|error| {
                inner.calls.borrow_mut().cancel(id);
                CallError::Uncorrelated(error)
            })?
        };
        // Before it is sent: that it went out may be heard before `send` returns.
        inner.unsent.borrow_mut().push((id, text.clone()));
        inner.waiting.borrow_mut().push((id, Rc::clone(slot)));
        if let SendOutcome::Rejected(rejection) = client.send_text(text) {
            inner.unsent.borrow_mut().retain(|(other, _)| *other != id);
            inner.input(|calls| {
                calls.fail(
                    id,
                    match rejection {
                        Rejection::Closed => CallError::Closed,
                        rejection => CallError::Rejected(rejection),
                    },
                );
            });
        }
        Ok(id)
    }
}

impl Ear for Driver {
    fn hear(&self, event: &Event) -> bool {
        let now = browser::now();
        match event {
            Event::Sent {
                generation,
                payload,
                ..
            } => {
                if let Some(call) = self.inner.take_unsent(payload) {
                    self.inner
                        .input(|calls| calls.handle_sent(now, call, *generation));
                    return false;
                }
            }
            Event::Discarded { payload, why, .. } => {
                if let Some(call) = self.inner.take_unsent(payload) {
                    self.inner.input(|calls| {
                        calls.fail(
                            call,
                            match why {
                                Discard::Expired => CallError::Expired,
                                _ => CallError::Closed,
                            },
                        );
                    });
                    return false;
                }
            }
            _ => {}
        }
        self.inner.input(|calls| calls.handle_event(now, event))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Nobody will hear what becomes of them.
        self.inner.alarm.stop();
        let unsent = self.inner.unsent.take();
        self.inner.input(|calls| {
            for (call, _) in unsent {
                calls.fail(call, CallError::Closed);
            }
        });
        for (_, slot) in self.inner.waiting.take() {
            slot.fill(Err(CallError::SocketGone));
        }
        self.inner.alarm.stop();
    }
}

impl Inner {
    /// The call whose request this is.
    fn take_unsent(&self, payload: &Payload) -> Option<CallId> {
        let text = payload.text()?;
        let mut unsent = self.unsent.borrow_mut();
        let place = unsent.iter().position(|(_, request)| request == text)?;
        Some(unsent.remove(place).0)
    }

    /// Tells the machine something, then does what it says.
    fn input<T>(self: &Rc<Self>, input: impl FnOnce(&mut Calls) -> T) -> T {
        let result = input(&mut self.calls.borrow_mut());
        self.run();
        result
    }

    fn run(self: &Rc<Self>) {
        loop {
            // A statement of its own, so that nothing is borrowed while somebody is woken.
            let outcome = self.calls.borrow_mut().poll_outcome();
            let Some(outcome) = outcome else { break };
            let mut waiting = self.waiting.borrow_mut();
            let place = waiting.iter().position(|(call, _)| *call == outcome.call);
            let slot = place.map(|place| waiting.remove(place).1);
            drop(waiting);
            if let Some(slot) = slot {
                slot.fill(outcome.result);
            }
        }
        let deadline = self.calls.borrow().poll_timeout();
        let inner = Rc::downgrade(self);
        self.alarm.set(deadline, move || {
            if let Some(inner) = inner.upgrade() {
                inner.alarm.rang();
                inner.input(|calls| calls.handle_timeout(browser::now()));
            }
        });
    }
}
