//! Tasks for which no worker's memory is large enough: for their value, or for all that they are given
//! at once. Only where the bytes are certain: what was learned, or what a Python object may make of
//! it, is no reason to refuse work before it has ended a worker.

use std::sync::Arc;

use rask_proto::{Failure, Packed};

use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{Task, TaskId, TaskState, Worker};

/// What is too large about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    /// Its value has so many bytes.
    Made(u64),
    /// What it is given has, so many values.
    Given(u64, usize),
}

impl Excess {
    fn bytes(self) -> u64 {
        match self {
            Excess::Made(bytes) | Excess::Given(bytes, _) => bytes,
        }
    }
}

impl Scheduler {
    /// Whether blocks of the layer may be too large for some worker.
    #[inline]
    fn may_be_unfitting(&self, layer: u32) -> bool {
        self.layers.get(layer).large_bytes_max > self.workers.limit_min
    }

    /// A task about to be handed to a worker whose memory is less than its value, or than what it is
    /// given: to another one, or it fails. `false` if the worker will do.
    pub(crate) fn divert_unfitting(&mut self, id: TaskId, worker: WorkerId) -> bool {
        if self.workers.limit_min == u64::MAX {
            return false;
        }
        let Some(excess) = self.find_excess(id, worker) else {
            return false;
        };
        self.leave_queues(id);
        self.tasks.set_state(id, TaskState::Waiting);
        match self.find_roomy_worker(id) {
            Some(worker) => {
                self.transition_waiting_placed(id, worker);
                self.attention.on_diverted(worker);
            }
            None => self.fail_unfitting(id, excess, None),
        }
        true
    }

    /// What of a task is more than the worker's memory, if it is known for certain.
    fn find_excess(&self, id: TaskId, worker_id: WorkerId) -> Option<Excess> {
        let worker = self.workers.find(worker_id)?;
        if self.may_be_unfitting(self.tasks.get(id).layer)
            && let Some(bytes) = self.find_certain_bytes(id)
            && !has_limit_for(worker, bytes)
        {
            return Some(Excess::Made(bytes));
        }
        let deps = self.tasks.deps(id);
        if has_limit_for(
            worker,
            (deps.len() as u64).saturating_mul(self.value_bytes_max),
        ) {
            return None;
        }
        let rough: u64 = deps.iter().map(|&dep| self.tasks.get(dep).nbytes()).sum();
        match has_limit_for(worker, rough) {
            true => None,
            false => self.find_given_excess(id, worker_id, worker),
        }
    }

    /// Inputs have to be in memory all at once, but for parts, which are fetched one by one, and for
    /// what another worker of the host lends and keeps.
    fn find_given_excess(
        &self,
        id: TaskId,
        worker_id: WorkerId,
        worker: &Worker,
    ) -> Option<Excess> {
        if self.layers.get(self.tasks.get(id).layer).takes_parts() {
            return None;
        }
        let is_lent = |dep: TaskId, task: &Task| {
            let stays = task.needed_by > 1 || task.is_wanted();
            let mut holders = self.tasks.holders(dep).iter();
            let mut others = holders.by_ref().filter(|&&holder| holder != worker_id);
            stays
                && others.any(|&holder| {
                    let holder = self.workers.find(holder);
                    holder.is_some_and(|holder| holder.place.is_same_host(worker.place))
                })
        };
        let mut bytes = 0u64;
        let deps = self.distinct_deps(id);
        // Whoever holds all of it has room for it.
        let mut is_all_here = true;
        for &dep in &deps {
            let task = self.tasks.get(dep);
            is_all_here &= self.tasks.holders(dep).contains(&worker_id);
            if task.state == TaskState::Memory && !is_lent(dep, task) {
                bytes = bytes.saturating_add(task.nbytes());
            }
        }
        let is_excess = !is_all_here && !has_limit_for(worker, bytes);
        is_excess.then_some(Excess::Given(bytes, deps.len()))
    }

    fn distinct_deps(&self, id: TaskId) -> Vec<TaskId> {
        let mut deps = self.tasks.deps(id).to_vec();
        deps.sort_unstable();
        deps.dedup();
        deps
    }

    /// Fails the tasks of these layers, just submitted, that fit nowhere, before anything is done for
    /// them. None of their tasks has more inputs than `fan_in_max`.
    pub(crate) fn refuse_unfitting(&mut self, numbers: &[u32], fan_in_max: usize) {
        let limit = self.workers.limit_min;
        let certain = numbers.iter().map(|&number| {
            let layer = self.layers.find(number);
            layer.map_or(0, |layer| layer.certain_bytes_max)
        });
        let largest = certain.max().unwrap_or(0);
        let may_be_given_more = largest.saturating_mul(fan_in_max as u64) > limit;
        for &number in numbers {
            if self.layers.find(number).is_none() {
                continue;
            }
            if !may_be_given_more && !self.may_be_unfitting(number) {
                continue;
            }
            for block in 0..self.layers.get(number).slots.len() as u32 {
                if let Some(id) = self.find_task(number, block)
                    && self.tasks.get(id).state.is_pending()
                    && let Some(excess) = self.find_declared_excess(id)
                    && self.fits_nowhere(id, excess.bytes())
                {
                    self.fail_unfitting(id, excess, None);
                }
            }
        }
    }

    /// What of a task that was just submitted will be more than the least of the workers' memories.
    fn find_declared_excess(&self, id: TaskId) -> Option<Excess> {
        let limit = self.workers.limit_min;
        if let Some(bytes) = self.find_certain_bytes(id).filter(|&bytes| bytes > limit) {
            return Some(Excess::Made(bytes));
        }
        let layer = self.layers.get(self.tasks.get(id).layer);
        if layer.takes_parts() || self.tasks.deps(id).len() < 2 {
            return None;
        }
        let deps = self.distinct_deps(id);
        let bytes = deps.iter().fold(0u64, |sum, &dep| {
            let task = self.tasks.get(dep);
            // Others that need it may keep it on the same host.
            let is_moved = task.needed_by == 1 && !task.is_wanted() && task.state.is_pending();
            let certain = self.find_certain_bytes(dep).filter(|_| is_moved);
            sum.saturating_add(certain.unwrap_or(0))
        });
        (bytes > limit).then_some(Excess::Given(bytes, deps.len()))
    }

    /// A worker died while it ran a task: one whose value was declared to be larger than the memory
    /// of any worker is not run again. Returns whether that is so.
    pub(crate) fn fail_if_declared_unfitting(
        &mut self,
        id: TaskId,
        left: &Worker,
        why: &str,
    ) -> bool {
        let task = self.tasks.get(id);
        let sizes = self.layers.get(task.layer).sizes.as_ref();
        let Some(bytes) = sizes.map(|sizes| sizes.at(task.block)) else {
            return false;
        };
        let mut others = self.candidates(id);
        let is_unfitting =
            !has_limit_for(left, bytes) && others.all(|(_, worker)| !has_limit_for(worker, bytes));
        drop(others);
        if is_unfitting {
            self.fail_unfitting(id, Excess::Made(bytes), Some((left, why)));
        }
        is_unfitting
    }

    /// Workers that may run the task, if any does; all others do not matter.
    fn candidates(&self, id: TaskId) -> impl Iterator<Item = (WorkerId, &Worker)> {
        let restriction = self.restriction_of(id);
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

    fn find_roomy_worker(&self, id: TaskId) -> Option<WorkerId> {
        let roomy = self
            .candidates(id)
            .filter(|(other, worker)| !worker.retiring && self.find_excess(id, *other).is_none());
        let least = roomy.min_by_key(|(id, worker)| (worker.occupancy_micros(), *id));
        least.map(|(id, _)| id)
    }

    fn fits_nowhere(&self, id: TaskId, bytes: u64) -> bool {
        let mut candidates = self.candidates(id).peekable();
        candidates.peek().is_some() && candidates.all(|(_, worker)| !has_limit_for(worker, bytes))
    }

    /// `death` is a worker that died of it, and why.
    fn fail_unfitting(&mut self, id: TaskId, excess: Excess, death: Option<(&Worker, &str)>) {
        let there = self.candidates(id).map(|(_, worker)| worker);
        let known = there.chain(death.map(|(left, _)| left));
        let largest = known.max_by_key(|worker| worker.register.memory_bytes_max);
        let largest = largest.map_or_else(String::new, |worker| {
            let limit = describe_bytes(worker.register.memory_bytes_max);
            let name = &worker.register.name;
            format!(
                ", more than the memory of any worker that may run it: the largest, {name:?}, has {limit}"
            )
        });
        let task = self.tasks.get(id);
        let layer = self.layers.get(task.layer);
        let died = death.map_or_else(String::new, |(left, why)| {
            let name = &left.register.name;
            format!(". It was running on worker {name:?} when that died: {why}")
        });
        let failure = Failure {
            message: format!(
                "MemoryError: block {} of {:?} {excess}{largest}{died}. Make the blocks smaller (rechunk, \
                 or other chunks where the array is made), or give the workers more memory",
                task.block, layer.name,
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

impl std::fmt::Display for Excess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Excess::Made(bytes) => write!(f, "would take {}", describe_bytes(bytes)),
            Excess::Given(bytes, count) => {
                let bytes = describe_bytes(bytes);
                write!(f, "needs {count} values at once, which take {bytes}")
            }
        }
    }
}

/// Bytes of a page, which a worker has to have whole.
pub(crate) fn bytes_of_page(page: &Packed) -> u64 {
    let buffers = page.buffers.iter().map(|buffer| buffer.len() as u64);
    page.header.len() as u64 + buffers.sum::<u64>()
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
