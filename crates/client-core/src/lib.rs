//! The connection to an API-Gateway-style WebSocket backend as pure state machines.
//!
//! Nothing here knows a browser, a clock or a source of chance. A driver tells each machine what
//! happened and when, does what the machine's outputs say, and sets one timer:
//!
//! - [`Connection`]: one socket, dialled again with full jitter for as long as somebody wants it,
//!   asked for signs of life ([`Heartbeat`]), replaced before its time is over ([`Rollover`]), with
//!   an outbox for what is sent meanwhile;
//! - [`Reconcile`]: asks the backend what changed, after every open and until it is answered;
//! - [`Revisions`] and [`Sequencers`]: what is news, and what came twice or late;
//! - [`Calls`]: requests over the socket and their answers;
//! - [`Leases`]: who uses a connection that many share;
//! - [`Upload`]: one file on its way to the object store.
//!
//! Every input takes the time, and a random number where a delay may be drawn, so a test decides
//! both and a day passes in a millisecond.
//!
//! ```
//! use babelwire_client_core::{Config, Connection, Instant, Jitter, Output, State};
//!
//! let mut connection = Connection::new(Config::default());
//! connection.connect(Instant::from_millis(0));
//! let Some(Output::Dial { generation, .. }) = connection.poll_output() else {
//!     panic!("the driver is told to dial");
//! };
//! connection.handle_opened(Instant::from_millis(80), generation, Jitter::new(0.3));
//! assert_eq!(connection.state(), State::Open { generation });
//! ```
#![deny(missing_docs)]

mod calls;
mod close;
mod connection;
mod event;
mod heartbeat;
mod leases;
mod newest;
mod outbox;
mod reconcile;
mod rollover;
mod tabs;
mod time;
mod upload;

pub use calls::{
    Call, CallError, CallId, CallOptions, Calls, CallsConfig, CorrelationError, Outcome,
    with_correlation,
};
pub use close::{AfterClose, Closed, after_close, meaning};
pub use connection::{Config, Connection};
pub use event::{Cause, Continuity, DialFailure, Event, Generation, Output, StandbyNews, State};
pub use heartbeat::{Heartbeat, Reply, recognise};
pub use leases::{LeaseOutput, Leases};
pub use newest::{Revisions, Sequencers};
pub use outbox::{Discard, OutboxLimits, Payload, Rejection, SendOutcome, Ticket};
pub use reconcile::{Fetch, FetchError, FetchId, Reconcile, ReconcileConfig, ReconcileState};
pub use rollover::Rollover;
pub use tabs::{
    Claim, Details, Submission, Subscription, TabId, TabMessage, TabNews, Tabs, TabsOutput, Term,
};
pub use time::{Backoff, Instant, Jitter};
pub use upload::{Attempt, Upload, UploadConfig, UploadError, UploadOutput, UploadState};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
