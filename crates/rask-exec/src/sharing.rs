//! Buffers that several values have, as a view has that of the array it looks into: their bytes are
//! counted once. One of the values answers for them; when it leaves memory, another does.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::state::{State, Task};
use crate::{Machine, TaskId, Topology};

/// Addresses and bytes of the large buffers of a value.
pub(crate) type Buffers = SmallVec<[(u64, u64); 2]>;

#[derive(Debug, Default)]
pub(crate) struct Sharing {
    buffers: HashMap<u64, Buffer>,
    /// Values in memory that have large buffers.
    values: HashMap<TaskId, Shared>,
    /// Of a task about to finish.
    announced: Option<(TaskId, Buffers)>,
}

#[derive(Debug)]
struct Buffer {
    nbytes: u64,
    /// Values that have it; the first answers for it.
    holders: SmallVec<[TaskId; 2]>,
}

#[derive(Debug)]
struct Shared {
    /// What the value would take alone.
    nbytes: u64,
    addresses: SmallVec<[u64; 2]>,
}

impl Sharing {
    /// What a value adds to the memory taken.
    fn add(&mut self, task: TaskId, nbytes: u64, buffers: &Buffers) -> u64 {
        let mut addresses: SmallVec<[u64; 2]> = SmallVec::new();
        let (mut all, mut added) = (0u64, 0u64);
        for &(address, bytes) in buffers {
            if addresses.contains(&address) {
                continue;
            }
            addresses.push(address);
            let buffer = self.buffers.entry(address).or_insert_with(|| Buffer {
                nbytes: bytes,
                holders: SmallVec::new(),
            });
            all = all.saturating_add(buffer.nbytes);
            if buffer.holders.is_empty() {
                added += buffer.nbytes;
            }
            buffer.holders.push(task);
        }
        self.values.insert(task, Shared { nbytes, addresses });
        added + nbytes.saturating_sub(all)
    }

    /// A value leaves memory: what it would take alone, and who answers for how much from now on.
    fn remove(&mut self, task: TaskId) -> Option<(u64, Buffers)> {
        let value = self.values.remove(&task)?;
        let mut passed = Buffers::new();
        for address in value.addresses {
            let Some(buffer) = self.buffers.get_mut(&address) else {
                continue;
            };
            let answered = buffer.holders.first() == Some(&task);
            buffer.holders.retain(|holder| *holder != task);
            match buffer.holders.first() {
                Some(&heir) if answered => passed.push((u64::from(heir), buffer.nbytes)),
                Some(_) => {}
                None => drop(self.buffers.remove(&address)),
            }
        }
        Some((value.nbytes, passed))
    }

    /// What a value with large buffers would take alone.
    pub(crate) fn find_nbytes(&self, task: TaskId) -> Option<u64> {
        Some(self.values.get(&task)?.nbytes)
    }
}

impl<T: Topology> Machine<T> {
    /// The large buffers, by address and bytes, of the value with which `task` is about to finish.
    pub fn announce_buffers(&mut self, task: TaskId, buffers: &[(u64, u64)]) {
        if !buffers.is_empty() {
            self.sharing.announced = Some((task, buffers.iter().copied().collect()));
        }
    }

    /// The bytes that the value of a task that finishes adds.
    #[inline]
    pub(crate) fn count_buffers(&mut self, task: TaskId, nbytes: u64) -> u64 {
        if self.sharing.announced.is_none() {
            return nbytes;
        }
        match self.sharing.announced.take() {
            Some((announced, buffers)) if announced == task => {
                self.sharing.add(task, nbytes, &buffers)
            }
            _ => nbytes,
        }
    }

    /// Bytes of a value, were it alone.
    pub(crate) fn full_bytes(&self, task: TaskId) -> u64 {
        let found = self.sharing.find_nbytes(task);
        found.unwrap_or(self.tasks[task as usize].nbytes)
    }

    /// A value in memory, which is not being written, goes; or its buffers are its own from now on.
    /// What it took is counted for those who share it.
    pub(crate) fn leave_memory(&mut self, task: TaskId) {
        let entry = &self.tasks[task as usize];
        self.memory.remove(entry);
        if let Some(nbytes) = self.pass_on(task) {
            self.tasks[task as usize].nbytes = nbytes;
        }
    }

    /// The value has other memory from now on, which is its own.
    pub fn unshare(&mut self, task: TaskId) {
        let entry = self.tasks[task as usize];
        if !entry.in_memory() {
            return;
        }
        let Some(nbytes) = self.pass_on(task) else {
            return;
        };
        self.recount(task, |_| nbytes);
    }

    fn pass_on(&mut self, task: TaskId) -> Option<u64> {
        let (nbytes, passed) = self.sharing.remove(task)?;
        for (heir, bytes) in passed {
            let heir = heir as TaskId;
            self.recount(heir, |counted| counted + bytes);
            self.note_candidate(heir);
        }
        Some(nbytes)
    }

    /// Counts another number of bytes for a value in memory.
    fn recount(&mut self, task: TaskId, count: impl Fn(u64) -> u64) {
        let entry = &mut self.tasks[task as usize];
        let (before, after) = (entry.nbytes, count(entry.nbytes));
        entry.nbytes = after;
        let change = |sum: &mut u64| *sum = *sum + after - before;
        change(&mut self.memory.held);
        match entry.state {
            State::Spilling => change(&mut self.memory.leaving),
            _ if entry.has(Task::ON_DISK) => change(&mut self.memory.clean),
            _ => {}
        }
    }

    /// Panics if the books of shared buffers do not add up.
    pub(crate) fn check_sharing(&self) {
        for (task, shared) in &self.sharing.values {
            assert!(
                self.tasks[*task as usize].in_memory(),
                "{task} has no buffers"
            );
            for address in &shared.addresses {
                let buffer = &self.sharing.buffers[address];
                assert!(buffer.holders.contains(task), "a holder of {address}");
            }
        }
        for (address, buffer) in &self.sharing.buffers {
            assert!(!buffer.holders.is_empty(), "{address} is nobody's");
            let first = &self.tasks[buffer.holders[0] as usize];
            assert!(first.nbytes >= buffer.nbytes, "who answers for {address}");
        }
    }
}
