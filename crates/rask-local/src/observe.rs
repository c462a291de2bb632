//! Watching a run: progress bars, profilers, callbacks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rask_value::{TaskError, ValueRef};

use crate::RunError;

/// A task as an observer sees it.
#[derive(Clone, Copy, Debug)]
pub struct TaskInfo<'a> {
    /// The layer's name.
    pub layer: &'a str,
    pub block: u32,
    /// The op's name.
    pub op: &'a str,
    /// Which of the run's threads; 0 is the caller's.
    pub worker: usize,
    /// Since the run started.
    pub started: Duration,
    /// Since the run started; zero while the task has not ended.
    pub ended: Duration,
    /// Bytes of the task's value; zero while there is none.
    pub nbytes: u64,
}

/// Told what happens in a run. Calls about tasks come on the task's thread, inside the task's scope
/// if it has one. `&()` observes nothing and costs nothing.
pub trait Observer: Sync {
    /// Whether `on_task_started` and `on_task_finished` are to be called.
    fn wants_tasks(&self) -> bool {
        false
    }

    /// Whether `on_run_started` is to be called and progress to be counted.
    fn wants_progress(&self) -> bool {
        true
    }

    /// The run begins. `progress` may be kept and read from any thread at any time.
    fn on_run_started(&self, progress: &Arc<Progress>) {
        let _ = progress;
    }

    /// A task begins.
    fn on_task_started(&self, task: &TaskInfo<'_>) {
        let _ = task;
    }

    /// A task has ended.
    fn on_task_finished(&self, task: &TaskInfo<'_>, outcome: Result<&ValueRef, &TaskError>) {
        let _ = (task, outcome);
    }

    /// The run has ended.
    fn on_run_finished(&self, error: Option<&RunError>) {
        let _ = error;
    }
}

impl Observer for () {
    fn wants_progress(&self) -> bool {
        false
    }
}

/// How far a run has come.
#[derive(Debug)]
pub struct Progress {
    layers: Vec<LayerProgress>,
    done: AtomicU64,
    total: u64,
}

#[derive(Debug)]
struct LayerProgress {
    name: Arc<str>,
    done: AtomicU32,
    total: u32,
}

impl Progress {
    pub(crate) fn new(layers: impl Iterator<Item = (Arc<str>, u32)>) -> Self {
        let layers: Vec<LayerProgress> = layers
            .map(|(name, total)| LayerProgress {
                name,
                done: AtomicU32::new(0),
                total,
            })
            .collect();
        let total = layers.iter().map(|layer| u64::from(layer.total)).sum();
        Progress {
            layers,
            done: AtomicU64::new(0),
            total,
        }
    }

    pub(crate) fn count(&self, layer: usize) {
        self.layers[layer].done.fetch_add(1, Ordering::Relaxed);
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Tasks that have ended well.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// All tasks of the run.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Name, tasks done and all tasks of each layer that has any, in the graph's order.
    pub fn layers(&self) -> impl Iterator<Item = (&str, u32, u32)> {
        let busy = self.layers.iter().filter(|layer| layer.total > 0);
        busy.map(|layer| {
            let done = layer.done.load(Ordering::Relaxed);
            (&*layer.name, done, layer.total)
        })
    }
}
