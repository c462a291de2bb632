//! A worker: runs tasks on threads, keeps their values, fetches from and serves to peers.
//!
//! * `core`: what the worker knows, behind one lock that is never held while anything runs, is
//!   encoded or is sent for.
//! * `compute`: the threads that run tasks, many small ones to one entering of the interpreter.
//! * `fetch`: values from peers.
//! * `serve`: the network thread.

mod activity;
mod answers;
mod borrowing;
mod budget;
mod compute;
mod core;
mod deferred;
mod events;
mod fetch;
mod growth;
mod history;
mod job;
mod lanes;
mod layer;
mod lending;
mod measured;
mod memory;
mod parts;
mod places;
mod profile;
mod report;
mod scheduler_link;
mod serve;
mod spans;
mod spilling;
mod threads;
mod timing;
mod trash;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use foldhash::HashMap;
use parking_lot::{Condvar, Mutex};
use rask_proto::{Frame, FromWorker, Missing, Plugin, Register, Wire};
use rask_store::Disk;
use rask_value::ValueRef;
use rask_wire::{Address, FrameSender, Security};

use self::budget::Budget;
pub use self::budget::MemoryShares;
pub use self::compute::{current_worker, flush_outcomes};
use self::core::Core;
pub use self::deferred::{
    Completion, CurrentTask, current_task, defer_current, reschedule_current,
};
pub use self::history::{Choice, Told};
use self::job::Effects;
pub use self::places::{Absence, rejoin, secede};
pub use self::profile::ThreadSample;
pub use self::spans::current_span;
pub use self::threads::ThreadTask;
use crate::ClusterError;
use crate::calls::{CallQueue, ServiceEvent};
use crate::peer::PeerPool;
use crate::segments;

/// How a worker is started.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    pub scheduler: Address,
    /// Where to listen for peers; port 0 chooses a free one.
    pub listen: Address,
    pub security: Security,
    /// Unique among the workers; made up if empty.
    pub name: String,
    pub thread_count: u32,
    /// 0 is without limit.
    pub memory_bytes_max: u64,
    pub resources: Vec<(String, f64)>,
    pub local_directory: Option<PathBuf>,
    pub memory_shares: MemoryShares,
    /// The process is the worker's alone, so that its memory is the worker's.
    pub owns_process: bool,
    /// Somebody starts another process when this one ends.
    pub supervised: bool,
    /// Where its nanny takes calls; empty if nowhere.
    pub nanny: String,
    /// Of what it runs on, by package.
    pub versions: Vec<rask_proto::Version>,
    /// Run no task before [`WorkerHandle::open`].
    pub held: bool,
    /// Keep trying to reach the scheduler for this long.
    pub connect_timeout: Duration,
}

/// Why a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerEnd {
    /// The scheduler asked it to.
    Shutdown { reason: String, restart: bool },
    /// The connection to the scheduler ended.
    Disconnected(String),
    /// `WorkerHandle::stop` was called.
    Stopped,
}

/// A running worker; clones share it.
#[derive(Clone)]
pub struct WorkerHandle {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    core: Mutex<Core>,
    /// Tasks have become ready, or the worker ends.
    work: Condvar,
    /// Threads without a place are called back, or the worker ends.
    bench_called: Condvar,
    /// Values have to be written to disk, or the worker ends.
    spills_wanted: Condvar,
    /// What the scheduler and this worker are both capable of, as bits.
    capabilities: AtomicU64,
    /// To the scheduler; another one after a reconnection.
    sender: Mutex<FrameSender>,
    peers: PeerPool,
    disk: Disk,
    budget: Option<Budget>,
    growth: growth::Growth,
    /// The process's memory is the worker's.
    owns_process: bool,
    transferred: Transferred,
    measured: measured::Measured,
    /// Held while a value moves into shared memory, so that it moves once.
    filling: Mutex<()>,
    asked: Mutex<lending::Asked>,
    borrowed: borrowing::Borrowed,
    fetch_wanted: tokio::sync::Notify,
    stop: tokio::sync::Notify,
    end: Mutex<Option<WorkerEnd>>,
    /// How it is to end, where somebody here asks for it.
    asked_end: Mutex<Option<WorkerEnd>>,
    ended: Condvar,
    register: Register,
    /// What the service is to do.
    calls: Arc<CallQueue>,
    /// Tasks that run, but on no compute thread.
    deferred: Mutex<HashMap<(u32, u32), deferred::Place>>,
    limited: Mutex<timing::Limited>,
    limit_wanted: tokio::sync::Notify,
    /// As they came with the scheduler's welcome.
    plugins: Vec<Plugin>,
    threads: threads::Threads,
    /// Layers whose tasks were measured.
    active: activity::Active,
    lanes: lanes::Lanes,
    /// Unique in this process.
    id: u64,
    opened: AtomicBool,
    /// The service wants to know when tasks change their states.
    transitions_wanted: AtomicBool,
}

/// Bytes of values that came from peers, and that went to peers and clients.
#[derive(Debug, Default)]
struct Transferred {
    incoming: AtomicU64,
    outgoing: AtomicU64,
}

impl WorkerHandle {
    /// Starts a worker on threads of this process and waits until the scheduler has taken it in.
    pub fn start(options: WorkerOptions) -> Result<Self, ClusterError> {
        crate::logs::install();
        if options.owns_process {
            segments::begin(options.memory_bytes_max);
            rask_value::array::recycle_below(segments::BORN_BYTES_MIN);
        }
        let owns_process = options.owns_process;
        let (report, reported) = std::sync::mpsc::channel();
        std::thread::Builder::new()
            .name("rask-worker".to_owned())
            .spawn(move || serve::run(options, report))
            .map_err(|source| ClusterError::Start {
                what: "the worker's network thread",
                source,
            })?;
        let started = reported
            .recv()
            .map_err(|_| ClusterError::Unexpected("no start report"))?;
        if owns_process {
            segments::prepare();
        }
        started
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.register.name
    }

    /// Where peers reach it.
    pub fn address(&self) -> &str {
        &self.shared.register.address
    }

    /// Bytes of its values in memory, and on disk.
    pub fn value_bytes(&self) -> (u64, u64) {
        let core = self.shared.core.lock();
        (core.held_bytes(), core.spilled_bytes())
    }

    /// Bytes of values that came from peers so far, and that went to peers and clients.
    pub fn transferred_bytes(&self) -> (u64, u64) {
        let Transferred { incoming, outgoing } = &self.shared.transferred;
        (
            incoming.load(Ordering::Relaxed),
            outgoing.load(Ordering::Relaxed),
        )
    }

    /// Waits until it has ended, at most this long.
    pub fn wait(&self, timeout: Duration) -> Option<WorkerEnd> {
        let mut end = self.shared.end.lock();
        if end.is_none() {
            self.shared.ended.wait_for(&mut end, timeout);
        }
        end.clone()
    }

    /// Unique in this process, as is [`current_worker`].
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Begins to run tasks, where it was started `held`.
    pub fn open(&self) -> Result<(), ClusterError> {
        compute::start_all(&self.shared)
    }

    /// What is asked of the worker's service.
    pub fn calls(&self) -> &Arc<CallQueue> {
        &self.shared.calls
    }

    /// The plugins that were registered when the worker joined.
    pub fn plugins(&self) -> &[Plugin] {
        &self.shared.plugins
    }

    /// Tells the service when tasks change their states, or does not any longer.
    pub fn want_transitions(&self, wanted: bool) {
        let flag = &self.shared.transitions_wanted;
        flag.store(wanted, Ordering::Relaxed);
    }

    /// Names of the layers whose tasks run now, and the blocks.
    pub fn running(&self) -> Vec<(String, u32)> {
        self.shared.core.lock().running_names()
    }

    /// What tasks went through last, as far as it is `wanted`.
    pub fn story(&self, wanted: Choice<'_>) -> Vec<Told> {
        self.shared.core.lock().told(wanted)
    }

    /// How many tasks are here and have not begun.
    pub fn ready_count(&self) -> usize {
        self.shared.core.lock().ready_count()
    }

    /// What is held here: names of layers, blocks, whether these are parts of their keys, and the
    /// values that are in memory.
    pub fn held(&self) -> Vec<(String, u32, bool, Option<ValueRef>)> {
        self.shared.core.lock().held_values()
    }

    /// Leaves the process as if the scheduler had asked for it; with `restart` another is started.
    pub fn end(&self, reason: &str, restart: bool) {
        *self.shared.asked_end.lock() = Some(WorkerEnd::Shutdown {
            reason: reason.to_owned(),
            restart,
        });
        self.shared.stop.notify_one();
    }

    /// Asks it to end.
    pub fn stop(&self) {
        self.shared.stop.notify_one();
    }
}

impl Shared {
    /// Tells of tasks given back, lets go of values, without holding up the caller's thread, and wakes
    /// those for whom there may be something to do.
    fn follow(&self, effects: Effects) {
        self.settle(effects);
        if self.core.lock().has_fetches() {
            self.fetch_wanted.notify_one();
        }
    }

    /// The same for who fetches: there is nothing more to fetch before something else happens.
    fn settle(&self, mut effects: Effects) {
        self.tell_given_back(&mut effects);
        let mut core = self.core.lock();
        let has_left = core.leave_to_threads(&mut effects);
        if core.has_ready() || has_left {
            self.work.notify_one();
        }
        if core.has_spills() {
            self.spills_wanted.notify_one();
        }
        drop(core);
        self.discharge(effects);
    }

    /// Tells of tasks given back, and lets go of values and layers.
    fn discharge(&self, mut effects: Effects) {
        self.tell_given_back(&mut effects);
        if !effects.garbage.is_empty() || !effects.layers.is_empty() {
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn_blocking(move || drop(effects))),
                Err(_) => drop(effects),
            }
        }
    }

    fn tell_given_back(&self, effects: &mut Effects) {
        if !effects.given_back.is_empty() {
            let given_back = std::mem::take(&mut effects.given_back);
            self.tell(FromWorker::Missing(Missing {
                tasks: Some(given_back.into_iter().collect()),
                ..Missing::default()
            }));
        }
    }

    /// Tells the service that a task has changed its state, if it wants to know.
    fn note_transition(
        &self,
        layer: &layer::RunLayer,
        block: u32,
        start: &'static str,
        finish: &'static str,
    ) {
        if self
            .transitions_wanted
            .load(std::sync::atomic::Ordering::Relaxed)
        {
            self.calls.push(ServiceEvent::Transition {
                name: layer.name.to_string(),
                block,
                numbered: !layer.grid.0.is_empty(),
                start,
                finish,
            });
        }
    }

    /// Sends a message to the scheduler. A connection that has ended is noticed where it is read.
    fn tell(&self, message: FromWorker) {
        let frame: Frame = message.into_frame();
        self.sender.lock().send(frame);
    }
}
