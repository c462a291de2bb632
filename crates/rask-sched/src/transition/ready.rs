//! Waiting → Queued or Placed → Assigned.

use std::cmp::Reverse;

use crate::event::WorkerId;
use crate::policy::inputs::decide_sender;
use crate::scheduler::Scheduler;
use crate::state::{Charge, TaskId, TaskState};

impl Scheduler {
    /// Everything the task needs is in memory: to the common queue if it needs nothing (it can
    /// start anywhere, so late is soon enough to decide), else to the worker where it can start
    /// soonest. One that is to wait longer stays where it is.
    pub(crate) fn transition_waiting_ready(&mut self, id: TaskId) {
        if self.delays.holds(id, self.tasks.get(id).serial) {
            return;
        }
        if let Some(worker) = self.decide_holder(id) {
            self.attention.touch(worker);
            return self.transition_ready_assigned(id, worker);
        }
        let restricted = self.restriction_of(id).is_some();
        if self.tasks.get(id).is_source() && !restricted {
            return self.transition_waiting_queued(id);
        }
        match self.decide_worker(id) {
            Some(worker) => self.transition_waiting_placed(id, worker),
            None => {
                self.tasks.set_state(id, TaskState::Queued);
                let task = self.tasks.get(id);
                self.stranded.push((id, task.serial));
                self.shares.on_queued(task.share);
                self.queued_count += 1;
            }
        }
    }

    fn transition_waiting_queued(&mut self, id: TaskId) {
        self.tasks.set_state(id, TaskState::Queued);
        self.shares.on_queued(self.tasks.get(id).share);
        self.queued_count += 1;
        self.queue_source(id);
    }

    pub(crate) fn transition_waiting_placed(&mut self, id: TaskId, worker: WorkerId) {
        self.leave_home(id);
        let charged = self.predict_micros(self.tasks.get(id).layer);
        let is_source = self.tasks.get(id).is_source();
        let task = self.tasks.get_mut(id);
        task.set_worker(worker);
        task.set_charge(charged, Charge::default());
        self.tasks.set_state(id, TaskState::Placed);
        let task = self.tasks.get(id);
        let entry = Reverse((task.priority, id, task.serial));
        let share = task.share;
        self.attention.on_placed(worker);
        self.shares.on_placed(share);
        self.note_task(worker, id);
        if is_source {
            self.layers.get_mut(self.tasks.get(id).layer).begun_count += 1;
        }
        if let Some(worker) = self.workers.find_mut(worker) {
            worker.queues.push(share, entry);
            worker.placed_count += 1;
            worker.placed_micros += u64::from(charged);
            if is_source {
                worker.sources.placed_micros += u64::from(charged);
            }
        }
        self.workers.by_id.note_load(worker);
    }

    /// Hands a Queued or Placed task to `worker`, or a Waiting one that waits for nothing but what
    /// the worker is making.
    pub(crate) fn transition_ready_assigned(&mut self, id: TaskId, worker: WorkerId) {
        self.leave_home(id);
        self.leave_queues(id);
        let layer_number = self.tasks.get(id).layer;
        self.ship_layer(worker, layer_number, self.tasks.get(id).block);
        self.take_over(id, worker);
        if self.send_assignment(id, worker) {
            self.note_transfers(id);
        } else {
            self.layers
                .get_mut(layer_number)
                .began
                .get_or_insert(self.now);
        }
    }

    /// Writes down that a task is with `worker`.
    pub(crate) fn take_over(&mut self, id: TaskId, worker_id: WorkerId) {
        let worker = worker_id;
        let layer_number = self.tasks.get(id).layer;
        let charged = self.predict_micros(layer_number);
        let restriction = self.restriction_with_resources(id);
        let now = self.now;
        let charged_bytes = self.charge(id, worker);
        let is_source = self.tasks.get(id).is_source();
        self.needs.on_assigned();
        if is_source {
            self.layers.get_mut(layer_number).begun_count += 1;
        }
        let task = self.tasks.get_mut(id);
        let was_placed_here = task.state == TaskState::Placed && task.worker() == worker;
        task.set_worker(worker);
        task.set_charge(charged, charged_bytes);
        self.shares.on_assigned(task.share, charged);
        self.tasks.set_state(id, TaskState::Assigned);
        if !was_placed_here {
            self.note_task(worker, id);
        }
        if let Some(worker) = self.workers.find_mut(worker) {
            if worker.assigned_count == 0 {
                worker.progress = now;
            }
            worker.assigned_count += 1;
            worker.assigned_micros += u64::from(charged);
            if is_source {
                worker.sources.assigned_count += 1;
                worker.sources.assigned_micros += u64::from(charged);
            }
            if worker.assigned_count > worker.thread_count() && !worker.is_watched {
                worker.is_watched = true;
                self.attention.watch(worker_id, now);
            }
            worker.promised_bytes += charged_bytes.bytes();
            if let Some(restriction) = restriction {
                worker.take(&restriction.resources, 1.0);
            }
        }
        self.workers.by_id.note_load(worker_id);
        self.note_begin(id, worker);
    }

    /// Returns whether anything large has to be fetched for it.
    pub(crate) fn send_assignment(&mut self, id: TaskId, worker: WorkerId) -> bool {
        let mut is_any_large = false;
        let task = self.tasks.get(id);
        let layer = self.layers.get(task.layer);
        let order = (self.priority_at_worker(task.priority), task.is_wanted());
        let deps = self.tasks.deps(id);
        let block = (task.layer, task.block);
        let mut inputs = self.out.assign(worker, block, order, deps.len());
        for &dep_id in deps {
            let dep = self.tasks.get(dep_id);
            let holders = self.tasks.holders(dep_id);
            let nbytes = layer.bytes_taken_of(dep.nbytes());
            let is_made_here = dep.state == TaskState::Assigned;
            let holder = if is_made_here || holders.contains(&worker) {
                worker
            } else {
                let places = (&self.workers, &self.bandwidth);
                let sender = decide_sender(places, holders, worker, nbytes, id as usize);
                sender.unwrap_or(worker)
            };
            inputs.push((dep.layer, dep.block), holder, nbytes);
            if holder != worker {
                self.introductions.push((worker, holder));
                is_any_large |= nbytes >= self.settings.large_bytes_min;
            }
        }
        is_any_large
    }

    /// What a task of this layer is thought to take.
    pub(crate) fn predict_micros(&self, layer: u32) -> u32 {
        let layer = self.layers.get(layer);
        if layer.ended_count > 0 {
            return layer.mean_micros.max(1.0) as u32;
        }
        match self.layers.operation(layer).mean_micros {
            Some(mean) => mean.max(1.0) as u32,
            None => self.settings.unknown_duration_micros,
        }
    }
}
