//! Bindings of `rask.array`.

mod duck;

use pyo3::prelude::*;

/// Adds this area's classes and functions to `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let _ = module;
    rask_array::duck::register(Box::new(duck::PythonBlocks));
    Ok(())
}
