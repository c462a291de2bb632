//! Folding a run of elements to one, and rows into rows.

use num_complex::Complex;
use rask_value::array::{DType, Element};

use super::op::ReduceOp;

/// Folds each row of `row` elements to one element of the output.
pub fn fold_rows(op: ReduceOp, dtype: DType, input: &[u8], row: usize, out: &mut [u8]) {
    dispatch(op, dtype, Fold::Rows { input, row, out });
}

/// Folds `input`, rows of as many elements as `out` has, into `out`, which holds earlier results.
pub fn fold_columns(op: ReduceOp, dtype: DType, input: &[u8], out: &mut [u8]) {
    dispatch(op, dtype, Fold::Columns { input, out });
}

enum Fold<'a> {
    Rows {
        input: &'a [u8],
        row: usize,
        out: &'a mut [u8],
    },
    Columns {
        input: &'a [u8],
        out: &'a mut [u8],
    },
}

fn dispatch(op: ReduceOp, dtype: DType, fold: Fold<'_>) {
    match dtype {
        DType::Bool | DType::UInt8 => integers::<u8>(op, dtype, fold),
        DType::Int8 => integers::<i8>(op, dtype, fold),
        DType::Int16 => integers::<i16>(op, dtype, fold),
        DType::Int32 => integers::<i32>(op, dtype, fold),
        DType::Int64 => integers::<i64>(op, dtype, fold),
        DType::UInt16 => integers::<u16>(op, dtype, fold),
        DType::UInt32 => integers::<u32>(op, dtype, fold),
        DType::UInt64 => integers::<u64>(op, dtype, fold),
        DType::Float32 => floats::<f32>(op, fold),
        DType::Float64 => floats::<f64>(op, fold),
        DType::Complex64 => complexes::<f32>(op, fold),
        DType::Complex128 => complexes::<f64>(op, fold),
        _ => {}
    }
}

/// Lanes of a fold: independent accumulators that become vector registers.
const LANES: usize = 16;
/// Elements that are added plainly before sums are added pairwise, which keeps the error of a sum
/// of n at O(log n) units (Higham, "The accuracy of floating point summation", 1993).
const BLOCK: usize = 1024;

/// Folds a run with independent lanes.
#[multiversion::multiversion(targets(
    "x86_64+avx+avx2+fma+avx512f+avx512dq+avx512vl+avx512bw",
    "x86_64+avx+avx2+fma"
))]
fn fold_lanes<A: Copy, R: Copy>(
    items: &[A],
    identity: R,
    step: impl Fn(R, A) -> R,
    join: impl Fn(R, R) -> R,
) -> R {
    let mut lanes = [identity; LANES];
    let mut chunks = items.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, &item) in lanes.iter_mut().zip(chunk) {
            *lane = step(*lane, item);
        }
    }
    for (lane, &item) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = step(*lane, item);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = join(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

fn pairwise<A: Copy, R: Copy>(
    items: &[A],
    fold: &impl Fn(&[A]) -> R,
    join: &impl Fn(R, R) -> R,
) -> R {
    if items.len() <= BLOCK {
        return fold(items);
    }
    let half = (items.len() / 2).next_multiple_of(LANES);
    join(
        pairwise(&items[..half], fold, join),
        pairwise(&items[half..], fold, join),
    )
}

/// Applies a fold of runs to all rows, or a step to all columns.
fn apply<A: Element, R: Element>(
    fold: Fold<'_>,
    run: impl Fn(&[A]) -> R,
    step: impl Fn(R, A) -> R,
) {
    match fold {
        Fold::Rows { input, row, out } => {
            let out: &mut [R] = bytemuck::cast_slice_mut(out);
            let input: &[A] = bytemuck::cast_slice(input);
            for (number, value) in out.iter_mut().enumerate() {
                *value = run(&input[number * row..(number + 1) * row]);
            }
        }
        Fold::Columns { input, out } => {
            let out: &mut [R] = bytemuck::cast_slice_mut(out);
            let input: &[A] = bytemuck::cast_slice(input);
            for row in input.chunks_exact(out.len().max(1)) {
                step_row(out, row, &step);
            }
        }
    }
}

#[multiversion::multiversion(targets(
    "x86_64+avx+avx2+fma+avx512f+avx512dq+avx512vl+avx512bw",
    "x86_64+avx+avx2+fma"
))]
fn step_row<A: Copy, R: Copy>(out: &mut [R], row: &[A], step: &impl Fn(R, A) -> R) {
    for (value, &item) in out.iter_mut().zip(row) {
        *value = step(*value, item);
    }
}

trait Integer: Element + Ord {
    const LOWEST: Self;
    const HIGHEST: Self;
    fn wide(self) -> i64;
    fn is_nonzero(self) -> bool;
}

macro_rules! integer {
    ($($t:ty),*) => { $(impl Integer for $t {
        const LOWEST: Self = <$t>::MIN;
        const HIGHEST: Self = <$t>::MAX;
        #[inline(always)]
        fn wide(self) -> i64 { self as i64 }
        #[inline(always)]
        fn is_nonzero(self) -> bool { self != 0 }
    })* };
}
integer!(i8, i16, i32, i64, u8, u16, u32, u64);

/// Sums and products of unsigned integers wrap as those of signed ones, so `i64` serves both.
fn integers<T: Integer>(op: ReduceOp, _dtype: DType, fold: Fold<'_>) {
    let add = |sum: i64, item: T| sum.wrapping_add(item.wide());
    let multiply = |product: i64, item: T| product.wrapping_mul(item.wide());
    let count = |sum: i64, item: T| sum + i64::from(item.is_nonzero());
    let any = |found: u8, item: T| found | u8::from(item.is_nonzero());
    let all = |held: u8, item: T| held & u8::from(item.is_nonzero());
    match op {
        ReduceOp::Sum => apply(fold, |run| fold_lanes(run, 0, add, i64::wrapping_add), add),
        ReduceOp::Prod => {
            apply(
                fold,
                |run| fold_lanes(run, 1, multiply, i64::wrapping_mul),
                multiply,
            );
        }
        ReduceOp::CountNonzero => apply(fold, |run| fold_lanes(run, 0, count, |a, b| a + b), count),
        ReduceOp::Min | ReduceOp::Fmin => {
            apply(
                fold,
                |run| fold_lanes(run, T::HIGHEST, T::min, T::min),
                T::min,
            );
        }
        ReduceOp::Max | ReduceOp::Fmax => {
            apply(
                fold,
                |run| fold_lanes(run, T::LOWEST, T::max, T::max),
                T::max,
            );
        }
        ReduceOp::Any => apply(fold, |run| fold_lanes(run, 0, any, |a, b| a | b), any),
        ReduceOp::All => apply(fold, |run| fold_lanes(run, 1, all, |a, b| a & b), all),
    }
}

fn floats<T: Element + num_traits::Float>(op: ReduceOp, fold: Fold<'_>) {
    let (zero, one) = (T::zero(), T::one());
    let add = |a: T, b: T| a + b;
    let multiply = |a: T, b: T| a * b;
    let min = |a: T, b: T| if a <= b || a.is_nan() { a } else { b };
    let max = |a: T, b: T| if a >= b || a.is_nan() { a } else { b };
    let fmin = |a: T, b: T| if a <= b || b.is_nan() { a } else { b };
    let fmax = |a: T, b: T| if a >= b || b.is_nan() { a } else { b };
    let count = |sum: i64, item: T| sum + i64::from(item != zero);
    let any = |found: u8, item: T| found | u8::from(item != zero);
    let all = |held: u8, item: T| held & u8::from(item != zero);
    match op {
        ReduceOp::Sum => {
            let run = |items: &[T]| pairwise(items, &|run| fold_lanes(run, zero, add, add), &add);
            apply(fold, run, add);
        }
        ReduceOp::Prod => {
            apply(
                fold,
                |run| fold_lanes(run, one, multiply, multiply),
                multiply,
            );
        }
        ReduceOp::Min => apply(fold, |run| fold_lanes(run, T::infinity(), min, min), min),
        ReduceOp::Max => apply(
            fold,
            |run| fold_lanes(run, T::neg_infinity(), max, max),
            max,
        ),
        ReduceOp::Fmin => apply(fold, |run| fold_lanes(run, T::nan(), fmin, fmin), fmin),
        ReduceOp::Fmax => apply(fold, |run| fold_lanes(run, T::nan(), fmax, fmax), fmax),
        ReduceOp::CountNonzero => apply(fold, |run| fold_lanes(run, 0, count, |a, b| a + b), count),
        ReduceOp::Any => apply(fold, |run| fold_lanes(run, 0, any, |a, b| a | b), any),
        ReduceOp::All => apply(fold, |run| fold_lanes(run, 1, all, |a, b| a & b), all),
    }
}

fn complexes<T>(op: ReduceOp, fold: Fold<'_>)
where
    T: num_traits::Float,
    Complex<T>: Element,
{
    let zero = Complex::new(T::zero(), T::zero());
    let add = |a: Complex<T>, b: Complex<T>| a + b;
    let multiply = |a: Complex<T>, b: Complex<T>| a * b;
    let count = |sum: i64, item: Complex<T>| sum + i64::from(item != zero);
    let any = |found: u8, item: Complex<T>| found | u8::from(item != zero);
    let all = |held: u8, item: Complex<T>| held & u8::from(item != zero);
    match op {
        ReduceOp::Sum => {
            let run = |items: &[Complex<T>]| {
                pairwise(items, &|run| fold_lanes(run, zero, add, add), &add)
            };
            apply(fold, run, add);
        }
        ReduceOp::Prod => {
            let one = Complex::new(T::one(), T::zero());
            apply(
                fold,
                |run| fold_lanes(run, one, multiply, multiply),
                multiply,
            );
        }
        ReduceOp::CountNonzero => apply(fold, |run| fold_lanes(run, 0, count, |a, b| a + b), count),
        ReduceOp::Any => apply(fold, |run| fold_lanes(run, 0, any, |a, b| a | b), any),
        ReduceOp::All => apply(fold, |run| fold_lanes(run, 1, all, |a, b| a & b), all),
        _ => {}
    }
}
