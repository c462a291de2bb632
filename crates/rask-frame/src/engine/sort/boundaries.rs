//! Borders between the partitions of a sorted collection: samples of each partition make them, and
//! each partition is then cut at them.

use super::rank::comparable;
use super::{SortSpec, sort_rows};
use crate::engine::{Column, EngineError, Index, Label, Result, Table};

/// Evenly spaced rows of the table's keys in sorted order, for choosing borders.
pub fn sample(table: &Table, spec: &SortSpec, count: usize) -> Result<Table> {
    let keys = key_table(table, spec)?;
    let rows = order_of(&keys, spec)?;
    let count = count.min(rows.len());
    let picked: Vec<u32> = (0..count)
        .map(|i| rows[(2 * i + 1) * rows.len() / (2 * count)])
        .collect();
    Ok(keys.take(&picked).with_fresh_range())
}

/// The borders that cut the sampled collection into `partitions` parts of about equal size: at
/// most `partitions - 1` rows of keys, distinct.
pub fn boundaries(samples: &[&Table], spec: &SortSpec, partitions: usize) -> Result<Table> {
    let all = Table::concat(samples, true)?;
    let rows = order_of(&all, spec)?;
    let mut picked: Vec<u32> = Vec::new();
    if !rows.is_empty() {
        picked.extend((1..partitions).map(|i| rows[i * rows.len() / partitions]));
    }
    let borders = all.take(&picked).with_fresh_range();
    let distinct =
        crate::engine::unique::drop_duplicates(&borders, None, crate::engine::unique::Keep::First)?;
    Ok(distinct.with_fresh_range())
}

/// Cuts a table at the borders: part `i` has the rows at or after border `i - 1` and before border
/// `i`. Rows keep their order inside a part.
pub fn by_boundaries(table: &Table, spec: &SortSpec, borders: &Table) -> Result<Vec<Table>> {
    let parts = partition_numbers(table, spec, borders)?;
    Ok(crate::engine::partition::split(
        table,
        &parts,
        borders.len() + 1,
    ))
}

/// The number of the part that each row belongs to.
pub(crate) fn partition_numbers(
    table: &Table,
    spec: &SortSpec,
    borders: &Table,
) -> Result<Vec<u32>> {
    let keys = key_table(table, spec)?;
    if borders.columns().len() != keys.columns().len() {
        return Err(EngineError::value(
            "the borders have another number of keys than the sort",
        ));
    }
    let columns: Vec<(Label, Column)> = borders.columns().to_vec();
    let borders = Table::new(columns, Index::default_range(), borders.len())?;
    let keys = keys.with_fresh_range();
    // Borders first: a row equal to a border comes after it, in the border's part.
    let all = Table::concat(&[&borders, &keys], true)?;
    let order = order_of(&all, spec)?;
    let count = borders.len() as u32;
    let mut parts = vec![0; table.len()];
    let mut part = 0;
    for row in order {
        if row < count {
            part += 1;
        } else {
            parts[(row - count) as usize] = part;
        }
    }
    Ok(parts)
}

fn key_table(table: &Table, spec: &SortSpec) -> Result<Table> {
    let columns = spec
        .columns(table)?
        .iter()
        .enumerate()
        .map(|(i, column)| Ok((Label::Int(i as i64), comparable(column)?)))
        .collect::<Result<Vec<_>>>()?;
    Table::new(columns, Index::default_range(), table.len())
}

fn order_of(keys: &Table, spec: &SortSpec) -> Result<Vec<u32>> {
    let columns: Vec<(&Column, bool)> = keys
        .columns()
        .iter()
        .zip(&spec.keys)
        .map(|((_, column), key)| (column, key.ascending))
        .collect();
    sort_rows(&columns, spec.na_last)
}

impl Table {
    pub(crate) fn with_fresh_range(&self) -> Table {
        self.with_index(Index::default_range())
            .expect("a range fits any table")
    }
}
