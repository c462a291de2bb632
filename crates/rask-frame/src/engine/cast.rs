//! `astype`, and columns of one value.

use std::sync::Arc;

use arrow_array::builder::LargeStringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array,
    LargeStringArray, new_null_array,
};
use arrow_buffer::BooleanBuffer;

use super::calendar::{self, DatetimeStyle};
use super::column::nulls_from;
use super::dispatch::for_number;
use super::hash::encode_one;
use super::{Column, DType, EngineError, Number, Result, Scalar, TimeUnit, text};

pub(crate) fn cast(column: &Column, dtype: &DType) -> Result<Column> {
    if column.dtype() == dtype {
        return Ok(column.clone());
    }
    match (column.dtype(), dtype) {
        (
            DType::Category { values: from, .. },
            DType::Category {
                values: to,
                ordered: _,
            },
        ) if from == to => column.clone().with_dtype(dtype.clone()),
        (DType::Category { .. }, _) => decode_category(column)?.cast(dtype),
        (_, DType::Category { values, ordered }) => to_category(&column.cast(values)?, *ordered),
        (DType::Str, _) => from_text(column, dtype),
        (_, DType::Str) => to_text(column),
        (_, DType::Bool) => to_bool(column),
        (from, to) if from.is_float() && to.is_integer() => float_to_integer(column, dtype),
        (DType::Datetime(..) | DType::Timedelta(_), DType::Number(Number::Int64)) => {
            Column::new(DType::INT64, Arc::new(column.ticks()?))
        }
        (DType::Number(Number::Int64), DType::Datetime(..) | DType::Timedelta(_)) => {
            Column::from_ticks(dtype.clone(), column.ticks()?)
        }
        (DType::Datetime(..), DType::Datetime(..)) | (DType::Timedelta(_), DType::Timedelta(_)) => {
            Column::from_arrow_as(column.array().clone(), dtype.clone())
        }
        (DType::Datetime(..) | DType::Timedelta(_), _)
        | (_, DType::Datetime(..) | DType::Timedelta(_)) => Err(refused(column.dtype(), dtype)),
        (DType::ObjectBool | DType::NullableBool, DType::Number(n))
            if !n.is_float() && column.missing_count() > 0 =>
        {
            Err(non_finite())
        }
        (from, DType::Number(_)) if from.number().is_some_and(|n| !n.is_float()) => {
            wrapping_cast(column, dtype)
        }
        _ => Column::from_arrow_as(column.array().clone(), dtype.clone()),
    }
}

/// Integer to number casts wrap around as NumPy's do.
fn wrapping_cast(column: &Column, dtype: &DType) -> Result<Column> {
    let (Some(from), Some(to)) = (column.dtype().number(), dtype.number()) else {
        return Err(refused(column.dtype(), dtype));
    };
    if column.missing_count() > 0 && !to.is_float() {
        return Err(non_finite());
    }
    if to.is_float() {
        return Column::from_arrow_as(column.array().clone(), dtype.clone());
    }
    Ok(for_number!(from, F => for_number!(to, T => {
        use num_traits::AsPrimitive;
        type Out = <T as arrow_array::ArrowPrimitiveType>::Native;
        let values = column.values::<F>().iter().map(|v| {
            AsPrimitive::<Out>::as_(*v)
        });
        Column::from_values::<T>(values.collect())
    })))
}

fn refused(from: &DType, to: &DType) -> EngineError {
    EngineError::type_error(format!("Cannot cast {from} to {to}"))
}

fn non_finite() -> EngineError {
    EngineError::value(
        "Cannot convert non-finite values (NA or inf) to integer; use fillna first, or a \
         nullable dtype such as 'Int64'",
    )
}

fn float_to_integer(column: &Column, dtype: &DType) -> Result<Column> {
    let floats = Column::from_arrow_as(column.array().clone(), float_kind(column.dtype()))?;
    let values = floats.values::<Float64Type>();
    if !dtype.has_validity() {
        if values.iter().any(|v| !v.is_finite()) {
            return Err(non_finite());
        }
        let whole: Vec<i64> = values.iter().map(|v| *v as i64).collect();
        let whole: ArrayRef = match dtype.number() {
            Some(Number::UInt64) => Arc::new(arrow_array::UInt64Array::from_iter_values(
                values.iter().map(|v| *v as u64),
            )),
            _ => Arc::new(Int64Array::from(whole)),
        };
        return Column::from_arrow(whole)?.cast(dtype);
    }
    if let Some(bad) = values.iter().find(|v| !v.is_nan() && v.fract() != 0.0) {
        return Err(EngineError::type_error(format!(
            "cannot safely cast non-equivalent float64 to {dtype}: found {bad}"
        )));
    }
    let nulls = nulls_from(floats.validity());
    let whole = Int64Array::new(values.iter().map(|v| *v as i64).collect(), nulls);
    Column::from_arrow_as(Arc::new(whole), dtype.clone())
}

fn float_kind(dtype: &DType) -> DType {
    match dtype {
        DType::NullableNumber(_) => DType::NullableNumber(Number::Float64),
        _ => DType::FLOAT64,
    }
}

fn to_bool(column: &Column) -> Result<Column> {
    if column.dtype().is_bool() {
        if column.dtype() == &DType::NullableBool && column.missing_count() > 0 {
            return Err(EngineError::value("cannot convert NA to bool"));
        }
        let values = column.as_bool()?;
        // In an object column NaN is true.
        let bits = match values.nulls() {
            Some(nulls) => values.values() | &!nulls.inner(),
            None => values.values().clone(),
        };
        return Ok(Column::from_bits(bits));
    }
    let Some(number) = column.dtype().number() else {
        return Err(refused(column.dtype(), &DType::Bool));
    };
    Ok(for_number!(number, T => {
        let values = column.values::<T>();
        let zero = Default::default();
        Column::from_bits(BooleanBuffer::collect_bool(values.len(), |i| values[i] != zero))
    }))
}

/// A category column's values as a plain column.
pub(crate) fn decode_category(column: &Column) -> Result<Column> {
    let DType::Category { values, .. } = column.dtype() else {
        return Ok(column.clone());
    };
    let dictionary = column.array().as_dictionary::<Int32Type>();
    let array = arrow_select::take::take(dictionary.values(), dictionary.keys(), None)?;
    let dtype = if array.null_count() > 0 {
        values.with_missing()
    } else {
        (**values).clone()
    };
    Column::from_arrow_as(array, dtype)
}

/// A category column whose categories are the sorted distinct values.
fn to_category(column: &Column, ordered: bool) -> Result<Column> {
    let encoded = encode_one(column)?;
    let present: Vec<u32> = (0..encoded.representatives.len() as u32)
        .filter(|code| Some(*code) != encoded.missing)
        .collect();
    let firsts: Vec<u32> = present
        .iter()
        .map(|code| encoded.representatives[*code as usize])
        .collect();
    let distinct = column.take(&firsts);
    let order = super::sort::sort_rows(&[(&distinct, true)], true)?;
    let mut rank = vec![None; encoded.representatives.len()];
    for (place, row) in order.iter().enumerate() {
        rank[present[*row as usize] as usize] = Some(place as i32);
    }
    let keys: Int32Array = encoded.codes.iter().map(|c| rank[*c as usize]).collect();
    let values = distinct.take(&order);
    let dtype = DType::Category {
        ordered,
        values: Box::new(values.dtype().clone()),
    };
    let array = DictionaryArray::<Int32Type>::try_new(keys, values.array().clone())?;
    Column::new(dtype, Arc::new(array))
}

fn from_text(column: &Column, dtype: &DType) -> Result<Column> {
    let texts = column.as_str()?;
    match dtype {
        DType::Bool => {
            let filled = texts.iter().map(|t| t.is_none_or(|t| !t.is_empty()));
            Ok(Column::from_bits(filled.collect()))
        }
        DType::Datetime(unit, zone) => {
            let ticks = parse_datetimes(texts, *unit)?;
            Column::from_ticks(DType::Datetime(*unit, zone.clone()), ticks)
        }
        DType::Number(n) | DType::NullableNumber(n) if n.is_float() => {
            let values = texts
                .iter()
                .map(|t| t.map(parse_float).transpose())
                .collect::<Result<Float64Array>>()?;
            Column::new(
                float_kind(dtype),
                Column::from_arrow_as(Arc::new(values), float_kind(dtype))?
                    .array()
                    .clone(),
            )?
            .cast(dtype)
        }
        DType::Number(_) | DType::NullableNumber(_) => {
            let values = texts
                .iter()
                .map(|t| t.map(parse_integer).transpose())
                .collect::<Result<Int64Array>>()?;
            if values.null_count() > 0 && !dtype.has_validity() {
                return Err(non_finite());
            }
            let kind = if dtype.has_validity() {
                DType::NullableNumber(Number::Int64)
            } else {
                DType::INT64
            };
            Column::new(kind, Arc::new(values))?.cast(dtype)
        }
        _ => Err(refused(column.dtype(), dtype)),
    }
}

fn parse_float(text: &str) -> Result<f64> {
    let trimmed = text.trim();
    fast_float2::parse(trimmed)
        .map_err(|_| EngineError::value(format!("could not convert string to float: '{text}'")))
}

fn parse_integer(text: &str) -> Result<i64> {
    text.trim().parse().map_err(|_| {
        EngineError::value(format!("invalid literal for int() with base 10: '{text}'"))
    })
}

/// Reads datetimes from text; missing stays missing.
pub(crate) fn parse_datetimes(texts: &LargeStringArray, unit: TimeUnit) -> Result<Int64Array> {
    texts
        .iter()
        .map(|text| match text {
            None => Ok(None),
            Some(text) => calendar::parse_datetime(text.as_bytes())
                .and_then(|(s, ns, _)| calendar::ticks_of(s, ns, unit))
                .map(Some)
                .ok_or_else(|| EngineError::value(format!("cannot read '{text}' as a datetime"))),
        })
        .collect()
}

/// The text of each value as pandas' `astype(str)`.
pub(crate) fn to_text(column: &Column) -> Result<Column> {
    let len = column.len();
    let mut builder = LargeStringBuilder::with_capacity(len, len * 8);
    let validity = column.validity();
    let mut buffer = String::new();
    let mut append = |row: usize, write: &mut dyn FnMut(&mut String)| {
        if validity.as_ref().is_some_and(|bits| !bits.value(row)) {
            builder.append_null();
            return;
        }
        buffer.clear();
        write(&mut buffer);
        builder.append_value(&buffer);
    };
    use std::fmt::Write;
    match column.dtype() {
        DType::Number(Number::Float64) | DType::NullableNumber(Number::Float64) => {
            for (row, value) in column.values::<Float64Type>().iter().enumerate() {
                append(row, &mut |out| text::write_float(out, *value));
            }
        }
        DType::Number(Number::Float32) | DType::NullableNumber(Number::Float32) => {
            for (row, value) in column.values::<Float32Type>().iter().enumerate() {
                append(row, &mut |out| text::write_float32(out, *value));
            }
        }
        DType::Number(n) | DType::NullableNumber(n) => for_number!(*n, T => {
            for (row, value) in column.values::<T>().iter().enumerate() {
                append(row, &mut |out| { let _ = write!(out, "{value}"); });
            }
        }),
        DType::Bool | DType::NullableBool | DType::ObjectBool => {
            for (row, value) in column.as_bool()?.values().iter().enumerate() {
                append(row, &mut |out| {
                    out.push_str(if value { "True" } else { "False" })
                });
            }
        }
        DType::Datetime(unit, _) => {
            let ticks = column.ticks()?;
            let style = DatetimeStyle::of(ticks.iter().flatten(), *unit);
            for (row, tick) in ticks.values().iter().enumerate() {
                append(row, &mut |out| style.write(out, *tick, *unit));
            }
        }
        DType::Timedelta(unit) => {
            for (row, tick) in column.ticks()?.values().iter().enumerate() {
                append(row, &mut |out| calendar::write_timedelta(out, *tick, *unit));
            }
        }
        DType::Str => return Ok(column.clone()),
        DType::Category { .. } => return to_text(&decode_category(column)?),
        DType::List(_) => return Err(refused(column.dtype(), &DType::Str)),
    }
    Ok(Column::from_strings(builder.finish()))
}

/// A column that repeats one value.
pub(crate) fn full(value: &Scalar, dtype: &DType, len: usize) -> Result<Column> {
    if matches!(value, Scalar::Missing) {
        return Column::new(
            dtype.with_missing(),
            new_null_array(&dtype.with_missing().arrow(), len),
        );
    }
    let plain = match value {
        Scalar::Missing => Column::missing(dtype, len),
        Scalar::Bool(v) => Column::from_bool(BooleanArray::from(vec![*v; len])),
        Scalar::Int(v) => Column::from_i64(vec![*v; len]),
        Scalar::UInt(v) => Column::from_values::<arrow_array::types::UInt64Type>(vec![*v; len]),
        Scalar::Float(v) => Column::from_f64(vec![*v; len]),
        Scalar::Str(v) => Column::from_texts(std::iter::repeat_n(Some(&**v), len)),
        Scalar::Datetime(v, unit, zone) => Column::from_ticks(
            DType::Datetime(*unit, zone.clone()),
            Int64Array::from(vec![*v; len]),
        )?,
        Scalar::Timedelta(v, unit) => {
            Column::from_ticks(DType::Timedelta(*unit), Int64Array::from(vec![*v; len]))?
        }
    };
    plain.cast(dtype)
}

/// Whether an integer value survives as this number type.
pub(crate) fn fits(value: i64, number: Number) -> bool {
    let column = Column::from_values::<Int64Type>(vec![value]);
    let target = DType::Number(number);
    column
        .cast(&target)
        .and_then(|c| c.cast(&DType::INT64))
        .is_ok_and(|c| c.values::<Int64Type>() == [value])
}
