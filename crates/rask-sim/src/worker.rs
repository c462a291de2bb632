//! A worker: the real machine, with values that are only their sizes.

use std::collections::{BTreeMap, BTreeSet};

use rask_exec::{Assignment, Command, Event, Fetch, Job, Limits, Pull, Source, TaskId, Worker};
use rask_proto::{
    Assign, Blocks, FromWorker, InlineBuilder, Missing, TaskErred, TasksFinished, ToWorker,
};

/// A block by the scheduler's number of its layer.
pub(crate) type Key = (u32, u32);

/// Bytes of every value.
const VALUE_BYTES: u64 = 1000;

/// One worker.
pub(crate) struct SimWorker {
    pub number: u32,
    pub thread_count: u32,
    machine: Worker,
    commands: Vec<Command>,
    /// Tasks running, by slot.
    running: BTreeMap<TaskId, Key>,
    held: BTreeSet<Key>,
}

/// What a worker wants of the world.
#[derive(Default)]
pub(crate) struct Wishes {
    pub messages: Vec<FromWorker>,
    /// Tasks that begin now.
    pub starts: Vec<(TaskId, Key)>,
    pub fetches: Vec<Fetch>,
}

impl SimWorker {
    /// A worker without tasks.
    pub fn new(number: u32, thread_count: u32) -> Self {
        SimWorker {
            number,
            thread_count,
            machine: Worker::new(Limits {
                memory_bytes_max: None,
                spill_bytes_min: 0,
            }),
            commands: Vec::new(),
            running: BTreeMap::new(),
            held: BTreeSet::new(),
        }
    }

    /// Whether the value is here.
    pub fn holds(&self, key: Key) -> bool {
        self.held.contains(&key)
    }

    /// A message of the scheduler.
    pub fn on_message(&mut self, message: ToWorker) -> Wishes {
        let mut wishes = Wishes::default();
        match message {
            ToWorker::Assign(assign) => self.on_assign(&assign, &mut wishes),
            ToWorker::Unassign(blocks) => {
                for key in blocks.iter() {
                    self.machine.cancel(number_of(key), &mut self.commands);
                    self.obey(&mut wishes);
                }
            }
            ToWorker::Free(blocks) => {
                for key in blocks.iter() {
                    self.machine.free(number_of(key), &mut self.commands);
                    self.obey(&mut wishes);
                }
            }
            ToWorker::GiveBack(wish) => self.on_give_back(wish.count, &mut wishes),
            _ => {}
        }
        self.pull(&mut wishes);
        wishes
    }

    fn on_assign(&mut self, assign: &Assign, wishes: &mut Wishes) {
        let inputs: Vec<Key> = assign.inputs.iter().flat_map(Blocks::iter).collect();
        let mut next = 0;
        let tasks = assign.tasks.iter().flat_map(Blocks::iter);
        for (at, key) in tasks.enumerate() {
            let range = next..next + assign.input_counts[at] as usize;
            next = range.end;
            let sources = range.map(|entry| Source {
                key: number_of(inputs[entry]),
                nbytes: assign.input_nbytes[entry],
                holder: Some(assign.holders[entry]).filter(|holder| *holder != self.number),
            });
            let assignment = Assignment {
                key: number_of(key),
                priority: assign.priorities[at],
                group: key.0,
                lane: 0,
                predicted_bytes: None,
                inputs: sources.collect(),
            };
            self.machine.assign(assignment, &mut self.commands);
            self.obey(wishes);
        }
    }

    fn on_give_back(&mut self, count: u32, wishes: &mut Wishes) {
        let mut jobs = Vec::new();
        while jobs.len() < count as usize {
            let job = self.machine.pull(Pull::Any, &mut self.commands);
            self.obey(wishes);
            match job {
                Some(Job::Run { task }) => jobs.push(task),
                _ => break,
            }
        }
        let keys: Vec<u64> = jobs.iter().map(|&task| self.machine.key_of(task)).collect();
        for task in jobs {
            self.machine
                .return_job(Job::Run { task }, &mut self.commands);
            self.obey(wishes);
        }
        for &key in &keys {
            self.machine.cancel(key, &mut self.commands);
            self.obey(wishes);
        }
        wishes.messages.push(FromWorker::Missing(Missing {
            tasks: Some(keys.into_iter().map(key_of).collect()),
            ..Missing::default()
        }));
    }

    /// A task ended after so many microseconds.
    pub fn on_ended(&mut self, slot: TaskId, fails: bool, micros: u32) -> Wishes {
        let mut wishes = Wishes::default();
        let Some(key) = self.running.remove(&slot) else {
            return wishes;
        };
        let cancelled = self.machine.is_cancelled(slot);
        let event = if fails {
            Event::Failed { task: slot }
        } else {
            self.held.insert(key);
            Event::Finished {
                task: slot,
                nbytes: VALUE_BYTES,
                nanos: u64::from(micros) * 1000,
            }
        };
        self.machine.handle(event, &mut self.commands);
        self.commands
            .retain(|command| !matches!(command, Command::Report { task } if *task == slot));
        self.obey(&mut wishes);
        if !cancelled {
            wishes.messages.push(match fails {
                true => erred(key),
                false => finished(key, micros),
            });
        }
        self.pull(&mut wishes);
        wishes
    }

    /// An answer of a peer, or none.
    pub fn on_fetch_ended(&mut self, fetch: Fetch, came: bool) -> Wishes {
        let mut wishes = Wishes::default();
        if came {
            let kept = self
                .machine
                .fetched(fetch.task, VALUE_BYTES, &mut self.commands);
            if kept {
                self.held.insert(key_of(fetch.key));
            }
            self.obey(&mut wishes);
        } else {
            self.machine.fetch_failed(fetch.task, &mut self.commands);
            let tasks = self.obey(&mut wishes);
            wishes.messages.push(FromWorker::Missing(Missing {
                tasks: Some(tasks.into_iter().collect()),
                inputs: Some(Blocks::from_iter([key_of(fetch.key)])),
                holders: vec![fetch.holder],
            }));
        }
        self.pull(&mut wishes);
        wishes
    }

    /// Starts tasks and fetches as far as there are threads.
    fn pull(&mut self, wishes: &mut Wishes) {
        while self.running.len() < self.thread_count as usize {
            let job = self.machine.pull(Pull::Any, &mut self.commands);
            self.obey(wishes);
            let Some(Job::Run { task }) = job else { break };
            let key = key_of(self.machine.key_of(task));
            self.running.insert(task, key);
            wishes.starts.push((task, key));
        }
        while let Some(fetch) = self.machine.pull_fetch(&mut self.commands) {
            self.obey(wishes);
            wishes.fetches.push(fetch);
        }
        self.obey(wishes);
        self.machine.check_invariants();
    }

    /// Carries out what the machine says; returns the tasks given back.
    fn obey(&mut self, wishes: &mut Wishes) -> Vec<Key> {
        let mut given_back = Vec::new();
        let mut lacking = Missing::default();
        for command in std::mem::take(&mut self.commands) {
            match command {
                Command::Drop { task } => {
                    self.held.remove(&key_of(self.machine.key_of(task)));
                }
                Command::Evict { .. } => {}
                Command::Report { task } => {
                    let key = key_of(self.machine.key_of(task));
                    wishes
                        .messages
                        .push(FromWorker::Fetched(Blocks::from_iter([key])));
                }
                Command::GiveBack { task, input } => {
                    let task = key_of(self.machine.key_of(task));
                    let input = key_of(input);
                    given_back.push(task);
                    let inputs = lacking.inputs.get_or_insert_default();
                    inputs.push(input.0, input.1);
                    lacking.holders.push(self.number);
                }
            }
        }
        if !given_back.is_empty() {
            lacking.tasks = Some(given_back.iter().copied().collect());
            wishes.messages.push(FromWorker::Missing(lacking));
        }
        given_back
    }
}

fn finished((layer, block): Key, micros: u32) -> FromWorker {
    let mut inline = InlineBuilder::default();
    inline.push_none();
    FromWorker::Finished(TasksFinished {
        blocks: Some(Blocks::from_iter([(layer, block)])),
        nbytes: vec![VALUE_BYTES],
        duration_micros: vec![micros],
        inline: Some(inline.finish()),
    })
}

fn erred((layer, block): Key) -> FromWorker {
    FromWorker::Erred(TaskErred {
        layer,
        block,
        failure: Some(rask_proto::Failure {
            message: "it fails".to_owned(),
            ..rask_proto::Failure::default()
        }),
        reschedule: false,
    })
}

fn number_of((layer, block): Key) -> u64 {
    u64::from(layer) << 32 | u64::from(block)
}

fn key_of(number: u64) -> Key {
    ((number >> 32) as u32, number as u32)
}
