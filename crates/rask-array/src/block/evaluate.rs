//! Running a block's program.
//!
//! Results of steps stay unevaluated as long as that helps: a generator or a program whose only
//! reader is a program or a full reduction is never stored.

use std::sync::Arc;

use rask_value::array::{DType, NdArray, Scalar};
use rask_value::{Inputs, TaskContext, TaskError, ValueRef};
use smallvec::SmallVec;

use super::chunk_op::ChunkOp;
use super::gather::{Along, gather, pick};
use super::ops::{self, as_native};
use super::program::{Argument, BlockOp, Coordinate, FusedStep};
use super::{contract, cumulate, reduction};
use crate::duck::{Picker, backend_for};
use crate::kernels::elementwise::{Generator, Program, Source, run};
use crate::opaque::{Call, Nested, Region};

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
                let counts = argument.counts.clone();
                let blocks = argument.values()?;
                let along = |(axis, pieces): (usize, &'a Option<_>)| {
                    let pieces: &'a Option<crate::selection::AxisPieces> = pieces;
                    Along {
                        pieces: pieces
                            .as_ref()
                            .map(|pieces| &pieces.pieces[coords[axis] as usize][..]),
                        blocks: counts.get(axis).copied().unwrap_or(1),
                    }
                };
                let along: Vec<Along<'a>> = axes.iter().enumerate().map(along).collect();
                gather(&blocks, &along, fill, *dtype).map(Lazy::Value)
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

fn take_only<'a>(given: &mut SmallVec<[Given<'a>; 2]>) -> Result<Given<'a>, TaskError> {
    let missing = || TaskError::new("a step has no argument");
    given.pop().ok_or_else(missing)
}

fn one<'a>(blocks: SmallVec<[Lazy<'a>; 4]>) -> Result<Lazy<'a>, TaskError> {
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

fn is_fill(generator: &Generator) -> bool {
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

fn run_program<'a>(
    program: &'a Program,
    given: SmallVec<[Given<'a>; 2]>,
) -> Result<Lazy<'a>, TaskError> {
    let mut arguments = Vec::with_capacity(given.len());
    for argument in given {
        arguments.push(match one(argument.blocks)? {
            pending @ Lazy::Program(..) => Lazy::Value(pending.force()?),
            other => other,
        });
    }
    let foreign = |argument: &Lazy<'_>| match argument {
        Lazy::Value(value) => as_native(value).is_none(),
        _ => false,
    };
    if arguments.iter().any(foreign) {
        return run_foreign(program, arguments);
    }
    let shapes: SmallVec<[&[usize]; 4]> = arguments
        .iter()
        .filter_map(|argument| match argument {
            Lazy::Value(value) => as_native(value).map(|array| array.shape()),
            Lazy::Generator(_, shape) | Lazy::Program(_, _, shape) => Some(&shape[..]),
        })
        .collect();
    let shape = broadcast(&shapes)?;
    drop(shapes);
    let mut sources = Vec::with_capacity(arguments.len());
    for argument in arguments {
        sources.push(match argument {
            Lazy::Generator(generator, own) if own == shape || is_fill(&generator) => {
                let steps = match own == shape {
                    true => generator.steps.clone(),
                    false => SmallVec::from_elem(0, shape.len()),
                };
                Source::Generator(Generator { steps, ..generator })
            }
            other => Source::Array(into_array(other.force()?)?),
        });
    }
    let dtype_differs = sources.iter().zip(&program.inputs).any(
        |(source, expected)| matches!(source, Source::Array(array) if array.dtype() != *expected),
    );
    if dtype_differs {
        sources = cast_sources(sources, &program.inputs)?;
    }
    Ok(Lazy::Program(program, sources, shape))
}

/// Blocks of another dtype than was declared (a callable returned them) are cast to it.
fn cast_sources(sources: Vec<Source>, dtypes: &[DType]) -> Result<Vec<Source>, TaskError> {
    let cast = |(source, &to): (Source, &DType)| match source {
        Source::Array(array) if array.dtype() != to => {
            let mut program = Program::new();
            let input = program.input(array.dtype());
            let output = program.cast(input, to);
            program.finish(output);
            let shape = array.shape().to_vec();
            Ok(Source::Array(run(
                &program,
                vec![Source::Array(array)],
                &shape,
            )?))
        }
        other => Ok(other),
    };
    sources.into_iter().zip(dtypes).map(cast).collect()
}

/// The array itself, without another reference to it where nobody else holds one.
fn into_array(value: ValueRef) -> Result<NdArray, TaskError> {
    let any: Arc<dyn std::any::Any + Send + Sync> = value;
    match any.downcast::<NdArray>() {
        Ok(array) => Ok(Arc::try_unwrap(array).unwrap_or_else(|shared| (*shared).clone())),
        Err(_) => Err(TaskError::new("a native array was expected")),
    }
}

fn run_foreign<'a>(program: &'a Program, arguments: Vec<Lazy<'a>>) -> Result<Lazy<'a>, TaskError> {
    let values: Vec<ValueRef> = arguments
        .into_iter()
        .map(Lazy::force)
        .collect::<Result<_, _>>()?;
    let foreign = values.iter().find(|value| as_native(value).is_none());
    let value = foreign.or(values.first());
    let value = value.ok_or_else(|| TaskError::new("a program has no inputs"))?;
    Ok(Lazy::Value(backend_for(value)?.program(program, &values)?))
}

/// The common shape of blocks.
pub(super) fn broadcast(shapes: &[&[usize]]) -> Result<Vec<usize>, TaskError> {
    let ndim = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut out = vec![1; ndim];
    for shape in shapes {
        let skip = ndim - shape.len();
        for (axis, &length) in shape.iter().enumerate() {
            let place = &mut out[skip + axis];
            match (*place, length) {
                (a, b) if a == b => {}
                (1, b) => *place = b,
                (_, 1) => {}
                _ => {
                    return Err(TaskError::new(format!(
                        "ValueError: operands could not be broadcast together with shapes {shapes:?}"
                    )));
                }
            }
        }
    }
    Ok(out)
}

/// Blocks as a callable takes them: nested lists along `axes`, or concatenated along them.
fn nest(
    blocks: Vec<ValueRef>,
    counts: &[usize],
    axes: &[usize],
    concatenate: bool,
) -> Result<Nested, TaskError> {
    if axes.is_empty() {
        let mut blocks = blocks.into_iter();
        return match (blocks.next(), blocks.next()) {
            (Some(block), None) => Ok(Nested::One(block)),
            _ => Err(TaskError::new("one block was expected for an argument")),
        };
    }
    let lengths: Vec<usize> = axes
        .iter()
        .map(|&axis| counts.get(axis).copied().unwrap_or(1))
        .collect();
    if concatenate {
        return join(&blocks, &lengths, axes).map(Nested::One);
    }
    Ok(list(&mut blocks.into_iter(), &lengths))
}

fn join(blocks: &[ValueRef], lengths: &[usize], axes: &[usize]) -> Result<ValueRef, TaskError> {
    let ([length, lengths @ ..], [axis, axes @ ..]) = (lengths, axes) else {
        let missing = || TaskError::new("ValueError: no blocks to concatenate");
        return blocks.first().cloned().ok_or_else(missing);
    };
    let each = lengths.iter().product::<usize>();
    let parts: Vec<ValueRef> = (0..*length)
        .map(|at| join(&blocks[at * each..(at + 1) * each], lengths, axes))
        .collect::<Result<_, _>>()?;
    ops::concatenate(&parts, *axis)
}

fn list(blocks: &mut impl Iterator<Item = ValueRef>, lengths: &[usize]) -> Nested {
    let (length, rest) = match lengths {
        [] => return Nested::List(Vec::new()),
        [length, rest @ ..] => (*length, rest),
    };
    if rest.is_empty() {
        return Nested::List(blocks.take(length).map(Nested::One).collect());
    }
    Nested::List((0..length).map(|_| list(&mut *blocks, rest)).collect())
}

fn region_of(view: &[Region], shapes: &super::BlockShapes, coords: &[u32]) -> Vec<Region> {
    view.iter()
        .zip(&shapes.0)
        .zip(coords)
        .map(|((axis, sizes), &at)| {
            let before: i64 = sizes[..at as usize].iter().sum();
            let start = axis.start + axis.step * before;
            let stop = start + axis.step * sizes[at as usize];
            Region {
                start,
                stop: stop.max(-1),
                step: axis.step,
            }
        })
        .collect()
}

fn last(block: &ValueRef, axis: usize) -> Result<ValueRef, TaskError> {
    let shape = ops::shape(block)?;
    let pickers: Vec<Picker> = shape
        .iter()
        .enumerate()
        .map(|(at, &length)| {
            let only = at == axis && length > 0;
            Picker::Range {
                start: if only { length - 1 } else { 0 },
                step: 1,
                count: if only { 1 } else { length },
            }
        })
        .collect();
    pick(block, &pickers)
}

fn eye(k: i64, dtype: DType, axes: &[super::GeneratorAxis], coords: &[u32]) -> ValueRef {
    let (row, rows) = axes[0].block(coords[0]);
    let (column, columns) = axes[1].block(coords[1]);
    let mut array = NdArray::zeros(dtype, &[rows, columns]);
    let one = Scalar::Int(1).to_array(dtype);
    let itemsize = dtype.itemsize();
    if let (Some(bytes), Some(one)) = (array.bytes_mut(), one.bytes()) {
        for i in 0..rows {
            let at = row as i64 + i as i64 * axes[0].step as i64 + k - column as i64;
            let step = axes[1].step as i64;
            if step != 0 && at % step == 0 && (0..columns as i64).contains(&(at / step)) {
                let place = (i * columns + (at / step) as usize) * itemsize;
                bytes[place..place + itemsize].copy_from_slice(one);
            }
        }
    }
    Arc::new(array)
}
