//! Values by key within a budget, for owners without a policy of their own.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;

use parking_lot::Mutex;
use rask_value::{CodecError, ValueRef, codec};

use crate::{Disk, Extent};

/// Why a value cannot be had back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot read a spilled value: {0}")]
    Disk(#[from] io::Error),
    #[error("cannot decode a spilled value: {0}")]
    Codec(#[from] CodecError),
}

/// Values by key. Above the budget the least recently used are written to disk; values that cannot
/// be encoded stay in memory. Nothing is encoded, decoded or dropped while the lock is held.
#[derive(Debug)]
pub struct Store {
    disk: Disk,
    bytes_max: u64,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<u64, Entry>,
    /// Keys that could be spilled, by last use.
    by_use: BTreeMap<u64, u64>,
    uses: u64,
    held_bytes: u64,
}

#[derive(Debug)]
struct Entry {
    value: Option<ValueRef>,
    extent: Option<Extent>,
    nbytes: u64,
    last_use: u64,
}

impl Store {
    /// A store that holds at most `bytes_max` bytes in memory and spills into `folder`.
    pub fn new(bytes_max: Option<u64>, folder: Option<PathBuf>) -> Self {
        Store {
            disk: Disk::new(folder),
            bytes_max: bytes_max.unwrap_or(u64::MAX),
            table: Mutex::default(),
        }
    }

    /// Puts a value, replacing the one that was there.
    pub fn put(&self, key: u64, value: ValueRef) {
        let nbytes = value.nbytes();
        let replaced = {
            let mut table = self.table.lock();
            let replaced = table.remove(key);
            let last_use = table.next_use(key);
            table.held_bytes += nbytes;
            table.entries.insert(
                key,
                Entry {
                    value: Some(value),
                    extent: None,
                    nbytes,
                    last_use,
                },
            );
            replaced
        };
        drop(replaced);
        self.spill_excess();
    }

    /// The value, read back if it was spilled.
    pub fn get(&self, key: u64) -> Result<Option<ValueRef>, StoreError> {
        let extent = {
            let mut table = self.table.lock();
            match table.touch(key) {
                None => return Ok(None),
                Some(entry) => match (&entry.value, &entry.extent) {
                    (Some(value), _) => return Ok(Some(value.clone())),
                    (None, Some(extent)) => extent.clone(),
                    (None, None) => return Ok(None),
                },
            }
        };
        let value = codec::decode_value(&self.disk.read(&extent)?)?;
        let mut table = self.table.lock();
        if let Some(entry) = table.entries.get_mut(&key)
            && entry.value.is_none()
        {
            entry.value = Some(value.clone());
            table.held_bytes += table.entries[&key].nbytes;
        }
        drop(table);
        self.spill_excess();
        Ok(Some(value))
    }

    /// Forgets a value. Returns it if it was in memory, for the caller to drop.
    pub fn remove(&self, key: u64) -> Option<ValueRef> {
        let entry = self.table.lock().remove(key);
        entry.and_then(|entry| entry.value)
    }

    /// Whether there is a value, in memory or on disk.
    pub fn contains(&self, key: u64) -> bool {
        self.table.lock().entries.contains_key(&key)
    }

    /// Bytes of the values in memory.
    pub fn held_bytes(&self) -> u64 {
        self.table.lock().held_bytes
    }

    fn spill_excess(&self) {
        while let Some((key, value, written)) = self.find_victim() {
            let extent = match written {
                Some(extent) => Some(extent),
                None => value.encode().ok().and_then(|e| self.disk.write(&e).ok()),
            };
            let evicted = self.table.lock().finish_spill(key, &value, extent);
            drop(evicted);
        }
    }

    /// The least recently used value, if more is held than the budget.
    fn find_victim(&self) -> Option<(u64, ValueRef, Option<Extent>)> {
        let mut table = self.table.lock();
        while table.held_bytes > self.bytes_max {
            let (_, key) = table.by_use.pop_first()?;
            let entry = table.entries.get(&key);
            if let Some(Entry {
                value: Some(value),
                extent,
                ..
            }) = entry
            {
                return Some((key, value.clone(), extent.clone()));
            }
        }
        None
    }
}

impl Table {
    fn next_use(&mut self, key: u64) -> u64 {
        self.uses += 1;
        self.by_use.insert(self.uses, key);
        self.uses
    }

    fn touch(&mut self, key: u64) -> Option<&mut Entry> {
        let last_use = self.entries.get(&key)?.last_use;
        self.by_use.remove(&last_use);
        let next_use = self.next_use(key);
        let entry = self.entries.get_mut(&key)?;
        entry.last_use = next_use;
        Some(entry)
    }

    fn remove(&mut self, key: u64) -> Option<Entry> {
        let entry = self.entries.remove(&key)?;
        self.by_use.remove(&entry.last_use);
        if entry.value.is_some() {
            self.held_bytes -= entry.nbytes;
        }
        Some(entry)
    }

    /// Takes a written value out of memory, unless it was replaced in the meantime.
    fn finish_spill(
        &mut self,
        key: u64,
        written: &ValueRef,
        extent: Option<Extent>,
    ) -> Option<ValueRef> {
        let entry = self.entries.get_mut(&key)?;
        let same = entry
            .value
            .as_ref()
            .is_some_and(|v| std::sync::Arc::ptr_eq(v, written));
        if !same {
            return None;
        }
        entry.extent = Some(extent?);
        self.held_bytes -= entry.nbytes;
        entry.value.take()
    }
}
