//! The operations of blocks, as plain data.

use std::sync::Arc;

use rask_graph::Grid;
use rask_value::array::{DType, Scalar};
use serde::{Deserialize, Serialize};

use super::reduction::ReduceStep;
use crate::chunks::Sizes;
use crate::kernels::elementwise::{GeneratorKind, Program};
use crate::kernels::reduce::CumulativeOp;
use crate::opaque::Region;
use crate::parting::AxisParts;
use crate::selection::AxisPieces;

/// Where the blocks of a generator lie along one axis.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GeneratorAxis {
    /// Position in the whole array of the axis's first element, and distance of neighbours.
    pub start: usize,
    pub step: isize,
    /// Where each block begins, and where the last one ends, in elements of the axis.
    pub offsets: Arc<[usize]>,
}

impl GeneratorAxis {
    /// Position in the whole array of a block's first element, and the block's length.
    pub fn block(&self, at: u32) -> (usize, usize) {
        let from = self.offsets[at as usize];
        let length = self.offsets[at as usize + 1] - from;
        let start = self.start as isize + self.step * from as isize;
        (start as usize, length)
    }
}

/// The declared shapes of blocks, axis by axis.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BlockShapes(pub Vec<Sizes>);

impl BlockShapes {
    /// The shape of the block at these coordinates; -1 where unknown.
    pub fn at(&self, coords: &[u32]) -> Vec<i64> {
        let axes = self.0.iter().zip(coords);
        axes.map(|(sizes, &at)| sizes.get(at as usize).copied().unwrap_or(-1))
            .collect()
    }
}

/// An operation on the blocks that a step is given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ChunkOp {
    /// The only block it is given.
    Same,
    Generate {
        kind: GeneratorKind,
        dtype: DType,
        whole: Vec<usize>,
        axes: Vec<GeneratorAxis>,
    },
    Eye {
        k: i64,
        dtype: DType,
        axes: Vec<GeneratorAxis>,
    },
    /// A part of a source, through the callable of this number.
    Read {
        opaque: usize,
        view: Vec<Region>,
        shapes: BlockShapes,
    },
    /// A block made from its place, through the callable of this number.
    Make {
        opaque: usize,
        shapes: BlockShapes,
    },
    /// One block from each argument, broadcast.
    Program(Arc<Program>),
    View(Vec<Option<usize>>),
    Broadcast(BlockShapes),
    Reshape(BlockShapes),
    /// Pieces of blocks; `None` is an axis taken whole from one block.
    Gather {
        axes: Vec<Option<AxisPieces>>,
        fill: Scalar,
        dtype: Option<DType>,
    },
    /// The block cut into parts for the blocks of this grid that need some of it.
    Cut {
        axes: Vec<Option<AxisParts>>,
        grid: Grid,
    },
    /// Pieces of blocks that were cut, each given whole or the part that is needed of it. `count`:
    /// about how many parts a block was cut into.
    Assemble {
        axes: Vec<Option<AxisPieces>>,
        fill: Scalar,
        dtype: Option<DType>,
        grid: Grid,
        count: u32,
    },
    Reduce(ReduceStep),
    /// A callable's reduction: one block, or the grid of blocks to combine.
    UserReduce {
        opaque: usize,
        axes: Vec<usize>,
        concatenate: bool,
        combine: bool,
    },
    /// Running sums or products inside the block.
    Cumulate {
        op: CumulativeOp,
        axis: usize,
    },
    /// The last slice along an axis.
    Last {
        axis: usize,
    },
    /// The first argument's block with the blocks of the second all added (or multiplied) to it.
    Carry {
        op: CumulativeOp,
    },
    Contract {
        batch: usize,
        rows: usize,
        inner: usize,
        columns: usize,
    },
    /// A callable on blocks: for each argument the axes along which it is given several blocks.
    Blockwise {
        opaque: usize,
        contracted: Vec<Vec<usize>>,
        concatenate: bool,
        shapes: BlockShapes,
    },
}

impl ChunkOp {
    /// The operation's name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            ChunkOp::Same => "same",
            ChunkOp::Generate { .. } | ChunkOp::Eye { .. } => "generate",
            ChunkOp::Read { .. } => "read",
            ChunkOp::Make { .. } => "make",
            ChunkOp::Program(_) => "elementwise",
            ChunkOp::View(_) => "view",
            ChunkOp::Broadcast(_) => "broadcast",
            ChunkOp::Reshape(_) => "reshape",
            ChunkOp::Gather { .. } => "gather",
            ChunkOp::Cut { .. } => "cut",
            ChunkOp::Assemble { .. } => "assemble",
            ChunkOp::Reduce(_) => "reduce",
            ChunkOp::UserReduce { .. } => "reduce",
            ChunkOp::Cumulate { .. } => "cumulate",
            ChunkOp::Last { .. } => "last",
            ChunkOp::Carry { .. } => "carry",
            ChunkOp::Contract { .. } => "contract",
            ChunkOp::Blockwise { .. } => "blockwise",
        }
    }
}
