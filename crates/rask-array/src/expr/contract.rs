//! Sums of products: `tensordot` and `matmul`.

use std::sync::Arc;

use rask_value::array::{DType, promote};

use super::{ArrayExpr, Kind, Operands};
use crate::chunks::{Chunks, Sizes, axis_length, unify_axis};
use crate::error::{ArrayPlanError, shape_text};
use crate::kernels::linalg::has_matmul;

type Result<T> = std::result::Result<T, ArrayPlanError>;

impl ArrayExpr {
    /// The sum of products over pairs of axes; `None` where there is no native form.
    ///
    /// # Errors
    /// Axes that are not there or of different lengths.
    pub fn tensordot(
        a: &ArrayExpr,
        b: &ArrayExpr,
        axes_a: &[usize],
        axes_b: &[usize],
    ) -> Result<Option<Self>> {
        axes_a.iter().try_for_each(|&axis| a.check_axis(axis))?;
        axes_b.iter().try_for_each(|&axis| b.check_axis(axis))?;
        let mismatch = || {
            ArrayPlanError::Value(format!(
                "shape-mismatch for sum: shapes {} and {}",
                shape_text(&a.shape()),
                shape_text(&b.shape())
            ))
        };
        let (shape_a, shape_b) = (a.shape(), b.shape());
        let differ = |(&x, &y): (&usize, &usize)| {
            let (x, y) = (shape_a[x], shape_b[y]);
            x >= 0 && y >= 0 && x != y
        };
        if axes_a.len() != axes_b.len() || axes_a.iter().zip(axes_b).any(differ) {
            return Err(mismatch());
        }
        let free = |array: &ArrayExpr, summed: &[usize]| -> Vec<usize> {
            (0..array.ndim())
                .filter(|axis| !summed.contains(axis))
                .collect()
        };
        let (rows, columns) = (free(a, axes_a), free(b, axes_b));
        let order_a: Vec<usize> = rows.iter().chain(axes_a).copied().collect();
        let order_b: Vec<usize> = axes_b.iter().chain(&columns).copied().collect();
        let (a, b) = (a.transpose(&order_a)?, b.transpose(&order_b)?);
        Self::contract(
            "tensordot",
            &a,
            &b,
            [0, rows.len(), axes_a.len(), columns.len()],
        )
    }

    /// The matrix product, of stacks too; `None` where there is no native form.
    ///
    /// # Errors
    /// Zero-dimensional operands, shapes that do not match.
    pub fn matmul(a: &ArrayExpr, b: &ArrayExpr) -> Result<Option<Self>> {
        if a.ndim() == 0 || b.ndim() == 0 {
            return Err(ArrayPlanError::Value(
                "matmul: Input operand does not have enough dimensions".into(),
            ));
        }
        let (inner_a, inner_b) = (a.ndim() - 1, b.ndim().saturating_sub(2));
        let (x, y) = (a.shape()[inner_a], b.shape()[inner_b]);
        if x >= 0 && y >= 0 && x != y {
            return Err(ArrayPlanError::Value(format!(
                "matmul: Input operand 1 has a mismatch in its core dimension 0, shapes {} and {} (size {y} is different from {x})",
                shape_text(&a.shape()),
                shape_text(&b.shape())
            )));
        }
        let batch = a.ndim().saturating_sub(2).max(b.ndim().saturating_sub(2));
        let grow = |array: &ArrayExpr| {
            let own = array.ndim().saturating_sub(2);
            let mut axes: Vec<Option<usize>> = vec![None; batch - own];
            axes.extend((0..array.ndim()).map(Some));
            array.view_axes("expand", axes)
        };
        let sizes = [
            batch,
            usize::from(a.ndim() > 1),
            1,
            usize::from(b.ndim() > 1),
        ];
        Self::contract("matmul", &grow(a), &grow(b), sizes)
    }

    fn contract(
        name: &str,
        a: &ArrayExpr,
        b: &ArrayExpr,
        [batch, rows, inner, columns]: [usize; 4],
    ) -> Result<Option<Self>> {
        let dtypes = (a.native(), b.native());
        let dtype: Option<DType> = match dtypes {
            (Some(x), Some(y)) => promote(x, y),
            _ => None,
        };
        let Some(dtype) = dtype.filter(|&dtype| has_matmul(dtype)) else {
            return Ok(None);
        };
        let (Some(a), Some(b)) = (a.astype(dtype)?, b.astype(dtype)?) else {
            return Ok(None);
        };
        let (mut chunks_a, mut chunks_b) = (a.chunks().to_vec(), b.chunks().to_vec());
        let mut output: Chunks = Vec::with_capacity(batch + rows + columns);
        for axis in 0..batch {
            output.push(unify_stack(&mut chunks_a[axis], &mut chunks_b[axis])?);
        }
        for at in 0..inner {
            let (x, y) = (&mut chunks_a[batch + rows + at], &mut chunks_b[batch + at]);
            let common = unify_axis(&[&x.clone(), &y.clone()])?;
            *x = common.clone();
            *y = common;
        }
        output.extend_from_slice(&chunks_a[batch..batch + rows]);
        output.extend_from_slice(&chunks_b[batch + inner..]);
        let inputs = Operands::from_iter([a.rechunk(chunks_a)?, b.rechunk(chunks_b)?]);
        let kind = Kind::Contract {
            batch,
            rows,
            inner,
            columns,
        };
        let parameters = (batch, rows, inner, columns);
        Ok(Some(Self::new(
            name,
            &parameters,
            kind,
            inputs,
            output,
            dtype.into(),
        )))
    }
}

fn unify_stack(a: &mut Sizes, b: &mut Sizes) -> Result<Sizes> {
    let (x, y) = (axis_length(a), axis_length(b));
    if x == 1 && y != 1 {
        return Ok(b.clone());
    }
    if y == 1 && x != 1 {
        return Ok(a.clone());
    }
    if x >= 0 && y >= 0 && x != y {
        return Err(ArrayPlanError::Value(format!(
            "matmul: stacks of {x} and {y} matrices do not broadcast"
        )));
    }
    let common = unify_axis(&[&a.clone(), &b.clone()])?;
    *a = common.clone();
    *b = common.clone();
    Ok(Arc::clone(&common))
}
