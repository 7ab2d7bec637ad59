//! Events as streams, each over a queue of its own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use babelwire_client_core::{Event, State};
use futures_core::stream::{FusedStream, Stream};

use crate::connection::Client;
use crate::ears::Listener;

/// How many items a stream keeps for a consumer that is busy. More of them drop the oldest, and
/// the consumer is told how many: see [`Missed`].
pub const STREAM_ITEMS: usize = 4096;

/// How many bytes of frames a stream keeps for a consumer that is busy: 8 MiB. What is above drops
/// the oldest items, and the consumer is told how many: see [`Missed`].
pub const STREAM_BYTES: usize = 8 * 1024 * 1024;

/// The consumer of a stream did not keep up: that many items are missing here.
///
/// A stream keeps [`STREAM_ITEMS`] items and [`STREAM_BYTES`] bytes of frames, and drops the oldest
/// ones beyond: a page that waits for something else must not fill its memory meanwhile. Whoever
/// relies on having seen everything asks the backend what changed, as after a lost connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed(pub u64);

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} items came faster than they were taken, and are gone. Ask the backend what changed.",
            self.0
        )
    }
}

impl std::error::Error for Missed {}

impl Client {
    /// Every event from here on, as a stream.
    ///
    /// It ends when the last handle of the client is dropped, and does not keep the connection up
    /// by itself. Dropping it ends the listening.
    ///
    /// ```no_run
    /// # async fn example(client: babelwire_client::Client) {
    /// use babelwire_client::Event;
    ///
    /// let mut events = client.events();
    /// while let Some(event) = events.next().await {
    ///     match event {
    ///         Ok(Event::Opened { continuity, .. }) => println!("open: {continuity:?}"),
    ///         Ok(_) => {}
    ///         Err(missed) => println!("{missed}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn events(&self) -> Events {
        Events(Tap::new(self, None, |event| {
            Some((event.clone(), bytes_of(event)))
        }))
    }

    /// The present state first, then every state that is entered, as a stream.
    ///
    /// It ends when the last handle of the client is dropped, and does not keep the connection up
    /// by itself. Dropping it ends the listening.
    ///
    /// ```no_run
    /// # async fn example(client: babelwire_client::Client) {
    /// let mut statuses = client.statuses();
    /// while let Some(status) = statuses.next().await {
    ///     // The newest are kept whatever happens, so the last one is always the present one.
    ///     if let Ok(state) = status {
    ///         println!("{}", state.as_str());
    ///     }
    /// }
    /// # }
    /// ```
    pub fn statuses(&self) -> Statuses {
        Statuses(Tap::new(self, Some(self.state()), |event| match event {
            Event::Changed { to, .. } => Some((*to, 0)),
            _ => None,
        }))
    }
}

/// The bytes that an event keeps in memory beyond its own size.
fn bytes_of(event: &Event) -> usize {
    match event {
        Event::Frame { payload, .. }
        | Event::Sent { payload, .. }
        | Event::Discarded { payload, .. } => payload.bytes(),
        _ => 0,
    }
}

/// What came and was not taken yet.
struct Queue<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    missed: u64,
    ended: bool,
    waker: Option<Waker>,
}

impl<T> Queue<T> {
    const fn new() -> Self {
        Self {
            items: VecDeque::new(),
            bytes: 0,
            missed: 0,
            ended: false,
            waker: None,
        }
    }

    fn push(&mut self, item: T, bytes: usize) {
        self.items.push_back((item, bytes));
        self.bytes += bytes;
        while self.items.len() > STREAM_ITEMS || self.bytes > STREAM_BYTES && self.items.len() > 1 {
            drop(self.pop());
            self.missed += 1;
        }
    }

    fn pop(&mut self) -> Option<T> {
        let (item, bytes) = self.items.pop_front()?;
        self.bytes -= bytes;
        Some(item)
    }
}

/// The end of a queue that is filled. The queue ends with it.
struct Feed<T>(Rc<RefCell<Queue<T>>>);

impl<T> Feed<T> {
    /// Changes the queue and wakes its consumer.
    fn change(&self, change: impl FnOnce(&mut Queue<T>)) {
        let mut queue = self.0.borrow_mut();
        change(&mut queue);
        let waker = queue.waker.take();
        // With nothing borrowed: some executors run what they wake.
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Feed<T> {
    fn drop(&mut self) {
        self.change(|queue| queue.ended = true);
    }
}

/// Some of a client's events in a queue, for as long as it is held.
pub(crate) struct Tap<T> {
    queue: Rc<RefCell<Queue<T>>>,
    _listener: Listener,
}

impl<T: 'static> Tap<T> {
    /// What `pick` takes of each event, with its size in bytes, after `first`.
    pub(crate) fn new(
        client: &Client,
        first: Option<T>,
        pick: impl Fn(&Event) -> Option<(T, usize)> + 'static,
    ) -> Self {
        let queue = Rc::new(RefCell::new(Queue::new()));
        if let Some(first) = first {
            queue.borrow_mut().push(first, 0);
        }
        let feed = Feed(Rc::clone(&queue));
        let listener = client.listen(move |event| {
            if let Some((item, bytes)) = pick(event) {
                feed.change(|queue| queue.push(item, bytes));
            }
        });
        Self {
            queue,
            _listener: listener,
        }
    }

    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<T, Missed>>> {
        let mut queue = self.queue.borrow_mut();
        if queue.missed > 0 {
            return Poll::Ready(Some(Err(Missed(std::mem::take(&mut queue.missed)))));
        }
        match queue.pop() {
            Some(item) => Poll::Ready(Some(Ok(item))),
            None if queue.ended => Poll::Ready(None),
            None => {
                queue.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        let queue = self.queue.borrow();
        queue.ended && queue.items.is_empty() && queue.missed == 0
    }
}

/// The events of a [`Client`]: see [`Client::events`].
#[must_use = "a stream that nobody polls keeps events for nothing"]
pub struct Events(Tap<Event>);

/// The states of a [`Client`]: see [`Client::statuses`].
#[must_use = "a stream that nobody polls keeps states for nothing"]
pub struct Statuses(Tap<State>);

macro_rules! stream {
    ($stream:ident, $item:ty) => {
        impl $stream {
            /// The next item; `None` once the client is gone.
            pub async fn next(&mut self) -> Option<Result<$item, Missed>> {
                poll_fn(|context| self.0.poll(context)).await
            }
        }

        impl Stream for $stream {
            type Item = Result<$item, Missed>;

            fn poll_next(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<Option<Self::Item>> {
                self.0.poll(context)
            }
        }

        impl FusedStream for $stream {
            fn is_terminated(&self) -> bool {
                self.0.is_over()
            }
        }

        impl fmt::Debug for $stream {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($stream)).finish_non_exhaustive()
            }
        }
    };
}

stream!(Events, Event);
stream!(Statuses, State);

#[cfg(test)]
mod tests {
    use super::*;

    fn all<T>(queue: &mut Queue<T>) -> (u64, Vec<T>) {
        (queue.missed, std::iter::from_fn(|| queue.pop()).collect())
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_and_are_counted() {
        let mut queue = Queue::new();
        for item in 0..STREAM_ITEMS + 3 {
            queue.push(item, 0);
        }
        let (missed, kept) = all(&mut queue);
        assert_eq!(missed, 3);
        assert_eq!(kept, (3..STREAM_ITEMS + 3).collect::<Vec<_>>());
    }

    #[test]
    fn the_oldest_go_when_they_are_too_large_together() {
        let mut queue = Queue::new();
        for item in 0..5 {
            queue.push(item, STREAM_BYTES / 4);
        }
        assert_eq!(all(&mut queue), (1, vec![1, 2, 3, 4]));
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn the_newest_stays_however_large_it_is() {
        let mut queue = Queue::new();
        queue.push("small", 1);
        queue.push("large", STREAM_BYTES + 1);
        assert_eq!(all(&mut queue), (1, vec!["large"]));
    }
}
