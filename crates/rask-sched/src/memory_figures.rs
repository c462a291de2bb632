//! The memory of all workers together, as they told last.

use std::collections::VecDeque;

use crate::event::{ClientId, Time};
use crate::scheduler::Scheduler;

/// What is not managed counts as old when it has been there for this long.
const OLD_MICROS: u64 = 30_000_000;

/// The least that a figure was over the last while.
#[derive(Debug, Default)]
pub(crate) struct Least {
    /// Rising in time and in size: each is the least of those after it.
    entries: VecDeque<(Time, u64)>,
}

impl Least {
    /// The figure is this now.
    pub fn note(&mut self, now: Time, nbytes: u64) {
        while self.entries.back().is_some_and(|(_, last)| *last >= nbytes) {
            self.entries.pop_back();
        }
        self.entries.push_back((now, nbytes));
        let is_old = |entry: &(Time, u64)| entry.0.micros + OLD_MICROS < now.micros;
        while self.entries.len() > 1 && self.entries.front().is_some_and(is_old) {
            self.entries.pop_front();
        }
    }

    /// The least figure.
    pub fn get(&self) -> u64 {
        self.entries.front().map_or(0, |(_, nbytes)| *nbytes)
    }
}

/// Bytes of workers, with the names that users know them by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryFigures {
    /// Of the processes.
    pub process: u64,
    /// Of values in memory.
    pub managed: u64,
    /// Of values on disk.
    pub spilled: u64,
    /// Of the processes, what are no values.
    pub unmanaged: u64,
    /// Of that, what has been there for half a minute.
    pub unmanaged_old: u64,
}

impl MemoryFigures {
    /// A figure by its name.
    pub fn find(&self, measure: &str) -> Option<u64> {
        Some(match measure {
            "process" => self.process,
            "managed" | "managed_in_memory" => self.managed,
            "managed_total" => self.managed + self.spilled,
            "spilled" | "managed_spilled" => self.spilled,
            "unmanaged" => self.unmanaged,
            "unmanaged_old" => self.unmanaged_old,
            "unmanaged_recent" => self.unmanaged - self.unmanaged_old,
            "optimistic" => self.managed + self.unmanaged_old,
            _ => return None,
        })
    }
}

impl Scheduler {
    /// The memory of all workers together.
    pub fn memory_figures(&self) -> MemoryFigures {
        let mut sum = MemoryFigures::default();
        for worker in self.workers.by_id.values() {
            let heartbeat = &worker.heartbeat;
            let unmanaged = heartbeat.unmanaged_bytes;
            for (total, told) in [
                (&mut sum.process, heartbeat.process_bytes),
                (&mut sum.managed, heartbeat.managed_bytes),
                (&mut sum.spilled, heartbeat.spilled_bytes),
                (&mut sum.unmanaged, unmanaged),
                (
                    &mut sum.unmanaged_old,
                    worker.unmanaged_least.get().min(unmanaged),
                ),
            ] {
                *total = total.saturating_add(told);
            }
        }
        sum
    }

    /// Whether the client is there, or may come back.
    pub fn knows_client(&self, client: ClientId) -> bool {
        self.clients.by_id.contains_key(&client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_the_last_while() {
        let mut least = Least::default();
        let at = |seconds: u64| Time {
            micros: seconds * 1_000_000,
        };
        let told = [(0, 5), (10, 3), (20, 8), (35, 9), (41, 7), (55, 9), (80, 9)];
        let found = told.map(|(seconds, nbytes)| {
            least.note(at(seconds), nbytes);
            least.get()
        });
        assert_eq!(found, [5, 3, 3, 3, 7, 7, 9]);
    }
}
