//! The common queue: tasks that need nothing and may run anywhere, the most urgent first.
//!
//! Tasks come by the submission, so they are kept in sorted runs of numbers, which take four bytes
//! a task and a step to the next; only the runs' heads are in a heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{TaskId, Tasks};

/// Fewer tasks than this go into the heap one by one.
const RUN_LENGTH_MIN: usize = 64;
/// So many entries before it comes up, a task is thought of.
const AHEAD: usize = 4;
/// In the place of a run: the entry is a single task.
const SINGLE: u32 = u32::MAX;

/// Entries of tasks that have moved on stay until they come up.
#[derive(Default)]
pub(crate) struct SourceQueue {
    /// Not sorted in yet.
    incoming: Vec<(u64, TaskId)>,
    /// Most urgent last; empty where there is no run.
    runs: Vec<Vec<TaskId>>,
    free: Vec<u32>,
    /// The heads of runs, and single tasks: priority, task, run.
    heads: BinaryHeap<Reverse<(u64, TaskId, u32)>>,
}

impl SourceQueue {
    /// Adds a task.
    pub fn push(&mut self, priority: u64, id: TaskId) {
        self.incoming.push((priority, id));
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.incoming.is_empty() && self.heads.is_empty()
    }

    /// The most urgent entry.
    pub fn peek(&mut self) -> Option<TaskId> {
        self.sort_in();
        self.heads.peek().map(|Reverse((_, id, _))| *id)
    }

    /// Removes the most urgent entry.
    pub fn pop(&mut self, tasks: &Tasks) -> Option<TaskId> {
        self.sort_in();
        let Reverse((_, id, at)) = self.heads.pop()?;
        if at != SINGLE {
            self.push_head(at, tasks);
        }
        Some(id)
    }

    fn push_head(&mut self, at: u32, tasks: &Tasks) {
        let run = &mut self.runs[at as usize];
        match run.pop() {
            Some(next) => {
                if let Some(later) = run.get(run.len().wrapping_sub(AHEAD)) {
                    tasks.prefetch(*later);
                }
                self.heads.push(Reverse((tasks.priority(next), next, at)));
            }
            None => {
                *run = Vec::new();
                self.free.push(at);
            }
        }
    }

    /// Puts what came since into its place.
    pub fn sort_in(&mut self) {
        if self.incoming.is_empty() {
            return;
        }
        if self.incoming.len() < RUN_LENGTH_MIN {
            let incoming = self.incoming.drain(..);
            self.heads
                .extend(incoming.map(|(priority, id)| Reverse((priority, id, SINGLE))));
            return;
        }
        let mut incoming = std::mem::take(&mut self.incoming);
        incoming.sort_unstable_by(|left, right| right.cmp(left));
        let mut run: Vec<TaskId> = incoming.iter().map(|(_, id)| *id).collect();
        run.pop();
        let Some(&(priority, head)) = incoming.last() else {
            return;
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.runs[at as usize] = run;
                at
            }
            None => {
                self.runs.push(run);
                (self.runs.len() - 1) as u32
            }
        };
        self.heads.push(Reverse((priority, head, at)));
    }
}
