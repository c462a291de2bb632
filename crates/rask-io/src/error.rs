//! What can go wrong with an array store.

use std::path::PathBuf;

/// An array store that cannot be opened, read or written as asked.
#[derive(Debug, thiserror::Error)]
pub enum IoError {
    #[error("cannot open the Zarr array at {path}: {reason}")]
    Open { path: PathBuf, reason: String },
    #[error("cannot create a Zarr array at {path}: {reason}")]
    Create { path: PathBuf, reason: String },
    #[error("cannot read {path}: {reason}")]
    Read { path: PathBuf, reason: String },
    #[error("cannot write {path}: {reason}")]
    Write { path: PathBuf, reason: String },
    #[error(
        "the Zarr array at {path} has elements of type {data_type}, which Rask has no kernels for"
    )]
    UnsupportedType { path: PathBuf, data_type: String },
    #[error("region {region:?} does not fit an array of shape {shape:?}")]
    OutOfBounds {
        region: Vec<(u64, u64, u64)>,
        shape: Vec<u64>,
    },
    #[error("{got} bytes were given for a region that holds {expected}")]
    WrongSize { got: usize, expected: usize },
}
