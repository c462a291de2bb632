//! What tasks went through last: one entry a change of state, in a ring of plain numbers. Names are
//! looked up when somebody asks.

use super::TaskState;
use crate::event::{Time, WorkerId};

/// One change of state, in 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    layer: u32,
    block: u32,
    worker: WorkerId,
    /// From the lowest bits: state before (3 bits), state after (3 bits), number of the event.
    packed: u32,
}

const STATE_BITS: u32 = 3;
const STATE_MASK: u32 = (1 << STATE_BITS) - 1;
const EVENT_SHIFT: u32 = 2 * STATE_BITS;
/// Numbers of events are kept without their upper bits; the ring is far shorter than these count.
const EVENT_MASK: u64 = u32::MAX as u64 >> EVENT_SHIFT;
const LENGTH_MAX: usize = 1 << 24;
/// Memory for so many changes is ready before there are any.
const PREPARED: usize = 4096;

/// What happened to the scheduler, from which changes followed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cause {
    pub micros: u64,
    /// As in `stimulus::NAMES`.
    pub kind: u8,
}

/// An entry with what it refers to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub layer: u32,
    pub block: u32,
    pub worker: WorkerId,
    pub from: TaskState,
    pub to: TaskState,
    /// Number of the event, over the scheduler's whole life.
    pub event: u64,
    pub cause: Cause,
}

/// The ring, and another of the events that entries came from.
#[derive(Debug)]
pub(crate) struct History {
    entries: Vec<Entry>,
    causes: Vec<Cause>,
    /// Length of each ring, a power of two; 0: nothing is remembered.
    length: usize,
    /// Entries so far.
    written: u64,
    /// Events so far from which entries came.
    events: u64,
    current: Cause,
    /// The current event has been counted.
    is_counted: bool,
}

impl Default for History {
    fn default() -> Self {
        History::new(0)
    }
}

impl History {
    /// Remembers the last `length` changes at least.
    pub fn new(length: usize) -> Self {
        let length = match length {
            0 => 0,
            length => length.min(LENGTH_MAX).next_power_of_two(),
        };
        History {
            entries: Vec::new(),
            causes: Vec::new(),
            length,
            written: 0,
            events: 0,
            current: Cause::default(),
            is_counted: false,
        }
    }

    /// Has memory ready for the first changes.
    pub fn prepare(&mut self) {
        if self.written == 0 && self.events == 0 {
            let blank = Entry {
                layer: 0,
                block: 0,
                worker: WorkerId(0),
                packed: 0,
            };
            let count = self.length.min(PREPARED);
            self.entries.resize(count, blank);
            self.entries.clear();
            self.causes.resize(count / 2, Cause::default());
            self.causes.clear();
        }
    }

    /// Something happens to the scheduler.
    #[inline]
    pub fn begin(&mut self, now: Time, kind: u8) {
        self.current = Cause {
            micros: now.micros,
            kind,
        };
        self.is_counted = false;
    }

    /// A task changes its state.
    #[inline]
    pub fn note(&mut self, task: (u32, u32), worker: WorkerId, from: TaskState, to: TaskState) {
        if self.length == 0 {
            return;
        }
        if !self.is_counted {
            self.count_event();
        }
        let event = (self.events & EVENT_MASK) as u32;
        let entry = Entry {
            layer: task.0,
            block: task.1,
            worker,
            packed: from as u32 | (to as u32) << STATE_BITS | event << EVENT_SHIFT,
        };
        let at = self.written as usize & (self.length - 1);
        self.written += 1;
        match self.entries.get_mut(at) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
    }

    fn count_event(&mut self) {
        self.is_counted = true;
        self.events += 1;
        let at = self.events as usize & (self.length - 1);
        if self.causes.len() <= at {
            self.causes.resize(at + 1, Cause::default());
        }
        self.causes[at] = self.current;
    }

    /// How many entries there were.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// How many of them are forgotten.
    pub fn forgotten(&self) -> u64 {
        self.written - self.entries.len() as u64
    }

    /// The changes that are remembered, from the `from`th on, the oldest first.
    pub fn changes(&self, from: u64) -> impl Iterator<Item = Change> {
        (from.max(self.forgotten())..self.written).map(|number| self.change(number))
    }

    fn change(&self, number: u64) -> Change {
        let entry = self.entries[number as usize & (self.length - 1)];
        let low = u64::from(entry.packed >> EVENT_SHIFT);
        let age = self.events.wrapping_sub(low) & EVENT_MASK;
        let event = self.events - age;
        Change {
            layer: entry.layer,
            block: entry.block,
            worker: entry.worker,
            from: state_of(entry.packed),
            to: state_of(entry.packed >> STATE_BITS),
            event,
            cause: self.causes[event as usize & (self.length - 1)],
        }
    }
}

fn state_of(bits: u32) -> TaskState {
    const STATES: [TaskState; 8] = [
        TaskState::Released,
        TaskState::Waiting,
        TaskState::Queued,
        TaskState::Placed,
        TaskState::Assigned,
        TaskState::Memory,
        TaskState::Erred,
        TaskState::Forgotten,
    ];
    const _: () = assert!(TaskState::Forgotten as u32 == 7);
    STATES[(bits & STATE_MASK) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(history: &mut History, block: u32) {
        let worker = WorkerId(block);
        history.note((1, block), worker, TaskState::Queued, TaskState::Assigned);
    }

    #[test]
    fn the_last_changes_are_remembered_with_their_causes() {
        let mut history = History::new(5);
        for event in 0..20u32 {
            let micros = u64::from(event) * 10;
            history.begin(Time { micros }, event as u8);
            // Events without changes are not counted.
            for at in 0..event % 3 {
                note(&mut history, event * 3 + at);
            }
        }
        let changes: Vec<Change> = history.changes(0).collect();
        assert_eq!(changes.len(), 8);
        for change in &changes {
            let event = change.block / 3;
            assert_eq!(change.cause.micros, u64::from(event) * 10);
            assert_eq!(u32::from(change.cause.kind), event);
            assert_eq!(
                (change.from, change.to),
                (TaskState::Queued, TaskState::Assigned)
            );
        }
        let newest = history.changes(history.written() - 1).next().unwrap();
        assert_eq!(newest.block, 19 * 3);
        assert_eq!(newest.event, 13);
    }
}
