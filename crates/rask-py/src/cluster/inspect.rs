//! What tasks went through, all of the scheduler's state, and versions.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rask_cluster::client::ClusterClient;
use rask_proto::{AnswerBody, BlockName, Blocks, QueryBody, StateDump, StoryQuery, Version};

use super::client::PyClusterClient;
use super::errors;

/// For answers of the scheduler; all of a large state takes its time.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Questions of one client about everything.
#[pyclass(frozen, name = "Inspector", module = "rask._core")]
pub struct PyInspector {
    core: ClusterClient,
}

/// Layer, block, whether this is part of the key, states before and after, address of the worker,
/// stimulus, seconds since the epoch.
type Change = (String, u32, bool, String, String, String, String, f64);

/// Versions by package.
type Versions = Vec<(String, String)>;

/// What workers run on, how many they are, and the addresses of some.
type Group = (Versions, u64, Vec<String>);

#[pymethods]
impl PyInspector {
    #[new]
    fn new(client: &Bound<'_, PyClusterClient>) -> Self {
        PyInspector {
            core: client.get().core().clone(),
        }
    }

    /// The changes of tasks' states from the `start`th on, how many there were so far, and how many
    /// of these are forgotten: of all blocks of `layers`, of `keys` (layer and block), those that came
    /// from `stimuli`, or all.
    #[pyo3(signature = (layers, keys, stimuli, all=false, start=0))]
    fn story(
        &self,
        py: Python<'_>,
        layers: Vec<String>,
        keys: Vec<(String, u32)>,
        stimuli: Vec<String>,
        all: bool,
        start: u64,
    ) -> PyResult<(Vec<Change>, u64, u64)> {
        let keys = keys.into_iter();
        let query = StoryQuery {
            layers,
            keys: keys
                .map(|(layer, block)| BlockName { layer, block })
                .collect(),
            stimuli,
            all,
            from: start,
        };
        let AnswerBody::Story(story) = self.ask(py, QueryBody::Story(query))? else {
            return Err(other_answer());
        };
        let text = |column: &[u32], at: usize| {
            let position = column.get(at).copied().unwrap_or(u32::MAX);
            let name = story.names.get(position as usize);
            name.cloned().unwrap_or_default()
        };
        let changes = (0..story.layers.len()).map(|at| {
            (
                text(&story.layers, at),
                story.blocks.get(at).copied().unwrap_or_default(),
                story.numbered.get(at).copied().unwrap_or_default(),
                text(&story.starts, at),
                text(&story.finishes, at),
                text(&story.workers, at),
                text(&story.stimuli, at),
                story.micros.get(at).copied().unwrap_or_default() as f64 / 1e6,
            )
        });
        Ok((changes.collect(), story.written, story.forgotten))
    }

    /// All tasks as dicts, and further figures.
    fn dump<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyDict>)> {
        let AnswerBody::Dump(dump) = self.ask(py, QueryBody::Dump(()))? else {
            return Err(other_answer());
        };
        let figures = PyDict::new(py);
        for figure in &dump.figures {
            figures.set_item(&figure.name, figure.count.unwrap_or_default())?;
        }
        Ok((describe_tasks(py, &dump)?, figures))
    }

    /// Versions of the scheduler, and of the workers: those that run on the same together, with how
    /// many they are and the addresses of some.
    fn versions(&self, py: Python<'_>) -> PyResult<(Versions, Vec<Group>)> {
        let AnswerBody::Versions(versions) = self.ask(py, QueryBody::Versions(()))? else {
            return Err(other_answer());
        };
        let groups = versions.workers.into_iter();
        let groups = groups.map(|group| (pairs(group.versions), group.count, group.addresses));
        Ok((pairs(versions.scheduler), groups.collect()))
    }
}

impl PyInspector {
    fn ask(&self, py: Python<'_>, question: QueryBody) -> PyResult<AnswerBody> {
        let answer = py.detach(|| self.core.ask(question, ANSWER_LIMIT));
        answer.map_err(errors::to_py_err)
    }
}

fn other_answer() -> PyErr {
    PyValueError::new_err("an answer to another question")
}

fn pairs(versions: Vec<Version>) -> Versions {
    let versions = versions.into_iter();
    versions.map(|one| (one.package, one.version)).collect()
}

/// Versions as Python gives them.
pub fn versions_of(pairs: Versions) -> Vec<Version> {
    let pairs = pairs.into_iter();
    pairs
        .map(|(package, version)| Version { package, version })
        .collect()
}

/// Takes the next items of lists that follow each other in one column.
struct Lists<'a> {
    counts: &'a [u32],
    items: &'a [u32],
}

impl Lists<'_> {
    fn next(&mut self) -> Vec<u32> {
        let Some((&count, counts)) = self.counts.split_first() else {
            return Vec::new();
        };
        let (now, later) = self.items.split_at(self.items.len().min(count as usize));
        (self.counts, self.items) = (counts, later);
        now.to_vec()
    }
}

fn lists<'a>(counts: &'a [u32], items: &'a [u32]) -> Lists<'a> {
    Lists { counts, items }
}

fn describe_tasks<'py>(py: Python<'py>, dump: &StateDump) -> PyResult<Bound<'py, PyList>> {
    let name = |position: u32| dump.names.get(position as usize).map_or("", String::as_str);
    let narrow = |column: &[u32], at: usize| column.get(at).copied().unwrap_or_default();
    let wide = |column: &[u64], at: usize| column.get(at).copied().unwrap_or_default();
    let mut inputs = lists(&dump.input_counts, &dump.inputs);
    let mut workers = lists(&dump.worker_counts, &dump.workers);
    let mut clients = lists(&dump.client_counts, &dump.clients);
    let tasks = PyList::empty(py);
    for (at, (layer, block)) in dump.tasks.iter().flat_map(Blocks::iter).enumerate() {
        let task = PyDict::new(py);
        task.set_item("layer", name(layer))?;
        task.set_item("block", block)?;
        let numbered = dump.numbered.get(at).copied().unwrap_or_default();
        task.set_item("numbered", numbered)?;
        task.set_item("operation", name(narrow(&dump.operations, at)))?;
        task.set_item("state", name(narrow(&dump.states, at)))?;
        task.set_item("nbytes", wide(&dump.nbytes, at))?;
        task.set_item("priority", wide(&dump.priorities, at))?;
        task.set_item("retries", narrow(&dump.retries, at))?;
        task.set_item("suspicious", narrow(&dump.deaths, at))?;
        task.set_item("missing", narrow(&dump.missing, at))?;
        task.set_item("inputs", inputs.next())?;
        task.set_item("workers", workers.next())?;
        task.set_item("clients", clients.next())?;
        task.set_item("exception", py.None())?;
        tasks.append(task)?;
    }
    for (&at, message) in dump.failed.iter().zip(&dump.failures) {
        if (at as usize) < tasks.len() {
            tasks
                .get_item(at as usize)?
                .set_item("exception", message)?;
        }
    }
    Ok(tasks)
}
