//! Doing jobs: running ops, writing and reading values. No lock is held here.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use rask_graph::{Block, TaskId};
use rask_store::Extent;
use rask_value::{Inputs, Op, TaskContext, TaskError, ValueRef, codec};

use crate::setup::find_op;
use crate::worker::Worker;
use crate::{RunError, TaskInfo};

/// A job with what it needs.
pub(crate) enum Work {
    Run {
        task: TaskId,
        at: Block,
        inputs: Inputs,
    },
    Spill {
        task: TaskId,
        value: ValueRef,
    },
    Unspill {
        task: TaskId,
        at: Block,
        extent: Extent,
    },
}

/// What became of a job.
pub(crate) enum Outcome {
    Value {
        task: TaskId,
        value: ValueRef,
        nbytes: u64,
        nanos: u64,
    },
    Written {
        task: TaskId,
        extent: Option<Extent>,
        value: ValueRef,
    },
    Read {
        task: TaskId,
        value: ValueRef,
    },
}

impl Worker<'_, '_> {
    /// Does the jobs taken, one after the other. The rest is abandoned when the run is stopped.
    pub(crate) fn do_jobs(&mut self) {
        let mut jobs = std::mem::take(&mut self.jobs);
        let mut started = Instant::now();
        for job in jobs.drain(..) {
            if self.run.is_stopped() {
                break;
            }
            match job {
                Work::Run { task, at, inputs } => {
                    started = self.run_task(task, at, inputs, started);
                }
                Work::Spill { task, value } => {
                    let encoded = value.encode().ok();
                    let disk = &self.run.disk;
                    let extent = encoded.and_then(|encoded| match value.has_windows() {
                        true => disk.write_plain(&encoded).ok(),
                        false => disk.write(&encoded).ok(),
                    });
                    self.outcomes.push(Outcome::Written {
                        task,
                        extent,
                        value,
                    });
                }
                Work::Unspill { task, at, extent } => self.read_back(task, at, &extent),
            }
        }
        self.jobs = jobs;
    }

    /// Runs one task. Returns when it ended, which is when the next one begins.
    fn run_task(&mut self, task: TaskId, at: Block, inputs: Inputs, started: Instant) -> Instant {
        let run = self.run;
        let index = at.layer.0 as usize;
        let layer = &run.plan.graph.layers[index];
        let Some(op) = find_op(run.plan, index) else {
            self.fail(at, TaskError::new("the layer has no op to run"));
            return started;
        };
        let context = TaskContext {
            layer: &layer.name,
            grid: &layer.grid,
            block: at.block,
        };
        let mut info = run.observes_tasks.then(|| TaskInfo {
            layer: &layer.name,
            block: at.block,
            op: op.name(),
            worker: self.number,
            started: started.duration_since(run.started),
            ended: std::time::Duration::ZERO,
            nbytes: 0,
        });
        if let Some(info) = &info {
            run.observer.on_task_started(info);
        }
        let result = run_op(&**op, context, inputs);
        let ended = Instant::now();
        let nbytes = result.as_ref().map_or(0, |value| value.nbytes());
        if let Some(info) = &mut info {
            info.ended = ended.duration_since(run.started);
            info.nbytes = nbytes;
            run.observer.on_task_finished(info, result.as_ref());
        }
        match result {
            Ok(value) => {
                if let Some(progress) = &run.progress {
                    progress.count(index);
                }
                self.outcomes.push(Outcome::Value {
                    task,
                    value,
                    nbytes,
                    nanos: ended.duration_since(started).as_nanos() as u64,
                });
            }
            Err(error) => self.fail(at, error),
        }
        ended
    }

    /// Ends the run for a task that failed.
    fn fail(&self, at: Block, mut error: TaskError) {
        let plan = self.run.plan;
        let index = at.layer.0 as usize;
        if error.origin.is_none() {
            error.origin = plan.origins.get(index).cloned().flatten();
        }
        self.run.stop(RunError::Task {
            layer: plan.graph.layers[index].name.to_string(),
            block: at.block,
            error: Box::new(error),
        });
    }

    fn read_back(&mut self, task: TaskId, at: Block, extent: &Extent) {
        let read = self.run.disk.read(extent).map_err(|e| e.to_string());
        let value = read.and_then(|e| codec::decode_value(&e).map_err(|e| e.to_string()));
        match value {
            Ok(value) => self.outcomes.push(Outcome::Read { task, value }),
            Err(reason) => {
                let layer = &self.run.plan.graph.layers[at.layer.0 as usize];
                let layer = layer.name.to_string();
                self.run.stop(RunError::Spill { layer, reason });
            }
        }
    }
}

/// Runs an op; a panic in it is the task's failure, not the process's.
fn run_op(op: &dyn Op, context: TaskContext<'_>, inputs: Inputs) -> Result<ValueRef, TaskError> {
    let caught = catch_unwind(AssertUnwindSafe(|| op.run(context, inputs)));
    caught.unwrap_or_else(|panic| {
        let message = describe_panic(&*panic);
        Err(TaskError::new(format!("{} panicked: {message}", op.name())))
    })
}

fn describe_panic(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
