//! Real sockets: tokens, encryption, large frames, garbage.

use std::sync::Arc;

use bytes::Bytes;
use rask_proto::Frame;
use rask_wire::{Address, Connection, Listener, Role, Security, Token, WireError, connect};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

fn frame(size: usize) -> Frame {
    Frame {
        control: Bytes::from_static(b"control"),
        payloads: vec![
            Bytes::from(vec![1u8; size]),
            Bytes::new(),
            Bytes::from_static(b"end"),
        ],
    }
}

async fn listen(scheme: &str, security: &Security) -> (Listener, Address) {
    let address = format!("{scheme}://127.0.0.1:0").parse().unwrap();
    let listener = Listener::bind(&address, Arc::new(security.clone()))
        .await
        .unwrap();
    let address = listener.address().clone();
    (listener, address)
}

/// Both ends, each having done its part of the handshake.
async fn pair(
    scheme: &str,
    (listening, connecting): (&Security, &Security),
) -> (Result<Connection, WireError>, Result<Connection, WireError>) {
    let (listener, address) = listen(scheme, listening).await;
    let accepted = async { listener.next().await?.accept().await };
    tokio::join!(accepted, connect(&address, connecting, Role::Worker))
}

async fn check_frames(scheme: &str, security: &Security) {
    let (accepted, connected) = pair(scheme, (security, security)).await;
    let (mut accepted, mut connected) = (accepted.unwrap(), connected.unwrap());
    assert_eq!(accepted.role, Role::Worker);
    let sizes = [0, 10, 100_000, 20_000_000];
    for size in sizes {
        assert!(connected.sender.send(frame(size)));
        assert!(accepted.sender.send(frame(size)));
    }
    for size in sizes {
        let (there, back) = tokio::join!(accepted.reader.read(), connected.reader.read());
        assert_eq!(there.unwrap(), frame(size));
        assert_eq!(back.unwrap(), frame(size));
    }
    connected.sender.close();
    assert!(matches!(
        accepted.reader.read().await,
        Err(WireError::Closed)
    ));
}

#[tokio::test]
async fn frames_of_all_sizes_over_tcp() {
    check_frames("tcp", &Security::with_token(Token::random())).await;
}

#[tokio::test]
async fn frames_of_all_sizes_over_tls() {
    check_frames("tls", &Security::temporary().unwrap()).await;
}

#[tokio::test]
async fn a_wrong_token_is_refused_at_both_ends() {
    let right = Security::with_token(Token::new("right"));
    for wrong in [
        Security::default(),
        Security::with_token(Token::new("wrong")),
    ] {
        let (accepted, connected) = pair("tcp", (&right, &wrong)).await;
        assert!(matches!(accepted, Err(WireError::TokenRefused)));
        assert!(matches!(connected, Err(WireError::TokenRefused)));
    }
}

#[tokio::test]
async fn other_certificates_are_refused() {
    let (ours, theirs) = (
        Security::temporary().unwrap(),
        Security::temporary().unwrap(),
    );
    let (accepted, connected) = pair("tls", (&ours, &theirs)).await;
    assert!(accepted.is_err());
    assert!(matches!(connected, Err(WireError::Untrusted { .. })));
}

#[tokio::test]
async fn garbage_is_no_handshake() {
    let (listener, address) = listen("tcp", &Security::default()).await;
    for garbage in [
        &b""[..],
        b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n0123456789",
        b"RASK",
    ] {
        let mut stranger = TcpStream::connect((address.host.as_str(), address.port))
            .await
            .unwrap();
        stranger.write_all(garbage).await.unwrap();
        stranger.shutdown().await.unwrap();
        let refused = listener.next().await.unwrap().accept().await;
        assert!(refused.is_err());
    }
}
