//! Which rows of two tables belong together, in pandas' order.

use arrow_array::UInt32Array;
use arrow_buffer::NullBuffer;

use crate::engine::hash::rows_by_id;
use crate::engine::sort::sort_rows;
use crate::engine::{Column, EngineError, Groups, Result};

/// Marks a row without a partner.
pub(super) const NONE: u32 = u32::MAX;

/// Pairs of rows: a left and a right one, either may be `NONE`.
#[derive(Default)]
pub(super) struct Pairs {
    pub left: Vec<u32>,
    pub right: Vec<u32>,
}

/// The rows of each id: `rows[starts[id]..starts[id + 1]]`.
struct Buckets {
    rows: Vec<u32>,
    starts: Vec<u32>,
}

impl Buckets {
    fn new(ids: &[u32], count: usize) -> Buckets {
        let (rows, starts) = rows_by_id(ids, count);
        Buckets { rows, starts }
    }

    #[inline]
    fn of(&self, id: u32) -> &[u32] {
        &self.rows[self.starts[id as usize] as usize..self.starts[id as usize + 1] as usize]
    }

    fn is_unique(&self) -> bool {
        self.starts.windows(2).all(|w| w[1] - w[0] <= 1)
    }
}

/// Pairs in the order of the first side; its rows without partner too, if they are kept.
pub(super) fn ordered_pairs(
    first: &[u32],
    second: &[u32],
    count: usize,
    keeps_single: bool,
) -> Pairs {
    let buckets = Buckets::new(second, count);
    if buckets.is_unique() {
        return unique_pairs(first, second, count, keeps_single);
    }
    let mut pairs = Pairs::default();
    pairs.left.reserve(first.len());
    pairs.right.reserve(first.len());
    for (row, id) in first.iter().enumerate() {
        let partners = buckets.of(*id);
        if partners.is_empty() && keeps_single {
            pairs.left.push(row as u32);
            pairs.right.push(NONE);
        }
        for partner in partners {
            pairs.left.push(row as u32);
            pairs.right.push(*partner);
        }
    }
    pairs
}

/// As `ordered_pairs` when each id has at most one row on the second side.
fn unique_pairs(first: &[u32], second: &[u32], count: usize, keeps_single: bool) -> Pairs {
    let mut partner = vec![NONE; count];
    for (row, id) in second.iter().enumerate() {
        partner[*id as usize] = row as u32;
    }
    let right: Vec<u32> = first.iter().map(|id| partner[*id as usize]).collect();
    if keeps_single || !right.contains(&NONE) {
        return Pairs {
            left: (0..first.len() as u32).collect(),
            right,
        };
    }
    let found = || right.iter().enumerate().filter(|(_, r)| **r != NONE);
    Pairs {
        left: found().map(|(row, _)| row as u32).collect(),
        right: found().map(|(_, r)| *r).collect(),
    }
}

/// All rows, by sorted key; among equal keys in the order of the tables.
pub(super) fn outer_pairs(
    keys: &[(Column, Column)],
    groups: &Groups,
    left_len: usize,
) -> Result<Pairs> {
    let (left_ids, right_ids) = groups.ids.split_at(left_len);
    let left = Buckets::new(left_ids, groups.len());
    let right = Buckets::new(right_ids, groups.len());
    let firsts: Vec<Column> = keys
        .iter()
        .map(|(a, b)| Ok(Column::concat(&[a, b])?.take(&groups.representatives)))
        .collect::<Result<_>>()?;
    let sort_keys: Vec<(&Column, bool)> = firsts.iter().map(|c| (c, true)).collect();
    let mut pairs = Pairs::default();
    for id in sort_rows(&sort_keys, true)? {
        let (a, b) = (left.of(id), right.of(id));
        for x in if a.is_empty() { &[NONE] } else { a } {
            for y in if b.is_empty() { &[NONE] } else { b } {
                pairs.left.push(*x);
                pairs.right.push(*y);
            }
        }
    }
    Ok(pairs)
}

pub(super) fn cross_pairs(left: usize, right: usize) -> Result<Pairs> {
    if left.saturating_mul(right) > u32::MAX as usize {
        return Err(EngineError::value(format!(
            "a cross join of {left} and {right} rows is too long for one partition"
        )));
    }
    let mut pairs = Pairs::default();
    for row in 0..left as u32 {
        pairs.left.extend(std::iter::repeat_n(row, right));
        pairs.right.extend(0..right as u32);
    }
    Ok(pairs)
}

/// Row numbers of one side for taking.
pub(super) struct Rows {
    rows: UInt32Array,
    is_identity: bool,
}

impl Rows {
    /// Of a side of `len` rows.
    pub fn new(rows: Vec<u32>, len: usize) -> Rows {
        let is_identity =
            rows.len() == len && rows.iter().enumerate().all(|(i, row)| i as u32 == *row);
        let nulls = rows
            .contains(&NONE)
            .then(|| NullBuffer::from_iter(rows.iter().map(|row| *row != NONE)));
        Rows {
            rows: UInt32Array::new(rows.into(), nulls),
            is_identity,
        }
    }

    /// The numbers, some of which may be `NONE`.
    pub fn numbers(&self) -> &[u32] {
        self.rows.values()
    }

    pub fn take(&self, column: &Column) -> Result<Column> {
        if self.is_identity {
            return Ok(column.clone());
        }
        column.take_optional(&self.rows)
    }
}
