//! The connections that are open, and the management API over them.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::task::AtomicWaker;
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use crate::{Limits, id};

/// A handle to the open connections: API Gateway's management API, within the process.
///
/// It does what the `@connections` paths do over HTTP, with the same outcomes. It is cheap to
/// clone, and there is one before the gateway is built
/// ([`GatewayBuilder::connections`](crate::GatewayBuilder::connections)), so that handlers can
/// hold it.
#[derive(Clone, Debug)]
pub struct Connections {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Set when the gateway is built: no connection exists before.
    limits: OnceLock<Limits>,
    open: Mutex<HashMap<Arc<str>, Arc<Connection>>>,
    closed_for_new: AtomicBool,
    /// Connections and handlers that have not come to their end.
    busy: watch::Sender<usize>,
}

/// What [`Connections::get_connection`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// When the handshake came.
    pub connected_at: Timestamp,
    /// When the last message passed, in either direction.
    pub last_active_at: Timestamp,
    /// The client's address, if the server was made with
    /// [connect info](axum::Router::into_make_service_with_connect_info).
    pub source_ip: Option<IpAddr>,
    /// The client's `User-Agent`, if it sent one.
    pub user_agent: Option<String>,
}

/// Why a call of the management API failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection is no more: HTTP 410, `GoneException`.
    #[error("the connection is gone")]
    Gone,
    /// The message is above [`Limits::message_size`]: HTTP 413, `PayloadTooLargeException`.
    #[error("the message has {size} bytes, and {limit} is the most")]
    PayloadTooLarge {
        /// Bytes of the message.
        size: usize,
        /// Bytes that it may have.
        limit: usize,
    },
    /// The client does not read what it is sent: HTTP 429, `LimitExceededException`.
    #[error("the client does not read: too much is waiting for it already")]
    LimitExceeded,
    /// This cannot be a connection id, or not a text: HTTP 400, `BadRequestException`.
    #[error("{0}")]
    BadRequest(String),
}

impl Connections {
    pub(crate) fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                limits: OnceLock::new(),
                open: Mutex::default(),
                closed_for_new: AtomicBool::new(false),
                busy: watch::Sender::new(0),
            }),
        }
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        // The builder is consumed by what calls this, so it is called once.
        let _ = self.inner.limits.set(limits);
    }

    /// Sends a text message to a client. It returns when the message is in the connection's
    /// queue, not when the client has it.
    ///
    /// The payload is shared, not copied: clone one [`Bytes`] to send it to many.
    ///
    /// A queue that is full is waited for, [`Limits::post_timeout`] long.
    ///
    /// # Errors
    /// Every one of [`Error`]. A payload that is not UTF-8 is a `BadRequest`: API Gateway has
    /// text frames only.
    pub async fn post_to_connection(
        &self,
        connection_id: &str,
        data: impl Into<Bytes>,
    ) -> Result<(), Error> {
        let connection = self.find(connection_id)?;
        let limits = self.inner.limits.get().ok_or(Error::Gone)?;
        let text = text(data.into(), limits)?;
        tokio::time::timeout(limits.post_timeout, connection.enqueue(text))
            .await
            .unwrap_or(Err(Error::LimitExceeded))
    }

    /// Tells about a connection.
    ///
    /// # Errors
    /// `Gone` or `BadRequest`.
    pub fn get_connection(&self, connection_id: &str) -> Result<ConnectionInfo, Error> {
        Ok(self.find(connection_id)?.info())
    }

    /// Closes a connection with 1000, after what was posted to it before. It is gone at once.
    ///
    /// # Errors
    /// `Gone` or `BadRequest`.
    pub fn delete_connection(&self, connection_id: &str) -> Result<(), Error> {
        let connection = self.find(connection_id)?;
        self.remove(connection_id);
        connection.close(Closing {
            code: 1000,
            reason: "",
        });
        Ok(())
    }

    /// The ids of the connections that are open.
    pub fn ids(&self) -> Vec<Arc<str>> {
        self.open().keys().cloned().collect()
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.open().len()
    }

    /// Whether no connection is open.
    pub fn is_empty(&self) -> bool {
        self.open().is_empty()
    }

    /// Ends all: new handshakes get 503, every open connection is sent what waits for it and
    /// then 1001 `Going away`, and `$disconnect` runs for each.
    ///
    /// It returns when all of that is done and no handler runs any more, or after `wait`, and
    /// then says with `false` that something was cut short.
    pub async fn shutdown(&self, wait: Duration) -> bool {
        self.inner.closed_for_new.store(true, Ordering::SeqCst);
        let open = std::mem::take(&mut *self.open());
        tracing::debug!(connections = open.len(), "closing every connection");
        for connection in open.into_values() {
            connection.close(Closing::GOING_AWAY);
        }
        let mut busy = self.inner.busy.subscribe();
        tokio::time::timeout(wait, busy.wait_for(|busy| *busy == 0))
            .await
            .is_ok()
    }

    /// Counts a connection or a handler as under way for as long as the token lives.
    pub(crate) fn busy(&self) -> Busy {
        self.inner.busy.send_modify(|busy| *busy += 1);
        Busy(self.clone())
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.inner.closed_for_new.load(Ordering::SeqCst)
    }

    /// Makes a connection known. From here on it can be posted to.
    pub(crate) fn insert(&self, connection: &Arc<Connection>) {
        let closing = {
            // Under the lock, a shutdown either sees this connection or is seen here.
            let mut open = self.open();
            if self.is_shut_down() {
                true
            } else {
                open.insert(connection.id.clone(), connection.clone());
                false
            }
        };
        if closing {
            connection.close(Closing::GOING_AWAY);
        }
    }

    pub(crate) fn remove(&self, connection_id: &str) {
        self.open().remove(connection_id);
    }

    fn find(&self, connection_id: &str) -> Result<Arc<Connection>, Error> {
        if !id::is_connection_id(connection_id) {
            return Err(Error::BadRequest(format!(
                "Invalid connectionId: {connection_id}"
            )));
        }
        self.open().get(connection_id).cloned().ok_or(Error::Gone)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Connection>>> {
        self.inner
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Connections::busy`].
#[derive(Debug)]
pub(crate) struct Busy(Connections);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.inner.busy.send_modify(|busy| *busy -= 1);
    }
}

/// A payload as a message: UTF-8, and not above the limit.
pub(crate) fn text(data: Bytes, limits: &Limits) -> Result<Bytes, Error> {
    if data.len() > limits.message_size {
        return Err(Error::PayloadTooLarge {
            size: data.len(),
            limit: limits.message_size,
        });
    }
    match std::str::from_utf8(&data) {
        Ok(_) => Ok(data),
        Err(error) => Err(Error::BadRequest(format!(
            "the message is not text: {error}"
        ))),
    }
}

/// A close frame that the gateway is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

impl Closing {
    pub(crate) const GOING_AWAY: Self = Self {
        code: 1001,
        reason: "Going away",
    };
}

/// What the world shares with the task that owns a connection's socket.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: Arc<str>,
    pub(crate) connected_at: Timestamp,
    pub(crate) source_ip: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
    /// The Host that the client asked for.
    pub(crate) domain_name: String,
    /// What the authorizer said of the client, if there is one.
    pub(crate) authorizer: OnceLock<HashMap<String, serde_json::Value>>,
    last_active_at: AtomicI64,
    handlers: AtomicUsize,
    outgoing: Mutex<Outgoing>,
    /// Room in the queue, in messages and in bytes. Closed when the connection takes no more.
    slots: Semaphore,
    room: Semaphore,
    queue_bytes: usize,
    /// The task, to be woken when there is something to send or a handler is done.
    task: AtomicWaker,
}

#[derive(Debug, Default)]
struct Outgoing {
    queue: VecDeque<Bytes>,
    closing: Option<Closing>,
}

impl Connection {
    pub(crate) fn new(
        id: Arc<str>,
        connected_at: Timestamp,
        source_ip: Option<IpAddr>,
        user_agent: Option<String>,
        domain_name: String,
        limits: &Limits,
    ) -> Self {
        Self {
            id,
            connected_at,
            source_ip,
            user_agent,
            domain_name,
            authorizer: OnceLock::new(),
            last_active_at: AtomicI64::new(connected_at.as_millisecond()),
            handlers: AtomicUsize::new(0),
            outgoing: Mutex::default(),
            slots: Semaphore::new(limits.queue_messages),
            room: Semaphore::new(limits.queue_bytes),
            queue_bytes: limits.queue_bytes,
            task: AtomicWaker::new(),
        }
    }

    /// Puts a message into the queue, however long the wait for room. Those who wait get
    /// their turn in the order in which they came.
    pub(crate) async fn enqueue(&self, text: Bytes) -> Result<(), Error> {
        let slot = self.slots.acquire().await.map_err(|_closed| Error::Gone)?;
        let room = self
            .room
            .acquire_many(self.cost(&text))
            .await
            .map_err(|_closed| Error::Gone)?;
        {
            let mut outgoing = self.outgoing();
            if outgoing.closing.is_some() {
                return Err(Error::Gone);
            }
            outgoing.queue.push_back(text);
        }
        slot.forget();
        room.forget();
        self.task.wake();
        Ok(())
    }

    /// The next message to send. Its room is taken until it is given to [`Self::sent`].
    pub(crate) fn next_outgoing(&self) -> Option<Bytes> {
        self.outgoing().queue.pop_front()
    }

    /// Gives back the room of a message with this many bytes.
    pub(crate) fn sent(&self, cost: u32) {
        self.touch();
        self.slots.add_permits(1);
        self.room.add_permits(cost as usize);
    }

    /// The room a message takes. One that is larger than all the room takes all of it.
    pub(crate) fn cost(&self, text: &Bytes) -> u32 {
        u32::try_from(text.len().min(self.queue_bytes)).unwrap_or(u32::MAX)
    }

    /// Takes no more messages and has the task end the connection. The first reason stays.
    pub(crate) fn close(&self, closing: Closing) {
        self.outgoing().closing.get_or_insert(closing);
        self.slots.close();
        self.room.close();
        self.task.wake();
    }

    pub(crate) fn closing(&self) -> Option<Closing> {
        self.outgoing().closing
    }

    /// Has the task that polls be woken by whatever happens here.
    pub(crate) fn register(&self, waker: &std::task::Waker) {
        self.task.register(waker);
    }

    pub(crate) fn handler_begins(&self) {
        self.handlers.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn handler_ends(&self) {
        self.handlers.fetch_sub(1, Ordering::AcqRel);
        self.task.wake();
    }

    pub(crate) fn handlers(&self) -> usize {
        self.handlers.load(Ordering::Acquire)
    }

    /// Notes that a message passed.
    pub(crate) fn touch(&self) {
        self.last_active_at
            .store(Timestamp::now().as_millisecond(), Ordering::Relaxed);
    }

    fn info(&self) -> ConnectionInfo {
        let last_active_at = self.last_active_at.load(Ordering::Relaxed);
        ConnectionInfo {
            connected_at: self.connected_at,
            last_active_at: Timestamp::from_millisecond(last_active_at)
                .unwrap_or(self.connected_at),
            source_ip: self.source_ip,
            user_agent: self.user_agent.clone(),
        }
    }

    fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
