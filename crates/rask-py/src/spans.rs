//! The span in which something is made or submitted: a context variable of `rask.base`, or what the
//! task that runs on this thread belongs to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use rask_value::SpanPath;

/// A span was opened in this process: only then it is looked for.
static USED: AtomicBool = AtomicBool::new(false);
static ANNOTATIONS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The span at this moment.
pub fn current(py: Python<'_>) -> Option<Arc<SpanPath>> {
    let annotated = || read_annotations(py).ok().flatten().map(Arc::new);
    let used = USED.load(Ordering::Relaxed);
    let opened = used.then(annotated).flatten();
    opened.or_else(rask_cluster::worker::current_span)
}

fn read_annotations(py: Python<'_>) -> PyResult<Option<SpanPath>> {
    let variable = ANNOTATIONS.get_or_try_init(py, || {
        let base = py.import("rask.base")?;
        PyResult::Ok(base.getattr("_annotations")?.unbind())
    })?;
    let annotations = variable.bind(py).call_method0("get")?;
    let Some(span) = annotations.cast::<PyDict>()?.get_item("span")? else {
        return Ok(None);
    };
    Ok(Some(SpanPath {
        names: span.get_item("name")?.extract()?,
        ids: span.get_item("ids")?.extract()?,
    }))
}

/// From now on spans are looked for in annotations.
#[pyfunction]
fn use_spans() {
    USED.store(true, Ordering::Relaxed);
}

/// Names and identifiers of the span of the task that runs on this thread, if it has one.
#[pyfunction]
fn task_span() -> Option<(Vec<String>, Vec<String>)> {
    let span = rask_cluster::worker::current_span()?;
    Some((span.names.clone(), span.ids.clone()))
}

/// Adds this module's part of `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(use_spans, module)?)?;
    module.add_function(wrap_pyfunction!(task_span, module)?)?;
    Ok(())
}
