//! Whom work is counted for.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rask_proto::{AnswerBody, QueryBody};

use super::client::PyClusterClient;
use super::errors;

/// For answers of the scheduler, which has the figures at hand.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// How every share stands, as dicts.
#[pyfunction]
pub fn share_figures<'py>(
    py: Python<'py>,
    client: &Bound<'py, PyClusterClient>,
) -> PyResult<Bound<'py, PyList>> {
    let core = client.get().core().clone();
    let answer = py.detach(|| core.ask(QueryBody::Shares(()), ANSWER_LIMIT));
    let AnswerBody::Shares(answer) = answer.map_err(errors::to_py_err)? else {
        return Err(pyo3::exceptions::PyValueError::new_err(
            "an answer to another question",
        ));
    };
    let list = PyList::empty(py);
    for share in answer.shares {
        let entry = PyDict::new(py);
        entry.set_item("name", share.name)?;
        entry.set_item("weight", share.weight)?;
        entry.set_item("own", share.is_own)?;
        entry.set_item("clients", share.clients)?;
        entry.set_item("tasks", share.tasks)?;
        entry.set_item("ready", share.ready)?;
        entry.set_item("processing", share.running)?;
        entry.set_item("nbytes", share.held_bytes)?;
        entry.set_item(
            "tasks_max",
            (share.tasks_max > 0).then_some(share.tasks_max),
        )?;
        entry.set_item(
            "nbytes_max",
            (share.bytes_max > 0).then_some(share.bytes_max),
        )?;
        entry.set_item("ended", share.ended)?;
        entry.set_item("seconds", share.run_micros as f64 / 1e6)?;
        let held_back_by = (!share.held_back_by.is_empty()).then_some(share.held_back_by);
        entry.set_item("held_back_by", held_back_by)?;
        list.append(entry)?;
    }
    Ok(list)
}
