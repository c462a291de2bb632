//! The client's connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rask_cluster::client::{BlockKey, ClusterClient, Gathered, Identity, Waited, held_op};
use rask_cluster::{ClusterError, pack};
use rask_proto::{AnswerBody, LayerSpec, QueryBody};
use rask_value::OwnEncoded;

use super::future::{PyCompletionQueue, PyFuture};
use super::gather::{gather_outcomes, to_own_object, wait_for_tasks};
use super::payload::PyPayload;
use super::process::{PyScheduler, PySecurity};
use super::submission::{References, options_of, origin_of};
use super::{call, errors, sharing};
use crate::convert::from_python;
use crate::plan::PyPlan;

/// For answers of the scheduler.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A connection to a scheduler. `rask.distributed.Client` is a thin layer over it.
#[pyclass(frozen, name = "ClusterClient", module = "rask._core")]
pub struct PyClusterClient {
    pub core: ClusterClient,
}

impl PyClusterClient {
    /// The client itself.
    pub fn core(&self) -> &ClusterClient {
        &self.core
    }

    fn open(
        py: Python<'_>,
        open: impl FnOnce() -> Result<ClusterClient, ClusterError> + Send,
    ) -> PyResult<Self> {
        let core = py.detach(open).map_err(errors::to_py_err)?;
        Ok(PyClusterClient { core })
    }

    pub(super) fn future(
        &self,
        client: &Bound<'_, PyAny>,
        parts: (BlockKey, Arc<str>, bool),
    ) -> PyFuture {
        let (block, name, numbered) = parts;
        PyFuture {
            core: self.core.clone(),
            block,
            name,
            numbered,
            client: client.clone().unbind(),
            released: Default::default(),
        }
    }
}

#[pymethods]
impl PyClusterClient {
    /// Connects to the scheduler at `address`.
    #[staticmethod]
    #[pyo3(signature = (address, security, name=String::new(), share=String::new()))]
    fn connect(
        py: Python<'_>,
        address: &str,
        security: &PySecurity,
        name: String,
        share: String,
    ) -> PyResult<Self> {
        let identity = Identity { name, share };
        let address = address
            .parse()
            .map_err(|error: rask_wire::WireError| PyValueError::new_err(error.to_string()))?;
        let connect = || ClusterClient::connect_as(identity, &address, &security.security);
        Self::open(py, connect)
    }

    /// Talks to a scheduler of this process.
    #[staticmethod]
    #[pyo3(signature = (scheduler, security, name=String::new(), share=String::new()))]
    fn attach(
        py: Python<'_>,
        scheduler: &PyScheduler,
        security: &PySecurity,
        name: String,
        share: String,
    ) -> PyResult<Self> {
        let identity = Identity { name, share };
        let attach = || ClusterClient::attach_as(identity, &scheduler.handle, &security.security);
        Self::open(py, attach)
    }

    #[getter]
    fn address(&self) -> &str {
        self.core.address()
    }

    /// Why the connection ended, or None.
    #[getter]
    fn closed(&self) -> Option<String> {
        self.core.closed()
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.core.close());
    }

    /// Submits calls of one function: `payload` is the pickled `(name, function, arguments,
    /// keywords)` as header and buffers; `pages` the pickled columns of arguments of every
    /// `page_blocks` calls; `futures` the futures that the calls refer to, those of call `i` from
    /// `offsets[i]` to `offsets[i + 1]`. `count` is None for a single call, whose future's key is
    /// the name.
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (client, name, operation, payload, count, pages, page_blocks, futures, offsets, options=None))]
    fn submit_calls<'py>(
        &self,
        py: Python<'py>,
        client: &Bound<'py, PyAny>,
        name: &str,
        operation: &str,
        payload: &PyPayload,
        count: Option<u32>,
        pages: Vec<Bound<'py, PyPayload>>,
        page_blocks: u32,
        futures: Vec<Bound<'py, PyFuture>>,
        offsets: Vec<u32>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let options = options_of(py, options)?;
        let mut submit = options.to_submit();
        let References {
            mut layers,
            columns,
        } = References::find(py, &self.core, &futures, offsets)?;
        let filling = match columns.is_some() {
            true => call::Filling::Markers,
            false => call::Filling::Nothing,
        };
        let payload = payload.to_frames();
        let pages = pages.iter().map(|page| {
            let frames = page.get().to_frames();
            rask_proto::Packed::new(crate::object::KIND, frames.header, frames.buffers)
        });
        layers.push(LayerSpec {
            name: name.to_owned(),
            grid: count.into_iter().collect(),
            refs: columns,
            op: Some(pack(call::encode(payload, page_blocks, &filling))),
            pages: pages.collect(),
            page_blocks,
            origin: origin_of(py),
            operation: operation.to_owned(),
            actor: options.actor,
            ..LayerSpec::default()
        });
        let position = layers.len() as u32 - 1;
        submit.layers = layers;
        let blocks = 0..count.unwrap_or(1);
        submit.wanted = Some(blocks.map(|block| (position, block)).collect());
        let keys = py.detach(|| self.core.submit(submit));
        self.futures(py, client, keys, name, count.is_some())
    }

    /// Gives values to the cluster; `numbered` says whether they are blocks of one layer.
    fn submit_values<'py>(
        &self,
        py: Python<'py>,
        client: &Bound<'py, PyAny>,
        name: &str,
        values: Vec<Bound<'py, PyAny>>,
        numbered: bool,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let mut submit = options_of(py, options)?.to_submit();
        let pages = values.iter().map(|value| {
            let encoded = from_python(value)?.encode();
            let encoded = encoded
                .map_err(|error| pyo3::exceptions::PyTypeError::new_err(error.to_string()))?;
            // The value is what it is now, whatever is written to the object before it has left.
            Ok(pack(OwnEncoded::copy_of(encoded).into_shared()))
        });
        let count = values.len() as u32;
        submit.layers.push(LayerSpec {
            name: name.to_owned(),
            grid: numbered.then_some(count).into_iter().collect(),
            op: Some(held_op()),
            pages: pages.collect::<PyResult<_>>()?,
            page_blocks: 1,
            origin: origin_of(py),
            operation: "scatter".to_owned(),
            ..LayerSpec::default()
        });
        submit.wanted = Some((0..count).map(|block| (0, block)).collect());
        let keys = py.detach(|| self.core.submit(submit));
        self.futures(py, client, keys, name, numbered)
    }

    /// Submits a plan; futures of its wanted blocks, in order.
    #[pyo3(signature = (client, plan, options=None))]
    fn submit_plan<'py>(
        &self,
        py: Python<'py>,
        client: &Bound<'py, PyAny>,
        plan: &PyPlan,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let options = options_of(py, options)?;
        let plan = crate::annotations::resolve(py, plan.shared())?;
        let keys = py
            .detach(|| self.core.submit_plan(&plan, &options))
            .map_err(errors::to_py_err)?;
        let list = PyList::empty(py);
        for (block, key) in plan.wanted().iter().zip(keys) {
            let layer = &plan.graph.layers[block.layer.0 as usize];
            let numbered = !layer.grid.0.is_empty();
            let future = self.future(client, (key, layer.name.clone(), numbered));
            list.append(Bound::new(py, future)?)?;
        }
        Ok(list)
    }

    /// Submits a plan; a plan of the same wanted blocks, held by the cluster.
    #[pyo3(signature = (plan, options=None))]
    fn persist_plan(
        &self,
        py: Python<'_>,
        plan: &PyPlan,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyPlan> {
        let options = options_of(py, options)?;
        let plan = crate::annotations::resolve(py, plan.shared())?;
        let held = py.detach(|| self.core.persist_plan(&plan, &options));
        Ok(PyPlan::new(held.map_err(errors::to_py_err)?))
    }

    /// Futures of the blocks of a plan that the cluster holds or is making.
    fn plan_futures<'py>(
        &self,
        py: Python<'py>,
        client: &Bound<'py, PyAny>,
        plan: &PyPlan,
    ) -> PyResult<Bound<'py, PyList>> {
        let plan = plan.shared();
        let list = PyList::empty(py);
        for (layer, key) in self.core.remote_blocks(&plan) {
            let numbered = !layer.grid.0.is_empty();
            let future = self.future(client, (key, layer.name.clone(), numbered));
            list.append(Bound::new(py, future)?)?;
        }
        Ok(list)
    }

    /// A plan of blocks that the cluster holds: names and grids of their layers, for each wanted
    /// block its layer and number, and its future.
    fn plan_of_futures(
        &self,
        py: Python<'_>,
        layers: Vec<(String, Vec<u32>)>,
        blocks: Vec<(u32, u32)>,
        futures: Vec<Bound<'_, PyFuture>>,
    ) -> PyResult<PyPlan> {
        sharing::refuse_released(py, futures.iter().map(Bound::get))?;
        let in_range = |&(layer, block): &(u32, u32)| {
            let grid = layers.get(layer as usize).map(|(_, grid)| grid);
            let count = grid.map(|grid| grid.iter().map(|&n| u64::from(n)).product::<u64>());
            count.is_some_and(|count| u64::from(block) < count)
        };
        if blocks.len() != futures.len() || !blocks.iter().all(in_range) {
            return Err(PyValueError::new_err(
                "blocks and futures do not fit each other",
            ));
        }
        let blocks = blocks.iter().zip(&futures);
        let blocks: Vec<_> = blocks
            .map(|(&(layer, block), future)| (layer, block, future.get().block))
            .collect();
        Ok(PyPlan::new(self.core.plan_of_blocks(&layers, &blocks)))
    }

    /// Runs a future's task to its end even if no future of it is left.
    fn keep(&self, py: Python<'_>, future: Bound<'_, PyFuture>) -> PyResult<()> {
        sharing::refuse_released(py, [future.get()])?;
        let (name, block) = (future.get().name.clone(), future.get().block.1);
        py.detach(|| self.core.keep(&name, block));
        Ok(())
    }

    /// A future of a block that the scheduler knows by the name of its layer.
    fn known_future(
        &self,
        py: Python<'_>,
        client: &Bound<'_, PyAny>,
        name: &str,
        block: u32,
        numbered: bool,
    ) -> PyResult<PyFuture> {
        let key = py.detach(|| self.core.known(name, block));
        let key = key.ok_or_else(|| PyValueError::new_err("no such block"))?;
        Ok(self.future(client, (key, name.into(), numbered)))
    }

    /// The values of futures; with `skip`, those that failed or were cancelled are left out. One
    /// `(position, value)` each.
    #[pyo3(signature = (futures, skip=false, timeout=None))]
    fn gather<'py>(
        &self,
        py: Python<'py>,
        futures: Vec<Bound<'py, PyFuture>>,
        skip: bool,
        timeout: Option<f64>,
    ) -> PyResult<(Vec<usize>, Bound<'py, PyList>)> {
        if !skip {
            sharing::refuse_released(py, futures.iter().map(Bound::get))?;
        }
        let mut outcomes: Vec<Option<Gathered>> = futures.iter().map(|_| None).collect();
        for (core, places) in sharing::by_client(&self.core, &futures) {
            let keys: Vec<_> = places.iter().map(|&at| futures[at].get().block).collect();
            let gathered = gather_outcomes(py, &core, &keys, timeout)?;
            for (at, outcome) in places.into_iter().zip(gathered) {
                outcomes[at] = Some(outcome);
            }
        }
        let mut positions = Vec::with_capacity(outcomes.len());
        let values = PyList::empty(py);
        for (at, outcome) in outcomes.into_iter().enumerate() {
            let outcome = outcome.unwrap_or(Gathered::Cancelled);
            if skip && !matches!(outcome, Gathered::Value(_)) {
                continue;
            }
            values.append(futures[at].get().finish(py, outcome)?)?;
            positions.push(at);
        }
        Ok((positions, values))
    }

    /// Waits until all are done; False when the time is up.
    #[pyo3(signature = (futures, timeout=None))]
    fn wait_all(
        &self,
        py: Python<'_>,
        futures: Vec<Bound<'_, PyFuture>>,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        for (core, places) in sharing::by_client(&self.core, &futures) {
            let keys: Vec<_> = places.iter().map(|&at| futures[at].get().block).collect();
            wait_for_tasks(py, timeout, |limit| {
                let waited = core.wait_all(&keys, limit);
                let waited = waited.map_err(errors::to_py_err)?;
                Ok((waited == Waited::Done).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Puts `first_token + i` into the queue when future `i` is done.
    fn watch(
        &self,
        futures: Vec<Bound<'_, PyFuture>>,
        queue: &PyCompletionQueue,
        first_token: u64,
    ) {
        for (at, future) in futures.iter().enumerate() {
            let token = first_token + at as u64;
            let future = future.get();
            future.core.watch(future.block, &queue.queue, token);
        }
    }

    fn cancel(&self, py: Python<'_>, futures: Vec<Bound<'_, PyFuture>>, force: bool) {
        for (core, places) in sharing::by_client(&self.core, &futures) {
            let keys: Vec<_> = places.iter().map(|&at| futures[at].get().block).collect();
            py.detach(|| core.cancel(&keys, force));
        }
    }

    fn retry(&self, py: Python<'_>, futures: Vec<Bound<'_, PyFuture>>) -> PyResult<()> {
        sharing::refuse_released(py, futures.iter().map(Bound::get))?;
        for (core, places) in sharing::by_client(&self.core, &futures) {
            let keys: Vec<_> = places.iter().map(|&at| futures[at].get().block).collect();
            py.detach(|| core.retry(&keys));
        }
        Ok(())
    }

    /// About the scheduler: `(workers, tasks, clients)`, a dict a worker.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyList>, u64, u32)> {
        let answer = py.detach(|| self.core.ask(QueryBody::Info(()), ANSWER_LIMIT));
        let AnswerBody::Info(info) = answer.map_err(errors::to_py_err)? else {
            return Err(PyValueError::new_err("an answer to another question"));
        };
        let workers = PyList::empty(py);
        for summary in info.workers {
            workers.append(describe_worker(py, &summary)?)?;
        }
        Ok((workers, info.tasks, info.clients))
    }

    /// For each future the numbers of the workers that hold it, and its bytes.
    fn holders(
        &self,
        py: Python<'_>,
        futures: Vec<Bound<'_, PyFuture>>,
    ) -> PyResult<Vec<(Vec<u32>, u64)>> {
        let own = sharing::OwnBlocks::try_new(py, &self.core, &futures)?;
        let blocks = own.keys.iter().copied().collect();
        let answer = py.detach(|| self.core.ask(QueryBody::Holders(blocks), ANSWER_LIMIT));
        let AnswerBody::Holders(holders) = answer.map_err(errors::to_py_err)? else {
            return Err(PyValueError::new_err("an answer to another question"));
        };
        let ranges = holders.offsets.windows(2);
        let lists = ranges.map(|range| {
            let range = range[0] as usize..range[1] as usize;
            holders.workers.get(range).unwrap_or_default().to_vec()
        });
        Ok(lists.zip(holders.nbytes.iter().copied()).collect())
    }

    /// Cancels everything and replaces the workers.
    fn restart(&self, py: Python<'_>) -> PyResult<()> {
        self.order(py, QueryBody::Restart(()))
    }

    /// Stops scheduler and workers.
    fn shutdown(&self, py: Python<'_>) -> PyResult<()> {
        self.order(py, QueryBody::Shutdown(()))
    }

    /// Stops workers, by name or address.
    fn retire(&self, py: Python<'_>, names: Vec<String>) -> PyResult<()> {
        self.order(py, QueryBody::Retire(rask_proto::Names { names }))
    }

    /// Runs a call once on the worker at `address`.
    fn run_on<'py>(
        &self,
        py: Python<'py>,
        address: &str,
        payload: &PyPayload,
    ) -> PyResult<Bound<'py, PyAny>> {
        let op = pack(call::encode(
            payload.frames.clone(),
            0,
            &call::Filling::Nothing,
        ));
        let outcome = py.detach(|| self.core.run_on(address, op));
        match outcome.map_err(errors::to_py_err)? {
            Ok(value) => to_own_object(py, value),
            Err(failure) => Err(errors::failure_to_py_err(py, &failure)),
        }
    }
}

impl PyClusterClient {
    fn order(&self, py: Python<'_>, query: QueryBody) -> PyResult<()> {
        let answer = py.detach(|| self.core.ask(query, ANSWER_LIMIT));
        answer.map(|_| ()).map_err(errors::to_py_err)
    }

    fn futures<'py>(
        &self,
        py: Python<'py>,
        client: &Bound<'py, PyAny>,
        keys: Vec<BlockKey>,
        name: &str,
        numbered: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let name: Arc<str> = name.into();
        let futures = keys
            .into_iter()
            .map(|key| Bound::new(py, self.future(client, (key, name.clone(), numbered))));
        PyList::new(py, futures.collect::<PyResult<Vec<_>>>()?)
    }
}

pub fn describe_worker<'py>(
    py: Python<'py>,
    summary: &rask_proto::WorkerSummary,
) -> PyResult<Bound<'py, PyDict>> {
    let entry = PyDict::new(py);
    let register = summary.register.clone().unwrap_or_default();
    let heartbeat = summary.heartbeat.clone().unwrap_or_default();
    let resources = register.resources.iter();
    let resources: HashMap<_, _> = resources.map(|r| (r.name.clone(), r.amount)).collect();
    entry.set_item("number", summary.worker)?;
    entry.set_item("address", register.address)?;
    entry.set_item("name", register.name)?;
    entry.set_item("nthreads", register.thread_count)?;
    entry.set_item("memory_limit", register.memory_bytes_max)?;
    entry.set_item("pid", register.process)?;
    entry.set_item("version", register.version)?;
    entry.set_item("local_directory", register.local_directory)?;
    entry.set_item("nanny", register.nanny)?;
    entry.set_item("resources", resources)?;
    entry.set_item("memory", heartbeat.process_bytes)?;
    entry.set_item("managed_bytes", heartbeat.managed_bytes)?;
    entry.set_item("spilled_bytes", heartbeat.spilled_bytes)?;
    entry.set_item("own_bytes", heartbeat.own_bytes)?;
    entry.set_item("unmanaged_bytes", heartbeat.unmanaged_bytes)?;
    entry.set_item("paused", heartbeat.paused)?;
    entry.set_item("spill_error", heartbeat.spill_error)?;
    entry.set_item("executing", heartbeat.executing)?;
    entry.set_item("cpu", heartbeat.cpu_percent)?;
    entry.set_item("processing", summary.assigned)?;
    entry.set_item("in_memory", summary.held)?;
    entry.set_item("nbytes", summary.held_bytes)?;
    entry.set_item("last_seen", summary.heard_micros as f64 / 1e6)?;
    Ok(entry)
}
