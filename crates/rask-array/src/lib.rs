//! Parallel arrays: the block algebra, planning and kernels.
//!
//! * [`ArrayExpr`]: what a user builds, one node an operation, whatever the number of blocks.
//! * [`lower`]: optimised expressions as layers of a plan.
//! * [`chunks`]: how axes are cut into blocks.
//! * [`block`]: what a block's task runs; [`duck`]: the same for blocks that are foreign objects.
//! * [`kernels`]: what happens inside a block.

pub mod block;
pub mod chunks;
pub mod duck;
mod error;
pub mod expr;
mod fuse;
pub mod kernels;
pub mod lower;
pub mod opaque;
mod optimize;
mod parting;
mod selection;

pub use error::ArrayPlanError;
pub use expr::{ArrayExpr, ElementType};
pub use lower::lower_many;
pub use selection::{AxisSelection, Run};

/// Makes this crate's ops and values decodable in this process.
pub fn register() {
    rask_value::array::register();
    block::register();
}
