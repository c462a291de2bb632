//! To Released, and out of the tables: nobody needs a value any more.

use crate::scheduler::Scheduler;
use crate::state::{NO_TASK, TaskId, TaskState, Written};

/// A longer list of touched tasks, as a large submission makes, is not kept for the next event.
const SETTLE_KEPT_MAX: usize = 1 << 16;

impl Scheduler {
    /// A pending task leaves that state: what it needs is needed once less.
    pub(crate) fn release_needs(&mut self, id: TaskId) {
        for dep in self.tasks.unneed_deps(id) {
            self.settle.push(dep);
            self.on_last_need(dep);
        }
    }

    /// Releases what is not needed any more and forgets what nothing refers to, among the tasks
    /// that the event has touched.
    pub(crate) fn settle(&mut self) {
        while let Some(id) = self.settle.pop() {
            self.anticipate_forgetting();
            if self.tasks.is_free(id) || self.tasks.get(id).is_needed() {
                continue;
            }
            match self.tasks.get(id).state {
                TaskState::Memory => self.transition_memory_released(id),
                TaskState::Released | TaskState::Erred => {}
                _ => self.transition_pending_released(id),
            }
            if self.tasks.get(id).dependent_count == 0 {
                self.forget(id);
            }
        }
        if self.settle.capacity() > SETTLE_KEPT_MAX {
            self.settle = Vec::new();
        }
    }

    fn transition_memory_released(&mut self, id: TaskId) {
        let task = self.tasks.get(id);
        let (layer, block, nbytes, share) = (task.layer, task.block, task.nbytes(), task.share);
        for &holder in self.tasks.holders(id) {
            self.shares.on_dropped(share, nbytes);
            if let Some(worker) = self.workers.find_mut(holder) {
                worker.held_count -= 1;
                worker.held_bytes -= nbytes;
                worker.freeing.remove(id);
                if std::mem::take(&mut worker.held_back) {
                    self.attention.touch(holder);
                }
                self.out.free(holder, layer, block);
            }
        }
        self.tasks.set_state(id, TaskState::Released);
    }

    fn transition_pending_released(&mut self, id: TaskId) {
        self.call_back(id);
        self.leave_queues(id);
        self.tasks.set_state(id, TaskState::Released);
        self.release_needs(id);
    }

    /// Removes a task that nothing refers to.
    fn forget(&mut self, id: TaskId) {
        let task = self.tasks.get(id);
        let (number, block) = (task.layer, task.block);
        self.shares.on_task_removed(task.share);
        for dep in self.tasks.remove(id) {
            if self.tasks.get(dep).dependent_count == 0 {
                self.settle.push(dep);
            }
        }
        let layer = self.layers.get_mut(number);
        layer.slots[block as usize] = NO_TASK;
        layer.task_count -= 1;
        layer.ended.forgotten += 1;
        self.forget_layer_if_unused(number);
    }

    /// How much was written into the histories of tasks, and how much of that they have forgotten.
    fn written(&self) -> (Written, Written) {
        let (changes, ended) = (&self.tasks.history, &self.stream);
        let written = Written {
            changes: changes.written(),
            ended: ended.written(),
        };
        let forgotten = Written {
            changes: changes.forgotten(),
            ended: ended.forgotten(),
        };
        (written, forgotten)
    }

    /// Removes a layer that has no task and that no client has a number for.
    pub(crate) fn forget_layer_if_unused(&mut self, number: u32) {
        let layer = self.layers.get(number);
        if layer.task_count == 0 && layer.client_count == 0 {
            self.remove_layer(number);
        }
    }

    /// Removes a layer that has no task.
    pub(crate) fn remove_layer(&mut self, number: u32) {
        if let Some(layer) = self.layers.remove(number) {
            let (written, forgotten) = self.written();
            self.gone_layers.add(number, &layer, written, forgotten);
            self.spans.leave(&layer);
            for slot in layer.shipped.iter() {
                self.out
                    .forget_layer(self.workers.by_id.id_at(slot), number);
            }
        }
    }
}
