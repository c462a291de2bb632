//! Failed tasks run again here, and pickled plans.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rask_cluster::client::{plan_from_bytes, plan_to_bytes};
use rask_cluster::unpack;
use rask_graph::Grid;
use rask_proto::{AnswerBody, BlockName, Blocks, QueryBody, Recipe};
use rask_value::{Inputs, TaskContext, codec};

use super::client::PyClusterClient;
use super::errors;
use crate::convert::{from_python, to_python};
use crate::plan::PyPlan;

/// For answers of the scheduler.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// What a task runs and is given.
#[pyclass(frozen, name = "Recipe", module = "rask._core")]
pub struct PyRecipe {
    name: BlockName,
    recipe: Recipe,
}

#[pymethods]
impl PyRecipe {
    /// Asks the scheduler for it.
    #[staticmethod]
    fn ask(py: Python<'_>, client: &PyClusterClient, layer: String, block: u32) -> PyResult<Self> {
        let name = BlockName { layer, block };
        let query = QueryBody::Recipe(name.clone());
        let answer = py.detach(|| client.core.ask(query, ANSWER_LIMIT));
        match answer.map_err(errors::to_py_err)? {
            AnswerBody::Recipe(recipe) if recipe.op.is_some() => Ok(PyRecipe { name, recipe }),
            AnswerBody::Recipe(_) => Err(PyValueError::new_err(format!(
                "the scheduler knows nothing of block {block} of {} any more",
                name.layer
            ))),
            _ => Err(PyValueError::new_err("an answer to another question")),
        }
    }

    /// Layers' names and blocks of the inputs, in order.
    #[getter]
    fn inputs(&self) -> Vec<(String, u32)> {
        let inputs = self.recipe.inputs.iter().flat_map(Blocks::iter);
        let name = |at: u32| self.recipe.names.get(at as usize).cloned();
        inputs
            .map(|(at, block)| (name(at).unwrap_or_default(), block))
            .collect()
    }

    /// The user's line that made the task: file, line, function.
    #[getter]
    fn origin(&self) -> Option<(String, u32, String)> {
        let origin = self.recipe.origin.as_ref()?;
        Some((origin.file.clone(), origin.line, origin.function.clone()))
    }

    /// Runs the task on this thread, with the values of its inputs.
    fn run<'py>(
        &self,
        py: Python<'py>,
        values: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let unreadable = |error: rask_value::CodecError| PyValueError::new_err(error.to_string());
        let op = self.recipe.op.clone().unwrap_or_default();
        let op = codec::decode_op(&unpack(op)).map_err(unreadable)?;
        let mut inputs = Inputs::new();
        for value in &values {
            inputs.push(from_python(value)?);
        }
        if let Some(page) = self.recipe.page.clone() {
            inputs.push(codec::decode_value(&unpack(page)).map_err(unreadable)?);
        }
        let grid = Grid::new(self.recipe.grid.iter().copied());
        let context = TaskContext {
            layer: &self.name.layer,
            grid: &grid,
            block: self.name.block,
        };
        match op.run(context, inputs) {
            Ok(value) => to_python(py, &value),
            Err(error) => Err(crate::error::to_py_err(py, &error)),
        }
    }
}

/// A plan as bytes, and whether a cluster holds blocks of it.
#[pyfunction]
fn dump_plan<'py>(
    py: Python<'py>,
    plan: &Bound<'py, PyPlan>,
) -> PyResult<(Bound<'py, PyBytes>, bool)> {
    let plan = crate::annotations::resolve(py, plan.get().shared())?;
    let dumped = py.detach(|| plan_to_bytes(&plan));
    let (bytes, held) = dumped.map_err(errors::to_py_err)?;
    Ok((PyBytes::new(py, &bytes), held))
}

/// Reads what `dump_plan` wrote; `client` is one of the cluster that holds blocks of it.
#[pyfunction]
#[pyo3(signature = (data, client=None))]
fn load_plan(
    py: Python<'_>,
    data: &[u8],
    client: Option<&Bound<'_, PyClusterClient>>,
) -> PyResult<PyPlan> {
    let core = client.map(|client| client.get().core.clone());
    let plan = py.detach(|| plan_from_bytes(data, core.as_ref()));
    Ok(PyPlan::new(plan.map_err(errors::to_py_err)?))
}

/// Worker, layer's name, block, whether the block is part of the key, bytes.
type WorkerBlock = (u32, String, u32, bool, u64);

/// What each worker holds, or has been given to run if `processing`: `(worker, layer's name, block,
/// whether the block is part of the key, bytes)`.
#[pyfunction]
fn worker_contents(
    py: Python<'_>,
    client: &PyClusterClient,
    processing: bool,
) -> PyResult<Vec<WorkerBlock>> {
    let query = match processing {
        true => QueryBody::Processing(()),
        false => QueryBody::Contents(()),
    };
    let answer = py.detach(|| client.core.ask(query, ANSWER_LIMIT));
    let AnswerBody::Contents(contents) = answer.map_err(errors::to_py_err)? else {
        return Err(PyValueError::new_err("an answer to another question"));
    };
    let columns = contents.workers.iter().zip(&contents.layers);
    let columns = columns.zip(contents.blocks.iter().zip(&contents.nbytes));
    let entries = columns.map(|((worker, layer), (block, nbytes))| {
        let at = *layer as usize;
        let name = contents.names.get(at).cloned().unwrap_or_default();
        let numbered = contents.numbered.get(at).copied().unwrap_or_default();
        (*worker, name, *block, numbered, *nbytes)
    });
    Ok(entries.collect())
}

/// Adds this module's part of `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyRecipe>()?;
    module.add_function(wrap_pyfunction!(dump_plan, module)?)?;
    module.add_function(wrap_pyfunction!(worker_contents, module)?)?;
    module.add_function(wrap_pyfunction!(load_plan, module)?)?;
    Ok(())
}
