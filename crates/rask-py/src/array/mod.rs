//! Bindings of `rask.array`: expressions, Python functions of blocks, Zarr, foreign blocks.

mod blockwise;
mod duck;
mod expr;
mod opaque;
mod parse;
mod reduction;
mod sources;
mod zarr;

use numpy::PyArrayDescr;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Block lengths in full from one entry an axis.
#[pyfunction]
#[pyo3(signature = (chunks, shape, limit_bytes, dtype=None, previous_chunks=None))]
fn normalize_chunks<'py>(
    chunks: &Bound<'py, PyAny>,
    shape: &Bound<'py, PyAny>,
    limit_bytes: u64,
    dtype: Option<&Bound<'py, PyArrayDescr>>,
    previous_chunks: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let py = chunks.py();
    let shape = parse::lengths(shape)?;
    let specs = match chunks.cast::<PyTuple>() {
        Ok(each) => each
            .iter()
            .map(|entry| parse::axis_spec(&entry))
            .collect::<PyResult<Vec<_>>>()?,
        Err(_) => vec![parse::axis_spec(chunks)?; shape.len()],
    };
    let itemsize = match dtype {
        Some(dtype) => parse::element_of(dtype.as_any())?.itemsize(),
        None => 8,
    };
    let previous = previous_chunks.filter(|p| !p.is_none());
    let previous = previous.map(parse::chunks).transpose()?;
    let made =
        rask_array::chunks::normalize(&specs, &shape, limit_bytes, itemsize, previous.as_deref());
    let made = made.map_err(|error| parse::to_exception(py, error.into()))?;
    parse::chunks_to_python(py, &made)
}

/// Adds this area's classes and functions to `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    rask_array::register();
    rask_array::duck::register(Box::new(duck::PythonBlocks));
    opaque::register();
    zarr::register();
    module.add_class::<expr::PyArrayExpr>()?;
    module.add_class::<zarr::PyZarrArray>()?;
    module.add_function(wrap_pyfunction!(normalize_chunks, module)?)
}
