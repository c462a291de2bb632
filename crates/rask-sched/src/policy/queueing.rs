//! How much a worker is handed, and when.
//!
//! Tasks that need nothing wait in the common queue and tasks that need something in the queue of
//! the worker they were placed on; a worker is handed the most urgent of both as long as what it
//! has would keep its threads busy for less than `ahead_micros_max`. So long tasks are bound to a
//! worker as late as possible, and short ones travel by the hundred.

use std::cmp::Reverse;

use rask_proto::{BlockSizes, SharedLayer, WorkerLayer, WorkerPage};
use smallvec::SmallVec;

use super::shares::Next;
use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{QueueEntry, ShareId, TaskId, TaskState, Worker};

/// Of a worker's own tasks, so many are looked at beyond the first that its memory has no room for.
const HELD_BACK_MAX: usize = 16;
/// Workers without tasks of their own that may take over some of others', after one event.
const THIEVES_MAX: usize = 8;
/// Of workers that have nothing to do, so many at least are offered new tasks.
const IDLE_OFFERED_MIN: usize = 32;

/// Of what makes something large from nothing, as many bytes are handed out for each thread of a
/// worker, beside what it runs, as so many values have that are just large: 1 MiB.
const SOURCES_AHEAD_COUNT: u64 = 16;

impl Scheduler {
    /// Hands out what workers have room for, to those with whom something has changed.
    pub(crate) fn hand_out(&mut self) {
        if self.workers.by_id.is_empty() || self.recovering {
            return;
        }
        self.resume_blocked();
        self.relieve_congestion();
        let mut next = None;
        if self.attention.has_queue_grown() {
            // Together: of a task that a worker has given back somebody else is to hear first.
            let mut idle = Vec::new();
            next = self.find_idle_from(0, &mut idle);
            self.attention.touch_all(idle.iter());
        }
        let news = self.attention.take();
        self.offer(&news.touched);
        if news.queue_grew {
            self.offer_to_rest(next);
        }
        if self.attention.take_load_grew() && !self.attention.loaded.is_empty() {
            let idle = self.attention.idle.iter().take(THIEVES_MAX);
            let idle: SmallVec<[WorkerId; THIEVES_MAX]> =
                idle.map(|slot| self.workers.by_id.id_at(slot)).collect();
            self.offer(&idle);
        }
        // Each of these tasks fits the worker to which it went, so this comes to an end.
        loop {
            let mut diverted_to = self.attention.take_diverted();
            if diverted_to.is_empty() {
                break;
            }
            diverted_to.sort_unstable();
            diverted_to.dedup();
            self.offer(&diverted_to);
        }
        self.attention.put_back(news.touched);
        self.recall_stalled();
    }

    /// Offers what there is to workers, those with the least work first.
    fn offer(&mut self, ids: &[WorkerId]) {
        let mut open: SmallVec<[(u64, WorkerId); 8]> = SmallVec::new();
        for (at, &id) in ids.iter().enumerate() {
            self.anticipate_room(ids, at);
            let Some(worker) = self.workers.find(id) else {
                continue;
            };
            if self.has_room_for_users(worker) {
                open.push((worker.assigned_micros, id));
            }
            let has_room = self.has_room(worker);
            self.note_room(id, has_room);
        }
        open.sort_unstable();
        let quota = self.queued_count / (2 * self.attention.open.len()).max(1);
        for (at, &(_, id)) in open.iter().enumerate() {
            self.anticipate_filling(&open, at);
            let worker = self.workers.find(id);
            let thread_count = worker.map_or(1, |worker| worker.thread_count());
            self.fill(id, quota.max(thread_count as usize));
            if let Some(worker) = self.workers.find(id) {
                let has_room = self.has_room(worker) && !worker.held_back;
                self.note_room(id, has_room);
            }
        }
    }

    fn note_room(&mut self, id: WorkerId, has_room: bool) {
        if let Some(slot) = self.workers.by_id.find_slot(id)
            && let Some(worker) = self.workers.find_mut(id)
        {
            self.attention.note(slot, worker, has_room);
        }
    }

    /// Workers that have nothing to do, no more of them than the common queue may need, and where to
    /// look for others.
    fn find_idle_from(&self, start: u32, found: &mut Vec<WorkerId>) -> Option<u32> {
        let count = self.queued_count.max(IDLE_OFFERED_MIN);
        let mut last = None;
        for slot in self.attention.idle.iter_from(start).take(count) {
            found.push(self.workers.by_id.id_at(slot));
            last = Some(slot);
        }
        last.map(|last| last + 1)
    }

    /// Offers what is left of the common queue to other workers that have nothing to do, and then to
    /// all with room.
    fn offer_to_rest(&mut self, mut next: Option<u32>) {
        while let Some(start) = next
            && self.queued_count > 0
        {
            let mut ids = Vec::new();
            next = self.find_idle_from(start, &mut ids);
            self.offer(&ids);
        }
        if self.queued_count > 0 {
            let open = self.attention.open.iter();
            let open: Vec<WorkerId> = open.map(|slot| self.workers.by_id.id_at(slot)).collect();
            self.offer(&open);
        }
    }

    /// Hands tasks to one worker while it has room, at most `source_quota` of the common queue.
    fn fill(&mut self, id: WorkerId, source_quota: usize) {
        self.resume_ahead(id);
        let mut held_back = Vec::new();
        let is_held_back = self.fill_within_memory(id, source_quota, &mut held_back);
        if is_held_back && (self.is_congested() || !self.has_bytes_left()) {
            self.note_refused(id);
        }
        if let Some(worker) = self.workers.find_mut(id) {
            worker.held_back = is_held_back;
            for (share, entry) in held_back {
                worker.queues.push(share, entry);
            }
        }
    }

    /// Those of its own tasks that its memory has no room for are put into `held_back`. Returns
    /// whether there was any task like that.
    fn fill_within_memory(
        &mut self,
        id: WorkerId,
        source_quota: usize,
        held_back: &mut Vec<(ShareId, QueueEntry)>,
    ) -> bool {
        let mut from_sources = 0;
        let mut sources_held_back = false;
        let mut stuck: SmallVec<[ShareId; 2]> = SmallVec::new();
        loop {
            let any_held_back = sources_held_back || !held_back.is_empty();
            let Some(worker) = self.workers.find(id) else {
                return any_held_back;
            };
            if !self.has_room_for_users(worker) || held_back.len() > HELD_BACK_MAX {
                return any_held_back;
            }
            let shares_work = self.shares_work(worker);
            let may_take_source = shares_work
                && from_sources < source_quota
                && !sources_held_back
                && self.has_room(worker);
            let next = match self.decide_next(id, may_take_source, &stuck) {
                Some(next) => next,
                None if shares_work && !any_held_back && stuck.is_empty() && self.steal_for(id) => {
                    continue;
                }
                None => return any_held_back,
            };
            let task = next.task();
            if self.divert_unfitting(task, id) {
                continue;
            }
            if !self.has_room_for(task, id) || !self.admits(task, id) {
                // No other goes before a task that needs nothing and has to wait.
                sources_held_back |= self.tasks.get(task).is_source();
                if let Next::Own(share, _) = next {
                    held_back.extend(self.pop_own(id, share));
                }
                continue;
            }
            let is_source = matches!(next, Next::Source(_));
            match next {
                Next::Source(task) => {
                    self.pop_source(task);
                    from_sources += 1;
                }
                Next::Own(share, task) => {
                    self.pop_own(id, share);
                    if !self.has_resources_now(id, task) {
                        stuck.push(share);
                        continue;
                    }
                }
            }
            self.anticipate_ahead(task);
            let after = self.anticipate_after(id);
            self.transition_ready_assigned(task, id);
            after.inspect(|&after| self.anticipate_dependents(after));
            self.extend_ahead(task, id);
            after.inspect(|&after| self.anticipate_dependents_edges(after));
            if is_source {
                self.place_family(task, id);
            }
        }
    }

    /// Whether the worker may be given anything.
    pub(crate) fn has_room(&self, worker: &Worker) -> bool {
        self.has_room_beside(worker, worker.busy_count(), worker.assigned_micros)
    }

    /// Whether the worker may be given a task that needs values, and so goes before all that it has
    /// that need none and have not begun.
    pub(crate) fn has_room_for_users(&self, worker: &Worker) -> bool {
        let sources = worker.sources;
        let count = u64::from(sources.assigned_count);
        if sources.assigned_micros > count * self.settings.ahead_micros_max {
            // It would be bound to the worker for long.
            return self.has_room(worker);
        }
        let busy_count = worker.busy_count().saturating_sub(sources.assigned_count);
        let micros = worker.assigned_micros - sources.assigned_micros;
        self.has_room_beside(worker, busy_count, micros)
    }

    /// Whether a worker that may be given something may be given this task. Of tasks that need
    /// nothing and make something large it gets no more than it can run at once: what is made from values that are there goes first.
    fn has_room_for(&mut self, id: TaskId, worker: WorkerId) -> bool {
        if !self.tasks.get(id).is_source() {
            return true;
        }
        let Some(worker) = self.workers.find(worker) else {
            return false;
        };
        if !self.has_room(worker) {
            return false;
        }
        let bytes = self
            .find_output_bytes(id)
            .unwrap_or(self.settings.large_bytes_min);
        if bytes < self.settings.large_bytes_min {
            return true;
        }
        let (threads, busy_count) = (worker.thread_count(), worker.busy_count());
        if self.is_congested() || !self.may_begin(id, bytes) {
            return false;
        }
        if busy_count < threads {
            return true;
        }
        let ahead = busy_count + 1 - threads;
        let most = SOURCES_AHEAD_COUNT * self.settings.large_bytes_min * u64::from(threads);
        u64::from(ahead).saturating_mul(bytes) <= most
    }

    fn has_room_beside(&self, worker: &Worker, busy_count: u32, micros: u64) -> bool {
        let threads = worker.thread_count();
        if worker.retiring {
            return false;
        }
        if worker.paused_since.is_some() {
            return self.crawls(worker);
        }
        if busy_count < threads {
            return true;
        }
        let most = self.settings.ahead_micros_max;
        micros < most.saturating_mul(u64::from(threads))
            && worker.assigned_count < self.settings.ahead_count_max
    }

    /// Whether the resources that the task takes are free; if not, it goes back to its queue.
    fn has_resources_now(&mut self, id: WorkerId, task: TaskId) -> bool {
        let Some(restriction) = self.restriction_of(task).cloned() else {
            return true;
        };
        let Some(worker) = self.workers.find_mut(id) else {
            return false;
        };
        if worker.has_free(&restriction.resources) {
            return true;
        }
        let record = self.tasks.get(task);
        let entry = Reverse((record.priority, task, record.serial));
        worker.queues.push(record.share, entry);
        false
    }

    /// The most urgent task of a share that is Placed on the worker.
    pub(crate) fn peek_own(&mut self, id: WorkerId, share: ShareId) -> Option<(u64, TaskId, u32)> {
        loop {
            let worker = self.workers.find_mut(id)?;
            let Reverse(entry) = worker.queues.peek(share)?;
            let task = self.tasks.find(entry.1, entry.2);
            if task.is_some_and(|task| task.state == TaskState::Placed && task.worker() == id) {
                return Some(entry);
            }
            worker.queues.pop(share);
        }
    }

    fn pop_own(&mut self, id: WorkerId, share: ShareId) -> Option<(ShareId, QueueEntry)> {
        let worker = self.workers.find_mut(id)?;
        worker.queues.pop(share).map(|entry| (share, entry))
    }

    /// The most urgent task of a share in the common queue.
    pub(crate) fn peek_source(&mut self, share: ShareId) -> Option<(u64, TaskId)> {
        let exempt = match self.shares.get(share).exempt.is_empty() {
            true => None,
            false => self.peek_queue(share, true),
        };
        let plain = match self.shares.get(share).admits_bytes() {
            true => self.peek_queue(share, false),
            false => None,
        };
        exempt.into_iter().chain(plain).min()
    }

    /// The most urgent entry of one of a share's queues whose task is still there.
    pub(crate) fn peek_queue(&mut self, share: ShareId, is_exempt: bool) -> Option<(u64, TaskId)> {
        loop {
            let id = self.shares.queue_mut(share, is_exempt).peek()?;
            if self.tasks.state(id) == TaskState::Queued && self.may_run_anywhere(id) {
                let task = self.tasks.get(id);
                if task.share == share && task.is_shared == is_exempt {
                    return Some((task.priority, id));
                }
            }
            self.shares.queue_mut(share, is_exempt).pop(&self.tasks);
        }
    }

    /// Takes the task that `peek_source` has found.
    fn pop_source(&mut self, id: TaskId) {
        let task = self.tasks.get(id);
        let queue = self.shares.queue_mut(task.share, task.is_shared);
        queue.pop(&self.tasks);
    }

    /// Whether a ready task goes to the common queue.
    pub(crate) fn may_run_anywhere(&self, id: TaskId) -> bool {
        self.tasks.get(id).is_source() && self.restriction_of(id).is_none()
    }

    /// Sends name and op of a layer, if the worker does not have them.
    pub(crate) fn ship_op(&mut self, worker: WorkerId, number: u32) {
        let layer = self.layers.get(number);
        let slot = self.workers.by_id.find_slot(worker);
        if slot.is_some_and(|slot| !layer.shipped.contains(slot)) {
            self.note_shipped(worker, number);
            let message = match &self.layers.get(number).message {
                Some(message) => message.clone(),
                None => self.make_layer_message(number),
            };
            self.out.layer(worker, message);
        }
    }

    /// What all workers are told of a layer.
    fn make_layer_message(&mut self, number: u32) -> SharedLayer {
        let layer = self.layers.get(number);
        let sizes = layer.sizes.as_ref();
        let message = SharedLayer::from(WorkerLayer {
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
        });
        self.layers.get_mut(number).message = Some(message.clone());
        message
    }

    /// Writes down that a worker has the op of a layer.
    pub(crate) fn note_shipped(&mut self, worker: WorkerId, number: u32) {
        let Some(slot) = self.workers.by_id.find_slot(worker) else {
            return;
        };
        let layer = self.layers.get_mut(number);
        let is_new = !layer.shipped.contains(slot);
        layer.shipped.insert(slot);
        if let Some(record) = self.workers.find_mut(worker).filter(|_| is_new) {
            if record.shipped.len() == record.shipped.capacity() {
                let layers = &self.layers;
                record
                    .shipped
                    .retain(|&mut number| layers.find(number).is_some());
            }
            record.shipped.push(number);
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
