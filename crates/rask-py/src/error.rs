//! Between Python exceptions and task errors: the user gets back the exception that was raised.

use pyo3::exceptions::{PyBaseException, PyRuntimeError};
use pyo3::prelude::*;
use rask_value::TaskError;

use crate::object::PyValue;

/// A Python exception as a task's error: one line, the traceback's text, the exception itself.
pub fn task_error(py: Python<'_>, error: PyErr) -> TaskError {
    let value = error.value(py);
    if let Some(traceback) = error.traceback(py) {
        // The traceback of a fetched error is kept apart from the exception by PyO3.
        let _ = value.setattr("__traceback__", traceback);
    }
    let message = format!("{error}");
    let traceback = format_traceback(value).ok();
    TaskError {
        message,
        traceback,
        exception: Some(PyValue::wrap(portable(value))),
        origin: None,
    }
}

/// The exception as it is kept: on a worker in a form that travels with its traceback and causes.
fn portable<'py>(value: &Bound<'py, PyBaseException>) -> Bound<'py, PyAny> {
    let py = value.py();
    let raised = value.clone().into_any();
    if rask_cluster::worker::current_worker().is_none() {
        return raised;
    }
    let wrapped = py
        .import("rask.distributed._errors")
        .and_then(|module| module.getattr("Raised"))
        .and_then(|class| class.call1((value,)));
    wrapped.unwrap_or(raised)
}

fn format_traceback(exception: &Bound<'_, PyBaseException>) -> PyResult<String> {
    let py = exception.py();
    let lines = py
        .import("traceback")?
        .call_method1("format_exception", (exception,))?;
    pyo3::types::PyString::new(py, "")
        .call_method1("join", (lines,))?
        .extract()
}

/// A task's error as a Python exception: the same object where it was a Python exception, with
/// notes that name the user's line and carry the remote traceback where there is no other.
pub fn to_py_err(py: Python<'_>, error: &TaskError) -> PyErr {
    let held = error.exception.as_ref();
    let held = held.and_then(|value| value.downcast_ref::<PyValue>());
    let (raised, remote) = match held.map(|value| value.bind(py)) {
        Some(object) if object.is_instance_of::<PyBaseException>() => {
            let raised = PyErr::from_value(object.clone());
            let remote = raised.traceback(py).is_none();
            (raised, remote)
        }
        _ => (native_error(py, &error.message), true),
    };
    if let (true, Some(text)) = (remote, &error.traceback) {
        add_note(
            py,
            &raised,
            &format!("remote traceback:\n{}", text.trim_end()),
        );
    }
    if let Some(origin) = &error.origin {
        add_note(py, &raised, &format!("raised in the task made at {origin}"));
    }
    raised
}

/// Kernels name the exception they mean before a colon, as Python does: `"KeyError: no column"`.
fn native_error(py: Python<'_>, message: &str) -> PyErr {
    let split = message.split_once(": ");
    if let Some((kind, rest)) = split
        && let Ok(builtins) = py.import("builtins")
        && let Ok(class) = builtins.getattr(kind)
        && let Ok(class) = class.cast_into::<pyo3::types::PyType>()
        && class.is_subclass_of::<PyBaseException>().unwrap_or(false)
    {
        return PyErr::from_type(class, (rest.to_owned(),));
    }
    PyRuntimeError::new_err(message.to_owned())
}

/// Adds a note once.
pub fn add_note(py: Python<'_>, error: &PyErr, note: &str) {
    let value = error.value(py);
    let notes = value.getattr("__notes__");
    let known = notes.is_ok_and(|notes| notes.contains(note).unwrap_or(false));
    if !known && value.call_method1("add_note", (note,)).is_err() {
        PyErr::take(py);
    }
}
