//! One file on its way to the object store.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use babelwire_wire::rest::Problem;

use crate::time::{Backoff, Instant, Jitter, Timers};

/// What to be patient about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadConfig {
    /// The delays before sending again after a failure.
    pub backoff: Backoff,
    /// Failures after which the upload is given up; attempts that were lost to
    /// [`Upload::handle_offline`] don't count. By default 10, some two minutes of waiting: longer
    /// than a server takes to restart, shorter than a person's patience with a file that was
    /// deleted after it was chosen.
    pub max_failures: u32,
    /// How long an attempt may go without progress. By default 2 minutes: what a slow line still
    /// has to carry from the system's buffers shows as no progress at all.
    pub stall_timeout: Duration,
}

impl Default for UploadConfig {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            max_failures: 10,
            stall_timeout: Duration::from_secs(120),
        }
    }
}

/// The number of an attempt, from 1. Reports of any but the present one are passed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(u32);

impl Attempt {
    /// The number, from 1.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// Why an attempt, or the upload, failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadError {
    /// No answer: no network, no server, or a file that can no longer be read. Browsers don't
    /// tell which.
    Network,
    /// No progress for [`UploadConfig::stall_timeout`].
    Stalled,
    /// The store answered with an error.
    Status {
        /// The HTTP status.
        status: u16,
        /// What the store has to say, if anything.
        message: Option<String>,
    },
    /// The request cannot be made at all: a method, URL or header that is none.
    Impossible(String),
}

impl UploadError {
    /// What a store's error answer means. Its body may be a problem document (RFC 9457), S3's XML
    /// (`<Error>…<Message>`), or anything else, which is passed over.
    pub fn from_response(status: u16, body: &str) -> Self {
        let message = babelwire_wire::from_json::<Problem>(body)
            .ok()
            .map(|problem| {
                if problem.detail.is_empty() {
                    problem.title
                } else {
                    problem.detail
                }
            })
            .or_else(|| {
                body.split('<')
                    .find_map(|part| part.strip_prefix("Message>"))
                    .map(ToOwned::to_owned)
            })
            .filter(|message| !message.is_empty());
        Self::Status { status, message }
    }

    /// Whether sending the same again may help: after a lost network, and after the statuses that
    /// speak of the server or the moment (5xx, 408, 425, 429), not of the request.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Network | Self::Stalled => true,
            Self::Status { status, .. } => {
                matches!(*status, 500..=599 | 408 | 425 | 429)
            }
            Self::Impossible(_) => false,
        }
    }
}

impl UploadError {
    /// What happened, in a sentence: as `Display`, without the machinery of formatting.
    pub fn describe(&self) -> String {
        match self {
            Self::Network => "The file could not be sent: there is no connection to the store, or \
                              the file can no longer be read."
                .to_owned(),
            Self::Stalled => "The file could not be sent: nothing moved for too long.".to_owned(),
            Self::Status {
                message: Some(message),
                ..
            } => message.clone(),
            Self::Status { status, .. } => {
                let status = status.to_string();
                ["The store refused the file with HTTP status ", &status, "."].concat()
            }
            Self::Impossible(why) => ["The file cannot be sent: ", why, "."].concat(),
        }
    }
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl std::error::Error for UploadError {}

/// Where an upload stands, and what the application hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadState {
    /// Not begun.
    Idle,
    /// Bytes are on their way.
    Sending {
        /// The attempt; each one begins at the first byte again.
        attempt: Attempt,
        /// Bytes that have left.
        sent: u64,
        /// Bytes in all; 0 until the first progress.
        total: u64,
    },
    /// The last attempt failed; the next one is due at `until`.
    Waiting {
        /// Failures so far.
        failures: u32,
        /// How long the whole wait is.
        delay: Duration,
        /// When the next attempt is due.
        until: Instant,
        /// What went wrong.
        error: UploadError,
    },
    /// The machine has no network; the next attempt comes when it has one.
    Offline,
    /// The store has the file.
    Done,
    /// The upload failed for good.
    Failed {
        /// What went wrong.
        error: UploadError,
    },
    /// [`Upload::cancel`] was called.
    Cancelled,
}

impl UploadState {
    /// Whether nothing more will happen.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Done | Self::Failed { .. } | Self::Cancelled)
    }
}

/// What the driver must do, in the order in which [`Upload::poll_output`] gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadOutput {
    /// Send the file, from its first byte.
    Send(Attempt),
    /// End this attempt; nothing more will be heard of it.
    Abort(Attempt),
    /// Tell the application where the upload stands.
    Event(UploadState),
}

#[derive(Clone, Copy)]
enum Timer {
    Stall,
    Retry,
}

impl Timer {
    const COUNT: usize = 2;
}

impl From<Timer> for usize {
    fn from(timer: Timer) -> Self {
        timer as Self
    }
}

/// The state machine of one upload.
///
/// After every call, take all of [`Upload::poll_output`], then set one timer to
/// [`Upload::poll_timeout`].
#[derive(Debug)]
pub struct Upload {
    config: UploadConfig,
    state: UploadState,
    last: Attempt,
    failures: u32,
    online: bool,
    timers: Timers<{ Timer::COUNT }>,
    outputs: VecDeque<UploadOutput>,
}

impl Upload {
    /// An upload that has not begun.
    pub fn new(config: UploadConfig) -> Self {
        Self {
            config,
            state: UploadState::Idle,
            last: Attempt::default(),
            failures: 0,
            online: true,
            timers: Timers::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Where the upload stands.
    pub const fn state(&self) -> &UploadState {
        &self.state
    }

    /// Begins. Whatever the platform says of the network, the first attempt is made: "offline" is
    /// also what a browser calls a machine that has loopback alone.
    pub fn start(&mut self, now: Instant) {
        if self.state == UploadState::Idle {
            self.send(now);
        }
    }

    /// Ends the upload, unless it has ended.
    pub fn cancel(&mut self) {
        if !self.state.is_final() {
            self.abort();
            self.finish(UploadState::Cancelled);
        }
    }

    /// Takes what the platform says of the network before [`Upload::start`]: believed once an
    /// attempt fails.
    pub const fn hint_online(&mut self, online: bool) {
        self.online = online;
    }

    /// Bytes have left.
    pub fn handle_progress(&mut self, now: Instant, attempt: Attempt, sent: u64, total: u64) {
        if self.is_sending(attempt) {
            self.online = true;
            self.timers
                .set(Timer::Stall, now + self.config.stall_timeout);
            self.enter(UploadState::Sending {
                attempt,
                sent,
                total,
            });
        }
    }

    /// The store answered with this HTTP status and body.
    pub fn handle_response(
        &mut self,
        now: Instant,
        attempt: Attempt,
        status: u16,
        body: &str,
        jitter: Jitter,
    ) {
        if !self.is_sending(attempt) {
            return;
        }
        self.online = true;
        if (200..300).contains(&status) {
            self.finish(UploadState::Done);
        } else {
            self.fail(now, UploadError::from_response(status, body), jitter);
        }
    }

    /// The attempt ended without an answer.
    pub fn handle_error(
        &mut self,
        now: Instant,
        attempt: Attempt,
        error: UploadError,
        jitter: Jitter,
    ) {
        if self.is_sending(attempt) {
            self.fail(now, error, jitter);
        }
    }

    /// The machine lost its network.
    pub fn handle_offline(&mut self) {
        self.online = false;
        if matches!(
            self.state,
            UploadState::Sending { .. } | UploadState::Waiting { .. }
        ) {
            self.abort();
            self.timers.stop_all();
            self.enter(UploadState::Offline);
        }
    }

    /// The machine has a network again. An upload that waited for it goes on within
    /// [`Backoff::base`].
    pub fn handle_online(&mut self, now: Instant, jitter: Jitter) {
        self.online = true;
        if self.state == UploadState::Offline {
            self.wait(now, 1, UploadError::Network, jitter);
        }
    }

    /// Does what is due. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant, jitter: Jitter) {
        if self.timers.fired(Timer::Stall, now) {
            self.abort();
            self.fail(now, UploadError::Stalled, jitter);
        } else if self.timers.fired(Timer::Retry, now) {
            self.send(now);
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<UploadOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`Upload::handle_timeout`] next, if at all.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn is_sending(&self, of: Attempt) -> bool {
        matches!(self.state, UploadState::Sending { attempt, .. } if attempt == of)
    }

    fn send(&mut self, now: Instant) {
        self.last = Attempt(self.last.0.saturating_add(1));
        self.timers.stop_all();
        self.timers
            .set(Timer::Stall, now + self.config.stall_timeout);
        self.outputs.push_back(UploadOutput::Send(self.last));
        self.enter(UploadState::Sending {
            attempt: self.last,
            sent: 0,
            total: 0,
        });
    }

    fn fail(&mut self, now: Instant, error: UploadError, jitter: Jitter) {
        self.timers.stop_all();
        self.failures = self.failures.saturating_add(1);
        if !error.is_transient() || self.failures >= self.config.max_failures {
            self.finish(UploadState::Failed { error });
        } else if self.online {
            self.wait(now, self.failures, error, jitter);
        } else {
            self.enter(UploadState::Offline);
        }
    }

    fn wait(&mut self, now: Instant, retry: u32, error: UploadError, jitter: Jitter) {
        let delay = self.config.backoff.delay(retry, jitter);
        let until = now + delay;
        self.timers.set(Timer::Retry, until);
        self.enter(UploadState::Waiting {
            failures: self.failures,
            delay,
            until,
            error,
        });
    }

    fn abort(&mut self) {
        if let UploadState::Sending { attempt, .. } = self.state {
            self.outputs.push_back(UploadOutput::Abort(attempt));
        }
    }

    fn finish(&mut self, state: UploadState) {
        self.timers.stop_all();
        self.enter(state);
    }

    fn enter(&mut self, state: UploadState) {
        self.state = state.clone();
        self.outputs.push_back(UploadOutput::Event(state));
    }
}
