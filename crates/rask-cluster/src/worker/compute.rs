//! The threads that run tasks.

use std::cell::RefCell;
use std::collections::VecDeque;
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

/// What a compute thread is doing.
struct Current {
    shared: Arc<Shared>,
    /// Jobs of the batch that have not begun.
    batch: VecDeque<Job>,
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// Starts a thread that runs tasks until the worker ends.
pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("rask-compute".to_owned())
        .spawn(move || {
            let batch = VecDeque::new();
            let current = Current {
                shared: shared.clone(),
                batch,
            };
            CURRENT.set(Some(current));
            run(&shared);
            CURRENT.set(None);
        })
        .map(|_| ())
}

/// Another thread takes the place of this one, which runs a task that will wait for others.
/// `false` if this is no compute thread.
pub fn secede() -> bool {
    CURRENT.with_borrow_mut(|current| {
        let Some(current) = current else { return false };
        let shared = current.shared.clone();
        shared.core.lock().give_back(current.batch.drain(..));
        shared.work.notify_one();
        start(shared).is_ok()
    })
}

/// This thread takes a place again: another ends when it has nothing to do.
pub fn rejoin() {
    CURRENT.with_borrow(|current| {
        if let Some(current) = current {
            current.shared.core.lock().surplus_threads += 1;
            current.shared.work.notify_one();
        }
    });
}

fn run(shared: &Shared) {
    let thread_count = shared.register.thread_count.max(1);
    let mut jobs = Vec::new();
    loop {
        {
            let mut core = shared.core.lock();
            loop {
                if core.stopping {
                    return;
                }
                if core.surplus_threads > 0 {
                    core.surplus_threads -= 1;
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
        put_batch(jobs.drain(..));
        while run_same_scope(shared) {}
    }
}

fn put_batch(jobs: impl Iterator<Item = Job>) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(current) = current {
            current.batch.extend(jobs);
        }
    });
}

/// The next job of the batch, if its scope is this one.
fn next_job(scope: Option<&'static dyn Scope>) -> Option<Job> {
    CURRENT.with_borrow_mut(|current| {
        let batch = &mut current.as_mut()?.batch;
        is_same(scope_of(batch.front()?), scope).then(|| batch.pop_front())?
    })
}

/// Runs the jobs at the front that share a scope, inside it, and reports them. `false` if there
/// are none.
fn run_same_scope(shared: &Shared) -> bool {
    let front = CURRENT.with_borrow(|current| {
        let front = current.as_ref()?.batch.front()?;
        Some(front.layer.clone())
    });
    let Some(layer) = front else { return false };
    let scope = layer.try_op().ok().and_then(|op| op.scope());
    let mut body = || {
        let mut outcomes = Vec::new();
        while let Some(job) = next_job(scope) {
            outcomes.push(run_one(job));
        }
        report(shared, outcomes);
    };
    match scope {
        Some(scope) => scope.enter(&mut body),
        None => body(),
    }
    true
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
