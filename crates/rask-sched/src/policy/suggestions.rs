//! Copies of values that policies of users want made, or let go of. They run in the helper process
//! and know what was so a moment ago: what does no good any more, or would do harm, is left undone.
//!
//! Copies that were asked for stay until a policy lets go of them.

use rask_proto::{Suggestion, Suggestions};

use super::replicas::Copy;
use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState, Worker};

impl Scheduler {
    pub(crate) fn on_suggestions(&mut self, suggestions: &Suggestions) {
        if self.recovering {
            return;
        }
        let copies = suggestions.copies.iter();
        let copies: Vec<Copy> = copies.filter_map(|wish| self.begin_copy(wish)).collect();
        self.add_copies(copies);
        for wish in &suggestions.drops {
            self.drop_copy(wish);
        }
    }

    /// The value of a suggestion, if it is there and may be copied.
    fn find_copied(&self, wish: &Suggestion) -> Option<TaskId> {
        let layer = self.layers.find_number(&wish.layer)?;
        let id = self.find_task(layer, wish.block)?;
        let is_there = self.tasks.get(id).state == TaskState::Memory && !self.is_actor(id);
        is_there.then_some(id)
    }

    fn begin_copy(&mut self, wish: &Suggestion) -> Option<Copy> {
        let id = self.find_copied(wish)?;
        let target = WorkerId(wish.worker);
        let worker = self.workers.find(target)?;
        let takes = Worker::takes_tasks(worker) && !worker.retiring;
        let holders = self.tasks.holders(id);
        if !takes || holders.contains(&target) || self.is_to_be_copied(id, target) {
            return None;
        }
        let count = holders.len() + 1;
        self.note_copies_asked(id, count);
        Some(Copy::new((id, self.tasks.get(id).serial), target))
    }

    /// The last copy stays, and so does one that a task needs where it is, one that may be on its way
    /// to somebody, and one that is the only one on workers that stay.
    fn drop_copy(&mut self, wish: &Suggestion) {
        let Some(id) = self.find_copied(wish) else {
            return;
        };
        let from = WorkerId(wish.worker);
        let holders = self.tasks.holders(id);
        let stays = |worker: WorkerId| {
            let record = self.workers.find(worker);
            worker != from && record.is_some_and(|record| !record.retiring)
        };
        let is_held = holders.contains(&from) && holders.iter().any(|&worker| stays(worker));
        let is_moving = self.tasks_being_copied().any(|moving| moving == id);
        let needed_at = self.find_needing(id);
        let is_needed = needed_at.is_none_or(|workers| workers.contains(&from));
        if !is_held || is_moving || is_needed {
            return;
        }
        let (layer, block) = (self.tasks.get(id).layer, self.tasks.get(id).block);
        self.remove_holder(id, from);
        self.out.free(from, layer, block);
        self.limit_copies_asked(id);
    }
}
