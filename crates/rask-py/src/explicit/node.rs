//! One delayed call.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyTuple};
use rask_value::Origin;

use crate::origin;
use crate::plan::PyPlan;

/// A call that has not been made: a function, its arguments, and where the user wrote it.
///
/// `DelayedNode(function, args, kwargs, key, info)`; a function of `None` stands for the first
/// argument itself. `info` is for the Python class (options that the engine has no use for).
#[pyclass(subclass, frozen, weakref, module = "rask._core")]
pub struct DelayedNode {
    pub function: Py<PyAny>,
    pub arguments: Py<PyTuple>,
    pub keywords: Option<Py<PyDict>>,
    key: std::sync::OnceLock<Py<PyAny>>,
    #[pyo3(get)]
    info: Py<PyAny>,
    pub origin: Option<Origin>,
}

#[pymethods]
impl DelayedNode {
    #[new]
    #[pyo3(signature = (function, args, kwargs=None, key=None, info=None))]
    fn new<'py>(
        py: Python<'py>,
        function: Py<PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        key: Option<Py<PyAny>>,
        info: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let keywords = match kwargs {
            Some(keywords) if !keywords.is_empty() => Some(keywords.copy()?.unbind()),
            _ => None,
        };
        Ok(DelayedNode {
            function,
            arguments: snapshot_tuple(args)?.unbind(),
            keywords,
            key: key.map_or_else(Default::default, Into::into),
            info: info.unwrap_or_else(|| py.None()),
            origin: origin::capture(py),
        })
    }

    /// The key given, or the one that `set_key` gave.
    #[getter]
    fn _key(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.key.get().map(|key| key.clone_ref(py))
    }

    /// Gives the node a key unless it has one; returns the key that holds.
    fn _set_key(&self, py: Python<'_>, key: Py<PyAny>) -> Py<PyAny> {
        self.key.get_or_init(|| key).clone_ref(py)
    }

    #[getter]
    fn _function(&self, py: Python<'_>) -> Py<PyAny> {
        self.function.clone_ref(py)
    }

    #[getter]
    fn _arguments(&self, py: Python<'_>) -> Py<PyTuple> {
        self.arguments.clone_ref(py)
    }

    #[getter]
    fn _keywords(&self, py: Python<'_>) -> Option<Py<PyDict>> {
        self.keywords
            .as_ref()
            .map(|keywords| keywords.clone_ref(py))
    }
}

impl DelayedNode {
    /// The plan whose wanted block is this node's value: a persisted node.
    pub fn plan<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyPlan>> {
        self.function.bind(py).cast::<PyPlan>().ok().cloned()
    }
}

/// Arguments as they are now: lists, sets and dicts that change later are not seen.
fn snapshot_tuple<'py>(tuple: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
    if tuple.iter_borrowed().all(|item| !is_container(&item)) {
        return Ok(tuple.clone());
    }
    let items = tuple.iter().map(|item| snapshot(&item));
    PyTuple::new(tuple.py(), items.collect::<PyResult<Vec<_>>>()?)
}

fn is_container(object: &Bound<'_, PyAny>) -> bool {
    object.is_exact_instance_of::<PyList>()
        || object.is_exact_instance_of::<PyTuple>()
        || object.is_exact_instance_of::<PyDict>()
        || object.is_exact_instance_of::<PySet>()
}

fn snapshot<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    if let Ok(tuple) = object.cast_exact::<PyTuple>() {
        return Ok(snapshot_tuple(tuple)?.into_any());
    }
    if let Ok(list) = object.cast_exact::<PyList>() {
        let items = list.iter().map(|item| snapshot(&item));
        return Ok(PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any());
    }
    if let Ok(dict) = object.cast_exact::<PyDict>() {
        let copy = PyDict::new(py);
        for (key, value) in dict.iter() {
            copy.set_item(key, snapshot(&value)?)?;
        }
        return Ok(copy.into_any());
    }
    if let Ok(set) = object.cast_exact::<PySet>() {
        return Ok(PySet::new(py, set.iter())?.into_any());
    }
    Ok(object.clone())
}
