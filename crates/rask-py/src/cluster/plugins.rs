//! Plugins that the scheduler keeps, and the helper process beside it.

use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rask_cluster::client::ClusterClient;
use rask_cluster::unpack;
use rask_proto::{AnswerBody, HelperCall, Names, Plugin, PluginKind, PluginName, QueryBody};

use super::client::PyClusterClient;
use super::errors;
use super::gather::to_object;
use super::payload::PyPayload;
use super::service::packed;
use crate::object::loads;

const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// What a client asks of the scheduler about plugins, worker processes and the helper.
#[pyclass(frozen, name = "Runtime", module = "rask._core")]
pub struct PyRuntime {
    core: ClusterClient,
}

fn kind_of(kind: &str) -> PyResult<i32> {
    match kind {
        "worker" => Ok(PluginKind::Worker as i32),
        "nanny" => Ok(PluginKind::Nanny as i32),
        "scheduler" => Ok(PluginKind::Scheduler as i32),
        other => Err(PyValueError::new_err(format!(
            "no plugins of kind {other:?}"
        ))),
    }
}

#[pymethods]
impl PyRuntime {
    #[new]
    fn new(client: &PyClusterClient) -> Self {
        PyRuntime {
            core: client.core.clone(),
        }
    }

    /// Keeps a plugin for those who join later.
    fn put_plugin(
        &self,
        py: Python<'_>,
        kind: &str,
        name: String,
        serial: String,
        payload: &PyPayload,
    ) -> PyResult<()> {
        let plugin = Plugin {
            kind: kind_of(kind)?,
            name,
            serial,
            content: Some(packed(payload.to_frames())),
        };
        self.ask(py, QueryBody::PutPlugin(plugin), ANSWER_LIMIT)?;
        Ok(())
    }

    /// Forgets a plugin; whether there was one.
    fn remove_plugin(&self, py: Python<'_>, kind: &str, name: String) -> PyResult<bool> {
        let kind = kind_of(kind)?;
        let question = QueryBody::RemovePlugin(PluginName { kind, name });
        match self.ask(py, question, ANSWER_LIMIT)? {
            AnswerBody::Plugins(removed) => Ok(!removed.plugins.is_empty()),
            _ => Err(another_answer()),
        }
    }

    /// The plugins of one kind: name, serial, content.
    #[pyo3(signature = (kind, with_content=true))]
    fn plugins<'py>(
        &self,
        py: Python<'py>,
        kind: &str,
        with_content: bool,
    ) -> PyResult<Vec<(String, String, Bound<'py, PyAny>)>> {
        let kind = kind_of(kind)?;
        let question = QueryBody::Plugins(PluginName {
            kind,
            name: String::new(),
        });
        let AnswerBody::Plugins(plugins) = self.ask(py, question, ANSWER_LIMIT)? else {
            return Err(another_answer());
        };
        let plugins = plugins.plugins.into_iter();
        plugins
            .map(|plugin| {
                let content = match with_content {
                    true => loads(py, &unpack(plugin.content.unwrap_or_default()).frames)?,
                    false => py.None().into_bound(py),
                };
                Ok((plugin.name, plugin.serial, content))
            })
            .collect()
    }

    /// Replaces the processes of workers, by name or address.
    fn restart_workers(&self, py: Python<'_>, names: Vec<String>) -> PyResult<()> {
        self.ask(py, QueryBody::RestartWorkers(Names { names }), ANSWER_LIMIT)?;
        Ok(())
    }

    /// How much there is to do: tasks to be run, those that could run at once, and the seconds that
    /// all of them are thought to take on one thread.
    fn load(&self, py: Python<'_>) -> PyResult<(u64, u64, f64)> {
        match self.ask(py, QueryBody::Load(()), ANSWER_LIMIT)? {
            AnswerBody::Load(load) => {
                Ok((load.pending, load.ready, load.pending_micros as f64 / 1e6))
            }
            _ => Err(another_answer()),
        }
    }

    /// Asks the helper process beside the scheduler.
    #[pyo3(signature = (kind, target, payload, timeout=None))]
    fn helper<'py>(
        &self,
        py: Python<'py>,
        kind: String,
        target: String,
        payload: &PyPayload,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let call = HelperCall {
            kind,
            target,
            body: Some(packed(payload.to_frames())),
        };
        let limit = timeout.map_or(HELPER_LIMIT, |seconds| {
            Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(HELPER_LIMIT)
        });
        match self.ask(py, QueryBody::Helper(call), limit)? {
            AnswerBody::Called(reply) => match (reply.value, reply.failure) {
                (Some(value), _) => to_object(py, value),
                (None, failure) => Err(errors::failure_to_py_err(py, &failure.unwrap_or_default())),
            },
            _ => Err(another_answer()),
        }
    }
}

/// For functions of users, which take their time.
const HELPER_LIMIT: Duration = Duration::from_secs(3600);

impl PyRuntime {
    fn ask(&self, py: Python<'_>, question: QueryBody, limit: Duration) -> PyResult<AnswerBody> {
        let answer = py.detach(|| self.core.ask(question, limit));
        answer.map_err(errors::to_py_err)
    }
}

fn another_answer() -> PyErr {
    PyRuntimeError::new_err("the scheduler answered another question")
}

/// Adds this module's part of `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyRuntime>()
}
