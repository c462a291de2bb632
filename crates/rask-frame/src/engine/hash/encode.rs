//! Dense codes for the values of one column, in order of first appearance.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type};
use arrow_array::{Array, ArrowPrimitiveType, LargeStringArray};
use arrow_buffer::NullBuffer;
use foldhash::fast::FixedState;
use num_traits::AsPrimitive;
use std::hash::BuildHasher;

use super::table::{CodeTable, NO_CODE};
use crate::engine::dispatch::for_number;
use crate::engine::{Column, DType, EngineError, Number, Result};

/// The codes of rows; missing values share a code of their own.
pub(crate) struct Encoded {
    pub(crate) codes: Vec<u32>,
    /// For each code the first row that has it.
    pub(crate) representatives: Vec<u32>,
    /// The code of missing values, if there are any.
    pub(crate) missing: Option<u32>,
}

impl Encoded {
    fn with_capacity(rows: usize) -> Encoded {
        Encoded {
            codes: Vec::with_capacity(rows),
            representatives: Vec::new(),
            missing: None,
        }
    }

    #[inline]
    fn next(&self) -> u32 {
        self.representatives.len() as u32
    }

    #[inline]
    fn add_new(&mut self) {
        self.representatives.push(self.codes.len() as u32);
    }

    fn push_missing(&mut self) {
        let code = match self.missing {
            Some(code) => code,
            None => {
                let code = self.next();
                self.missing = Some(code);
                self.add_new();
                code
            }
        };
        self.codes.push(code);
    }
}

pub(crate) fn encode_one(column: &Column) -> Result<Encoded> {
    encode_chunks(&[column])
}

/// The codes of the chunks' rows, one chunk after the other; the chunks have one dtype.
pub(crate) fn encode_chunks(chunks: &[&Column]) -> Result<Encoded> {
    let dtype = chunks[0].dtype();
    match dtype {
        DType::Bool | DType::NullableBool | DType::ObjectBool => Ok(encode_bools(chunks)),
        DType::Number(Number::Float64) => Ok(encode_floats::<Float64Type>(chunks)),
        DType::Number(Number::Float32) => Ok(encode_floats::<Float32Type>(chunks)),
        DType::NullableNumber(n) if n.is_float() => {
            let cast: Vec<Column> = chunks
                .iter()
                .map(|c| c.cast(&DType::FLOAT64))
                .collect::<Result<_>>()?;
            encode_chunks(&cast.iter().collect::<Vec<_>>())
        }
        DType::Number(n) | DType::NullableNumber(n) => Ok(for_number!(*n, T => {
            let parts: Vec<Ints<'_, _>> = chunks
                .iter()
                .map(|c| (c.values::<T>(), c.array().nulls()))
                .collect();
            encode_integers(&parts)
        })),
        DType::Datetime(..) | DType::Timedelta(_) => {
            let ticks: Vec<_> = chunks.iter().map(|c| c.ticks()).collect::<Result<_>>()?;
            let parts: Vec<Ints<'_, i64>> =
                ticks.iter().map(|t| (&t.values()[..], t.nulls())).collect();
            Ok(encode_integers(&parts))
        }
        DType::Str => {
            let parts: Vec<&LargeStringArray> =
                chunks.iter().map(|c| c.as_str()).collect::<Result<_>>()?;
            Ok(encode_strings(&parts))
        }
        DType::Category { .. } => encode_categories(chunks),
        DType::List(_) => Err(EngineError::type_error("unhashable type: 'list'")),
    }
}

type Ints<'a, N> = (&'a [N], Option<&'a NullBuffer>);

fn encode_bools(chunks: &[&Column]) -> Encoded {
    let mut codes_of = [NO_CODE; 2];
    let mut out = Encoded::with_capacity(chunks.iter().map(|c| c.len()).sum());
    for chunk in chunks {
        for value in chunk.array().as_boolean() {
            let Some(value) = value else {
                out.push_missing();
                continue;
            };
            let place = usize::from(value);
            if codes_of[place] == NO_CODE {
                codes_of[place] = out.next();
                out.add_new();
            }
            out.codes.push(codes_of[place]);
        }
    }
    out
}

fn encode_integers<N: Copy + PartialOrd + AsPrimitive<i64>>(chunks: &[Ints<'_, N>]) -> Encoded {
    let rows: usize = chunks.iter().map(|(values, _)| values.len()).sum();
    let bounds = chunks.iter().flat_map(|(values, _)| values.iter()).fold(
        None,
        |bounds: Option<(N, N)>, &v| match bounds {
            None => Some((v, v)),
            Some((low, high)) => Some((
                if v < low { v } else { low },
                if v > high { v } else { high },
            )),
        },
    );
    let Some((low, high)) = bounds else {
        return Encoded::with_capacity(0);
    };
    let span = AsPrimitive::<i64>::as_(high).wrapping_sub(low.as_()) as u64;
    if span < (1 << 16).max((rows as u64).min(1 << 24)) {
        encode_direct(chunks, rows, low.as_(), span as usize)
    } else {
        encode_hashed(chunks, rows)
    }
}

/// Integers in a narrow span: the value itself is the place in the table.
fn encode_direct<N: Copy + AsPrimitive<i64>>(
    chunks: &[Ints<'_, N>],
    rows: usize,
    low: i64,
    span: usize,
) -> Encoded {
    let mut table = vec![NO_CODE; span + 1];
    let mut out = Encoded::with_capacity(rows);
    for (values, nulls) in chunks {
        for (i, value) in values.iter().enumerate() {
            if nulls.is_some_and(|n| n.is_null(i)) {
                out.push_missing();
                continue;
            }
            let place = (AsPrimitive::<i64>::as_(*value).wrapping_sub(low)) as usize;
            let mut code = table[place];
            if code == NO_CODE {
                code = out.next();
                table[place] = code;
                out.add_new();
            }
            out.codes.push(code);
        }
    }
    out
}

fn encode_hashed<N: Copy + AsPrimitive<i64>>(chunks: &[Ints<'_, N>], rows: usize) -> Encoded {
    let mut table = CodeTable::new();
    let mut out = Encoded::with_capacity(rows);
    for (values, nulls) in chunks {
        for (i, value) in values.iter().enumerate() {
            if nulls.is_some_and(|n| n.is_null(i)) {
                out.push_missing();
                continue;
            }
            let key = AsPrimitive::<i64>::as_(*value) as u64;
            let (code, is_new) = table.insert(key, out.next());
            if is_new {
                out.add_new();
            }
            out.codes.push(code);
        }
    }
    out
}

fn encode_floats<T: ArrowPrimitiveType>(chunks: &[&Column]) -> Encoded
where
    T::Native: AsPrimitive<f64>,
{
    let mut table = CodeTable::new();
    let mut out = Encoded::with_capacity(chunks.iter().map(|c| c.len()).sum());
    for chunk in chunks {
        for value in chunk.values::<T>() {
            let value: f64 = value.as_();
            if value.is_nan() {
                out.push_missing();
                continue;
            }
            // Adding zero makes -0.0 equal 0.0.
            let (code, is_new) = table.insert((value + 0.0).to_bits(), out.next());
            if is_new {
                out.add_new();
            }
            out.codes.push(code);
        }
    }
    out
}

/// Strings of up to seven bytes are their own key; longer ones are hashed and compared.
fn encode_strings(chunks: &[&LargeStringArray]) -> Encoded {
    let hasher = FixedState::with_seed(0x5261_736b);
    let mut table = CodeTable::new();
    let mut out = Encoded::with_capacity(chunks.iter().map(|c| c.len()).sum());
    // The text of each code that is long, by (chunk, row).
    let mut places: Vec<(u32, u32)> = Vec::new();
    for (number, chunk) in chunks.iter().enumerate() {
        let data = chunk.value_data();
        let offsets = chunk.value_offsets();
        let nulls = chunk.nulls();
        for row in 0..chunk.len() {
            if nulls.is_some_and(|n| n.is_null(row)) {
                if out.missing.is_none() {
                    places.push((number as u32, row as u32));
                }
                out.push_missing();
                continue;
            }
            let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
            let (code, is_new) = if end - start <= 7 {
                table.insert(short_key(data, start, end), out.next())
            } else {
                let text = &data[start..end];
                let key = hasher.hash_one(text) | (0xFF << 56);
                table.insert_with(key, out.next(), |code| {
                    let (c, r) = places[code as usize];
                    chunks[c as usize].value(r as usize).as_bytes() == text
                })
            };
            if is_new {
                places.push((number as u32, row as u32));
                out.add_new();
            }
            out.codes.push(code);
        }
    }
    out
}

/// The bytes of a short string with its length in the top byte.
#[inline]
fn short_key(data: &[u8], start: usize, end: usize) -> u64 {
    let len = end - start;
    let word = match data.get(start..start + 8) {
        Some(bytes) => {
            let word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
            word & ((1u64 << (8 * len)) - 1)
        }
        None => {
            let mut bytes = [0; 8];
            bytes[..len].copy_from_slice(&data[start..end]);
            u64::from_le_bytes(bytes)
        }
    };
    word | ((len as u64) << 56)
}

/// Categories: the codes of the categories' values, looked up by key.
fn encode_categories(chunks: &[&Column]) -> Result<Encoded> {
    let DType::Category { values, .. } = chunks[0].dtype() else {
        return Err(EngineError::type_error("not a category column"));
    };
    let categories: Vec<Column> = chunks
        .iter()
        .map(|c| {
            let dictionary = c.array().as_dictionary::<Int32Type>();
            Column::new((**values).clone(), dictionary.values().clone())
        })
        .collect::<Result<_>>()?;
    let encoded = encode_chunks(&categories.iter().collect::<Vec<_>>())?;
    let mut table = vec![NO_CODE; encoded.representatives.len()];
    let mut out = Encoded::with_capacity(chunks.iter().map(|c| c.len()).sum());
    let mut offset = 0;
    for (chunk, category) in chunks.iter().zip(&categories) {
        for key in chunk.array().as_dictionary::<Int32Type>().keys() {
            let Some(key) = key else {
                out.push_missing();
                continue;
            };
            let place = encoded.codes[offset + key as usize] as usize;
            if table[place] == NO_CODE {
                table[place] = out.next();
                out.add_new();
            }
            out.codes.push(table[place]);
        }
        offset += category.len();
    }
    Ok(out)
}
