//! The Python module `rask._core`: Python callables as ops, Python objects as values, conversions,
//! and the classes that `python/rask` is a thin layer over. Policies and block algebra live in the
//! crates below.

mod annotations;
mod array;
mod blocks;
mod buffers;
mod builder;
mod callable;
mod cluster;
mod convert;
mod error;
mod explicit;
mod frame;
mod gil;
mod hash;
mod heap;
mod local;
mod ndarray;
mod numpy_memory;
mod object;
mod observer;
mod origin;
mod pickled;
mod plan;
mod program;
mod sizeof;
mod spans;

use pyo3::prelude::*;
use rask_cluster::segments::SegmentAllocator;

#[global_allocator]
static ALLOCATOR: SegmentAllocator<heap::Heap> = SegmentAllocator(heap::Heap);

#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    rask_value::array::register();
    object::register_codec();
    callable::register_codec();
    program::register_codec();
    plan::register(module)?;
    builder::register(module)?;
    explicit::register(module)?;
    blocks::register(module)?;
    hash::register(module)?;
    local::register(module)?;
    array::register(module)?;
    frame::register(module)?;
    cluster::register(module)?;
    spans::register(module)?;
    annotations::register(module)?;
    Ok(())
}
