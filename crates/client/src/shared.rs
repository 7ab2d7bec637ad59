//! One connection that many use, for as long as any of them does.

use std::cell::{Cell, LazyCell, RefCell};
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use babelwire_client_core::{LeaseOutput, Leases};

use crate::browser::{self, Alarm};
use crate::connection::{Client, Options};

/// A connection that is there while somebody uses it.
///
/// The first [`Shared::lease`] dials. When the last lease is dropped the connection is kept for the
/// grace time, so whoever comes back meanwhile (a view that is swapped for another, a component
/// that is mounted anew) finds the same socket and missed nothing; then it is closed. The next
/// lease dials again, with the same [`Client`].
///
/// All clones share one connection. When the last of them and the last lease are dropped, the
/// socket is closed without a grace time, whoever holds a clone of the client.
///
/// ```no_run
/// use babelwire_client::{Options, Shared};
///
/// let shared = Shared::new(Options::new("live"));
/// let lease = shared.lease(); // dials
/// let another = shared.lease(); // uses the same socket
/// let outcome = lease.send_text(r#"{"action":"echomessage","data":"hello"}"#);
/// println!("{outcome:?}");
/// drop((lease, another)); // closes it in three seconds
/// ```
#[derive(Clone)]
pub struct Shared {
    inner: Rc<Inner>,
}

impl Shared {
    /// Dials nothing yet. The grace time is 3 s.
    pub fn new(options: Options) -> Self {
        Self::over(|| Client::connect(options, |_| {}), Leases::default())
    }

    /// As [`Shared::new`], with another grace time. With zero, a lease that is taken in the same
    /// task in which the last one was dropped still finds the same socket.
    pub fn with_grace(options: Options, grace: Duration) -> Self {
        Self::with_client(grace, || Client::connect(options, |_| {}))
    }

    /// As [`Shared::with_grace`], with a client of another making: the first lease calls `make`, which
    /// must not take a lease itself.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use babelwire_client::{Client, Options, Shared, TabsOptions};
    ///
    /// // One socket for all tabs, and for all that lease it in each of them.
    /// let shared = Shared::with_client(Duration::from_secs(3), || {
    ///     Client::connect_shared(Options::new("live"), TabsOptions::new("news"), |_| {})
    /// });
    /// # drop(shared);
    /// ```
    pub fn with_client(grace: Duration, make: impl FnOnce() -> Client + 'static) -> Self {
        Self::over(make, Leases::new(grace))
    }

    fn over(make: impl FnOnce() -> Client + 'static, leases: Leases) -> Self {
        Self {
            inner: Rc::new(Inner {
                client: LazyCell::new(Box::new(make)),
                is_made: Cell::new(false),
                leases: RefCell::new(leases),
                alarm: Alarm::default(),
            }),
        }
    }

    /// Uses the connection for as long as the result is held.
    pub fn lease(&self) -> Lease {
        Lease::new(&self.inner)
    }

    /// How many leases are held.
    pub fn users(&self) -> usize {
        self.inner.leases.borrow().users()
    }

    /// The client, if there ever was a lease. Whether it is connected is for the leases to say:
    /// holding it is no reason to keep the socket.
    pub fn client(&self) -> Option<&Client> {
        self.inner.client()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("users", &self.users())
            .field("client", &self.client())
            .finish_non_exhaustive()
    }
}

/// Two are equal when they share one connection.
impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.inner, &other.inner)
    }
}

impl Eq for Shared {}

/// A use of a [`Shared`] connection; it is a [`Client`] by `Deref`.
#[must_use = "dropping a lease ends the use"]
pub struct Lease {
    client: Client,
    inner: Rc<Inner>,
}

impl Lease {
    fn new(inner: &Rc<Inner>) -> Self {
        inner.input(Leases::acquire);
        Self {
            client: Client::clone(&inner.client),
            inner: Rc::clone(inner),
        }
    }
}

/// One more use.
impl Clone for Lease {
    fn clone(&self) -> Self {
        Self::new(&self.inner)
    }
}

impl Deref for Lease {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.client).finish()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.inner.input(|leases| leases.release(browser::now()));
    }
}

struct Inner {
    /// Made with the first lease.
    client: LazyCell<Client, Box<dyn FnOnce() -> Client>>,
    is_made: Cell<bool>,
    leases: RefCell<Leases>,
    alarm: Alarm,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(client) = self.client() {
            client.close();
        }
    }
}

impl Inner {
    /// The client, if there ever was a lease.
    fn client(&self) -> Option<&Client> {
        self.is_made.get().then(|| &*self.client)
    }

    /// Tells the machine something, then does what it says. Whoever hears of it may lease and
    /// release meanwhile.
    fn input(self: &Rc<Self>, input: impl FnOnce(&mut Leases)) {
        input(&mut self.leases.borrow_mut());
        self.run();
    }

    fn run(self: &Rc<Self>) {
        loop {
            // A statement of its own, so that nothing is borrowed while the output is carried out.
            let output = self.leases.borrow_mut().poll_output();
            match output {
                None => break,
                // A client that is made dials by itself.
                Some(LeaseOutput::Connect) => {
                    if self.is_made.get() {
                        self.client.retry_now();
                    } else {
                        LazyCell::force(&self.client);
                        // Not before: its first event is heard while it is being made.
                        self.is_made.set(true);
                    }
                }
                Some(LeaseOutput::Disconnect) => self.client.close(),
            }
        }
        let deadline = self.leases.borrow().poll_timeout();
        let inner = Rc::downgrade(self);
        self.alarm.set(deadline, move || {
            if let Some(inner) = inner.upgrade() {
                inner.alarm.rang();
                inner.input(|leases| leases.handle_timeout(browser::now()));
            }
        });
    }
}
