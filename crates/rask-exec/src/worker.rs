//! The machine of a cluster's worker: tasks are assigned one by one, inputs come from peers, values
//! stay until the scheduler frees them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use smallvec::SmallVec;

use crate::assigned::Assigned;
use crate::state::{State, Task};
use crate::{Command, Event, Job, Limits, Machine, Pull, TaskId};

/// A task to run here.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The scheduler's name for it.
    pub key: u64,
    /// Lower runs sooner.
    pub priority: u64,
    /// Tasks of one group are expected to take like times and memory.
    pub group: u32,
    /// The scope it runs in; 0 is none.
    pub lane: u8,
    /// Bytes of its value, where known.
    pub predicted_bytes: Option<u64>,
    /// Its inputs, in order.
    pub inputs: SmallVec<[Source; 4]>,
}

/// An input, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    pub key: u64,
    /// 0 if the whole value is needed. Else one part of it, numbered from 1: it is fetched on its
    /// own, also where the whole is here, is nobody else's business, and is forgotten when the tasks
    /// here that need it have run.
    pub part: u32,
    pub nbytes: u64,
    /// The worker to have it from; for a whole value, `None` if it is, or is being made, here.
    pub holder: Option<u32>,
}

/// A worker's tasks and values. The shell carries out the commands that a call appends before it
/// makes the next call.
pub struct Worker {
    pub(crate) machine: Machine<Assigned>,
    /// Values to be fetched, those first that the best task needs. Entries may be stale.
    pub(crate) fetches: BinaryHeap<Reverse<(u64, TaskId)>>,
    pub(crate) fetches_open: u32,
    /// Bytes of the values on their way.
    pub(crate) fetching_bytes: u64,
    pub(crate) fetches_begun: u32,
    /// Slots to be used again after the commands of the last call have been carried out.
    retired: Vec<TaskId>,
}

impl Worker {
    /// A worker without tasks.
    pub fn new(limits: Limits) -> Self {
        Worker {
            machine: Machine::new(Assigned::default(), limits),
            fetches: BinaryHeap::new(),
            fetches_open: 0,
            fetching_bytes: 0,
            fetches_begun: 0,
            retired: Vec::new(),
        }
    }

    /// The slot of `key`, if it is known here.
    pub fn find(&self, key: u64) -> Option<TaskId> {
        self.machine.topology.find(key, 0)
    }

    /// The key of a slot.
    pub fn key_of(&self, task: TaskId) -> u64 {
        self.machine.topology.entries[task as usize].key
    }

    /// Whether the slot is for a part of a value.
    pub fn is_part(&self, task: TaskId) -> bool {
        self.machine.topology.entries[task as usize].part > 0
    }

    /// Slots of the inputs of a task, in order.
    pub fn inputs(&self, task: TaskId) -> &[TaskId] {
        &self.machine.topology.entries[task as usize].deps
    }

    /// Whether there is a value here, in memory or on disk.
    pub fn has_value(&self, task: TaskId) -> bool {
        self.machine.tasks[task as usize].has_value()
    }

    /// The common part, for everything that asks and changes nothing.
    pub fn machine(&self) -> &Machine<Assigned> {
        &self.machine
    }

    /// The number of tasks running.
    pub fn executing(&self) -> u32 {
        self.machine.running
    }

    /// The keys of the tasks that are like this.
    pub(crate) fn keys_where(&self, is_meant: impl Fn(&Task) -> bool) -> impl Iterator<Item = u64> {
        let tasks = self.machine.tasks.iter().enumerate();
        tasks
            .filter(move |(_, task)| is_meant(task))
            .map(|(slot, _)| self.key_of(slot as TaskId))
    }

    /// The keys of the tasks running.
    pub fn running_keys(&self) -> impl Iterator<Item = u64> {
        self.keys_where(|task| task.state == State::Running)
    }

    /// The keys of the tasks that run and whose outcome is wanted: the others end untold.
    pub fn awaited_keys(&self) -> impl Iterator<Item = u64> {
        self.keys_where(|task| task.state == State::Running && !task.has(Task::DOOMED))
    }

    /// Slots and keys of the values that are here, in memory or on disk.
    pub fn value_keys(&self) -> impl Iterator<Item = (TaskId, u64)> {
        let tasks = self.machine.tasks.iter().enumerate();
        tasks
            .filter(|(slot, task)| task.has_value() && !self.is_part(*slot as TaskId))
            .map(|(slot, _)| (slot as TaskId, self.key_of(slot as TaskId)))
    }

    /// What counts as held in memory here: keys with bytes, and whether it is on its way.
    pub fn in_memory(&self) -> impl Iterator<Item = (u64, u64, bool)> {
        let tasks = self.machine.tasks.iter().enumerate();
        tasks
            .filter(|(_, task)| task.counts_as_held())
            .map(|(slot, task)| {
                let is_coming = task.state == State::Fetching;
                (self.key_of(slot as TaskId), task.nbytes, is_coming)
            })
    }

    /// The keys of the values here that the scheduler counts on, with their bytes.
    pub fn held(&self) -> impl Iterator<Item = (u64, u64)> {
        let tasks = self.machine.tasks.iter().enumerate();
        tasks
            .filter(|(_, task)| task.has_value() && task.has(Task::KEPT) && !task.has(Task::DOOMED))
            .map(|(slot, _)| {
                let task = slot as TaskId;
                (self.key_of(task), self.machine.full_bytes(task))
            })
    }

    /// The keys of the tasks that have not begun.
    pub fn waiting_keys(&self) -> Vec<u64> {
        let tasks = self.machine.tasks.iter().enumerate();
        tasks
            .filter(|(slot, task)| {
                let waits = matches!(task.state, State::Waiting | State::Ready | State::Loading);
                waits && !self.machine.topology.is_vacant(*slot as TaskId)
            })
            .map(|(slot, _)| self.key_of(slot as TaskId))
            .collect()
    }

    /// Whether the task runs.
    pub fn is_running(&self, task: TaskId) -> bool {
        self.machine.tasks[task as usize].state == State::Running
    }

    /// Bytes of the value of a slot that has one, were it alone.
    pub fn nbytes_of(&self, task: TaskId) -> u64 {
        self.machine.full_bytes(task)
    }

    /// Whether a running task was cancelled.
    pub fn is_cancelled(&self, task: TaskId) -> bool {
        self.machine.tasks[task as usize].has(Task::DOOMED)
    }

    /// Whether values may wait to be fetched.
    pub fn has_fetches(&self) -> bool {
        !self.fetches.is_empty()
    }

    /// The number of keys known: tasks, and values held or awaited.
    pub fn key_count(&self) -> usize {
        self.machine.topology.key_count() - self.retired.len()
    }

    /// Takes on a task. One that is known already goes on as it is; its value is reported again if
    /// it is here.
    pub fn assign(&mut self, assignment: Assignment, commands: &mut Vec<Command>) {
        self.recycle();
        let task = match self.find(assignment.key) {
            None => self.machine.add_slot(assignment.key, 0),
            Some(task) => match self.machine.tasks[task as usize].state {
                State::Remote | State::Failed | State::Gone => task,
                State::Fetching => {
                    // The scheduler wants it made anew: its holder may be gone.
                    self.abandon_fetch(task);
                    task
                }
                _ => return self.assign_again(task, commands),
            },
        };
        let users = self.machine.tasks[task as usize].users;
        let mut missing = None;
        let mut waiting = 0;
        let mut deps = SmallVec::new();
        for source in &assignment.inputs {
            let Some(dep) = self.find_or_expect(*source, assignment.priority) else {
                missing = Some(source.key);
                break;
            };
            deps.push(dep);
            let entry = &mut self.machine.tasks[dep as usize];
            entry.users += 1;
            if !entry.has_value() {
                waiting += 1;
                let waiters = &mut self.machine.topology.entries[dep as usize].waiters;
                waiters.push(task);
            }
        }
        let entry = &mut self.machine.topology.entries[task as usize];
        entry.priority = assignment.priority;
        entry.group = assignment.group;
        entry.lane = assignment.lane;
        entry.predicted_bytes = assignment.predicted_bytes;
        entry.deps = deps;
        let mut state = Task::new(waiting, users);
        state.set(Task::KEPT, true);
        self.machine.tasks[task as usize] = state;
        self.machine.unfinished += 1;
        if let Some(input) = missing {
            self.give_back(task, input, commands);
        } else if waiting == 0 {
            self.machine.make_ready(task);
        }
        self.retire(commands);
    }

    fn assign_again(&mut self, task: TaskId, commands: &mut Vec<Command>) {
        let entry = &mut self.machine.tasks[task as usize];
        entry.set(Task::KEPT, true);
        entry.set(Task::DOOMED, false);
        if entry.has_value() {
            commands.push(Command::Report { task });
        }
    }

    /// Whether a task could run.
    pub fn is_ready(&self, task: TaskId) -> bool {
        self.machine.tasks[task as usize].state == State::Ready
    }

    /// See [`Machine::supply_ready`].
    pub fn supply_ready(&mut self, task: TaskId, nbytes: u64, commands: &mut Vec<Command>) -> bool {
        let is_supplied = self.machine.supply_ready(task, nbytes, commands);
        self.retire(commands);
        is_supplied
    }

    /// Takes in what happened to a task.
    pub fn handle(&mut self, event: Event, commands: &mut Vec<Command>) {
        self.recycle();
        self.machine.handle(event, commands);
        if let Event::Failed { task } | Event::Cancelled { task } = event {
            self.disappoint(task, commands);
        }
        self.retire(commands);
    }

    /// Bytes that values may take from now on, and that they never exceed while the disk is full.
    /// Without effect if they were without limit.
    pub fn set_budget(&mut self, bytes_max: u64, hard_bytes_max: u64, commands: &mut Vec<Command>) {
        self.recycle();
        if self.machine.memory.is_limited() {
            self.machine.memory.hard_bytes_max = hard_bytes_max;
            // `u64::MAX` stands for no limit.
            self.machine.memory.bytes_max = bytes_max.min(u64::MAX - 1);
            self.machine.shrink_to_budget(commands);
        }
        self.retire(commands);
    }

    /// Whether tasks could run, and none is begun since there is no room: the disk is full, and
    /// nothing goes on that would end with an event.
    pub fn is_starved(&self) -> bool {
        let waits = self.machine.ready.len() > 0 || self.has_fetches();
        let is_busy = self.fetches_open > 0 || self.machine.is_busy();
        self.machine.memory.disk_full && waits && !is_busy
    }

    /// See [`Machine::announce_buffers`].
    pub fn announce_buffers(&mut self, task: TaskId, buffers: &[(u64, u64)]) {
        self.machine.announce_buffers(task, buffers);
    }

    /// The value has other memory from now on, which is its own.
    pub fn unshare(&mut self, task: TaskId) {
        self.machine.unshare(task);
    }

    /// A compute thread's next job.
    pub fn pull(&mut self, pull: Pull, commands: &mut Vec<Command>) -> Option<Job> {
        self.machine.transfers_elsewhere = self.fetches_open;
        self.machine.pull(pull, commands)
    }

    /// The next job of a thread that does nothing but write values to disk.
    pub fn pull_spill(&mut self) -> Option<Job> {
        self.machine.pull_spill()
    }

    /// A job that was pulled and not begun: it can be pulled again.
    pub fn return_job(&mut self, job: Job, commands: &mut Vec<Command>) {
        self.recycle();
        self.machine.return_job(job, commands);
        if let Job::Run { task } = job {
            self.disappoint(task, commands);
        }
        self.retire(commands);
    }

    /// The scheduler does not need the value to be here any longer.
    pub fn free(&mut self, key: u64, commands: &mut Vec<Command>) {
        self.recycle();
        if let Some(task) = self.find(key) {
            self.handle(Event::Released { task }, commands);
        }
    }

    /// The scheduler does not want the task to be run here any longer.
    pub fn cancel(&mut self, key: u64, commands: &mut Vec<Command>) {
        self.recycle();
        if let Some(task) = self.find(key) {
            self.leave_lines(task);
            self.handle(Event::Cancelled { task }, commands);
        }
    }

    /// If there will be no value: gives back the tasks that wait for it.
    pub(crate) fn disappoint(&mut self, task: TaskId, commands: &mut Vec<Command>) {
        let state = self.machine.tasks[task as usize].state;
        if !matches!(state, State::Gone | State::Failed) {
            return;
        }
        let key = self.key_of(task);
        let waiters = std::mem::take(&mut self.machine.topology.entries[task as usize].waiters);
        for waiter in waiters {
            self.give_back(waiter, key, commands);
        }
        self.retire_one(task);
    }

    /// Gives a task that waits back to the scheduler, and those here that wait for it.
    pub(crate) fn give_back(&mut self, task: TaskId, input: u64, commands: &mut Vec<Command>) {
        let mut open = vec![(task, input)];
        while let Some((task, input)) = open.pop() {
            if self.machine.tasks[task as usize].state != State::Waiting {
                continue;
            }
            commands.push(Command::GiveBack { task, input });
            self.leave_lines(task);
            self.machine.handle(Event::Cancelled { task }, commands);
            let key = self.key_of(task);
            let waiters = std::mem::take(&mut self.machine.topology.entries[task as usize].waiters);
            open.extend(waiters.into_iter().map(|waiter| (waiter, key)));
            self.retire_one(task);
        }
    }

    /// Takes a task that still waits out of the lists of those it waits for.
    fn leave_lines(&mut self, task: TaskId) {
        if self.machine.tasks[task as usize].state != State::Waiting {
            return;
        }
        for index in 0..self.inputs(task).len() {
            let dep = self.inputs(task)[index] as usize;
            let waiters = &mut self.machine.topology.entries[dep].waiters;
            waiters.retain(|&waiter| waiter != task);
        }
    }

    /// Notes the slots that nothing refers to any longer.
    pub(crate) fn retire(&mut self, commands: &[Command]) {
        for command in commands {
            if let Command::Drop { task } = command {
                self.retire_one(*task);
            }
        }
    }

    pub(crate) fn retire_one(&mut self, task: TaskId) {
        let entry = &self.machine.tasks[task as usize];
        let gone = matches!(entry.state, State::Gone | State::Failed);
        if gone && entry.users == 0 && !self.retired.contains(&task) {
            self.retired.push(task);
        }
    }

    pub(crate) fn recycle(&mut self) {
        for task in std::mem::take(&mut self.retired) {
            if !self.machine.topology.is_vacant(task) {
                self.machine.topology.remove(task);
            }
        }
    }

    /// Panics if the books do not add up.
    pub fn check_invariants(&self) {
        self.machine.check_invariants();
        let tasks = self.machine.tasks.iter();
        let fetching = tasks.filter(|task| task.state == State::Fetching).count();
        assert!(fetching <= self.fetches_open as usize, "open fetches");
    }
}
