//! Looking at the threads of a worker, again and again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rask_cluster::worker::WorkerHandle;

use super::service::PyWorkerService;

/// While nothing runs, one looks less and less often, down to this.
const IDLE_INTERVAL: Duration = Duration::from_millis(100);
/// However much it costs, one looks this often.
const PAUSE_MAX: Duration = Duration::from_millis(200);
/// Operations told apart among native tasks.
const OPERATIONS_MAX: usize = 10_000;

/// Threads that run a task in the interpreter, and the operation.
type Seen = Vec<(u64, String)>;

/// Looks at the threads of a worker; tasks outside of the interpreter are counted here.
#[pyclass(frozen, name = "ThreadSampler", module = "rask._core")]
pub struct PyThreadSampler {
    handle: WorkerHandle,
    interval: Duration,
    native: Mutex<HashMap<String, u64>>,
    stopped: AtomicBool,
    sleeping: (Mutex<()>, Condvar),
}

#[pymethods]
impl PyThreadSampler {
    #[new]
    fn new(service: &Bound<'_, PyWorkerService>, interval: f64) -> PyResult<Self> {
        let interval = Duration::try_from_secs_f64(interval)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(PyThreadSampler {
            handle: service.get().handle().clone(),
            interval: interval.max(Duration::from_millis(1)),
            native: Mutex::default(),
            stopped: AtomicBool::new(false),
            sleeping: Default::default(),
        })
    }

    /// Waits until it is time to look and tasks run in the interpreter (True), at most `limit`
    /// seconds (False); the interval, or `pause` seconds if that is longer, lies in between. None when
    /// the worker has ended.
    fn next(&self, py: Python<'_>, limit: f64, pause: f64) -> Option<bool> {
        let seconds = |count| Duration::try_from_secs_f64(count).unwrap_or_default();
        let pause = seconds(pause).clamp(self.interval, PAUSE_MAX.max(self.interval));
        py.detach(|| self.wait(Instant::now() + seconds(limit), pause))
    }

    /// Threads that run tasks in the interpreter now, by Python's number, and the operations. The
    /// interpreter is not let go of, so these threads stay where they are.
    fn now(&self) -> Seen {
        let samples = self.handle.sample_threads().into_iter();
        let seen = samples.filter(|sample| sample.has_scope);
        seen.map(|sample| (sample.thread, sample.operation))
            .collect()
    }

    /// How often each operation outside of the interpreter was seen since the last call.
    fn take_native(&self) -> HashMap<String, u64> {
        std::mem::take(&mut *self.native.lock())
    }

    /// Ends `next` at once.
    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.sleeping.1.notify_all();
    }
}

impl PyThreadSampler {
    fn wait(&self, deadline: Instant, mut pause: Duration) -> Option<bool> {
        loop {
            self.sleep(pause);
            if self.stopped.load(Ordering::Relaxed) || self.handle.has_ended() {
                return None;
            }
            let samples = self.handle.sample_threads();
            pause = match samples.is_empty() {
                true => (pause + self.interval).min(IDLE_INTERVAL.max(self.interval)),
                false => self.interval,
            };
            let mut found = false;
            for sample in samples {
                match sample.has_scope {
                    true => found = true,
                    false => self.count_native(sample.operation),
                }
            }
            if found || Instant::now() >= deadline {
                return Some(found);
            }
        }
    }

    fn sleep(&self, pause: Duration) {
        let mut sleeping = self.sleeping.0.lock();
        if !self.stopped.load(Ordering::Relaxed) {
            self.sleeping.1.wait_for(&mut sleeping, pause);
        }
    }

    fn count_native(&self, operation: String) {
        let mut native = self.native.lock();
        if native.len() < OPERATIONS_MAX || native.contains_key(&operation) {
            *native.entry(operation).or_default() += 1;
        }
    }
}
