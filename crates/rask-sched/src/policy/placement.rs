//! Where a task goes: the worker where it can start soonest, of those that have room for its value.

use std::cmp::Reverse;

use super::inputs::{ByWorker, Inputs};
use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, Worker};

/// Up to this many workers, all are compared; above, the largest holders and a sample.
const COMPARED_MAX: usize = 32;
const SAMPLE_COUNT: usize = 8;
/// Of many holders, those that hold most are compared.
const HOLDERS_MAX: usize = 16;

impl Scheduler {
    /// The worker where the task can start soonest: after what is queued there, and after what it
    /// needs has been moved there; for a large value one of those that have room for it, if there
    /// are any. One that is paused only if no other may run it. `None` if no
    /// worker may run it.
    pub(crate) fn decide_worker(&self, id: TaskId) -> Option<WorkerId> {
        let running = self.decide_worker_among(id, Worker::takes_tasks);
        running.or_else(|| self.decide_worker_among(id, |worker| !worker.retiring))
    }

    fn decide_worker_among(&self, id: TaskId, stays: fn(&Worker) -> bool) -> Option<WorkerId> {
        let task = self.tasks.get(id);
        let restriction = self.layers.get(task.layer).restriction.as_deref();
        let inputs = self.inputs(id);
        let allows = |worker: &Worker| {
            stays(worker) && restriction.is_none_or(|restriction| restriction.allows(worker))
        };
        let best = self.cheapest(id, &inputs, allows);
        if best.is_some() {
            return best;
        }
        let others = restriction.filter(|restriction| restriction.allow_other_workers)?;
        self.cheapest(id, &inputs, |worker| {
            stays(worker) && others.has_resources(worker)
        })
    }

    fn cheapest(
        &self,
        task: TaskId,
        inputs: &Inputs,
        allows: impl Fn(&Worker) -> bool,
    ) -> Option<WorkerId> {
        let is_large = self.predict_output_bytes(task) >= self.settings.large_bytes_min;
        let needs_none = inputs.total_bytes == 0;
        let cost = |id: WorkerId, worker: &Worker| {
            let occupancy = match needs_none {
                true => worker.occupancy_micros(),
                false => worker.occupancy_before_sources_micros(),
            };
            let start = occupancy + self.moving_micros(inputs, id, worker);
            let lacks_room = is_large && self.lacks_room(task, id, worker);
            allows(worker).then_some((lacks_room, start, worker.held_bytes, id))
        };
        let holders = largest_holders(&inputs.held).into_iter();
        let best = holders
            .filter_map(|(id, _)| cost(id, self.workers.find(id)?))
            .min();
        // Elsewhere everything has to be moved, so that nobody who holds nothing starts before.
        let elsewhere_micros = match inputs.total_bytes {
            0 => 0,
            nbytes => self.bandwidth.micros_at_least(nbytes),
        };
        if best.is_some_and(|(lacks_room, start, ..)| !lacks_room && start < elsewhere_micros) {
            return best.map(|(.., id)| id);
        }
        let others = self.compared(task);
        let best = others
            .filter_map(|(id, worker)| cost(id, worker))
            .chain(best)
            .min();
        best.map(|(.., id)| id)
    }

    /// The workers that are compared besides the holders: all of a few, or all for a task that may
    /// not run everywhere; else some, others for each task.
    fn compared(&self, id: TaskId) -> impl Iterator<Item = (WorkerId, &Worker)> {
        let workers = &self.workers.by_id;
        let layer = self.layers.get(self.tasks.get(id).layer);
        let takes_all = workers.len() <= COMPARED_MAX || layer.restriction.is_some();
        let first = workers.keys().next().map_or(0, |worker| worker.0);
        let last = workers.keys().next_back().map_or(0, |worker| worker.0);
        let (start, count) = match takes_all {
            true => (first, workers.len()),
            false => (
                first + id.wrapping_mul(0x9E37_79B9) % (last - first + 1),
                SAMPLE_COUNT,
            ),
        };
        let from_start = workers.range(WorkerId(start)..).chain(workers.iter());
        from_start.map(|(id, worker)| (*id, worker)).take(count)
    }
}

/// Those who hold most.
fn largest_holders(held: &[(WorkerId, u64)]) -> ByWorker {
    let mut largest: ByWorker = held.iter().copied().collect();
    if largest.len() > HOLDERS_MAX {
        largest.select_nth_unstable_by_key(HOLDERS_MAX, |&(id, bytes)| (Reverse(bytes), id));
        largest.truncate(HOLDERS_MAX);
    }
    largest
}
