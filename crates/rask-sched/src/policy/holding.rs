//! Where values go that clients give to the cluster. They need no thread, so they wait for none: each
//! goes to the next worker in turn whose memory has room for it. While none has, they wait like tasks
//! that make something from nothing.

use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, Worker};

/// So many workers are looked at for one that has room.
const LOOKED_AT_MAX: usize = 256;
/// The kind of ops whose blocks are their pages.
const HELD_KIND: &str = "held";

impl Scheduler {
    /// The worker that takes a value in; `None` if the task makes one, or nobody takes any now.
    pub(crate) fn decide_holder(&mut self, id: TaskId) -> Option<WorkerId> {
        let task = self.tasks.get(id);
        let layer = self.layers.get(task.layer);
        let is_held = layer.op.as_ref().is_some_and(|op| op.kind == HELD_KIND);
        if !is_held || self.recovering {
            return None;
        }
        let restriction = layer.restriction_of(task.block);
        let allows = |&(&number, worker): &(&WorkerId, &Worker)| {
            worker.takes_tasks()
                && restriction.is_none_or(|restriction| restriction.allows(worker))
                && self.has_memory_for(id, number)
        };
        let workers = &self.workers.by_id;
        let in_turn = workers.iter_from(workers.position_after(self.last_holder));
        let (&worker, _) = in_turn.take(LOOKED_AT_MAX).find(allows)?;
        self.last_holder = worker;
        Some(worker)
    }
}
