//! The engine inside a partition: columns in Arrow memory with pandas semantics.
//!
//! Everything here works on one partition at a time and knows nothing of graphs, clusters or
//! Python. Arrow's kernels select, cast and concatenate; hash tables, groupings, joins, sorts,
//! parsing and the pandas rules for missing values, order and dtypes are our own.
//!
//! * [`Table`], [`Column`], [`Index`], [`Schema`], [`DType`], [`Label`], [`Scalar`]: the data.
//! * [`hash_rows`], [`group_rows`]: equal values.

mod assemble;
mod calendar;
mod cast;
mod codec;
mod column;
mod concat;
pub mod csv;
mod dispatch;
mod division;
mod dtype;
mod error;
pub mod expr;
pub mod groupby;
mod hash;
mod interchange;
pub mod join;
mod json;
mod label;
mod near;
mod numbers;
pub mod parquet;
pub mod partition;
mod scalar;
pub mod sort;
mod table;
mod text;
pub mod unique;

pub use assemble::{assemble, assemble_sorted};
pub(crate) use codec::encode_run;
pub use codec::{KIND, decode, register};
pub use column::Column;
pub(crate) use division::DIVISION_KIND;
pub use division::{Division, Piece};
pub use dtype::{DType, Number, TimeUnit};
pub use error::{EngineError, Result, find_near_match};
pub use expr::{BinaryOp, Expr, UnaryOp};
pub use hash::{Groups, group_rows, hash_rows};
pub use label::Label;
pub use near::NearLabels;
pub use numbers::Numbers;
pub use scalar::Scalar;
pub use table::{Index, IndexSchema, Schema, Table};
