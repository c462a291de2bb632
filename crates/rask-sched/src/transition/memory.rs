//! Assigned → Memory, and back when workers are lost.

use bytes::Bytes;
use smallvec::SmallVec;

use super::need::NOT_COUNTED;
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
        let task = self.tasks.get(id);
        let is_noted = task.state == TaskState::Assigned && task.worker() == worker;
        self.leave_queues(id);
        self.tasks.get_mut(id).set_worker(worker);
        self.tasks.set_state(id, TaskState::Memory);
        self.tasks.get_mut(id).set_nbytes(nbytes);
        self.value_bytes_max = self.value_bytes_max.max(nbytes);
        self.write_holder(id, worker);
        if !is_noted {
            self.note_task(worker, id);
        }
        self.tell_finished(id, worker, inline);
        self.release_needs(id);
        self.advance_dependents(id);
        self.collect(id, worker);
        self.journal_forgotten(id);
        self.tasks.retain_wanted_by(id, |client| client != NOBODY);
        self.settle.push(id);
    }

    /// Writes down that `worker` holds the value too.
    pub(crate) fn add_holder(&mut self, id: TaskId, worker: WorkerId) {
        if !self.tasks.holders(id).contains(&worker) {
            self.write_holder(id, worker);
            self.note_task(worker, id);
            self.note_replica(id);
        }
    }

    fn write_holder(&mut self, id: TaskId, worker_id: WorkerId) {
        self.tasks.push_holder(id, worker_id);
        let task = self.tasks.get(id);
        let needed = self.needed_bytes_of(task);
        self.shares.on_held(task.share, task.nbytes());
        if let Some(worker) = self.workers.find_mut(worker_id) {
            worker.held_count += 1;
            worker.held_bytes += task.nbytes();
            worker.incoming.remove(id);
            self.workers.on_needed(worker_id, needed);
        }
        self.end_transfer(id, worker_id);
    }

    /// Writes down that `worker` does not hold the value any more. `true` if nobody does now.
    pub(crate) fn remove_holder(&mut self, id: TaskId, worker_id: WorkerId) -> bool {
        let held = self.tasks.holders(id).contains(&worker_id);
        self.tasks.retain_holders(id, |holder| holder != worker_id);
        let task = self.tasks.get(id);
        let needed = self.needed_bytes_of(task);
        if held {
            self.shares.on_dropped(task.share, task.nbytes());
        }
        if held && let Some(worker) = self.workers.find_mut(worker_id) {
            worker.held_count -= 1;
            worker.held_bytes -= task.nbytes();
            worker.freeing.remove(id);
            self.workers.on_unneeded(worker_id, needed);
        }
        task.state == TaskState::Memory && self.tasks.holders(id).is_empty()
    }

    /// These values in memory have no holder left: make them again where they are needed, and
    /// call back what waited to be run with them.
    pub(crate) fn transition_memory_lost(&mut self, lost: &[TaskId]) {
        for &id in lost {
            self.tasks.set_state(id, TaskState::Released);
            let task = self.tasks.get(id);
            for &client in self.tasks.wanted_by(id) {
                if let Some(number) = self.clients.find_number(client, task.layer) {
                    self.out.lost(client, (number, task.block));
                }
            }
            for at in 0..self.tasks.dependents(id).len() {
                let dependent = self.tasks.dependents(id)[at];
                if self.tasks.state(dependent) == TaskState::Waiting {
                    self.tasks.get_mut(dependent).set_missing(NOT_COUNTED);
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
    pub(crate) fn live_dependents(&self, id: TaskId) -> SmallVec<[TaskId; 8]> {
        let entries = self.tasks.dependents(id).iter().copied();
        let mut live: SmallVec<[TaskId; 8]> = entries
            .filter(|dependent| !self.tasks.is_free(*dependent))
            .collect();
        live.dedup();
        live
    }

    /// Tells everyone who wants the value that it is there.
    pub(crate) fn tell_finished(&mut self, id: TaskId, worker: WorkerId, inline: Option<&Bytes>) {
        let task = self.tasks.get(id);
        for &client in self.tasks.wanted_by(id) {
            if let Some(number) = self.clients.find_number(client, task.layer) {
                self.out
                    .finished(client, (number, task.block), worker, inline);
            }
        }
    }

    fn advance_dependents(&mut self, id: TaskId) {
        for dependent in self.tasks.count_down_dependents(id) {
            self.transition_waiting_ready(dependent);
        }
    }
}
