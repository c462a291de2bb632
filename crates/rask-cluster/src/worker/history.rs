//! What the tasks of a worker went through last. Names are looked up when somebody asks.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::HashMap;

use super::core::Key;
use super::layer::RunLayer;
use crate::logs::now_micros;

/// Steps remembered.
const STEPS_MAX: usize = 20_000;

/// What happened to a task or its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It came from the scheduler.
    Waiting,
    /// A thread has taken it.
    Executing,
    Memory,
    Error,
    /// It was called back.
    Cancelled,
    /// It was given back, since it had not begun and others have nothing to do.
    GivenBack,
    /// Its value came from a peer.
    Fetched,
    /// Its value could not be had from a peer.
    Missing,
    Spilled,
    Released,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::Waiting => "waiting",
            Step::Executing => "executing",
            Step::Memory => "memory",
            Step::Error => "error",
            Step::Cancelled => "cancelled",
            Step::GivenBack => "given-back",
            Step::Fetched => "fetched",
            Step::Missing => "missing",
            Step::Spilled => "spilled",
            Step::Released => "released",
        }
    }
}

/// What made tasks take steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stimulus {
    /// The scheduler hands out tasks.
    #[default]
    Assignment,
    /// It calls tasks back.
    Recall,
    /// It needs values no longer.
    Free,
    /// It asks for what has not begun, or there is no memory for it.
    GiveBack,
    /// A peer sent values, or did not.
    Fetch,
    FetchFailure,
    /// A thread looks for something to do.
    Turn,
    /// A task has ended.
    End,
    Spill,
}

impl Stimulus {
    fn name(self) -> &'static str {
        match self {
            Stimulus::Assignment => "compute-tasks",
            Stimulus::Recall => "cancel-compute",
            Stimulus::Free => "free-keys",
            Stimulus::GiveBack => "give-back",
            Stimulus::Fetch => "gather-dep-success",
            Stimulus::FetchFailure => "gather-dep-failure",
            Stimulus::Turn => "ensure-computing",
            Stimulus::End => "task-ended",
            Stimulus::Spill => "spill",
        }
    }
}

#[derive(Clone, Copy)]
struct Entry {
    key: Key,
    step: Step,
    stimulus: Stimulus,
    serial: u64,
    micros: u64,
}

struct Gone {
    number: u32,
    name: Arc<str>,
    numbered: bool,
    /// Steps so far when the layer went.
    until: u64,
}

/// A step for people.
#[derive(Clone, Debug)]
pub struct Told {
    pub layer: String,
    pub block: u32,
    /// The block is part of the key.
    pub numbered: bool,
    /// What happened.
    pub step: &'static str,
    /// Why: the same for all steps that followed from one event.
    pub stimulus: String,
    /// When, in microseconds since the epoch.
    pub micros: u64,
}

/// Chooses steps by name of the layer, block and stimulus.
pub type Choice<'a> = &'a dyn Fn(&str, u32, &str) -> bool;

/// The last steps, in their order.
#[derive(Default)]
pub(super) struct History {
    entries: VecDeque<Entry>,
    written: u64,
    gone: VecDeque<Gone>,
    /// The time of the steps at hand, their reason, and its number.
    micros: u64,
    stimulus: Stimulus,
    serial: u64,
}

impl History {
    /// Something happens. Looks at the clock: once for all steps that follow from it.
    pub fn begin(&mut self, stimulus: Stimulus) {
        self.micros = now_micros();
        self.stimulus = stimulus;
        self.serial += 1;
    }

    pub fn note(&mut self, key: Key, step: Step) {
        if self.entries.len() >= STEPS_MAX {
            self.entries.pop_front();
        }
        self.written += 1;
        self.entries.push_back(Entry {
            key,
            step,
            stimulus: self.stimulus,
            serial: self.serial,
            micros: self.micros,
        });
    }

    /// A layer is gone; its name is kept as long as steps name it.
    pub fn forget_layer(&mut self, number: u32, layer: &RunLayer) {
        self.gone.push_back(Gone {
            number,
            name: layer.name.clone(),
            numbered: !layer.grid.0.is_empty(),
            until: self.written,
        });
        let oldest = self.written - self.entries.len() as u64;
        while let Some(first) = self.gone.front()
            && (first.until <= oldest || self.gone.len() > STEPS_MAX)
        {
            self.gone.pop_front();
        }
    }

    /// The steps that are `wanted`, with names from `layers` or of layers that are gone. The number
    /// of the worker tells its stimuli from those of others.
    pub fn told(
        &self,
        worker: u32,
        layers: &HashMap<u32, Arc<RunLayer>>,
        wanted: Choice<'_>,
    ) -> Vec<Told> {
        let gone = self.gone.iter();
        let gone: HashMap<u32, &Gone> = gone.map(|gone| (gone.number, gone)).collect();
        let told = self.entries.iter().filter_map(|entry| {
            let (number, block) = entry.key;
            let (name, numbered) = match (layers.get(&number), gone.get(&number)) {
                (Some(layer), _) => (&*layer.name, !layer.grid.0.is_empty()),
                (None, Some(gone)) => (&*gone.name, gone.numbered),
                (None, None) => ("a layer that was forgotten", true),
            };
            let stimulus = format!("{}-{worker}.{}", entry.stimulus.name(), entry.serial);
            wanted(name, block, &stimulus).then(|| Told {
                layer: name.to_owned(),
                block,
                numbered,
                step: entry.step.name(),
                stimulus,
                micros: entry.micros,
            })
        });
        told.collect()
    }
}
