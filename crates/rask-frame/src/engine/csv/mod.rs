//! CSV files: read in ranges that tasks can share out, and written.
//!
//! A range is parsed in blocks that fit the cache: one pass finds where fields end (vector
//! comparisons), then each wanted column is parsed on its own in a loop made for its dtype.
//! Columns that are not wanted cost only the first pass.

mod builder;
mod infer;
mod missing;
mod number;
mod options;
mod read;
mod scan;
mod split;
mod write;

pub use infer::infer;
pub use options::{CsvColumn, CsvOptions, CsvSchema, Separator};
pub use read::{read_bytes, read_range, read_sample, read_whole};
pub use write::{CsvWriteOptions, write, write_header};
