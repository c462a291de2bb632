//! Tasks whose value fits into no worker's memory. Only where the bytes are certain: what was
//! learned, or what a Python object may make of it, is no reason to refuse work.

use std::sync::Arc;

use rask_proto::Failure;

use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState, Worker};

impl Scheduler {
    /// Whether blocks of the layer may be too large for some worker.
    #[inline]
    pub(crate) fn may_be_unfitting(&self, layer: u32) -> bool {
        self.layers.get(layer).certain_bytes_max > self.workers.limit_min
    }

    /// A task about to be handed to a worker whose memory is less than its value: to another one,
    /// or it fails. `false` if the worker will do.
    pub(crate) fn divert_unfitting(&mut self, id: TaskId, worker: WorkerId) -> bool {
        if !self.may_be_unfitting(self.tasks.get(id).layer) {
            return false;
        }
        let Some(bytes) = self.find_certain_bytes(id) else {
            return false;
        };
        let chosen = self.workers.find(worker);
        if chosen.is_none_or(|chosen| has_limit_for(chosen, bytes)) {
            return false;
        }
        self.leave_queues(id);
        self.tasks.set_state(id, TaskState::Waiting);
        match self.find_roomy_worker(id, bytes) {
            Some(worker) => self.transition_waiting_placed(id, worker),
            None => self.fail_unfitting(id, bytes),
        }
        true
    }

    /// Fails the tasks of a layer that fit nowhere, before anything is done for them.
    pub(crate) fn refuse_unfitting(&mut self, layer: u32) {
        if !self.may_be_unfitting(layer) {
            return;
        }
        for block in 0..self.layers.get(layer).slots.len() as u32 {
            let Some(id) = self.find_task(layer, block) else {
                continue;
            };
            let is_pending = self.tasks.get(id).state.is_pending();
            if let Some(bytes) = self.find_certain_bytes(id).filter(|_| is_pending)
                && self.fits_nowhere(id, bytes)
            {
                self.fail_unfitting(id, bytes);
            }
        }
    }

    /// Workers that may run the task, if any does; all others do not matter.
    fn candidates(&self, id: TaskId) -> impl Iterator<Item = (WorkerId, &Worker)> {
        let layer = self.layers.get(self.tasks.get(id).layer);
        let restriction = layer.restriction.as_deref();
        let workers = self.workers.by_id.iter();
        workers
            .map(|(id, worker)| (*id, worker))
            .filter(move |(_, worker)| match restriction {
                Some(restriction) if restriction.allow_other_workers => {
                    restriction.has_resources(worker)
                }
                Some(restriction) => restriction.allows(worker),
                None => true,
            })
    }

    fn find_roomy_worker(&self, id: TaskId, bytes: u64) -> Option<WorkerId> {
        let roomy = self
            .candidates(id)
            .filter(|(_, worker)| has_limit_for(worker, bytes) && !worker.retiring);
        let least = roomy.min_by_key(|(id, worker)| (worker.occupancy_micros(), *id));
        least.map(|(id, _)| id)
    }

    fn fits_nowhere(&self, id: TaskId, bytes: u64) -> bool {
        let mut candidates = self.candidates(id).peekable();
        candidates.peek().is_some() && candidates.all(|(_, worker)| !has_limit_for(worker, bytes))
    }

    fn fail_unfitting(&mut self, id: TaskId, bytes: u64) {
        let limits = self.candidates(id);
        let largest = limits.max_by_key(|(_, worker)| worker.register.memory_bytes_max);
        let largest = largest.map_or_else(String::new, |(_, worker)| {
            let limit = describe_bytes(worker.register.memory_bytes_max);
            format!(", more than the memory of any worker that may run it: the largest, {:?}, has {limit}", worker.register.name)
        });
        let task = self.tasks.get(id);
        let layer = self.layers.get(task.layer);
        let failure = Failure {
            message: format!(
                "MemoryError: block {} of {:?} would take {}{largest}. Make the blocks smaller (rechunk, \
                 or other chunks where the array is made), or give the workers more memory",
                task.block,
                layer.name,
                describe_bytes(bytes),
            ),
            origin: layer.origin.clone(),
            layer: layer.name.to_string(),
            block: task.block,
            ..Failure::default()
        };
        self.journal_failure(id, &failure);
        self.transition_pending_erred(id, &Arc::new(failure));
    }
}

fn has_limit_for(worker: &Worker, bytes: u64) -> bool {
    let limit = worker.register.memory_bytes_max;
    limit == 0 || bytes <= limit
}

/// Bytes in words: the number, and in a unit that can be read.
fn describe_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {} ({bytes} bytes)", UNITS[unit])
}
