//! Large inputs are moved and not copied: where the only task that still needs a value has fetched
//! it, the worker that it came from need not keep it.
//!
//! If the worker of that task dies, the value is lost with it, as it would be had it been made there,
//! and is made again. What takes long to make stays where it was until the task has ended.

use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};

/// A value that took longer to make is not given up for room.
const MAKING_MICROS_MAX: u32 = 1_000_000;

impl Scheduler {
    /// `worker` has fetched a value: others give it up if nobody but a task there needs it.
    pub(crate) fn drop_moved(&mut self, id: TaskId, worker: WorkerId) {
        let task = self.tasks.get(id);
        let is_last = task.state == TaskState::Memory
            && task.needed_by == 1
            && !task.is_wanted()
            && task.nbytes() >= self.settings.large_bytes_min;
        if !is_last || self.predict_micros(task.layer) > MAKING_MICROS_MAX {
            return;
        }
        let Some(consumer) = self.find_consumer(id) else {
            return;
        };
        let stays = self.workers.find(worker).is_some_and(|w| !w.retiring);
        let is_elsewhere = self.tasks.get(consumer).worker() != worker;
        if !stays
            || is_elsewhere
            || self.has_copy(consumer)
            || self.tasks_being_copied().any(|it| it == id)
        {
            return;
        }
        let task = self.tasks.get(id);
        let (layer, block, nbytes) = (task.layer, task.block, task.nbytes());
        let frees = self.tasks.get(consumer).charge().1.has_entries();
        let others = self.tasks.holders(id).iter().copied();
        let others: Vec<WorkerId> = others.filter(|&holder| holder != worker).collect();
        if others.is_empty() {
            return;
        }
        if let Some(record) = self.workers.find_mut(worker).filter(|_| frees) {
            record.freeing.add(id, nbytes);
        }
        for holder in others {
            self.remove_holder(id, holder);
            self.out.free(holder, layer, block);
            self.wake_held_back(holder);
        }
    }

    /// The first task in the list of those that need a value that was handed out.
    fn find_consumer(&self, id: TaskId) -> Option<TaskId> {
        let mut entries = self.tasks.dependents(id).iter().copied();
        entries.find(|&user| self.tasks.state(user) == TaskState::Assigned)
    }

    /// There is more room at a worker.
    fn wake_held_back(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.find_mut(id)
            && std::mem::take(&mut worker.held_back)
        {
            self.attention.touch(id);
        }
    }
}
