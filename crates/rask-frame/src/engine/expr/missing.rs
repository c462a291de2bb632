//! Missing values, and choosing between values.

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, Datum, Scalar as ArrowScalar, UInt32Array};
use arrow_buffer::BooleanBuffer;

use super::evaluate::Evaluated;
use super::infer::either_dtype;
use crate::engine::{Column, DType, EngineError, Result, Scalar};

pub(super) fn is_missing(input: &Column) -> Column {
    Column::from_bits(match input.validity() {
        Some(bits) => !&bits,
        None => BooleanBuffer::new_unset(input.len()),
    })
}

pub(super) fn is_present(input: &Column) -> Column {
    Column::from_bits(match input.validity() {
        Some(bits) => bits,
        None => BooleanBuffer::new_set(input.len()),
    })
}

pub(super) fn fill(input: &Column, value: &Evaluated) -> Result<Column> {
    let Some(validity) = input.validity() else {
        return match (input.dtype(), &value.operand().literal) {
            (DType::Number(n), _) if n.is_float() => {
                let own = Evaluated::Column(input.clone());
                input.cast(&either_dtype(&own.operand(), &value.operand())?)
            }
            (DType::ObjectBool, Some(Scalar::Bool(_))) => input.cast(&DType::Bool),
            _ => Ok(input.clone()),
        };
    };
    if matches!(value, Evaluated::Scalar(v) if v.is_missing()) {
        return Ok(input.clone());
    }
    let own = Evaluated::Column(input.clone());
    let filled = choose(&validity, &own, value, input.len())?;
    if *filled.dtype() == DType::ObjectBool && filled.missing_count() == 0 {
        return filled.cast(&DType::Bool);
    }
    Ok(filled)
}

/// `then.where(condition, else)`.
pub(super) fn select(
    condition: &Column,
    then: &Evaluated,
    other: &Evaluated,
    len: usize,
) -> Result<Column> {
    if !condition.dtype().is_bool() {
        return Err(EngineError::type_error(format!(
            "Boolean array expected for the condition, not {}",
            condition.dtype()
        )));
    }
    let mask = condition.as_bool()?;
    let bits = match mask.nulls() {
        Some(nulls) => mask.values() & nulls.inner(),
        None => mask.values().clone(),
    };
    choose(&bits, then, other, len)
}

fn choose(bits: &BooleanBuffer, then: &Evaluated, other: &Evaluated, len: usize) -> Result<Column> {
    let dtype = either_dtype(&then.operand(), &other.operand())?;
    if matches!(dtype, DType::Category { .. }) {
        return choose_category(bits, then, other, &dtype, len);
    }
    let mask = BooleanArray::new(bits.clone(), None);
    let (then, other) = (arm(then, &dtype)?, arm(other, &dtype)?);
    let array = arrow_select::zip::zip(&mask, &*then, &*other)?;
    Column::new(dtype, array)
}

/// One side of a choice as Arrow's kernels take it.
fn arm(value: &Evaluated, dtype: &DType) -> Result<Box<dyn Datum>> {
    Ok(match value {
        Evaluated::Column(column) => Box::new(column.cast(dtype)?.array().clone()),
        Evaluated::Scalar(value) => Box::new(ArrowScalar::new(
            Column::full(value, dtype, 1)?.array().clone(),
        )),
    })
}

fn choose_category(
    bits: &BooleanBuffer,
    then: &Evaluated,
    other: &Evaluated,
    dtype: &DType,
    len: usize,
) -> Result<Column> {
    let then = then.cast(dtype)?.into_column(len)?.cast(dtype)?;
    let other = match other {
        Evaluated::Scalar(value) => Column::full(value, dtype, 1)?,
        Evaluated::Column(column) => column.cast(dtype)?,
    };
    let own_count = then.len() as u32;
    let is_single = other.len() == 1 && len != 1;
    let all = Column::concat(&[&then, &other])?;
    let rows: Vec<u32> = (0..len as u32)
        .map(|row| match (bits.value(row as usize), is_single) {
            (true, _) => row,
            (false, true) => own_count,
            (false, false) => own_count + row,
        })
        .collect();
    Ok(all.take(&rows))
}

/// Each value replaced by its partner; missing if it has none.
pub(super) fn map(input: &Column, pairs: &[(Scalar, Scalar)], dtype: &DType) -> Result<Column> {
    let unique = crate::engine::hash::encode_one(input)?;
    let firsts = input.take(&unique.representatives);
    let targets = Column::concat(
        &pairs
            .iter()
            .map(|(_, to)| Column::full(to, dtype, 1))
            .collect::<Result<Vec<_>>>()?
            .iter()
            .collect::<Vec<_>>(),
    )
    .unwrap_or_else(|_| Column::empty(dtype));
    let mut place = vec![None; firsts.len()];
    for (i, (from, _)) in pairs.iter().enumerate() {
        let found = super::compare::is_in(&firsts, std::slice::from_ref(from))?;
        for code in found.array().as_boolean().values().set_indices() {
            place[code] = Some(i as u32);
        }
    }
    let rows: UInt32Array = unique
        .codes
        .iter()
        .map(|code| place[*code as usize])
        .collect();
    let out = targets.take_optional(&rows)?;
    out.cast(&dtype.with_missing())
}
