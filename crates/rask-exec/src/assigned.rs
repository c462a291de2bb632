//! Tasks that arrive one by one, under keys of their owner's.

use foldhash::HashMap;
use smallvec::SmallVec;

use crate::{TaskId, Topology};

/// What is known of one slot: a task, or a value made elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) key: u64,
    /// 0 for the whole value, else a part of it, see [`Source::part`](crate::Source::part).
    pub(crate) part: u32,
    pub(crate) priority: u64,
    pub(crate) group: u32,
    pub(crate) lane: u8,
    pub(crate) predicted_bytes: Option<u64>,
    pub(crate) deps: SmallVec<[TaskId; 4]>,
    /// Tasks that wait for this value to arrive, once for each edge.
    pub(crate) waiters: Vec<TaskId>,
    /// Who has the value.
    pub(crate) holder: Option<u32>,
    /// Serial number of the fetch under way.
    pub(crate) fetch: u32,
}

/// Slots by key. A slot is used again once its task and value are forgotten.
#[derive(Debug, Default)]
pub struct Assigned {
    pub(crate) entries: Vec<Entry>,
    keys: HashMap<(u64, u32), TaskId>,
    vacant: Vec<TaskId>,
}

impl Assigned {
    pub(crate) fn find(&self, key: u64, part: u32) -> Option<TaskId> {
        self.keys.get(&(key, part)).copied()
    }

    /// The slot for a new key; its entry is empty but for the key.
    pub(crate) fn add(&mut self, key: u64, part: u32) -> TaskId {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            self.entries.len() as u32 - 1
        });
        let entry = &mut self.entries[slot as usize];
        *entry = Entry {
            key,
            part,
            ..Entry::default()
        };
        self.keys.insert((key, part), slot);
        slot
    }

    pub(crate) fn remove(&mut self, slot: TaskId) {
        let entry = std::mem::take(&mut self.entries[slot as usize]);
        self.keys.remove(&(entry.key, entry.part));
        self.vacant.push(slot);
    }

    /// The number of keys known.
    pub(crate) fn key_count(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn is_vacant(&self, slot: TaskId) -> bool {
        let entry = &self.entries[slot as usize];
        self.find(entry.key, entry.part) != Some(slot)
    }
}

impl Topology for Assigned {
    const LISTS_ALL_DEPENDENTS: bool = false;

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn deps(&self, task: TaskId) -> &[TaskId] {
        &self.entries[task as usize].deps
    }

    fn dependents(&self, task: TaskId) -> &[TaskId] {
        &self.entries[task as usize].waiters
    }

    fn on_arrived(&mut self, task: TaskId) {
        self.entries[task as usize].waiters = Vec::new();
    }

    fn priority(&self, task: TaskId) -> u64 {
        self.entries[task as usize].priority
    }

    fn group(&self, task: TaskId) -> u32 {
        self.entries[task as usize].group
    }

    fn lane(&self, task: TaskId) -> u8 {
        self.entries[task as usize].lane
    }

    fn predicted_bytes(&self, task: TaskId) -> Option<u64> {
        self.entries[task as usize].predicted_bytes
    }
}
