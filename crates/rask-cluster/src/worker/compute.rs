//! The threads that run tasks.

use std::sync::Arc;
use std::time::Instant;

use rask_proto::{Blocks, FromWorker, InlineBuilder, TaskErred, TasksFinished};
use rask_value::{Inputs, Scope, TaskContext, TaskError, ValueRef, codec};

use super::Shared;
use super::core::{Job, Key, Slot};
use crate::convert::{failure_from_task, unpack};

/// Values up to this many bytes travel with the report that they are there.
const INLINE_BYTES_MAX: u64 = 4096;

/// What came of a task.
struct Outcome {
    key: Key,
    layer: Arc<super::layer::RunLayer>,
    result: Result<ValueRef, TaskError>,
    nbytes: u64,
    nanos: u64,
    inline: Option<rask_value::Encoded>,
    decoded: Vec<(Key, ValueRef)>,
}

/// Runs tasks until the worker ends.
pub(super) fn run(shared: &Shared) {
    let thread_count = shared.register.thread_count.max(1);
    let mut jobs = Vec::new();
    loop {
        {
            let mut core = shared.core.lock();
            loop {
                if core.stopping {
                    return;
                }
                core.take_jobs(&mut jobs, thread_count);
                if !jobs.is_empty() {
                    break;
                }
                shared.work.wait(&mut core);
            }
            if core.has_ready() {
                shared.work.notify_one();
            }
        }
        while !jobs.is_empty() {
            run_same_scope(shared, &mut jobs);
        }
    }
}

/// Runs the jobs at the front that share a scope, inside it, and reports them.
fn run_same_scope(shared: &Shared, jobs: &mut Vec<Job>) {
    let scope = scope_of(&jobs[0]);
    let same = jobs
        .iter()
        .take_while(|job| is_same(scope_of(job), scope))
        .count();
    let batch: Vec<Job> = jobs.drain(..same).collect();
    let mut batch = Some(batch);
    let mut body = || {
        let batch = batch.take().unwrap_or_default();
        let outcomes: Vec<Outcome> = batch.into_iter().map(run_one).collect();
        report(shared, outcomes);
    };
    match scope {
        Some(scope) => scope.enter(&mut body),
        None => body(),
    }
}

fn scope_of(job: &Job) -> Option<&'static dyn Scope> {
    let op = job.layer.try_op().ok()?;
    op.scope()
}

fn is_same(left: Option<&'static dyn Scope>, right: Option<&'static dyn Scope>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => std::ptr::addr_eq(left, right),
        (None, None) => true,
        _ => false,
    }
}

fn run_one(job: Job) -> Outcome {
    let started = Instant::now();
    let mut decoded = Vec::new();
    let result = try_run(&job, job_inputs(&job, &mut decoded));
    let result = result.map_err(|mut error| {
        error.origin = error.origin.or_else(|| job.layer.origin.clone());
        error
    });
    let nanos = started.elapsed().as_nanos() as u64;
    job.layer.learn(nanos);
    let nbytes = result.as_ref().map_or(0, |value| value.nbytes());
    let inlined = job.wanted && nbytes <= INLINE_BYTES_MAX;
    let inline = result
        .as_ref()
        .ok()
        .filter(|_| inlined)
        .and_then(|value| value.encode().ok())
        .filter(|encoded| encoded.frames.nbytes() <= INLINE_BYTES_MAX);
    Outcome {
        key: job.key,
        layer: job.layer,
        result,
        nbytes,
        nanos,
        inline,
        decoded,
    }
}

fn job_inputs(job: &Job, decoded: &mut Vec<(Key, ValueRef)>) -> Result<Inputs, TaskError> {
    let mut inputs = Inputs::new();
    for (key, slot) in &job.inputs {
        inputs.push(match slot {
            Slot::Value(value) => value.clone(),
            Slot::Encoded(packed) => {
                let value = codec::decode_value(&unpack(packed.clone()))?;
                decoded.push((*key, value.clone()));
                value
            }
        });
    }
    Ok(inputs)
}

fn try_run(job: &Job, inputs: Result<Inputs, TaskError>) -> Result<ValueRef, TaskError> {
    let mut inputs = inputs?;
    let op = job.layer.try_op()?;
    if let Some(page) = job.layer.try_page(job.key.1)? {
        inputs.push(page);
    }
    let context = TaskContext {
        layer: &job.layer.name,
        grid: &job.layer.grid,
        block: job.key.1,
    };
    let run = std::panic::AssertUnwindSafe(|| op.run(context, inputs));
    std::panic::catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(TaskError::new(format!(
            "a bug in the operation {:?}: it panicked: {text}",
            op.name()
        )))
    })
}

/// Writes down what came of tasks and tells the scheduler.
fn report(shared: &Shared, outcomes: Vec<Outcome>) {
    let mut blocks = Blocks::default();
    let mut finished = TasksFinished::default();
    let mut inline = InlineBuilder::default();
    let mut failed = Vec::new();
    {
        let mut core = shared.core.lock();
        for outcome in outcomes {
            for (key, value) in outcome.decoded {
                core.on_decoded(key, value);
            }
            let (layer, block) = outcome.key;
            match outcome.result {
                Err(error) => {
                    if core.on_ended(outcome.key, None) {
                        failed.push((outcome.key, outcome.layer, error));
                    }
                }
                Ok(value) => {
                    if !core.on_ended(outcome.key, Some((value, outcome.nbytes))) {
                        continue;
                    }
                    blocks.push(layer, block);
                    finished.nbytes.push(outcome.nbytes);
                    let micros = outcome.nanos.div_ceil(1000).min(u64::from(u32::MAX));
                    finished.duration_micros.push(micros as u32);
                    match &outcome.inline {
                        Some(encoded) => inline.push(
                            &encoded.kind,
                            &encoded.frames.header,
                            &encoded.frames.buffers,
                        ),
                        None => inline.push_none(),
                    }
                }
            }
        }
        if core.has_ready() {
            shared.work.notify_one();
        }
    }
    if !blocks.is_empty() {
        finished.blocks = Some(blocks);
        finished.inline = Some(inline.finish());
        shared.tell(FromWorker::Finished(finished));
    }
    for ((layer, block), run_layer, error) in failed {
        shared.tell(FromWorker::Erred(TaskErred {
            layer,
            block,
            failure: Some(failure_from_task(&error, &run_layer.name, block)),
            reschedule: false,
        }));
    }
}
