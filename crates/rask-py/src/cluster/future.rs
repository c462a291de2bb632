//! Futures.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use rask_cluster::client::{BlockKey, BlockStatus, ClusterClient, CompletionQueue, Gathered};
use rask_cluster::worker::Absence;

use super::gather::{gather_outcomes, to_own_object, wait_for_tasks};
use super::{errors, sharing};

/// A block of a layer that runs, or will run, on a cluster.
///
/// As long as a future of a block exists, the cluster keeps the block's value. Futures may be
/// arguments of further calls, and may be pickled: on the other side the future belongs to the
/// client there.
#[pyclass(
    frozen,
    name = "Future",
    module = "rask.distributed",
    weakref,
    subclass
)]
pub struct PyFuture {
    pub core: ClusterClient,
    pub block: BlockKey,
    pub name: Arc<str>,
    /// The layer has more blocks than this one: the number is part of the key.
    pub numbered: bool,
    pub client: Py<PyAny>,
    /// It has been given up before the object goes away.
    pub released: AtomicBool,
}

impl Drop for PyFuture {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl PyFuture {
    /// The object stands for its block no longer.
    fn give_up(&self) {
        if !self.released.swap(true, Ordering::Relaxed) {
            self.core.release_later(self.block);
        }
    }

    /// It was released by its user, and nothing else refers to its block: there is no value.
    pub fn is_released(&self) -> bool {
        self.released.load(Ordering::Relaxed) && !self.core.refers(self.block)
    }

    /// One more future of the same block.
    fn again(&self, py: Python<'_>) -> PyFuture {
        let released = self.released.load(Ordering::Relaxed);
        if !released {
            self.core.refer(self.block);
        }
        PyFuture {
            core: self.core.clone(),
            block: self.block,
            name: self.name.clone(),
            numbered: self.numbered,
            client: self.client.clone_ref(py),
            released: AtomicBool::new(released),
        }
    }

    /// Why there is no value: it was cancelled, or the connection to the scheduler ended.
    fn without_value(&self, py: Python<'_>) -> PyErr {
        let key = self.key_text();
        if self.is_released() {
            return sharing::released(py, self);
        }
        let is_lost = self.core.status(self.block) == BlockStatus::Lost;
        match self.core.closed().filter(|_| is_lost) {
            Some(reason) => errors::cancelled(py, &format!("{key}: {reason}")),
            None => errors::cancelled(py, &format!("{key} was cancelled")),
        }
    }

    fn outcome(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Gathered> {
        let outcomes = gather_outcomes(py, &self.core, &[self.block], timeout)?;
        Ok(outcomes.into_iter().next().unwrap_or(Gathered::Cancelled))
    }

    fn wait_done(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<BlockStatus> {
        wait_for_tasks(py, timeout, |limit| {
            use rask_cluster::client::Waited;
            let waited = self.core.wait_all(&[self.block], limit);
            match waited.map_err(errors::to_py_err)? {
                Waited::Done => Ok(Some(self.core.status(self.block))),
                Waited::NotYet => Ok(None),
            }
        })
    }

    /// The key as text.
    pub fn key_text(&self) -> String {
        match self.numbered {
            true => format!("('{}', {})", self.name, self.block.1),
            false => self.name.to_string(),
        }
    }

    /// What gathering this future came to, as a value or an exception.
    pub fn finish<'py>(&self, py: Python<'py>, outcome: Gathered) -> PyResult<Bound<'py, PyAny>> {
        match outcome {
            Gathered::Value(value) => {
                let object = to_own_object(py, value)?;
                self.bind_actor(&object)?;
                Ok(object)
            }
            Gathered::Failed(failure) => Err(errors::failure_to_py_err(py, &failure)),
            Gathered::Cancelled => Err(self.without_value(py)),
        }
    }
}

/// The class of proxies of actors, once it has been imported.
static ACTOR: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Says what the class of proxies of actors is.
#[pyfunction]
pub fn set_actor_class(class: Bound<'_, PyType>) {
    // Imported once a process.
    let _ = ACTOR.set(class.py(), class.unbind());
}

impl PyFuture {
    /// The proxy of an actor keeps the actor alive: it holds a future of its own.
    fn bind_actor(&self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = object.py();
        let is_actor = ACTOR
            .get(py)
            .is_some_and(|class| object.get_type().is(class));
        if !is_actor {
            return Ok(());
        }
        object.call_method1(pyo3::intern!(py, "_bind"), (self.again(py),))?;
        Ok(())
    }
}

#[pymethods]
impl PyFuture {
    /// A future of the block with this key, which the scheduler must know; of the client that is
    /// given, or of the current one.
    #[new]
    #[pyo3(signature = (key, client=None))]
    fn new<'py>(key: &Bound<'py, PyAny>, client: Option<Bound<'py, PyAny>>) -> PyResult<PyFuture> {
        let py = key.py();
        let made: Bound<'py, PyFuture> = py
            .import("rask.distributed._sharing")?
            .call_method1("future_of_key", (key, client))?
            .extract()?;
        Ok(made.get().again(py))
    }

    /// The value, waiting for it; raises what the task raised.
    #[pyo3(name = "_result", signature = (timeout=None))]
    fn result<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let outcome = self.outcome(py, timeout)?;
        self.finish(py, outcome)
    }

    /// The exception that the task raised, waiting for its end; None if it raised none.
    #[pyo3(name = "_exception", signature = (timeout=None))]
    fn exception<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let raised = match self.wait_done(py, timeout)? {
            BlockStatus::Erred => {
                let failure = self.core.failure(self.block).unwrap_or_default();
                errors::failure_to_py_err(py, &failure)
            }
            BlockStatus::Cancelled | BlockStatus::Lost => self.without_value(py),
            BlockStatus::Finished | BlockStatus::Pending => return Ok(None),
        };
        Ok(Some(raised.value(py).clone().into_any()))
    }

    /// The remote traceback as text; None if there is none.
    #[getter]
    fn _traceback_text(&self) -> Option<String> {
        self.core.failure(self.block)?.traceback.clone()
    }

    /// The user-visible name of the block: a string, or a tuple of the layer's name and the
    /// block's number.
    #[getter]
    fn key<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // Whoever is given the key asks the scheduler for it.
        py.detach(|| self.core.flush());
        Ok(match self.numbered {
            true => PyTuple::new(
                py,
                [
                    self.name.as_ref().into_pyobject(py)?.into_any(),
                    self.block.1.into_pyobject(py)?.into_any(),
                ],
            )?
            .into_any(),
            false => self.name.as_ref().into_pyobject(py)?.into_any(),
        })
    }

    /// "pending", "finished", "error", "cancelled" or "lost".
    #[getter]
    fn status(&self) -> &'static str {
        self.core.status(self.block).as_str()
    }

    #[getter]
    fn client(&self, py: Python<'_>) -> Py<PyAny> {
        self.client.clone_ref(py)
    }

    /// Whether it finished, failed or was cancelled.
    fn done(&self) -> bool {
        self.core.status(self.block).is_done()
    }

    /// Whether it was cancelled.
    fn cancelled(&self) -> bool {
        self.core.status(self.block) == BlockStatus::Cancelled
    }

    #[getter]
    fn _layer(&self) -> (String, u32, bool) {
        (self.name.to_string(), self.block.1, self.numbered)
    }

    fn __repr__(&self) -> String {
        let status = self.core.status(self.block).as_str();
        format!("<Future: {status}, key: {}>", self.key_text())
    }

    fn __hash__(&self) -> u64 {
        // Of equal futures one may be cancelled, and the other of what was submitted anew.
        let mut hasher = DefaultHasher::new();
        (&self.name, self.block.1).hash(&mut hasher);
        hasher.finish()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<PyFuture>().is_ok_and(|other| {
            let other = other.get();
            self.name == other.name && self.block.1 == other.block.1
        })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        sharing::refuse_released(py, [self])?;
        py.detach(|| self.core.flush());
        let rebuild = py
            .import("rask.distributed.client")?
            .getattr("_rebuild_future")?;
        let parts = (self.name.to_string(), self.block.1, self.numbered);
        (rebuild, parts).into_pyobject(py)
    }

    // What asyncio and callbacks need is Python's: see `rask.distributed._futures`.
    fn __await__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        delegate(slf, "await_future", &[])
    }

    /// The value; in an asynchronous client something to await.
    #[pyo3(name = "result", signature = (timeout=None))]
    fn public_result<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let client = slf.get().client.bind(slf.py());
        let asynchronous = client.getattr(pyo3::intern!(slf.py(), "_asynchronous"))?;
        if timeout.is_none() && !asynchronous.is_truthy()? {
            return slf.get().result(slf.py(), None);
        }
        delegate(slf, "result", &[timeout])
    }

    /// The exception that the task raised, or None.
    #[pyo3(name = "exception", signature = (timeout=None))]
    fn public_exception<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        delegate(slf, "exception", &[timeout])
    }

    /// The traceback of the exception that the task raised, or None.
    #[pyo3(signature = (timeout=None))]
    fn traceback<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        delegate(slf, "traceback", &[timeout])
    }

    /// Calls `fn(future)` when the future is done.
    fn add_done_callback<'py>(
        slf: &Bound<'py, Self>,
        r#fn: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        delegate(slf, "add_done_callback", &[Some(r#fn)])
    }

    /// Cancels the task; see `Client.cancel`.
    #[pyo3(signature = (**kwargs))]
    fn cancel<'py>(
        slf: &Bound<'py, Self>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let client = slf.get().client.bind(slf.py());
        client.call_method("cancel", (vec![slf.clone()],), kwargs)
    }

    /// Runs a failed task again.
    fn retry<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let client = slf.get().client.bind(slf.py());
        client.call_method1("retry", (vec![slf.clone()],))
    }

    /// The client, under the name that `concurrent.futures` has for it.
    #[getter]
    fn executor(&self, py: Python<'_>) -> Py<PyAny> {
        self.client.clone_ref(py)
    }

    /// The class of the value; None unless the task has finished.
    #[getter]
    fn r#type<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        delegate(slf, "type_of", &[])
    }

    /// Refuses a client of another cluster; futures are bound when they are made or unpickled.
    fn bind_client<'py>(
        slf: &Bound<'py, Self>,
        client: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        delegate(slf, "bind_client", &[Some(client)])
    }

    /// The future itself: it stands for nothing that could be replaced.
    #[pyo3(signature = (subs=None, key=None))]
    fn substitute<'py>(
        slf: Bound<'py, Self>,
        subs: Option<Bound<'py, PyAny>>,
        key: Option<Bound<'py, PyAny>>,
    ) -> Bound<'py, Self> {
        drop((subs, key));
        slf
    }

    /// Name of the layer and the block of the task that failed first, where one did.
    #[getter]
    fn _failed_task(&self) -> Option<(String, u32)> {
        let failure = self.core.failure(self.block)?;
        Some((failure.layer.clone(), failure.block))
    }

    /// How it looks in a notebook.
    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        delegate(slf, "repr_html", &[])
    }

    /// Gives the value up, as if the object went away: the cluster keeps it no longer for this future.
    /// With the last future of a block its task, if it has not run, is cancelled.
    fn release(&self, py: Python<'_>) {
        self.give_up();
        // Other futures of the block may have gone away just now.
        py.detach(|| self.core.release_now());
    }
}

fn delegate<'py>(
    slf: &Bound<'py, PyFuture>,
    function: &str,
    arguments: &[Option<Bound<'py, PyAny>>],
) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let none = py.None().into_bound(py);
    let rest = arguments.iter();
    let rest = rest.map(|argument| argument.clone().unwrap_or_else(|| none.clone()));
    let all = std::iter::once(slf.clone().into_any()).chain(rest);
    let all = PyTuple::new(py, all.collect::<Vec<_>>())?;
    py.import(pyo3::intern!(py, "rask.distributed._futures"))?
        .getattr(function)?
        .call1(all)
}

/// Tokens of watched futures, in the order in which these are done.
#[pyclass(frozen, name = "CompletionQueue", module = "rask._core")]
pub struct PyCompletionQueue {
    pub queue: Arc<CompletionQueue>,
}

#[pymethods]
impl PyCompletionQueue {
    #[new]
    fn new() -> Self {
        PyCompletionQueue {
            queue: Arc::default(),
        }
    }

    /// All tokens that have come, waiting up to `timeout` seconds for the first.
    fn take(&self, py: Python<'_>, timeout: f64) -> PyResult<Vec<u64>> {
        let limit = Duration::try_from_secs_f64(timeout.max(0.0)).unwrap_or_default();
        let tokens = py.detach(|| {
            let tokens = self.queue.take(Duration::ZERO);
            match tokens.is_empty() && !limit.is_zero() {
                true => {
                    let _absence = Absence::begin();
                    self.queue.take(limit)
                }
                false => tokens,
            }
        });
        py.check_signals()?;
        Ok(tokens)
    }

    /// Puts a token in from outside.
    fn push(&self, token: u64) {
        self.queue.push(token);
    }
}
