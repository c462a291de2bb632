//! Random graphs, and what their tasks must make.

use std::collections::HashMap;

use rask_graph::{Graph, Grid, Input, InputMap, Layer, LayerId, TaskTable};

use crate::random::{Random, mix};
use crate::unfitting::Unfitting;

/// What a task makes: a number that depends on everything it was made from, in order. A task that
/// raises makes none, nor does any that needs it.
pub(crate) type Made = Option<u64>;

/// A graph of up to `layers` explicit layers over up to `blocks` blocks each.
pub(crate) fn random_graph(random: &mut Random, layers: u64, blocks: u64) -> Graph {
    let mut graph = Graph::default();
    let count = 1 + random.below(layers);
    for index in 0..count {
        let length = 1 + random.below(blocks);
        let input_count = if index == 0 { 0 } else { random.below(3) };
        let inputs = (0..input_count).map(|_| {
            let source = random.below(index) as u32;
            let available = graph.layers[source as usize].block_count();
            random_input(random, LayerId(source), length, available)
        });
        let inputs = inputs.collect();
        graph.add(Layer {
            name: format!("layer-{index}").into(),
            grid: Grid::new([length as u32]),
            inputs,
        });
    }
    graph
}

fn random_input(random: &mut Random, layer: LayerId, length: u64, available: u64) -> Input {
    let wide = random.chance(15);
    let mut offsets = vec![0u32];
    let mut blocks: Vec<u32> = Vec::new();
    for block in 0..length {
        if wide {
            blocks.extend(0..available as u32);
        } else {
            let count = random.below(3);
            blocks.extend((0..count).map(|i| ((block + i * 7) % available) as u32));
        }
        offsets.push(blocks.len() as u32);
    }
    Input {
        layer,
        map: InputMap::Explicit {
            offsets: offsets.into(),
            blocks: blocks.into(),
        },
    }
}

/// A number for a block of a layer of this name.
pub(crate) fn identity(name: &str, block: u32) -> u64 {
    let name = name
        .bytes()
        .fold(7u64, |hash, byte| mix(hash ^ u64::from(byte)));
    mix(name ^ u64::from(block).rotate_left(32))
}

/// What a task makes of its inputs.
pub(crate) fn make(identity: u64, inputs: impl Iterator<Item = u64>) -> u64 {
    inputs.fold(identity, |sum, input| mix(sum.rotate_left(9) ^ input))
}

/// Bytes that the value of a block takes.
pub(crate) fn nbytes(identity: u64) -> u64 {
    1 + mix(identity ^ 1) % 1000
}

/// Whether the task of a block raises, `percent` of all.
pub(crate) fn raises(identity: u64, percent: u64) -> bool {
    mix(identity ^ 2) % 1000 < percent * 10
}

/// What every needed block of the graph must make.
pub(crate) fn evaluate(
    graph: &Graph,
    raising_percent: u64,
    unfitting: &Unfitting,
) -> HashMap<(u32, u32), Made> {
    let table = TaskTable::expand(graph).expect("random graphs are valid");
    let mut made: Vec<Made> = Vec::with_capacity(table.len());
    // Layers refer to earlier ones only, so that the table's order will do.
    for task in 0..table.len() as u32 {
        let at = table.block_of(task);
        let identity = identity(&graph.layers[at.layer.0 as usize].name, at.block);
        let inputs = table.deps(task).iter().map(|&dep| made[dep as usize]);
        let inputs: Option<Vec<u64>> = inputs.collect();
        made.push(match inputs {
            _ if unfitting.is_refused(at.layer.0) => None,
            Some(inputs) if !raises(identity, raising_percent) => {
                Some(make(identity, inputs.into_iter()))
            }
            _ => None,
        });
    }
    let blocks = (0..table.len() as u32).map(|task| table.block_of(task));
    blocks.map(|at| (at.layer.0, at.block)).zip(made).collect()
}
