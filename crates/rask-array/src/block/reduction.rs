//! Reductions of blocks: partial results, their combination, and the end.

use std::sync::Arc;

use rask_value::array::{AxisIndex, DType, NdArray, Scalar};
use rask_value::{TaskError, ValueRef};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::evaluate::Lazy;
use super::ops::{self, array_error, as_native};
use super::pair::ArrayPair;
use crate::expr::Reduction;
use crate::kernels::elementwise::{
    ElementOp, Program, Register, Source, run as run_program, run_reduce,
};
use crate::kernels::reduce::{arg_reduce, merge_moments, moments};

/// Where in the tree of a reduction a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// One block of the array to one partial result.
    Partial,
    /// Several partial results to one.
    Combine,
    /// Several partial results to the result.
    Finish { keepdims: bool },
}

/// A step of a reduction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReduceStep {
    pub reduction: Reduction,
    pub phase: Phase,
    pub axes: Vec<usize>,
    /// For positions: where each block begins along each reduced axis, and the last one's end.
    pub offsets: Vec<Arc<[usize]>>,
}

/// Runs a step on its blocks.
pub(super) fn run<'a>(
    step: &ReduceStep,
    blocks: SmallVec<[Lazy<'a>; 4]>,
    _counts: &[usize],
    coords: &[u32],
) -> Result<Lazy<'a>, TaskError> {
    let keepdims = match step.phase {
        Phase::Partial => {
            let mut blocks = blocks.into_iter();
            let block = blocks.next().ok_or_else(empty)?;
            return partial(step, block, coords).map(Lazy::Value);
        }
        Phase::Combine => None,
        Phase::Finish { keepdims } => Some(keepdims),
    };
    let parts: Vec<ValueRef> = blocks
        .into_iter()
        .map(Lazy::force)
        .collect::<Result<_, _>>()?;
    let combined = combine(step, parts)?;
    match keepdims {
        None => Ok(Lazy::Value(combined)),
        Some(keepdims) => finish(step, combined, keepdims).map(Lazy::Value),
    }
}

fn empty() -> TaskError {
    TaskError::new("ValueError: a reduction of no blocks")
}

fn native(value: &ValueRef) -> Result<&NdArray, TaskError> {
    as_native(value).ok_or_else(|| {
        TaskError::new(format!(
            "TypeError: a block is of type {} and not the native array that was declared",
            value.type_name()
        ))
    })
}

fn partial(step: &ReduceStep, block: Lazy<'_>, coords: &[u32]) -> Result<ValueRef, TaskError> {
    match &step.reduction {
        Reduction::Simple(op) => {
            let (program, sources, shape) = match block {
                Lazy::Program(program, sources, shape) if step.axes.len() == shape.len() => {
                    (program.clone(), sources, shape)
                }
                Lazy::Generator(generator, shape) if step.axes.len() == shape.len() => {
                    let program = Program::identity(generator.dtype);
                    (program, vec![Source::Generator(generator)], shape)
                }
                other => return ops::reduce(&other.force()?, *op, &step.axes, true),
            };
            let total = run_reduce(&program, sources, &shape, *op)?;
            let ones = vec![1; shape.len()];
            Ok(Arc::new(total.reshape(&ones).map_err(array_error)?))
        }
        Reduction::Moments { skip_nan, .. } => {
            let block = block.force()?;
            Ok(Arc::new(moments(
                native(&block)?,
                &step.axes,
                true,
                *skip_nan,
            )?))
        }
        Reduction::Position { largest, skip_nan } => {
            let block = block.force()?;
            let array = native(&block)?;
            let (values, positions) = arg_reduce(array, &step.axes, true, *largest, *skip_nan)?;
            let positions = whole_positions(step, array.shape(), coords, positions)?;
            Ok(Arc::new(ArrayPair { values, positions }))
        }
    }
}

/// From positions in the block to positions in the whole array.
fn whole_positions(
    step: &ReduceStep,
    shape: &[usize],
    coords: &[u32],
    positions: NdArray,
) -> Result<NdArray, TaskError> {
    let positions = positions.to_contiguous();
    let mut whole = NdArray::new(DType::Int64, positions.shape());
    let local: &[i64] = positions.as_slice().map_err(array_error)?;
    let target: &mut [i64] = whole.as_mut_slice().map_err(array_error)?;
    for (out, &position) in target.iter_mut().zip(local) {
        let (mut rest, mut weight, mut sum) = (position as usize, 1, 0);
        for (&axis, offsets) in step.axes.iter().zip(&step.offsets).rev() {
            let length = shape[axis].max(1);
            sum += (rest % length + offsets[coords[axis] as usize]) * weight;
            rest /= length;
            weight *= offsets[offsets.len() - 1];
        }
        *out = sum as i64;
    }
    Ok(whole)
}

fn combine(step: &ReduceStep, parts: Vec<ValueRef>) -> Result<ValueRef, TaskError> {
    if let [only] = &parts[..] {
        return Ok(only.clone());
    }
    match &step.reduction {
        Reduction::Simple(op) => {
            let stacked: Vec<ValueRef> = parts
                .iter()
                .map(|part| {
                    let mut shape = vec![1];
                    shape.extend(ops::shape(part)?);
                    ops::reshape(part, &shape)
                })
                .collect::<Result<_, TaskError>>()?;
            ops::reduce(&ops::concatenate(&stacked, 0)?, op.combine(), &[0], false)
        }
        Reduction::Moments { .. } => {
            let parts: Vec<NdArray> = parts
                .iter()
                .map(|part| native(part).cloned())
                .collect::<Result<_, _>>()?;
            Ok(Arc::new(merge_moments(&parts)?))
        }
        Reduction::Position { largest, skip_nan } => {
            let mut pairs = parts.iter().map(|part| {
                let pair = part.downcast_ref::<ArrayPair>();
                pair.cloned()
                    .ok_or_else(|| TaskError::new("a pair of arrays was expected"))
            });
            let mut best = pairs.next().ok_or_else(empty)??;
            for pair in pairs {
                best = better(best, pair?, *largest, *skip_nan)?;
            }
            Ok(Arc::new(best))
        }
    }
}

/// Elementwise, the pair with the more extreme value; of equal ones that of the smaller position.
fn better(
    a: ArrayPair,
    b: ArrayPair,
    largest: bool,
    skip_nan: bool,
) -> Result<ArrayPair, TaskError> {
    let shape = a.values.shape().to_vec();
    let dtype = a.values.dtype();
    let no_loop = || {
        TaskError::new(format!(
            "TypeError: no native comparison of {}",
            dtype.name()
        ))
    };
    let choose = choice(dtype, largest, skip_nan).ok_or_else(no_loop)?;
    let sources = [&a.values, &a.positions, &b.values, &b.positions];
    let sources = sources.map(|array| Source::Array(array.clone())).to_vec();
    let second = run_program(&choose, sources, &shape)?;
    let pick = |x: NdArray, y: NdArray| -> Result<NdArray, TaskError> {
        let mut program = Program::new();
        let condition = program.input(DType::Bool);
        let inputs = [program.input(y.dtype()), program.input(x.dtype())];
        let output = program
            .apply(ElementOp::Where, &[condition, inputs[0], inputs[1]])
            .ok_or_else(no_loop)?;
        program.finish(output);
        let sources = vec![
            Source::Array(second.clone()),
            Source::Array(y),
            Source::Array(x),
        ];
        Ok(run_program(&program, sources, &shape)?)
    };
    Ok(ArrayPair {
        values: pick(a.values, b.values)?,
        positions: pick(a.positions, b.positions)?,
    })
}

/// Whether the second pair `(value, position)` is better than the first.
fn choice(dtype: DType, largest: bool, skip_nan: bool) -> Option<Program> {
    let find = ElementOp::find;
    let (and, or, not) = (
        find("logical_and")?,
        find("logical_or")?,
        find("logical_not")?,
    );
    let mut program = Program::new();
    let first = program.input(dtype);
    let first_at = program.input(DType::Int64);
    let second = program.input(dtype);
    let second_at = program.input(DType::Int64);
    let compare = find(if largest { "greater" } else { "less" })?;
    let extreme = program.apply(compare, &[second, first])?;
    let equal = program.apply(find("equal")?, &[second, first])?;
    let earlier = program.apply(find("less")?, &[second_at, first_at])?;
    let tie = program.apply(and, &[equal, earlier])?;
    let mut output: Register = program.apply(or, &[extreme, tie])?;
    if matches!(dtype, DType::Float32 | DType::Float64) {
        let isnan = find("isnan")?;
        let first_nan = program.apply(isnan, &[first])?;
        let second_nan = program.apply(isnan, &[second])?;
        let (winner, loser) = match skip_nan {
            true => (first_nan, second_nan),
            false => (second_nan, first_nan),
        };
        let other = program.apply(not, &[loser])?;
        let only = program.apply(and, &[winner, other])?;
        let both = program.apply(and, &[first_nan, second_nan])?;
        let both = program.apply(and, &[both, earlier])?;
        output = program.apply(or, &[output, only])?;
        output = program.apply(or, &[output, both])?;
    }
    program.finish(output);
    Some(program)
}

fn finish(step: &ReduceStep, value: ValueRef, keepdims: bool) -> Result<ValueRef, TaskError> {
    match &step.reduction {
        Reduction::Simple(_) => drop_axes(value, &step.axes, keepdims),
        Reduction::Position { skip_nan, .. } => {
            let pair = value.downcast_ref::<ArrayPair>();
            let pair = pair.ok_or_else(|| TaskError::new("a pair of arrays was expected"))?;
            if *skip_nan && has_nan(&pair.values)? {
                return Err(TaskError::new("ValueError: All-NaN slice encountered"));
            }
            drop_axes(Arc::new(pair.positions.clone()), &step.axes, keepdims)
        }
        Reduction::Moments {
            order,
            root,
            ddof,
            dtype,
            ..
        } => {
            let result = finish_moments(native(&value)?, *order, *root, *ddof, *dtype)?;
            drop_axes(Arc::new(result), &step.axes, keepdims)
        }
    }
}

fn has_nan(array: &NdArray) -> Result<bool, TaskError> {
    let mut program = Program::new();
    let input = program.input(array.dtype());
    let Some(output) = ElementOp::find("isnan").and_then(|op| program.apply(op, &[input])) else {
        return Ok(false);
    };
    program.finish(output);
    let shape = array.shape().to_vec();
    let flags = run_program(&program, vec![Source::Array(array.clone())], &shape)?;
    let flags = flags.view_as(DType::UInt8).map_err(array_error)?;
    let flags: &[u8] = flags.as_slice().map_err(array_error)?;
    Ok(flags.contains(&1))
}

fn finish_moments(
    moments: &NdArray,
    order: u8,
    root: bool,
    ddof: f64,
    dtype: DType,
) -> Result<NdArray, TaskError> {
    let no_loop = || TaskError::new("TypeError: no native loop for moments");
    let part = |number: isize| -> Result<NdArray, TaskError> {
        let mut index: Vec<AxisIndex> = vec![AxisIndex::At(number as usize)];
        index.extend(moments.shape()[1..].iter().map(|&length| AxisIndex::Range {
            start: 0,
            step: 1,
            length,
        }));
        moments.index(&index).map_err(array_error)
    };
    let mut program = Program::new();
    let count = program.input(DType::Float64);
    let value = program.input(DType::Float64);
    let zero = program.constant(Scalar::Float(0.0), DType::Float64);
    let mut output = if order == 1 {
        // No elements: 0 / 0 is NaN, as NumPy's mean of nothing.
        let one = program.constant(Scalar::Float(1.0), DType::Float64);
        let some = program.apply(ElementOp::Greater, &[count, zero]);
        let some = some.ok_or_else(no_loop)?;
        let nan = program.constant(Scalar::Float(f64::NAN), DType::Float64);
        let kept = program
            .apply(ElementOp::Multiply, &[value, one])
            .ok_or_else(no_loop)?;
        program.apply(ElementOp::Where, &[some, kept, nan])
    } else {
        let ddof = program.constant(Scalar::Float(ddof), DType::Float64);
        let freedom = program
            .apply(ElementOp::Subtract, &[count, ddof])
            .ok_or_else(no_loop)?;
        let freedom = program
            .apply(ElementOp::Maximum, &[freedom, zero])
            .ok_or_else(no_loop)?;
        let divide = ElementOp::find("true_divide").or(ElementOp::find("divide"));
        program.apply(divide.ok_or_else(no_loop)?, &[value, freedom])
    }
    .ok_or_else(no_loop)?;
    if root {
        let sqrt = ElementOp::find("sqrt").ok_or_else(no_loop)?;
        output = program.apply(sqrt, &[output]).ok_or_else(no_loop)?;
    }
    let output = program.cast(output, dtype);
    program.finish(output);
    let shape = moments.shape()[1..].to_vec();
    let sources = vec![
        Source::Array(part(0)?),
        Source::Array(part(if order == 1 { 1 } else { 2 })?),
    ];
    Ok(run_program(&program, sources, &shape)?)
}

fn drop_axes(value: ValueRef, axes: &[usize], keepdims: bool) -> Result<ValueRef, TaskError> {
    if keepdims {
        return Ok(value);
    }
    let shape = ops::shape(&value)?;
    let kept: Vec<usize> = (0..shape.len())
        .filter(|axis| !axes.contains(axis))
        .map(|axis| shape[axis])
        .collect();
    ops::reshape(&value, &kept)
}
