//! Comparisons, `isin` and `between`. Missing values compare false, and true for `!=`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrowPrimitiveType, BooleanArray, Scalar as ArrowScalar};
use arrow_buffer::BooleanBuffer;
use hashbrown::HashSet;

use super::evaluate::Evaluated;
use super::infer::{binary_dtype, compare_dtype};
use super::{BinaryOp, Inclusive};
use crate::engine::{Column, DType, EngineError, Number, Result, Scalar};

pub(super) fn compare(op: BinaryOp, left: &Evaluated, right: &Evaluated) -> Result<Column> {
    if let (Evaluated::Scalar(_), Evaluated::Column(_)) = (left, right) {
        return compare(op.flipped(), right, left);
    }
    let Evaluated::Column(column) = left else {
        return Err(EngineError::value("a comparison needs a column"));
    };
    let result = binary_dtype(op, &left.operand(), &right.operand())?;
    if let Some(bits) = find_category_comparison(op, column, right)? {
        return Ok(Column::from_bits(bits));
    }
    let dtype = match compare_dtype(op, &left.operand(), &right.operand()) {
        Ok(dtype) => dtype,
        Err(_) => {
            let all = vec![op == BinaryOp::Ne; column.len()];
            return Ok(Column::from_bits(all.into()));
        }
    };
    let validity = joint_bits(column, right);
    let bits = match right {
        Evaluated::Scalar(Scalar::Missing) => BooleanBuffer::new_unset(column.len()),
        Evaluated::Scalar(value) => compare_scalar(op, column, value, &dtype)?,
        Evaluated::Column(other) => compare_columns(op, column, other, &dtype)?,
    };
    finish(op, bits, validity, &result)
}

fn joint_bits(column: &Column, right: &Evaluated) -> Option<BooleanBuffer> {
    let own = column.validity();
    let other = match right {
        Evaluated::Column(other) => other.validity(),
        Evaluated::Scalar(value) if value.is_missing() => {
            Some(BooleanBuffer::new_unset(column.len()))
        }
        Evaluated::Scalar(_) => None,
    };
    match (own, other) {
        (Some(a), Some(b)) => Some(&a & &b),
        (a, b) => a.or(b),
    }
}

fn finish(
    op: BinaryOp,
    bits: BooleanBuffer,
    validity: Option<BooleanBuffer>,
    result: &DType,
) -> Result<Column> {
    let Some(validity) = validity else {
        return Column::new(result.clone(), Arc::new(BooleanArray::new(bits, None)));
    };
    if *result == DType::NullableBool {
        let nulls = crate::engine::column::nulls_from(Some(validity));
        return Column::new(result.clone(), Arc::new(BooleanArray::new(bits, nulls)));
    }
    Ok(Column::from_bits(if op == BinaryOp::Ne {
        &bits | &!&validity
    } else {
        &bits & &validity
    }))
}

/// A category column against one value: the categories are compared, the rows looked up.
fn find_category_comparison(
    op: BinaryOp,
    column: &Column,
    right: &Evaluated,
) -> Result<Option<BooleanBuffer>> {
    let (DType::Category { values, ordered }, Evaluated::Scalar(value)) = (column.dtype(), right)
    else {
        return Ok(None);
    };
    if !ordered && !matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
        return Err(EngineError::type_error(
            "Unordered Categoricals can only compare equality or not",
        ));
    }
    let dictionary = column.array().as_dictionary::<Int32Type>();
    let categories = Column::new((**values).clone(), dictionary.values().clone())?;
    let places: Vec<bool> = if *ordered && !matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
        let place = (0..categories.len()).find(|i| categories.get(*i) == *value);
        let Some(place) = place else {
            return Err(EngineError::type_error(
                "Cannot compare a Categorical with a value that is not among its categories",
            ));
        };
        (0..categories.len())
            .map(|i| holds(op, &i, &place))
            .collect()
    } else {
        let one = Evaluated::Scalar(value.clone());
        let compared = compare(op, &Evaluated::Column(categories), &one)?;
        compared.as_bool()?.values().iter().collect()
    };
    let keys = dictionary.keys();
    Ok(Some(BooleanBuffer::collect_bool(keys.len(), |i| {
        if keys.is_null(i) {
            op == BinaryOp::Ne
        } else {
            places[keys.value(i) as usize]
        }
    })))
}

#[inline]
fn holds<T: PartialOrd>(op: BinaryOp, a: &T, b: &T) -> bool {
    match op {
        BinaryOp::Eq => a == b,
        BinaryOp::Ne => a != b,
        BinaryOp::Lt => a < b,
        BinaryOp::Le => a <= b,
        BinaryOp::Gt => a > b,
        _ => a >= b,
    }
}

/// Compares with the operator chosen outside the loop.
fn zip_bits<T: PartialOrd + Copy>(op: BinaryOp, a: &[T], b: impl Fn(usize) -> T) -> BooleanBuffer {
    let len = a.len();
    match op {
        BinaryOp::Eq => BooleanBuffer::collect_bool(len, |i| a[i] == b(i)),
        BinaryOp::Ne => BooleanBuffer::collect_bool(len, |i| a[i] != b(i)),
        BinaryOp::Lt => BooleanBuffer::collect_bool(len, |i| a[i] < b(i)),
        BinaryOp::Le => BooleanBuffer::collect_bool(len, |i| a[i] <= b(i)),
        BinaryOp::Gt => BooleanBuffer::collect_bool(len, |i| a[i] > b(i)),
        _ => BooleanBuffer::collect_bool(len, |i| a[i] >= b(i)),
    }
}

fn wide(dtype: &DType) -> DType {
    match dtype {
        DType::Number(n) if n.is_float() => dtype.clone(),
        DType::Number(Number::UInt64) => dtype.clone(),
        DType::Number(_) | DType::Bool => DType::INT64,
        other => other.clone(),
    }
}

/// A column in the dtype of a comparison; its validity is treated apart.
fn prepared(column: &Column, dtype: &DType) -> Result<Column> {
    match (column.dtype(), dtype) {
        (from, to) if from == to => Ok(column.clone()),
        (DType::NullableNumber(_) | DType::NullableBool | DType::ObjectBool, DType::Number(_)) => {
            let array = arrow_cast::cast(column.array(), &dtype.arrow())?;
            let data = array.to_data().into_builder().nulls(None).build()?;
            Column::new(dtype.clone(), arrow_array::make_array(data))
        }
        _ => column.cast(dtype),
    }
}

fn compare_scalar(
    op: BinaryOp,
    column: &Column,
    value: &Scalar,
    dtype: &DType,
) -> Result<BooleanBuffer> {
    let dtype = wide(dtype);
    let column = prepared(column, &dtype)?;
    let other = Column::full(value, &dtype, 1)?;
    Ok(match &dtype {
        DType::Number(Number::Float64) => same::<Float64Type>(op, &column, &other),
        DType::Number(Number::Float32) => same::<Float32Type>(op, &column, &other),
        DType::Number(Number::UInt64) => same::<UInt64Type>(op, &column, &other),
        DType::Number(_) => same::<Int64Type>(op, &column, &other),
        DType::Datetime(..) | DType::Timedelta(_) => {
            let value = other.ticks()?.value(0);
            zip_bits(op, column.ticks()?.values(), |_| value)
        }
        DType::Str => {
            let value = ArrowScalar::new(other.array().clone());
            text_bits(op, column.array(), &value)?
        }
        other => return Err(EngineError::type_error(format!("cannot compare {other}"))),
    })
}

fn same<T: ArrowPrimitiveType>(op: BinaryOp, column: &Column, other: &Column) -> BooleanBuffer
where
    T::Native: PartialOrd,
{
    let value = other.values::<T>()[0];
    zip_bits(op, column.values::<T>(), |_| value)
}

fn text_bits(
    op: BinaryOp,
    left: &dyn arrow_array::Datum,
    right: &dyn arrow_array::Datum,
) -> Result<BooleanBuffer> {
    use arrow_ord::cmp;
    let out = match op {
        BinaryOp::Eq => cmp::eq(left, right),
        BinaryOp::Ne => cmp::neq(left, right),
        BinaryOp::Lt => cmp::lt(left, right),
        BinaryOp::Le => cmp::lt_eq(left, right),
        BinaryOp::Gt => cmp::gt(left, right),
        _ => cmp::gt_eq(left, right),
    }?;
    Ok(out.values().clone())
}

fn compare_columns(
    op: BinaryOp,
    left: &Column,
    right: &Column,
    dtype: &DType,
) -> Result<BooleanBuffer> {
    let dtype = wide(dtype);
    let left = prepared(left, &dtype)?;
    let right = prepared(right, &dtype)?;
    Ok(match &dtype {
        DType::Number(Number::Float64) => each::<Float64Type>(op, &left, &right),
        DType::Number(Number::Float32) => each::<Float32Type>(op, &left, &right),
        DType::Number(Number::UInt64) => each::<UInt64Type>(op, &left, &right),
        DType::Number(_) => each::<Int64Type>(op, &left, &right),
        DType::Datetime(..) | DType::Timedelta(_) => {
            let (a, b) = (left.ticks()?, right.ticks()?);
            zip_bits(op, a.values(), |i| b.value(i))
        }
        DType::Str => text_bits(op, left.array(), right.array())?,
        other => return Err(EngineError::type_error(format!("cannot compare {other}"))),
    })
}

fn each<T: ArrowPrimitiveType>(op: BinaryOp, left: &Column, right: &Column) -> BooleanBuffer
where
    T::Native: PartialOrd,
{
    let other = right.values::<T>();
    zip_bits(op, left.values::<T>(), |i| other[i])
}

pub(super) fn between(
    input: &Column,
    low: &Evaluated,
    high: &Evaluated,
    inclusive: Inclusive,
) -> Result<Column> {
    let (above, below) = match inclusive {
        Inclusive::Both => (BinaryOp::Ge, BinaryOp::Le),
        Inclusive::Neither => (BinaryOp::Gt, BinaryOp::Lt),
        Inclusive::Left => (BinaryOp::Ge, BinaryOp::Lt),
        Inclusive::Right => (BinaryOp::Gt, BinaryOp::Le),
    };
    let input = Evaluated::Column(input.clone());
    let above = Evaluated::Column(compare(above, &input, low)?);
    let below = Evaluated::Column(compare(below, &input, high)?);
    super::logical::logical(BinaryOp::And, &above, &below)
}

pub(super) fn is_in(input: &Column, values: &[Scalar]) -> Result<Column> {
    let has_missing = values.iter().any(Scalar::is_missing);
    let bits = match input.dtype() {
        DType::Category { values: kind, .. } => {
            let dictionary = input.array().as_dictionary::<Int32Type>();
            let categories = Column::new((**kind).clone(), dictionary.values().clone())?;
            let found = is_in(&categories, values)?;
            let found = found.as_bool()?.values().clone();
            let keys = dictionary.keys();
            BooleanBuffer::collect_bool(keys.len(), |i| {
                keys.is_valid(i) && found.value(keys.value(i) as usize)
            })
        }
        DType::Str => {
            let wanted: HashSet<&str> = values.iter().filter_map(Scalar::as_str).collect();
            let texts = input.as_str()?;
            BooleanBuffer::collect_bool(texts.len(), |i| wanted.contains(texts.value(i)))
        }
        DType::Datetime(..) | DType::Timedelta(_) => ticks_in(input, values)?,
        _ => numbers_in(input, values)?,
    };
    let Some(validity) = input.validity() else {
        return Ok(Column::from_bits(bits));
    };
    Ok(Column::from_bits(if has_missing {
        &bits | &!&validity
    } else {
        &bits & &validity
    }))
}

fn ticks_in(input: &Column, values: &[Scalar]) -> Result<BooleanBuffer> {
    let mut wanted = HashSet::new();
    for value in values.iter().filter(|v| !v.is_missing()) {
        let fine = Column::full(value, &value.dtype(), 1)?;
        if let Ok(same) = fine.cast(input.dtype())
            && let Ok(back) = same.cast(fine.dtype())
            && back.get(0) == fine.get(0)
        {
            wanted.insert(same.ticks()?.value(0));
        }
    }
    let ticks = input.ticks()?;
    Ok(BooleanBuffer::collect_bool(ticks.len(), |i| {
        wanted.contains(&ticks.value(i))
    }))
}

fn numbers_in(input: &Column, values: &[Scalar]) -> Result<BooleanBuffer> {
    if input.dtype().is_integer() {
        let wanted: HashSet<i64> = values.iter().filter_map(Scalar::as_i64).collect();
        let column = prepared(input, &DType::INT64)?;
        let own = column.values::<Int64Type>();
        return Ok(BooleanBuffer::collect_bool(own.len(), |i| {
            wanted.contains(&own[i])
        }));
    }
    let bits = |v: f64| (v + 0.0).to_bits();
    let wanted: HashSet<u64> = values.iter().filter_map(Scalar::as_f64).map(bits).collect();
    let column = prepared(input, &DType::FLOAT64)?;
    let own = column.values::<Float64Type>();
    Ok(BooleanBuffer::collect_bool(own.len(), |i| {
        wanted.contains(&bits(own[i]))
    }))
}
