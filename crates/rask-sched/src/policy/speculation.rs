//! Second copies of tasks that take much longer than others of their layer: the first result counts.
//!
//! Only with [`Speculation`](crate::Speculation) in the settings, and only for tasks that may run
//! anywhere and twice. A copy is no change of the task's state: the task stays Assigned to its
//! worker, and the copy is in a table of its own, from which it goes as soon as the task is Assigned
//! to that worker no more. A copy that fails, or is given back, is forgotten; if the worker of the
//! task is lost, the copy takes its place.

use crate::HashMap;
use crate::event::{Time, WorkerId};
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};

/// Between looks for tasks that take long.
const CHECK_MICROS: u64 = 50_000;
/// So many tasks of a layer have ended before it is known what is long.
const ENDED_COUNT_MIN: u32 = 3;
/// Above so many tasks with a beginning, those that have ended are dropped.
const PRUNED_AT: usize = 1024;

/// What is known of tasks that run, and their copies.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// When a task was handed out, and began as far as is known.
    began: HashMap<(TaskId, u32), Began>,
    /// Where the copy of a task is, with its serial.
    by_task: HashMap<TaskId, (WorkerId, u32)>,
    pruned_at: usize,
    next_check: Option<Time>,
}

/// Where a task was handed out to, and when it began, as soon as that is known.
#[derive(Clone, Copy, Debug)]
struct Began {
    worker: WorkerId,
    at: Option<Time>,
}

impl Copies {
    /// When to look for tasks that take long.
    pub fn next_check(&self) -> Option<Time> {
        self.next_check
    }

    /// Every copy: its task with serial, and its worker.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, u32, WorkerId)> {
        let copies = self.by_task.iter();
        copies.map(|(&id, &(worker, serial))| (id, serial, worker))
    }
}

impl Scheduler {
    /// A task was handed out.
    #[inline]
    pub(crate) fn note_begin(&mut self, id: TaskId, worker: WorkerId) {
        if self.settings.speculation.is_none() {
            return;
        }
        let is_alone = self
            .workers
            .find(worker)
            .is_some_and(|worker| worker.busy_count() <= worker.thread_count());
        let began = Began {
            worker,
            at: is_alone.then_some(self.now),
        };
        let serial = self.tasks.get(id).serial;
        self.copies.began.insert((id, serial), began);
        if self.copies.began.len() > self.copies.pruned_at.max(PRUNED_AT) {
            self.prune_begun();
            self.copies.pruned_at = 2 * self.copies.began.len();
        }
        let next = self.now.micros + CHECK_MICROS;
        self.copies.next_check.get_or_insert(Time { micros: next });
    }

    fn prune_begun(&mut self) {
        let tasks = &self.tasks;
        self.copies.began.retain(|&(id, serial), began| {
            let task = tasks.find(id, serial);
            task.is_some_and(|task| {
                task.state == TaskState::Assigned && task.worker() == began.worker
            })
        });
    }

    /// Looks for tasks that take long, if it is time to, and if there is nothing else to do for
    /// somebody.
    pub(crate) fn advance_copies_of_slow(&mut self) {
        let Some(settings) = self.settings.speculation else {
            return;
        };
        if self.copies.next_check.is_none_or(|at| self.now < at) {
            return;
        }
        self.prune_begun();
        let next = self.now.micros + CHECK_MICROS;
        let is_any = !self.copies.began.is_empty();
        self.copies.next_check = is_any.then_some(Time { micros: next });
        if self.recovering {
            return;
        }
        let workers = &self.workers;
        let mut slow: Vec<(u64, TaskId)> = Vec::new();
        for (&(id, _), began) in &mut self.copies.began {
            let Some(worker) = workers.find(began.worker) else {
                continue;
            };
            if began.at.is_none() && worker.busy_count() <= worker.thread_count() {
                began.at = Some(self.now);
            }
            let Some(at) = began.at else { continue };
            let ran = self.now.micros.saturating_sub(at.micros);
            let task = self.tasks.get(id);
            let layer = self.layers.get(task.layer);
            let usual = f64::from(layer.mean_micros) * f64::from(settings.slower_times);
            let is_slow = ran > settings.micros_min.max(usual as u64);
            let may_run_twice =
                !layer.is_impure && layer.restriction_of(task.block).is_none() && !task.seceded;
            let is_known = layer.ended_count >= ENDED_COUNT_MIN;
            if is_slow && is_known && may_run_twice && !self.copies.by_task.contains_key(&id) {
                slow.push((ran, id));
            }
        }
        slow.sort_unstable();
        for (_, id) in slow.into_iter().rev() {
            let Some(worker) = self.find_idle(id) else {
                return;
            };
            self.copy_to(id, worker);
        }
    }

    /// The emptiest worker that has nothing to do.
    fn find_idle(&self, id: TaskId) -> Option<WorkerId> {
        let task = self.tasks.get(id);
        if self
            .tasks
            .deps(id)
            .iter()
            .any(|&dep| self.tasks.state(dep) != TaskState::Memory)
        {
            return None;
        }
        let workers = self.workers.by_id.iter();
        let idle = workers.filter(|&(&id, worker)| {
            id != task.worker()
                && worker.takes_tasks()
                && worker.placed_count == 0
                && worker.busy_count() < worker.thread_count()
        });
        idle.min_by_key(|(id, worker)| (worker.busy_count(), worker.held_bytes, **id))
            .map(|(id, _)| *id)
    }

    fn copy_to(&mut self, id: TaskId, worker: WorkerId) {
        let task = self.tasks.get(id);
        let (layer, block, serial) = (task.layer, task.block, task.serial);
        self.ship_layer(worker, layer, block);
        self.copies.by_task.insert(id, (worker, serial));
        if let Some(record) = self.workers.find_mut(worker) {
            record.copy_count += 1;
        }
        self.send_assignment(id, worker);
    }

    /// Whether the task runs twice.
    pub(crate) fn has_copy(&self, id: TaskId) -> bool {
        self.copies.by_task.contains_key(&id)
    }

    /// Whether `worker` runs a copy of the task.
    pub(crate) fn has_copy_at(&self, id: TaskId, worker: WorkerId) -> bool {
        let copy = self.copies.by_task.get(&id);
        copy.is_some_and(|&(at, _)| at == worker)
    }

    /// There is no copy of the task any more; where it was.
    #[inline]
    pub(crate) fn take_copy(&mut self, id: TaskId) -> Option<WorkerId> {
        if self.copies.by_task.is_empty() {
            return None;
        }
        let (worker, _) = self.copies.by_task.remove(&id)?;
        if let Some(record) = self.workers.find_mut(worker) {
            record.copy_count -= 1;
        }
        self.attention.touch(worker);
        Some(worker)
    }

    /// The task is not Assigned any more: its copy need not run, unless that is what `done` ended.
    #[inline]
    pub(crate) fn end_copy(&mut self, id: TaskId, done: Option<WorkerId>) {
        let Some(worker) = self.take_copy(id) else {
            return;
        };
        if done != Some(worker) && self.workers.find(worker).is_some() {
            let task = self.tasks.get(id);
            self.out.unassign(worker, task.layer, task.block);
        }
    }

    /// A worker is lost, and what ran on it: the tasks of which there was a copy there.
    pub(crate) fn lose_copies_at(&mut self, worker: WorkerId) -> Vec<TaskId> {
        let here = self.copies.iter().filter(|&(_, _, at)| at == worker);
        let mut here: Vec<TaskId> = here.map(|(id, _, _)| id).collect();
        here.sort_unstable();
        for &id in &here {
            self.take_copy(id);
        }
        here
    }

    /// The worker of the task is lost: if there is a copy, that is the task now.
    pub(crate) fn try_promote_copy(&mut self, id: TaskId) -> bool {
        if self.tasks.get(id).state != TaskState::Assigned {
            return false;
        }
        let Some(worker) = self.take_copy(id) else {
            return false;
        };
        self.leave_queues(id);
        self.take_over(id, worker);
        true
    }

    /// The books of copies.
    pub(crate) fn check_copies(&self) -> Result<(), String> {
        for (id, serial, worker) in self.copies.iter() {
            let task = self.tasks.find(id, serial);
            let is_right = task
                .is_some_and(|task| task.state == TaskState::Assigned && task.worker() != worker);
            if !is_right || self.workers.find(worker).is_none() {
                return Err(format!(
                    "the copy of task {id} at worker {}: {task:?}",
                    worker.0
                ));
            }
        }
        for (&id, worker) in self.workers.by_id.iter() {
            let count = self.copies.iter().filter(|&(_, _, at)| at == id).count();
            if count != worker.copy_count as usize {
                return Err(format!("worker {} has {count} copies: {worker:?}", id.0));
            }
        }
        Ok(())
    }
}
