//! Copies of values on several workers.

use pyo3::prelude::*;
use rask_cluster::client::ClusterClient;
use rask_proto::{QueryBody, Rebalance, Replicate};

use super::client::PyClusterClient;
use super::errors;
use super::future::PyFuture;
use super::gather::wait_for;
use super::sharing::OwnBlocks;

/// Requests of one client for copies; each waits until it is done.
#[pyclass(frozen, name = "Replicas", module = "rask._core")]
pub struct PyReplicas {
    core: ClusterClient,
}

#[pymethods]
impl PyReplicas {
    #[new]
    fn new(client: &Bound<'_, PyClusterClient>) -> Self {
        PyReplicas {
            core: client.get().core().clone(),
        }
    }

    /// Holds finished futures on `count` of the workers, on all if 0.
    #[pyo3(signature = (futures, count, workers, timeout=None))]
    fn replicate(
        &self,
        py: Python<'_>,
        futures: Vec<Bound<'_, PyFuture>>,
        count: u32,
        workers: Vec<String>,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        let own = OwnBlocks::try_new(py, &self.core, &futures)?;
        let wish = Replicate {
            blocks: Some(own.keys.iter().copied().collect()),
            count,
            workers,
        };
        self.wait(py, QueryBody::Replicate(wish), timeout)
    }

    /// Spreads values evenly over workers: of these futures, or of everybody if there are none.
    #[pyo3(signature = (futures, workers, timeout=None))]
    fn rebalance(
        &self,
        py: Python<'_>,
        futures: Vec<Bound<'_, PyFuture>>,
        workers: Vec<String>,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        let own = OwnBlocks::try_new(py, &self.core, &futures)?;
        let wish = Rebalance {
            blocks: Some(own.keys.iter().copied().collect()),
            workers,
        };
        self.wait(py, QueryBody::Rebalance(wish), timeout)
    }
}

impl PyReplicas {
    fn wait(&self, py: Python<'_>, body: QueryBody, timeout: Option<f64>) -> PyResult<()> {
        let id = py.detach(|| self.core.begin_question(body));
        wait_for(py, timeout, |limit| {
            let answer = self.core.wait_answer(id, limit);
            answer.map_err(errors::to_py_err)
        })?;
        Ok(())
    }
}
