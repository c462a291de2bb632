//! Released → Waiting: somebody needs a value.

use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};

/// What a task misses is counted later in the same event.
pub(super) const NOT_COUNTED: u32 = u32::MAX;

impl Scheduler {
    /// Makes `task` pending if it is neither that nor in memory nor failed, and with it everything
    /// it needs that is not there.
    pub(crate) fn transition_released_waiting(&mut self, task: TaskId) {
        let mut stack = vec![task];
        let mut entered = Vec::new();
        while let Some(id) = stack.pop() {
            if self.tasks.get(id).state != TaskState::Released {
                continue;
            }
            self.tasks.set_state(id, TaskState::Waiting);
            self.tasks.get_mut(id).set_missing(NOT_COUNTED);
            entered.push(id);
            for at in 0..self.tasks.deps(id).len() {
                let dep = self.tasks.deps(id)[at];
                let dep_task = self.tasks.get_mut(dep);
                dep_task.needed_by += 1;
                let is_first = dep_task.needed_by == 1;
                match dep_task.state {
                    TaskState::Released => stack.push(dep),
                    TaskState::Memory if is_first => self.on_first_need(dep),
                    _ => {}
                }
            }
        }
        for id in entered {
            self.count_missing(id);
        }
    }

    /// Counts anew what a pending task misses, and moves it on if that is nothing.
    pub(crate) fn count_missing(&mut self, id: TaskId) {
        let task = self.tasks.get(id);
        if !task.state.is_pending() {
            return;
        }
        let mut missing = 0;
        let mut failed = None;
        for &dep in self.tasks.deps(id) {
            match self.tasks.get(dep).state {
                TaskState::Memory => {}
                TaskState::Erred => failed = Some(dep),
                _ => missing += 1,
            }
        }
        self.leave_queues(id);
        self.tasks.get_mut(id).set_missing(missing);
        self.tasks.set_state(id, TaskState::Waiting);
        if let Some(dep) = failed {
            self.transition_waiting_erred(id, dep);
        } else if missing == 0 {
            self.transition_waiting_ready(id);
        } else {
            self.try_assign_ahead(id);
        }
    }

    /// Takes a task out of whatever queue or worker it is in, in the books.
    pub(crate) fn leave_queues(&mut self, id: TaskId) {
        if self.tasks.state(id) == TaskState::Assigned {
            self.end_copy(id, None);
        }
        let is_source = self.tasks.get(id).is_source();
        let task = self.tasks.get_mut(id);
        let (charged_micros, charged_bytes) = task.take_charge();
        let charged = u64::from(charged_micros);
        if matches!(task.state, TaskState::Placed | TaskState::Assigned) {
            self.attention.touch(task.worker());
            if task.state == TaskState::Assigned {
                self.needs.on_unassigned();
            }
            if is_source {
                self.layers.get_mut(task.layer).begun_count -= 1;
            }
        }
        match task.state {
            TaskState::Queued => {
                self.queued_count = self.queued_count.saturating_sub(1);
                self.shares.on_unqueued(task.share);
            }
            TaskState::Placed => {
                self.shares.on_displaced(task.share);
                if let Some(worker) = self.workers.find_mut(task.worker()) {
                    worker.placed_count -= 1;
                    worker.placed_micros -= charged;
                    if is_source {
                        worker.sources.placed_micros -= charged;
                    }
                }
            }
            TaskState::Assigned => {
                self.end_transfers(id);
                let restriction = self.restriction_with_resources(id);
                let task = self.tasks.get_mut(id);
                let seceded = std::mem::take(&mut task.seceded);
                self.shares
                    .on_unassigned(task.share, charged_micros, seceded);
                if let Some(worker) = self.workers.find_mut(task.worker()) {
                    worker.assigned_count -= 1;
                    worker.seceded_count -= u32::from(seceded);
                    worker.assigned_micros -= charged;
                    if is_source {
                        worker.sources.assigned_count -= 1;
                        worker.sources.assigned_micros -= charged;
                    }
                    worker.promised_bytes -= charged_bytes.bytes();
                    if let Some(restriction) = restriction {
                        worker.take(&restriction.resources, -1.0);
                    }
                }
            }
            _ => {}
        }
        if charged > 0 {
            let worker = self.tasks.get(id).worker();
            self.workers.by_id.note_load(worker);
        }
        if charged_bytes.has_entries() {
            self.leave_values(id);
        }
    }
}
