//! Running sums and products along an axis.

use num_complex::Complex;
use rask_value::array::{DType, Element, NdArray, contiguous_strides};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::kernels::KernelError;

/// What is accumulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CumulativeOp {
    Sum,
    Prod,
}

/// Running sums or products along `axis`; the dtype is kept, so cast integers to 64 bits first, as
/// NumPy does.
pub fn cumulate(array: &NdArray, op: CumulativeOp, axis: usize) -> Result<NdArray, KernelError> {
    macro_rules! typed {
        ($t:ty, $add:expr, $multiply:expr) => {
            match op {
                CumulativeOp::Sum => scan::<$t>(array, axis, $add),
                CumulativeOp::Prod => scan::<$t>(array, axis, $multiply),
            }
        };
    }
    match array.dtype() {
        DType::Int64 => typed!(i64, i64::wrapping_add, i64::wrapping_mul),
        DType::UInt64 => typed!(u64, u64::wrapping_add, u64::wrapping_mul),
        DType::Float32 => typed!(f32, |a, b| a + b, |a, b| a * b),
        DType::Float64 => typed!(f64, |a, b| a + b, |a, b| a * b),
        DType::Complex64 => typed!(Complex<f32>, |a, b| a + b, |a, b| a * b),
        DType::Complex128 => typed!(Complex<f64>, |a, b| a + b, |a, b| a * b),
        dtype => Err(KernelError::NoLoop {
            op: "cumulative",
            dtype,
        }),
    }
}

fn scan<T: Element>(
    array: &NdArray,
    axis: usize,
    join: impl Fn(T, T) -> T,
) -> Result<NdArray, KernelError> {
    let source = array.to_contiguous();
    let mut out = NdArray::new(array.dtype(), array.shape());
    out.bytes_mut()
        .ok_or(KernelError::Shared)?
        .copy_from_slice(source.bytes().unwrap_or_default());
    let strides: SmallVec<[isize; 4]> = contiguous_strides(array.shape(), 1);
    let (stride, length) = (strides[axis] as usize, array.shape()[axis]);
    let items: &mut [T] = out.as_mut_slice()?;
    for plane in items.chunks_exact_mut((stride * length).max(1)) {
        for i in stride..plane.len() {
            plane[i] = join(plane[i - stride], plane[i]);
        }
    }
    Ok(out)
}
