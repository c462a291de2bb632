//! Products of stacks of matrices.

use num_complex::Complex;
use rask_value::array::{DType, Element, NdArray};

use super::KernelError;

/// `[stack, rows, inner]` by `[stack, inner, columns]`, both of one dtype.
///
/// # Errors
/// A dtype without a native loop (booleans, half floats, datetimes).
pub fn matmul(a: &NdArray, b: &NdArray) -> Result<NdArray, KernelError> {
    let shape = [a.shape()[0], a.shape()[1], b.shape()[2]];
    let mut out = NdArray::zeros(a.dtype(), &shape);
    matmul_into(a, b, &mut out)?;
    Ok(out)
}

/// Whether [`matmul`] has a native loop for a dtype.
pub fn has_matmul(dtype: DType) -> bool {
    use DType::*;
    matches!(
        dtype,
        Float32
            | Float64
            | Complex64
            | Complex128
            | Int8
            | Int16
            | Int32
            | Int64
            | UInt8
            | UInt16
            | UInt32
            | UInt64
    )
}

/// Adds the product to `out`.
pub fn matmul_into(a: &NdArray, b: &NdArray, out: &mut NdArray) -> Result<(), KernelError> {
    let dtype = a.dtype();
    match dtype {
        DType::Float32 => multiply::<f32>(a, b, out, 1.0),
        DType::Float64 => multiply::<f64>(a, b, out, 1.0),
        DType::Complex64 => multiply::<Complex<f32>>(a, b, out, Complex::new(1.0, 0.0)),
        DType::Complex128 => multiply::<Complex<f64>>(a, b, out, Complex::new(1.0, 0.0)),
        DType::Int8 => integers::<i8>(a, b, out, |s, x, y| s.wrapping_add(x.wrapping_mul(y))),
        DType::Int16 => integers::<i16>(a, b, out, |s, x, y| s.wrapping_add(x.wrapping_mul(y))),
        DType::Int32 => integers::<i32>(a, b, out, |s, x, y| s.wrapping_add(x.wrapping_mul(y))),
        DType::Int64 => integers::<i64>(a, b, out, |s, x, y| s.wrapping_add(x.wrapping_mul(y))),
        DType::UInt8 => integers::<u8>(a, b, out, |s, x, y| s.wrapping_add(x.wrapping_mul(y))),
        DType::UInt16 => integers::<u16>(a, b, out, |s, x, y| s.wrapping_add(x.wrapping_mul(y))),
        DType::UInt32 => integers::<u32>(a, b, out, |s, x, y| s.wrapping_add(x.wrapping_mul(y))),
        DType::UInt64 => integers::<u64>(a, b, out, |s, x, y| s.wrapping_add(x.wrapping_mul(y))),
        dtype => Err(KernelError::NoLoop {
            op: "matmul",
            dtype,
        }),
    }
}

fn multiply<T: Element + Copy + 'static>(
    a: &NdArray,
    b: &NdArray,
    out: &mut NdArray,
    one: T,
) -> Result<(), KernelError> {
    let (a, b) = (a.to_contiguous(), b.to_contiguous());
    let (rows, inner, columns) = (a.shape()[1], a.shape()[2], b.shape()[2]);
    let (left, right): (&[T], &[T]) = (a.as_slice()?, b.as_slice()?);
    let target: &mut [T] = out.as_mut_slice()?;
    if rows == 0 || inner == 0 || columns == 0 {
        return Ok(());
    }
    let stacks = left
        .chunks_exact(rows * inner)
        .zip(right.chunks_exact(inner * columns));
    for ((left, right), target) in stacks.zip(target.chunks_exact_mut(rows * columns)) {
        // SAFETY: the three slices are row-major matrices of exactly these shapes, and the target
        // does not overlap the others, being borrowed mutably.
        unsafe {
            gemm::gemm(
                rows,
                columns,
                inner,
                target.as_mut_ptr(),
                1,
                columns as isize,
                true,
                left.as_ptr(),
                1,
                inner as isize,
                right.as_ptr(),
                1,
                columns as isize,
                one,
                one,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
    Ok(())
}

fn integers<T: Element + Copy>(
    a: &NdArray,
    b: &NdArray,
    out: &mut NdArray,
    add: impl Fn(T, T, T) -> T,
) -> Result<(), KernelError> {
    let (a, b) = (a.to_contiguous(), b.to_contiguous());
    let (rows, inner, columns) = (a.shape()[1], a.shape()[2], b.shape()[2]);
    let (left, right): (&[T], &[T]) = (a.as_slice()?, b.as_slice()?);
    let target: &mut [T] = out.as_mut_slice()?;
    if rows == 0 || inner == 0 || columns == 0 {
        return Ok(());
    }
    for (number, row) in target.chunks_exact_mut(columns).enumerate() {
        let stack = number / rows;
        let factors = &left[number * inner..(number + 1) * inner];
        for (at, &factor) in factors.iter().enumerate() {
            let from = (stack * inner + at) * columns;
            for (sum, &item) in row.iter_mut().zip(&right[from..from + columns]) {
                *sum = add(*sum, factor, item);
            }
        }
    }
    Ok(())
}
