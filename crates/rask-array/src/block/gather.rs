//! A block out of pieces of other blocks: slices, lists of positions, rechunking, overlap.

use std::sync::Arc;

use rask_value::array::{AxisIndex, DType, NdArray, Scalar, contiguous_strides};
use rask_value::{TaskError, ValueRef};
use smallvec::SmallVec;

use super::ops::{self, as_native};
use super::parts::{BlockParts, part_of};
use crate::duck::{Picker, backend_for};
use crate::kernels::KernelError;
use crate::parting::pieces_of_parts;
use crate::selection::{Piece, Run};

/// A view that shows less than this part of its buffer is copied, to let go of the rest.
const VIEW_PART_MIN: usize = 4;

/// One axis of the block: its pieces, and among how many blocks they choose.
#[derive(Clone, Copy, Debug)]
pub struct Along<'a> {
    /// `None` is the whole of the only block.
    pub pieces: Option<&'a [Piece]>,
    pub blocks: usize,
}

impl Along<'_> {
    fn count(&self) -> usize {
        let pieces = self.pieces.unwrap_or_default();
        pieces.iter().map(|piece| piece.run.count() as usize).sum()
    }
}

pub(super) fn picker_of(run: &Run) -> Picker {
    match run {
        Run::Range { start, step, count } => Picker::Range {
            start: *start as usize,
            step: *step as isize,
            count: *count as usize,
        },
        Run::List(items) => Picker::List(items.iter().map(|&item| item as usize).collect()),
        Run::Fill { count } => Picker::Range {
            start: 0,
            step: 0,
            count: *count as usize,
        },
    }
}

/// Puts a block together. `inputs` are the blocks in row-major order of the axes' blocks.
pub fn gather(
    inputs: &[ValueRef],
    axes: &[Along<'_>],
    fill: &Scalar,
    dtype: Option<DType>,
) -> Result<ValueRef, TaskError> {
    let Some(first) = inputs.first() else {
        let shape: Vec<usize> = axes.iter().map(Along::count).collect();
        return Ok(Arc::new(filled(
            &shape,
            fill,
            dtype.unwrap_or(DType::Float64),
        )));
    };
    let shape = ops::shape(first)?;
    let pickers = axes
        .iter()
        .zip(&shape)
        .map(|(axis, &length)| match axis.pieces {
            None => Some(whole_picker(length)),
            Some([piece]) if piece.position != u32::MAX => Some(picker_of(&piece.run)),
            Some(_) => None,
        });
    let pickers: Option<Vec<Picker>> = pickers.collect();
    if let (Some(pickers), [only]) = (pickers, inputs) {
        return pick(only, &pickers);
    }
    match inputs.iter().map(as_native).collect::<Option<Vec<_>>>() {
        Some(arrays) => Ok(Arc::new(copy_pieces(&arrays, axes, fill)?)),
        None => join_foreign(inputs, axes, fill, &mut Vec::new()),
    }
}

/// Puts a block together from blocks that were cut for it and others, or from its parts of them.
pub fn assemble_parts(
    inputs: Vec<ValueRef>,
    axes: &[Along<'_>],
    (fill, dtype): (&Scalar, Option<DType>),
    number: u32,
) -> Result<ValueRef, TaskError> {
    let whole = |value: &ValueRef| value.downcast_ref::<BlockParts>()?.block().cloned();
    if let Some(blocks) = inputs.iter().map(whole).collect::<Option<Vec<_>>>() {
        return gather(&blocks, axes, fill, dtype);
    }
    let parts: Result<Vec<ValueRef>, TaskError> =
        inputs.iter().map(|value| part_of(value, number)).collect();
    let pieces: Vec<Option<Vec<Piece>>> = axes
        .iter()
        .map(|axis| axis.pieces.map(pieces_of_parts))
        .collect();
    let along = axes.iter().zip(&pieces).map(|(axis, pieces)| Along {
        pieces: pieces.as_deref(),
        blocks: axis.blocks,
    });
    let along: Vec<Along<'_>> = along.collect();
    gather(&parts?, &along, fill, dtype).map(let_go)
}

fn filled(shape: &[usize], fill: &Scalar, dtype: DType) -> NdArray {
    let element = fill.to_array(dtype);
    element
        .broadcast_to(shape)
        .map(|array| array.to_contiguous())
        .unwrap_or_else(|_| NdArray::zeros(dtype, shape))
}

/// All elements of an axis of this length.
pub fn whole_picker(length: usize) -> Picker {
    Picker::Range {
        start: 0,
        step: 1,
        count: length,
    }
}

/// The elements of one block that the pickers name. What is much less than the block does not keep
/// it alive.
pub fn pick(value: &ValueRef, pickers: &[Picker]) -> Result<ValueRef, TaskError> {
    let picked = view(value, pickers)?;
    match Arc::ptr_eq(&picked, value) {
        true => Ok(picked),
        false => Ok(let_go(picked)),
    }
}

/// A block that is a small part of the memory it keeps alive, copied.
pub fn let_go(value: ValueRef) -> ValueRef {
    let Some(array) = as_native(&value) else {
        return value;
    };
    let bytes = array.size() * array.dtype().itemsize();
    let kept = array.buffer().len();
    match array.buffer().is_ours() && bytes * VIEW_PART_MIN < kept {
        true => Arc::new(copy_of(array)),
        false => value,
    }
}

/// An array in memory of its own.
pub fn copy_of(array: &NdArray) -> NdArray {
    let mut copy = NdArray::new(array.dtype(), array.shape());
    let pickers: SmallVec<[Picker; 4]> = array.shape().iter().map(|&n| whole_picker(n)).collect();
    let corner: SmallVec<[usize; 4]> = SmallVec::from_elem(0, array.ndim());
    match write_part(&mut copy, array, &pickers, &corner) {
        Ok(()) => copy,
        Err(_) => array.to_contiguous(),
    }
}

/// The elements of one block that the pickers name; ranges share its memory.
pub fn view(value: &ValueRef, pickers: &[Picker]) -> Result<ValueRef, TaskError> {
    let Some(array) = as_native(value) else {
        return backend_for(value)?.pick(value, pickers);
    };
    let whole = pickers.iter().zip(array.shape()).all(|(picker, &length)| {
        matches!(picker, Picker::Range { start: 0, step: 1, count } if *count == length)
    });
    if whole {
        return Ok(value.clone());
    }
    if pickers.iter().any(|p| matches!(p, Picker::List(_))) {
        let shape: Vec<usize> = pickers.iter().map(Picker::count).collect();
        let mut target = NdArray::new(array.dtype(), &shape);
        write_part(&mut target, array, pickers, &vec![0; shape.len()])?;
        return Ok(Arc::new(target));
    }
    Ok(Arc::new(view_of(array, pickers)?))
}

fn view_of(array: &NdArray, pickers: &[Picker]) -> Result<NdArray, TaskError> {
    let index = pickers.iter().map(|picker| match picker {
        Picker::Range { start, step, count } => AxisIndex::Range {
            start: *start,
            step: *step,
            length: *count,
        },
        Picker::List(items) => AxisIndex::Range {
            start: items.first().copied().unwrap_or(0),
            step: 1,
            length: items.len().min(1),
        },
    });
    let index: SmallVec<[AxisIndex; 4]> = index.collect();
    array
        .index(&index)
        .map_err(|error| KernelError::from(error).into())
}

fn copy_pieces(
    arrays: &[&NdArray],
    axes: &[Along<'_>],
    fill: &Scalar,
) -> Result<NdArray, TaskError> {
    let dtype = arrays[0].dtype();
    let whole: Vec<[Piece; 1]> = arrays[0].shape().iter().map(|&n| [whole_of(n)]).collect();
    let axes: Vec<(&[Piece], usize)> = axes
        .iter()
        .zip(&whole)
        .map(|(axis, whole)| (axis.pieces.unwrap_or(whole), axis.blocks))
        .collect();
    let count = |pieces: &[Piece]| pieces.iter().map(|p| p.run.count() as usize).sum::<usize>();
    let shape: Vec<usize> = axes.iter().map(|(pieces, _)| count(pieces)).collect();
    let has_fill = |(pieces, _): &(&[Piece], usize)| pieces.iter().any(|p| p.position == u32::MAX);
    let mut target = match axes.iter().any(has_fill) {
        true => filled(&shape, fill, dtype),
        false => NdArray::new(dtype, &shape),
    };
    if shape.contains(&0) {
        return Ok(target);
    }
    let mut chosen = vec![0; axes.len()];
    loop {
        let pieces: Vec<&Piece> = axes.iter().zip(&chosen).map(|(a, &at)| &a.0[at]).collect();
        if pieces.iter().all(|piece| piece.position != u32::MAX) {
            let source = pieces.iter().zip(&axes).fold(0, |number, (piece, axis)| {
                number * axis.1 + piece.position as usize
            });
            let corner: Vec<usize> = axes
                .iter()
                .zip(&chosen)
                .map(|((pieces, _), &at)| count(&pieces[..at]))
                .collect();
            let pickers: Vec<Picker> = pieces.iter().map(|piece| picker_of(&piece.run)).collect();
            let missing = || TaskError::new("a block is missing among the inputs of a selection");
            let array = arrays.get(source).ok_or_else(missing)?;
            write_part(&mut target, array, &pickers, &corner)?;
        }
        if !advance(&mut chosen, &axes) {
            return Ok(target);
        }
    }
}

fn whole_of(length: usize) -> Piece {
    Piece {
        position: 0,
        run: Run::Range {
            start: 0,
            step: 1,
            count: length as u64,
        },
    }
}

fn advance(chosen: &mut [usize], axes: &[(&[Piece], usize)]) -> bool {
    for axis in (0..chosen.len()).rev() {
        chosen[axis] += 1;
        if chosen[axis] < axes[axis].0.len() {
            return true;
        }
        chosen[axis] = 0;
    }
    false
}

/// Writes the picked elements of `array` to the part of `target` that begins at `corner`.
pub(super) fn write_part(
    target: &mut NdArray,
    array: &NdArray,
    pickers: &[Picker],
    corner: &[usize],
) -> Result<(), TaskError> {
    let itemsize = array.dtype().itemsize();
    let strides = contiguous_strides(target.shape(), itemsize);
    let at: usize = corner
        .iter()
        .zip(&strides)
        .map(|(&i, &s)| i * s as usize)
        .sum();
    if pickers.iter().any(|picker| picker.count() == 0) {
        return Ok(());
    }
    let bytes = target
        .bytes_mut()
        .ok_or(KernelError::Shared)
        .map_err(TaskError::from)?;
    copy_axis(
        array.buffer().as_slice(),
        array.offset() as isize,
        (pickers, array.strides(), &strides),
        &mut bytes[at..],
        itemsize,
    );
    Ok(())
}

fn copy_axis(
    memory: &[u8],
    at: isize,
    (pickers, from, to): (&[Picker], &[isize], &[isize]),
    target: &mut [u8],
    itemsize: usize,
) {
    let ([picker, pickers @ ..], [step, from @ ..], [stride, to @ ..]) = (pickers, from, to) else {
        target[..itemsize].copy_from_slice(&memory[at as usize..at as usize + itemsize]);
        return;
    };
    match picker {
        Picker::Range {
            start,
            step: 1,
            count,
        } if pickers.is_empty() && *step == itemsize as isize => {
            let begin = (at + *start as isize * step) as usize;
            let bytes = count * itemsize;
            target[..bytes].copy_from_slice(&memory[begin..begin + bytes]);
        }
        Picker::Range {
            start,
            step: by,
            count,
        } => {
            for i in 0..*count {
                let source = at + (*start as isize + i as isize * by) * step;
                let part = &mut target[i * *stride as usize..];
                copy_axis(memory, source, (pickers, from, to), part, itemsize);
            }
        }
        Picker::List(items) => {
            for (i, &item) in items.iter().enumerate() {
                let source = at + item as isize * step;
                let part = &mut target[i * *stride as usize..];
                copy_axis(memory, source, (pickers, from, to), part, itemsize);
            }
        }
    }
}

/// The same for foreign blocks: concatenated axis by axis, the last one innermost.
fn join_foreign(
    inputs: &[ValueRef],
    axes: &[Along<'_>],
    fill: &Scalar,
    chosen: &mut Vec<Piece>,
) -> Result<ValueRef, TaskError> {
    let axis = chosen.len();
    if axis == axes.len() {
        return foreign_part(inputs, axes, fill, chosen);
    }
    let length = ops::shape(&inputs[0])?[axis];
    let whole = [whole_of(length)];
    let pieces = axes[axis].pieces.unwrap_or(&whole);
    let mut parts = Vec::with_capacity(pieces.len());
    for piece in pieces {
        chosen.push(piece.clone());
        parts.push(join_foreign(inputs, axes, fill, chosen)?);
        chosen.pop();
    }
    ops::concatenate(&parts, axis)
}

fn foreign_part(
    inputs: &[ValueRef],
    axes: &[Along<'_>],
    fill: &Scalar,
    chosen: &[Piece],
) -> Result<ValueRef, TaskError> {
    let pickers: Vec<Picker> = chosen.iter().map(|piece| picker_of(&piece.run)).collect();
    if chosen.iter().any(|piece| piece.position == u32::MAX) {
        let shape: Vec<usize> = pickers.iter().map(Picker::count).collect();
        return backend_for(&inputs[0])?.full(&inputs[0], &shape, fill);
    }
    let number = chosen.iter().zip(axes).fold(0, |number, (piece, axis)| {
        number * axis.blocks + piece.position as usize
    });
    pick(&inputs[number], &pickers)
}
