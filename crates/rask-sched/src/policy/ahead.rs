//! Tasks handed out before what they need is there, to the worker that is making it: a chain of
//! short tasks runs without a word to the scheduler between two of them.
//!
//! The worker keeps such a task until its inputs are there, and gives it back if one of them fails,
//! is called back or is given back, so nothing has to be undone here.

use smallvec::SmallVec;

use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};

/// Longer tasks gain nothing from it, and would be bound to a worker early.
const AHEAD_MICROS_MAX: u32 = 1000;
/// Tasks with more inputs, or with more tasks that need them, are no part of a chain.
const NEIGHBOURS_MAX: usize = 4;

impl Scheduler {
    /// Hands out a Waiting task to the worker that is making all that it waits for, if there is
    /// one and it has room.
    pub(crate) fn try_assign_ahead(&mut self, id: TaskId) {
        if let Some(worker) = self.find_maker(id, None) {
            self.assign_ahead(id, worker);
        }
    }

    /// Hands out what waits for nothing but `id`, which `worker` was just given, and what waits
    /// for that.
    pub(crate) fn extend_ahead(&mut self, id: TaskId, worker: WorkerId) {
        let first = id;
        let mut open: SmallVec<[TaskId; 8]> = SmallVec::from_slice(&[id]);
        while let Some(id) = open.pop() {
            if self.tasks.dependents(id).len() > NEIGHBOURS_MAX {
                continue;
            }
            let mut last = id;
            if id != first {
                self.anticipate_ahead(id);
            }
            for at in 0..self.tasks.dependents(id).len() {
                let dependent = self.tasks.dependents(id)[at];
                let is_again = std::mem::replace(&mut last, dependent) == dependent;
                if is_again || self.find_maker(dependent, Some(worker)) != Some(worker) {
                    continue;
                }
                if !self.has_room_for_more(dependent, worker)
                    || !self.has_memory_for(dependent, worker)
                {
                    self.postpone_ahead(id, worker);
                    break;
                }
                self.anticipate_neighbours(dependent);
                self.transition_ready_assigned(dependent, worker);
                self.anticipate_dependents_edges(dependent);
                open.push(dependent);
            }
        }
    }

    /// The worker has plenty of room again: goes on where it had none. Not at the first task's
    /// room, so that tasks still travel by the hundred.
    pub(crate) fn resume_ahead(&mut self, worker: WorkerId) {
        let plenty_micros = self.settings.ahead_micros_max / 2;
        let plenty_count = self.settings.ahead_count_max / 2;
        let Some(record) = self.workers.find_mut(worker) else {
            return;
        };
        let ahead_micros = record.assigned_micros / u64::from(record.thread_count());
        let is_busy = record.busy_count() > record.thread_count();
        if is_busy && (ahead_micros > plenty_micros || record.assigned_count > plenty_count) {
            return;
        }
        for (id, serial) in std::mem::take(&mut record.ahead_stopped) {
            let task = self.tasks.find(id, serial);
            let runs_here = task
                .is_some_and(|task| task.state == TaskState::Assigned && task.worker() == worker);
            if runs_here {
                self.extend_ahead(id, worker);
            }
        }
    }

    fn assign_ahead(&mut self, id: TaskId, worker: WorkerId) {
        if self.has_room_for_more(id, worker) && self.has_memory_for(id, worker) {
            self.transition_ready_assigned(id, worker);
            self.extend_ahead(id, worker);
        } else if let Some(dep) = self.find_awaited(id) {
            self.postpone_ahead(dep, worker);
        }
    }

    fn postpone_ahead(&mut self, id: TaskId, worker: WorkerId) {
        let entry = (id, self.tasks.get(id).serial);
        if let Some(worker) = self.workers.find_mut(worker)
            && worker.ahead_stopped.last() != Some(&entry)
        {
            worker.ahead_stopped.push(entry);
        }
    }

    fn find_awaited(&self, id: TaskId) -> Option<TaskId> {
        let deps = self.tasks.deps(id).iter().copied();
        deps.into_iter()
            .find(|&dep| self.tasks.get(dep).state == TaskState::Assigned)
    }

    /// The worker that is making everything that a short, unrestricted Waiting task waits for; `giver`
    /// is making some of it.
    fn find_maker(&self, id: TaskId, giver: Option<WorkerId>) -> Option<WorkerId> {
        let task = self.tasks.find_waiting(id)?;
        let deps = self.tasks.deps(id);
        if deps.len() > NEIGHBOURS_MAX {
            return None;
        }
        let maker = match (giver, task.missing()) {
            (Some(giver), 1) => giver,
            (_, missing) => self.find_maker_of(deps, missing)?,
        };
        if self.recovering || self.delays.holds(id, task.serial) {
            return None;
        }
        let layer = self.layers.get(task.layer);
        // A worker takes parts of values that are there.
        let is_fit = layer.restriction_of(task.block).is_none()
            && layer.part_modulo == 0
            && self.predict_micros(task.layer) <= AHEAD_MICROS_MAX;
        is_fit.then_some(maker)
    }

    /// The worker that is making all of these that are not in memory, if there are any.
    fn find_maker_of(&self, deps: &[TaskId], missing: u32) -> Option<WorkerId> {
        let mut maker = None;
        let mut awaited = 0;
        for &dep in deps {
            match self.tasks.state(dep) {
                TaskState::Memory => {}
                TaskState::Assigned => {
                    let worker = self.tasks.get(dep).worker();
                    if maker.is_some_and(|known| known != worker) {
                        return None;
                    }
                    maker = Some(worker);
                    awaited += 1;
                    // The others are in memory, and need not be looked at.
                    if awaited == missing {
                        break;
                    }
                }
                _ => return None,
            }
        }
        maker
    }

    /// Whether a worker may be given a task before others that wait.
    fn has_room_for_more(&self, id: TaskId, worker: WorkerId) -> bool {
        let share = self.tasks.get(id).share;
        let worker = self.workers.find(worker);
        worker.is_some_and(|w| self.has_room_for_users(w) && self.is_due(share, w))
    }
}
