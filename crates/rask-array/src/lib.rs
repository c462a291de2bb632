//! Parallel arrays: the block algebra, planning and kernels.

pub mod kernels;
