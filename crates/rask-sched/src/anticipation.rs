//! What the end of tasks will touch is asked for before it is needed.
//!
//! Tables of millions of tasks do not fit the processor's caches, and each end of a task touches its
//! neighbours' records, which are anywhere. One after the other these are waited for; asked for
//! together they come together. Nothing here decides anything.

use rask_proto::Blocks;
use smallvec::SmallVec;

use crate::event::WorkerId;
use crate::prefetch::prefetch;
use crate::scheduler::Scheduler;
use crate::state::TaskId;

/// Tasks that are looked at together.
pub(crate) const ANTICIPATED: usize = 8;
/// Lines of a worker's record: those of its counts and of its own queue; those of its counts.
pub(crate) const WORKER_LINES: usize = 6;
const COUNTS_LINES: usize = 3;
/// Of longer lists of neighbours only so many are asked for.
const NEIGHBOURS_MAX: usize = 8;

impl Scheduler {
    /// A worker has ended the tasks of these blocks from position `at` on, up to [`ANTICIPATED`] of
    /// them, and will be given the first of its queue.
    pub(crate) fn anticipate(&self, worker: WorkerId, blocks: &Blocks, at: usize) {
        let ending = blocks.layers.iter().zip(&blocks.blocks);
        let ending = ending.skip(at).take(ANTICIPATED);
        for (&layer, &block) in ending.clone() {
            let layer = self.layers.find(layer);
            if let Some(slot) = layer.and_then(|layer| layer.slots.get(block as usize)) {
                prefetch(slot);
            }
        }
        let found = ending.filter_map(|(&layer, &block)| self.find_task(layer, block));
        let mut tasks: SmallVec<[TaskId; ANTICIPATED + 1]> = found.collect();
        if let Some(next) = self.workers.find(worker).and_then(|w| w.queues.find_any()) {
            tasks.push(next);
        }
        for &id in &tasks {
            self.tasks.prefetch(id);
        }
        for &id in &tasks {
            self.tasks.prefetch_edges(id);
        }
        for &id in &tasks {
            self.anticipate_neighbours(id);
        }
        for &id in &tasks {
            for &dependent in self.tasks.dependents(id).iter().take(NEIGHBOURS_MAX) {
                self.tasks.prefetch_edges(dependent);
            }
        }
        for &id in &tasks {
            for &input in self.tasks.deps(id).iter().take(NEIGHBOURS_MAX) {
                self.anticipate_holder(input, COUNTS_LINES);
            }
            for &dependent in self.tasks.dependents(id).iter().take(NEIGHBOURS_MAX) {
                for &input in self.tasks.deps(dependent).iter().take(NEIGHBOURS_MAX) {
                    self.tasks.prefetch(input);
                }
            }
        }
        for &id in &tasks {
            for &dependent in self.tasks.dependents(id).iter().take(NEIGHBOURS_MAX) {
                // Where what it needs is, it will be placed.
                if self.tasks.missing(dependent) == 1 {
                    for &input in self.tasks.deps(dependent).iter().take(NEIGHBOURS_MAX) {
                        self.anticipate_holder(input, WORKER_LINES);
                    }
                }
            }
        }
    }

    fn anticipate_holder(&self, value: TaskId, lines: usize) {
        if let Some(&holder) = self.tasks.holders(value).first() {
            self.workers.by_id.prefetch(holder, lines);
        }
    }

    /// The records of what a task is made from and of what is made from it.
    #[inline]
    pub(crate) fn anticipate_neighbours(&self, id: TaskId) {
        let inputs = self.tasks.deps(id).iter().take(NEIGHBOURS_MAX);
        let users = self.tasks.dependents(id).iter().take(NEIGHBOURS_MAX);
        for &neighbour in inputs.chain(users) {
            self.tasks.prefetch(neighbour);
        }
    }
}
