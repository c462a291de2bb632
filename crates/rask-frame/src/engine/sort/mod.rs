//! Sorting: stable, by several keys, missing values first or last; and finding rows in sorted
//! order: the top ones, the borders of partitions.

mod boundaries;
mod radix;
mod rank;

use serde::{Deserialize, Serialize};

pub use boundaries::{boundaries, by_boundaries, by_boundaries_in_order, sample};

use super::{Column, Label, Result, Table};

/// A column or an index level.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Key {
    Column(Label),
    Index(usize),
}

/// One key of a sort.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SortKey {
    pub key: Key,
    pub ascending: bool,
}

/// By what to sort, most significant key first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SortSpec {
    pub keys: Vec<SortKey>,
    /// Whether missing values come last (whatever the direction).
    pub na_last: bool,
}

impl Key {
    /// The key's values in a table.
    pub fn of(&self, table: &Table) -> Result<Column> {
        match self {
            Key::Column(label) => Ok(table.column(label)?.clone()),
            Key::Index(level) => table.index_column(*level),
        }
    }
}

impl SortSpec {
    /// Ascending by columns, missing values last.
    pub fn by(labels: &[Label]) -> SortSpec {
        SortSpec {
            keys: labels
                .iter()
                .map(|label| SortKey {
                    key: Key::Column(label.clone()),
                    ascending: true,
                })
                .collect(),
            na_last: true,
        }
    }

    pub(crate) fn columns(&self, table: &Table) -> Result<Vec<Column>> {
        self.keys.iter().map(|key| key.key.of(table)).collect()
    }
}

/// Row numbers in sorted order; equal rows keep theirs.
pub fn sort_rows(keys: &[(&Column, bool)], na_last: bool) -> Result<Vec<u32>> {
    if let &[(column, ascending)] = keys
        && let Some(rows) = rank::order_of_numbers(column, ascending)
    {
        return Ok(rows);
    }
    let len = keys.first().map_or(0, |(column, _)| column.len());
    // `None` as long as the rows are in their own order.
    let mut rows: Option<Vec<u32>> = None;
    let mut sort_by = |ranks: &rank::Ranks| match &mut rows {
        None => rows = Some(radix::order_of_keys(&ranks.values, ranks.bits)),
        Some(rows) => radix::sort_by_key(rows, &ranks.values, ranks.bits),
    };
    let mut word: Option<rank::Ranks> = None;
    for (column, ascending) in keys.iter().rev() {
        let ranks = rank::rank_bits(column, *ascending, na_last)?;
        word = Some(match word.take() {
            None => ranks,
            Some(lower) if lower.bits + ranks.bits <= 64 => pack(lower, &ranks),
            Some(lower) => {
                sort_by(&lower);
                ranks
            }
        });
    }
    if let Some(word) = word {
        sort_by(&word);
    }
    Ok(rows.unwrap_or_else(|| (0..len as u32).collect()))
}

fn pack(mut lower: rank::Ranks, upper: &rank::Ranks) -> rank::Ranks {
    if upper.bits > 0 {
        for (low, high) in lower.values.iter_mut().zip(&upper.values) {
            *low |= high << lower.bits;
        }
    }
    lower.bits += upper.bits;
    lower
}

/// The table in sorted order.
pub fn sort(table: &Table, spec: &SortSpec) -> Result<Table> {
    let rows = sorted_rows(table, spec)?;
    Ok(take_unless_in_order(table, &rows))
}

fn sorted_rows(table: &Table, spec: &SortSpec) -> Result<Vec<u32>> {
    let columns = spec.columns(table)?;
    let keys: Vec<(&Column, bool)> = columns
        .iter()
        .zip(&spec.keys)
        .map(|(column, key)| (column, key.ascending))
        .collect();
    sort_rows(&keys, spec.na_last)
}

fn take_unless_in_order(table: &Table, rows: &[u32]) -> Table {
    let is_in_order = rows.len() == table.len() && rows.is_sorted();
    if is_in_order {
        return table.clone();
    }
    table.take(rows)
}

/// Sorted tables as one sorted table; rows of earlier tables come first among equals.
pub fn merge(tables: &[&Table], spec: &SortSpec) -> Result<Table> {
    sort(&Table::concat(tables, false)?, spec)
}

/// The first rows in sorted order, as `nsmallest` (`nlargest` with descending keys); rows with a
/// missing first key only when `keep_missing`.
pub fn top(table: &Table, spec: &SortSpec, rows: usize, keep_missing: bool) -> Result<Table> {
    let mut order = sorted_rows(table, spec)?;
    if !keep_missing
        && let Some(first) = spec.keys.first()
        && let Some(validity) = first.key.of(table)?.validity()
    {
        order.retain(|row| validity.value(*row as usize));
    }
    order.truncate(rows);
    Ok(table.take(&order))
}
