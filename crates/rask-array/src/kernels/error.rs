//! What a kernel can refuse.

use rask_value::TaskError;
use rask_value::array::{ArrayError, DType};

/// A kernel that cannot do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KernelError {
    #[error(transparent)]
    Array(#[from] ArrayError),
    #[error("ValueError: Integers to negative integer powers are not allowed.")]
    NegativePower,
    #[error("TypeError: {op} has no native loop for {dtype}")]
    NoLoop { op: &'static str, dtype: DType },
    #[error("the program takes {expected} inputs, {found} were given")]
    InputCount { expected: usize, found: usize },
    #[error("an input of {expected} was expected, one of {found} was given")]
    InputDType { expected: DType, found: DType },
    #[error("the output's memory is shared")]
    Shared,
    #[error("ValueError: zero-size array to reduction operation {op} which has no identity")]
    Empty { op: &'static str },
}

impl From<KernelError> for TaskError {
    fn from(error: KernelError) -> Self {
        TaskError::new(error.to_string())
    }
}
