//! What can go wrong in a cluster, user's tasks aside.

use rask_wire::WireError;

/// A cluster operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("cannot start {what}: {source}")]
    Start {
        what: &'static str,
        source: std::io::Error,
    },
    #[error("the connection to the scheduler at {address} ended: {reason}")]
    Disconnected { address: String, reason: String },
    #[error("the scheduler sent {0} where something else was due")]
    Unexpected(&'static str),
    #[error("the scheduler is too old for {0}: upgrade Rask there")]
    TooOld(&'static str),
    #[error("the operation took longer than {0} seconds")]
    Timeout(f64),
    #[error("there is no worker named or at {0:?}")]
    UnknownWorker(String),
    #[error(transparent)]
    Codec(#[from] rask_value::CodecError),
}
