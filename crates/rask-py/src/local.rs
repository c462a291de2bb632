//! Running plans on this process's threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyList;
use rask_local::{Options, RunError};
use rask_value::ValueRef;

use crate::convert::to_python_owned;
use crate::error::to_py_err;
use crate::observer::PyObserver;
use crate::plan::{PyPlan, held_plan};

/// The values of a plan's wanted blocks, as the engine has them.
#[pyclass(frozen, name = "Values", module = "rask._core")]
pub struct Values {
    values: Mutex<Vec<ValueRef>>,
}

impl Values {
    /// Takes values.
    pub fn new(values: Vec<ValueRef>) -> Self {
        Values {
            values: Mutex::new(values),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ValueRef>> {
        self.values.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[pymethods]
impl Values {
    fn __len__(&self) -> usize {
        self.lock().len()
    }

    /// The values as Python objects; gives the values away, none are left. NumPy arrays may be
    /// written to if nothing else holds their memory.
    fn to_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let values = std::mem::take(&mut *self.lock());
        let objects = values.into_iter().map(|value| to_python_owned(py, value));
        PyList::new(py, objects.collect::<PyResult<Vec<_>>>()?)
    }

    /// Bytes of all values.
    #[getter]
    fn nbytes(&self) -> u64 {
        self.lock().iter().map(|value| value.nbytes()).sum()
    }

    /// A plan that wants what `plan` wants, with these values in place of work.
    fn hold(&self, plan: &Bound<'_, PyPlan>) -> PyResult<PyPlan> {
        held_plan(plan.get().plan(), &self.lock()).map(PyPlan::new)
    }
}

/// Runs a plan on this process's threads and returns the values of its wanted blocks.
///
/// `threads=0` runs everything on the calling thread, one task after the other.
#[pyfunction]
#[pyo3(signature = (plan, threads=None, memory_limit=None, spill_directory=None, optimize=true, observer=None))]
pub fn run_local(
    py: Python<'_>,
    plan: &Bound<'_, PyPlan>,
    threads: Option<usize>,
    memory_limit: Option<u64>,
    spill_directory: Option<PathBuf>,
    optimize: bool,
    observer: Option<Py<PyAny>>,
) -> PyResult<Values> {
    let plan = plan.get().shared();
    let observer = observer
        .map(|object| PyObserver::new(py, object))
        .transpose()?;
    let signal: Mutex<Option<PyErr>> = Mutex::new(None);
    let interrupt = || check_signals(&signal);
    let mut options = Options {
        memory_bytes_max: memory_limit,
        spill_dir: spill_directory,
        optimize,
        interrupt: Some(&interrupt),
        ..Options::default()
    };
    if let Some(threads) = threads {
        options.threads = threads;
    }
    let result = py.detach(|| match &observer {
        Some(observer) => rask_local::run(&plan, &options, observer),
        None => rask_local::run(&plan, &options, &()),
    });
    let signal = signal.into_inner().unwrap_or_else(|e| e.into_inner());
    match (result, signal) {
        (Ok(values), _) => Ok(Values::new(values)),
        (Err(RunError::Interrupted), Some(signal)) => Err(signal),
        (Err(error), _) => Err(run_error(py, error)),
    }
}

fn check_signals(signal: &Mutex<Option<PyErr>>) -> bool {
    Python::attach(|py| match py.check_signals() {
        Ok(()) => false,
        Err(error) => {
            *signal.lock().unwrap_or_else(|e| e.into_inner()) = Some(error);
            true
        }
    })
}

/// A run's error as a Python exception.
pub fn run_error(py: Python<'_>, error: RunError) -> PyErr {
    match error {
        RunError::Task { error, .. } => to_py_err(py, &error),
        RunError::Interrupted => PyKeyboardInterrupt::new_err("interrupted"),
        error @ RunError::Spill { .. } => PyOSError::new_err(error.to_string()),
        error => PyRuntimeError::new_err(error.to_string()),
    }
}

/// How many tasks a run has done: `done`, `total`, `layers`.
#[pyclass(frozen, name = "Progress", module = "rask._core")]
pub struct PyProgress {
    progress: Arc<rask_local::Progress>,
}

impl PyProgress {
    /// Watches a run.
    pub fn new(progress: Arc<rask_local::Progress>) -> Self {
        PyProgress { progress }
    }
}

#[pymethods]
impl PyProgress {
    #[getter]
    fn done(&self) -> u64 {
        self.progress.done()
    }

    #[getter]
    fn total(&self) -> u64 {
        self.progress.total()
    }

    /// Name, tasks done and all tasks of each layer.
    #[getter]
    fn layers(&self) -> Vec<(String, u32, u32)> {
        let layers = self.progress.layers();
        layers
            .map(|(name, done, total)| (name.to_owned(), done, total))
            .collect()
    }
}

/// Adds the local engine to `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Values>()?;
    module.add_class::<PyProgress>()?;
    module.add_function(wrap_pyfunction!(run_local, module)?)
}
