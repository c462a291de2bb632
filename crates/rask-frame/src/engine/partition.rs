//! Cutting a table into parts for a shuffle.

use arrow_array::UInt32Array;

use super::sort::Key;
use super::{Column, Result, Table, hash_rows};

/// Cuts a table by the hash of its keys: equal keys are in one part, in every process and for
/// every dtype of number. Rows keep their order inside a part.
pub fn by_hash(table: &Table, keys: &[Key], parts: usize) -> Result<Vec<Table>> {
    let numbers = hash_numbers(table, keys, parts)?;
    Ok(split(table, &numbers, parts))
}

/// The part of each row by the hash of its keys.
pub fn hash_numbers(table: &Table, keys: &[Key], parts: usize) -> Result<Vec<u32>> {
    let columns: Vec<Column> = keys.iter().map(|k| k.of(table)).collect::<Result<_>>()?;
    let hashes = hash_rows(&columns.iter().collect::<Vec<_>>())?;
    let number = |hash: u64| ((u128::from(hash) * parts as u128) >> 64) as u32;
    Ok(hashes.into_iter().map(number).collect())
}

/// Cuts a table by the number of each row's part.
pub fn split(table: &Table, numbers: &[u32], parts: usize) -> Vec<Table> {
    let mut starts = vec![0u32; parts + 1];
    for number in numbers {
        starts[*number as usize + 1] += 1;
    }
    for part in 0..parts {
        starts[part + 1] += starts[part];
    }
    let mut next = starts.clone();
    let mut rows = vec![0u32; numbers.len()];
    for (row, number) in numbers.iter().enumerate() {
        let place = &mut next[*number as usize];
        rows[*place as usize] = row as u32;
        *place += 1;
    }
    // Once for all parts: a range of numbers becomes a column of them.
    let table = table.with_materialised_index();
    let rows = UInt32Array::from(rows);
    (0..parts)
        .map(|part| {
            let (start, end) = (starts[part] as usize, starts[part + 1] as usize);
            table.take_array(&rows.slice(start, end - start))
        })
        .collect()
}
