//! What the end of tasks will touch is asked for before it is needed.
//!
//! Tables of millions of tasks do not fit the processor's caches, and each end of a task touches its
//! neighbours' records, which are anywhere. One after the other these are waited for; asked for
//! together they come together. Nothing here decides anything.

use std::cmp::Reverse;

use rask_proto::FromWorker;
use smallvec::SmallVec;

use crate::event::{Event, WorkerId};
use crate::prefetch::prefetch;
use crate::scheduler::Scheduler;
use crate::state::{NO_TASK, TaskId};

/// Tasks that are looked at together: of one report, or of several.
pub(crate) const ANTICIPATED: usize = 32;
/// Lines of a worker's record: those of its counts and of its own queue; those of its counts.
const WORKER_LINES: usize = 6;
const COUNTS_LINES: usize = 3;
/// So many workers before one is asked whether it has room, it is thought of.
const ROOM_AHEAD: usize = 8;
/// So many workers are between two steps of thinking of those that will be handed tasks.
const FILLED_AHEAD: usize = 2;
/// So many tasks are between two steps of thinking of those that may be forgotten.
const FORGOTTEN_AHEAD: usize = 4;
/// Of longer lists of neighbours only so many are asked for.
const NEIGHBOURS_MAX: usize = 8;

impl Scheduler {
    /// Looks at the first of these events, and at others with it as long as these are not many;
    /// returns at how many.
    pub(crate) fn anticipate_reports(&self, events: &[Event]) -> usize {
        let mut workers: SmallVec<[WorkerId; ANTICIPATED]> = SmallVec::new();
        let mut ending: SmallVec<[(u32, u32); 2 * ANTICIPATED]> = SmallVec::new();
        let mut count = 0;
        for event in events {
            count += 1;
            let Event::FromWorker { worker, message } = event else {
                continue;
            };
            self.workers.by_id.prefetch(*worker, WORKER_LINES);
            workers.push(*worker);
            if let FromWorker::Finished(finished) = message
                && let Some(blocks) = &finished.blocks
            {
                ending.extend(blocks.iter().take(ANTICIPATED));
            }
            if ending.len().max(workers.len()) >= ANTICIPATED {
                break;
            }
        }
        if !ending.is_empty() {
            self.anticipate(&workers, &ending);
        }
        count
    }

    /// Tasks of these blocks, at most twice [`ANTICIPATED`], have ended, and these workers will be
    /// given the first of their queues.
    pub(crate) fn anticipate(&self, workers: &[WorkerId], ending: &[(u32, u32)]) {
        let mut slots: SmallVec<[&TaskId; 2 * ANTICIPATED]> = SmallVec::new();
        for &(layer, block) in ending {
            let layer = self.layers.find(layer);
            if let Some(slot) = layer.and_then(|layer| layer.slots.get(block as usize)) {
                prefetch(slot);
                slots.push(slot);
            }
        }
        let mut tasks: SmallVec<[TaskId; 2 * ANTICIPATED]> = SmallVec::new();
        for id in slots.into_iter().copied().filter(|id| *id != NO_TASK) {
            self.tasks.prefetch(id);
            tasks.push(id);
        }
        for &id in &tasks {
            self.tasks.prefetch_edges(id);
        }
        for &worker in workers {
            let worker = self.workers.find(worker);
            if let Some(next) = worker.and_then(|worker| worker.queues.find_any()) {
                self.tasks.prefetch(next);
            }
        }
        for &id in &tasks {
            self.anticipate_neighbours(id);
        }
        // Those that will be placed, where what they need is.
        let mut ready: SmallVec<[TaskId; 2 * ANTICIPATED]> = SmallVec::new();
        for &id in &tasks {
            for &input in first_few(self.tasks.deps(id)) {
                self.anticipate_holder(input, COUNTS_LINES);
            }
            for &dependent in first_few(self.tasks.dependents(id)) {
                if self.tasks.missing(dependent) == 1 {
                    self.tasks.prefetch_edges(dependent);
                    ready.push(dependent);
                }
            }
        }
        for &id in &ready {
            for &input in first_few(self.tasks.deps(id)) {
                self.tasks.prefetch(input);
            }
        }
        for &id in &ready {
            for &input in first_few(self.tasks.deps(id)) {
                self.anticipate_holder(input, WORKER_LINES);
            }
        }
    }

    /// These workers will be asked whether they have room.
    #[inline]
    pub(crate) fn anticipate_room(&self, ids: &[WorkerId], at: usize) {
        if let Some(&id) = ids.get(at + ROOM_AHEAD) {
            self.workers.by_id.prefetch(id, WORKER_LINES);
        }
    }

    /// The worker at this position will be handed tasks, and others after it: the further away, the
    /// less is known of what that needs.
    pub(crate) fn anticipate_filling(&self, open: &[(u64, WorkerId)], at: usize) {
        let next = |ahead: usize| {
            let worker = open.get(at + ahead);
            let worker = worker.and_then(|(_, id)| self.workers.find(*id));
            worker.map_or(&[][..], |worker| worker.queues.first_entries())
        };
        if let Some(first) = next(4 * FILLED_AHEAD).first() {
            prefetch(first);
        }
        for Reverse((_, id, _)) in next(3 * FILLED_AHEAD) {
            self.tasks.prefetch(*id);
        }
        for Reverse((_, id, _)) in next(2 * FILLED_AHEAD) {
            self.tasks.prefetch_edges(*id);
        }
        for Reverse((_, id, _)) in next(FILLED_AHEAD) {
            self.anticipate_neighbours(*id);
        }
        for Reverse((_, id, _)) in next(1) {
            for &input in first_few(self.tasks.deps(*id)) {
                self.anticipate_holder(input, COUNTS_LINES);
            }
        }
        for Reverse((_, id, _)) in next(1).iter().take(1) {
            self.anticipate_dependents_edges(*id);
        }
    }

    /// The task that a worker is given after the one that it is given now.
    #[inline]
    pub(crate) fn anticipate_after(&self, worker: WorkerId) -> Option<TaskId> {
        let worker = self.workers.find(worker)?;
        let Reverse((_, after, _)) = *worker.queues.first_entries().first()?;
        self.tasks.prefetch_edges(after);
        Some(after)
    }

    /// The records of what is made from a task.
    #[inline]
    pub(crate) fn anticipate_dependents(&self, id: TaskId) {
        for &dependent in first_few(self.tasks.dependents(id)) {
            self.tasks.prefetch(dependent);
        }
    }

    /// What these are made from, and what is made from them.
    #[inline]
    pub(crate) fn anticipate_dependents_edges(&self, id: TaskId) {
        for &dependent in first_few(self.tasks.dependents(id)) {
            self.tasks.prefetch_edges(dependent);
        }
    }

    /// It will be asked what of that can be handed out with a task.
    #[inline]
    pub(crate) fn anticipate_ahead(&self, id: TaskId) {
        for &dependent in first_few(self.tasks.dependents(id)) {
            if self.tasks.missing(dependent) > 1 {
                self.tasks
                    .prefetch_states(first_few(self.tasks.deps(dependent)));
            }
        }
    }

    /// Tasks from the end of this list on may be forgotten.
    #[inline]
    pub(crate) fn anticipate_forgetting(&self) {
        let count = self.settle.len();
        if let Some(&id) = self.settle.get(count.wrapping_sub(2 * FORGOTTEN_AHEAD)) {
            self.tasks.prefetch(id);
        }
        if let Some(&id) = self.settle.get(count.wrapping_sub(FORGOTTEN_AHEAD)) {
            self.tasks.prefetch_edges(id);
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
        for &input in first_few(self.tasks.deps(id)) {
            self.tasks.prefetch(input);
        }
        for &user in first_few(self.tasks.dependents(id)) {
            self.tasks.prefetch(user);
        }
    }
}

#[inline(always)]
fn first_few(neighbours: &[TaskId]) -> &[TaskId] {
    &neighbours[..neighbours.len().min(NEIGHBOURS_MAX)]
}
