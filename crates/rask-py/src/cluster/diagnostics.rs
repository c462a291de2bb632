//! What the scheduler saw, for people.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rask_cluster::client::ClusterClient;
use rask_proto::{AnswerBody, QueryBody, TaskStreamQuery};

use super::client::PyClusterClient;
use super::errors;

/// For answers of the scheduler.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Questions of one client.
#[pyclass(frozen, name = "Diagnostics", module = "rask._core")]
pub struct PyDiagnostics {
    core: ClusterClient,
}

#[pymethods]
impl PyDiagnostics {
    #[new]
    fn new(client: &Bound<'_, PyClusterClient>) -> Self {
        PyDiagnostics {
            core: client.get().core().clone(),
        }
    }

    /// The scheduler's time, how many tasks are forgotten, and the tasks that ended since
    /// `since_micros`, the last `count` of them at most (0: all): a dict each of layer, operation,
    /// worker, block, start (microseconds of the scheduler's time), duration (microseconds) and
    /// nbytes and working_bytes.
    #[pyo3(signature = (since_micros=0, count=0))]
    fn task_stream<'py>(
        &self,
        py: Python<'py>,
        since_micros: u64,
        count: u64,
    ) -> PyResult<(u64, u64, Bound<'py, PyList>)> {
        let query = QueryBody::TaskStream(TaskStreamQuery {
            since_micros,
            count,
        });
        let answer = py.detach(|| self.core.ask(query, ANSWER_LIMIT));
        let AnswerBody::TaskStream(stream) = answer.map_err(errors::to_py_err)? else {
            return Err(PyValueError::new_err("an answer to another question"));
        };
        let name = |position: u32| {
            stream
                .names
                .get(position as usize)
                .map_or("", String::as_str)
        };
        let tasks = PyList::empty(py);
        for at in 0..stream.layers.len() {
            let column = |column: &[u32]| column.get(at).copied().unwrap_or_default();
            let wide = |column: &[u64]| column.get(at).copied().unwrap_or_default();
            let task = PyDict::new(py);
            task.set_item("layer", name(column(&stream.layers)))?;
            task.set_item("operation", name(column(&stream.operations)))?;
            task.set_item("worker", name(column(&stream.workers)))?;
            task.set_item("block", column(&stream.blocks))?;
            task.set_item("start", wide(&stream.start_micros))?;
            task.set_item("duration", column(&stream.duration_micros))?;
            task.set_item("nbytes", wide(&stream.nbytes))?;
            task.set_item("working_bytes", wide(&stream.working_bytes))?;
            tasks.append(task)?;
        }
        Ok((stream.now_micros, stream.forgotten, tasks))
    }
}
