//! Aggregations that pick one of a group's values: the first, the smallest, …

use arrow_array::UInt32Array;
use arrow_buffer::NullBuffer;

use super::Grouping;
use crate::engine::dispatch::for_number;
use crate::engine::{Column, DType, EngineError, Result};

/// Which value of a group to pick; ties go to the earliest row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    First,
    Last,
    Min,
    Max,
}

/// The row of the picked value of each group; missing if all its values are.
pub(super) fn rows(input: &Column, grouping: &Grouping, pick: Pick) -> Result<UInt32Array> {
    let validity = input.validity().map(NullBuffer::new);
    let validity = validity.as_ref();
    Ok(match pick {
        Pick::First => choose(input.len(), validity, grouping, |_, _| false),
        Pick::Last => choose(input.len(), validity, grouping, |_, _| true),
        Pick::Min | Pick::Max => {
            let is_max = pick == Pick::Max;
            extreme_rows(input, validity, grouping, is_max)?
        }
    })
}

/// Keeps one row a group; `is_better(candidate, kept)` says when to change.
#[inline]
fn choose(
    len: usize,
    validity: Option<&NullBuffer>,
    grouping: &Grouping,
    is_better: impl Fn(usize, usize) -> bool,
) -> UInt32Array {
    const NONE: u32 = u32::MAX;
    let mut kept = vec![NONE; grouping.count() + 1];
    let mut offer = |row: usize, id: usize| {
        let best = &mut kept[id];
        if *best == NONE || is_better(row, *best as usize) {
            *best = row as u32;
        }
    };
    for row in 0..len {
        if validity.is_some_and(|v| v.is_null(row)) {
            continue;
        }
        let id = match grouping {
            Grouping::Single => 0,
            Grouping::Many { ids, .. } => ids[row] as usize,
        };
        offer(row, id);
    }
    kept.truncate(grouping.count());
    kept.into_iter()
        .map(|row| (row != NONE).then_some(row))
        .collect()
}

fn extreme_rows(
    input: &Column,
    validity: Option<&NullBuffer>,
    grouping: &Grouping,
    is_max: bool,
) -> Result<UInt32Array> {
    let len = input.len();
    Ok(match input.dtype() {
        DType::Number(n) | DType::NullableNumber(n) => for_number!(*n, T => {
            let values = input.values::<T>();
            if is_max {
                choose(len, validity, grouping, |a, b| values[a] > values[b])
            } else {
                choose(len, validity, grouping, |a, b| values[a] < values[b])
            }
        }),
        DType::Bool | DType::NullableBool | DType::ObjectBool => {
            let values = input.as_bool()?;
            let value = |row| values.value(row);
            choose(len, validity, grouping, |a, b| {
                value(a) != value(b) && value(a) == is_max
            })
        }
        DType::Datetime(..) | DType::Timedelta(_) => {
            let ticks = input.ticks()?;
            let values = ticks.values();
            if is_max {
                choose(len, validity, grouping, |a, b| values[a] > values[b])
            } else {
                choose(len, validity, grouping, |a, b| values[a] < values[b])
            }
        }
        DType::Str => {
            let texts = input.as_str()?;
            let (data, offsets) = (texts.value_data(), texts.value_offsets());
            let text = |row: usize| &data[offsets[row] as usize..offsets[row + 1] as usize];
            if is_max {
                choose(len, validity, grouping, |a, b| text(a) > text(b))
            } else {
                choose(len, validity, grouping, |a, b| text(a) < text(b))
            }
        }
        DType::Category { .. } => {
            use arrow_array::cast::AsArray;
            let keys = input
                .array()
                .as_dictionary::<arrow_array::types::Int32Type>();
            let values = keys.keys().values();
            if is_max {
                choose(len, validity, grouping, |a, b| values[a] > values[b])
            } else {
                choose(len, validity, grouping, |a, b| values[a] < values[b])
            }
        }
        other => {
            return Err(EngineError::type_error(format!(
                "values of dtype {other} have no order"
            )));
        }
    })
}
