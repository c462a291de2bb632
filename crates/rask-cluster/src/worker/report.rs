//! What the scheduler is told of tasks that have ended. The books know of an outcome at once, so
//! that what waits for it can run; the scheduler is told of many at a time.

use std::time::{Duration, Instant};

use rask_proto::{Blocks, Failure, FromWorker, InlineBuilder, TaskErred, TasksFinished};

use super::Shared;
use super::compute::Outcome;
use super::core::Key;
use super::job::Effects;
use crate::convert::failure_from_task;

/// A report leaves after so much time, or so many tasks, even if there is more to do.
const DELAY_MAX: Duration = Duration::from_millis(1);
const COUNT_MAX: usize = 512;

/// Outcomes that are in the books and have not been told.
#[derive(Default)]
pub(super) struct Report {
    blocks: Blocks,
    finished: TasksFinished,
    inline: InlineBuilder,
    failed: Vec<(Key, Failure, bool)>,
    since: Option<Instant>,
}

impl Report {
    pub fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// Whether it should leave before something that takes so long.
    pub fn is_due(&self, now: Instant, before: Duration) -> bool {
        let waited = |since: Instant| now.saturating_duration_since(since);
        self.since.is_some_and(|since| {
            self.blocks.len() >= COUNT_MAX || waited(since) + before > DELAY_MAX
        })
    }

    fn add(
        &mut self,
        shared: &Shared,
        core: &mut super::Core,
        outcome: Outcome,
        effects: &mut Effects,
    ) {
        for (slot, value) in outcome.decoded {
            core.on_decoded(slot, value, effects);
        }
        let (layer, block) = outcome.key;
        match outcome.result {
            Err(error) => {
                if core.on_ended(outcome.slot, None, outcome.nanos, effects) {
                    let mut failure = failure_from_task(&error, &outcome.layer.name, block);
                    failure.worker = shared.register.address.clone();
                    failure.inputs = outcome.given;
                    self.failed.push((outcome.key, failure, outcome.reschedule));
                    self.since.get_or_insert_with(Instant::now);
                }
            }
            Ok(value) => {
                let value = Some((value, outcome.nbytes));
                if !core.on_ended(outcome.slot, value, outcome.nanos, effects) {
                    return;
                }
                self.blocks.push(layer, block);
                self.finished.nbytes.push(outcome.nbytes);
                let micros = outcome.nanos.div_ceil(1000).min(u64::from(u32::MAX));
                self.finished.duration_micros.push(micros as u32);
                self.finished.working_bytes.push(outcome.working_bytes);
                match &outcome.inline {
                    Some(encoded) => self.inline.push(
                        &encoded.kind,
                        &encoded.frames.header,
                        &encoded.frames.buffers,
                    ),
                    None => self.inline.push_none(),
                }
                self.since.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Tells the scheduler.
    pub fn send(mut self, shared: &Shared) {
        if !self.blocks.is_empty() {
            self.finished.blocks = Some(self.blocks);
            self.finished.inline = Some(self.inline.finish());
            if self.finished.working_bytes.iter().all(|&bytes| bytes == 0) {
                self.finished.working_bytes.clear();
            }
            shared.tell(FromWorker::Finished(self.finished));
        }
        for ((layer, block), failure, reschedule) in self.failed {
            shared.tell(FromWorker::Erred(TaskErred {
                layer,
                block,
                failure: Some(failure),
                reschedule,
            }));
        }
    }
}

/// Writes down what came of tasks, for the report and in the books. `stays` says whether the caller
/// is about to look for the next task itself.
pub(super) fn write_down(
    shared: &Shared,
    outcomes: Vec<Outcome>,
    report: &mut Report,
    stays: bool,
) {
    if outcomes.is_empty() {
        return;
    }
    let mut effects = Effects::default();
    let (has_ready, has_fetches, has_spills) = {
        let mut core = shared.core.lock();
        for outcome in outcomes {
            let finish = match outcome.result {
                Ok(_) => "memory",
                Err(_) => "error",
            };
            shared.note_transition(&outcome.layer, outcome.key.1, "executing", finish);
            report.add(shared, &mut core, outcome, &mut effects);
        }
        (
            core.ready_count() > usize::from(stays),
            core.has_fetches(),
            core.has_spills(),
        )
    };
    if has_spills {
        shared.spills_wanted.notify_one();
    }
    if has_ready {
        shared.work.notify_one();
    }
    if has_fetches {
        shared.fetch_wanted.notify_one();
    }
    shared.discharge(effects);
}
