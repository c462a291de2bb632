//! Inputs of a task that needs many large ones are brought together while the others are still made, so
//! that it need not wait for all of them once the last is there.
//!
//! Such a task has a home as soon as two of its inputs are on different workers: the worker that has or
//! makes most of them, or one that is home to few, if it is not known yet where most will be. What is
//! made elsewhere goes there at once, and is dropped where it came from if all that need it wait for the
//! task, or are the task. Inputs that need nothing themselves, and are few enough, are made in one place
//! anyway (`families`).

use rask_proto::Missing;

use super::families::SOURCES_MAX;
use crate::HashMap;
use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState, Worker};

/// Tasks with fewer inputs have them soon enough; those with more have a tree of others before them.
const INPUTS_MIN: usize = 4;
const INPUTS_MAX: usize = 512;
/// Values that so many need are wanted in many places.
const USERS_MAX: usize = 8;
/// Tasks have homes at a time.
const HOMES_MAX: usize = 4096;
/// Workers that are compared for a home.
const COMPARED_MAX: usize = 64;

/// Where there are as many homes, some may be of tasks that are gone: between looks for these, so many
/// tasks get none.
const REFUSED_MAX: u32 = 1024;

/// Tasks, with their serials, that inputs are collected for, and where.
#[derive(Debug, Default)]
pub(crate) struct Homes {
    by_task: HashMap<TaskId, (u32, WorkerId)>,
    /// Of how many tasks a worker is the home.
    counts: HashMap<WorkerId, u32>,
    /// Tasks that got no home since it was last looked for such as are gone.
    refused_count: u32,
}

impl Homes {
    fn insert(&mut self, id: TaskId, serial: u32, home: WorkerId) {
        self.remove(id);
        self.by_task.insert(id, (serial, home));
        *self.counts.entry(home).or_default() += 1;
    }

    fn remove(&mut self, id: TaskId) {
        if let Some((_, home)) = self.by_task.remove(&id)
            && let Some(count) = self.counts.get_mut(&home)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&home);
            }
        }
    }

    fn count(&self, home: WorkerId) -> u32 {
        self.counts.get(&home).copied().unwrap_or(0)
    }

    fn is_full(&self) -> bool {
        self.by_task.len() >= HOMES_MAX
    }
}

impl Scheduler {
    /// A value was made: it goes to the homes of tasks that need it.
    pub(crate) fn collect(&mut self, value: TaskId, holder: WorkerId) {
        let task = self.tasks.get(value);
        let users = self.tasks.dependents(value).len();
        if task.nbytes() < self.settings.large_bytes_min
            || users > USERS_MAX
            || self.workers.by_id.len() < 2
            || self.recovering
        {
            return;
        }
        for user in self.live_dependents(value) {
            let Some((home, is_new)) = self.find_or_decide_home(user) else {
                continue;
            };
            if !is_new {
                self.bring(value, holder, home);
                continue;
            }
            for at in 0..self.tasks.deps(user).len() {
                let dep = self.tasks.deps(user)[at];
                let first = self.tasks.holders(dep).first().copied();
                if let (TaskState::Memory, Some(holder)) = (self.tasks.state(dep), first) {
                    self.bring(dep, holder, home);
                }
            }
        }
    }

    /// The home of a task that waits for many inputs, and whether it has just been decided.
    fn find_or_decide_home(&mut self, id: TaskId) -> Option<(WorkerId, bool)> {
        let task = self.tasks.get(id);
        let count = self.tasks.deps(id).len();
        let layer = self.layers.get(task.layer);
        if task.state != TaskState::Waiting
            || !(INPUTS_MIN..=INPUTS_MAX).contains(&count)
            || layer.takes_parts()
            || layer.restriction.is_some()
            || self.is_family(id)
        {
            return None;
        }
        if let Some(home) = self.find_home(id) {
            return Some((home, false));
        }
        let serial = task.serial;
        let home = self.decide_home(id).filter(|_| self.may_have_home())?;
        self.homes.insert(id, serial, home);
        Some((home, true))
    }

    /// Whether one more task may have a home. While many have, those of tasks that are gone are
    /// forgotten now and then.
    fn may_have_home(&mut self) -> bool {
        if !self.homes.is_full() {
            return true;
        }
        self.homes.refused_count += 1;
        if self.homes.refused_count < REFUSED_MAX {
            return false;
        }
        self.homes.refused_count = 0;
        let waits = |&(&id, &(serial, _)): &(&TaskId, &(u32, WorkerId))| {
            let task = self.tasks.find(id, serial);
            task.is_some_and(|task| task.state == TaskState::Waiting)
        };
        let all = self.homes.by_task.iter();
        let gone = all.filter(|entry| !waits(entry)).map(|(id, _)| *id);
        for id in gone.collect::<Vec<TaskId>>() {
            self.homes.remove(id);
        }
        !self.homes.is_full()
    }

    /// Whether all inputs of a task are made from nothing, and few enough to go to one worker together.
    fn is_family(&self, id: TaskId) -> bool {
        let deps = self.tasks.deps(id);
        let fits = |worker: &Worker| deps.len() <= SOURCES_MAX * worker.thread_count() as usize;
        let first = self.workers.by_id.iter().next();
        first.is_some_and(|(_, worker)| fits(worker))
            && deps.iter().all(|&dep| self.tasks.get(dep).is_source())
    }

    /// The home of a task, if its worker still takes tasks.
    pub(crate) fn find_home(&self, id: TaskId) -> Option<WorkerId> {
        let (serial, home) = *self.homes.by_task.get(&id)?;
        let takes = self.workers.find(home).is_some_and(Worker::takes_tasks);
        (takes && self.tasks.get(id).serial == serial).then_some(home)
    }

    /// The task is not Waiting any more.
    #[inline]
    pub(crate) fn leave_home(&mut self, id: TaskId) {
        if !self.homes.by_task.is_empty() {
            self.homes.remove(id);
        }
    }

    fn decide_home(&self, id: TaskId) -> Option<WorkerId> {
        let mut there: HashMap<WorkerId, u64> = HashMap::default();
        let mut unknown_count = 0;
        let mut is_apart = false;
        let mut first = None;
        let deps = self.tasks.deps(id);
        for &dep in deps {
            let task = self.tasks.get(dep);
            let worker = match task.state {
                TaskState::Memory => self.tasks.holders(dep).first().copied(),
                TaskState::Assigned | TaskState::Placed => Some(task.worker()),
                _ => None,
            };
            let Some(worker) = worker else {
                unknown_count += 1;
                continue;
            };
            let bytes = match task.state {
                TaskState::Memory => task.nbytes(),
                _ => self.predict_output_bytes(dep),
            };
            *there.entry(worker).or_default() += bytes.max(1);
            is_apart |= *first.get_or_insert(worker) != worker;
        }
        if !is_apart {
            return None;
        }
        let takes = |id: &WorkerId| self.workers.find(*id).is_some_and(Worker::takes_tasks);
        let count = |id: &WorkerId| self.homes.count(*id);
        let bytes = |id: &WorkerId| there.get(id).copied().unwrap_or(0);
        if unknown_count <= deps.len() / 2 {
            let holders = there.keys().copied().filter(takes);
            return holders.max_by_key(|id| (bytes(id), std::cmp::Reverse((count(id), *id))));
        }
        let start = self.sample_position(id);
        let sample = self.workers.by_id.iter_from(start).map(|(id, _)| *id);
        let sample = sample.take(COMPARED_MAX).chain(there.keys().copied());
        sample
            .filter(takes)
            .min_by_key(|id| (count(id), std::cmp::Reverse(bytes(id)), *id))
    }

    /// A home fetches a value, if it has room for it.
    fn bring(&mut self, value: TaskId, holder: WorkerId, home: WorkerId) {
        let task = self.tasks.get(value);
        let (layer, block) = (task.layer, task.block);
        let record = self.workers.find(home);
        let has_room = record.is_some_and(|record| record.has_bytes_for(task.nbytes()));
        if !has_room
            || task.nbytes() < self.settings.large_bytes_min
            || self.tasks.holders(value).contains(&home)
        {
            return;
        }
        self.ship_op(home, layer);
        let wish = Missing {
            inputs: Some([(layer, block)].into_iter().collect()),
            holders: vec![holder.0],
            ..Missing::default()
        };
        self.send_replicas(home, wish);
    }
}
