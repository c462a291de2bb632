//! Bytes of a socket as frames, and as a handshake.

use std::pin::Pin;
use std::task::{Context, Poll};

use rask_proto::Versions;
use rask_wire::{FrameReader, Limits, Token, answer_handshake};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without sockets starts");
}

/// Frames until the bytes end or one is refused.
pub(crate) fn run_frames(data: &[u8]) {
    let limits = Limits {
        control_bytes_max: 1 << 20,
        payload_count_max: 1 << 10,
        payload_bytes_max: 1 << 30,
    };
    let mut reader = FrameReader::new(Box::new(std::io::Cursor::new(data.to_vec())), limits);
    RUNTIME.with(|runtime| runtime.block_on(async { while reader.read().await.is_ok() {} }));
}

/// A stranger who does not know the token is never let in.
pub(crate) fn run_handshake(data: &[u8]) {
    let mut stranger = Stranger(std::io::Cursor::new(data.to_vec()));
    let token = Token::new("a token that no input holds");
    let outcome = RUNTIME.with(|runtime| {
        runtime.block_on(answer_handshake(
            &mut stranger,
            Some(&token),
            &Versions::OURS,
        ))
    });
    assert!(outcome.is_err(), "nobody proves a token by guessing");
}

/// Says what the input holds and listens to nothing.
struct Stranger(std::io::Cursor<Vec<u8>>);

impl AsyncRead for Stranger {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stranger {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
