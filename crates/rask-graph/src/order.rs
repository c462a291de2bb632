//! One order for a graph: depth-first, finish what is started, memory first.
//!
//! The order is a walk back from the wanted tasks that runs a task once everything it needs has
//! run. Whenever a task has run, every task that is now ready *and is the last to need some value*
//! runs at once, before the walk goes on: it frees at least as many values as it makes. So the two
//! uses of a block in `z + z.T` come together, and reductions take in leaves as soon as they can.
//! Each task and edge is looked at a constant number of times.

use smallvec::SmallVec;

use crate::{TaskId, TaskTable};

const RUN: u32 = u32::MAX;

/// What the walk knows of one task.
#[derive(Clone, Copy, Default)]
struct Node {
    /// Edges to tasks that have not run; `RUN` once the task itself has.
    deps_left: u32,
    /// Edges to tasks that have not run, and two more for a wanted task, so that none is its last.
    users_left: u32,
    /// Exclusive or of the tasks behind `users_left`: when one edge is left, its task.
    users_xor: u32,
}

/// All tasks in the order in which one thread should run them: after what they need, with few
/// values alive at any time.
pub fn order(table: &TaskTable) -> Vec<TaskId> {
    Walk::new(table).run()
}

/// The position of each task in `sequence`: the priority of the task, lower is sooner.
pub fn ranks(sequence: &[TaskId]) -> Vec<u32> {
    let mut ranks = vec![0; sequence.len()];
    for (rank, &task) in sequence.iter().enumerate() {
        ranks[task as usize] = rank as u32;
    }
    ranks
}

struct Walk<'a> {
    table: &'a TaskTable,
    nodes: SmallVec<[Node; 4]>,
    sequence: Vec<TaskId>,
    /// Ready tasks that free something.
    freeing: Vec<TaskId>,
}

impl<'a> Walk<'a> {
    fn new(table: &'a TaskTable) -> Self {
        let mut nodes: SmallVec<[Node; 4]> = SmallVec::from_elem(Node::default(), table.len());
        for task in 0..table.len() as u32 {
            let deps = table.deps(task);
            nodes[task as usize].deps_left = deps.len() as u32;
            for &dep in deps {
                let node = &mut nodes[dep as usize];
                node.users_left += 1;
                node.users_xor ^= task;
            }
        }
        for &task in table.wanted() {
            nodes[task as usize].users_left += 2;
        }
        Walk {
            table,
            nodes,
            sequence: Vec::with_capacity(table.len()),
            freeing: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<TaskId> {
        let mut path: SmallVec<[(TaskId, u32); 4]> = SmallVec::new();
        for &wanted in self.table.wanted() {
            path.push((wanted, 0));
            while let Some((task, next)) = path.last_mut() {
                if self.nodes[*task as usize].deps_left == RUN {
                    path.pop();
                    continue;
                }
                match self.table.deps(*task).get(*next as usize) {
                    Some(&dep) => {
                        *next += 1;
                        if self.nodes[dep as usize].deps_left != RUN {
                            path.push((dep, 0));
                        }
                    }
                    None => {
                        let task = *task;
                        path.pop();
                        self.emit(task);
                        while let Some(task) = self.freeing.pop() {
                            if self.nodes[task as usize].deps_left != RUN {
                                self.emit(task);
                            }
                        }
                    }
                }
            }
        }
        self.sequence
    }

    fn emit(&mut self, task: TaskId) {
        self.sequence.push(task);
        self.nodes[task as usize].deps_left = RUN;
        for &dep in self.table.deps(task) {
            let node = &mut self.nodes[dep as usize];
            node.users_left -= 1;
            node.users_xor ^= task;
            if node.users_left == 1 {
                let user = node.users_xor;
                if self.nodes[user as usize].deps_left == 0 {
                    self.freeing.push(user);
                }
            }
        }
        for &user in self.table.dependents(task) {
            let node = &mut self.nodes[user as usize];
            node.deps_left -= 1;
            if node.deps_left == 0 && self.frees_something(user) {
                self.freeing.push(user);
            }
        }
    }

    fn frees_something(&self, task: TaskId) -> bool {
        let mut deps = self.table.deps(task).iter();
        deps.any(|&dep| self.nodes[dep as usize].users_left == 1)
    }
}
