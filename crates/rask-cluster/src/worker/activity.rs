//! What tasks do with their time: counted with the layer, told with heartbeats, for spans. Tasks that
//! are short are not measured: reading the thread's clock takes a system call.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;
use rask_proto::LayerActivity;
use rask_value::SpanPath;

use super::layer::RunLayer;

/// Tasks that are thought to be shorter are not measured.
const MEASURED_NANOS_MIN: u32 = 100_000;

/// Of the tasks of a layer that were measured, since it was last told.
pub(super) struct Activity {
    span: Option<Arc<SpanPath>>,
    /// Known when a task has run.
    operation: OnceLock<String>,
    cpu_nanos: AtomicU64,
    noncpu_nanos: AtomicU64,
    waited_nanos: AtomicU64,
    decode_nanos: AtomicU64,
    /// It is among those to be told.
    is_noted: AtomicBool,
}

impl Activity {
    /// Of a layer that belongs to this span.
    pub fn new(span: Option<Arc<SpanPath>>) -> Arc<Self> {
        Arc::new(Activity {
            span,
            operation: OnceLock::new(),
            cpu_nanos: AtomicU64::new(0),
            noncpu_nanos: AtomicU64::new(0),
            waited_nanos: AtomicU64::new(0),
            decode_nanos: AtomicU64::new(0),
            is_noted: AtomicBool::new(false),
        })
    }
}

/// Those with something to tell.
pub(super) type Active = Mutex<Vec<Arc<Activity>>>;

thread_local! {
    /// What the tasks of this thread have waited for others, without a place.
    static WAITED_NANOS: Cell<u64> = const { Cell::new(0) };
}

/// The task of the calling thread has waited for others since then, and took no place.
pub(super) fn note_waited(since: Instant) {
    WAITED_NANOS.set(WAITED_NANOS.get() + nanos(since, Instant::now()));
}

/// A task that is measured.
pub(super) struct Meter {
    began: Instant,
    decoded: Instant,
    cpu_nanos: u64,
    waited_nanos: u64,
}

impl Meter {
    /// The inputs of a task are there, and it runs now; `began` when these were to be decoded. `None`
    /// for one that is thought to be short.
    pub fn start(layer: &RunLayer, began: Instant) -> Option<Self> {
        let predicted = layer.predict_nanos();
        (predicted == 0 || predicted >= MEASURED_NANOS_MIN).then(|| Meter {
            began,
            decoded: Instant::now(),
            cpu_nanos: thread_nanos(),
            waited_nanos: WAITED_NANOS.get(),
        })
    }

    /// The task has ended, on the same thread.
    pub fn stop(self, layer: &RunLayer, active: &Active) {
        let ran = nanos(self.decoded, Instant::now());
        let waited = WAITED_NANOS.get().saturating_sub(self.waited_nanos);
        let waited = waited.min(ran);
        let cpu = thread_nanos().saturating_sub(self.cpu_nanos);
        let cpu = cpu.min(ran - waited);
        let activity = &layer.activity;
        let add = |figure: &AtomicU64, nanos: u64| figure.fetch_add(nanos, Ordering::Relaxed);
        add(&activity.cpu_nanos, cpu);
        add(&activity.waited_nanos, waited);
        add(&activity.noncpu_nanos, ran - waited - cpu);
        add(&activity.decode_nanos, nanos(self.began, self.decoded));
        if !activity.is_noted.swap(true, Ordering::AcqRel) {
            let name = || layer.find_op().map_or("", |op| op.name()).to_owned();
            activity.operation.get_or_init(name);
            active.lock().push(activity.clone());
        }
    }
}

fn nanos(from: Instant, to: Instant) -> u64 {
    to.saturating_duration_since(from).as_nanos() as u64
}

/// The processor time of the calling thread.
fn thread_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// What there is to tell, which is told once.
pub(super) fn take(active: &Active) -> Vec<LayerActivity> {
    let active = std::mem::take(&mut *active.lock());
    let told = active.into_iter().map(|activity| {
        activity.is_noted.store(false, Ordering::Release);
        let take = |figure: &AtomicU64| figure.swap(0, Ordering::Relaxed) / 1000;
        let span = activity.span.as_ref().and_then(|span| span.ids.last());
        LayerActivity {
            span: span.cloned().unwrap_or_default(),
            operation: activity.operation.get().cloned().unwrap_or_default(),
            cpu_micros: take(&activity.cpu_nanos),
            noncpu_micros: take(&activity.noncpu_nanos),
            waited_micros: take(&activity.waited_nanos),
            decode_micros: take(&activity.decode_nanos),
        }
    });
    told.collect()
}
