//! The trait of everything a task runs.

use std::any::Any;
use std::sync::Arc;

use rask_graph::Grid;
use smallvec::SmallVec;

use crate::{CodecError, Encoded, OutputSizes, TakesParts, TaskError, ValueRef};

/// The values a task is given, owned: an op that finds a value unshared (`Arc::get_mut`) may write
/// its result into it. Engines drop their own reference first when this task is the last reader.
pub type Inputs = SmallVec<[ValueRef; 4]>;

/// Which block of which layer is being made.
#[derive(Clone, Copy, Debug)]
pub struct TaskContext<'a> {
    /// The layer's name.
    pub layer: &'a str,
    pub grid: &'a Grid,
    /// The block's number in the layer's grid, row-major.
    pub block: u32,
}

impl TaskContext<'_> {
    /// The block's coordinates in the grid.
    pub fn coords(&self) -> SmallVec<[u32; 4]> {
        self.grid.coords_of(self.block)
    }
}

/// Something that has to be entered before an op can run, and is worth keeping for the next op:
/// the Python interpreter.
pub trait Scope: Sync {
    /// Calls `body` inside the scope. Ops of the same scope may be run from `body` one after the
    /// other; entering again from inside is allowed and cheap.
    fn enter(&self, body: &mut dyn FnMut());
}

/// What the blocks of a layer run.
pub trait Op: Any + Send + Sync + std::fmt::Debug {
    /// Name of the operation for diagnostics and duration statistics: `"add"`, `"read_csv"`.
    fn name(&self) -> &str;

    /// Makes one block.
    fn run(&self, context: TaskContext<'_>, inputs: Inputs) -> Result<ValueRef, TaskError>;

    /// The scope tasks of this op run in; `None` runs anywhere, without the GIL.
    fn scope(&self) -> Option<&'static dyn Scope> {
        None
    }

    /// The op as frames that [`codec::decode_op`](crate::codec::decode_op) reads.
    fn encode(&self) -> Result<Encoded, CodecError>;

    /// Predicted bytes of the block's value, when known before any task ran.
    fn output_bytes(&self, block: u32) -> Option<u64> {
        let _ = block;
        None
    }

    /// Predicted bytes of all blocks' values as a rule, when known before any task ran.
    fn output_sizes(&self) -> Option<OutputSizes> {
        None
    }

    /// What this op and another of a layer of the same name hold together, where ops hold blocks and
    /// not all of them.
    fn unite(&self, _other: &dyn Op) -> Option<OpRef> {
        None
    }

    /// Which part of its inputs a block needs, if it needs one part of each. It may be given the
    /// whole values all the same.
    fn takes_parts(&self) -> Option<TakesParts> {
        None
    }
}

impl dyn Op {
    /// The op as a concrete type, if it is one.
    pub fn downcast_ref<T: Op>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref::<T>()
    }
}

/// A shared op.
pub type OpRef = Arc<dyn Op>;
