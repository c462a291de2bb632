//! Nothing large is made from nothing while much of what tasks need is held up between workers.
//!
//! A task whose inputs have to be fetched frees them later than one in the same place would, and
//! threads that meanwhile make more from nothing fill the memory. So tasks that need nothing and make
//! something large wait while the inputs of tasks that wait for transfers are a large part of all
//! that pending tasks need. Work does not stand still for it: transfers that do not come to an end (a
//! worker hangs, or has no room) do not count for long.

use std::collections::BTreeSet;

use crate::HashMap;
use crate::event::{Time, WorkerId};
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};

/// Inputs of tasks that wait for transfers, of all that pending tasks need, in percent: from which on
/// nothing large is made from nothing, and below which it goes on.
const BEGIN_PERCENT: u64 = 20;
const END_PERCENT: u64 = 10;
/// As many of them there may be for each worker in any case as so many values have that are just
/// large: 16 MiB.
const COUNT_MIN: u64 = 256;
/// Workers that go on after one event.
const RELIEVED_MAX: usize = 64;
/// How long nothing may arrive.
const PATIENCE_MICROS: u64 = 500_000;

/// Which tasks wait for transfers, and which workers for these.
#[derive(Debug, Default)]
pub(crate) struct Congestion {
    /// Assigned tasks that wait for large inputs, with the bytes of all their inputs.
    waiting: HashMap<TaskId, u64>,
    bytes: u64,
    /// When one of them came, or had all its inputs.
    moved: Time,
    /// Workers that were not given a task for it.
    refused: BTreeSet<WorkerId>,
}

impl Congestion {
    /// When transfers that do not come to an end do not count any more.
    pub fn deadline(&self) -> Option<Time> {
        let micros = self.moved.micros + PATIENCE_MICROS;
        (!self.refused.is_empty()).then_some(Time { micros })
    }
}

impl Scheduler {
    /// Whether tasks wait that need nothing and make something large.
    pub(crate) fn is_congested(&self) -> bool {
        self.is_congested_beyond(BEGIN_PERCENT)
    }

    fn is_congested_beyond(&self, percent: u64) -> bool {
        let bytes = self.congestion.bytes;
        let least = COUNT_MIN * self.settings.large_bytes_min * self.workers.by_id.len() as u64;
        bytes > least
            && bytes > self.workers.needed_bytes() / 100 * percent
            && self.now.micros < self.congestion.moved.micros + PATIENCE_MICROS
    }

    /// A task is handed to a worker, where some of its large inputs are not.
    pub(crate) fn note_transfers(&mut self, id: TaskId) {
        if self.layers.get(self.tasks.get(id).layer).takes_parts() {
            return;
        }
        let deps = self.tasks.deps(id).iter();
        let bytes = deps.map(|&dep| self.tasks.get(dep).nbytes()).sum();
        if self.congestion.waiting.is_empty() {
            self.congestion.moved = self.now;
        }
        self.congestion.waiting.insert(id, bytes);
        self.congestion.bytes += bytes;
    }

    fn is_to_come(&self, id: TaskId, worker: WorkerId) -> bool {
        let task = self.tasks.get(id);
        task.nbytes() >= self.settings.large_bytes_min
            && task.state == TaskState::Memory
            && !self.tasks.holders(id).contains(&worker)
    }

    /// A value has come to a worker.
    pub(crate) fn end_transfer(&mut self, value: TaskId, worker: WorkerId) {
        let waiting = &self.congestion.waiting;
        if waiting.is_empty() {
            return;
        }
        let users = self.tasks.dependents(value);
        let has_all = |id: &TaskId| {
            let is_here = self.tasks.get(*id).worker() == worker;
            let mut deps = self.tasks.deps(*id).iter();
            is_here && !deps.any(|&dep| self.is_to_come(dep, worker))
        };
        let complete: Vec<TaskId> = match users.len() < waiting.len() {
            true => users
                .iter()
                .copied()
                .filter(|id| waiting.contains_key(id) && has_all(id))
                .collect(),
            false => waiting.keys().copied().filter(has_all).collect(),
        };
        for id in complete {
            let layer = self.tasks.get(id).layer;
            self.layers.get_mut(layer).began.get_or_insert(self.now);
            self.end_transfers(id);
        }
    }

    /// A task has all its inputs, or is not handed out any more.
    #[inline]
    pub(crate) fn end_transfers(&mut self, id: TaskId) {
        if self.congestion.waiting.is_empty() {
            return;
        }
        if let Some(bytes) = self.congestion.waiting.remove(&id) {
            self.congestion.bytes -= bytes;
            self.congestion.moved = self.now;
        }
    }

    /// A worker was not given a task for it.
    pub(crate) fn note_refused(&mut self, worker: WorkerId) {
        self.congestion.refused.insert(worker);
    }

    /// Lets those go on who have waited, if that is over.
    pub(crate) fn relieve_congestion(&mut self) {
        if self.congestion.refused.is_empty() {
            return;
        }
        // Always looked at, since it is a matter of time too.
        let has_bytes_left = self.has_bytes_left();
        if !has_bytes_left || self.is_congested_beyond(END_PERCENT) {
            return;
        }
        for _ in 0..RELIEVED_MAX {
            let Some(worker) = self.congestion.refused.pop_first() else {
                return;
            };
            self.attention.touch(worker);
        }
    }

    /// When more may be known of what is needed, if anybody waits for it.
    pub(crate) fn needs_deadline(&self) -> Option<Time> {
        let is_none_there = self.workers.by_id.is_empty() || self.recovering;
        let waits = !self.congestion.refused.is_empty() && !is_none_there;
        let deadline = self.needs.deadline().filter(|_| waits);
        deadline.filter(|at| *at > self.now)
    }

    /// The books of what waits for transfers.
    pub(crate) fn check_congestion(&self) -> Result<(), String> {
        let waiting = &self.congestion.waiting;
        let is_assigned = |id: &TaskId| self.tasks.state(*id) == TaskState::Assigned;
        let bytes: u64 = waiting.values().sum();
        match bytes == self.congestion.bytes && waiting.keys().all(is_assigned) {
            true => Ok(()),
            false => Err(format!("{bytes} bytes wait: {:?}", self.congestion)),
        }
    }
}
