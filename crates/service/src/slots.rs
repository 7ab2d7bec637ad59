//! The translator's slots, shared fairly.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;

/// How many urgent requests are served in a row while others wait.
const URGENT_IN_A_ROW: usize = 3;

/// A semaphore with two lines, each served in strict order of asking. A job that has one request
/// waiting at a time goes to the end of the line with its next one, so jobs take turns, whatever
/// their size. The urgent line comes first, but every fourth slot is the other line's.
#[derive(Debug, Clone)]
pub(crate) struct Slots(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    urgent: VecDeque<oneshot::Sender<Slot>>,
    waiting: VecDeque<oneshot::Sender<Slot>>,
    urgent_in_a_row: usize,
}

impl State {
    fn next(&mut self) -> Option<oneshot::Sender<Slot>> {
        let is_others_turn = self.urgent_in_a_row >= URGENT_IN_A_ROW && !self.waiting.is_empty();
        if !is_others_turn && let Some(next) = self.urgent.pop_front() {
            self.urgent_in_a_row += 1;
            return Some(next);
        }
        self.urgent_in_a_row = 0;
        self.waiting.pop_front()
    }
}

/// One slot; dropped, it goes to the next in line.
#[derive(Debug)]
pub(crate) struct Slot(Option<Slots>);

impl Slots {
    pub(crate) fn new(free: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: free.max(1),
            urgent: VecDeque::new(),
            waiting: VecDeque::new(),
            urgent_in_a_row: 0,
        })))
    }

    /// Waits for a slot. Dropped while it waits, it loses its place and nothing else.
    pub(crate) async fn acquire(&self) -> Slot {
        self.wait(|state| &mut state.waiting).await
    }

    /// The same, before all who are not in such a hurry.
    pub(crate) async fn acquire_urgently(&self) -> Slot {
        self.wait(|state| &mut state.urgent).await
    }

    async fn wait(
        &self,
        line: impl Fn(&mut State) -> &mut VecDeque<oneshot::Sender<Slot>>,
    ) -> Slot {
        let waiting = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.free > 0 {
                state.free -= 1;
                return Slot(Some(self.clone()));
            }
            let (sender, receiver) = oneshot::channel();
            line(&mut state).push_back(sender);
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
                let Some(next) = state.next() else {
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
    fn the_urgent_come_first_and_the_others_are_not_forgotten() {
        let slots = Slots::new(1);
        let mut held = Some(block_on(slots.acquire()));
        let mut waiting: Vec<_> = (0..12)
            .map(|n| {
                let slots = slots.clone();
                let slot = async move {
                    if n < 3 {
                        slots.acquire().await
                    } else {
                        slots.acquire_urgently().await
                    }
                };
                Some(slot.boxed())
            })
            .collect();
        for slot in waiting.iter_mut().flatten() {
            assert!(slot.as_mut().now_or_never().is_none());
        }
        let mut order = Vec::new();
        while order.len() < 12 {
            drop(held.take());
            for (n, slot) in waiting.iter_mut().enumerate() {
                if let Some(served) = slot.as_mut().and_then(|slot| slot.as_mut().now_or_never()) {
                    held = Some(served);
                    *slot = None;
                    order.push(n);
                    break;
                }
            }
        }
        assert_eq!(order, [3, 4, 5, 0, 6, 7, 8, 1, 9, 10, 11, 2]);
    }

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
