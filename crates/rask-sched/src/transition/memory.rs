//! Assigned → Memory, and back when workers are lost.

use bytes::Bytes;

use crate::event::WorkerId;
use crate::scheduler::{NOBODY, Scheduler};
use crate::state::{TaskId, TaskState};

impl Scheduler {
    /// `worker` holds the value of a pending task.
    pub(crate) fn transition_pending_memory(
        &mut self,
        id: TaskId,
        worker: WorkerId,
        nbytes: u64,
        inline: Option<&Bytes>,
    ) {
        self.leave_queues(id);
        let task = self.tasks.get_mut(id);
        task.state = TaskState::Memory;
        task.nbytes = nbytes;
        task.holders.clear();
        self.add_holder(id, worker);
        self.tell_finished(id, worker, inline);
        self.release_needs(id);
        self.advance_dependents(id);
        self.journal_forgotten(id);
        self.tasks
            .get_mut(id)
            .wanted_by
            .retain(|client| *client != NOBODY);
        self.settle.push(id);
    }

    /// Writes down that `worker` holds the value too.
    pub(crate) fn add_holder(&mut self, id: TaskId, worker: WorkerId) {
        let task = self.tasks.get_mut(id);
        if task.holders.contains(&worker) {
            return;
        }
        task.holders.push(worker);
        if let Some(worker) = self.workers.find_mut(worker) {
            worker.held_count += 1;
            worker.held_bytes += task.nbytes;
        }
    }

    /// Writes down that `worker` does not hold the value any more. `true` if nobody does now.
    pub(crate) fn remove_holder(&mut self, id: TaskId, worker: WorkerId) -> bool {
        let task = self.tasks.get_mut(id);
        let before = task.holders.len();
        task.holders.retain(|holder| *holder != worker);
        if task.holders.len() < before
            && let Some(worker) = self.workers.find_mut(worker)
        {
            worker.held_count -= 1;
            worker.held_bytes -= task.nbytes;
        }
        task.state == TaskState::Memory && task.holders.is_empty()
    }

    /// These values in memory have no holder left: make them again where they are needed, and
    /// call back what waited to be run with them.
    pub(crate) fn transition_memory_lost(&mut self, lost: &[TaskId]) {
        for &id in lost {
            let task = self.tasks.get_mut(id);
            task.state = TaskState::Released;
            for &client in &task.wanted_by {
                if let Some(number) = self.clients.find_number(client, task.layer) {
                    self.out.lost(client, (number, task.block));
                }
            }
        }
        for &id in lost {
            if self.tasks.get(id).is_needed() {
                self.transition_released_waiting(id);
            }
            for dependent in self.live_dependents(id) {
                let state = self.tasks.get(dependent).state;
                if state.is_pending() && state != TaskState::Assigned {
                    self.count_missing(dependent);
                }
            }
            self.settle.push(id);
        }
    }

    /// Tasks that name `id` in `deps`, once each.
    pub(crate) fn live_dependents(&self, id: TaskId) -> Vec<TaskId> {
        let entries = self.tasks.get(id).dependents.iter();
        let mut live: Vec<TaskId> = entries
            .filter(|(dependent, serial)| self.tasks.find(*dependent, *serial).is_some())
            .map(|(dependent, _)| *dependent)
            .collect();
        live.dedup();
        live
    }

    /// Tells everyone who wants the value that it is there.
    pub(crate) fn tell_finished(&mut self, id: TaskId, worker: WorkerId, inline: Option<&Bytes>) {
        let task = self.tasks.get(id);
        for &client in &task.wanted_by {
            if let Some(number) = self.clients.find_number(client, task.layer) {
                self.out
                    .finished(client, (number, task.block), worker, inline);
            }
        }
    }

    fn advance_dependents(&mut self, id: TaskId) {
        let dependents = std::mem::take(&mut self.tasks.get_mut(id).dependents);
        for &(dependent, serial) in &dependents {
            let Some(task) = self.tasks.find(dependent, serial) else {
                continue;
            };
            if task.state != TaskState::Waiting {
                continue;
            }
            let task = self.tasks.get_mut(dependent);
            task.missing -= 1;
            if task.missing == 0 {
                self.transition_waiting_ready(dependent);
            }
        }
        self.tasks.get_mut(id).dependents = dependents;
    }
}
