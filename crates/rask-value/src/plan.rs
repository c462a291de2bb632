//! A graph with what its layers run.

use std::sync::Arc;

use rask_graph::{Block, Graph, Layer, LayerId};

use crate::{OpRef, Origin, ValueRef};

/// Where the blocks of a layer come from.
#[derive(Clone, Debug)]
pub enum LayerOp {
    /// Each block is made by running the op.
    Run(OpRef),
    /// The values are already here, one a block, in order (persisted results, small literals).
    Held(Arc<[ValueRef]>),
    /// A cluster holds, or will hold, a layer of this name: futures and persisted collections.
    Remote,
}

/// What an engine is given: a graph, and for each of its layers the op and the user's line.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub graph: Graph,
    /// One a layer, in the order of `graph.layers`.
    pub ops: Vec<LayerOp>,
    /// One a layer, in the order of `graph.layers`.
    pub origins: Vec<Option<Origin>>,
}

impl Plan {
    /// Adds a layer with its op.
    pub fn add(&mut self, layer: Layer, op: LayerOp, origin: Option<Origin>) -> LayerId {
        self.ops.push(op);
        self.origins.push(origin);
        self.graph.add(layer)
    }

    /// The wanted blocks.
    pub fn wanted(&self) -> &[Block] {
        &self.graph.wanted
    }
}
