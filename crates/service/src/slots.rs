//! The translator's slots, shared fairly.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;

/// A semaphore that serves in strict order of asking. A job that has one request waiting at a
/// time goes to the end of the line with its next one, so jobs take turns, whatever their size.
#[derive(Debug, Clone)]
pub(crate) struct Slots(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    waiting: VecDeque<oneshot::Sender<Slot>>,
}

/// One slot; dropped, it goes to the next in line.
#[derive(Debug)]
pub(crate) struct Slot(Option<Slots>);

impl Slots {
    pub(crate) fn new(free: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: free.max(1),
            waiting: VecDeque::new(),
        })))
    }

    /// Waits for a slot. Dropped while it waits, it loses its place and nothing else.
    pub(crate) async fn acquire(&self) -> Slot {
        let waiting = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.free > 0 {
                state.free -= 1;
                return Slot(Some(self.clone()));
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push_back(sender);
            receiver
        };
        match waiting.await {
            Ok(slot) => slot,
            // The sender lives in the line until it has sent.
            Err(oneshot::Canceled) => futures::future::pending().await,
        }
    }

    fn release(&self) {
        loop {
            let next = {
                let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(next) = state.waiting.pop_front() else {
                    state.free += 1;
                    return;
                };
                next
            };
            match next.send(Slot(Some(self.clone()))) {
                Ok(()) => return,
                // It gave up: the slot comes back, and must not release itself while we do.
                Err(mut slot) => slot.0 = None,
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(slots) = self.0.take() {
            slots.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn who_asked_first_is_served_first() {
        let slots = Slots::new(1);
        let held = block_on(slots.acquire());
        let mut first = Box::pin(slots.acquire());
        let mut second = Box::pin(slots.acquire());
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        drop(held);
        assert!(second.as_mut().now_or_never().is_none());
        let held = first.now_or_never().unwrap();
        drop(held);
        assert!(second.now_or_never().is_some());
    }

    #[test]
    fn who_gives_up_leaves_the_slot_to_the_next() {
        let slots = Slots::new(1);
        let held = block_on(slots.acquire());
        let mut gone = Box::pin(slots.acquire());
        let mut patient = Box::pin(slots.acquire());
        assert!(gone.as_mut().now_or_never().is_none());
        assert!(patient.as_mut().now_or_never().is_none());
        drop(gone);
        drop(held);
        drop(patient.now_or_never().unwrap());
        assert!(slots.acquire().now_or_never().is_some());
    }

    #[test]
    fn who_gives_up_with_the_slot_in_hand_gives_it_back() {
        let slots = Slots::new(1);
        let held = block_on(slots.acquire());
        let mut gone = Box::pin(slots.acquire());
        assert!(gone.as_mut().now_or_never().is_none());
        drop(held);
        drop(gone);
        assert!(slots.acquire().now_or_never().is_some());
    }
}
