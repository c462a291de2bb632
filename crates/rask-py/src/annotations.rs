//! How tasks of what is made now are to be run: the annotations in force, a context variable of
//! `rask.base`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use rask_value::{Annotations, Plan};

/// Something was annotated in this process: only then annotations are looked for.
static USED: AtomicBool = AtomicBool::new(false);
static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// What was read last, and what came of it: most is made many at a time.
static LAST: Mutex<Option<Known>> = Mutex::new(None);

/// Annotations of Python's, and what they say of tasks.
type Known = (Py<PyAny>, Option<Arc<Annotations>>);

/// From now on annotations are looked for.
#[pyfunction]
fn use_annotations() {
    USED.store(true, Ordering::Relaxed);
}

/// Those in force at this moment.
pub fn current(py: Python<'_>) -> Option<Arc<Annotations>> {
    if !USED.load(Ordering::Relaxed) {
        return None;
    }
    let given = find_given(py).ok()?;
    let known = LAST.lock().as_ref().and_then(|(last, read)| {
        let is_same = last.is(&given);
        is_same.then(|| read.clone())
    });
    if let Some(read) = known {
        return read;
    }
    let read = match read(py, &given) {
        Ok(read) => read,
        Err(error) => Some(Annotations {
            refused: Some(error.value(py).to_string()),
            ..Annotations::default()
        }),
    };
    let read = read.map(Arc::new);
    let before = LAST.lock().replace((given.unbind(), read.clone()));
    // Dropping it may run code of Python.
    drop(before);
    read
}

fn find_given(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let variable = VARIABLE.get_or_try_init(py, || {
        let base = py.import("rask.base")?;
        PyResult::Ok(base.getattr("_annotations")?.unbind())
    })?;
    variable.bind(py).call_method0("get")
}

fn read(py: Python<'_>, given: &Bound<'_, PyAny>) -> PyResult<Option<Annotations>> {
    let options = py
        .import("rask._annotations")?
        .call_method1("task_options", (given,))?;
    if options.is_none() {
        return Ok(None);
    }
    let mut read = Annotations::default();
    for (name, value) in options.cast::<PyDict>()? {
        match name.extract::<String>()?.as_str() {
            "priority" => read.priority = Some(value.extract()?),
            "retries" => read.retries = Some(value.extract()?),
            "workers" => read.workers = value.extract()?,
            "allow_other_workers" => read.allow_other_workers = value.extract()?,
            "resources" => {
                let resources = value.cast::<PyDict>()?.iter();
                let pairs =
                    resources.map(|(name, amount)| Ok((name.extract()?, amount.extract()?)));
                read.resources = pairs.collect::<PyResult<_>>()?;
            }
            name @ "task_timeout" => read.timeout_millis = Some(millis(name, 1.0, &value)?),
            name @ "retry_delay" => read.retry_millis = Some(millis(name, 0.0, &value)?),
            name @ "retry_delay_max" => read.retry_millis_max = Some(millis(name, 1.0, &value)?),
            _ => {}
        }
    }
    Ok(Some(read))
}

/// A time in milliseconds, of at least so many, from seconds.
pub fn millis(name: &str, least: f64, value: &Bound<'_, PyAny>) -> PyResult<u32> {
    let seconds: f64 = value.extract()?;
    let millis = (seconds * 1e3).ceil();
    if !(least..=f64::from(u32::MAX)).contains(&millis) {
        let text = format!("{name} must be between {least} ms and 49 days: {seconds} s");
        return Err(pyo3::exceptions::PyValueError::new_err(text));
    }
    Ok(millis as u32)
}

/// Refuses a plan with layers of which the annotations cannot be followed.
pub fn check(plan: &Plan) -> PyResult<()> {
    let origins = plan.origins.iter().flatten();
    let mut refused = origins.filter_map(|origin| {
        let reason = origin.annotations.as_ref()?.refused.as_ref()?;
        Some((origin, reason))
    });
    match refused.next() {
        Some((origin, reason)) => Err(PyNotImplementedError::new_err(format!(
            "{reason} (annotated at {origin})"
        ))),
        None => Ok(()),
    }
}

/// Adds this module's part of `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(use_annotations, module)?)?;
    Ok(())
}
