//! One run: what its threads share, and its beginning and end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rask_exec::{Command, Limits};
use rask_graph::TaskId;
use rask_store::{Disk, Slots};
use rask_value::{Plan, Scope, ValueRef, codec, fuse_plan};

use crate::pool::{Bell, Help, Summons};
use crate::setup::{LocalMachine, Setup, set_up};
use crate::worker::Worker;
use crate::{Observer, Options, Progress, RunError};

/// The interrupt is asked at most this often.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Smaller values are not worth a place on disk.
const SPILL_BYTES_MIN: u64 = 256;

/// Runs a plan and returns the values of its wanted blocks, in their order.
///
/// The caller's thread works too. The first task that fails ends the run: tasks that are running
/// are waited for, the rest is abandoned, and the error names the user's line that made the layer.
pub fn run(
    plan: &Plan,
    options: &Options<'_>,
    observer: &dyn Observer,
) -> Result<Vec<ValueRef>, RunError> {
    let result = try_run(plan, options, observer);
    if observer.wants_progress() || observer.wants_tasks() {
        observer.on_run_finished(result.as_ref().err());
    }
    result
}

fn try_run(
    plan: &Plan,
    options: &Options<'_>,
    observer: &dyn Observer,
) -> Result<Vec<ValueRef>, RunError> {
    let limits = Limits {
        memory_bytes_max: options.memory_bytes_max,
        spill_bytes_min: SPILL_BYTES_MIN,
        spills_ahead: false,
    };
    let fused = options.optimize.then(|| fuse_plan(plan)).flatten();
    let plan = fused.as_ref().unwrap_or(plan);
    let setup = set_up(plan, limits)?;
    let run = Run::new(plan, options, observer, setup);
    if let Some(progress) = &run.progress {
        observer.on_run_started(progress);
    }
    let summons = Summons::new(&run);
    Worker::owner(&run, summons.bell(), options.interrupt).work();
    drop(summons);
    run.finish()
}

/// What the threads of a run share.
pub(crate) struct Run<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) observes_tasks: bool,
    pub(crate) progress: Option<Arc<Progress>>,
    pub(crate) started: Instant,
    pub(crate) threads: usize,
    /// By lane.
    pub(crate) scopes: Vec<Option<&'static dyn Scope>>,
    pub(crate) disk: Disk,
    /// Set when the run is to end early.
    pub(crate) stopped: AtomicBool,
    pub(crate) state: Mutex<RunState<'a>>,
    /// There may be jobs, or the run has ended.
    pub(crate) changed: Condvar,
    wanted: Vec<TaskId>,
}

/// What they share under the lock.
pub(crate) struct RunState<'a> {
    pub(crate) machine: LocalMachine<'a>,
    pub(crate) slots: Slots,
    pub(crate) error: Option<RunError>,
    /// Threads that wait for `changed`.
    pub(crate) waiting: usize,
    /// Helpers that have been summoned and have not left.
    pub(crate) helpers: usize,
    /// Numbers given to threads so far; the owner has 0.
    pub(crate) workers: usize,
    /// Threads inside the scope of each lane, or on their way.
    pub(crate) inside: Vec<u32>,
    /// Scratch.
    pub(crate) commands: Vec<Command>,
}

impl<'a> Run<'a> {
    fn new(
        plan: &'a Plan,
        options: &Options<'_>,
        observer: &'a dyn Observer,
        setup: Setup<'a>,
    ) -> Self {
        let names = plan.graph.layers.iter().map(|layer| layer.name.clone());
        let counts = setup.counts;
        let progress = observer
            .wants_progress()
            .then(|| Arc::new(Progress::new(names.zip(counts))));
        Run {
            plan,
            observer,
            observes_tasks: observer.wants_tasks(),
            progress,
            started: Instant::now(),
            threads: options.threads,
            disk: Disk::new(options.spill_dir.clone()),
            stopped: AtomicBool::new(false),
            changed: Condvar::new(),
            wanted: setup.wanted,
            state: Mutex::new(RunState {
                machine: setup.machine,
                slots: setup.slots,
                error: None,
                waiting: 0,
                helpers: 0,
                workers: 1,
                inside: vec![0; setup.scopes.len()],
                commands: Vec::new(),
            }),
            scopes: setup.scopes,
        }
    }

    /// Ends the run early; the first reason counts.
    pub(crate) fn stop(&self, error: RunError) {
        let mut state = self.state.lock();
        let late = match state.error {
            None => {
                state.error = Some(error);
                None
            }
            Some(_) => Some(error),
        };
        self.stopped.store(true, Ordering::Relaxed);
        drop(state);
        self.changed.notify_all();
        drop(late);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The values, once all threads have left.
    fn finish(self) -> Result<Vec<ValueRef>, RunError> {
        let state = self.state.into_inner();
        let result = match state.error {
            Some(error) => Err(error),
            None => {
                let wanted = self.wanted.iter();
                wanted
                    .map(|&task| collect(self.plan, &state.machine, &state.slots, &self.disk, task))
                    .collect()
            }
        };
        drop_inside(self.scopes.into_iter().flatten().next(), state.slots);
        result
    }
}

impl Help for Run<'_> {
    fn help(&self, bell: Bell<'_>) {
        Worker::helper(self, bell).work();
    }
}

fn collect(
    plan: &Plan,
    machine: &LocalMachine<'_>,
    slots: &Slots,
    disk: &Disk,
    task: TaskId,
) -> Result<ValueRef, RunError> {
    if let Some(value) = slots.find(task) {
        return Ok(value.clone());
    }
    let failed = |reason: String| {
        let layer = machine.topology().table.block_of(task).layer;
        RunError::Spill {
            layer: plan.graph.layers[layer.0 as usize].name.to_string(),
            reason,
        }
    };
    let extent = slots
        .find_extent(task)
        .ok_or_else(|| failed("it is not there".to_string()))?;
    let encoded = disk.read(extent).map_err(|e| failed(e.to_string()))?;
    codec::decode_value(&encoded).map_err(|e| failed(e.to_string()))
}

/// Drops many values inside the scope they may need.
fn drop_inside(scope: Option<&'static dyn Scope>, slots: Slots) {
    let mut slots = Some(slots);
    match scope {
        Some(scope) => scope.enter(&mut || drop(slots.take())),
        None => drop(slots),
    }
}
