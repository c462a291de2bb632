//! Keys of a sort as bits: the order of the values is the order of the numbers.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type};
use arrow_array::{Array, ArrowPrimitiveType};
use arrow_buffer::BooleanBuffer;
use num_traits::AsPrimitive;

use super::radix::order_of_words;
use crate::engine::cast::decode_category;
use crate::engine::dispatch::for_number;
use crate::engine::hash::encode_one;
use crate::engine::{Column, DType, EngineError, Number, Result};

/// A key as unsigned numbers below `1 << bits`.
pub(crate) struct Ranks {
    pub(crate) values: Vec<u64>,
    pub(crate) bits: u32,
}

/// Rows in the order of a column of numbers, none of which is missing; `None` for other columns.
pub(crate) fn order_of_numbers(column: &Column, ascending: bool) -> Option<Vec<u32>> {
    let len = column.len();
    match column.dtype() {
        DType::Number(_) | DType::NullableNumber(_) | DType::Datetime(..) | DType::Timedelta(_) => {
        }
        _ => return None,
    }
    if column.validity().is_some() {
        return None;
    }
    Some(match column.dtype() {
        DType::Number(n) | DType::NullableNumber(n) if n.is_float() => for_number!(*n, T => {
            let values = column.values::<T>();
            let value = |row: usize| AsPrimitive::<f64>::as_(values[row]);
            match (0..len).all(|row| is_whole(value(row))) {
                true => order_of_words(len, ascending, |row| ordered(value(row) as i64)),
                false => order_of_words(len, ascending, |row| ordered_float(value(row))),
            }
        }),
        DType::Number(Number::UInt64) | DType::NullableNumber(Number::UInt64) => {
            let values = column.values::<arrow_array::types::UInt64Type>();
            order_of_words(len, ascending, |row| values[row])
        }
        DType::Number(n) | DType::NullableNumber(n) => for_number!(*n, T => {
            let values = column.values::<T>();
            order_of_words(len, ascending, |row| ordered(AsPrimitive::<i64>::as_(values[row])))
        }),
        _ => {
            let ticks = column.ticks().ok()?;
            let ticks = ticks.values();
            order_of_words(len, ascending, |row| ordered(ticks[row]))
        }
    })
}

/// Whether a number is the same as an integer.
fn is_whole(value: f64) -> bool {
    value.abs() < 1e15 && value.trunc() == value
}

/// Ranks of a column, descending and missing values settled.
pub(crate) fn rank_bits(column: &Column, ascending: bool, na_last: bool) -> Result<Ranks> {
    let validity = column.validity();
    let (mut values, highest) = raw_ranks(column, validity.as_ref())?;
    if !ascending {
        for value in &mut values {
            *value = highest.wrapping_sub(*value);
        }
    }
    let Some(validity) = validity else {
        return Ok(Ranks {
            values,
            bits: bits_of(highest),
        });
    };
    // One more value than there is room for happens only with all 64 bits in use; then the two
    // largest values (NaN payloads, i64::MAX) share a rank.
    let top = highest.saturating_add(1);
    for (value, is_valid) in values.iter_mut().zip(validity.iter()) {
        *value = match (is_valid, na_last) {
            (true, true) => *value,
            (true, false) => value.saturating_add(1),
            (false, true) => top,
            (false, false) => 0,
        };
    }
    Ok(Ranks {
        values,
        bits: bits_of(top),
    })
}

fn bits_of(highest: u64) -> u32 {
    64 - highest.leading_zeros()
}

/// Ranks from zero and the highest; those of missing values mean nothing.
fn raw_ranks(column: &Column, validity: Option<&BooleanBuffer>) -> Result<(Vec<u64>, u64)> {
    match column.dtype() {
        DType::Bool | DType::NullableBool | DType::ObjectBool => {
            let values = column.as_bool()?.values().iter().map(u64::from).collect();
            Ok((values, 1))
        }
        DType::Number(n) | DType::NullableNumber(n) => Ok(match n {
            Number::Float64 => float_ranks::<Float64Type>(column, validity),
            Number::Float32 => float_ranks::<Float32Type>(column, validity),
            Number::UInt64 => {
                let values = column.values::<arrow_array::types::UInt64Type>();
                from_zero(values.to_vec(), validity)
            }
            n => for_number!(*n, T => {
                let values = column.values::<T>().iter();
                from_zero(values.map(|v| ordered(AsPrimitive::<i64>::as_(*v))).collect(), validity)
            }),
        }),
        DType::Datetime(..) | DType::Timedelta(_) => {
            let ticks = column.ticks()?;
            let values = ticks.values().iter().map(|v| ordered(*v)).collect();
            Ok(from_zero(values, validity))
        }
        DType::Str => text_ranks(column),
        DType::Category { .. } => {
            let dictionary = column.array().as_dictionary::<Int32Type>();
            let keys = dictionary.keys().values().iter().map(|k| *k as u64);
            Ok((
                keys.collect(),
                (dictionary.values().len() as u64).max(1) - 1,
            ))
        }
        DType::List(_) => Err(EngineError::type_error("lists cannot be sorted")),
    }
}

/// Numbers in the order of the values, that can be compared with those of another column of the
/// same dtype; those of missing values mean nothing. `None` if the values are no numbers.
pub(crate) fn find_words(column: &Column) -> Option<Vec<u64>> {
    Some(match column.dtype() {
        DType::Number(n) | DType::NullableNumber(n) if n.is_float() => for_number!(*n, T => {
            let values = column.values::<T>().iter();
            values.map(|v| ordered_float(AsPrimitive::<f64>::as_(*v))).collect()
        }),
        DType::Number(Number::UInt64) | DType::NullableNumber(Number::UInt64) => {
            column.values::<arrow_array::types::UInt64Type>().to_vec()
        }
        DType::Number(n) | DType::NullableNumber(n) => for_number!(*n, T => {
            let values = column.values::<T>().iter();
            values.map(|v| ordered(AsPrimitive::<i64>::as_(*v))).collect()
        }),
        DType::Datetime(..) | DType::Timedelta(_) => {
            let ticks = column.ticks().ok()?;
            ticks.values().iter().map(|v| ordered(*v)).collect()
        }
        _ => return None,
    })
}

/// The sign comes first, and those below zero are in reverse.
fn ordered_float(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    bits ^ (((bits as i64 >> 63) as u64) | (1 << 63))
}

fn ordered(value: i64) -> u64 {
    (value as u64) ^ (1 << 63)
}

fn from_zero(mut values: Vec<u64>, validity: Option<&BooleanBuffer>) -> (Vec<u64>, u64) {
    let bounds = |bounds: (u64, u64), v: u64| (bounds.0.min(v), bounds.1.max(v));
    let (low, high) = match validity {
        None => values.iter().fold((u64::MAX, 0), |b, v| bounds(b, *v)),
        Some(bits) => bits
            .set_indices()
            .fold((u64::MAX, 0), |b, i| bounds(b, values[i])),
    };
    if low > high {
        return (values, 0);
    }
    for value in &mut values {
        *value = value.wrapping_sub(low);
    }
    (values, high - low)
}

fn float_ranks<T: ArrowPrimitiveType>(
    column: &Column,
    validity: Option<&BooleanBuffer>,
) -> (Vec<u64>, u64)
where
    T::Native: AsPrimitive<f64>,
{
    let values = column.values::<T>();
    let is_whole = values.iter().all(|v| {
        let v: f64 = v.as_();
        v.is_nan() || is_whole(v)
    });
    let ranks = if is_whole {
        values
            .iter()
            .map(|v| ordered(AsPrimitive::<f64>::as_(*v) as i64))
            .collect()
    } else {
        values.iter().map(|v| ordered_float(v.as_())).collect()
    };
    from_zero(ranks, validity)
}

/// Strings rank by their place among the sorted distinct strings.
fn text_ranks(column: &Column) -> Result<(Vec<u64>, u64)> {
    let encoded = encode_one(column)?;
    let texts = column.as_str()?;
    let text_of = |code: u32| {
        let row = encoded.representatives[code as usize] as usize;
        (!texts.is_null(row)).then(|| texts.value(row))
    };
    let mut order: Vec<u32> = (0..encoded.representatives.len() as u32).collect();
    order.sort_unstable_by(|a, b| text_of(*a).cmp(&text_of(*b)));
    let mut rank = vec![0u64; order.len()];
    for (place, code) in order.iter().enumerate() {
        rank[*code as usize] = place as u64;
    }
    let values = encoded.codes.iter().map(|c| rank[*c as usize]).collect();
    Ok((values, (order.len() as u64).max(1) - 1))
}

/// A key for comparison between tables: categories by value, since dictionaries differ.
pub(crate) fn comparable(column: &Column) -> Result<Column> {
    decode_category(column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::hash::mix;
    use crate::engine::sort::sort_rows;
    use arrow_array::types::{Int16Type, UInt64Type};

    /// Rows of a column as a comparison of these numbers has them.
    fn check<N: PartialOrd + Copy>(column: &Column, numbers: &[N]) {
        for ascending in [true, false] {
            let mut expected: Vec<u32> = (0..numbers.len() as u32).collect();
            expected.sort_by(|a, b| {
                let (a, b) = (numbers[*a as usize], numbers[*b as usize]);
                let order = a.partial_cmp(&b).unwrap();
                if ascending { order } else { order.reverse() }
            });
            let what = format!("{}, ascending: {ascending}", column.dtype());
            assert!(
                order_of_numbers(column, ascending).as_ref() == Some(&expected),
                "{what}"
            );
            // With a key that tells nothing the ranks of the column are sorted.
            let same = Column::from_i64(vec![7; numbers.len()]);
            let keys = [(column, ascending), (&same, true)];
            assert!(
                sort_rows(&keys, true).unwrap() == expected,
                "{what}, with another key"
            );
        }
    }

    #[test]
    fn rows_of_numbers_are_in_order_and_equal_ones_stay() {
        for len in [0, 1, 2, 400, 3000] {
            let draw = |count: u64| (0..len).map(move |i| mix(i) % count);
            let whole: Vec<i64> = draw(900).map(|n| n as i64 - 450).collect();
            check(&Column::from_i64(whole.clone()), &whole);
            let far: Vec<i64> = (0..len).map(|i| mix(i) as i64).collect();
            check(&Column::from_i64(far.clone()), &far);
            let large: Vec<u64> = (0..len).map(mix).collect();
            check(&Column::from_values::<UInt64Type>(large.clone()), &large);
            let small: Vec<i16> = whole.iter().map(|n| *n as i16).collect();
            check(&Column::from_values::<Int16Type>(small.clone()), &small);
            // Zeros of both signs are equal.
            let floats: Vec<f64> = whole.iter().map(|n| (*n / 9) as f64 * -0.0).collect();
            check(&Column::from_f64(floats.clone()), &floats);
            let floats: Vec<f64> = far.iter().map(|n| *n as f64 / 1e18).collect();
            check(&Column::from_f64(floats.clone()), &floats);
            let endless: Vec<f64> = floats.iter().map(|n| n.powi(999)).collect();
            check(&Column::from_f64(endless.clone()), &endless);
        }
    }
}
