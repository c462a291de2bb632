//! Workers.

use std::cmp::Reverse;

use crate::HashMap;
use bytes::Bytes;
use rask_proto::{Blocks, Heartbeat, Register};
use smallvec::SmallVec;

use super::worker_table::NO_LOAD;
use super::{ByValue, PeerSet, TaskId, TaskState, Tasks};
use crate::event::{Time, WorkerId};
use crate::policy::bandwidth::Place;

/// An entry of a queue: priority, task, serial. Entries of tasks that have moved on stay until they
/// come up.
pub(crate) type QueueEntry = Reverse<(u64, TaskId, u32)>;

/// Of lists of numbers so many are in the record.
const INLINE: usize = 12;

/// One worker. What nearly every event looks at comes first, so that it shares a few lines of the
/// processor's cache.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Worker {
    /// Threads, at least one.
    thread_count: u32,
    /// Tasks Assigned here.
    pub assigned_count: u32,
    pub assigned_micros: u64,
    /// Of those, the ones that take no thread.
    pub seceded_count: u32,
    /// Of those Placed and Assigned here, the ones that need nothing.
    pub sources: Sources,
    /// Copies of slow tasks that run here, see `policy::speculation`.
    pub copy_count: u32,
    pub placed_micros: u64,
    pub placed_count: u32,
    /// Given no more tasks; to leave when it has none.
    pub retiring: bool,
    /// It was not given a task for which its memory was too full.
    pub held_back: bool,
    /// It was asked to give tasks back and has not answered.
    pub asked_back: bool,
    /// It is to be looked at when it may have stalled.
    pub is_watched: bool,
    /// In which of the sets of `policy::attention` it is.
    pub noticed: crate::policy::attention::Noted,
    /// It is short of memory and begins no task, for so long.
    pub paused_since: Option<Time>,
    pub held_bytes: u64,
    pub place: Place,
    /// What values may take of its memory, `u64::MAX` if that has no limit.
    pub budget_bytes: u64,
    /// Of the values held here, bytes of those that pending tasks need and that are large enough to
    /// count.
    pub needed_bytes: u64,
    /// Bytes that tasks Assigned here are thought to take beyond their inputs.
    pub promised_bytes: u64,
    /// Values held here.
    pub held_count: u64,
    /// When it last reported tasks that ended, or was given tasks when it had none.
    pub progress: Time,
    /// Tasks that were Placed or Assigned here, or are held here; more than once, and for a while
    /// after.
    pub noted: SmallVec<[TaskId; INLINE]>,
    /// Tasks Placed here.
    pub queues: super::PlacedQueues,
    /// Inputs of those tasks on their way here.
    pub incoming: ByValue,
    /// Values here that nobody needs once tasks that were handed out, here or elsewhere, have run.
    pub freeing: ByValue,
    /// Tasks Assigned here that others wait for, which it had no room for, with their serials.
    pub ahead_stopped: Vec<(super::TaskId, u32)>,
    /// Layers whose op it has, and some that are forgotten.
    pub shipped: SmallVec<[u32; INLINE]>,
    /// Where it listens, as others are told.
    pub address: Bytes,
    /// The places of the workers that were told so, and of some that have left.
    pub known_by: PeerSet,
    /// Resources that running tasks have taken.
    pub taken: HashMap<String, f64>,
    pub register: Register,
    pub heartbeat: Heartbeat,
    /// Tasks it said it was running, most recently.
    pub running: Option<Blocks>,
    /// Bytes of its process at its last heartbeats, the latest last.
    pub memory_timeline: std::collections::VecDeque<u64>,
    /// What of its process are no values: the least of the last while.
    pub unmanaged_least: crate::memory_figures::Least,
    /// When its last heartbeat came, or it joined.
    pub heard: Time,
}

/// Tasks at a worker that need no value: what they make is not needed before what is made from
/// values that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    pub placed_micros: u64,
    pub assigned_count: u32,
    pub assigned_micros: u64,
}

/// The host part of an address.
pub(crate) fn host_of(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    rest.rsplit_once(':').map(|(host, _)| host)
}

/// Keeps the tasks that are at a worker.
fn keep_here(noted: &mut SmallVec<[TaskId; INLINE]>, tasks: &Tasks, id: WorkerId) {
    for &task in &*noted {
        tasks.prefetch(task);
    }
    noted.retain(|&mut task| match tasks.state(task) {
        TaskState::Placed | TaskState::Assigned => tasks.get(task).worker() == id,
        TaskState::Memory => tasks.holders(task).contains(&id),
        _ => false,
    });
}

/// Values take at most this much of a worker's memory, and whatever else there is at least that
/// much; the process takes at most so much. As workers see to themselves.
const TARGET_PERCENT: u64 = 60;
const LEAST_PERCENT: u64 = 10;
const PROCESS_PERCENT: u64 = 70;

/// What values may take of a worker's memory, beside what is no value and stays; `u64::MAX` if it
/// has no limit.
fn budget_of(register: &Register, unmanaged_bytes: u64) -> u64 {
    let limit = match register.memory_bytes_max {
        0 => return u64::MAX,
        limit => limit,
    };
    let share = |percent: u64| (limit / 100 * percent).max(1);
    let left = share(PROCESS_PERCENT).saturating_sub(unmanaged_bytes);
    left.clamp(share(LEAST_PERCENT), share(TARGET_PERCENT))
}

const THREAD_COUNT_MAX: u32 = 1 << 16;

/// Heartbeats whose memory is kept.
const TIMELINE_COUNT: usize = 8;

impl Worker {
    /// Notes the bytes of the worker's process.
    pub fn note_memory(&mut self, bytes: u64) {
        if self.memory_timeline.len() == TIMELINE_COUNT {
            self.memory_timeline.pop_front();
        }
        self.memory_timeline.push_back(bytes);
    }

    /// By how much its process had grown, at its last heartbeat, since it began to run a task.
    pub fn find_growth(&self, layer: u32, block: u32) -> Option<u64> {
        let running = self.heartbeat.running.as_ref()?;
        let at = running.iter().position(|key| key == (layer, block))?;
        self.heartbeat.running_growth.get(at).copied()
    }

    /// The memory of its process at its last heartbeats, in words.
    pub fn describe_memory(&self) -> Option<String> {
        let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
        let timeline: Vec<String> = self
            .memory_timeline
            .iter()
            .map(|&bytes| mebibytes(bytes).to_string())
            .collect();
        let limit = match self.register.memory_bytes_max {
            0 => "no limit".to_owned(),
            limit => format!("a limit of {} MiB", mebibytes(limit)),
        };
        (!timeline.is_empty()).then(|| {
            format!(
                "its memory at the last heartbeats: {} MiB, of {limit}",
                timeline.join(", ")
            )
        })
    }

    /// A worker that has just joined.
    pub fn new(register: Register) -> Self {
        Worker {
            thread_count: register.thread_count.clamp(1, THREAD_COUNT_MAX),
            is_watched: false,
            noticed: Default::default(),
            place: Place::of(&register),
            budget_bytes: budget_of(&register, 0),
            address: Bytes::copy_from_slice(register.address.as_bytes()),
            register,
            heartbeat: Heartbeat::default(),
            shipped: SmallVec::new(),
            known_by: PeerSet::default(),
            noted: SmallVec::new(),
            queues: super::PlacedQueues::default(),
            placed_count: 0,
            placed_micros: 0,
            assigned_count: 0,
            assigned_micros: 0,
            seceded_count: 0,
            sources: Sources::default(),
            copy_count: 0,
            held_count: 0,
            held_bytes: 0,
            needed_bytes: 0,
            promised_bytes: 0,
            incoming: ByValue::default(),
            freeing: ByValue::default(),
            held_back: false,
            taken: HashMap::default(),
            running: None,
            progress: Time::default(),
            asked_back: false,
            memory_timeline: std::collections::VecDeque::new(),
            ahead_stopped: Vec::new(),
            retiring: false,
            paused_since: None,
            unmanaged_least: Default::default(),
            heard: Time::default(),
        }
    }

    /// What it says of its memory has changed.
    pub fn note_budget(&mut self) {
        // A worker without a nanny may be a thread of a user's process, whose memory is no worker's.
        let unmanaged_bytes = match self.register.supervised {
            true => self.unmanaged_least.get(),
            false => 0,
        };
        self.budget_bytes = budget_of(&self.register, unmanaged_bytes);
    }

    /// Whether its memory has a limit.
    #[inline]
    pub fn is_limited(&self) -> bool {
        self.budget_bytes != u64::MAX
    }

    /// Bytes in its memory that matter once all that it was given runs. What is on disk does not
    /// count, nor do values that no pending task needs: these are the first to go to disk.
    pub fn projected_bytes(&self) -> u64 {
        let in_memory = self.held_bytes.saturating_sub(self.heartbeat.spilled_bytes);
        let needed = self.needed_bytes.min(in_memory);
        needed + self.promised_bytes + self.incoming.bytes()
    }

    /// Whether so many bytes more are within its budget, once all that it was given runs.
    pub fn has_bytes_for(&self, bytes: u64) -> bool {
        self.projected_bytes().saturating_add(bytes) <= self.budget_bytes
    }

    /// The tasks that are Placed or Assigned here or held here, and some that were.
    pub fn tasks_here(&self, tasks: &Tasks, id: WorkerId) -> Vec<TaskId> {
        let mut here = self.noted.clone();
        here.sort_unstable();
        here.dedup();
        keep_here(&mut here, tasks, id);
        here.into_vec()
    }

    /// Writes down that a task is here.
    pub fn note(&mut self, tasks: &Tasks, id: WorkerId, task: TaskId) {
        let live = self.held_count + u64::from(self.placed_count + self.assigned_count);
        if self.noted.len() as u64 > 2 * live + 64 {
            keep_here(&mut self.noted, tasks, id);
            if self.noted.len() as u64 > live + 32 {
                // Some were noted each time that they came.
                self.noted.sort_unstable();
                self.noted.dedup();
            }
        }
        self.noted.push(task);
    }

    /// Whether tasks and values may be sent there.
    #[inline]
    pub fn takes_tasks(&self) -> bool {
        !self.retiring && self.paused_since.is_none()
    }

    /// Threads, at least one; more than a machine can have are a peer's nonsense.
    #[inline]
    pub fn thread_count(&self) -> u32 {
        self.thread_count
    }

    /// Tasks Assigned here, and copies of tasks, that run or will run on its threads.
    #[inline]
    pub fn busy_count(&self) -> u32 {
        self.assigned_count + self.copy_count - self.seceded_count
    }

    /// Whether a thread has nothing to do, and could have.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.busy_count() < self.thread_count && !self.retiring
    }

    /// No less than this is the predicted time until a thread is free for any task that is new here;
    /// `NO_LOAD` if the worker takes none.
    #[inline]
    pub fn load_micros(&self) -> u32 {
        if !self.takes_tasks() {
            return NO_LOAD;
        }
        let all = self.placed_micros + self.assigned_micros;
        let others = all - self.sources.placed_micros - self.sources.assigned_micros;
        let load = match self.thread_count {
            1 => others,
            threads => others / u64::from(threads),
        };
        load.min(u64::from(NO_LOAD - 1)) as u32
    }

    /// Predicted time until all that is here has run.
    #[inline]
    pub fn occupancy_micros(&self) -> u64 {
        (self.placed_micros + self.assigned_micros) / u64::from(self.thread_count())
    }

    /// Predicted time until a thread is free for a task that goes before all that need nothing.
    pub fn occupancy_before_sources_micros(&self) -> u64 {
        let threads = u64::from(self.thread_count());
        let sources = self.sources;
        let all = self.placed_micros + self.assigned_micros;
        let others = (all - sources.placed_micros - sources.assigned_micros) / threads;
        let is_full = u64::from(self.busy_count()) >= threads;
        match u64::from(sources.assigned_count) {
            count if count > 0 && is_full => {
                others + sources.assigned_micros / count / (threads + 1)
            }
            _ => others,
        }
    }

    /// The host part of its address.
    pub fn host(&self) -> Option<&str> {
        host_of(&self.register.address)
    }

    /// How much of a resource it has in all.
    pub fn resource_total(&self, name: &str) -> f64 {
        let resources = self.register.resources.iter();
        resources
            .filter(|resource| resource.name == name)
            .map(|resource| resource.amount)
            .sum()
    }

    /// Whether these amounts are free now.
    pub fn has_free(&self, resources: &[(String, f64)]) -> bool {
        resources.iter().all(|(name, amount)| {
            let taken = self.taken.get(name).copied().unwrap_or(0.0);
            self.resource_total(name) - taken >= *amount - 1e-9
        })
    }

    /// Takes (`sign` 1) or gives back (`sign` -1) amounts.
    pub fn take(&mut self, resources: &[(String, f64)], sign: f64) {
        for (name, amount) in resources {
            *self.taken.entry(name.clone()).or_insert(0.0) += sign * amount;
        }
    }
}

/// A worker's memory; `u64::MAX` if that has no limit.
fn limit_of(worker: &Worker) -> u64 {
    match worker.register.memory_bytes_max {
        0 => u64::MAX,
        limit => limit,
    }
}

/// All workers, in the order of their numbers.
#[derive(Debug)]
pub(crate) struct Workers {
    pub by_id: super::WorkerTable,
    /// The least memory of those with a limit; `u64::MAX` if none has.
    pub limit_min: u64,
    /// The sum of what each has.
    needed_bytes: u64,
    /// How many are paused, and how many may be sent tasks and values.
    paused_count: usize,
    taking_count: usize,
}

impl Default for Workers {
    fn default() -> Self {
        Workers {
            by_id: Default::default(),
            limit_min: u64::MAX,
            needed_bytes: 0,
            paused_count: 0,
            taking_count: 0,
        }
    }
}

impl Workers {
    /// A worker joins.
    pub fn insert(&mut self, id: WorkerId, worker: Worker) {
        self.remove(id);
        self.limit_min = self.limit_min.min(limit_of(&worker));
        self.count_in(&worker);
        self.by_id.insert(id, worker);
    }

    fn count_in(&mut self, worker: &Worker) {
        self.paused_count += usize::from(worker.paused_since.is_some());
        self.taking_count += usize::from(worker.takes_tasks());
    }

    fn count_out(&mut self, worker: &Worker) {
        self.paused_count -= usize::from(worker.paused_since.is_some());
        self.taking_count -= usize::from(worker.takes_tasks());
    }

    /// Whether a worker is paused, since when, and whether it is to leave.
    fn change(&mut self, id: WorkerId, change: impl FnOnce(&mut Worker)) {
        let Some(worker) = self.by_id.get_mut(&id) else {
            return;
        };
        let was = (worker.paused_since.is_some(), worker.takes_tasks());
        change(worker);
        let is = (worker.paused_since.is_some(), worker.takes_tasks());
        self.paused_count = self.paused_count + usize::from(is.0) - usize::from(was.0);
        self.taking_count = self.taking_count + usize::from(is.1) - usize::from(was.1);
        self.by_id.note_load(id);
    }

    /// A worker is paused since then, or goes on.
    pub fn set_paused(&mut self, id: WorkerId, since: Option<Time>) {
        self.change(id, |worker| worker.paused_since = since);
    }

    /// A worker is to leave.
    pub fn set_retiring(&mut self, id: WorkerId) {
        self.change(id, |worker| worker.retiring = true);
    }

    /// How many are paused.
    pub fn paused_count(&self) -> usize {
        self.paused_count
    }

    /// Whether any may be sent tasks and values.
    #[inline]
    pub fn any_takes_tasks(&self) -> bool {
        self.taking_count > 0
    }

    /// Whether what is counted is what there is.
    pub fn check_counts(&self) -> bool {
        let paused = self.by_id.values().filter(|w| w.paused_since.is_some());
        let taking = self.by_id.values().filter(|w| w.takes_tasks());
        (paused.count(), taking.count()) == (self.paused_count, self.taking_count)
            && self.by_id.check_loads()
    }

    /// A worker leaves.
    pub fn remove(&mut self, id: WorkerId) -> Option<Worker> {
        let left = self.by_id.remove(&id)?;
        self.count_out(&left);
        self.needed_bytes -= left.needed_bytes;
        if limit_of(&left) == self.limit_min {
            let limits = self.by_id.values().map(limit_of);
            self.limit_min = limits.min().unwrap_or(u64::MAX);
        }
        Some(left)
    }

    /// Bytes that pending tasks need, every copy counted.
    pub fn needed_bytes(&self) -> u64 {
        self.needed_bytes
    }

    /// A worker holds a value of so many bytes that pending tasks need.
    pub fn on_needed(&mut self, id: WorkerId, nbytes: u64) {
        if let Some(worker) = self.by_id.get_mut(&id) {
            worker.needed_bytes += nbytes;
            self.needed_bytes += nbytes;
        }
    }

    /// A worker does not hold it any more, or no pending task needs it.
    pub fn on_unneeded(&mut self, id: WorkerId, nbytes: u64) {
        if let Some(worker) = self.by_id.get_mut(&id) {
            worker.needed_bytes -= nbytes;
            self.needed_bytes -= nbytes;
        }
    }

    /// The worker, if it is connected.
    #[inline]
    pub fn find_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.by_id.get_mut(&id)
    }

    /// The worker, if it is connected.
    #[inline]
    pub fn find(&self, id: WorkerId) -> Option<&Worker> {
        self.by_id.get(&id)
    }
}
