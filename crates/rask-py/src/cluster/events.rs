//! Topics, and what the scheduler logged.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rask_cluster::client::{ClusterClient, Follower};
use rask_proto::{EventField, EventRecord, Packed};

use super::client::PyClusterClient;
use super::errors;
use super::gather::to_object;
use super::payload::PyPayload;
use super::service::packed;

/// Topics as one client sees them.
#[pyclass(frozen, name = "Events", module = "rask._core")]
pub struct PyEvents {
    core: ClusterClient,
    follower: Follower,
}

/// A topic, when (seconds since the epoch), how many events before it were missed, and the value.
type Event<'py> = (String, f64, u64, Bound<'py, PyAny>);

#[pymethods]
impl PyEvents {
    #[new]
    fn new(client: &Bound<'_, PyClusterClient>) -> Self {
        let core = client.get().core().clone();
        PyEvents {
            follower: Follower::new(&core),
            core,
        }
    }

    /// Whether the scheduler knows of topics.
    #[getter]
    fn is_known(&self) -> bool {
        self.core.has_events()
    }

    /// Logs an event under topics.
    fn log(&self, py: Python<'_>, topics: Vec<String>, payload: &PyPayload) -> PyResult<()> {
        let value = packed(payload.to_frames());
        let logged = py.detach(|| self.core.log_event(topics, value));
        logged.map_err(errors::to_py_err)
    }

    /// The events that are remembered, of a topic or of all: topics and, of each, times and values.
    #[pyo3(signature = (topic=None))]
    fn of<'py>(&self, py: Python<'py>, topic: Option<String>) -> PyResult<Vec<Event<'py>>> {
        let events = py.detach(|| self.core.events(topic));
        let events = events.map_err(errors::to_py_err)?;
        let records = events.events.into_iter();
        let described = records.map(|record| {
            let name = events.names.get(record.topic as usize);
            describe(py, name.cloned().unwrap_or_default(), 0, record)
        });
        described.collect()
    }

    /// Follows further topics, from now on.
    fn add(&self, py: Python<'_>, topics: Vec<String>) -> PyResult<()> {
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let added = py.detach(|| self.follower.add(&topics));
        added.map_err(errors::to_py_err)
    }

    /// Follows a topic no longer.
    fn remove(&self, py: Python<'_>, topic: &str) {
        py.detach(|| self.follower.remove(topic));
    }

    /// The next events of the topics that are followed; None when the client is closed.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Vec<Event<'py>>>> {
        let Some(news) = py.detach(|| self.follower.next()) else {
            return Ok(None);
        };
        let described = news
            .into_iter()
            .map(|event| describe(py, event.topic, event.missed, event.record));
        described.collect::<PyResult<_>>().map(Some)
    }

    /// The last `count` lines that the scheduler logged (0: all that are kept), the oldest first:
    /// seconds since the epoch, level, line.
    #[pyo3(signature = (count=0))]
    fn scheduler_logs<'py>(&self, py: Python<'py>, count: u64) -> PyResult<Bound<'py, PyList>> {
        let lines = py.detach(|| self.core.scheduler_logs(count));
        let lines = lines.map_err(errors::to_py_err)?;
        let columns = lines.micros.into_iter().zip(lines.levels).zip(lines.lines);
        let lines = columns.map(|((micros, level), line)| (seconds(micros), level, line));
        PyList::new(py, lines.collect::<Vec<(f64, String, String)>>())
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn describe<'py>(
    py: Python<'py>,
    topic: String,
    missed: u64,
    record: EventRecord,
) -> PyResult<Event<'py>> {
    let value = match record.value {
        Some(value) => value_of(py, value),
        None => fields_of(py, &record.fields)?.into_any(),
    };
    Ok((topic, seconds(record.serial), missed, value))
}

/// What was logged; where it cannot be unpickled here, the exception that says why.
pub fn value_of(py: Python<'_>, value: Packed) -> Bound<'_, PyAny> {
    to_object(py, value).unwrap_or_else(|error| error.into_value(py).into_bound(py).into_any())
}

fn fields_of<'py>(py: Python<'py>, fields: &[EventField]) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for field in fields {
        match field.count {
            Some(count) => dict.set_item(&field.name, count)?,
            None => dict.set_item(&field.name, &field.text)?,
        }
    }
    Ok(dict)
}

/// The last `count` lines that Rust code of this process logged (0: all that are kept), the oldest
/// first: seconds since the epoch, level, line.
#[pyfunction]
#[pyo3(signature = (target, count=0))]
fn process_logs(target: &str, count: usize) -> Vec<(f64, String, String)> {
    let lines = rask_cluster::logs::last(&[target], count).into_iter();
    lines
        .map(|line| {
            let text = format!("{} - {}", line.target.replace("::", "."), line.text);
            (seconds(line.micros), line.level.to_owned(), text)
        })
        .collect()
}

/// Keeps so many lines of what Rust code of this process logs.
#[pyfunction]
fn set_log_length(lines_max: usize) {
    rask_cluster::logs::set_length(lines_max);
}

/// Adds this module's part of `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyEvents>()?;
    module.add_function(wrap_pyfunction!(process_logs, module)?)?;
    module.add_function(wrap_pyfunction!(set_log_length, module)?)?;
    Ok(())
}
