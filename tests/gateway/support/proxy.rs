//! A TCP proxy that hides the gateway's GOAWAY from a client.

use std::net::SocketAddr;

use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
};

/// HTTP/2's frame types (RFC 9113, section 6).
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const FRAME_HEAD_BYTES: usize = 9;

/// Starts a proxy for one connection that drops the server's GOAWAY, and returns its address.
/// The client keeps sending calls, like a client whose calls cross a GOAWAY.
pub(crate) async fn proxy_without_goaway(gateway: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await?;
        let server = TcpStream::connect(gateway).await?;
        let (mut from_client, to_client) = client.into_split();
        let (from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { io::copy(&mut from_client, &mut to_server).await });
        pass_frames(from_server, to_client).await
    });
    address
}

/// Forwards all frames except GOAWAY and PING. With a PING the server checks whether the
/// GOAWAY has arrived, so the client must not acknowledge it.
async fn pass_frames(
    mut server: tcp::OwnedReadHalf,
    mut client: tcp::OwnedWriteHalf,
) -> io::Result<()> {
    loop {
        let mut frame = vec![0; FRAME_HEAD_BYTES];
        server.read_exact(&mut frame).await?;
        let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]);
        let kind = frame[3];
        frame.resize(FRAME_HEAD_BYTES + usize::try_from(length).unwrap(), 0);
        server.read_exact(&mut frame[FRAME_HEAD_BYTES..]).await?;
        if kind != PING && kind != GOAWAY {
            client.write_all(&frame).await?;
        }
    }
}
