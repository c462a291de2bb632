//! Large inputs are moved and not copied: where the only task that still needs a value has fetched
//! it, the worker that it came from need not keep it.
//!
//! If the worker of that task dies, the value is lost with it, as it would be had it been made there,
//! and is made again. What takes long to make stays where it was until the task has ended.

use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};

/// Values that more tasks need are not looked at.
const USERS_MAX: usize = 64;
/// A value that took longer to make is not given up for room.
const MAKING_MICROS_MAX: u32 = 1_000_000;

impl Scheduler {
    /// `worker` has fetched a value: others give it up if nobody needs it but a task there, which may
    /// still wait for other inputs, and such as need that task too.
    pub(crate) fn drop_moved(&mut self, id: TaskId, worker: WorkerId) {
        let task = self.tasks.get(id);
        let is_large = task.state == TaskState::Memory
            && !task.is_wanted()
            && task.nbytes() >= self.settings.large_bytes_min;
        if !is_large || self.predict_micros(task.layer) > MAKING_MICROS_MAX {
            return;
        }
        let Some(consumer) = self.find_consumer(id, worker) else {
            return;
        };
        let stays = self.workers.find(worker).is_some_and(|w| !w.retiring);
        if !stays || self.has_copy(consumer) || self.tasks_being_copied().any(|it| it == id) {
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

    /// The task at `worker`, or with its home there, that all who need a value are or wait for.
    fn find_consumer(&self, id: TaskId, worker: WorkerId) -> Option<TaskId> {
        let users = self.tasks.dependents(id);
        if users.len() > USERS_MAX {
            return None;
        }
        let is_pending =
            |user: &TaskId| !self.tasks.is_free(*user) && self.tasks.state(*user).is_pending();
        let mut pending = users.iter().copied().filter(is_pending);
        let is_here = |&user: &TaskId| match self.tasks.state(user) {
            TaskState::Assigned => self.tasks.get(user).worker() == worker,
            _ => self.find_home(user) == Some(worker),
        };
        let consumer = pending.clone().find(is_here)?;
        let waits = |user: TaskId| user == consumer || self.tasks.deps(user).contains(&consumer);
        pending.all(waits).then_some(consumer)
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
