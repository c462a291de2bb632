//! Graphs of layers, and their expansion into integer tables.
//!
//! A *layer* is one operation over a grid of blocks. It says, as a rule and not as a list, which
//! blocks of which earlier layers each of its blocks needs. A *task* is `(layer, block)`, two
//! integers. This crate knows nothing of values, threads, networks or Python: what a layer runs is
//! kept beside the graph by its owner (see `rask_value::Plan`).
//!
//! * [`Layer`], [`Input`], [`AxisMap`]: the rules.
//! * [`Graph`]: layers in an order in which each refers only to earlier ones, and the wanted blocks.
//! * [`TaskTable`]: the tasks needed for the wanted blocks, as flat integer tables.
//! * [`fuse`]: layers whose blocks correspond one to one become one layer.
//! * [`order`]: the order in which to run them, so that few values are alive at any time.

mod check;
mod error;
mod expand;
mod fuse;
mod graph;
mod layer;
mod members;
mod order;
mod rule;
mod table;
mod windows;

pub use error::GraphError;
pub use expand::ExpansionLimits;
pub use fuse::{FusedStep, Fusion, StepInput, fuse};
pub use graph::{Block, Graph};
pub use layer::{AxisMap, Grid, Input, InputMap, Layer, LayerId};
pub use order::{order, ranks};
pub use table::{TaskId, TaskTable};
