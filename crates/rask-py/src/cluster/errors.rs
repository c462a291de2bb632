//! From failures of a cluster to Python exceptions.

use pyo3::exceptions::{
    PyConnectionError, PyOSError, PyRuntimeError, PyTimeoutError, PyValueError,
};
use pyo3::prelude::*;
use rask_cluster::{ClusterError, task_from_failure};
use rask_proto::Failure;

use crate::error::add_note;

/// A cluster's error as an exception of the class that Python users expect.
pub fn to_py_err(error: ClusterError) -> PyErr {
    use rask_wire::WireError;
    let text = error.to_string();
    match &error {
        ClusterError::Timeout(_) => PyTimeoutError::new_err(text),
        ClusterError::Disconnected { .. } => PyConnectionError::new_err(text),
        ClusterError::UnknownWorker(_) => PyValueError::new_err(text),
        ClusterError::Start { .. } => PyOSError::new_err(text),
        ClusterError::Wire(WireError::Address(_)) => PyValueError::new_err(text),
        ClusterError::Wire(WireError::TokenRefused | WireError::Untrusted { .. }) => {
            pyo3::exceptions::PyPermissionError::new_err(text)
        }
        ClusterError::Wire(WireError::Connect { .. } | WireError::Bind { .. }) => {
            PyOSError::new_err(text)
        }
        ClusterError::Wire(_) => PyConnectionError::new_err(text),
        ClusterError::Codec(_) => pyo3::exceptions::PyTypeError::new_err(text),
        ClusterError::TooOld(_) => pyo3::exceptions::PyNotImplementedError::new_err(text),
        ClusterError::Unexpected(_) => PyRuntimeError::new_err(text),
    }
}

/// A failed task's exception: the user's own, with notes; `KilledWorker` where workers died.
pub fn failure_to_py_err(py: Python<'_>, failure: &Failure) -> PyErr {
    if !failure.killed_workers.is_empty() {
        let class = py
            .import("rask.distributed.exceptions")
            .and_then(|module| module.getattr("KilledWorker"));
        let raised = class.and_then(|class| class.call1((failure.message.as_str(),)));
        return raised.map_or_else(|error| error, PyErr::from_value);
    }
    let raised = crate::error::to_py_err(py, &task_from_failure(failure));
    if !failure.layer.is_empty() {
        add_note(py, &raised, &describe(failure));
    }
    raised
}

/// Which task failed, where, and what it was given.
fn describe(failure: &Failure) -> String {
    let mut text = format!("in block {} of {}", failure.block, failure.layer);
    if !failure.worker.is_empty() {
        text.push_str(&format!(" on the worker at {}", failure.worker));
    }
    if !failure.inputs.is_empty() {
        text.push_str(&format!("; its inputs: {}", failure.inputs.join("; ")));
    }
    text
}

/// What is raised for a cancelled future.
pub fn cancelled(py: Python<'_>, key: &str) -> PyErr {
    let class = py
        .import("rask.distributed.exceptions")
        .and_then(|module| module.getattr("CancelledError"));
    let raised = class.and_then(|class| class.call1((key,)));
    raised.map_or_else(|error| error, PyErr::from_value)
}
