//! Where a task goes: the worker where it can start soonest.

use smallvec::SmallVec;

use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, Worker};

/// Up to this many workers, all are compared; above, the holders and the least busy of a sample.
const COMPARED_MAX: usize = 32;
/// Cost of fetching anything at all, in microseconds.
const FETCH_MICROS: u64 = 200;

impl Scheduler {
    /// The worker where the task can start soonest: after what is queued there, and after what it
    /// needs has been moved there. `None` if no worker may run it.
    pub(crate) fn decide_worker(&self, id: TaskId) -> Option<WorkerId> {
        let task = self.tasks.get(id);
        let restriction = self.layers.get(task.layer).restriction.as_deref();
        let held = self.bytes_held_by_worker(id);
        let allows = |worker: &Worker| {
            !worker.retiring && restriction.is_none_or(|restriction| restriction.allows(worker))
        };
        let best = self.cheapest(id, &held, allows);
        if best.is_some() {
            return best;
        }
        let others = restriction.filter(|restriction| restriction.allow_other_workers)?;
        self.cheapest(id, &held, |worker| {
            !worker.retiring && others.has_resources(worker)
        })
    }

    fn cheapest(
        &self,
        id: TaskId,
        held: &[(WorkerId, u64)],
        allows: impl Fn(&Worker) -> bool,
    ) -> Option<WorkerId> {
        let total: u64 = held.first().map_or(0, |_| self.input_bytes(id));
        let candidates = self.candidates(id, held);
        let costs = candidates.into_iter().filter_map(|id| {
            let worker = self.workers.find(id).filter(|worker| allows(worker))?;
            let here = held.iter().find(|(holder, _)| *holder == id);
            let missing = total - here.map_or(0, |(_, bytes)| *bytes);
            let moving = match missing {
                0 => 0,
                bytes => {
                    FETCH_MICROS + bytes * 1_000_000 / self.settings.bandwidth_bytes_per_second
                }
            };
            Some((worker.occupancy_micros() + moving, worker.held_bytes, id))
        });
        costs.min().map(|(_, _, id)| id)
    }

    fn candidates(&self, id: TaskId, held: &[(WorkerId, u64)]) -> Vec<WorkerId> {
        let workers = &self.workers.by_id;
        let restricted = self
            .layers
            .get(self.tasks.get(id).layer)
            .restriction
            .is_some();
        if workers.len() <= COMPARED_MAX || restricted {
            return workers.keys().copied().collect();
        }
        let mut candidates: Vec<WorkerId> = held.iter().map(|(worker, _)| *worker).collect();
        let first = workers.keys().next().map_or(0, |worker| worker.0);
        let last = workers.keys().next_back().map_or(0, |worker| worker.0);
        let start = first + id.wrapping_mul(0x9E37_79B9) % (last - first + 1);
        let sample = workers.range(WorkerId(start)..).chain(workers.iter());
        candidates.extend(sample.map(|(worker, _)| *worker).take(COMPARED_MAX / 2));
        candidates
    }

    fn input_bytes(&self, id: TaskId) -> u64 {
        let deps = self.tasks.deps(id).iter();
        deps.map(|&dep| self.tasks.get(dep).nbytes.max(1)).sum()
    }

    /// For each holder of inputs, how many bytes of them it holds. An input that is named twice
    /// counts twice, as in `input_bytes`.
    fn bytes_held_by_worker(&self, id: TaskId) -> SmallVec<[(WorkerId, u64); 8]> {
        let mut held: SmallVec<[(WorkerId, u64); 8]> = SmallVec::new();
        for &dep_id in self.tasks.deps(id) {
            let dep = self.tasks.get(dep_id);
            for &holder in self.tasks.holders(dep_id) {
                match held.iter_mut().find(|(worker, _)| *worker == holder) {
                    Some((_, bytes)) => *bytes += dep.nbytes.max(1),
                    None => held.push((holder, dep.nbytes.max(1))),
                }
            }
        }
        held
    }
}
