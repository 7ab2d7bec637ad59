use std::time::Duration;

/// What one connection, one message and one handler may use.
///
/// The defaults are the quotas of the real service where it has one (AWS, *Quotas for
/// configuring and running a WebSocket API in API Gateway*); the others bound what a process
/// on one machine holds in memory. Every limit can be set, so that a test needs no ten minutes.
///
/// ```
/// use std::time::Duration;
/// use babelwire_gateway::Limits;
///
/// let limits = Limits { idle_timeout: Duration::from_millis(200), ..Limits::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time without traffic after which a connection is closed with 1001 `Going away`.
    ///
    /// Every frame from the client counts as traffic, pings and pongs included, and so does
    /// every message to the client once it is written to the network.
    ///
    /// Default: 10 minutes (AWS quota *Idle connection timeout*).
    pub idle_timeout: Duration,

    /// Time after the handshake at which a connection is closed with 1001 `Going away`,
    /// whatever its traffic.
    ///
    /// Default: 2 hours (AWS quota *Connection duration for WebSocket API*).
    pub max_duration: Duration,

    /// Largest payload of one frame from the client, in bytes. Above it: close 1009.
    ///
    /// Default: 32,768 (AWS quota *WebSocket frame size*).
    pub frame_size: usize,

    /// Largest payload of one message, in bytes, in both directions. A client that sends more
    /// is closed with 1009; a post of more gets [`Error::PayloadTooLarge`](crate::Error).
    ///
    /// Default: 131,072 (AWS quota *Message payload size*).
    pub message_size: usize,

    /// Time a handler has for one event. When it is over, the handler is dropped at its next
    /// `await`, and the client gets `Endpoint request timed out`.
    ///
    /// Default: 29 seconds (AWS quota *Integration timeout*).
    pub integration_timeout: Duration,

    /// Events of one connection that may be in handlers at one time. When so many are, nothing
    /// more is read from that connection until one is done.
    ///
    /// Default: 16. API Gateway invokes side by side as well; its bound is Lambda's concurrency.
    pub handlers_in_flight: usize,

    /// Messages that may wait for one client to read them.
    ///
    /// Default: 256. Own choice: API Gateway does not publish its bound.
    pub queue_messages: usize,

    /// Bytes of messages that may wait for one client to read them.
    ///
    /// Default: 524,288, four messages of the largest size. Own choice, as above.
    pub queue_bytes: usize,

    /// Time a post waits for room in a full queue before it fails with
    /// [`Error::LimitExceeded`](crate::Error).
    ///
    /// Default: 1 second. Own choice, as above.
    pub post_timeout: Duration,

    /// Time a client has to answer a close frame before its connection is dropped.
    ///
    /// Default: 5 seconds. Own choice: RFC 6455 section 7.1.1 asks for "a reasonable time".
    pub close_timeout: Duration,

    /// Read buffer of one connection, in bytes. It is what an idle connection holds, so it
    /// decides how much memory many of them need; it grows for larger frames.
    ///
    /// Default: 4,096. The WebSocket library's own default is 131,072.
    pub read_buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(10 * 60),
            max_duration: Duration::from_secs(2 * 60 * 60),
            frame_size: 32 * 1024,
            message_size: 128 * 1024,
            integration_timeout: Duration::from_secs(29),
            handlers_in_flight: 16,
            queue_messages: 256,
            queue_bytes: 512 * 1024,
            post_timeout: Duration::from_secs(1),
            close_timeout: Duration::from_secs(5),
            read_buffer: 4 * 1024,
        }
    }
}

impl Limits {
    /// The first limit that would let nothing through, or that cannot be counted.
    pub(crate) fn unusable(&self) -> Option<&'static str> {
        let counts = [
            ("frame_size", self.frame_size),
            ("message_size", self.message_size),
            ("handlers_in_flight", self.handlers_in_flight),
            ("queue_messages", self.queue_messages),
            ("queue_bytes", self.queue_bytes),
            ("read_buffer", self.read_buffer),
        ];
        let times = [
            ("idle_timeout", self.idle_timeout),
            ("max_duration", self.max_duration),
            ("integration_timeout", self.integration_timeout),
        ];
        // Room is counted by semaphores, whose batches are 32 bits wide.
        let countable = 1..=(u32::MAX as usize >> 3);
        counts
            .into_iter()
            .find(|(_, count)| !countable.contains(count))
            .map(|(name, _)| name)
            .or_else(|| {
                times
                    .into_iter()
                    .find(|(_, time)| time.is_zero())
                    .map(|(name, _)| name)
            })
    }
}
