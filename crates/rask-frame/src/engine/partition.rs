//! Cutting a table into parts for a shuffle.

use super::sort::Key;
use super::{Column, Division, Result, Table, hash_rows};

/// Divides a table by the hash of its keys: equal keys are in one part, in every process and for
/// every dtype of number. Rows keep their order inside a part.
pub fn by_hash(table: Table, keys: &[Key], parts: usize) -> Result<Division> {
    let numbers = hash_numbers(&table, keys, parts)?;
    Ok(Division::new(table, &numbers, parts).settle())
}

/// The part of each row by the hash of its keys.
pub fn hash_numbers(table: &Table, keys: &[Key], parts: usize) -> Result<Vec<u32>> {
    let columns: Vec<Column> = keys.iter().map(|k| k.of(table)).collect::<Result<_>>()?;
    let hashes = hash_rows(&columns.iter().collect::<Vec<_>>())?;
    let number = |hash: u64| ((u128::from(hash) * parts as u128) >> 64) as u32;
    Ok(hashes.into_iter().map(number).collect())
}
