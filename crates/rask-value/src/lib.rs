//! Values and ops: what tasks return, and what tasks run.
//!
//! * [`Value`]: anything a task returns; it knows its size and can turn itself into [`Frames`].
//! * [`Op`]: what the blocks of a layer run; it too can turn itself into frames, once a layer.
//! * [`Plan`]: a graph together with the op of each of its layers; what engines are given.
//! * [`fuse_plan`]: a plan with chains of layers fused.
//! * [`codec`]: from frames back to values and ops, by kind.
//! * `NdArray`, `DType`: native n-d arrays (module `array`).

mod annotations;
pub mod array;
pub mod codec;
mod error;
mod frames;
mod fused;
mod op;
mod origin;
mod part_index;
mod parts;
mod plan;
mod sizes;
mod value;

pub use annotations::{Annotations, ByBlock, KeyFunctions};
pub use error::{CodecError, TaskError};
pub use frames::{Encoded, Frames, OwnEncoded};
pub use fused::{FusedOp, fuse_plan};
pub use op::{Inputs, Op, OpRef, Scope, TaskContext};
pub use origin::{Origin, SpanPath, are_annotated_alike};
pub use part_index::{PartIndex, PartKinds, PartsEncoder};
pub use parts::{PartPlace, TakesParts};
pub use plan::{LayerNames, LayerOp, Plan};
pub use sizes::OutputSizes;
pub use value::{SHARED_BYTES_MIN, Value, ValueRef};
