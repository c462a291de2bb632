//! Values from peers: who is asked for what, as there is room for it.

use std::cmp::Reverse;

use crate::state::{State, Task};
use crate::{Command, Source, TaskId, Worker};

/// A value to be had from a peer. Ends with [`Worker::fetched`] or [`Worker::fetch_failed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    pub task: TaskId,
    pub key: u64,
    /// See [`Source::part`].
    pub part: u32,
    pub holder: u32,
    pub nbytes: u64,
    /// Tells this fetch from others into the same slot.
    pub serial: u32,
}

/// So many bytes may be on their way at a time, since for so long they are in two places, and so
/// many values whatever their size.
const FETCHING_BYTES_MAX: u64 = 64 << 20;
const FETCHES_MIN: u32 = 2;

impl Worker {
    /// The slot of an input. One that is to come from a peer is put in line. `None` if it should be
    /// here and is not.
    pub(crate) fn find_or_expect(&mut self, source: Source, priority: u64) -> Option<TaskId> {
        let found = self.machine.topology.find(source.key, source.part);
        if let Some(task) = found {
            let entry = &mut self.machine.tasks[task as usize];
            if matches!(entry.state, State::Failed | State::Gone) {
                return None;
            }
            entry.set(Task::DOOMED, false);
            self.put_in_line(task, source, priority);
            return Some(task);
        }
        source.holder?;
        let task = self.machine.add_slot(source.key, source.part);
        self.put_in_line(task, source, priority);
        Some(task)
    }

    /// Asks for a remote value on behalf of a task of this priority.
    fn put_in_line(&mut self, task: TaskId, source: Source, priority: u64) {
        let state = &mut self.machine.tasks[task as usize];
        let entry = &mut self.machine.topology.entries[task as usize];
        if state.state != State::Remote || source.holder.is_none() {
            return;
        }
        state.nbytes = source.nbytes;
        let waits = entry.holder.is_some() && entry.priority <= priority;
        entry.holder = source.holder;
        if !waits {
            entry.priority = priority;
            self.fetches.push(Reverse((priority, task)));
        }
    }

    /// Holds a value that a peer has as well.
    pub fn replicate(&mut self, source: Source, commands: &mut Vec<Command>) {
        self.recycle();
        let Some(task) = self.find_or_expect(source, u64::MAX) else {
            return;
        };
        let entry = &mut self.machine.tasks[task as usize];
        entry.set(Task::KEPT, true);
        if entry.has_value() {
            commands.push(Command::Report { task });
        }
    }

    /// The next value to fetch, if there is room for it.
    pub fn pull_fetch(&mut self, commands: &mut Vec<Command>) -> Option<Fetch> {
        self.machine.transfers_elsewhere = self.fetches_open;
        while let Some(&Reverse((priority, task))) = self.fetches.peek() {
            let entry = &self.machine.tasks[task as usize];
            let known = &self.machine.topology.entries[task as usize];
            let (Some(holder), State::Remote) = (known.holder, entry.state) else {
                self.fetches.pop();
                continue;
            };
            let nbytes = entry.nbytes;
            let is_enough = self.fetches_open >= FETCHES_MIN
                && self.fetching_bytes.saturating_add(nbytes) > FETCHING_BYTES_MAX;
            if is_enough || !self.machine.may_begin() {
                return None;
            }
            let busy = self.machine.is_busy() || self.machine.has_next();
            let may_exceed = !busy && self.machine.memory.may_exceed(nbytes);
            let has_room = self.machine.make_room_for(nbytes, priority, commands);
            if !has_room && !may_exceed {
                return None;
            }
            self.fetches.pop();
            let entry = &mut self.machine.tasks[task as usize];
            entry.state = State::Fetching;
            self.machine.memory.held += nbytes;
            self.fetches_open += 1;
            self.fetching_bytes += nbytes;
            self.fetches_begun = self.fetches_begun.wrapping_add(1).max(1);
            let serial = self.fetches_begun;
            let known = &mut self.machine.topology.entries[task as usize];
            known.fetch = serial;
            let (key, part) = (known.key, known.part);
            return Some(Fetch {
                task,
                key,
                part,
                holder,
                nbytes,
                serial,
            });
        }
        None
    }

    /// A value has come from a peer. Returns whether it is still wanted; if so, the shell keeps it
    /// in the task's slot.
    pub fn fetched(&mut self, fetch: &Fetch, nbytes: u64, commands: &mut Vec<Command>) -> bool {
        self.recycle();
        let Some(wanted) = self.end_fetch(fetch) else {
            return false;
        };
        let task = fetch.task;
        if !wanted {
            self.machine.tasks[task as usize].state = State::Gone;
            self.retire_one(task);
            return false;
        }
        let entry = &mut self.machine.tasks[task as usize];
        entry.state = State::Memory;
        entry.nbytes = nbytes;
        self.machine.memory.held += nbytes;
        if fetch.part == 0 {
            entry.set(Task::KEPT, true);
            commands.push(Command::Report { task });
        }
        self.machine.on_arrived(task, commands);
        true
    }

    /// A peer did not hand a value over. The tasks that wait for it are given back.
    pub fn fetch_failed(&mut self, fetch: &Fetch, commands: &mut Vec<Command>) {
        self.recycle();
        if self.end_fetch(fetch).is_none() {
            return;
        }
        let task = fetch.task;
        self.machine.tasks[task as usize].state = State::Gone;
        self.disappoint(task, commands);
        self.retire(commands);
    }

    /// Whether the value is still wanted; `None` if the fetch was abandoned.
    fn end_fetch(&mut self, fetch: &Fetch) -> Option<bool> {
        self.fetches_open -= 1;
        self.fetching_bytes -= fetch.nbytes;
        let entry = &self.machine.tasks[fetch.task as usize];
        let current = self.machine.topology.entries[fetch.task as usize].fetch == fetch.serial;
        if !current || entry.state != State::Fetching {
            return None;
        }
        self.machine.memory.held -= entry.nbytes;
        Some(!entry.has(Task::DOOMED))
    }

    /// What comes of the fetch under way is not taken in.
    pub(crate) fn abandon_fetch(&mut self, task: TaskId) {
        self.machine.memory.held -= self.machine.tasks[task as usize].nbytes;
        self.machine.topology.entries[task as usize].fetch = 0;
    }
}
