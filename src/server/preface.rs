//! Reads the HTTP/2 preface before hyper does.
//!
//! hyper waits for the preface without a time limit, so a silent peer would occupy a
//! connection permanently. Here the time limit of the handshake applies, and a connection
//! of another protocol ends at its first wrong byte.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// RFC 9113, section 3.4.
const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream whose preface was read. It returns the preface to its reader once more.
#[derive(Debug)]
pub(super) struct Prefaced<T> {
    stream: T,
    replay: &'static [u8],
}

/// Reads the preface and no further byte.
///
/// # Errors
/// `InvalidData` if the peer uses another protocol, or an error of the stream.
pub(super) async fn read<T: AsyncRead + Unpin>(mut stream: T) -> io::Result<Prefaced<T>> {
    let mut received = [0; PREFACE.len()];
    let mut length = 0;
    while length < PREFACE.len() {
        let count = stream.read(&mut received[length..]).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        length += count;
        if received[..length] != PREFACE[..length] {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the peer does not use HTTP/2"));
        }
    }
    Ok(Prefaced { stream, replay: &PREFACE })
}

impl<T: AsyncRead + Unpin> AsyncRead for Prefaced<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.replay.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let (now, later) = self.replay.split_at(self.replay.len().min(buf.remaining()));
        buf.put_slice(now);
        self.replay = later;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Prefaced<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn the_reader_sees_the_preface_and_what_follows() {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(&PREFACE).await.unwrap();
        client.write_all(b"frames").await.unwrap();
        drop(client);
        let mut read_again = Vec::new();
        read(server).await.unwrap().read_to_end(&mut read_again).await.unwrap();
        assert_eq!(read_again, [&PREFACE[..], b"frames"].concat());
    }

    #[tokio::test]
    async fn another_protocol_is_known_by_its_first_wrong_byte() {
        // Both streams stay open: the read needs neither further bytes nor the end.
        for (sent, kind) in [("P", None), ("GET", Some(io::ErrorKind::InvalidData))] {
            let (mut client, server) = tokio::io::duplex(64);
            client.write_all(sent.as_bytes()).await.unwrap();
            let mut reading = Box::pin(read(server));
            let polled = std::future::poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await;
            match kind {
                None => assert!(polled.is_pending()),
                Some(kind) => {
                    assert!(matches!(polled, Poll::Ready(Err(error)) if error.kind() == kind));
                }
            }
        }
    }
}
