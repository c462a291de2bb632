//! Arithmetic of numbers, text and times.

use std::sync::Arc;

use arrow_array::types::{Float32Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrowPrimitiveType, LargeStringArray, PrimitiveArray};
use arrow_buffer::NullBuffer;
use num_traits::AsPrimitive;

use super::evaluate::Evaluated;
use super::infer::binary_dtype;
use super::{BinaryOp, UnaryOp, timespan};
use crate::engine::dispatch::for_number;
use crate::engine::{Column, DType, EngineError, Number, Result, Scalar};

pub(super) fn arithmetic(op: BinaryOp, left: &Evaluated, right: &Evaluated) -> Result<Column> {
    let dtype = binary_dtype(op, &left.operand(), &right.operand())?;
    match &dtype {
        DType::Str => concat_text(left, right),
        DType::Bool | DType::NullableBool => {
            let op = if op == BinaryOp::Add {
                BinaryOp::Or
            } else {
                BinaryOp::And
            };
            super::logical::logical(op, left, right)
        }
        DType::Number(n) | DType::NullableNumber(n) => {
            if timespan::is_time(left) || timespan::is_time(right) {
                return timespan::arithmetic(op, left, right, &dtype);
            }
            numbers(op, left, right, *n, dtype.is_nullable())
        }
        _ => timespan::arithmetic(op, left, right, &dtype),
    }
}

/// One side of an operation: a value for each row, or the same for all.
pub(super) enum Side<'a, N> {
    Each(&'a [N]),
    Same(N),
}

fn numbers(
    op: BinaryOp,
    left: &Evaluated,
    right: &Evaluated,
    number: Number,
    is_nullable: bool,
) -> Result<Column> {
    // Narrow integers are computed as 64 bits and wrapped back.
    let (wide, narrow) = match number {
        Number::Float32 | Number::Float64 | Number::Int64 | Number::UInt64 => (number, None),
        n if n.is_unsigned() => (Number::UInt64, Some(n)),
        n => (Number::Int64, Some(n)),
    };
    let compute = if is_nullable {
        DType::NullableNumber(wide)
    } else {
        DType::Number(wide)
    };
    let left = left.cast(&compute)?;
    let right = right.cast(&compute)?;
    let out = match wide {
        Number::Float64 => floats::<Float64Type>(op, &left, &right, &compute, f64::NAN),
        Number::Float32 => floats::<Float32Type>(op, &left, &right, &compute, f32::NAN),
        Number::UInt64 => integers::<UInt64Type>(op, &left, &right, &compute),
        _ => integers::<Int64Type>(op, &left, &right, &compute),
    }?;
    match narrow {
        Some(n) if out.dtype().is_integer() => {
            let target = if is_nullable {
                DType::NullableNumber(n)
            } else {
                DType::Number(n)
            };
            out.cast(&target)
        }
        _ => Ok(out),
    }
}

fn side<'a, T: ArrowPrimitiveType>(value: &'a Evaluated, missing: T::Native) -> Side<'a, T::Native>
where
    f64: AsPrimitive<T::Native>,
    i64: AsPrimitive<T::Native>,
    u64: AsPrimitive<T::Native>,
{
    match value {
        Evaluated::Column(column) => Side::Each(column.values::<T>()),
        Evaluated::Scalar(Scalar::Int(v)) => Side::Same(v.as_()),
        Evaluated::Scalar(Scalar::UInt(v)) => Side::Same(v.as_()),
        Evaluated::Scalar(Scalar::Float(v)) => Side::Same(v.as_()),
        Evaluated::Scalar(Scalar::Bool(v)) => Side::Same(i64::from(*v).as_()),
        Evaluated::Scalar(_) => Side::Same(missing),
    }
}

/// Applies a function to both sides, row by row.
pub(super) fn zip<A: Copy, B: Copy, O>(
    left: &Side<'_, A>,
    right: &Side<'_, B>,
    f: impl Fn(A, B) -> O,
) -> Vec<O> {
    match (left, right) {
        (Side::Each(a), Side::Each(b)) => a.iter().zip(*b).map(|(a, b)| f(*a, *b)).collect(),
        (Side::Each(a), Side::Same(b)) => a.iter().map(|a| f(*a, *b)).collect(),
        (Side::Same(a), Side::Each(b)) => b.iter().map(|b| f(*a, *b)).collect(),
        (Side::Same(a), Side::Same(b)) => vec![f(*a, *b)],
    }
}

/// Where both sides are valid.
pub(super) fn joint_validity(left: &Evaluated, right: &Evaluated) -> Option<NullBuffer> {
    let of = |value: &Evaluated| match value {
        Evaluated::Column(column) => column.array().nulls().cloned(),
        Evaluated::Scalar(_) => None,
    };
    let joint = NullBuffer::union(of(left).as_ref(), of(right).as_ref());
    let is_missing = |v: &Evaluated| matches!(v, Evaluated::Scalar(Scalar::Missing));
    if is_missing(left) || is_missing(right) {
        let len = match (left, right) {
            (Evaluated::Column(c), _) | (_, Evaluated::Column(c)) => c.len(),
            _ => 1,
        };
        return Some(NullBuffer::new_null(len));
    }
    joint
}

fn finish<T: ArrowPrimitiveType>(
    values: Vec<T::Native>,
    validity: Option<NullBuffer>,
    dtype: &DType,
) -> Result<Column> {
    let validity = validity.filter(|_| dtype.has_validity());
    Column::new(
        dtype.clone(),
        Arc::new(PrimitiveArray::<T>::new(values.into(), validity)),
    )
}

fn floats<T: ArrowPrimitiveType>(
    op: BinaryOp,
    left: &Evaluated,
    right: &Evaluated,
    dtype: &DType,
    nan: T::Native,
) -> Result<Column>
where
    T::Native: num_traits::Float,
    f64: AsPrimitive<T::Native>,
    i64: AsPrimitive<T::Native>,
    u64: AsPrimitive<T::Native>,
{
    use num_traits::Float;
    let validity = joint_validity(left, right);
    let (a, b) = (side::<T>(left, nan), side::<T>(right, nan));
    let values = match op {
        BinaryOp::Add => zip(&a, &b, |x, y| x + y),
        BinaryOp::Sub => zip(&a, &b, |x, y| x - y),
        BinaryOp::Mul => zip(&a, &b, |x, y| x * y),
        BinaryOp::TrueDiv => zip(&a, &b, |x, y| x / y),
        BinaryOp::FloorDiv => zip(&a, &b, float_floor_div),
        BinaryOp::Mod => zip(&a, &b, float_mod),
        BinaryOp::Pow => match b {
            Side::Same(power) if power == num_traits::one::<T::Native>() + num_traits::one() => {
                zip(&a, &b, |x, _| x * x)
            }
            _ => zip(&a, &b, |x, y| x.powf(y)),
        },
        _ => return Err(not_arithmetic(op)),
    };
    finish::<T>(values, validity, dtype)
}

fn not_arithmetic(op: BinaryOp) -> EngineError {
    EngineError::type_error(format!("{} is not arithmetic", op.symbol()))
}

/// The remainder with the sign of the divisor, as Python's.
fn float_mod<F: num_traits::Float>(x: F, y: F) -> F {
    let rest = x % y;
    if rest != F::zero() && (rest < F::zero()) != (y < F::zero()) {
        rest + y
    } else {
        rest
    }
}

fn float_floor_div<F: num_traits::Float>(x: F, y: F) -> F {
    if y == F::zero() {
        return x / y;
    }
    let quotient = (x - float_mod(x, y)) / y;
    let floor = quotient.floor();
    if quotient - floor > F::from(0.5).unwrap_or_else(F::zero) {
        floor + F::one()
    } else {
        floor
    }
}

fn integers<T: ArrowPrimitiveType>(
    op: BinaryOp,
    left: &Evaluated,
    right: &Evaluated,
    dtype: &DType,
) -> Result<Column>
where
    T::Native: num_traits::PrimInt
        + num_traits::WrappingAdd
        + num_traits::WrappingSub
        + num_traits::WrappingMul
        + AsPrimitive<f64>,
    f64: AsPrimitive<T::Native>,
    i64: AsPrimitive<T::Native>,
    u64: AsPrimitive<T::Native>,
{
    let zero = num_traits::zero::<T::Native>();
    let validity = joint_validity(left, right);
    let (a, b) = (side::<T>(left, zero), side::<T>(right, zero));
    let divides = matches!(op, BinaryOp::FloorDiv | BinaryOp::Mod);
    let has_zero = match &b {
        Side::Each(values) => values.contains(&zero),
        Side::Same(value) => *value == zero,
    };
    if divides && has_zero && !dtype.is_nullable() {
        // pandas gives infinities and NaN for division by zero, so the result is of floats.
        return divide_with_zeros(op, &a, &b);
    }
    let values = match op {
        BinaryOp::Add => zip(&a, &b, |x, y| num_traits::WrappingAdd::wrapping_add(&x, &y)),
        BinaryOp::Sub => zip(&a, &b, |x, y| num_traits::WrappingSub::wrapping_sub(&x, &y)),
        BinaryOp::Mul => zip(&a, &b, |x, y| num_traits::WrappingMul::wrapping_mul(&x, &y)),
        BinaryOp::FloorDiv => zip(&a, &b, floor_div),
        BinaryOp::Mod => zip(&a, &b, |x, y| {
            let rest = if y == zero || is_minus_one(y) {
                zero
            } else {
                x % y
            };
            if rest != zero && (rest < zero) != (y < zero) {
                rest + y
            } else {
                rest
            }
        }),
        BinaryOp::Pow => {
            let is_negative = match &b {
                Side::Each(values) => values.iter().any(|v| *v < zero),
                Side::Same(value) => *value < zero,
            };
            if is_negative {
                return Err(EngineError::value(
                    "Integers to negative integer powers are not allowed.",
                ));
            }
            zip(&a, &b, wrapping_pow)
        }
        BinaryOp::And => zip(&a, &b, |x, y| x & y),
        BinaryOp::Or => zip(&a, &b, |x, y| x | y),
        BinaryOp::Xor => zip(&a, &b, |x, y| x ^ y),
        _ => return Err(not_arithmetic(op)),
    };
    finish::<T>(values, validity, dtype)
}

/// Integer bit operations, for `&`, `|` and `^` on integers.
pub(super) fn bits(op: BinaryOp, left: &Evaluated, right: &Evaluated, n: Number) -> Result<Column> {
    numbers(op, left, right, n, false)
}

fn is_minus_one<N: num_traits::PrimInt>(value: N) -> bool {
    value < N::zero() && value + N::one() == N::zero()
}

fn floor_div<N: num_traits::PrimInt + num_traits::WrappingSub>(x: N, y: N) -> N {
    if y == N::zero() {
        return N::zero();
    }
    if is_minus_one(y) {
        return N::zero().wrapping_sub(&x);
    }
    let quotient = x / y;
    if (x % y != N::zero()) && ((x < N::zero()) != (y < N::zero())) {
        quotient - N::one()
    } else {
        quotient
    }
}

fn wrapping_pow<N: num_traits::PrimInt + num_traits::WrappingMul>(base: N, power: N) -> N {
    let mut result = N::one();
    let mut base = base;
    let mut power = power;
    while power > N::zero() {
        if power & N::one() == N::one() {
            result = result.wrapping_mul(&base);
        }
        base = base.wrapping_mul(&base);
        power = power >> 1;
    }
    result
}

fn divide_with_zeros<N: AsPrimitive<f64>>(
    op: BinaryOp,
    a: &Side<'_, N>,
    b: &Side<'_, N>,
) -> Result<Column> {
    let values = zip(a, b, |x, y| {
        let (x, y): (f64, f64) = (x.as_(), y.as_());
        match op {
            BinaryOp::Mod if y == 0.0 => f64::NAN,
            BinaryOp::Mod => float_mod(x, y),
            _ => float_floor_div(x, y),
        }
    });
    Ok(Column::from_f64(values))
}

fn concat_text(left: &Evaluated, right: &Evaluated) -> Result<Column> {
    let len = match (left, right) {
        (Evaluated::Column(c), _) | (_, Evaluated::Column(c)) => c.len(),
        _ => 1,
    };
    let left = left.clone().into_column(len)?;
    let right = right.clone().into_column(len)?;
    let joined: LargeStringArray = left
        .as_str()?
        .iter()
        .zip(right.as_str()?.iter())
        .map(|(a, b)| Some([a?, b?].concat()))
        .collect();
    Ok(Column::from_strings(joined))
}

pub(super) fn unary(op: UnaryOp, input: &Column) -> Result<Column> {
    if op == UnaryOp::Invert {
        return super::logical::invert(input);
    }
    match input.dtype() {
        DType::Bool if op == UnaryOp::Abs => Ok(input.clone()),
        DType::Timedelta(_) => {
            let ticks = input.ticks()?;
            let out = match op {
                UnaryOp::Neg => ticks.unary(|v: i64| v.wrapping_neg()),
                _ => ticks.unary(|v: i64| v.wrapping_abs()),
            };
            Column::from_ticks(input.dtype().clone(), out)
        }
        DType::Number(n) | DType::NullableNumber(n) => for_number!(*n, T => {
            type N = <T as ArrowPrimitiveType>::Native;
            let negative = |v: &N| {
                use arrow_array::ArrowNativeTypeOp;
                ArrowNativeTypeOp::neg_wrapping(*v)
            };
            let values: Vec<N> = match op {
                UnaryOp::Neg => input.values::<T>().iter().map(negative).collect(),
                _ => {
                    let zero = N::default();
                    let absolute = |v: &N| if *v < zero { negative(v) } else { *v };
                    input.values::<T>().iter().map(absolute).collect()
                }
            };
            finish::<T>(values, input.array().nulls().cloned(), input.dtype())
        }),
        other => Err(EngineError::type_error(format!(
            "bad operand type for unary -: '{other}'"
        ))),
    }
}
