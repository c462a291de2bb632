//! A worker without threads, sockets and values: what it would do takes a random time.

mod working;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use rask_exec::{Assignment, Command, Event, Job, Limits, Pace, Pull, Source, TaskId};
use rask_proto::{
    Assign, Blocks, FromWorker, Heartbeat, Holdings, LayerActivity, Missing, TaskErred, ToWorker,
    Transfers, WorkerLayer,
};

use self::working::finished;
use crate::Faults;
use crate::costs::Costs;
use crate::flakes::Flakes;
use crate::graphs::{identity, make, raises};
use crate::network::{Asked, LayerRef, Note};
use crate::random::Random;

/// One worker process.
pub(crate) struct SimWorker {
    /// The scheduler's number of it.
    number: u32,
    threads: u32,
    busy: u32,
    /// Tasks that run and take no thread.
    pub(crate) absent: HashSet<TaskId>,
    pub(crate) tasks: rask_exec::Worker,
    pub(crate) layers: HashMap<u32, WorkerLayer>,
    /// Peers of which it was told where they are, and those that have left.
    peers: HashSet<u32>,
    gone: HashSet<u32>,
    /// Values by slot.
    memory: BTreeMap<TaskId, u64>,
    disk: BTreeMap<TaskId, u64>,
    commands: Vec<Command>,
    pub(crate) costs: Arc<Costs>,
    disk_full: bool,
    /// Most bytes held at a time.
    pub(crate) held_most: u64,
    /// How often it has looked for something to do.
    pulls: u64,
    /// See [`crate::Hosts::value_scale`].
    pub(crate) value_scale: u64,
}

/// What a worker wants to be done.
#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) tell: Vec<FromWorker>,
    pub(crate) jobs: Vec<Job>,
    /// By holder.
    pub(crate) ask: BTreeMap<u32, Vec<Asked>>,
}

impl SimWorker {
    pub(crate) fn new(number: u32, threads: u32, budget: Option<u64>, costs: Arc<Costs>) -> Self {
        SimWorker {
            number,
            threads,
            busy: 0,
            absent: HashSet::new(),
            tasks: rask_exec::Worker::new(Limits {
                memory_bytes_max: budget,
                spill_bytes_min: 0,
                spills_ahead: true,
            }),
            layers: HashMap::new(),
            peers: HashSet::new(),
            gone: HashSet::new(),
            memory: BTreeMap::new(),
            disk: BTreeMap::new(),
            commands: Vec::new(),
            costs,
            disk_full: false,
            held_most: 0,
            pulls: 0,
            value_scale: 1,
        }
    }

    pub(crate) fn on_message(&mut self, message: ToWorker, effects: &mut Effects) {
        match message {
            ToWorker::Layer(layer) => {
                self.layers.insert(layer.id, layer.into_layer());
            }
            ToWorker::Assign(assign) => {
                self.on_assign(assign, effects);
                self.give_back_unbegun(effects);
            }
            ToWorker::Unassign(blocks) | ToWorker::Kill(blocks) => {
                for key in blocks.iter() {
                    self.tasks.cancel(number_of(key), &mut self.commands);
                    self.obey(effects, None);
                }
            }
            ToWorker::Free(blocks) => {
                for key in blocks.iter() {
                    self.tasks.free(number_of(key), &mut self.commands);
                    self.obey(effects, None);
                }
            }
            ToWorker::Replicate(wish) => self.on_replicate(&wish, effects),
            ToWorker::GiveBack(wish) => self.on_give_back(wish.count, effects),
            ToWorker::ForgetLayers(blocks) => {
                for (layer, _) in blocks.iter() {
                    self.layers.remove(&layer);
                }
            }
            ToWorker::Peers(peers) => {
                self.peers
                    .extend(peers.joined.iter().map(|peer| peer.worker));
                for worker in peers.left {
                    self.peers.remove(&worker);
                    self.gone.insert(worker);
                }
            }
            ToWorker::Welcome(_) | ToWorker::Pages(_) | ToWorker::Shutdown(_) => {}
        }
        self.pull(effects);
    }

    /// The scheduler is back: tasks that have not begun are its to hand out again.
    pub(crate) fn on_reconnected(&mut self, number: u32, effects: &mut Effects) {
        self.number = number;
        self.gone.extend(self.peers.drain());
        for key in self.tasks.waiting_keys() {
            self.tasks.cancel(key, &mut self.commands);
            self.obey(effects, None);
        }
        effects.tell.clear();
        let (held, nbytes): (Vec<_>, Vec<_>) = self.tasks.held().unzip();
        effects.tell.push(FromWorker::Holdings(Holdings {
            held: Some(held.into_iter().map(key_of).collect()),
            nbytes,
            running: Some(self.tasks.awaited_keys().map(key_of).collect()),
            layers: self.layers.keys().copied().collect(),
            absent: Some(self.tasks.absent_keys().map(key_of).collect()),
        }));
        effects.tell.push(self.heartbeat(None));
        self.pull(effects);
    }

    /// The pace of beginning tasks.
    pub(crate) fn pace(&self) -> Pace {
        self.tasks.pace()
    }

    /// Memory has become short, or is no longer.
    pub(crate) fn set_pace(&mut self, pace: Pace, effects: &mut Effects) {
        self.tasks.set_pace(pace);
        effects.tell.push(self.heartbeat(None));
        self.give_back_unbegun(effects);
        self.pull(effects);
    }

    /// Nothing can be written to its disk any more, or it can again.
    pub(crate) fn set_disk_full(&mut self, disk_full: bool, effects: &mut Effects) {
        self.disk_full = disk_full;
        if !disk_full {
            self.tasks.handle(Event::DiskHasRoom, &mut self.commands);
            self.obey(effects, None);
        }
        effects.tell.push(self.heartbeat(None));
        self.pull(effects);
    }

    pub(crate) fn heartbeat(&self, transfers: Option<Transfers>) -> FromWorker {
        FromWorker::Heartbeat(Heartbeat {
            running: Some(self.tasks.running_keys().map(key_of).collect()),
            paused: self.pace() != Pace::Full,
            spill_error: if self.disk_full { "full" } else { "" }.to_owned(),
            transfers,
            activities: vec![LayerActivity {
                operation: format!("of worker {}", self.number),
                cpu_micros: 1,
                ..LayerActivity::default()
            }],
            ..Heartbeat::default()
        })
    }

    /// While the worker is paused: what has not begun goes back.
    fn give_back_unbegun(&mut self, effects: &mut Effects) {
        if self.pace() != Pace::Paused {
            return;
        }
        let keys = self.tasks.unbegun_keys();
        let mut told = std::mem::take(&mut effects.tell);
        for &key in &keys {
            self.tasks.cancel(key, &mut self.commands);
            self.obey(effects, None);
        }
        if !keys.is_empty() {
            told.push(FromWorker::Missing(Missing {
                tasks: Some(keys.into_iter().map(key_of).collect()),
                ..Missing::default()
            }));
        }
        effects.tell = told;
    }

    fn on_assign(&mut self, assign: Assign, effects: &mut Effects) {
        let tasks = assign.tasks.unwrap_or_default();
        let inputs: Vec<(u32, u32)> = assign.inputs.iter().flat_map(Blocks::iter).collect();
        let mut next = 0;
        for (at, key) in tasks.iter().enumerate() {
            let layer = self.layers.get(&key.0);
            let layer = layer.expect("a task of a known layer");
            let part = match layer.part_modulo {
                0 => 0,
                modulo => 1 + key.1 % modulo,
            };
            let range = next..next + assign.input_counts[at] as usize;
            next = range.end;
            let sources = range.map(|entry| Source {
                key: number_of(inputs[entry]),
                part,
                nbytes: assign.input_nbytes[entry],
                holder: Some(assign.holders[entry])
                    .filter(|&holder| part > 0 || holder != self.number),
            });
            let assignment = Assignment {
                key: number_of(key),
                priority: assign.priorities[at],
                group: key.0,
                lane: 0,
                predicted_bytes: None,
                inputs: sources.collect(),
            };
            self.tasks.assign(assignment, &mut self.commands);
            self.obey(effects, Some(self.number));
        }
    }

    /// Also holds values that peers have; those that are here already are told at once.
    fn on_replicate(&mut self, wish: &Missing, effects: &mut Effects) {
        let mut here = Blocks::default();
        let keys = wish.inputs.iter().flat_map(Blocks::iter);
        for (key, &holder) in keys.zip(&wish.holders) {
            let source = Source {
                key: number_of(key),
                part: 0,
                nbytes: 0,
                holder: Some(holder),
            };
            self.tasks.replicate(source, &mut self.commands);
            let before = self.commands.len();
            self.commands
                .retain(|command| !matches!(command, Command::Report { .. }));
            if self.commands.len() < before {
                here.push(key.0, key.1);
            }
            self.obey(effects, None);
        }
        if !here.is_empty() {
            effects.tell.push(FromWorker::Fetched(here));
        }
    }

    /// Lets go of tasks that have not begun.
    fn on_give_back(&mut self, count: u32, effects: &mut Effects) {
        let mut jobs = Vec::new();
        let mut keys = Vec::new();
        while keys.len() < count as usize {
            let job = self.tasks.pull(Pull::Any, &mut self.commands);
            self.obey(effects, None);
            let Some(job) = job else { break };
            if let Job::Run { task } = job {
                keys.push(key_of(self.tasks.key_of(task)));
            }
            jobs.push(job);
        }
        for job in jobs {
            self.tasks.return_job(job, &mut self.commands);
            self.obey(effects, None);
        }
        for &key in &keys {
            self.tasks.cancel(number_of(key), &mut self.commands);
            self.obey(effects, None);
        }
        effects.tell.push(FromWorker::Missing(Missing {
            tasks: Some(keys.into_iter().collect()),
            ..Missing::default()
        }));
    }

    /// A job came to its end.
    pub(crate) fn on_job_end(
        &mut self,
        job: Job,
        (random, flakes): (&mut Random, &mut Flakes),
        faults: &Faults,
        effects: &mut Effects,
    ) {
        if !self.return_from_absence(&job, effects) {
            self.busy -= 1;
        }
        match job {
            Job::Run { task } => self.on_task_end(task, flakes, faults, effects),
            Job::Spill { task } if self.disk_full => {
                let event = Event::DiskFull { task };
                self.tasks.handle(event, &mut self.commands);
            }
            Job::Spill { task } if random.chance(faults.spill_failing_percent) => {
                let event = Event::SpillFailed { task };
                self.tasks.handle(event, &mut self.commands);
            }
            Job::Spill { task } => {
                self.disk.insert(task, self.memory[&task]);
                let event = Event::Spilled { task };
                self.tasks.handle(event, &mut self.commands);
            }
            Job::Unspill { task } => {
                self.memory.insert(task, self.disk[&task]);
                let event = Event::Unspilled { task };
                self.tasks.handle(event, &mut self.commands);
            }
        }
        self.obey(effects, None);
        self.pull(effects);
    }

    fn on_task_end(
        &mut self,
        task: TaskId,
        flakes: &mut Flakes,
        faults: &Faults,
        effects: &mut Effects,
    ) {
        let (layer, block) = key_of(self.tasks.key_of(task));
        let cancelled = self.tasks.is_cancelled(task);
        let known = self.layers.get(&layer);
        let name = known.map_or(String::new(), |layer| layer.name.clone());
        let identity = identity(&name, block);
        let is_flaky = !cancelled && flakes.raises(identity, faults.flaky_percent);
        if is_flaky || raises(identity, faults.raising_percent) {
            self.tasks
                .handle(Event::Failed { task }, &mut self.commands);
            if !cancelled {
                effects.tell.push(FromWorker::Erred(TaskErred {
                    layer,
                    block,
                    failure: Some(rask_proto::Failure::default()),
                    reschedule: false,
                }));
            }
            return;
        }
        let inputs = self.tasks.inputs(task).iter();
        let value = make(identity, inputs.map(|input| self.memory[input]));
        self.memory.insert(task, value);
        let nbytes = self.costs.bytes(&name, block) * self.value_scale;
        let micros = self.costs.find_micros(&name, block).unwrap_or(1);
        let event = Event::Finished {
            task,
            nbytes,
            nanos: micros * 1000,
        };
        self.tasks.handle(event, &mut self.commands);
        self.commands
            .retain(|command| !matches!(command, Command::Report { task: t } if *t == task));
        if !cancelled {
            let micros = micros.min(u64::from(u32::MAX)) as u32;
            effects
                .tell
                .push(finished([((layer, block), nbytes)], micros));
        }
    }

    /// Values came from a peer, or did not.
    pub(crate) fn on_given(
        &mut self,
        holder: u32,
        keys: &[Asked],
        values: &[Option<(u64, u64)>],
        effects: &mut Effects,
    ) {
        let mut fetched = Blocks::default();
        let mut failed = Vec::new();
        for (asked, value) in keys.iter().zip(values) {
            let Note::Fetch(fetch) = asked.note else {
                unreachable!("a worker's note");
            };
            match *value {
                None => failed.push(fetch),
                Some((value, nbytes)) => {
                    if self.tasks.fetched(&fetch, nbytes, &mut self.commands) {
                        self.memory.insert(fetch.task, value);
                        let key = key_of(fetch.key);
                        if fetch.part == 0 {
                            fetched.push(key.0, key.1);
                        }
                    }
                    self.commands
                        .retain(|c| !matches!(c, Command::Report { task } if *task == fetch.task));
                    self.obey(effects, None);
                }
            }
        }
        if !fetched.is_empty() {
            effects.tell.push(FromWorker::Fetched(fetched));
        }
        let mut missing = Missing::default();
        for fetch in failed {
            self.tasks.fetch_failed(&fetch, &mut self.commands);
            let key = key_of(fetch.key);
            missing.inputs.get_or_insert_default().push(key.0, key.1);
            missing.holders.push(holder);
            self.collect_given_back(&mut missing, effects);
        }
        if missing.inputs.is_some() {
            effects.tell.push(FromWorker::Missing(missing));
        }
        self.pull(effects);
    }

    fn collect_given_back(&mut self, missing: &mut Missing, effects: &mut Effects) {
        for command in &self.commands {
            if let Command::GiveBack { task, .. } = command {
                let (layer, block) = key_of(self.tasks.key_of(*task));
                missing.tasks.get_or_insert_default().push(layer, block);
            }
        }
        self.commands
            .retain(|command| !matches!(command, Command::GiveBack { .. }));
        self.obey(effects, None);
    }

    /// A peer or a client asks for values. Some are refused.
    pub(crate) fn give(
        &self,
        keys: &[Asked],
        random: &mut Random,
        refused_percent: u64,
    ) -> Vec<Option<(u64, u64)>> {
        let found = keys.iter().map(|asked| {
            let layer = match &asked.layer {
                LayerRef::Number(number) => *number,
                LayerRef::Name(name) => {
                    *self.layers.iter().find(|(_, known)| known.name == *name)?.0
                }
            };
            let slot = self.tasks.find(number_of((layer, asked.block)))?;
            if random.chance(refused_percent) {
                return None;
            }
            let value = self.memory.get(&slot).or_else(|| self.disk.get(&slot));
            Some((*value?, self.tasks.nbytes_of(slot)))
        });
        found.collect()
    }

    /// Bytes in memory: of values, and of those that running tasks are making.
    pub(crate) fn bytes_in_memory(&self) -> u64 {
        let made = self.tasks.running_keys().map(|key| {
            let (layer, block) = key_of(key);
            self.costs.bytes(&self.name_of(layer), block) * self.value_scale
        });
        self.tasks.machine().held_bytes() + made.sum::<u64>()
    }

    /// What counts as held in memory: keys with bytes, and whether it is on its way.
    pub(crate) fn in_memory(&self) -> impl Iterator<Item = (u64, u64, bool)> {
        self.tasks.in_memory()
    }

    /// The name of a layer.
    pub(crate) fn name_of(&self, layer: u32) -> String {
        let known = self.layers.get(&layer);
        known.map_or(String::new(), |layer| layer.name.clone())
    }

    /// What a job takes, where a study says so.
    pub(crate) fn find_micros(&self, job: &Job) -> Option<u64> {
        match *job {
            Job::Run { task } => {
                let (layer, block) = key_of(self.tasks.key_of(task));
                let layer = self.layers.get(&layer)?;
                self.costs.find_micros(&layer.name, block)
            }
            Job::Spill { task } | Job::Unspill { task } => {
                let moving = self.costs.moving_micros(self.tasks.nbytes_of(task));
                (moving > 0).then_some(moving)
            }
        }
    }

    /// Panics if anything is left.
    pub(crate) fn check_empty(&self) {
        assert_eq!(
            self.tasks.key_count(),
            0,
            "worker {} knows keys",
            self.number
        );
        assert!(
            self.memory.is_empty() && self.disk.is_empty(),
            "values are left"
        );
        assert_eq!(self.tasks.machine().held_bytes(), 0);
        assert_eq!(self.busy, 0);
        assert!(self.absent.is_empty());
    }
}

pub(crate) fn number_of((layer, block): (u32, u32)) -> u64 {
    u64::from(layer) << 32 | u64::from(block)
}

pub(crate) fn key_of(number: u64) -> (u32, u32) {
    ((number >> 32) as u32, number as u32)
}
