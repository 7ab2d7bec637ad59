//! What clients ask for over the WebSocket.

use std::ops::Range;

use babelwire_wire::{Action, Push, limits};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::broadcast::PATIENCE_WITHIN_A_HANDLER;
use crate::ports::{Connection, Owner, Subscriber, Work, Written};
use crate::service::{Service, ServiceError};

/// What the sender of an action that makes no sense receives. Its `type` is none that carries
/// news, so pages show it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorFrame {
    /// `error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The action that was asked for.
    pub action: String,
    /// What is wrong with it, and what to do.
    pub detail: String,
}

impl Service {
    /// A client connected, on behalf of an owner.
    pub async fn connected(&self, connection: &str, owner: &Owner) -> Result<(), ServiceError> {
        let connection = Connection {
            id: connection.to_owned(),
            owner: owner.clone(),
            connected_at: self.ports.clock.now(),
        };
        Ok(self.ports.records.connect(&connection).await?)
    }

    /// A client went.
    pub async fn disconnected(&self, connection: &str) -> Result<(), ServiceError> {
        self.forget_connection(connection).await
    }

    /// A client sent a frame with an action. The answer, if there is one, is for the sender
    /// alone. A frame that makes no sense is answered in words and is no error.
    pub async fn action(
        &self,
        connection: &str,
        body: &str,
    ) -> Result<Option<String>, ServiceError> {
        let refused = match serde_json::from_str::<Action>(body) {
            Ok(Action::EchoMessage { data }) => {
                if let Some(connection) = self.ports.records.connection(connection).await? {
                    let patience = PATIENCE_WITHIN_A_HANDLER;
                    self.deliver(&connection.owner, Bytes::from(data), patience)
                        .await?;
                }
                None
            }
            Ok(Action::Ping { data }) => return json(&Push::Pong { data }).map(Some),
            Ok(Action::Subscribe {
                translation_id,
                from,
            }) => self.subscribe(connection, translation_id, from).await?,
            Ok(Action::Look {
                translation_id,
                from,
                to,
                view,
            }) => {
                self.look(connection, translation_id, from..to, &view)
                    .await?
            }
            Ok(Action::Unsubscribe {
                translation_id,
                view,
            }) => {
                let looks = &self.ports.looks;
                looks
                    .end(&translation_id, connection, view.as_deref())
                    .await?;
                if view.is_none() {
                    let records = &self.ports.records;
                    records.unsubscribe(&translation_id, connection).await?;
                }
                None
            }
            Err(error) => Some(words(&error)),
        };
        let Some(detail) = refused else {
            return Ok(None);
        };
        let action = serde_json::from_str::<Value>(body)
            .ok()
            .and_then(|value| Some(value.get("action")?.as_str()?.to_owned()))
            .unwrap_or_default();
        json(&ErrorFrame {
            kind: "error".to_owned(),
            action,
            detail,
        })
        .map(Some)
    }

    /// Forgets a connection with all that it listens to and looks at.
    pub(crate) async fn forget_connection(&self, connection: &str) -> Result<(), ServiceError> {
        let forgotten = self.ports.records.disconnect(connection).await;
        // After the table: a look that begins meanwhile finds the connection gone.
        self.ports.looks.disconnect(connection).await?;
        Ok(forgotten?)
    }

    /// Whether a connection is there, and a translation is its owner's.
    async fn may_follow(&self, connection: &str, id: &str) -> Result<May, ServiceError> {
        let records = &self.ports.records;
        let (connection, record) =
            futures::try_join!(records.connection(connection), records.get(id))?;
        let Some(connection) = connection else {
            return Ok(May::Gone);
        };
        let is_own = record.is_some_and(|record| record.owner == connection.owner);
        Ok(if is_own { May::Follow } else { May::NotFind })
    }

    async fn look(
        &self,
        connection: &str,
        id: String,
        range: Range<u64>,
        view: &str,
    ) -> Result<Option<String>, ServiceError> {
        if range.is_empty() {
            return Ok(Some(format!(
                "Nothing is looked at: `to` ({}) must be above `from` ({}).",
                range.end, range.start
            )));
        }
        if view.len() > limits::VIEW_BYTES {
            return Ok(Some(format!(
                "`view` has {} bytes, and {} is the most: shorten it.",
                view.len(),
                limits::VIEW_BYTES
            )));
        }
        match self.may_follow(connection, &id).await? {
            May::Follow => {}
            May::NotFind => return Ok(Some(no_such_translation(&id))),
            May::Gone => return Ok(None),
        }
        let end = range.start.saturating_add(limits::LOOK_SEGMENTS);
        let range = range.start..range.end.min(end);
        let most = self.limits.subscriptions;
        let looks = &self.ports.looks;
        let looked = looks
            .look(&id, connection, view, range.clone(), most)
            .await?;
        if looked == Written::Conflict {
            return Ok(Some(format!(
                "A connection can look at {most} translations at a time: unsubscribe from one \
                 first."
            )));
        }
        // It may have gone meanwhile, and nobody would end its looks.
        if self.ports.records.connection(connection).await?.is_none() {
            looks.disconnect(connection).await?;
            return Ok(None);
        }
        self.ports
            .queue
            .push(Work::Show {
                id,
                connection: connection.to_owned(),
                range,
            })
            .await?;
        Ok(None)
    }

    async fn subscribe(
        &self,
        connection: &str,
        id: String,
        from: u64,
    ) -> Result<Option<String>, ServiceError> {
        match self.may_follow(connection, &id).await? {
            May::Follow => {}
            May::NotFind => return Ok(Some(no_such_translation(&id))),
            May::Gone => return Ok(None),
        }
        let most = self.limits.subscriptions;
        let subscriber = Subscriber {
            connection: connection.to_owned(),
            from,
        };
        let written = self.ports.records.subscribe(&id, &subscriber, most).await?;
        if written == Written::Conflict {
            return Ok(Some(format!(
                "A connection can follow {most} translations at a time: unsubscribe from one first."
            )));
        }
        self.ports
            .queue
            .push(Work::CatchUp {
                id,
                connection: connection.to_owned(),
                from,
            })
            .await?;
        Ok(None)
    }
}

/// What a connection may do with a translation.
enum May {
    Follow,
    NotFind,
    /// Nothing: it is not there any more.
    Gone,
}

fn no_such_translation(id: &str) -> String {
    format!("There is no translation “{id}”: it may have been deleted.")
}

/// serde's words without the position, which means nothing to who sent one line.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    format!("This frame does not fit its action: {text}.")
}

pub(crate) fn json(value: &impl Serialize) -> Result<String, ServiceError> {
    serde_json::to_string(value).map_err(|error| ServiceError::Internal(error.to_string()))
}
