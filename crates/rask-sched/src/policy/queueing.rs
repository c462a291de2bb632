//! How much a worker is handed, and when.
//!
//! Tasks that need nothing wait in the common queue and tasks that need something in the queue of
//! the worker they were placed on; a worker is handed the most urgent of both as long as what it
//! has would keep its threads busy for less than `ahead_micros_max`. So long tasks are bound to a
//! worker as late as possible, and short ones travel by the hundred.

use std::cmp::Reverse;

use rask_proto::{BlockSizes, WorkerLayer, WorkerPage};

use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{QueueEntry, TaskId, TaskState};

/// Of a worker's own tasks, so many are looked at beyond the first that its memory has no room for.
const HELD_BACK_MAX: usize = 16;

impl Scheduler {
    /// Hands out what workers have room for, to those with whom something has changed.
    pub(crate) fn hand_out(&mut self) {
        if self.workers.by_id.is_empty() || self.recovering {
            return;
        }
        let mut open: Vec<(u64, WorkerId)> = Vec::new();
        for id in self.attention.take() {
            let Some(worker) = self.workers.find(id) else {
                continue;
            };
            let has_room = self.has_room(worker);
            if has_room {
                open.push((worker.assigned_micros, id));
            }
            self.attention.note(id, has_room);
        }
        open.sort_unstable();
        let quota = self.queued_count / (2 * self.attention.open_count()).max(1);
        for (_, id) in open {
            let worker = self.workers.find(id);
            let thread_count = worker.map_or(1, |worker| worker.thread_count());
            self.fill(id, quota.max(thread_count as usize));
            let worker = self.workers.find(id);
            let has_room = worker.is_some_and(|w| self.has_room(w) && !w.held_back);
            self.attention.note(id, has_room);
        }
        if self.attention.is_stalled_check_due(self.now) {
            self.recall_stalled();
        }
    }

    /// Hands tasks to one worker while it has room, at most `source_quota` of the common queue.
    fn fill(&mut self, id: WorkerId, source_quota: usize) {
        self.resume_ahead(id);
        let mut held_back = Vec::new();
        let is_held_back = self.fill_within_memory(id, source_quota, &mut held_back);
        if let Some(worker) = self.workers.find_mut(id) {
            worker.held_back = is_held_back;
            worker.queue.extend(held_back);
        }
    }

    /// Those of its own tasks that its memory has no room for are put into `held_back`. Returns
    /// whether there was any task like that.
    fn fill_within_memory(
        &mut self,
        id: WorkerId,
        source_quota: usize,
        held_back: &mut Vec<QueueEntry>,
    ) -> bool {
        let mut from_sources = 0;
        let mut sources_held_back = false;
        loop {
            let any_held_back = sources_held_back || !held_back.is_empty();
            let Some(worker) = self.workers.find(id) else {
                return any_held_back;
            };
            if !self.has_room(worker) || held_back.len() > HELD_BACK_MAX {
                return any_held_back;
            }
            let shares_work = self.shares_work(worker);
            let own = self.peek_own(id);
            let may_take_source = shares_work && from_sources < source_quota && !sources_held_back;
            let source = may_take_source.then(|| self.peek_source()).flatten();
            let (task, takes_own) = match (own, source) {
                (Some(own), Some(source)) if (own.0, own.1) <= source => (own.1, true),
                (Some(own), None) => (own.1, true),
                (_, Some(source)) => (source.1, false),
                (None, None) if shares_work && !any_held_back && self.steal_for(id) => continue,
                (None, None) => return any_held_back,
            };
            if self.divert_unfitting(task, id) {
                continue;
            }
            if !self.admits(task, id) {
                match (takes_own, own) {
                    (true, Some(entry)) => {
                        self.pop_own(id);
                        held_back.push(Reverse(entry));
                    }
                    _ => sources_held_back = true,
                }
                continue;
            }
            let popped = match takes_own {
                true => self.pop_own(id),
                false => self.queue.pop(&self.tasks),
            };
            from_sources += usize::from(!takes_own);
            let Some(task) = popped else {
                return any_held_back;
            };
            if !self.has_resources_now(id, task) {
                return any_held_back;
            }
            self.transition_ready_assigned(task, id);
            self.extend_ahead(task, id);
        }
    }

    pub(crate) fn has_room(&self, worker: &crate::state::Worker) -> bool {
        let threads = worker.thread_count();
        if worker.retiring {
            return false;
        }
        if worker.paused_since.is_some() {
            return self.crawls(worker);
        }
        if worker.busy_count() < threads {
            return true;
        }
        let ahead = worker.assigned_micros / u64::from(threads);
        ahead < self.settings.ahead_micros_max
            && worker.assigned_count < self.settings.ahead_count_max
    }

    /// Whether the resources that the task takes are free; if not, it goes back to its queue.
    fn has_resources_now(&mut self, id: WorkerId, task: TaskId) -> bool {
        let layer = self.tasks.get(task).layer;
        let Some(restriction) = self.layers.get(layer).restriction.clone() else {
            return true;
        };
        let Some(worker) = self.workers.find_mut(id) else {
            return false;
        };
        if worker.has_free(&restriction.resources) {
            return true;
        }
        let task_record = self.tasks.get(task);
        worker
            .queue
            .push(Reverse((task_record.priority, task, task_record.serial)));
        false
    }

    /// The most urgent task Placed on the worker.
    fn peek_own(&mut self, id: WorkerId) -> Option<(u64, TaskId, u32)> {
        loop {
            let worker = self.workers.find_mut(id)?;
            let Reverse(entry) = *worker.queue.peek()?;
            let task = self.tasks.find(entry.1, entry.2);
            if task.is_some_and(|task| task.state == TaskState::Placed && task.worker == id) {
                return Some(entry);
            }
            worker.queue.pop();
        }
    }

    fn pop_own(&mut self, id: WorkerId) -> Option<TaskId> {
        let worker = self.workers.find_mut(id)?;
        worker.queue.pop().map(|Reverse((_, task, _))| task)
    }

    /// The most urgent task of the common queue.
    fn peek_source(&mut self) -> Option<(u64, TaskId)> {
        loop {
            let id = self.queue.peek()?;
            if self.tasks.state(id) == TaskState::Queued && self.may_run_anywhere(id) {
                return Some((self.tasks.get(id).priority, id));
            }
            self.queue.pop(&self.tasks);
        }
    }

    /// Whether a ready task goes to the common queue.
    fn may_run_anywhere(&self, id: TaskId) -> bool {
        let layer = self.tasks.get(id).layer;
        self.tasks.deps(id).is_empty() && self.layers.get(layer).restriction.is_none()
    }

    /// Sends name and op of a layer, if the worker does not have them.
    pub(crate) fn ship_op(&mut self, worker: WorkerId, number: u32) {
        let layer = self.layers.get_mut(number);
        if layer.shipped.insert(worker) {
            if let Some(record) = self.workers.find_mut(worker) {
                record.shipped.insert(number);
            }
            let sizes = layer.sizes.as_ref();
            self.out.layer(
                worker,
                WorkerLayer {
                    id: number,
                    name: layer.name.to_string(),
                    grid: layer.grid.clone(),
                    op: layer.op.clone(),
                    origin: layer.origin.clone(),
                    page_blocks: layer.page_blocks,
                    timeout_millis: layer.timeout_millis,
                    part_modulo: layer.part_modulo,
                    part_count: layer.part_count,
                    span: self.spans.find_path(layer.span),
                    sizes: sizes
                        .filter(|sizes| sizes.is_dense)
                        .map(BlockSizes::to_spec),
                },
            );
        }
    }

    /// Sends the op and the page that a block needs, if the worker does not have them.
    pub(crate) fn ship_layer(&mut self, worker: WorkerId, number: u32, block: u32) {
        self.ship_op(worker, number);
        let layer = self.layers.get_mut(number);
        let Some(page) = layer.page_of(block) else {
            return;
        };
        if layer.page_blocks > 1 {
            let holders = &mut layer.pages_shipped[page];
            if holders.contains(&worker) {
                return;
            }
            holders.push(worker);
        }
        let content = layer.pages.get(page).cloned();
        self.out.page(
            worker,
            WorkerPage {
                layer: number,
                page: page as u32,
                content,
            },
        );
    }
}
