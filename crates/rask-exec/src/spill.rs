//! Room for tasks: admission, spilling, reading back.

use std::collections::BinaryHeap;

use crate::state::{State, Task};
use crate::{Command, Job, Machine, Pull, TaskId, Topology};

/// How many users of a value are looked at to find its next use.
const USERS_SCANNED_MAX: usize = 64;

impl<T: Topology> Machine<T> {
    /// Bytes the value of `task` is expected to take.
    pub(crate) fn predict_bytes(&self, task: TaskId) -> u64 {
        self.topology.predicted_bytes(task).unwrap_or_else(|| {
            let learned = self.predictor.find_nbytes(self.topology.group(task));
            learned.unwrap_or_else(|| self.largest_input(task))
        })
    }

    /// A guess for a task of which nothing is known: as large as its largest input.
    fn largest_input(&self, task: TaskId) -> u64 {
        let inputs = self.topology.deps(task).iter();
        inputs
            .map(|&dep| self.tasks[dep as usize].nbytes)
            .max()
            .unwrap_or(0)
    }

    /// Whether there is room for `task` now. If not, room is being made, or will be when running
    /// tasks end.
    pub(crate) fn decide_admission(&mut self, task: TaskId, commands: &mut Vec<Command>) -> bool {
        let need = self.predict_bytes(task) + self.bytes_to_read_back(task);
        if self.memory.fits(need) {
            return true;
        }
        self.pin_inputs(task, true);
        self.make_room(need, 0, commands);
        self.pin_inputs(task, false);
        self.memory.fits(need) || !self.is_busy() && self.memory.may_exceed(need)
    }

    /// Makes room for a value that a task of this priority needs, beside what the next task makes. Nothing
    /// leaves memory for it that is needed before. Returns whether there is room now.
    pub(crate) fn make_room_for(
        &mut self,
        nbytes: u64,
        priority: u64,
        commands: &mut Vec<Command>,
    ) -> bool {
        let next = self.find_next();
        let need = nbytes + next.map_or(0, |next| self.predict_bytes(next));
        if !self.memory.fits(need) {
            self.make_room(need, priority.saturating_add(1), commands);
        }
        self.memory.fits(need)
    }

    fn find_next(&self) -> Option<TaskId> {
        let (_, next) = self.ready.peek(Pull::Any)?;
        (self.tasks[next as usize].state == State::Ready).then_some(next)
    }

    /// Whether a task is about to run for which there is room.
    pub(crate) fn has_next(&self) -> bool {
        self.find_next().is_some_and(|next| {
            let need = self.predict_bytes(next) + self.bytes_to_read_back(next);
            self.memory.fits(need)
        })
    }

    /// Whether something is going on that will end with an event, whatever else does not go on.
    pub(crate) fn is_busy(&self) -> bool {
        self.running > self.absent
            || !self.loading.is_empty()
            || !self.loaded.is_empty()
            || self.transfers_open > 0
            || self.transfers_elsewhere > 0
    }

    fn bytes_to_read_back(&self, task: TaskId) -> u64 {
        let deps = self.topology.deps(task).iter();
        deps.map(|&dep| &self.tasks[dep as usize])
            .filter(|entry| entry.state == State::Disk)
            .map(|entry| entry.nbytes)
            .sum()
    }

    /// Keeps the inputs of a task that asks for room from being the ones that make it.
    fn pin_inputs(&mut self, task: TaskId, on: bool) {
        for index in 0..self.topology.deps(task).len() {
            let dep = self.topology.deps(task)[index];
            let entry = &mut self.tasks[dep as usize];
            if on {
                entry.pins += 1;
            } else {
                entry.pins -= 1;
                if entry.pins == 0 {
                    self.note_candidate(dep);
                }
            }
        }
    }

    /// Starts spills when more is held and promised than the budget.
    pub(crate) fn shrink_to_budget(&mut self, commands: &mut Vec<Command>) {
        if self.memory.excess(0) > 0 {
            self.make_room(0, 0, commands);
        }
    }

    /// Evicts and spills until `need` bytes will fit, those first whose next use is farthest away, and
    /// none that is needed before `earliest`.
    fn make_room(&mut self, need: u64, earliest: u64, commands: &mut Vec<Command>) {
        if self.memory.candidates.is_none() {
            self.collect_candidates();
        }
        while self.memory.excess(need) > 0 {
            let Some(task) = self.pop_candidate(earliest) else {
                return;
            };
            let entry = &mut self.tasks[task as usize];
            if entry.has(Task::ON_DISK) {
                entry.state = State::Disk;
                self.leave_memory(task);
                commands.push(Command::Evict { task });
            } else {
                self.begin_spill(task);
                self.transfers.push_back(Job::Spill { task });
            }
        }
    }

    /// What is to leave memory next: on disk already, or to be written unless the disk is full.
    fn pop_candidate(&mut self, earliest: u64) -> Option<TaskId> {
        loop {
            let clean = &mut self.memory.clean_candidates;
            let unwritten = self.memory.candidates.as_mut();
            let unwritten = unwritten.filter(|_| !self.memory.disk_full);
            let next = unwritten.as_ref().and_then(|candidates| candidates.peek());
            let candidates = match (clean.peek(), next) {
                (Some(clean_top), Some(top)) if clean_top.0 < top.0 => unwritten?,
                (None, _) => unwritten?,
                (Some(_), _) => clean,
            };
            if candidates.peek()?.0 < earliest {
                return None;
            }
            let listed = candidates.pop()?;
            if let Some(task) = self.take_listed(listed) {
                return Some(task);
            }
        }
    }

    /// A value that has come off a list, if it can be spilled. One that is needed earlier than it was when
    /// it was listed goes back there.
    fn take_listed(&mut self, (listed, task): (u64, TaskId)) -> Option<TaskId> {
        let entry = &mut self.tasks[task as usize];
        entry.set(Task::LISTED, false);
        if !is_spillable(entry, self.spill_bytes_min) {
            return None;
        }
        if self.next_use(task) < listed {
            self.note_candidate(task);
            return None;
        }
        Some(task)
    }

    fn begin_spill(&mut self, task: TaskId) {
        let entry = &mut self.tasks[task as usize];
        entry.state = State::Spilling;
        self.memory.leaving += entry.nbytes;
        self.transfers_open += 1;
    }

    /// The next job for a thread that does nothing but write values to disk.
    pub fn pull_spill(&mut self) -> Option<Job> {
        let is_spill = |job: &Job| matches!(job, Job::Spill { .. });
        if let Some(at) = self.transfers.iter().position(is_spill) {
            return self.transfers.remove(at);
        }
        if !self.memory.wants_ahead() {
            return None;
        }
        if self.memory.candidates.is_none() {
            self.collect_candidates();
        }
        let mut passed_over = Vec::new();
        let found = loop {
            let Some(listed) = self.memory.candidates.as_mut()?.pop() else {
                break None;
            };
            let Some(task) = self.take_listed(listed) else {
                continue;
            };
            if self.is_needed_at_once(task) {
                passed_over.push(task);
                continue;
            }
            if self.tasks[task as usize].has(Task::ON_DISK) {
                // The slot has had another value since it was listed.
                self.note_candidate(task);
                continue;
            }
            self.begin_spill(task);
            self.tasks[task as usize].set(Task::AHEAD, true);
            break Some(Job::Spill { task });
        };
        for task in passed_over {
            self.note_candidate(task);
        }
        found
    }

    /// Whether writing the value would take longer than it is likely to stay.
    fn is_needed_at_once(&self, task: TaskId) -> bool {
        let next = self.ready.peek(Pull::Any).map(|(_, next)| next);
        let is_next = next.is_some_and(|next| self.topology.deps(next).contains(&task));
        is_next || self.is_new(task)
    }

    /// Whether who needs the value may not be known here yet, since it was made just now.
    fn is_new(&self, task: TaskId) -> bool {
        !T::LISTS_ALL_DEPENDENTS
            && self.tasks[task as usize].users == 0
            && self.memory.newest.contains(&task)
    }

    /// A value was made. The one before that is new no longer may be one that nobody needs.
    pub(crate) fn note_made(&mut self, task: TaskId) {
        let Some(before) = self.memory.note_newest(task) else {
            return;
        };
        let entry = &mut self.tasks[before as usize];
        if entry.has(Task::LISTED) && entry.users == 0 {
            entry.set(Task::LISTED, false);
            self.note_candidate(before);
        }
    }

    /// Whether [`pull_spill`](Self::pull_spill) may have a job.
    pub fn has_spills(&self) -> bool {
        let is_spill = |job: &Job| matches!(job, Job::Spill { .. });
        let candidates = self.memory.candidates.as_ref();
        let may_write = candidates.is_none_or(|candidates| !candidates.is_empty());
        self.transfers.iter().any(is_spill) || may_write && self.memory.wants_ahead()
    }

    fn collect_candidates(&mut self) {
        self.memory.candidates = Some(BinaryHeap::new());
        for task in 0..self.tasks.len() as u32 {
            self.note_candidate(task);
        }
    }

    /// Lists a value that could be spilled, unless it is listed. A pinned one leaves the list when
    /// its turn comes, and is listed again when its last pin goes.
    pub(crate) fn note_candidate(&mut self, task: TaskId) {
        let entry = &mut self.tasks[task as usize];
        if self.memory.candidates.is_none()
            || entry.has(Task::LISTED)
            || !is_spillable(entry, self.spill_bytes_min)
        {
            return;
        }
        entry.set(Task::LISTED, true);
        let is_clean = entry.has(Task::ON_DISK);
        let next_use = self.next_use(task);
        match &mut self.memory.candidates {
            _ if is_clean => self.memory.clean_candidates.push((next_use, task)),
            Some(candidates) => candidates.push((next_use, task)),
            None => {}
        }
    }

    /// Priority of the first task that will need the value.
    fn next_use(&self, task: TaskId) -> u64 {
        if !T::LISTS_ALL_DEPENDENTS {
            let needed = self.tasks[task as usize].users > 0 || self.is_new(task);
            return if needed {
                self.topology.priority(task)
            } else {
                u64::MAX
            };
        }
        let users = self.topology.dependents(task).iter();
        users
            .take(USERS_SCANNED_MAX)
            .filter(|&&user| {
                let state = self.tasks[user as usize].state;
                matches!(state, State::Waiting | State::Ready | State::Loading)
            })
            .map(|&user| self.topology.priority(user))
            .min()
            .unwrap_or(u64::MAX)
    }

    pub(crate) fn on_spilled(&mut self, task: TaskId, commands: &mut Vec<Command>) {
        let ahead = self.end_spill(task);
        let entry = &mut self.tasks[task as usize];
        entry.set(Task::ON_DISK, true);
        self.memory.clean += entry.nbytes;
        if entry.has(Task::DOOMED) {
            self.drop_after_transfer(task, commands);
        } else if entry.pins == 0 && !ahead {
            entry.state = State::Disk;
            self.leave_memory(task);
            commands.push(Command::Evict { task });
        } else {
            self.note_candidate(task);
            self.shrink_to_budget(commands);
        }
    }

    pub(crate) fn on_spill_failed(&mut self, task: TaskId, commands: &mut Vec<Command>) {
        self.end_spill(task);
        let entry = &mut self.tasks[task as usize];
        entry.set(Task::UNSPILLABLE, true);
        if entry.has(Task::DOOMED) {
            self.drop_after_transfer(task, commands);
        }
    }

    /// The value stays in memory, as do all that are not on disk, before there is room.
    pub(crate) fn on_disk_full(&mut self, task: TaskId, commands: &mut Vec<Command>) {
        self.end_spill(task);
        self.memory.disk_full = true;
        if self.tasks[task as usize].has(Task::DOOMED) {
            self.drop_after_transfer(task, commands);
        } else {
            self.note_candidate(task);
        }
    }

    pub(crate) fn on_disk_has_room(&mut self, commands: &mut Vec<Command>) {
        self.memory.disk_full = false;
        self.shrink_to_budget(commands);
    }

    /// The value is in memory as before. Whether it was written ahead of need.
    fn end_spill(&mut self, task: TaskId) -> bool {
        let entry = &mut self.tasks[task as usize];
        self.transfers_open -= 1;
        self.memory.leaving -= entry.nbytes;
        entry.state = State::Memory;
        let ahead = entry.has(Task::AHEAD);
        entry.set(Task::AHEAD, false);
        ahead
    }

    pub(crate) fn on_unspilled(&mut self, task: TaskId, commands: &mut Vec<Command>) {
        self.transfers_open -= 1;
        let entry = &mut self.tasks[task as usize];
        entry.state = State::Memory;
        self.memory.clean += entry.nbytes;
        if entry.has(Task::DOOMED) {
            self.drop_after_transfer(task, commands);
            return;
        }
        let users = self.topology.dependents(task);
        let listed = T::LISTS_ALL_DEPENDENTS && users.len() <= USERS_SCANNED_MAX;
        let waiters: Vec<TaskId> = if listed {
            users.to_vec()
        } else {
            let deps = |&loading: &TaskId| {
                self.topology
                    .deps(loading)
                    .iter()
                    .map(move |&d| (loading, d))
            };
            let edges = self.loading.iter().flat_map(deps);
            edges
                .filter(|&(_, dep)| dep == task)
                .map(|(t, _)| t)
                .collect()
        };
        for user in waiters {
            let entry = &mut self.tasks[user as usize];
            if entry.state == State::Loading {
                entry.waiting -= 1;
                if entry.waiting == 0 {
                    self.loading.retain(|&other| other != user);
                    self.loaded.push(user);
                }
            }
        }
    }

    fn drop_after_transfer(&mut self, task: TaskId, commands: &mut Vec<Command>) {
        let entry = &mut self.tasks[task as usize];
        entry.state = State::Gone;
        self.leave_memory(task);
        commands.push(Command::Drop { task });
    }
}

fn is_spillable(entry: &Task, bytes_min: u64) -> bool {
    entry.state == State::Memory
        && entry.pins == 0
        && entry.nbytes > 0
        && entry.nbytes >= bytes_min
        && !entry.has(Task::UNSPILLABLE)
}
