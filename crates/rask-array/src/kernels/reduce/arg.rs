//! Positions of extrema.

use rask_value::array::{DType, Element, NdArray};

use super::axes::Layout;
use crate::kernels::KernelError;

/// The extreme values along `axes` (all reduced axes as one, in row-major order) and their
/// positions, the first of equal ones; NaN counts as extreme, as in NumPy. With `skip_nan`, NaN
/// never does; rows of NaN alone give NaN at position 0.
pub fn arg_reduce(
    array: &NdArray,
    axes: &[usize],
    keepdims: bool,
    largest: bool,
    skip_nan: bool,
) -> Result<(NdArray, NdArray), KernelError> {
    let name = if largest { "argmax" } else { "argmin" };
    let layout = Layout::new(array, axes);
    if layout.row == 0 {
        return Err(KernelError::Empty { op: name });
    }
    let rows = layout.rows(array, axes)?;
    let shape = if keepdims {
        &layout.full_shape
    } else {
        &layout.kept_shape
    };
    macro_rules! typed {
        ($t:ty, $is_nan:expr) => {
            find::<$t>(&rows, layout.row, shape, largest, skip_nan, $is_nan)
        };
    }
    match array.dtype() {
        DType::Bool => {
            let bytes = rows.view_as(DType::UInt8)?;
            let (values, at) = find::<u8>(&bytes, layout.row, shape, largest, skip_nan, |_| false)?;
            Ok((values.view_as(DType::Bool)?, at))
        }
        DType::Int8 => typed!(i8, |_| false),
        DType::Int16 => typed!(i16, |_| false),
        DType::Int32 => typed!(i32, |_| false),
        DType::Int64 => typed!(i64, |_| false),
        DType::UInt8 => typed!(u8, |_| false),
        DType::UInt16 => typed!(u16, |_| false),
        DType::UInt32 => typed!(u32, |_| false),
        DType::UInt64 => typed!(u64, |_| false),
        DType::Float32 => typed!(f32, |x: f32| x.is_nan()),
        DType::Float64 => typed!(f64, |x: f64| x.is_nan()),
        dtype => Err(KernelError::NoLoop { op: name, dtype }),
    }
}

fn find<T: Element + PartialOrd>(
    rows: &NdArray,
    row: usize,
    shape: &[usize],
    largest: bool,
    skip_nan: bool,
    is_nan: impl Fn(T) -> bool,
) -> Result<(NdArray, NdArray), KernelError> {
    let items: &[T] = rows.as_slice()?;
    let mut values = Vec::with_capacity(items.len() / row);
    let mut positions = Vec::with_capacity(items.len() / row);
    for row in items.chunks_exact(row) {
        let mut best = 0;
        for (position, &item) in row.iter().enumerate().skip(1) {
            let (known, found) = (is_nan(row[best]), is_nan(item));
            let better = match (known, found) {
                (true, false) => skip_nan,
                (false, true) => !skip_nan,
                (true, true) => false,
                (false, false) if largest => item > row[best],
                (false, false) => item < row[best],
            };
            if better {
                best = position;
            }
        }
        values.push(row[best]);
        positions.push(best as i64);
    }
    Ok((
        NdArray::from_slice(&values, shape)?,
        NdArray::from_slice(&positions, shape)?,
    ))
}
