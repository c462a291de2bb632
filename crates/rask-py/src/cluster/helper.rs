//! The helper process's end of its pipes to the scheduler.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use pyo3::exceptions::{PyConnectionError, PyOSError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rask_cluster::calls::IncomingCall;
use rask_proto::{Blocks, FromHelper, HelperEvent, HelperState, Suggestion, Suggestions, ToHelper};

use super::client::describe_worker;
use super::events::value_of;
use super::service::PyServiceCall;

/// Longest message that is read.
const MESSAGE_BYTES_MAX: u64 = 1 << 32;
/// For the scheduler to tell its state.
const STATE_LIMIT: Duration = Duration::from_secs(30);

/// The pipes to the scheduler, shared with those who answer calls.
struct Link {
    output: Mutex<File>,
    state: Mutex<Arrived>,
    changed: Condvar,
}

#[derive(Default)]
struct Arrived {
    messages: VecDeque<ToHelper>,
    states: VecDeque<HelperState>,
    closed: bool,
}

impl Link {
    fn send(&self, message: FromHelper) -> std::io::Result<()> {
        let bytes = message.to_bytes();
        let mut output = self.output.lock();
        output.write_all(&(bytes.len() as u64).to_le_bytes())?;
        output.write_all(&bytes)?;
        output.flush()
    }

    fn read(&self, mut input: File) {
        while let Some(message) = next(&mut input) {
            let mut state = self.state.lock();
            match message {
                ToHelper::State(view) => state.states.push_back(view),
                message => state.messages.push_back(message),
            }
            self.changed.notify_all();
        }
        self.state.lock().closed = true;
        self.changed.notify_all();
    }
}

fn next(input: &mut File) -> Option<ToHelper> {
    let mut length = [0; 8];
    input.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    if length > MESSAGE_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes).ok()?;
    ToHelper::try_from_bytes(&bytes).ok()
}

/// What the helper process talks to the scheduler with.
#[pyclass(frozen, name = "HelperLink", module = "rask._core")]
pub struct PyHelperLink {
    link: Arc<Link>,
}

#[pymethods]
impl PyHelperLink {
    /// Opens the pipes at these paths.
    #[new]
    fn new(input: &str, output: &str) -> PyResult<Self> {
        let input = File::open(input)?;
        let output = File::options().write(true).open(output)?;
        let link = Arc::new(Link {
            output: Mutex::new(output),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let reading = link.clone();
        std::thread::Builder::new()
            .name("rask-helper".to_owned())
            .spawn(move || reading.read(input))
            .map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(PyHelperLink { link })
    }

    /// What has come, waiting up to `timeout` seconds: calls, events as dicts, and "close". None
    /// when there will be nothing more.
    fn take<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<Option<Bound<'py, PyList>>> {
        let limit = Duration::try_from_secs_f64(timeout.max(0.0)).unwrap_or_default();
        let Some(messages) = py.detach(|| self.wait(limit)) else {
            return Ok(None);
        };
        let list = PyList::empty(py);
        for message in messages {
            match message {
                ToHelper::Call(call) => {
                    let link = self.link.clone();
                    let call = IncomingCall::answered_by(call, move |reply| {
                        // A scheduler that has ended waits for no answer.
                        let _ = link.send(FromHelper::Reply(reply));
                    });
                    let call = PyServiceCall {
                        call: Mutex::new(call),
                    };
                    list.append(Bound::new(py, call)?)?;
                }
                ToHelper::Event(event) => list.append(describe_event(py, event)?)?,
                ToHelper::Close(()) => list.append("close")?,
                ToHelper::State(_) => {}
            }
        }
        Ok(Some(list))
    }

    /// Whether events are wanted.
    fn watch(&self, py: Python<'_>, wanted: bool) -> PyResult<()> {
        self.send(py, FromHelper::Watch(wanted))
    }

    /// What policies want done: layers, blocks and numbers of workers.
    fn suggest(
        &self,
        py: Python<'_>,
        copies: Vec<(String, u32, u32)>,
        drops: Vec<(String, u32, u32)>,
    ) -> PyResult<()> {
        let pack = |wishes: Vec<(String, u32, u32)>| {
            let wishes = wishes.into_iter();
            let pack = |(layer, block, worker)| Suggestion {
                layer,
                block,
                worker,
            };
            wishes.map(pack).collect()
        };
        let (copies, drops) = (pack(copies), pack(drops));
        self.send(py, FromHelper::Suggest(Suggestions { copies, drops }))
    }

    /// The scheduler's state: address, clients, workers, and, if asked for, tasks.
    fn state<'py>(&self, py: Python<'py>, with_tasks: bool) -> PyResult<Bound<'py, PyDict>> {
        self.send(py, FromHelper::AskState(with_tasks))?;
        let view = py.detach(|| {
            let deadline = Instant::now() + STATE_LIMIT;
            let mut state = self.link.state.lock();
            loop {
                if let Some(view) = state.states.pop_front() {
                    return Some(view);
                }
                let waited = self.link.changed.wait_until(&mut state, deadline);
                if state.closed || waited.timed_out() {
                    return state.states.pop_front();
                }
            }
        });
        let view =
            view.ok_or_else(|| PyConnectionError::new_err("the scheduler did not answer"))?;
        describe_state(py, view)
    }
}

impl PyHelperLink {
    fn wait(&self, limit: Duration) -> Option<Vec<ToHelper>> {
        let deadline = Instant::now() + limit;
        let mut state = self.link.state.lock();
        while state.messages.is_empty() && !state.closed {
            let waited = self.link.changed.wait_until(&mut state, deadline);
            if waited.timed_out() {
                break;
            }
        }
        let taken: Vec<_> = state.messages.drain(..).collect();
        (!taken.is_empty() || !state.closed).then_some(taken)
    }

    fn send(&self, py: Python<'_>, message: FromHelper) -> PyResult<()> {
        let sent = py.detach(|| self.link.send(message));
        sent.map_err(|error| PyConnectionError::new_err(error.to_string()))
    }
}

fn describe_event<'py>(py: Python<'py>, event: HelperEvent) -> PyResult<Bound<'py, PyDict>> {
    let entry = PyDict::new(py);
    let wanted: Vec<(u32, u32)> = event.wanted.iter().flat_map(Blocks::iter).collect();
    entry.set_item("kind", event.kind)?;
    entry.set_item("name", event.name)?;
    entry.set_item("block", event.block)?;
    entry.set_item("numbered", event.numbered)?;
    entry.set_item("start", event.start)?;
    entry.set_item("finish", event.finish)?;
    entry.set_item("worker", event.worker)?;
    entry.set_item("names", event.names)?;
    entry.set_item("wanted", wanted)?;
    entry.set_item("nbytes", event.nbytes)?;
    if let Some(value) = event.value {
        entry.set_item("value", value_of(py, value))?;
    }
    entry.set_item("seconds", f64::from(event.duration_micros) / 1e6)?;
    Ok(entry)
}

fn describe_state<'py>(py: Python<'py>, view: HelperState) -> PyResult<Bound<'py, PyDict>> {
    let entry = PyDict::new(py);
    let info = view.info.unwrap_or_default();
    let workers = PyList::empty(py);
    for summary in &info.workers {
        workers.append(describe_worker(py, summary)?)?;
    }
    let tasks = PyList::empty(py);
    for task in view.tasks {
        tasks.append((
            task.name,
            task.block,
            task.numbered,
            task.state,
            task.nbytes,
            task.workers,
            task.wanted_by,
        ))?;
    }
    entry.set_item("address", view.address)?;
    entry.set_item("clients", view.clients)?;
    entry.set_item("task_count", info.tasks)?;
    entry.set_item("workers", workers)?;
    entry.set_item("tasks", tasks)?;
    Ok(entry)
}

/// Adds this module's part of `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyHelperLink>()
}
