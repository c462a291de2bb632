//! What workers say.

use std::sync::Arc;

use rask_proto::{Blocks, Failure, FromWorker, Missing, TaskErred, TasksFinished};
use smallvec::SmallVec;

use crate::anticipation::ANTICIPATED;
use crate::event::{Command, WorkerId};
use crate::policy::stealing::EMPTY_HANDED_MICROS;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};

impl Scheduler {
    /// A worker has ended tasks; takes what it says.
    pub(crate) fn on_report(&mut self, worker: WorkerId, finished: &mut TasksFinished) {
        if self.workers.find(worker).is_some() {
            self.attention.touch(worker);
            self.on_finished(worker, finished);
        }
    }

    pub(crate) fn on_worker_message(&mut self, worker: WorkerId, message: FromWorker) {
        if self.workers.find(worker).is_none() {
            return;
        }
        self.attention.touch(worker);
        match message {
            FromWorker::Finished(mut finished) => self.on_finished(worker, &mut finished),
            FromWorker::Erred(erred) => self.on_erred(worker, erred),
            FromWorker::Missing(missing) => self.on_missing(worker, &missing),
            FromWorker::Fetched(blocks) => self.on_fetched(worker, &blocks),
            FromWorker::Dropped(blocks) => self.on_dropped(worker, &blocks),
            FromWorker::Seceded(blocks) => self.on_seceded(worker, &blocks),
            FromWorker::Rejoined(blocks) => self.on_rejoined(worker, &blocks),
            FromWorker::Holdings(holdings) => self.on_holdings(worker, &holdings),
            FromWorker::Heartbeat(heartbeat) => self.on_heartbeat(worker, heartbeat),
            FromWorker::Event(event) => self.on_log_event(event),
            FromWorker::Leaving(()) => self.on_worker_left(worker, "it was asked to"),
            FromWorker::Death(_) | FromWorker::Register(_) => {
                self.out.push(Command::DropWorker {
                    worker,
                    reason: "a message that only another peer may send".to_owned(),
                });
            }
        }
    }

    fn on_finished(&mut self, worker: WorkerId, finished: &mut TasksFinished) {
        let Some(blocks) = finished.blocks.take() else {
            return;
        };
        let now = self.now;
        if let Some(worker) = self.workers.find_mut(worker) {
            worker.progress = now;
        }
        let inline = finished
            .inline
            .take()
            .and_then(|inline| inline.split().ok());
        let durations = finished.duration_micros.iter();
        let mut after_micros: u64 = durations.map(|&micros| u64::from(micros)).sum();
        for (at, (layer, block)) in blocks.iter().enumerate() {
            if at > 0 && at % ANTICIPATED == 0 {
                let next = blocks.iter().skip(at).take(ANTICIPATED);
                self.anticipate(&[], &next.collect::<SmallVec<[_; ANTICIPATED]>>());
            }
            let Some(id) = self.find_task(layer, block) else {
                self.out.free(worker, layer, block);
                continue;
            };
            let ended = crate::task_stream::Task {
                layer,
                block,
                duration_micros: finished.duration_micros[at],
                nbytes: finished.nbytes[at],
                working_bytes: finished.working_bytes.get(at).copied().unwrap_or(0),
            };
            after_micros -= u64::from(ended.duration_micros);
            self.learn(&ended, now.micros.saturating_sub(after_micros));
            self.shares
                .on_ended(self.tasks.get(id).share, ended.duration_micros);
            self.stream.push(now, worker, ended, after_micros);
            let flat = inline.as_ref().and_then(|inline| inline[at].as_ref());
            self.on_value(worker, id, finished.nbytes[at], flat);
        }
        let spare = self.out.spare();
        spare.keep_blocks(blocks);
        spare.keep_words(std::mem::take(&mut finished.duration_micros));
        spare.keep_doubles(std::mem::take(&mut finished.nbytes));
    }

    /// `worker` holds the value of a task that exists.
    pub(crate) fn on_value(
        &mut self,
        worker: WorkerId,
        id: TaskId,
        nbytes: u64,
        inline: Option<&bytes::Bytes>,
    ) {
        let task = self.tasks.get(id);
        match task.state {
            state if state.is_pending() => {
                self.end_copy(id, Some(worker));
                let task = self.tasks.get(id);
                if task.worker() != worker {
                    self.call_back(id);
                }
                self.transition_pending_memory(id, worker, nbytes, inline);
            }
            TaskState::Memory => self.add_holder(id, worker),
            _ => self.out.free(worker, task.layer, task.block),
        }
    }

    /// What a task that ended then tells of others of its layer and its operation.
    #[inline]
    fn learn(&mut self, ended: &crate::task_stream::Task, stop_micros: u64) {
        let (layer, operation) = self.layers.get_with_operation_mut(ended.layer);
        layer.learn(ended.duration_micros);
        operation.learn(layer.mean_micros);
        layer.learn_bytes(operation, ended.block, ended.nbytes, ended.working_bytes);
        let figures = &mut layer.ended;
        figures.note(stop_micros, ended.duration_micros, ended.nbytes);
        let is_first = layer.ended_count == 1;
        self.needs.on_ended(is_first);
        if is_first {
            self.charge_anew(ended.layer);
        }
    }

    fn on_erred(&mut self, worker: WorkerId, erred: TaskErred) {
        let Some(id) = self.find_task(erred.layer, erred.block) else {
            return;
        };
        if self.has_copy_at(id, worker) {
            // The task itself is still running: what counts is how that ends.
            self.take_copy(id);
            return;
        }
        let task = self.tasks.get_mut(id);
        if task.state != TaskState::Assigned || task.worker() != worker {
            return;
        }
        if erred.reschedule {
            return self.on_reschedule(id, worker);
        }
        if task.retries > 0 {
            return self.repeat_raised(id);
        }
        self.leave_queues(id);
        self.tasks.set_state(id, TaskState::Waiting);
        let failure = erred.failure.unwrap_or_else(|| Failure {
            message: "the worker gave no reason".to_owned(),
            ..Failure::default()
        });
        self.journal_failure(id, &failure);
        self.transition_pending_erred(id, &Arc::new(failure));
    }

    /// The worker gives tasks back, since it was asked to, or since it could not fetch inputs: their holders are not believed any more, and the tasks
    /// wait until the inputs are there again.
    fn on_missing(&mut self, worker: WorkerId, missing: &Missing) {
        let now = self.now;
        if missing.holders.is_empty()
            && let Some(record) = self.workers.find_mut(worker)
        {
            record.asked_back = false;
            if missing.tasks.as_ref().is_none_or(Blocks::is_empty) {
                record.progress.micros = now.micros + EMPTY_HANDED_MICROS;
            }
            if record.assigned_count > record.thread_count() && !record.is_watched {
                record.is_watched = true;
                self.attention.watch(worker, now);
            }
        }
        self.on_replication_failed(missing.inputs.as_ref());
        self.repeat_copies(worker, missing.inputs.as_ref());
        let inputs = missing.inputs.iter().flat_map(Blocks::iter);
        let mut lost = Vec::new();
        for ((layer, block), &holder) in inputs.zip(&missing.holders) {
            let Some(id) = self.find_task(layer, block) else {
                continue;
            };
            let holder = WorkerId(holder);
            let held = self.tasks.holders(id).contains(&holder);
            if held && self.remove_holder(id, holder) {
                lost.push(id);
            }
            if held && self.workers.find(holder).is_some() {
                self.out.free(holder, layer, block);
            }
        }
        self.fail_unfetched_actors(&mut lost, &missing.holders);
        self.transition_memory_lost(&lost);
        for (layer, block) in missing.tasks.iter().flat_map(Blocks::iter) {
            let Some(id) = self.find_task(layer, block) else {
                continue;
            };
            let task = self.tasks.get(id);
            if task.state == TaskState::Assigned && task.worker() == worker {
                self.count_missing(id);
            } else if self.has_copy_at(id, worker) {
                self.take_copy(id);
            }
        }
    }

    fn on_fetched(&mut self, worker: WorkerId, blocks: &Blocks) {
        for (layer, block) in blocks.iter() {
            match self.find_task(layer, block) {
                Some(id) if !self.is_actor(id) => {
                    self.on_value(worker, id, self.tasks.get(id).nbytes(), None);
                    self.drop_moved(id, worker);
                }
                _ => self.out.free(worker, layer, block),
            }
        }
    }

    /// Tasks that run on a worker take no thread there.
    pub(crate) fn on_seceded(&mut self, worker: WorkerId, blocks: &Blocks) {
        for (layer, block) in blocks.iter() {
            let Some(id) = self.find_task(layer, block) else {
                continue;
            };
            let task = self.tasks.get_mut(id);
            let runs_here = task.state == TaskState::Assigned && task.worker() == worker;
            if runs_here && !task.seceded {
                task.seceded = true;
                self.shares.on_seceded(task.share);
                if let Some(worker) = self.workers.find_mut(worker) {
                    worker.seceded_count += 1;
                }
            }
        }
    }

    fn on_rejoined(&mut self, worker: WorkerId, blocks: &Blocks) {
        for (layer, block) in blocks.iter() {
            let Some(id) = self.find_task(layer, block) else {
                continue;
            };
            let task = self.tasks.get_mut(id);
            let runs_here = task.state == TaskState::Assigned && task.worker() == worker;
            if runs_here && task.seceded {
                task.seceded = false;
                self.shares.on_rejoined(task.share);
                if let Some(worker) = self.workers.find_mut(worker) {
                    worker.seceded_count -= 1;
                }
            }
        }
    }

    fn on_dropped(&mut self, worker: WorkerId, blocks: &Blocks) {
        let mut lost = Vec::new();
        for (layer, block) in blocks.iter() {
            if let Some(id) = self.find_task(layer, block)
                && self.tasks.holders(id).contains(&worker)
                && self.remove_holder(id, worker)
            {
                lost.push(id);
            }
        }
        let name = self.name_of(worker);
        self.fail_lost_actors(&mut lost, &name, "it dropped the value");
        self.transition_memory_lost(&lost);
    }

    /// The task of a block in the scheduler's own numbering, as a worker names it.
    pub(crate) fn find_task(&self, layer: u32, block: u32) -> Option<TaskId> {
        self.layers.find(layer)?.find_task(block)
    }
}
