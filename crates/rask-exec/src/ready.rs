//! Tasks that could run, by lane and priority.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::TaskId;

/// Which ready tasks a thread can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// The best of all lanes.
    Any,
    /// The best of one lane.
    Lane(u8),
    /// The best of all lanes but one.
    NotLane(u8),
}

/// Ready tasks of one lane. Those known from the start come sorted and stay out of the heap, which
/// so stays small.
#[derive(Debug, Default)]
struct Lane {
    sorted: Vec<(u64, TaskId)>,
    next: usize,
    heap: BinaryHeap<Reverse<(u64, TaskId)>>,
}

impl Lane {
    #[inline]
    fn peek(&self) -> Option<(u64, TaskId)> {
        let sorted = self.sorted.get(self.next).copied();
        let heap = self.heap.peek().map(|entry| entry.0);
        match (sorted, heap) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    #[inline]
    fn pop(&mut self) {
        let sorted = self.sorted.get(self.next).copied();
        let heap = self.heap.peek().map(|entry| entry.0);
        match (sorted, heap) {
            (Some(a), Some(b)) if a > b => drop(self.heap.pop()),
            (Some(_), _) => self.next += 1,
            (None, _) => drop(self.heap.pop()),
        }
        if self.next > 0 && self.next == self.sorted.len() {
            self.sorted = Vec::new();
            self.next = 0;
        }
    }

    fn len(&self) -> usize {
        self.sorted.len() - self.next + self.heap.len()
    }
}

/// All ready tasks. Entries of tasks that are not ready any longer are the owner's to skip.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    lanes: Vec<Lane>,
}

impl Ready {
    fn lane(&mut self, lane: u8) -> &mut Lane {
        if self.lanes.len() <= lane as usize {
            self.lanes.resize_with(lane as usize + 1, Lane::default);
        }
        &mut self.lanes[lane as usize]
    }

    /// Adds a task that is ready from the start; called in the order of priorities.
    pub(crate) fn push_sorted(&mut self, lane: u8, priority: u64, task: TaskId) {
        self.lane(lane).sorted.push((priority, task));
    }

    #[inline]
    pub(crate) fn push(&mut self, lane: u8, priority: u64, task: TaskId) {
        self.lane(lane).heap.push(Reverse((priority, task)));
    }

    /// The best task, with its lane.
    #[inline]
    pub(crate) fn peek(&self, pull: Pull) -> Option<(u8, TaskId)> {
        let mut best: Option<(u64, TaskId, u8)> = None;
        for (index, lane) in self.lanes.iter().enumerate() {
            let index = index as u8;
            let taken = match pull {
                Pull::Any => true,
                Pull::Lane(only) => index == only,
                Pull::NotLane(other) => index != other,
            };
            if let Some((priority, task)) = lane.peek().filter(|_| taken)
                && best.is_none_or(|(p, t, _)| (priority, task) < (p, t))
            {
                best = Some((priority, task, index));
            }
        }
        best.map(|(_, task, lane)| (lane, task))
    }

    /// Takes away what `peek` found in `lane`.
    #[inline]
    pub(crate) fn pop(&mut self, lane: u8) {
        self.lanes[lane as usize].pop();
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(Lane::len).sum()
    }

    /// How many entries one lane has.
    pub(crate) fn len_of(&self, lane: u8) -> usize {
        self.lanes.get(lane as usize).map_or(0, Lane::len)
    }
}
