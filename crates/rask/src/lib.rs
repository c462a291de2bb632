//! Parallel computing for Rust: the facade over Rask's crates.
//!
//! ```
//! use rask::prelude::*;
//!
//! # fn main() -> Result<(), rask::Error> {
//! let x = rask::array::random_normal(42, &[1_000, 1_000], &[250, 250])?;
//! let total = (&x + 1.0)?.sum()?.compute()?;
//! assert!((total.item::<f64>()? - 1e6).abs() < 1e4);
//! # Ok(())
//! # }
//! ```

pub mod array;
mod error;

pub use error::Error;
pub use rask_array;
pub use rask_graph;
pub use rask_local;
pub use rask_value;

/// What most programs need.
pub mod prelude {
    pub use crate::Error;
    pub use crate::array::{self, Array, ComputeOptions};
    pub use rask_value::array::{DType, NdArray, Scalar};
}
