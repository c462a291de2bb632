//! Operations on one block or a few: native where all of them are, else by the foreign backend.

use std::sync::Arc;

use rask_value::array::{ArrayError, NdArray};
use rask_value::{TaskError, ValueRef};

use super::gather::write_part;
use crate::duck::{Picker, backend_for};
use crate::kernels::KernelError;
use crate::kernels::reduce::{self, ReduceOp};

/// The value as a native array, if it is one.
pub fn as_native(value: &ValueRef) -> Option<&NdArray> {
    value.downcast_ref::<NdArray>()
}

pub(super) fn array_error(error: ArrayError) -> TaskError {
    KernelError::from(error).into()
}

/// Lengths of a block's axes.
pub fn shape(value: &ValueRef) -> Result<Vec<usize>, TaskError> {
    match as_native(value) {
        Some(array) => Ok(array.shape().to_vec()),
        None => backend_for(value)?.shape(value),
    }
}

/// Blocks one after the other.
pub fn concatenate(values: &[ValueRef], axis: usize) -> Result<ValueRef, TaskError> {
    if let [only] = values {
        return Ok(only.clone());
    }
    let native: Option<Vec<&NdArray>> = values.iter().map(as_native).collect();
    let same = |arrays: &Vec<&NdArray>| arrays.iter().all(|a| a.dtype() == arrays[0].dtype());
    let Some(arrays) = native.filter(|arrays| !arrays.is_empty() && same(arrays)) else {
        let foreign = values.iter().find(|value| as_native(value).is_none());
        let Some(value) = foreign.or(values.first()) else {
            return Err(TaskError::new(
                "ValueError: need at least one array to concatenate",
            ));
        };
        return backend_for(value)?.concatenate(values, axis);
    };
    let mut shape = arrays[0].shape().to_vec();
    shape[axis] = arrays.iter().map(|array| array.shape()[axis]).sum();
    let mut target = NdArray::new(arrays[0].dtype(), &shape);
    let mut corner = vec![0; shape.len()];
    for array in arrays {
        let fits = |(at, (a, b)): (usize, (&usize, &usize))| at == axis || a == b;
        let alike =
            array.ndim() == shape.len() && array.shape().iter().zip(&shape).enumerate().all(fits);
        if !alike {
            return Err(TaskError::new(
                "ValueError: all the input array dimensions except for the concatenation axis must match exactly",
            ));
        }
        let pickers: Vec<Picker> = array
            .shape()
            .iter()
            .map(|&count| Picker::Range {
                start: 0,
                step: 1,
                count,
            })
            .collect();
        write_part(&mut target, array, &pickers, &corner)?;
        corner[axis] += array.shape()[axis];
    }
    Ok(Arc::new(target))
}

/// The block in another shape.
pub fn reshape(value: &ValueRef, shape: &[usize]) -> Result<ValueRef, TaskError> {
    match as_native(value) {
        Some(array) if array.shape() == shape => Ok(value.clone()),
        Some(array) => Ok(Arc::new(array.reshape(shape).map_err(array_error)?)),
        None => backend_for(value)?.reshape(value, shape),
    }
}

/// The block with its axes in another order.
pub fn transpose(value: &ValueRef, axes: &[usize]) -> Result<ValueRef, TaskError> {
    if axes.iter().enumerate().all(|(at, &axis)| at == axis) {
        return Ok(value.clone());
    }
    match as_native(value) {
        Some(array) => Ok(Arc::new(array.transpose(axes).map_err(array_error)?)),
        None => backend_for(value)?.transpose(value, axes),
    }
}

/// The block stretched.
pub fn broadcast_to(value: &ValueRef, shape: &[usize]) -> Result<ValueRef, TaskError> {
    match as_native(value) {
        Some(array) if array.shape() == shape => Ok(value.clone()),
        Some(array) => Ok(Arc::new(array.broadcast_to(shape).map_err(array_error)?)),
        None => backend_for(value)?.broadcast_to(value, shape),
    }
}

/// Axes in another order, dropped (of length one) or new.
pub fn view(value: &ValueRef, axes: &[Option<usize>]) -> Result<ValueRef, TaskError> {
    let old = shape(value)?;
    let kept: Vec<usize> = axes.iter().flatten().copied().collect();
    let dropped = (0..old.len()).filter(|axis| !kept.contains(axis));
    let order: Vec<usize> = kept.iter().copied().chain(dropped).collect();
    let turned = transpose(value, &order)?;
    let new: Vec<usize> = axes.iter().map(|axis| axis.map_or(1, |a| old[a])).collect();
    reshape(&turned, &new)
}

/// A reduction of one block.
pub fn reduce(
    value: &ValueRef,
    op: ReduceOp,
    axes: &[usize],
    keepdims: bool,
) -> Result<ValueRef, TaskError> {
    match as_native(value) {
        Some(array) => Ok(Arc::new(reduce::reduce(array, op, axes, keepdims)?)),
        None => backend_for(value)?.reduce(value, op, axes, keepdims),
    }
}

/// One array of all blocks of a grid, in row-major order. A single block is not copied.
pub fn assemble(blocks: &[ValueRef], grid: &[u32]) -> Result<ValueRef, TaskError> {
    if let [only] = blocks {
        return Ok(only.clone());
    }
    let native: Option<Vec<&NdArray>> = blocks.iter().map(as_native).collect();
    match native {
        Some(arrays) if !arrays.is_empty() => assemble_native(&arrays, grid),
        _ => join_axis(blocks, grid, 0),
    }
}

fn assemble_native(arrays: &[&NdArray], grid: &[u32]) -> Result<ValueRef, TaskError> {
    let weight = |axis: usize| grid[axis + 1..].iter().product::<u32>() as usize;
    let starts: Vec<Vec<usize>> = (0..grid.len())
        .map(|axis| {
            let mut at = 0;
            let mut starts = vec![0];
            for block in 0..grid[axis] as usize {
                at += arrays[block * weight(axis)].shape()[axis];
                starts.push(at);
            }
            starts
        })
        .collect();
    let shape: Vec<usize> = starts.iter().map(|s| s[s.len() - 1]).collect();
    let mut target = NdArray::new(arrays[0].dtype(), &shape);
    for (number, array) in arrays.iter().enumerate() {
        let corner: Vec<usize> = (0..grid.len())
            .map(|axis| starts[axis][number / weight(axis) % grid[axis] as usize])
            .collect();
        let pickers: Vec<Picker> = array
            .shape()
            .iter()
            .map(|&count| Picker::Range {
                start: 0,
                step: 1,
                count,
            })
            .collect();
        if array.dtype() != arrays[0].dtype() {
            return Err(TaskError::new(format!(
                "TypeError: blocks are of different dtypes: {} and {}",
                arrays[0].dtype().name(),
                array.dtype().name()
            )));
        }
        write_part(&mut target, array, &pickers, &corner)?;
    }
    Ok(Arc::new(target))
}

fn join_axis(blocks: &[ValueRef], grid: &[u32], axis: usize) -> Result<ValueRef, TaskError> {
    let Some((&count, rest)) = grid.split_first() else {
        return Ok(blocks[0].clone());
    };
    let each = rest.iter().product::<u32>() as usize;
    let parts: Vec<ValueRef> = (0..count as usize)
        .map(|at| join_axis(&blocks[at * each..(at + 1) * each], rest, axis + 1))
        .collect::<Result<_, _>>()?;
    concatenate(&parts, axis)
}
