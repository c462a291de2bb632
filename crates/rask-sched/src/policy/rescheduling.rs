//! Tasks that asked to be run elsewhere: where they have been refused, they do not go again before
//! every other worker has been tried.

use smallvec::SmallVec;

use crate::HashMap;
use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};

/// Above so many entries, those of tasks that have ended are dropped.
const PRUNED_AT: usize = 4096;

/// The workers on which tasks asked to be run elsewhere, by task and its serial.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    by_task: HashMap<(TaskId, u32), SmallVec<[WorkerId; 4]>>,
}

impl Refusals {
    /// Whether the task asked to be run elsewhere when it ran on this worker.
    pub fn contains(&self, task: (TaskId, u32), worker: WorkerId) -> bool {
        !self.by_task.is_empty()
            && self
                .by_task
                .get(&task)
                .is_some_and(|workers| workers.contains(&worker))
    }
}

impl Scheduler {
    /// A task that ran on `worker` asks to be run again, elsewhere if possible.
    pub(crate) fn on_reschedule(&mut self, id: TaskId, worker: WorkerId) {
        let serial = self.tasks.get(id).serial;
        if self.refusals.by_task.len() >= PRUNED_AT {
            let tasks = &self.tasks;
            let refusals = &mut self.refusals.by_task;
            refusals.retain(|&(id, serial), _| {
                tasks
                    .find(id, serial)
                    .is_some_and(|task| task.state.is_pending())
            });
        }
        let refused = self.refusals.by_task.entry((id, serial)).or_default();
        refused.push(worker);
        let untried = self.decide_untried((id, serial));
        let next = untried.or_else(|| {
            // All have been tried: from the start, here last.
            self.refusals
                .by_task
                .insert((id, serial), [worker].into_iter().collect());
            self.decide_untried((id, serial))
        });
        let deps = self.tasks.deps(id);
        let complete = deps
            .iter()
            .all(|&dep| self.tasks.get(dep).state == TaskState::Memory);
        match next {
            Some(next) if complete => {
                self.leave_queues(id);
                self.tasks.set_state(id, TaskState::Waiting);
                self.transition_waiting_placed(id, next);
            }
            _ => self.count_missing(id),
        }
    }

    /// The least busy worker that may run the task and on which it has not been refused.
    fn decide_untried(&self, task: (TaskId, u32)) -> Option<WorkerId> {
        let restriction = self.restriction_of(task.0);
        let workers = self.workers.by_id.iter();
        let untried = workers.filter(|&(&id, worker)| {
            worker.takes_tasks()
                && restriction.is_none_or(|restriction| restriction.allows(worker))
                && !self.refusals.contains(task, id)
        });
        untried
            .min_by_key(|(id, worker)| (worker.occupancy_micros(), **id))
            .map(|(id, _)| *id)
    }
}
