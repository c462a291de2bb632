//! The dropping of superfluous copies of values, as clients steer it.

use pyo3::prelude::*;
use rask_cluster::client::ClusterClient;
use rask_proto::{AnswerBody, MemoryManager, MemoryManagerOp, QueryBody};

use super::client::PyClusterClient;
use super::errors;
use super::gather::wait_for;

/// Steers it from one client.
#[pyclass(frozen, name = "MemoryManager", module = "rask._core")]
pub struct PyMemoryManager {
    core: ClusterClient,
}

#[pymethods]
impl PyMemoryManager {
    #[new]
    fn new(client: &Bound<'_, PyClusterClient>) -> Self {
        PyMemoryManager {
            core: client.get().core().clone(),
        }
    }

    /// Switches it on.
    fn start(&self, py: Python<'_>) -> PyResult<bool> {
        self.ask(py, MemoryManagerOp::Start)
    }

    /// Switches it off.
    fn stop(&self, py: Python<'_>) -> PyResult<bool> {
        self.ask(py, MemoryManagerOp::Stop)
    }

    /// Drops what is superfluous now.
    fn run_once(&self, py: Python<'_>) -> PyResult<bool> {
        self.ask(py, MemoryManagerOp::RunOnce)
    }

    /// Whether it is on.
    fn running(&self, py: Python<'_>) -> PyResult<bool> {
        self.ask(py, MemoryManagerOp::Running)
    }
}

impl PyMemoryManager {
    fn ask(&self, py: Python<'_>, op: MemoryManagerOp) -> PyResult<bool> {
        let body = QueryBody::MemoryManager(MemoryManager {
            op: op.into(),
            running: false,
        });
        let id = py.detach(|| self.core.begin_question(body));
        let answer = wait_for(py, None, |limit| {
            let answer = self.core.wait_answer(id, limit);
            answer.map_err(errors::to_py_err)
        })?;
        Ok(matches!(answer, AnswerBody::MemoryManager(state) if state.running))
    }
}
