//! Results from states.

use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{BooleanArray, Int64Array, UInt32Array};

use super::moments::Moments;
use super::{AggFunction, Aggregation, lists, states};
use crate::engine::{Column, DType, Number, Result};

/// The column of results. The dtype is that of the aggregation's input.
pub(super) fn finish(
    aggregation: &Aggregation,
    states: &[&Column],
    input: &DType,
) -> Result<Column> {
    let function = &aggregation.function;
    let target = function.result_dtype(input)?;
    let own = states::own_count(function);
    let column = finish_own(function, &states[..own], &target)?;
    let mut next = own;
    let mut hidden: Option<Vec<bool>> = None;
    if !aggregation.skipna && !matches!(function, AggFunction::Any | AggFunction::All) {
        hidden = Some(states[next].as_bool()?.values().iter().collect());
        next += 1;
    }
    if aggregation.count_min > 0 {
        let least = i64::from(aggregation.count_min);
        let few = states[next]
            .values::<Int64Type>()
            .iter()
            .map(|c| *c < least);
        hidden = Some(match hidden {
            Some(hidden) => hidden.iter().zip(few).map(|(a, b)| *a || b).collect(),
            None => few.collect(),
        });
    }
    match hidden {
        Some(hidden) if hidden.contains(&true) => hide(&column, &hidden),
        _ => Ok(column),
    }
}

/// The column with some values made missing.
fn hide(column: &Column, hidden: &[bool]) -> Result<Column> {
    let rows: UInt32Array = (0..hidden.len() as u32)
        .map(|row| (!hidden[row as usize]).then_some(row))
        .collect();
    column.take_optional(&rows)
}

fn finish_own(function: &AggFunction, states: &[&Column], target: &DType) -> Result<Column> {
    use AggFunction::*;
    match function {
        Size | Count | Any | All => Ok(states[0].clone()),
        Sum | Prod => finish_sum(states[0], target),
        Mean => {
            let counts = states[1].values::<Int64Type>();
            let sums = states[0].values::<Float64Type>().iter().zip(counts);
            from_floats(sums.map(|(s, n)| s / *n as f64).collect(), target)
        }
        Var { ddof } => from_moments(states, target, |m| variance(m, *ddof)),
        Std { ddof } => from_moments(states, target, |m| variance(m, *ddof).sqrt()),
        Sem { ddof } => from_moments(states, target, |m| {
            (variance(m, *ddof) / m.count as f64).sqrt()
        }),
        Skew => from_moments(states, target, skewness),
        Kurt => from_moments(states, target, kurtosis),
        Min | Max | First | Last => restore(states[0], target),
        IdxMin | IdxMax => Ok(states[1].clone()),
        Nunique { .. } => {
            let (_, starts) = lists::flatten(states[0])?;
            let counts = starts.windows(2).map(|w| i64::from(w[1] - w[0]));
            Ok(Column::from_i64(counts.collect()))
        }
        Median => from_floats(lists::quantiles(states[0], 0.5)?, target),
        Quantile(q) => from_floats(lists::quantiles(states[0], *q)?, target),
        List => Ok(states[0].clone()),
    }
}

fn finish_sum(state: &Column, target: &DType) -> Result<Column> {
    match target {
        // The sum of unsigned integers is the same bits.
        DType::Number(Number::UInt64) => {
            let values = state.values::<Int64Type>().iter().map(|v| *v as u64);
            Ok(Column::from_values::<arrow_array::types::UInt64Type>(
                values.collect(),
            ))
        }
        DType::Timedelta(_) => {
            let ticks = state.values::<Int64Type>().to_vec();
            Column::from_ticks(target.clone(), Int64Array::from(ticks))
        }
        // A join made floats of what the schema calls integers.
        _ if target.is_integer() && state.dtype().is_float() => Ok(state.clone()),
        _ => state.cast(target),
    }
}

/// Picked values in the dtype of the input, or what a missing one makes of it.
fn restore(state: &Column, target: &DType) -> Result<Column> {
    if state.dtype() == target {
        return Ok(state.clone());
    }
    if state.missing_count() == 0 {
        return state.cast(target);
    }
    match (state.dtype(), target) {
        (DType::NullableNumber(_), DType::Number(_)) => state.cast(&DType::FLOAT64),
        _ => Ok(state.clone()),
    }
}

fn from_floats(values: Vec<f64>, target: &DType) -> Result<Column> {
    match target {
        DType::Datetime(..) | DType::Timedelta(_) => {
            let ticks = values
                .into_iter()
                .map(|v| (!v.is_nan()).then_some(v.round() as i64));
            Column::from_ticks(target.clone(), ticks.collect())
        }
        DType::NullableNumber(_) => {
            let nulls = BooleanArray::from_iter(values.iter().map(|v| Some(!v.is_nan())));
            let nulls = arrow_buffer::NullBuffer::new(nulls.values().clone());
            let array = arrow_array::Float64Array::new(values.into(), Some(nulls));
            let wide = DType::NullableNumber(Number::Float64);
            Column::new(wide, std::sync::Arc::new(array))?.cast(target)
        }
        _ => Column::from_f64(values).cast(target),
    }
}

fn from_moments(states: &[&Column], target: &DType, f: impl Fn(&Moments) -> f64) -> Result<Column> {
    let values = states::moments_of(states).iter().map(f).collect();
    from_floats(values, target)
}

fn variance(m: &Moments, ddof: u8) -> f64 {
    let freedom = m.count - i64::from(ddof);
    if freedom > 0 {
        m.m2 / freedom as f64
    } else {
        f64::NAN
    }
}

/// The skewness of a sample, adjusted as pandas' (G1).
fn skewness(m: &Moments) -> f64 {
    let n = m.count as f64;
    if m.count < 3 {
        return f64::NAN;
    }
    if m.m2.abs() < 1e-14 {
        return 0.0;
    }
    n * (n - 1.0).sqrt() / (n - 2.0) * m.m3 / m.m2.powf(1.5)
}

/// The excess kurtosis of a sample, adjusted as pandas' (G2).
fn kurtosis(m: &Moments) -> f64 {
    let n = m.count as f64;
    if m.count < 4 {
        return f64::NAN;
    }
    if m.m2.abs() < 1e-14 {
        return 0.0;
    }
    let adjustment = 3.0 * (n - 1.0).powi(2) / ((n - 2.0) * (n - 3.0));
    n * (n + 1.0) * (n - 1.0) * m.m4 / ((n - 2.0) * (n - 3.0) * m.m2 * m.m2) - adjustment
}
