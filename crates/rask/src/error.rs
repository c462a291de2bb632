//! What can go wrong in a Rust program that uses Rask.

use rask_array::ArrayPlanError;
use rask_local::RunError;
use rask_value::TaskError;
use rask_value::array::ArrayError;

/// An operation that cannot be, or a computation that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Refused before any work started.
    #[error(transparent)]
    Plan(#[from] ArrayPlanError),
    /// A task, a budget or an interrupt ended the run.
    #[error("{0}")]
    Run(Box<RunError>),
    /// The result could not be put together.
    #[error("{0}")]
    Result(Box<TaskError>),
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// An operation without a native kernel for these dtypes.
    #[error("{operation} has no native kernel for {dtype}")]
    NoKernel {
        operation: &'static str,
        dtype: String,
    },
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Self {
        Error::Run(Box::new(error))
    }
}

impl From<TaskError> for Error {
    fn from(error: TaskError) -> Self {
        Error::Result(Box::new(error))
    }
}
