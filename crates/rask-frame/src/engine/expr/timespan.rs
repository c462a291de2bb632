//! Arithmetic of datetimes and timedeltas.

use arrow_array::types::Float64Type;
use arrow_array::{Array, Int64Array};

use super::BinaryOp;
use super::arithmetic::{Side, joint_validity, zip};
use super::evaluate::Evaluated;
use crate::engine::{Column, DType, EngineError, Result, Scalar, TimeUnit};

pub(super) fn is_time(value: &Evaluated) -> bool {
    matches!(
        value.operand().dtype,
        DType::Datetime(..) | DType::Timedelta(_)
    )
}

/// Ticks of a side in the unit.
fn ticks(value: &Evaluated, unit: TimeUnit) -> Result<Int64Array> {
    let target = match value.operand().dtype {
        DType::Datetime(_, zone) => DType::Datetime(unit, zone),
        DType::Timedelta(_) => DType::Timedelta(unit),
        other => {
            return Err(EngineError::type_error(format!(
                "expected a datetime or timedelta, found {other}"
            )));
        }
    };
    match value {
        Evaluated::Column(column) => column.cast(&target)?.ticks(),
        Evaluated::Scalar(value) => Column::full(value, &target, 1)?.ticks(),
    }
}

fn side<'a>(value: &Evaluated, ticks: &'a Int64Array) -> Side<'a, i64> {
    match value {
        Evaluated::Column(_) => Side::Each(ticks.values()),
        Evaluated::Scalar(_) => Side::Same(ticks.value(0)),
    }
}

fn unit_of(dtype: &DType) -> Option<TimeUnit> {
    match dtype {
        DType::Datetime(unit, _) | DType::Timedelta(unit) => Some(*unit),
        _ => None,
    }
}

pub(super) fn arithmetic(
    op: BinaryOp,
    left: &Evaluated,
    right: &Evaluated,
    dtype: &DType,
) -> Result<Column> {
    let (a, b) = (left.operand().dtype, right.operand().dtype);
    match (unit_of(&a), unit_of(&b)) {
        (Some(x), Some(y)) => both(op, left, right, x.max(y), dtype),
        (Some(unit), None) => scaled(op, left, right, unit, dtype),
        (None, Some(unit)) => scaled(op, right, left, unit, dtype),
        (None, None) => Err(EngineError::type_error("expected a datetime or timedelta")),
    }
}

fn both(
    op: BinaryOp,
    left: &Evaluated,
    right: &Evaluated,
    unit: TimeUnit,
    dtype: &DType,
) -> Result<Column> {
    let validity = joint_validity(left, right);
    let (x, y) = (ticks(left, unit)?, ticks(right, unit)?);
    let (x, y) = (side(left, &x), side(right, &y));
    if op == BinaryOp::TrueDiv {
        let mut ratios = zip(&x, &y, |a, b| a as f64 / b as f64);
        if let Some(nulls) = &validity {
            for (row, ratio) in ratios.iter_mut().enumerate() {
                if nulls.is_null(row) {
                    *ratio = f64::NAN;
                }
            }
        }
        return Ok(Column::from_f64(ratios));
    }
    let values = match op {
        BinaryOp::Add => zip(&x, &y, i64::wrapping_add),
        BinaryOp::Sub => zip(&x, &y, i64::wrapping_sub),
        BinaryOp::FloorDiv => zip(&x, &y, |a, b| if b == 0 { 0 } else { a.div_euclid(b) }),
        _ => zip(&x, &y, |a, b| if b == 0 { 0 } else { a.rem_euclid(b) }),
    };
    if op == BinaryOp::FloorDiv {
        return Column::from_arrow(std::sync::Arc::new(Int64Array::new(
            values.into(),
            validity,
        )));
    }
    Column::from_ticks(dtype.clone(), Int64Array::new(values.into(), validity))
}

/// A timedelta multiplied or divided by a number.
fn scaled(
    op: BinaryOp,
    span: &Evaluated,
    factor: &Evaluated,
    unit: TimeUnit,
    dtype: &DType,
) -> Result<Column> {
    let own = ticks(span, unit)?;
    let own = side(span, &own);
    let factor_column = match factor {
        Evaluated::Column(column) => column.cast(&DType::FLOAT64)?,
        Evaluated::Scalar(value) => Column::from_f64(vec![value.as_f64().unwrap_or(f64::NAN)]),
    };
    let factors = factor_column.values::<Float64Type>();
    let is_whole = factors.iter().all(|f| f.fract() == 0.0 && f.abs() < 9e15);
    let other = match factor {
        Evaluated::Column(_) => Side::Each(factors),
        Evaluated::Scalar(Scalar::Missing) => Side::Same(f64::NAN),
        Evaluated::Scalar(_) => Side::Same(factors[0]),
    };
    let values: Vec<Option<i64>> = zip(&own, &other, |ticks, factor| {
        let out = match op {
            BinaryOp::Mul if is_whole => return Some(ticks.wrapping_mul(factor as i64)),
            BinaryOp::Mul => ticks as f64 * factor,
            BinaryOp::FloorDiv => (ticks as f64 / factor).floor(),
            _ => (ticks as f64 / factor).trunc(),
        };
        out.is_finite().then_some(out as i64)
    });
    let out = Int64Array::from(values);
    let validity = arrow_buffer::NullBuffer::union(
        out.nulls(),
        joint_validity(span, &Evaluated::Scalar(Scalar::Int(0))).as_ref(),
    );
    Column::from_ticks(
        dtype.clone(),
        Int64Array::new(out.values().clone(), validity),
    )
}
