//! How long graphs of the usual shapes take in virtual time, of what they take at least: the longest
//! chain of their tasks, or all their work spread evenly over all threads.
//!
//! Usage: `cargo run --release -p rask-sim --example makespan`

use rask_sim::usual_shapes::{map, random, shuffle, stencil, tree};
use rask_sim::{Cost, StudyCluster, StudyLayer, study};

/// Values of 1 MB, moved at 1 GB/s.
const BYTES: u64 = 1_000_000;
const BYTES_PER_SECOND: u64 = 1_000_000_000;
const LATENCY_MICROS: u64 = 200;

fn main() {
    println!(
        "{:>8} {:>8} {:>8} {:>10} {:>12} {:>12} {:>6}",
        "shape", "tasks", "workers", "µs a task", "least ms", "took ms", "ratio"
    );
    for micros in [1_000, 10_000, 100_000] {
        let cost = Cost {
            bytes: BYTES,
            micros,
        };
        for workers in [8, 64] {
            let width = workers * 8;
            show("map", &map(cost, width * 4), workers);
            show("tree", &tree(cost, width * 4), workers);
            show("stencil", &stencil(cost, width, 10), workers);
            show("shuffle", &shuffle(cost, width / 2), workers);
            show("random", &random(cost, width, 10, 7), workers);
        }
    }
}

fn show(shape: &str, layers: &[StudyLayer], workers: u32) {
    let cluster = StudyCluster {
        workers,
        threads: 2,
        budget_bytes: None,
        latency_micros: LATENCY_MICROS,
        bytes_per_second: BYTES_PER_SECOND,
        spread_percent: 20,
        declares_sizes: false,
    };
    let studies = (0..3).map(|seed| study(layers, &cluster, seed));
    let mut studies: Vec<_> = studies.collect();
    studies.sort_by(|left, right| left.bound_ratio().total_cmp(&right.bound_ratio()));
    let middle = &studies[1];
    println!(
        "{shape:>8} {:>8} {workers:>8} {:>10} {:>12.1} {:>12.1} {:>6.2}",
        middle.report.tasks_run,
        layers[0].cost.micros,
        middle.least_micros as f64 / 1e3,
        middle.report.computed_micros as f64 / 1e3,
        middle.bound_ratio()
    );
}
