//! What can be wrong with a graph.

/// A graph that cannot be expanded. Each of these is a mistake of whoever built the graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    #[error("layer {layer:?} refers to layer number {input}, which does not come before it")]
    UnknownLayer { layer: String, input: u32 },
    #[error("layer {layer:?} has {maps} axis maps for an input of {axes} axes")]
    AxisCount {
        layer: String,
        maps: usize,
        axes: usize,
    },
    #[error("layer {layer:?} needs block {block} of {input:?}, which has {count} blocks")]
    BlockOutOfRange {
        layer: String,
        input: String,
        block: u64,
        count: u64,
    },
    #[error("layer {layer:?} has a malformed rule for its input {input:?}: {reason}")]
    Malformed {
        layer: String,
        input: String,
        reason: &'static str,
    },
    #[error("block {block} of layer number {layer} is wanted, and there is no such block")]
    UnknownBlock { layer: u32, block: u32 },
    #[error("the graph has a cycle through {0}")]
    Cycle(String),
    #[error("the graph has {count} tasks; at most {max} are supported in one graph")]
    TooManyTasks { count: u64, max: u32 },
    #[error("the tasks of the graph need up to {count} inputs in all; at most {max} are supported")]
    TooManyEdges { count: u64, max: u64 },
}
