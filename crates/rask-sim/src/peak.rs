//! What is in memory when there is most of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::simulation::Simulation;
use crate::worker::{SimWorker, key_of};

/// Values of one layer in the memory of all workers together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtPeak {
    pub layer: String,
    /// Values, each counted once.
    pub values: u64,
    /// Copies of these beyond the first, and those of them that are on their way.
    pub copies: u64,
    pub coming: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// What was in memory about when there was most of it, by layer.
pub type Peak = Vec<AtPeak>;

/// A new peak is looked at if it exceeds the last one by this part of it.
const NOTED_PART: u64 = 64;

impl Simulation {
    /// Something may have changed in the memory of a worker.
    pub(crate) fn note_held(&mut self, number: u32) {
        if !self.costs.is_study() {
            return;
        }
        let worker = self.workers.get(&number);
        let bytes = worker.map_or(0, SimWorker::bytes_in_memory);
        let before = self.held.insert(number, bytes).unwrap_or(0);
        self.held_together = self.held_together - before + bytes;
        let together = self.held_together;
        self.report.held_together_most = self.report.held_together_most.max(together);
        if together > self.peak_noted + self.peak_noted / NOTED_PART {
            self.peak_noted = together;
            self.peak = self.find_held();
        }
    }

    fn find_held(&self) -> Peak {
        let mut seen = BTreeSet::new();
        let mut layers: BTreeMap<u32, AtPeak> = BTreeMap::new();
        for worker in self.workers.values() {
            for (key, bytes, is_coming) in worker.in_memory() {
                let (number, block) = key_of(key);
                let layer = layers.entry(number).or_default();
                layer.bytes += bytes;
                layer.coming += u64::from(is_coming);
                if is_coming || !seen.insert((number, block)) {
                    layer.copies += 1;
                } else {
                    layer.values += 1;
                    layer.layer = worker.name_of(number);
                }
            }
        }
        layers.into_values().collect()
    }
}
