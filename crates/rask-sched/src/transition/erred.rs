//! To Erred: a task failed, or needs one that did.

use std::sync::Arc;

use rask_proto::Failure;

use crate::scheduler::{NOBODY, Scheduler};
use crate::state::{TaskId, TaskState};

impl Scheduler {
    /// A pending task failed for good: it, and everything pending that needs it, is Erred.
    pub(crate) fn transition_pending_erred(&mut self, id: TaskId, failure: &Arc<Failure>) {
        let mut stack = vec![id];
        while let Some(id) = stack.pop() {
            if !self.tasks.get(id).state.is_pending() {
                continue;
            }
            self.call_back(id);
            self.leave_queues(id);
            self.tasks.set_state(id, TaskState::Erred);
            self.tasks.set_failure(id, Some(failure.clone()));
            self.tell_erred(id);
            self.release_needs(id);
            stack.extend(self.live_dependents(id));
            self.tasks.retain_wanted_by(id, |client| client != NOBODY);
            self.settle.push(id);
        }
    }

    /// A task became pending that needs a failed one.
    pub(crate) fn transition_waiting_erred(&mut self, id: TaskId, failed: TaskId) {
        if let Some(failure) = self.tasks.failure(failed).cloned() {
            self.transition_pending_erred(id, &failure);
        }
    }

    /// Tells everyone who wants the value that there will be none.
    pub(crate) fn tell_erred(&mut self, id: TaskId) {
        let task = self.tasks.get(id);
        let Some(failure) = self.tasks.failure(id) else {
            return;
        };
        for &client in self.tasks.wanted_by(id) {
            if let Some(number) = self.clients.find_number(client, task.layer) {
                self.out.erred(client, (number, task.block), failure);
            }
        }
    }

    /// Tells the worker of an Assigned task to forget it.
    pub(crate) fn call_back(&mut self, id: TaskId) {
        let task = self.tasks.get(id);
        if task.state == TaskState::Assigned && self.workers.find(task.worker()).is_some() {
            self.out.unassign(task.worker(), task.layer, task.block);
        }
    }
}
