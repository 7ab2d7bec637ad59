//! The task of a connection that is open.

use std::{sync::Arc, time::Duration};

use futures::{SinkExt as _, Stream, StreamExt as _, stream::SplitSink};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::{
    handshake::Upstream,
    muzzle::Muzzled,
    stage::{Orders, World},
};
use crate::{
    Frame,
    gateway::{NO_CODE, Order},
};

/// How long a client may take to answer a close frame. Browsers take no time at all.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// A connection as its task knows it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) world: Arc<World>,
    pub(crate) number: u64,
    pub(crate) orders: Orders,
}

/// A connection's life, from 101 on.
pub(crate) async fn live(
    mut client: Client,
    on_upgrade: OnUpgrade,
    upstream: Option<Upstream>,
    mut ended: watch::Receiver<()>,
) {
    let close = tokio::select! {
        close = serve(&mut client, on_upgrade, upstream) => close,
        _ = ended.changed() => None,
    };
    client.world.gone(client.number, close);
}

/// Obeys and reports until the socket has ended; gives back the client's close frame, if one came.
async fn serve(
    client: &mut Client,
    on_upgrade: OnUpgrade,
    upstream: Option<Upstream>,
) -> Option<(u16, String)> {
    let (world, number) = (client.world.clone(), client.number);
    let upgraded = on_upgrade.await.ok()?;
    let (stream, muzzle) = Muzzled::new(TokioIo::new(upgraded));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits())).await;
    let (sink, mut from_client) = socket.split();
    let (to_client, messages) = mpsc::unbounded_channel();
    let mut writing = std::pin::pin!(write(sink, messages));
    let (to_upstream, mut from_upstream, writing_upstream) = match upstream {
        None => (None, None, None),
        Some(upstream) => {
            let (sink, stream) = upstream.split();
            let (sender, messages) = mpsc::unbounded_channel();
            (Some(sender), Some(stream), Some(write(sink, messages)))
        }
    };
    let mut writing_upstream = std::pin::pin!(async {
        match writing_upstream {
            Some(writing) => writing.await,
            None => std::future::pending().await,
        }
    });
    let mut closing_ends = None;
    let (mut is_writing, mut is_writing_upstream) = (true, true);

    world.act(|core, now| core.opened(now, number));
    loop {
        let closing = async {
            match closing_ends {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            order = client.orders.recv() => match order? {
                Order::Send(frame) => {
                    let _gone = to_client.send(message(frame));
                }
                Order::PassOn(frame) => {
                    if let Some(upstream) = &to_upstream {
                        let _gone = upstream.send(message(frame));
                    }
                }
                Order::Close { code, reason } => {
                    let _gone = to_client.send(Message::Close(close_frame(code, reason)));
                    closing_ends = Some(Instant::now() + CLOSING_TIME);
                }
                Order::Silence => muzzle.shut(),
                Order::Cut => return None,
                Order::Accept | Order::Refuse { .. } => {}
            },
            read = from_client.next() => match read {
                Some(Ok(Message::Close(frame))) => {
                    let close = described(frame);
                    // The client waits for the answer to its close frame: reading on sends it.
                    let end = async { while let Some(Ok(_)) = from_client.next().await {} };
                    let end_behind = async {
                        let Some(upstream) = to_upstream else { return };
                        let frame = close_frame(close.0, close.1.clone());
                        let _gone = upstream.send(Message::Close(frame));
                        drop(upstream);
                        if is_writing_upstream {
                            writing_upstream.await;
                        }
                        while let Some(Ok(_)) = next_of(&mut from_upstream).await {}
                    };
                    let both = async { tokio::join!(end, end_behind) };
                    let _too_slow = tokio::time::timeout(CLOSING_TIME, both).await;
                    return Some(close);
                }
                Some(Ok(read)) => {
                    if let Some(frame) = frame(read) {
                        world.act(|core, now| core.frame_from_client(now, number, frame));
                    }
                }
                Some(Err(_)) | None => return None,
            },
            read = next_of(&mut from_upstream) => match read {
                // Read on: that sends the answer to its close frame.
                Some(Ok(Message::Close(frame))) => {
                    world.act(|core, _| core.closed_behind(number, Some(described(frame))));
                }
                Some(Ok(read)) => {
                    if let Some(frame) = frame(read) {
                        world.act(|core, now| core.frame_to_client(now, number, frame));
                    }
                }
                Some(Err(_)) | None => {
                    from_upstream = None;
                    world.act(|core, _| core.closed_behind(number, None));
                }
            },
            // A socket that takes no more is reported by its reading end.
            () = &mut writing, if is_writing => is_writing = false,
            () = &mut writing_upstream, if is_writing_upstream => is_writing_upstream = false,
            () = closing => return None,
        }
    }
}

/// Writes messages, until there will be none or the socket takes no more.
async fn write<S>(
    mut sink: SplitSink<WebSocketStream<S>, Message>,
    mut messages: mpsc::UnboundedReceiver<Message>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = messages.recv().await {
        if sink.send(message).await.is_err() {
            return;
        }
    }
}

async fn next_of<S: Stream + Unpin>(stream: &mut Option<S>) -> Option<S::Item> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}

/// Small buffers: tests open connections by the thousand.
fn limits() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(8 * 1024)
}

fn message(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => Message::Text(text.into()),
        Frame::Binary(bytes) => Message::Binary(bytes.into()),
    }
}

/// A data frame; pings and pongs are answered below.
fn frame(message: Message) -> Option<Frame> {
    match message {
        Message::Text(text) => Some(Frame::Text(text.as_str().to_owned())),
        Message::Binary(bytes) => Some(Frame::Binary(bytes.to_vec())),
        _ => None,
    }
}

fn close_frame(code: u16, reason: String) -> Option<CloseFrame> {
    (code != NO_CODE).then(|| CloseFrame {
        code: code.into(),
        reason: reason.into(),
    })
}

fn described(frame: Option<CloseFrame>) -> (u16, String) {
    match frame {
        Some(frame) => (frame.code.into(), frame.reason.as_str().to_owned()),
        None => (NO_CODE, String::new()),
    }
}
