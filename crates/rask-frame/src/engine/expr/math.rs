//! Rounding, clipping and functions of floats.

use std::sync::Arc;

use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray};
use num_traits::Float;

use super::BinaryOp;
use super::MathFunction;
use super::evaluate::{self, Evaluated};
use crate::engine::{Column, DType, EngineError, Number, Result, Scalar};

fn map_floats<T: ArrowPrimitiveType>(
    input: &Column,
    f: impl Fn(T::Native) -> T::Native,
) -> Result<Column> {
    let values: Vec<T::Native> = input.values::<T>().iter().map(|v| f(*v)).collect();
    let array = PrimitiveArray::<T>::new(values.into(), input.array().nulls().cloned());
    Column::new(input.dtype().clone(), Arc::new(array))
}

pub(super) fn round(input: &Column, decimals: i32) -> Result<Column> {
    match input.dtype().number() {
        Some(Number::Float64) => map_floats::<Float64Type>(input, |v| round_float(v, decimals)),
        Some(Number::Float32) => map_floats::<Float32Type>(input, |v| round_float(v, decimals)),
        Some(_) if decimals >= 0 => Ok(input.clone()),
        Some(_) => {
            let floats = input.cast(&DType::FLOAT64)?;
            round(&floats, decimals)?.cast(input.dtype())
        }
        None => Err(EngineError::type_error(format!(
            "round is not defined for values of dtype {}",
            input.dtype()
        ))),
    }
}

/// NumPy's rounding: scaled, halves to even.
fn round_float<F: Float>(value: F, decimals: i32) -> F {
    let scale = F::from(10.0).map_or_else(F::one, |ten| ten.powi(decimals.abs()));
    if decimals == 0 {
        return round_half_even(value);
    }
    let out = if decimals > 0 {
        round_half_even(value * scale) / scale
    } else {
        round_half_even(value / scale) * scale
    };
    if out.is_finite() { out } else { value }
}

fn round_half_even<F: Float>(value: F) -> F {
    let rounded = value.round();
    let half = F::from(0.5).unwrap_or_else(F::zero);
    let two = F::one() + F::one();
    if (value - value.trunc()).abs() == half && rounded % two != F::zero() {
        rounded - value.signum()
    } else {
        rounded
    }
}

pub(super) fn clip(input: &Column, low: &Evaluated, high: &Evaluated) -> Result<Column> {
    let mut out = input.clone();
    for (bound, op) in [(low, BinaryOp::Lt), (high, BinaryOp::Gt)] {
        if matches!(bound, Evaluated::Scalar(Scalar::Missing)) {
            continue;
        }
        let len = out.len();
        let own = Evaluated::Column(out);
        let beyond = evaluate::binary(op, &own, bound)?;
        out = super::missing::select(&beyond, bound, &own, len)?;
    }
    Ok(out)
}

pub(super) fn math(input: &Column, function: MathFunction) -> Result<Column> {
    let wanted = match input.dtype() {
        DType::Number(Number::Float32) => input.dtype().clone(),
        dtype if dtype.is_nullable() => DType::NullableNumber(Number::Float64),
        _ => DType::FLOAT64,
    };
    let input = input.cast(&wanted)?;
    if wanted.number() == Some(Number::Float32) {
        map_floats::<Float32Type>(&input, |v| apply(function, v))
    } else {
        map_floats::<Float64Type>(&input, |v| apply(function, v))
    }
}

fn apply<F: Float>(function: MathFunction, v: F) -> F {
    match function {
        MathFunction::Sqrt => v.sqrt(),
        MathFunction::Exp => v.exp(),
        MathFunction::Expm1 => v.exp_m1(),
        MathFunction::Log => v.ln(),
        MathFunction::Log2 => v.log2(),
        MathFunction::Log10 => v.log10(),
        MathFunction::Log1p => v.ln_1p(),
        MathFunction::Sin => v.sin(),
        MathFunction::Cos => v.cos(),
        MathFunction::Tan => v.tan(),
        MathFunction::Arcsin => v.asin(),
        MathFunction::Arccos => v.acos(),
        MathFunction::Arctan => v.atan(),
        MathFunction::Sinh => v.sinh(),
        MathFunction::Cosh => v.cosh(),
        MathFunction::Tanh => v.tanh(),
        MathFunction::Floor => v.floor(),
        MathFunction::Ceil => v.ceil(),
        MathFunction::Trunc => v.trunc(),
        MathFunction::Rint => round_half_even(v),
        MathFunction::Sign => {
            if v == F::zero() {
                F::zero()
            } else if v.is_nan() {
                v
            } else {
                v.signum()
            }
        }
    }
}
