//! Real sockets: tokens, encryption, large frames, garbage.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rask_proto::Frame;
use rask_wire::{Address, Connection, Listener, Places, Role, Security, Token, WireError, connect};
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

async fn listen_with(places: Places, security: &Security) -> (Listener, Address) {
    let address = "tcp://127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind_with(&address, Arc::new(security.clone()), places)
        .await
        .unwrap();
    let address = listener.address().clone();
    (listener, address)
}

#[tokio::test]
async fn strangers_beyond_the_limit_wait_and_keep_nobody_out_for_good() {
    let security = Security::with_token(Token::random());
    let places = Places {
        stranger_count_max: 2,
        ..Places::default()
    };
    let (listener, address) = listen_with(places, &security).await;
    let target = (address.host.as_str(), address.port);
    let silent = [
        TcpStream::connect(target).await.unwrap(),
        TcpStream::connect(target).await.unwrap(),
    ];
    let first = listener.next().await.unwrap();
    let second = listener.next().await.unwrap();
    let friend = connect(&address, &security, Role::Peer);
    tokio::pin!(friend);
    let third = listener.next();
    tokio::pin!(third);
    tokio::select! {
        biased;
        _ = &mut third => panic!("there is no place for a third"),
        _ = &mut friend => panic!("nobody has answered"),
        () = tokio::time::sleep(Duration::from_millis(100)) => {}
    }
    // One of them goes: its place is the next one's.
    drop(silent);
    assert!(first.accept().await.is_err());
    let accepted = async { third.await.unwrap().accept().await };
    let (accepted, connected) = tokio::join!(accepted, friend);
    assert!(accepted.is_ok() && connected.is_ok());
    assert!(second.accept().await.is_err());
}

#[tokio::test]
async fn peers_beyond_the_limit_are_told_and_places_come_back() {
    for scheme in ["tcp", "tls"] {
        let security = Security::temporary().unwrap();
        let address = format!("{scheme}://127.0.0.1:0").parse().unwrap();
        let places = Places {
            member_count_max: 1,
            ..Places::default()
        };
        let shared = Arc::new(security.clone());
        let listener = Listener::bind_with(&address, shared, places).await.unwrap();
        let address = listener.address().clone();
        let both = async || {
            let accepted = async { listener.next().await?.accept().await };
            tokio::join!(accepted, connect(&address, &security, Role::Peer))
        };
        let (first, client) = both().await;
        let (first, client) = (first.unwrap(), client.unwrap());
        let (second, refused) = both().await;
        assert!(matches!(second, Err(WireError::Full)));
        let told = refused.err().unwrap();
        assert!(matches!(told, WireError::Full), "{told}");
        assert!(told.to_string().contains("as many connections as it may"));
        drop((first, client));
        let (third, client) = both().await;
        assert!(third.is_ok() && client.is_ok());
    }
}

/// A connection of which one end reads nothing.
async fn unread(scheme: &str) -> (Connection, Connection) {
    let security = Security::temporary().unwrap();
    let (accepted, connected) = pair(scheme, (&security, &security)).await;
    (accepted.unwrap(), connected.unwrap())
}

#[tokio::test]
async fn who_waits_for_room_goes_on_when_the_peer_reads() {
    for scheme in ["tcp", "tls"] {
        let (mut reading, writing) = unread(scheme).await;
        let size = 30_000_000;
        assert!(writing.sender.send(frame(size)));
        let mut room = std::pin::pin!(writing.sender.wait_for_room(1000));
        tokio::select! {
            () = &mut room => panic!("nobody has read anything"),
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        let (read, ()) = tokio::join!(reading.reader.read(), room);
        assert_eq!(read.unwrap().payloads[0].len(), size);
        assert!(writing.sender.queued_bytes() <= 1000);
    }
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_given_up() {
    for scheme in ["tcp", "tls"] {
        let (reading, mut writing) = unread(scheme).await;
        writing.sender.give_up_beyond(20_000_000);
        for _ in 0..10 {
            writing.sender.send(frame(10_000_000));
            tokio::task::yield_now().await;
        }
        assert!(writing.sender.is_closed());
        assert!(!writing.sender.send(frame(1)));
        assert_eq!(writing.sender.queued_bytes(), 0);
        // The own reader hears of it as well, so that whoever reads knows.
        assert!(writing.reader.read().await.is_err());
        drop(reading);
    }
}

#[tokio::test]
async fn sockets_notice_hosts_that_are_gone() {
    use rustix::net::sockopt;
    let security = Security::default();
    let (listener, address) = listen("tcp", &security).await;
    let accepted = async { listener.next().await?.accept().await };
    let (accepted, connected) = tokio::join!(accepted, connect(&address, &security, Role::Peer));
    let _ends = (accepted.unwrap(), connected.unwrap());
    let mut checked = 0;
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let number = entry.unwrap().file_name();
        let Ok(number) = number.to_string_lossy().parse() else {
            continue;
        };
        // SAFETY: only asked for its settings; where it has been closed meanwhile, that fails.
        let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
        let local = rustix::net::getsockname(socket).ok();
        let remote = rustix::net::getpeername(socket).ok().flatten();
        let ours = |end: Option<rustix::net::SocketAddrAny>| {
            let end = end.and_then(|end| std::net::SocketAddr::try_from(end).ok());
            end.is_some_and(|end| end.port() == address.port)
        };
        if remote.is_some() && (ours(local) || ours(remote)) {
            assert!(sockopt::socket_keepalive(socket).unwrap());
            assert_eq!(sockopt::tcp_keepidle(socket).unwrap().as_secs(), 10);
            assert_eq!(sockopt::tcp_keepintvl(socket).unwrap().as_secs(), 5);
            assert_eq!(sockopt::tcp_user_timeout(socket).unwrap(), 30_000);
            checked += 1;
        }
    }
    assert_eq!(checked, 2);
}
