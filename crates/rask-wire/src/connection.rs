//! Making connections.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rask_proto::Versions;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::handshake::{Agreement, accept_if, offer, within};
use crate::security::server_name;
use crate::security::tls::{try_client_config, try_server_config};
use crate::{
    Address, FrameReader, FrameSender, Limits, Role, Scheme, Security, WireError, timeouts,
};

/// A connection whose peer has proved that it knows the token.
pub struct Connection {
    pub reader: FrameReader,
    pub sender: FrameSender,
    /// Who connected (the own role at the connecting end).
    pub role: Role,
    /// The peer's host.
    pub peer_host: String,
    /// The version that both speak, and what both are capable of.
    pub agreement: Agreement,
}

/// Connects to `address` as `role`.
pub async fn connect(
    address: &Address,
    security: &Security,
    role: Role,
) -> Result<Connection, WireError> {
    let failed = |source| WireError::Connect {
        address: address.to_string(),
        source,
    };
    let connecting = TcpStream::connect((address.host.as_str(), address.port));
    let socket = match tokio::time::timeout(timeouts::timeouts().connect, connecting).await {
        Ok(connected) => connected.map_err(failed)?,
        Err(_) => return Err(failed(std::io::ErrorKind::TimedOut.into())),
    };
    prepare(&socket)?;
    match address.scheme {
        Scheme::Tcp => {
            let mut socket = socket;
            let token = security.token.as_ref();
            let agreement = offer(&mut socket, token, role, &Versions::OURS).await?;
            Ok(plain(socket, (role, agreement), address.host.clone()))
        }
        Scheme::Tls => {
            let connector = TlsConnector::from(try_client_config(security)?);
            let below = socket.as_fd().try_clone_to_owned()?;
            let stream = within(async { Ok(connector.connect(server_name(), socket).await) });
            let mut stream = stream.await?.map_err(|source| refused(address, source))?;
            let token = security.token.as_ref();
            let agreement = offer(&mut stream, token, role, &Versions::OURS).await;
            let agreement = agreement.map_err(|error| match error {
                // Whether this end's certificate is taken is known only now.
                WireError::Io(source) => refused(address, source),
                error => error,
            })?;
            let host = address.host.clone();
            Ok(encrypted(stream, below, (role, agreement), host))
        }
    }
}

/// A TLS handshake that failed: trying again is of no use if the ends do not agree.
fn refused(address: &Address, source: std::io::Error) -> WireError {
    let address = address.to_string();
    match source.kind() {
        std::io::ErrorKind::InvalidData => WireError::Untrusted {
            address,
            reason: source.to_string(),
        },
        _ => WireError::Connect { address, source },
    }
}

/// Takes connections.
pub struct Listener {
    socket: TcpListener,
    address: Address,
    security: Arc<Security>,
    tls: Option<TlsAcceptor>,
    /// Places for those who have proved nothing yet; others wait to be taken.
    strangers: Arc<Semaphore>,
    /// Places for those who have proved who they are; others are told that there are none.
    members: Arc<Semaphore>,
}

/// How many connections a listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// That have proved nothing yet, at a time.
    pub stranger_count_max: usize,
    /// That have proved who they are.
    pub member_count_max: usize,
}

/// Descriptors that a process needs for other things than connections and strangers.
const OTHER_DESCRIPTORS: usize = 256;
const MEMBER_COUNT_MIN: usize = 64;
const STRANGER_COUNT_MAX: usize = 512;

impl Default for Places {
    /// A third of the files that the process may have open, less some for other things: an encrypted
    /// connection takes two, and the process has connections, segments and users' code of its own.
    fn default() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let files = limit.current.map_or(usize::MAX, |files| files as usize);
        let member_count_max = files.saturating_sub(OTHER_DESCRIPTORS) / 3;
        Places {
            stranger_count_max: (files / 4).clamp(1, STRANGER_COUNT_MAX),
            member_count_max: member_count_max.clamp(MEMBER_COUNT_MIN, Semaphore::MAX_PERMITS),
        }
    }
}

/// Small messages leave at once, and dead hosts are noticed.
fn prepare(socket: &TcpStream) -> Result<(), WireError> {
    socket.set_nodelay(true)?;
    Ok(timeouts::watch(socket).map_err(std::io::Error::from)?)
}

impl Listener {
    /// Listens on `address`; port 0 chooses a free one.
    pub async fn bind(address: &Address, security: Arc<Security>) -> Result<Self, WireError> {
        Self::bind_with(address, security, Places::default()).await
    }

    /// The same with other numbers of connections.
    pub async fn bind_with(
        address: &Address,
        security: Arc<Security>,
        places: Places,
    ) -> Result<Self, WireError> {
        let failed = |source| WireError::Bind {
            address: address.to_string(),
            source,
        };
        let socket = TcpListener::bind((address.host.as_str(), address.port))
            .await
            .map_err(failed)?;
        let tls = match address.scheme {
            Scheme::Tcp => None,
            Scheme::Tls => Some(TlsAcceptor::from(try_server_config(&security)?)),
        };
        let mut address = address.clone();
        address.port = socket.local_addr()?.port();
        Ok(Listener {
            socket,
            address,
            security,
            tls,
            strangers: Arc::new(Semaphore::new(places.stranger_count_max)),
            members: Arc::new(Semaphore::new(places.member_count_max)),
        })
    }

    /// Where it listens, with the port that it got.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The next socket; the handshake is still to come, in a task of its own, so that a slow
    /// stranger keeps nobody waiting.
    pub async fn next(&self) -> Result<Incoming, WireError> {
        let Ok(place) = self.strangers.clone().acquire_owned().await else {
            return Err(WireError::Closed);
        };
        let (socket, peer) = self.socket.accept().await?;
        prepare(&socket)?;
        Ok(Incoming {
            _place: place,
            socket,
            peer_host: peer.ip().to_string(),
            security: self.security.clone(),
            tls: self.tls.clone(),
            members: self.members.clone(),
        })
    }
}

/// A socket that has proved nothing yet.
pub struct Incoming {
    /// Given back once it has proved who it is, or failed to.
    _place: OwnedSemaphorePermit,
    socket: TcpStream,
    peer_host: String,
    security: Arc<Security>,
    tls: Option<TlsAcceptor>,
    members: Arc<Semaphore>,
}

impl Incoming {
    /// Does the handshake.
    pub async fn accept(self) -> Result<Connection, WireError> {
        let token = self.security.token.as_ref();
        let mut socket = self.socket;
        let find_place = || self.members.clone().try_acquire_owned().ok();
        let (mut connection, place) = match self.tls {
            None => {
                let agreed = accept_if(&mut socket, token, &Versions::OURS, find_place);
                let (role, agreement, place) = agreed.await?;
                (plain(socket, (role, agreement), self.peer_host), place)
            }
            Some(acceptor) => {
                let below = socket.as_fd().try_clone_to_owned()?;
                let stream = within(async { Ok(acceptor.accept(socket).await?) });
                let mut stream = stream.await?;
                let agreed = accept_if(&mut stream, token, &Versions::OURS, find_place);
                let (role, agreement, place) = agreed.await?;
                let agreed = (role, agreement);
                (encrypted(stream, below, agreed, self.peer_host), place)
            }
        };
        connection.reader.keep_place(place);
        Ok(connection)
    }
}

fn plain(socket: TcpStream, (role, agreement): (Role, Agreement), peer_host: String) -> Connection {
    let (reader, writer) = socket.into_split();
    Connection {
        reader: FrameReader::new(Box::new(reader), Limits::default()),
        sender: FrameSender::direct(writer),
        role,
        peer_host,
        agreement,
    }
}

fn encrypted<S>(
    stream: S,
    below: OwnedFd,
    (role, agreement): (Role, Agreement),
    peer_host: String,
) -> Connection
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    Connection {
        reader: FrameReader::new(Box::new(reader), Limits::default()),
        sender: FrameSender::queued(writer, below),
        role,
        peer_host,
        agreement,
    }
}
