//! All values of each group, as a list column.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, LargeListArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::Field;

use super::Grouping;
use crate::engine::{Column, DType, EngineError, Groups, Result, group_rows};

/// The values of each group in order; without missing ones if `dropna`, without repeated ones if
/// `is_distinct`.
pub(super) fn collect(
    input: &Column,
    grouping: &Grouping,
    dropna: bool,
    is_distinct: bool,
) -> Result<Column> {
    let count = grouping.count();
    let mut ids: Vec<u32> = match grouping {
        Grouping::Single => vec![0; input.len()],
        Grouping::Many { ids, .. } => ids.clone(),
    };
    if let (true, Some(validity)) = (dropna, input.validity()) {
        for (id, is_valid) in ids.iter_mut().zip(validity.iter()) {
            if !is_valid {
                *id = count as u32;
            }
        }
    }
    if is_distinct {
        drop_repeated(input, &mut ids, count as u32)?;
    }
    for id in &mut ids {
        if *id >= count as u32 {
            *id = u32::MAX;
        }
    }
    let groups = Groups {
        ids,
        representatives: vec![0; count],
    };
    let (rows, starts) = groups.rows_by_group();
    from_parts(&input.take(&rows), &starts)
}

/// Sends rows whose value the group has already to no group.
fn drop_repeated(input: &Column, ids: &mut [u32], nobody: u32) -> Result<()> {
    let group_numbers = Column::from_values::<arrow_array::types::UInt32Type>(ids.to_vec());
    let pairs = group_rows(&[&group_numbers, input], false)?;
    let mut is_first = vec![false; ids.len()];
    for row in &pairs.representatives {
        is_first[*row as usize] = true;
    }
    for (id, is_first) in ids.iter_mut().zip(is_first) {
        if !is_first {
            *id = nobody;
        }
    }
    Ok(())
}

fn from_parts(values: &Column, starts: &[u32]) -> Result<Column> {
    let dtype = DType::List(Box::new(values.dtype().clone()));
    let offsets: Vec<i64> = starts.iter().map(|s| i64::from(*s)).collect();
    let field = Arc::new(Field::new("item", values.dtype().arrow(), true));
    let list = LargeListArray::try_new(
        field,
        OffsetBuffer::new(ScalarBuffer::from(offsets)),
        values.array().clone(),
        None,
    )?;
    Column::new(dtype, Arc::new(list))
}

/// The values of all lists, and where each list starts among them.
pub(super) fn flatten(lists: &Column) -> Result<(Column, Vec<u32>)> {
    let DType::List(item) = lists.dtype() else {
        return Err(EngineError::type_error("expected lists"));
    };
    let array = lists.array().as_list::<i64>();
    let offsets = array.value_offsets();
    let first = offsets[0];
    let len = (offsets[array.len()] - first) as usize;
    let values = Column::new((**item).clone(), array.values().slice(first as usize, len))?;
    let starts = offsets.iter().map(|o| (o - first) as u32).collect();
    Ok((values, starts))
}

/// Lists of the same group appended to one another.
pub(super) fn merge(lists: &Column, grouping: &Grouping, is_distinct: bool) -> Result<Column> {
    let (values, starts) = flatten(lists)?;
    let mut ids = Vec::with_capacity(values.len());
    for (row, window) in starts.windows(2).enumerate() {
        let id = match grouping {
            Grouping::Single => 0,
            Grouping::Many { ids, .. } => ids[row],
        };
        ids.extend(std::iter::repeat_n(id, (window[1] - window[0]) as usize));
    }
    let inner = Grouping::Many {
        ids,
        count: grouping.count(),
    };
    collect(&values, &inner, false, is_distinct)
}

/// The quantile of each list of numbers without missing values, linear between neighbours.
pub(super) fn quantiles(lists: &Column, quantile: f64) -> Result<Vec<f64>> {
    let (values, starts) = flatten(lists)?;
    let floats = match values.dtype() {
        DType::Datetime(..) | DType::Timedelta(_) => super::fold::tick_floats(&values)?,
        _ => values.cast(&DType::FLOAT64)?,
    };
    let mut all = floats.values::<arrow_array::types::Float64Type>().to_vec();
    Ok(starts
        .windows(2)
        .map(|w| quantile_of(&mut all[w[0] as usize..w[1] as usize], quantile))
        .collect())
}

fn quantile_of(values: &mut [f64], quantile: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let place = quantile * (values.len() - 1) as f64;
    let low = place.floor() as usize;
    let (_, at, above) = values.select_nth_unstable_by(low, f64::total_cmp);
    let at = *at;
    let fraction = place - low as f64;
    if fraction == 0.0 {
        return at;
    }
    let next = above.iter().copied().fold(f64::INFINITY, f64::min);
    at + (next - at) * fraction
}
