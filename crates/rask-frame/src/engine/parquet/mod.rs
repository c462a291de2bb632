//! Parquet files: row groups read alone, with only the columns wanted, passed over where their
//! statistics say that no row can match; written with pandas' metadata.

mod bounds;
mod read;
mod write;

pub use bounds::{Bounds, can_match};
pub use read::{ParquetMeta, RowGroup, metadata, read};
pub use write::{Compression, ParquetWriteOptions, write, write_to};

use super::EngineError;

fn failed(path: &std::path::Path, error: impl std::fmt::Display) -> EngineError {
    EngineError::Io {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}
