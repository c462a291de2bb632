//! Reductions made of Python functions.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use rask_array::expr::UserReduction;

use super::blockwise::fresh_token;
use super::opaque::PyFunction;

/// How many blocks along each axis are put together at a time.
pub fn split(
    given: Option<&Bound<'_, PyAny>>,
    axes: &[usize],
) -> PyResult<Option<Vec<(usize, usize)>>> {
    let Some(given) = given.filter(|given| !given.is_none()) else {
        return Ok(None);
    };
    if let Ok(by_axis) = given.cast::<PyDict>() {
        let mut limits = Vec::new();
        for (axis, count) in by_axis {
            limits.push((axis.extract()?, count.extract()?));
        }
        return Ok(Some(limits));
    }
    let total: f64 = given.extract()?;
    let each = total.powf(1.0 / axes.len().max(1) as f64).floor().max(2.0) as usize;
    Ok(Some(axes.iter().map(|&axis| (axis, each)).collect()))
}

/// The functions of a reduction.
pub struct UserFunctions<'a, 'py> {
    pub chunk: &'a Bound<'py, PyAny>,
    pub combine: &'a Bound<'py, PyAny>,
    pub aggregate: &'a Bound<'py, PyAny>,
    pub name: &'a str,
    pub concatenate: bool,
    pub output_size: i64,
}

impl UserFunctions<'_, '_> {
    /// The reduction over these axes.
    pub fn reduction(&self, axes: &[usize], keepdims: bool) -> PyResult<UserReduction> {
        let py = self.chunk.py();
        let keywords = |keepdims: bool| -> PyResult<Py<PyDict>> {
            let keywords = PyDict::new(py);
            keywords.set_item("axis", PyTuple::new(py, axes)?)?;
            keywords.set_item("keepdims", keepdims)?;
            Ok(keywords.unbind())
        };
        let function = |part: &str, function: &Bound<'_, PyAny>, keepdims: bool| -> PyResult<_> {
            let name = format!("{}{part}", self.name);
            Ok(PyFunction::of_inputs(
                &name,
                function.clone().unbind(),
                keywords(keepdims)?,
            ))
        };
        Ok(UserReduction {
            chunk: Some(function("", self.chunk, true)?),
            combine: function("-partial", self.combine, true)?,
            aggregate: function("-aggregate", self.aggregate, keepdims)?,
            concatenate: self.concatenate,
            token: fresh_token(),
            name: self.name.to_owned(),
            output_size: self.output_size,
        })
    }
}
