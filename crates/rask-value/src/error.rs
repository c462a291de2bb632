//! What can go wrong in a task, and in encoding.

use crate::{Origin, ValueRef};

/// A value or an op that cannot be encoded or decoded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CodecError {
    #[error("nothing here reads values or ops of kind {0:?}")]
    UnknownKind(String),
    #[error("malformed {kind}: {reason}")]
    Malformed { kind: &'static str, reason: String },
    #[error("cannot serialise {what}: {reason}")]
    NotSerialisable { what: String, reason: String },
}

/// A task that failed: user code raised, or a kernel refused its input.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct TaskError {
    /// One line: `"ZeroDivisionError: division by zero"`.
    pub message: String,
    /// The remote traceback as text, where there is one.
    pub traceback: Option<String>,
    /// The user's exception object, where there is one.
    pub exception: Option<ValueRef>,
    /// The user's line that made the failing layer; engines fill it in from the plan.
    pub origin: Option<Origin>,
}

impl TaskError {
    /// An error with a message only.
    pub fn new(message: impl Into<String>) -> Self {
        TaskError {
            message: message.into(),
            traceback: None,
            exception: None,
            origin: None,
        }
    }
}

impl From<CodecError> for TaskError {
    fn from(error: CodecError) -> Self {
        TaskError::new(error.to_string())
    }
}
