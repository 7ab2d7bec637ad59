//! The driver of [`babelwire_client_core::Reconcile`].

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use babelwire_client_core::{FetchError, Reconcile, ReconcileConfig, ReconcileState};
use wasm_bindgen_futures::spawn_local;

use crate::browser::{self, Alarm};

/// Catches up with the backend whenever it is told to, until it is answered.
///
/// Call [`Reconciler::request`] on every [`Event::Opened`](crate::Event::Opened), and whenever
/// else a push may have been missed. Dropping the last clone ends the retries; a question under
/// way is not taken back, but what it leads to is nobody's business any more.
#[derive(Clone)]
pub struct Reconciler {
    driver: Rc<Driver>,
}

impl fmt::Debug for Reconciler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconciler")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl Reconciler {
    /// A reconciler that asks nothing yet.
    ///
    /// `fetch` asks the backend what changed after the cursor (`None`: everything), takes it in,
    /// and gives the cursor to go on from. `cursor` is where an earlier page left off, if anybody
    /// kept it.
    pub fn new<Answer>(
        config: ReconcileConfig,
        cursor: Option<String>,
        fetch: impl Fn(Option<String>) -> Answer + 'static,
    ) -> Self
    where
        Answer: Future<Output = Result<String, FetchError>> + 'static,
    {
        Self {
            driver: Rc::new(Driver {
                reconcile: RefCell::new(Reconcile::new(config, cursor)),
                alarm: Alarm::default(),
                fetch: Box::new(move |cursor| Box::pin(fetch(cursor))),
            }),
        }
    }

    /// Asks at once, or once more after the question that is under way.
    pub fn request(&self) {
        self.driver
            .input(|reconcile| reconcile.request(browser::now()));
    }

    /// Where the catching up stands.
    pub fn state(&self) -> ReconcileState {
        self.driver.reconcile.borrow().state().clone()
    }

    /// Where the last answer ended.
    pub fn cursor(&self) -> Option<String> {
        self.driver
            .reconcile
            .borrow()
            .cursor()
            .map(ToOwned::to_owned)
    }
}

type Fetching = Pin<Box<dyn Future<Output = Result<String, FetchError>>>>;

struct Driver {
    reconcile: RefCell<Reconcile>,
    alarm: Alarm,
    fetch: Box<dyn Fn(Option<String>) -> Fetching>,
}

impl Driver {
    fn input(self: &Rc<Self>, input: impl FnOnce(&mut Reconcile)) {
        input(&mut self.reconcile.borrow_mut());
        self.run();
    }

    fn run(self: &Rc<Self>) {
        loop {
            let fetch = self.reconcile.borrow_mut().poll_fetch();
            let Some(fetch) = fetch else { break };
            let answer = (self.fetch)(fetch.cursor);
            let driver = Rc::downgrade(self);
            spawn_local(async move {
                let answer = answer.await;
                if let Some(driver) = driver.upgrade() {
                    driver.input(|reconcile| match answer {
                        Ok(cursor) => reconcile.handle_answer(browser::now(), fetch.id, cursor),
                        Err(error) => reconcile.handle_failure(
                            browser::now(),
                            fetch.id,
                            error,
                            browser::jitter(),
                        ),
                    });
                }
            });
        }
        let deadline = self.reconcile.borrow().poll_timeout();
        let driver = Rc::downgrade(self);
        self.alarm.set(deadline, move || {
            if let Some(driver) = driver.upgrade() {
                driver.alarm.rang();
                driver.input(|reconcile| {
                    reconcile.handle_timeout(browser::now(), browser::jitter());
                });
            }
        });
    }
}
