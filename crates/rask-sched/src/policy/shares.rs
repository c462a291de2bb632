//! Whose task is next: shares are served in the order of the work that they were given by their
//! weights, so that a short job goes on beside a long one.
//!
//! A worker with room takes the next task of the share that has been given least, of those with a
//! task for it (start-time fair queueing, with predicted durations that are corrected when a task
//! has ended). Priorities count within a share. What is handed out is not taken back: a share waits
//! for the tasks that run, and for the few milliseconds that workers are handed ahead.
//!
//! With a single share nothing of this is looked at but one number a task.

use rask_proto::ShareFigures;
use smallvec::SmallVec;

use crate::event::{ClientId, WorkerId};
use crate::scheduler::Scheduler;
use crate::state::{COMMON, ShareId, TaskId, TaskState, Worker};

/// While several shares are served, workers run tasks in the order in which they were given them,
/// as far as these are apart by this; within it, in the order of the graph.
const TURN_MICROS: u64 = 10_000;
/// Bits of a priority that are the rank in the graph, while workers are told of turns.
const RANK_BITS: u32 = 29;
const TURN_BITS: u32 = 27;

/// The next task for a worker.
pub(crate) enum Next {
    /// From its own queue.
    Own(ShareId, TaskId),
    /// From the common queue.
    Source(TaskId),
}

impl Next {
    pub fn task(&self) -> TaskId {
        match *self {
            Next::Own(_, task) | Next::Source(task) => task,
        }
    }
}

impl Scheduler {
    /// The next task for a worker; not from its own queue for the `stuck` shares.
    pub(crate) fn decide_next(
        &mut self,
        worker: WorkerId,
        takes_source: bool,
        stuck: &[ShareId],
    ) -> Option<Next> {
        if let [only] = *self.shares.active() {
            let admits = self.shares.get(only).admits_task();
            return admits
                .then(|| self.peek_next(worker, only, takes_source, stuck))
                .flatten();
        }
        loop {
            let share = self.find_share_due(worker, takes_source, stuck)?;
            // Without one there were only entries of tasks that have moved on; now there are none.
            let next = self.peek_next(worker, share, takes_source, stuck);
            if next.is_some() {
                return next;
            }
        }
    }

    /// The most urgent task of a share for a worker.
    fn peek_next(
        &mut self,
        worker: WorkerId,
        share: ShareId,
        takes_source: bool,
        stuck: &[ShareId],
    ) -> Option<Next> {
        let own = match stuck.contains(&share) {
            true => None,
            false => self.peek_own(worker, share),
        };
        let source = takes_source.then(|| self.peek_source(share)).flatten();
        match (own.map(|entry| (entry.0, entry.1)), source) {
            (Some(own), Some(source)) if own > source => Some(Next::Source(source.1)),
            (Some(own), _) => Some(Next::Own(share, own.1)),
            (None, source) => source.map(|(_, task)| Next::Source(task)),
        }
    }

    /// The share to be served next, of those that seem to have a task for the worker.
    fn find_share_due(
        &self,
        worker: WorkerId,
        takes_source: bool,
        stuck: &[ShareId],
    ) -> Option<ShareId> {
        let own = self.workers.find(worker)?.queues.shares();
        let own = own.filter(|share| !stuck.contains(share));
        let active = self.shares.active().iter().copied();
        let sources = active.filter(|&share| takes_source && self.shares.get(share).has_sources());
        let mut due: Option<(f64, ShareId)> = None;
        for share in own.chain(sources) {
            let record = self.shares.get(share);
            let is_earlier = due.is_none_or(|(pass, id)| (record.pass, share) < (pass, id));
            if is_earlier && record.admits_task() {
                due = Some((record.pass, share));
            }
        }
        due.map(|(_, share)| share)
    }

    /// The shares with tasks in a worker's queue that may go on, who is due first.
    pub(crate) fn shares_by_turn(&self, worker: &Worker) -> SmallVec<[ShareId; 4]> {
        let pass = |share: ShareId| self.shares.get(share).pass;
        let shares = worker.queues.shares();
        let mut shares: SmallVec<[ShareId; 4]> = shares
            .filter(|&share| self.shares.get(share).admits_task())
            .collect();
        shares.sort_by(|&left, &right| pass(left).total_cmp(&pass(right)).then(left.cmp(&right)));
        shares
    }

    /// Whether the worker may be given a task of this share out of the order of its queues.
    #[inline]
    pub(crate) fn is_due(&self, share: ShareId, worker: &Worker) -> bool {
        let record = self.shares.get(share);
        if !record.admits_task() {
            return false;
        }
        if self.shares.active().len() < 2 {
            return true;
        }
        let is_before = |other: ShareId| {
            let other = self.shares.get(other);
            other.pass < record.pass && other.admits_task()
        };
        let active = self.shares.active().iter();
        let mut sources = active.filter(|&&other| self.shares.get(other).has_sources());
        !worker.queues.shares().any(is_before) && !sources.any(|&other| is_before(other))
    }

    /// The priority that a worker is told: while several shares are served, tasks that were handed
    /// out before go before, so that no stream of tasks keeps others waiting for ever.
    #[inline]
    pub(crate) fn priority_at_worker(&self, priority: u64) -> u64 {
        if !self.shares.takes_turns {
            return priority;
        }
        let turn = (self.now.micros / TURN_MICROS) & ((1 << TURN_BITS) - 1);
        let rank = priority & ((1 << RANK_BITS) - 1);
        (0xFF << (TURN_BITS + RANK_BITS)) | (turn << RANK_BITS) | rank
    }

    /// A client counts for the share of this name, or for one of its own if there is none.
    pub(crate) fn join_share(&mut self, client: ClientId, name: &str) {
        let share = match name {
            "" => self.shares.join(&format!("client-{}", client.0)),
            name => self.shares.join(name),
        };
        let Some(record) = self.clients.by_id.get_mut(&client) else {
            return self.shares.leave(share);
        };
        let before = std::mem::replace(&mut record.share, share);
        self.shares.leave(before);
    }

    /// Clients of `share` want a task that is known, and with it what it needs. Where nobody else
    /// wants it any more it is counted for them; else for whom it was, beyond whose quota it may go.
    pub(crate) fn share_task(&mut self, id: TaskId, share: ShareId) {
        let mut stack = vec![id];
        while let Some(id) = stack.pop() {
            let is_source = self.tasks.get(id).is_source();
            let task = self.tasks.get_mut(id);
            if task.share == share || task.is_shared {
                continue;
            }
            match task.state {
                TaskState::Released | TaskState::Erred => {
                    let before = std::mem::replace(&mut task.share, share);
                    self.shares.on_task_added(share);
                    self.shares.on_task_removed(before);
                }
                TaskState::Memory | TaskState::Forgotten => continue,
                TaskState::Queued if is_source => {
                    task.is_shared = true;
                    self.queue_source(id);
                }
                _ => task.is_shared = true,
            }
            stack.extend_from_slice(self.tasks.deps(id));
        }
    }

    /// Puts a Queued task into the common queue of its share.
    pub(crate) fn queue_source(&mut self, id: TaskId) {
        let task = self.tasks.get(id);
        let queue = self.shares.queue_mut(task.share, task.is_shared);
        queue.push(task.priority, id);
        self.attention.on_queued();
    }

    /// A quota was reached and is not any more: workers that had nothing to take are asked again.
    pub(crate) fn resume_blocked(&mut self) {
        if std::mem::take(&mut self.shares.unblocked) {
            self.attention.on_unblocked();
            let loaded: Vec<u32> = self.attention.loaded.iter().collect();
            for slot in loaded {
                self.attention.touch(self.workers.by_id.id_at(slot));
            }
        }
    }

    /// How every share that is in use stands, in the order of their names.
    pub(crate) fn share_figures(&self, client: ClientId) -> rask_proto::Shares {
        let own = self.clients.share_of(client);
        let used = self
            .shares
            .iter()
            .filter(|(id, share)| *id != COMMON || share.client_count > 0 || share.task_count > 0);
        let figures = used.map(|(id, share)| {
            let ready = share.queued_count + share.placed_count;
            let held_back_by = match share {
                share if ready > 0 && !share.admits_task() => "tasks",
                share if !share.queue.is_empty() && !share.admits_bytes() => "memory",
                _ => "",
            };
            ShareFigures {
                name: share.settings.name.to_string(),
                weight: share.settings.weight,
                clients: share.client_count,
                tasks: share.task_count,
                ready,
                running: share.assigned_count,
                held_bytes: share.held_bytes,
                tasks_max: share.settings.tasks_max.unwrap_or(0),
                bytes_max: share.settings.bytes_max.unwrap_or(0),
                ended: share.ended_count,
                run_micros: share.run_micros,
                held_back_by: held_back_by.to_owned(),
                is_own: id == own,
            }
        });
        let mut shares: Vec<ShareFigures> = figures.collect();
        shares.sort_by(|left, right| left.name.cmp(&right.name));
        rask_proto::Shares { shares }
    }
}
