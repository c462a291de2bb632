//! What can go wrong with a connection.

use rask_proto::{ProtoError, Versions};

/// A connection that could not be made, or that broke.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("{0:?} is not an address; write tcp://host:port or tls://host:port")]
    Address(String),
    #[error("cannot listen on {address}: {source}")]
    Bind {
        address: String,
        source: std::io::Error,
    },
    #[error("cannot connect to {address}: {source}")]
    Connect {
        address: String,
        source: std::io::Error,
    },
    #[error("the connection ended")]
    Closed,
    #[error("connection failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("the peer does not speak this protocol")]
    NotRask,
    #[error(
        "the peer speaks {theirs} of the protocol and this end {ours}: upgrade Rask at {}",
        if ours.newest < theirs.newest { "this end" } else { "the other end" }
    )]
    Version { ours: Versions, theirs: Versions },
    #[error(
        "the token was refused; give this end the token of the cluster (--token-file, Security(token=…))"
    )]
    TokenRefused,
    #[error(
        "the other end has as many connections as it may; allow its process more open files (ulimit -n)"
    )]
    Full,
    #[error("the handshake took too long")]
    HandshakeTimeout,
    #[error("a frame of {nbytes} bytes is over the limit of {limit}")]
    TooLarge { nbytes: u64, limit: u64 },
    #[error(transparent)]
    Proto(#[from] ProtoError),
    #[error(
        "{address} and this end do not trust each other's certificates, or have no cipher or version of TLS in common: {reason}"
    )]
    Untrusted { address: String, reason: String },
    #[error("encryption is not set up: {0}")]
    Tls(String),
}
