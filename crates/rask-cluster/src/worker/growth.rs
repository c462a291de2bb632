//! By how much the process grows while tasks run: memory that is no value shows up as whose it is.
//! Of tasks that run at the same time each is taken to have an equal part in it.

use parking_lot::Mutex;

use super::core::Key;
use crate::memory_guard::ProcessMemory;
use crate::segments;

/// Shorter tasks are not looked at: that takes some twenty microseconds.
const NANOS_MIN: u64 = 5_000_000;

/// The tasks that are looked at.
#[derive(Debug, Default)]
pub(super) struct Growth {
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    tasks: Vec<Watched>,
    begun: u64,
}

#[derive(Debug)]
struct Watched {
    serial: u64,
    key: Key,
    /// Bytes of the process when the task began, and at most since.
    before: u64,
    most: u64,
    /// Most tasks that ran at a time, this one included.
    company: u64,
}

/// What a task has made of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grown {
    /// At most while it ran.
    pub most_bytes: u64,
    /// When it had ended, if nothing else was looked at meanwhile.
    pub left_bytes: Option<u64>,
}

impl Watched {
    fn part(&self, bytes: u64) -> u64 {
        bytes.saturating_sub(self.before) / self.company
    }
}

impl Growth {
    /// A task begins that is thought to take so long; 0 is unknown. The number is for
    /// [`end`](Self::end).
    pub fn begin(&self, key: Key, predicted_nanos: u64) -> Option<u64> {
        if predicted_nanos > 0 && predicted_nanos < NANOS_MIN {
            return None;
        }
        let before = own_bytes()?;
        Some(self.running.lock().begin(key, before))
    }

    /// The task has ended, one way or another.
    pub fn end(&self, serial: Option<u64>) -> Grown {
        let Some(serial) = serial else {
            return Grown::default();
        };
        let after = own_bytes().unwrap_or(0);
        self.running.lock().end(serial, after)
    }

    /// The process has so many bytes now.
    pub fn look(&self, own: u64) {
        for task in &mut self.running.lock().tasks {
            task.most = task.most.max(own);
        }
    }

    /// By how much the process has grown at most since each of these tasks began.
    pub fn of(&self, keys: impl Iterator<Item = Key>) -> Vec<u64> {
        let running = self.running.lock();
        let find = |key: Key| running.tasks.iter().find(|task| task.key == key);
        keys.map(|key| find(key).map_or(0, |task| task.part(task.most)))
            .collect()
    }
}

impl Running {
    fn begin(&mut self, key: Key, before: u64) -> u64 {
        self.begun += 1;
        self.tasks.push(Watched {
            serial: self.begun,
            key,
            before,
            most: before,
            company: 1,
        });
        let count = self.tasks.len() as u64;
        for task in &mut self.tasks {
            task.company = task.company.max(count);
        }
        self.begun
    }

    fn end(&mut self, serial: u64, after: u64) -> Grown {
        let Some(at) = self.tasks.iter().position(|task| task.serial == serial) else {
            return Grown::default();
        };
        let task = self.tasks.swap_remove(at);
        Grown {
            most_bytes: task.part(task.most.max(after)),
            left_bytes: (task.company == 1).then(|| task.part(after)),
        }
    }
}

fn own_bytes() -> Option<u64> {
    Some(ProcessMemory::of_this_process(segments::count_bytes())?.own_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_alone_answers_for_all_of_it() {
        let growth = Growth::default();
        let serial = growth.running.lock().begin((1, 2), 100);
        growth.look(700);
        assert_eq!(growth.of([(1, 2), (3, 4)].into_iter()), [600, 0]);
        let grown = growth.running.lock().end(serial, 300);
        assert_eq!((grown.most_bytes, grown.left_bytes), (600, Some(200)));
    }

    #[test]
    fn tasks_at_the_same_time_share_it() {
        let growth = Growth::default();
        let first = growth.running.lock().begin((1, 0), 100);
        let second = growth.running.lock().begin((1, 1), 100);
        growth.look(300);
        let grown = growth.running.lock().end(first, 300);
        assert_eq!((grown.most_bytes, grown.left_bytes), (100, None));
        let grown = growth.running.lock().end(second, 500);
        assert_eq!(grown.most_bytes, 200);
        assert_eq!(growth.running.lock().end(second, 500), Grown::default());
    }

    #[test]
    fn short_tasks_are_not_looked_at() {
        let growth = Growth::default();
        assert_eq!(growth.begin((0, 0), 1000), None);
        assert_eq!(growth.end(None), Grown::default());
        let serial = growth.begin((0, 0), 0);
        assert!(serial.is_some() && growth.end(serial).left_bytes.is_some());
    }
}
