//! Reductions of arrays along axes, with partial results that combine.
//!
//! * [`ReduceOp`], [`reduce`]: sum, product, extrema, truth.
//! * [`Total`]: the same over tiles that come one after the other.
//! * [`moments`], [`merge_moments`]: count, mean and squared deviations for mean, variance and
//!   standard deviation.
//! * [`arg_reduce`]: positions of extrema. [`cumulate`]: running sums and products.

mod arg;
mod axes;
mod cumulative;
mod fold;
mod moments;
mod op;
mod total;

#[cfg(test)]
mod tests;

pub use arg::arg_reduce;
pub use axes::reduce;
pub use cumulative::{CumulativeOp, cumulate};
pub use moments::{has_moments, merge_moments, moments};
pub use op::ReduceOp;
pub use total::Total;
