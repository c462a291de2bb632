//! What came of a Python call that a task made: a value, an error, or something that will give one
//! later.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use rask_cluster::worker::{Completion, CurrentTask, current_task, current_worker};
use rask_cluster::worker::{defer_current, reschedule_current};
use rask_value::{TaskError, ValueRef};

use crate::error::task_error;
use crate::object::PyValue;

/// Stands for a value that `start(completion)` sets about to make.
#[pyclass(frozen, name = "Deferred", module = "rask._core")]
pub struct PyDeferred {
    #[pyo3(get)]
    start: Py<PyAny>,
}

#[pymethods]
impl PyDeferred {
    #[new]
    fn new(start: Py<PyAny>) -> Self {
        PyDeferred { start }
    }
}

/// Ends a task whose outcome comes later.
#[pyclass(frozen, name = "Completion", module = "rask._core")]
pub struct PyCompletion {
    completion: Completion,
}

#[pymethods]
impl PyCompletion {
    /// The task has this value. False if it has ended before.
    fn finish(&self, py: Python<'_>, value: Bound<'_, PyAny>) -> bool {
        let value = PyValue::wrap(value);
        py.detach(|| self.completion.finish(Ok(value)))
    }

    /// The task failed. False if it has ended before.
    fn fail(&self, py: Python<'_>, error: Bound<'_, PyAny>) -> bool {
        let error = PyErr::from_value(error);
        if is_reschedule(py, &error) {
            return py.detach(|| self.completion.reschedule());
        }
        let error = task_error(py, error);
        py.detach(|| self.completion.finish(Err(error)))
    }

    /// Tells the scheduler that the task takes no thread.
    fn secede(&self, py: Python<'_>) {
        py.detach(|| self.completion.secede());
    }

    /// Tells this run from others of the same task, in this process.
    #[getter]
    fn run(&self) -> u64 {
        self.completion.run()
    }

    /// The number of the worker, the scheduler's of the layer, the block, the layer's name, and
    /// whether the block is part of the key.
    #[getter]
    fn task(&self) -> (u64, u32, u32, String, bool) {
        tuple_of(self.completion.task())
    }
}

fn tuple_of(task: CurrentTask) -> (u64, u32, u32, String, bool) {
    let CurrentTask {
        worker,
        layer,
        block,
        name,
        numbered,
    } = task;
    (worker, layer, block, name, numbered)
}

/// What a call returned or raised, as a task's outcome; `wrap` makes a value of an object.
pub fn conclude(
    py: Python<'_>,
    result: PyResult<Bound<'_, PyAny>>,
    wrap: impl FnOnce(Bound<'_, PyAny>) -> ValueRef,
) -> Result<ValueRef, TaskError> {
    match result {
        Ok(object) if comes_later(&object) => defer(py, object, wrap),
        Ok(object) => Ok(wrap(object)),
        Err(error) => {
            if current_worker().is_some() && is_reschedule(py, &error) {
                reschedule_current();
            }
            Err(task_error(py, error))
        }
    }
}

/// Whether this is a coroutine or a [`PyDeferred`].
fn comes_later(object: &Bound<'_, PyAny>) -> bool {
    static COROUTINE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = object.py();
    let class = object.get_type();
    let coroutine = COROUTINE.import(py, "types", "CoroutineType");
    coroutine.is_ok_and(|coroutine| class.is(coroutine))
        || object.is_exact_instance_of::<PyDeferred>()
}

/// Hands the rest of the task to the worker's service. Outside of workers there is none: a coroutine
/// is a value like others, and what is deferred is done at once.
fn defer(
    py: Python<'_>,
    object: Bound<'_, PyAny>,
    wrap: impl FnOnce(Bound<'_, PyAny>) -> ValueRef,
) -> Result<ValueRef, TaskError> {
    let Some(completion) = defer_current() else {
        return match object.cast::<PyDeferred>() {
            Ok(deferred) => {
                let value = deferred.get().start.bind(py).call1((py.None(),));
                value.map(wrap).map_err(|error| task_error(py, error))
            }
            Err(_) => Ok(wrap(object)),
        };
    };
    let given = Bound::new(
        py,
        PyCompletion {
            completion: completion.clone(),
        },
    );
    let started = given.and_then(|given| {
        py.import(pyo3::intern!(py, "rask.distributed._service"))?
            .getattr(pyo3::intern!(py, "start_deferred"))?
            .call1((object, given))
    });
    if let Err(error) = started {
        completion.finish(Err(task_error(py, error)));
    }
    Ok(PyValue::wrap(py.None().into_bound(py)))
}

/// Whether this asks for the task to be run again elsewhere.
fn is_reschedule(py: Python<'_>, error: &PyErr) -> bool {
    static RESCHEDULE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = RESCHEDULE.import(py, "rask.distributed.exceptions", "Reschedule");
    class.is_ok_and(|class| error.is_instance(py, class))
}

/// The number of the worker that this thread runs tasks for, or None.
#[pyfunction(name = "current_worker")]
fn worker_number() -> Option<u64> {
    current_worker()
}

/// Which task runs on this thread, as `Completion.task`, or None.
#[pyfunction(name = "current_task")]
fn task_of_thread(py: Python<'_>) -> Option<(u64, u32, u32, String, bool)> {
    py.detach(current_task).map(tuple_of)
}

/// Adds this module's part of `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyDeferred>()?;
    module.add_class::<PyCompletion>()?;
    module.add_function(wrap_pyfunction!(worker_number, module)?)?;
    module.add_function(wrap_pyfunction!(task_of_thread, module)?)?;
    Ok(())
}
