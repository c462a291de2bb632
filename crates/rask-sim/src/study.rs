//! How much memory a graph takes on a cluster, and how much its order needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rask_graph::{Block, Graph, Grid, Input, InputMap, Layer, LayerId, TaskTable, order, ranks};

use crate::costs::{Cost, Costs};
use crate::simulation::{Settings, Simulation};
use crate::{Faults, Hosts, Report};

/// One layer of a graph to be studied.
#[derive(Clone, Debug)]
pub struct StudyLayer {
    pub name: &'static str,
    pub cost: Cost,
    pub blocks: u32,
    /// For each input layer, by position: the blocks that each block needs.
    pub inputs: Vec<(u32, Vec<Vec<u32>>)>,
}

/// A cluster for a study. Nothing goes wrong there.
#[derive(Clone, Copy, Debug)]
pub struct StudyCluster {
    pub workers: u32,
    /// Of each worker.
    pub threads: u32,
    /// What values may take in the memory of each worker.
    pub budget_bytes: Option<u64>,
    /// Most that a message takes.
    pub latency_micros: u64,
    pub bytes_per_second: u64,
    /// Clients say how large values will be.
    pub declares_sizes: bool,
}

/// What came of a study.
#[derive(Clone, Copy, Debug)]
pub struct Study {
    /// Most bytes in the memory of all workers together at any time, copies included.
    pub peak_bytes: u64,
    /// Most bytes that there are when as many threads in one place run tasks in the graph's order.
    pub needed_bytes: u64,
    pub report: Report,
}

impl Study {
    /// The peak, of what the order needs.
    pub fn ratio(&self) -> f64 {
        self.peak_bytes as f64 / self.needed_bytes.max(1) as f64
    }
}

/// Runs a graph, of which the last layer is wanted.
///
/// # Panics
///
/// As [`simulate`](crate::simulate).
pub fn study(layers: &[StudyLayer], cluster: &StudyCluster, seed: u64) -> Study {
    let graph = graph_of(layers);
    let needed_bytes = needed_bytes(&graph, layers, cluster.workers * cluster.threads);
    let costs = Costs {
        layers: layers
            .iter()
            .map(|layer| (layer.name.to_owned(), layer.cost))
            .collect(),
        declares_sizes: cluster.declares_sizes,
        bytes_per_second: Some(cluster.bytes_per_second),
    };
    let settings = Settings {
        speculates: false,
        drops_replicas: false,
        workers: cluster.workers,
        threads: cluster.threads,
        memory_bytes_max: cluster.budget_bytes,
        clients: 1,
        layers: 0,
        blocks: 0,
        faults: Faults::default(),
        hosts: Hosts::default(),
        happenings_max: 10_000_000,
        trace: false,
    };
    let simulation = Simulation::for_study(seed, settings, graph, (costs, cluster.latency_micros));
    let report = simulation.run_to_end();
    Study {
        peak_bytes: report.held_together_most,
        needed_bytes,
        report,
    }
}

fn graph_of(layers: &[StudyLayer]) -> Graph {
    let mut graph = Graph::default();
    for layer in layers {
        let inputs = layer.inputs.iter().map(|(source, lists)| {
            let mut offsets = vec![0u32];
            let mut blocks = Vec::new();
            for list in lists {
                blocks.extend_from_slice(list);
                offsets.push(blocks.len() as u32);
            }
            Input {
                layer: LayerId(*source),
                map: InputMap::Explicit {
                    offsets: offsets.into(),
                    blocks: blocks.into(),
                },
            }
        });
        graph.add(Layer {
            name: Arc::from(layer.name),
            grid: Grid::new([layer.blocks]),
            inputs: inputs.collect(),
        });
    }
    if let Some(last) = layers.last() {
        let layer = LayerId(layers.len() as u32 - 1);
        let wanted = (0..last.blocks).map(|block| Block { layer, block });
        graph.wanted.extend(wanted);
    }
    graph
}

/// The peak of list scheduling: whenever a thread is free, it takes the first task in the graph's
/// order that is ready; values are freed with the last task that needs them.
fn needed_bytes(graph: &Graph, layers: &[StudyLayer], threads: u32) -> u64 {
    let table = TaskTable::expand(graph).expect("studied graphs are valid");
    let sequence = order(&table);
    let ranks = ranks(&sequence);
    let cost = |task: u32| layers[table.block_of(task).layer.0 as usize].cost;
    let count = table.len();
    let mut missing: Vec<usize> = (0..count).map(|t| table.deps(t as u32).len()).collect();
    let mut users: Vec<usize> = (0..count)
        .map(|t| table.dependents(t as u32).len())
        .collect();
    for &task in table.wanted() {
        users[task as usize] += 1;
    }
    let ready = (0..count as u32).filter(|&task| missing[task as usize] == 0);
    let mut ready: BTreeSet<(u32, u32)> = ready.map(|task| (ranks[task as usize], task)).collect();
    let mut running: BTreeMap<(u64, u32), ()> = BTreeMap::new();
    let (mut now, mut held, mut most) = (0u64, 0u64, 0u64);
    loop {
        while running.len() < threads as usize
            && let Some((_, task)) = ready.pop_first()
        {
            running.insert((now + cost(task).micros, task), ());
        }
        let Some(((time, task), ())) = running.pop_first() else {
            return most;
        };
        now = time;
        held += cost(task).bytes;
        most = most.max(held);
        for &dep in table.deps(task) {
            users[dep as usize] -= 1;
            if users[dep as usize] == 0 {
                held -= cost(dep).bytes;
            }
        }
        for &user in table.dependents(task) {
            missing[user as usize] -= 1;
            if missing[user as usize] == 0 {
                ready.insert((ranks[user as usize], user));
            }
        }
    }
}
