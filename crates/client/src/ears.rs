//! Who hears the events of a connection.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use babelwire_client_core::Event;

/// Hears an event; whether it is nothing for those that come after.
type Ear = Rc<dyn Fn(&Event) -> bool>;

/// The callback that a client was made with, and whoever listens beside it.
pub(crate) struct Ears {
    last: RefCell<Option<Rc<dyn Fn(Event)>>>,
    others: RefCell<Vec<(u64, Ear)>>,
    added: Cell<u64>,
}

impl Ears {
    pub(crate) fn new(last: impl Fn(Event) + 'static) -> Self {
        Self {
            last: RefCell::new(Some(Rc::new(last))),
            others: RefCell::default(),
            added: Cell::default(),
        }
    }

    /// Everybody hears, those that listen beside first and the callback last. Any of them may
    /// come and go meanwhile.
    pub(crate) fn hear(&self, event: Event) {
        let mut next = 0;
        loop {
            // A statement of its own, so that nothing is borrowed while somebody hears.
            let ear = self
                .others
                .borrow()
                .iter()
                .find(|(number, _)| *number >= next)
                .cloned();
            let Some((number, ear)) = ear else { break };
            if ear(&event) {
                return;
            }
            next = number + 1;
        }
        let last = self.last.borrow().clone();
        if let Some(last) = last {
            last(event);
        }
    }

    /// Hears everything from now on, for as long as the result is held.
    pub(crate) fn listen(self: &Rc<Self>, ear: impl Fn(&Event) -> bool + 'static) -> Listener {
        let number = self.added.get();
        self.added.set(number + 1);
        self.others.borrow_mut().push((number, Rc::new(ear)));
        Listener {
            ears: Rc::downgrade(self),
            number,
        }
    }

    /// Nobody hears anything any more.
    pub(crate) fn close(&self) {
        drop(self.last.take());
        drop(self.others.take());
    }
}

/// Listens to the events of a [`Client`](crate::Client) for as long as it is held.
#[must_use = "dropping it ends the listening"]
pub struct Listener {
    ears: Weak<Ears>,
    number: u64,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(ears) = self.ears.upgrade() {
            let mut others = ears.others.borrow_mut();
            let place = others.iter().position(|(number, _)| *number == self.number);
            let ear = place.map(|place| others.remove(place));
            // With nothing borrowed: what it owned may listen too.
            drop(others);
            drop(ear);
        }
    }
}
