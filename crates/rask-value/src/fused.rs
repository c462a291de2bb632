//! Plans with fewer layers: chains that correspond block by block run as one task.

use std::sync::Arc;

use bytes::Bytes;
use rask_graph::{Grid, InputMap, LayerId, StepInput, fuse};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    CodecError, Encoded, Frames, Inputs, LayerOp, Op, OpRef, Origin, OutputSizes, Plan, Scope,
    TakesParts, TaskContext, TaskError, ValueRef, codec,
};

pub(crate) const KIND: &str = "fused";

/// The plan with chains of layers fused, or `None` if there is nothing to fuse. Only layers that run
/// in the same scope are fused, so that native work never waits for an interpreter's lock.
pub fn fuse_plan(plan: &Plan) -> Option<Plan> {
    let may_fuse = |producer: LayerId, consumer: LayerId| {
        let (Some(a), Some(b)) = (find_op(plan, producer), find_op(plan, consumer)) else {
            return false;
        };
        match (a.scope(), b.scope()) {
            (None, None) => true,
            (Some(a), Some(b)) => std::ptr::addr_eq(a, b),
            _ => false,
        }
    };
    let fusion = fuse(&plan.graph, may_fuse)?;
    let mut fused = Plan {
        graph: fusion.graph,
        ..Plan::default()
    };
    for (index, steps) in fusion.groups.iter().enumerate() {
        let last = steps[steps.len() - 1].layer.0 as usize;
        fused
            .origins
            .push(plan.origins.get(last).cloned().flatten());
        fused.ops.push(if steps.len() == 1 {
            plan.ops[last].clone()
        } else {
            LayerOp::Run(Arc::new(FusedOp::new(plan, &fused.graph, index, steps)))
        });
    }
    Some(fused)
}

fn find_op(plan: &Plan, layer: LayerId) -> Option<&OpRef> {
    match plan.ops.get(layer.0 as usize) {
        Some(LayerOp::Run(op)) => Some(op),
        _ => None,
    }
}

/// Several ops in a row, as one task.
#[derive(Debug)]
pub struct FusedOp {
    name: String,
    ops: Vec<OpRef>,
    shape: Shape,
}

/// How the ops hang together.
#[derive(Debug, Serialize, Deserialize)]
struct Shape {
    steps: Vec<Step>,
    counts: Vec<Count>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Step {
    layer: Arc<str>,
    grid: Grid,
    axes: SmallVec<[u32; 4]>,
    inputs: SmallVec<[From; 2]>,
    origin: Option<Origin>,
}

/// Where an input of a step comes from: see [`StepInput`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum From {
    Step(u32),
    Outer(u32),
}

/// How many values an input of the task gives.
#[derive(Debug, Serialize, Deserialize)]
enum Count {
    One,
    Rule(Box<(InputMap, Grid)>),
}

impl FusedOp {
    fn new(
        plan: &Plan,
        fused: &rask_graph::Graph,
        index: usize,
        steps: &[rask_graph::FusedStep],
    ) -> Self {
        let inputs = fused.layers[index].inputs.iter();
        let counts = inputs.map(|input| {
            if input.map.is_one_each() {
                return Count::One;
            }
            let grid = &fused.layers[input.layer.0 as usize].grid;
            Count::Rule(Box::new((input.map.clone(), grid.clone())))
        });
        let ops: Vec<OpRef> = steps
            .iter()
            .filter_map(|step| find_op(plan, step.layer).cloned())
            .collect();
        let described = steps.iter().map(|step| {
            let layer = &plan.graph.layers[step.layer.0 as usize];
            Step {
                layer: layer.name.clone(),
                grid: layer.grid.clone(),
                axes: step.axes.clone(),
                inputs: step.inputs.iter().map(|&input| input.into()).collect(),
                origin: plan.origins.get(step.layer.0 as usize).cloned().flatten(),
            }
        });
        FusedOp {
            name: join_names(&ops),
            shape: Shape {
                steps: described.collect(),
                counts: counts.collect(),
            },
            ops,
        }
    }

    /// The values of each input of the task.
    fn split(&self, context: &TaskContext<'_>, inputs: Inputs) -> Vec<Inputs> {
        let mut rest = inputs.into_iter();
        let counts = self.shape.counts.iter().map(|count| match count {
            Count::One => 1,
            Count::Rule(rule) => rule.0.count_at(&rule.1, context.grid, context.block),
        });
        counts
            .map(|count| rest.by_ref().take(count).collect())
            .collect()
    }
}

impl std::convert::From<StepInput> for From {
    fn from(input: StepInput) -> Self {
        match input {
            StepInput::Step(step) => From::Step(step),
            StepInput::Outer(outer) => From::Outer(outer),
        }
    }
}

fn join_names(ops: &[OpRef]) -> String {
    let mut names: Vec<&str> = ops.iter().map(|op| op.name()).collect();
    names.dedup();
    names.join("-")
}

impl Op for FusedOp {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, context: TaskContext<'_>, inputs: Inputs) -> Result<ValueRef, TaskError> {
        let coords = context.coords();
        let mut outer = self.split(&context, inputs);
        let mut values: Vec<Option<ValueRef>> = Vec::with_capacity(self.ops.len());
        for (step, op) in self.shape.steps.iter().zip(&self.ops) {
            let mut inputs = Inputs::new();
            for &input in &step.inputs {
                match input {
                    From::Step(step) => inputs.extend(values[step as usize].take()),
                    From::Outer(number) => inputs.append(&mut outer[number as usize]),
                }
            }
            let at: SmallVec<[u32; 4]> = step.axes.iter().map(|&a| coords[a as usize]).collect();
            let context = TaskContext {
                layer: &step.layer,
                grid: &step.grid,
                block: step.grid.block_at(&at),
            };
            let value = op.run(context, inputs).map_err(|mut error| {
                error.origin = error.origin.or_else(|| step.origin.clone());
                error
            })?;
            values.push(Some(value));
        }
        let last = values.pop().flatten();
        last.ok_or_else(|| TaskError::new("a fused op without steps"))
    }

    fn scope(&self) -> Option<&'static dyn Scope> {
        self.ops.iter().find_map(|op| op.scope())
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        let mut members = Vec::with_capacity(self.ops.len());
        let mut buffers = Vec::new();
        for op in &self.ops {
            let encoded = op.encode()?;
            members.push(Member {
                kind: encoded.kind,
                header: encoded.frames.header.to_vec(),
                buffers: encoded.frames.buffers.len() as u32,
            });
            buffers.extend(encoded.frames.buffers);
        }
        let header = postcard::to_stdvec(&(&members, &self.shape)).map_err(|error| {
            CodecError::NotSerialisable {
                what: self.name.clone(),
                reason: error.to_string(),
            }
        })?;
        Ok(Encoded {
            kind: KIND.to_string(),
            frames: Frames {
                header: Bytes::from(header),
                buffers,
            },
        })
    }

    fn output_bytes(&self, block: u32) -> Option<u64> {
        self.ops.last()?.output_bytes(block)
    }

    fn output_sizes(&self) -> Option<OutputSizes> {
        let sizes = self.ops.last()?.output_sizes()?;
        let mut others = self.ops.iter().map(|op| op.output_sizes());
        let is_dense = others.all(|sizes| sizes.is_some_and(|sizes| sizes.is_dense));
        Some(OutputSizes { is_dense, ..sizes })
    }

    /// That of the first step, if it takes all that comes from outside and is numbered as the task.
    fn takes_parts(&self) -> Option<TakesParts> {
        let (first, rest) = self.shape.steps.split_first()?;
        let last = rest.last().unwrap_or(first);
        let same_blocks = first.grid == last.grid
            && first
                .axes
                .iter()
                .enumerate()
                .all(|(at, &axis)| axis == at as u32);
        let takes_all = rest
            .iter()
            .flat_map(|step| &step.inputs)
            .all(|input| matches!(input, From::Step(_)));
        self.ops
            .first()?
            .takes_parts()
            .filter(|_| same_blocks && takes_all)
    }
}

/// One op as it travels.
#[derive(Serialize, Deserialize)]
struct Member {
    kind: String,
    header: Vec<u8>,
    buffers: u32,
}

/// Reads what [`FusedOp::encode`] wrote.
pub(crate) fn decode(frames: &Frames) -> Result<OpRef, CodecError> {
    let malformed = |reason: &str| CodecError::Malformed {
        kind: KIND,
        reason: reason.to_string(),
    };
    let (members, shape): (Vec<Member>, Shape) =
        postcard::from_bytes(&frames.header).map_err(|e| malformed(&e.to_string()))?;
    check(&shape, members.len()).map_err(malformed)?;
    let mut buffers = frames.buffers.iter().cloned();
    let ops = members.into_iter().map(|member| {
        codec::decode_op(&Encoded {
            kind: member.kind,
            frames: Frames {
                header: Bytes::from(member.header),
                buffers: buffers.by_ref().take(member.buffers as usize).collect(),
            },
        })
    });
    let ops = ops.collect::<Result<Vec<OpRef>, CodecError>>()?;
    Ok(Arc::new(FusedOp {
        name: join_names(&ops),
        ops,
        shape,
    }))
}

/// Whether every reference of the steps leads somewhere.
fn check(shape: &Shape, members: usize) -> Result<(), &'static str> {
    if shape.steps.len() != members || members == 0 {
        return Err("as many steps as ops are needed, and at least one");
    }
    let axes = shape.steps[members - 1].grid.0.len();
    for (index, step) in shape.steps.iter().enumerate() {
        let axes_known = step.axes.len() == step.grid.0.len()
            && step.axes.iter().all(|&axis| (axis as usize) < axes);
        let inputs_known = step.inputs.iter().all(|input| match *input {
            From::Step(step) => (step as usize) < index,
            From::Outer(outer) => (outer as usize) < shape.counts.len(),
        });
        if !axes_known || !inputs_known {
            return Err("a step refers to something that is not there");
        }
    }
    Ok(())
}
