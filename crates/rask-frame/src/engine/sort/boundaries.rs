//! Borders between the partitions of a sorted collection: samples of each partition make them, and
//! each partition is then cut at them.

use super::rank::{comparable, find_words};
use super::{SortSpec, sort_rows};
use crate::engine::hash::mix;
use crate::engine::{Column, Division, EngineError, Index, Label, Result, Table};

/// So many rows are looked at for each that is picked.
const LOOKED_AT_FACTOR: usize = 16;

/// Evenly spaced rows of the table's keys in sorted order, for choosing borders. Of a large table
/// not all rows are looked at.
pub fn sample(table: &Table, spec: &SortSpec, count: usize) -> Result<Table> {
    let keys = key_table(table, spec)?;
    let keys = match scattered_rows(keys.len(), count * LOOKED_AT_FACTOR) {
        Some(rows) => keys.take(&rows),
        None => keys,
    };
    let rows = order_of(&keys, spec)?;
    let count = count.min(rows.len());
    let picked: Vec<u32> = (0..count)
        .map(|i| rows[(2 * i + 1) * rows.len() / (2 * count)])
        .collect();
    Ok(keys.take(&picked).with_fresh_range())
}

/// One row out of each of `count` runs of equal length, anywhere in it, so that no pattern of the
/// data is met; `None` if there are not many more rows than that.
fn scattered_rows(len: usize, count: usize) -> Option<Vec<u32>> {
    let length = len.checked_div(count)?;
    if length < 2 {
        return None;
    }
    let place = |run: u64| mix(run ^ len as u64) % length as u64;
    let row = |run: usize| (run * len / count) as u64 + place(run as u64);
    Some((0..count).map(|run| row(run) as u32).collect())
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

/// Divides a table at the borders: part `i` has the rows at or after border `i - 1` and before border
/// `i`. Rows keep their order inside a part. Parts beyond the last border are empty.
pub fn by_boundaries(
    table: Table,
    spec: &SortSpec,
    borders: &Table,
    parts: usize,
) -> Result<Division> {
    let numbers = partition_numbers(&table, spec, borders)?;
    Ok(Division::new(table, &numbers, parts.max(borders.len() + 1)).settle())
}

/// As [`by_boundaries`], of a table in sorted order: each part is a run of its rows. Few of the rows
/// are looked at.
pub fn by_boundaries_in_order(
    table: Table,
    spec: &SortSpec,
    borders: &Table,
    parts: usize,
) -> Result<Division> {
    let keys = key_table(&table, spec)?;
    let parts = parts.max(borders.len() + 1);
    let starts = find_starts(&keys, spec, borders, parts)?;
    Ok(Division::of_runs(table, starts))
}

/// Rows of a sorted table between those that are looked at first.
const STRIDE: u32 = 64;

/// Where each of `parts` parts begins among sorted keys, and where the last one ends.
fn find_starts(keys: &Table, spec: &SortSpec, borders: &Table, parts: usize) -> Result<Vec<u32>> {
    let len = keys.len() as u32;
    let numbers_of = |rows: &[u32]| numbers_of_keys(&keys.take(rows), spec, borders);
    let mut rows: Vec<u32> = (0..len).step_by(STRIDE as usize).collect();
    let numbers = numbers_of(&rows)?;
    // Between two rows of one part there is no other.
    let gaps = rows.iter().enumerate().filter(|&(at, _)| {
        let next = numbers.get(at + 1);
        next.is_none_or(|next| *next != numbers[at])
    });
    let between = gaps.flat_map(|(_, &row)| row + 1..(row + STRIDE).min(len));
    let between: Vec<u32> = between.collect();
    let mut known: Vec<(u32, u32)> = rows.drain(..).zip(numbers).collect();
    known.extend(between.iter().copied().zip(numbers_of(&between)?));
    known.sort_unstable();
    let start_of = |part: usize| {
        let at = known.partition_point(|&(_, number)| (number as usize) < part);
        known.get(at).map_or(len, |&(row, _)| row)
    };
    let mut starts: Vec<u32> = (0..parts).map(start_of).collect();
    starts.push(len);
    Ok(starts)
}

/// The number of the part that each row belongs to.
pub(crate) fn partition_numbers(
    table: &Table,
    spec: &SortSpec,
    borders: &Table,
) -> Result<Vec<u32>> {
    numbers_of_keys(&key_table(table, spec)?, spec, borders)
}

fn numbers_of_keys(keys: &Table, spec: &SortSpec, borders: &Table) -> Result<Vec<u32>> {
    if borders.columns().len() != keys.columns().len() {
        return Err(EngineError::value(
            "the borders have another number of keys than the sort",
        ));
    }
    if let Some(parts) = find_between(keys, borders, spec) {
        return Ok(parts);
    }
    let columns: Vec<(Label, Column)> = borders.columns().to_vec();
    let borders = Table::new(columns, Index::default_range(), borders.len())?;
    let keys = keys.with_fresh_range();
    // Borders first: a row equal to a border comes after it, in the border's part.
    let all = Table::concat(&[&borders, &keys], true)?;
    let order = order_of(&all, spec)?;
    let count = borders.len() as u32;
    let mut parts = vec![0; keys.len()];
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

/// The parts of the rows where there is one key whose order is that of a number.
fn find_between(keys: &Table, borders: &Table, spec: &SortSpec) -> Option<Vec<u32>> {
    let [key] = spec.keys.as_slice() else {
        return None;
    };
    let (column, border) = (keys.column_at(0), borders.column_at(0));
    if column.dtype() != border.dtype() || border.missing_count() > 0 {
        return None;
    }
    let flip = if key.ascending { 0 } else { u64::MAX };
    let borders: Vec<u64> = find_words(border)?.iter().map(|word| word ^ flip).collect();
    let borders = Borders::new(borders);
    let words = find_words(column)?.into_iter();
    let mut parts: Vec<u32> = words.map(|word| borders.part_of(word ^ flip)).collect();
    if let Some(validity) = column.validity() {
        let missing = if spec.na_last {
            borders.words.len() as u32
        } else {
            0
        };
        for (part, is_valid) in parts.iter_mut().zip(validity.iter()) {
            if !is_valid {
                *part = missing;
            }
        }
    }
    Some(parts)
}

/// Borders in ascending order, and between which of them words lie that begin alike.
struct Borders {
    words: Vec<u64>,
    least: u64,
    /// Bits that words which begin alike may differ in.
    shift: u32,
    /// The borders below words that begin so, those of the next ones, and so on.
    starts: Vec<u32>,
}

/// Of this many beginnings, few have a border among them.
const BEGINNINGS: usize = 1 << 11;

impl Borders {
    fn new(mut words: Vec<u64>) -> Self {
        words.sort_unstable();
        let least = words.first().copied().unwrap_or(0);
        let span = words.last().map_or(0, |last| last - least);
        let bits = u64::BITS - span.leading_zeros();
        let shift = bits.saturating_sub(BEGINNINGS.ilog2());
        let mut starts = vec![0; (span >> shift) as usize + 2];
        for word in &words {
            starts[((word - least) >> shift) as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        Borders {
            words,
            least,
            shift,
            starts,
        }
    }

    /// How many borders are not above the word.
    #[inline]
    fn part_of(&self, word: u64) -> u32 {
        let Some(above) = word.checked_sub(self.least) else {
            return 0;
        };
        let beginning = (above >> self.shift) as usize;
        let Some(&[start, end]) = self.starts.get(beginning..beginning.saturating_add(2)) else {
            return self.words.len() as u32;
        };
        let alike = &self.words[start as usize..end as usize];
        start + alike.partition_point(|border| *border <= word) as u32
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sort::{Key, SortKey};

    fn spec(ascending: bool, na_last: bool) -> SortSpec {
        let key = Key::Column("x".into());
        SortSpec {
            keys: vec![SortKey { key, ascending }],
            na_last,
        }
    }

    fn table(values: Vec<f64>) -> Table {
        Table::from_columns(vec![("x".into(), Column::from_f64(values))]).unwrap()
    }

    /// The parts by sorting rows and borders together.
    fn numbers_by_order(table: &Table, spec: &SortSpec, borders: &Table) -> Vec<u32> {
        let keys = key_table(table, spec).unwrap();
        let all = Table::concat(&[borders, &keys], true).unwrap();
        let mut part = 0;
        let mut parts = vec![0; table.len()];
        for row in order_of(&all, spec).unwrap() {
            match (row as usize).checked_sub(borders.len()) {
                None => part += 1,
                Some(row) => parts[row] = part,
            }
        }
        parts
    }

    #[test]
    fn rows_are_found_between_borders_as_by_sorting() {
        let values: Vec<f64> = (0..500)
            .map(|i| f64::from(i * 37 % 101 - 50) / 4.0)
            .collect();
        let missing = values.iter().enumerate();
        let missing = missing.map(|(i, v)| if i % 7 == 0 { f64::NAN } else { *v });
        for table in [table(values.clone()), table(missing.collect())] {
            for (ascending, na_last) in [(true, true), (true, false), (false, true), (false, false)]
            {
                let spec = spec(ascending, na_last);
                let samples = sample(&table, &spec, 40).unwrap();
                let borders = boundaries(&[&samples], &spec, 6).unwrap();
                let expected = numbers_by_order(&table, &spec, &borders);
                assert_eq!(
                    partition_numbers(&table, &spec, &borders).unwrap(),
                    expected
                );
                let keys = key_table(&table, &spec).unwrap();
                let found = find_between(&keys, &borders, &spec);
                assert!(found.is_none_or(|found| found == expected));
            }
        }
    }

    #[test]
    fn a_large_table_is_sampled_all_over() {
        let len = 100_000;
        let table = table((0..len).map(|i| f64::from(i * 7919 % len)).collect());
        let spec = spec(true, true);
        let samples = sample(&table, &spec, 256).unwrap();
        assert_eq!(samples.len(), 256);
        let borders = boundaries(&[&samples], &spec, 8).unwrap();
        let parts = by_boundaries(table, &spec, &borders, 9).unwrap();
        let len_of = |part| parts.part(part).unwrap().len();
        let even = len as usize / 8;
        assert!((0..8).all(|part| len_of(part).abs_diff(even) < even / 10));
        assert_eq!(len_of(8), 0);
    }
}
