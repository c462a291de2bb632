//! What each worker holds, and what it has been given to run.

use rask_proto::Contents;

use crate::HashMap;
use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{Task, TaskId, TaskState};

impl Scheduler {
    /// The blocks that each worker holds.
    pub(crate) fn contents(&self) -> Contents {
        self.list(|id, _| self.tasks.holders(id))
    }

    /// The blocks that each worker has been given to run.
    pub(crate) fn processing(&self) -> Contents {
        self.list(|_, task| match task.state {
            TaskState::Assigned => task.workers(),
            _ => &[],
        })
    }

    fn list<'a>(&'a self, workers_of: impl Fn(TaskId, &'a Task) -> &'a [WorkerId]) -> Contents {
        let mut answer = Contents::default();
        let mut names: HashMap<u32, u32> = HashMap::default();
        for (id, task) in self.tasks.iter() {
            for worker in workers_of(id, task) {
                let name = *names.entry(task.layer).or_insert_with(|| {
                    let layer = self.layers.get(task.layer);
                    answer.names.push(layer.name.to_string());
                    answer.numbered.push(!layer.grid.is_empty());
                    answer.names.len() as u32 - 1
                });
                answer.workers.push(worker.0);
                answer.layers.push(name);
                answer.blocks.push(task.block);
                answer.nbytes.push(task.nbytes());
            }
        }
        answer
    }
}
