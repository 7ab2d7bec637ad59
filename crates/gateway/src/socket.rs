//! The task that owns one connection's socket, from the upgrade to `$disconnect`.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, Sleep},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message, Utf8Bytes,
        error::ProtocolError,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use aws_lambda_events::{apigw::ApiGatewayProxyResponse, encodings::Body};

use crate::{
    connections::{Closing, Connection, text},
    event,
    gateway::{Route, Shared},
    handler::Failure,
    response::error_frame,
    stream::FrameStream,
};

/// How a connection ended, as `$disconnect` is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl End {
    /// The network failed: no close frame came.
    pub(crate) fn abnormal() -> Self {
        Self {
            code: 1006,
            reason: String::new(),
        }
    }

    fn of_client(frame: Option<CloseFrame>) -> Self {
        match frame {
            Some(frame) => Self {
                code: frame.code.into(),
                reason: frame.reason.to_string(),
            },
            None => Self {
                code: 1005,
                reason: "Client-side close frame status not set".to_owned(),
            },
        }
    }
}

impl From<Closing> for End {
    fn from(closing: Closing) -> Self {
        Self {
            code: closing.code,
            reason: closing.reason.to_owned(),
        }
    }
}

/// Serves a connection until it has ended.
pub(crate) async fn serve(
    gateway: &Arc<Shared>,
    connection: &Arc<Connection>,
    upgraded: Upgraded,
) -> End {
    let limits = &gateway.limits;
    let config = WebSocketConfig::default()
        .read_buffer_size(limits.read_buffer)
        // Tungstenite itself writes only pongs and the close frame.
        .write_buffer_size(0)
        .max_write_buffer_size(1024)
        .max_frame_size(Some(limits.frame_size))
        .max_message_size(Some(limits.message_size));
    let io = FrameStream::new(TokioIo::new(upgraded));
    let now = Instant::now();
    let mut socket = Socket {
        gateway,
        connection,
        frames: WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await,
        sending: None,
        active_at: now,
        expires_at: now + limits.max_duration,
        timer: Box::pin(tokio::time::sleep(
            limits.idle_timeout.min(limits.max_duration),
        )),
    };
    let end = socket.run().await;
    // The rest is politeness to the client, and no reason to let messages in.
    gateway.connections.remove(&connection.id);
    connection.close(Closing::GOING_AWAY);
    match &end {
        EndedBy::Client(_) => socket.answer_close().await,
        EndedBy::Gateway(closing) => socket.close(*closing).await,
        EndedBy::Mistake(closing) => socket.fail(*closing).await,
        EndedBy::Network => {}
    }
    match end {
        EndedBy::Client(frame) => End::of_client(frame),
        EndedBy::Gateway(closing) | EndedBy::Mistake(closing) => closing.into(),
        EndedBy::Network => End::abnormal(),
    }
}

struct Socket<'a> {
    gateway: &'a Arc<Shared>,
    connection: &'a Arc<Connection>,
    frames: WebSocketStream<FrameStream<TokioIo<Upgraded>>>,
    /// The room taken by the message that is being written.
    sending: Option<u32>,
    /// When traffic last passed.
    active_at: Instant,
    expires_at: Instant,
    timer: Pin<Box<Sleep>>,
}

/// Who ended a connection.
enum EndedBy {
    /// The client sent a close frame.
    Client(Option<CloseFrame>),
    /// The gateway has had enough, or was asked to close.
    Gateway(Closing),
    /// The client broke a rule of the protocol or a limit: nothing it sends can be read now.
    Mistake(Closing),
    /// The network failed.
    Network,
}

impl Socket<'_> {
    async fn run(&mut self) -> EndedBy {
        loop {
            let message = match poll_fn(|cx| self.poll_turn(cx)).await {
                Ok(message) => message,
                Err(ended) => return ended,
            };
            match message {
                Message::Text(body) => self.dispatch(body),
                Message::Binary(_) => {
                    return EndedBy::Gateway(Closing {
                        code: 1003,
                        reason: "Binary frames are not supported",
                    });
                }
                Message::Close(frame) => return EndedBy::Client(frame),
                // Tungstenite answers pings by itself; a raw frame is never read.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Writes what can be written, and is ready when a message came or the end.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, EndedBy>> {
        // Before anything is looked at, so that no change falls between.
        self.connection.register(cx.waker());

        if self.poll_outgoing(cx).is_err() {
            return Poll::Ready(Err(EndedBy::Network));
        }
        if let Some(closing) = self.connection.closing() {
            return Poll::Ready(Err(EndedBy::Gateway(closing)));
        }
        // As many handlers as allowed: the client has to wait, and its network tells it so.
        if self.connection.handlers() < self.gateway.limits.handlers_in_flight
            && let Poll::Ready(frame) = self.frames.poll_next_unpin(cx)
        {
            return Poll::Ready(match frame {
                Some(Ok(message)) => {
                    self.active_at = Instant::now();
                    Ok(message)
                }
                Some(Err(error)) => Err(why(&error)),
                None => Err(EndedBy::Network),
            });
        }
        self.poll_timer(cx).map(Err)
    }

    /// One timer for both ends. It is set anew when it goes off, not with every frame.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<EndedBy> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let idle_at = self.active_at + self.gateway.limits.idle_timeout;
            let due = idle_at.min(self.expires_at);
            if due <= Instant::now() {
                return Poll::Ready(EndedBy::Gateway(Closing::GOING_AWAY));
            }
            self.timer.as_mut().reset(due);
        }
        Poll::Pending
    }

    /// Writes queued messages until there is none, or until the client has to read first.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> tungstenite::Result<Poll<()>> {
        loop {
            if self.sending.is_none() {
                // A frame must not begin in the middle of a pong.
                if self.frames.poll_flush_unpin(cx)?.is_pending() {
                    return Ok(Poll::Pending);
                }
                let Some(text) = self.connection.next_outgoing() else {
                    return Ok(Poll::Ready(()));
                };
                self.sending = Some(self.connection.cost(&text));
                self.frames.get_mut().begin_text(text)?;
            }
            if self.frames.get_mut().poll_finish_text(cx)?.is_pending() {
                return Ok(Poll::Pending);
            }
            if let Some(cost) = self.sending.take() {
                self.connection.sent(cost);
                self.active_at = Instant::now();
            }
        }
    }

    /// Starts the handler of a message, beside those that run already.
    fn dispatch(&self, body: Utf8Bytes) {
        self.connection.touch();
        self.connection.handler_begins();
        let running = Running(self.connection.clone());
        let busy = self.gateway.connections.busy();
        let gateway = self.gateway.clone();
        let connection = self.connection.clone();
        let work = async move {
            let _counted = (running, busy);
            if let Some(answer) = answer(&gateway, &connection, &body).await {
                drop(body);
                // A client that does not read its answers gets no more handlers.
                let _gone = connection.enqueue(answer).await;
            }
        };
        tokio::spawn(tracing::Instrument::in_current_span(work));
    }

    /// Answers the client's close frame, which tungstenite has prepared.
    async fn answer_close(&mut self) {
        let limit = self.gateway.limits.close_timeout;
        let farewell = async {
            while let Some(Ok(_)) = self.frames.next().await {}
            let _gone = self.frames.get_mut().shutdown().await;
        };
        let _late = tokio::time::timeout(limit, farewell).await;
    }

    /// Sends what was posted before, then the close frame, and waits for the client's.
    async fn close(&mut self, closing: Closing) {
        let limit = self.gateway.limits.close_timeout;
        let farewell = async {
            poll_fn(|cx| match self.poll_outgoing(cx) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
                Err(error) => Poll::Ready(Err(error)),
            })
            .await?;
            self.frames
                .send(Message::Close(Some(close_frame(closing))))
                .await?;
            loop {
                match self.frames.next().await {
                    Some(Ok(_)) => {}
                    None => break,
                    Some(Err(_unreadable)) => return self.drain().await,
                }
            }
            Ok(self.frames.get_mut().shutdown().await?)
        };
        let _late: Result<tungstenite::Result<()>, _> = tokio::time::timeout(limit, farewell).await;
    }

    /// Sends the close frame to a client whose frames cannot be read any more.
    async fn fail(&mut self, closing: Closing) {
        let limit = self.gateway.limits.close_timeout;
        let farewell = async {
            self.frames
                .send(Message::Close(Some(close_frame(closing))))
                .await?;
            self.drain().await
        };
        let _late = tokio::time::timeout(limit, farewell).await;
    }

    /// Ends the sending side and throws away what still comes.
    ///
    /// If the socket were dropped with bytes unread, the operating system would reset the
    /// connection, and the client would lose the close frame that it has not read yet.
    async fn drain(&mut self) -> tungstenite::Result<()> {
        let io = self.frames.get_mut();
        io.shutdown().await?;
        let mut scrap = [0; 1024];
        while io.read(&mut scrap).await? > 0 {}
        Ok(())
    }
}

/// Counts a handler among those of its connection.
struct Running(Arc<Connection>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.handler_ends();
    }
}

/// Runs the handler that a message is for. What comes back is to be sent to the client.
async fn answer(gateway: &Shared, connection: &Connection, body: &str) -> Option<Bytes> {
    let key = gateway.selection.route_key(body);
    let named = key.and_then(|key| gateway.routes.get_key_value(&*key));
    let Some((key, Route { handler, response })) =
        named.or_else(|| gateway.routes.get_key_value("$default"))
    else {
        return Some(refusal(
            "Forbidden",
            connection,
            &gateway.request_ids.next(),
        ));
    };
    let event = event::message(gateway, connection, key, body);
    let request_id = event.request_context.request_id.clone().unwrap_or_default();
    tracing::debug!(route = key, request_id, "message");

    let outcome = handler
        .invoke(event, gateway.limits.integration_timeout)
        .await;
    let outcome = match outcome {
        Ok(_) if !response => return None,
        Ok(answer) => body_of(answer).ok_or(Failure::Failed).and_then(|body| {
            text(body, &gateway.limits).map_err(|error| {
                tracing::warn!(%error, route = key, "the answer of a handler cannot be sent");
                Failure::Failed
            })
        }),
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(body) if body.is_empty() => None,
        Ok(body) => Some(body),
        Err(failure) => Some(refusal(failure.message(), connection, &request_id)),
    }
}

fn refusal(message: &str, connection: &Connection, request_id: &str) -> Bytes {
    error_frame(message, &connection.id, request_id).into()
}

/// The bytes of a handler's answer, or `None` if it says base64 and is not.
pub(crate) fn body_of(response: ApiGatewayProxyResponse) -> Option<Bytes> {
    let body = match response.body {
        Some(Body::Text(text)) => text.into_bytes(),
        Some(Body::Binary(bytes)) => return Some(bytes.into()),
        _ => Vec::new(),
    };
    if response.is_base64_encoded {
        BASE64_STANDARD.decode(body).ok().map(Bytes::from)
    } else {
        Some(body.into())
    }
}

fn close_frame(closing: Closing) -> CloseFrame {
    CloseFrame {
        code: closing.code.into(),
        reason: Utf8Bytes::from_static(closing.reason),
    }
}

/// What an error of the reading side means for the connection.
fn why(error: &tungstenite::Error) -> EndedBy {
    use tungstenite::Error;
    tracing::debug!(%error, "the connection cannot go on");
    let (code, reason) = match error {
        Error::Capacity(_) => (1009, "Message too big"),
        Error::Utf8(_) => (1007, "Invalid UTF-8"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return EndedBy::Network,
        Error::Protocol(_) => (1002, "Protocol error"),
        _ => return EndedBy::Network,
    };
    EndedBy::Mistake(Closing { code, reason })
}
