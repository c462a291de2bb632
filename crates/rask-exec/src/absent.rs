//! Tasks that run and wait for others meanwhile: what they wait for may have to run here, so that
//! nothing may wait for their end.

use crate::Worker;
use crate::state::{State, Task};

impl Worker {
    /// The task of this key, if it runs, waits for others from now on, or goes on itself. `true` if
    /// that changed anything.
    pub fn set_absent(&mut self, key: u64, is_absent: bool) -> bool {
        let Some(task) = self.find(key) else {
            return false;
        };
        let entry = &mut self.machine.tasks[task as usize];
        if entry.state != State::Running || entry.has(Task::ABSENT) == is_absent {
            return false;
        }
        entry.set(Task::ABSENT, is_absent);
        match is_absent {
            true => self.machine.absent += 1,
            false => self.machine.absent -= 1,
        }
        true
    }

    /// Whether the task of this key runs and waits for others.
    pub fn is_absent(&self, key: u64) -> bool {
        let task = self.find(key);
        task.is_some_and(|task| self.machine.tasks[task as usize].has(Task::ABSENT))
    }

    /// The keys of the tasks that run and wait for others.
    pub fn absent_keys(&self) -> impl Iterator<Item = u64> {
        self.keys_where(|task| task.has(Task::ABSENT) && !task.has(Task::DOOMED))
    }
}
