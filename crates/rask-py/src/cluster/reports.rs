//! Reports and pages about what a cluster did.

use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rask_cluster::client::ClusterClient;
use rask_cluster::report::{self, StreamPart};
use rask_proto::{AnswerBody, QueryBody, ReportPage, ReportRequest};

use super::client::PyClusterClient;
use super::errors;

/// For answers of the scheduler.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Reports of one client.
#[pyclass(frozen, name = "Reports", module = "rask._core")]
pub struct PyReports {
    core: ClusterClient,
}

#[pymethods]
impl PyReports {
    #[new]
    fn new(client: &Bound<'_, PyClusterClient>) -> Self {
        PyReports {
            core: client.get().core().clone(),
        }
    }

    /// Begins a report: its name, and the folder into which the scheduler writes it if the client is
    /// gone before its end.
    fn begin(&self, py: Python<'_>, name: String, code: String) -> PyResult<(String, String)> {
        let key = String::new();
        let page = self.ask(py, ReportRequest { key, name, code })?;
        Ok((page.key, page.folder))
    }

    /// Ends a report; its page.
    fn end(&self, py: Python<'_>, key: String) -> PyResult<String> {
        let request = ReportRequest {
            key,
            ..ReportRequest::default()
        };
        Ok(self.ask(py, request)?.page)
    }
}

impl PyReports {
    fn ask(&self, py: Python<'_>, request: ReportRequest) -> PyResult<ReportPage> {
        let question = QueryBody::Report(request);
        let answer = py.detach(|| self.core.ask(question, ANSWER_LIMIT));
        match answer.map_err(errors::to_py_err)? {
            AnswerBody::Report(page) if page.refusal.is_empty() => Ok(page),
            AnswerBody::Report(page) => Err(PyRuntimeError::new_err(page.refusal)),
            _ => Err(PyValueError::new_err("an answer to another question")),
        }
    }
}

/// A page of tasks: worker, operation, start and duration in seconds.
#[pyfunction]
fn stream_page(tasks: Vec<(String, String, f64, f64)>) -> String {
    let micros = |seconds: f64| (seconds * 1e6).max(0.0) as u64;
    let tasks = tasks.iter().map(|(worker, operation, start, duration)| {
        let (start, duration) = (micros(*start), micros(*duration));
        (worker.as_str(), operation.as_str(), start, duration)
    });
    report::stream_page(&StreamPart::new(tasks))
}

/// A page in the style of reports; `body` is HTML.
#[pyfunction]
fn report_page(title: &str, body: &str) -> String {
    report::page(title, body)
}

/// Adds this module's part of `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyReports>()?;
    module.add_function(wrap_pyfunction!(stream_page, module)?)?;
    module.add_function(wrap_pyfunction!(report_page, module)?)?;
    Ok(())
}
