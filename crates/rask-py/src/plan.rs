//! Plans in Python: what collections lower to and engines are given.

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rask_graph::{Block, Grid, Layer, LayerId};
use rask_value::{LayerOp, Plan, ValueRef};
use smallvec::SmallVec;

use crate::convert::from_python;

/// A graph with what its layers run, and the blocks wanted of it.
#[pyclass(frozen, name = "Plan", module = "rask._core")]
pub struct PyPlan {
    plan: Arc<Plan>,
}

impl PyPlan {
    /// Takes a plan.
    pub fn new(plan: Plan) -> Self {
        PyPlan {
            plan: Arc::new(plan),
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan, shared.
    pub fn shared(&self) -> Arc<Plan> {
        self.plan.clone()
    }
}

#[pymethods]
impl PyPlan {
    /// One plan of several: layers of equal names once, wanted blocks one plan after the other.
    #[staticmethod]
    fn merge(plans: Vec<Bound<'_, PyPlan>>) -> Self {
        if let [only] = &plans[..] {
            return PyPlan {
                plan: only.get().shared(),
            };
        }
        let mut merged = Plan::default();
        let mut known = merged.layer_names();
        for plan in &plans {
            let wanted = merged.graft(&mut known, plan.get().plan());
            merged.graph.wanted.extend(wanted);
        }
        PyPlan::new(merged)
    }

    /// The layers' names, in order.
    #[getter]
    fn layer_names(&self) -> Vec<String> {
        let layers = self.plan.graph.layers.iter();
        layers.map(|layer| layer.name.to_string()).collect()
    }

    /// For each layer: name, op, grid, names of the layers it reads.
    #[getter]
    fn layers(&self) -> Vec<(String, String, Vec<u32>, Vec<String>)> {
        let graph = &self.plan.graph;
        let describe = |(layer, op): (&Layer, &LayerOp)| {
            let inputs = layer.inputs.iter();
            let inputs = inputs.map(|input| graph.layers[input.layer.0 as usize].name.to_string());
            let op = match op {
                LayerOp::Run(op) => op.name().to_owned(),
                LayerOp::Held(_) => "held".to_owned(),
                LayerOp::Remote => "remote".to_owned(),
            };
            (
                layer.name.to_string(),
                op,
                layer.grid.0.to_vec(),
                inputs.collect(),
            )
        };
        graph
            .layers
            .iter()
            .zip(&self.plan.ops)
            .map(describe)
            .collect()
    }

    /// The number of tasks of all layers.
    #[getter]
    fn task_count(&self) -> u64 {
        self.plan.graph.layers.iter().map(Layer::block_count).sum()
    }

    /// The wanted blocks: layer name and block number.
    #[getter]
    fn wanted(&self) -> Vec<(String, u32)> {
        let name = |block: &Block| {
            let layer = &self.plan.graph.layers[block.layer.0 as usize];
            (layer.name.to_string(), block.block)
        };
        self.plan.wanted().iter().map(name).collect()
    }

    #[getter]
    fn wanted_count(&self) -> usize {
        self.plan.wanted().len()
    }

    /// The plan of the wanted blocks `start..stop` only.
    fn slice(&self, start: usize, stop: usize) -> PyResult<Self> {
        let wanted = self.plan.wanted().get(start..stop);
        let wanted = wanted.ok_or_else(|| PyValueError::new_err("no such wanted blocks"))?;
        let mut plan = (*self.plan).clone();
        plan.graph.wanted = wanted.to_vec();
        Ok(PyPlan::new(plan))
    }

    /// A plan whose wanted blocks are these values, already computed.
    fn held(&self, values: Vec<Bound<'_, PyAny>>) -> PyResult<Self> {
        let values = values.iter().map(from_python);
        let values = values.collect::<PyResult<Vec<_>>>()?;
        held_plan(&self.plan, &values).map(PyPlan::new)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py()
            .import("rask.distributed._sharing")?
            .call_method1("reduce_plan", (slf,))
    }

    fn __repr__(&self) -> String {
        format!(
            "<Plan: {} layers, {} tasks, {} wanted>",
            self.plan.graph.layers.len(),
            self.task_count(),
            self.plan.wanted().len()
        )
    }
}

/// A plan whose wanted blocks are `values`. A layer of which every block is wanted keeps its name
/// and grid; of others the wanted blocks become a layer of their own.
pub fn held_plan(plan: &Plan, values: &[ValueRef]) -> PyResult<Plan> {
    if values.len() != plan.wanted().len() {
        return Err(PyValueError::new_err(format!(
            "{} values for {} wanted blocks",
            values.len(),
            plan.wanted().len()
        )));
    }
    let mut by_layer: Vec<(LayerId, HashMap<u32, &ValueRef>)> = Vec::new();
    let mut positions: HashMap<LayerId, usize> = HashMap::new();
    for (block, value) in plan.wanted().iter().zip(values) {
        let position = *positions.entry(block.layer).or_insert_with(|| {
            by_layer.push((block.layer, HashMap::new()));
            by_layer.len() - 1
        });
        by_layer[position].1.insert(block.block, value);
    }
    let mut held = Plan::default();
    let mut places: HashMap<Block, Block> = HashMap::new();
    for (id, blocks) in by_layer {
        add_held(plan, &mut held, id, &blocks, &mut places);
    }
    let wanted = plan.wanted().iter().map(|block| places[block]);
    held.graph.wanted = wanted.collect();
    Ok(held)
}

fn add_held(
    plan: &Plan,
    held: &mut Plan,
    id: LayerId,
    blocks: &HashMap<u32, &ValueRef>,
    places: &mut HashMap<Block, Block>,
) {
    let layer = &plan.graph.layers[id.0 as usize];
    let mut numbers: Vec<u32> = blocks.keys().copied().collect();
    numbers.sort_unstable();
    let whole = blocks.len() as u64 == layer.block_count();
    let (name, grid) = if whole {
        (layer.name.clone(), layer.grid.clone())
    } else {
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let token = xxhash_rust::xxh3::xxh3_128(&bytes);
        let name = format!("held-{}-{token:032x}", layer.name);
        (Arc::from(name), Grid::new([numbers.len() as u32]))
    };
    let values: Vec<ValueRef> = numbers
        .iter()
        .map(|number| blocks[number].clone())
        .collect();
    let origin = plan.origins[id.0 as usize].clone();
    let layer = Layer {
        name,
        grid,
        inputs: SmallVec::new(),
    };
    let new = held.add(layer, LayerOp::Held(values.into()), origin);
    for (position, &number) in numbers.iter().enumerate() {
        let old = Block {
            layer: id,
            block: number,
        };
        places.insert(
            old,
            Block {
                layer: new,
                block: position as u32,
            },
        );
    }
}

/// Adds the classes of plans to `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyPlan>()
}
