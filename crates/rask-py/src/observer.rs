//! A Python object that watches a run.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rask_local::{Observer, Progress, RunError, TaskInfo};
use rask_value::{TaskError, ValueRef};

use crate::convert::to_python;
use crate::local::PyProgress;

/// Calls the methods of a Python object: `on_run_started(progress)`, `on_run_finished(failed)`,
/// and, where its attribute `wants_tasks` is true, `on_task_started(layer, block, op, worker,
/// started)` and `on_task_finished(layer, block, op, worker, started, ended, nbytes, value)`,
/// times in seconds since the run started. What they raise is reported and does no harm.
pub struct PyObserver {
    object: Py<PyAny>,
    wants_tasks: bool,
}

impl PyObserver {
    /// Watches with a Python object.
    pub fn new(py: Python<'_>, object: Py<PyAny>) -> PyResult<Self> {
        let wants_tasks = object.bind(py).getattr("wants_tasks")?.is_truthy()?;
        Ok(PyObserver {
            object,
            wants_tasks,
        })
    }

    fn call<'py>(&self, py: Python<'py>, method: &str, args: PyResult<Bound<'py, PyTuple>>) {
        let object = self.object.bind(py);
        let result = args.and_then(|args| object.getattr(method)?.call1(args));
        if let Err(error) = result {
            error.write_unraisable(py, Some(object));
        }
    }
}

impl Observer for PyObserver {
    fn wants_tasks(&self) -> bool {
        self.wants_tasks
    }

    fn on_run_started(&self, progress: &Arc<Progress>) {
        Python::attach(|py| {
            let progress = Bound::new(py, PyProgress::new(progress.clone()));
            let args = progress.and_then(|progress| (progress,).into_pyobject(py));
            self.call(py, "on_run_started", args);
        });
    }

    fn on_task_started(&self, task: &TaskInfo<'_>) {
        Python::attach(|py| {
            let started = task.started.as_secs_f64();
            let args = (task.layer, task.block, task.op, task.worker, started);
            self.call(py, "on_task_started", args.into_pyobject(py));
        });
    }

    fn on_task_finished(&self, task: &TaskInfo<'_>, outcome: Result<&ValueRef, &TaskError>) {
        Python::attach(|py| {
            let value = outcome.ok().and_then(|value| to_python(py, value).ok());
            let times = (task.started.as_secs_f64(), task.ended.as_secs_f64());
            let args = (
                task.layer,
                task.block,
                task.op,
                task.worker,
                times.0,
                times.1,
                task.nbytes,
                value,
            );
            self.call(py, "on_task_finished", args.into_pyobject(py));
        });
    }

    fn on_run_finished(&self, error: Option<&RunError>) {
        Python::attach(|py| {
            self.call(py, "on_run_finished", (error.is_some(),).into_pyobject(py));
        });
    }
}
