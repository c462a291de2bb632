//! Distinct rows and values.

use arrow_array::BooleanArray;
use arrow_buffer::BooleanBuffer;
use serde::{Deserialize, Serialize};

use super::{Column, Index, Label, Result, Table, group_rows};

/// Which of equal rows stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Keep {
    First,
    Last,
    /// None of them: only rows that occur once.
    Neither,
}

/// Which rows are repetitions of another over the subset of columns (all, if `None`).
pub fn duplicated(table: &Table, subset: Option<&[Label]>, keep: Keep) -> Result<BooleanArray> {
    let columns: Vec<&Column> = match subset {
        Some(labels) => labels
            .iter()
            .map(|l| table.column(l))
            .collect::<Result<_>>()?,
        None => table.columns().iter().map(|(_, c)| c).collect(),
    };
    if columns.is_empty() {
        return Ok(BooleanArray::from(vec![false; table.len()]));
    }
    let groups = group_rows(&columns, false)?;
    let mut kept = vec![false; table.len()];
    match keep {
        Keep::First => {
            for row in &groups.representatives {
                kept[*row as usize] = true;
            }
        }
        Keep::Last => {
            let mut last = vec![0; groups.len()];
            for (row, id) in groups.ids.iter().enumerate() {
                last[*id as usize] = row;
            }
            for row in last {
                kept[row] = true;
            }
        }
        Keep::Neither => {
            let mut counts = vec![0u32; groups.len()];
            for id in &groups.ids {
                counts[*id as usize] += 1;
            }
            for (row, id) in groups.ids.iter().enumerate() {
                kept[row] = counts[*id as usize] == 1;
            }
        }
    }
    let bits = BooleanBuffer::collect_bool(kept.len(), |i| !kept[i]);
    Ok(BooleanArray::new(bits, None))
}

/// The table without repeated rows.
pub fn drop_duplicates(table: &Table, subset: Option<&[Label]>, keep: Keep) -> Result<Table> {
    let repeated = duplicated(table, subset, keep)?;
    table.filter(&BooleanArray::new(!repeated.values(), None))
}

/// The distinct values of a column in order of first appearance, missing included.
pub fn unique(column: &Column) -> Result<Column> {
    let groups = group_rows(&[column], false)?;
    Ok(column.take(&groups.representatives))
}

/// The distinct values with how often each occurs: a one-column table indexed by value, in order
/// of first appearance. Of several such tables, [`sum_counts`] makes one.
pub fn value_counts(column: &Column, name: &Label, dropna: bool) -> Result<Table> {
    let groups = group_rows(&[column], dropna)?;
    let mut counts = vec![0i64; groups.len()];
    for id in groups.ids.iter().filter(|id| **id != u32::MAX) {
        counts[*id as usize] += 1;
    }
    let values = column.take(&groups.representatives);
    let index = Index::Columns(vec![(name.clone(), values)]);
    let len = counts.len();
    Table::new(
        vec![(Label::from("count"), Column::from_i64(counts))],
        index,
        len,
    )
}

/// Sums the counts of equal values over several tables of [`value_counts`].
pub fn sum_counts(tables: &[&Table]) -> Result<Table> {
    let all = Table::concat(tables, false)?;
    let keys = all.index_columns();
    let columns: Vec<&Column> = keys.iter().map(|(_, c)| c).collect();
    let groups = group_rows(&columns, false)?;
    let (label, counts) = &all.columns()[0];
    let mut sums = vec![0i64; groups.len()];
    let counts = counts.ticks()?;
    for (id, count) in groups.ids.iter().zip(counts.values()) {
        sums[*id as usize] += count;
    }
    let index = Index::Columns(
        keys.iter()
            .map(|(name, c)| (name.clone(), c.take(&groups.representatives)))
            .collect(),
    );
    let len = sums.len();
    Table::new(vec![(label.clone(), Column::from_i64(sums))], index, len)
}
