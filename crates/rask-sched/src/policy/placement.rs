//! Where a task goes: the worker where it can start soonest, of those that have room for its value.

use std::sync::Arc;

use super::inputs::{Inputs, largest};
use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{NO_LOAD, NO_TASK, Restriction, TaskId, TaskState, Worker};

/// Up to this many workers, all are compared; above, the largest holders and a sample.
const COMPARED_MAX: usize = 32;
const SAMPLE_COUNT: usize = 4;
/// In the place of a place: whoever has nothing to do.
const IDLE: u32 = u32::MAX;
/// Of many holders, those that hold most are compared.
const HOLDERS_MAX: usize = 16;
/// While nothing is known of how long a task takes, what takes longer to move stays where it is, at
/// first for as long as that takes.
const MOVED_MICROS: u64 = 5000;
/// Of a layer, so many tasks are charged anew when the first has ended.
const CHARGED_ANEW_MAX: usize = 4096;

impl Scheduler {
    /// The worker where the task can start soonest: after what is queued there, and after what it
    /// needs has been moved there; for a large value one of those that have room for it, if there
    /// are any. One that is paused only if no other may run it. `None` if no
    /// worker may run it.
    pub(crate) fn decide_worker(&self, id: TaskId) -> Option<WorkerId> {
        let running = self.decide_worker_among(id, Worker::takes_tasks);
        running.or_else(|| self.decide_worker_among(id, |worker| !worker.retiring))
    }

    /// Where a task may run, and what it takes.
    #[inline]
    pub(crate) fn restriction_of(&self, id: TaskId) -> Option<&Arc<Restriction>> {
        let task = self.tasks.get(id);
        self.layers.get(task.layer).restriction_of(task.block)
    }

    /// The restriction of a task that takes resources.
    #[inline]
    pub(crate) fn restriction_with_resources(&self, id: TaskId) -> Option<Arc<Restriction>> {
        let restriction = self.restriction_of(id)?;
        (!restriction.resources.is_empty()).then(|| restriction.clone())
    }

    fn decide_worker_among(&self, id: TaskId, stays: fn(&Worker) -> bool) -> Option<WorkerId> {
        let restriction = self.restriction_of(id);
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
        let is_large = self.makes_large(task);
        let needs_none = inputs.total_bytes == 0;
        let occupancy = |worker: &Worker| match needs_none {
            true => worker.occupancy_micros(),
            false => worker.occupancy_before_sources_micros(),
        };
        let cost = |id: WorkerId, worker: &Worker| {
            let start = occupancy(worker) + self.moving_micros(inputs, id, worker);
            let lacks_room = is_large && self.lacks_room(task, id, worker);
            (lacks_room, start, worker.held_bytes, id)
        };
        let holders = largest(&inputs.held, HOLDERS_MAX);
        let mut best = holders
            .iter()
            .filter_map(|&(id, _)| Some((id, self.workers.find(id).filter(|w| allows(w))?)))
            .map(|(id, worker)| cost(id, worker))
            .min();
        // Elsewhere everything has to be moved, so that nobody who holds nothing starts before.
        let elsewhere_micros = match inputs.total_bytes {
            0 => 0,
            nbytes => self.bandwidth.micros_at_least(nbytes),
        };
        // Of those who can start at the same time, holders come first: less has to be moved.
        let mut is_holder = true;
        let starts_by = |best: Option<(bool, u64, u64, WorkerId)>, is_holder, micros: u64| {
            best.is_some_and(|(lacks_room, start, ..)| {
                !lacks_room && start < micros.saturating_add(u64::from(is_holder))
            })
        };
        let here = best.map_or(0, |(.., id)| inputs.total_bytes - inputs.missing_bytes(id));
        let more_micros = self.bandwidth.network().micros_of(here);
        let is_most = here > inputs.total_bytes / 2;
        let is_kept = is_most && more_micros > MOVED_MICROS && self.is_unlearned(task);
        let is_best = |micros| starts_by(best, true, micros);
        if is_best(elsewhere_micros) || (is_kept && is_best(u64::MAX)) {
            return best.map(|(.., id)| id);
        }
        let (start, count) = self.sample(task);
        let loads = self.workers.by_id.loads_from(start).take(count);
        for (slot, load) in loads.chain(std::iter::once((IDLE, 0))) {
            // Most are too busy anyway, which is told without a look at them.
            let least = u64::from(load) + elsewhere_micros;
            if load != NO_LOAD && starts_by(best, is_holder, least) {
                continue;
            }
            let slot = match slot {
                // One that has nothing to do is compared too, if there is one.
                IDLE => match self.find_idle_near(start) {
                    Some(slot) => slot,
                    None => continue,
                },
                slot => slot,
            };
            let id = self.workers.by_id.id_at(slot);
            let Some(worker) = self.workers.find(id).filter(|worker| allows(worker)) else {
                continue;
            };
            let is_known = holders.iter().any(|&(holder, _)| holder == id);
            let least = occupancy(worker) + elsewhere_micros;
            if !is_known && !starts_by(best, is_holder, least) {
                let found = cost(id, worker);
                if best.is_none_or(|best| found < best) {
                    (best, is_holder) = (Some(found), false);
                }
            }
        }
        best.map(|(.., id)| id)
    }

    fn makes_large(&self, task: TaskId) -> bool {
        let large = self.settings.large_bytes_min;
        let is_surely_small = self.layers.get(self.tasks.get(task).layer).made_bytes < large;
        !is_surely_small && self.predict_output_bytes(task) >= large
    }

    /// Whether no task of the layer has ended, so that what it takes is a guess.
    fn is_unlearned(&self, task: TaskId) -> bool {
        self.layers.get(self.tasks.get(task).layer).ended_count == 0
    }

    /// The first task of a layer has ended: others that wait in queues of workers were charged with a
    /// guess.
    pub(crate) fn charge_anew(&mut self, number: u32) {
        let charged = self.predict_micros(number);
        let slots = &self.layers.get(number).slots;
        let slots = &slots[..slots.len().min(CHARGED_ANEW_MAX)];
        for &id in slots.iter().filter(|&&id| id != NO_TASK) {
            if self.tasks.state(id) != TaskState::Placed {
                continue;
            }
            let is_source = self.tasks.deps(id).is_empty();
            let task = self.tasks.get_mut(id);
            let (before, bytes) = task.take_charge();
            task.set_charge(charged, bytes);
            let before = u64::from(before);
            let Some(worker) = self.workers.find_mut(task.worker()) else {
                continue;
            };
            let anew = |micros: u64| micros - before + u64::from(charged);
            worker.placed_micros = anew(worker.placed_micros);
            if is_source {
                worker.sources.placed_micros = anew(worker.sources.placed_micros);
            }
            let id = self.tasks.get(id).worker();
            self.workers.by_id.note_load(id);
        }
    }

    /// Whether a task that is Placed on `victim` stays there since nothing is known of how long it
    /// takes: for as long as moving its inputs would take.
    pub(crate) fn is_kept_unlearned(&self, task: TaskId, victim: &Worker, moving: u64) -> bool {
        let is_tried = self.now.micros < victim.progress.micros + moving;
        moving > MOVED_MICROS && is_tried && self.is_unlearned(task)
    }

    /// Where the sample of workers for a task begins.
    pub(super) fn sample_position(&self, id: TaskId) -> usize {
        spread(id, self.workers.by_id.len())
    }

    /// The places of the workers that are compared besides the holders, from where on and how many:
    /// all of a few, or all for a task that may not run everywhere; else some, others for each task.
    fn sample(&self, id: TaskId) -> (usize, usize) {
        let workers = &self.workers.by_id;
        let takes_all = workers.len() <= COMPARED_MAX || self.restriction_of(id).is_some();
        match takes_all {
            true => (0, workers.slot_count()),
            false => (spread(id, workers.slot_count()), SAMPLE_COUNT),
        }
    }

    fn find_idle_near(&self, slot: usize) -> Option<u32> {
        let idle = &self.attention.idle;
        idle.find_from(slot as u32).or_else(|| idle.find_from(0))
    }
}

/// A number below `count` that is another for each task, and not like that of its neighbours.
#[inline]
fn spread(id: TaskId, count: usize) -> usize {
    let part = u64::from(id.wrapping_mul(0x9E37_79B9));
    ((part * count as u64) >> 32) as usize
}
