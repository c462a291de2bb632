//! Parallel tables over Arrow memory: logical plan, optimizer, partition engine, shuffle, IO.
//!
//! * [`engine`]: what happens inside one partition.
//! * [`Node`]: a partitioned table that has not been computed; operations make nodes of nodes.
//! * [`lower`]: nodes to a plan of layers, reading only the columns that are needed.
//! * [`FrameOp`]: what a task of such a layer does: plain data, sent once a layer.

pub mod engine;
mod lower;
mod node;
mod op;
mod parts;
mod required;
mod run;
mod step;

pub use lower::lower;
pub use node::{CsvPiece, Kind, Node, NodeRef, ParquetPiece, WriteFormat};
pub use op::{FrameOp, register, register_table_reader, table_of};
pub use parts::Parts;
pub use run::Run;
pub use step::Step;
