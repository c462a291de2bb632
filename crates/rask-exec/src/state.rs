//! What the machine knows of one task.

/// Where a task, or its value, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Some input has no value yet.
    Waiting,
    /// Could run, if there is room.
    Ready,
    /// Admitted; some inputs are being read back from disk.
    Loading,
    Running,
    /// Has a value in memory (and on disk, if `Task::ON_DISK`).
    Memory,
    /// Has a value in memory that is being written to disk.
    Spilling,
    /// Has a value on disk only.
    Disk,
    /// Has a value on disk that is being read back.
    Unspilling,
    /// The value is at a peer.
    Remote,
    /// The value is on its way from a peer.
    Fetching,
    /// Had a value, or was given up.
    Gone,
    Failed,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) state: State,
    flags: u8,
    /// Edges to inputs without a value; while `Loading`, edges to inputs not in memory.
    pub(crate) waiting: u32,
    /// Edges from tasks that have not finished.
    pub(crate) users: u32,
    /// Edges from tasks that are loading or running.
    pub(crate) pins: u32,
    /// Size of the value; while loading or running, the size it is predicted to have.
    pub(crate) nbytes: u64,
}

impl Task {
    /// Somebody outside wants the value.
    pub(crate) const KEPT: u8 = 1;
    /// There is a copy on disk.
    pub(crate) const ON_DISK: u8 = 2;
    /// Spilling is pointless: it was tried, or the memory is somebody else's.
    pub(crate) const UNSPILLABLE: u8 = 4;
    /// To be forgotten as soon as what is being done to it has ended.
    pub(crate) const DOOMED: u8 = 8;
    /// Listed among the values that could be spilled.
    pub(crate) const LISTED: u8 = 16;
    /// While it is being written to disk: nobody needs its room yet.
    pub(crate) const AHEAD: u8 = 32;
    /// While it runs: it waits for other tasks.
    pub(crate) const ABSENT: u8 = 64;

    /// A task with this many edges to inputs and from dependents.
    pub(crate) fn new(waiting: u32, users: u32) -> Self {
        Task {
            state: State::Waiting,
            flags: 0,
            waiting,
            users,
            pins: 0,
            nbytes: 0,
        }
    }

    #[inline]
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    #[inline]
    pub(crate) fn set(&mut self, flag: u8, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }

    /// Whether there is a value, anywhere here.
    pub(crate) fn has_value(&self) -> bool {
        matches!(
            self.state,
            State::Memory | State::Spilling | State::Disk | State::Unspilling
        )
    }

    /// Whether the value can be handed to a running task.
    pub(crate) fn in_memory(&self) -> bool {
        matches!(self.state, State::Memory | State::Spilling)
    }

    /// Whether the value's bytes count towards the memory held.
    pub(crate) fn counts_as_held(&self) -> bool {
        self.in_memory() || matches!(self.state, State::Unspilling | State::Fetching)
    }
}
