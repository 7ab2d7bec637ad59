//! Silence on a connection that stays open.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Below the WebSocket, so that not even its control frames get through: what comes to a deaf
/// stream is swallowed, and so is what goes from a mute one, as packets on a dead network are. The
/// end of the stream is still seen, so that a client that left is not kept for ever.
#[derive(Debug)]
pub(crate) struct Muzzled<S> {
    io: S,
    muzzle: Muzzle,
}

/// Silences a [`Muzzled`] stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Muzzle(Arc<Silenced>);

#[derive(Debug, Default)]
struct Silenced {
    deaf: AtomicBool,
    mute: AtomicBool,
}

impl Muzzle {
    /// From now on nothing is heard.
    pub(crate) fn deafen(&self) {
        self.0.deaf.store(true, Ordering::Release);
    }

    /// From now on nothing is said.
    pub(crate) fn mute(&self) {
        self.0.mute.store(true, Ordering::Release);
    }

    fn is_deaf(&self) -> bool {
        self.0.deaf.load(Ordering::Acquire)
    }

    fn is_mute(&self) -> bool {
        self.0.mute.load(Ordering::Acquire)
    }
}

impl<S> Muzzled<S> {
    pub(crate) fn new(io: S) -> (Self, Muzzle) {
        let muzzle = Muzzle::default();
        let stream = Self {
            io,
            muzzle: muzzle.clone(),
        };
        (stream, muzzle)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Muzzled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
            if !self.muzzle.is_deaf() || buf.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            buf.set_filled(before);
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Muzzled<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.muzzle.is_mute() {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.muzzle.is_mute() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_deaf_and_mute_stream_swallows_both_ways_and_still_sees_the_end() {
        let (near, mut far) = tokio::io::duplex(64);
        let (mut stream, muzzle) = Muzzled::new(near);
        far.write_all(b"heard").await.unwrap();
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"heard");

        muzzle.deafen();
        muzzle.mute();
        far.write_all(b"swallowed").await.unwrap();
        stream.write_all(b"swallowed").await.unwrap();
        stream.flush().await.unwrap();
        far.shutdown().await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
        drop(stream);
        far.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
    }
}
