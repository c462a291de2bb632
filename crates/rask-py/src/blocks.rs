//! Single blocks for foreign engines: a plan as a table of tasks, each a picklable callable.

use std::sync::Arc;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use rask_graph::{Grid, TaskTable};
use rask_value::{Encoded, Frames, Inputs, LayerOp, OpRef, TaskContext, ValueRef, codec};

use crate::buffers::bytes_of;
use crate::convert::{from_python, to_python};
use crate::error::to_py_err;
use crate::plan::PyPlan;

/// A value as the engine has it, on its way through a foreign engine; picklable.
#[pyclass(frozen, name = "Block", module = "rask._core")]
pub struct PyBlock {
    value: ValueRef,
}

#[pymethods]
impl PyBlock {
    /// The value as a Python object.
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.value)
    }

    #[getter]
    fn nbytes(&self) -> u64 {
        self.value.nbytes()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let encoded = self.value.encode().map_err(unserialisable)?;
        reduce(py, "load_block", PyTuple::empty(py).into_any(), &encoded)
    }
}

/// Runs single blocks of a layer; picklable.
#[pyclass(frozen, name = "BlockRunner", module = "rask._core")]
pub struct BlockRunner {
    name: Arc<str>,
    grid: Grid,
    op: OpRef,
}

#[pymethods]
impl BlockRunner {
    /// Makes block number `block` of its inputs (`Block`s or objects); returns a `Block`.
    #[pyo3(signature = (block, *inputs))]
    fn __call__(
        &self,
        py: Python<'_>,
        block: u32,
        inputs: &Bound<'_, PyTuple>,
    ) -> PyResult<PyBlock> {
        let inputs = inputs.iter().map(|input| match input.cast::<PyBlock>() {
            Ok(block) => Ok(block.get().value.clone()),
            Err(_) => from_python(&input),
        });
        let inputs = inputs.collect::<PyResult<Inputs>>()?;
        let context = TaskContext {
            layer: &self.name,
            grid: &self.grid,
            block,
        };
        let result = py.detach(|| self.op.run(context, inputs));
        match result {
            Ok(value) => Ok(PyBlock { value }),
            Err(error) => Err(to_py_err(py, &error)),
        }
    }

    #[getter]
    fn __name__(&self) -> &str {
        self.op.name()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let encoded = self.op.encode().map_err(unserialisable)?;
        reduce(
            py,
            "load_runner",
            (&*self.name, self.grid.0.to_vec())
                .into_pyobject(py)?
                .into_any(),
            &encoded,
        )
    }
}

fn unserialisable(error: rask_value::CodecError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn reduce<'py>(
    py: Python<'py>,
    loader: &str,
    extra: Bound<'py, PyAny>,
    encoded: &Encoded,
) -> PyResult<Bound<'py, PyTuple>> {
    let loader = py.import("rask._core")?.getattr(loader)?;
    let header = PyBytes::new(py, &encoded.frames.header);
    let buffers = encoded.frames.buffers.iter();
    let buffers: Vec<_> = buffers.map(|buffer| PyBytes::new(py, buffer)).collect();
    let args = (extra, &encoded.kind, header, buffers);
    (loader, args).into_pyobject(py)
}

fn encoded_of(
    kind: String,
    header: &Bound<'_, PyAny>,
    buffers: Vec<Bound<'_, PyAny>>,
) -> PyResult<Encoded> {
    let buffers = buffers.iter().map(bytes_of).collect::<PyResult<_>>()?;
    let frames = Frames {
        header: bytes_of(header)?,
        buffers,
    };
    Ok(Encoded { kind, frames })
}

/// What `Block.__reduce__` names.
#[pyfunction]
fn load_block(
    extra: Bound<'_, PyAny>,
    kind: String,
    header: Bound<'_, PyAny>,
    buffers: Vec<Bound<'_, PyAny>>,
) -> PyResult<PyBlock> {
    let encoded = encoded_of(kind, &header, buffers)?;
    drop(extra);
    let value = codec::decode_value(&encoded).map_err(unserialisable)?;
    Ok(PyBlock { value })
}

/// What `BlockRunner.__reduce__` names.
#[pyfunction]
fn load_runner(
    extra: (String, Vec<u32>),
    kind: String,
    header: Bound<'_, PyAny>,
    buffers: Vec<Bound<'_, PyAny>>,
) -> PyResult<BlockRunner> {
    let encoded = encoded_of(kind, &header, buffers)?;
    let op = codec::decode_op(&encoded).map_err(unserialisable)?;
    Ok(BlockRunner {
        name: extra.0.into(),
        grid: Grid::new(extra.1),
        op,
    })
}

/// A task of [`expand_plan`]: layer name, block, runner or held block, numbers of its inputs.
type ExpandedTask = (String, u32, Py<PyAny>, Vec<u32>);

/// The plan's tasks for an engine of tasks: `(tasks, wanted)`. A task is `(layer name, block,
/// runner, inputs)`, `inputs` being numbers of tasks; for a value that is already here `runner` is
/// the `Block` itself. `wanted` are numbers of tasks.
#[pyfunction]
fn expand_plan(
    py: Python<'_>,
    plan: &Bound<'_, PyPlan>,
) -> PyResult<(Vec<ExpandedTask>, Vec<u32>)> {
    let plan = plan.get().plan();
    let table = TaskTable::expand(&plan.graph)
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    let mut runners: Vec<Option<Py<PyAny>>> = Vec::new();
    runners.resize_with(plan.graph.layers.len(), || None);
    let mut tasks = Vec::with_capacity(table.len());
    for task in 0..table.len() as u32 {
        let block = table.block_of(task);
        let number = block.layer.0 as usize;
        let layer = &plan.graph.layers[number];
        let runner = match (&plan.ops[number], &runners[number]) {
            (LayerOp::Run(_), Some(runner)) => runner.clone_ref(py),
            (LayerOp::Run(op), None) => {
                let runner = BlockRunner {
                    name: layer.name.clone(),
                    grid: layer.grid.clone(),
                    op: op.clone(),
                };
                let runner = Bound::new(py, runner)?.into_any().unbind();
                runners[number] = Some(runner.clone_ref(py));
                runner
            }
            (LayerOp::Held(values), _) => {
                let value = values[block.block as usize].clone();
                Bound::new(py, PyBlock { value })?.into_any().unbind()
            }
            (LayerOp::Remote, _) => {
                return Err(PyRuntimeError::new_err(format!(
                    "the values of {:?} are held by a cluster; compute with the client that made it",
                    layer.name
                )));
            }
        };
        let inputs = table.deps(task).to_vec();
        tasks.push((layer.name.to_string(), block.block, runner, inputs));
    }
    Ok((tasks, table.wanted().to_vec()))
}

/// Adds blocks and their runners to `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyBlock>()?;
    module.add_class::<BlockRunner>()?;
    module.add_function(wrap_pyfunction!(load_block, module)?)?;
    module.add_function(wrap_pyfunction!(load_runner, module)?)?;
    module.add_function(wrap_pyfunction!(expand_plan, module)?)
}
