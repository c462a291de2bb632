//! Graphs of layers, and their expansion into integer tables.
//!
//! A *layer* is one operation over a grid of blocks. It says, as a rule and not as a list, which
//! blocks of which earlier layers each of its blocks needs. A *task* is `(layer, block)`, two
//! integers. This crate knows nothing of values, threads, networks or Python: what a layer runs is
//! kept beside the graph by its owner (see `rask_value::Plan`).
//!
//! * [`Layer`], [`Input`], [`AxisMap`]: the rules.
//! * [`Graph`]: layers in an order in which each refers only to earlier ones, and the wanted blocks.

mod error;
mod graph;
mod layer;

pub use error::GraphError;
pub use graph::{Block, Graph};
pub use layer::{AxisMap, Grid, Input, InputMap, Layer, LayerId};
