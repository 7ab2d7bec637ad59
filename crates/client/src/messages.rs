//! Frames as messages of a type.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use babelwire_client_core::{Event, Payload};
use babelwire_wire::{Fields, GatewayError};
use futures_core::stream::{FusedStream, Stream};
use serde::de::DeserializeOwned;

use crate::connection::Client;
use crate::streams::{Missed, Tap};

/// A frame, read as far as it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming<T> {
    /// A message.
    Message(T),
    /// API Gateway's own error frame: a frame that it could not route, or whose handler failed. It
    /// names no frame; [`Client::call`](crate::Client::call) finds out whose it was where that can
    /// be told.
    Gateway(GatewayError),
    /// Anything else, as it came: text that is no `T`, or bytes.
    Other(Payload),
    /// The consumer did not keep up, and that many frames are missing here: see [`Missed`].
    Missed(u64),
}

impl<T> Incoming<T> {
    /// The message, if it is one.
    pub fn message(self) -> Option<T> {
        match self {
            Self::Message(message) => Some(message),
            _ => None,
        }
    }
}

impl<T: DeserializeOwned> Incoming<T> {
    /// Reads a frame.
    ///
    /// A text that is API Gateway's error frame is that, whatever `T` would make of it: an object
    /// with a `message`, a `connectionId` and a `requestId` that are texts, and without a `type`.
    pub fn read(payload: Payload) -> Self {
        let Payload::Text(text) = &payload else {
            return Self::Other(payload);
        };
        if let Some(error) = gateway_error(text) {
            return Self::Gateway(error);
        }
        match serde_json::from_str(text) {
            Ok(message) => Self::Message(message),
            Err(_) => Self::Other(payload),
        }
    }
}

fn gateway_error(text: &str) -> Option<GatewayError> {
    // Most frames are none, and need not be parsed to know it.
    if !text.contains("\"requestId\"") {
        return None;
    }
    let fields = Fields::parse(text).ok()?;
    if fields.has("type") {
        return None;
    }
    fields.try_into().ok()
}

impl Client {
    /// The frames from here on, read as `T`, as a stream.
    ///
    /// An enum that serde knows by its `type` reads a protocol of several kinds of messages. A
    /// frame that fits nothing is no error: it comes as [`Incoming::Other`]. Frames that answer a
    /// [`Client::call`] do not come here.
    ///
    /// The stream ends when the last handle of the client is dropped, and does not keep the
    /// connection up by itself. Dropping it ends the listening.
    ///
    /// ```no_run
    /// # async fn example(client: babelwire_client::Client) {
    /// use babelwire_client::Incoming;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// #[serde(tag = "type", rename_all = "camelCase")]
    /// enum News {
    ///     Joined { name: String },
    ///     Said { name: String, text: String },
    /// }
    ///
    /// let mut messages = client.messages::<News>();
    /// while let Some(incoming) = messages.next().await {
    ///     match incoming {
    ///         Incoming::Message(News::Joined { name }) => println!("{name} is here"),
    ///         Incoming::Message(News::Said { name, text }) => println!("{name}: {text}"),
    ///         Incoming::Gateway(error) => println!("the gateway says {}", error.message),
    ///         Incoming::Other(payload) => println!("not understood: {payload:?}"),
    ///         _ => println!("some were missed"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn messages<T: DeserializeOwned>(&self) -> Messages<T> {
        let frames = Tap::new(self, None, |event| match event {
            Event::Frame { payload, .. } => Some((payload.clone(), payload.bytes())),
            _ => None,
        });
        Messages {
            frames,
            read: PhantomData,
        }
    }
}

/// The frames that a [`Client`] receives, read as `T`: see [`Client::messages`].
#[must_use = "a stream that nobody polls keeps frames for nothing"]
pub struct Messages<T> {
    /// Read when they are taken: what is never taken costs no parsing.
    frames: Tap<Payload>,
    read: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Messages<T> {
    /// The next frame; `None` once the client is gone.
    pub async fn next(&mut self) -> Option<Incoming<T>> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Incoming<T>>> {
        self.frames.poll(context).map(|frame| {
            Some(match frame? {
                Ok(payload) => Incoming::read(payload),
                Err(Missed(count)) => Incoming::Missed(count),
            })
        })
    }
}

impl<T: DeserializeOwned> Stream for Messages<T> {
    type Item = Incoming<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

impl<T: DeserializeOwned> FusedStream for Messages<T> {
    fn is_terminated(&self) -> bool {
        self.frames.is_over()
    }
}

impl<T> fmt::Debug for Messages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Anything {
        message: String,
    }

    fn read(text: &str) -> Incoming<Anything> {
        Incoming::read(text.into())
    }

    #[test]
    fn the_gateways_error_is_never_a_message_whatever_it_looks_like() {
        let frame = r#"{"message": "Forbidden", "connectionId":"a=", "requestId":"b="}"#;
        let Incoming::Gateway(error) = read(frame) else {
            panic!("{frame}");
        };
        assert_eq!(error.message, "Forbidden");
        assert_eq!((&*error.connection_id, &*error.request_id), ("a=", "b="));
    }

    #[test]
    fn a_frame_that_only_resembles_the_gateways_error_is_read_as_what_it_is() {
        for frame in [
            r#"{"message":"hello","requestId":"b="}"#,
            r#"{"message":"hello","connectionId":7,"requestId":"b="}"#,
            r#"{"type":"said","message":"hello","connectionId":"a=","requestId":"b="}"#,
        ] {
            let message = "hello".to_owned();
            assert_eq!(
                read(frame),
                Incoming::Message(Anything { message }),
                "{frame}"
            );
        }
    }

    #[test]
    fn what_fits_nothing_comes_as_it_is() {
        for text in ["", "hello", "{\"requestId\"", "[1]", r#"{"message":7}"#] {
            assert_eq!(read(text), Incoming::Other(text.into()));
        }
        let bytes = Payload::Binary(br#"{"message":"hello"}"#.to_vec());
        assert_eq!(
            Incoming::<Anything>::read(bytes.clone()),
            Incoming::Other(bytes)
        );
    }
}
