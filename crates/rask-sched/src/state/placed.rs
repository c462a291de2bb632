//! Tasks that wait for one worker, a queue a share.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use smallvec::SmallVec;

use super::{QueueEntry, ShareId, TaskId};

/// Entries of tasks that have moved on stay until they come up.
#[derive(Debug, Default)]
pub(crate) struct PlacedQueues {
    /// None is empty but the only one.
    by_share: SmallVec<[(ShareId, BinaryHeap<QueueEntry>); 1]>,
}

impl PlacedQueues {
    /// Adds a task.
    pub fn push(&mut self, share: ShareId, entry: QueueEntry) {
        if let [(of, only)] = &mut self.by_share[..]
            && only.is_empty()
        {
            *of = share;
        }
        match self.find_mut(share) {
            Some(queue) => queue.push(entry),
            None => self.by_share.push((share, BinaryHeap::from([entry]))),
        }
    }

    /// The most urgent entry of a share.
    pub fn peek(&self, share: ShareId) -> Option<QueueEntry> {
        let mut queues = self.by_share.iter();
        let (_, queue) = queues.find(|(of, _)| *of == share)?;
        queue.peek().copied()
    }

    /// The most urgent entry of some share.
    pub fn find_any(&self) -> Option<TaskId> {
        let (_, queue) = self.by_share.first()?;
        queue.peek().map(|Reverse((_, id, _))| *id)
    }

    /// Some of the most urgent entries of some share.
    #[inline]
    pub fn first_entries(&self) -> &[QueueEntry] {
        const COUNT: usize = 3;
        let entries = self
            .by_share
            .first()
            .map_or(&[][..], |(_, queue)| queue.as_slice());
        &entries[..entries.len().min(COUNT)]
    }

    /// Removes the most urgent entry of a share.
    pub fn pop(&mut self, share: ShareId) -> Option<QueueEntry> {
        let at = self.by_share.iter().position(|(of, _)| *of == share)?;
        let queue = &mut self.by_share[at].1;
        let Reverse(entry) = queue.pop()?;
        if queue.is_empty() && self.by_share.len() > 1 {
            self.by_share.swap_remove(at);
        }
        Some(Reverse(entry))
    }

    /// The shares that have entries.
    #[inline]
    pub fn shares(&self) -> impl Iterator<Item = ShareId> {
        let queues = self.by_share.iter();
        queues
            .filter(|(_, queue)| !queue.is_empty())
            .map(|(share, _)| *share)
    }

    fn find_mut(&mut self, share: ShareId) -> Option<&mut BinaryHeap<QueueEntry>> {
        let mut queues = self.by_share.iter_mut();
        let (_, queue) = queues.find(|(of, _)| *of == share)?;
        Some(queue)
    }
}
