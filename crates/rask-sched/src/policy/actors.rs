//! Actors: values that live on the worker that made them, with a state that calls change.
//!
//! What other workers fetch of them only stands for them, so no copy counts as a holder, and none is
//! made for safety or balance. When the worker is gone the state is lost: to make the object anew, as
//! other values are made again, would be an answer from the wrong state. So its task fails, and says
//! why; who wants the state of the beginning retries it.

use std::collections::BTreeSet;
use std::sync::Arc;

use rask_proto::Failure;

use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};

impl Scheduler {
    /// Whether the task makes an actor.
    pub(crate) fn is_actor(&self, id: TaskId) -> bool {
        self.layers.get(self.tasks.get(id).layer).actor
    }

    /// Of these values, which nobody holds any more, takes the actors out that somebody needs: they
    /// have failed. `worker` and `why` say where they were and what happened there.
    pub(crate) fn fail_lost_actors(&mut self, lost: &mut Vec<TaskId>, worker: &str, why: &str) {
        let mut failed = Vec::new();
        lost.retain(|&id| {
            let fails = self.is_actor(id) && self.tasks.get(id).is_needed();
            if fails {
                failed.push(id);
            }
            !fails
        });
        for id in failed {
            let failure = self.describe_lost_actor(id, worker, why);
            self.journal_failure(id, &failure);
            self.transition_memory_erred(id, &Arc::new(failure));
        }
    }

    /// As `fail_lost_actors`, where one of these workers did not give the value.
    pub(crate) fn fail_unfetched_actors(&mut self, lost: &mut Vec<TaskId>, holders: &[u32]) {
        if lost.iter().any(|&id| self.is_actor(id)) {
            let names = holders.iter().map(|&holder| self.name_of(WorkerId(holder)));
            let names: BTreeSet<String> = names.collect();
            let names: Vec<String> = names.into_iter().collect();
            self.fail_lost_actors(lost, &names.join(" or "), "the object could not be reached");
        }
    }

    /// What a worker is called, there or not.
    pub(crate) fn name_of(&self, worker: WorkerId) -> String {
        let record = self.workers.find(worker);
        record.map_or_else(
            || format!("worker {}", worker.0),
            |record| record.register.name.clone(),
        )
    }

    fn describe_lost_actor(&self, id: TaskId, worker: &str, why: &str) -> Failure {
        let task = self.tasks.get(id);
        let layer = self.layers.get(task.layer);
        let key = match layer.grid.is_empty() {
            true => layer.name.to_string(),
            false => format!("('{}', {})", layer.name, task.block),
        };
        Failure {
            message: format!(
                "the actor {key} was on {worker}, which is gone: {why}. Its state is lost; \
                 Client.retry makes it anew, with the state of the beginning"
            ),
            origin: layer.origin.clone(),
            layer: layer.name.to_string(),
            block: task.block,
            killed_workers: vec![worker.to_owned()],
            ..Failure::default()
        }
    }

    /// A value in memory is lost for good: what waits for it fails too.
    fn transition_memory_erred(&mut self, id: TaskId, failure: &Arc<Failure>) {
        self.tasks.set_state(id, TaskState::Erred);
        self.tasks.set_failure(id, Some(failure.clone()));
        self.tell_erred(id);
        for dependent in self.live_dependents(id) {
            self.transition_pending_erred(dependent, failure);
        }
        self.settle.push(id);
    }
}
