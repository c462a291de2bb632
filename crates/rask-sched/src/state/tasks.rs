//! All tasks, with what does not fit in their records.

use std::sync::Arc;

use rask_proto::Failure;
use smallvec::SmallVec;

use super::lists::{Lists, Short};
use super::{History, ShareId, Task, TaskId, TaskState};
use crate::HashMap;
use crate::event::{ClientId, WorkerId};
use crate::prefetch::prefetch;

/// Memory for so many tasks is ready before there are any.
const PREPARED: usize = 1024;

/// All tasks.
#[derive(Default)]
pub(crate) struct Tasks {
    records: Vec<Task>,
    /// The state of each record once more: where only that is asked for, much less memory is read.
    states: Vec<TaskState>,
    free: Vec<TaskId>,
    count: usize,
    next_serial: u32,
    pending_count: usize,
    edges: Lists<TaskId>,
    holders: Lists<WorkerId>,
    wanted_by: Lists<ClientId>,
    failures: HashMap<TaskId, Arc<Failure>>,
    /// What tasks went through last.
    pub history: History,
}

impl Tasks {
    /// No tasks; so many changes of their states are remembered.
    pub fn new(history_length: usize) -> Self {
        Tasks {
            history: History::new(history_length),
            ..Tasks::default()
        }
    }

    /// Has memory ready for the first tasks.
    pub fn prepare(&mut self) {
        if self.records.is_empty() {
            let blank = || Task::new((0, 0), ShareId::default(), 0, 0, 0);
            self.records.resize_with(PREPARED, blank);
            self.records.clear();
            self.states.resize(PREPARED, TaskState::Forgotten);
            self.states.clear();
            self.history.prepare();
        }
    }

    /// Makes room for this many more.
    pub fn reserve(&mut self, count: usize) {
        let more = count.saturating_sub(self.free.len());
        let room = self.records.capacity() - self.records.len();
        if more > room && more > self.records.len() / 2 {
            self.records.reserve_exact(more);
            self.states.reserve_exact(more);
        }
    }

    /// Adds a task in state Released without edges.
    pub fn add(&mut self, block: (u32, u32), share: ShareId, priority: u64, retries: u8) -> TaskId {
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        let task = Task::new(block, share, priority, retries, serial);
        self.count += 1;
        match self.free.pop() {
            Some(id) => {
                self.states[id as usize] = task.state;
                self.records[id as usize] = task;
                id
            }
            None => {
                self.states.push(task.state);
                self.records.push(task);
                (self.records.len() - 1) as TaskId
            }
        }
    }

    /// The task, which must exist.
    #[inline]
    pub fn get(&self, id: TaskId) -> &Task {
        let task = &self.records[id as usize];
        debug_assert_ne!(
            task.state,
            TaskState::Forgotten,
            "edges name existing tasks"
        );
        task
    }

    /// The task, which must exist.
    #[inline]
    pub fn get_mut(&mut self, id: TaskId) -> &mut Task {
        let task = &mut self.records[id as usize];
        debug_assert_ne!(
            task.state,
            TaskState::Forgotten,
            "edges name existing tasks"
        );
        task
    }

    /// Its record will be needed soon.
    #[inline]
    pub fn prefetch(&self, id: TaskId) {
        prefetch(&self.records[id as usize]);
    }

    /// What it is made from and what is made from it will be needed soon, of a record that is there.
    #[inline]
    pub fn prefetch_edges(&self, id: TaskId) {
        let record = &self.records[id as usize];
        self.edges.prefetch(&record.deps);
        self.edges.prefetch(&record.dependents);
    }

    /// The task, if it still is the one of this serial.
    #[inline]
    pub fn find(&self, id: TaskId, serial: u32) -> Option<&Task> {
        let task = &self.records[id as usize];
        (task.serial == serial && task.state != TaskState::Forgotten).then_some(task)
    }

    /// The task of a record, if it is Waiting.
    #[inline]
    pub fn find_waiting(&self, id: TaskId) -> Option<&Task> {
        let task = &self.records[id as usize];
        (task.state == TaskState::Waiting).then_some(task)
    }

    /// What its deps are in will be asked soon.
    #[inline]
    pub fn prefetch_states(&self, ids: &[TaskId]) {
        for &id in ids {
            prefetch(&self.states[id as usize]);
        }
    }

    /// The state of a record.
    #[inline]
    pub fn state(&self, id: TaskId) -> TaskState {
        self.states[id as usize]
    }

    /// Changes the state of a task, which is remembered for a while. What leaves Memory has no
    /// holders any more.
    #[inline]
    pub fn set_state(&mut self, id: TaskId, state: TaskState) {
        let record = &mut self.records[id as usize];
        let from = record.state;
        if from == state {
            return;
        }
        self.pending_count += usize::from(state.is_pending());
        self.pending_count -= usize::from(from.is_pending());
        let worker = match from {
            TaskState::Memory => {
                let first = self.holders.items(&record.place).first().copied();
                self.holders.clear(&mut record.place);
                first.unwrap_or(WorkerId(u32::MAX))
            }
            _ => record.worker(),
        };
        if state == TaskState::Memory {
            record.place = Short::new();
        }
        record.enter(state);
        self.states[id as usize] = state;
        let task = (record.layer, record.block);
        self.history.note(task, worker, from, state);
    }

    /// How many of its deps a record misses while its task is Waiting.
    #[inline]
    pub fn missing(&self, id: TaskId) -> u32 {
        self.records[id as usize].missing()
    }

    /// The priority in a record.
    #[inline]
    pub fn priority(&self, id: TaskId) -> u64 {
        self.records[id as usize].priority
    }

    /// Whether no task has this record.
    pub fn is_free(&self, id: TaskId) -> bool {
        self.state(id) == TaskState::Forgotten
    }

    /// What the task is given, in order; one task may appear more than once.
    #[inline(always)]
    pub fn deps(&self, id: TaskId) -> &[TaskId] {
        self.edges.items(&self.records[id as usize].deps)
    }

    /// Tasks that name this one in their deps, once an entry; may hold entries of tasks that are
    /// Forgotten, whose records are not used again before.
    #[inline(always)]
    pub fn dependents(&self, id: TaskId) -> &[TaskId] {
        self.edges.items(&self.records[id as usize].dependents)
    }

    /// Workers that hold the value, while in Memory.
    #[inline(always)]
    pub fn holders(&self, id: TaskId) -> &[WorkerId] {
        let record = &self.records[id as usize];
        match record.state {
            TaskState::Memory => self.holders.items(&record.place),
            _ => &[],
        }
    }

    /// Clients that want the value.
    #[inline]
    pub fn wanted_by(&self, id: TaskId) -> &[ClientId] {
        self.wanted_by.items(&self.records[id as usize].wanted_by)
    }

    /// Why it failed, while Erred.
    pub fn failure(&self, id: TaskId) -> Option<&Arc<Failure>> {
        self.failures.get(&id)
    }

    pub fn set_failure(&mut self, id: TaskId, failure: Option<Arc<Failure>>) {
        match failure {
            Some(failure) => self.failures.insert(id, failure),
            None => self.failures.remove(&id),
        };
    }

    /// What a task is given is needed by one task less; returns what none needs any more.
    pub fn unneed_deps(&mut self, id: TaskId) -> SmallVec<[TaskId; 8]> {
        let mut unneeded = SmallVec::new();
        let deps = self.records[id as usize].deps;
        for &dep in self.edges.items(&deps) {
            let record = &mut self.records[dep as usize];
            record.needed_by -= 1;
            if record.needed_by == 0 {
                unneeded.push(dep);
            }
        }
        unneeded
    }

    /// A task's value is in memory: tasks that are Waiting miss one entry less for every entry that
    /// names it; returns those that miss nothing any more.
    pub fn count_down_dependents(&mut self, id: TaskId) -> SmallVec<[TaskId; 8]> {
        let mut ready = SmallVec::new();
        let dependents = self.records[id as usize].dependents;
        for &dependent in self.edges.items(&dependents) {
            let record = &mut self.records[dependent as usize];
            if record.state == TaskState::Waiting && record.count_down() == 0 {
                ready.push(dependent);
            }
        }
        ready
    }

    /// Writes down what a task that was just added is given.
    pub fn set_deps(&mut self, id: TaskId, deps: &[TaskId]) {
        for &dep in deps {
            let record = &mut self.records[dep as usize];
            record.dependent_count += 1;
            self.edges.push(&mut record.dependents, id);
            let live = record.dependent_count as usize;
            if self.dependents(dep).len() > 2 * live + 64 {
                self.compact(dep);
            }
        }
        let record = &mut self.records[id as usize];
        self.edges.set_from(&mut record.deps, deps);
    }

    /// One more holder of a value in Memory.
    pub fn push_holder(&mut self, id: TaskId, worker: WorkerId) {
        let record = &mut self.records[id as usize];
        debug_assert_eq!(record.state, TaskState::Memory);
        self.holders.push(&mut record.place, worker);
    }

    /// Keeps those holders of a value, which may be in Memory, of which `keep` holds.
    pub fn retain_holders(&mut self, id: TaskId, keep: impl FnMut(WorkerId) -> bool) {
        let record = &mut self.records[id as usize];
        if record.state == TaskState::Memory {
            self.holders.retain(&mut record.place, keep);
        }
    }

    pub fn push_wanted_by(&mut self, id: TaskId, client: ClientId) {
        let record = &mut self.records[id as usize];
        self.wanted_by.push(&mut record.wanted_by, client);
    }

    pub fn retain_wanted_by(&mut self, id: TaskId, keep: impl FnMut(ClientId) -> bool) {
        let record = &mut self.records[id as usize];
        self.wanted_by.retain(&mut record.wanted_by, keep);
    }

    pub fn clear_wanted_by(&mut self, id: TaskId) {
        self.wanted_by
            .clear(&mut self.records[id as usize].wanted_by);
    }

    /// Drops entries of forgotten tasks from a list of dependents.
    fn compact(&mut self, id: TaskId) {
        let entries = self.dependents(id).iter();
        let (kept, dead): (Vec<TaskId>, Vec<TaskId>) =
            entries.partition(|dependent| !self.is_free(**dependent));
        let record = &mut self.records[id as usize];
        self.edges.set(&mut record.dependents, kept);
        self.unname(&dead);
    }

    /// Entries of forgotten tasks are gone: records that nothing names may be used again.
    fn unname(&mut self, dead: &[TaskId]) {
        for &id in dead {
            let record = &mut self.records[id as usize];
            if record.count_down() == 0 {
                self.free.push(id);
            }
        }
    }

    /// Removes a task that no other is made from; returns what it was given.
    pub fn remove(&mut self, id: TaskId) -> SmallVec<[TaskId; 8]> {
        let deps = SmallVec::from_slice(self.deps(id));
        let dead: SmallVec<[TaskId; 8]> = SmallVec::from_slice(self.dependents(id));
        if !self.failures.is_empty() {
            self.failures.remove(&id);
        }
        self.set_state(id, TaskState::Forgotten);
        let record = &mut self.records[id as usize];
        self.edges.clear(&mut record.deps);
        self.edges.clear(&mut record.dependents);
        self.wanted_by.clear(&mut record.wanted_by);
        record.set_missing(deps.len() as u32);
        for &dep in &deps {
            self.records[dep as usize].dependent_count -= 1;
        }
        if deps.is_empty() {
            self.free.push(id);
        }
        self.unname(&dead);
        self.count -= 1;
        deps
    }

    /// All tasks.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        let records = self.records.iter().enumerate();
        let tasks = records.filter(|(_, task)| task.state != TaskState::Forgotten);
        tasks.map(|(id, task)| (id as TaskId, task))
    }

    /// How many are to be run.
    pub fn pending_count(&self) -> usize {
        self.pending_count
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }
}
