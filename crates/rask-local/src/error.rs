//! Why a run gives no values.

use rask_graph::GraphError;
use rask_value::TaskError;

/// A run that ended without its values.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The first task that failed; `error.origin` is the user's line that made its layer.
    #[error("block {block} of {layer:?} failed: {error}")]
    Task {
        layer: String,
        block: u32,
        error: Box<TaskError>,
    },
    /// A layer that only a cluster can provide.
    #[error(
        "the values of {layer:?} are held by a cluster, and this runs without one: compute it \
         with the client that made it"
    )]
    Remote { layer: String },
    #[error("interrupted")]
    Interrupted,
    /// A value that was spilled to disk cannot be read back.
    #[error("cannot read a spilled value of {layer:?} back from disk: {reason}")]
    Spill { layer: String, reason: String },
}
