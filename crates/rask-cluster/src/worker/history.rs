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

#[derive(Clone, Copy)]
struct Entry {
    key: Key,
    step: Step,
    micros: u64,
}

struct Gone {
    number: u32,
    name: Arc<str>,
    numbered: bool,
    /// Steps so far when the layer went.
    until: u64,
}

/// A step for people: name of the layer, block, whether this is part of the key, what happened, and
/// when in microseconds since the epoch.
pub type Told = (String, u32, bool, &'static str, u64);

/// The last steps, in their order.
#[derive(Default)]
pub(super) struct History {
    entries: VecDeque<Entry>,
    written: u64,
    gone: VecDeque<Gone>,
    /// The time of the steps at hand.
    micros: u64,
}

impl History {
    /// Looks at the clock: once for all steps of an event.
    pub fn tick(&mut self) {
        self.micros = now_micros();
    }

    pub fn note(&mut self, key: Key, step: Step) {
        if self.entries.len() >= STEPS_MAX {
            self.entries.pop_front();
        }
        self.written += 1;
        let micros = self.micros;
        self.entries.push_back(Entry { key, step, micros });
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

    /// The steps of the tasks that `wanted` chooses by layer and block, with names from `layers` or
    /// of layers that are gone.
    pub fn told(
        &self,
        layers: &HashMap<u32, Arc<RunLayer>>,
        wanted: &dyn Fn(&str, u32) -> bool,
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
            let step = (entry.step.name(), entry.micros);
            wanted(name, block).then(|| (name.to_owned(), block, numbered, step.0, step.1))
        });
        told.collect()
    }
}
