//! Block nodes: what is fused into layers.

use std::sync::Arc;

use rask_graph::{AxisMap, Grid, InputMap};
use rask_value::{Origin, Plan, ValueRef};

use crate::block::{BlockShapes, ChunkOp};
use crate::expr::ArrayExpr;
use crate::lower::same_map;
use crate::opaque::OpaqueRef;

/// Position of a block node; inputs come before it.
pub(crate) type NodeId = usize;

/// What makes a node's blocks.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Op(ChunkOp),
    Held(Vec<ValueRef>),
    /// The wanted blocks of another plan.
    External(Arc<Plan>),
}

/// Which blocks of which node.
#[derive(Clone, Debug)]
pub(crate) struct NodeEdge {
    pub node: NodeId,
    pub map: InputMap,
}

impl NodeEdge {
    pub fn axes(node: NodeId, maps: impl IntoIterator<Item = AxisMap>) -> Self {
        let map = InputMap::Axes(maps.into_iter().collect());
        NodeEdge { node, map }
    }

    pub fn same(node: NodeId, axes: usize) -> Self {
        let map = same_map(axes);
        NodeEdge { node, map }
    }
}

/// One operation over a grid of blocks.
#[derive(Clone, Debug)]
pub(crate) struct BlockNode {
    pub name: Arc<str>,
    pub grid: Grid,
    pub shapes: BlockShapes,
    pub itemsize: u64,
    pub work: Work,
    pub edges: Vec<NodeEdge>,
    pub opaque: Option<OpaqueRef>,
    /// Making a block again costs less than keeping it.
    pub cheap: bool,
    pub origin: Option<Origin>,
}

impl BlockNode {
    /// A node of an array's blocks.
    pub fn of(array: &ArrayExpr, op: ChunkOp, edges: Vec<NodeEdge>) -> Self {
        BlockNode {
            name: array.name().clone(),
            grid: array.grid(),
            shapes: BlockShapes(array.chunks().to_vec()),
            itemsize: array.element().itemsize() as u64,
            work: Work::Op(op),
            edges,
            opaque: None,
            cheap: false,
            origin: array.origin().cloned(),
        }
    }

    /// The node's operation calls this callable.
    pub fn with_opaque(mut self, opaque: OpaqueRef) -> Self {
        self.opaque = Some(opaque);
        self
    }

    /// Whether its tasks run inside a scope.
    pub fn is_scoped(&self) -> bool {
        self.opaque
            .as_ref()
            .is_some_and(|opaque| opaque.scope().is_some())
    }
}
