//! What clients share through the scheduler: locks, events, queues, variables, datasets.

use std::time::Duration;

use pyo3::exceptions::{PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyList;
use rask_cluster::client::ClusterClient;
use rask_proto::{
    Acquire, AnswerBody, Blocks, CoordinationOp, CoordinationReply, CoordinationRequest,
    DatasetPut, Item, NamedItem, Outcome, Packed, QueryBody, QueueGet, QueuePut,
};

use super::client::PyClusterClient;
use super::errors;
use super::future::PyFuture;
use super::gather::{to_object, wait_for, wait_for_shared};
use super::payload::PyPayload;
use super::sharing::OwnBlocks;

/// For answers that do not wait for anybody.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Requests of one client. `rask.distributed`'s `Lock`, `Queue` and so on are thin layers over it.
#[pyclass(frozen, name = "Coordination", module = "rask._core")]
pub struct PyCoordination {
    core: ClusterClient,
}

/// What came of a request: the outcome's name, the number of the question, the items (an object,
/// and the layers and blocks it refers to), names, and a count.
type Reply<'py> = (&'static str, u64, Bound<'py, PyList>, Vec<String>, u64);

#[pymethods]
impl PyCoordination {
    #[new]
    fn new(client: &Bound<'_, PyClusterClient>) -> Self {
        PyCoordination {
            core: client.get().core().clone(),
        }
    }

    /// Asks for leases of `needed` of `names`, of which at most `limit` each are given out.
    #[pyo3(signature = (names, needed, limit, at_once, timeout=None))]
    fn acquire<'py>(
        &self,
        py: Python<'py>,
        names: Vec<String>,
        needed: u32,
        limit: u32,
        at_once: bool,
        timeout: Option<f64>,
    ) -> PyResult<Reply<'py>> {
        let wish = Acquire {
            names,
            needed,
            limit,
            at_once,
        };
        self.wait(py, CoordinationOp::Acquire(wish), timeout)
    }

    /// Gives a lease back, by the number of the question that asked for it.
    fn release<'py>(&self, py: Python<'py>, lease: u64) -> PyResult<Reply<'py>> {
        self.wait(py, CoordinationOp::Release(lease), None)
    }

    /// The asker refers to the blocks in an answer by itself now.
    fn unhold(&self, py: Python<'_>, question: u64) -> PyResult<()> {
        self.wait(py, CoordinationOp::Unhold(question), None)?;
        Ok(())
    }

    /// A request that takes a name and nothing else.
    #[pyo3(signature = (what, name, timeout=None))]
    fn named<'py>(
        &self,
        py: Python<'py>,
        what: &str,
        name: String,
        timeout: Option<f64>,
    ) -> PyResult<Reply<'py>> {
        let op = match what {
            "lease count" => CoordinationOp::LeaseCount(name),
            "event set" => CoordinationOp::EventSet(name),
            "event clear" => CoordinationOp::EventClear(name),
            "event wait" => CoordinationOp::EventWait(name),
            "event is set" => CoordinationOp::EventIsSet(name),
            "queue size" => CoordinationOp::QueueSize(name),
            "queue delete" => CoordinationOp::QueueDelete(name),
            "variable get" => CoordinationOp::VariableGet(name),
            "variable delete" => CoordinationOp::VariableDelete(name),
            "dataset get" => CoordinationOp::DatasetGet(name),
            "dataset delete" => CoordinationOp::DatasetDelete(name),
            "dataset list" => CoordinationOp::DatasetList(name),
            other => return Err(PyValueError::new_err(format!("unknown request {other:?}"))),
        };
        self.wait(py, op, timeout)
    }

    /// Puts an item into a queue that holds at most `size_max` (0: any number).
    #[pyo3(signature = (name, size_max, payload, futures, timeout=None))]
    fn queue_put<'py>(
        &self,
        py: Python<'py>,
        name: String,
        size_max: u32,
        payload: &PyPayload,
        futures: Vec<Bound<'_, PyFuture>>,
        timeout: Option<f64>,
    ) -> PyResult<Reply<'py>> {
        let own = OwnBlocks::try_new(py, &self.core, &futures)?;
        let item = Some(item_of(payload, &own));
        let put = QueuePut {
            name,
            size_max,
            item,
        };
        self.wait(py, CoordinationOp::QueuePut(put), timeout)
    }

    /// Takes `count` items, or all there are if 0.
    #[pyo3(signature = (name, count, timeout=None))]
    fn queue_get<'py>(
        &self,
        py: Python<'py>,
        name: String,
        count: u32,
        timeout: Option<f64>,
    ) -> PyResult<Reply<'py>> {
        let get = QueueGet { name, count };
        self.wait(py, CoordinationOp::QueueGet(get), timeout)
    }

    fn variable_set<'py>(
        &self,
        py: Python<'py>,
        name: String,
        payload: &PyPayload,
        futures: Vec<Bound<'_, PyFuture>>,
    ) -> PyResult<Reply<'py>> {
        let own = OwnBlocks::try_new(py, &self.core, &futures)?;
        let item = Some(item_of(payload, &own));
        self.wait(
            py,
            CoordinationOp::VariableSet(NamedItem { name, item }),
            None,
        )
    }

    fn dataset_put<'py>(
        &self,
        py: Python<'py>,
        name: String,
        payload: &PyPayload,
        futures: Vec<Bound<'_, PyFuture>>,
        replaces: bool,
    ) -> PyResult<Reply<'py>> {
        let own = OwnBlocks::try_new(py, &self.core, &futures)?;
        let put = DatasetPut {
            name,
            item: Some(item_of(payload, &own)),
            replaces,
        };
        self.wait(py, CoordinationOp::DatasetPut(put), None)
    }
}

impl PyCoordination {
    /// Asks, and waits for the answer; when the time is up the question is withdrawn, unless the
    /// answer came first.
    fn wait<'py>(
        &self,
        py: Python<'py>,
        op: CoordinationOp,
        timeout: Option<f64>,
    ) -> PyResult<Reply<'py>> {
        let may_wait = may_wait(&op);
        let request = CoordinationRequest { op: Some(op) };
        let id = py.detach(|| self.core.begin_question(QueryBody::Coordinate(request)));
        let attempt = |limit| {
            let answer = self.core.wait_answer(id, limit);
            answer.map_err(errors::to_py_err)
        };
        let waited = match may_wait {
            true => wait_for_shared(py, timeout, attempt),
            false => wait_for(py, timeout, attempt),
        };
        let answer = match waited {
            Ok(answer) => answer,
            Err(error) => {
                let late = py.detach(|| self.withdraw(id))?;
                match late {
                    Some(reply) if error.is_instance_of::<PyTimeoutError>(py) => reply,
                    _ => return Err(error),
                }
            }
        };
        let AnswerBody::Coordinated(reply) = answer else {
            return Err(PyValueError::new_err("an answer to another question"));
        };
        describe(py, id, reply)
    }

    /// Takes a question back; its answer, if that came first.
    fn withdraw(&self, id: u64) -> PyResult<Option<AnswerBody>> {
        let request = CoordinationRequest {
            op: Some(CoordinationOp::Withdraw(id)),
        };
        let asked = self.core.ask(QueryBody::Coordinate(request), ANSWER_LIMIT);
        asked.map_err(errors::to_py_err)?;
        let answer = self.core.wait_answer(id, ANSWER_LIMIT);
        let answer = answer.map_err(errors::to_py_err)?;
        Ok(answer.filter(|answer| match answer {
            AnswerBody::Coordinated(reply) => reply.outcome() != Outcome::Withdrawn,
            _ => true,
        }))
    }
}

/// Whether a request may be answered only when somebody else has done something.
fn may_wait(op: &CoordinationOp) -> bool {
    matches!(
        op,
        CoordinationOp::Acquire(_)
            | CoordinationOp::EventWait(_)
            | CoordinationOp::QueuePut(_)
            | CoordinationOp::QueueGet(_)
            | CoordinationOp::VariableGet(_)
    )
}

fn item_of(payload: &PyPayload, own: &OwnBlocks) -> Item {
    let frames = payload.to_frames();
    Item {
        value: Some(Packed::new(
            crate::object::KIND,
            frames.header,
            frames.buffers,
        )),
        blocks: Some(own.keys.iter().copied().collect()),
        layers: Vec::new(),
    }
}

fn describe<'py>(py: Python<'py>, id: u64, reply: CoordinationReply) -> PyResult<Reply<'py>> {
    let outcome = match reply.outcome() {
        Outcome::Done => "done",
        Outcome::Missing => "missing",
        Outcome::Withdrawn => "withdrawn",
        Outcome::Taken => "taken",
    };
    let items = PyList::empty(py);
    for item in reply.items {
        let object = to_object(py, item.value.unwrap_or_default())?;
        let blocks = item.blocks.iter().flat_map(Blocks::iter);
        let named = blocks.map(|(layer, block)| {
            let name = item.layers.get(layer as usize);
            (name.cloned().unwrap_or_default(), block)
        });
        items.append((object, named.collect::<Vec<(String, u32)>>()))?;
    }
    Ok((outcome, id, items, reply.names, reply.count))
}
