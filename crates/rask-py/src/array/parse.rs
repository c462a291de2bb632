//! Between Python's ways of writing things and what array expressions take.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use numpy::{PyArrayDescr, PyArrayDescrMethods};
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyFloat, PyInt, PySlice, PyString, PyTuple};
use rask_array::chunks::{AxisSpec, Chunks, UNKNOWN};
use rask_array::expr::{Boundary, IndexItem, Operand};
use rask_array::{ArrayPlanError, ElementType};
use rask_value::array::{DType, NdArray, Scalar};

use super::expr::PyArrayExpr;
use crate::convert::from_python;
use crate::ndarray::{descriptor, find_dtype};

static FOREIGN: LazyLock<Mutex<HashMap<String, Py<PyAny>>>> = LazyLock::new(Default::default);

/// The exception that NumPy raises for a mistake.
pub fn to_exception(py: Python<'_>, error: ArrayPlanError) -> PyErr {
    match error {
        ArrayPlanError::Index(message) => PyIndexError::new_err(message),
        ArrayPlanError::Type(message) => PyTypeError::new_err(message),
        ArrayPlanError::Axis { axis, ndim } => {
            let raised = py
                .import("numpy.exceptions")
                .and_then(|module| module.getattr("AxisError")?.call1((axis, ndim)));
            raised.map_or_else(|error| error, PyErr::from_value)
        }
        other => PyValueError::new_err(other.to_string()),
    }
}

/// A NumPy dtype as the type of an expression's elements.
pub fn element_of(dtype: &Bound<'_, PyAny>) -> PyResult<ElementType> {
    let described = dtype.cast::<PyArrayDescr>()?;
    if let Some(native) = find_dtype(described) {
        return Ok(native.into());
    }
    let text = if described.has_fields() {
        dtype.repr()?.to_string()
    } else {
        dtype.getattr("str")?.extract()?
    };
    let mut known = FOREIGN.lock().unwrap_or_else(|e| e.into_inner());
    known
        .entry(text.clone())
        .or_insert_with(|| dtype.clone().unbind());
    Ok(ElementType::Foreign(text.into()))
}

/// The NumPy dtype of an expression's elements.
pub fn dtype_of<'py>(py: Python<'py>, element: &ElementType) -> PyResult<Bound<'py, PyAny>> {
    match element {
        ElementType::Native(dtype) => Ok(descriptor(py, *dtype)?.into_any()),
        ElementType::Foreign(text) => {
            let known = FOREIGN.lock().unwrap_or_else(|e| e.into_inner());
            match known.get(&**text) {
                Some(dtype) => Ok(dtype.bind(py).clone()),
                None => Ok(PyArrayDescr::new(py, &**text)?.into_any()),
            }
        }
    }
}

/// The native dtype of an optional NumPy one; an error for dtypes without kernels.
pub fn native_of(dtype: Option<&Bound<'_, PyAny>>) -> PyResult<Result<Option<DType>, ()>> {
    let Some(dtype) = dtype.filter(|dtype| !dtype.is_none()) else {
        return Ok(Ok(None));
    };
    Ok(match element_of(dtype)?.native() {
        Some(native) => Ok(Some(native)),
        None => Err(()),
    })
}

/// A length: -1 for nan.
pub fn length(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    if let Ok(length) = value.extract::<i64>() {
        return Ok(length);
    }
    let length: f64 = value.extract()?;
    Ok(if length.is_nan() {
        UNKNOWN
    } else {
        length as i64
    })
}

/// Lengths along one axis.
pub fn lengths(values: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    values.try_iter()?.map(|value| length(&value?)).collect()
}

/// Block lengths in full.
pub fn chunks(values: &Bound<'_, PyAny>) -> PyResult<Chunks> {
    values
        .try_iter()?
        .map(|axis| Ok(lengths(&axis?)?.into()))
        .collect()
}

/// Lengths as Python has them: nan where unknown.
pub fn lengths_to_python<'py>(py: Python<'py>, lengths: &[i64]) -> PyResult<Bound<'py, PyTuple>> {
    let item = |&length: &i64| -> PyResult<Bound<'py, PyAny>> {
        Ok(match length {
            UNKNOWN => PyFloat::new(py, f64::NAN).into_any(),
            known => known.into_pyobject(py)?.into_any(),
        })
    };
    let items = lengths.iter().map(item).collect::<PyResult<Vec<_>>>()?;
    PyTuple::new(py, items)
}

/// Block lengths as a tuple of tuples.
pub fn chunks_to_python<'py>(
    py: Python<'py>,
    chunks: &[rask_array::chunks::Sizes],
) -> PyResult<Bound<'py, PyTuple>> {
    let axes = chunks.iter().map(|axis| lengths_to_python(py, axis));
    PyTuple::new(py, axes.collect::<PyResult<Vec<_>>>()?)
}

/// A Python number, which takes the dtype of the array it meets.
pub fn weak_scalar(value: &Bound<'_, PyAny>) -> Option<Scalar> {
    if let Ok(value) = value.cast::<PyBool>() {
        return Some(Scalar::Bool(value.is_true()));
    }
    if value.cast::<PyInt>().is_ok() {
        return value.extract().ok().map(Scalar::Int);
    }
    if let Ok(value) = value.cast::<PyFloat>() {
        return Some(Scalar::Float(value.value()));
    }
    let value = value.cast::<PyComplex>().ok()?;
    Some(Scalar::Complex(value.real(), value.imag()))
}

/// A NumPy scalar with its dtype.
fn typed_scalar(value: &Bound<'_, PyAny>) -> Option<(Scalar, DType)> {
    let held = from_python(value).ok()?;
    let array = held.downcast_ref::<NdArray>()?;
    let dtype = array.dtype();
    let ticks = || array.view_as(DType::Int64).ok()?.item::<i64>().ok();
    let scalar = match dtype {
        DType::DateTime64 { unit, multiplier } => Scalar::DateTime {
            ticks: ticks()?,
            unit,
            multiplier,
        },
        DType::TimeDelta64 { unit, multiplier } => Scalar::TimeDelta {
            ticks: ticks()?,
            unit,
            multiplier,
        },
        _ => weak_scalar(&value.call_method0("item").ok()?)?,
    };
    Some((scalar, dtype))
}

/// A scalar of any kind.
pub fn scalar(value: &Bound<'_, PyAny>) -> Option<Scalar> {
    match value.hasattr("dtype").unwrap_or(false) {
        true => typed_scalar(value).map(|(scalar, _)| scalar),
        false => weak_scalar(value),
    }
}

/// An operand of an elementwise operation, if it is one that kernels take.
pub fn operand(value: &Bound<'_, PyAny>) -> Option<Operand> {
    if let Ok(array) = value.cast::<PyArrayExpr>() {
        return Some(Operand::Array(array.get().expr().clone()));
    }
    if value.hasattr("dtype").unwrap_or(false) {
        return typed_scalar(value).map(|(scalar, dtype)| Operand::Typed(scalar, dtype));
    }
    weak_scalar(value).map(Operand::Scalar)
}

/// One entry of a basic index.
pub fn index_item(entry: &Bound<'_, PyAny>) -> PyResult<IndexItem> {
    if entry.is_none() {
        return Ok(IndexItem::NewAxis);
    }
    let Ok(slice) = entry.cast::<PySlice>() else {
        return Ok(IndexItem::At(entry.extract()?));
    };
    let part = |name: &str| -> PyResult<Option<i64>> {
        let value = slice.getattr(name)?;
        if value.is_none() {
            return Ok(None);
        }
        value.call_method0("__index__")?.extract().map(Some)
    };
    Ok(IndexItem::Slice {
        start: part("start")?,
        stop: part("stop")?,
        step: part("step")?,
    })
}

/// What lies outside an array.
pub fn boundary(value: &Bound<'_, PyAny>) -> PyResult<Boundary> {
    if value.is_none() {
        return Ok(Boundary::None);
    }
    if let Ok(name) = value.cast::<PyString>() {
        return match &*name.to_cow()? {
            "reflect" => Ok(Boundary::Reflect),
            "periodic" => Ok(Boundary::Periodic),
            "nearest" => Ok(Boundary::Nearest),
            "none" => Ok(Boundary::None),
            other => Err(PyValueError::new_err(format!("no boundary {other:?}"))),
        };
    }
    scalar(value)
        .map(Boundary::Constant)
        .ok_or_else(|| PyTypeError::new_err("a boundary is a name or a number"))
}

/// What a user says of the blocks along one axis.
pub fn axis_spec(value: &Bound<'_, PyAny>) -> PyResult<AxisSpec> {
    if value.is_none() {
        return Ok(AxisSpec::Whole);
    }
    if let Ok(text) = value.cast::<PyString>() {
        return match &*text.to_cow()? {
            "auto" => Ok(AxisSpec::Auto),
            other => Err(PyValueError::new_err(format!(
                "chunks along an axis are a length, lengths, -1 or 'auto', not {other:?}"
            ))),
        };
    }
    if value.hasattr("__len__")? {
        return Ok(AxisSpec::Sizes(lengths(value)?));
    }
    match length(value)? {
        UNKNOWN if value.extract::<i64>().is_ok() => Ok(AxisSpec::Whole),
        size if size < UNKNOWN => Err(PyValueError::new_err(format!(
            "chunks of negative length {size}"
        ))),
        size => Ok(AxisSpec::Size(size)),
    }
}
