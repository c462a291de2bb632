//! Tasks as flat integer tables.

use smallvec::SmallVec;

use crate::members::Members;
use crate::{Block, Grid, LayerId};

/// Number of a task in its [`TaskTable`].
pub type TaskId = u32;

/// A column of a table; that of a few tasks takes no memory of its own.
pub(crate) type Column = SmallVec<[u32; 4]>;

/// The tasks of a graph that are needed for the wanted blocks, and their edges.
///
/// Tasks are numbered layer by layer, and within a layer by block. All tables are flat, so that a
/// task costs some tens of bytes and nothing is allocated for it alone.
#[derive(Clone, Debug)]
pub struct TaskTable {
    pub(crate) layer_offsets: Column,
    pub(crate) members: SmallVec<[Members; 2]>,
    pub(crate) layers: Column,
    pub(crate) blocks: Column,
    pub(crate) deps: Edges,
    pub(crate) dependents: Edges,
    pub(crate) wanted: Column,
}

/// Lists of tasks, one for each task, end to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edges {
    pub(crate) offsets: Column,
    pub(crate) tasks: Column,
}

impl Edges {
    #[inline]
    pub(crate) fn of(&self, task: TaskId) -> &[TaskId] {
        let from = self.offsets[task as usize] as usize;
        let to = self.offsets[task as usize + 1] as usize;
        &self.tasks[from..to]
    }

    /// The same edges seen from the other end; sources appear in increasing order.
    pub(crate) fn reversed(&self) -> Edges {
        let count = self.offsets.len() - 1;
        let mut offsets: Column = SmallVec::from_elem(0, count + 2);
        for &task in &self.tasks {
            offsets[task as usize + 2] += 1;
        }
        for at in 2..offsets.len() {
            offsets[at] += offsets[at - 1];
        }
        let mut tasks: Column = SmallVec::from_elem(0, self.tasks.len());
        for source in 0..count {
            for &task in self.of(source as u32) {
                let next = &mut offsets[task as usize + 1];
                tasks[*next as usize] = source as u32;
                *next += 1;
            }
        }
        offsets.pop();
        Edges { offsets, tasks }
    }
}

impl TaskTable {
    /// The number of tasks.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The number of layers of the graph, those without tasks included.
    pub fn layer_count(&self) -> usize {
        self.members.len()
    }

    /// The tasks of one layer.
    pub fn tasks_of(&self, layer: LayerId) -> std::ops::Range<TaskId> {
        self.layer_offsets[layer.0 as usize]..self.layer_offsets[layer.0 as usize + 1]
    }

    /// The layer and block that `task` makes.
    #[inline]
    pub fn block_of(&self, task: TaskId) -> Block {
        Block {
            layer: LayerId(self.layers[task as usize]),
            block: self.blocks[task as usize],
        }
    }

    /// The task that makes `block`, if it is needed.
    pub fn find_task(&self, block: Block) -> Option<TaskId> {
        let members = self.members.get(block.layer.0 as usize)?;
        members
            .contains(block.block)
            .then(|| self.layer_offsets[block.layer.0 as usize] + members.position(block.block))
    }

    /// The tasks whose values `task` is given, in order; one may appear more than once.
    #[inline]
    pub fn deps(&self, task: TaskId) -> &[TaskId] {
        self.deps.of(task)
    }

    /// The tasks that are given the value of `task`, as often as they are given it.
    #[inline]
    pub fn dependents(&self, task: TaskId) -> &[TaskId] {
        self.dependents.of(task)
    }

    /// The tasks of the wanted blocks, in the order of [`Graph::wanted`](crate::Graph::wanted).
    pub fn wanted(&self) -> &[TaskId] {
        &self.wanted
    }

    /// The number of edges.
    pub fn edge_count(&self) -> usize {
        self.deps.tasks.len()
    }

    /// Bytes of memory the tables take.
    pub fn heap_bytes(&self) -> usize {
        let columns = [
            &self.layer_offsets,
            &self.layers,
            &self.blocks,
            &self.wanted,
            &self.deps.offsets,
            &self.deps.tasks,
            &self.dependents.offsets,
            &self.dependents.tasks,
        ];
        let on_heap = columns.into_iter().filter(|column| column.spilled());
        let words: usize = on_heap.map(|column| column.capacity()).sum();
        let members: usize = self.members.iter().map(Members::heap_bytes).sum();
        words * 4 + members + self.members.capacity() * size_of::<Members>()
    }

    /// The table as text, a line a task: `add(0, 1) <- z(0, 1) z(1, 0)`. For tests and debugging.
    pub fn describe(&self, graph: &crate::Graph) -> String {
        let name = |task: TaskId| {
            let at = self.block_of(task);
            let layer = &graph.layers[at.layer.0 as usize];
            format!("{}{}", layer.name, describe_coords(&layer.grid, at.block))
        };
        (0..self.len() as u32)
            .map(|task| {
                let deps: String = self
                    .deps(task)
                    .iter()
                    .map(|&d| format!(" {}", name(d)))
                    .collect();
                if deps.is_empty() {
                    format!("{}\n", name(task))
                } else {
                    format!("{} <-{deps}\n", name(task))
                }
            })
            .collect()
    }
}

fn describe_coords(grid: &Grid, block: u32) -> String {
    let coords: Vec<String> = grid.coords_of(block).iter().map(u32::to_string).collect();
    format!("({})", coords.join(","))
}
