//! What the machine is told, and what it answers.

use crate::TaskId;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A job `Run` ended well; the shell now holds the task's value of `nbytes` bytes. `nanos` is how
    /// long it ran.
    Finished {
        task: TaskId,
        nbytes: u64,
        nanos: u64,
    },
    /// A job `Run` ended badly.
    Failed { task: TaskId },
    /// A job `Spill` ended: the value is also on disk.
    Spilled { task: TaskId },
    /// A job `Spill` could not be done, and never can (the value cannot be encoded).
    SpillFailed { task: TaskId },
    /// A job `Spill` could not be done, as no other can before [`Event::DiskHasRoom`].
    DiskFull { task: TaskId },
    /// Values may be written to disk again.
    DiskHasRoom,
    /// A job `Unspill` ended: the value is in memory again, and still on disk too.
    Unspilled { task: TaskId },
    /// Nobody outside needs the value any longer.
    Released { task: TaskId },
    /// The task is not wanted any longer; it may be running.
    Cancelled { task: TaskId },
}

/// Something the shell does at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Forget the value, in memory and on disk.
    Drop { task: TaskId },
    /// Forget the value's copy in memory; the one on disk stays.
    Evict { task: TaskId },
    /// A kept value has become available: tell whoever wanted it.
    Report { task: TaskId },
    /// Tell the scheduler that the task cannot be run here, since the input of this key cannot be
    /// had.
    GiveBack { task: TaskId, input: u64 },
}

/// Something that takes a while, done by whichever thread pulled it. Ends with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Run the task. All its inputs are in memory.
    Run { task: TaskId },
    /// Write the value to disk. It stays in memory until `Evict` or `Drop`.
    Spill { task: TaskId },
    /// Read the value back from disk.
    Unspill { task: TaskId },
}
