//! Parallel arrays: the block algebra, planning and kernels.

pub mod duck;
pub mod kernels;
