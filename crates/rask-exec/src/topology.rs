//! Where the machine finds the edges and priorities of tasks.

use rask_graph::{TaskTable, ranks};

use crate::TaskId;

/// Edges and static facts of tasks.
pub trait Topology {
    /// Whether `dependents` has every task that will be given the value, or only those that wait for
    /// it to arrive.
    const LISTS_ALL_DEPENDENTS: bool = true;
    /// The number of tasks; they are numbered from 0.
    fn len(&self) -> usize;
    /// Whether there are no tasks.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Inputs of a task, in order, as often as they are given.
    fn deps(&self, task: TaskId) -> &[TaskId];
    /// The reverse of `deps`.
    fn dependents(&self, task: TaskId) -> &[TaskId];
    /// The value is here, and its dependents have been told.
    fn on_arrived(&mut self, task: TaskId) {
        let _ = task;
    }
    /// Lower runs sooner.
    fn priority(&self, task: TaskId) -> u64;
    /// Tasks of one group are expected to take like times and memory.
    fn group(&self, task: TaskId) -> u32;
    /// Tasks of one lane run in one scope (see `rask_value::Scope`); lane 0 has none.
    fn lane(&self, task: TaskId) -> u8;
    /// Bytes of the value, where known before the task ran.
    fn predicted_bytes(&self, task: TaskId) -> Option<u64>;
}

/// All tasks of an expanded graph.
pub struct TableTopology<P> {
    pub table: TaskTable,
    ranks: Vec<u32>,
    /// By layer.
    groups: Vec<u32>,
    /// By layer.
    lanes: Vec<u8>,
    predicted_bytes: P,
}

impl<P: Fn(&TaskTable, TaskId) -> Option<u64>> TableTopology<P> {
    /// The tasks of `table`, to be run in the order of `sequence`. `groups` and `lanes` have an entry
    /// for each layer.
    pub fn new(
        table: TaskTable,
        sequence: &[TaskId],
        groups: Vec<u32>,
        lanes: Vec<u8>,
        predicted_bytes: P,
    ) -> Self {
        let ranks = ranks(sequence);
        TableTopology {
            table,
            ranks,
            groups,
            lanes,
            predicted_bytes,
        }
    }
}

impl<P: Fn(&TaskTable, TaskId) -> Option<u64>> Topology for TableTopology<P> {
    fn len(&self) -> usize {
        self.table.len()
    }

    #[inline]
    fn deps(&self, task: TaskId) -> &[TaskId] {
        self.table.deps(task)
    }

    #[inline]
    fn dependents(&self, task: TaskId) -> &[TaskId] {
        self.table.dependents(task)
    }

    #[inline]
    fn priority(&self, task: TaskId) -> u64 {
        u64::from(self.ranks[task as usize])
    }

    #[inline]
    fn group(&self, task: TaskId) -> u32 {
        self.groups[self.table.block_of(task).layer.0 as usize]
    }

    #[inline]
    fn lane(&self, task: TaskId) -> u8 {
        self.lanes[self.table.block_of(task).layer.0 as usize]
    }

    fn predicted_bytes(&self, task: TaskId) -> Option<u64> {
        (self.predicted_bytes)(&self.table, task)
    }
}
