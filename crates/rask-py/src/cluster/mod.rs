//! Bindings of `rask.distributed`.

use pyo3::prelude::*;

/// Adds this area's classes and functions to `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let _ = module;
    Ok(())
}
