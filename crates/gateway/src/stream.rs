//! Frames whose payload is shared between connections.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, buf::Chain};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Data, OpCode},
};

/// A byte stream that writes text frames straight from the buffer they are in.
///
/// Tungstenite copies each payload into a buffer of the connection and keeps that buffer for
/// the connection's life. A message to a thousand clients would be a thousand copies of it, and
/// every client that was ever sent a large one would hold its size forever. So text frames
/// go past it: what tungstenite itself writes (pongs, the close frame) waits until the frame
/// under way is whole.
#[derive(Debug)]
pub(crate) struct FrameStream<S> {
    io: S,
    frame: Option<Chain<Bytes, Bytes>>,
}

impl<S: AsyncWrite + Unpin> FrameStream<S> {
    pub(crate) fn new(io: S) -> Self {
        Self { io, frame: None }
    }

    /// Begins an unfragmented text frame. The caller has seen the one before to its end, and has
    /// flushed what tungstenite had half written.
    pub(crate) fn begin_text(&mut self, payload: Bytes) -> io::Result<()> {
        debug_assert!(self.frame.is_none(), "one frame at a time");
        let header = FrameHeader {
            opcode: OpCode::Data(Data::Text),
            ..FrameHeader::default()
        };
        // A server's header: 2 bytes, and up to 8 of length.
        let mut bytes = Vec::with_capacity(10);
        header
            .format(payload.len() as u64, &mut bytes)
            .map_err(io::Error::other)?;
        self.frame = Some(Bytes::from(bytes).chain(payload));
        Ok(())
    }

    /// Writes what is left of the frame under way, if there is one.
    pub(crate) fn poll_finish_text(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(frame) = &mut self.frame {
            let mut slices = [IoSlice::new(&[]); 2];
            let count = frame.chunks_vectored(&mut slices);
            let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            frame.advance(written);
            if !frame.has_remaining() {
                self.frame = None;
            }
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrameStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_finish_text(cx))?;
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_finish_text(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_finish_text(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn what_comes_after_a_frame_waits_for_its_last_byte() {
        // A pipe of seven bytes: the frame below needs several writes.
        let (near, mut far) = tokio::io::duplex(7);
        let mut stream = FrameStream::new(near);
        stream
            .begin_text(Bytes::from_static(b"a text longer than the pipe"))
            .unwrap();
        let write = async move {
            stream.write_all(b"pong").await.unwrap();
            stream.shutdown().await.unwrap();
        };
        let mut read = Vec::new();
        let ((), result) = tokio::join!(write, far.read_to_end(&mut read));
        result.unwrap();
        assert_eq!(read, b"\x81\x1ba text longer than the pipepong");
    }
}
