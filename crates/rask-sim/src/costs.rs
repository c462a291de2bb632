//! How long tasks take, and how large their values are: at random, or as a study says.

use std::collections::HashMap;

use crate::graphs::{identity, nbytes};
use crate::random::mix;

/// What tasks of one layer cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Of each value.
    pub bytes: u64,
    /// Of each task.
    pub micros: u64,
}

/// What everything costs. Without layers: anything, by seed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Costs {
    pub(crate) layers: HashMap<String, Cost>,
    /// Clients say how large values will be.
    pub(crate) declares_sizes: bool,
    /// Between any two workers, and to and from disk.
    pub(crate) bytes_per_second: Option<u64>,
    /// By how much tasks of a layer take longer or shorter, at most, in percent.
    pub(crate) spread_percent: u64,
    pub(crate) seed: u64,
}

impl Costs {
    pub(crate) fn bytes(&self, layer: &str, block: u32) -> u64 {
        match self.layers.get(layer) {
            Some(cost) => cost.bytes,
            None => nbytes(identity(layer, block)),
        }
    }

    /// Whether anything is said at all.
    pub(crate) fn is_study(&self) -> bool {
        !self.layers.is_empty()
    }

    /// What clients say of a layer's values.
    pub(crate) fn find_declared(&self, layer: &str) -> Option<u64> {
        let cost = self.layers.get(layer).filter(|_| self.declares_sizes);
        cost.map(|cost| cost.bytes)
    }

    /// What a task takes, where a study says so.
    pub(crate) fn find_micros(&self, layer: &str, block: u32) -> Option<u64> {
        let cost = self.layers.get(layer)?;
        let drawn = mix(identity(layer, block) ^ mix(self.seed)) % (2 * self.spread_percent + 1);
        Some(cost.micros * (100 + drawn - self.spread_percent) / 100)
    }

    /// What moving so many bytes takes beyond the usual.
    pub(crate) fn moving_micros(&self, bytes: u64) -> u64 {
        let speed = self.bytes_per_second;
        speed.map_or(0, |speed| bytes.saturating_mul(1_000_000) / speed)
    }
}
