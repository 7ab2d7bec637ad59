//! Who hears the events of a connection.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use babelwire_client_core::Event;

/// Whoever hears events.
pub(crate) trait Ear: Any {
    /// Hears an event; whether it is nothing for those that come after.
    fn hear(&self, event: &Event) -> bool;
}

impl<F: Fn(&Event) -> bool + 'static> Ear for F {
    fn hear(&self, event: &Event) -> bool {
        self(event)
    }
}

type Last = Rc<dyn Fn(Event)>;

/// The callback that a client was made with, and whoever listens beside it.
pub(crate) struct Ears {
    last: RefCell<Option<Last>>,
    /// In the order of their numbers, which is the order in which they hear.
    others: RefCell<Vec<(i64, Rc<dyn Ear>)>>,
    added: Cell<i64>,
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
        let mut next = i64::MIN;
        loop {
            // A statement of its own, so that nothing is borrowed while somebody hears.
            let ear = self
                .others
                .borrow()
                .iter()
                .find(|(number, _)| *number >= next)
                .cloned();
            let Some((number, ear)) = ear else { break };
            if ear.hear(&event) {
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

    /// The one of this kind, which hears before everybody that is there, and stays until the end.
    pub(crate) fn one_of_a_kind<E: Ear>(&self, make: impl FnOnce() -> E) -> Rc<E> {
        let kept = self.others.borrow().iter().find_map(|(_, ear)| {
            let ear: Rc<dyn Any> = Rc::<dyn Ear>::clone(ear);
            ear.downcast().ok()
        });
        kept.unwrap_or_else(|| {
            let ear = Rc::new(make());
            let mut others = self.others.borrow_mut();
            let first = others.first().map_or(0, |(number, _)| *number);
            others.insert(0, (first.min(0) - 1, Rc::<E>::clone(&ear)));
            ear
        })
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
    number: i64,
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
