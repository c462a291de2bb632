//! Tasks that raised and are to be run again, some time later: what they need may be down for a
//! while, and is not helped by being asked at once by everybody.

use std::collections::BTreeSet;

use crate::HashMap;
use crate::event::Time;
use crate::scheduler::Scheduler;
use crate::state::{ShareId, TaskId, TaskState};

/// Doublings that are counted; with more, any delay is longer than can be told.
const DOUBLINGS_MAX: u32 = 31;

/// Delays are up to a fourth longer, each task's by another part of it.
const SPREAD: u64 = 4;

/// Tasks that wait for their time: in state Waiting, whatever they miss.
#[derive(Debug, Default)]
pub(crate) struct Delays {
    /// By task and its serial.
    until: HashMap<(TaskId, u32), Time>,
    due: BTreeSet<(Time, TaskId, u32)>,
}

impl Delays {
    /// Whether the task is to wait.
    #[inline]
    pub fn holds(&self, task: TaskId, serial: u32) -> bool {
        !self.until.is_empty() && self.until.contains_key(&(task, serial))
    }

    /// When the next of them is to be looked at.
    pub fn next(&self) -> Option<Time> {
        self.due.first().map(|(time, _, _)| *time)
    }

    fn add(&mut self, task: TaskId, serial: u32, until: Time) {
        if let Some(before) = self.until.insert((task, serial), until) {
            self.due.remove(&(before, task, serial));
        }
        self.due.insert((until, task, serial));
    }

    fn take_due(&mut self, now: Time) -> Option<(TaskId, u32)> {
        let &(until, task, serial) = self.due.first().filter(|(until, _, _)| *until <= now)?;
        self.due.remove(&(until, task, serial));
        self.until.remove(&(task, serial));
        Some((task, serial))
    }
}

impl Scheduler {
    /// A task raised and may be run again: at once, or later each time.
    pub(crate) fn repeat_raised(&mut self, id: TaskId) {
        let task = self.tasks.get_mut(id);
        task.retries -= 1;
        task.raised = task.raised.saturating_add(1);
        let (raised, serial, block) = (task.raised, task.serial, task.block);
        self.journal_troubles(id);
        let task = self.tasks.get(id);
        let layer = self.layers.get(task.layer);
        let millis = decide_delay(layer.retry_millis, layer.retry_millis_max, raised, block);
        if millis > 0 {
            let micros = self.now.micros.saturating_add(millis.saturating_mul(1000));
            self.delays.add(id, serial, Time { micros });
        }
        self.count_missing(id);
    }

    /// Whether tasks of a share wait for their time.
    pub(crate) fn has_delayed(&self, share: ShareId) -> bool {
        self.delays.due.iter().any(|&(_, id, serial)| {
            let task = self.tasks.find(id, serial);
            task.is_some_and(|task| task.share == share && task.state == TaskState::Waiting)
        })
    }

    /// Tasks whose time has come go on.
    pub(crate) fn resume_delayed(&mut self) {
        while let Some((id, serial)) = self.delays.take_due(self.now) {
            let task = self.tasks.find(id, serial);
            if task.is_some_and(|task| task.state == TaskState::Waiting) {
                self.count_missing(id);
            }
        }
    }
}

/// Milliseconds until the next run of a task that has raised so many times.
fn decide_delay(first_millis: u32, millis_max: u32, raised: u8, block: u32) -> u64 {
    let doublings = u32::from(raised).saturating_sub(1).min(DOUBLINGS_MAX);
    let delay = u64::from(first_millis) << doublings;
    // Neighbours are far from another by the golden section of all numbers.
    let place = u64::from(block.wrapping_mul(0x9e37_79b9));
    let spread = (u128::from(delay / SPREAD) * u128::from(place)) >> 32;
    let delay = delay + spread as u64;
    match millis_max {
        0 => delay,
        max => delay.min(u64::from(max)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest() {
        let delays = (1..=5).map(|raised| decide_delay(100, 1000, raised, 0));
        assert_eq!(delays.collect::<Vec<_>>(), [100, 200, 400, 800, 1000]);
        assert_eq!(decide_delay(1, 0, 255, 0), 1 << 31);
        assert_eq!(decide_delay(0, 1000, 3, 7), 0);
    }

    #[test]
    fn neighbours_are_spread_over_a_fourth() {
        let delays: Vec<u64> = (0..100)
            .map(|block| decide_delay(1000, 0, 1, block))
            .collect();
        assert!(delays.iter().all(|delay| (1000..1250).contains(delay)));
        let distinct: BTreeSet<u64> = delays.into_iter().collect();
        assert!(distinct.len() > 60, "{distinct:?}");
        assert!(decide_delay(u32::MAX, 0, 255, u32::MAX) > u64::from(u32::MAX) << 31);
    }
}
