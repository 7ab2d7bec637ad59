//! One connection that many use, for as long as any of them does.

use std::cell::{OnceCell, RefCell};
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
/// socket is closed without a grace time.
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
        Self::over(options, Leases::default())
    }

    /// As [`Shared::new`], with another grace time. With zero, a lease that is taken in the same
    /// task in which the last one was dropped still finds the same socket.
    pub fn with_grace(options: Options, grace: Duration) -> Self {
        Self::over(options, Leases::new(grace))
    }

    fn over(options: Options, leases: Leases) -> Self {
        Self {
            inner: Rc::new(Inner {
                options,
                leases: RefCell::new(leases),
                client: OnceCell::new(),
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
        self.inner.client.get()
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
            client: inner.client().clone(),
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
    options: Options,
    leases: RefCell<Leases>,
    client: OnceCell<Client>,
    alarm: Alarm,
}

impl Inner {
    fn client(&self) -> &Client {
        self.client
            .get_or_init(|| Client::connect(self.options.clone(), |_| {}))
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
                // The client is made with the first lease and dials by itself.
                Some(LeaseOutput::Connect) => match self.client.get() {
                    Some(client) => client.retry_now(),
                    None => {
                        self.client();
                    }
                },
                Some(LeaseOutput::Disconnect) => {
                    if let Some(client) = self.client.get() {
                        client.close();
                    }
                }
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
