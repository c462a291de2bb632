//! A task: one record a block that is wanted, or that something wanted needs.

use super::lists::Short;
use super::{Charge, ShareId};
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

/// One task: what all tasks have, in a line of the processor's cache. Lists of a few numbers are in
/// place, longer ones in the tables of [`Tasks`](super::Tasks).
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Task {
    pub layer: u32,
    pub block: u32,
    /// Changed by [`Tasks::set_state`](super::Tasks::set_state).
    pub state: TaskState,
    /// How many more times it may raise and be run again.
    pub retries: u8,
    /// How many times it raised and was run again.
    pub raised: u8,
    /// Workers that died while they ran it.
    pub deaths: u8,
    /// While Assigned: it waits for others and takes no thread.
    pub seceded: bool,
    /// Clients of other shares want it too, or something that needs it: no quota of bytes holds it
    /// back.
    pub is_shared: bool,
    /// Whom it is counted for.
    pub share: ShareId,
    /// What counts depends on the state: what it was charged with while Placed or Assigned, what it
    /// misses while Waiting or Forgotten, else the bytes of its value.
    figure: u64,
    /// Smaller runs earlier.
    pub priority: u64,
    /// Entries in deps of pending tasks that name this one.
    pub needed_by: u32,
    /// Entries in deps of existing tasks that name this one.
    pub dependent_count: u32,
    /// Tells this task from others that had the same record before.
    pub serial: u32,
    pub(super) deps: Short<TaskId, 2>,
    pub(super) dependents: Short<TaskId, 1>,
    /// The holders while in Memory, else the number of a worker.
    pub(super) place: Short<WorkerId, 1>,
    pub(super) wanted_by: Short<ClientId, 1>,
}

const _: () = assert!(size_of::<Task>() == 64);

impl Task {
    /// A task in state Released without edges.
    pub(super) fn new(
        (layer, block): (u32, u32),
        share: ShareId,
        priority: u64,
        retries: u8,
        serial: u32,
    ) -> Self {
        Task {
            layer,
            block,
            state: TaskState::Released,
            retries,
            raised: 0,
            deaths: 0,
            seceded: false,
            is_shared: false,
            share,
            figure: 0,
            priority,
            needed_by: 0,
            dependent_count: 0,
            serial,
            deps: Short::new(),
            dependents: Short::new(),
            place: Short::new(),
            wanted_by: Short::new(),
        }
    }

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

    /// Whether it needs no other value.
    #[inline]
    pub fn is_source(&self) -> bool {
        self.deps.is_empty()
    }

    /// Where it is Placed or Assigned.
    #[inline]
    pub fn worker(&self) -> WorkerId {
        self.place.in_place()
    }

    /// The same, as a list of one.
    pub fn workers(&self) -> &[WorkerId] {
        self.place.all_in_place()
    }

    /// Writes down where a pending task is Placed or Assigned, or was made.
    #[inline]
    pub fn set_worker(&mut self, worker: WorkerId) {
        debug_assert_ne!(self.state, TaskState::Memory);
        self.place = Short::raw(worker);
    }

    /// Bytes of its value; 0 if it was not made, or is to be made again.
    #[inline]
    pub fn nbytes(&self) -> u64 {
        match self.state {
            TaskState::Memory | TaskState::Released | TaskState::Erred => self.figure,
            _ => 0,
        }
    }

    /// Writes down the bytes of a value in memory.
    #[inline]
    pub fn set_nbytes(&mut self, nbytes: u64) {
        debug_assert_eq!(self.state, TaskState::Memory);
        self.figure = nbytes;
    }

    /// While Waiting: how many of its deps are not in memory. While Forgotten: how many entries of
    /// dependents still name it.
    #[inline]
    pub fn missing(&self) -> u32 {
        match self.state {
            TaskState::Waiting | TaskState::Forgotten => self.figure as u32,
            _ => 0,
        }
    }

    /// Counts for a task that is Waiting or Forgotten, or about to be.
    #[inline]
    pub fn set_missing(&mut self, missing: u32) {
        self.figure = u64::from(missing);
    }

    /// One of its deps is in memory; how many are not.
    #[inline]
    pub fn count_down(&mut self) -> u32 {
        self.figure -= 1;
        self.figure as u32
    }

    /// Predicted duration that its worker's occupancy was charged with, and predicted bytes that its
    /// memory was charged with.
    #[inline]
    pub fn charge(&self) -> (u32, Charge) {
        match self.state {
            TaskState::Placed | TaskState::Assigned => (
                self.figure as u32,
                Charge::from_bits((self.figure >> 32) as u32),
            ),
            _ => (0, Charge::default()),
        }
    }

    /// Writes down what the worker of a task that is Placed or Assigned, or about to be, is charged
    /// with.
    #[inline]
    pub fn set_charge(&mut self, micros: u32, bytes: Charge) {
        self.figure = u64::from(micros) | u64::from(bytes.to_bits()) << 32;
    }

    /// Its worker is not charged any more.
    #[inline]
    pub fn take_charge(&mut self) -> (u32, Charge) {
        let charge = self.charge();
        if matches!(self.state, TaskState::Placed | TaskState::Assigned) {
            self.figure = 0;
        }
        charge
    }

    /// Changes its state; what counted in the state before counts no more.
    pub(super) fn enter(&mut self, state: TaskState) {
        if self.state.is_pending() && !state.is_pending() {
            self.figure = 0;
        }
        self.state = state;
    }
}
