//! Running a block's program.
//!
//! Results of steps stay unevaluated as long as that helps: a generator or a program whose only
//! reader is a program or a full reduction is never stored.

use std::sync::Arc;

use rask_value::{Inputs, TaskContext, TaskError, ValueRef};
use smallvec::SmallVec;

use super::chunk_op::ChunkOp;
use super::elementwise::run_program;
use super::gather::{Along, assemble_parts, gather, picker_of};
use super::ops;
use super::parts::{BlockParts, places as places_of_parts};
use super::places::{eye, last, nest, region_of};
use super::program::{Argument, BlockOp, Coordinate, FusedStep};
use super::{contract, cumulate, reduction};
use crate::duck::Picker;
use crate::kernels::elementwise::{Generator, Program, Source, run};
use crate::opaque::{Call, Nested, Region};
use crate::parting::AxisParts;
use crate::selection::AxisPieces;

/// A step's result.
pub(super) enum Lazy<'a> {
    Value(ValueRef),
    Generator(Generator, Vec<usize>),
    Program(&'a Program, Vec<Source>, Vec<usize>),
}

impl Lazy<'_> {
    /// The elements.
    pub(super) fn force(self) -> Result<ValueRef, TaskError> {
        Ok(match self {
            Lazy::Value(value) => value,
            Lazy::Generator(generator, shape) => {
                let program = Program::identity(generator.dtype);
                Arc::new(run(&program, vec![Source::Generator(generator)], &shape)?)
            }
            Lazy::Program(program, sources, shape) => Arc::new(run(program, sources, &shape)?),
        })
    }
}

/// What a step is given for one argument.
pub(super) struct Given<'a> {
    pub blocks: SmallVec<[Lazy<'a>; 4]>,
    /// How many along each axis.
    pub counts: SmallVec<[usize; 4]>,
}

impl<'a> Given<'a> {
    fn values(self) -> Result<Vec<ValueRef>, TaskError> {
        self.blocks.into_iter().map(Lazy::force).collect()
    }
}

/// One run of a block's program.
pub(super) struct Evaluation<'a> {
    op: &'a BlockOp,
    coords: SmallVec<[u32; 4]>,
    block: u32,
    results: Vec<Option<Lazy<'a>>>,
    readers: Vec<usize>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(op: &'a BlockOp, context: TaskContext<'_>) -> Self {
        let mut readers = vec![0; op.steps.len()];
        for step in &op.steps {
            for argument in &step.arguments {
                if let Argument::Step(number) = argument {
                    readers[*number] += 1;
                }
            }
        }
        Evaluation {
            op,
            coords: context.coords(),
            block: context.block,
            results: Vec::with_capacity(op.steps.len()),
            readers,
        }
    }

    pub(super) fn run(mut self, inputs: Inputs) -> Result<ValueRef, TaskError> {
        let mut edges = self.split(inputs)?;
        for (number, step) in self.op.steps.iter().enumerate() {
            let given = self.take_arguments(step, &mut edges)?;
            let result = self.run_step(step, given)?;
            let several = self.readers[number] > 1;
            self.results.push(Some(match several {
                true => Lazy::Value(result.force()?),
                false => result,
            }));
        }
        match self.results.pop().flatten() {
            Some(last) => last.force(),
            None => Err(TaskError::new("a block's program has no steps")),
        }
    }

    /// The layer's inputs, edge by edge.
    fn split(&self, inputs: Inputs) -> Result<Vec<Option<Given<'a>>>, TaskError> {
        let mut inputs = inputs.into_iter();
        let mut edges = Vec::with_capacity(self.op.edges.len());
        for edge in &self.op.edges {
            let (counts, all) = edge.counts(&self.coords, self.block);
            let blocks: SmallVec<[Lazy<'a>; 4]> =
                inputs.by_ref().take(all).map(Lazy::Value).collect();
            if blocks.len() < all {
                return Err(TaskError::new(
                    "a block was given fewer inputs than its rule names",
                ));
            }
            edges.push(Some(Given { blocks, counts }));
        }
        Ok(edges)
    }

    fn take_arguments(
        &mut self,
        step: &FusedStep,
        edges: &mut [Option<Given<'a>>],
    ) -> Result<SmallVec<[Given<'a>; 2]>, TaskError> {
        let missing = || TaskError::new("a step's argument is used up");
        step.arguments
            .iter()
            .map(|argument| match argument {
                Argument::Edge(number) => edges[*number].take().ok_or_else(missing),
                Argument::Step(number) => {
                    let place = &mut self.results[*number];
                    let left = &mut self.readers[*number];
                    *left -= 1;
                    let result = match (place.take().ok_or_else(missing)?, *left) {
                        (Lazy::Value(value), 1..) => {
                            *place = Some(Lazy::Value(value.clone()));
                            Lazy::Value(value)
                        }
                        (result, _) => result,
                    };
                    Ok(Given {
                        blocks: smallvec::smallvec![result],
                        counts: SmallVec::new(),
                    })
                }
            })
            .collect()
    }

    fn coords_of(&self, step: &FusedStep) -> SmallVec<[u32; 4]> {
        let coordinate = |coordinate: &Coordinate| match coordinate {
            Coordinate::Axis(axis) => self.coords[*axis as usize],
            Coordinate::Fixed(at) => *at,
        };
        step.coordinates.iter().map(coordinate).collect()
    }

    fn run_step(
        &self,
        step: &'a FusedStep,
        mut given: SmallVec<[Given<'a>; 2]>,
    ) -> Result<Lazy<'a>, TaskError> {
        let coords = self.coords_of(step);
        match &step.op {
            ChunkOp::Same => {
                let blocks = given.into_iter().flat_map(|given| given.blocks);
                one(blocks.collect())
            }
            ChunkOp::Generate {
                kind,
                dtype,
                whole,
                axes,
            } => {
                let blocks = axes.iter().zip(&coords).map(|(axis, &at)| axis.block(at));
                let (starts, shape): (Vec<usize>, Vec<usize>) = blocks.unzip();
                let steps: Vec<isize> = axes.iter().map(|axis| axis.step).collect();
                let generator = Generator::part(*dtype, kind.clone(), whole, &starts, &steps);
                Ok(Lazy::Generator(generator, shape))
            }
            ChunkOp::Program(program) => run_program(program, given),
            ChunkOp::Reduce(reduce) => {
                let argument = take_only(&mut given)?;
                let counts = argument.counts;
                reduction::run(reduce, argument.blocks, &counts, &coords)
            }
            ChunkOp::Broadcast(shapes) => {
                let shape = known(&shapes.at(&coords))?;
                match one(take_only(&mut given)?.blocks)? {
                    Lazy::Generator(generator, old) if is_fill(&generator) => {
                        let _ = old;
                        let generator = Generator {
                            steps: SmallVec::from_elem(0, shape.len()),
                            ..generator
                        };
                        Ok(Lazy::Generator(generator, shape))
                    }
                    other => Ok(Lazy::Value(ops::broadcast_to(&other.force()?, &shape)?)),
                }
            }
            ChunkOp::View(axes) => match one(take_only(&mut given)?.blocks)? {
                Lazy::Generator(generator, shape) => Ok(view_generator(generator, &shape, axes)),
                other => Ok(Lazy::Value(ops::view(&other.force()?, axes)?)),
            },
            ChunkOp::Gather { axes, fill, dtype } => {
                let argument = take_only(&mut given)?;
                let along = along(axes, &coords, &argument.counts);
                gather(&argument.values()?, &along, fill, *dtype).map(Lazy::Value)
            }
            ChunkOp::Assemble {
                axes,
                fill,
                dtype,
                grid,
                ..
            } => {
                let argument = take_only(&mut given)?;
                let along = along(axes, &coords, &argument.counts);
                let number = grid.block_at(&coords);
                assemble_parts(argument.values()?, &along, (fill, *dtype), number).map(Lazy::Value)
            }
            op => self.run_on_values(op, &coords, given).map(Lazy::Value),
        }
    }

    fn run_on_values(
        &self,
        op: &ChunkOp,
        coords: &[u32],
        mut given: SmallVec<[Given<'a>; 2]>,
    ) -> Result<ValueRef, TaskError> {
        match op {
            ChunkOp::Cut { axes, grid } => {
                let block = one(take_only(&mut given)?.blocks)?.force()?;
                let axes: Vec<_> = axes.iter().zip(coords).map(parts_along).collect();
                let axes: Vec<_> = axes.iter().map(|parts| parts.as_deref()).collect();
                let places = places_of_parts(&block, &axes, coords, grid)?;
                Ok(Arc::new(BlockParts::Whole { block, places }))
            }
            ChunkOp::Eye { k, dtype, axes } => Ok(eye(*k, *dtype, axes, coords)),
            ChunkOp::Read {
                opaque,
                view,
                shapes,
            } => {
                let region = region_of(view, shapes, coords);
                self.call(*opaque, coords, &shapes.at(coords), &region, Vec::new())
            }
            ChunkOp::Make { opaque, shapes } => {
                self.call(*opaque, coords, &shapes.at(coords), &[], Vec::new())
            }
            ChunkOp::Reshape(shapes) => {
                let block = one(take_only(&mut given)?.blocks)?.force()?;
                ops::reshape(&block, &known(&shapes.at(coords))?)
            }
            ChunkOp::UserReduce {
                opaque,
                axes,
                concatenate,
                combine,
            } => {
                let argument = take_only(&mut given)?;
                let counts = argument.counts.clone();
                let blocks = argument.values()?;
                let axes: &[usize] = if *combine { axes } else { &[] };
                let nested = nest(blocks, &counts, axes, *concatenate)?;
                self.call(*opaque, coords, &[], &[], vec![nested])
            }
            ChunkOp::Blockwise {
                opaque,
                contracted,
                concatenate,
                shapes,
            } => {
                let mut inputs = Vec::with_capacity(given.len());
                for (argument, axes) in given.into_iter().zip(contracted) {
                    let counts = argument.counts.clone();
                    inputs.push(nest(argument.values()?, &counts, axes, *concatenate)?);
                }
                self.call(*opaque, coords, &shapes.at(coords), &[], inputs)
            }
            ChunkOp::Cumulate { op, axis } => {
                let block = one(take_only(&mut given)?.blocks)?.force()?;
                cumulate::inside(&block, *op, *axis)
            }
            ChunkOp::Last { axis } => {
                let block = one(take_only(&mut given)?.blocks)?.force()?;
                last(&block, *axis)
            }
            ChunkOp::Carry { op } => {
                let mut given = given.into_iter();
                let (Some(block), Some(before)) = (given.next(), given.next()) else {
                    return Err(TaskError::new("a carry takes a block and those before it"));
                };
                cumulate::carry(one(block.blocks)?.force()?, before.values()?, *op)
            }
            ChunkOp::Contract {
                batch, rows, inner, ..
            } => {
                let mut given = given.into_iter();
                let (Some(a), Some(b)) = (given.next(), given.next()) else {
                    return Err(TaskError::new("a product takes two arguments"));
                };
                let sizes = contract::Axes {
                    batch: *batch,
                    rows: *rows,
                    inner: *inner,
                };
                contract::sum_of_products(&a.values()?, &b.values()?, sizes)
            }
            other => Err(TaskError::new(format!("{} cannot run here", other.name()))),
        }
    }

    fn call(
        &self,
        opaque: usize,
        coords: &[u32],
        shape: &[i64],
        region: &[Region],
        inputs: Vec<Nested>,
    ) -> Result<ValueRef, TaskError> {
        let call = Call {
            coords,
            shape,
            region,
            inputs,
        };
        self.op.opaques[opaque].call(call)
    }
}

/// What a block has of the selection along each axis.
fn along<'a>(axes: &'a [Option<AxisPieces>], coords: &[u32], counts: &[usize]) -> Vec<Along<'a>> {
    let along = |(axis, pieces): (usize, &'a Option<AxisPieces>)| Along {
        pieces: pieces
            .as_ref()
            .map(|pieces| &pieces.pieces[coords[axis] as usize][..]),
        blocks: counts.get(axis).copied().unwrap_or(1),
    };
    axes.iter().enumerate().map(along).collect()
}

/// The readers of a block along an axis, and what they take.
fn parts_along((axis, &at): (&Option<AxisParts>, &u32)) -> Option<Vec<(u32, Picker)>> {
    let parts = axis.as_ref()?.at(at).iter();
    Some(parts.map(|(to, run)| (*to, picker_of(run))).collect())
}

fn take_only<'a>(given: &mut SmallVec<[Given<'a>; 2]>) -> Result<Given<'a>, TaskError> {
    let missing = || TaskError::new("a step has no argument");
    given.pop().ok_or_else(missing)
}

pub(super) fn one<'a>(blocks: SmallVec<[Lazy<'a>; 4]>) -> Result<Lazy<'a>, TaskError> {
    let count = blocks.len();
    let mut blocks = blocks.into_iter();
    match (blocks.next(), count) {
        (Some(block), 1) => Ok(block),
        _ => Err(TaskError::new(format!(
            "one block was expected, {count} were given"
        ))),
    }
}

fn known(shape: &[i64]) -> Result<Vec<usize>, TaskError> {
    let length = |&length: &i64| usize::try_from(length);
    let shape: Result<Vec<usize>, _> = shape.iter().map(length).collect();
    shape.map_err(|_| TaskError::new("ValueError: the shape of the block is not known"))
}

pub(super) fn is_fill(generator: &Generator) -> bool {
    matches!(
        generator.kind,
        crate::kernels::elementwise::GeneratorKind::Fill(_)
    )
}

fn view_generator<'a>(generator: Generator, shape: &[usize], axes: &[Option<usize>]) -> Lazy<'a> {
    let steps = axes
        .iter()
        .map(|axis| axis.map_or(0, |a| generator.steps[a]));
    let shape: Vec<usize> = axes
        .iter()
        .map(|axis| axis.map_or(1, |a| shape[a]))
        .collect();
    let generator = Generator {
        steps: steps.collect(),
        ..generator
    };
    Lazy::Generator(generator, shape)
}
