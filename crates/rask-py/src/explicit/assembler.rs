//! Puts an explicit layer together: programs on interned constants, and who needs whom.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use rask_graph::{Grid, Input, InputMap, Layer, LayerId};
use rask_value::{LayerOp, Origin, Plan};
use smallvec::SmallVec;

use crate::program::{ProgramOp, Programs, Step};

/// Where an input comes from: the layer itself (0) or another layer (its number plus one).
pub type Source = u32;
/// The layer that is being assembled.
pub const OWN: Source = 0;

/// An explicit layer under construction.
#[derive(Default)]
pub struct Assembler {
    programs: Programs,
    constants: Vec<Py<PyAny>>,
    interned: HashMap<usize, u32, foldhash::fast::RandomState>,
    /// The inputs of the task that is being assembled: source and block.
    inputs: SmallVec<[(Source, u32); 8]>,
    /// Inputs of all tasks, `input_offsets[t]..input_offsets[t + 1]` for task `t`.
    all_inputs: Vec<(Source, u32)>,
    input_offsets: Vec<u32>,
    sources: Vec<LayerId>,
    has_origins: bool,
}

impl Assembler {
    /// An empty layer.
    pub fn new() -> Self {
        let mut assembler = Assembler::default();
        assembler.programs.offsets.push(0);
        assembler.input_offsets.push(0);
        assembler
    }

    /// Another layer that tasks may take inputs from.
    pub fn add_source(&mut self, layer: LayerId) -> Source {
        self.sources.push(layer);
        self.sources.len() as Source
    }

    /// Emits a step of the current task.
    pub fn step(&mut self, step: Step) {
        self.programs.steps.push(step);
    }

    /// Emits the push of a constant; equal objects are kept once.
    pub fn constant(&mut self, object: &Bound<'_, PyAny>) {
        let constants = &mut self.constants;
        let number = *self
            .interned
            .entry(object.as_ptr() as usize)
            .or_insert_with(|| {
                constants.push(object.clone().unbind());
                constants.len() as u32 - 1
            });
        self.programs.steps.push(Step::Constant(number));
    }

    /// Emits the push of a block's value.
    pub fn input(&mut self, source: Source, block: u32) {
        let wanted = (source, block);
        let known = self.inputs.iter().position(|&input| input == wanted);
        let number = known.unwrap_or_else(|| {
            self.inputs.push(wanted);
            self.inputs.len() - 1
        });
        self.programs.steps.push(Step::Input(number as u32));
    }

    /// The place before the next step; see [`Assembler::replace_by_constant`].
    pub fn mark(&self) -> usize {
        self.programs.steps.len()
    }

    /// Takes back the steps since `mark`, which only pushed constants, for one constant.
    pub fn replace_by_constant(&mut self, mark: usize, object: &Bound<'_, PyAny>) {
        self.programs.steps.truncate(mark);
        self.constant(object);
    }

    /// Ends the current task.
    pub fn finish_task(&mut self, origin: Option<Origin>) {
        self.sort_inputs();
        self.all_inputs.extend(self.inputs.drain(..));
        self.input_offsets.push(self.all_inputs.len() as u32);
        self.programs.offsets.push(self.programs.steps.len() as u32);
        self.has_origins |= origin.is_some();
        self.programs.origins.push(origin);
    }

    /// Engines give inputs source by source; numbers the task's inputs that way.
    fn sort_inputs(&mut self) {
        if self.inputs.windows(2).all(|pair| pair[0].0 <= pair[1].0) {
            return;
        }
        let mut order: Vec<usize> = (0..self.inputs.len()).collect();
        order.sort_by_key(|&number| self.inputs[number].0);
        let mut renumbered = vec![0_u32; order.len()];
        for (new, &old) in order.iter().enumerate() {
            renumbered[old] = new as u32;
        }
        self.inputs = order.iter().map(|&number| self.inputs[number]).collect();
        let start = self.programs.offsets.last().copied().unwrap_or(0) as usize;
        for step in &mut self.programs.steps[start..] {
            if let Step::Input(number) = step {
                *number = renumbered[*number as usize];
            }
        }
    }

    /// The layer of a source other than the own one.
    pub fn source(&self, source: Source) -> LayerId {
        self.sources[source as usize - 1]
    }

    /// Where in the user's code a task was made.
    pub fn origin_of(&self, task: u32) -> Option<&Origin> {
        self.programs.origins[task as usize].as_ref()
    }

    /// The inputs of a task, in the order of their numbers in its steps.
    pub fn inputs_of(&self, task: u32) -> &[(Source, u32)] {
        &self.all_inputs[range(&self.input_offsets, task)]
    }

    pub fn steps_of(&self, task: u32) -> &[Step] {
        &self.programs.steps[range(&self.programs.offsets, task)]
    }

    pub fn constant_of(&self, number: u32) -> &Py<PyAny> {
        &self.constants[number as usize]
    }

    /// The number of ended tasks.
    pub fn task_count(&self) -> u32 {
        self.programs.offsets.len() as u32 - 1
    }

    /// Adds the layer to a plan.
    pub fn add_to(
        mut self,
        plan: &mut Plan,
        name: Arc<str>,
        op: &str,
        origin: Option<Origin>,
    ) -> LayerId {
        let own = LayerId(plan.graph.layers.len() as u32);
        let count = self.task_count();
        if !self.has_origins {
            self.programs.origins = Vec::new();
        }
        let mut inputs = SmallVec::new();
        for source in 0..=self.sources.len() as Source {
            if let Some(map) = self.map_of(source) {
                let layer = if source == OWN {
                    own
                } else {
                    self.sources[source as usize - 1]
                };
                inputs.push(Input { layer, map });
            }
        }
        let layer = Layer {
            name,
            grid: Grid::new([count]),
            inputs,
        };
        let op = ProgramOp::new(op, self.programs, self.constants);
        plan.add(layer, LayerOp::Run(Arc::new(op)), origin)
    }

    fn map_of(&self, source: Source) -> Option<InputMap> {
        let mut offsets = Vec::with_capacity(self.input_offsets.len());
        let mut blocks = Vec::new();
        offsets.push(0);
        for pair in self.input_offsets.windows(2) {
            let inputs = &self.all_inputs[pair[0] as usize..pair[1] as usize];
            blocks.extend(
                inputs
                    .iter()
                    .filter(|input| input.0 == source)
                    .map(|input| input.1),
            );
            offsets.push(blocks.len() as u32);
        }
        (!blocks.is_empty()).then(|| InputMap::Explicit {
            offsets: offsets.into(),
            blocks: blocks.into(),
        })
    }
}

fn range(offsets: &[u32], task: u32) -> std::ops::Range<usize> {
    offsets[task as usize] as usize..offsets[task as usize + 1] as usize
}

/// A layer name that no other layer has, here or in another process.
pub fn unique_name(py: Python<'_>, prefix: &str) -> PyResult<Arc<str>> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let process: String = py
        .import(pyo3::intern!(py, "rask._names"))?
        .call_method0(pyo3::intern!(py, "process_token"))?
        .extract()?;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(Arc::from(format!("{prefix}-{process}{count:08x}")))
}
