//! Plans made in Python: layers of callables over grids of blocks.

use std::sync::{Arc, Mutex};

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use rask_graph::{AxisMap, Block, Grid, Input, InputMap, Layer, LayerId};
use rask_value::{LayerNames, LayerOp, Plan};
use smallvec::SmallVec;

use crate::callable::{Arg, PyCallable};
use crate::convert::from_python;
use crate::origin;
use crate::plan::PyPlan;

/// Stands for something that differs from block to block among a callable's arguments.
#[pyclass(frozen, name = "Marker", module = "rask._core")]
pub struct Marker {
    name: &'static str,
}

#[pymethods]
impl Marker {
    fn __repr__(&self) -> &'static str {
        self.name
    }
}

/// One argument value for each block.
#[pyclass(frozen, name = "PerBlock", module = "rask._core")]
pub struct PerBlock {
    items: Vec<Py<PyAny>>,
}

#[pymethods]
impl PerBlock {
    #[new]
    fn new(items: Vec<Py<PyAny>>) -> Self {
        PerBlock { items }
    }
}

const INPUT: &str = "INPUT";
const INPUTS: &str = "INPUTS";
const INPUT_LIST: &str = "INPUT_LIST";
const BLOCK: &str = "BLOCK";
const COORDS: &str = "COORDS";

/// An argument as Python gave it: a marker, or a constant.
pub fn parse_argument(object: &Bound<'_, PyAny>) -> Arg {
    if let Ok(marker) = object.cast_exact::<Marker>() {
        return match marker.get().name {
            INPUT => Arg::Input,
            INPUTS => Arg::Inputs,
            INPUT_LIST => Arg::InputList,
            BLOCK => Arg::Block,
            _ => Arg::Coords,
        };
    }
    if let Ok(items) = object.cast_exact::<PerBlock>() {
        let items = items.get().items.iter();
        return Arg::PerBlock(items.map(|item| item.clone_ref(object.py())).collect());
    }
    Arg::Constant(object.clone().unbind())
}

/// A plan under construction. Layers are named by the numbers that `add…` returns.
#[pyclass(name = "PlanBuilder", module = "rask._core", frozen)]
pub struct PlanBuilder {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    plan: Plan,
    names: LayerNames,
}

impl PlanBuilder {
    fn with_state<T>(&self, body: impl FnOnce(&mut State) -> PyResult<T>) -> PyResult<T> {
        let mut state = self
            .state
            .lock()
            .map_err(|_| PyRuntimeError::new_err("the plan builder failed before"))?;
        body(&mut state)
    }
}

#[pymethods]
impl PlanBuilder {
    #[new]
    fn new() -> Self {
        PlanBuilder {
            state: Mutex::default(),
        }
    }

    /// Adds another plan's layers; returns its wanted blocks as (layer, block).
    fn add(&self, plan: &Bound<'_, PyPlan>) -> PyResult<Vec<(u32, u32)>> {
        self.with_state(|state| {
            let State { plan: own, names } = state;
            let blocks = own.graft(names, plan.get().plan());
            Ok(blocks
                .iter()
                .map(|block| (block.layer.0, block.block))
                .collect())
        })
    }

    /// The number of the layer of this name, if the plan has it.
    fn find(&self, name: &str) -> PyResult<Option<u32>> {
        self.with_state(|state| Ok(state.names.get(name).map(|id| id.0)))
    }

    /// Adds a layer whose blocks call `function(*args, **kwargs)`. A layer of that name that is
    /// already there is taken instead.
    ///
    /// `inputs` is a list of `(layer, map)`; a map is `"same"`, `"all"`, `("explicit", offsets,
    /// blocks)`, or a list with one entry for each axis of the input: `("same", axis)`,
    /// `("fixed", coordinate)`, `"all"`, `("ranges", axis, [(start, stop), …])`.
    #[pyo3(signature = (name, grid, op, function, args, kwargs, inputs, origin=None, native_output=false))]
    #[allow(clippy::too_many_arguments)]
    fn add_callable<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        grid: Vec<u32>,
        op: &str,
        function: Py<PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<Bound<'py, PyDict>>,
        inputs: Vec<(u32, Bound<'py, PyAny>)>,
        origin: Option<(String, u32, String)>,
        native_output: bool,
    ) -> PyResult<u32> {
        let arguments: Vec<Arg> = args.iter().map(|arg| parse_argument(&arg)).collect();
        let keywords = kwargs
            .filter(|kwargs| !kwargs.is_empty())
            .map(Bound::unbind);
        let origin = origin.map_or_else(
            || origin::capture(py),
            |(file, line, function)| {
                Some(rask_value::Origin {
                    file: file.into(),
                    line,
                    function: function.into(),
                    span: crate::spans::current(py),
                    annotations: crate::annotations::current(py),
                })
            },
        );
        let grid = Grid::new(grid);
        check_per_block(&arguments, grid.block_count())?;
        let op = PyCallable::new(op, function, arguments, keywords).native_output(native_output);
        self.with_state(|state| {
            if let Some(id) = state.names.get(name) {
                return Ok(id.0);
            }
            let inputs = inputs
                .iter()
                .map(|(layer, map)| state.parse_input(*layer, map));
            let inputs = inputs.collect::<PyResult<SmallVec<[Input; 2]>>>()?;
            let layer = Layer {
                name: Arc::from(name),
                grid,
                inputs,
            };
            Ok(state.add(layer, LayerOp::Run(Arc::new(op)), origin).0)
        })
    }

    /// Adds a layer whose blocks are these values.
    fn add_held(&self, py: Python<'_>, name: &str, values: Vec<Bound<'_, PyAny>>) -> PyResult<u32> {
        let values = values.iter().map(from_python);
        let values = values.collect::<PyResult<Vec<_>>>()?;
        let origin = origin::capture(py);
        self.with_state(|state| {
            if let Some(id) = state.names.get(name) {
                return Ok(id.0);
            }
            let layer = Layer {
                name: Arc::from(name),
                grid: Grid::new([values.len() as u32]),
                inputs: SmallVec::new(),
            };
            Ok(state.add(layer, LayerOp::Held(values.into()), origin).0)
        })
    }

    /// Wants a block.
    fn want(&self, layer: u32, block: u32) -> PyResult<()> {
        self.with_state(|state| {
            let layer = state.check_layer(layer)?;
            state.plan.graph.wanted.push(Block { layer, block });
            Ok(())
        })
    }

    /// Wants every block of a layer.
    fn want_all(&self, layer: u32) -> PyResult<()> {
        self.with_state(|state| {
            let layer = state.check_layer(layer)?;
            state.plan.graph.want_all(layer);
            Ok(())
        })
    }

    /// The plan so far.
    fn build(&self) -> PyResult<PyPlan> {
        self.with_state(|state| Ok(PyPlan::new(state.plan.clone())))
    }
}

fn check_per_block(arguments: &[Arg], blocks: u64) -> PyResult<()> {
    for argument in arguments {
        if let Arg::PerBlock(items) = argument
            && items.len() as u64 != blocks
        {
            return Err(PyValueError::new_err(format!(
                "an argument for each block has {} items for {blocks} blocks",
                items.len()
            )));
        }
    }
    Ok(())
}

impl State {
    fn add(&mut self, layer: Layer, op: LayerOp, origin: Option<rask_value::Origin>) -> LayerId {
        let name = layer.name.clone();
        let id = self.plan.add(layer, op, origin);
        self.names.insert(name, id);
        id
    }

    fn check_layer(&self, layer: u32) -> PyResult<LayerId> {
        if (layer as usize) < self.plan.graph.layers.len() {
            Ok(LayerId(layer))
        } else {
            Err(PyValueError::new_err(format!(
                "the plan has no layer {layer}"
            )))
        }
    }

    fn parse_input(&self, layer: u32, map: &Bound<'_, PyAny>) -> PyResult<Input> {
        let layer = self.check_layer(layer)?;
        let axes = self.plan.graph.layers[layer.0 as usize].grid.0.len();
        if let Ok(name) = map.cast::<PyString>() {
            return match name.to_cow()?.as_ref() {
                "same" => Ok(Input::same(layer, axes)),
                "all" => Ok(Input::all(layer, axes)),
                other => Err(PyValueError::new_err(format!(
                    "unknown input map {other:?}"
                ))),
            };
        }
        if let Ok(("explicit", offsets, blocks)) = map.extract::<(&str, Vec<u32>, Vec<u32>)>() {
            let map = InputMap::Explicit {
                offsets: offsets.into(),
                blocks: blocks.into(),
            };
            return Ok(Input { layer, map });
        }
        let maps = map.try_iter()?.map(|axis| parse_axis(&axis?));
        let maps = maps.collect::<PyResult<SmallVec<[AxisMap; 4]>>>()?;
        Ok(Input {
            layer,
            map: InputMap::Axes(maps),
        })
    }
}

fn parse_axis(map: &Bound<'_, PyAny>) -> PyResult<AxisMap> {
    if map.extract::<&str>().is_ok_and(|name| name == "all") {
        return Ok(AxisMap::All);
    }
    if let Ok((kind, number)) = map.extract::<(&str, u32)>() {
        match kind {
            "same" => return Ok(AxisMap::Same(number)),
            "fixed" => return Ok(AxisMap::Fixed(number)),
            _ => {}
        }
    }
    if let Ok(("ranges", axis, ranges)) = map.extract::<(&str, u32, Vec<(u32, u32)>)>() {
        return Ok(AxisMap::Ranges {
            axis,
            ranges: ranges.into(),
        });
    }
    Err(PyTypeError::new_err(format!(
        "unknown axis map {}",
        map.repr()?
    )))
}

/// Adds the builder and the markers to `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PlanBuilder>()?;
    module.add_class::<PerBlock>()?;
    for name in [INPUT, INPUTS, INPUT_LIST, BLOCK, COORDS] {
        module.add(name, Bound::new(module.py(), Marker { name })?)?;
    }
    Ok(())
}
