//! What can be wrong with bytes that a peer sent.

/// A frame that is not a message of this protocol.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProtoError {
    #[error("malformed message: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error("a message of a kind that this version does not know (is the peer newer?)")]
    UnknownMessage,
    #[error("{message}: columns of {left} and {right} entries should be equally long")]
    Columns {
        message: &'static str,
        left: usize,
        right: usize,
    },
    #[error("{what} of {value} is out of range")]
    OutOfRange { what: &'static str, value: u64 },
    #[error("the message announces more payloads than came with it")]
    MissingPayload,
}

/// Checks that two columns of `message` have the same length.
pub(crate) fn check_columns(
    message: &'static str,
    left: usize,
    right: usize,
) -> Result<(), ProtoError> {
    if left == right {
        Ok(())
    } else {
        Err(ProtoError::Columns {
            message,
            left,
            right,
        })
    }
}
