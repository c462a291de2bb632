//! What became of spans.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rask_cluster::client::ClusterClient;
use rask_proto::{AnswerBody, QueryBody, SpanFigures, SpanGroup, SpanNote, SpanQuery};

use super::client::PyClusterClient;
use super::errors;

/// For answers of the scheduler.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A client's questions about spans.
#[pyclass(frozen, name = "SpanTable", module = "rask._core")]
pub struct PySpanTable {
    core: ClusterClient,
}

/// Name, operation, tasks by state, bytes, start, stop, and seconds of computing.
type Group = (String, String, Vec<u64>, u64, f64, f64, f64);

/// Times in seconds since the epoch, and threads from then on.
type Threads = Vec<(f64, u32)>;

#[pymethods]
impl PySpanTable {
    #[new]
    fn new(client: &Bound<'_, PyClusterClient>) -> Self {
        PySpanTable {
            core: client.get().core().clone(),
        }
    }

    /// Spans as dicts, parents before children; how many threads the workers had when; and the
    /// scheduler's time.
    fn read<'py>(
        &self,
        py: Python<'py>,
        ids: Vec<String>,
        names: Vec<String>,
    ) -> PyResult<(Bound<'py, PyList>, Threads, f64)> {
        let question = QueryBody::Spans(SpanQuery { ids, names });
        let AnswerBody::Spans(spans) = self.ask(py, question)? else {
            return Err(other_answer());
        };
        let list = PyList::empty(py);
        for span in spans.spans {
            list.append(describe(py, span)?)?;
        }
        let threads = spans.thread_micros.iter().zip(spans.thread_counts);
        let threads = threads.map(|(&micros, count)| (seconds(micros), count));
        Ok((list, threads.collect(), seconds(spans.now_micros)))
    }

    /// Keeps a text with a span.
    fn note(&self, py: Python<'_>, id: String, text: String) -> PyResult<()> {
        match self.ask(py, QueryBody::NoteSpan(SpanNote { id, text }))? {
            AnswerBody::Done(()) => Ok(()),
            _ => Err(other_answer()),
        }
    }
}

impl PySpanTable {
    fn ask(&self, py: Python<'_>, question: QueryBody) -> PyResult<AnswerBody> {
        let answer = py.detach(|| self.core.ask(question, ANSWER_LIMIT));
        answer.map_err(errors::to_py_err)
    }
}

fn other_answer() -> PyErr {
    PyValueError::new_err("an answer to another question")
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn describe(py: Python<'_>, span: SpanFigures) -> PyResult<Bound<'_, PyDict>> {
    let described = PyDict::new(py);
    let path = span.path.unwrap_or_default();
    described.set_item("names", path.names)?;
    described.set_item("ids", path.ids)?;
    described.set_item("enqueued", seconds(span.enqueued_micros))?;
    let groups: Vec<Group> = span.groups.into_iter().map(describe_group).collect();
    described.set_item("groups", groups)?;
    let origins = span.origins.into_iter();
    let origins: Vec<(String, u32, String)> = origins
        .map(|origin| (origin.file, origin.line, origin.function))
        .collect();
    described.set_item("origins", origins)?;
    described.set_item("notes", span.notes)?;
    let activities = span.activities.into_iter();
    let activities: Vec<(String, String, String, f64)> = activities
        .map(|one| (one.operation, one.activity, one.unit, one.amount))
        .collect();
    described.set_item("activities", activities)?;
    Ok(described)
}

fn describe_group(group: SpanGroup) -> Group {
    (
        group.name,
        group.operation,
        group.states,
        group.nbytes,
        seconds(group.start_micros),
        seconds(group.stop_micros),
        seconds(group.compute_micros),
    )
}
