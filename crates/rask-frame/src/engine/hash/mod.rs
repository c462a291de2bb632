//! Equal values, equal numbers: dense codes for the values of columns, group numbers for rows over
//! several columns, and hashes that are the same in every process.

mod encode;
mod group;
mod rows;
mod table;

pub(crate) use encode::encode_one;
pub use group::{Groups, group_rows};
pub(crate) use group::{group_chunks, rows_by_id};
pub use rows::hash_rows;
pub(crate) use rows::mix;
pub(crate) use table::NO_CODE;
