//! Between values and Python objects.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};

use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use rask_value::array::NdArray;
use rask_value::{Value, ValueRef};

use crate::ndarray::{from_numpy, to_numpy, to_numpy_owned};
use crate::numpy_memory::is_numpy_here;
use crate::object::PyValue;

type Converter =
    Arc<dyn for<'py> Fn(Python<'py>, ValueRef) -> PyResult<Bound<'py, PyAny>> + Send + Sync>;

static TO_PYTHON: LazyLock<RwLock<HashMap<TypeId, Converter>>> = LazyLock::new(Default::default);

/// Says how values of one native type, which are cheap to clone, look in Python. Each area registers
/// its own. What a value refers to is the converter's alone if it was given away and nobody else had it.
pub fn register_to_python<T: Value + Clone>(
    convert: for<'py> fn(Python<'py>, T) -> PyResult<Bound<'py, PyAny>>,
) {
    let converter: Converter = Arc::new(move |py, value| {
        let native = value.downcast_ref::<T>().cloned();
        let native = native.ok_or_else(|| unknown_type(&value))?;
        drop(value);
        convert(py, native)
    });
    TO_PYTHON
        .write()
        .unwrap_or_else(|e| e.into_inner())
        .insert(TypeId::of::<T>(), converter);
}

/// A value as a Python object, without copying its memory. NumPy arrays are read-only.
pub fn to_python<'py>(py: Python<'py>, value: &ValueRef) -> PyResult<Bound<'py, PyAny>> {
    if let Some(held) = value.downcast_ref::<PyValue>() {
        return Ok(held.bind(py).clone());
    }
    if let Some(array) = value.downcast_ref::<NdArray>() {
        return to_numpy(py, array);
    }
    convert(py, value.clone())
}

/// As [`to_python`] for a value that is given away: an array that nobody else holds may be
/// written to.
pub fn to_python_owned(py: Python<'_>, value: ValueRef) -> PyResult<Bound<'_, PyAny>> {
    if let Some(held) = value.downcast_ref::<PyValue>() {
        return Ok(held.bind(py).clone());
    }
    if value.downcast_ref::<NdArray>().is_some() {
        return to_numpy_owned(py, value);
    }
    convert(py, value)
}

fn convert(py: Python<'_>, value: ValueRef) -> PyResult<Bound<'_, PyAny>> {
    let any: &dyn Any = value.as_ref();
    let known = || TO_PYTHON.read().unwrap_or_else(|e| e.into_inner());
    let converter = known().get(&any.type_id()).cloned();
    match converter {
        Some(convert) => convert(py, value),
        None => Err(unknown_type(&value)),
    }
}

/// A Python object as a value: NumPy arrays and scalars of native dtypes share their memory with
/// a native array, everything else is held as it is.
pub fn from_python(object: &Bound<'_, PyAny>) -> PyResult<ValueRef> {
    // To ask NumPy would be to import it.
    if !is_numpy_here(object.py()) {
        return Ok(PyValue::wrap(object.clone()));
    }
    if let Ok(array) = object.cast_exact::<PyUntypedArray>() {
        return Ok(match from_numpy(array) {
            Some(native) => Arc::new(native),
            None => PyValue::wrap(object.clone()),
        });
    }
    if is_numpy_scalar(object)? {
        let array = object.call_method0(pyo3::intern!(object.py(), "__array__"))?;
        if let Some(native) = array
            .cast_exact::<PyUntypedArray>()
            .ok()
            .and_then(from_numpy)
        {
            return Ok(Arc::new(native));
        }
    }
    Ok(PyValue::wrap(object.clone()))
}

/// Whether this is a NumPy scalar.
fn is_numpy_scalar(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    static GENERIC: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = object.py();
    let generic = GENERIC.get_or_try_init(py, || {
        let class = py.import("numpy")?.getattr("generic")?;
        Ok::<_, PyErr>(class.cast_into::<PyType>()?.unbind())
    })?;
    object.is_instance(generic.bind(py))
}

fn unknown_type(value: &ValueRef) -> PyErr {
    pyo3::exceptions::PyTypeError::new_err(format!(
        "values of type {} have no Python form",
        value.type_name()
    ))
}
