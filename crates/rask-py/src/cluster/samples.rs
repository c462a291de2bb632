//! Samples of the workers' memory.

use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rask_cluster::client::ClusterClient;
use rask_proto::{AnswerBody, QueryBody, SampleRequest, Samples};

use super::client::PyClusterClient;
use super::errors;

/// For answers of the scheduler.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Samplings of one client.
#[pyclass(frozen, name = "MemorySamples", module = "rask._core")]
pub struct PyMemorySamples {
    core: ClusterClient,
}

#[pymethods]
impl PyMemorySamples {
    #[new]
    fn new(client: &Bound<'_, PyClusterClient>) -> Self {
        PyMemorySamples {
            core: client.get().core().clone(),
        }
    }

    /// Begins a sampling, every `interval` seconds; its name.
    fn start(&self, py: Python<'_>, measure: String, interval: f64) -> PyResult<String> {
        let interval = Duration::try_from_secs_f64(interval)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let request = SampleRequest {
            key: String::new(),
            measure,
            interval_micros: u64::try_from(interval.as_micros()).unwrap_or(u64::MAX),
        };
        Ok(self.ask(py, request)?.key)
    }

    /// Ends a sampling: times in seconds since the epoch, and bytes.
    fn stop(&self, py: Python<'_>, key: String) -> PyResult<Vec<(f64, u64)>> {
        let request = SampleRequest {
            key,
            ..SampleRequest::default()
        };
        let samples = self.ask(py, request)?;
        let micros = samples.micros.iter().map(|&micros| micros as f64 / 1e6);
        Ok(micros.zip(samples.nbytes).collect())
    }
}

impl PyMemorySamples {
    fn ask(&self, py: Python<'_>, request: SampleRequest) -> PyResult<Samples> {
        let question = QueryBody::Sample(request);
        let answer = py.detach(|| self.core.ask(question, ANSWER_LIMIT));
        match answer.map_err(errors::to_py_err)? {
            AnswerBody::Samples(samples) if samples.refusal.is_empty() => Ok(samples),
            AnswerBody::Samples(samples) => Err(PyRuntimeError::new_err(samples.refusal)),
            _ => Err(PyValueError::new_err("an answer to another question")),
        }
    }
}
