//! What a block's task runs: a short program of chunk operations, fused from neighbouring nodes.
//!
//! * [`ChunkOp`]: one operation, plain data.
//! * [`BlockOp`]: a layer's program of them; the op that engines run.
//! * [`assemble`]: the blocks of a computed array as one.

mod chunk_op;
mod contract;
mod cumulate;
mod elementwise;
mod evaluate;
mod gather;
mod ops;
mod pair;
mod parts;
mod places;
mod program;
mod reduction;

pub use chunk_op::{BlockShapes, ChunkOp, GeneratorAxis};
pub use ops::assemble;
pub use pair::ArrayPair;
pub use program::{Argument, BlockOp, Coordinate, Edge, FusedStep};
pub use reduction::{Phase, ReduceStep};

/// Makes this module's ops and values decodable in this process.
pub fn register() {
    rask_value::codec::register_op(program::KIND, program::decode);
    rask_value::codec::register_value(pair::KIND, pair::decode);
    parts::register();
}
