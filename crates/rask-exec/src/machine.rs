//! The machine's transitions.

use std::collections::VecDeque;

use crate::assigned::Assigned;
use crate::memory::Memory;
use crate::predict::Predictor;
use crate::ready::Ready;
use crate::sharing::Sharing;
use crate::state::{State, Task};
use crate::{Command, Event, Job, Pace, Pull, TaskId, Topology};

/// What the machine keeps within.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Bytes of values in memory; `None` is no limit.
    pub memory_bytes_max: Option<u64>,
    /// Smaller values are never spilled.
    pub spill_bytes_min: u64,
    /// There is a thread of its own for [`Machine::pull_spill`], which is to write values to disk
    /// before memory is short.
    pub spills_ahead: bool,
}

/// The state of all tasks. See the [crate's page](crate).
pub struct Machine<T> {
    pub(crate) topology: T,
    pub(crate) tasks: Vec<Task>,
    pub(crate) ready: Ready,
    pub(crate) memory: Memory,
    pub(crate) predictor: Predictor,
    pub(crate) sharing: Sharing,
    /// Spills and reads that wait to be pulled.
    pub(crate) transfers: VecDeque<Job>,
    /// Tasks all of whose inputs have been read back.
    pub(crate) loaded: Vec<TaskId>,
    /// Tasks that wait for inputs to be read back.
    pub(crate) loading: Vec<TaskId>,
    pub(crate) running: u32,
    /// Of the tasks that run, the ones that wait for others.
    pub(crate) absent: u32,
    /// Spills and reads that have not ended, pulled or not.
    pub(crate) transfers_open: u32,
    /// Values on their way from peers.
    pub(crate) transfers_elsewhere: u32,
    pub(crate) unfinished: usize,
    pub(crate) spill_bytes_min: u64,
    pub(crate) spills_ahead: bool,
    pub(crate) pace: Pace,
}

impl<T: Topology> Machine<T> {
    /// A machine in which every task of `topology` waits. Continue with [`keep`](Self::keep),
    /// [`supply`](Self::supply) and [`begin`](Self::begin).
    pub fn new(topology: T, limits: Limits) -> Self {
        let count = topology.len();
        let tasks = (0..count as u32)
            .map(|task| {
                let (deps, users) = (topology.deps(task), topology.dependents(task));
                Task::new(deps.len() as u32, users.len() as u32)
            })
            .collect();
        Machine {
            topology,
            tasks,
            ready: Ready::default(),
            memory: Memory::new(limits.memory_bytes_max),
            predictor: Predictor::default(),
            sharing: Sharing::default(),
            transfers: VecDeque::new(),
            loaded: Vec::new(),
            loading: Vec::new(),
            running: 0,
            absent: 0,
            transfers_open: 0,
            transfers_elsewhere: 0,
            unfinished: count,
            spill_bytes_min: limits.spill_bytes_min,
            spills_ahead: limits.spills_ahead,
            pace: Pace::Full,
        }
    }

    /// Keeps the value of `task` until [`Event::Released`].
    pub fn keep(&mut self, task: TaskId) {
        self.tasks[task as usize].set(Task::KEPT, true);
    }

    /// The shell holds the value of `task` already, in memory that is not the machine's to count.
    pub fn supply(&mut self, task: TaskId) {
        let entry = &mut self.tasks[task as usize];
        entry.state = State::Memory;
        entry.set(Task::UNSPILLABLE, true);
        self.unfinished -= 1;
        for &user in self.topology.dependents(task) {
            self.tasks[user as usize].waiting -= 1;
        }
    }

    /// Makes the tasks ready that wait for nothing. `sequence` has all tasks by priority.
    pub fn begin(&mut self, sequence: &[TaskId]) {
        for &task in sequence {
            let entry = &mut self.tasks[task as usize];
            if entry.state == State::Waiting && entry.waiting == 0 {
                entry.state = State::Ready;
                let (lane, priority) = (self.topology.lane(task), self.topology.priority(task));
                self.ready.push_sorted(lane, priority, task);
            }
        }
    }

    /// Where edges and priorities are found.
    pub fn topology(&self) -> &T {
        &self.topology
    }

    /// The number of tasks without a value so far.
    pub fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Bytes of values in memory.
    pub fn held_bytes(&self) -> u64 {
        self.memory.held
    }

    /// Whether no more than half of the budget is taken.
    pub fn has_ample_memory(&self) -> bool {
        self.memory.is_ample()
    }

    /// How many jobs there may be for threads that have none.
    pub fn ready_count(&self) -> usize {
        self.ready.len() + self.transfers.len() + self.loaded.len()
    }

    /// How many ready tasks there may be in one lane.
    pub fn ready_count_of(&self, lane: u8) -> usize {
        self.ready.len_of(lane)
    }

    /// The lane of the ready task that `pull` would find, if there is one.
    pub fn peek_lane(&self, pull: Pull) -> Option<u8> {
        self.ready.peek(pull).map(|(lane, _)| lane)
    }

    /// The time that the ready task which `pull` would find is expected to take, in nanoseconds:
    /// `None` if there is no such task, `Some(None)` if nothing is known.
    pub fn peek_nanos(&self, pull: Pull) -> Option<Option<u64>> {
        let (_, task) = self.ready.peek(pull)?;
        Some(self.expected_nanos(task))
    }

    /// The time `task` is expected to take, in nanoseconds, once one of its group has finished.
    pub fn expected_nanos(&self, task: TaskId) -> Option<u64> {
        self.predictor.find_nanos(self.topology.group(task))
    }

    /// Whether the task about to run is the only one that still needs the value of its input `dep`,
    /// so that it may have it for its own.
    #[inline]
    pub fn is_last_use(&self, dep: TaskId) -> bool {
        let entry = &self.tasks[dep as usize];
        entry.users == 1 && entry.state == State::Memory && !entry.has(Task::KEPT)
    }

    /// Takes in what happened.
    #[inline]
    pub fn handle(&mut self, event: Event, commands: &mut Vec<Command>) {
        match event {
            Event::Finished {
                task,
                nbytes,
                nanos,
            } => self.on_finished(task, nbytes, nanos, commands),
            Event::Failed { task } => self.on_failed(task, commands),
            Event::Spilled { task } => self.on_spilled(task, commands),
            Event::SpillFailed { task } => self.on_spill_failed(task, commands),
            Event::DiskFull { task } => self.on_disk_full(task, commands),
            Event::DiskHasRoom => self.on_disk_has_room(commands),
            Event::Unspilled { task } => self.on_unspilled(task, commands),
            Event::Released { task } => self.on_released(task, commands),
            Event::Cancelled { task } => self.on_cancelled(task, commands),
        }
    }

    /// The best job for a thread that has none, if there is one now.
    #[inline]
    pub fn pull(&mut self, pull: Pull, commands: &mut Vec<Command>) -> Option<Job> {
        if let Some(job) = self.find_transfer(pull) {
            return Some(job);
        }
        let job = self.find_run(pull, commands);
        if job.is_none() {
            return self.transfers.pop_front();
        }
        job
    }

    /// The best ready task that may begin now, or what has to be done before.
    fn find_run(&mut self, pull: Pull, commands: &mut Vec<Command>) -> Option<Job> {
        while let Some((lane, task)) = self.ready.peek(pull) {
            if self.tasks[task as usize].state != State::Ready {
                self.ready.pop(lane);
                continue;
            }
            if !self.may_begin() {
                return None;
            }
            if !self.memory.is_limited() {
                self.ready.pop(lane);
                self.tasks[task as usize].state = State::Running;
                self.running += 1;
                return Some(Job::Run { task });
            }
            if !self.decide_admission(task, commands) {
                return None;
            }
            self.ready.pop(lane);
            if self.start(task) {
                return Some(Job::Run { task });
            }
            if let Some(job) = self.find_transfer(pull) {
                return Some(job);
            }
        }
        None
    }

    /// The value of a ready task that needs no inputs is at hand: it takes no thread, and waits for
    /// no memory. `false` if the task is not ready.
    pub fn supply_ready(&mut self, task: TaskId, nbytes: u64, commands: &mut Vec<Command>) -> bool {
        let entry = &mut self.tasks[task as usize];
        if entry.state != State::Ready {
            return false;
        }
        entry.state = State::Running;
        // Nothing was promised.
        entry.nbytes = 0;
        self.running += 1;
        self.handle(
            Event::Finished {
                task,
                nbytes,
                nanos: 0,
            },
            commands,
        );
        true
    }

    /// Reads, tasks that were admitted before, and spills unless somebody else does them.
    #[inline]
    fn find_transfer(&mut self, pull: Pull) -> Option<Job> {
        let is_left = |job: &Job| self.spills_ahead && matches!(job, Job::Spill { .. });
        if let Some(at) = self.transfers.iter().position(|job| !is_left(job)) {
            return self.transfers.remove(at);
        }
        let fits = |task: TaskId| match pull {
            Pull::Any => true,
            Pull::Lane(lane) => self.topology.lane(task) == lane,
            Pull::NotLane(lane) => self.topology.lane(task) != lane,
        };
        let position = self.loaded.iter().position(|&task| fits(task))?;
        let task = self.loaded.swap_remove(position);
        self.tasks[task as usize].state = State::Running;
        self.running += 1;
        Some(Job::Run { task })
    }

    /// Pins the inputs of an admitted task and promises it memory. Returns whether it runs now;
    /// otherwise inputs have to be read back first.
    fn start(&mut self, task: TaskId) -> bool {
        let predicted = self.predict_bytes(task);
        self.memory.reserved += predicted;
        let mut missing = 0;
        for &dep in self.topology.deps(task) {
            let entry = &mut self.tasks[dep as usize];
            entry.pins += 1;
            if entry.state == State::Disk {
                entry.state = State::Unspilling;
                self.memory.held += entry.nbytes;
                self.transfers.push_back(Job::Unspill { task: dep });
                self.transfers_open += 1;
            }
            missing += u32::from(!entry.in_memory());
        }
        let entry = &mut self.tasks[task as usize];
        entry.nbytes = predicted;
        entry.waiting = missing;
        if missing == 0 {
            entry.state = State::Running;
            self.running += 1;
        } else {
            entry.state = State::Loading;
            self.loading.push(task);
        }
        missing == 0
    }

    #[inline]
    fn on_finished(&mut self, task: TaskId, nbytes: u64, nanos: u64, commands: &mut Vec<Command>) {
        let nbytes = self.count_buffers(task, nbytes);
        self.predictor
            .learn(self.topology.group(task), nbytes, nanos);
        self.running -= 1;
        self.unfinished -= 1;
        let limited = self.memory.is_limited();
        let entry = &mut self.tasks[task as usize];
        self.absent -= u32::from(entry.has(Task::ABSENT));
        entry.set(Task::ABSENT, false);
        if limited {
            self.memory.reserved -= entry.nbytes;
        }
        entry.state = State::Memory;
        entry.nbytes = nbytes;
        self.memory.held += nbytes;
        let (kept, needed) = (entry.has(Task::KEPT), entry.users > 0);
        entry.set(Task::DOOMED, false);
        self.leave_inputs(task, limited, commands);
        if !(kept || needed) {
            self.forget(task, commands);
            return;
        }
        if kept {
            commands.push(Command::Report { task });
        }
        if limited {
            self.note_made(task);
        }
        self.on_arrived(task, commands);
    }

    /// A value is here: tells the tasks that wait for it.
    #[inline]
    pub(crate) fn on_arrived(&mut self, task: TaskId, commands: &mut Vec<Command>) {
        for index in 0..self.topology.dependents(task).len() {
            let user = self.topology.dependents(task)[index];
            let entry = &mut self.tasks[user as usize];
            entry.waiting -= 1;
            if entry.waiting == 0 && entry.state == State::Waiting {
                self.make_ready(user);
            }
        }
        self.topology.on_arrived(task);
        if self.memory.is_limited() {
            self.note_candidate(task);
            self.shrink_to_budget(commands);
        }
    }

    #[inline]
    pub(crate) fn make_ready(&mut self, task: TaskId) {
        self.tasks[task as usize].state = State::Ready;
        let (lane, priority) = (self.topology.lane(task), self.topology.priority(task));
        self.ready.push(lane, priority, task);
    }

    /// A task will not need its inputs any longer.
    #[inline]
    fn leave_inputs(&mut self, task: TaskId, pinned: bool, commands: &mut Vec<Command>) {
        for index in 0..self.topology.deps(task).len() {
            let dep = self.topology.deps(task)[index];
            let entry = &mut self.tasks[dep as usize];
            entry.users -= 1;
            if pinned {
                entry.pins -= 1;
            }
            if entry.users == 0 && !entry.has(Task::KEPT) {
                self.forget(dep, commands);
            } else if pinned && entry.pins == 0 {
                self.note_candidate(dep);
            }
        }
    }

    fn on_failed(&mut self, task: TaskId, commands: &mut Vec<Command>) {
        self.running -= 1;
        let limited = self.memory.is_limited();
        let entry = &mut self.tasks[task as usize];
        self.absent -= u32::from(entry.has(Task::ABSENT));
        entry.set(Task::ABSENT, false);
        if limited {
            self.memory.reserved -= entry.nbytes;
        }
        entry.nbytes = 0;
        entry.set(Task::KEPT, false);
        entry.state = State::Failed;
        self.leave_inputs(task, limited, commands);
    }

    /// A job that was pulled and not begun: it can be pulled again.
    pub fn return_job(&mut self, job: Job, commands: &mut Vec<Command>) {
        let Job::Run { task } = job else {
            self.transfers.push_front(job);
            return;
        };
        self.running -= 1;
        let limited = self.memory.is_limited();
        let entry = &mut self.tasks[task as usize];
        if limited {
            self.memory.reserved -= entry.nbytes;
        }
        entry.nbytes = 0;
        if entry.has(Task::DOOMED) {
            entry.state = State::Gone;
            self.unfinished -= 1;
            self.leave_inputs(task, limited, commands);
            return;
        }
        self.make_ready(task);
        for index in 0..self.topology.deps(task).len() {
            let dep = self.topology.deps(task)[index];
            if limited {
                self.tasks[dep as usize].pins -= 1;
                if self.tasks[dep as usize].pins == 0 {
                    self.note_candidate(dep);
                }
            }
        }
    }

    fn on_released(&mut self, task: TaskId, commands: &mut Vec<Command>) {
        let entry = &mut self.tasks[task as usize];
        entry.set(Task::KEPT, false);
        if entry.users == 0 {
            self.forget(task, commands);
        }
    }

    fn on_cancelled(&mut self, task: TaskId, commands: &mut Vec<Command>) {
        let entry = &mut self.tasks[task as usize];
        entry.set(Task::KEPT, false);
        match entry.state {
            State::Waiting | State::Ready => {
                entry.state = State::Gone;
                self.unfinished -= 1;
                self.leave_inputs(task, false, commands);
            }
            State::Loading | State::Running => entry.set(Task::DOOMED, true),
            _ if entry.users == 0 => self.forget(task, commands),
            _ => {}
        }
    }

    /// Gives a value up, now or as soon as the transfer it is in has ended.
    fn forget(&mut self, task: TaskId, commands: &mut Vec<Command>) {
        let entry = &mut self.tasks[task as usize];
        match entry.state {
            State::Memory => {
                entry.state = State::Gone;
                self.leave_memory(task);
                commands.push(Command::Drop { task });
            }
            State::Disk | State::Remote | State::Failed | State::Gone => {
                entry.state = State::Gone;
                commands.push(Command::Drop { task });
            }
            State::Spilling | State::Unspilling | State::Fetching => entry.set(Task::DOOMED, true),
            _ => {}
        }
    }
}

impl Machine<Assigned> {
    /// A slot for a value that is elsewhere, or for a task about to be assigned.
    pub(crate) fn add_slot(&mut self, key: u64, part: u32) -> TaskId {
        let slot = self.topology.add(key, part);
        let mut task = Task::new(0, 0);
        task.state = State::Remote;
        match self.tasks.get_mut(slot as usize) {
            Some(entry) => *entry = task,
            None => self.tasks.push(task),
        }
        slot
    }
}
