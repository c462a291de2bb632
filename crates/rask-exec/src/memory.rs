//! The budget: what is held, what is promised, and what to spill.

use std::collections::BinaryHeap;

use crate::TaskId;

/// Bytes held by values in memory and promised to running tasks.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) bytes_max: u64,
    pub(crate) held: u64,
    pub(crate) reserved: u64,
    /// Part of `held` that is being written to disk.
    pub(crate) leaving: u64,
    /// Values that could be spilled, the one needed last on top. Kept only once memory has been
    /// short; entries may be stale.
    pub(crate) candidates: Option<BinaryHeap<(u64, TaskId)>>,
}

impl Memory {
    pub(crate) fn new(bytes_max: Option<u64>) -> Self {
        Memory {
            bytes_max: bytes_max.unwrap_or(u64::MAX),
            held: 0,
            reserved: 0,
            leaving: 0,
            candidates: None,
        }
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
}
