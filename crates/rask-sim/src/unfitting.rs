//! Tasks that are too large for any worker: what clients declare of layers, and which tasks the
//! scheduler may or must refuse for it.

use std::collections::HashSet;

use rask_graph::{Graph, Layer, TaskTable};

use crate::graphs::{identity, nbytes};
use crate::random::mix;

/// No simulated worker's memory is as large.
const OVERSIZED_BYTES: u64 = 1 << 40;
/// Of values that are not large, wrongly, as of sparse arrays.
const USUAL_BYTES: u64 = 700;
/// One layer of so many is oversized.
const OVERSIZED_EVERY: u64 = 24;

/// Layers take parts of their inputs.
pub(crate) const PARTS: u32 = 5;

/// Whether blocks of the layer at this position take parts of their inputs.
pub(crate) fn takes_parts(index: usize) -> bool {
    index % 3 == 2
}

/// What clients say of a layer's blocks: bytes, and whether these are certain.
pub(crate) fn declared(index: usize, layer: &Layer) -> Option<(u64, bool)> {
    let drawn = mix(index as u64 ^ mix(layer.block_count())) % OVERSIZED_EVERY;
    match drawn {
        0 => Some((OVERSIZED_BYTES, true)),
        1 => Some((OVERSIZED_BYTES, false)),
        _ if index.is_multiple_of(2) => None,
        _ => Some((USUAL_BYTES, false)),
    }
}

/// What becomes of tasks that are too large.
#[derive(Debug, Default)]
pub(crate) struct Unfitting {
    /// Blocks of these layers are never made.
    refused: HashSet<u32>,
    /// These, or something that they need, may be refused: that depends on where values are, and on
    /// whether a worker dies.
    doubtful: HashSet<(u32, u32)>,
}

impl Unfitting {
    /// Of a graph, where workers have so much memory and values are so many times as large.
    pub(crate) fn of(graph: &Graph, limit: Option<u64>, scale: u64) -> Self {
        let mut found = Unfitting::default();
        let Some(limit) = limit else {
            return found;
        };
        let table = TaskTable::expand(graph).expect("random graphs are valid");
        for task in 0..table.len() as u32 {
            let at = table.block_of(task);
            let (index, layer) = (at.layer.0, &graph.layers[at.layer.0 as usize]);
            let is_oversized = declared(index as usize, layer).filter(|(bytes, _)| *bytes > limit);
            // What is made from values that may be sparse may be so too.
            if layer.inputs.is_empty() && is_oversized.is_some_and(|(_, is_certain)| is_certain) {
                found.refused.insert(index);
            }
            let mut inputs: Vec<(u32, u32)> = table
                .deps(task)
                .iter()
                .map(|&dep| table.block_of(dep))
                .map(|at| (at.layer.0, at.block))
                .collect();
            inputs.sort_unstable();
            inputs.dedup();
            let given: u64 = inputs
                .iter()
                .map(|&(layer, block)| {
                    let name = &graph.layers[layer as usize].name;
                    nbytes(identity(name, block)) * scale
                })
                .sum();
            let is_given_too_much = given > limit && !takes_parts(index as usize);
            if is_oversized.is_some()
                || is_given_too_much
                || inputs.iter().any(|input| found.doubtful.contains(input))
            {
                found.doubtful.insert((index, at.block));
            }
        }
        found
    }

    /// Whether no block of a layer is made.
    pub(crate) fn is_refused(&self, layer: u32) -> bool {
        self.refused.contains(&layer)
    }

    /// Whether a block may be refused.
    pub(crate) fn may_be_refused(&self, key: (u32, u32)) -> bool {
        self.doubtful.contains(&key)
    }
}
