//! Tasks that wait for one worker, a queue a share.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use smallvec::SmallVec;

use super::{QueueEntry, ShareId};

/// Entries of tasks that have moved on stay until they come up.
#[derive(Debug, Default)]
pub(crate) struct PlacedQueues {
    /// None is empty.
    by_share: SmallVec<[(ShareId, BinaryHeap<QueueEntry>); 1]>,
}

impl PlacedQueues {
    /// Adds a task.
    pub fn push(&mut self, share: ShareId, entry: QueueEntry) {
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

    /// Removes the most urgent entry of a share.
    pub fn pop(&mut self, share: ShareId) -> Option<QueueEntry> {
        let at = self.by_share.iter().position(|(of, _)| *of == share)?;
        let queue = &mut self.by_share[at].1;
        let Reverse(entry) = queue.pop()?;
        if queue.is_empty() {
            self.by_share.swap_remove(at);
        }
        Some(Reverse(entry))
    }

    /// The shares that have entries.
    #[inline]
    pub fn shares(&self) -> impl Iterator<Item = ShareId> {
        self.by_share.iter().map(|(share, _)| *share)
    }

    fn find_mut(&mut self, share: ShareId) -> Option<&mut BinaryHeap<QueueEntry>> {
        let mut queues = self.by_share.iter_mut();
        let (_, queue) = queues.find(|(of, _)| *of == share)?;
        Some(queue)
    }
}
