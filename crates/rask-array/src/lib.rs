//! Parallel arrays: the block algebra, planning and kernels.
