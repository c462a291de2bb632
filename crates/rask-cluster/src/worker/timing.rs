//! Tasks that may run for a limited time only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rask_proto::{Blocks, Failure, FromWorker, TaskErred};

use super::Shared;
use super::core::Key;
use super::job::Effects;
use super::layer::RunLayer;

/// Between looks, while tasks with a limit run.
const LOOK: Duration = Duration::from_millis(20);

/// Running tasks with a limit, and when it is reached.
#[derive(Default)]
pub(super) struct Limited {
    running: Vec<Run>,
    last_serial: u64,
}

struct Run {
    serial: u64,
    key: Key,
    layer: Arc<RunLayer>,
    deadline: Instant,
}

impl Shared {
    /// A task begins; the number of the run, if its time is limited.
    pub(super) fn note_begun(&self, key: Key, layer: &Arc<RunLayer>) -> Option<u64> {
        let limit = layer.time_limit?;
        let mut limited = self.limited.lock();
        limited.last_serial += 1;
        let serial = limited.last_serial;
        limited.running.push(Run {
            serial,
            key,
            layer: layer.clone(),
            deadline: Instant::now() + limit,
        });
        self.limit_wanted.notify_one();
        Some(serial)
    }

    /// A run has ended.
    pub(super) fn note_ended(&self, serial: Option<u64>) {
        if let Some(serial) = serial {
            let running = &mut self.limited.lock().running;
            running.retain(|run| run.serial != serial);
        }
    }

    fn take_overdue(&self) -> Vec<Run> {
        let now = Instant::now();
        let running = &mut self.limited.lock().running;
        running.extract_if(.., |run| run.deadline <= now).collect()
    }

    /// The scheduler is told that the task failed; what comes of it later is disregarded, and it is
    /// stopped by whatever means there are.
    fn on_overdue(self: &Arc<Self>, run: &Run) {
        let (key, layer) = (run.key, &run.layer);
        let blocks = Blocks::from_iter([key]);
        let mut effects = Effects::default();
        let running_count = {
            let mut core = self.core.lock();
            if !core.is_running(key) {
                return;
            }
            core.on_unassign(&blocks, &mut effects);
            core.running_count()
        };
        self.follow(effects);
        let seconds = layer.time_limit.unwrap_or_default().as_secs_f64();
        self.tell(FromWorker::Erred(TaskErred {
            layer: key.0,
            block: key.1,
            failure: Some(Failure {
                message: format!(
                    "TimeoutError: block {} of {:?} was not done after {seconds} seconds, its \
                     task_timeout",
                    key.1, &*layer.name
                ),
                origin: layer.origin.as_ref().map(crate::convert::pack_origin),
                layer: layer.name.to_string(),
                block: key.1,
                ..Failure::default()
            }),
            reschedule: false,
        }));
        if self.kill(&blocks, running_count) {
            self.abandon(&[key]);
        }
    }
}

/// Looks after tasks with a limit.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        if shared.limited.lock().running.is_empty() {
            shared.limit_wanted.notified().await;
        }
        tokio::time::sleep(LOOK).await;
        for run in shared.take_overdue() {
            shared.on_overdue(&run);
        }
    }
}
