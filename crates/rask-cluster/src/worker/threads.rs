//! Which thread runs which task, for those who look at stacks.

use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::WorkerHandle;
use super::core::Key;

const NOTHING: u64 = u64::MAX;

/// What a thread runs; written by the thread, read by whoever asks.
#[derive(Debug)]
pub(super) struct RunningSlot(AtomicU64);

impl RunningSlot {
    /// Of a thread that runs nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::new(RunningSlot(AtomicU64::new(NOTHING)))
    }

    pub fn set(&self, key: Option<Key>) {
        let packed = key.map_or(NOTHING, |(layer, block)| {
            u64::from(layer) << 32 | u64::from(block)
        });
        self.0.store(packed, Ordering::Relaxed);
    }

    fn get(&self) -> Option<Key> {
        let packed = self.0.load(Ordering::Relaxed);
        (packed != NOTHING).then_some(((packed >> 32) as u32, packed as u32))
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
