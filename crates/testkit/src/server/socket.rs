//! The task of a connection that is open.

use std::{sync::Arc, time::Duration};

use futures::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::{
    handshake::Upstream,
    muzzle::{Muzzle, Muzzled},
    stage::{Orders, World},
};
use crate::{
    Frame,
    gateway::{NO_CODE, Order},
};

/// How long a client may take to answer a close frame. Browsers take no time at all.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// How long a client that does not read can put off that its connection is cut.
const CUTTING_TIME: Duration = Duration::from_secs(1);

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
    let mut behind = upstream.map(Behind::new);
    let mut closing_ends = None;
    let mut is_writing = true;

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
                    let _gone = to_client.send(Write::Message(message(frame)));
                }
                Order::PassOn(frame) => {
                    if let Some(behind) = &behind {
                        behind.write(message(frame));
                    }
                }
                Order::Close { code, reason } => {
                    let _gone = to_client.send(Write::Message(Message::Close(close_frame(code, reason))));
                    closing_ends = Some(Instant::now() + CLOSING_TIME);
                }
                Order::Silence => {
                    muzzle.deafen();
                    let _gone = to_client.send(Write::Mute(muzzle.clone()));
                }
                Order::Cut => {
                    // What was sent before arrives, if the client reads at all.
                    drop(to_client);
                    if is_writing {
                        let _too_slow = tokio::time::timeout(CUTTING_TIME, writing).await;
                    }
                    return None;
                }
                Order::Accept | Order::Refuse { .. } => {}
            },
            read = from_client.next() => match read {
                Some(Ok(Message::Close(frame))) => {
                    pass_on_rest(&mut client.orders, behind.as_ref());
                    let close = described(frame);
                    // The client waits for the answer to its close frame: reading on sends it.
                    let end = async { while let Some(Ok(_)) = from_client.next().await {} };
                    let end_behind = async {
                        if let Some(behind) = &mut behind {
                            behind.close(close_frame(close.0, close.1.clone())).await;
                        }
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
                Some(Err(_)) | None => {
                    pass_on_rest(&mut client.orders, behind.as_ref());
                    return None;
                }
            },
            read = next_of(&mut behind) => match read {
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
                    behind = None;
                    world.act(|core, _| core.closed_behind(number, None));
                }
            },
            // A socket that takes no more is reported by its reading end.
            () = &mut writing, if is_writing => is_writing = false,
            () = closing => return None,
        }
    }
}

/// What a writer does, in order.
#[derive(Debug)]
enum Write {
    Message(Message),
    /// Nothing behind this gets through.
    Mute(Muzzle),
}

/// Writes messages, until there will be none or the socket takes no more.
async fn write<S>(
    mut sink: SplitSink<WebSocketStream<S>, Message>,
    mut writes: mpsc::UnboundedReceiver<Write>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(write) = writes.recv().await {
        match write {
            Write::Message(message) => {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
            Write::Mute(muzzle) => muzzle.mute(),
        }
    }
}

/// The connection to the gateway behind this one. Its writer outlives it until what a client said
/// before it left is written.
#[derive(Debug)]
struct Behind {
    /// Taken when nothing more is to be written.
    writes: Option<mpsc::UnboundedSender<Write>>,
    reads: SplitStream<Upstream>,
    writer: JoinHandle<()>,
}

impl Behind {
    fn new(upstream: Upstream) -> Self {
        let (sink, reads) = upstream.split();
        let (writes, rest) = mpsc::unbounded_channel();
        Self {
            writes: Some(writes),
            reads,
            writer: tokio::spawn(write(sink, rest)),
        }
    }

    fn write(&self, message: Message) {
        if let Some(writes) = &self.writes {
            // A socket that takes no more is reported by its reading end.
            let _gone = writes.send(Write::Message(message));
        }
    }

    /// Closes with this frame, and waits for the answer.
    async fn close(&mut self, frame: Option<CloseFrame>) {
        self.write(Message::Close(frame));
        self.writes = None;
        let _ended = (&mut self.writer).await;
        while let Some(Ok(_)) = self.reads.next().await {}
    }
}

/// The client has ended: what it said before is still to be passed on.
fn pass_on_rest(orders: &mut Orders, behind: Option<&Behind>) {
    while let (Some(behind), Ok(order)) = (behind, orders.try_recv()) {
        if let Order::PassOn(frame) = order {
            behind.write(message(frame));
        }
    }
}

async fn next_of(behind: &mut Option<Behind>) -> Option<Result<Message, tungstenite::Error>> {
    match behind {
        Some(behind) => behind.reads.next().await,
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
