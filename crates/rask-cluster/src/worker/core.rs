//! What a worker knows: layers, peers, and the books of its tasks and values, which
//! [`rask_exec::Worker`] keeps.

mod contents;

use std::sync::Arc;

use foldhash::HashMap;
use rask_exec::{
    Assignment, Command, Event, Fetch, Job as Step, Limits, Pace, Pull, Source, Worker,
};
use rask_proto::{Assign, Blocks, Holdings, Missing, Pages, Peers, WorkerLayer};
use rask_store::{Extent, Slots, Spilled};
use rask_value::ValueRef;

use super::history::{History, Step as Noted, Stimulus};
use super::job::{Effects, Fetched, Job, RunJob};
use super::layer::{Kin, RunLayer};
use super::places::Bench;
use super::trash::Trash;

/// A block by the scheduler's number of its layer.
pub(super) type Key = (u32, u32);

/// A slot of the books.
pub(super) type Slot = rask_exec::TaskId;

/// The books of a worker.
pub(super) struct Core {
    pub stopping: bool,
    pub bench: Bench,
    pub trash: Trash,
    /// The scheduler's number of this worker.
    pub own_number: u32,
    pub peers: HashMap<u32, String>,
    layers: HashMap<u32, Arc<RunLayer>>,
    kin: Kin,
    pub(super) tasks: Worker,
    pub(super) slots: Slots,
    /// By slot: whether the value goes with the report if it is small.
    wanted: Vec<bool>,
    pub(super) spilled_bytes: u64,
    /// Why a value could not be written to disk, and of how many bytes.
    pub(super) spill_error: Option<(String, u64)>,
    pub(super) commands: Vec<Command>,
    pub(super) history: History,
}

/// Smaller values are not worth a place on disk.
const SPILL_BYTES_MIN: u64 = 1024;

impl Core {
    /// Books without tasks; values beyond `memory_bytes_max` go to disk.
    pub fn new(memory_bytes_max: Option<u64>) -> Self {
        let limits = Limits {
            memory_bytes_max,
            spill_bytes_min: SPILL_BYTES_MIN,
            spills_ahead: true,
        };
        Core {
            stopping: false,
            bench: Bench::default(),
            trash: Trash::default(),
            own_number: 0,
            peers: HashMap::default(),
            layers: HashMap::default(),
            kin: Kin::default(),
            tasks: Worker::new(limits),
            slots: Slots::default(),
            wanted: Vec::new(),
            spilled_bytes: 0,
            spill_error: None,
            commands: Vec::new(),
            history: History::default(),
        }
    }

    /// The scheduler is back, perhaps after a restart: tasks that have not begun are its to hand
    /// out again; what is held and what runs it is told.
    pub fn on_reconnected(&mut self, own_number: u32, effects: &mut Effects) -> Holdings {
        self.own_number = own_number;
        self.peers.clear();
        for key in self.tasks.waiting_keys() {
            self.tasks.cancel(key, &mut self.commands);
            self.obey(effects, &mut Vec::new());
        }
        effects.given_back.clear();
        let (held, nbytes) = self.tasks.held().map(|(key, n)| (key_of(key), n)).unzip();
        let held: Vec<Key> = held;
        Holdings {
            held: Some(held.into_iter().collect()),
            nbytes,
            running: Some(self.tasks.awaited_keys().map(key_of).collect()),
            layers: self.layers.keys().copied().collect(),
            absent: Some(self.tasks.absent_keys().map(key_of).collect()),
        }
    }

    pub fn on_layer(&mut self, layer: WorkerLayer) {
        let id = layer.id;
        let layer = RunLayer::new(layer, &mut self.kin);
        self.layers.insert(id, Arc::new(layer));
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
            self.peers.insert(peer.worker, peer.to_text());
        }
        let left = peers.left.iter();
        left.filter_map(|worker| self.peers.remove(worker))
            .collect()
    }

    /// Takes on tasks. Those given back at once lack an input that should be here.
    pub fn on_assign(&mut self, assign: Assign, effects: &mut Effects) -> Option<Missing> {
        let tasks = assign.tasks.unwrap_or_default();
        let inputs: Vec<Key> = assign.inputs.iter().flat_map(Blocks::iter).collect();
        let mut next_input = 0;
        let mut lacking = Vec::new();
        self.history.begin(Stimulus::Assignment);
        for (at, key) in tasks.iter().enumerate() {
            self.history.note(key, Noted::Waiting);
            let range = next_input..next_input + assign.input_counts[at] as usize;
            next_input = range.end;
            let layer = self.layers.get(&key.0);
            let part = layer.map_or(0, |layer| layer.part_needed(key.1));
            let sources = range.map(|entry| Source {
                key: number_of(inputs[entry]),
                part,
                nbytes: assign.input_nbytes[entry],
                holder: Some(assign.holders[entry])
                    .filter(|&holder| part > 0 || holder != self.own_number),
            });
            let assignment = Assignment {
                key: number_of(key),
                priority: assign.priorities[at],
                group: key.0,
                lane: 0,
                predicted_bytes: layer.and_then(|layer| layer.find_output_bytes(key.1)),
                inputs: sources.collect(),
            };
            self.tasks.assign(assignment, &mut self.commands);
            self.note_wanted(key, assign.wanted[at]);
            self.hold(key);
            self.obey(effects, &mut lacking);
        }
        (!lacking.is_empty()).then(|| {
            let given_back = std::mem::take(&mut effects.given_back);
            self.missing(given_back, lacking, self.own_number)
        })
    }

    /// A block that is its page needs no thread, all of which may be busy for long.
    fn hold(&mut self, key: Key) {
        let Some(layer) = self.layers.get(&key.0) else {
            return;
        };
        let slot = self.tasks.find(number_of(key));
        let Some(slot) = slot.filter(|&slot| self.tasks.is_ready(slot)) else {
            return;
        };
        if let Some(packed) = layer.take_held(key.1) {
            let nbytes = packed.nbytes();
            self.slots.put(slot, Arc::new(Fetched(packed)));
            self.tasks.supply_ready(slot, nbytes, &mut self.commands);
            self.history.note(key, Noted::Memory);
        }
    }

    fn note_wanted(&mut self, key: Key, wanted: bool) {
        if let Some(slot) = self.tasks.find(number_of(key)) {
            let index = slot as usize;
            if self.wanted.len() <= index {
                self.wanted.resize(index + 1, false);
            }
            self.wanted[index] = wanted;
        }
    }

    fn missing(&self, tasks: Vec<Key>, inputs: Vec<Key>, holder: u32) -> Missing {
        Missing {
            tasks: Some(tasks.into_iter().collect()),
            holders: vec![holder; inputs.len()],
            inputs: Some(inputs.into_iter().collect()),
        }
    }

    pub fn on_unassign(&mut self, blocks: &Blocks, effects: &mut Effects) {
        self.history.begin(Stimulus::Recall);
        for key in blocks.iter() {
            self.history.note(key, Noted::Cancelled);
            self.tasks.cancel(number_of(key), &mut self.commands);
            self.obey(effects, &mut Vec::new());
        }
    }

    /// Drops values.
    pub fn on_free(&mut self, blocks: &Blocks, effects: &mut Effects) {
        self.history.begin(Stimulus::Free);
        for key in blocks.iter() {
            self.history.note(key, Noted::Released);
            self.tasks.free(number_of(key), &mut self.commands);
            self.obey(effects, &mut Vec::new());
        }
    }

    /// Also holds values that peers have.
    pub fn on_replicate(&mut self, wish: &Missing, effects: &mut Effects) {
        let keys = wish.inputs.iter().flat_map(Blocks::iter);
        for (key, &holder) in keys.zip(&wish.holders) {
            let source = Source {
                key: number_of(key),
                part: 0,
                nbytes: 0,
                holder: Some(holder),
            };
            self.tasks.replicate(source, &mut self.commands);
            self.obey(effects, &mut Vec::new());
        }
    }

    pub fn on_forget_layers(&mut self, blocks: &Blocks) -> Vec<Arc<RunLayer>> {
        let layers = blocks.iter();
        let forgotten = layers.filter_map(|(number, _)| {
            let layer = self.layers.remove(&number)?;
            self.history.forget_layer(number, &layer);
            Some(layer)
        });
        forgotten.collect()
    }

    /// The values to fetch now, by holder, as far as there is room for them.
    pub fn take_fetches(&mut self, effects: &mut Effects) -> HashMap<u32, Vec<Fetch>> {
        let mut fetches: HashMap<u32, Vec<Fetch>> = HashMap::default();
        while let Some(fetch) = self.tasks.pull_fetch(&mut self.commands) {
            fetches.entry(fetch.holder).or_default().push(fetch);
        }
        self.obey(effects, &mut Vec::new());
        fetches
    }

    /// Values may take this much from now on, and never more than that while the disk is full.
    pub fn set_budget(&mut self, bytes_max: u64, hard_bytes_max: u64, effects: &mut Effects) {
        self.tasks
            .set_budget(bytes_max, hard_bytes_max, &mut self.commands);
        self.obey(effects, &mut Vec::new());
    }

    /// Tasks begin at this pace from now on. Whether that is another than before.
    pub fn set_pace(&mut self, pace: Pace) -> bool {
        let changed = self.tasks.pace() != pace;
        self.tasks.set_pace(pace);
        changed
    }

    /// The pace of beginning tasks.
    pub fn pace(&self) -> Pace {
        self.tasks.pace()
    }

    /// While the worker is paused: lets go of all tasks that have not begun, if there are any.
    pub fn give_back_unbegun(&mut self, effects: &mut Effects) -> Option<Missing> {
        if self.pace() != Pace::Paused {
            return None;
        }
        let unbegun = self.tasks.unbegun_keys();
        let keys: Vec<Key> = unbegun.into_iter().map(key_of).collect();
        self.history.begin(Stimulus::GiveBack);
        for &key in &keys {
            self.history.note(key, Noted::GivenBack);
            self.tasks.cancel(number_of(key), &mut self.commands);
            self.obey(effects, &mut Vec::new());
        }
        // Those that waited for others are among them.
        effects.given_back.clear();
        (!keys.is_empty()).then(|| self.missing(keys, Vec::new(), self.own_number))
    }

    /// Whether values wait to be fetched.
    pub fn has_fetches(&self) -> bool {
        self.tasks.has_fetches()
    }

    /// A value came from a peer, or a part of one from here.
    pub fn on_fetched(&mut self, fetch: &Fetch, value: ValueRef, effects: &mut Effects) {
        self.history.begin(Stimulus::Fetch);
        self.history.note(key_of(fetch.key), Noted::Fetched);
        let nbytes = value.nbytes();
        if self.tasks.fetched(fetch, nbytes, &mut self.commands) {
            self.slots.put(fetch.task, value);
        }
        self.obey(effects, &mut Vec::new());
    }

    /// These values could not be had from `holder`: the tasks that wait for them are given back.
    pub fn on_fetch_failed(
        &mut self,
        holder: u32,
        fetches: &[Fetch],
        effects: &mut Effects,
    ) -> Missing {
        self.history.begin(Stimulus::FetchFailure);
        for fetch in fetches {
            self.history.note(key_of(fetch.key), Noted::Missing);
            self.tasks.fetch_failed(fetch, &mut self.commands);
            self.obey(effects, &mut Vec::new());
        }
        let inputs = fetches.iter().map(|fetch| key_of(fetch.key)).collect();
        self.missing(std::mem::take(&mut effects.given_back), inputs, holder)
    }

    /// The next jobs: several tasks if they are short.
    pub fn take_jobs(&mut self, jobs: &mut Vec<Job>, thread_count: u32, effects: &mut Effects) {
        let ready = self.tasks.machine().ready_count();
        let share = (ready / thread_count as usize).clamp(1, BATCH_COUNT_MAX);
        let mut predicted = 0u64;
        if ready > 0 {
            self.history.begin(Stimulus::Turn);
        }
        while jobs.len() < share {
            let step = self.tasks.pull(Pull::Any, &mut self.commands);
            self.obey(effects, &mut Vec::new());
            let Some(step) = step else { return };
            let Some(job) = self.prepare(step) else {
                continue;
            };
            if let Job::Run(job) = &job {
                self.history.note(job.key, Noted::Executing);
            }
            let nanos = match &job {
                // Nothing may have to wait behind a task that may have to be given up.
                Job::Run(job) if job.layer.time_limit.is_some() => 0,
                Job::Run(job) => u64::from(job.layer.predict_nanos()),
                Job::Spill { .. } | Job::Unspill { .. } => 0,
            };
            jobs.push(job);
            predicted += nanos;
            if nanos == 0 || predicted > BATCH_NANOS_MAX {
                return;
            }
        }
    }

    /// A task that runs takes no thread from now on, or does again.
    pub fn set_absent(&mut self, key: Key, is_absent: bool) {
        self.tasks.set_absent(number_of(key), is_absent);
    }

    /// A job with what it needs.
    pub(super) fn prepare(&self, step: Step) -> Option<Job> {
        match step {
            Step::Spill { task } => {
                let value = self.slots.find(task)?.clone();
                Some(Job::Spill { slot: task, value })
            }
            Step::Unspill { task } => {
                let extent = self.slots.find_extent(task)?.clone();
                Some(Job::Unspill { slot: task, extent })
            }
            Step::Run { task } => {
                let key = key_of(self.tasks.key_of(task));
                let inputs = self.tasks.inputs(task).iter();
                let inputs = inputs.map(|&input| Some((input, self.slots.find(input)?.clone())));
                Some(Job::Run(RunJob {
                    slot: task,
                    key,
                    layer: self.find_layer(key.0),
                    inputs: inputs.collect::<Option<_>>()?,
                    wanted: self.wanted.get(task as usize).copied().unwrap_or(false),
                }))
            }
        }
    }

    /// Lets go of up to `count` tasks that could run and have not begun: another worker has
    /// nothing to do.
    pub fn on_give_back(&mut self, count: u32, effects: &mut Effects) -> Missing {
        let mut steps = Vec::new();
        let mut keys = Vec::new();
        while keys.len() < count as usize {
            let step = self.tasks.pull(Pull::Any, &mut self.commands);
            self.obey(effects, &mut Vec::new());
            match step {
                Some(Step::Run { task }) => keys.push(key_of(self.tasks.key_of(task))),
                Some(_) => {}
                None => break,
            }
            steps.extend(step);
        }
        for step in steps {
            self.tasks.return_job(step, &mut self.commands);
            self.obey(effects, &mut Vec::new());
        }
        self.history.begin(Stimulus::GiveBack);
        for &key in &keys {
            self.history.note(key, Noted::GivenBack);
            self.tasks.cancel(number_of(key), &mut self.commands);
            self.obey(effects, &mut Vec::new());
        }
        self.missing(keys, Vec::new(), self.own_number)
    }

    /// Jobs that a thread took and has not begun.
    pub fn give_back(&mut self, jobs: impl Iterator<Item = Job>, effects: &mut Effects) {
        for job in jobs {
            let step = match job {
                Job::Run(job) => Step::Run { task: job.slot },
                Job::Spill { slot, .. } => Step::Spill { task: slot },
                Job::Unspill { slot, .. } => Step::Unspill { task: slot },
            };
            self.tasks.return_job(step, &mut self.commands);
            self.obey(effects, &mut Vec::new());
        }
    }

    /// A task ended, with a value or without. `true` if its outcome is to be reported.
    pub fn on_ended(
        &mut self,
        slot: Slot,
        value: Option<(ValueRef, u64)>,
        nanos: u64,
        effects: &mut Effects,
    ) -> bool {
        let called_back = self.tasks.is_cancelled(slot);
        self.note_ended(slot, value.is_some());
        let event = match value {
            None => Event::Failed { task: slot },
            Some((value, nbytes)) => {
                self.tasks.announce_buffers(slot, &value.buffers());
                self.slots.put(slot, value);
                Event::Finished {
                    task: slot,
                    nbytes,
                    nanos,
                }
            }
        };
        self.tasks.handle(event, &mut self.commands);
        self.commands
            .retain(|command| !matches!(command, Command::Report { task } if *task == slot));
        self.obey(effects, &mut Vec::new());
        !called_back
    }

    fn note_ended(&mut self, slot: Slot, has_value: bool) {
        let key = key_of(self.tasks.key_of(slot));
        let step = if has_value {
            Noted::Memory
        } else {
            Noted::Error
        };
        self.history.begin(Stimulus::End);
        self.history.note(key, step);
    }

    /// The decoded form of a fetched value, for the tasks that come.
    pub fn on_decoded(&mut self, slot: Slot, value: ValueRef, effects: &mut Effects) {
        let fetched = self.slots.find(slot).cloned();
        if fetched.is_some_and(|value| value.downcast_ref::<Fetched>().is_some()) {
            effects.garbage.push(Spilled {
                value: self.slots.take(slot),
                extent: None,
            });
            self.slots.put(slot, value);
        }
    }

    /// The same value in other memory; returns the old one, to be dropped without the lock, or the
    /// new one if the old one is not here any more.
    pub fn replace_value(&mut self, key: Key, old: &ValueRef, new: ValueRef) -> ValueRef {
        let slot = self.tasks.find(number_of(key));
        let slot = slot.filter(|&slot| {
            let held = self.slots.find(slot);
            held.is_some_and(|held| Arc::ptr_eq(held, old))
        });
        let Some(slot) = slot else {
            return new;
        };
        self.tasks.unshare(slot);
        let replaced = self.slots.take(slot);
        self.slots.put(slot, new.clone());
        replaced.unwrap_or(new)
    }

    /// Does what the books say. Inputs that could not be had are added to `lacking`.
    pub(super) fn obey(&mut self, effects: &mut Effects, lacking: &mut Vec<Key>) {
        for command in self.commands.drain(..) {
            match command {
                Command::Drop { task } => {
                    let removed = self.slots.remove(task);
                    let stored = removed.extent.as_ref().map_or(0, Extent::stored_bytes);
                    self.spilled_bytes -= stored;
                    effects.garbage.push(removed);
                }
                Command::Evict { task } => effects.garbage.push(Spilled {
                    value: self.slots.take(task),
                    extent: None,
                }),
                Command::Report { task } => {
                    let key = key_of(self.tasks.key_of(task));
                    effects.arrived.push((key, self.tasks.nbytes_of(task)));
                }
                Command::GiveBack { task, input } => {
                    effects.given_back.push(key_of(self.tasks.key_of(task)));
                    lacking.push(key_of(input));
                }
            }
        }
    }

    /// What runs the task has been given up: there will be no outcome.
    pub fn on_given_up(&mut self, key: Key, effects: &mut Effects) {
        if let Some(slot) = self.tasks.find(number_of(key))
            && self.tasks.is_running(slot)
        {
            self.on_ended(slot, None, 0, effects);
        }
    }
}

/// Most tasks in one batch, and how long a batch may take as predicted: a report leaves after each.
const BATCH_COUNT_MAX: usize = 512;
const BATCH_NANOS_MAX: u64 = 1_000_000;

fn number_of((layer, block): Key) -> u64 {
    u64::from(layer) << 32 | u64::from(block)
}

pub(super) fn key_of(number: u64) -> Key {
    ((number >> 32) as u32, number as u32)
}
