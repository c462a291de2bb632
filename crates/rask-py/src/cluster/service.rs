//! The services of workers and nannies, and calls to them.

use std::collections::HashSet;
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyList;
use rask_cluster::calls::{
    CallOutcome, CallQueue, CallServer, Caller, IncomingCall, PendingCall, ServiceEvent,
};
use rask_cluster::worker::{ThreadTask, WorkerHandle};
use rask_cluster::{failure_from_task, pack, unpack};
use rask_proto::Packed;
use rask_value::{Encoded, Frames};

use super::errors;
use super::future::PyCompletionQueue;
use super::gather::{to_object, wait_for};
use super::payload::PyPayload;
use super::process::{PySecurity, PyWorker, address_of};
use crate::convert::{from_python, to_python};
use crate::error::task_error;
use crate::object::{KIND, PyValue, loads};

/// What a task went through, see `PyWorkerService::story`.
type Step = (String, u32, bool, &'static str, String, f64);

/// A call that has come and is to be answered.
#[pyclass(frozen, name = "ServiceCall", module = "rask._core")]
pub struct PyServiceCall {
    pub call: Mutex<IncomingCall>,
}

#[pymethods]
impl PyServiceCall {
    #[getter]
    fn kind(&self) -> String {
        self.call.lock().kind.clone()
    }

    #[getter]
    fn target(&self) -> String {
        self.call.lock().target.clone()
    }

    /// What came with the call, unpickled; to be had once.
    fn body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let packed = self.call.lock().take_body();
        loads(py, &unpack(packed).frames)
    }

    /// Answers with a value.
    fn reply(&self, py: Python<'_>, value: &Bound<'_, PyAny>) {
        let value = from_python(value).unwrap_or_else(|_| PyValue::wrap(value.clone()));
        let encoded = value.encode();
        py.detach(|| {
            let outcome = encoded.map(pack).map_err(|error| {
                let error = rask_value::TaskError::new(format!("TypeError: {error}"));
                failure_from_task(&error, "", 0)
            });
            self.call.lock().reply(outcome);
        });
    }

    /// Answers with an exception.
    fn fail(&self, py: Python<'_>, error: Bound<'_, PyAny>) {
        let error = task_error(py, PyErr::from_value(error));
        py.detach(|| {
            let failure = failure_from_task(&error, "", 0);
            self.call.lock().reply(Err(failure));
        });
    }
}

/// What has come, waiting up to `timeout` seconds: calls, and `(run, kill)` of tasks to
/// stop. None when there will be nothing more.
fn take_events<'py>(
    py: Python<'py>,
    queue: &CallQueue,
    timeout: f64,
) -> PyResult<Option<Bound<'py, PyList>>> {
    let limit = Duration::try_from_secs_f64(timeout.max(0.0)).unwrap_or_default();
    let Some(events) = py.detach(|| queue.take(limit)) else {
        return Ok(None);
    };
    let list = PyList::empty(py);
    for event in events {
        match event {
            ServiceEvent::Call(call) => list.append(Bound::new(
                py,
                PyServiceCall {
                    call: Mutex::new(call),
                },
            )?)?,
            ServiceEvent::Stop { run, kill } => list.append((run, kill))?,
            ServiceEvent::Transition {
                name,
                block,
                numbered,
                start,
                finish,
            } => list.append((name, block, numbered, start, finish))?,
        }
    }
    Ok(Some(list))
}

/// What a worker's Python side has to do with it.
#[pyclass(frozen, name = "WorkerService", module = "rask._core")]
pub struct PyWorkerService {
    handle: WorkerHandle,
}

impl PyWorkerService {
    /// The worker.
    pub fn handle(&self) -> &WorkerHandle {
        &self.handle
    }
}

#[pymethods]
impl PyWorkerService {
    #[new]
    fn new(worker: &PyWorker) -> Self {
        PyWorkerService {
            handle: worker.handle.clone(),
        }
    }

    /// Unique in this process, as is `current_worker()`.
    #[getter]
    fn id(&self) -> u64 {
        self.handle.id()
    }

    fn take<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<Option<Bound<'py, PyList>>> {
        take_events(py, self.handle.calls(), timeout)
    }

    /// Begins to run tasks.
    fn open(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.handle.open()).map_err(errors::to_py_err)
    }

    /// The plugins registered when the worker joined: name, serial, and what was pickled.
    fn plugins<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, String, Bound<'py, PyAny>)>> {
        let plugins = self.handle.plugins().iter();
        plugins
            .map(|plugin| {
                let packed = plugin.content.clone().unwrap_or_default();
                let content = loads(py, &unpack(packed).frames)?;
                Ok((plugin.name.clone(), plugin.serial.clone(), content))
            })
            .collect()
    }

    /// The tasks that run now: layer and block.
    fn running(&self, py: Python<'_>) -> Vec<(String, u32)> {
        py.detach(|| self.handle.running())
    }

    /// How many tasks are here and have not begun.
    #[getter]
    fn ready_count(&self, py: Python<'_>) -> usize {
        py.detach(|| self.handle.ready_count())
    }

    /// Bytes of values that came from peers so far, and that went to peers and clients.
    #[getter]
    fn transferred_bytes(&self, py: Python<'_>) -> (u64, u64) {
        py.detach(|| self.handle.transferred_bytes())
    }

    /// Bytes of values in memory, and on disk.
    #[getter]
    fn value_bytes(&self, py: Python<'_>) -> (u64, u64) {
        py.detach(|| self.handle.value_bytes())
    }

    /// Gives transitions of tasks, too, from `take`: layer, block, whether this is part of the
    /// key, the former state and the new one.
    fn want_transitions(&self, wanted: bool) {
        self.handle.want_transitions(wanted);
    }

    /// The values that are here: layer, block, whether this is part of the key, and whether the
    /// value is in memory.
    fn held(&self, py: Python<'_>) -> Vec<(String, u32, bool, bool)> {
        let held = py.detach(|| self.handle.held());
        let entries = held.iter();
        entries
            .map(|(name, block, numbered, value)| {
                (name.clone(), *block, *numbered, value.is_some())
            })
            .collect()
    }

    /// A value that is here and in memory; None otherwise.
    fn value<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        block: u32,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let held = py.detach(|| self.handle.held());
        let found = held
            .iter()
            .find(|(layer, at, _, _)| layer == name && *at == block);
        match found {
            Some((_, _, _, Some(value))) => to_python(py, value).map(Some),
            _ => Ok(None),
        }
    }

    /// The threads that run tasks, by Python's number of a thread: layer, block, and whether this is
    /// part of the key.
    fn threads(&self, py: Python<'_>) -> Vec<ThreadTask> {
        py.detach(|| self.handle.threads())
    }

    /// What tasks went through last: all blocks of `layers`, `keys`, what followed from `stimuli`, or
    /// all: layer, block, whether this is part of the key, what happened, why, and when in seconds
    /// since the epoch.
    #[pyo3(signature = (layers, keys, stimuli, all=false))]
    fn story(
        &self,
        py: Python<'_>,
        layers: HashSet<String>,
        keys: HashSet<(String, u32)>,
        stimuli: HashSet<String>,
        all: bool,
    ) -> Vec<Step> {
        let wanted = |name: &str, block: u32, stimulus: &str| {
            let is_key = || !keys.is_empty() && keys.contains(&(name.to_owned(), block));
            all || layers.contains(name) || is_key() || stimuli.contains(stimulus)
        };
        let told = py.detach(|| self.handle.story(&wanted)).into_iter();
        told.map(|told| {
            let seconds = told.micros as f64 / 1e6;
            let (step, stimulus) = (told.step, told.stimulus);
            (
                told.layer,
                told.block,
                told.numbered,
                step,
                stimulus,
                seconds,
            )
        })
        .collect()
    }

    /// Logs an event under topics, at the scheduler; False if the connection is too far behind.
    fn log_event(&self, py: Python<'_>, topics: Vec<String>, payload: &PyPayload) -> bool {
        let value = packed(payload.to_frames());
        py.detach(|| self.handle.log_event(topics, value))
    }

    /// Ends the worker; with `restart` its supervisor starts another.
    fn end(&self, py: Python<'_>, reason: &str, restart: bool) {
        py.detach(|| self.handle.end(reason, restart));
    }
}

/// A listener for calls alone.
#[pyclass(frozen, name = "CallServer", module = "rask._core")]
pub struct PyCallServer {
    server: CallServer,
}

#[pymethods]
impl PyCallServer {
    #[new]
    fn new(py: Python<'_>, address: &str, security: &PySecurity) -> PyResult<Self> {
        let address = address_of(address)?;
        let server = py.detach(|| CallServer::start(&address, &security.security));
        Ok(PyCallServer {
            server: server.map_err(errors::to_py_err)?,
        })
    }

    #[getter]
    fn address(&self) -> String {
        self.server.address().to_string()
    }

    fn take<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<Option<Bound<'py, PyList>>> {
        take_events(py, self.server.queue(), timeout)
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.server.close());
    }
}

/// Makes calls to workers and nannies.
#[pyclass(frozen, name = "Caller", module = "rask._core")]
pub struct PyCaller {
    caller: Caller,
}

#[pymethods]
impl PyCaller {
    #[new]
    fn new(security: &PySecurity) -> PyResult<Self> {
        let caller = Caller::new(&security.security).map_err(errors::to_py_err)?;
        Ok(PyCaller { caller })
    }

    /// Begins a call; those to one address are begun there in the order in which they were made.
    fn call(
        &self,
        py: Python<'_>,
        address: &str,
        kind: &str,
        target: &str,
        payload: &PyPayload,
    ) -> PyPendingCall {
        let body = packed(payload.to_frames());
        PyPendingCall {
            call: py.detach(|| self.caller.call(address, kind, target, body)),
            address: address.to_owned(),
        }
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.caller.close());
    }
}

/// A pickled object as it travels.
pub fn packed(frames: Frames) -> Packed {
    pack(Encoded {
        kind: KIND.to_owned(),
        frames,
    })
}

/// A call under way.
#[pyclass(frozen, name = "PendingCall", module = "rask._core")]
pub struct PyPendingCall {
    call: PendingCall,
    address: String,
}

#[pymethods]
impl PyPendingCall {
    fn done(&self) -> bool {
        self.call.is_done()
    }

    /// The answer, waiting for it; raises what was raised there, ConnectionError if nobody
    /// answers, and TimeoutError when the time is up.
    #[pyo3(signature = (timeout=None))]
    fn result<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        match wait_for(py, timeout, |limit| Ok(self.call.wait(limit)))? {
            CallOutcome::Value(value) => to_object(py, value),
            CallOutcome::Failed(failure) => Err(errors::failure_to_py_err(py, &failure)),
            CallOutcome::Unreachable(reason) => {
                let text = format!("no answer from {}: {reason}", self.address);
                Err(pyo3::exceptions::PyConnectionError::new_err(text))
            }
        }
    }

    /// Puts `token` into the queue when the answer is there.
    fn watch(&self, queue: &PyCompletionQueue, token: u64) {
        self.call.watch(&queue.queue, token);
    }
}

/// Adds this module's part of `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyServiceCall>()?;
    module.add_class::<PyWorkerService>()?;
    module.add_class::<PyCallServer>()?;
    module.add_class::<PyCaller>()?;
    module.add_class::<PyPendingCall>()?;
    Ok(())
}
