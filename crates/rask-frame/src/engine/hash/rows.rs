//! Hashes of rows that are the same in every process, so that a shuffle on several machines sends
//! equal keys to one partition. Equal numbers hash equally whatever their dtype.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use num_traits::AsPrimitive;
use xxhash_rust::xxh3::xxh3_64;

use crate::engine::dispatch::for_number;
use crate::engine::{Column, DType, Result};

const MISSING: u64 = 0x9E6C_63D0_876A_3F6B;

/// One hash a row over all columns.
pub fn hash_rows(columns: &[&Column]) -> Result<Vec<u64>> {
    let Some((first, rest)) = columns.split_first() else {
        return Ok(Vec::new());
    };
    let mut hashes = hash_column(first)?;
    for hash in &mut hashes {
        *hash = mix(*hash);
    }
    for column in rest {
        let words = hash_column(column)?;
        for (hash, word) in hashes.iter_mut().zip(words) {
            *hash = mix(hash.rotate_left(23) ^ word);
        }
    }
    Ok(hashes)
}

/// SplitMix64's finaliser.
#[inline]
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn hash_column(column: &Column) -> Result<Vec<u64>> {
    let validity = column.validity();
    let mut words: Vec<u64> = match column.dtype() {
        DType::Bool | DType::NullableBool | DType::ObjectBool => column
            .as_bool()?
            .values()
            .iter()
            .map(|v| mix(u64::from(v)))
            .collect(),
        DType::Number(n) | DType::NullableNumber(n) if n.is_float() => {
            for_number!(*n, T => column.values::<T>().iter().map(|v| hash_float(v.as_())).collect())
        }
        DType::Number(n) | DType::NullableNumber(n) => for_number!(*n, T => {
            let hash = |v: &_| mix(AsPrimitive::<i64>::as_(*v) as u64);
            column.values::<T>().iter().map(hash).collect()
        }),
        DType::Str => {
            let texts = column.as_str()?;
            let (data, offsets) = (texts.value_data(), texts.value_offsets());
            offsets
                .windows(2)
                .map(|w| xxh3_64(&data[w[0] as usize..w[1] as usize]))
                .collect()
        }
        DType::Datetime(unit, _) | DType::Timedelta(unit) => {
            // In nanoseconds, wrapping, so that equal times of different units agree.
            let scale = 1_000_000_000 / unit.per_second();
            let ticks = column.ticks()?;
            let hash = |t: &i64| mix(t.wrapping_mul(scale) as u64);
            ticks.values().iter().map(hash).collect()
        }
        DType::Category { values, .. } => {
            let dictionary = column.array().as_dictionary::<Int32Type>();
            let categories = Column::new((**values).clone(), dictionary.values().clone())?;
            let words = hash_column(&categories)?;
            dictionary
                .keys()
                .iter()
                .map(|key| key.map_or(MISSING, |k| words[k as usize]))
                .collect()
        }
        DType::List(_) => {
            return Err(crate::engine::EngineError::type_error(
                "unhashable type: 'list'",
            ));
        }
    };
    if let Some(bits) = validity {
        for (word, is_valid) in words.iter_mut().zip(bits.iter()) {
            if !is_valid {
                *word = MISSING;
            }
        }
    }
    Ok(words)
}

/// A float that is a whole number hashes as that integer.
#[inline]
fn hash_float(value: f64) -> u64 {
    let whole = value as i64;
    if whole as f64 == value {
        mix(whole as u64)
    } else {
        mix(value.to_bits())
    }
}
