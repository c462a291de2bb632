//! Which thread runs which task: for those who look at stacks, and for those who give a task up.

use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::WorkerHandle;
use super::core::Key;

const NOTHING: u64 = u64::MAX;
/// The thread's task was given up: another thread has its place.
const ABANDONED: u64 = u64::MAX - 1;

fn packed((layer, block): Key) -> u64 {
    u64::from(layer) << 32 | u64::from(block)
}

/// What a thread runs; written by the thread, read by whoever asks.
#[derive(Debug)]
pub(super) struct RunningSlot(AtomicU64);

impl RunningSlot {
    /// Of a thread that runs nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::new(RunningSlot(AtomicU64::new(NOTHING)))
    }

    /// The thread runs this task from now on.
    pub fn begin(&self, key: Key) {
        self.0.store(packed(key), Ordering::Relaxed);
    }

    /// The thread's task has ended; `true` if it was given up before.
    pub fn end(&self) -> bool {
        self.0.swap(NOTHING, Ordering::Relaxed) == ABANDONED
    }

    /// Whether the thread's task was given up.
    pub fn is_abandoned(&self) -> bool {
        self.0.load(Ordering::Relaxed) == ABANDONED
    }

    fn get(&self) -> Option<Key> {
        let found = self.0.load(Ordering::Relaxed);
        let is_task = found != NOTHING && found != ABANDONED;
        is_task.then_some(((found >> 32) as u32, found as u32))
    }
}

/// The compute threads by what the system calls them.
#[derive(Default)]
pub(super) struct Threads {
    threads: Mutex<Vec<(u64, Weak<RunningSlot>)>>,
}

impl Threads {
    /// A thread was started; it holds the slot as long as it runs.
    pub fn add(&self, thread: &JoinHandle<()>, slot: &Arc<RunningSlot>) {
        let mut threads = self.threads.lock();
        threads.retain(|(_, slot)| slot.strong_count() > 0);
        #[allow(clippy::unnecessary_cast, reason = "its type differs between systems")]
        let name = thread.as_pthread_t() as u64;
        threads.push((name, Arc::downgrade(slot)));
    }

    /// Gives up a task that some thread runs; `false` if none does.
    pub fn abandon(&self, key: Key) -> bool {
        let threads = self.threads.lock();
        let mut slots = threads.iter().filter_map(|(_, slot)| slot.upgrade());
        slots.any(|slot| {
            let order = Ordering::Relaxed;
            slot.0
                .compare_exchange(packed(key), ABANDONED, order, order)
                .is_ok()
        })
    }

    pub fn running(&self) -> Vec<(u64, Key)> {
        let threads = self.threads.lock();
        let running = threads.iter().filter_map(|(thread, slot)| {
            let key = slot.upgrade()?.get()?;
            Some((*thread, key))
        });
        running.collect()
    }
}

/// A thread, the name of the layer of the task that it runs, the block, and whether this is part of
/// the key.
pub type ThreadTask = (u64, String, u32, bool);

impl WorkerHandle {
    /// What each compute thread that runs a task runs.
    pub fn threads(&self) -> Vec<ThreadTask> {
        let running = self.shared.threads.running().into_iter();
        let core = self.shared.core.lock();
        let named = running.filter_map(|(thread, (layer, block))| {
            let (name, numbered) = core.find_layer_name(layer)?;
            Some((thread, name, block, numbered))
        });
        named.collect()
    }
}
