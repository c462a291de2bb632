//! The budget: what is held, what is promised, and what to spill.

use std::collections::BinaryHeap;

use crate::TaskId;
use crate::state::Task;

/// Values are written ahead of need while more than this part of the budget is taken, in percent.
const AHEAD_PERCENT: u64 = 80;

/// The tasks that need a value may be assigned only once it is there: until so many others have been
/// made, one that nobody seems to need is taken to be needed soon.
const NEWEST_COUNT: usize = 4;

/// Values that could leave memory by the priority of their next use, the one needed last on top.
/// Entries may be stale.
pub(crate) type Candidates = BinaryHeap<(u64, TaskId)>;

/// Bytes held by values in memory and promised to running tasks.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) bytes_max: u64,
    /// While the disk is full nothing goes beyond this, not even one task at a time.
    pub(crate) hard_bytes_max: u64,
    pub(crate) held: u64,
    pub(crate) reserved: u64,
    /// Part of `held` that is being written to disk.
    pub(crate) leaving: u64,
    /// Part of `held` that is on disk too, and not being written.
    pub(crate) clean: u64,
    /// What could be written to disk. Kept only once memory has been short.
    pub(crate) candidates: Option<Candidates>,
    /// What could go, since it is on disk.
    pub(crate) clean_candidates: Candidates,
    /// Nothing can be written to disk.
    pub(crate) disk_full: bool,
    /// What was made last, the newest first.
    pub(crate) newest: [TaskId; NEWEST_COUNT],
}

impl Memory {
    pub(crate) fn new(bytes_max: Option<u64>) -> Self {
        Memory {
            bytes_max: bytes_max.unwrap_or(u64::MAX),
            hard_bytes_max: u64::MAX,
            held: 0,
            reserved: 0,
            leaving: 0,
            clean: 0,
            candidates: None,
            clean_candidates: BinaryHeap::new(),
            disk_full: false,
            newest: [TaskId::MAX; NEWEST_COUNT],
        }
    }

    /// A value was made; the one that is not among the newest any more.
    pub(crate) fn note_newest(&mut self, task: TaskId) -> Option<TaskId> {
        let oldest = self.newest[NEWEST_COUNT - 1];
        self.newest.rotate_right(1);
        self.newest[0] = task;
        (oldest != TaskId::MAX && !self.newest.contains(&oldest)).then_some(oldest)
    }

    #[inline]
    pub(crate) fn is_limited(&self) -> bool {
        self.bytes_max != u64::MAX
    }

    /// Bytes over the budget if `more` were added, not counting what is leaving.
    pub(crate) fn excess(&self, more: u64) -> u64 {
        let all = self.held.saturating_add(self.reserved).saturating_add(more);
        all.saturating_sub(self.leaving)
            .saturating_sub(self.bytes_max)
    }

    /// Whether `more` bytes fit now.
    pub(crate) fn fits(&self, more: u64) -> bool {
        let all = self.held.saturating_add(self.reserved).saturating_add(more);
        all <= self.bytes_max
    }

    /// Whether `more` bytes may be added beyond the budget, where nothing else goes on.
    pub(crate) fn may_exceed(&self, more: u64) -> bool {
        let all = self.held.saturating_add(self.reserved).saturating_add(more);
        !self.disk_full || all <= self.hard_bytes_max
    }

    /// Whether no more than half of the budget is taken.
    pub(crate) fn is_ample(&self) -> bool {
        self.held.saturating_add(self.reserved) <= self.bytes_max / 2
    }

    /// Whether more should be on disk before it has to go.
    pub(crate) fn wants_ahead(&self) -> bool {
        let all = self.held.saturating_add(self.reserved);
        let mark = self.bytes_max / 100 * AHEAD_PERCENT;
        self.is_limited() && !self.disk_full && all - self.leaving - self.clean > mark
    }

    /// A value in memory, which is not being written, goes.
    pub(crate) fn remove(&mut self, entry: &Task) {
        self.held -= entry.nbytes;
        if entry.has(Task::ON_DISK) {
            self.clean -= entry.nbytes;
        }
    }
}
