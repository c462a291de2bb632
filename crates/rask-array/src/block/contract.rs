//! Sums of products of blocks.

use std::sync::Arc;

use rask_value::array::NdArray;
use rask_value::{TaskError, ValueRef};

use super::elementwise::broadcast;
use super::ops::{array_error, as_native};
use crate::kernels::linalg::{matmul, matmul_into};

/// How many axes of each role: `[batch…, rows…, inner…]` by `[batch…, inner…, columns…]`.
#[derive(Clone, Copy, Debug)]
pub struct Axes {
    pub batch: usize,
    pub rows: usize,
    pub inner: usize,
}

/// The sum over pairs of blocks of their products.
pub fn sum_of_products(a: &[ValueRef], b: &[ValueRef], axes: Axes) -> Result<ValueRef, TaskError> {
    let mut total: Option<NdArray> = None;
    let mut shape = Vec::new();
    for (a, b) in a.iter().zip(b) {
        let (Some(a), Some(b)) = (as_native(a), as_native(b)) else {
            return Err(TaskError::new(
                "TypeError: a block of a native product is a foreign array",
            ));
        };
        let split = Split::new(a, b, axes)?;
        let (a, b) = split.flat(a, b)?;
        match &mut total {
            None => {
                total = Some(matmul(&a, &b)?);
                shape = split.output;
            }
            Some(total) => matmul_into(&a, &b, total)?,
        }
    }
    let total = total.ok_or_else(|| TaskError::new("ValueError: a product of no blocks"))?;
    Ok(Arc::new(total.reshape(&shape).map_err(array_error)?))
}

struct Split {
    batch: Vec<usize>,
    rows: usize,
    inner: usize,
    columns: usize,
    output: Vec<usize>,
    axes: Axes,
}

impl Split {
    fn new(a: &NdArray, b: &NdArray, axes: Axes) -> Result<Self, TaskError> {
        let (sa, sb) = (a.shape(), b.shape());
        let batch = broadcast(&[&sa[..axes.batch], &sb[..axes.batch]])?;
        let rows = &sa[axes.batch..axes.batch + axes.rows];
        let inner = &sa[axes.batch + axes.rows..];
        let other = &sb[axes.batch..axes.batch + axes.inner];
        let columns = &sb[axes.batch + axes.inner..];
        if inner != other {
            return Err(TaskError::new(format!(
                "ValueError: shapes {sa:?} and {sb:?} do not match in the summed axes"
            )));
        }
        let mut output = batch.clone();
        output.extend_from_slice(rows);
        output.extend_from_slice(columns);
        Ok(Split {
            rows: rows.iter().product(),
            inner: inner.iter().product(),
            columns: columns.iter().product(),
            batch,
            output,
            axes,
        })
    }

    /// Both as stacks of matrices.
    fn flat(&self, a: &NdArray, b: &NdArray) -> Result<(NdArray, NdArray), TaskError> {
        let stack = self.batch.iter().product::<usize>();
        let spread = |array: &NdArray, last: [usize; 2]| -> Result<NdArray, TaskError> {
            let mut shape = self.batch.clone();
            shape.extend_from_slice(&array.shape()[self.axes.batch..]);
            let spread = array.broadcast_to(&shape).map_err(array_error)?;
            let flat = spread.reshape(&[stack, last[0], last[1]]);
            flat.map_err(array_error)
        };
        Ok((
            spread(a, [self.rows, self.inner])?,
            spread(b, [self.inner, self.columns])?,
        ))
    }
}
