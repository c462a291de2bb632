//! The kinds of nodes.

use std::sync::Arc;

use rask_value::{Plan, ValueRef};

use super::blocks::Blockwise;
use super::reduction::{Reduction, UserReduction};
use crate::kernels::elementwise::{GeneratorKind, Program};
use crate::kernels::reduce::CumulativeOp;
use crate::opaque::{OpaqueRef, Region};
use crate::selection::AxisSelection;
use rask_value::array::Scalar;

/// What a node computes.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A value in memory; blocks are parts of it.
    Held {
        value: ValueRef,
    },
    /// The wanted blocks of a plan, in row-major order.
    External {
        plan: Arc<Plan>,
    },
    /// Elements made from their position in an array of shape `whole`: the ones at
    /// `start + step * i` along each axis.
    Generate {
        kind: GeneratorKind,
        whole: Vec<usize>,
        view: Vec<(usize, isize)>,
    },
    /// Ones where the column is the row plus `k`, of elements at `start + step * i`.
    Eye {
        k: i64,
        view: Vec<(usize, isize)>,
    },
    /// Parts read by a callable.
    Read {
        source: OpaqueRef,
        /// Start and step along each axis of the source.
        view: Vec<Region>,
    },
    /// Blocks made by a callable from their coordinates and shape.
    Make {
        function: OpaqueRef,
    },
    /// A native program on inputs of equal chunks along the axes where they are not of length one.
    Elementwise {
        program: Arc<Program>,
    },
    /// A callable on blocks.
    Blockwise(Arc<Blockwise>),
    /// Elements of the input, chosen axis by axis, in new chunks; `None` leaves an axis as it is.
    Select {
        axes: Vec<Option<AxisSelection>>,
        fill: Scalar,
    },
    /// Whole blocks of the input, chosen axis by axis.
    Blocks {
        axes: Vec<Vec<u32>>,
    },
    /// Axes in another order, dropped (of length one), or new (of length one).
    View {
        axes: Vec<Option<usize>>,
    },
    /// Axes of length one stretched, new axes in front.
    Broadcast,
    /// Blocks of new shapes; for each output axis the input axis whose blocks it follows.
    Reshape {
        follows: Vec<Option<usize>>,
    },
    /// Inputs one after the other along an axis.
    Concatenate {
        axis: usize,
    },
    /// The same blocks, with other declared sizes or dtype.
    Relabel,
    Reduce {
        reduction: Reduction,
        axes: Vec<usize>,
        keepdims: bool,
        /// How many blocks along each reduced axis are combined by one task.
        split: Vec<usize>,
    },
    UserReduce {
        reduction: Arc<UserReduction>,
        axes: Vec<usize>,
        keepdims: bool,
        split: Vec<usize>,
    },
    Cumulate {
        op: CumulativeOp,
        axis: usize,
    },
    /// Sum of products: `[batch…, rows…, inner…]` by `[batch…, inner…, columns…]`.
    Contract {
        batch: usize,
        rows: usize,
        inner: usize,
        columns: usize,
    },
}
