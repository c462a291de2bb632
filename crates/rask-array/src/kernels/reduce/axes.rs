//! Reducing along some of the axes.

use rask_value::array::{DType, NdArray, Shape};
use smallvec::SmallVec;

use super::fold::{fold_columns, fold_rows};
use super::op::ReduceOp;
use crate::kernels::KernelError;

/// Reduces `array` along `axes` (sorted, distinct); reduced axes stay with length one if
/// `keepdims`.
///
/// Sums of a contiguous run are pairwise, as NumPy's.
///
/// # Errors
/// Extrema of no elements, and dtypes without a native loop.
pub fn reduce(
    array: &NdArray,
    op: ReduceOp,
    axes: &[usize],
    keepdims: bool,
) -> Result<NdArray, KernelError> {
    let no_loop = KernelError::NoLoop {
        op: op.name(),
        dtype: array.dtype(),
    };
    let output = op.output(array.dtype()).ok_or(no_loop)?;
    let layout = Layout::new(array, axes);
    let mut out = NdArray::new(output, &layout.kept_shape);
    if layout.row == 0 && out.size() > 0 {
        let identity = identity_of(op, output).ok_or(KernelError::Empty { op: op.name() })?;
        out = identity.broadcast_to(&layout.kept_shape)?.to_contiguous();
    } else if out.size() > 0 {
        fold(array, op, &layout, &mut out)?;
    }
    let shape = if keepdims {
        layout.full_shape
    } else {
        layout.kept_shape
    };
    Ok(out.reshape(&shape)?)
}

/// An array seen as kept axes and reduced axes.
pub(super) struct Layout {
    pub kept: SmallVec<[usize; 4]>,
    pub kept_shape: Shape,
    /// The kept shape with ones for the reduced axes.
    pub full_shape: Shape,
    /// Elements that are reduced to one.
    pub row: usize,
}

impl Layout {
    pub(super) fn new(array: &NdArray, axes: &[usize]) -> Self {
        let kept: SmallVec<[usize; 4]> = (0..array.ndim())
            .filter(|axis| !axes.contains(axis))
            .collect();
        let kept_shape = kept.iter().map(|&axis| array.shape()[axis]).collect();
        let full_shape = (0..array.ndim())
            .map(|axis| {
                if axes.contains(&axis) {
                    1
                } else {
                    array.shape()[axis]
                }
            })
            .collect();
        let row = axes.iter().map(|&axis| array.shape()[axis]).product();
        Layout {
            kept,
            kept_shape,
            full_shape,
            row,
        }
    }

    /// The array with the reduced axes last, in row-major order: a copy unless they are already.
    pub(super) fn rows(&self, array: &NdArray, axes: &[usize]) -> Result<NdArray, KernelError> {
        let order: SmallVec<[usize; 8]> = self.kept.iter().chain(axes).copied().collect();
        Ok(array.transpose(&order)?.to_contiguous())
    }
}

fn fold(
    array: &NdArray,
    op: ReduceOp,
    layout: &Layout,
    out: &mut NdArray,
) -> Result<(), KernelError> {
    let dtype = array.dtype();
    let axes: SmallVec<[usize; 4]> = (0..array.ndim())
        .filter(|axis| !layout.kept.contains(axis))
        .collect();
    let leading = axes
        .iter()
        .enumerate()
        .all(|(position, &axis)| position == axis);
    let wide_enough = out.size() >= 8;
    if leading && wide_enough && array.is_contiguous() && !axes.is_empty() {
        let columns = out.size() * dtype.itemsize();
        let whole = array.to_contiguous();
        let bytes = whole.bytes().unwrap_or_default();
        let (first, rest) = bytes.split_at(columns);
        let target = out.bytes_mut().ok_or(KernelError::Shared)?;
        fold_rows(op, dtype, first, 1, target);
        fold_columns(op, dtype, rest, target);
        return Ok(());
    }
    let rows = layout.rows(array, &axes)?;
    let target = out.bytes_mut().ok_or(KernelError::Shared)?;
    fold_rows(
        op,
        dtype,
        rows.bytes().unwrap_or_default(),
        layout.row,
        target,
    );
    Ok(())
}

/// The result of reducing nothing.
pub(super) fn identity_of(op: ReduceOp, output: DType) -> Option<NdArray> {
    use rask_value::array::Scalar;
    let value = match op {
        ReduceOp::Sum | ReduceOp::CountNonzero => Scalar::Int(0),
        ReduceOp::Prod => Scalar::Int(1),
        ReduceOp::Any => Scalar::Bool(false),
        ReduceOp::All => Scalar::Bool(true),
        _ => return None,
    };
    Some(value.to_array(output))
}
