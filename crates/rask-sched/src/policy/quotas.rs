//! Quotas of bytes that cannot be met.
//!
//! A share that holds its quota of bytes starts no tasks that only add to it; tasks that use what is
//! held go on, since they are what makes room. Where none is left, only its clients can make room, by
//! giving up what they hold: they have some time for it, and none where nothing that they could give
//! up is held. Then the tasks of the submission that waits are failed, with the figures.

use std::sync::Arc;

use rask_proto::Failure;

use crate::event::Time;
use crate::scheduler::Scheduler;
use crate::state::{ShareId, TaskId, TaskState};

/// Priorities of one submission have these bits in common.
const RANK_BITS: u32 = 32;

impl Scheduler {
    /// Fails what waits for a quota that will not be met. `true` if there was anything.
    pub(crate) fn fail_unmet_quotas(&mut self) -> bool {
        if !self.looks_at_quotas() {
            return false;
        }
        let mut has_failed = false;
        for at in 0..self.shares.limited().len() {
            let share = self.shares.limited()[at];
            let Some(head) = self.find_standing(share) else {
                self.shares.get_mut(share).standing_until = None;
                continue;
            };
            let until = match self.shares.get(share).standing_until {
                Some(until) => until,
                None => self.decide_patience(share),
            };
            if self.now < until {
                self.shares.get_mut(share).standing_until = Some(until);
                continue;
            }
            self.shares.get_mut(share).standing_until = None;
            self.fail_submission(share, head);
            has_failed = true;
        }
        has_failed
    }

    /// Clients have given something up: whether there is anything left that they could is decided
    /// anew, and so is for how long to wait for it.
    pub(crate) fn reconsider_quotas(&mut self) {
        for at in 0..self.shares.limited().len() {
            let share = self.shares.limited()[at];
            self.shares.get_mut(share).standing_until = None;
        }
    }

    /// When the next share has waited long enough for its quota.
    pub(crate) fn quota_deadline(&self) -> Option<Time> {
        if !self.looks_at_quotas() {
            return None;
        }
        let limited = self.shares.limited().iter();
        limited
            .filter_map(|&share| self.shares.get(share).standing_until)
            .min()
    }

    fn looks_at_quotas(&self) -> bool {
        !self.shares.limited().is_empty() && !self.recovering && !self.workers.by_id.is_empty()
    }

    /// The task that a share would run next, where its quota of bytes holds it back and nothing of
    /// the share runs that could make room.
    fn find_standing(&mut self, share: ShareId) -> Option<TaskId> {
        let record = self.shares.get(share);
        if record.admits_bytes() || record.assigned_count + record.placed_count > 0 {
            return None;
        }
        if self.has_delayed(share) {
            return None;
        }
        self.peek_queue(share, false).map(|(_, id)| id)
    }

    /// Until when a share that stands still is waited for.
    fn decide_patience(&self, share: ShareId) -> Time {
        let may_be_freed = |(id, task): (TaskId, &crate::state::Task)| {
            let is_for_others = || {
                let users = self.live_dependents(id).into_iter();
                let mut users = users.map(|user| self.tasks.get(user));
                users.any(|user| user.state.is_pending() && user.share != share)
            };
            task.share == share
                && task.state == TaskState::Memory
                && (task.is_wanted() || is_for_others())
        };
        let patience = match self.tasks.iter().any(may_be_freed) || !self.stranded.is_empty() {
            true => self.settings.quota_patience_micros,
            false => 0,
        };
        Time {
            micros: self.now.micros.saturating_add(patience),
        }
    }

    /// Fails a task and those of the same submission that wait with it.
    fn fail_submission(&mut self, share: ShareId, head: TaskId) {
        let submission = self.tasks.priority(head) >> RANK_BITS;
        let mut next = Some(head);
        while let Some(id) = next {
            let failure = self.describe_unmet(share, id);
            self.journal_failure(id, &failure);
            self.transition_pending_erred(id, &Arc::new(failure));
            self.settle();
            let waiting = self.find_standing(share);
            next = waiting.filter(|&id| self.tasks.priority(id) >> RANK_BITS == submission);
        }
    }

    fn describe_unmet(&self, share: ShareId, id: TaskId) -> Failure {
        let task = self.tasks.get(id);
        let layer = self.layers.get(task.layer);
        let record = self.shares.get(share);
        let (name, held) = (&record.settings.name, record.held_bytes);
        let limit = record.settings.bytes_max.unwrap_or(0);
        let message = format!(
            "MemoryError: share {name:?} may hold {} and holds {}, and nothing of it is left that \
             would make room: block {} of {:?} cannot be run. Release values, make the blocks \
             smaller, or have the share's quota raised",
            describe_bytes(limit),
            describe_bytes(held),
            task.block,
            layer.name,
        );
        Failure {
            message,
            origin: layer.origin.clone(),
            layer: layer.name.to_string(),
            block: task.block,
            ..Failure::default()
        }
    }
}

fn describe_bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
