//! Making connections.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::handshake::{accept, offer};
use crate::security::server_name;
use crate::{Address, FrameReader, FrameSender, Limits, Role, Scheme, Security, WireError};

/// A connection whose peer has proved that it knows the token.
pub struct Connection {
    pub reader: FrameReader,
    pub sender: FrameSender,
    /// Who connected (the own role at the connecting end).
    pub role: Role,
    /// The peer's host.
    pub peer_host: String,
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
    let socket = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(failed)?;
    socket.set_nodelay(true)?;
    match address.scheme {
        Scheme::Tcp => {
            let mut socket = socket;
            offer(&mut socket, security.token.as_ref(), role).await?;
            Ok(plain(socket, role, address.host.clone()))
        }
        Scheme::Tls => {
            let connector = TlsConnector::from(security.try_client_config()?);
            let mut stream = connector
                .connect(server_name(), socket)
                .await
                .map_err(failed)?;
            offer(&mut stream, security.token.as_ref(), role).await?;
            Ok(encrypted(stream, role, address.host.clone()))
        }
    }
}

/// Takes connections.
pub struct Listener {
    socket: TcpListener,
    address: Address,
    security: Arc<Security>,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Listens on `address`; port 0 chooses a free one.
    pub async fn bind(address: &Address, security: Arc<Security>) -> Result<Self, WireError> {
        let failed = |source| WireError::Bind {
            address: address.to_string(),
            source,
        };
        let socket = TcpListener::bind((address.host.as_str(), address.port))
            .await
            .map_err(failed)?;
        let tls = match address.scheme {
            Scheme::Tcp => None,
            Scheme::Tls => Some(TlsAcceptor::from(security.try_server_config()?)),
        };
        let mut address = address.clone();
        address.port = socket.local_addr()?.port();
        Ok(Listener {
            socket,
            address,
            security,
            tls,
        })
    }

    /// Where it listens, with the port that it got.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The next socket; the handshake is still to come, in a task of its own, so that a slow
    /// stranger keeps nobody waiting.
    pub async fn next(&self) -> Result<Incoming, WireError> {
        let (socket, peer) = self.socket.accept().await?;
        socket.set_nodelay(true)?;
        Ok(Incoming {
            socket,
            peer_host: peer.ip().to_string(),
            security: self.security.clone(),
            tls: self.tls.clone(),
        })
    }
}

/// A socket that has proved nothing yet.
pub struct Incoming {
    socket: TcpStream,
    peer_host: String,
    security: Arc<Security>,
    tls: Option<TlsAcceptor>,
}

impl Incoming {
    /// Does the handshake.
    pub async fn accept(self) -> Result<Connection, WireError> {
        let token = self.security.token.as_ref();
        let mut socket = self.socket;
        match self.tls {
            None => {
                let role = accept(&mut socket, token).await?;
                Ok(plain(socket, role, self.peer_host))
            }
            Some(acceptor) => {
                let mut stream = acceptor.accept(socket).await?;
                let role = accept(&mut stream, token).await?;
                Ok(encrypted(stream, role, self.peer_host))
            }
        }
    }
}

fn plain(socket: TcpStream, role: Role, peer_host: String) -> Connection {
    let (reader, writer) = socket.into_split();
    Connection {
        reader: FrameReader::new(Box::new(reader), Limits::default()),
        sender: FrameSender::direct(writer),
        role,
        peer_host,
    }
}

fn encrypted<S>(stream: S, role: Role, peer_host: String) -> Connection
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    Connection {
        reader: FrameReader::new(Box::new(reader), Limits::default()),
        sender: FrameSender::queued(writer),
        role,
        peer_host,
    }
}
