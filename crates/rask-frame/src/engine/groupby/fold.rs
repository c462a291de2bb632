//! Sums, products, counts and truth values of groups.

use arrow_array::Array;
use arrow_buffer::BooleanBuffer;
use num_traits::AsPrimitive;

use super::Grouping;
use crate::engine::dispatch::for_number;
use crate::engine::{Column, DType, EngineError, Number, Result};

/// Rows of each group.
pub(super) fn sizes(rows: usize, grouping: &Grouping) -> Vec<i64> {
    match grouping {
        Grouping::Single => vec![rows as i64],
        Grouping::Many { ids, count } => {
            let mut counts = vec![0i64; count + 1];
            for id in ids {
                counts[*id as usize] += 1;
            }
            counts.truncate(*count);
            counts
        }
    }
}

/// Values of each group that are not missing.
pub(super) fn counts(input: &Column, grouping: &Grouping) -> Vec<i64> {
    let Some(validity) = input.validity() else {
        return sizes(input.len(), grouping);
    };
    match grouping {
        Grouping::Single => vec![validity.count_set_bits() as i64],
        Grouping::Many { ids, count } => {
            let mut counts = vec![0i64; count + 1];
            for (id, is_valid) in ids.iter().zip(validity.iter()) {
                counts[*id as usize] += i64::from(is_valid);
            }
            counts.truncate(*count);
            counts
        }
    }
}

/// Folds floats that are not NaN.
#[inline]
fn fold_floats<V: Copy + AsPrimitive<f64>>(
    values: &[V],
    grouping: &Grouping,
    start: f64,
    f: impl Fn(f64, f64) -> f64,
) -> Vec<f64> {
    match grouping {
        Grouping::Single => {
            // Independent lanes, so that additions overlap.
            let mut lanes = [start; 8];
            let mut chunks = values.chunks_exact(8);
            for chunk in &mut chunks {
                for (lane, value) in lanes.iter_mut().zip(chunk) {
                    let value: f64 = value.as_();
                    *lane = if value.is_nan() {
                        *lane
                    } else {
                        f(*lane, value)
                    };
                }
            }
            let mut total = start;
            for value in chunks.remainder() {
                let value: f64 = value.as_();
                total = if value.is_nan() {
                    total
                } else {
                    f(total, value)
                };
            }
            vec![lanes.into_iter().fold(total, &f)]
        }
        Grouping::Many { ids, count } => {
            let mut totals = vec![start; count + 1];
            for (id, value) in ids.iter().zip(values) {
                let value: f64 = value.as_();
                let total = &mut totals[*id as usize];
                *total = if value.is_nan() {
                    *total
                } else {
                    f(*total, value)
                };
            }
            totals.truncate(*count);
            totals
        }
    }
}

/// Folds integers; validity says which count.
#[inline]
fn fold_integers<V: Copy + AsPrimitive<i64>>(
    values: &[V],
    validity: Option<&BooleanBuffer>,
    grouping: &Grouping,
    start: i64,
    f: impl Fn(i64, i64) -> i64,
) -> Vec<i64> {
    let mut totals = vec![start; grouping.count() + 1];
    match (grouping, validity) {
        (Grouping::Single, None) => {
            totals[0] = values.iter().fold(start, |total, v| f(total, v.as_()));
        }
        (Grouping::Single, Some(bits)) => {
            totals[0] = bits
                .set_indices()
                .fold(start, |total, i| f(total, values[i].as_()));
        }
        (Grouping::Many { ids, .. }, None) => {
            for (id, value) in ids.iter().zip(values) {
                let total = &mut totals[*id as usize];
                *total = f(*total, value.as_());
            }
        }
        (Grouping::Many { ids, .. }, Some(bits)) => {
            for i in bits.set_indices() {
                let total = &mut totals[ids[i] as usize];
                *total = f(*total, values[i].as_());
            }
        }
    }
    totals.truncate(grouping.count());
    totals
}

/// Sums: float64 for floats, int64 (wrapping, by bits also uint64) for the rest.
pub(super) fn sums(input: &Column, grouping: &Grouping) -> Result<Column> {
    fold_numbers(input, grouping, 0.0, |a, b| a + b, 0, i64::wrapping_add)
}

pub(super) fn products(input: &Column, grouping: &Grouping) -> Result<Column> {
    fold_numbers(input, grouping, 1.0, |a, b| a * b, 1, i64::wrapping_mul)
}

fn fold_numbers(
    input: &Column,
    grouping: &Grouping,
    float_start: f64,
    float_fold: impl Fn(f64, f64) -> f64,
    start: i64,
    fold: impl Fn(i64, i64) -> i64,
) -> Result<Column> {
    let validity = input.array().nulls().map(|n| n.inner().clone());
    let validity = validity.as_ref();
    Ok(match input.dtype() {
        DType::NullableNumber(n) if n.is_float() => {
            let plain = input.cast(&DType::FLOAT64)?;
            return fold_numbers(&plain, grouping, float_start, float_fold, start, fold);
        }
        DType::Number(Number::Float64) => {
            let values = input.values::<arrow_array::types::Float64Type>();
            Column::from_f64(fold_floats(values, grouping, float_start, float_fold))
        }
        DType::Number(Number::Float32) => {
            let values = input.values::<arrow_array::types::Float32Type>();
            Column::from_f64(fold_floats(values, grouping, float_start, float_fold))
        }
        DType::Number(n) | DType::NullableNumber(n) => for_number!(*n, T => {
            let values = input.values::<T>();
            Column::from_i64(fold_integers(values, validity, grouping, start, fold))
        }),
        DType::Bool | DType::NullableBool | DType::ObjectBool => {
            let values: Vec<i8> = input.as_bool()?.values().iter().map(i8::from).collect();
            Column::from_i64(fold_integers(&values, validity, grouping, start, fold))
        }
        DType::Timedelta(_) | DType::Datetime(..) => {
            let ticks = input.ticks()?;
            let out = fold_integers(ticks.values(), validity, grouping, start, fold);
            Column::from_i64(out)
        }
        other => {
            return Err(EngineError::type_error(format!(
                "cannot sum values of dtype {other}"
            )));
        }
    })
}

/// Sums of floats and counts in one pass, for means.
pub(super) fn sums_and_counts(input: &Column, grouping: &Grouping) -> Result<(Vec<f64>, Vec<i64>)> {
    if let (DType::Number(Number::Float64), Grouping::Many { ids, count }) =
        (input.dtype(), grouping)
    {
        let mut totals = vec![(0.0f64, 0i64); count + 1];
        let values = input.values::<arrow_array::types::Float64Type>();
        for (id, value) in ids.iter().zip(values) {
            let total = &mut totals[*id as usize];
            let is_valid = !value.is_nan();
            total.0 += if is_valid { *value } else { 0.0 };
            total.1 += i64::from(is_valid);
        }
        totals.truncate(*count);
        return Ok(totals.into_iter().unzip());
    }
    let sums = match input.dtype() {
        DType::Number(n) if !n.is_float() => for_number!(*n, T => {
            fold_floats(input.values::<T>(), grouping, 0.0, |a, b| a + b)
        }),
        DType::Timedelta(_) | DType::Datetime(..) => {
            let floats = tick_floats(input)?;
            return sums_and_counts(&floats, grouping);
        }
        _ => {
            let floats = input.cast(&DType::FLOAT64)?;
            let values = floats.values::<arrow_array::types::Float64Type>();
            fold_floats(values, grouping, 0.0, |a, b| a + b)
        }
    };
    Ok((sums, counts(input, grouping)))
}

/// Ticks as floats, missing as NaN.
pub(super) fn tick_floats(input: &Column) -> Result<Column> {
    let ticks = input.ticks()?;
    let floats = ticks.iter().map(|t| t.map_or(f64::NAN, |t| t as f64));
    Ok(Column::from_f64(floats.collect()))
}

/// Whether any (or all) values of each group are true; missing values do not count.
pub(super) fn truths(input: &Column, grouping: &Grouping, is_any: bool) -> Result<Column> {
    let bits = truth_bits(input)?;
    let validity = input.validity();
    let mut totals = vec![!is_any; grouping.count() + 1];
    for row in 0..input.len() {
        if validity.as_ref().is_some_and(|v| !v.value(row)) || bits.value(row) != is_any {
            continue;
        }
        let id = match grouping {
            Grouping::Single => 0,
            Grouping::Many { ids, .. } => ids[row] as usize,
        };
        totals[id] = is_any;
    }
    totals.truncate(grouping.count());
    Ok(Column::from_bits(totals.into()))
}

fn truth_bits(input: &Column) -> Result<BooleanBuffer> {
    match input.dtype() {
        DType::Str => {
            let texts = input.as_str()?;
            Ok(BooleanBuffer::collect_bool(texts.len(), |i| {
                !texts.value(i).is_empty()
            }))
        }
        DType::Bool | DType::NullableBool | DType::ObjectBool => {
            Ok(input.as_bool()?.values().clone())
        }
        DType::Number(n) | DType::NullableNumber(n) => for_number!(*n, T => {
            let values = input.values::<T>();
            let zero = Default::default();
            Ok(BooleanBuffer::collect_bool(values.len(), |i| values[i] != zero))
        }),
        DType::Timedelta(_) => {
            let ticks = input.ticks()?;
            Ok(BooleanBuffer::collect_bool(ticks.len(), |i| {
                ticks.value(i) != 0
            }))
        }
        other => Err(EngineError::type_error(format!(
            "dtype {other} has no truth values"
        ))),
    }
}
