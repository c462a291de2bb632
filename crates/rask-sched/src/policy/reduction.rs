//! Superfluous copies of values are dropped, now and then, while that is switched on: a value that
//! several workers hold because tasks there needed it stays where tasks need it still, and in one
//! place at least.
//!
//! Copies that clients ([`Replicate`](rask_proto::Replicate)) or policies asked for stay.

use std::collections::BTreeSet;

use rask_proto::{AnswerBody, MemoryManager, MemoryManagerOp};

use crate::HashMap;
use crate::event::{Time, WorkerId};
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};

/// Above so many values with a number of copies asked for, those that are gone are dropped.
const PRUNED_AT: usize = 1024;

/// Which values have superfluous copies, and when to look.
#[derive(Debug, Default)]
pub(crate) struct Reduction {
    is_running: bool,
    next: Option<Time>,
    /// Values that have got a second holder, with their serials; once more for each time.
    replicated: BTreeSet<(TaskId, u32)>,
    /// How many copies were asked for.
    asked: HashMap<(TaskId, u32), u32>,
    pruned_at: usize,
}

impl Reduction {
    /// Nothing known; on or off.
    pub fn new(is_running: bool) -> Self {
        Reduction {
            is_running,
            next: is_running.then(Time::default),
            ..Reduction::default()
        }
    }

    /// When to look for superfluous copies, if there may be any.
    pub fn next(&self) -> Option<Time> {
        self.next.filter(|_| !self.replicated.is_empty())
    }
}

impl Scheduler {
    /// A client switches it on or off, or wants it done now.
    pub(crate) fn on_memory_manager(&mut self, wish: &MemoryManager) -> AnswerBody {
        match wish.op() {
            MemoryManagerOp::Start => self.start_reduction(),
            MemoryManagerOp::Stop => {
                self.reduction.is_running = false;
                self.reduction.next = None;
                self.reduction.replicated.clear();
            }
            MemoryManagerOp::RunOnce => {
                self.find_replicated();
                self.reduce_replicas();
            }
            MemoryManagerOp::Running => {}
        }
        AnswerBody::MemoryManager(MemoryManager {
            running: self.reduction.is_running,
            ..MemoryManager::default()
        })
    }

    /// Begins to look for superfluous copies at every interval.
    pub(crate) fn start_reduction(&mut self) {
        if !self.reduction.is_running {
            self.reduction.is_running = true;
            self.find_replicated();
            self.plan_reduction();
        }
    }

    /// Whether superfluous copies are dropped again and again.
    pub fn drops_replicas(&self) -> bool {
        self.reduction.is_running
    }

    fn plan_reduction(&mut self) {
        let next = self.now.micros + self.settings.reduction_interval_micros.max(1000);
        self.reduction.next = Some(Time { micros: next });
    }

    /// A value has one more holder.
    pub(crate) fn note_replica(&mut self, id: TaskId) {
        if self.reduction.is_running && self.tasks.holders(id).len() > 1 {
            let serial = self.tasks.get(id).serial;
            if self.reduction.replicated.is_empty() {
                self.plan_reduction();
            }
            self.reduction.replicated.insert((id, serial));
        }
    }

    fn find_replicated(&mut self) {
        let all = self.tasks.iter();
        let several = all.filter(|&(id, _)| self.tasks.holders(id).len() > 1);
        self.reduction.replicated = several.map(|(id, task)| (id, task.serial)).collect();
    }

    /// So many copies are wanted.
    pub(crate) fn note_copies_asked(&mut self, id: TaskId, count: usize) {
        let tasks = &self.tasks;
        let reduction = &mut self.reduction;
        if reduction.asked.len() > reduction.pruned_at.max(PRUNED_AT) {
            let is_live = |&(id, serial): &(TaskId, u32)| tasks.find(id, serial).is_some();
            reduction.asked.retain(|key, _| is_live(key));
            reduction.pruned_at = 2 * reduction.asked.len();
        }
        let key = (id, tasks.get(id).serial);
        reduction.asked.insert(key, count as u32);
    }

    /// No more copies are wanted than there are.
    pub(crate) fn limit_copies_asked(&mut self, id: TaskId) {
        let count = self.tasks.holders(id).len() as u32;
        let key = (id, self.tasks.get(id).serial);
        if let Some(asked) = self.reduction.asked.get_mut(&key) {
            *asked = (*asked).min(count);
        }
    }

    /// Drops superfluous copies, if it is time to.
    pub(crate) fn advance_reduction(&mut self) {
        if self.reduction.next().is_none_or(|next| self.now < next) {
            return;
        }
        self.plan_reduction();
        if !self.recovering {
            self.reduce_replicas();
        }
    }

    fn reduce_replicas(&mut self) {
        let moving: BTreeSet<TaskId> = self.tasks_being_copied().collect();
        for (id, serial) in std::mem::take(&mut self.reduction.replicated) {
            let task = self.tasks.find(id, serial);
            let is_there = task.is_some_and(|task| task.state == TaskState::Memory);
            if !is_there || self.tasks.holders(id).len() < 2 {
                continue;
            }
            if !moving.contains(&id) {
                self.reduce_replicas_of(id);
            }
            let is_left = self.reduction.is_running && self.tasks.holders(id).len() > 1;
            if is_left {
                self.reduction.replicated.insert((id, serial));
            }
        }
    }

    /// Keeps a value where tasks need it, and at the emptiest of its holders where none do.
    fn reduce_replicas_of(&mut self, id: TaskId) {
        let Some(needed_at) = self.find_needing(id) else {
            return;
        };
        let serial = self.tasks.get(id).serial;
        let asked = self.reduction.asked.get(&(id, serial)).copied();
        let workers = &self.workers;
        let leaves = |id: &WorkerId| workers.find(*id).is_none_or(|worker| worker.retiring);
        if self.tasks.holders(id).iter().any(leaves) {
            return;
        }
        let mut holders: Vec<(bool, bool, u64, WorkerId)> = Vec::new();
        for &holder in self.tasks.holders(id) {
            let worker = self.workers.find(holder);
            let is_paused = worker.is_none_or(|worker| !worker.takes_tasks());
            let held_bytes = worker.map_or(0, |worker| worker.held_bytes);
            holders.push((!needed_at.contains(&holder), is_paused, held_bytes, holder));
        }
        // Those that are kept first.
        holders.sort_unstable();
        let is_needed = |entry: &&(bool, bool, u64, WorkerId)| !entry.0;
        let needed_count = holders.iter().filter(is_needed).count();
        let kept = needed_count.max(asked.unwrap_or(1) as usize).max(1);
        let (layer, block) = (self.tasks.get(id).layer, self.tasks.get(id).block);
        for &(_, _, _, holder) in holders.iter().skip(kept) {
            self.remove_holder(id, holder);
            self.out.free(holder, layer, block);
        }
    }

    /// The holders where tasks that are to run need the value. `None` if it may be on its way from
    /// any of them, or it is not known yet where it will be needed.
    pub(super) fn find_needing(&self, id: TaskId) -> Option<BTreeSet<WorkerId>> {
        let mut needing = BTreeSet::new();
        for dependent in self.live_dependents(id) {
            let task = self.tasks.get(dependent);
            match task.state {
                TaskState::Waiting | TaskState::Queued => return None,
                TaskState::Placed | TaskState::Assigned => {
                    if !self.tasks.holders(id).contains(&task.worker()) {
                        return None;
                    }
                    needing.insert(task.worker());
                }
                _ => {}
            }
            if task.state == TaskState::Assigned
                && self.copies.iter().any(|(copied, ..)| copied == dependent)
            {
                return None;
            }
        }
        Some(needing)
    }
}
