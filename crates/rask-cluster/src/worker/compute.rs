//! The threads that run tasks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rask_value::{Inputs, Scope, TaskContext, TaskError, ValueRef, codec};

use super::activity::Meter;
use super::core::{Key, Slot};
use super::job::{Effects, Fetched, Job, RunJob};
use super::lanes::{Front, Lane};
use super::spilling::{Unreadable, spill, unspill};
use super::threads::RunningSlot;
use super::{Shared, spilling};
use crate::convert::unpack;
use crate::{ClusterError, stock};

/// Values up to this many bytes travel with the report that they are there.
const INLINE_BYTES_MAX: u64 = 4096;

/// Inputs of a failed task that its report describes.
const DESCRIBED_INPUTS_MAX: usize = 8;

/// What came of a task.
pub(super) struct Outcome {
    pub slot: Slot,
    pub key: Key,
    pub layer: Arc<super::layer::RunLayer>,
    pub result: Result<ValueRef, TaskError>,
    pub nbytes: u64,
    pub nanos: u64,
    pub inline: Option<rask_value::Encoded>,
    /// By how much the process grew; 0 if unknown.
    pub working_bytes: u64,
    /// What a task that failed was given.
    pub given: Vec<String>,
    pub decoded: Vec<(Slot, ValueRef)>,
    pub reschedule: bool,
}

/// What a compute thread is doing.
struct Current {
    shared: Arc<Shared>,
    /// What it has taken and not been done with.
    lane: Arc<Lane>,
    /// The task that runs, or ran last.
    task: Option<Key>,
    /// The task that runs, for others to see.
    slot: Arc<RunningSlot>,
    /// What the task that runs has said about its outcome.
    signal: Option<Signal>,
    /// Another thread has taken the place of this one.
    seceded: bool,
}

/// What a task may say while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The outcome comes later, from elsewhere.
    Deferred,
    /// It is to be run again, elsewhere if possible.
    Reschedule,
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// Starts a thread that runs tasks until the worker ends.
pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<()> {
    let slot = RunningSlot::new();
    let (seen, own) = (slot.clone(), shared.clone());
    let thread = std::thread::Builder::new()
        .name("rask-compute".to_owned())
        .spawn(move || {
            let current = Current {
                lane: shared.lanes.add(),
                shared: shared.clone(),
                task: None,
                slot,
                signal: None,
                seceded: false,
            };
            CURRENT.set(Some(current));
            stock::fill();
            run(&shared);
            CURRENT.set(None);
        })?;
    own.threads.add(&thread, &seen);
    Ok(())
}

/// Starts the threads, once.
pub(super) fn start_all(shared: &Arc<Shared>) -> Result<(), ClusterError> {
    if shared.opened.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    for _ in 0..shared.register.thread_count.max(1) {
        start(shared.clone()).map_err(|source| ClusterError::Start {
            what: "a compute thread",
            source,
        })?;
    }
    spilling::start(shared).map_err(|source| ClusterError::Start {
        what: "the thread that writes values to disk",
        source,
    })?;
    Ok(())
}

/// The number of the worker that the calling thread runs tasks for.
pub fn current_worker() -> Option<u64> {
    CURRENT.with_borrow(|current| current.as_ref().map(|current| current.shared.id))
}

/// Calls `body` with the worker and the task that runs on this thread, and where it may say
/// something about its outcome.
pub(super) fn with_current<T>(
    body: impl FnOnce(&Arc<Shared>, Key, &mut Option<Signal>) -> T,
) -> Option<T> {
    CURRENT.with_borrow_mut(|current| {
        let current = current.as_mut()?;
        Some(body(&current.shared, current.task?, &mut current.signal))
    })
}

fn take_signal() -> Option<Signal> {
    CURRENT.with_borrow_mut(|current| current.as_mut()?.signal.take())
}

/// Marks the calling thread as one without a place, if `fill` finds another for it: the worker, the
/// task that runs, and what the thread had taken and not begun. `None` if this is no compute
/// thread, or it has none already.
pub(super) fn give_up_place(
    fill: impl FnOnce(&Arc<Shared>, Option<Key>, &RunningSlot) -> bool,
) -> Option<(Arc<Shared>, Option<Key>, VecDeque<Job>)> {
    CURRENT.with_borrow_mut(|current| {
        let current = current.as_mut()?;
        if current.seceded {
            return None;
        }
        current.seceded = fill(&current.shared, current.task, &current.slot);
        current.seceded.then(|| {
            let jobs = current.lane.take_batch();
            (current.shared.clone(), current.task, jobs)
        })
    })
}

/// Marks the calling thread as one with a place again, if it had given its own up and `take` finds one
/// for it.
pub(super) fn return_to_place(
    take: impl FnOnce(&Arc<Shared>, Option<Key>, &RunningSlot) -> bool,
) -> Option<(Arc<Shared>, Option<Key>)> {
    CURRENT.with_borrow_mut(|current| {
        let current = current.as_mut()?;
        if !current.seceded || !take(&current.shared, current.task, &current.slot) {
            return None;
        }
        current.seceded = false;
        Some((current.shared.clone(), current.task))
    })
}

fn has_place() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(|current| !current.seceded))
}

fn run(shared: &Shared) {
    let Some(lane) = CURRENT.with_borrow(|current| Some(current.as_ref()?.lane.clone())) else {
        return;
    };
    loop {
        while has_place()
            && let Some(jobs) = wait_for_jobs(shared, &lane)
        {
            if jobs.len() > 1 {
                shared.lanes.want_watch();
            }
            lane.put(jobs.into_iter());
            while do_front(shared, &lane) {}
        }
        lane.flush(shared, false);
        if !(has_place() && shared.wait_on_bench()) {
            break;
        }
    }
}

/// The next jobs; `None` if the thread is to leave. The scheduler is told of everything before the
/// thread sleeps.
fn wait_for_jobs(shared: &Shared, lane: &Lane) -> Option<Vec<Job>> {
    let thread_count = shared.register.thread_count.max(1);
    let mut jobs = Vec::new();
    let mut told = false;
    loop {
        let mut effects = Effects::default();
        let mut core = shared.core.lock();
        if core.stopping {
            return None;
        }
        if core.bench.takes_leave() {
            let trash = core.trash.take(true);
            drop(core);
            drop(trash);
            return None;
        }
        core.take_jobs(&mut jobs, thread_count, &mut effects);
        if !jobs.is_empty() {
            if core.has_ready() {
                shared.work.notify_one();
            }
            let trash = core.trash.take(false);
            drop(core);
            drop((effects, trash));
            return Some(jobs);
        }
        if !effects.garbage.is_empty() {
            drop(core);
            continue;
        }
        if told {
            if let Some(trash) = core.trash.take(true) {
                drop(core);
                drop(trash);
                continue;
            }
            core.trash.note_idle(true);
            shared.work.wait(&mut core);
            core.trash.note_idle(false);
        } else {
            drop(core);
            lane.flush(shared, true);
        }
        told = !told;
    }
}

/// Reports what has come of tasks of the batch so far: the one that runs may take long, or wait for
/// what follows from them.
pub fn flush_outcomes() {
    let lane = CURRENT.with_borrow(|current| {
        let current = current.as_ref()?;
        Some((current.shared.clone(), current.lane.clone()))
    });
    if let Some((shared, lane)) = lane {
        lane.flush(&shared, false);
    }
}

/// The thread runs this task from now on.
fn begin_task(key: Key) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(current) = current {
            current.slot.begin(key);
            current.task = Some(key);
        }
    });
}

/// The thread's task has ended; `true` if it was given up before, and another thread has taken the
/// place of this one.
fn end_task() -> bool {
    CURRENT.with_borrow_mut(|current| {
        let Some(current) = current else {
            return false;
        };
        let was_abandoned = current.slot.end();
        current.seceded |= was_abandoned;
        was_abandoned
    })
}

/// Does the job at the front; with a task all that follow and share its scope, inside it. `false` if
/// there are none.
fn do_front(shared: &Shared, lane: &Lane) -> bool {
    match lane.find_front() {
        None => return false,
        Some(Front::Tasks(layer)) => run_same_scope(shared, lane, &layer),
        Some(Front::Transfer(Job::Spill { slot, value })) => spill(shared, slot, &value),
        Some(Front::Transfer(Job::Unspill { slot, extent })) => unspill(shared, slot, &extent),
        Some(Front::Transfer(Job::Run(_))) => {}
    }
    true
}

/// Runs the tasks at the front that share a scope, inside it.
fn run_same_scope(shared: &Shared, lane: &Lane, layer: &super::layer::RunLayer) {
    let scope = layer.try_op().ok().and_then(|op| op.scope());
    let mut body = || {
        while let Some(job) = lane.next_task(scope) {
            let predicted = match job.layer.time_limit {
                // Nothing may have to wait for a task that may have to be given up.
                Some(_) => Duration::ZERO,
                None => Duration::from_nanos(job.layer.predict_nanos().into()),
            };
            if lane.is_due(predicted) {
                lane.flush(shared, false);
            }
            begin_task(job.key);
            lane.end_task(run_one(shared, job));
        }
        lane.write_down(shared, true);
    };
    match scope {
        Some(scope) => scope.enter(&mut body),
        None => body(),
    }
}

pub(super) fn scope_of(job: &RunJob) -> Option<&'static dyn Scope> {
    let op = job.layer.try_op().ok()?;
    op.scope()
}

pub(super) fn is_same(left: Option<&'static dyn Scope>, right: Option<&'static dyn Scope>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => std::ptr::addr_eq(left, right),
        (None, None) => true,
        _ => false,
    }
}

/// Runs a task; `None` if its outcome comes later.
fn run_one(shared: &Shared, job: RunJob) -> Option<Outcome> {
    let started = Instant::now();
    let mut decoded = Vec::new();
    take_signal();
    shared.note_transition(&job.layer, job.key.1, "ready", "executing");
    let serial = shared.note_begun(job.key, &job.layer);
    let watched = shared.begin_growth(&job);
    let inputs = job_inputs(&job, &mut decoded);
    let meter = Meter::start(&job.layer, started);
    let result = try_run(&job, inputs);
    if let Some(meter) = meter {
        meter.stop(&job.layer, &shared.active);
    }
    let grown = shared.growth.end(watched);
    let signal = take_signal();
    let was_abandoned = end_task();
    if was_abandoned {
        shared.note_ended(serial);
        shared.stop_starting();
        return None;
    }
    if signal == Some(Signal::Deferred) {
        shared.note_deferred(job, serial, started, decoded);
        return None;
    }
    shared.note_ended(serial);
    let mut outcome = conclude(&job, result, started);
    outcome.decoded = decoded;
    outcome.working_bytes = grown.most_bytes;
    shared.note_left(&job, grown, outcome.nbytes);
    outcome.reschedule = signal == Some(Signal::Reschedule);
    Some(outcome)
}

/// What came of a task that has ended.
pub(super) fn conclude(
    job: &RunJob,
    result: Result<ValueRef, TaskError>,
    started: Instant,
) -> Outcome {
    let result = result.map_err(|mut error| {
        error.origin = error.origin.or_else(|| job.layer.origin.clone());
        error
    });
    let given = result.as_ref().err().map(|_| describe_inputs(job));
    let given = given.unwrap_or_default();
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
        slot: job.slot,
        key: job.key,
        layer: job.layer.clone(),
        result,
        nbytes,
        nanos,
        inline,
        working_bytes: 0,
        given,
        decoded: Vec::new(),
        reschedule: false,
    }
}

/// The first inputs of a task in words.
fn describe_inputs(job: &RunJob) -> Vec<String> {
    let described = job.inputs.iter().take(DESCRIBED_INPUTS_MAX);
    let mut given: Vec<_> = described
        .map(|(_, value)| match value.downcast_ref::<Fetched>() {
            None => value.describe(),
            Some(Fetched(packed)) => match codec::decode_value(&unpack(packed.clone())) {
                Ok(value) => value.describe(),
                Err(error) => error.to_string(),
            },
        })
        .collect();
    if job.inputs.len() > DESCRIBED_INPUTS_MAX {
        given.push(format!(
            "and {} more",
            job.inputs.len() - DESCRIBED_INPUTS_MAX
        ));
    }
    given
}

fn job_inputs(job: &RunJob, decoded: &mut Vec<(Slot, ValueRef)>) -> Result<Inputs, TaskError> {
    let mut inputs = Inputs::new();
    for (slot, value) in &job.inputs {
        if let Some(unreadable) = value.downcast_ref::<Unreadable>() {
            return Err(unreadable.error().into());
        }
        inputs.push(match value.downcast_ref::<Fetched>() {
            None => value.clone(),
            Some(Fetched(packed)) => {
                let value = codec::decode_value(&unpack(packed.clone()))?;
                decoded.push((*slot, value.clone()));
                value
            }
        });
    }
    Ok(inputs)
}

fn try_run(job: &RunJob, inputs: Result<Inputs, TaskError>) -> Result<ValueRef, TaskError> {
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
