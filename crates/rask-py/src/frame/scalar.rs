//! Labels and single values from and to Python.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString, PyTuple};
use rask_frame::engine::{Label, Scalar, TimeUnit};

/// A column label.
pub fn label_of(object: &Bound<'_, PyAny>) -> PyResult<Label> {
    if object.is_none() {
        return Ok(Label::None);
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Label::from(text.to_cow()?.as_ref()));
    }
    if object.is_instance_of::<PyBool>() {
        return Ok(Label::Bool(object.extract()?));
    }
    if object.is_instance_of::<PyInt>() {
        return Ok(Label::Int(object.extract()?));
    }
    if object.is_instance_of::<PyFloat>() {
        return Ok(Label::Float(object.extract::<f64>()?.to_bits()));
    }
    if let Ok(parts) = object.cast::<PyTuple>() {
        let parts = parts.iter().map(|part| label_of(&part));
        return Ok(Label::Tuple(parts.collect::<PyResult<_>>()?));
    }
    if object.hasattr("item")? {
        return label_of(&object.call_method0("item")?);
    }
    Err(PyTypeError::new_err(format!(
        "column labels are strings, numbers or tuples, not {}",
        object.get_type().name()?
    )))
}

/// A label as Python sees it.
pub fn label_to_python<'py>(py: Python<'py>, label: &Label) -> PyResult<Bound<'py, PyAny>> {
    Ok(match label {
        Label::None => py.None().into_bound(py),
        Label::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Label::Int(value) => value.into_pyobject(py)?.into_any(),
        Label::Float(bits) => PyFloat::new(py, f64::from_bits(*bits)).into_any(),
        Label::Str(text) => PyString::new(py, text).into_any(),
        Label::Tuple(parts) => {
            let parts = parts.iter().map(|part| label_to_python(py, part));
            PyTuple::new(py, parts.collect::<PyResult<Vec<_>>>()?)?.into_any()
        }
    })
}

fn unit_of(name: &str) -> TimeUnit {
    match name {
        "s" => TimeUnit::Second,
        "ms" => TimeUnit::Millisecond,
        "us" => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

/// A single value; times through pandas.
pub fn scalar_of(object: &Bound<'_, PyAny>) -> PyResult<Scalar> {
    if object.is_none() {
        return Ok(Scalar::Missing);
    }
    if object.is_instance_of::<PyBool>() {
        return Ok(Scalar::Bool(object.extract()?));
    }
    if object.is_instance_of::<PyInt>() {
        return match object.extract::<i64>() {
            Ok(value) => Ok(Scalar::Int(value)),
            Err(_) => Ok(Scalar::UInt(object.extract()?)),
        };
    }
    if object.is_instance_of::<PyFloat>() {
        return Ok(Scalar::Float(object.extract()?));
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Scalar::from(text.to_cow()?.as_ref()));
    }
    let kind = object.get_type().name()?.to_string();
    match kind.as_str() {
        "NaTType" | "NAType" => Ok(Scalar::Missing),
        "Timestamp" => {
            let unit = unit_of(&object.getattr("unit")?.extract::<String>()?);
            let zone = object.getattr("tz")?;
            let zone = if zone.is_none() {
                None
            } else {
                Some(zone.str()?.to_cow()?.as_ref().into())
            };
            Ok(Scalar::Datetime(
                object.getattr("_value")?.extract()?,
                unit,
                zone,
            ))
        }
        "Timedelta" => {
            let unit = unit_of(&object.getattr("unit")?.extract::<String>()?);
            Ok(Scalar::Timedelta(
                object.getattr("_value")?.extract()?,
                unit,
            ))
        }
        "datetime" | "date" | "datetime64" | "timedelta" | "timedelta64" => {
            let class = if kind.starts_with("timedelta") {
                "Timedelta"
            } else {
                "Timestamp"
            };
            let pandas = object.py().import("pandas")?;
            scalar_of(&pandas.call_method1(class, (object,))?)
        }
        _ if object.hasattr("item")? && object.getattr("ndim")?.extract::<usize>()? == 0 => {
            scalar_of(&object.call_method0("item")?)
        }
        other => Err(PyTypeError::new_err(format!(
            "unsupported operand: a value of type {other}"
        ))),
    }
}
