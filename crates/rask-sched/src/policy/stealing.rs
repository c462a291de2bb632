//! Work for a worker that has none: tasks placed elsewhere that have not been handed out.
//!
//! Tasks are handed out late, so what a busy worker already has is little, and the queues in the
//! scheduler are taken from first, which costs no message. Only where a worker has reported nothing
//! for a while, because a task takes longer than was thought, is it asked to give back tasks that
//! it has not begun.

use std::cmp::Reverse;

use rask_proto::{GiveBack, ToWorker};
use smallvec::SmallVec;

use crate::event::{Command, WorkerId};
use crate::scheduler::Scheduler;
use crate::state::{QueueEntry, ShareId, TaskId, TaskState, Worker};

impl Scheduler {
    /// Moves tasks from the fullest queue to the empty one of `thief`. `false` if there is nothing
    /// worth moving.
    pub(crate) fn steal_for(&mut self, thief: WorkerId) -> bool {
        let idle = self
            .workers
            .find(thief)
            .is_some_and(|worker| worker.busy_count() < worker.thread_count());
        if !idle {
            return false;
        }
        let Some(victim) = self.decide_victim(thief) else {
            return false;
        };
        let shares = self
            .workers
            .find(victim)
            .map(|worker| self.shares_by_turn(worker));
        let mut shares = shares.into_iter().flatten();
        shares.any(|share| self.steal_from(victim, share, thief))
    }

    /// Moves a task of a share from the queue of `victim` to that of `thief`.
    fn steal_from(&mut self, victim: WorkerId, share: ShareId, thief: WorkerId) -> bool {
        let mut set_aside = Vec::new();
        let mut moved = false;
        while let Some(entry) = self.pop_placed(victim, share) {
            let Reverse((_, task, _)) = entry;
            if self.is_worth_moving(task, victim, thief) {
                self.move_placed(task, thief);
                moved = true;
                break;
            }
            set_aside.push(entry);
            if set_aside.len() == LOOKED_AT_MAX {
                break;
            }
        }
        if let Some(worker) = self.workers.find_mut(victim) {
            for entry in set_aside {
                worker.queues.push(share, entry);
            }
        }
        moved
    }

    /// While a worker has nothing to do, asks others that have made no progress to give back some
    /// of what they have not begun.
    pub(crate) fn recall_stalled(&mut self) {
        let mut idle_threads = None;
        for _ in 0..WATCHED_MAX {
            let Some(id) = self.attention.pop_watched(self.now) else {
                return;
            };
            let Some(worker) = self.workers.find_mut(id) else {
                continue;
            };
            worker.is_watched = false;
            let waiting = worker.assigned_count.saturating_sub(worker.thread_count());
            if waiting == 0 || worker.asked_back {
                continue;
            }
            let stalled_at = worker.progress.micros + STALLED_MICROS + 1;
            let is_late = self.now.micros >= stalled_at;
            let idle_threads = match is_late {
                true => *idle_threads.get_or_insert_with(|| self.count_idle_threads()),
                false => 0,
            };
            let Some(worker) = self.workers.find_mut(id) else {
                continue;
            };
            if idle_threads == 0 {
                worker.is_watched = true;
                let soon = self.now.micros + STALLED_MICROS / 3;
                self.attention.watch_from(id, stalled_at.max(soon));
                continue;
            }
            worker.asked_back = true;
            let count = waiting.div_ceil(2).max(idle_threads.min(waiting));
            self.out.push(Command::ToWorker {
                worker: id,
                message: ToWorker::GiveBack(GiveBack { count }),
            });
        }
    }

    /// Threads that have nothing to do; many are not counted to the end.
    fn count_idle_threads(&self) -> u32 {
        let mut count = 0;
        for slot in self.attention.idle.iter() {
            let worker = self.workers.find(self.workers.by_id.id_at(slot));
            let free = worker.map_or(0, |worker| {
                worker.thread_count().saturating_sub(worker.busy_count())
            });
            count += free;
            if count >= IDLE_COUNTED_MAX {
                break;
            }
        }
        count
    }

    /// Of some workers with queues, the one that has most in it.
    fn decide_victim(&self, thief: WorkerId) -> Option<WorkerId> {
        let (workers, shares) = (&self.workers, &self.shares);
        let loaded = &self.attention.loaded;
        let start = self.workers.by_id.find_slot(thief)?;
        let mut slots: SmallVec<[u32; VICTIMS_COMPARED_MAX]> = SmallVec::new();
        let mut next = loaded.find_from(start);
        while let Some(slot) = next.filter(|_| slots.len() < VICTIMS_COMPARED_MAX) {
            slots.push(slot);
            next = loaded.find_from(slot + 1);
        }
        let rest = loaded.iter().take(VICTIMS_COMPARED_MAX - slots.len());
        slots.extend(rest);
        let fullest = |slot: &u32| Reverse(workers.by_id.placed_micros(*slot));
        slots.sort_by_key(fullest);
        let mut ids = slots.iter().map(|slot| workers.by_id.id_at(*slot));
        ids.find(|id| {
            let may_be_taken_from = |worker: &Worker| {
                let mut queued = worker.queues.shares();
                worker.placed_count > 0
                    && worker.assigned_count > 0
                    && queued.any(|share| shares.get(share).admits_task())
            };
            *id != thief && workers.find(*id).is_some_and(may_be_taken_from)
        })
    }

    fn pop_placed(&mut self, victim: WorkerId, share: ShareId) -> Option<QueueEntry> {
        loop {
            let worker = self.workers.find_mut(victim)?;
            let Reverse((priority, task, serial)) = worker.queues.pop(share)?;
            let found = self.tasks.find(task, serial);
            if found.is_some_and(|task| task.state == TaskState::Placed && task.worker() == victim)
            {
                return Some(Reverse((priority, task, serial)));
            }
        }
    }

    /// Whether the inputs arrive at the thief before the victim would have started the task.
    fn is_worth_moving(&self, task: TaskId, victim: WorkerId, thief: WorkerId) -> bool {
        let record = self.tasks.get(task);
        let layer = self.layers.get(record.layer);
        let restriction = layer.restriction_of(record.block);
        let Some(worker) = self.workers.find(thief) else {
            return false;
        };
        let refused = self.refusals.contains((task, record.serial), thief);
        if refused || restriction.is_some_and(|restriction| !restriction.allows(worker)) {
            return false;
        }
        let Some(waited_for) = self.workers.find(victim) else {
            return false;
        };
        // Most short queues are told from long ones without a look at all that the task needs.
        let least_moving = self.bandwidth.micros_at_least(0);
        if waited_for.occupancy_micros() <= least_moving && self.lacks_any(task, thief) {
            return false;
        }
        if !self.has_memory_for(task, thief) {
            return false;
        }
        let mut moving = self.moving_micros(&self.inputs(task), thief, worker);
        if moving > 0 && self.is_copied(task, thief) {
            moving *= COPY_TIMES;
        }
        if moving == 0 {
            moving = self.parting_micros(task, victim, thief);
        }
        let victim = waited_for;
        if self.is_kept_unlearned(task, victim, moving) {
            return false;
        }
        // What is in its queue may have been charged before anything was known of it.
        let ahead = u64::from(victim.placed_count + victim.assigned_count);
        let like_this = ahead * u64::from(self.predict_micros(record.layer));
        let waiting = like_this / u64::from(victim.thread_count());
        moving < waiting.min(victim.occupancy_micros())
    }

    /// How long the value of a task that needs nothing takes from `thief` back to `victim`, if others that
    /// it is needed with are there.
    fn parting_micros(&self, id: TaskId, victim: WorkerId, thief: WorkerId) -> u64 {
        let bytes = self.predict_output_bytes(id);
        if bytes < self.settings.large_bytes_min || !self.tasks.get(id).is_source() {
            return 0;
        }
        let Some(user) = self.find_first_user(id) else {
            return 0;
        };
        let mut fellows = self.tasks.deps(user).iter().take(FELLOWS_MAX);
        let is_there = |dep: TaskId| match self.tasks.state(dep) {
            TaskState::Memory => self.tasks.holders(dep).contains(&victim),
            TaskState::Placed | TaskState::Assigned => self.tasks.get(dep).worker() == victim,
            _ => false,
        };
        if !fellows.any(|&dep| dep != id && is_there(dep)) {
            return 0;
        }
        let place = |id| self.workers.find(id).map(|worker| worker.place);
        let (Some(from), Some(to)) = (place(thief), place(victim)) else {
            return 0;
        };
        self.bandwidth.rate(from, to).micros_of(bytes) * COPY_TIMES
    }

    /// Whether something that the task needs would have to come.
    fn lacks_any(&self, task: TaskId, thief: WorkerId) -> bool {
        let mut deps = self.tasks.deps(task).iter();
        deps.any(|&dep| !self.tasks.holders(dep).contains(&thief))
    }

    /// Whether a large input would then be in two places, since other tasks need it too.
    fn is_copied(&self, task: TaskId, thief: WorkerId) -> bool {
        let mut deps = self.tasks.deps(task).iter();
        deps.any(|&dep| {
            let record = self.tasks.get(dep);
            let is_large = record.nbytes() >= self.settings.large_bytes_min;
            let is_kept = record.needed_by > 1 || record.is_wanted();
            is_large && is_kept && !self.tasks.holders(dep).contains(&thief)
        })
    }

    fn move_placed(&mut self, id: TaskId, thief: WorkerId) {
        self.leave_queues(id);
        self.transition_waiting_placed(id, thief);
    }
}

/// Values that are needed with another are looked at.
const FELLOWS_MAX: usize = 64;

/// A task whose large inputs would be copied and not moved has to wait for so many times as long as
/// that takes.
const COPY_TIMES: u64 = 4;

/// A worker that was asked and had nothing to give back is not asked again within this time.
pub(crate) const EMPTY_HANDED_MICROS: u64 = 1_000_000;

/// A worker that has more tasks than threads and has reported none for this long is stalled.
const STALLED_MICROS: u64 = 30_000;

/// Of threads that have nothing to do, no more are counted.
const IDLE_COUNTED_MAX: u32 = 256;

/// Workers of which the fullest is taken from.
const VICTIMS_COMPARED_MAX: usize = 16;

/// Workers that are looked at after one event for whether they have stalled.
const WATCHED_MAX: usize = 64;

/// Tasks of one queue that are looked at for one that is worth moving.
const LOOKED_AT_MAX: usize = 16;
