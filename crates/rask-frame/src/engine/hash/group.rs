//! Group numbers of rows over one or several key columns.

use super::encode::{Encoded, encode_chunks};
use super::table::{CodeTable, NO_CODE};
use crate::engine::{Column, EngineError, Result};

/// Which group each row belongs to, groups numbered in order of first appearance.
#[derive(Clone, Debug)]
pub struct Groups {
    /// One a row; `u32::MAX` for rows of no group (a missing key under `dropna`).
    pub ids: Vec<u32>,
    /// For each group its first row.
    pub representatives: Vec<u32>,
}

impl Groups {
    pub fn len(&self) -> usize {
        self.representatives.len()
    }

    pub fn is_empty(&self) -> bool {
        self.representatives.is_empty()
    }

    /// All rows in one group.
    pub fn single(rows: usize) -> Groups {
        Groups {
            ids: vec![0; rows],
            representatives: vec![0],
        }
    }

    /// The rows of each group, in order: `rows[starts[g]..starts[g + 1]]`.
    pub fn rows_by_group(&self) -> (Vec<u32>, Vec<u32>) {
        rows_by_id(&self.ids, self.len())
    }
}

/// The rows of each of `count` ids, in order: `rows[starts[id]..starts[id + 1]]`.
pub(crate) fn rows_by_id(ids: &[u32], count: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; count + 1];
    for &id in ids.iter().filter(|id| **id != NO_CODE) {
        starts[id as usize + 1] += 1;
    }
    for id in 0..count {
        starts[id + 1] += starts[id];
    }
    let mut next = starts.clone();
    let mut rows = vec![0; starts[count] as usize];
    for (row, &id) in (0u32..).zip(ids) {
        if id != NO_CODE {
            let place = &mut next[id as usize];
            rows[*place as usize] = row;
            *place += 1;
        }
    }
    (rows, starts)
}

/// Groups the rows of the columns by value. Missing values are equal to each other; with `dropna`
/// rows with a missing key belong to no group.
pub fn group_rows(columns: &[&Column], dropna: bool) -> Result<Groups> {
    let chunks: Vec<Vec<&Column>> = columns.iter().map(|c| vec![*c]).collect();
    group_chunks(&chunks, dropna)
}

/// As [`group_rows`], each key given in chunks that follow one another.
pub(crate) fn group_chunks(keys: &[Vec<&Column>], dropna: bool) -> Result<Groups> {
    let Some((first, rest)) = keys.split_first() else {
        return Err(EngineError::value("No group keys passed!"));
    };
    let mut groups = groups_of(encode_chunks(first)?, dropna);
    for key in rest {
        let encoded = encode_chunks(key)?;
        groups = combine(groups, encoded, dropna);
    }
    Ok(groups)
}

fn groups_of(encoded: Encoded, dropna: bool) -> Groups {
    let mut groups = Groups {
        ids: encoded.codes,
        representatives: encoded.representatives,
    };
    if let (true, Some(missing)) = (dropna, encoded.missing) {
        groups.representatives.remove(missing as usize);
        for id in &mut groups.ids {
            *id = match *id {
                id if id == missing => NO_CODE,
                id if id > missing && id != NO_CODE => id - 1,
                id => id,
            };
        }
    }
    groups
}

/// Pairs of a group and a code become groups again.
fn combine(groups: Groups, encoded: Encoded, dropna: bool) -> Groups {
    let missing = if dropna { encoded.missing } else { None }.unwrap_or(NO_CODE);
    let width = encoded.representatives.len();
    let pairs = groups.len() as u64 * width as u64;
    let mut out = Groups {
        ids: groups.ids,
        representatives: Vec::new(),
    };
    if pairs <= (1 << 16).max((out.ids.len() as u64).min(1 << 23)) {
        let mut table = vec![NO_CODE; pairs as usize];
        assign(&mut out, &encoded.codes, missing, |id, code, next| {
            let slot = &mut table[id as usize * width + code as usize];
            let is_new = *slot == NO_CODE;
            if is_new {
                *slot = next;
            }
            (*slot, is_new)
        });
    } else {
        let mut table = CodeTable::new();
        assign(&mut out, &encoded.codes, missing, |id, code, next| {
            table.insert((u64::from(id) << 32) | u64::from(code), next)
        });
    }
    out
}

fn assign(
    out: &mut Groups,
    codes: &[u32],
    missing: u32,
    mut find: impl FnMut(u32, u32, u32) -> (u32, bool),
) {
    for (row, (id, &code)) in out.ids.iter_mut().zip(codes).enumerate() {
        if *id == NO_CODE {
            continue;
        }
        if code == missing {
            *id = NO_CODE;
            continue;
        }
        let (group, is_new) = find(*id, code, out.representatives.len() as u32);
        if is_new {
            out.representatives.push(row as u32);
        }
        *id = group;
    }
}
