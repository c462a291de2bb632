//! Explicit graphs: dicts of tasks and delayed calls, compiled into one layer of programs.
//!
//! * [`assembler`]: programs, constants and dependencies, task by task.
//! * [`dict`]: `{key: (function, argument, …)}` and Dask's task objects.
//! * [`node`]: `DelayedNode`, one delayed call.
//! * [`delayed`]: delayed calls into a plan, with the collections among their arguments.

mod assembler;
mod delayed;
mod dict;
mod node;
mod split;

use pyo3::prelude::*;

/// Adds the classes and functions of explicit graphs to `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<node::DelayedNode>()?;
    module.add_function(wrap_pyfunction!(dict::compile_graph, module)?)?;
    module.add_function(wrap_pyfunction!(dict::nest_values, module)?)?;
    module.add_function(wrap_pyfunction!(delayed::compile_delayed, module)?)?;
    Ok(())
}
