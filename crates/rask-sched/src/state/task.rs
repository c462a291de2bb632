//! Tasks: one record a block that is wanted, or that something wanted needs.

use std::sync::Arc;

use rask_proto::Failure;

use super::lists::{Lists, Short};
use super::{Charge, History, ShareId};
use crate::HashMap;
use crate::event::{ClientId, WorkerId};

/// Index of a task's record; used again after the task is forgotten, see [`Task::serial`].
pub(crate) type TaskId = u32;

/// Where a task is in its life. The transitions:
///
/// | from | to | when |
/// |---|---|---|
/// | Released | Waiting | somebody needs its value |
/// | Waiting | Queued, Placed | everything it needs is in memory |
/// | Queued, Placed | Assigned | a worker has room |
/// | Waiting | Assigned | a worker with room is making all that it waits for |
/// | Queued, Placed, Assigned | Waiting | a value it needs was lost, or its worker was |
/// | Assigned | Memory | it finished |
/// | Waiting, Assigned | Erred | it failed, or something it needs did |
/// | Memory | Waiting | every worker that held it is lost, and somebody needs it |
/// | Memory | Erred | so was an actor, whose state cannot be made again |
/// | any | Released | nobody needs it any more |
/// | Released, Erred | Forgotten | nothing is made from it either |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum TaskState {
    /// Known, because something that exists was or will be made from it; nobody needs its value.
    Released,
    /// Needed; some of what it needs is not in memory.
    Waiting,
    /// Needs no other value, or no worker is there: in the common queue.
    Queued,
    /// In the queue of [`Task::worker`], not handed out yet.
    Placed,
    /// Handed out to [`Task::worker`].
    Assigned,
    /// Held by its [holders](Tasks::holders).
    Memory,
    /// Failed, see [`Tasks::failure`].
    Erred,
    /// No task has this record.
    Forgotten,
}

impl TaskState {
    /// Whether the task is to be run.
    pub fn is_pending(self) -> bool {
        matches!(
            self,
            TaskState::Waiting | TaskState::Queued | TaskState::Placed | TaskState::Assigned
        )
    }
}

/// One task: what all tasks have, in 88 bytes. Lists of a few numbers are in place, longer ones in
/// the tables of [`Tasks`].
#[derive(Debug)]
pub(crate) struct Task {
    pub layer: u32,
    pub block: u32,
    /// Changed by [`Tasks::set_state`].
    pub state: TaskState,
    /// How many more times it may raise and be run again.
    pub retries: u8,
    /// How many times it raised and was run again.
    pub raised: u8,
    /// Workers that died while they ran it.
    pub deaths: u8,
    /// While Assigned: it waits for others and takes no thread.
    pub seceded: bool,
    /// Where it is Placed or Assigned.
    pub worker: WorkerId,
    /// While Waiting: how many of its deps are not in memory. While Forgotten: how many entries of
    /// dependents still name it.
    pub missing: u32,
    /// Entries in deps of pending tasks that name this one.
    pub needed_by: u32,
    /// Entries in deps of existing tasks that name this one.
    pub dependent_count: u32,
    /// Tells this task from others that had the same record before.
    pub serial: u32,
    /// Predicted duration that its worker's occupancy was charged with.
    pub charged_micros: u32,
    /// Predicted bytes that its worker's memory was charged with.
    pub charged_bytes: Charge,
    /// Whom it is counted for.
    pub share: ShareId,
    /// Clients of other shares want it too, or something that needs it: no quota of bytes holds it
    /// back.
    pub is_shared: bool,
    /// Smaller runs earlier.
    pub priority: u64,
    pub nbytes: u64,
    deps: Short<TaskId, 2>,
    dependents: Short<TaskId, 2>,
    holders: Short<WorkerId, 1>,
    wanted_by: Short<ClientId, 1>,
}

const _: () = assert!(size_of::<Task>() == 88);

impl Task {
    /// Whether a client or a pending task needs the value.
    #[inline]
    pub fn is_needed(&self) -> bool {
        self.needed_by > 0 || !self.wanted_by.is_empty()
    }

    /// Whether a client wants the value.
    #[inline]
    pub fn is_wanted(&self) -> bool {
        !self.wanted_by.is_empty()
    }
}

/// All tasks.
#[derive(Default)]
pub(crate) struct Tasks {
    records: Vec<Task>,
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

    /// Makes room for this many more.
    pub fn reserve(&mut self, count: usize) {
        let more = count.saturating_sub(self.free.len());
        let room = self.records.capacity() - self.records.len();
        if more > room && more > self.records.len() / 2 {
            self.records.reserve_exact(more);
        }
    }

    /// Adds a task in state Released without edges.
    pub fn add(
        &mut self,
        (layer, block): (u32, u32),
        share: ShareId,
        priority: u64,
        retries: u8,
    ) -> TaskId {
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        let task = Task {
            layer,
            block,
            state: TaskState::Released,
            retries,
            raised: 0,
            deaths: 0,
            seceded: false,
            worker: WorkerId(u32::MAX),
            missing: 0,
            needed_by: 0,
            dependent_count: 0,
            serial,
            charged_micros: 0,
            charged_bytes: Charge::default(),
            share,
            is_shared: false,
            priority,
            nbytes: 0,
            deps: Short::new(),
            dependents: Short::new(),
            holders: Short::new(),
            wanted_by: Short::new(),
        };
        self.count += 1;
        match self.free.pop() {
            Some(id) => {
                self.records[id as usize] = task;
                id
            }
            None => {
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

    /// The task, if it still is the one of this serial.
    #[inline]
    pub fn find(&self, id: TaskId, serial: u32) -> Option<&Task> {
        let task = &self.records[id as usize];
        (task.serial == serial && task.state != TaskState::Forgotten).then_some(task)
    }

    /// The state of a record.
    #[inline]
    pub fn state(&self, id: TaskId) -> TaskState {
        self.records[id as usize].state
    }

    /// Changes the state of a task, which is remembered for a while.
    #[inline]
    pub fn set_state(&mut self, id: TaskId, state: TaskState) {
        let record = &mut self.records[id as usize];
        let from = std::mem::replace(&mut record.state, state);
        if from != state {
            self.pending_count += usize::from(state.is_pending());
            self.pending_count -= usize::from(from.is_pending());
            let task = (record.layer, record.block);
            self.history.note(task, record.worker, from, state);
        }
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
    #[inline]
    pub fn deps(&self, id: TaskId) -> &[TaskId] {
        self.edges.items(&self.records[id as usize].deps)
    }

    /// Tasks that name this one in their deps, once an entry; may hold entries of tasks that are
    /// Forgotten, whose records are not used again before.
    #[inline]
    pub fn dependents(&self, id: TaskId) -> &[TaskId] {
        self.edges.items(&self.records[id as usize].dependents)
    }

    /// Workers that hold the value, while in Memory.
    #[inline]
    pub fn holders(&self, id: TaskId) -> &[WorkerId] {
        self.holders.items(&self.records[id as usize].holders)
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

    /// Writes down what a task that was just added is given.
    pub fn set_deps(&mut self, id: TaskId, deps: Vec<TaskId>) {
        for &dep in &deps {
            let record = &mut self.records[dep as usize];
            record.dependent_count += 1;
            self.edges.push(&mut record.dependents, id);
            let live = record.dependent_count as usize;
            if self.dependents(dep).len() > 2 * live + 64 {
                self.compact(dep);
            }
        }
        self.edges.set(&mut self.records[id as usize].deps, deps);
    }

    pub fn push_holder(&mut self, id: TaskId, worker: WorkerId) {
        let record = &mut self.records[id as usize];
        self.holders.push(&mut record.holders, worker);
    }

    pub fn retain_holders(&mut self, id: TaskId, keep: impl FnMut(WorkerId) -> bool) {
        let record = &mut self.records[id as usize];
        self.holders.retain(&mut record.holders, keep);
    }

    pub fn clear_holders(&mut self, id: TaskId) {
        self.holders.clear(&mut self.records[id as usize].holders);
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
        let (mut kept, dead): (Vec<TaskId>, Vec<TaskId>) = {
            let entries = self.dependents(id).iter();
            entries.partition(|dependent| !self.is_free(**dependent))
        };
        kept.shrink_to(kept.len() * 2);
        let record = &mut self.records[id as usize];
        self.edges.set(&mut record.dependents, kept);
        self.unname(&dead);
    }

    /// Entries of forgotten tasks are gone: records that nothing names may be used again.
    fn unname(&mut self, dead: &[TaskId]) {
        for &id in dead {
            let record = &mut self.records[id as usize];
            record.missing -= 1;
            if record.missing == 0 {
                self.free.push(id);
            }
        }
    }

    /// Removes a task that no other is made from; returns what it was given.
    pub fn remove(&mut self, id: TaskId) -> Vec<TaskId> {
        let deps = self.deps(id).to_vec();
        let dead = self.dependents(id).to_vec();
        self.failures.remove(&id);
        let record = &mut self.records[id as usize];
        self.edges.clear(&mut record.deps);
        self.edges.clear(&mut record.dependents);
        self.holders.clear(&mut record.holders);
        self.wanted_by.clear(&mut record.wanted_by);
        record.missing = deps.len() as u32;
        self.set_state(id, TaskState::Forgotten);
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
