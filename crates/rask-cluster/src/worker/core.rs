//! What a worker knows: tasks, values, and what has to be fetched from where.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use foldhash::HashMap;
use rask_proto::{Assign, Blocks, Missing, Packed, Pages, Peers, WorkerLayer};
use rask_value::ValueRef;
use smallvec::SmallVec;

use super::layer::RunLayer;

/// A block by the scheduler's number of its layer.
pub(super) type Key = (u32, u32);

/// A value, as it came.
#[derive(Clone)]
pub(super) enum Slot {
    Value(ValueRef),
    /// Fetched; decoded by the first task that needs it.
    Encoded(Packed),
}

/// A task that was handed to this worker and has not ended.
struct Assigned {
    priority: u64,
    /// Its value goes with the report if it is small.
    wanted: bool,
    inputs: SmallVec<[Key; 2]>,
    /// Entries of `inputs` that are not here.
    missing: u32,
    running: bool,
    /// The scheduler wants it no more: its value is dropped when it ends.
    called_back: bool,
}

/// A task to run, with its inputs.
pub(super) struct Job {
    pub key: Key,
    pub layer: Arc<RunLayer>,
    pub inputs: SmallVec<[(Key, Slot); 4]>,
    pub wanted: bool,
}

/// The books of a worker.
#[derive(Default)]
pub(super) struct Core {
    pub stopping: bool,
    /// Threads to end, since ones that had seceded have come back.
    pub surplus_threads: u32,
    layers: HashMap<u32, Arc<RunLayer>>,
    values: HashMap<Key, (Slot, u64)>,
    pub held_bytes: u64,
    tasks: HashMap<Key, Assigned>,
    /// For each value that is not here, the tasks that wait for it, once an entry of `inputs`.
    waiting: HashMap<Key, Vec<Key>>,
    ready: BinaryHeap<Reverse<(u64, Key)>>,
    pub peers: HashMap<u32, String>,
    /// Values to fetch, by holder.
    pub to_fetch: HashMap<u32, Vec<Key>>,
    pub running_count: u32,
}

/// What an assignment amounts to.
#[derive(Default)]
pub(super) struct Assignment {
    pub ready: usize,
    pub to_fetch: bool,
    /// Tasks whose values are here already.
    pub held: Vec<(Key, u64)>,
}

impl Core {
    pub fn on_layer(&mut self, layer: WorkerLayer) {
        self.layers.insert(layer.id, Arc::new(RunLayer::new(layer)));
    }

    pub fn on_pages(&mut self, pages: Pages) {
        for page in pages.pages {
            if let Some(layer) = self.layers.get(&page.layer) {
                layer.add_page(page);
            }
        }
    }

    pub fn on_peers(&mut self, peers: Peers) -> Vec<String> {
        for peer in peers.joined {
            self.peers.insert(peer.worker, peer.address);
        }
        let left = peers.left.iter();
        left.filter_map(|worker| self.peers.remove(worker))
            .collect()
    }

    pub fn on_assign(&mut self, assign: Assign) -> Assignment {
        let mut outcome = Assignment::default();
        let tasks = assign.tasks.unwrap_or_default();
        let inputs: Vec<Key> = assign.inputs.iter().flat_map(Blocks::iter).collect();
        let mut next_input = 0;
        for (at, key) in tasks.iter().enumerate() {
            let count = assign.input_counts[at] as usize;
            let range = next_input..next_input + count;
            next_input += count;
            if let Some((_, nbytes)) = self.values.get(&key) {
                outcome.held.push((key, *nbytes));
                continue;
            }
            if let Some(known) = self.tasks.get_mut(&key) {
                known.called_back = false;
                if known.running {
                    continue;
                }
                self.forget_task(key);
            }
            let mut missing = 0;
            for entry in range.clone() {
                if self.await_input(inputs[entry], key, assign.holders[entry], &mut outcome) {
                    missing += 1;
                }
            }
            let task = Assigned {
                priority: assign.priorities[at],
                wanted: assign.wanted[at],
                inputs: inputs[range].iter().copied().collect(),
                missing,
                running: false,
                called_back: false,
            };
            if missing == 0 {
                self.ready.push(Reverse((task.priority, key)));
                outcome.ready += 1;
            }
            self.tasks.insert(key, task);
        }
        outcome
    }

    /// Whether `input` is not here; then `task` waits for it, and it is fetched from `holder`.
    fn await_input(
        &mut self,
        input: Key,
        task: Key,
        holder: u32,
        outcome: &mut Assignment,
    ) -> bool {
        if self.values.contains_key(&input) {
            return false;
        }
        let waiting = self.waiting.entry(input).or_default();
        if waiting.is_empty() {
            self.to_fetch.entry(holder).or_default().push(input);
            outcome.to_fetch = true;
        }
        waiting.push(task);
        true
    }

    pub fn on_unassign(&mut self, blocks: &Blocks) {
        for key in blocks.iter() {
            match self.tasks.get_mut(&key) {
                Some(task) if task.running => task.called_back = true,
                Some(_) => self.forget_task(key),
                None => {}
            }
        }
    }

    /// Drops values; they are returned, so that the caller can let go of them outside the lock.
    pub fn on_free(&mut self, blocks: &Blocks) -> Vec<Slot> {
        blocks.iter().filter_map(|key| self.remove(key)).collect()
    }

    pub fn on_forget_layers(&mut self, blocks: &Blocks) -> Vec<Arc<RunLayer>> {
        let layers = blocks.iter();
        layers
            .filter_map(|(layer, _)| self.layers.remove(&layer))
            .collect()
    }

    /// Values came from a peer; returns which were still waited for, and how many tasks became
    /// ready.
    pub fn on_fetched(&mut self, values: Vec<(Key, Packed)>) -> (Blocks, usize) {
        let mut kept = Blocks::default();
        let mut ready = 0;
        for (key, packed) in values {
            if !self.waiting.contains_key(&key) {
                continue;
            }
            let nbytes = packed.nbytes();
            kept.push(key.0, key.1);
            ready += self.insert(key, Slot::Encoded(packed), nbytes);
        }
        (kept, ready)
    }

    /// These values could not be had from `holder`: the tasks that wait for them are given back.
    pub fn on_fetch_failed(&mut self, holder: u32, keys: &[Key]) -> Missing {
        let mut missing = Missing::default();
        let mut tasks = Blocks::default();
        let mut inputs = Blocks::default();
        for &key in keys {
            let Some(waiting) = self.waiting.remove(&key) else {
                continue;
            };
            inputs.push(key.0, key.1);
            missing.holders.push(holder);
            for task in waiting {
                if self.tasks.contains_key(&task) {
                    self.forget_task(task);
                    tasks.push(task.0, task.1);
                }
            }
        }
        missing.tasks = Some(tasks);
        missing.inputs = Some(inputs);
        missing
    }

    /// The next tasks to run: several if they are short.
    pub fn take_jobs(&mut self, jobs: &mut Vec<Job>, thread_count: u32) {
        let share = (self.ready.len() / thread_count as usize).clamp(1, BATCH_COUNT_MAX);
        let mut predicted = 0u64;
        while jobs.len() < share {
            let Some(Reverse((_, key))) = self.ready.pop() else {
                return;
            };
            let Some(task) = self.tasks.get_mut(&key) else {
                continue;
            };
            if task.running || task.missing > 0 {
                continue;
            }
            let Some(layer) = self.layers.get(&key.0).cloned() else {
                continue;
            };
            let inputs = task.inputs.iter();
            let inputs: Option<SmallVec<[(Key, Slot); 4]>> = inputs
                .map(|input| Some((*input, self.values.get(input)?.0.clone())))
                .collect();
            let Some(inputs) = inputs else {
                continue;
            };
            task.running = true;
            self.running_count += 1;
            let nanos = layer.predict_nanos();
            jobs.push(Job {
                key,
                layer,
                inputs,
                wanted: task.wanted,
            });
            predicted += u64::from(nanos);
            if nanos == 0 || predicted > BATCH_NANOS_MAX {
                return;
            }
        }
    }

    /// Jobs that a thread took and has not begun.
    pub fn give_back(&mut self, jobs: impl Iterator<Item = Job>) {
        for job in jobs {
            self.running_count -= 1;
            let Some(task) = self.tasks.get_mut(&job.key) else {
                continue;
            };
            if task.called_back {
                self.tasks.remove(&job.key);
            } else {
                task.running = false;
                self.ready.push(Reverse((task.priority, job.key)));
            }
        }
    }

    /// A task ended. `true` if its outcome is to be reported; a value is kept then.
    pub fn on_ended(&mut self, key: Key, value: Option<(ValueRef, u64)>) -> bool {
        self.running_count -= 1;
        let called_back = self.tasks.remove(&key).is_none_or(|task| task.called_back);
        if let (Some((value, nbytes)), false) = (value, called_back) {
            self.insert(key, Slot::Value(value), nbytes);
        }
        !called_back
    }

    /// The decoded form of a fetched value, for the tasks that come.
    pub fn on_decoded(&mut self, key: Key, value: ValueRef) {
        if let Some((slot, nbytes)) = self.values.get_mut(&key) {
            self.held_bytes -= *nbytes;
            *nbytes = value.nbytes();
            self.held_bytes += *nbytes;
            *slot = Slot::Value(value);
        }
    }

    /// The value of a block, if it is here.
    pub fn find_value(&self, key: Key) -> Option<Slot> {
        self.values.get(&key).map(|(slot, _)| slot.clone())
    }

    /// The numbers of layers by name, as far as they are known here.
    pub fn numbers_of(&self, names: &[String]) -> Vec<Option<u32>> {
        let number_of = |name: &String| {
            let mut layers = self.layers.iter();
            layers
                .find(|(_, layer)| *layer.name == **name)
                .map(|(number, _)| *number)
        };
        names.iter().map(number_of).collect()
    }

    /// Tasks running now.
    pub fn running(&self) -> Blocks {
        let tasks = self.tasks.iter();
        tasks
            .filter(|(_, task)| task.running)
            .map(|(key, _)| *key)
            .collect()
    }

    /// Whether tasks wait for a thread.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Keeps a value; returns how many tasks became ready.
    fn insert(&mut self, key: Key, slot: Slot, nbytes: u64) -> usize {
        self.held_bytes += nbytes;
        if let Some((_, before)) = self.values.insert(key, (slot, nbytes)) {
            self.held_bytes -= before;
        }
        let mut ready = 0;
        for task in self.waiting.remove(&key).unwrap_or_default() {
            let Some(waiting) = self.tasks.get_mut(&task) else {
                continue;
            };
            waiting.missing = waiting.missing.saturating_sub(1);
            if waiting.missing == 0 {
                self.ready.push(Reverse((waiting.priority, task)));
                ready += 1;
            }
        }
        ready
    }

    fn remove(&mut self, key: Key) -> Option<Slot> {
        let (slot, nbytes) = self.values.remove(&key)?;
        self.held_bytes -= nbytes;
        Some(slot)
    }

    fn forget_task(&mut self, key: Key) {
        let Some(task) = self.tasks.remove(&key) else {
            return;
        };
        for input in task.inputs {
            if let Some(waiting) = self.waiting.get_mut(&input) {
                waiting.retain(|task| *task != key);
                if waiting.is_empty() {
                    self.waiting.remove(&input);
                }
            }
        }
    }
}

/// Most tasks in one batch, and how long a batch may take as predicted: a report leaves after each.
const BATCH_COUNT_MAX: usize = 512;
const BATCH_NANOS_MAX: u64 = 1_000_000;
