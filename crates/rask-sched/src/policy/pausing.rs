//! Workers that are short of memory: while one says so it is given nothing, and what waited for it
//! goes to others.
//!
//! A worker that pauses says so first and then gives back what it has not begun. Where there is
//! nobody else, work waits for the memory. A pause that does not end although the worker does
//! nothing is no reason to stand still: after a while the worker gets one task at a time, if no
//! other can run it. Not while its disk is full: then the memory is full of values that would be
//! lost with the process.

use rask_proto::Heartbeat;

use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState, Worker};
use crate::topics::text;

/// A worker that has been paused for so long is given one task at a time.
const CRAWLS_AFTER_MICROS: u64 = 10_000_000;

impl Scheduler {
    /// A worker says how it is.
    pub(crate) fn on_heartbeat(&mut self, id: WorkerId, mut heartbeat: Heartbeat) {
        let activities = std::mem::take(&mut heartbeat.activities);
        self.spans.note_activities(activities);
        if let Some(transfers) = heartbeat.transfers.take() {
            self.on_transfers(id, &transfers);
        }
        let now = self.now;
        let Some(worker) = self.workers.find_mut(id) else {
            return;
        };
        worker.heard = now;
        worker.running = heartbeat.running.clone();
        worker.note_memory(heartbeat.process_bytes);
        worker.unmanaged_least.note(now, heartbeat.unmanaged_bytes);
        worker.note_budget();
        let was_paused = worker.paused_since.is_some();
        let is_paused = heartbeat.paused;
        let told = std::mem::replace(&mut worker.heartbeat, heartbeat).spill_error;
        if was_paused != is_paused {
            self.workers.set_paused(id, is_paused.then_some(now));
            self.log_status(id, is_paused);
            self.relieve_paused();
        }
        self.log_spill_error(id, &told);
    }

    fn log_status(&mut self, id: WorkerId, is_paused: bool) {
        let Some(address) = self.find_worker_address(id).map(str::to_owned) else {
            return;
        };
        let names = ["running", "paused"];
        let fields = vec![
            text("worker", &address),
            text("prev-status", names[usize::from(!is_paused)]),
            text("status", names[usize::from(is_paused)]),
        ];
        self.log_action(&[&address, "all"], "worker-status-change", fields);
    }

    fn log_spill_error(&mut self, id: WorkerId, told: &str) {
        let Some(worker) = self.workers.find(id) else {
            return;
        };
        let error = &worker.heartbeat.spill_error;
        if error == told {
            return;
        }
        let address = worker.register.address.clone();
        let (action, error) = match error.is_empty() {
            true => ("spill-resumed", told.to_owned()),
            false => ("spill-failed", error.clone()),
        };
        let fields = vec![text("worker", &address), text("error", error)];
        self.log_action(&[&address, "all"], action, fields);
    }

    /// What waits for paused workers goes to others, as far as it may.
    pub(crate) fn relieve_paused(&mut self) {
        if self.workers.paused_count() == 0 || !self.workers.any_takes_tasks() {
            return;
        }
        let paused = self.workers.by_id.iter();
        let paused = paused.filter(|(_, w)| w.paused_since.is_some() && w.placed_count > 0);
        let paused: Vec<WorkerId> = paused.map(|(id, _)| *id).collect();
        for id in paused {
            let placed: Vec<TaskId> = self
                .tasks_at(id)
                .into_iter()
                .filter(|&task| {
                    let task = self.tasks.get(task);
                    task.state == TaskState::Placed && task.worker() == id
                })
                .collect();
            for task in placed {
                self.count_missing(task);
            }
        }
    }

    /// Whether a paused worker gets a task nevertheless.
    pub(crate) fn crawls(&self, worker: &Worker) -> bool {
        let since = worker.paused_since.map_or(self.now, |since| since);
        self.now.micros.saturating_sub(since.micros) >= CRAWLS_AFTER_MICROS
            && worker.busy_count() == 0
            && worker.heartbeat.spill_error.is_empty()
    }

    /// Whether the worker may take tasks that others could take too.
    pub(crate) fn shares_work(&self, worker: &Worker) -> bool {
        worker.paused_since.is_none() || !self.workers.any_takes_tasks()
    }
}
