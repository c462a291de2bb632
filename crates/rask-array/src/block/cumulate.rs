//! Running sums and products over blocks.

use std::sync::Arc;

use rask_value::array::NdArray;
use rask_value::{TaskError, ValueRef};

use super::elementwise::broadcast;
use super::ops::as_native;
use crate::kernels::elementwise::{ElementOp, Program, Source, run};
use crate::kernels::reduce::{CumulativeOp, cumulate};

fn native(value: &ValueRef) -> Result<&NdArray, TaskError> {
    as_native(value).ok_or_else(|| {
        TaskError::new(format!(
            "TypeError: a block is of type {} and not the native array that was declared",
            value.type_name()
        ))
    })
}

/// Inside one block.
pub fn inside(block: &ValueRef, op: CumulativeOp, axis: usize) -> Result<ValueRef, TaskError> {
    Ok(Arc::new(cumulate(native(block)?, op, axis)?))
}

/// The block with what comes before it: the last slices of the blocks before, all of them.
pub fn carry(
    block: ValueRef,
    before: Vec<ValueRef>,
    op: CumulativeOp,
) -> Result<ValueRef, TaskError> {
    let op = match op {
        CumulativeOp::Sum => ElementOp::Add,
        CumulativeOp::Prod => ElementOp::Multiply,
    };
    let mut before = before
        .into_iter()
        .filter(|value| as_native(value).is_none_or(|array| array.size() > 0));
    let Some(mut total) = before.next() else {
        return Ok(block);
    };
    for value in before {
        total = combine(op, &total, &value)?;
    }
    combine(op, &total, &block)
}

fn combine(op: ElementOp, a: &ValueRef, b: &ValueRef) -> Result<ValueRef, TaskError> {
    let (a, b) = (native(a)?, native(b)?);
    let mut program = Program::new();
    let inputs = [program.input(a.dtype()), program.input(b.dtype())];
    let output = program.apply(op, &inputs);
    let output = output.ok_or_else(|| TaskError::new("TypeError: no native loop"))?;
    program.finish(output);
    let shape = broadcast(&[a.shape(), b.shape()])?;
    let sources = vec![Source::Array(a.clone()), Source::Array(b.clone())];
    Ok(Arc::new(run(&program, sources, &shape)?))
}
