//! How much memory a graph takes on a cluster, and how much its order needs.

use std::fmt;
use std::sync::Arc;

use rask_graph::{Block, Graph, Grid, Input, InputMap, Layer, LayerId};

use crate::Settings;
use crate::costs::{Cost, Costs};
use crate::peak::Peak;
use crate::reference::{least_micros, needed};
use crate::simulation::Simulation;
use crate::{Faults, Hosts, Report};

/// One layer of a graph to be studied.
#[derive(Clone, Debug)]
pub struct StudyLayer {
    /// May be that of others.
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
    /// By how much tasks of a layer take longer or shorter, at most, in percent.
    pub spread_percent: u64,
    /// Clients say how large values will be.
    pub declares_sizes: bool,
}

impl StudyCluster {
    /// Four workers of two threads each without limits, on a network of 1 GB/s, where tasks take up to
    /// 30 % more or less than is usual in their layers.
    pub const FOUR_OF_TWO: StudyCluster = StudyCluster {
        workers: 4,
        threads: 2,
        budget_bytes: None,
        latency_micros: 300,
        bytes_per_second: 1_000_000_000,
        spread_percent: 30,
        declares_sizes: false,
    };
}

/// What came of a study.
#[derive(Clone, Debug)]
pub struct Study {
    /// Most bytes in the memory of all workers together at any time, copies and what tasks are making
    /// included.
    pub peak_bytes: u64,
    /// Most bytes that there are when as many threads in one place run tasks in the graph's order.
    pub needed_bytes: u64,
    /// How long that takes.
    pub needed_micros: u64,
    /// No cluster of as many threads takes less: the longest chain of tasks, and all work spread
    /// evenly, whichever is longer.
    pub least_micros: u64,
    /// What was moved takes so long if all links between workers are busy all the time.
    pub links_micros: u64,
    pub report: Report,
    /// What there was at the peak.
    pub peak: Peak,
}

impl Study {
    /// What the columns of a study's line are.
    pub const HEADING: &str = "  peak MiB     needed  ratio  seconds   needed  ratio  fetched";
    /// The peak, of what the order needs.
    pub fn ratio(&self) -> f64 {
        self.peak_bytes as f64 / self.needed_bytes.max(1) as f64
    }

    /// The time, of what it takes where nothing has to be moved.
    pub fn time_ratio(&self) -> f64 {
        self.report.micros as f64 / self.needed_micros.max(1) as f64
    }

    /// The time until the last task had ended, of what it takes at least.
    pub fn bound_ratio(&self) -> f64 {
        self.report.computed_micros as f64 / self.least_micros.max(1) as f64
    }

    /// The time until the last task had ended, of what it takes at least to compute, or to move what was
    /// moved, whichever is longer.
    pub fn links_ratio(&self) -> f64 {
        let least = self.least_micros.max(self.links_micros).max(1);
        self.report.computed_micros as f64 / least as f64
    }
}

impl fmt::Display for Study {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: u64 = 1 << 20;
        let seconds = |micros: u64| micros as f64 / 1e6;
        write!(
            f,
            "{:>10} {:>10} {:>6.2} {:>8.2} {:>8.2} {:>6.2} {:>8}",
            self.peak_bytes / MIB,
            self.needed_bytes / MIB,
            self.ratio(),
            seconds(self.report.micros),
            seconds(self.needed_micros),
            self.time_ratio(),
            self.report.values_fetched,
        )
    }
}

/// Runs a graph, of which the last layer is wanted.
///
/// # Panics
///
/// As [`simulate`](crate::simulate).
pub fn study(layers: &[StudyLayer], cluster: &StudyCluster, seed: u64) -> Study {
    study_between(Hosts::default(), layers, cluster, seed)
}

/// As [`study`], with workers on these hosts.
///
/// # Panics
///
/// As [`simulate`](crate::simulate).
pub fn study_between(
    hosts: Hosts,
    layers: &[StudyLayer],
    cluster: &StudyCluster,
    seed: u64,
) -> Study {
    let graph = graph_of(layers);
    let tasks = layers
        .iter()
        .map(|layer| u64::from(layer.blocks))
        .sum::<u64>();
    let names: Vec<String> = (0..)
        .zip(layers)
        .map(|(number, layer)| full_name(number, layer))
        .collect();
    let costs = Costs {
        layers: layers
            .iter()
            .enumerate()
            .map(|(number, layer)| (full_name(number, layer), layer.cost))
            .collect(),
        declares_sizes: cluster.declares_sizes,
        bytes_per_second: Some(cluster.bytes_per_second),
        spread_percent: cluster.spread_percent.min(100),
        seed,
    };
    let cost_of = |at: Block| {
        let number = at.layer.0 as usize;
        let layer = &layers[number];
        let micros = costs.find_micros(&names[number], at.block);
        Cost {
            micros: micros.unwrap_or(layer.cost.micros),
            ..layer.cost
        }
    };
    let threads = cluster.workers * cluster.threads;
    let needed = needed(&graph, cost_of, threads);
    let least_micros = least_micros(&graph, cost_of, threads);
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
        hosts,
        together_micros: 0,
        happenings_max: HAPPENINGS_MAX + HAPPENINGS_PER_TASK * tasks,
        trace: false,
    };
    let simulation = Simulation::for_study(seed, settings, graph, (costs, cluster.latency_micros));
    let (report, peak) = simulation.run_to_end();
    let links = u64::from(cluster.workers * cluster.workers.saturating_sub(1)).max(1);
    let bytes_per_second = cluster.bytes_per_second.saturating_mul(links).max(1);
    let links_micros = u128::from(report.bytes_fetched) * 1_000_000 / u128::from(bytes_per_second);
    Study {
        links_micros: links_micros as u64,
        peak_bytes: report.held_together_most,
        needed_bytes: needed.bytes,
        needed_micros: needed.micros,
        least_micros,
        report,
        peak,
    }
}

/// A study that has not come to its end after so many happenings is thought to stand still.
const HAPPENINGS_MAX: u64 = 10_000_000;
const HAPPENINGS_PER_TASK: u64 = 100;

fn full_name(number: usize, layer: &StudyLayer) -> String {
    format!("{}-{number}", layer.name)
}

pub(crate) fn graph_of(layers: &[StudyLayer]) -> Graph {
    let mut graph = Graph::default();
    for (number, layer) in layers.iter().enumerate() {
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
            name: Arc::from(full_name(number, layer)),
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
