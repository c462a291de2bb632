//! Blocks that depend on where they are, and blocks as callables take them.

use std::sync::Arc;

use rask_value::array::{DType, NdArray, Scalar};
use rask_value::{TaskError, ValueRef};

use super::gather::pick;
use super::ops;
use crate::duck::Picker;
use crate::opaque::{Nested, Region};

/// Blocks as a callable takes them: nested lists along `axes`, or concatenated along them.
pub(super) fn nest(
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

pub(super) fn region_of(
    view: &[Region],
    shapes: &super::BlockShapes,
    coords: &[u32],
) -> Vec<Region> {
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

pub(super) fn last(block: &ValueRef, axis: usize) -> Result<ValueRef, TaskError> {
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

pub(super) fn eye(k: i64, dtype: DType, axes: &[super::GeneratorAxis], coords: &[u32]) -> ValueRef {
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
