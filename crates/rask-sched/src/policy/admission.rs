//! Admission by memory: a worker is given a task only if what it would then hold fits its memory.
//!
//! What it would hold: the values there that pending tasks need, what the tasks that it has are
//! thought to make and to take while they run, and inputs on their way to it. A task for which there
//! is no room waits until tasks have ended. Where more values are needed later than the memory has
//! room for, and no task that was handed out frees them, waiting would not help: the worker is given
//! a task for each of its threads, and moves values to disk. A task that leaves no more than it
//! found is never held back from a thread that has nothing to do, and a worker without tasks always
//! gets one, so that nothing stands still.

use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{Charge, Task, TaskId, TaskState, UNLIKE, Worker};

/// The inputs of a task do not matter if they and what it makes are less than this part of what is
/// kept account of.
const SMALL_PART: u64 = 64;

/// What a task means for a worker's memory.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    /// Its value, and what it takes while it runs.
    made: u64,
    /// Inputs that would have to come.
    fetched: u64,
    /// Inputs that nobody needs once it has run.
    freed: u64,
}

impl Scheduler {
    /// Whether the worker may be given the task now.
    pub(crate) fn admits(&self, id: TaskId, worker_id: WorkerId) -> bool {
        let Some(worker) = self.workers.find(worker_id) else {
            return false;
        };
        let threads_busy = worker.busy_count();
        if threads_busy == 0 || !worker.is_limited() || self.fits_surely(id, worker) {
            return true;
        }
        let need = self.decide_need(id, worker_id, worker);
        if worker.has_bytes_for(need.made + need.fetched) {
            return true;
        }
        if threads_busy >= worker.thread_count() {
            return false;
        }
        let stays = worker.needed_bytes.saturating_sub(worker.freeing.bytes());
        need.freed >= need.made || stays > worker.budget_bytes
    }

    /// Whether the worker's memory has room for the task and everything that it has.
    pub(crate) fn has_memory_for(&self, id: TaskId, worker_id: WorkerId) -> bool {
        let Some(worker) = self.workers.find(worker_id) else {
            return false;
        };
        if !worker.is_limited() || self.fits_surely(id, worker) {
            return true;
        }
        let need = self.decide_need(id, worker_id, worker);
        worker.has_bytes_for(need.made + need.fetched)
    }

    /// Whether there is room for the task even if all its inputs were to come and as large as any
    /// value is: most tasks make little, and need not be looked at further.
    fn fits_surely(&self, id: TaskId, worker: &Worker) -> bool {
        let fetched = self.fetched_bytes_max(id);
        let made = self.predict_made_bytes(id);
        worker.has_bytes_for(made.saturating_add(fetched))
    }

    /// Whether the worker's memory has no room for a task that leaves more than it finds.
    pub(crate) fn lacks_room(&self, id: TaskId, worker_id: WorkerId, worker: &Worker) -> bool {
        if !worker.is_limited() {
            return false;
        }
        let need = self.decide_need(id, worker_id, worker);
        need.freed < need.made && !worker.has_bytes_for(need.made + need.fetched)
    }

    /// Bytes of its inputs, if all are as large as any value is.
    fn fetched_bytes_max(&self, id: TaskId) -> u64 {
        (self.tasks.deps(id).len() as u64).saturating_mul(self.value_bytes_max)
    }

    /// Bytes of its value, and what it takes while it runs.
    #[inline]
    fn predict_made_bytes(&self, id: TaskId) -> u64 {
        let number = self.tasks.get(id).layer;
        let layer = self.layers.get(number);
        match layer.made_bytes {
            UNLIKE => self.predict_output_bytes(id) + self.predict_working_bytes(number),
            bytes => bytes,
        }
    }

    fn decide_need(&self, id: TaskId, worker_id: WorkerId, worker: &Worker) -> Need {
        let task = self.tasks.get(id);
        let layer = self.layers.get(task.layer);
        let mut need = Need {
            made: self.predict_made_bytes(id),
            ..Need::default()
        };
        for &dep_id in self.tasks.deps(id) {
            let dep = self.tasks.get(dep_id);
            let taken = layer.bytes_taken_of(dep.nbytes());
            if dep.state == TaskState::Assigned {
                // Tasks that are handed out ahead take the place of what they are made from.
                need.made = need.made.saturating_sub(dep.charge().1.bytes());
                continue;
            }
            // Parts are fetched even from where they are.
            let is_here = !layer.takes_parts() && self.tasks.holders(dep_id).contains(&worker_id);
            if !is_here && !worker.incoming.contains(dep_id) {
                need.fetched += taken;
            }
            if is_last_need(dep) {
                need.freed += dep.nbytes();
            }
        }
        need
    }

    /// Notes what a task that is handed to a worker means for the memory of all.
    pub(crate) fn charge(&mut self, id: TaskId, worker_id: WorkerId) -> Charge {
        let Some(worker) = self.workers.find(worker_id).filter(|w| w.is_limited()) else {
            return Charge::default();
        };
        let task = self.tasks.get(id);
        if self.layers.get(task.layer).takes_parts() {
            let need = self.decide_need(id, worker_id, worker);
            return Charge::new(need.made + need.fetched, false);
        }
        let counted = self.counted_bytes(worker.budget_bytes);
        let mut made = self.predict_made_bytes(id);
        if made + self.fetched_bytes_max(id) < counted / SMALL_PART {
            return Charge::new(made, false);
        }
        let mut small = 0;
        let mut has_entries = false;
        for at in 0..self.tasks.deps(id).len() {
            let dep_id = self.tasks.deps(id)[at];
            let dep = self.tasks.get(dep_id);
            if dep.state == TaskState::Assigned {
                made = made.saturating_sub(dep.charge().1.bytes());
            }
            if dep.state != TaskState::Memory {
                continue;
            }
            let nbytes = dep.nbytes();
            let frees = is_last_need(dep);
            let is_here = self.tasks.holders(dep_id).contains(&worker_id);
            if nbytes < counted {
                small += if is_here { 0 } else { nbytes };
                continue;
            }
            if !is_here && let Some(worker) = self.workers.find_mut(worker_id) {
                worker.incoming.add(dep_id, nbytes);
                has_entries = true;
            }
            if frees {
                has_entries = true;
                for &holder in self.tasks.holders(dep_id) {
                    if let Some(worker) = self.workers.find_mut(holder) {
                        worker.freeing.add(dep_id, nbytes);
                    }
                }
            }
        }
        Charge::new(made + small, has_entries)
    }

    /// Smaller values are not kept account of one by one.
    fn counted_bytes(&self, budget: u64) -> u64 {
        (budget / 1024).max(self.settings.counted_bytes_min)
    }

    /// A task whose inputs were on their way, or were to be freed, has ended or was called back.
    pub(crate) fn leave_values(&mut self, id: TaskId) {
        let worker_id = self.tasks.get(id).worker();
        for at in 0..self.tasks.deps(id).len() {
            let dep_id = self.tasks.deps(id)[at];
            if let Some(worker) = self.workers.find_mut(worker_id) {
                worker.incoming.leave(dep_id);
            }
            for &holder in self.tasks.holders(dep_id) {
                if let Some(worker) = self.workers.find_mut(holder) {
                    worker.freeing.leave(dep_id);
                }
            }
        }
    }

    /// Bytes that a value counts for at its holders because pending tasks need it.
    #[inline]
    pub(crate) fn needed_bytes_of(&self, task: &Task) -> u64 {
        match task.needed_by > 0 && task.nbytes() >= self.settings.counted_bytes_min {
            true => task.nbytes(),
            false => 0,
        }
    }

    /// A pending task needs a value in memory that none needed.
    pub(crate) fn on_first_need(&mut self, id: TaskId) {
        let nbytes = self.needed_bytes_of(self.tasks.get(id));
        if nbytes == 0 {
            return;
        }
        for &holder in self.tasks.holders(id) {
            self.workers.on_needed(holder, nbytes);
        }
    }

    /// No pending task needs a value any more.
    pub(crate) fn on_last_need(&mut self, id: TaskId) {
        let task = self.tasks.get(id);
        let nbytes = task.nbytes();
        if task.state != TaskState::Memory || nbytes < self.settings.counted_bytes_min {
            return;
        }
        for &holder in self.tasks.holders(id) {
            self.workers.on_unneeded(holder, nbytes);
            if let Some(worker) = self.workers.find_mut(holder)
                && std::mem::take(&mut worker.held_back)
            {
                self.attention.touch(holder);
            }
        }
    }
}

/// Whether the value is needed by one more task only.
#[inline]
fn is_last_need(task: &Task) -> bool {
    task.needed_by == 1 && !task.is_wanted()
}
