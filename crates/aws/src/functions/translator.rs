//! Translations, for as long as a function may run; what is left then, the next one does.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use babelwire_service::ServiceError;
use babelwire_service::ports::{PortError, Remains, Work, Written};
use lambda_runtime::LambdaEvent;
use serde_json::Value;

use super::{MOST_RECEIVES, batch};
use crate::config::{Settings, SettingsError};
use crate::marks::{Claim, LEASE_RENEWED_EVERY, Leases, Released};
use crate::queue;
use crate::service::Backend;

/// How often somebody who waits for a lease asks for it.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Why an event could not be handled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A port failed, or a message is no work.
    #[error(transparent)]
    Port(#[from] PortError),
    /// An event that is no batch of SQS and no task of ours.
    #[error("this event is neither a batch of SQS nor {{\"task\":\"recover\"}}: {0}")]
    Event(String),
}

/// The function.
#[derive(Clone)]
pub struct Translator {
    backend: Backend,
    leases: Leases,
    margin: Duration,
}

impl Translator {
    /// Over a backend of [`crate::service::Role::Translator`].
    pub fn new(backend: Backend, settings: &Settings) -> Result<Self, SettingsError> {
        let dynamodb = aws_sdk_dynamodb::Client::new(&backend.sdk);
        let clock = Arc::clone(&backend.ports.clock);
        let leases = Leases::new(dynamodb, settings.tables()?.clone(), clock);
        Ok(Self {
            backend,
            leases,
            margin: settings.translate_margin,
        })
    }

    /// Handles a batch of work, and answers which messages failed; or the task of a schedule.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let (event, context) = event.into_parts();
        if event.get("task").and_then(Value::as_str) == Some("recover") {
            self.backend.service.recover().await?;
            return Ok(Value::Null);
        }
        let unknown = || Error::Event(event.to_string().chars().take(200).collect());
        if !event.get("Records").is_some_and(Value::is_array) {
            return Err(unknown());
        }
        let work: SqsEvent = serde_json::from_value(event.clone()).map_err(|_| unknown())?;
        let time = self.time_left(context.deadline);
        let response = batch::each(work, |message| self.one(message, time)).await;
        serde_json::to_value(response).map_err(|error| PortError::new(error).into())
    }

    /// How long to work, of an invocation that ends at `deadline` (milliseconds since 1970).
    fn time_left(&self, deadline: u64) -> Duration {
        let now = self.backend.ports.clock.now().as_millisecond();
        let left = deadline.saturating_sub(u64::try_from(now).unwrap_or_default());
        Duration::from_millis(left).saturating_sub(self.margin)
    }

    async fn one(&self, message: SqsMessage, time: Duration) -> Result<(), Error> {
        let body = message.body.as_deref().unwrap_or_default();
        let receives = batch::receives(&message);
        match queue::from_body(body)? {
            // The name of the lease's holder is the message's: if this invocation is killed, the
            // message comes again when it surely has ended, and who is given it goes on at once.
            // (SQS may give out a message twice at a time, rarely: then two do the same work, which
            // spoils nothing.)
            Work::Translate { id } => {
                let holder = message.message_id.unwrap_or_default();
                self.translate(&id, &holder, receives, time).await
            }
            Work::Sweep(remains) => self.sweep(remains, time).await,
            work @ (Work::Broadcast { .. } | Work::CatchUp { .. } | Work::Show { .. }) => {
                let words = format!("this is work for the notifier, in the wrong queue: {work:?}");
                Err(PortError(words).into())
            }
        }
    }

    async fn translate(
        &self,
        id: &str,
        holder: &str,
        receives: u64,
        time: Duration,
    ) -> Result<(), Error> {
        match self.leases.claim(id, holder).await? {
            Claim::Held => {}
            Claim::Busy => {
                tracing::info!(id, "somebody else is at it, and was told");
                return Ok(());
            }
        }
        if receives >= MOST_RECEIVES {
            // Not tried once more: what kills the function would kill it again, and nobody would
            // say a word.
            self.give_up(id, receives).await;
            let _: Released = self.leases.release(id, holder).await?;
            return Ok(());
        }
        let worked = self.work(id, holder, time).await;
        let released = self.leases.release(id, holder).await;
        let left = worked?;
        if left || released? == Released::Again {
            let id = id.to_owned();
            self.backend
                .ports
                .queue
                .push(Work::Translate { id })
                .await?;
        }
        Ok(())
    }

    /// Translates until there is nothing left, the time is over or the lease is lost. Says whether
    /// something may be left to do.
    async fn work(&self, id: &str, holder: &str, time: Duration) -> Result<bool, Error> {
        let clock = &self.backend.ports.clock;
        let work = Work::Translate { id: id.to_owned() };
        tokio::select! {
            done = self.backend.service.perform(work) => {
                done?;
                Ok(false)
            }
            () = clock.sleep(time) => {
                tracing::info!(id, "the time is over: the next one goes on");
                Ok(true)
            }
            lost = self.keep(id, holder) => {
                tracing::warn!(id, %lost, "stopped: the lease is not ours any more");
                Ok(false)
            }
        }
    }

    /// Renews a lease, and ends when it is another's.
    async fn keep(&self, id: &str, holder: &str) -> &'static str {
        loop {
            self.backend.ports.clock.sleep(LEASE_RENEWED_EVERY).await;
            match self.leases.renew(id, holder).await {
                Ok(Written::Yes) => {}
                Ok(Written::Conflict) => return "another one holds it",
                // It outlasts two of these.
                Err(error) => tracing::warn!(id, %error, "a lease was not renewed"),
            }
        }
    }

    /// Sweeps what a removed translation left, once nobody works on it: who does notices soon.
    async fn sweep(&self, remains: Remains, time: Duration) -> Result<(), Error> {
        let clock = &self.backend.ports.clock;
        let began = clock.now();
        while self.leases.is_held(&remains.id).await? {
            let waited = Duration::try_from(clock.now().duration_since(began)).unwrap_or_default();
            if waited + ASK_EVERY > time {
                self.backend.ports.queue.push(Work::Sweep(remains)).await?;
                return Ok(());
            }
            clock.sleep(ASK_EVERY).await;
        }
        Ok(self.backend.service.perform(Work::Sweep(remains)).await?)
    }

    async fn give_up(&self, id: &str, receives: u64) {
        let tries = receives.saturating_sub(1);
        tracing::error!(id, tries, "given up");
        let words = format!("it was tried {tries} times, and broke off each time");
        let error = ServiceError::from(PortError(words));
        self.backend.service.give_up(id, &error).await;
    }
}
