//! Beginning no tasks for a while, since memory is short beyond what spilling can help.

use crate::state::State;
use crate::{Machine, TaskId, Topology, Worker};

/// Whether tasks begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// As there is room.
    #[default]
    Full,
    /// One at a time, when nothing else goes on.
    OneByOne,
    /// None. What has begun goes on, and values are written to disk and read back.
    Paused,
}

impl<T: Topology> Machine<T> {
    /// Whether a task may begin, or a value be fetched, as far as the pace goes.
    #[inline]
    pub(crate) fn may_begin(&self) -> bool {
        match self.pace {
            Pace::Full => true,
            Pace::OneByOne => !self.is_busy(),
            Pace::Paused => false,
        }
    }
}

impl Worker {
    /// Tasks begin at this pace from now on.
    pub fn set_pace(&mut self, pace: Pace) {
        self.machine.pace = pace;
    }

    /// The pace of beginning tasks.
    pub fn pace(&self) -> Pace {
        self.machine.pace
    }

    /// The keys of the tasks that have not begun, not even to read their inputs back.
    pub fn unbegun_keys(&self) -> Vec<u64> {
        let tasks = self.machine.tasks.iter().enumerate();
        tasks
            .filter(|(slot, task)| {
                matches!(task.state, State::Waiting | State::Ready)
                    && !self.machine.topology.is_vacant(*slot as TaskId)
            })
            .map(|(slot, _)| self.key_of(slot as TaskId))
            .collect()
    }
}
