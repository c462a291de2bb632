//! Between values and Python objects.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{LazyLock, RwLock};

use pyo3::prelude::*;
use rask_value::{Value, ValueRef};

use crate::object::PyValue;

type Converter =
    Box<dyn for<'py> Fn(Python<'py>, &ValueRef) -> PyResult<Bound<'py, PyAny>> + Send + Sync>;

static TO_PYTHON: LazyLock<RwLock<HashMap<TypeId, Converter>>> = LazyLock::new(Default::default);

/// Says how values of one native type look in Python. Each area registers its own.
pub fn register_to_python<T: Value>(
    convert: for<'py> fn(Python<'py>, &T) -> PyResult<Bound<'py, PyAny>>,
) {
    let converter: Converter = Box::new(move |py, value| match value.downcast_ref::<T>() {
        Some(value) => convert(py, value),
        None => Err(unknown_type(value)),
    });
    TO_PYTHON
        .write()
        .unwrap_or_else(|e| e.into_inner())
        .insert(TypeId::of::<T>(), converter);
}

/// A value as a Python object, without copying its memory.
pub fn to_python<'py>(py: Python<'py>, value: &ValueRef) -> PyResult<Bound<'py, PyAny>> {
    if let Some(held) = value.downcast_ref::<PyValue>() {
        return Ok(held.bind(py).clone());
    }
    let any: &dyn Any = value.as_ref();
    let converters = TO_PYTHON.read().unwrap_or_else(|e| e.into_inner());
    match converters.get(&any.type_id()) {
        Some(convert) => convert(py, value),
        None => Err(unknown_type(value)),
    }
}

/// A Python object as a value: NumPy arrays of native dtypes share their memory with a native
/// array, everything else is held as it is.
pub fn from_python(object: &Bound<'_, PyAny>) -> PyResult<ValueRef> {
    Ok(PyValue::wrap(object.clone()))
}

fn unknown_type(value: &ValueRef) -> PyErr {
    pyo3::exceptions::PyTypeError::new_err(format!(
        "values of type {} have no Python form",
        value.type_name()
    ))
}
